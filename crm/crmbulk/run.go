package crmbulk

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
)

const (
	// readAhead is how many moves are taken at most before the first of them is done.
	readAhead = 2500

	// mostWaiting is how many batches wait at Options.Wait at once: enough to miss
	// none of its places, and so few that a call beside the run has its turn soon.
	mostWaiting = 2
)

// run is one run. All of it belongs to the goroutine that loops over the results;
// what is under way hands its answer to it through answers.
type run struct {
	opts     *Options
	ctx      context.Context //nolint:containedctx // of the call that this is
	cancel   func()          // ends ctx, and so what waits
	next     func() (crm.Move, bool)
	progress func(crm.MoveReport)

	flow      *flow
	window    []*item // taken and not yet handed over, as they came
	queue     []*item // of those, the ones to be sent, as they came
	shuffled  bool    // queue has to be sorted
	taken     int
	exhausted bool
	busy      map[crm.LeadRef]bool // leads with a move under way
	underWay  map[int]time.Time    // when each batch under way will end, by its number
	waiting   int                  // of those, the ones that still wait to be sent
	begun     chan struct{}        // told when one of them is
	answers   chan answer
	resume    time.Time // nothing is sent before
	failures  int       // rounds in a row in which the CRM broke down
	counted   int       // the last batch of the last of them
	ended     error     // why nothing is sent any more; nil while something is
	panicked  error     // what the client did while something was under way
	report    crm.MoveReport
}

// item is one move of a run.
type item struct {
	number  int // in the input
	move    crm.Move
	lead    crm.LeadRef // in the one form
	what    any         // for Options.Send
	alone   bool
	tries   int   // how often it was sent and no answer came
	doubt   error // of the last time that this was so
	settled bool
	result  crm.MoveResult
}

// run hands over results until there are no more, or nobody wants them.
func (r *run) run(yield func(crm.MoveResult) bool) {
	defer r.finish() // also if yield panics
	for {
		if !r.deliver(yield) {
			return
		}
		if err := r.ctx.Err(); err != nil {
			r.end(r.unavailable("", err))
		}
		r.take()
		if r.look() {
			continue // it may be something to hand over, or the end
		}
		r.send()
		switch {
		case len(r.underWay) > 0 || len(r.queue) > 0:
			r.wait()
		case len(r.window) == 0 && !r.more():
			return
		}
	}
}

// finish waits for all that is under way, and accounts for every move taken.
func (r *run) finish() {
	r.end(r.unavailable("the loop over the results ended before", nil))
	for len(r.underWay) > 0 { // without a word to progress, which may have panicked
		r.handle(<-r.answers)
	}
	r.report.Final = true
	for _, m := range r.window {
		if !m.settled { // the client panicked over it
			r.settle(m, crm.MoveNotSent, crm.Lead{}, r.ended)
		}
		r.report.Untaken = append(r.report.Untaken, m.result)
	}
	r.tell()
	if r.panicked != nil {
		panic(r.panicked) // here, where the caller can recover it
	}
}

// more reports whether the run goes on.
func (r *run) more() bool { return r.ended == nil && !r.exhausted }

// deliver hands over what is settled, as far as it goes; false if nobody wants it
// any more.
func (r *run) deliver(yield func(crm.MoveResult) bool) bool {
	for len(r.window) > 0 && r.window[0].settled {
		m := r.window[0]
		r.window[0] = nil
		r.window = r.window[1:]
		if !yield(m.result) {
			return false
		}
	}
	return true
}

// take takes moves from the input, as many as can be under way soon.
func (r *run) take() {
	for r.more() && r.ctx.Err() == nil && len(r.window) < readAhead && len(r.queue) <= r.opts.Batch*r.flow.most() {
		move, ok := r.next()
		if !ok {
			r.exhausted = true
			return
		}
		m := &item{number: r.taken, move: move}
		r.taken++
		r.window = append(r.window, m)
		m.lead = r.opts.Canonical(move.Lead)
		var err error
		if m.what, m.alone, err = r.opts.Prepare(r.ctx, move); err != nil {
			r.settle(m, crm.MoveRefused, crm.Lead{}, err)
			continue
		}
		r.queue = append(r.queue, m)
	}
}

// send sends batches until enough are under way.
func (r *run) send() {
	for r.ended == nil && r.waiting < mostWaiting && len(r.underWay) < r.flow.most() && !time.Now().Before(r.resume) {
		batch := r.compose()
		if len(batch) == 0 {
			return
		}
		for _, m := range batch {
			r.busy[m.lead] = true
		}
		r.flow.sent++
		r.waiting++
		r.underWay[r.flow.sent] = time.Now().Add(time.Duration(len(batch)) * r.flow.per)
		go r.post(batch, r.flow.sent)
	}
}

// post sends a batch when it may be sent. What was sent is waited for, even if the
// context ends meanwhile.
func (r *run) post(batch []*item, number int) {
	a := answer{batch: batch, number: number}
	returned := false
	defer func() {
		if !returned {
			a.exit = &exit{message: "the client ended its goroutine"}
			if value := recover(); value != nil {
				a.exit = &exit{"the client panicked", fmt.Errorf("crmbulk: the client panicked: %v\n\n%s", value, debug.Stack())}
			}
		}
		r.answers <- a
	}()
	if a.unsent = r.opts.Wait(r.ctx); a.unsent == nil {
		a.unsent = r.ctx.Err() // it may have ended just as the place came
	}
	if a.unsent == nil {
		a.begun = true
		r.begun <- struct{}{}
		r.dispatch(&a)
	}
	returned = true
}

// dispatch sends a batch.
func (r *run) dispatch(a *answer) {
	whats := make([]any, len(a.batch))
	for i, m := range a.batch {
		whats[i] = m.what
	}
	begun := time.Now()
	a.Answer = r.opts.Send(context.WithoutCancel(r.ctx), r.ctx.Done(), whats)
	a.took = time.Since(begun)
	if a.Verdicts != nil && len(a.Verdicts) != len(a.batch) {
		panic(fmt.Sprintf("%d verdicts on %d moves", len(a.Verdicts), len(a.batch)))
	}
}

// compose takes the next batch out of the queue: no lead twice, and none with a
// move under way, so that the moves of a lead keep their sequence.
func (r *run) compose() []*item {
	left := -1
	if !r.more() {
		left = len(r.queue)
	}
	size := r.flow.size(left, r.lasting(), r.opts.Spare)
	if r.shuffled {
		slices.SortFunc(r.queue, func(x, y *item) int { return cmp.Compare(x.number, y.number) })
		r.shuffled = false
	}
	var batch, passed []*item
	taken := map[crm.LeadRef]bool{}
	i := 0
	for ; i < len(r.queue) && len(batch) < size; i++ {
		m := r.queue[i]
		if r.busy[m.lead] || taken[m.lead] || (m.alone && len(batch) > 0) {
			passed = append(passed, m)
		} else {
			batch = append(batch, m)
		}
		taken[m.lead] = true
		if m.alone && len(batch) == 1 && batch[0] == m {
			i++
			break
		}
	}
	if len(passed) > 0 {
		r.queue = append(passed, r.queue[i:]...)
	} else {
		r.queue = r.queue[i:]
	}
	return batch
}

// lasting returns for how long each of the batches under way will last.
func (r *run) lasting() []time.Duration {
	busy := make([]time.Duration, 0, len(r.underWay))
	for _, until := range r.underWay {
		busy = append(busy, max(0, time.Until(until)))
	}
	return busy
}

// wait waits for an answer, for a batch that begins, for the end of a pause, or for
// that of the context.
func (r *run) wait() {
	var ended <-chan struct{}
	if r.ended == nil {
		ended = r.ctx.Done()
	}
	var resume <-chan time.Time
	// With nothing under way only the pause can have held everything back, though it
	// may have ended a moment ago.
	if pause := time.Until(r.resume); r.ended == nil && (pause > 0 || len(r.underWay) == 0) {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		resume = timer.C
	}
	select {
	case a := <-r.answers:
		r.handle(a)
		r.tell()
	case <-r.begun:
		r.waiting--
	case <-resume:
	case <-ended:
	}
}

// look takes in what has come meanwhile, if anything has: before something new is
// sent, however long the loop over the results or the input took.
func (r *run) look() bool {
	for came := false; ; came = true {
		select {
		case a := <-r.answers:
			r.handle(a)
			r.tell()
		case <-r.begun:
			r.waiting--
		default:
			return came
		}
	}
}

// end sees to it that nothing is sent any more, not even what waits to be.
func (r *run) end(why error) {
	r.close(why)
	r.cancel()
}

// close lets nothing more begin to wait.
func (r *run) close(why error) {
	if r.ended != nil {
		return
	}
	r.ended = why
	r.leave(r.queue, crm.MoveNotSent, why)
	r.queue = nil
}

// leave settles moves that are not sent, or not again: as said, or as unknown if no
// answer came to one that was sent before.
func (r *run) leave(moves []*item, state crm.MoveState, err error) {
	for _, m := range moves {
		if m.doubt != nil {
			r.settle(m, crm.MoveUnknown, crm.Lead{}, m.doubt)
		} else {
			r.settle(m, state, crm.Lead{}, err)
		}
	}
}

// settle says how a move ended.
func (r *run) settle(m *item, state crm.MoveState, lead crm.Lead, err error) {
	m.settled = true
	m.result = crm.MoveResult{Move: m.move, State: state, Lead: lead, Err: err}
	switch state {
	case crm.MoveNotSent:
		r.report.NotSent++
	case crm.MoveDone:
		r.report.Done++
	case crm.MoveRefused:
		r.report.Refused++
	case crm.MoveUnknown:
		r.report.Unknown++
	}
}

// tell tells how far the run is.
func (r *run) tell() {
	if r.progress != nil {
		r.progress(r.report)
	}
}

func (r *run) unavailable(message string, cause error) error {
	return r.opts.Failure(&crm.Error{Kind: crm.ErrUnavailable, Message: message, Err: cause})
}
