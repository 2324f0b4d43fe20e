package storetest

import (
	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
)

var loadChecks = []check{
	{"NewStoreIsEmpty", newStoreIsEmpty},
	{"LoadReturnsPrevWhenNothingChanged", loadReturnsPrev},
	{"LoadSeesChanges", loadSeesChanges},
	{"ApplyReturnsTheStateAfter", applyReturnsState},
}

// newStoreIsEmpty: a new store is empty, at version 0.
func newStoreIsEmpty(t *test) {
	now := t.load()
	if now.Version() != 0 {
		t.Errorf("a new store is at version %d, want 0", now.Version())
	}
	t.holds("a new store is not empty", statuslink.State{})
}

// loadReturnsPrev: Load returns prev itself if nothing has changed since,
// whether prev came from Load or from Apply, or is the zero Snapshot of a store
// that is still empty.
func loadReturnsPrev(t *test) {
	same := func(what string, prev *statuslink.Snapshot) {
		t.Helper()
		if got := t.loadAfter(prev); got != prev {
			t.Errorf("nothing changed, but Load did not return prev, which is %s", what)
		}
	}
	same("the zero Snapshot", new(statuslink.Snapshot))
	same("what Load returned of an empty store", t.load())
	applied := t.create(status("a"))
	same("what Apply returned", applied)
	loaded := t.load()
	same("what Load returned", loaded)
	same("what Apply returned before another Load", applied)
	same("what an empty Apply returned", t.apply(statuslink.Changes{}))
}

// loadSeesChanges: Load returns the present state, whatever prev is.
func loadSeesChanges(t *test) {
	prevs := []*statuslink.Snapshot{nil, new(statuslink.Snapshot), t.load()}
	var want statuslink.State
	for _, id := range []string{"a", "b", "c"} {
		prevs = append(prevs, t.create(status(id)))
		prevs = append(prevs, t.load())
		want.Statuses = append(want.Statuses, status(id))
	}
	for i, prev := range prevs {
		if diff := cmp.Diff(want, t.loadAfter(prev).State()); diff != "" {
			t.Errorf("Load with prev number %d is not the present state (-want +got):\n%s", i, diff)
		}
	}
}

// applyReturnsState: Apply returns the state after the change, which Load
// returns too.
func applyReturnsState(t *test) {
	want := t.full(1)
	after := t.apply(creation(want))
	if diff := cmp.Diff(want, after.State()); diff != "" {
		t.Errorf("Apply does not return the state after the change (-want +got):\n%s", diff)
	}
	now := t.load()
	if after.Version() != now.Version() {
		t.Errorf("Apply returned version %d, but Load says %d", after.Version(), now.Version())
	}
	if diff := cmp.Diff(after.State(), now.State()); diff != "" {
		t.Errorf("Load does not return what Apply returned (-Apply +Load):\n%s", diff)
	}
}
