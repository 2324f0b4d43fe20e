package crmfault

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// ServeHTTP lets the request meet its fault, or passes it on. It panics with
// [http.ErrAbortHandler], which a server understands, where a fault breaks the
// connection or the client has gone.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, gates := h.begin(r)
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
	case fault.answer != nil:
		for name, value := range fault.answer.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(fault.answer.status)
		_, _ = io.WriteString(w, fault.answer.body)
	case fault.rewrite != nil, fault.midway:
		h.spoil(w, r, fault)
	default:
		h.next.ServeHTTP(w, r)
	}
}

// spoil gives the true answer in another form.
func (h *Handler) spoil(w http.ResponseWriter, r *http.Request, fault Fault) {
	recorder := httptest.NewRecorder()
	h.next.ServeHTTP(recorder, r)
	body := recorder.Body.Bytes()
	maps.Copy(w.Header(), recorder.Header())
	w.Header().Del("Content-Length")
	if fault.midway {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(body[:len(body)/2])
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(fault.rewrite(body))
}

// HTTPClient returns a new HTTP client that reaches the fake through
// [Handler.Transport], to be given to the client under test: nothing listens on
// a port, and nothing has to be closed.
func (h *Handler) HTTPClient() *http.Client { return &http.Client{Transport: h.Transport()} }

// Transport returns a transport that plays the fake, with its faults, without a
// network, for any test, and for those with a fake clock (testing/synctest) in
// particular. Any host answers. A connection that breaks is
// [io.ErrUnexpectedEOF].
func (h *Handler) Transport() http.RoundTripper { return transport{h} }

type transport struct{ handler http.Handler }

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
	t.handler.ServeHTTP(recorder, r)
	response = recorder.Result()
	response.Request = r
	return response, nil
}
