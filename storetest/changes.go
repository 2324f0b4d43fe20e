package storetest

import (
	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

var changeChecks = []check{
	{"MakesEveryPartOfAChange", makesEveryPart},
	{"RestoresAndLinksAtOnce", restoresAndLinks},
	{"ExchangesKeys", exchangesKeys},
	{"ExchangesRefs", exchangesRefs},
	{"HandsOverKeyAndRef", handsOver},
	{"ReplacesTheLastStatus", replacesLast},
}

var (
	refA = crm.Ref{Source: "crm", ID: "a"}
	refB = crm.Ref{Source: "crm", ID: "b"}
	refC = crm.Ref{Source: "crm", ID: "c"}
	refD = crm.Ref{Source: "crm", ID: "d"}
)

// linked returns a status with a key and links.
func linked(id, key string, refs ...crm.Ref) statuslink.Status {
	s := status(id)
	s.Key = key
	for _, ref := range refs {
		s.Links = append(s.Links, statuslink.Link{Ref: ref})
	}
	return s
}

// makesEveryPart: one change may create, update, remove, ignore, restore, name
// and forget, and all of it is done; what it does not name stays.
func makesEveryPart(t *test) {
	scope := func(id, name string) statuslink.Scope {
		return statuslink.Scope{ScopeKey: statuslink.ScopeKey{Source: "crm", ID: id}, Name: name}
	}
	ignored := func(ref crm.Ref, name string) statuslink.Ignored { return statuslink.Ignored{Ref: ref, Name: name} }
	other := func(ref crm.Ref) crm.Ref { ref.Source = "other"; return ref }
	t.apply(statuslink.Changes{
		Create:   []statuslink.Status{linked("1", "one", refA), linked("2", "two", refB), linked("3", "three")},
		Ignore:   []statuslink.Ignored{ignored(other(refA), "stays"), ignored(other(refB), "old"), ignored(other(refC), "goes")},
		Scopes:   []statuslink.Scope{scope("", "stays"), scope("1", "old"), scope("2", "goes")},
		Accounts: []statuslink.Account{{Source: "a", Names: []string{"stays"}}, {Source: "b", Names: []string{"old"}}, {Source: "c", Names: []string{"goes"}}},
	})
	t.apply(statuslink.Changes{
		Create:     []statuslink.Status{linked("4", "four", refC)},
		Update:     []statuslink.Status{linked("2", "second", refB, refD)},
		Remove:     []string{"3"},
		Ignore:     []statuslink.Ignored{ignored(other(refB), "new")},
		Restore:    []crm.Ref{other(refC)},
		Scopes:     []statuslink.Scope{scope("1", "new"), scope("3", "added")},
		DropScopes: []statuslink.ScopeKey{{Source: "crm", ID: "2"}},
		Accounts:   []statuslink.Account{{Source: "b", Names: []string{"new"}}, {Source: "c"}, {Source: "d", Names: []string{"added"}}},
	})
	t.holds("a part of a change is not made, or something else was changed", statuslink.State{
		Statuses: []statuslink.Status{linked("1", "one", refA), linked("2", "second", refB, refD), linked("4", "four", refC)},
		Ignored:  []statuslink.Ignored{ignored(other(refA), "stays"), ignored(other(refB), "new")},
		Scopes:   []statuslink.Scope{scope("", "stays"), scope("1", "new"), scope("3", "added")},
		Accounts: []statuslink.Account{{Source: "a", Names: []string{"stays"}}, {Source: "b", Names: []string{"new"}}, {Source: "d", Names: []string{"added"}}},
	})
}

// restoresAndLinks: one change may restore a Ref and link it, or cut a link and
// ignore its Ref.
func restoresAndLinks(t *test) {
	t.apply(statuslink.Changes{
		Create: []statuslink.Status{linked("1", "", refA), linked("2", "")},
		Ignore: []statuslink.Ignored{{Ref: refB}},
	})
	t.apply(statuslink.Changes{
		Update:  []statuslink.Status{linked("1", ""), linked("2", "", refB)},
		Ignore:  []statuslink.Ignored{{Ref: refA}},
		Restore: []crm.Ref{refB},
	})
	t.holds("a Ref was not restored and linked, and another cut and ignored, at once", statuslink.State{
		Statuses: []statuslink.Status{linked("1", ""), linked("2", "", refB)},
		Ignored:  []statuslink.Ignored{{Ref: refA}},
	})
}

// exchangesKeys: statuses may exchange their keys in one change, two of them or
// three in a round.
func exchangesKeys(t *test) {
	t.create(linked("1", "a"), linked("2", "b"), linked("3", "c"))
	for _, want := range [][]statuslink.Status{
		{linked("1", "b"), linked("2", "a"), linked("3", "c")},
		{linked("1", "a"), linked("2", "c"), linked("3", "b")},
	} {
		t.update(want...)
		t.holds("the keys were not exchanged", statuslink.State{Statuses: want})
	}
	now := t.load()
	for key, id := range map[string]string{"a": "1", "b": "3", "c": "2"} {
		if got, _ := now.ByKey(key); got.ID != id {
			t.Errorf("after an exchange of keys %q finds status %q, want %q", key, got.ID, id)
		}
	}
}

// exchangesRefs: statuses may exchange their links in one change, two of them
// or three in a round.
func exchangesRefs(t *test) {
	t.create(linked("1", "", refA), linked("2", "", refB), linked("3", "", refC))
	for _, want := range [][]statuslink.Status{
		{linked("1", "", refB), linked("2", "", refA), linked("3", "", refC)},
		{linked("1", "", refA), linked("2", "", refC), linked("3", "", refB)},
	} {
		t.update(want...)
		t.holds("the links were not exchanged", statuslink.State{Statuses: want})
	}
	now := t.load()
	for ref, id := range map[crm.Ref]string{refA: "1", refB: "3", refC: "2"} {
		if got, _ := now.ByRef(ref); got.ID != id {
			t.Errorf("after an exchange of links %s finds status %q, want %q", ref, got.ID, id)
		}
	}
}

// handsOver: a created status may take the key and the Ref of one that the same
// change removes or updates.
func handsOver(t *test) {
	t.create(linked("1", "a", refA), linked("2", "b", refB))
	t.apply(statuslink.Changes{
		Create: []statuslink.Status{linked("0", "a", refB), linked("3", "b", refA)},
		Update: []statuslink.Status{linked("2", "")},
		Remove: []string{"1"},
	})
	t.holds("a created status did not take over a key and a Ref", statuslink.State{
		Statuses: []statuslink.Status{linked("0", "a", refB), linked("2", ""), linked("3", "b", refA)},
	})
}

// replacesLast: the last status may go if another one comes in the same change.
func replacesLast(t *test) {
	t.create(status("a"))
	after := t.apply(statuslink.Changes{Create: []statuslink.Status{status("b")}, Remove: []string{"a"}})
	if diff := cmp.Diff([]statuslink.Status{status("b")}, after.State().Statuses); diff != "" {
		t.Errorf("the last status was not replaced (-want +got):\n%s", diff)
	}
}
