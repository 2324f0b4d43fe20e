package crmtest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var contextChecks = []check{
	{name: "SendsNothingUnderAnEndedContext", run: sendsNothingWhenEnded},
	{name: "EndsWhenCancelled", run: endsWhenCancelled},
	{name: "EndsAtTheDeadline", run: endsAtTheDeadline},
	{name: "EndsWhileItWaits", run: endsWhileItWaits},
}

// soon is how long after the end of its context a call may go on.
const soon = time.Second

// sendsNothingWhenEnded: a call under an ended context sends no request.
func sendsNothingWhenEnded(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for what, ctx := range map[string]context.Context{"a cancelled context": cancelled, "a context past its deadline": late} {
		t.endedWith(what, client, t.call(ctx, client), ctx.Err())
	}
	if sent := len(t.wire.requests()); sent > 0 {
		t.Errorf("%d requests were sent under contexts that had ended before", sent)
	}
}

// endedWith checks that a call ended with the end of its context.
func (t *test) endedWith(what string, client crm.Client, out outcome, ended error) {
	t.Helper()
	t.failed(what, client, out, crm.ErrUnavailable)
	if !errors.Is(out.err, ended) {
		t.Errorf("%s: the error does not wrap ctx.Err() (%v): %v", what, ended, out.err)
	}
}

// silences are ways of a CRM to keep a call waiting.
func (t *test) silences() map[string]func() {
	return map[string]func(){
		"while the CRM is silent": func() { t.front.Hold() },
		"in the midst of an answer": func() {
			t.wire.play(stuck)
		},
		"in the midst of an error": func() {
			t.wire.play(func(r *http.Request) (*http.Response, error) {
				answer, err := stuck(r)
				answer.StatusCode = http.StatusInternalServerError
				return answer, err
			})
		},
	}
}

// endsWhenCancelled: the call ends soon after ctx is cancelled, with an error
// that wraps context.Canceled.
func endsWhenCancelled(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	for when, set := range t.silences() {
		t.calm()
		set()
		t.cancelled("a call that is cancelled "+when, client)
	}
}

// cancelled checks a call whose context is cancelled two seconds after it began.
func (t *test) cancelled(what string, client crm.Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	timer := time.AfterFunc(2*time.Second, cancel)
	defer timer.Stop()
	out := t.call(ctx, client)
	t.endedWith(what, client, out, context.Canceled)
	if out.took > 2*time.Second+soon {
		t.Errorf("%s went on for %v; it ends soon after its context", what, out.took-2*time.Second)
	}
}

// endsAtTheDeadline: the call ends soon after the deadline of ctx, with an error
// that wraps context.DeadlineExceeded.
func endsAtTheDeadline(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	for when, set := range t.silences() {
		t.calm()
		set()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		out := t.call(ctx, client)
		cancel()
		what := "a call whose deadline passes " + when
		t.endedWith(what, client, out, context.DeadlineExceeded)
		if out.took > 2*time.Second+soon {
			t.Errorf("%s went on for %v; it ends soon after its context", what, out.took-2*time.Second)
		}
	}
}

// endsWhileItWaits: a client that waits before it asks again still ends with its
// context, and asks no more then.
func endsWhileItWaits(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	const wait, patient = 3 * time.Second, time.Second
	t.suffers(crmfault.RetryAfter(http.StatusServiceUnavailable, wait))
	for what, with := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"a call that is cancelled while it waits to ask again": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(patient, cancel)
			return ctx, cancel
		},
		"a call whose deadline passes while it waits to ask again": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, patient)
		},
	} {
		t.wire.forget()
		ctx, cancel := with(t.Context())
		start := time.Now()
		out := t.call(ctx, client)
		t.failed(what, client, out, crm.ErrUnavailable)
		if out.took > patient+soon {
			t.Errorf("%s went on for %v; it ends soon after its context", what, out.took-patient)
		}
		// A client that saw at once that waiting is for nothing may say why.
		if out.took >= patient && !errors.Is(out.err, ctx.Err()) {
			t.Errorf("%s: the error does not wrap ctx.Err() (%v): %v", what, ctx.Err(), out.err)
		}
		for _, s := range t.wire.requests() {
			if s.at.After(start.Add(patient)) {
				t.Errorf("%s asked again afterwards", what)
			}
		}
		cancel()
	}
}
