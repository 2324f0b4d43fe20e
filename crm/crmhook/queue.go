package crmhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/statuslink/statuslink/crm"
)

// errRunning is what a second Run gets.
var errRunning = errors.New("Run is already running")

// errExit is what Run returns if handle ended its goroutine.
var errExit = errors.New("handle ended its goroutine")

// Run hands each accepted event to handle, with ctx, until ctx ends, and returns
// ctx.Err() then. Events are accepted only while it runs. Those of one lead, and
// those without a lead, are handed over one after another in the order of their
// arrival, also where several of the same lead wait; those of different leads
// overlap, at most [Options.Workers] at the same time.
//
// When ctx ends, no event is accepted any more and none is handed over; Run waits
// for the calls of handle that are under way. What was accepted and not handed over
// stays in the queue, in order, and the next Run begins with it; so each accepted
// event is handed over once as long as the process lives and runs Run.
// What still waits when the process ends is lost. To lose nothing, stop the server
// first, and end ctx when [Stats] says that all accepted ones were handled; where
// statuslink.Leads.Follow handles them, see there for what it still has to tell. An
// event whose handle was under way when ctx ended was handed over.
//
// A second Run at the same time returns an error at once. A panic of handle comes
// up in the caller of Run, after the other calls of handle have ended; its event
// was handed over, and another Run may follow. A handle that ends its goroutine
// ends Run with an error in the same way. A panic of [Options.ReadLeads] comes up too,
// but its event was not handed over: it waits for the next Run, and may come unread.
func (r *Receiver) Run(ctx context.Context, handle func(ctx context.Context, event crm.Event)) error {
	q := &r.queue
	if !q.open(ctx) {
		return fmt.Errorf("%s: %w", r.opts.Source, errRunning)
	}
	failures := make(chan failure, r.opts.Workers)
	var workers sync.WaitGroup
	for range r.opts.Workers {
		workers.Go(func() {
			for l, e, ok := q.next(); ok; l, e, ok = q.next() {
				r.handOver(ctx, l, e, handle, failures)
			}
		})
	}
	select {
	case <-ctx.Done():
		q.stop()
	case f := <-failures:
		failures <- f
	}
	workers.Wait()
	if waiting := q.close(); waiting > 0 {
		r.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "crm events wait for the next run",
			slog.String("source", r.opts.Source), slog.Int("waiting", waiting))
	}
	select {
	case f := <-failures:
		if f.panicked {
			panic(f.err) // here, where the caller can recover it
		}
		return fmt.Errorf("%s: %w", r.opts.Source, f.err)
	default:
		return ctx.Err()
	}
}

// failure is how a call of handle ended that did not return.
type failure struct {
	panicked bool
	err      error
}

// handOver hands the event over, and stops the run if the call does not return.
func (r *Receiver) handOver(ctx context.Context, l *lane, e queued, handle func(context.Context, crm.Event), failures chan<- failure) {
	handed, returned := false, false
	defer func() {
		if !returned {
			f := failure{err: errExit}
			if value := recover(); value != nil {
				f = failure{panicked: true, err: fmt.Errorf("crmhook: the handler of events panicked: %v\n\n%s", value, debug.Stack())}
			}
			r.queue.stop() // before another worker takes an event
			failures <- f
		}
		r.queue.done(l, e, handed)
	}()
	if handed = r.complete(ctx, l, &e); handed {
		handle(ctx, e.event)
	}
	returned = true
}

// queued is an event that waits.
type queued struct {
	event  crm.Event
	number uint64 // in the sequence of arrival
}

// queue holds events by lead. A lead of which events wait or one is being
// handled has a lane, which is among the ready ones or busy: there are never more
// lanes than waiting events and workers. mu guards all fields.
type queue struct {
	mu    *sync.Mutex
	wake  sync.Cond // a lane is ready, or the run is stopping
	size  int
	lanes map[crm.LeadRef]*lane
	last  uint64 // number of the last event
	// ready are the lanes of which no event is being handled, in the sequence in
	// which they got ready.
	ready   []*lane
	waiting int
	handled uint64

	run      context.Context // of the Run under way; nil if there is none
	stopping bool            // the Run under way is ending

	wanted  []*lane       // busy ones whose lead has to be read
	reading chan struct{} // closed when the reading under way ends; nil if there is none
}

// lane holds the events of one lead that wait.
type lane struct {
	lead   crm.LeadRef
	events []queued

	read   uint64 // the last event that had come when the lead was read
	status crm.Ref
	needs  uint64 // the event for which a worker wants it read
}

func newQueue(mu *sync.Mutex, size int) queue {
	return queue{mu: mu, wake: sync.Cond{L: mu}, size: size, lanes: make(map[crm.LeadRef]*lane)}
}

// open begins a run; false if there is one.
func (q *queue) open(ctx context.Context) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.run != nil {
		return false
	}
	q.run, q.stopping = ctx, false
	return true
}

// stop ends the taking and giving of events.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopping = true
	q.wake.Broadcast()
}

// close ends the run and returns how many events wait for the next.
func (q *queue) close() (waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.run = nil
	return q.waiting
}

// draining reports whether a run goes on: not a moment longer than its ctx, even
// if Run has not noticed its end yet. The caller holds mu.
func (q *queue) draining() bool {
	return q.run != nil && !q.stopping && q.run.Err() == nil
}

// push adds an event at the end of its lead's lane. The caller holds mu.
func (q *queue) push(event crm.Event) answer {
	switch {
	case !q.draining():
		return stopped
	case q.waiting >= q.size:
		return full
	}
	l := q.lanes[event.Lead]
	if l == nil {
		l = &lane{lead: event.Lead}
		q.lanes[event.Lead] = l
		q.ready = append(q.ready, l)
		q.wake.Signal()
	}
	q.last++
	l.events = append(l.events, queued{event, q.last})
	q.waiting++
	return accepted
}

// next waits for an event and returns it with its lane, which is busy until done
// is called; false when the run ends.
func (q *queue) next() (*lane, queued, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.draining() && len(q.ready) == 0 {
		q.wake.Wait()
	}
	if !q.draining() {
		return nil, queued{}, false
	}
	l := q.ready[0]
	q.ready[0], q.ready = nil, q.ready[1:]
	e := l.events[0]
	l.events[0], l.events = queued{}, l.events[1:]
	q.waiting--
	return l, e, true
}

// done says that the event that next returned with the lane was handed over, or
// that it has to wait for the next run. Who calls it calls next afterwards or stops
// the run, so nobody has to be woken.
func (q *queue) done(l *lane, e queued, handed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if handed {
		q.handled++
	} else {
		l.events = slices.Insert(l.events, 0, e)
		q.waiting++
	}
	if len(l.events) > 0 {
		q.ready = append(q.ready, l)
		return
	}
	delete(q.lanes, l.lead)
}
