package crmtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// wire is the transport of the suite: it leads to the CRM without a network and
// remembers what was sent where.
type wire struct {
	next    http.RoundTripper
	secrets []string

	mu     sync.Mutex
	sent   []sent
	open   int // answers whose body was not closed
	player player
	watch  func()
}

// player answers instead of the CRM.
type player func(r *http.Request) (*http.Response, error)

// sent is a request that went out.
type sent struct {
	at     time.Time
	to     string // scheme and host
	secret bool   // something of a secret was in it
}

func newWire(next http.RoundTripper, secrets []string) *wire {
	return &wire{next: next, secrets: secrets}
}

// play lets the player answer from now on; nil ends it.
func (w *wire) play(p player) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.player = p
}

// onRequest calls watch for each request from now on.
func (w *wire) onRequest(watch func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = watch
}

// requests returns what was sent since the last forget.
func (w *wire) requests() []sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]sent(nil), w.sent...)
}

// forget forgets what was sent.
func (w *wire) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = nil
}

// unclosed returns how many answers have a body that nobody closed.
func (w *wire) unclosed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open
}

// forgetBodies counts the bodies from now on alone.
func (w *wire) forgetBodies() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = 0
}

// RoundTrip sends nothing under a context that has ended, as that of net/http.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		if closeErr := r.Body.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	onward := r.Clone(r.Context())
	onward.Body = io.NopCloser(bytes.NewReader(body)) // never nil, as a server has it
	play, watch := w.record(r, body)
	if watch != nil {
		watch()
	}
	answer, err := play(onward)
	if err != nil {
		return nil, err
	}
	answer.Request = r
	answer.Body = w.opened(answer.Body)
	return answer, nil
}

// record remembers the request and returns who answers and who watches.
func (w *wire) record(r *http.Request, body []byte) (player, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, sent{
		at: time.Now(), to: r.URL.Scheme + "://" + r.URL.Host,
		secret: leaks(told(r)+string(body), w.secrets),
	})
	if w.player == nil {
		return w.next.RoundTrip, w.watch
	}
	return w.player, w.watch
}

// told returns all that a request tells but its body.
func told(r *http.Request) string {
	return fmt.Sprintf("%s %s\n%s\n%v\n", r.Method, r.URL, r.Host, r.Header)
}

// opened counts a body until it is closed.
func (w *wire) opened(body io.ReadCloser) io.ReadCloser {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	return &counted{ReadCloser: body, closed: sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open--
	})}
}

type counted struct {
	io.ReadCloser

	closed func()
}

func (c *counted) Close() error {
	c.closed()
	return c.ReadCloser.Close()
}

// reply returns an answer with the body.
func reply(status int, body io.Reader, headers ...string) *http.Response {
	answer := &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body),
	}
	for i := 0; i+1 < len(headers); i += 2 {
		answer.Header.Set(headers[i], headers[i+1])
	}
	return answer
}
