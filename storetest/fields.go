package storetest

import (
	"slices"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

var fieldChecks = []check{
	{"KeepsEveryField", keepsEveryField},
	{"KeepsEveryFieldOfAnUpdate", keepsEveryFieldOfUpdate},
	{"ClearsEveryField", clearsEveryField},
	{"KeepsTheOrderOfLinks", keepsLinkOrder},
	{"KeepsTheOrderOfAliases", keepsAliasOrder},
	{"KeepsBase", keepsBase},
	{"KeepsMissingSince", keepsMissingSince},
}

// keepsEveryField: whatever is created is kept with every field.
func keepsEveryField(t *test) {
	want := t.full(1)
	t.apply(creation(want))
	t.holds("a field of something created is lost", want)
}

// keepsEveryFieldOfUpdate: an update gives every field its new value, and what
// is ignored, named or known again is replaced whole.
func keepsEveryFieldOfUpdate(t *test) {
	old, want := t.full(1), t.full(2)
	t.apply(creation(old))
	// What is there already is found by its identity, which stays.
	for i := range want.Statuses {
		want.Statuses[i].ID = old.Statuses[i].ID
	}
	for i := range want.Ignored {
		want.Ignored[i].Ref = old.Ignored[i].Ref
	}
	for i := range want.Scopes {
		want.Scopes[i].ScopeKey = old.Scopes[i].ScopeKey
	}
	for i := range want.Accounts {
		want.Accounts[i].Source = old.Accounts[i].Source
	}
	t.apply(statuslink.Changes{
		Update: want.Statuses, Ignore: want.Ignored, Scopes: want.Scopes, Accounts: want.Accounts,
	})
	t.holds("a field of something updated has not its new value", want)
}

// clearsEveryField: a field that an update leaves out is empty afterwards.
func clearsEveryField(t *test) {
	old := t.full(1)
	t.apply(creation(old))
	want := statuslink.State{Scopes: []statuslink.Scope{}}
	for _, s := range old.Statuses {
		plain := status(s.ID)
		for _, link := range s.Links {
			plain.Links = append(plain.Links, statuslink.Link{Ref: link.Ref})
		}
		want.Statuses = append(want.Statuses, plain)
	}
	slices.SortFunc(want.Statuses, func(a, b statuslink.Status) int { return compare(a.ID, b.ID) })
	for _, ignored := range old.Ignored {
		want.Ignored = append(want.Ignored, statuslink.Ignored{Ref: ignored.Ref})
	}
	for _, scope := range old.Scopes {
		want.Scopes = append(want.Scopes, statuslink.Scope{ScopeKey: scope.ScopeKey})
	}
	forget := make([]statuslink.Account, 0, len(old.Accounts))
	for _, account := range old.Accounts {
		forget = append(forget, statuslink.Account{Source: account.Source})
	}
	t.apply(statuslink.Changes{Update: want.Statuses, Ignore: want.Ignored, Scopes: want.Scopes, Accounts: forget})
	t.holds("a field that was cleared is still there", want)

	for i := range want.Statuses {
		want.Statuses[i].Links = nil
	}
	t.update(want.Statuses...)
	t.holds("a link that was cut is still there", want)
}

// keepsLinkOrder: links keep the order in which they were given, since the
// first of them leads.
func keepsLinkOrder(t *test) {
	s := status("a")
	for _, ref := range []crm.Ref{
		{Source: "z", ID: "9"}, {Source: "a", Scope: "s", ID: "1"}, {Source: "z", ID: "10"}, {Source: "a", ID: "5"}, {Source: "m", ID: "1"},
	} {
		s.Links = append(s.Links, statuslink.Link{Ref: ref})
	}
	t.create(s)
	t.holds("the order of links is lost on creation", statuslink.State{Statuses: []statuslink.Status{s}})

	s = s.Clone()
	slices.Reverse(s.Links)
	t.update(s)
	t.holds("the order of links is lost when only the order changes", statuslink.State{Statuses: []statuslink.Status{s}})

	s = s.Clone()
	s.Links = slices.Insert(s.Links, 1, statuslink.Link{Ref: crm.Ref{Source: "b", ID: "2"}})
	t.update(s)
	t.holds("the place of a new link is lost", statuslink.State{Statuses: []statuslink.Status{s}})
}

// keepsAliasOrder: aliases keep the order in which they were given.
func keepsAliasOrder(t *test) {
	s := status("a")
	s.Aliases = []string{"zeta", "alpha", "Alpha", "mu"}
	t.create(s)
	t.holds("the order of aliases is lost", statuslink.State{Statuses: []statuslink.Status{s}})
}

// keepsBase: a Base is kept as it is; what it does not hold stays absent, and
// an Order of 0 that counts differs from one that is absent.
func keepsBase(t *test) {
	s := status("a")
	for i, base := range []statuslink.Base{
		{},
		{Name: "Paid"},
		{Color: "#00FF00"},
		{Outcome: crm.Open},
		{Outcome: crm.Won},
		{Outcome: crm.Lost},
		{Ordered: true},
		{Order: 30, Ordered: true},
		{Order: 30},
		{Order: -30, Ordered: true},
		{Name: "Paid", Color: "#00FF00", Outcome: crm.Won, Order: 7, Ordered: true},
	} {
		ref := crm.Ref{Source: "crm", Scope: "deals", ID: string(rune('a' + i))}
		s.Links = append(s.Links, statuslink.Link{Ref: ref, Base: base})
	}
	t.create(s)
	t.holds("a Base is not kept as it is", statuslink.State{Statuses: []statuslink.Status{s}})

	// Each link takes over the Base of the next.
	s = s.Clone()
	first := s.Links[0].Base
	for i := range s.Links[1:] {
		s.Links[i].Base = s.Links[i+1].Base
	}
	s.Links[len(s.Links)-1].Base = first
	t.update(s)
	t.holds("an updated Base is not kept as it is", statuslink.State{Statuses: []statuslink.Status{s}})
}

// keepsMissingSince: MissingSince is set, kept and cleared by updates alone.
func keepsMissingSince(t *test) {
	s := status("a")
	s.Links = []statuslink.Link{{Ref: crm.Ref{Source: "crm", ID: "1"}}, {Ref: crm.Ref{Source: "crm", ID: "2"}}}
	t.create(s)
	for _, missing := range [][2]bool{{true, false}, {true, true}, {false, true}, {false, false}} {
		s = s.Clone()
		for i := range s.Links {
			s.Links[i].MissingSince = time.Time{}
			if missing[i] {
				s.Links[i].MissingSince = time.Date(2026, 5, 6, 7, 8, 9+i, 1000, time.UTC)
			}
		}
		t.update(s)
		t.holds("MissingSince is not what the update said", statuslink.State{Statuses: []statuslink.Status{s}})
	}
}
