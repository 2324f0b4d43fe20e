package crmtest

import (
	"slices"

	"github.com/statuslink/statuslink/crm"
)

var listingChecks = []check{
	{name: "ReturnsTheCompleteList", run: returnsTheCompleteList},
	{name: "KeepsItsSource", run: keepsItsSource},
	{name: "EmptyListIsEmptyOrAnError", run: emptyList},
	{name: "ShowsNoRowTwice", run: showsNoRowTwice},
}

// show makes the CRM show n statuses and returns the listing of them.
func (t *test) show(n int) crm.Listing {
	t.Helper()
	want := t.Show(n)
	if err := want.Validate(); err != nil {
		t.Fatalf("the harness: the listing that Show(%d) returned does not pass Validate: %v", n, err)
	}
	if len(want.Statuses) != n {
		t.Fatalf("the harness: Show(%d) returned %d statuses", n, len(want.Statuses))
	}
	return want
}

// returnsTheCompleteList: ListStatuses returns all rows, whether they are few or
// many, and what it returned before does not matter.
func returnsTheCompleteList(t *test) {
	client := t.client(Conn{})
	for _, n := range []int{1, 3, 120, 2} {
		want := t.show(n)
		t.reads(plural(n), client, want)
	}
}

func plural(n int) string {
	switch n {
	case 1:
		return "a list of one status"
	case 2, 3:
		return "a list of a few statuses"
	}
	return "a list of many statuses"
}

// keepsItsSource: Source never changes, is never empty, and is the Source of the
// Listing and of each Ref.
func keepsItsSource(t *test) {
	client := t.client(Conn{})
	source := client.Source()
	if source == "" {
		t.Errorf("Source is empty; it names the connected account")
	}
	for _, fail := range []bool{false, true} {
		listing := t.show(3)
		if fail {
			t.Revoke()
		}
		out := t.call(t.Context(), client)
		if got := client.Source(); got != source {
			t.Errorf("Source was %q and is %q after a call; it never changes", source, got)
		}
		if fail {
			break
		}
		if out.err != nil {
			t.Fatalf("ListStatuses failed: %v", out.err)
		}
		if listing.Source != source {
			t.Errorf("the harness: Show's listing is of Source %q, the client of %q", listing.Source, source)
		}
		if out.listing().Source != source || slices.ContainsFunc(out.listing().Statuses, func(s crm.Status) bool { return s.Ref.Source != source }) {
			t.Errorf("the Listing or one of its Refs does not carry the client's Source %q", source)
		}
	}
}

// emptyList: a list without rows is a valid listing without statuses, or an
// error where the CRM always has some.
func emptyList(t *test) {
	client := t.client(Conn{})
	want := t.show(0)
	out := t.call(t.Context(), client)
	if out.err != nil {
		t.failed("a list without rows", client, out)
		return
	}
	listing := out.listing()
	t.same("a list without rows is neither an error nor a listing without statuses", want, listing)
	if err := listing.Validate(); err != nil {
		t.Errorf("a list without rows: the Listing does not pass Validate: %v", err)
	}
}

// showsNoRowTwice: a row that comes twice is in the listing once, or the call
// fails.
func showsNoRowTwice(t *test) {
	if t.Duplicate == nil {
		t.Skipf("the CRM cannot show a row twice")
	}
	client := t.client(Conn{})
	want := t.show(3)
	t.Duplicate()
	out := t.call(t.Context(), client)
	if out.err != nil {
		t.failed("a row that comes twice", client, out, crm.ErrBadResponse, crm.ErrIncomplete)
		return
	}
	t.same("a row that comes twice is in the Listing once, or the call fails", want, out.listing())
}
