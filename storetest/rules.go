package storetest

import (
	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

var ruleChecks = []check{
	{"RefusesADuplicateID", refusesDuplicateID},
	{"RefusesADuplicateKey", refusesDuplicateKey},
	{"RefusesADuplicateRef", refusesDuplicateRef},
	{"RefusesUnknownStatuses", refusesUnknown},
	{"RefusesRemovingTheLastStatus", refusesRemovingLast},
	{"RefusesLinkingAnIgnoredRef", refusesIgnored},
	{"RefusesInvalidValues", refusesInvalid},
}

// refusesDuplicateID: no two statuses have one ID, and a change names a status
// once.
func refusesDuplicateID(t *test) {
	t.create(status("a"), status("b"))
	t.refused("creating an ID that is there", statuslink.Changes{Create: []statuslink.Status{status("a")}}, statuslink.ErrDuplicate)
	again := status("a")
	again.Name = "Again"
	t.refused("updating a status twice in one change", statuslink.Changes{Update: []statuslink.Status{status("a"), again}}, statuslink.ErrInvalid)
	t.refused("creating an ID twice in one change", statuslink.Changes{Create: []statuslink.Status{status("c"), status("c")}}, statuslink.ErrInvalid)
	t.refused("updating and removing a status in one change",
		statuslink.Changes{Update: []statuslink.Status{again}, Remove: []string{"a"}}, statuslink.ErrInvalid)
}

// refusesDuplicateKey: no two statuses have one key after a change.
func refusesDuplicateKey(t *test) {
	t.create(linked("1", "a"), linked("2", "b"))
	t.refused("creating a status with a key that is taken", statuslink.Changes{Create: []statuslink.Status{linked("3", "a")}}, statuslink.ErrDuplicate)
	t.refused("updating a status to a key that is taken", statuslink.Changes{Update: []statuslink.Status{linked("2", "a")}}, statuslink.ErrDuplicate)
	t.refused("creating two statuses with one key",
		statuslink.Changes{Create: []statuslink.Status{linked("3", "c"), linked("4", "c")}}, statuslink.ErrDuplicate)
}

// refusesDuplicateRef: a Ref is linked at most once after a change.
func refusesDuplicateRef(t *test) {
	t.create(linked("1", "", refA), linked("2", "", refB))
	t.refused("creating a status with a Ref that is linked", statuslink.Changes{Create: []statuslink.Status{linked("3", "", refA)}}, statuslink.ErrDuplicate)
	t.refused("linking a Ref to a second status", statuslink.Changes{Update: []statuslink.Status{linked("2", "", refB, refA)}}, statuslink.ErrDuplicate)
	t.refused("linking a Ref twice to one status", statuslink.Changes{Update: []statuslink.Status{linked("2", "", refB, refB)}}, statuslink.ErrDuplicate)
	t.refused("creating two statuses with one Ref",
		statuslink.Changes{Create: []statuslink.Status{linked("3", "", refC), linked("4", "", refC)}}, statuslink.ErrDuplicate)
}

// refusesUnknown: what is not there is neither updated nor removed.
func refusesUnknown(t *test) {
	t.refused("updating a status in an empty store", statuslink.Changes{Update: []statuslink.Status{status("a")}}, statuslink.ErrNotFound)
	t.create(status("a"), status("b"), status("c"))
	t.apply(statuslink.Changes{Remove: []string{"c"}})
	for _, id := range []string{"unknown", "c"} {
		t.refused("updating a status that is not there", statuslink.Changes{Update: []statuslink.Status{status(id)}}, statuslink.ErrNotFound)
		t.refused("removing a status that is not there", statuslink.Changes{Remove: []string{id}}, statuslink.ErrNotFound)
	}
}

// refusesRemovingLast: a store that has statuses keeps at least one.
func refusesRemovingLast(t *test) {
	t.create(status("a"))
	t.refused("removing the only status", statuslink.Changes{Remove: []string{"a"}}, statuslink.ErrInUse)
	t.create(status("b"), status("c"))
	t.refused("removing all statuses", statuslink.Changes{Remove: []string{"a", "b", "c"}}, statuslink.ErrInUse)
}

// refusesIgnored: an ignored Ref is never linked.
func refusesIgnored(t *test) {
	t.apply(statuslink.Changes{
		Create: []statuslink.Status{linked("1", "", refA), linked("2", "")},
		Ignore: []statuslink.Ignored{{Ref: refB}},
	})
	t.refused("linking an ignored Ref", statuslink.Changes{Update: []statuslink.Status{linked("2", "", refB)}}, statuslink.ErrInvalid)
	t.refused("ignoring a linked Ref", statuslink.Changes{Ignore: []statuslink.Ignored{{Ref: refA}}}, statuslink.ErrInvalid)
}

// refusesInvalid: what [statuslink.Snapshot.With] refuses, a store does not
// keep. One value of each sort is tried.
func refusesInvalid(t *test) {
	t.create(status("a"), status("b"))
	invalid := func(what string, spoil func(*statuslink.Status)) {
		t.Helper()
		s := status("a")
		spoil(&s)
		t.refused("updating a status to "+what, statuslink.Changes{Update: []statuslink.Status{s}}, statuslink.ErrInvalid)
		s.ID += "new"
		t.refused("creating a status with "+what, statuslink.Changes{Create: []statuslink.Status{s}}, statuslink.ErrInvalid)
	}
	invalid("a blank name", func(s *statuslink.Status) { s.Name = " \u200b" })
	invalid("a name that is not UTF-8", func(s *statuslink.Status) { s.Name = "a\xff" })
	invalid("a bad key", func(s *statuslink.Status) { s.Key = "Not A Key" })
	invalid("a bad colour", func(s *statuslink.Status) { s.Color = "red" })
	invalid("an unknown outcome", func(s *statuslink.Status) { s.Outcome = crm.Lost + 1 })
	invalid("a blank alias", func(s *statuslink.Status) { s.Aliases = []string{"good", ""} })
	invalid("a link without an ID", func(s *statuslink.Status) { s.Links = []statuslink.Link{{Ref: crm.Ref{Source: "crm"}}} })
	t.refused("creating a status without an ID", statuslink.Changes{Create: []statuslink.Status{{Name: "Name"}}}, statuslink.ErrInvalid)
	t.refused("ignoring a Ref without a source", statuslink.Changes{Ignore: []statuslink.Ignored{{Ref: crm.Ref{ID: "1"}}}}, statuslink.ErrInvalid)
	t.refused("a scope without a source", statuslink.Changes{Scopes: []statuslink.Scope{{Name: "Deals"}}}, statuslink.ErrInvalid)
	t.refused("an account without a source", statuslink.Changes{Accounts: []statuslink.Account{{Names: []string{"1"}}}}, statuslink.ErrInvalid)
}
