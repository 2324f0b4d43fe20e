package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

func TestFollowRepeatsWithGrowingDelays(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var dead letters
		d := newDesk(t, "acme", crmhook.Options{Workers: 1})
		f := newFollower(t, statuslink.LeadsOptions{DeadLetter: dead.take}, d)
		var delays []time.Duration
		last := time.Now()
		broken := errors.New("сценарий сломан")
		f.failWith(func(change statuslink.LeadChange) error {
			if change.Lead.Ref.ID != "7" || change.Status.Key != "work" {
				return nil
			}
			delays, last = append(delays, time.Since(last)), time.Now()
			return broken
		})
		f.start(d.hook)
		defer f.stop()
		d.put("7", "2")
		d.put("8", "2")
		d.post(isMoved, "7", "2")
		d.post(isMoved, "8", "2")
		f.wantTold("another lead goes on meanwhile", "8: work")
		pass(time.Hour)
		const s = time.Second
		if diff := cmp.Diff([]time.Duration{0, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s, 60 * s, 60 * s}, delays); diff != "" {
			t.Errorf("wrong delays (-want +got)\n%s", diff)
		}
		dead.want(t, "after the last repetition", "7: work")
		if !errors.Is(dead.errs[0], broken) {
			t.Errorf("the dead letter has the error %v", dead.errs[0])
		}
		d.post(isMoved, "7", "2")
		d.post(isChanged, "7")
		f.wantTold("what was given up counts as told")
		dead.want(t, "it is given up once")
		d.put("7", "3")
		d.post(isMoved, "7", "3")
		f.wantTold("the next change", "7: paid <- work")
	})
}

func TestRetriesAreOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		retries int
		delay   time.Duration
		want    []time.Duration
	}{
		{retries: -1, want: []time.Duration{0}},
		{retries: 1, want: []time.Duration{0, time.Second}},
		{retries: 3, delay: time.Millisecond, want: []time.Duration{0, time.Millisecond, 2 * time.Millisecond, 4 * time.Millisecond}},
		{retries: 2, delay: time.Hour, want: []time.Duration{0, time.Hour, time.Hour}},
	} {
		t.Run(fmt.Sprint(test.retries), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				var dead letters
				d := newDesk(t, "acme", crmhook.Options{})
				f := newFollower(t, statuslink.LeadsOptions{DeadLetter: dead.take, Retries: test.retries, RetryDelay: test.delay}, d)
				var delays []time.Duration
				last := time.Now()
				f.failWith(func(statuslink.LeadChange) error {
					delays, last = append(delays, time.Since(last)), time.Now()
					return errors.New("no")
				})
				f.start(d.hook)
				defer f.stop()
				d.put("7", "2")
				d.post(isMoved, "7", "2")
				pass(24 * time.Hour)
				dead.want(t, "it is given up", "7: work")
				if diff := cmp.Diff(test.want, delays); diff != "" {
					t.Errorf("wrong delays (-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestRepetitionsTellHowTheLeadStandsByThen(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var dead letters
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{DeadLetter: dead.take, Retries: 2}, d)
		var calls atomic.Int64
		f.failWith(func(statuslink.LeadChange) error { calls.Add(1); return errors.New("no") })
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		pass(1100 * time.Millisecond) // two calls for the first status
		d.put("7", "2")
		d.post(isMoved, "7", "2")
		synctest.Wait()
		if calls.Load() != 2 {
			t.Fatalf("%d calls: an event of a lead that waits for its repetition waits too", calls.Load())
		}
		pass(2 * time.Second)
		if calls.Load() != 3 {
			t.Fatalf("%d calls, want a third", calls.Load())
		}
		dead.want(t, "another status is counted anew")
		pass(time.Hour)
		dead.want(t, "the latter is given up", "7: work")
		if calls.Load() != 5 {
			t.Errorf("%d calls, want 2 for the one and 3 for the other status", calls.Load())
		}
	})
}

func TestFollowWhileTheCRMIsDown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var dead letters
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{DeadLetter: dead.take, Retries: 2}, d)
		var down atomic.Bool
		f.store.onLoad = func() error {
			if down.Load() {
				return errors.New("the store is down")
			}
			return nil
		}
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.refuse(func(crm.LeadRef) error { return &crm.Error{Kind: crm.ErrRateLimited, RetryAfter: 90 * time.Second} })
		d.post(isMoved, "7", "1")
		pass(89 * time.Second)
		if n := d.readings(); n != 1 {
			t.Errorf("%d readings before the CRM said that it may be asked again", n)
		}
		d.refuse(nil)
		pass(2 * time.Second)
		f.wantTold("the CRM answers again", "7: first")

		d.refuse(func(crm.LeadRef) error { return &crm.Error{Kind: crm.ErrUnavailable} })
		d.put("7", "2")
		d.post(isMoved, "7", "2")
		pass(time.Hour)
		dead.want(t, "a lead that cannot be read is given up without a status", "7: ")
		if !errors.Is(dead.errs[0], crm.ErrUnavailable) {
			t.Errorf("the dead letter has the error %v", dead.errs[0])
		}
		d.refuse(nil)
		d.post(isMoved, "7", "2")
		f.wantTold("it does not count as told", "7: work <- first")

		down.Store(true)
		pass(time.Hour)
		d.put("7", "3")
		d.post(isMoved, "7", "3")
		f.wantTold("the store is down")
		down.Store(false)
		pass(time.Minute)
		f.wantTold("it is back", "7: paid <- work")
	})
}

func TestNothingIsLostBetweenFollows(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{Workers: 2})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.failWith(func(statuslink.LeadChange) error { return errors.New("no") })
		f.start(d.hook)
		for _, id := range []string{"1", "2", "3"} {
			d.put(id, "1")
			d.post(isMoved, id, "1")
		}
		synctest.Wait()
		d.put("3", "2")
		d.post(isMoved, "3", "2") // behind its lead's repetition
		synctest.Wait()
		f.stop()
		if stats := d.hook.Stats(); stats.Waiting != 0 || d.post(isMoved, "4", "1") != 503 {
			t.Errorf("after Follow: %+v", stats)
		}
		f.failWith(nil)
		f.start(d.hook)
		synctest.Wait()
		slices.Sort(f.told)
		f.wantTold("the next Follow begins with what was not told", "1: first", "2: first", "3: work")
		f.stop()

		f.failWith(func(statuslink.LeadChange) error { f.cancel(); return context.Canceled })
		f.start(d.hook)
		d.put("1", "2")
		d.post(isMoved, "1", "2")
		synctest.Wait()
		f.stop()
		f.failWith(nil)
		f.start(d.hook)
		defer f.stop()
		f.wantTold("a callback that was under way when the context ended is called again", "1: work <- first")
	})
}

func TestManyFailingLeads(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{Workers: 4, QueueSize: 10})
		f := newFollower(t, statuslink.LeadsOptions{Retries: 1000, RetryDelay: 5 * time.Minute}, d)
		var under, most atomic.Int64
		var down atomic.Bool
		down.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- f.leads.Follow(ctx, func(ctx context.Context, change statuslink.LeadChange) error {
				if n := under.Add(1); n > most.Load() {
					most.Store(n)
				}
				defer under.Add(-1)
				time.Sleep(time.Millisecond)
				if down.Load() {
					return errors.New("the bot is down")
				}
				return f.handle(ctx, change)
			}, d.hook)
		}()
		synctest.Wait()
		accepted := 0
		for i := range 1100 {
			id := fmt.Sprint(i)
			d.put(id, "1")
			if d.post(isMoved, id, "1") == 200 {
				accepted++
			}
			time.Sleep(10 * time.Millisecond)
		}
		if accepted != 1024+4+10 {
			t.Errorf("%d events accepted while all fail, want 1024 that wait for a repetition, 4 workers and 10 in the queue", accepted)
		}
		down.Store(false)
		pass(time.Hour)
		if len(f.told) != accepted {
			t.Errorf("%d of %d accepted events were told", len(f.told), accepted)
		}
		if most.Load() > 8+4 {
			t.Errorf("%d callbacks at the same time, want at most 8 and 4 workers", most.Load())
		}
		cancel()
		wantCanceled(t, ended)
	})
}

// TestALateEventBehindAFailure: the late event carries what was told last, and takes
// the place of one that was not told.
func TestALateEventBehindAFailure(t *testing.T) {
	t.Parallel()
	for _, late := range [][]string{{"1"}, {"1", "1"}} {
		for name, goesOn := range map[string]func(*follower, *crmDesk){
			"in a repetition": func(*follower, *crmDesk) { pass(time.Minute) },
			"in the next Follow": func(f *follower, d *crmDesk) {
				f.stop()
				f.start(d.hook)
			},
		} {
			t.Run(fmt.Sprint(len(late), " ", name), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					d := newDesk(t, "acme", crmhook.Options{})
					f := newFollower(t, statuslink.LeadsOptions{}, d)
					f.start(d.hook)
					d.put("7", "1")
					d.post(isMoved, "7", "1")
					f.wantTold("the first sight", "7: first")
					f.failWith(func(statuslink.LeadChange) error { return errors.New("no") })
					d.put("7", "2")
					d.post(isMoved, "7", "2")
					synctest.Wait()
					for _, status := range late {
						d.post(isMoved, "7", status)
					}
					synctest.Wait()
					f.failWith(nil)
					goesOn(f, d)
					f.wantTold("the change", "7: work <- first")
					f.stop()
				})
			})
		}
	}
}

func TestARepetitionTellsTheLatestTrustedEvent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{TrustEvents: []string{"acme"}}, d)
		f.start(d.hook)
		defer f.stop()
		f.failWith(func(statuslink.LeadChange) error { return errors.New("no") })
		d.post(isMoved, "7", "2")
		synctest.Wait()
		d.post(isMoved, "7", "3")
		synctest.Wait()
		f.failWith(nil)
		pass(time.Minute)
		f.wantTold("the latest state only", "7: paid")
	})
}
