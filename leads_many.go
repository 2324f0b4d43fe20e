package statuslink

import (
	"context"
	"errors"
	"iter"

	"github.com/statuslink/statuslink/crm"
)

// Wish is the wish to put a lead into a status.
type Wish struct {
	Lead crm.LeadRef
	// Status is the Key or ID of the status, a Key first.
	Status string
}

// WishResult tells how one wish ended.
type WishResult struct {
	Wish Wish
	// Set is what became of the lead where State is [crm.MoveDone], as of
	// [Leads.Set]; otherwise it is zero. Leads are read only where it matters where
	// they stand, so From may be zero, and Changed set although the lead stood
	// there already.
	Set SetResult
	// State says how the wish ended. [crm.MoveRefused] is also what was refused
	// before anything was sent; [crm.MoveNotSent] and [crm.MoveUnknown] may be
	// wished for again.
	State crm.MoveState
	// Err is nil exactly if State is [crm.MoveDone]; otherwise it is an [*Error] as
	// of [Leads.Set].
	Err error
}

// mostTaken is how many wishes are taken at most before the first of them is done:
// more than any client takes and than are read at once, so that none waits while
// there is something to do.
const mostTaken = 5000

// SetMany fulfils many wishes, of one CRM or of several, as [Leads.Set] does one. It
// yields one result for each wish that it took, in the same order. Partial failure
// is normal.
//
// The CRMs work at the same time, each by the client's [crm.BulkMover], or, where it
// has none, by moving a few leads at once. A lead is read first, together with others
// where there is a [crm.BulkReader], unless it makes no difference: the status has
// one link to the source, which is not missing, and leads of this Kind have one scope
// there, as far as known. Wishes about the same lead, the same [crm.LeadRef], are
// fulfilled one after the other, as they came.
//
// Where one CRM as a whole refuses or breaks down again and again, the other ones go
// on. What was not sent to it, and all further wishes for it, end with
// [crm.MoveNotSent] and say why.
//
// The wishes are asked for by the goroutine that loops over the results. Up to 5,000
// are read ahead, so the input may be endless; while it keeps the loop waiting, no
// results come, also when ctx has ended. Each is looked up in the statuses as they
// are when it is taken. When ctx ends, or the loop over the results stops, nothing
// new is sent, and what is in flight is waited for.
//
// progress may be nil. It is called by the goroutine that loops over the results,
// after each change of the counts, which are those of all CRMs together, and once with
// a final report, which accounts for every wish taken. No goroutine is left then.
func (l *Leads) SetMany(ctx context.Context, wishes iter.Seq[Wish], progress func(crm.MoveReport)) iter.Seq[WishResult] {
	return func(yield func(WishResult) bool) {
		next, stop := iter.Pull(wishes)
		defer stop()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r := &manyRun{
			leads: l, begun: l.table.now(), ctx: ctx, cancel: cancel, next: next, progress: progress,
			last: map[crm.LeadRef]*manyWish{}, lanes: map[string]*bulkLane{}, events: make(chan laneEvent),
		}
		r.run(yield)
	}
}

// manyRun is one run of SetMany. All of it belongs to the goroutine that loops over
// the results; the lanes talk to it through events.
type manyRun struct {
	leads    *Leads
	begun    uint64          // by the clock of the table
	ctx      context.Context //nolint:containedctx // of the call that this is
	cancel   func()
	next     func() (Wish, bool)
	progress func(crm.MoveReport)

	window    []*manyWish               // taken and not yet handed over, as they came
	last      map[crm.LeadRef]*manyWish // the last of each lead that is not settled
	lanes     map[string]*bulkLane      // by source
	running   int                       // lanes at work
	events    chan laneEvent
	exhausted bool
	ended     error // why nothing is sent any more; nil while something is
	broken    bool  // ended because the loop over the results did
	panicked  error // what a client did
	report    crm.MoveReport
	told      [4]int // the last report
}

// manyWish is one wish of a run.
type manyWish struct {
	*errand
	wish    Wish
	lane    *bulkLane // nil if it was refused at once
	behind  *manyWish // the next one about the same lead
	given   bool      // to the lane, which owns it until it is settled
	settled bool
	state   crm.MoveState
	err     error
}

var (
	errLoopEnded = errors.New("the loop over the results ended before")
	errPanic     = errors.New("a client panicked")
)

// run hands over results until there are no more, or nobody wants them.
func (r *manyRun) run(yield func(WishResult) bool) {
	defer r.finish() // also if yield panics
	for {
		if !r.deliver(yield) {
			return
		}
		if err := r.ctx.Err(); err != nil {
			r.end(err)
		}
		r.take()
		r.serve()
		switch {
		case r.panicked != nil || len(r.window) == 0 && (r.exhausted || r.ended != nil):
			return
		case len(r.window) > 0 && !r.window[0].settled:
			r.wait()
		}
		r.tell()
	}
}

// finish waits for the lanes, and accounts for every wish taken.
func (r *manyRun) finish() {
	r.broken = r.ended == nil
	r.end(errLoopEnded)
	r.cancel()
	for r.serve(); r.running > 0; r.serve() { // without a word to progress, which may have panicked
		r.handle(<-r.events)
	}
	r.report.Final = true
	for _, w := range r.window {
		r.report.Untaken = append(r.report.Untaken, crm.MoveResult{
			Move: crm.Move{Lead: w.wish.Lead, To: w.to}, State: w.state,
			Lead: crm.Lead{Ref: w.result.Lead, Status: w.result.To}, Err: w.err,
		})
	}
	if r.progress != nil {
		r.progress(r.report)
	}
	if r.panicked != nil {
		panic(r.panicked) // here, where the caller can recover it
	}
}

// deliver hands over what is settled, as far as it goes; false if nobody wants it
// any more.
func (r *manyRun) deliver(yield func(WishResult) bool) bool {
	for len(r.window) > 0 && r.window[0].settled {
		w := r.window[0]
		r.window[0] = nil
		r.window = r.window[1:]
		if w.state == crm.MoveDone {
			r.leads.deliver(w.errand)
		}
		if !yield(WishResult{Wish: w.wish, Set: w.result, State: w.state, Err: w.err}) {
			return false
		}
	}
	return true
}

// take takes as many wishes as it may, when half of those taken are handed over: by
// ones, they would be read and moved by ones.
func (r *manyRun) take() {
	if len(r.window) > mostTaken/2 {
		return
	}
	for !r.exhausted && r.ended == nil && r.ctx.Err() == nil && len(r.window) < mostTaken {
		wish, ok := r.next()
		if !ok {
			r.exhausted = true
			return
		}
		e, err := r.leads.newErrand(r.ctx, wish.Lead, wish.Status, r.begun)
		w := &manyWish{errand: e, wish: wish}
		r.window = append(r.window, w)
		if err != nil {
			w.refuse(err)
			r.settle(w)
			continue
		}
		w.lane = r.lane(e)
		if w.lane.ended != nil {
			r.leave(w, w.lane.ended)
			continue
		}
		if last := r.last[wish.Lead]; last != nil {
			last.behind = w
		} else {
			w.lane.pending = append(w.lane.pending, w)
		}
		r.last[wish.Lead] = w
	}
}

// lane returns the lane of an errand.
func (r *manyRun) lane(e *errand) *bulkLane {
	source := e.lead.Ref.Source
	if r.lanes[source] == nil {
		r.lanes[source] = newBulkLane(source, e.client)
	}
	return r.lanes[source]
}

// serve gives the lanes what they have to do. One that asks for more while there is
// nothing for it ends its run, as it may keep back moves until it has enough of
// them; it begins another one when there is.
func (r *manyRun) serve() {
	for _, lane := range r.lanes {
		switch {
		case lane.asks != nil:
			lane.asks <- lane.chunk()
			lane.asks = nil
		case !lane.running && len(lane.pending) > 0:
			lane.running = true
			r.running++
			go newLaneRun(r.ctx, lane, r.events).work(lane.chunk())
		}
	}
}

// wait waits until a lane has something to tell, or the context ends.
func (r *manyRun) wait() {
	var ended <-chan struct{}
	if r.ended == nil {
		ended = r.ctx.Done()
	}
	select {
	case event := <-r.events:
		r.handle(event)
	case <-ended:
	}
}

// handle takes what a lane tells.
func (r *manyRun) handle(event laneEvent) {
	if w := event.settled; w != nil {
		if w.state == crm.MoveNotSent && r.broken {
			r.leave(w, errLoopEnded) // the lane knows of its context only
		} else {
			r.settle(w)
		}
	}
	if event.asks != nil {
		event.lane.asks = event.asks
	}
	if !event.done {
		return
	}
	event.lane.running = false
	r.running--
	if event.panicked != nil {
		r.panicked = event.panicked
		r.end(errPanic)
	}
	if event.ended != nil && event.lane.ended == nil {
		event.lane.ended = event.ended
		r.leaveAll(event.lane, event.ended)
	}
}

// end sees to it that nothing more is given to any lane.
func (r *manyRun) end(why error) {
	if r.ended == nil {
		r.ended = why
		r.leaveAll(nil, why)
	}
}

// leaveAll settles what was not given to the lane yet, or to any if it is nil.
func (r *manyRun) leaveAll(lane *bulkLane, why error) {
	for _, w := range r.window {
		if !w.settled && !w.given && (lane == nil || lane == w.lane) {
			r.leave(w, why)
		}
	}
	for _, l := range r.lanes {
		if lane == nil || lane == l {
			l.pending = nil
		}
	}
}

// leave settles a wish that is not sent.
func (r *manyRun) leave(w *manyWish, why error) {
	w.state, w.err = crm.MoveNotSent, w.about(w.failed(crm.MoveNotSent, why))
	r.settle(w)
}

// settle counts a wish whose state is known, and lets the next one about the same
// lead go.
func (r *manyRun) settle(w *manyWish) {
	w.settled = true
	switch w.state {
	case crm.MoveNotSent:
		r.report.NotSent++
	case crm.MoveDone:
		r.report.Done++
	case crm.MoveRefused:
		r.report.Refused++
	case crm.MoveUnknown:
		r.report.Unknown++
	}
	if r.last[w.wish.Lead] == w {
		delete(r.last, w.wish.Lead)
	}
	if next := w.behind; next != nil && !next.settled {
		next.lane.pending = append(next.lane.pending, next)
	}
}

// refuse says that a wish ended before anything was sent; nil leaves it. What is
// neither an error of this package nor one of the CRM about the lead may be
// otherwise the next time.
func (w *manyWish) refuse(err error) {
	if err == nil {
		return
	}
	w.state, w.err = crm.MoveNotSent, w.about(err)
	_, ours := err.(*Error) //nolint:errorlint // one inside another may be someone else's
	if ours || isAny(err, crm.ErrNotFound, crm.ErrForbidden, crm.ErrRejected) {
		w.state = crm.MoveRefused
	}
}

// tell tells how far the run is, if anything came to it.
func (r *manyRun) tell() {
	now := [4]int{r.report.NotSent, r.report.Done, r.report.Refused, r.report.Unknown}
	if r.progress != nil && now != r.told {
		r.told = now
		r.progress(r.report)
	}
}
