package statuslink

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
)

const (
	// mostWaiting is how many leads may wait to be told again.
	mostWaiting = 1024
	// mostTurns is how many leads are told at the same time by others than the
	// sources of events: again, and when catching up.
	mostTurns = 8
	// longestDelay is how long the delays between repetitions grow.
	longestDelay = time.Minute
)

// run is one call that tells of leads.
type run struct {
	leads  *Leads
	ctx    context.Context
	cancel context.CancelFunc
	handle func(ctx context.Context, change LeadChange) error

	sources sync.WaitGroup // event sources, which may spawn
	spawned sync.WaitGroup
	waiting chan struct{}            // full of the leads that wait to be told again
	turns   map[string]chan struct{} // by source of the lead: a slow CRM holds up no other
	fed     chan struct{}            // full of the leads that were read and are not told

	mu       sync.Mutex
	panicked error
	failed   error
}

func newRun(ctx context.Context, l *Leads, handle func(ctx context.Context, change LeadChange) error) *run {
	r := &run{
		leads: l, handle: handle, waiting: make(chan struct{}, mostWaiting), fed: make(chan struct{}, mostWaiting),
		turns: make(map[string]chan struct{}, len(l.sources)),
	}
	for _, source := range l.sources {
		r.turns[source] = make(chan struct{}, mostTurns)
	}
	r.ctx, r.cancel = context.WithCancel(context.WithValue(ctx, withinKey{}, l))
	return r
}

// withinKey is the key of the Leads that tell, in the context of what they tell.
type withinKey struct{}

// notWithin refuses what would wait for a lead that the caller is being told of.
func (l *Leads) notWithin(ctx context.Context, op string) error {
	if ctx.Value(withinKey{}) != l {
		return nil
	}
	return &Error{Kind: ErrInvalid, Op: op, Message: "it was called with the context of a callback, and would wait for the lead that the callback holds; call it elsewhere, with another context"}
}

// spawn runs f in a goroutine of the run.
func (r *run) spawn(f func()) { r.spawned.Go(func() { r.guard(f) }) }

// spawnSource runs an event source in a goroutine of the run.
func (r *run) spawnSource(f func()) { r.sources.Go(func() { r.guard(f) }) }

// guard ends the run if f panics or ends its goroutine.
func (r *run) guard(f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		value := recover()
		if value == nil {
			r.fail(&Error{Op: opFollow, Message: "the callback ended its goroutine"})
			return
		}
		r.mu.Lock()
		if r.panicked == nil {
			if err, ok := value.(error); ok {
				r.panicked = fmt.Errorf("statuslink: panicked while leads were told: %w\n\n%s", err, debug.Stack())
			} else {
				r.panicked = fmt.Errorf("statuslink: panicked while leads were told: %v\n\n%s", value, debug.Stack())
			}
		}
		r.mu.Unlock()
		r.cancel()
	}()
	f()
	returned = true
}

// fail ends the run with an error, unless it ended with another one.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.failed == nil {
		r.failed = err
	}
	r.mu.Unlock()
	r.cancel()
}

// end waits for all that the run spawned and says how it ended: nil if neither it
// nor ctx did.
func (r *run) end(ctx context.Context) error {
	r.spawned.Wait()
	if r.panicked != nil {
		panic(r.panicked) // here, where the caller can recover it
	}
	if r.failed != nil {
		return r.failed
	}
	return ctx.Err()
}

// try tells of the lead whose lane is held, and leaves it to a goroutine of its own
// if that fails.
func (r *run) try(l *lane) {
	if r.first(l) {
		return
	}
	select {
	case r.waiting <- struct{}{}:
		r.spawn(func() {
			defer func() { <-r.waiting }()
			r.again(l)
		})
	case <-r.ctx.Done():
		r.leads.lanes.park(l)
	}
}

// tryInTurn is try with no more than a few others at the same time.
func (r *run) tryInTurn(l *lane) {
	turn := r.turn(l)
	if turn == nil {
		r.leads.lanes.park(l)
		return
	}
	done := func() bool {
		defer func() { <-turn }()
		return r.first(l)
	}()
	if done {
		return
	}
	select {
	case r.waiting <- struct{}{}:
		defer func() { <-r.waiting }()
		r.again(l)
	case <-r.ctx.Done():
		r.leads.lanes.park(l)
	}
}

// turn waits for a turn, which is to be emptied afterwards; nil if the run ends before.
func (r *run) turn(l *lane) chan struct{} {
	turn := r.turns[l.task.event.Lead.Source]
	select {
	case turn <- struct{}{}:
		return turn
	case <-r.ctx.Done():
		return nil
	}
}

// first tells of the lead once, and reports whether the lane is let go.
func (r *run) first(l *lane) (done bool) {
	done = true // also if the callback panics
	defer func() {
		if done {
			r.leads.lanes.release(l)
		}
	}()
	done = r.tell(&l.task) == nil
	return done
}

// again tells of the lead after growing delays, until it is told or given up.
func (r *run) again(l *lane) {
	for done := false; !done; {
		var turn chan struct{}
		if r.sleep(r.leads.delay(&l.task)) {
			turn = r.turn(l)
		}
		if turn == nil {
			r.leads.lanes.park(l)
			return
		}
		r.leads.lanes.newer(l)
		done = func() bool {
			defer func() { <-turn }()
			return r.first(l)
		}()
	}
}

// sleep waits; false if the run ends before.
func (r *run) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return r.ctx.Err() == nil
	case <-r.ctx.Done():
		return false
	}
}

// delay is how long to wait after the failures of a task.
func (l *Leads) delay(t *task) time.Duration {
	longest := max(longestDelay, l.opts.RetryDelay)
	d := l.opts.RetryDelay
	for range t.tries - 1 {
		if d *= 2; d >= longest {
			d = longest
			break
		}
	}
	return max(d, t.wish)
}

// tell tells of a lead, or gives it up. Its error says that it is to be told again.
func (r *run) tell(t *task) error {
	t.counted, t.wish, t.letter = false, 0, nil
	err := r.update(t)
	switch {
	case err == nil && t.letter != nil:
		r.dead(r.ctx, *t.letter, t.why)
		return nil
	case err == nil || r.ctx.Err() != nil:
		return err
	}
	var e *crm.Error
	if errors.As(err, &e) {
		t.wish = e.RetryAfter
	}
	if t.letter == nil && (t.counted || !r.giveUp(t, crm.Ref{})) {
		return err
	}
	if t.unkept { // the callback was told of what the memory has not
		r.leads.table.doubt(t.event.Lead, t.to, t.shown)
	}
	r.dead(r.ctx, LeadChange{LeadStatus: LeadStatus{Lead: crm.Lead{Ref: t.event.Lead}}, Event: t.event}, err)
	return nil
}

// giveUp counts a failure, for the status at which the callback failed, if it did,
// and reports whether it was the last one.
func (r *run) giveUp(t *task, at crm.Ref) bool {
	if at != (crm.Ref{}) {
		if t.failed != (crm.Ref{}) && t.failed != at {
			t.tries = 0
		}
		t.failed = at
	}
	t.tries++
	return t.tries > max(r.leads.opts.Retries, 0)
}
