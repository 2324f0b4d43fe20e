package statuslink_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm/crmfake"
)

func TestApplyDoesWhatThePlanSays(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	before := b.snapshot()
	plan := b.plan(syncer)
	b.wantSame("a plan changes nothing", before)
	reads := fake.Calls()
	b.wantWrites("Apply", 1, func() error {
		report, err := syncer.Apply(statuslink.WithActor(t.Context(), "anna"), plan)
		if report == nil || !report.Applied || report.Already || report.Plan != plan || report.Version != b.snapshot().Version() {
			t.Errorf("the report is wrong: %+v", report)
		}
		return err
	})
	if fake.Calls() != reads {
		t.Error("Apply reads the CRM again")
	}
	b.wantNote("Apply is noted", statuslink.Note{At: b.clock.stored(), Who: "anna", Why: "synchronise", Digest: plan.Digest()})
	want := []statuslink.Moved{{ID: "st_02", Name: "B2", What: "changed"}}
	if diff := cmp.Diff(want, b.snapshot().Since(before)); diff != "" {
		t.Errorf("exactly what was shown is done (-want +got)\n%s", diff)
	}
}

func TestApplyRefusesForeignPlans(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	before := b.snapshot()
	foreign := b.plan(b.syncer(nil, fake))
	for name, plan := range map[string]*statuslink.Plan{
		"another Syncer's plan": foreign, "its release": foreign.Release(statuslink.ScopeKey{Source: "crm"}),
		"no plan": nil, "a plan that is none": {},
	} {
		report, err := syncer.Apply(t.Context(), plan)
		wantKind(t, name, err, statuslink.ErrInvalid, "apply", "")
		if report != nil {
			t.Errorf("%s: there is a report: %+v", name, report)
		}
	}
	b.wantSame("a refused plan changes nothing", before)
}

func TestApplyRefusesOldPlans(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		set, age time.Duration
		old      bool
	}{
		{"fifteen minutes by default", 0, 15 * time.Minute, false},
		{"more than that", 0, 15*time.Minute + time.Microsecond, true},
		{"as set", time.Hour, time.Hour, false},
		{"more than set", time.Hour, time.Hour + time.Second, true},
		{"a clock that was put back", 0, -time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, fake, _ := newLinkedBot(t)
			b.clock.now = b.clock.now.Truncate(time.Microsecond)
			fake.Show(stages("crm", "A", "B2", "C", "D"))
			syncer := b.syncer(&statuslink.SyncOptions{PlanAge: test.set}, fake)
			plan := b.plan(syncer)
			before := b.snapshot()
			b.clock.advance(test.age)
			_, applied := syncer.Apply(t.Context(), plan)
			if !test.old {
				b.must(applied)
				return
			}
			_, confirmed := syncer.Confirm(t.Context(), plan.Token())
			for name, err := range map[string]error{"Apply": applied, "Confirm": confirmed} {
				stale := wantStale(t, name+" of an old plan", err)
				if stale.Reason == "" || stale.Planned != plan.Version() || stale.Present != plan.Version() {
					t.Errorf("%s does not say that the plan is too old: %+v", name, stale)
				}
			}
			b.wantSame("an old plan changes nothing", before)
		})
	}
}

func TestApplyTellsWhatMoved(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	plan := b.plan(syncer)
	other := b.other()
	_, err := other.Edit(t.Context(), "st_03", func(s *statuslink.Status) { s.Name = "Mine" })
	b.must(err)
	_, err = other.Create(t.Context(), statuslink.Status{Name: "Fresh"})
	b.must(err)
	removal, err := other.PreviewRemove(t.Context(), "st_04")
	b.must(err)
	b.must(other.Remove(t.Context(), removal))

	before := b.snapshot()
	report, err := syncer.Apply(t.Context(), plan)
	stale := wantStale(t, "the store moved", err)
	want := []statuslink.Moved{
		{ID: "st_03", Name: "Mine", What: "changed"},
		{ID: b.snapshot().At(3).ID, Name: "Fresh", What: "created"},
		{ID: "st_04", Name: "D", What: "removed"},
	}
	if diff := cmp.Diff(want, stale.Moved); diff != "" || report != nil {
		t.Errorf("the error tells what moved (-want +got)\n%s\nreport %+v", diff, report)
	}
	if stale.Planned != plan.Version() || stale.Present != before.Version() {
		t.Errorf("the error tells wrong versions: %+v", stale)
	}
	b.wantSame("a stale plan changes nothing", before)
}

func TestApplyTwice(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	plan, same := b.plan(syncer), b.plan(syncer)
	_, err := syncer.Apply(t.Context(), plan)
	b.must(err)
	again := func(promise string, plan *statuslink.Plan) {
		t.Helper()
		before := b.snapshot()
		report, err := syncer.Apply(t.Context(), plan)
		b.must(err)
		if !report.Already || report.Applied || report.Version != before.Version() || report.Plan != plan {
			t.Errorf("%s: the report does not say that it was done: %+v", promise, report)
		}
		b.wantSame(promise, before)
	}
	again("the same plan", plan)
	again("another plan that does the same", same)
	_, err = b.other().Create(t.Context(), statuslink.Status{Name: "Fresh"})
	b.must(err)
	again("after the store moved on", plan)
	b.clock.advance(time.Hour)
	again("after the plan became too old", plan)
}

func TestApplyAfterConfirm(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	plan := b.plan(syncer)
	_, err := syncer.Confirm(t.Context(), plan.Token())
	b.must(err)
	report, err := syncer.Apply(t.Context(), plan)
	b.must(err)
	if !report.Already || report.Applied {
		t.Errorf("the plan was confirmed before, but the report says %+v", report)
	}
}

func TestApplyAtOnce(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	plan := b.plan(syncer)
	reports := make([]*statuslink.Report, 8)
	var wait sync.WaitGroup
	for i := range reports {
		wait.Go(func() {
			var err error
			if reports[i], err = syncer.Apply(t.Context(), plan); err != nil {
				t.Errorf("several clicks at once: %v", err)
			}
		})
	}
	wait.Wait()
	applied := 0
	for _, report := range reports {
		if report != nil && report.Applied {
			applied++
		} else if report != nil && !report.Already {
			t.Errorf("neither applied nor done already: %+v", report)
		}
	}
	if applied != 1 {
		t.Errorf("the plan was applied %d times", applied)
	}
}

// Release makes another plan of what was read, and applies it like any.
func TestApplyRelease(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A"))
	plan := b.plan(syncer)
	reads := fake.Calls()
	if same := plan.Release(statuslink.ScopeKey{Source: "other"}); same.Digest() != plan.Digest() || len(same.Held()) != 1 {
		t.Errorf("a scope that is not held is passed over:\n%v", same)
	}
	released := plan.Release(plan.Held()...)
	if released.Digest() == plan.Digest() || released.Empty() || len(released.Held()) != 0 || !plan.Empty() || fake.Calls() != reads {
		t.Errorf("Release gives a new plan of what was read:\n%v\nfrom\n%v", released, plan)
	}
	_, err := syncer.Apply(t.Context(), released)
	b.must(err)
	for status := range b.snapshot().All() {
		if missing := status.Links[0].Missing(); missing == (status.Name == "A") {
			t.Errorf("%s: missing is %v", status.Name, missing)
		} else if missing && !status.Links[0].MissingSince.Equal(b.clock.stored()) {
			t.Errorf("%s: missing since %v, want the instant of the Apply", status.Name, status.Links[0].MissingSince)
		}
	}
}

func TestApplyKeepsTheStoresError(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	plan := b.plan(syncer)
	broken := errors.New("disk full")
	b.store.before = func(statuslink.Changes) error { return broken }
	if report, err := syncer.Apply(t.Context(), plan); report != nil || !errors.Is(err, broken) {
		t.Errorf("a broken store gives %+v and %v", report, err)
	}
	b.store.before = nil
	report, err := syncer.Apply(t.Context(), plan)
	b.must(err)
	if !report.Applied {
		t.Error("a plan that failed can be applied again")
	}
}

// What a Syncer returns is the caller's: changing it changes no plan.
func TestPlanIsImmutable(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	fake := crmfake.New("crm", stages("crm", "NEW", "B"))
	syncer := b.syncer(nil, fake)
	plan := b.plan(syncer)
	text := plan.String()
	plan.Operations()[0].Kind = "changed"
	plan.Findings()[0].Message = "changed"
	if plan.String() != text {
		t.Errorf("the plan changed to\n%v", plan)
	}
}
