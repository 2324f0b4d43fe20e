package statuslink_test

import (
	"errors"
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// The disasters that other synchronisations are known for.

func TestDisasterEmptyListFromThrottledAPI(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2 B", "3 C")
	r.sync()
	r.show("crm")
	plan, err := r.syncer.Plan(t.Context())
	if !errors.Is(err, statuslink.ErrRefused) || !plan.Empty() {
		t.Errorf("an empty list was believed: error %v, plan\n%v", err, plan)
	}
	if _, err := r.syncer.Sync(t.Context()); !errors.Is(err, statuslink.ErrRefused) {
		t.Errorf("Sync believed an empty list: %v", err)
	}
	r.wantState("an empty list changes nothing", "A crm/1", "B crm/2", "C crm/3")
}

func TestDisasterOnePageOfTwo(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2 B", "3 C", "4 D")
	r.sync()
	half := listing("crm", "1 A", "2 B")
	half.Scopes[0].Announced = 4
	r.fakes["crm"].Show(half)
	plan, err := r.syncer.Plan(t.Context())
	if !errors.Is(err, crm.ErrIncomplete) || !plan.Empty() {
		t.Errorf("half a list was believed: error %v, plan\n%v", err, plan)
	}
}

// cutList synchronises 100 statuses, then lists only the first few of them.
func cutList(t *testing.T, rows int) (*rig, *statuslink.Plan) {
	t.Helper()
	r := newRig(t, statuslink.Policy{}, "crm")
	whole := manyRows(100)
	r.fakes["crm"].Show(whole)
	r.sync()
	whole.Statuses = whole.Statuses[:rows]
	r.fakes["crm"].Show(whole)
	return r, r.plan()
}

func TestDisasterListCutTo41Percent(t *testing.T) {
	t.Parallel()
	r, plan := cutList(t, 41)
	r.wantPlan(plan, "", "held")
	if !plan.Empty() {
		t.Errorf("a cut list was believed:\n%v", plan)
	}
	released := plan.Release(plan.Held()...)
	if released.Digest() == plan.Digest() {
		t.Error("a released plan has the digest of the held one")
	}
	if ops, _ := kinds(released); len(ops) != 59 {
		t.Errorf("%d operations after the release, want 59 times missing", len(ops))
	}
}

func TestDisasterSixLoseFive(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2 B", "3 C", "4 D", "5 E", "6 F")
	r.sync()
	r.show("crm", "6 F")
	r.wantPlan(r.plan(), "", "held")
	r.sync()
	r.wantState("a held scope is frozen", "A crm/1", "B crm/2", "C crm/3", "D crm/4", "E crm/5", "F crm/6")
}

func TestDisasterRenameTakenForDeleteAndCreate(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 Новый", "2 В_работе", "3 Оплачено")
	r.sync()
	id := r.id("В работе")
	r.show("crm", "1 Новый", "2 Готовим", "3 Оплачено")
	r.wantPlan(r.plan(), "update", "")
	r.sync()
	r.wantState("a rename is a rename", "Новый crm/1", "Готовим crm/2", "Оплачено crm/3")
	if r.id("Готовим") != id {
		t.Error("a rename gave the status another ID")
	}
}

func TestDisasterSecondRunDoublesEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2 A", "3 B")
	r.sync()
	r.sync()
	r.wantState("a second run does nothing", "A crm/1", "A crm/2", "B crm/3")
}

func TestDisasterPipelineAddedLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.scoped("crm", []string{"sales", "1 New", "2 Paid"})
	r.sync()
	r.scoped("crm", []string{"sales", "1 New", "2 Paid"}, []string{"support", "1 New", "2 Waiting", "3 Paid"})
	r.sync()
	r.wantState("one name, one status", "New crm/sales/1 crm/support/1", "Waiting crm/support/2", "Paid crm/sales/2 crm/support/3")
}

func TestDisasterCRMConnectedTodayAndTomorrow(t *testing.T) {
	t.Parallel()
	show := func(r *rig) {
		r.show("a", "1 New", "2 Paid")
		r.show("b", "7 Paid", "8 Lost", "9 New")
	}
	together := newRig(t, statuslink.Policy{}, "a", "b")
	show(together)
	together.sync()
	after := newRig(t, statuslink.Policy{}, "a")
	after.syncer = after.engine(statuslink.Policy{}, "a", "b")
	show(after)
	after.syncer = after.engine(statuslink.Policy{}, "a")
	after.sync()
	after.syncer = after.engine(statuslink.Policy{}, "a", "b")
	after.sync()
	want := []string{"New a/1 b/9", "Paid a/2 b/7", "Lost b/8"}
	together.wantState("two CRMs together", want...)
	after.wantState("one after the other", want...)
}

func TestDisasterDuplicateRows(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2 B", "1 A")
	if plan, err := r.syncer.Plan(t.Context()); !errors.Is(err, crm.ErrBadResponse) || !plan.Empty() {
		t.Errorf("a row that stands twice was believed: error %v, plan\n%v", err, plan)
	}
}

func TestDisasterManualLinkOverwritten(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.must(r.catalog.Ensure(t.Context(), statuslink.Definition{Key: "paid", Name: "Paid"}, statuslink.Definition{Key: "done", Name: "Done"}))
	_, err := r.catalog.Link(t.Context(), "done", crm.Ref{Source: "crm", ID: "1"})
	r.must(err)
	r.show("crm", "1 Paid", "2 Done")
	r.sync()
	r.wantState("a link made by hand stays", "Paid", "Done crm/1", "Done crm/2")
}

func TestDisasterLocalRenameOverwritten(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2 B")
	r.sync()
	r.rename("A", "Mine")
	r.sync()
	r.show("crm", "1 A2", "2 B")
	r.wantPlan(r.sync(), "", "conflict")
	r.wantState("a name edited in the bot stays", "Mine crm/1", "B crm/2")
}

func TestDisasterDeletedHereAndBackAfterTheNextRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2 B")
	r.sync()
	removal, err := r.catalog.PreviewRemove(t.Context(), r.id("A"))
	r.must(err)
	r.must(r.catalog.Remove(t.Context(), removal))
	r.wantPlan(r.sync(), "", "ignored")
	r.wantState("what was removed by hand stays removed", "B crm/2")
}

func TestDisasterColourCaseUpdatesForEver(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A #55d0e0")
	r.sync() // checks that a second plan is empty
	r.show("crm", "1 A #55D0E0")
	if plan := r.plan(); !plan.Empty() {
		t.Errorf("the case of a colour is taken for a change:\n%v", plan)
	}
	r.wantState("colours are in capitals", "A #55D0E0 crm/1")
}

func TestDisasterTwoFormsOfOneName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, bot, crm string }{
		{"й composed and decomposed", "Новый", "Новыи\u0306"},
		{"non-breaking blank", "В работе", "В\u00a0работе"},
		{"several blanks", "В работе", "В  работе"},
		{"letter case", "В РАБОТЕ", "в работе"},
		{"zero width", "В работе", "В \u200bработе"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, statuslink.Policy{}, "crm")
			r.must(r.catalog.Ensure(t.Context(), statuslink.Definition{Key: "key", Name: test.bot}))
			l := listing("crm", "1 x")
			l.Statuses[0].Name = test.crm
			r.fakes["crm"].Show(l)
			r.sync()
			r.wantState("one name, one status", test.bot+" crm/1")
		})
	}
}

func TestDisasterOtherAccountUnderTheSameName(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	first := listing("crm", "1 A", "2 B")
	first.Account = []string{"one.example.com"}
	r.fakes["crm"].Show(first)
	r.sync()
	other := listing("crm", "1 X", "2 Y")
	other.Account = []string{"two.example.com"}
	r.fakes["crm"].Show(other)
	plan, err := r.syncer.Plan(t.Context())
	if !errors.Is(err, statuslink.ErrRefused) {
		t.Errorf("another account was believed: %v", err)
	}
	r.wantPlan(plan, "", "other-account")
	r.must(r.catalog.AcceptAccount(t.Context(), "crm", plan.Findings()[0].Account...))
	r.wantPlan(r.sync(), "update update", "")
}

func TestDisasterStageRecreated(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2 B", "3 C")
	r.sync()
	id := r.id("B")
	r.show("crm", "1 A", "9 B", "3 C")
	r.wantPlan(r.sync(), "relink", "")
	r.wantState("a status re-created under a new ID is the same", "A crm/1", "B crm/9", "C crm/3")
	if r.id("B") != id {
		t.Error("the re-created status has another ID in the bot")
	}
}
