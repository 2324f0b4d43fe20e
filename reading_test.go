package statuslink_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
)

// syncer is a Syncer over the bot's catalog.
func (b *bot) syncer(opts *statuslink.SyncOptions, clients ...crm.Client) *statuslink.Syncer {
	b.t.Helper()
	syncer, err := statuslink.NewSyncer(b.catalog, opts, clients...)
	b.must(err)
	return syncer
}

func (b *bot) plan(syncer *statuslink.Syncer) *statuslink.Plan {
	b.t.Helper()
	plan, err := syncer.Plan(b.t.Context())
	b.must(err)
	return plan
}

// stages is a list of statuses with these names and the IDs "1", "2", ...
func stages(source string, names ...string) crm.Listing {
	rows := make([]crm.Status, len(names))
	for i, name := range names {
		rows[i] = crmfake.Status(string(rune('1'+i)), name)
	}
	return crmfake.Listing(source, crm.Scope{Name: "Leads"}, rows...)
}

func sourcesOf(plan *statuslink.Plan) []string {
	var sources []string
	for _, op := range plan.Operations() {
		if n := len(sources); n == 0 || sources[n-1] != op.Ref.Source {
			sources = append(sources, op.Ref.Source)
		}
	}
	return sources
}

func TestPlanReadsAllSourcesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	fakes := []*crmfake.Client{
		crmfake.New("c", stages("c", "C")), crmfake.New("a", stages("a", "A")), crmfake.New("b", stages("b", "B")),
	}
	syncer := b.syncer(nil, fakes[0], fakes[1], fakes[2])
	var release []func()
	for _, fake := range fakes {
		release = append(release, fake.Hold())
	}
	done := make(chan *statuslink.Plan, 1)
	go func() {
		plan, err := syncer.Plan(t.Context())
		if err != nil {
			t.Error(err)
		}
		done <- plan
	}()
	for _, fake := range fakes { // each begins although none has ended
		b.must(fake.WaitCalls(t.Context(), 1))
	}
	for i := len(release) - 1; i >= 0; i-- {
		release[i]()
	}
	if diff := cmp.Diff([]string{"c", "a", "b"}, sourcesOf(<-done)); diff != "" {
		t.Errorf("sources are taken in the order of the clients, whoever answers first (-want +got)\n%s", diff)
	}
	for _, fake := range fakes {
		if fake.Calls() != 1 {
			t.Errorf("source %s was read %d times for one plan", fake.Source(), fake.Calls())
		}
	}
}

func TestPlanGoesOnWithoutFailedSources(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	down, secret, up := crmfake.New("down"), crmfake.New("secret"), crmfake.New("up", stages("up", "Paid"))
	down.Fail(crm.ErrUnavailable)
	secret.Fail(crm.ErrUnauthorized)
	plan, err := b.syncer(nil, down, up, secret).Plan(t.Context())
	if err != nil {
		t.Fatalf("one source is enough for a plan: %v", err)
	}
	for _, kind := range []error{crm.ErrUnavailable, crm.ErrUnauthorized} {
		if !errors.Is(plan.Err(), kind) {
			t.Errorf("Plan.Err joins all failures, but %v lacks %v", plan.Err(), kind)
		}
	}
	if diff := cmp.Diff([]string{"up"}, sourcesOf(plan)); diff != "" {
		t.Errorf("the other source goes on, and only that (-want +got)\n%s", diff)
	}
	var failed []string
	for _, finding := range plan.Attention() {
		if finding.Kind == statuslink.FindingFailed && errors.Is(plan.Err(), finding.Err) {
			failed = append(failed, finding.Scope.Source)
		}
	}
	if diff := cmp.Diff([]string{"down", "secret"}, failed); diff != "" {
		t.Errorf("a failed source needs attention (-want +got)\n%s", diff)
	}
}

func TestPlanFailsIfNoSourceCouldBeRead(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	b.link("new", ref("a", "1"))
	one, two := crmfake.New("a"), crmfake.New("b", stages("not b", "X"))
	one.Fail(crm.ErrRateLimited)
	plan, err := b.syncer(nil, one, two).Plan(t.Context())
	if !errors.Is(err, crm.ErrRateLimited) || !errors.Is(err, statuslink.ErrRefused) {
		t.Errorf("the error joins both failures, got %v", err)
	}
	if plan == nil {
		t.Fatal("the plan whose findings say why is missing")
	}
	if !plan.Empty() || len(plan.Attention()) != 2 || !errors.Is(err, plan.Err()) {
		t.Errorf("the plan is empty and says why, got\n%v", plan)
	}
}

func TestPlanRefusesListsThatMustNotBeBelieved(t *testing.T) {
	t.Parallel()
	twice := stages("crm", "A", "B")
	twice.Statuses[1].Ref = twice.Statuses[0].Ref
	cut := stages("crm", "A", "B")
	cut.Scopes[0].Announced = 3
	other := stages("crm", "A")
	other.Account = []string{"18"}
	for _, test := range []struct {
		name    string
		listing crm.Listing
		kind    error
		finding statuslink.FindingKind
	}{
		{"no listing at all", crm.Listing{}, crm.ErrBadResponse, statuslink.FindingFailed},
		{"a Ref twice", twice, crm.ErrBadResponse, statuslink.FindingFailed},
		{"rows fewer than announced", cut, crm.ErrIncomplete, statuslink.FindingFailed},
		{"another source", stages("x", "A"), statuslink.ErrRefused, statuslink.FindingFailed},
		{"empty although linked", stages("crm"), statuslink.ErrRefused, statuslink.FindingFailed},
		{"another account", other, statuslink.ErrRefused, statuslink.FindingOtherAccount},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBot(t, "new")
			b.link("new", ref("crm", "1"))
			b.must(b.catalog.AcceptAccount(t.Context(), "crm", "17"))
			before := b.snapshot()
			syncer := b.syncer(nil, crmfake.New("crm", test.listing))
			plan, err := syncer.Plan(t.Context())
			if !errors.Is(err, test.kind) {
				t.Errorf("Plan ends with %v, want the kind %v", err, test.kind)
			}
			if findings := plan.Findings(); len(findings) != 1 || findings[0].Kind != test.finding || !findings[0].Attention() {
				t.Errorf("the plan does not say why:\n%v", plan)
			}
			if health := syncer.Health()[0]; !errors.Is(health.LastError, test.kind) || health.Failures != 1 || !health.LastSuccess.IsZero() {
				t.Errorf("a refused source counts as failed, got %+v", health)
			}
			_, err = syncer.Sync(t.Context())
			if !errors.Is(err, test.kind) {
				t.Errorf("Sync ends with %v, want the kind %v", err, test.kind)
			}
			b.wantSame("nothing is concluded from it", before)
		})
	}
}

// A source that hangs fails by the time-out, and the others go on.
func TestPlanReadTimeout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ set, want time.Duration }{
		"by default":  {0, 2 * time.Minute},
		"as set":      {3 * time.Second, 3 * time.Second},
		"a bad value": {-1, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBot(t, "new")
				hangs, works := crmfake.New("hangs"), crmfake.New("works", stages("works", "Paid"))
				hangs.Hold()
				start := time.Now()
				plan, err := b.syncer(&statuslink.SyncOptions{ReadTimeout: test.set}, hangs, works).Plan(t.Context())
				b.must(err)
				if took := time.Since(start); took != test.want {
					t.Errorf("a hanging source is waited for %v, want %v", took, test.want)
				}
				if !errors.Is(plan.Err(), context.DeadlineExceeded) || hangs.Running() != 0 {
					t.Errorf("the hanging source fails by the time-out, got %v", plan.Err())
				}
				if diff := cmp.Diff([]string{"works"}, sourcesOf(plan)); diff != "" {
					t.Errorf("the others go on (-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestCancelledPlan(t *testing.T) {
	t.Parallel()
	for _, during := range []bool{false, true} {
		b := newBot(t, "new")
		fake := crmfake.New("crm", stages("crm", "Paid"))
		syncer := b.syncer(nil, fake)
		b.store.deaf = true // the Syncer looks itself
		ctx, cancel := context.WithCancel(t.Context())
		if during {
			fake.Hold()
			go func() {
				_ = fake.WaitCalls(ctx, 1)
				cancel()
			}()
		} else {
			cancel()
		}
		before := b.snapshot()
		plan, err := syncer.Plan(ctx)
		if plan != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("during %v: a cancelled Plan gives %v and %v", during, plan, err)
		}
		report, err := syncer.Sync(ctx)
		if report != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("during %v: a cancelled Sync gives %v and %v", during, report, err)
		}
		if health := syncer.Health()[0]; health.Failures != 0 || health.LastError != nil {
			t.Errorf("during %v: the caller's cancelling is no failure of the source: %+v", during, health)
		}
		b.wantSame("a cancelled call changes nothing", before)
		cancel()
	}
}

func TestPlanFailsWithTheStore(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	syncer := b.syncer(nil, crmfake.New("crm", stages("crm", "Paid")))
	broken := errors.New("disk full")
	b.store.onLoad = func() error { return broken }
	if plan, err := syncer.Plan(t.Context()); plan != nil || !errors.Is(err, broken) {
		t.Errorf("a plan without a store: %v, %v", plan, err)
	}
	b.store.onLoad, b.store.before = nil, func(statuslink.Changes) error { return broken }
	if report, err := syncer.Sync(t.Context()); report != nil || !errors.Is(err, broken) || b.store.applies.Load() != 1 {
		t.Errorf("a broken store is not asked again: %v, %v after %d changes", report, err, b.store.applies.Load())
	}
}

func TestNoGoroutineOutlivesAPlan(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	b := newBot(t, "new")
	hangs, works := crmfake.New("hangs"), crmfake.New("works", stages("works", "Paid"))
	hangs.Hold()
	syncer := b.syncer(&statuslink.SyncOptions{ReadTimeout: time.Nanosecond}, hangs, works)
	if _, err := syncer.Plan(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a nanosecond is enough for nobody: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	slow := b.syncer(nil, hangs)
	go func() {
		_ = hangs.WaitCalls(ctx, 2)
		cancel()
	}()
	if _, err := slow.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Sync ends with %v", err)
	}
}
