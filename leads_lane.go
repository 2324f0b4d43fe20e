package statuslink

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
	"sync"

	"github.com/statuslink/statuslink/crm"
)

const (
	// readAtOnce is how many leads a [crm.BulkReader] is asked for at once, and
	// singlyAtOnce how many where the client reads them one by one.
	readAtOnce   = 2500
	singlyAtOnce = 32
)

// bulkLane is what [Leads.SetMany] has to do for one source. It belongs to the run.
type bulkLane struct {
	source  string
	client  crm.Client
	most    int
	pending []*manyWish
	running bool
	asks    chan<- []*manyWish // where the lane waits for more; nil while it does not
	ended   error              // why nothing more is sent to the source
}

func newBulkLane(source string, client crm.Client) *bulkLane {
	l := &bulkLane{source: source, client: client, most: singlyAtOnce}
	if _, bulk := client.(crm.BulkReader); bulk {
		l.most = readAtOnce
	}
	return l
}

// chunk takes out what the lane does next.
func (l *bulkLane) chunk() []*manyWish {
	n := min(len(l.pending), l.most)
	chunk := l.pending[:n:n]
	l.pending = l.pending[n:]
	for _, w := range chunk {
		w.given = true
	}
	return chunk
}

// laneEvent is what a lane tells.
type laneEvent struct {
	lane    *bulkLane
	settled *manyWish
	asks    chan<- []*manyWish // where it wants more; an empty answer ends its run
	done    bool               // the run is over; it is the last event
	// Of a run that is over: why nothing more is to be sent, and what a client
	// panicked with, or nil.
	ended, panicked error
}

// laneRun is one run of a client's MoveLeads, in a goroutine of its own.
type laneRun struct {
	ctx    context.Context //nolint:containedctx // of the call that this is
	lane   *bulkLane
	events chan<- laneEvent

	mu     sync.Mutex
	sent   []*manyWish // taken by the client, without a result yet, as they came
	rest   []*manyWish // given, and not taken by the client
	over   bool        // the client took all that there was
	reason error       // what was last said that may be why the run ended before
}

func newLaneRun(ctx context.Context, lane *bulkLane, events chan<- laneEvent) *laneRun {
	return &laneRun{ctx: ctx, lane: lane, events: events}
}

// work fulfils wishes, and asks for more until it gets none.
func (r *laneRun) work(first []*manyWish) {
	r.rest = first
	defer func() {
		last := laneEvent{lane: r.lane, done: true}
		if value := recover(); value != nil {
			last.panicked = fmt.Errorf("statuslink: the client of %q panicked: %v\n\n%s", r.lane.source, value, debug.Stack())
		}
		last.ended = r.leaveRest()
		r.events <- last
	}()
	bulk, ok := r.lane.client.(crm.BulkMover)
	if !ok {
		bulk = singly{r.lane.client.(crm.LeadMover)}
	}
	for result := range bulk.MoveLeads(r.ctx, r.moves(), nil) {
		r.take(result)
	}
}

// moves yields what the client has to do.
func (r *laneRun) moves() iter.Seq[crm.Move] {
	return func(yield func(crm.Move) bool) {
		for ; len(r.rest) > 0; r.rest = r.ask() {
			if err := r.aim(r.rest); err != nil {
				r.stop(err)
				return
			}
			for len(r.rest) > 0 {
				w := r.rest[0]
				r.rest = r.rest[1:]
				if w.there {
					w.state = crm.MoveDone
				}
				if w.there || w.err != nil {
					r.tell(w)
					continue
				}
				r.mu.Lock()
				r.sent = append(r.sent, w)
				r.mu.Unlock()
				w.leads.table.setMoving(w.lead.Ref, w.to)
				if !yield(crm.Move{Lead: w.lead.Ref, To: w.to}) {
					return
				}
			}
		}
		r.mu.Lock()
		r.over = true
		r.mu.Unlock()
	}
}

// ask asks for more wishes.
func (r *laneRun) ask() []*manyWish {
	more := make(chan []*manyWish)
	r.events <- laneEvent{lane: r.lane, asks: more}
	return <-more
}

// tell tells that a wish ended.
func (r *laneRun) tell(w *manyWish) { r.events <- laneEvent{lane: r.lane, settled: w} }

// stop keeps why the run ends before.
func (r *laneRun) stop(reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reason = reason
}

// take takes the result of the move that was sent first.
func (r *laneRun) take(result crm.MoveResult) {
	r.mu.Lock()
	if len(r.sent) == 0 {
		r.mu.Unlock()
		return // the client made it up
	}
	w := r.sent[0]
	r.sent = r.sent[1:]
	if concernsAll(result.Err) {
		r.reason = result.Err
	}
	r.mu.Unlock()
	w.finish(result)
	r.tell(w)
}

// finish says how a wish ended whose move has a result.
func (w *manyWish) finish(result crm.MoveResult) {
	state, err := w.end(result.Lead, result.State, result.Err)
	w.state = state
	if err != nil {
		w.err = w.about(err)
	}
}

// leaveRest settles what the client left when its run ended, and returns why nothing
// more is to be sent: nil if the client took all that there was.
func (r *laneRun) leaveRest() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.sent {
		w.finish(crm.MoveResult{State: crm.MoveUnknown, Err: noResult(r.lane.source)})
		r.tell(w)
	}
	if r.over {
		return nil
	}
	if err := r.ctx.Err(); err != nil {
		r.reason = err
	}
	if r.reason == nil {
		r.reason = &crm.Error{Kind: crm.ErrUnavailable, Source: r.lane.source, Op: "move leads", Message: "the client's run ended before all was done"}
	}
	for _, w := range r.rest {
		w.state, w.err = crm.MoveNotSent, w.about(w.failed(crm.MoveNotSent, r.reason))
		r.tell(w)
	}
	return r.reason
}

// aim decides where leads are put, and reads those of which it has to be known where
// they stand. The error says that nothing more is to be asked of the CRM.
func (r *laneRun) aim(wishes []*manyWish) error {
	var unread []*manyWish
	var leads []crm.LeadRef
	readable := canRead(r.lane.client)
	for _, w := range wishes {
		switch {
		case w.blind():
		case readable:
			unread, leads = append(unread, w), append(leads, w.lead.Ref)
		default:
			w.refuse(w.aimUnread())
		}
	}
	if len(leads) == 0 {
		return nil
	}
	results, err := r.read(leads)
	if err != nil {
		return err
	}
	for i, w := range unread {
		err := results[i].Err
		if err == nil {
			err = w.aimFrom(results[i].Lead)
		}
		w.refuse(err)
	}
	return nil
}

// read reads leads, and returns one result for each. The error says that nothing
// more is to be asked of the CRM.
func (r *laneRun) read(leads []crm.LeadRef) ([]crm.LeadResult, error) {
	reader, ok := r.lane.client.(crm.BulkReader)
	if !ok {
		return readSingly(r.ctx, r.lane.client.(crm.LeadReader), leads)
	}
	results, err := readLeads(r.ctx, reader, r.lane.source, leads)
	if err == nil || concernsAll(err) {
		return results, err
	}
	results = make([]crm.LeadResult, len(leads))
	for i := range results {
		results[i].Err = err
	}
	return results, nil
}

// concernsAll reports whether an error is not about one lead, but about the CRM as a
// whole.
func concernsAll(err error) bool {
	return isAny(err, crm.ErrUnauthorized, crm.ErrForbidden, crm.ErrRateLimited, crm.ErrUnavailable)
}
