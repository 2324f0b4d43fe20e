package bitrix24

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
)

const opMoveLeads = "move leads"

var _ crm.BulkMover = (*Client)(nil)

// MoveLeads moves leads as [Client.MoveLead] does, up to 50 with each request:
// 10,000 moves take 200 requests, and as long as the portal's limit of the rate
// makes them.
//
// Several requests are under way at once, more while the portal answers well, and
// fewer when it breaks down; how many moves go into one follows from how long the
// portal takes for one. Two moves of one lead are carried out one after the other,
// as they came. Setting a status twice is harmless, so what broke down is sent again
// a few times before it counts as [crm.MoveUnknown]. When the portal has had enough
// requests, or the method's operating time is used up, the run waits until it may go
// on; see [Options.FailOnBudget]. When the portal refuses the sign-in, or breaks down
// again and again, the run ends: what was not sent says why.
//
// A move that the portal said yes to and did not carry out is [crm.MoveRefused]
// with [crm.ErrNotApplied].
//
// The input is asked for moves by the goroutine that loops over the results, and
// up to 2,500 are read ahead. While the input keeps the loop waiting, no results
// come.
func (c *Client) MoveLeads(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return func(yield func(crm.MoveResult) bool) {
		next, stop := iter.Pull(moves)
		defer stop()
		b := &bulk{
			client: c, ctx: ctx, next: next, progress: progress,
			flow: newFlow(c.timeout()), busy: map[crm.LeadRef]bool{}, underWay: map[int]time.Time{},
			answers: make(chan answer, mostInFlight),
		}
		b.run(yield)
	}
}

// readAhead is how many moves are taken at most before the first of them is done.
const readAhead = 2500

// bulk is one run of MoveLeads. All of it belongs to the goroutine that loops over
// the results; what is under way hands its answer to it through answers.
type bulk struct {
	client   *Client
	ctx      context.Context //nolint:containedctx // of the call that this is
	next     func() (crm.Move, bool)
	progress func(crm.MoveReport)

	flow      *flow
	window    []*bulkMove // taken and not yet handed over, as they came
	queue     []*bulkMove // of those, the ones to be sent, as they came
	shuffled  bool        // queue has to be sorted
	taken     int
	exhausted bool
	busy      map[crm.LeadRef]bool // leads with a move under way
	underWay  map[int]time.Time    // when each batch under way will end, by its number
	answers   chan answer
	resume    time.Time // nothing is sent before
	failures  int       // rounds in a row in which the portal broke down
	counted   int       // the last batch of the last of them
	ended     error     // why nothing is sent any more; nil while something is
	report    crm.MoveReport
}

// bulkMove is one move of a run.
type bulkMove struct {
	moving
	number  int // in the input
	lead    crm.LeadRef
	query   string
	alone   bool  // must not go into a batch
	tries   int   // how often it was sent and no answer came
	doubt   error // of the last time that this was so
	settled bool
	result  crm.MoveResult
	broken  error // what cannot be read of the answer
}

// run hands over results until there are no more, or nobody wants them.
func (b *bulk) run(yield func(crm.MoveResult) bool) {
	defer b.finish() // also if yield panics
	for {
		if !b.deliver(yield) {
			b.end(b.failure(&crm.Error{Kind: crm.ErrUnavailable, Message: "the loop over the results ended before"}))
			return
		}
		if err := b.ctx.Err(); err != nil {
			b.end(b.failure(&crm.Error{Kind: crm.ErrUnavailable, Err: err}))
		}
		b.take()
		b.send()
		switch {
		case len(b.underWay) > 0 || len(b.queue) > 0:
			b.wait()
		case len(b.window) == 0 && !b.more():
			return
		}
	}
}

// finish waits for all that is under way, and accounts for every move taken.
func (b *bulk) finish() {
	b.end(b.failure(&crm.Error{Kind: crm.ErrUnavailable, Message: "the loop over the results broke down"}))
	for len(b.underWay) > 0 {
		b.handle(<-b.answers)
	}
	b.report.Final = true
	for _, m := range b.window {
		b.report.Untaken = append(b.report.Untaken, m.result)
	}
	b.tell()
}

// more reports whether the run goes on.
func (b *bulk) more() bool { return b.ended == nil && !b.exhausted }

// deliver hands over what is settled, as far as it goes; false if nobody wants it
// any more.
func (b *bulk) deliver(yield func(crm.MoveResult) bool) bool {
	for len(b.window) > 0 && b.window[0].settled {
		m := b.window[0]
		b.window[0] = nil
		b.window = b.window[1:]
		if !yield(m.result) {
			return false
		}
	}
	return true
}

// take takes moves from the input, as many as can be under way soon.
func (b *bulk) take() {
	for b.more() && len(b.window) < readAhead && len(b.queue) <= maxCommands*b.flow.most() {
		move, ok := b.next()
		if !ok {
			b.exhausted = true
			return
		}
		m := &bulkMove{number: b.taken, lead: b.client.canonical(move.Lead)}
		b.taken++
		b.window = append(b.window, m)
		if err := b.prepare(m, move); err != nil {
			m.move = move
			b.settle(m, crm.MoveRefused, crm.Lead{}, err)
			continue
		}
		b.queue = append(b.queue, m)
	}
}

// prepare checks a move, and makes a command of it.
func (b *bulk) prepare(m *bulkMove, move crm.Move) error {
	checked, unfit := b.client.newMoving(move)
	if unfit != nil {
		return b.failure(unfit)
	}
	if err := b.client.listed.refuses(b.ctx, b.client, opMoveLeads, move.To); err != nil {
		return err
	}
	m.moving = checked
	m.query = m.moving.query()
	m.alone = refers(m.query)
	return nil
}

// send sends batches until enough are under way.
func (b *bulk) send() {
	for b.ended == nil && len(b.underWay) < b.flow.most() && !time.Now().Before(b.resume) {
		batch := b.compose()
		if len(batch) == 0 {
			return
		}
		for _, m := range batch {
			b.busy[m.lead] = true
		}
		b.flow.sent++
		b.underWay[b.flow.sent] = time.Now().Add(time.Duration(len(batch)) * b.flow.per)
		go b.post(batch, b.flow.sent)
	}
}

// compose takes the next batch out of the queue: no lead twice, and none with a
// move under way, so that the moves of a lead keep their sequence.
func (b *bulk) compose() []*bulkMove {
	left := -1
	if !b.more() {
		left = len(b.queue)
	}
	size := b.flow.size(left, b.lasting(), b.client.limiter.spare)
	if b.shuffled {
		slices.SortFunc(b.queue, func(x, y *bulkMove) int { return cmp.Compare(x.number, y.number) })
		b.shuffled = false
	}
	var batch, passed []*bulkMove
	taken := map[crm.LeadRef]bool{}
	i := 0
	for ; i < len(b.queue) && len(batch) < size; i++ {
		m := b.queue[i]
		if b.busy[m.lead] || taken[m.lead] || (m.alone && len(batch) > 0) {
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
		b.queue = append(passed, b.queue[i:]...)
	} else {
		b.queue = b.queue[i:]
	}
	return batch
}

// lasting returns for how long each of the batches under way will last.
func (b *bulk) lasting() []time.Duration {
	busy := make([]time.Duration, 0, len(b.underWay))
	for _, until := range b.underWay {
		busy = append(busy, max(0, time.Until(until)))
	}
	return busy
}

// wait waits for an answer, for the end of a pause, or for that of the context.
func (b *bulk) wait() {
	var ended <-chan struct{}
	if b.ended == nil {
		ended = b.ctx.Done()
	}
	var resume <-chan time.Time
	if pause := time.Until(b.resume); pause > 0 && b.ended == nil {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		resume = timer.C
	}
	select {
	case a := <-b.answers:
		b.handle(a)
	case <-resume:
	case <-ended:
	}
	// What else has come is looked at before something new is sent.
	for {
		select {
		case a := <-b.answers:
			b.handle(a)
		default:
			return
		}
	}
}

// end sees to it that nothing is sent any more.
func (b *bulk) end(why error) {
	if b.ended != nil {
		return
	}
	b.ended = why
	for _, m := range b.queue {
		b.leave(m)
	}
	b.queue = nil
}

// leave settles a move that is not sent, or not again.
func (b *bulk) leave(m *bulkMove) {
	if m.doubt != nil {
		b.settle(m, crm.MoveUnknown, crm.Lead{}, m.doubt)
		return
	}
	b.settle(m, crm.MoveNotSent, crm.Lead{}, b.ended)
}

// settle says how a move ended.
func (b *bulk) settle(m *bulkMove, state crm.MoveState, lead crm.Lead, err error) {
	m.settled = true
	m.result = crm.MoveResult{Move: m.move, State: state, Lead: lead, Err: err}
	switch state {
	case crm.MoveNotSent:
		b.report.NotSent++
	case crm.MoveDone:
		b.report.Done++
	case crm.MoveRefused:
		b.report.Refused++
	case crm.MoveUnknown:
		b.report.Unknown++
	}
}

// tell tells how far the run is.
func (b *bulk) tell() {
	if b.progress != nil {
		b.progress(b.report)
	}
}

func (b *bulk) failure(e *crm.Error) error { return b.client.failure(opMoveLeads, e) }
