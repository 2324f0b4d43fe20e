package statuslink_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
)

// newLinkedBot is a bot that was synchronised with four stages A, B, C and D
// of "crm".
func newLinkedBot(t *testing.T) (*bot, *crmfake.Client, *statuslink.Syncer) {
	t.Helper()
	b := newBot(t)
	fake := crmfake.New("crm", stages("crm", "A", "B", "C", "D"))
	syncer := b.syncer(nil, fake)
	_, err := syncer.Sync(t.Context())
	b.must(err)
	b.clock.advance(time.Hour)
	b.store.applies.Store(0)
	return b, fake, syncer
}

// nameless is a client without a source.
type nameless struct{ crm.Client }

func (nameless) Source() string { return "" }

func TestNewSyncerRefuses(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	fake := crmfake.New("crm")
	for _, test := range []struct {
		name    string
		catalog *statuslink.Catalog
		opts    *statuslink.SyncOptions
		clients []crm.Client
		kind    error
	}{
		{"no catalog", nil, nil, []crm.Client{fake}, statuslink.ErrInvalid},
		{"no client", b.catalog, nil, nil, statuslink.ErrInvalid},
		{"a nil client", b.catalog, nil, []crm.Client{fake, nil}, statuslink.ErrInvalid},
		{"a client without source", b.catalog, nil, []crm.Client{nameless{fake}}, statuslink.ErrInvalid},
		{"two clients of one source", b.catalog, nil, []crm.Client{fake, crmfake.New("x"), crmfake.New("crm")}, statuslink.ErrDuplicate},
		{"an unknown policy", b.catalog, &statuslink.SyncOptions{Policy: statuslink.Policy{Conflict: "bot"}}, []crm.Client{fake}, statuslink.ErrInvalid},
	} {
		syncer, err := statuslink.NewSyncer(test.catalog, test.opts, test.clients...)
		wantKind(t, test.name, err, test.kind, "new syncer", "")
		if syncer != nil {
			t.Errorf("%s: there is a Syncer all the same", test.name)
		}
	}
	clients := []crm.Client{fake}
	syncer := b.syncer(nil, clients...)
	if fake.Calls() != 0 {
		t.Error("NewSyncer reads nothing")
	}
	clients[0] = nil // the caller's own slice
	b.plan(syncer)
}

// The whole state after a synchronisation, exact to the ID and the instant.
func TestSyncState(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	b.clock.advance(time.Hour)
	b.clock.step = time.Second
	listing := stages("crm", "NEW", "Lost")
	listing.Account = []string{"17"}
	listing.Statuses[0].Color = "#AABBCC"
	listing.Statuses[1].Outcome = crm.Lost
	want := b.snapshot().State()
	report, err := b.syncer(nil, crmfake.New("crm", listing)).Sync(statuslink.WithActor(t.Context(), "nightly"))
	b.must(err)

	history, err := b.memory.History(t.Context(), 1)
	b.must(err)
	at := history[0].Note.At
	if at.Location() != time.UTC || at.Nanosecond()%1000 != 0 || !at.After(want.Statuses[0].Created) {
		t.Errorf("the instant of the change is %v, not UTC in whole microseconds", at)
	}
	b.wantNote("a synchronisation is noted", statuslink.Note{At: at, Who: "nightly", Why: "synchronise", Digest: report.Plan.Digest()})
	link := func(id, name, color string, outcome crm.Outcome, order int) []statuslink.Link {
		return []statuslink.Link{{
			Ref: ref("crm", id), LinkedAt: at,
			Base: statuslink.Base{Name: name, Color: color, Outcome: outcome, Order: order, Ordered: true},
		}}
	}
	first := want.Statuses[0]
	want.Statuses[0].Color, want.Statuses[0].Updated = "#AABBCC", at
	want.Statuses[0].Links = link("1", "NEW", "#AABBCC", crm.Unknown, 1)
	created := statuslink.Status{
		ID: "st_03", Name: "Lost", Outcome: crm.Lost, Created: at, Updated: at,
		Order: b.snapshot().At(1).Order, Links: link("2", "Lost", "", crm.Lost, 2),
	}
	want.Statuses = []statuslink.Status{want.Statuses[0], created, want.Statuses[1]}
	want.Scopes = []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "crm"}, Name: "Leads"}}
	want.Accounts = []statuslink.Account{{Source: "crm", Names: []string{"17"}}}
	if diff := cmp.Diff(want, b.snapshot().State(), exactTimes); diff != "" {
		t.Errorf("the state after a synchronisation, of one instant (-want +got)\n%s", diff)
	}
	if !report.Applied || report.Already || report.Version != b.snapshot().Version() || first.Order != b.snapshot().At(0).Order {
		t.Errorf("the report is wrong: %+v", report)
	}
}

func TestSecondSyncWritesNothing(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	before := b.snapshot()
	b.wantWrites("a second Sync, a plan of it and a Confirm", 0, func() error {
		report, err := syncer.Sync(t.Context())
		b.must(err)
		if report.Applied || report.Already || !report.Plan.Empty() || report.Version != before.Version() {
			t.Errorf("the report tells of a change: %+v", report)
		}
		plan := b.plan(syncer)
		report, err = syncer.Apply(t.Context(), plan)
		b.must(err)
		if report.Applied || report.Already || report.Plan != plan {
			t.Errorf("the report tells of a change: %+v", report)
		}
		_, err = syncer.Confirm(t.Context(), plan.Token())
		return err
	})
	b.wantSame("nothing changed", before)
	if fake.Calls() != 4 {
		t.Errorf("%d reads of the CRM for four calls", fake.Calls())
	}
}

func TestSyncTriesAgainWithoutReadingAgain(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A2", "B", "C", "D"))
	reads := fake.Calls()
	other := b.other()
	tries := 0
	b.store.before = func(statuslink.Changes) (err error) {
		if tries++; tries <= 3 {
			_, err = other.Create(t.Context(), statuslink.Status{Name: "By hand"})
		}
		return err
	}
	report, err := syncer.Sync(t.Context())
	b.must(err)
	if !report.Applied || tries != 4 || fake.Calls() != reads+1 {
		t.Errorf("applied %v after %d tries and %d reads, want 4 tries and one read", report.Applied, tries, fake.Calls()-reads)
	}
	if b.status("st_01").Name != "A2" || b.snapshot().Len() != 7 {
		t.Errorf("a change was lost:\n%v", b.snapshot())
	}
}

func TestSyncGivesUpSomeTime(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	up, down := crmfake.New("up", stages("up", "A")), crmfake.New("down")
	down.Fail(crm.ErrForbidden)
	other := b.other()
	b.store.before = func(statuslink.Changes) error {
		_, err := other.Create(t.Context(), statuslink.Status{Name: "By hand"})
		return err
	}
	report, err := b.syncer(nil, up, down).Sync(t.Context())
	stale := wantStale(t, "a Sync that never comes through gives up", err)
	if report != nil || len(stale.Moved) != 1 || stale.Moved[0].Name != "By hand" || !errors.Is(err, crm.ErrForbidden) {
		t.Errorf("report %v, error %v: want what moved, and the failed source", report, err)
	}
	if up.Calls() != 1 {
		t.Errorf("the CRM was read %d times", up.Calls())
	}
}

func TestSyncReturnsReportAndError(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	up, down := crmfake.New("up", stages("up", "A")), crmfake.New("down")
	down.Fail(crm.ErrForbidden)
	report, err := b.syncer(nil, up, down).Sync(t.Context())
	if !errors.Is(err, crm.ErrForbidden) || report == nil || !report.Applied || b.snapshot().Len() != 1 {
		t.Fatalf("report %+v, error %v: want both", report, err)
	}
	if attention := report.Plan.Attention(); len(attention) != 1 || attention[0].Scope.Source != "down" {
		t.Errorf("the report's plan does not tell what needs attention: %+v", attention)
	}
	up.Fail(crm.ErrUnavailable)
	report, err = b.syncer(nil, up, down).Sync(t.Context())
	if report == nil || report.Applied || !errors.Is(err, crm.ErrForbidden) || !errors.Is(err, crm.ErrUnavailable) {
		t.Fatalf("report %+v, error %v: want a report that nothing was applied, and both errors", report, err)
	}
	if attention := report.Plan.Attention(); len(attention) != 2 {
		t.Errorf("the report's plan does not tell what needs attention: %+v", attention)
	}
}

// Sync never releases, however often it runs.
func TestSyncNeverReleases(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A"))
	before := b.snapshot()
	for range 3 {
		report, err := syncer.Sync(t.Context())
		b.must(err)
		if diff := cmp.Diff([]statuslink.ScopeKey{{Source: "crm"}}, report.Plan.Held()); diff != "" || report.Applied {
			t.Errorf("three of four statuses are gone, want the scope held (-want +got)\n%s", diff)
		}
		if attention := report.Plan.Attention(); len(attention) != 1 || attention[0].Kind != statuslink.FindingHeld {
			t.Errorf("a held scope needs attention: %+v", attention)
		}
	}
	b.wantSame("a held scope stays as it is", before)
}

func TestSyncersOfSeveralEngines(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	var wait sync.WaitGroup
	for range 6 {
		syncer, err := statuslink.NewSyncer(b.other(), nil, crmfake.New("crm", stages("crm", "A", "B", "C")))
		b.must(err)
		wait.Go(func() {
			if _, err := syncer.Sync(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := b.snapshot().Len(); n != 3 || b.snapshot().Version() != 1 {
		t.Errorf("%d statuses at version %d after several engines at once, want 3 at 1", n, b.snapshot().Version())
	}
}

func TestSyncLogsNoErrorText(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	var log strings.Builder
	up, down := crmfake.New("up", stages("up", "Ivan +7 900 000-00-00")), crmfake.New("down")
	down.Play(crmfake.Step{Err: errors.New("POST https://crm.example/rest/1/s3cret/ failed")})
	syncer := b.syncer(&statuslink.SyncOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))}, up, down)
	_, err := syncer.Sync(t.Context())
	if err == nil {
		t.Fatal("the failed source is not told")
	}
	for _, want := range []string{"plan made", "plan applied", "source not read", "source=down", "kind=unavailable", "failures=1"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "s3cret") || strings.Contains(log.String(), "+7 900") {
		t.Errorf("the log tells too much:\n%s", &log)
	}
}
