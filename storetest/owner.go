package storetest

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
)

var ownerChecks = []check{
	{"KeepsNothingOfTheCallersChanges", keepsNothingOfChanges},
	{"LeavesTheCallersChangesAlone", leavesChangesAlone},
	{"SnapshotsNeverChange", snapshotsNeverChange},
}

// keepsNothingOfChanges: what the caller does to the slices of a change after
// Apply does not reach the store.
func keepsNothingOfChanges(t *test) {
	want := t.full(1)
	first := creation(t.full(1))
	t.apply(first)
	spoil(&first)
	t.holds("the store kept a slice of a creation, which the caller then changed", want)

	second := statuslink.Changes{Update: t.full(1).Statuses, Ignore: t.full(1).Ignored, Scopes: t.full(1).Scopes, Accounts: t.full(1).Accounts}
	for i := range want.Statuses {
		want.Statuses[i].Name, second.Update[i].Name = "Updated", "Updated"
	}
	t.apply(second)
	spoil(&second)
	t.holds("the store kept a slice of an update, which the caller then changed", want)
	t.create(status("new"))
	want.Statuses = slices.Insert(want.Statuses, 0, status("new"))
	t.holds("the store kept a slice of an earlier change, which the caller then changed", want)
}

// spoil overwrites everything that a change refers to.
func spoil(c *statuslink.Changes) {
	for _, statuses := range [][]statuslink.Status{c.Create, c.Update} {
		for i := range statuses {
			for j := range statuses[i].Aliases {
				statuses[i].Aliases[j] = "spoilt"
			}
			clear(statuses[i].Links)
			statuses[i] = statuslink.Status{}
		}
	}
	for i := range c.Accounts {
		clear(c.Accounts[i].Names)
		c.Accounts[i] = statuslink.Account{}
	}
	clear(c.Remove)
	clear(c.Ignore)
	clear(c.Restore)
	clear(c.Scopes)
	clear(c.DropScopes)
}

// leavesChangesAlone: Apply does not touch what the caller handed in, so that
// the caller may try the same change again.
func leavesChangesAlone(t *test) {
	given := func() statuslink.Changes {
		c := t.mixed()
		slices.Reverse(c.Create)
		slices.Reverse(c.Ignore)
		slices.Reverse(c.Scopes)
		slices.Reverse(c.Accounts)
		slices.Reverse(c.Create[0].Links)
		for i := range c.Accounts {
			slices.Reverse(c.Accounts[i].Names)
		}
		c.Create[0].Aliases, c.Create[1].Links = []string{}, []statuslink.Link{}
		return c
	}
	t.apply(creation(t.full(1)))
	changes, want := given(), given()
	changes.Version = t.load().Version()
	want.Version = changes.Version
	for _, when := range []string{"a change", "a stale change"} {
		_, err := t.store.Apply(t.Context(), changes)
		if stale := when == "a stale change"; (err != nil) != stale {
			t.Fatalf("Apply of %s: %v", when, err)
		}
		if diff := cmp.Diff(want, changes); diff != "" {
			t.Errorf("Apply of %s touched what the caller handed in (-want +got):\n%s", when, diff)
		}
	}
}

// snapshotsNeverChange: a Snapshot that was handed out stays as it is,
// whatever happens to the store.
func snapshotsNeverChange(t *test) {
	old, next := t.full(1), t.full(2)
	for i := range next.Statuses {
		next.Statuses[i].ID = old.Statuses[i].ID
	}
	applied := t.apply(creation(old))
	loaded := t.load()
	empty := old.Statuses[0].Clone()
	empty.Links, empty.Aliases = nil, nil

	for _, step := range []struct {
		what    string
		changes statuslink.Changes
	}{
		{"an update of everything", statuslink.Changes{Update: next.Statuses, Ignore: next.Ignored, Scopes: next.Scopes, Accounts: next.Accounts}},
		{"a new status in front", statuslink.Changes{Create: []statuslink.Status{status("front")}}},
		{"a removal", statuslink.Changes{Remove: []string{old.Statuses[1].ID}}},
		{"a cut of all links", statuslink.Changes{Update: []statuslink.Status{empty}}},
	} {
		t.apply(step.changes)
		for from, snapshot := range map[string]*statuslink.Snapshot{"Apply": applied, "Load": loaded} {
			if diff := cmp.Diff(old, snapshot.State()); diff != "" {
				t.Fatalf("%s changed a Snapshot that %s had handed out (-want +got):\n%s", step.what, from, diff)
			}
			if got, ok := snapshot.ByRef(old.Statuses[1].Links[1].Ref); !ok || got.ID != old.Statuses[1].ID {
				t.Fatalf("%s changed what ByRef finds in a Snapshot that %s had handed out", step.what, from)
			}
		}
	}
}
