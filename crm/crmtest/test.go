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
	// patience is how long a call may take by the fake clock, whatever happens.
	patience = 10 * time.Minute
)

// test is one run of a check on a harness.
type test struct {
	tb
	Harness

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
	case len(h.Secrets) == 0 || slices.ContainsFunc(h.Secrets, func(s string) bool { return len(s) < 8 }):
		t.Fatalf("the harness names no secret, or one that is shorter than 8 bytes")
	}
	front := crmfault.New(h.CRM)
	return &test{tb: t, Harness: h, front: front, wire: newWire(front.Transport(), h.Secrets), bubble: bubble}
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

// outcome is how a call of ListStatuses ended.
type outcome struct {
	listing crm.Listing
	err     error
	took    time.Duration
}

// call calls ListStatuses. It sees to it that the call ends, even where the
// client has no mind to.
func (t *test) call(ctx context.Context, client crm.Client) outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan outcome, 1)
	go func() { done <- t.listStatuses(ctx, client) }()
	if !t.bubble {
		return <-done
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case out := <-done:
		return out
	case <-timer.C:
	}
	t.Errorf("ListStatuses did not end within %v; a call ends by itself, with an error, if the CRM does not answer", patience)
	cancel()
	t.calm()
	return <-done
}

// listStatuses calls ListStatuses and reports a panic as a failure.
func (t *test) listStatuses(ctx context.Context, client crm.Client) (out outcome) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("ListStatuses panicked, whatever the CRM says is at most an error: %v\n%s", p, debug.Stack())
			out.err = errors.New("ListStatuses panicked")
		}
		out.took = time.Since(start)
	}()
	out.listing, out.err = client.ListStatuses(ctx)
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
	t.front.Fail(lasting, fault)
}

// reads checks that a call returns the listing.
func (t *test) reads(what string, client crm.Client, want crm.Listing) {
	t.Helper()
	out := t.call(t.Context(), client)
	if out.err != nil {
		t.Errorf("%s: ListStatuses failed: %v", what, out.err)
		return
	}
	t.same(what+": ListStatuses did not return the complete list", want, out.listing)
	if err := out.listing.Validate(); err != nil {
		t.Errorf("%s: the Listing does not pass Validate: %v", what, err)
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
// there are none) and without a listing. It returns the error's detail, which is
// zero if there is none.
func (t *test) fails(what string, client crm.Client, kinds ...error) crm.Error {
	t.Helper()
	return t.failed(what, client, t.call(t.Context(), client), kinds...)
}

// failed is fails for a call that was made.
func (t *test) failed(what string, client crm.Client, out outcome, kinds ...error) crm.Error {
	t.Helper()
	if out.err == nil {
		t.Errorf("%s: ListStatuses returned no error and a list of %d statuses; it returns the complete list or an error",
			what, len(out.listing.Statuses))
		return crm.Error{}
	}
	if diff := gocmp.Diff(crm.Listing{}, out.listing); diff != "" {
		t.Errorf("%s: beside its error ListStatuses returned a part of a Listing (-want +got):\n%s", what, diff)
	}
	if got := crm.Kind(out.err); len(kinds) > 0 && !slices.Contains(kinds, got) {
		t.Errorf("%s: the error is of the wrong kind %q, want one of %q: %v", what, text(got), kinds, out.err)
	}
	var e *crm.Error
	if !errors.As(out.err, &e) {
		t.Errorf("%s: the error is no *crm.Error and wraps none: %v (%T)", what, out.err, out.err)
		return crm.Error{}
	}
	if crm.Kind(out.err) == nil {
		t.Errorf("%s: the error is of no kind of package crm: %v", what, out.err)
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
