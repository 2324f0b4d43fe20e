package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// sharedMemory is a LeadMemory that replicas share.
type sharedMemory struct {
	mu     sync.Mutex
	states map[crm.LeadRef]statuslink.LeadState
	locks  map[crm.LeadRef]chan struct{}
	writes int
	fail   error // instead of keeping a state

	failNow func(lead crm.LeadRef) error // the same, asked each time
}

type inMemory struct{}

func newSharedMemory() *sharedMemory {
	return &sharedMemory{states: make(map[crm.LeadRef]statuslink.LeadState), locks: make(map[crm.LeadRef]chan struct{})}
}

func (m *sharedMemory) Update(ctx context.Context, lead crm.LeadRef, change func(context.Context, statuslink.LeadState) (statuslink.LeadState, error)) error {
	m.mu.Lock()
	lock := m.locks[lead]
	if lock == nil {
		lock = make(chan struct{}, 1)
		m.locks[lead] = lock
	}
	m.mu.Unlock()
	lock <- struct{}{}
	defer func() { <-lock }()
	m.mu.Lock()
	old := m.states[lead]
	m.mu.Unlock()
	next, err := change(context.WithValue(ctx, inMemory{}, lead), old)
	if err == nil && m.failNow != nil {
		err = m.failNow(lead)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		err = m.fail
	}
	if err == nil && next != old {
		m.states[lead] = next
		m.writes++
	}
	return err
}

// kept returns what the memory has of a lead.
func (m *sharedMemory) kept(lead crm.LeadRef) statuslink.LeadState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.states[lead]
}

func (m *sharedMemory) failWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func TestReplicasTellOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		memory := newSharedMemory()
		d := newDesk(t, "acme", crmhook.Options{})
		d.refuse(func(crm.LeadRef) error { time.Sleep(time.Millisecond); return nil })
		var mu sync.Mutex
		told := make(map[string][]string)
		var hooks []*crmhook.Receiver
		ctx, cancel := context.WithCancel(t.Context())
		var replicas sync.WaitGroup
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		for range 3 {
			leads, err := statuslink.NewLeads(f.catalog, &statuslink.LeadsOptions{Memory: memory}, d)
			f.must(err)
			hook := newDesk(t, "acme", crmhook.Options{}).hook
			hooks = append(hooks, hook)
			replicas.Go(func() {
				_ = leads.Follow(ctx, func(ctx context.Context, change statuslink.LeadChange) error {
					time.Sleep(time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					if ctx.Value(inMemory{}) != change.Lead.Ref {
						t.Error("the callback does not get the context of the memory")
					}
					told[change.Lead.Ref.ID] = append(told[change.Lead.Ref.ID], show(change))
					return nil
				}, hook)
			})
		}
		synctest.Wait()
		for _, status := range []string{"1", "2", "3"} {
			for _, id := range []string{"7", "8"} {
				d.put(id, status)
				for _, hook := range hooks {
					other := crmDesk{Client: d.Client, hook: hook}
					other.post(isMoved, id, status)
					other.post(isChanged, id)
				}
			}
			pass(time.Second)
		}
		cancel()
		replicas.Wait()
		want := map[string][]string{}
		for _, id := range []string{"7", "8"} {
			want[id] = []string{id + ": first", id + ": work <- first", id + ": paid <- work"}
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("three replicas, of which each hears of each change (-want +got)\n%s", diff)
		}
		if memory.writes != 6 {
			t.Errorf("%d states were written, want 6", memory.writes)
		}
	})
}

func TestMemoryOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		memory := newSharedMemory()
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{Memory: memory}, d)
		f.start(d.hook)
		at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
		d.putAt("7", "1", at)
		memory.failWith(errors.New("the database is down"))
		d.post(isMoved, "7", "1")
		f.wantTold("the state cannot be kept", "7: first")
		memory.failWith(nil)
		pass(time.Minute)
		f.wantTold("so it is told again", "7: first")
		f.stop()

		var err error
		f.leads, err = statuslink.NewLeads(f.catalog, &statuslink.LeadsOptions{Memory: memory}, d)
		f.must(err)
		f.start(d.hook)
		defer f.stop()
		d.post(isMoved, "7", "1")
		f.wantTold("another process knows what was told")
		d.putAt("7", "2", at.Add(time.Second))
		d.post(isMoved, "7", "2")
		f.wantTold("and where the lead was", "7: work <- first")
		want := statuslink.LeadState{Status: ref("acme", "2"), StatusID: f.id("work"), MovedAt: at.Add(time.Second)}
		if got := memory.states[d.ref("7")]; got != want {
			t.Errorf("the memory has %+v, want %+v", got, want)
		}
		d.remove("7")
		d.post(isDeleted, "7")
		f.wantTold("gone", "7: gone <- work")
		if got := memory.states[d.ref("7")]; got != (statuslink.LeadState{Deleted: true}) {
			t.Errorf("the memory has %+v of a lead that is gone", got)
		}
	})
}

// id returns the ID of the status with the key.
func (f *follower) id(key string) string {
	status, err := f.catalog.Get(f.t.Context(), key)
	f.must(err)
	return status.ID
}

func TestLastKnown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		var asked atomic.Int64
		var down atomic.Bool
		f := newFollower(t, statuslink.LeadsOptions{LastKnown: func(_ context.Context, lead crm.LeadRef) (crm.Ref, bool, error) {
			asked.Add(1)
			if down.Load() {
				return crm.Ref{}, false, errors.New("the database is down")
			}
			return ref("acme", lead.ID), lead.ID < "7", nil
		}}, d)
		f.start(d.hook)
		defer f.stop()
		for _, id := range []string{"1", "2", "8", "9"} {
			d.put(id, "1")
			d.post(isMoved, id, "1")
			synctest.Wait()
		}
		d.post(isMoved, "2", "1")
		f.wantTold("what is known is not told again, and what was before is", "2: first <- work", "8: first", "9: first")
		if asked.Load() != 4 || d.readings() != 3 {
			t.Errorf("asked %d times, want once for each lead; and a repeated event is no reading", asked.Load())
		}
		down.Store(true)
		d.put("3", "1")
		d.post(isMoved, "3", "1")
		f.wantTold("nothing can be known")
		down.Store(false)
		pass(time.Minute)
		f.wantTold("later", "3: first <- paid")
	})
}

// A lead that is known to stand on a status that is not linked is reported, or told by
// the fallback, as if it were not known: whether it was is not known.
func TestLastKnownOfUnlinkedStatuses(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		for fallback, want := range map[string][]string{"": nil, "operator": {"7: operator (fallback) <- "}} {
			d := newDesk(t, "acme", crmhook.Options{})
			reports := 0
			f := newFollower(t, statuslink.LeadsOptions{
				Fallback:  fallback,
				LastKnown: func(context.Context, crm.LeadRef) (crm.Ref, bool, error) { return ref("acme", "99"), true, nil },
				Unlinked:  func(context.Context, statuslink.UnlinkedLead) error { reports++; return nil },
			}, d)
			f.start(d.hook)
			d.put("7", "99")
			d.post(isMoved, "7", "99")
			d.post(isMoved, "7", "99")
			f.wantTold("with the fallback "+fallback, want...)
			if f.stop(); reports != 1 {
				t.Errorf("with the fallback %q: %d reports, want 1", fallback, reports)
			}
		}
	})
}

func TestTableSize(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{TableSize: 3}, d)
		f.start(d.hook)
		defer f.stop()
		hear := func(promise string, id string, want ...string) {
			t.Helper()
			d.put(id, "1")
			d.post(isMoved, id, "1")
			f.wantTold(promise, want...)
		}
		for _, id := range []string{"1", "2", "3"} {
			hear("first sight", id, id+": first")
		}
		hear("the oldest is heard of again", "1")
		hear("the one in the middle", "3")
		hear("a fourth drops the one that was not heard of for the longest time", "4", "4: first")
		for _, id := range []string{"1", "3", "4"} {
			hear("the others are known", id)
		}
		hear("it is told again", "2", "2: first")
		hear("so is the next", "1", "1: first")
		for i := range 20 {
			id := fmt.Sprint(10 + i)
			hear("many", id, id+": first")
			hear("again", id)
		}
	})
}

// What a memory did not keep is told again, wherever the lead stands by then.
func TestMemoryThatDidNotKeep(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name string
		then func(d *crmDesk, f *follower) // while the memory is down
		want []string
	}{
		{"the lead stands there", func(*crmDesk, *follower) {}, []string{"7: work <- first"}},
		{"the lead is back where it was", func(d *crmDesk, _ *follower) { d.putAt("7", "1", at.Add(time.Hour)) }, []string{"7: first <- first"}},
		{
			"an event says so", func(d *crmDesk, _ *follower) {
				d.putAt("7", "1", at.Add(time.Hour))
				d.post(isMoved, "7", "1")
			}, []string{"7: first <- first"},
		},
		{
			"the CRM answers with what was before, for a while", func(d *crmDesk, _ *follower) {
				d.putAt("7", "1", at)
				time.AfterFunc(time.Minute, func() { d.putAt("7", "2", at.Add(time.Minute)) })
			}, []string{"7: work <- first"},
		},
		{
			"Follow is called again", func(d *crmDesk, f *follower) {
				f.stop()
				d.putAt("7", "1", at.Add(time.Hour))
				f.start(d.hook) // and the memory is still down
			}, []string{"7: first <- first", "7: first <- first"},
		},
		{
			"Follow is called again, and an event came meanwhile", func(d *crmDesk, f *follower) {
				d.putAt("7", "1", at.Add(time.Hour))
				d.post(isMoved, "7", "1")
				synctest.Wait()
				f.stop()
				f.start(d.hook) // and the memory is still down
			}, []string{"7: first <- first", "7: first <- first"},
		},
		{
			"Follow is called again, and the CRM answers with what was before", func(d *crmDesk, f *follower) {
				f.stop()
				d.putAt("7", "1", at)
				time.AfterFunc(time.Minute, func() { d.putAt("7", "2", at.Add(time.Minute)) })
				f.start(d.hook)
			}, []string{"7: work <- first"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				memory := newSharedMemory()
				d := newDesk(t, "acme", crmhook.Options{})
				f := newFollower(t, statuslink.LeadsOptions{Memory: memory}, d)
				f.start(d.hook)
				defer func() { f.stop() }()
				d.putAt("7", "1", at)
				d.post(isMoved, "7", "1")
				f.wantTold("the first sight", "7: first")

				memory.failWith(errors.New("the database is down"))
				d.putAt("7", "2", at.Add(time.Minute))
				d.post(isMoved, "7", "2")
				f.wantTold("it cannot be kept", "7: work <- first")
				test.then(d, f)
				memory.failWith(nil)
				pass(time.Hour)
				f.wantTold("it is told again", test.want...)
				d.post(isChanged, "7")
				f.wantTold("once")
			})
		})
	}
}

// So it is of a lead that was gone, came back, and is gone again.
func TestMemoryThatDidNotKeepALeadThatCameBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		memory := newSharedMemory()
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{Memory: memory}, d)
		f.start(d.hook)
		defer f.stop()
		d.post(isDeleted, "7")
		f.wantTold("gone", "7: gone")
		memory.failWith(errors.New("the database is down"))
		d.put("7", "1")
		d.post(isNew, "7")
		f.wantTold("it came back, which cannot be kept", "7: first <- ")
		d.remove("7")
		d.post(isDeleted, "7")
		memory.failWith(nil)
		pass(time.Hour)
		f.wantTold("gone again", "7: gone <- ")
	})
}

// What is given up is one letter, and what the memory did not keep of it is not forgotten.
func TestMemoryThatFailsToTheEnd(t *testing.T) {
	t.Parallel()
	down := errors.New("the database is down")
	for name, callback := range map[string]error{"the callback fails too": errBroken, "the callback goes well": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				memory := newSharedMemory()
				var dead letters
				d := newDesk(t, "acme", crmhook.Options{})
				f := newFollower(t, statuslink.LeadsOptions{Memory: memory, Retries: 2, DeadLetter: dead.take}, d)
				f.start(d.hook)
				defer f.stop()
				d.put("7", "1")
				d.post(isMoved, "7", "1")
				f.wantTold("the first sight", "7: first")
				memory.failWith(down)
				f.failWith(func(statuslink.LeadChange) error { return callback })
				d.put("7", "2")
				d.post(isMoved, "7", "2")
				pass(time.Hour)
				dead.want(t, "one letter", "7: ")
				memory.failWith(nil)
				f.failWith(nil)
				d.put("7", "1")
				f.mu.Lock()
				f.told = nil
				f.mu.Unlock()
				d.post(isMoved, "7", "1")
				f.wantTold("the next event tells how it is", "7: first <- work")
			})
		})
	}
}

// Nor is an old copy told after what was told, and not kept to the end.
func TestMemoryThatFailsToTheEndAndAnOldCopy(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		memory := newSharedMemory()
		var dead letters
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{Memory: memory, Retries: 2, DeadLetter: dead.take}, d)
		f.start(d.hook)
		defer f.stop()
		now := time.Now()
		d.putAt("7", "1", now)
		d.post(isMoved, "7", "1")
		f.wantTold("the first sight", "7: first")
		memory.failWith(errBroken)
		d.putAt("7", "2", now.Add(time.Minute))
		d.post(isMoved, "7", "2")
		pass(time.Hour)
		f.wantTold("it is not kept", "7: work <- first", "7: work <- first", "7: work <- first")
		dead.want(t, "one letter", "7: ")
		memory.failWith(nil)
		d.putAt("7", "1", now) // the old copy
		d.post(isChanged, "7")
		f.wantTold("the copy is of before what was told")
		d.putAt("7", "2", now.Add(time.Minute))
		pass(time.Minute)
		f.wantTold("whether it was told is not known", "7: work <- first")
	})
}

// zonedMemory keeps what a database keeps that knows no zones, and counts.
type zonedMemory struct {
	states map[crm.LeadRef]statuslink.LeadState
	writes int
}

func (m *zonedMemory) Update(ctx context.Context, lead crm.LeadRef, change func(context.Context, statuslink.LeadState) (statuslink.LeadState, error)) error {
	old := m.states[lead]
	next, err := change(ctx, old)
	if err == nil && next != old {
		next.MovedAt = next.MovedAt.Local()
		m.states[lead] = next
		m.writes++
	}
	return err
}

func TestMemoryIsWrittenForNews(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{Workers: 1})
		memory := &zonedMemory{states: make(map[crm.LeadRef]statuslink.LeadState)}
		f := newFollower(t, statuslink.LeadsOptions{Memory: memory}, d)
		f.start(d.hook)
		defer f.stop()
		d.putAt("7", "2", time.Date(2026, 8, 1, 12, 0, 0, 0, time.FixedZone("MSK", 3*60*60)))
		for range 100 {
			d.post(isChanged, "7")
		}
		f.wantTold("once", "7: work")
		if memory.writes != 1 {
			t.Errorf("%d writes for one change and 99 events that say nothing new", memory.writes)
		}
	})
}
