package statuslink_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// TestWithIsPure checks that the Snapshot and the changes stay as they are, and
// that the new Snapshot shares nothing with the changes.
func TestWithIsPure(t *testing.T) {
	t.Parallel()
	changes := func() statuslink.Changes {
		update := someState().Statuses[0]
		update.Order, update.Aliases, update.Links = 3, []string{"b", "a"}, update.Links[1:]
		return statuslink.Changes{
			Version: 1,
			Create:  []statuslink.Status{{ID: "c", Name: "C", Aliases: []string{}, Links: []statuslink.Link{{Ref: crm.Ref{Source: "u", ID: "9"}}}}},
			Update:  []statuslink.Status{update}, Remove: []string{"b"},
			Ignore:  []statuslink.Ignored{{Ref: crm.Ref{Source: "u", ID: "2"}}},
			Restore: []crm.Ref{{Source: "u", ID: "3"}},
			Scopes:  []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "c"}}}, DropScopes: []statuslink.ScopeKey{{Source: "u"}},
			Accounts: []statuslink.Account{{Source: "b", Names: []string{"z", "y"}}},
		}
	}
	before := snapshotOf(t, 1, someState())
	given := changes()
	after, err := before.With(given)
	if err != nil {
		t.Fatalf("With: %v", err)
	}
	if diff := cmp.Diff(changes(), given); diff != "" {
		t.Errorf("With touched the changes (-want +got):\n%s", diff)
	}
	want := after.State()
	clear(given.Create[0].Links)
	clear(given.Update[0].Links)
	clear(given.Update[0].Aliases)
	clear(given.Accounts[0].Names)
	clear(given.Ignore)
	clear(given.Scopes)
	if diff := cmp.Diff(want, after.State()); diff != "" {
		t.Errorf("the new Snapshot shares something with the changes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(someState(), before.State()); diff != "" || before.Version() != 1 {
		t.Errorf("With changed the old Snapshot (-want +got):\n%s", diff)
	}
	if got, ok := before.ByRef(crm.Ref{Source: "u", ID: "2"}); !ok || got.ID != "b" || before.IsIgnored(crm.Ref{Source: "u", ID: "2"}) {
		t.Error("With changed what the old Snapshot finds")
	}
	if ids := []string{after.At(0).ID, after.At(1).ID}; !slices.Equal(ids, []string{"c", "a"}) {
		t.Errorf("the statuses after the change are %v, want c before a: by Order", ids)
	}
}

// TestWithChangesNothing checks that With returns the Snapshot itself.
func TestWithChangesNothing(t *testing.T) {
	t.Parallel()
	some := someState()
	before := snapshotOf(t, 4, some)
	zoned := someState().Statuses
	zoned[0].Created = zoned[0].Created.In(time.FixedZone("east", 3600)).Add(99)
	for name, changes := range map[string]statuslink.Changes{
		"nothing":                {},
		"a Note":                 {Note: statuslink.Note{Who: "anna", Why: "edit"}},
		"the same statuses":      {Update: someState().Statuses},
		"the same instant":       {Update: zoned},
		"the same of the others": {Ignore: some.Ignored, Scopes: some.Scopes, Accounts: some.Accounts},
		"restoring what is not ignored, dropping what is not known": {
			Restore: []crm.Ref{{Source: "x", ID: "1"}}, DropScopes: []statuslink.ScopeKey{{Source: "x"}}, Accounts: []statuslink.Account{{Source: "x"}},
		},
	} {
		changes.Version = 4
		if after, err := before.With(changes); err != nil || after != before {
			t.Errorf("With %s = %p, %v; want the Snapshot itself, %p", name, after, err, before)
		}
	}
	for name, changes := range map[string]statuslink.Changes{
		"an update":  {Update: []statuslink.Status{{ID: "b", Name: "Paid"}}},
		"a creation": {Create: []statuslink.Status{{ID: "c", Name: "C"}}},
		"a removal":  {Remove: []string{"b"}},
		"an ignoring by another person": {Ignore: []statuslink.Ignored{
			{Ref: some.Ignored[0].Ref, Name: some.Ignored[0].Name, Since: some.Ignored[0].Since, Who: "boris"},
		}},
		"a restored Ref": {Restore: []crm.Ref{some.Ignored[0].Ref}},
		"a scope's name": {Scopes: []statuslink.Scope{{ScopeKey: some.Scopes[0].ScopeKey, Name: "Sales"}}},
		"an account":     {Accounts: []statuslink.Account{{Source: "b", Names: []string{"host"}}}},
		"an alias": {Update: []statuslink.Status{func() statuslink.Status {
			s := someState().Statuses[0]
			s.Aliases = s.Aliases[1:]
			return s
		}()}},
	} {
		changes.Version = 4
		if after, err := before.With(changes); err != nil || after == before || after.Version() != 5 {
			t.Errorf("With %s: %v; want another Snapshot, at version 5", name, err)
		}
	}
}

func TestWithRefuses(t *testing.T) {
	t.Parallel()
	named := func(id string) statuslink.Status { return statuslink.Status{ID: id, Name: "Status " + id} }
	for _, tt := range []struct {
		name    string
		changes statuslink.Changes
		kind    error
		status  string
		field   string
	}{
		{"updating what is not there", statuslink.Changes{Update: []statuslink.Status{named("x")}}, statuslink.ErrNotFound, "x", ""},
		{"removing what is not there", statuslink.Changes{Remove: []string{"x"}}, statuslink.ErrNotFound, "x", ""},
		{"creating what is there", statuslink.Changes{Create: []statuslink.Status{named("a")}}, statuslink.ErrDuplicate, "a", "id"},
		{"creating what the same change removes", statuslink.Changes{Create: []statuslink.Status{named("a")}, Remove: []string{"a"}}, statuslink.ErrDuplicate, "a", "id"},
		{"updating twice", statuslink.Changes{Update: []statuslink.Status{named("a"), named("a")}}, statuslink.ErrInvalid, "a", "id"},
		{"creating twice", statuslink.Changes{Create: []statuslink.Status{named("c"), named("c")}}, statuslink.ErrInvalid, "c", "id"},
		{"removing twice", statuslink.Changes{Remove: []string{"a", "a"}}, statuslink.ErrInvalid, "a", "id"},
		{"updating and removing", statuslink.Changes{Update: []statuslink.Status{named("a")}, Remove: []string{"a"}}, statuslink.ErrInvalid, "a", "id"},
		{"removing all", statuslink.Changes{Remove: []string{"a", "b"}}, statuslink.ErrInUse, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.changes.Version = 1
			after, err := snapshotOf(t, 1, someState()).With(tt.changes)
			var e *statuslink.Error
			if after != nil || !errors.Is(err, tt.kind) || !errors.As(err, &e) || e.Status != tt.status || e.Field != tt.field {
				t.Errorf("With says %v, want an *Error of kind %q that names %q and the field %q", err, tt.kind, tt.status, tt.field)
			}
		})
	}
}

func TestWithStale(t *testing.T) {
	t.Parallel()
	s := snapshotOf(t, 4, someState())
	for _, version := range []uint64{0, 3, 5} {
		_, err := s.With(statuslink.Changes{Version: version, Remove: []string{"unknown"}})
		var stale *statuslink.StaleError
		if !errors.Is(err, statuslink.ErrStale) || !errors.As(err, &stale) || stale.Planned != version || stale.Present != 4 {
			t.Errorf("With at version %d of a Snapshot at 4: %v, want a *StaleError that says both", version, err)
		}
	}
}
