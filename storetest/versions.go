package storetest

import (
	"errors"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

var versionChecks = []check{
	{"EveryChangeGivesANewVersion", givesNewVersions},
	{"NothingChangesNothing", nothingChangesNothing},
	{"RefusesAStaleChange", refusesStale},
}

// givesNewVersions: each change, whatever it changes, gives the store a version
// greater than all before, also when it undoes another one and after a refused
// change.
func givesNewVersions(t *test) {
	highest := t.load().Version()
	for _, step := range []struct {
		what    string
		changes statuslink.Changes
	}{
		{"a creation", statuslink.Changes{Create: []statuslink.Status{linked("1", "one", refA), status("2")}}},
		{"an update", statuslink.Changes{Update: []statuslink.Status{linked("1", "first", refA)}}},
		{"the update undone", statuslink.Changes{Update: []statuslink.Status{linked("1", "one", refA)}}},
		{"a removal", statuslink.Changes{Remove: []string{"2"}}},
		{"the same status once more", statuslink.Changes{Create: []statuslink.Status{status("2")}}},
		{"the same removal once more", statuslink.Changes{Remove: []string{"2"}}},
		{"an ignored Ref", statuslink.Changes{Ignore: []statuslink.Ignored{{Ref: refB}}}},
		{"a restored Ref", statuslink.Changes{Restore: []crm.Ref{refB}}},
		{"a scope", statuslink.Changes{Scopes: []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "crm"}}}}},
		{"a dropped scope", statuslink.Changes{DropScopes: []statuslink.ScopeKey{{Source: "crm"}}}},
		{"an account", statuslink.Changes{Accounts: []statuslink.Account{{Source: "crm", Names: []string{"1"}}}}},
		{"a forgotten account", statuslink.Changes{Accounts: []statuslink.Account{{Source: "crm"}}}},
		{"one more creation", statuslink.Changes{Create: []statuslink.Status{status("3")}}},
	} {
		after := t.apply(step.changes)
		if after.Version() <= highest {
			t.Errorf("%s gave version %d, want one greater than %d", step.what, after.Version(), highest)
		}
		highest = max(highest, after.Version())
		if now := t.load().Version(); now != after.Version() {
			t.Errorf("after %s the store is at version %d, but Apply returned %d", step.what, now, after.Version())
		}
		t.refused("a bad change after "+step.what, statuslink.Changes{Remove: []string{"unknown"}}, statuslink.ErrNotFound)
	}
}

// nothingChangesNothing: changes that change nothing succeed and leave the
// store as it is: none at all, a Note alone, a status updated to what it is.
func nothingChangesNothing(t *test) {
	nothing := func(what string, changes statuslink.Changes) {
		t.Helper()
		before := t.load()
		state := before.State()
		if after := t.apply(changes); after.Version() != before.Version() {
			t.Errorf("%s: Apply returned version %d, want %d still", what, after.Version(), before.Version())
		}
		t.unchanged(what, before, state)
	}
	var note statuslink.Note
	t.fill(1, "Note", &note)
	nothing("an empty change of an empty store", statuslink.Changes{})
	nothing("a Note alone in an empty store", statuslink.Changes{Note: note})
	full := t.full(1)
	t.apply(creation(full))
	nothing("an empty change", statuslink.Changes{})
	nothing("a Note alone", statuslink.Changes{Note: note})
	nothing("an update of everything to what it is", statuslink.Changes{
		Update: full.Statuses, Ignore: full.Ignored, Scopes: full.Scopes, Accounts: full.Accounts, Note: note,
	})
	nothing("restoring and forgetting what is not there", statuslink.Changes{
		Restore: []crm.Ref{refA}, DropScopes: []statuslink.ScopeKey{{Source: "unknown"}}, Accounts: []statuslink.Account{{Source: "unknown"}},
	})
}

// refusesStale: a change made from another version than the present one is
// refused whole, with an error that says both.
func refusesStale(t *test) {
	stale := func(what string, changes statuslink.Changes) {
		t.Helper()
		before := t.load()
		state := before.State()
		_, err := t.store.Apply(t.Context(), changes)
		var stale *statuslink.StaleError
		switch {
		case err == nil:
			t.Errorf("%s: Apply accepted it, want a *statuslink.StaleError", what)
		case !errors.Is(err, statuslink.ErrStale) || !errors.As(err, &stale):
			t.Errorf("%s: Apply said %v (%T), want a *statuslink.StaleError", what, err, err)
		case stale.Planned != changes.Version || stale.Present != before.Version():
			t.Errorf("%s: the error says planned at %d, present %d; want %d and %d",
				what, stale.Planned, stale.Present, changes.Version, before.Version())
		}
		t.unchanged(what, before, state)
	}
	add := []statuslink.Status{status("new")}
	stale("a change of an empty store at a version to come", statuslink.Changes{Version: 1, Create: add})
	first := t.create(status("a"), status("b")).Version()
	second := t.update(linked("a", "a", refA)).Version()
	stale("a change at version 0", statuslink.Changes{Create: add})
	stale("a change at the version before", statuslink.Changes{Version: first, Create: add})
	stale("an empty change at the version before", statuslink.Changes{Version: first})
	stale("a change at a version to come", statuslink.Changes{Version: second + 1, Create: add})
	stale("a stale change that is invalid too", statuslink.Changes{Version: first, Remove: []string{"unknown"}})
}
