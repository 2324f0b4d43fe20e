package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/statuslink/statuslink/crm"
)

// errEventsRun is what a second Run gets.
var errEventsRun = errors.New("Run is already running")

// errEventsExit is what Run returns if handle ended its goroutine.
var errEventsExit = errors.New("handle ended its goroutine")

// Run hands each accepted event to handle, with ctx, until ctx ends, and returns
// ctx.Err() then. Events are accepted only while it runs. Those of one lead, and
// those without a lead, are handed over one after another in the order of their
// arrival, also where several of the same lead wait; those of different leads
// overlap, at most [EventOptions.Workers] at the same time.
//
// When ctx ends, no event is accepted any more and none is handed over; Run waits
// for the calls of handle that are under way. What was accepted and not handed over
// stays in the queue, in order, and the next Run begins with it; so each accepted
// event is handed over once as long as the process lives and runs Run.
// What still waits when the process ends is lost. To lose nothing, stop the server
// first, and end ctx when [EventStats] says that all accepted ones were handled. An
// event whose handle was under way when ctx ended was handed over.
//
// A second Run at the same time returns an error at once. A panic of handle comes
// up in the caller of Run, after the other calls of handle have ended; its event
// was handed over, and another Run may follow. A handle that ends its goroutine
// ends Run with an error in the same way.
func (e *Events) Run(ctx context.Context, handle func(ctx context.Context, event crm.Event)) error {
	q := &e.queue
	if !q.open(ctx) {
		return fmt.Errorf("%s: %w", e.source, errEventsRun)
	}
	failures := make(chan eventFailure, e.workers)
	var workers sync.WaitGroup
	for range e.workers {
		workers.Go(func() {
			for lane, event, ok := q.next(); ok; lane, event, ok = q.next() {
				q.handle(ctx, lane, event, handle, failures)
			}
		})
	}
	select {
	case <-ctx.Done():
		q.stop()
	case failure := <-failures:
		failures <- failure
	}
	workers.Wait()
	if waiting := q.close(); waiting > 0 {
		e.logger.LogAttrs(ctx, slog.LevelWarn, "crm events wait for the next run",
			slog.String("source", e.source), slog.Int("waiting", waiting))
	}
	select {
	case failure := <-failures:
		if failure.panicked {
			panic(failure.err) // here, where the caller can recover it
		}
		return fmt.Errorf("%s: %w", e.source, failure.err)
	default:
		return ctx.Err()
	}
}

// eventFailure is how a call of handle ended that did not return.
type eventFailure struct {
	panicked bool
	err      error
}

// handle hands the event over, and stops the run if the call does not return.
func (q *eventQueue) handle(ctx context.Context, lane *eventLane, event crm.Event, handle func(context.Context, crm.Event), failures chan<- eventFailure) {
	returned := false
	defer func() {
		if !returned {
			failure := eventFailure{err: errEventsExit}
			if value := recover(); value != nil {
				failure = eventFailure{panicked: true, err: fmt.Errorf("bitrix24: the handler of events panicked: %v\n\n%s", value, debug.Stack())}
			}
			q.stop() // before another worker takes an event
			failures <- failure
		}
		q.done(lane)
	}()
	handle(ctx, event)
	returned = true
}

// eventQueue holds events by lead. A lead of which events wait or one is being
// handled has a lane, which is among the ready ones or busy: there are never more
// lanes than waiting events and workers. mu guards all fields.
type eventQueue struct {
	mu    *sync.Mutex
	wake  sync.Cond // a lane is ready, or the run is stopping
	size  int
	lanes map[crm.LeadRef]*eventLane
	// ready are the lanes of which no event is being handled, in the sequence in
	// which they got ready.
	ready   []*eventLane
	waiting int
	handled uint64

	run      context.Context // of the Run under way; nil if there is none
	stopping bool            // the Run under way is ending
}

// eventLane holds the events of one lead that wait.
type eventLane struct {
	lead   crm.LeadRef
	events []crm.Event
}

func newEventQueue(mu *sync.Mutex, size int) eventQueue {
	if size == 0 {
		size = 1024
	}
	return eventQueue{mu: mu, wake: sync.Cond{L: mu}, size: size, lanes: make(map[crm.LeadRef]*eventLane)}
}

// open begins a run; false if there is one.
func (q *eventQueue) open(ctx context.Context) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.run != nil {
		return false
	}
	q.run, q.stopping = ctx, false
	return true
}

// stop ends the taking and giving of events.
func (q *eventQueue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopping = true
	q.wake.Broadcast()
}

// close ends the run and returns how many events wait for the next.
func (q *eventQueue) close() (waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.run = nil
	return q.waiting
}

// draining reports whether a run goes on: not a moment longer than its ctx, even
// if Run has not noticed its end yet. The caller holds mu.
func (q *eventQueue) draining() bool {
	return q.run != nil && !q.stopping && q.run.Err() == nil
}

// push adds an event at the end of its lead's lane. The caller holds mu.
func (q *eventQueue) push(event crm.Event) eventAnswer {
	switch {
	case !q.draining():
		return eventStopped
	case q.waiting >= q.size:
		return eventFull
	}
	lane := q.lanes[event.Lead]
	if lane == nil {
		lane = &eventLane{lead: event.Lead}
		q.lanes[event.Lead] = lane
		q.ready = append(q.ready, lane)
		q.wake.Signal()
	}
	lane.events = append(lane.events, event)
	q.waiting++
	return eventAccepted
}

// next waits for an event and returns it with its lane, which is busy until done
// is called; false when the run ends.
func (q *eventQueue) next() (*eventLane, crm.Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.draining() && len(q.ready) == 0 {
		q.wake.Wait()
	}
	if !q.draining() {
		return nil, crm.Event{}, false
	}
	lane := q.ready[0]
	q.ready[0], q.ready = nil, q.ready[1:]
	event := lane.events[0]
	lane.events[0], lane.events = crm.Event{}, lane.events[1:]
	q.waiting--
	return lane, event, true
}

// done says that the event that next returned with the lane was handled. Who
// calls it calls next afterwards or stops the run, so nobody has to be woken.
func (q *eventQueue) done(lane *eventLane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handled++
	if len(lane.events) > 0 {
		q.ready = append(q.ready, lane)
		return
	}
	delete(q.lanes, lane.lead)
}
