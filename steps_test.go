package statuslink_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/memstore"
)

func TestGuardTable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		linked int
		listed string // of the linked ones, and others
		held   bool
	}{
		{"one of one, another listed", 1, "X", false},
		{"two of two", 2, "X", true},
		{"two of three", 3, "C", false},
		{"three of three", 3, "X", true},
		{"three of nine", 9, "DEFGHI", false},
		{"three of eight", 8, "DEFGH", true},
		{"four of twelve", 12, "EFGHIJKL", false},
		{"four of eleven", 11, "EFGHIJK", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, statuslink.Policy{}, "crm")
			r.show("crm", rows("ABCDEFGHIJKLMN"[:test.linked])...)
			r.sync()
			r.show("crm", rows(test.listed)...)
			plan := r.plan()
			if got := len(plan.Held()) == 1; got != test.held {
				t.Errorf("held is %v, want %v\n%v", got, test.held, plan)
			}
			if test.held && !plan.Empty() {
				t.Errorf("a held scope is not frozen:\n%v", plan)
			}
			if !test.held {
				r.sync()
			}
		})
	}
}

func TestHeldScopeStillTakesFieldsAndRevivals(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", rows("ABCDEFGH")...)
	r.sync()
	r.show("crm", rows("BCDEFGH")...)
	r.wantPlan(r.sync(), "missing", "")
	r.show("crm", "A A", "H Huge", "N New")
	r.wantPlan(r.sync(), "revive update", "held")
	r.wantPlan(r.sync(), "", "held")
	released := r.plan().Release(statuslink.ScopeKey{Source: "crm"})
	r.wantPlan(released, "missing missing missing missing missing missing create", "")
}

func TestScopeThatIsGoneIsHeld(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.scoped("crm", []string{"one", "1 A"}, []string{"two", "1 B"})
	r.sync()
	r.scoped("crm", []string{"one", "1 A"})
	r.wantPlan(r.sync(), "", "held")
	plan := r.plan().Release(statuslink.ScopeKey{Source: "crm", ID: "two"})
	r.wantPlan(plan, "missing", "")
	_, err := r.syncer.Apply(t.Context(), plan)
	r.must(err)
	r.wantState("a release marks what is gone", "A crm/one/1", "B crm/two/1(missing)")
	r.wantPlan(r.plan(), "", "held")
}

func TestScopeWithoutRowsIsHeld(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.scoped("crm", []string{"one", "1 A"}, []string{"two", "1 B"})
	r.sync()
	r.scoped("crm", []string{"one", "1 A"}, []string{"two"})
	r.wantPlan(r.sync(), "", "held")
}

func TestUnreadScopeAndSourceAreLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "a", "b")
	r.scoped("a", []string{"one", "1 A"}, []string{"two", "1 B"})
	r.show("b", "1 C")
	r.sync()
	r.syncer = r.engine(statuslink.Policy{}, "a")
	only := listing("a")
	only.Scopes[0].ID, only.Exists = "one", []string{"one", "two"}
	only.Statuses = rowsOf("a", "one", "1 A2")
	r.fakes["a"].Show(only)
	r.wantPlan(r.sync(), "update", "unread-scope unread-source")
	r.wantState("what was not read stays", "A2 a/one/1", "B a/two/1", "C b/1")
}

func TestFailedSourceHarmsNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "a", "b")
	r.show("a", "1 A")
	r.show("b", "1 B")
	r.sync()
	r.fakes["a"].Fail(crm.ErrUnauthorized)
	r.show("b", "1 B2")
	report, err := r.syncer.Sync(t.Context())
	if !errors.Is(err, crm.ErrUnauthorized) || report == nil || !report.Applied {
		t.Fatalf("report %+v, error %v", report, err)
	}
	r.wantPlan(report.Plan, "update", "failed")
	r.wantState("a failed source harms no other", "A a/1", "B2 b/1")
}

func TestRelinkTable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		before   []string
		after    []string
		ops      string
		findings string
	}{
		{"one for one", []string{"1 A", "2 B"}, []string{"9 A", "2 B"}, "relink", ""},
		{"found by folded name", []string{"1 Новый", "2 B"}, []string{"9 НОВЫЙ", "2 B"}, "relink update", ""},
		{"outcome contradicts", []string{"1 A #111111 won", "2 B"}, []string{"9 A #111111 lost", "2 B"}, "missing create", "twin-name"},
		{
			"outcomes tell twins apart",
			[]string{"1 A #111111 won", "2 A #111111 lost", "3 B", "4 C"},
			[]string{"8 A #111111 lost", "9 A #111111 won", "3 B", "4 C"},
			"relink relink reorder", "twin-name",
		},
		{"two for one", []string{"1 A", "2 B", "3 C"}, []string{"8 A", "9 A", "2 B", "3 C"}, "missing", "ambiguous ambiguous"},
		{"one for two", []string{"1 A", "2 A", "3 C"}, []string{"9 A", "3 C"}, "missing missing", "ambiguous twin-name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, statuslink.Policy{}, "crm")
			r.show("crm", test.before...)
			r.sync()
			r.show("crm", test.after...)
			r.wantPlan(r.sync(), test.ops, test.findings)
		})
	}
}

func TestRelinkFindsWhatWasMissingBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2 B", "3 C")
	r.sync()
	r.show("crm", "2 B", "3 C")
	r.sync()
	r.show("crm", "9 A", "2 B", "3 C")
	r.wantPlan(r.sync(), "relink", "")
	r.wantState("a status re-created later is the same", "A crm/9", "B crm/2", "C crm/3")
}

func TestMatchTable(t *testing.T) {
	t.Parallel()
	ensure := func(defs ...statuslink.Definition) []statuslink.Definition { return defs }
	for _, test := range []struct {
		name     string
		bot      []statuslink.Definition
		policy   statuslink.Policy
		one, two []string // rows of two scopes
		ops      string
		findings string
		state    []string
	}{
		{
			"by name", ensure(statuslink.Definition{Key: "a", Name: "A"}),
			statuslink.Policy{},
			[]string{"1 a"},
			nil, "link", "differs",
			[]string{"A crm/one/1"},
		},
		{
			"by alias", ensure(statuslink.Definition{Key: "a", Name: "A", Aliases: []string{"Б"}}),
			statuslink.Policy{},
			[]string{"1 б"},
			nil, "link", "differs",
			[]string{"A crm/one/1"},
		},
		{
			"two candidates", ensure(statuslink.Definition{Key: "a", Name: "A"}, statuslink.Definition{Key: "b", Name: "B", Aliases: []string{"A"}}),
			statuslink.Policy{},
			[]string{"1 A"},
			nil, "", "ambiguous",
			[]string{"A", "B"},
		},
		{
			"two claimants", ensure(statuslink.Definition{Key: "a", Name: "A"}),
			statuslink.Policy{},
			[]string{"1 A", "2 a"},
			nil, "", "ambiguous ambiguous",
			[]string{"A"},
		},
		{
			"two claimants by name and alias", ensure(statuslink.Definition{Key: "a", Name: "A", Aliases: []string{"B"}}),
			statuslink.Policy{},
			[]string{"1 A", "2 B"},
			nil, "", "ambiguous ambiguous",
			[]string{"A"},
		},
		{
			"outcomes tell apart", ensure(statuslink.Definition{Key: "w", Name: "A", Outcome: crm.Won}, statuslink.Definition{Key: "l", Name: "A", Outcome: crm.Lost}),
			statuslink.Policy{},
			[]string{"1 A #111111 lost", "2 A #111111 won"},
			nil, "link link", "differs twin-name",
			[]string{"A #111111 won crm/one/2", "A #111111 lost crm/one/1"},
		},
		{
			"a status named in an ambiguity is free in another scope", ensure(statuslink.Definition{Key: "a", Name: "A"}),
			statuslink.Policy{},
			[]string{"1 A", "2 A"},
			[]string{"1 A"},
			"link", "ambiguous ambiguous",
			[]string{"A crm/two/1"},
		},
		{
			"created earlier in the plan", nil,
			statuslink.Policy{},
			[]string{"1 A"},
			[]string{"1 A"},
			"create link", "",
			[]string{"A crm/one/1 crm/two/1"},
		},
		{
			"apart", nil,
			statuslink.Policy{Apart: true},
			[]string{"1 A"},
			[]string{"1 A"},
			"create create", "twin-name",
			[]string{"A crm/one/1", "A crm/two/1"},
		},
		{
			"apart, both claim one", ensure(statuslink.Definition{Key: "a", Name: "A"}),
			statuslink.Policy{Apart: true},
			[]string{"1 A"},
			[]string{"1 A"},
			"", "ambiguous ambiguous",
			[]string{"A"},
		},
		{
			"link only", ensure(statuslink.Definition{Key: "a", Name: "A"}),
			statuslink.Policy{LinkOnly: true},
			[]string{"1 A", "2 B"},
			nil, "link", "unlinked",
			[]string{"A crm/one/1"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.policy, "crm")
			r.must(r.catalog.Ensure(t.Context(), test.bot...))
			r.scoped("crm", append([]string{"one"}, test.one...), append([]string{"two"}, test.two...))
			r.wantPlan(r.sync(), test.ops, test.findings)
			r.wantState("the right partners", test.state...)
		})
	}
}

func TestFindingsComeBackEqualUntilTheirCauseGoes(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{LinkOnly: true, Conflict: statuslink.Leave}, "a", "b", "c")
	r.must(r.catalog.Ensure(t.Context(),
		statuslink.Definition{Key: "x", Name: "X"}, statuslink.Definition{Key: "x2", Name: "x"},
		statuslink.Definition{Key: "w", Name: "W", Outcome: crm.Won}))
	_, err := r.catalog.Link(t.Context(), "w", crm.Ref{Source: "a", ID: "5"})
	r.must(err)
	r.must(r.catalog.Ignore(t.Context(), crm.Ref{Source: "a", ID: "3"}, "Спам"))
	l := listing("a", "1 X", "2 Q", "3 Спам", "5 W #111111 lost", "6 Z")
	l.Statuses[1].Color = "rot"
	r.fakes["a"].Show(l)
	r.fakes["b"].Fail(crm.ErrRateLimited)
	r.show("c")
	_, err = r.syncer.Sync(t.Context())
	if !errors.Is(err, crm.ErrRateLimited) {
		t.Fatalf("error %v", err)
	}
	first := r.plan()
	r.wantPlan(first, "", "ambiguous ignored invalid-value outcome-differs unlinked unlinked failed twin-name")
	ignoreErr := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Err" }, cmp.Ignore())
	if diff := cmp.Diff(first.Findings(), r.plan().Findings(), ignoreErr); diff != "" {
		t.Errorf("findings of an unchanged world differ (-first +second)\n%s", diff)
	}
	for _, f := range first.Attention() {
		if f.Kind == statuslink.FindingIgnored || f.Kind == statuslink.FindingTwins {
			t.Errorf("%s needs attention", f.Kind)
		}
	}
	if text := first.String(); !strings.Contains(text, "Nothing to do.") || !strings.Contains(text, "rate limited") {
		t.Errorf("the table lacks something:\n%s", text)
	}
}

func TestOrderOfRowsDoesNotMatter(t *testing.T) {
	t.Parallel()
	build := func(reverse bool) (*statuslink.Plan, *rig) {
		r := newRig(t, statuslink.Policy{}, "crm")
		r.show("crm", "1 A", "2 B", "3 B", "4 C", "5 D")
		r.sync()
		l := listing("crm", "5 D2", "1 A", "7 B", "4 C", "8 E", "9 E")
		if reverse {
			for i, j := 0, len(l.Statuses)-1; i < j; i, j = i+1, j-1 {
				l.Statuses[i], l.Statuses[j] = l.Statuses[j], l.Statuses[i]
			}
		}
		r.fakes["crm"].Show(l)
		return r.plan(), r
	}
	one, r := build(false)
	other, _ := build(true)
	if diff := cmp.Diff(one.Operations(), other.Operations()); diff != "" {
		t.Errorf("operations depend on the order of rows (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(one.Findings(), other.Findings()); diff != "" {
		t.Errorf("findings depend on the order of rows (-want +got)\n%s", diff)
	}
	if one.Digest() != other.Digest() {
		t.Error("the digest depends on the order of rows")
	}
	_, err := r.syncer.Apply(t.Context(), one)
	r.must(err)
}

// A second status of one name in a list is created, and the plan says why.
func TestCreatedBesideOneOfItsName(t *testing.T) {
	t.Parallel()
	fake := crmfake.New("acme", crmfake.Listing("acme", crm.Scope{}, crmfake.Status("1", "В работе"), crmfake.Status("2", "в работе")))
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	syncer, err := statuslink.NewSyncer(catalog, nil, fake)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := syncer.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, op := range plan.Operations() {
		if op.Kind == statuslink.OpCreate {
			reasons[op.Ref.ID] = op.Reason
		}
	}
	want := map[string]string{"1": "no status has this name", "2": "no status of this name is free for it"}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}
