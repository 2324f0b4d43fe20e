package crmtest

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

const (
	// address is where the CRM is in a bubble. Nothing is there.
	address = "https://crm.example"
	// lasting is for how many requests a fault lasts that does not go away: more
	// than any client may send. It has an end, so that a client that goes on for
	// ever ends as well.
	lasting = 60
	// patience is how long a call of few requests may take by the fake clock.
	patience = 10 * time.Minute
)

// test is one run of a check on a harness.
type test struct {
	tb
	Harness
	leads LeadHarness // in RunLeads alone

	op    operation     // the call that the checks of failures make
	want  crm.Listing   // what a complete read of the list gives
	added []crm.LeadRef // the leads of the CRM

	front  *crmfault.Handler // stands in front of the CRM
	wire   *wire             // leads to front
	bubble bool              // the clock is a fake one
}

// newTest returns the test of a harness, after a look whether it is complete.
func newTest(t tb, h Harness, bubble bool) *test {
	t.Helper()
	switch {
	case h.CRM == nil, h.Show == nil, h.Client == nil, h.Revoke == nil:
		t.Fatalf("the harness lacks CRM, Show, Client or Revoke")
	case tooShort(h.Secrets):
		t.Fatalf("the harness names no secret, or one that is shorter than 8 bytes")
	}
	return begin(t, h, bubble)
}

// tooShort reports whether there is no secret, or one too short to look for.
func tooShort(secrets []string) bool {
	return len(secrets) == 0 || slices.ContainsFunc(secrets, func(s string) bool { return len(s) < 8 })
}

// begin returns a test with its CRM behind what plays faults.
func begin(t tb, h Harness, bubble bool) *test {
	front := crmfault.New(h.CRM)
	return &test{
		tb: t, Harness: h, op: listStatuses,
		front: front, wire: newWire(front.Transport(), h.Secrets), bubble: bubble,
	}
}

// httpClient returns an HTTP client that leads to the CRM without a network.
func (t *test) httpClient() *http.Client { return &http.Client{Transport: t.wire} }

// client returns a new client, by default on the suite's own transport.
func (t *test) client(conn Conn) crm.Client {
	t.Helper()
	if conn.BaseURL == "" {
		conn.BaseURL = address
	}
	if conn.HTTPClient == nil {
		conn.HTTPClient = t.httpClient()
	}
	client, err := t.Client(conn)
	if err != nil {
		t.Fatalf("no client could be made: %v", err)
	}
	if client == nil {
		t.Fatalf("the harness returned neither a client nor an error")
	}
	return client
}

// outcome is how a call ended.
type outcome struct {
	value any // what it returned beside the error
	err   error
	took  time.Duration
}

// listing returns the listing that came of ListStatuses.
func (o outcome) listing() crm.Listing {
	listing, _ := o.value.(crm.Listing)
	return listing
}

// call makes the call of the test. It sees to it that the call ends, even where
// the client has no mind to.
func (t *test) call(ctx context.Context, client crm.Client) outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan outcome, 1)
	go func() { done <- t.guarded(ctx, client) }()
	if !t.bubble {
		return <-done
	}
	timer := time.NewTimer(t.op.patience())
	defer timer.Stop()
	select {
	case out := <-done:
		return out
	case <-timer.C:
	}
	t.Errorf("%s did not end within %v; a call ends by itself, with an error, if the CRM does not answer", t.op.name, t.op.patience())
	cancel()
	t.calm()
	return <-done
}

// guarded makes the call and reports a panic as a failure.
func (t *test) guarded(ctx context.Context, client crm.Client) (out outcome) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s panicked, whatever the CRM says is at most an error: %v\n%s", t.op.name, p, debug.Stack())
			out.err = errors.New(t.op.name + " panicked")
		}
		out.took = time.Since(start)
	}()
	out.value, out.err = t.op.do(ctx, t, client)
	return out
}

// calm makes the CRM work again.
func (t *test) calm() {
	t.front.Recover()
	t.front.ReleaseAll()
	t.wire.play(nil)
}

// suffers makes the next requests meet the fault, and only that.
func (t *test) suffers(fault crmfault.Fault) {
	t.calm()
	if t.op.many {
		t.front.Fail(-1, fault)
		return
	}
	t.front.Fail(lasting, fault)
}

// ready makes the CRM have what the call asks for.
func (t *test) ready(n int) { t.op.ready(t, n) }

// reads checks that a call returns the listing.
func (t *test) reads(what string, client crm.Client, want crm.Listing) {
	t.Helper()
	t.want = want
	t.works(what, client)
}

// works checks that a call goes well.
func (t *test) works(what string, client crm.Client) {
	t.Helper()
	out := t.call(t.Context(), client)
	if out.err != nil {
		t.Errorf("%s: %s failed: %v", what, t.op.name, out.err)
		return
	}
	t.op.sound(t, what, out.value)
}

// overcomes checks that a call goes well although a request failed, which a
// repetition mends. A call that writes may fail instead.
func (t *test) overcomes(what string, client crm.Client) {
	t.Helper()
	if !t.op.writes {
		t.works(what+", which a repetition overcomes", client)
		return
	}
	if out := t.call(t.Context(), client); out.err != nil {
		t.failed(what, client, out)
	}
}

// same checks that two listings say the same. What the harness does not say of
// the account is not compared.
func (t *test) same(promise string, want, got crm.Listing) {
	t.Helper()
	if len(want.Account) == 0 {
		got.Account = nil
	}
	if diff := gocmp.Diff(sorted(want), sorted(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", promise, diff)
	}
}

// sorted returns the listing in the one form of all that say the same: a list
// without rows is nil, except for Exists, where it means something.
func sorted(l crm.Listing) crm.Listing {
	l.Statuses = slices.SortedFunc(slices.Values(l.Statuses), func(a, b crm.Status) int {
		return cmp.Or(cmp.Compare(a.Ref.Scope, b.Ref.Scope), cmp.Compare(a.Ref.ID, b.Ref.ID))
	})
	if len(l.Account) == 0 {
		l.Account = nil
	}
	if len(l.Scopes) == 0 {
		l.Scopes = nil
	}
	return l
}

// fails checks that a call fails, with an error of one of the kinds (any, if
// there are none) and with nothing beside it. It returns the error's detail,
// which is zero if there is none.
func (t *test) fails(what string, client crm.Client, kinds ...error) crm.Error {
	t.Helper()
	return t.failed(what, client, t.call(t.Context(), client), kinds...)
}

// failed is fails for a call that was made.
func (t *test) failed(what string, client crm.Client, out outcome, kinds ...error) crm.Error {
	t.Helper()
	if out.err == nil {
		t.Errorf("%s: %s returned no error; it does the whole of what it was asked for, or says that it did not", what, t.op.name)
		return crm.Error{}
	}
	if t.op.beside != nil {
		t.op.beside(t, what, out.value)
	}
	if t.op.many && len(kinds) > 0 {
		kinds = append(slices.Clone(kinds), crm.ErrUnavailable) // no answer to some move
	}
	return t.explained(what, client, out.err, kinds...)
}

// explained checks that an error says what it has to.
func (t *test) explained(what string, client crm.Client, err error, kinds ...error) crm.Error {
	t.Helper()
	kind := crm.Kind(err)
	if len(kinds) > 0 && !slices.Contains(kinds, kind) {
		t.Errorf("%s: the error is of the wrong kind %q, want one of %q: %v", what, text(kind), kinds, err)
	}
	var e *crm.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: the error is no *crm.Error and wraps none: %v (%T)", what, err, err)
		return crm.Error{}
	}
	if kind == nil {
		t.Errorf("%s: the error is of no kind of package crm: %v", what, err)
	}
	if e.Source != client.Source() || e.Op == "" {
		t.Errorf("%s: the error does not say which account failed in what: Source %q (the client's is %q), Op %q",
			what, e.Source, client.Source(), e.Op)
	}
	return *e
}

func text(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}
