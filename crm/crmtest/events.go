package crmtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// EventHarness is what receives a CRM's messages, as [RunEvents] wants it. The
// fields are required unless they say otherwise.
//
// A request that it returns is one as a server gets it, with its headers, as
// [net/http/httptest.NewRequestWithContext] makes it, and a new one at each call. It has a
// body. A time that it tells is that of the call (time.Now), so that the
// messages of one lead differ where those of the CRM do.
type EventHarness struct {
	// Source returns a new receiver that nobody has used. Make its queue small.
	Source func() crm.EventSource
	// Queue is how many events the receiver takes at most before they are
	// handed over, from 1 to 1000.
	Queue int
	// Leads are three or more leads.
	Leads []crm.LeadRef
	// Change returns the CRM's genuine message that the lead changed.
	Change func(lead crm.LeadRef) *http.Request
	// Foreign returns a message like those of Change whose sender cannot show
	// that he is the CRM.
	Foreign func() *http.Request
	// Secrets are the texts that must not be seen: what a sender shows to be
	// believed. At least one, and each of 8 bytes or more.
	Secrets []string

	// Other returns a genuine message that is understood and about no lead. Nil
	// means that the CRM sends none.
	Other func() *http.Request
}

// RunEvents runs each check of a [crm.EventSource] as a subtest on a harness of
// its own, in a bubble of testing/synctest, as [Run] does with those of the list.
// Messages come from up to 8 goroutines at once.
func RunEvents(t *testing.T, newHarness func(t *testing.T) EventHarness) {
	t.Helper()
	for _, c := range eventChecks {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(newEventTest(t, newHarness(t))) })
		})
	}
}

// eventCheck is one promise of the contract and its test.
type eventCheck struct {
	name string
	run  func(t *eventTest)
}

// eventChecks are all checks of receivers.
var eventChecks = slices.Concat(senderChecks, queueChecks, drainChecks)

// eventTest is one run of a check on a harness.
type eventTest struct {
	tb
	EventHarness
}

// newEventTest returns the test of a harness, after a look whether it is
// complete.
func newEventTest(t tb, h EventHarness) *eventTest {
	t.Helper()
	switch {
	case h.Source == nil, h.Change == nil, h.Foreign == nil:
		t.Fatalf("the harness lacks Source, Change or Foreign")
	case h.Queue < 1 || h.Queue > 1000:
		t.Fatalf("the harness has a Queue of %d, want 1 to 1000", h.Queue)
	case len(h.Leads) < 3:
		t.Fatalf("the harness has %d Leads, want 3 or more", len(h.Leads))
	case tooShort(h.Secrets):
		t.Fatalf("the harness names no secret, or one that is shorter than 8 bytes")
	}
	return &eventTest{tb: t, EventHarness: h}
}

// message is a request with a body that is known.
type message struct {
	request *http.Request
	body    []byte
}

// message returns the request, with a body to compare with.
func (t *eventTest) message(r *http.Request) message {
	t.Helper()
	if r == nil || r.Body == nil {
		t.Fatalf("the harness returned no request, or one without a body")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("the harness: the body of a message cannot be read: %v", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return message{r, body}
}

// change returns a message that the i-th lead changed. A second passes, by the
// fake clock, so that the next one differs.
func (t *eventTest) change(i int) message {
	t.Helper()
	m := t.message(t.Change(t.Leads[i]))
	time.Sleep(time.Second)
	return m
}

// send gives the message to the receiver and returns the HTTP status of its
// answer.
func (t *eventTest) send(to *receiver, m message) int {
	t.Helper()
	answer := httptest.NewRecorder()
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("the receiver panicked at a message: %v", p)
		}
	}()
	to.source.ServeHTTP(answer, m.request)
	if took := time.Since(start); took > soon {
		t.Errorf("a message was answered after %v; a receiver answers fast, and works later", took)
	}
	if shown := answer.Body.String(); leaks(shown, t.Secrets) {
		t.Errorf("a credential can be seen in an answer: %s", shown)
	}
	return answer.Code
}

// accepted reports whether the status says that the message was taken.
func accepted(status int) bool { return status >= 200 && status < 300 }

// refused reports whether the status says that the message is a wrong one.
func refused(status int) bool { return status >= 400 && status < 500 }

// receiver is a source, its Run and what it handed over.
type receiver struct {
	t      *eventTest
	source crm.EventSource
	handle func(ctx context.Context, event crm.Event)
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	err    error
	over   bool
	busy   map[crm.LeadRef]int
	active int
	events []crm.Event
}

// receive returns a receiver that drains until it is stopped. Its handle, which
// may be nil, is called in the midst of handing over.
func (t *eventTest) receive(ctx context.Context, handle func(ctx context.Context, event crm.Event)) *receiver {
	t.Helper()
	r := t.receiver()
	r.handle = handle
	r.run(ctx)
	return r
}

// receiver returns a receiver that nobody drains.
func (t *eventTest) receiver() *receiver {
	t.Helper()
	source := t.Source()
	if source == nil {
		t.Fatalf("the harness returned no receiver")
	}
	return &receiver{t: t, source: source, busy: make(map[crm.LeadRef]int)}
}

// run begins to drain, until ctx ends or stop is called.
func (r *receiver) run(ctx context.Context) {
	ctx, r.cancel = context.WithCancel(ctx)
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		err := r.source.Run(ctx, r.take)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.err, r.over = err, true
		if r.active > 0 {
			r.t.Errorf("Run returned while %d calls of handle were running", r.active)
		}
		if ctx.Err() == nil {
			r.t.Errorf("Run returned before its context ended: %v", err)
		}
	}()
	synctest.Wait()
}

// take is what Run hands events to.
func (r *receiver) take(ctx context.Context, event crm.Event) {
	r.mu.Lock()
	if r.over {
		r.t.Errorf("handle was called after Run had returned")
	}
	r.events = append(r.events, event)
	r.active++
	r.busy[event.Lead]++
	if r.busy[event.Lead] > 1 && event.Lead != (crm.LeadRef{}) {
		r.t.Errorf("two events of the lead %v were handed over at a time; those of one lead come one after another", event.Lead)
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.active--
		r.busy[event.Lead]--
	}()
	if r.handle != nil {
		r.handle(ctx, event)
	}
}

// stop ends Run and checks what it returned.
func (r *receiver) stop() {
	r.t.Helper()
	r.cancel()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
		r.t.Fatalf("Run did not return within %v after its context had ended", patience)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !errors.Is(r.err, context.Canceled) {
		r.t.Errorf("Run returned %v, want ctx.Err() (%v)", r.err, context.Canceled)
	}
	for _, part := range chain(r.err) {
		for _, shown := range printed(part) {
			if leaks(shown, r.t.Secrets) {
				r.t.Errorf("a credential can be seen in the error of Run: %s", shown)
			}
		}
	}
}

// handed returns what was handed over so far.
func (r *receiver) handed() []crm.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// settle waits, by the fake clock, until nothing more is handed over.
func (r *receiver) settle() []crm.Event {
	time.Sleep(time.Hour)
	return r.handed()
}
