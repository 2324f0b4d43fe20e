package crmtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// acmeEvents is a sound receiver of the invented CRM's messages. Its steps are
// fields, so that a broken one differs in one of them.
type acmeEvents struct {
	queue    chan crm.Event
	closed   <-chan struct{} // when the test ends
	wrapped  crm.EventSource // stands in for the receiver
	mu       sync.Mutex
	draining bool

	source  func() string
	open    func() bool // whether messages are taken
	method  func(method string) bool
	limit   func(body io.Reader) io.Reader
	parse   func(body []byte) (acmeMessage, error)
	trust   func(token string) bool
	event   func(m acmeMessage, body []byte) (crm.Event, bool)
	enqueue func(event crm.Event) bool
	answer  func(w http.ResponseWriter, status int)
	run     func(ctx context.Context, handle func(context.Context, crm.Event)) error
}

// acmeMessage is a message of the CRM.
type acmeMessage struct {
	Token string `json:"token"`
	Type  string `json:"type"`
	Lead  string `json:"lead"`
	At    int64  `json:"at"`
}

const eventToken = "q8Jz4tW1xR7nB5kd"

func newAcmeEvents(queue int) *acmeEvents {
	a := &acmeEvents{queue: make(chan crm.Event, queue)}
	a.source = func() string { return "acme" }
	a.open = func() bool { return a.draining }
	a.method = func(method string) bool { return method == http.MethodPost }
	a.limit = func(body io.Reader) io.Reader { return io.LimitReader(body, 64<<10+1) }
	a.parse = func(body []byte) (acmeMessage, error) {
		var m acmeMessage
		if len(body) > 64<<10 {
			return m, errors.New("too large")
		}
		return m, json.Unmarshal(body, &m)
	}
	a.trust = func(token string) bool { return token == eventToken }
	a.event = func(m acmeMessage, body []byte) (crm.Event, bool) {
		return crm.Event{
			Source: a.Source(), Kind: crm.EventLeadChanged, Type: m.Type, Raw: body,
			Lead: crm.LeadRef{Source: a.Source(), ID: m.Lead}, At: time.Unix(m.At, 0),
		}, m.Type == "lead.changed"
	}
	a.enqueue = func(event crm.Event) bool {
		select {
		case a.queue <- event:
			return true
		default:
			return false
		}
	}
	a.answer = func(w http.ResponseWriter, status int) { w.WriteHeader(status) }
	a.run = a.drain
	return a
}

func (a *acmeEvents) Source() string { return a.source() }

// Format prints no credential.
func (a *acmeEvents) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "acme") }

func (a *acmeEvents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !a.method(r.Method) {
		a.answer(w, http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(a.limit(r.Body))
	if err != nil {
		a.answer(w, http.StatusBadRequest)
		return
	}
	m, err := a.parse(body)
	if err != nil {
		a.answer(w, http.StatusBadRequest)
		return
	}
	if !a.trust(m.Token) {
		a.answer(w, http.StatusForbidden)
		return
	}
	event, needed := a.event(m, body)
	if !needed {
		a.answer(w, http.StatusOK)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.open() || !a.enqueue(event) {
		a.answer(w, http.StatusServiceUnavailable)
		return
	}
	a.answer(w, http.StatusNoContent)
}

func (a *acmeEvents) Run(ctx context.Context, handle func(ctx context.Context, event crm.Event)) error {
	return a.run(ctx, handle)
}

// opens begins or ends to take messages.
func (a *acmeEvents) opens(open bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.draining = open
}

func (a *acmeEvents) drain(ctx context.Context, handle func(context.Context, crm.Event)) error {
	a.opens(true)
	defer a.opens(false)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event := <-a.queue:
			handle(ctx, event)
		}
	}
}

// drainWide is drain that handles the events of different leads at once.
func (a *acmeEvents) drainWide(ctx context.Context, handle func(context.Context, crm.Event)) error {
	const width = 3
	var wg sync.WaitGroup
	defer wg.Wait()
	lanes := make([]chan crm.Event, width)
	for i := range lanes {
		lanes[i] = make(chan crm.Event)
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case event := <-lanes[i]:
					handle(ctx, event)
				}
			}
		})
	}
	return a.drain(ctx, func(ctx context.Context, event crm.Event) {
		n, _ := strconv.Atoi(event.Lead.ID)
		select {
		case lanes[n%width] <- event:
		case <-ctx.Done():
		}
	})
}

// acmeEventHarness returns the harness of a receiver that differs from the sound
// one as said.
func acmeEventHarness(t *testing.T, differ func(a *acmeEvents)) EventHarness {
	t.Helper()
	closed := make(chan struct{})
	t.Cleanup(func() { close(closed) })
	const queue = 8
	request := func(m acmeMessage) *http.Request {
		m.At = time.Now().Unix()
		body, _ := json.Marshal(m)
		return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hook", strings.NewReader(string(body)))
	}
	return EventHarness{
		Source: func() crm.EventSource {
			a := newAcmeEvents(queue)
			a.closed = closed
			differ(a)
			if a.wrapped != nil {
				return a.wrapped
			}
			return a
		},
		Queue: queue,
		Leads: []crm.LeadRef{{Source: "acme", ID: "1"}, {Source: "acme", ID: "2"}, {Source: "acme", ID: "3"}},
		Change: func(lead crm.LeadRef) *http.Request {
			return request(acmeMessage{Token: eventToken, Type: "lead.changed", Lead: lead.ID})
		},
		Foreign: func() *http.Request {
			return request(acmeMessage{Token: "q8Jz4tW1xR7nB5kX", Type: "lead.changed", Lead: "1"})
		},
		Other:   func() *http.Request { return request(acmeMessage{Token: eventToken, Type: "app.test"}) },
		Secrets: []string{eventToken},
	}
}

func soundEvents(*acmeEvents) {}
