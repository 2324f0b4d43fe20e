package statuslink_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// oneLead stands on a status that is not linked.
type oneLead struct {
	crm.Client
	on crm.Ref
}

func (c oneLead) ReadLead(_ context.Context, lead crm.LeadRef) (crm.Lead, error) {
	return crm.Lead{Ref: lead, Status: c.on}, nil
}

// A refusal says when the scope that it is about was last synchronised.
func TestRefusalsNameTheLastSynchronisation(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "acme", "other")
	text := func(scope string) string {
		t.Helper()
		leads, err := statuslink.NewLeads(r.catalog, nil, oneLead{r.fakes["acme"], crm.Ref{Source: "acme", Scope: scope, ID: "9"}})
		r.must(err)
		_, err = leads.Read(t.Context(), crm.LeadRef{Source: "acme", ID: "7"})
		_, said, _ := strings.Cut(fmt.Sprint(err), "link it to a status, or ")
		return said
	}
	want := func(when, scope, want string) {
		t.Helper()
		if got := text(scope); got != want {
			t.Errorf("%s: for %q %q, want %q", when, scope, got, want)
		}
	}
	five, six := []string{"5", "1 New", "2 Paid"}, []string{"6", "1 Demo", "2 Won"}
	r.show("other", "1 New")
	r.scoped("acme", five, six)
	want("nothing was done", "5", "let the client read acme/5, which was never synchronised, and synchronise")
	plan := r.plan()
	want("a plan was made", "5", "let the client read acme/5, which was never synchronised, and synchronise")
	_, err := r.syncer.Apply(t.Context(), plan)
	r.must(err)
	want("it was applied", "5", "synchronise again if something changed there since 2026-08-20T11:00:00Z")
	want("it was applied", "7", "let the client read acme/7, which was never synchronised, and synchronise")

	r.now = r.now.Add(time.Hour)
	_, err = r.syncer.Sync(t.Context())
	r.must(err)
	want("there was nothing to do", "5", "synchronise again if something changed there since 2026-08-20T12:00:00Z")

	r.now = r.now.Add(time.Hour)
	r.scoped("acme", five, []string{"6"}) // an empty list is not believed at once
	_, err = r.syncer.Sync(t.Context())
	r.must(err)
	want("another scope is held", "5", "synchronise again if something changed there since 2026-08-20T13:00:00Z")
	want("it is held", "6", "synchronise again if something changed there since 2026-08-20T12:00:00Z")

	old := r.plan()
	r.now = r.now.Add(time.Minute)
	_, err = r.syncer.Sync(t.Context())
	r.must(err)
	_, err = r.syncer.Apply(t.Context(), old)
	r.must(err)
	want("an older plan was applied afterwards, which had nothing to do", "5", "synchronise again if something changed there since 2026-08-20T13:01:00Z")

	r.now = r.now.Add(time.Hour)
	r.scoped("acme", append(five, "2 Twice"), six) // is refused
	if _, err = r.syncer.Sync(t.Context()); err == nil {
		t.Error("no error of a list with two statuses of one ID")
	}
	want("the list was refused", "5", "synchronise again if something changed there since 2026-08-20T13:01:00Z")

	r.now = r.now.Add(time.Hour)
	r.fakes["acme"].Fail(crm.ErrUnavailable)
	_, err = r.syncer.Sync(t.Context())
	if err == nil {
		t.Error("no error of a source that is down")
	}
	want("the source was down", "5", "synchronise again if something changed there since 2026-08-20T13:01:00Z")

	r.catalog, err = statuslink.NewCatalog(r.store, nil)
	r.must(err)
	want("after a restart", "5", "synchronise")
	want("after a restart", "7", "let the client read acme/7, which was never synchronised, and synchronise")
}

// Where no status has a key, the error names what could be meant.
func TestNoSuchKeyNamesCandidates(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t, statuslink.Policy{}, "acme")
	want := func(key, want string) {
		t.Helper()
		_, err := r.catalog.Get(ctx, key)
		if want = "not found: no status has this key or ID; " + want; err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	create := func(key, name string) statuslink.Status {
		t.Helper()
		status, err := r.catalog.Create(ctx, statuslink.Status{Key: key, Name: name})
		r.must(err)
		return status
	}
	want("paid", "no status has a key yet")
	bare := create("", "В работе")
	want("paid", "no status has a key yet")
	want(" в  РАБОТЕ", fmt.Sprintf("it is the name of the status %q", bare.ID))
	create("key-0", "Оплачено")
	want("paid", `the only key is "key-0"`)
	want("оплачено", `it is the name of the status "key-0"`)
	for i := range 10 {
		create(fmt.Sprintf("key-%d", i+1), fmt.Sprintf("Name %d", i))
	}
	want("paid", `the keys are "key-0", "key-1", "key-2", "key-3", "key-4", "key-5", "key-6", "key-7", "key-8", "key-9" and "key-10"`)
	create("key-11", "Name 11")
	want("paid", `the keys are "key-0", "key-1", "key-2", "key-3", "key-4", "key-5", "key-6", "key-7", "key-8", "key-9" and 2 more`)
}
