package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

const (
	isNew     = crm.EventLeadCreated
	isChanged = crm.EventLeadChanged
	isMoved   = crm.EventLeadMoved
	isDeleted = crm.EventLeadDeleted
)

func TestFollowTellsWhatIsNew(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()

		d.put("7", "1")
		d.post(isNew, "7", "1")
		synctest.Wait()
		f.mu.Lock()
		change := f.change[0]
		f.mu.Unlock()
		if change.Event.Kind != isNew || string(change.Event.Raw) == "" || change.Lead.Status != ref("acme", "1") || change.Status.Name != "Первичное касание" {
			t.Errorf("the change %+v does not say what was", change)
		}
		f.wantTold("the first sight of a lead", "7: first")

		d.put("7", "2")
		d.post(isMoved, "7", "2")
		f.wantTold("a move", "7: work <- first")
		if n := d.readings(); n != 2 {
			t.Errorf("%d readings for two changes, want 2", n)
		}

		d.post(isMoved, "7", "2")
		f.wantTold("the same event again")
		if n := d.readings(); n != 0 {
			t.Errorf("%d readings for a repeated event that carries what was told, want none", n)
		}
		d.post(isChanged, "7")
		f.wantTold("an event that carries no status, where nothing changed")
		if n := d.readings(); n != 1 {
			t.Errorf("%d readings, want 1", n)
		}

		d.put("7", "3")
		d.put("7", "4")
		d.post(isMoved, "7", "3")
		d.post(isMoved, "7", "4")
		f.wantTold("a lead that moved on before its event came is told as it stands", "7: operator <- work")
		d.post(isMoved, "7", "3")
		d.post(isMoved, "7", "2")
		f.wantTold("late events tell nothing")

		d.post(crm.EventOther, "7")
		if n := d.readings(); n != 3 {
			t.Errorf("%d readings, want one for each event that carries another status, none for other events", n)
		}
		d.post(isChanged, "8")
		f.wantTold("a lead that cannot be found, of which nobody said that it is gone")
	})
}

func TestFollowTellsARelink(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		f.wantTold("the first sight", "7: first")
		f.must(f.catalog.Unlink(t.Context(), ref("acme", "1")))
		_, err := f.catalog.Link(t.Context(), "paid", ref("acme", "1"))
		f.must(err)
		d.post(isMoved, "7", "1")
		f.wantTold("the lead stands where it stood, which is another status of the bot now", "7: paid <- first")
	})
}

func TestFollowTellsThatALeadIsGone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.post(isNew, "7", "1")
		f.wantTold("the first sight", "7: first")
		d.post(isDeleted, "7")
		f.wantTold("a lead is said to be gone and is not")
		d.remove("7")
		d.post(isMoved, "7", "2")
		f.wantTold("a late event of a lead that is gone")
		d.post(isDeleted, "7")
		f.wantTold("a lead is gone", "7: gone <- first")
		d.post(isDeleted, "7")
		d.post(isMoved, "7", "2")
		f.wantTold("it is told once")
		d.put("7", "3")
		d.post(isNew, "7", "3")
		f.wantTold("a lead that came back", "7: paid <- ")
		d.post(isDeleted, "9")
		f.wantTold("a lead of which nothing is known is gone", "9: gone")
	})
}

// That a lead is gone is told only by the event that says so, so no other takes its
// place while it waits to be told again.
func TestGoneIsNotForgottenForOtherEvents(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"followed on": false, "followed again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				d := newDesk(t, "acme", crmhook.Options{})
				f := newFollower(t, statuslink.LeadsOptions{}, d)
				f.failWith(func(change statuslink.LeadChange) error {
					if change.Deleted {
						return errors.New("сценарий сломан")
					}
					return nil
				})
				f.start(d.hook)
				defer func() { f.stop() }()
				d.put("7", "1")
				d.post(isNew, "7", "1")
				f.wantTold("the first sight", "7: first")
				d.remove("7")
				d.post(isDeleted, "7")
				synctest.Wait()
				d.post(isMoved, "7", "2") // late
				synctest.Wait()
				if restart {
					f.stop()
					f.failWith(nil)
					f.start(d.hook)
				}
				f.failWith(nil)
				pass(time.Minute)
				f.wantTold("it is gone", "7: gone <- first")
			})
		})
	}
}

func TestTrustEvents(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d, other := newDesk(t, "acme", crmhook.Options{}), newDesk(t, "other", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{TrustEvents: []string{"acme"}}, d, other)
		f.start(d.hook, other.hook)
		defer f.stop()
		d.post(isMoved, "7", "1")
		d.post(isMoved, "7", "2")
		d.post(isMoved, "7", "1")
		f.wantTold("each event is believed", "7: first", "7: work <- first", "7: first <- work")
		d.post(isDeleted, "7")
		f.wantTold("a lead is gone", "7: gone <- first")
		if n := d.readings(); n != 0 {
			t.Errorf("%d readings of a source that is trusted", n)
		}
		d.post(isMoved, "7", "2")
		f.wantTold("an event of a lead that is gone is not believed")
		other.put("7", "2")
		other.post(isMoved, "7", "1")
		f.wantTold("another source is not trusted", "7: work")

		at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
		d.putAt("8", "3", at)
		d.post(isChanged, "8")
		d.post(isMoved, "8", "1", fmt.Sprint(at.Add(-time.Minute).Unix()))
		f.wantTold("an event older than what is known is not believed", "8: paid")
		d.post(isMoved, "8", "1", fmt.Sprint(at.Add(time.Minute).Unix()))
		f.wantTold("a newer one is", "8: first <- paid")
	})
}

func TestFollowNeverTellsAnOlderReading(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.FixedZone("MSK", 3*60*60))
		d.putAt("7", "2", at)
		d.post(isChanged, "7")
		f.wantTold("the first sight", "7: work")
		d.putAt("7", "1", at.Add(-time.Second))
		d.post(isChanged, "7")
		f.wantTold("the CRM answers with what was before")
		d.putAt("7", "3", at)
		d.post(isChanged, "7")
		f.wantTold("a move in the same second", "7: paid <- work")
		d.putAt("7", "3", at.Add(2*time.Second))
		d.post(isChanged, "7")
		f.wantTold("the lead went and came back")
		d.putAt("7", "1", at.Add(time.Second))
		d.post(isChanged, "7")
		f.wantTold("where it went comes late")
	})
}

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

func TestUnlinkedStatus(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		var reports []statuslink.UnlinkedLead
		var f *follower
		synchronise := false
		f = newFollower(t, statuslink.LeadsOptions{Unlinked: func(ctx context.Context, lead statuslink.UnlinkedLead) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			reports = append(reports, lead)
			if synchronise {
				_, err := f.syncer.Sync(ctx)
				return err
			}
			return nil
		}}, d)
		f.start(d.hook)
		defer f.stop()
		calls := d.Calls()
		d.Show(listing("acme", append(slices.Clone(stageRows), "5 Думает")...))
		want := func(promise string, lists int, names ...string) {
			t.Helper()
			f.wantTold(promise)
			var got []string
			for _, report := range reports {
				if report.Listed != (report.Status.Name != "") || report.Status.Ref != report.Lead.Status {
					t.Errorf("%s: the report %+v contradicts itself", promise, report)
				}
				got = append(got, report.Lead.Ref.ID+" "+report.Status.Name)
			}
			if diff := cmp.Diff(names, got); diff != "" || d.Calls()-calls != lists {
				t.Errorf("%s: the list was read %d times, want %d; reports (-want +got)\n%s", promise, d.Calls()-calls, lists, diff)
			}
			calls, reports = d.Calls(), nil
		}
		d.put("7", "5")
		d.post(isMoved, "7", "5")
		want("an unknown status", 1, "7 Думает")
		d.post(isMoved, "7", "5")
		d.post(isChanged, "7")
		want("again", 0)
		for i := range 100 {
			d.put(fmt.Sprint(100+i), "6")
			d.post(isMoved, fmt.Sprint(100+i), "6")
		}
		synctest.Wait()
		if len(reports) != 100 || d.Calls() != calls {
			t.Errorf("%d reports for 100 leads, with %d readings of the list within a minute", len(reports), d.Calls()-calls)
		}
		reports = nil
		pass(time.Minute)
		d.Fail(crm.ErrUnavailable)
		d.put("8", "5")
		d.post(isMoved, "8", "5")
		want("the list cannot be read, and is known from before", 1, "8 Думает")
		d.put("9", "6")
		d.post(isMoved, "9", "6")
		want("a failure is not repeated within a minute", 0, "9 ")

		d.put("7", "2")
		d.post(isMoved, "7", "2")
		f.wantTold("it moves on", "7: work <- ")
		pass(time.Minute)
		d.Show(listing("acme", append(slices.Clone(stageRows), "5 Думает", "6 Ждёт")...))
		synchronise = true
		d.put("7", "6")
		d.post(isMoved, "7", "6")
		f.wantTold("the report leads to a synchronisation, and the lead is told", "7:  <- work")
		reports, calls = nil, d.Calls()
		d.post(isMoved, "9", "6")
		f.wantTold("what was not told when it was not linked", "9:  <- ")
		want("linked now", 0)
	})
}

func TestUnlinkedFallback(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		reports := 0
		f := newFollower(t, statuslink.LeadsOptions{
			Fallback: "operator", Unlinked: func(_ context.Context, lead statuslink.UnlinkedLead) error {
				reports++
				if lead.Ignored != (lead.Lead.Ref.ID == "8") {
					t.Errorf("lead %s: ignored is %v", lead.Lead.Ref.ID, lead.Ignored)
				}
				return nil
			},
		}, d)
		f.must(f.catalog.Unlink(t.Context(), ref("acme", "3")))
		fails := 1
		f.failWith(func(statuslink.LeadChange) error {
			if fails--; fails >= 0 {
				return errors.New("once")
			}
			return nil
		})
		f.start(d.hook)
		defer f.stop()
		d.put("7", "9")
		d.post(isMoved, "7", "9")
		d.put("8", "3")
		pass(time.Minute)
		d.post(isMoved, "8", "3")
		d.post(isMoved, "8", "3")
		f.wantTold("the fallback", "7: operator (fallback)", "8: operator (fallback)")
		if reports != 2 {
			t.Errorf("%d reports, want one for each lead", reports)
		}
		d.put("7", "4")
		d.post(isMoved, "7", "4")
		f.wantTold("from the fallback to the same status by a link", "7: operator <- operator")
	})
}

func TestOwnChanges(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, movingDesk{d})
		f.start(d.hook)
		defer f.stop()
		set := func(status string) {
			t.Helper()
			_, err := f.leads.Set(t.Context(), d.ref("7"), status)
			f.must(err)
		}
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		f.wantTold("a manager's", "7: first")
		set("work") // sends its event before it answers
		f.wantTold("one's own change", "7: work <- first own")
		d.put("7", "3")
		d.post(isMoved, "7", "3")
		synctest.Wait()
		d.put("7", "2")
		d.post(isMoved, "7", "2")
		f.wantTold("a manager's moves to and fro", "7: paid <- work", "7: work <- paid")
		set("operator")
		f.wantTold("one's own again", "7: operator <- work own")
		d.put("8", "1")
		d.post(isMoved, "8", "1")
		f.wantTold("another lead", "8: first")

		d.refuse(func(crm.LeadRef) error { return nil })
		d.mu.Lock()
		d.leads["9"] = crm.Lead{Ref: d.ref("9"), Status: ref("acme", "1")}
		d.mu.Unlock()
		_, err := f.leads.Set(t.Context(), d.ref("9"), "paid") // whose event does not come
		f.must(err)
		f.wantTold("no event yet", "9: paid own")
	})
}

// movingDesk can move leads too, and sends an event for it first.
type movingDesk struct{ *crmDesk }

func (d movingDesk) MoveLead(ctx context.Context, move crm.Move) (crm.Lead, error) {
	d.put(move.Lead.ID, move.To.ID)
	d.post(isMoved, move.Lead.ID, move.To.ID)
	synctest.Wait()
	return d.ReadLead(ctx, move.Lead)
}

func TestOwnIsForgotten(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, movingDesk{d})
		d.put("7", "1")
		_, err := f.leads.Set(t.Context(), d.ref("7"), "work") // nobody follows yet
		f.must(err)
		pass(11 * time.Minute)
		f.start(d.hook)
		defer f.stop()
		d.post(isMoved, "7", "2")
		f.wantTold("an event long after", "7: work <- first")
	})
}

func TestFollowChecksItsArguments(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var dead letters
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{DeadLetter: dead.take}, d)
		for name, err := range map[string]error{
			"no callback": f.leads.Follow(t.Context(), nil, d.hook),
			"no source":   f.leads.Follow(t.Context(), f.handle),
			"nil source":  f.leads.Follow(t.Context(), f.handle, nil),
		} {
			if !errors.Is(err, statuslink.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		stranger := newDesk(t, "stranger", crmhook.Options{})
		f.start(d.hook, stranger.hook)
		if err := f.leads.Follow(t.Context(), f.handle, d.hook); !errors.Is(err, statuslink.ErrDuplicate) {
			t.Errorf("a second Follow: %v", err)
		}
		stranger.post(isMoved, "7", "1")
		dead.want(t, "an event of a source without a client", "7: ")
		if !errors.Is(dead.errs[0], statuslink.ErrNotFound) {
			t.Errorf("it has the error %v", dead.errs[0])
		}
		f.stop()

		busy, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.hook.Run(busy, func(context.Context, crm.Event) {}) }()
		synctest.Wait()
		if err := f.leads.Follow(t.Context(), f.handle, d.hook, stranger.hook); err == nil || !strings.Contains(err.Error(), `"acme"`) {
			t.Errorf("a source that runs already ends Follow: %v", err)
		}
		cancel()
		wantCanceled(t, ended)
	})
}

func TestCallbackPanics(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, fails := range map[string]int{"at once": 0, "in a repetition": 1} {
		bubble(t, func(t *testing.T) {
			d := newDesk(t, "acme", crmhook.Options{})
			f := newFollower(t, statuslink.LeadsOptions{}, d)
			others := 0
			f.failWith(func(change statuslink.LeadChange) error {
				if change.Lead.Ref.ID == "7" {
					if fails--; fails < 0 {
						panic("странный клиент")
					}
				}
				others++
				return errors.New("no")
			})
			value := make(chan any)
			go func() {
				defer func() { value <- recover() }()
				_ = f.leads.Follow(t.Context(), f.handle, d.hook)
			}()
			synctest.Wait()
			d.put("8", "1")
			d.post(isMoved, "8", "1")
			synctest.Wait()
			d.put("7", "1")
			d.post(isMoved, "7", "1")
			if text := fmt.Sprint(<-value); !strings.Contains(text, "странный клиент") {
				t.Errorf("%s: the caller of Follow recovers %v", name, text)
			}
			f.failWith(nil)
			f.start(d.hook)
			f.wantTold(name+": a second Follow goes on, without the event", "8: first")
			d.post(isMoved, "7", "1")
			f.wantTold(name+": the lead is free", "7: first")
			f.stop()
		})
	}
}

func TestCallbackEndsItsGoroutine(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, fails := range []int{0, 1} {
		bubble(t, func(t *testing.T) {
			d := newDesk(t, "acme", crmhook.Options{})
			f := newFollower(t, statuslink.LeadsOptions{}, d)
			ended := make(chan error)
			go func() {
				ended <- f.leads.Follow(t.Context(), func(context.Context, statuslink.LeadChange) error {
					if fails--; fails < 0 {
						runtime.Goexit()
					}
					return errors.New("no")
				}, d.hook)
			}()
			synctest.Wait()
			d.put("7", "1")
			d.post(isMoved, "7", "1")
			if err := <-ended; err == nil || !strings.Contains(err.Error(), "ended its goroutine") {
				t.Errorf("after %d failures: %v", fails+1, err)
			}
		})
	}
}

// TestFollowUnderLoad moves leads at random, with events that come twice, late, in
// another sequence or not at all, while the callback and the CRM fail now and then.
func TestFollowUnderLoad(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		const leads, moves = 20, 2000
		d := newDesk(t, "acme", crmhook.Options{QueueSize: 1 << 20})
		var dead letters
		f := newFollower(t, statuslink.LeadsOptions{DeadLetter: dead.take, Retries: 100}, d)
		random := rand.New(rand.NewPCG(20260820, 11))
		var mu sync.Mutex
		version, place := make(map[string]int), make(map[string]string)
		var wrong []string
		seen := make(map[string]string)
		chance := func(percent int) bool {
			mu.Lock()
			defer mu.Unlock()
			return random.IntN(100) < percent
		}
		d.refuse(func(crm.LeadRef) error {
			time.Sleep(time.Millisecond)
			if chance(5) {
				return &crm.Error{Kind: crm.ErrUnavailable}
			}
			return nil
		})
		told := make(map[string]time.Time)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- f.leads.Follow(ctx, func(_ context.Context, change statuslink.LeadChange) error {
				time.Sleep(time.Millisecond)
				if chance(5) {
					return errors.New("no")
				}
				mu.Lock()
				defer mu.Unlock()
				id := change.Lead.Ref.ID
				if change.Lead.MovedAt.Before(told[id]) {
					wrong = append(wrong, fmt.Sprint(id, " was told an older state after a newer one"))
				}
				if change.Known && change.PreviousStatus.Key != seen[id] {
					wrong = append(wrong, fmt.Sprintf("%s came from %q, told was %q", id, change.PreviousStatus.Key, seen[id]))
				}
				told[id], seen[id] = change.Lead.MovedAt, change.Status.Key
				return nil
			}, d.hook)
		}()
		synctest.Wait()
		keys := map[string]string{"1": "first", "2": "work", "3": "paid", "4": "operator"}
		var late []string
		for range moves {
			mu.Lock()
			id, status := fmt.Sprint(random.IntN(leads)), fmt.Sprint(1+random.IntN(4))
			version[id]++
			place[id] = keys[status]
			mu.Unlock()
			d.putAt(id, status, time.Now())
			late = append(late, id+" "+status)
			if !chance(20) { // lost, or late
				d.post(isMoved, id, status)
			}
			if chance(20) { // twice
				d.post(isMoved, id, status)
			}
			if chance(10) {
				mu.Lock()
				random.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
				mu.Unlock()
				for _, event := range late[:len(late)/2] {
					d.post(isMoved, event)
				}
				late = late[len(late)/2:]
			}
			time.Sleep(time.Millisecond)
		}
		for _, event := range late {
			d.post(isMoved, event)
		}
		pass(time.Hour)
		cancel()
		wantCanceled(t, ended)
		if len(wrong) > 0 {
			t.Errorf("%d times, such as: %s", len(wrong), wrong[0])
		}
		if diff := cmp.Diff(place, seen); diff != "" {
			t.Errorf("the bot's view is not the CRM's (-CRM +bot)\n%s", diff)
		}
		dead.want(t, "nothing is given up")
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
