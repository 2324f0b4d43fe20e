package bitrix24test

import (
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
}

// serve answers one request.
func (p *Portal) serve(w http.ResponseWriter, r *http.Request) {
	status, body := p.answer(r)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// answer returns what the portal says. That the secret is looked at before the
// method's name, and what comes for a path outside "/rest/" or another HTTP
// method than GET and POST, is assumed.
func (p *Portal) answer(r *http.Request) (status int, body []byte) {
	start := time.Now()
	path, found := strings.CutPrefix(r.URL.Path, "/rest/")
	if !found {
		return http.StatusNotFound, nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, nil
	}
	params := parameters(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	parts := strings.SplitN(path, "/", 3)
	if len(parts) < 3 {
		return NoAuth().answer()
	}
	if parts[0] != strconv.Itoa(DefaultUserID) || parts[1] != p.secret {
		return InvalidCredentials().answer()
	}
	method := strings.TrimSuffix(strings.ToLower(strings.TrimSuffix(parts[2], "/")), ".json")
	said, failed := p.call(method, params)
	if failed != nil {
		return failed.answer()
	}
	envelope := array("result", said.result)
	if said.next > 0 {
		envelope.set("next", said.next)
	}
	if said.counted {
		envelope.set("total", said.total)
	}
	envelope.set("time", times(start, method != methodBatch))
	return http.StatusOK, encode(envelope)
}

// method is a method of the portal. It runs under mu.
type method func(p *Portal, params *phpMap) (reply, *APIError)

const methodBatch = "batch"

// methodNamed returns the method, or nil.
func methodNamed(name string) method {
	switch name {
	case methodBatch:
		return (*Portal).batch
	case "crm.category.get":
		return (*Portal).categoryGet
	case "crm.category.list":
		return (*Portal).categoryList
	case "crm.settings.mode.get":
		return (*Portal).modeGet
	case "crm.status.entity.items":
		return (*Portal).entityItems
	case "crm.status.entity.types":
		return (*Portal).entityTypes
	case "crm.status.fields":
		return (*Portal).statusFields
	case "crm.status.get":
		return (*Portal).statusGet
	case "crm.status.list":
		return (*Portal).statusList
	case "method.get":
		return (*Portal).methodGet
	case "profile":
		return (*Portal).profile
	case "scope":
		return (*Portal).scope
	case "server.time":
		return (*Portal).serverTime
	}
	return nil
}

// call runs one call, alone or in a batch. It runs under mu.
func (p *Portal) call(name string, params *phpMap) (reply, *APIError) {
	name = strings.ToLower(name)
	p.calls[name]++
	if failed := p.failing(name); failed != nil {
		return reply{}, failed
	}
	run := methodNamed(name)
	if run == nil {
		failed := MethodNotFound()
		return reply{}, &failed
	}
	return run(p, params)
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

// times returns what the portal says of a call's time. The fields of the load
// limiter, which only portals in the cloud have, stand beside single calls and
// those in a batch, and not beside the batch.
func times(start time.Time, operating bool) *phpMap {
	finish := time.Now()
	duration := finish.Sub(start)
	m := array(
		"start", moment(start), "finish", moment(finish),
		"duration", seconds(duration), "processing", seconds(duration/2),
		"date_start", start.In(moscow).Format(layout), "date_finish", finish.In(moscow).Format(layout))
	if operating {
		m.set("operating_reset_at", int(start.Unix())+600)
		m.set("operating", 0)
	}
	return m
}

func moment(t time.Time) json.Number {
	return json.Number(fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000))
}

func seconds(d time.Duration) json.Number {
	return json.Number(strconv.FormatFloat(d.Seconds(), 'f', -1, 64))
}
