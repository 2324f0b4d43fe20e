package storetest

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
)

var watcherChecks = []check{
	{"WatcherWaits", watcherWaits},
	{"WatcherTellsOfAChange", watcherTells},
	{"WatcherTellsOfThePast", watcherTellsOfPast},
}

var historianChecks = []check{
	{"HistoryIsNewestFirst", historyNewestFirst},
	{"HistoryKeepsEveryFieldOfANote", historyKeepsNotes},
	{"HistoryHoldsChangesOnly", historyHoldsChanges},
	{"HistoryBelongsToTheCaller", historyIsCallers},
}

// patience is how long a watcher may take to tell of a change.
const patience = 10 * time.Second

// watcher returns the store as a Watcher, if it is one.
func (t *test) watcher() (statuslink.Watcher, bool) {
	w, ok := t.store.(statuslink.Watcher)
	if !ok {
		t.Logf("the store is no statuslink.Watcher; there is nothing to check")
	}
	return w, ok
}

// told checks that a channel is closed, or soon will be.
func (t *test) told(what string, changed <-chan struct{}) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case _, open := <-changed:
		if open {
			t.Errorf("%s: the channel received a value, want it closed", what)
		}
	case <-timeout.C:
		t.Errorf("%s: the channel was not closed within %v", what, patience)
	}
}

// watcherWaits: the channel is open as long as nothing happens. (A store may
// close one without a change now and then, as when it lost its connection.)
func watcherWaits(t *test) {
	w, ok := t.watcher()
	if !ok {
		return
	}
	waits := func(what string, prev *statuslink.Snapshot) {
		t.Helper()
		select {
		case <-w.Changed(prev):
			t.Errorf("%s: Changed(prev) is closed although nothing happened since prev", what)
		default:
		}
	}
	waits("an empty store", t.load())
	waits("what Apply returned", t.create(status("a")))
	waits("what Load returned", t.load())
}

// watcherTells: all channels that were open are closed after a change, whoever
// made it, of whatever it is.
func watcherTells(t *test) {
	w, ok := t.watcher()
	if !ok {
		return
	}
	for what, changes := range map[string]statuslink.Changes{
		"a creation":  {Create: []statuslink.Status{status("a")}},
		"a scope":     {Scopes: []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "crm"}}}},
		"an ignoring": {Ignore: []statuslink.Ignored{{Ref: refA}}},
	} {
		prev := t.load()
		one, two := w.Changed(prev), w.Changed(prev)
		t.apply(changes)
		t.told(what+", one watcher", one)
		t.told(what+", another watcher", two)
	}
}

// watcherTellsOfPast: the channel is closed at once if the store is past prev
// already, so that no change is missed between Load and Changed.
func watcherTellsOfPast(t *test) {
	w, ok := t.watcher()
	if !ok {
		return
	}
	empty := t.load()
	first := t.create(status("a"))
	t.create(status("b"))
	for what, prev := range map[string]*statuslink.Snapshot{"two changes ago": empty, "one change ago": first} {
		t.told("a prev of "+what, w.Changed(prev))
	}
}

// historian returns the store as a Historian, if it is one.
func (t *test) historian() (statuslink.Historian, bool) {
	h, ok := t.store.(statuslink.Historian)
	if !ok {
		t.Logf("the store is no statuslink.Historian; there is nothing to check")
	}
	return h, ok
}

// history returns up to limit records, which has to succeed.
func (t *test) history(h statuslink.Historian, limit int) []statuslink.Record {
	t.Helper()
	records, err := h.History(t.Context(), limit)
	if err != nil {
		t.Fatalf("History(%d): %v", limit, err)
	}
	return records
}

// recorded makes n changes and returns what is to be remembered of them, newest
// first.
func (t *test) recorded(n int) []statuslink.Record {
	t.Helper()
	var records []statuslink.Record
	for i := range n {
		var note statuslink.Note
		t.fill(i+1, "Note", &note)
		after := t.apply(statuslink.Changes{Create: []statuslink.Status{status(string(rune('a' + i)))}, Note: note})
		records = append(records, statuslink.Record{Version: after.Version(), Note: note})
	}
	slices.Reverse(records)
	return records
}

// remembers checks that got are the latest of want, at least one. (How many a
// store remembers is its choice.)
func (t *test) remembers(promise string, want, got []statuslink.Record) {
	t.Helper()
	if len(got) == 0 || len(got) > len(want) {
		t.Errorf("%s: History has %d records, want 1 to %d", promise, len(got), len(want))
		return
	}
	if diff := cmp.Diff(want[:len(got)], got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", promise, diff)
	}
}

// historyNewestFirst: History returns up to limit of the latest changes, newest
// first.
func historyNewestFirst(t *test) {
	h, ok := t.historian()
	if !ok {
		return
	}
	if got := t.history(h, 10); len(got) != 0 {
		t.Errorf("the history of a new store has %d records, want none", len(got))
	}
	want := t.recorded(5)
	for limit := 1; limit < 8; limit++ {
		t.remembers("the latest changes do not come newest first, within the limit", want[:min(limit, len(want))], t.history(h, limit))
	}
	if got := t.history(h, 0); len(got) != 0 {
		t.Errorf("History(0) has %d records, want none", len(got))
	}
}

// historyKeepsNotes: a Note is kept with every field, and the version with it.
func historyKeepsNotes(t *test) {
	h, ok := t.historian()
	if !ok {
		return
	}
	t.remembers("a field of a Note is lost", t.recorded(1), t.history(h, 1))
	for _, text := range texts {
		note := statuslink.Note{
			At:  time.Date(2026, 1, 1, 0, 30, 0, 123456000, time.FixedZone("east", 5*3600)),
			Who: text, Why: text, Digest: text,
		}
		after := t.apply(statuslink.Changes{Update: []statuslink.Status{{ID: "a", Name: text}}, Note: note})
		want := []statuslink.Record{{Version: after.Version(), Note: note}}
		t.remembers("a Note is not kept byte for byte and to the microsecond", want, t.history(h, 1))
	}
}

// historyHoldsChanges: what was refused or changed nothing is not remembered.
func historyHoldsChanges(t *test) {
	h, ok := t.historian()
	if !ok {
		return
	}
	want := t.recorded(2)
	var note statuslink.Note
	t.fill(9, "Note", &note)
	t.apply(statuslink.Changes{Note: note})
	t.refused("removing an unknown status", statuslink.Changes{Remove: []string{"unknown"}, Note: note}, statuslink.ErrNotFound)
	t.remembers("something that changed nothing is remembered", want, t.history(h, 10))
}

// historyIsCallers: the slice that History returns belongs to the caller.
func historyIsCallers(t *test) {
	h, ok := t.historian()
	if !ok {
		return
	}
	want := t.recorded(3)
	clear(t.history(h, 10))
	slices.Reverse(t.history(h, 10))
	t.remembers("the caller changed the history through the slice that History returned", want, t.history(h, 10))
}
