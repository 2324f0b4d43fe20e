package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm/crmhook"
)

var errBroken = errors.New("сценарий сломан")

// failAll makes every call of the callback fail.
func (f *follower) failAll() {
	f.failWith(func(statuslink.LeadChange) error { return errBroken })
}

// What was accepted and not told when Follow ended is told by the next one, with all
// that came meanwhile.
func TestFollowGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		opts   statuslink.LeadsOptions
		before func(d *crmDesk) // every callback fails
		want   []string
		reads  int // when Follow is called again
	}{
		{
			"an event",
			statuslink.LeadsOptions{},
			func(d *crmDesk) {
				d.put("7", "2")
				d.post(isMoved, "7", "2")
			},
			[]string{"7: work <- first"},
			1,
		},
		{
			"two events, of which the newer is believed",
			statuslink.LeadsOptions{TrustEvents: []string{"acme"}},
			func(d *crmDesk) {
				d.post(isMoved, "7", "2")
				synctest.Wait()
				d.post(isMoved, "7", "3")
			},
			[]string{"7: paid <- first"},
			0,
		},
		{
			"an event, and a late one that carries what was told",
			statuslink.LeadsOptions{},
			func(d *crmDesk) {
				d.put("7", "2")
				d.post(isMoved, "7", "2")
				synctest.Wait()
				d.post(isMoved, "7", "1")
			},
			[]string{"7: work <- first"},
			1,
		},
		{
			"the same, put together before",
			statuslink.LeadsOptions{},
			func(d *crmDesk) {
				d.put("7", "2")
				d.post(isMoved, "7", "2")
				synctest.Wait()
				d.post(isMoved, "7", "1")
				pass(10 * time.Second)
			},
			[]string{"7: work <- first"},
			1,
		},
		{
			"that a lead is gone, said after another event and before a late one",
			statuslink.LeadsOptions{},
			func(d *crmDesk) {
				d.put("7", "2")
				d.post(isMoved, "7", "2")
				synctest.Wait()
				d.remove("7")
				d.post(isDeleted, "7")
				synctest.Wait()
				d.post(isMoved, "7", "3")
			},
			[]string{"7: gone <- first"},
			1,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				d := newDesk(t, "acme", crmhook.Options{})
				f := newFollower(t, test.opts, d)
				f.start(d.hook)
				defer func() { f.stop() }()
				d.put("7", "1")
				d.post(isMoved, "7", "1")
				f.wantTold("the first sight", "7: first")
				f.failAll()
				test.before(d)
				synctest.Wait()
				f.stop()
				f.failWith(nil)
				d.readings()
				f.start(d.hook)
				pass(time.Hour)
				f.wantTold(test.name, test.want...)
				if n := d.readings(); n != test.reads {
					t.Errorf("%d readings, want %d", n, test.reads)
				}
			})
		})
	}
}

// Events that come while a lead waits to be told again are told together with it.
func TestRepetitionTellsWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.failAll()
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		synctest.Wait()
		for _, status := range []string{"2", "3", "4"} {
			d.put("7", status)
			d.post(isMoved, "7", status)
			d.post(isChanged, "7")
		}
		if n := f.leads.Pending(); n != 1 {
			t.Errorf("%d leads are pending, want the one that waits for its repetition", n)
		}
		f.failWith(nil)
		d.readings()
		pass(time.Hour)
		f.wantTold("all of it", "7: operator")
		if n := d.readings(); n != 1 {
			t.Errorf("%d readings for the repetition and what came meanwhile, want 1", n)
		}
		if n := f.leads.Pending(); n != 0 {
			t.Errorf("%d leads are pending when all was told", n)
		}
	})
}

// Where so many leads wait for their repetition that the sources have to wait, the
// events that wait with them are told by the next Follow, too.
func TestFollowGoesOnWhereItWasFull(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{Workers: 4, QueueSize: 10})
		f := newFollower(t, statuslink.LeadsOptions{RetryDelay: time.Hour}, d)
		f.failAll()
		f.start(d.hook)
		defer func() { f.stop() }()
		accepted := 0
		for i := range 1100 {
			id := fmt.Sprint(i)
			d.put(id, "1")
			if d.post(isMoved, id, "1") == 200 {
				accepted++
			}
			synctest.Wait()
		}
		f.stop()
		f.failWith(nil)
		f.start(d.hook)
		pass(time.Minute)
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.told) != accepted || accepted != 1024+4+10 {
			t.Errorf("%d of %d accepted events were told, want %d", len(f.told), accepted, 1024+4+10)
		}
	})
}

// A lead that waits for the next Follow, and that somebody catches up with meanwhile,
// is not told by both at the same time.
func TestFollowWaitsForCatchingUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &setDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.failAll()
		f.start(d.hook)
		d.put("7", "1")
		d.post(isChanged, "7")
		synctest.Wait()
		f.stop()
		f.failWith(nil)

		caughtUp := make(chan error)
		go func() {
			caughtUp <- f.leads.Reconcile(t.Context(), "acme", "", func(ctx context.Context, change statuslink.LeadChange) error {
				time.Sleep(time.Minute)
				d.put("7", "2")
				return f.handle(ctx, change)
			})
		}()
		synctest.Wait()
		f.start(d.hook)
		defer f.stop()
		f.wantTold("Reconcile has the lead")
		pass(time.Minute)
		f.must(<-caughtUp)
		f.wantTold("one after the other", "7: first", "7: work <- first")
	})
}

// Reconcile ends with its context, also while Follow has the lead.
func TestReconcileDoesNotWaitForFollow(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &setDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.failAll()
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begun := time.Now()
		if err := f.leads.Reconcile(ctx, "acme", "", f.handle); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reconcile returned %v", err)
		}
		if took := time.Since(begun); took != time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// What Follow accepted is told to its callback, not to that of one who catches up;
// and a catching up that is broken off leaves nothing behind.
func TestCatchingUpTakesNoEvents(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &setDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		ctx, cancel := context.WithCancel(t.Context())
		var told atomic.Int64
		ended := make(chan error)
		go func() {
			ended <- f.leads.Reconcile(ctx, "acme", "", func(_ context.Context, change statuslink.LeadChange) error {
				if told.Add(1); change.Deleted {
					t.Error("Reconcile tells that a lead is gone")
				}
				return errBroken
			})
		}()
		synctest.Wait()
		d.remove("7")
		d.post(isDeleted, "7")
		pass(time.Minute)
		f.must(<-ended) // there is no such lead any more
		f.wantTold("Follow tells it", "7: gone")

		d.put("7", "1")
		d.post(isNew, "7", "1")
		f.wantTold("it is back", "7: first <- ")
		d.put("7", "2")
		go func() {
			ended <- f.leads.Reconcile(ctx, "acme", "", func(context.Context, statuslink.LeadChange) error { return errBroken })
		}()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Reconcile returned %v", err)
		}
		d.readings()
		d.post(isMoved, "7", "1")
		f.wantTold("an event that carries what was told")
		if n := d.readings(); n != 0 {
			t.Errorf("%d readings for it", n)
		}
	})
}

// Not all leads of a history are told at the same time.
func TestCatchingUpTellsAFewAtATime(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		for i := range 100 {
			d.keep(i+1, 0, fmt.Sprint(i), "1")
		}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		var under, most atomic.Int64
		_, err := f.leads.CatchUp(t.Context(), "acme", "", "0", func(context.Context, statuslink.LeadChange) error {
			if n := under.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer under.Add(-1)
			time.Sleep(time.Second)
			return nil
		})
		f.must(err)
		if most.Load() != 8 {
			t.Errorf("%d callbacks at the same time, want 8", most.Load())
		}
	})
}

// A lead that was listed while Follow told of it is read again, also where nothing of
// that was kept.
func TestReconcileTellsNothingOlderThanWhatWasNotKept(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		memory := newSharedMemory()
		d := &setDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{Memory: memory}, d)
		f.start(d.hook)
		defer f.stop()
		memory.failWith(errBroken)
		d.put("7", "1")
		d.post(isNew, "7", "1")
		f.wantTold("it cannot be kept", "7: first")
		ended := make(chan error)
		go func() { ended <- f.leads.Reconcile(t.Context(), "acme", "", f.handle) }()
		synctest.Wait() // the lead is listed
		d.put("7", "2")
		pass(time.Second)
		f.wantTold("nor can this", "7: work")
		d.remove("7")
		memory.failWith(nil)
		pass(time.Minute)
		f.must(<-ended)
		f.wantTold("the lead is gone, which no event says")
	})
}

// A lead that was read on the move, and of which an event says since that it is back, is
// read again.
func TestCatchUpTellsNothingThatARepeatedEventOvertook(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		d.keep(1, 0, "7", "1")
		d.post(isMoved, "7", "1")
		f.wantTold("the first sight", "7: first")
		d.keep(2, 1, "7", "2")
		d.afterBulk = func() {
			d.afterBulk = nil
			d.keep(3, 2, "7", "1")
			d.post(isMoved, "7", "1")
			synctest.Wait()
		}
		_, err := f.leads.CatchUp(t.Context(), "acme", "", "0", f.handle)
		f.must(err)
		f.wantTold("it is where it was told to be")
	})
}
