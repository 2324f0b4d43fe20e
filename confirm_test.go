package statuslink_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
)

func (b *bot) confirm(syncer *statuslink.Syncer, token string) *statuslink.Report {
	b.t.Helper()
	report, err := syncer.Confirm(b.t.Context(), token)
	b.must(err)
	return report
}

func wantAlready(t *testing.T, promise string, report *statuslink.Report) {
	t.Helper()
	if !report.Already || report.Applied || report.Plan == nil {
		t.Errorf("%s: the report does not say that it was done: %+v", promise, report)
	}
}

func TestConfirmDoesWhatWasShown(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	plan := b.plan(syncer)
	before := b.snapshot()
	reads := fake.Calls()
	b.clock.advance(time.Minute)
	report := b.confirm(syncer, plan.Token())
	if !report.Applied || report.Already || report.Plan.Digest() != plan.Digest() || report.Version != b.snapshot().Version() {
		t.Errorf("the report is wrong: %+v", report)
	}
	if fake.Calls() != reads+1 {
		t.Errorf("Confirm looks at the CRM %d times", fake.Calls()-reads)
	}
	want := []statuslink.Moved{{ID: "st_02", Name: "B2", What: "changed"}}
	if diff := cmp.Diff(want, b.snapshot().Since(before)); diff != "" {
		t.Errorf("exactly what was shown is done (-want +got)\n%s", diff)
	}
}

// Whatever moved so that the plan would do something else: nothing is done.
func TestConfirmRefusesWhatWasNotShown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		move func(*bot, *crmfake.Client) error
	}{
		{"the CRM renamed it again", func(_ *bot, fake *crmfake.Client) error {
			fake.Show(stages("crm", "A", "B3", "C", "D"))
			return nil
		}},
		{"the CRM renamed another one", func(_ *bot, fake *crmfake.Client) error {
			fake.Show(stages("crm", "A", "B2", "C2", "D"))
			return nil
		}},
		{"the CRM took it back", func(_ *bot, fake *crmfake.Client) error {
			fake.Show(stages("crm", "A", "B", "C", "D"))
			return nil
		}},
		{"a scope came to be held", func(_ *bot, fake *crmfake.Client) error {
			listing := stages("crm", "A", "B2", "C", "D")
			listing.Statuses = listing.Statuses[1:2]
			fake.Show(listing)
			return nil
		}},
		{"a person renamed it", func(b *bot, _ *crmfake.Client) error {
			_, err := b.catalog.Edit(t.Context(), "st_02", func(s *statuslink.Status) { s.Name = "Mine" })
			return err
		}},
		{"a person unlinked it", func(b *bot, _ *crmfake.Client) error { return b.catalog.Unlink(t.Context(), ref("crm", "2")) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, fake, syncer := newLinkedBot(t)
			fake.Show(stages("crm", "A", "B2", "C", "D"))
			token := b.plan(syncer).Token()
			b.must(test.move(b, fake))
			before := b.snapshot()
			report, err := syncer.Confirm(t.Context(), token)
			if stale := wantStale(t, "something moved", err); stale.Reason == "" || stale.Present != before.Version() || report != nil {
				t.Errorf("the error does not say why: %+v, report %+v", stale, report)
			}
			b.wantSame("a refused confirmation changes nothing", before)
		})
	}
}

func TestConfirmIsNotHinderedByOtherChanges(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	token := b.plan(syncer).Token()
	other := b.other()
	create := func() error {
		_, err := other.Create(t.Context(), statuslink.Status{Name: "By hand"})
		return err
	}
	b.must(create()) // before the confirmation
	tries, reads := 0, fake.Calls()
	b.store.before = func(statuslink.Changes) error { // and in the middle of it
		if tries++; tries < 3 {
			return create()
		}
		return nil
	}
	if report := b.confirm(syncer, token); !report.Applied || tries != 3 || fake.Calls() != reads+1 {
		t.Errorf("applied %v after %d tries and %d reads, want three tries and one read", report.Applied, tries, fake.Calls()-reads)
	}
}

func TestRepeatedClick(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	token := b.plan(syncer).Token()
	b.confirm(syncer, token)
	before := b.snapshot()
	elsewhere, err := statuslink.NewSyncer(b.other(), nil, fake)
	b.must(err)
	for range 2 {
		wantAlready(t, "a second click", b.confirm(syncer, token))
		wantAlready(t, "a second click in another process, which asks the store's history", b.confirm(elsewhere, token))
	}
	b.clock.advance(time.Hour)
	wantAlready(t, "a second click on an old page", b.confirm(syncer, token))
	wantAlready(t, "a second click on an old page elsewhere", b.confirm(elsewhere, token))
	fake.Fail(crm.ErrUnavailable)
	wantAlready(t, "a second click while the CRM is down", b.confirm(syncer, token))
	b.wantSame("a repeated click changes nothing", before)

	// A store without history: another process cannot know.
	_, err = b.syncer(nil, fake).Confirm(t.Context(), token)
	_ = wantStale(t, "a second click where nobody remembers", err)
}

func TestClicksAtOnce(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	token := b.plan(syncer).Token()
	var mu sync.Mutex
	applied := 0
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			report, err := syncer.Confirm(t.Context(), token)
			if err != nil {
				t.Errorf("several clicks at once: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if report.Applied {
				applied++
			} else {
				wantAlready(t, "the slower click", report)
			}
		})
	}
	wait.Wait()
	if applied != 1 {
		t.Errorf("the plan was applied %d times", applied)
	}
}

// The second click comes when the store has changed and the first has not
// ended.
func TestClickDuringAnApply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, fake, syncer := newLinkedBot(t)
		fake.Show(stages("crm", "A", "B2", "C", "D"))
		plan := b.plan(syncer)
		var wait sync.WaitGroup
		var once sync.Once
		b.store.after = func() {
			once.Do(func() {
				for _, click := range []func() (*statuslink.Report, error){
					func() (*statuslink.Report, error) { return syncer.Confirm(t.Context(), plan.Token()) },
					func() (*statuslink.Report, error) { return syncer.Apply(t.Context(), plan) },
				} {
					wait.Go(func() {
						report, err := click()
						if err != nil {
							t.Errorf("a click during an Apply: %v", err)
							return
						}
						wantAlready(t, "a click during an Apply", report)
					})
				}
				synctest.Wait()
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if _, err := syncer.Apply(ctx, plan); !errors.Is(err, context.Canceled) {
					t.Errorf("a cancelled click waits for its turn: %v", err)
				}
			})
		}
		_, err := syncer.Apply(t.Context(), plan)
		b.must(err)
		wait.Wait()
	})
}

// A CRM can come to the same difference again. What was done then says nothing
// of a plan made later, and an old token does nothing again.
func TestTokensOfTheSameDifference(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	rename := func(name string) string {
		fake.Show(stages("crm", "A", name, "C", "D"))
		return b.plan(syncer).Token()
	}
	first := rename("B2")
	b.confirm(syncer, first)
	b.confirm(syncer, rename("B"))
	second := rename("B2")
	if first == second {
		t.Fatal("tokens of plans made at different versions are equal")
	}
	before := b.snapshot()
	wantAlready(t, "a token that was done does nothing again", b.confirm(syncer, first))
	rename("B3")
	_, err := syncer.Confirm(t.Context(), second)
	_ = wantStale(t, "a plan was never done, but the same was done once", err)
	b.wantSame("neither changes anything", before)
	rename("B2")
	if report := b.confirm(syncer, second); !report.Applied {
		t.Errorf("a plan that does again what was done once is applied, got %+v", report)
	}
}

func TestConfirmNeedsASource(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A", "B2", "C", "D"))
	token := b.plan(syncer).Token()
	fake.Fail(crm.ErrUnavailable)
	before := b.snapshot()
	report, err := syncer.Confirm(t.Context(), token)
	if report != nil || crm.Kind(err) != crm.ErrUnavailable { //nolint:errorlint // Kind returns the kind itself
		t.Errorf("without the CRM nothing is confirmed: %+v, %v", report, err)
	}
	b.wantSame("without the CRM nothing is done", before)
}
