package crmtest

import (
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var callerChecks = []check{
	{name: "ListingBelongsToTheCaller", run: listingBelongsToTheCaller},
	{name: "ServesManyCallersAtOnce", run: servesManyCallers},
}

// spoil changes everything that a listing refers to.
func spoil(l *crm.Listing) {
	for i := range l.Account {
		l.Account[i] = "spoilt"
	}
	for i := range l.Scopes {
		l.Scopes[i] = crm.Scope{ID: "spoilt", Name: "spoilt", Announced: -1}
	}
	for i := range l.Exists {
		l.Exists[i] = "spoilt"
	}
	for i := range l.Statuses {
		for name := range l.Statuses[i].Raw {
			l.Statuses[i].Raw[name] = "spoilt"
		}
		if l.Statuses[i].Raw != nil {
			l.Statuses[i].Raw["crmtest"] = "spoilt"
		}
		l.Statuses[i] = crm.Status{Name: "spoilt"}
	}
	_ = append(l.Account[:len(l.Account):cap(l.Account)], "spoilt")
	_ = append(l.Statuses[:len(l.Statuses):cap(l.Statuses)], crm.Status{Name: "spoilt"})
}

// listingBelongsToTheCaller: what a caller does with a listing is seen by no
// other call, before or after.
func listingBelongsToTheCaller(t *test) {
	client := t.client(Conn{})
	want := t.show(3)
	before, theirs := t.call(t.Context(), client), t.call(t.Context(), client)
	if before.err != nil || theirs.err != nil {
		t.Fatalf("ListStatuses failed: %v, %v", before.err, theirs.err)
	}
	spoiled := theirs.listing()
	spoil(&spoiled)
	t.same("a Listing belongs to its caller: one of an earlier call was changed through another", want, before.listing())
	t.reads("after a caller changed an earlier Listing, which belongs to him", client, want)
}

// servesManyCallers: the methods are safe for concurrent use, and each caller
// gets a listing of his own.
func servesManyCallers(t *test) {
	const callers, rounds = 8, 5
	client := t.client(Conn{})
	want := t.show(20)
	t.front.Fail(-1, crmfault.Delay(time.Second)) // so that calls overlap
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range rounds {
				if client.Source() != want.Source {
					t.Errorf("Source is %q beside other callers, want %q", client.Source(), want.Source)
				}
				out := t.call(t.Context(), client)
				if out.err != nil {
					t.Errorf("ListStatuses failed beside other callers: %v", out.err)
					return
				}
				t.same("ListStatuses did not return the complete list beside other callers", want, out.listing())
				spoiled := out.listing()
				spoil(&spoiled)
			}
		})
	}
	wg.Wait()
}
