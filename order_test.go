package statuslink_test

import (
	"strings"
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// names returns the bot's sequence, a letter each.
func (r *rig) names() string {
	r.t.Helper()
	snapshot, err := r.catalog.Load(r.t.Context())
	r.must(err)
	var b strings.Builder
	for s := range snapshot.All() {
		b.WriteString(s.Name)
	}
	return b.String()
}

// rows turns "BAC" into rows of these names; the ID of a row is its name.
func rows(sequence string) []string {
	var list []string
	for _, name := range strings.Split(sequence, "") {
		list = append(list, name+" "+name)
	}
	return list
}

func (r *rig) arrange(sequence string) {
	r.t.Helper()
	var ids []string
	for _, name := range strings.Split(sequence, "") {
		ids = append(ids, r.id(name))
	}
	r.must(r.catalog.Reorder(r.t.Context(), ids...))
}

func TestSequenceTable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		bot, crm string // after ABC was synchronised
		policy   statuslink.Conflict
		want     string
		ops      string
		findings string
		again    string // findings of the next plan
	}{
		{name: "nothing moved", bot: "ABC", crm: "ABC", want: "ABC"},
		{name: "bot arranged", bot: "CAB", crm: "ABC", want: "CAB"},
		{name: "CRM moved", bot: "ABC", crm: "BCA", want: "BCA", ops: "reorder"},
		{name: "both moved to the same", bot: "CBA", crm: "CBA", want: "CBA"},
		{name: "both moved, bot keeps", bot: "CBA", crm: "BAC", want: "CBA", findings: "conflict"},
		{name: "both moved, CRM wins", bot: "CBA", crm: "BAC", policy: statuslink.CRMWins, want: "BAC", ops: "reorder", findings: "conflict"},
		{name: "both moved, leave", bot: "CBA", crm: "BAC", policy: statuslink.Leave, want: "CBA", findings: "conflict", again: "conflict"},
		{name: "both moved and one created, leave", bot: "CBA", crm: "BACD", policy: statuslink.Leave, want: "CDBA", ops: "create", findings: "conflict"},
		{name: "one created in the middle", bot: "ABC", crm: "ADBC", want: "ADBC", ops: "create"},
		{name: "one created at the start", bot: "ABC", crm: "DABC", want: "DABC", ops: "create"},
		{name: "several created", bot: "ABC", crm: "DAEFBCG", want: "DAEFBCG", ops: "create create create create"},
		{name: "one created after an arranged one", bot: "CAB", crm: "ABCD", want: "CDAB", ops: "create"},
		{name: "CRM moved and one created", bot: "ABC", crm: "CDBA", want: "CDBA", ops: "create reorder"},
		{name: "one missing, the rest moved", bot: "ABC", crm: "CB", want: "ACB", ops: "missing reorder"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, statuslink.Policy{Conflict: test.policy}, "crm")
			r.show("crm", rows("ABC")...)
			r.sync()
			r.arrange(test.bot)
			r.show("crm", rows(test.crm)...)
			plan := r.sync()
			r.wantPlan(plan, test.ops, test.findings)
			if got := r.names(); got != test.want {
				t.Errorf("the bot's sequence is %s, want %s\n%v", got, test.want, plan)
			}
			r.wantPlan(r.plan(), "", test.again)
		})
	}
}

// A sequence arranged by hand is not lost where the place of a link in the
// CRM's sequence was noted at another time than those of the others.
func TestSequenceArrangedByHandOutlivesLinksThatComeAndGo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		story func(r *rig)
		want  string
	}{
		{"revived while held", func(r *rig) {
			r.arrange("ABCDEFGH")
			r.show("crm", rows("BCDEFGH")...) // A is missing
			r.sync()
			r.show("crm", rows("HAB")...) // held, but A is listed again
			r.sync()
			r.arrange("BACDEFGH") // as A's old place among the new ones would be
			r.show("crm", rows("BCDEFGHA")...)
		}, "BACDEFGH"},
		{"revived in the plan in which the CRM moved", func(r *rig) {
			r.show("crm", rows("BCDEFGH")...)
			r.sync()
			r.arrange("CBDEFGHA")
			r.show("crm", rows("ABCDEFGH")...)
		}, "CBDEFGHA"},
		{"led anew by hand after the CRM moved", func(r *rig) {
			_, err := r.catalog.Link(r.t.Context(), r.id("A"), crm.Ref{Source: "other", ID: "A"})
			r.must(err)
			_, err = r.catalog.Lead(r.t.Context(), crm.Ref{Source: "other", ID: "A"})
			r.must(err)
			r.show("other", "A A")
			r.sync()
			r.show("crm", rows("BCDEFGHA")...)
			r.sync() // A's place in crm is not followed
			_, err = r.catalog.Lead(r.t.Context(), crm.Ref{Source: "crm", ID: "A"})
			r.must(err)
		}, "BACDEFGH"},
		{"relinked in the plan in which the CRM moved", func(r *rig) {
			r.arrange("HGFEDCBA")
			r.show("crm", "B B", "A2 A", "D D", "C C", "E E", "F F", "G G", "H H")
		}, "HGFEDCBA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, statuslink.Policy{}, "crm", "other")
			r.show("crm", rows("BACDEFGH")...)
			r.sync()
			test.story(r)
			r.sync()
			if got := r.names(); got != test.want {
				t.Errorf("the sequence arranged by hand became %s, want %s", got, test.want)
			}
		})
	}
}

func TestReorderMovesNoOtherStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", rows("ABC")...)
	r.sync()
	for _, name := range []string{"x", "y"} {
		_, err := r.catalog.Create(t.Context(), statuslink.Status{Name: name})
		r.must(err)
	}
	r.arrange("AxByC")
	r.show("crm", rows("CBA")...)
	r.wantPlan(r.sync(), "reorder", "")
	if got := r.names(); got != "CxByA" {
		t.Errorf("the sequence is %s, want CxByA", got)
	}
}

func TestCreatedStatusesFindRoomWhereTheNumbersAreUsedUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	sequence := "AZ"
	r.show("crm", rows(sequence)...)
	r.sync()
	for _, name := range strings.Split("bcdefghijklmnop", "") {
		sequence = "A" + name + sequence[1:]
		r.show("crm", rows(sequence)...)
		plan := r.sync()
		r.wantPlan(plan, "create", "")
		if got := r.names(); got != sequence {
			t.Fatalf("the sequence is %s, want %s", got, sequence)
		}
	}
}

func TestEqualOrdersAreMadeDistinctBeforeTheyAreDealtOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", rows("ABC")...)
	r.sync()
	snapshot, err := r.catalog.Load(t.Context())
	r.must(err)
	changes := statuslink.Changes{Version: snapshot.Version()}
	for s := range snapshot.All() {
		s.Order = 7
		changes.Update = append(changes.Update, s)
	}
	_, err = r.store.Apply(t.Context(), changes)
	r.must(err)
	r.show("crm", rows("CAB")...)
	r.wantPlan(r.sync(), "reorder", "")
	if got := r.names(); got != "CAB" {
		t.Errorf("the sequence is %s, want CAB", got)
	}
}

func TestTiesInBaseAreBrokenByTheIDBeforeTheRelink(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	tied := func(rows ...string) crm.Listing {
		l := listing("crm", rows...)
		for i := range l.Statuses {
			l.Statuses[i].Order = 5
		}
		return l
	}
	r.fakes["crm"].Show(tied("1 A", "2 B", "3 C"))
	r.sync()
	r.fakes["crm"].Show(tied("9 A", "2 B", "3 C"))
	r.wantPlan(r.sync(), "relink reorder", "")
	if got := r.names(); got != "BCA" {
		t.Errorf("the sequence is %s, want BCA: the CRM's changed by the new ID", got)
	}
}

// A link that leads only since this plan says nothing about what the CRM moved.
func TestSequenceStaysWhereTheLeaderChangesInThePlan(t *testing.T) {
	t.Parallel()
	for _, policy := range []statuslink.Conflict{statuslink.KeepBot, statuslink.CRMWins, statuslink.Leave} {
		r := newRig(t, statuslink.Policy{Conflict: policy}, "crm")
		r.show("crm", rows("ABC")...)
		r.sync()
		hand := crm.Ref{Source: "crm", ID: "X"}
		_, err := r.catalog.Link(t.Context(), r.id("B"), hand)
		r.must(err)
		_, err = r.catalog.Lead(t.Context(), hand)
		r.must(err)
		r.show("crm", rows("ACB")...) // X is missing, so that B leads its status again
		r.wantPlan(r.sync(), "missing", "differs")
		if got := r.names(); got != "ABC" {
			t.Errorf("policy %q: the sequence is %s, want ABC", policy, got)
		}
		r.show("crm", rows("BAC")...)
		r.sync()
		if got, want := r.names(), map[statuslink.Conflict]string{statuslink.CRMWins: "BAC"}[policy]; want != "" && got != want {
			t.Errorf("policy %q: afterwards the sequence is %s, want %s", policy, got, want)
		}
	}
}
