package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
)

func wantHealth(t *testing.T, promise string, syncer *statuslink.Syncer, want ...statuslink.SourceHealth) {
	t.Helper()
	if diff := cmp.Diff(want, syncer.Health(), cmpopts.EquateErrors(), exactTimes); diff != "" {
		t.Errorf("%s: wrong health (-want +got)\n%s", promise, diff)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	first, second := crmfake.New("first", stages("first", "A")), crmfake.New("second", stages("second", "B"))
	syncer := b.syncer(nil, first, second)
	one, two := statuslink.SourceHealth{Source: "first"}, statuslink.SourceHealth{Source: "second"}
	wantHealth(t, "before any read", syncer, one, two)

	one.LastSuccess = b.clock.stored()
	two.LastSuccess = one.LastSuccess
	b.plan(syncer)
	wantHealth(t, "both were read", syncer, one, two)

	second.Fail(crm.ErrUnauthorized)
	for range 3 {
		b.clock.advance(time.Hour)
		one.LastSuccess = b.clock.stored()
		two.LastFailure, two.LastError = b.clock.stored(), crm.ErrUnauthorized
		two.Failures++
		b.plan(syncer)
		wantHealth(t, "failures in a row are counted, the last success is kept", syncer, one, two)
	}

	second.Fail(crm.ErrRateLimited)
	b.clock.advance(time.Hour)
	one.LastSuccess, two.LastFailure = b.clock.stored(), b.clock.stored()
	two.LastError, two.Failures = crm.ErrRateLimited, 4
	_, err := syncer.Sync(t.Context())
	if !errors.Is(err, crm.ErrRateLimited) {
		t.Errorf("Sync returns the failed source's error, got %v", err)
	}
	wantHealth(t, "Sync counts, and the latest kind is told", syncer, one, two)

	second.Show(stages("second", "B"))
	b.clock.advance(time.Hour)
	one.LastSuccess, two.LastSuccess = b.clock.stored(), b.clock.stored()
	two.LastError, two.Failures = nil, 0
	plan := b.plan(syncer)
	wantHealth(t, "a success ends the row; when the last failure was is kept", syncer, one, two)

	b.clock.advance(time.Minute)
	one.LastSuccess, two.LastSuccess = b.clock.stored(), b.clock.stored()
	_, err = syncer.Confirm(t.Context(), plan.Token())
	b.must(err)
	wantHealth(t, "Confirm counts", syncer, one, two)

	syncer.Health()[0].Source = "the caller's own copy"
	wantHealth(t, "the slice is the caller's", syncer, one, two)
}

// A source is read once for a Sync, however often that is tried.
func TestHealthCountsReadsNotTries(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	up, down := crmfake.New("up", stages("up", "A")), crmfake.New("down")
	down.Fail(crm.ErrForbidden)
	other := b.other()
	tries := 0
	b.store.before = func(statuslink.Changes) (err error) {
		if tries++; tries <= 3 {
			_, err = other.Create(t.Context(), statuslink.Status{Name: "More"})
		}
		return err
	}
	syncer := b.syncer(nil, up, down)
	if _, err := syncer.Sync(t.Context()); !errors.Is(err, crm.ErrForbidden) {
		t.Fatal(err)
	}
	if health := syncer.Health()[1]; health.Failures != 1 || tries != 4 {
		t.Errorf("%d failures after one read and %d tries", health.Failures, tries)
	}
}

func TestHealthTellsTheKind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
		want error
	}{
		{"a kind of package crm", &crm.Error{Kind: crm.ErrForbidden, Source: "crm"}, crm.ErrForbidden},
		{"a wrapped one", fmt.Errorf("page 2: %w", crm.ErrIncomplete), crm.ErrIncomplete},
		{"a time-out with a kind", &crm.Error{Kind: crm.ErrUnavailable, Err: context.DeadlineExceeded}, crm.ErrUnavailable},
		{"a time-out without one", context.DeadlineExceeded, context.DeadlineExceeded},
		{"a stranger's error", errors.New("https://secret@crm.example said no"), crm.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBot(t, "new")
			fake := crmfake.New("crm")
			fake.Play(crmfake.Step{Err: test.err})
			syncer := b.syncer(nil, fake)
			if _, err := syncer.Plan(t.Context()); !errors.Is(err, test.err) {
				t.Errorf("Plan keeps the client's error, got %v", err)
			}
			wantHealth(t, "LastError is the bare kind", syncer, statuslink.SourceHealth{
				Source: "crm", LastFailure: b.clock.stored(), LastError: test.want, Failures: 1,
			})
			if got := syncer.Health()[0].LastError; got.Error() != test.want.Error() {
				t.Errorf("LastError carries more than the kind: %v", got)
			}
		})
	}
}

// A held scope was read and believed: the source is well.
func TestHealthOfAHeldScope(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A"))
	if plan := b.plan(syncer); len(plan.Held()) != 1 {
		t.Fatalf("nothing is held:\n%v", plan)
	}
	if health := syncer.Health()[0]; health.Failures != 0 || health.LastError != nil {
		t.Errorf("a held scope is no failure of the source: %+v", health)
	}
}

func TestHealthIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	syncer := b.syncer(nil, crmfake.New("crm", stages("crm", "A")))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, err := syncer.Plan(t.Context()); err != nil {
				t.Error(err)
			}
			if n := len(syncer.Health()); n != 1 {
				t.Errorf("health of %d sources", n)
			}
		})
	}
	wait.Wait()
}
