package storetest

import (
	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

var atomicChecks = []check{
	{"MakesNothingOfARefusedChange", makesNothingOfRefused},
	{"GoesOnAfterARefusedChange", goesOnAfterRefused},
}

// mixed returns a change of every part, all of it valid on a store that holds
// the full state with the seed 1.
func (t *test) mixed() statuslink.Changes {
	t.Helper()
	old, add := t.full(1), t.full(2)
	changes := creation(add)
	update := old.Statuses[0].Clone()
	update.Name, update.Links = "Updated", update.Links[1:]
	changes.Update = []statuslink.Status{update}
	changes.Remove = []string{old.Statuses[1].ID}
	changes.Restore = []crm.Ref{old.Ignored[0].Ref}
	changes.DropScopes = []statuslink.ScopeKey{old.Scopes[0].ScopeKey}
	changes.Accounts = append(changes.Accounts, statuslink.Account{Source: old.Accounts[0].Source})
	return changes
}

// makesNothingOfRefused: of a change that cannot be made whole nothing is made,
// wherever the bad part stands.
func makesNothingOfRefused(t *test) {
	old := t.full(1)
	t.apply(creation(old))
	for _, bad := range []struct {
		what  string
		kind  error
		spoil func(*statuslink.Changes)
	}{
		{"its last creation is a duplicate", statuslink.ErrDuplicate, func(c *statuslink.Changes) {
			c.Create = append(c.Create, linked("new", "", old.Statuses[0].Links[1].Ref))
		}},
		{"its last update is of an unknown status", statuslink.ErrNotFound, func(c *statuslink.Changes) {
			c.Update = append(c.Update, status("unknown"))
		}},
		{"its last removal is of an unknown status", statuslink.ErrNotFound, func(c *statuslink.Changes) {
			c.Remove = append(c.Remove, "unknown")
		}},
		{"its last ignored Ref is invalid", statuslink.ErrInvalid, func(c *statuslink.Changes) {
			c.Ignore = append(c.Ignore, statuslink.Ignored{})
		}},
		{"its last scope is invalid", statuslink.ErrInvalid, func(c *statuslink.Changes) {
			c.Scopes = append(c.Scopes, statuslink.Scope{})
		}},
		{"its last account is invalid", statuslink.ErrInvalid, func(c *statuslink.Changes) {
			c.Accounts = append(c.Accounts, statuslink.Account{Names: []string{"name"}})
		}},
	} {
		changes := t.mixed()
		bad.spoil(&changes)
		t.refused("a change that is bad because "+bad.what, changes, bad.kind)
	}
}

// goesOnAfterRefused: a refused change leaves nothing behind that keeps a good
// one from being made.
func goesOnAfterRefused(t *test) {
	old := t.full(1)
	t.apply(creation(old))
	bad := t.mixed()
	bad.Update = append(bad.Update, status("unknown"))
	t.refused("a change with an unknown status", bad, statuslink.ErrNotFound)
	t.apply(t.mixed())

	add := t.full(2)
	updated := old.Statuses[0].Clone()
	updated.Name, updated.Links = "Updated", updated.Links[1:]
	t.holds("the good change after a refused one was not made whole", statuslink.State{
		Statuses: append([]statuslink.Status{updated}, add.Statuses...),
		Ignored:  append(old.Ignored[1:], add.Ignored...),
		Scopes:   append(old.Scopes[1:], add.Scopes...),
		Accounts: append(old.Accounts[1:], add.Accounts...),
	})
}
