package bitrix24test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reply is what a call says. A list says how many rows there are in all, and
// where the next page starts if there is one.
type reply struct {
	result  any
	counted bool
	total   int
	next    int
	time    *phpMap
}

// serve answers one request.
func (p *Portal) serve(w http.ResponseWriter, r *http.Request) {
	p.enter()
	defer p.leave()
	status, body := p.answer(r)
	respond(w, r, status, body)
}

// respond sends an answer. A client that has gone gets nothing.
func respond(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	mediaType := "application/json; charset=utf-8"
	if bytes.HasPrefix(body, []byte("<")) {
		mediaType = "text/html"
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// answer returns what the portal says. That the secret is looked at before the
// method's name, and what comes for a path outside "/rest/" or another HTTP
// method than GET and POST, is assumed.
func (p *Portal) answer(r *http.Request) (status int, body []byte) {
	path, found := strings.CutPrefix(r.URL.Path, "/rest/")
	if !found {
		return http.StatusNotFound, nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, nil
	}
	params := parameters(r)
	v, method, failed := p.admit(r, path, params)
	if !v.wait(v.request) {
		return timedOut()
	}
	if failed != nil {
		return failed.answer()
	}
	var said reply
	if method == methodBatch {
		said, failed = p.batch(v, params)
	} else {
		said, failed = p.run(v, method, params, false)
	}
	switch {
	case v.over:
		return timedOut()
	case failed != nil:
		return failed.answer()
	}
	envelope := array("result", said.result)
	if said.next > 0 {
		envelope.set("next", said.next)
	}
	if said.counted {
		envelope.set("total", said.total)
	}
	envelope.set("time", said.time)
	return http.StatusOK, encode(envelope)
}

// admit lets a request in and returns the method that it calls, or what it is
// answered instead.
func (p *Portal) admit(r *http.Request, path string, params *phpMap) (v *visit, method string, failed *APIError) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	v = &visit{ctx: r.Context(), start: now, due: now, request: p.requestTime, command: p.commandTime}
	if failed = p.bucket.take(now); failed != nil {
		return v, "", failed
	}
	method, v.byApp, failed = p.access(path, params)
	return v, method, failed
}

// run runs one command, alone or in a batch, when its time has passed. It says
// nothing where the request is cut off.
func (p *Portal) run(v *visit, name string, params *phpMap, inBatch bool) (said reply, failed *APIError) {
	name = strings.ToLower(name)
	start, request, charged, shown := v.start, v.request, name, &p.operating.inCalls
	if inBatch {
		start, request, shown = time.Now(), 0, &p.operating.inCommands
	}
	if failed = p.blocked(name, inBatch); failed != nil {
		return reply{}, failed
	}
	if !v.wait(v.command) {
		return reply{}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if inBatch && p.operating.charge == ChargeBatch {
		charged = methodBatch
	}
	p.operating.add(time.Now(), charged, v.command)
	if failed = p.begin(name); failed != nil {
		return reply{}, failed
	}
	run := p.methods[name]
	if run == nil {
		notFound := MethodNotFound()
		return reply{}, &notFound
	}
	if failed = p.permit(v.byApp, name, params); failed != nil {
		return reply{}, failed
	}
	if said, failed = run(p, params); failed == nil {
		said.time = p.times(start, request, name, *shown)
	}
	return said, failed
}

// blocked returns the error of a method that has used up its time.
func (p *Portal) blocked(name string, inBatch bool) *APIError {
	p.mu.Lock()
	defer p.mu.Unlock()
	if inBatch && p.operating.charge == ChargeBatch || !p.operating.exhausted(time.Now(), name) {
		return nil
	}
	p.calls[name]++
	failed := OperationTimeLimit()
	return &failed
}

// begin counts a call and returns the error that it meets, or nil. It runs under
// mu.
func (p *Portal) begin(name string) *APIError {
	p.calls[name]++
	return p.failing(name)
}

// paged returns the rows of the page that the call asks for, of n rows, or all
// for 0. Where there are pages, a start of -1 turns the counting off, as in the
// lists of leads and deals; whether it does so here too is not known.
func paged(rows []any, n int, params *phpMap) reply {
	said := reply{result: rows, counted: true, total: len(rows)}
	if n <= 0 {
		return said
	}
	start := number(params.get("start"))
	if start < 0 {
		start, said.total = 0, 0
	}
	start = min(start, len(rows))
	end := start + min(n, len(rows)-start)
	said.result = rows[start:end]
	if end < said.total {
		said.next = end
	}
	return said
}

// moscow is the portal's time zone.
var moscow = time.FixedZone("MSK", 3*60*60)

const layout = "2006-01-02T15:04:05-07:00"

// times returns what the portal says of a call's time. What a request took by
// itself is not processing. The fields of the load limiter stand where
// [Portal.ShowOperating] has them. It runs under mu.
func (p *Portal) times(start time.Time, request time.Duration, method string, operating bool) *phpMap {
	finish := time.Now()
	duration := finish.Sub(start)
	m := array(
		"start", moment(start), "finish", moment(finish),
		"duration", seconds(duration), "processing", seconds(max(0, duration-request)),
		"date_start", start.In(moscow).Format(layout), "date_finish", finish.In(moscow).Format(layout))
	if operating {
		spent, reset := p.operating.sum(finish, method)
		m.set("operating_reset_at", reset)
		m.set("operating", seconds(spent))
	}
	return m
}

func moment(t time.Time) json.Number {
	return json.Number(fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000))
}

func seconds(d time.Duration) json.Number {
	return json.Number(strconv.FormatFloat(d.Seconds(), 'f', -1, 64))
}
