package umnicotest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP answers one request. It panics with [http.ErrAbortHandler], which a
// server understands, where a fault breaks the connection.
func (u *Umnico) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A slash at the end makes no difference where clients have tried.
	path := strings.TrimSuffix(r.URL.Path, "/")
	u.mu.Lock()
	u.counts[path]++
	u.total++
	close(u.begun)
	u.begun = make(chan struct{})
	fault, gates := u.nextFault(), u.gates
	u.mu.Unlock()

	for _, gate := range gates {
		select {
		case <-gate:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if fault.delay > 0 {
		timer := time.NewTimer(fault.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case fault.drop:
		panic(http.ErrAbortHandler)
	case fault.answer:
		for name, value := range fault.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(fault.status)
		_, _ = io.WriteString(w, fault.body)
		return
	}

	status, body := u.answer(r, path, fault)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch {
	case fault.half:
		body = body[:len(body)/2]
	case fault.midway:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body[:len(body)/2])
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// answer returns what Umnico says. The bodies of 401 and 404 are assumed; only
// the key "error" is known from another answer.
func (u *Umnico) answer(r *http.Request, path string, fault Fault) (status int, body []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case !u.authorized(r):
		return http.StatusUnauthorized, encode(map[string]string{"error": "Unauthorized"})
	case r.Method == http.MethodGet && path == PathStatuses:
		rows := u.statuses
		if fault.part {
			rows = rows[:max(0, min(fault.rows, len(rows)))]
		}
		return http.StatusOK, encode(u.wire(rows))
	case r.Method == http.MethodGet && path == PathAccount:
		return http.StatusOK, encode(map[string]any{
			"account": map[string]any{"id": DefaultAccountID, "status": "active"},
		})
	}
	return http.StatusNotFound, encode(map[string]string{"error": "Not found"})
}

// wire returns the rows as they are written. It runs under mu.
func (u *Umnico) wire(rows []Status) any {
	type row struct {
		ID    any    `json:"id"`
		Type  string `json:"type"`
		Name  string `json:"name"`
		Order int    `json:"order"`
		Color string `json:"color"`
	}
	written := make([]row, 0, len(rows)) // an empty list is [], not null
	for _, s := range rows {
		r := row{ID: s.ID, Type: s.Type, Name: s.Name, Order: s.Order, Color: s.Color}
		if u.textIDs {
			r.ID = strconv.Itoa(s.ID)
		}
		written = append(written, r)
	}
	return written
}

func encode(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // only texts and numbers: cannot fail
	return b.Bytes()
}

// Transport returns a transport that plays u without a network, for an
// [http.Client] in a test with a fake clock (testing/synctest). Any host
// answers. A connection that breaks is [io.ErrUnexpectedEOF].
func (u *Umnico) Transport() http.RoundTripper { return transport{u} }

type transport struct{ u *Umnico }

func (t transport) RoundTrip(r *http.Request) (response *http.Response, err error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // that very value
			response, err = nil, io.ErrUnexpectedEOF
			if ctxErr := r.Context().Err(); ctxErr != nil {
				err = ctxErr
			}
		} else if p != nil {
			panic(p)
		}
	}()
	t.u.ServeHTTP(recorder, r)
	response = recorder.Result()
	response.Request = r
	return response, nil
}
