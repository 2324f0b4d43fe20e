// Package storetest has the tests that every [statuslink.Store] passes. A store
// of your own is checked in one line:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) statuslink.Store { return open(t) })
//	}
//
// The optional interfaces [statuslink.Watcher] and [statuslink.Historian] are
// checked where a store implements them.
//
// For storage that several processes share, run the suite a second time on a
// Store that hands each call to another one of two stores over the same
// storage: whatever one of them keeps to itself then comes to light.
package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
)

// Run runs each check of the suite as a subtest on a store of its own. newStore
// is called once per subtest, with the subtest's t, and returns a new, empty
// store; what has to be closed it closes by t.Cleanup. The subtests run one
// after another, so newStore may empty one database again and again.
//
// The suite changes a store by Apply alone, in up to 16 goroutines at once, and
// holds at most a few thousand statuses in it.
func Run(t *testing.T, newStore func(t *testing.T) statuslink.Store) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			c.run(&test{tb: t, store: newStore(t)})
		})
	}
}

// check is one promise of the contract and its test.
type check struct {
	name string
	run  func(t *test)
}

// checks are all checks; each group stands in the file of its topic.
var checks = concat(
	loadChecks, fieldChecks, valueChecks, changeChecks, ruleChecks, atomicChecks, versionChecks,
	ownerChecks, contextChecks, concurrentChecks, watcherChecks, historianChecks,
)

func concat(groups ...[]check) []check {
	var all []check
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

// tb is what a check needs of a [testing.T]. The suite's own tests pass a
// recorder instead, to see a broken store fail.
type tb interface {
	Helper()
	Context() context.Context
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// test is one run of a check on a store.
type test struct {
	tb
	store statuslink.Store
}

// load returns the present state.
func (t *test) load() *statuslink.Snapshot {
	t.Helper()
	return t.loadAfter(nil)
}

// loadAfter is Load with prev, which has to succeed.
func (t *test) loadAfter(prev *statuslink.Snapshot) *statuslink.Snapshot {
	t.Helper()
	now, err := t.store.Load(t.Context(), prev)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if now == nil {
		t.Fatalf("Load returned neither a Snapshot nor an error")
	}
	return now
}

// apply makes a change at the present version, which has to succeed.
func (t *test) apply(changes statuslink.Changes) *statuslink.Snapshot {
	t.Helper()
	changes.Version = t.load().Version()
	after, err := t.store.Apply(t.Context(), changes)
	if err != nil {
		t.Fatalf("Apply refused a valid change: %v", err)
	}
	if after == nil {
		t.Fatalf("Apply returned neither a Snapshot nor an error")
	}
	return after
}

// create adds statuses, which has to succeed.
func (t *test) create(statuses ...statuslink.Status) *statuslink.Snapshot {
	t.Helper()
	return t.apply(statuslink.Changes{Create: statuses})
}

// update gives statuses new values, which has to succeed.
func (t *test) update(statuses ...statuslink.Status) *statuslink.Snapshot {
	t.Helper()
	return t.apply(statuslink.Changes{Update: statuses})
}

// refused checks that a change at the present version fails with an
// [statuslink.Error] of the kind, and leaves the store as it is.
func (t *test) refused(what string, changes statuslink.Changes, kind error) {
	t.Helper()
	before := t.load()
	state := before.State()
	changes.Version = before.Version()
	_, err := t.store.Apply(t.Context(), changes)
	if err == nil {
		t.Errorf("%s: Apply accepted it, want an error of kind %q", what, kind)
		return
	}
	var typed *statuslink.Error
	if !errors.Is(err, kind) || !errors.As(err, &typed) {
		t.Errorf("%s: Apply said %v (%T), want a *statuslink.Error of kind %q", what, err, err, kind)
	}
	t.unchanged(what, before, state)
}

// unchanged checks that the store is as it was before something refused.
func (t *test) unchanged(what string, before *statuslink.Snapshot, state statuslink.State) {
	t.Helper()
	after := t.loadAfter(before)
	if after != before {
		t.Errorf("%s: the store moved from version %d to %d although nothing changed", what, before.Version(), after.Version())
	}
	if diff := cmp.Diff(state, t.load().State()); diff != "" {
		t.Errorf("%s: something of it was kept (-want +got):\n%s", what, diff)
	}
}

// holds checks what the store holds, as a new caller sees it.
func (t *test) holds(promise string, want statuslink.State) {
	t.Helper()
	if want.Statuses == nil {
		want.Statuses = []statuslink.Status{}
	}
	if diff := cmp.Diff(want, t.load().State()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", promise, diff)
	}
}

// status returns a plain status.
func status(id string) statuslink.Status {
	return statuslink.Status{ID: id, Name: "Status " + id}
}
