package bitrix24

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	// mostFailures is in how many rounds in a row the portal may break down before
	// a run ends. After each there is a pause, which doubles.
	mostFailures      = 5
	firstFailurePause = time.Second
)

// answer is what came back for a batch.
type answer struct {
	batch   []*bulkMove
	number  int      // of the batch
	results []result // of the moves, unless err is set
	err     error
	unsent  bool // err is why the batch was not sent
	took    time.Duration
}

// post sends a batch when the limit of the rate lets it. What was sent is waited
// for, even if the context ends meanwhile.
func (b *bulk) post(batch []*bulkMove, number int) {
	a := answer{batch: batch, number: number}
	defer func() { b.answers <- a }()
	if a.err = b.client.limiter.wait(b.ctx); a.err != nil {
		a.unsent = true
		return
	}
	ctx, begun := context.WithoutCancel(b.ctx), time.Now()
	if batch[0].alone {
		a.results, a.err = b.postAlone(ctx, batch[0])
		a.took = time.Since(begun)
		return
	}
	cs := make(commands, len(batch))
	for i, m := range batch {
		cs[i] = command{key: "m" + strconv.Itoa(i), method: methodUpdate, query: m.query, into: func(cursor *crmhttp.Cursor) error {
			m.item = wireItem{}
			m.broken = m.item.readOne(cursor)
			return nil // it does not spoil the others
		}}
	}
	var response crmhttp.Response
	response, a.err = b.client.post(ctx, request{
		op: opMoveLeads, method: methodBatch, idempotent: true, once: true,
		body: func(token string) ([]byte, error) { return cs.encode(false, token) },
	})
	if a.err == nil {
		a.results, a.err = b.client.decodeBatch(opMoveLeads, cs, response)
	}
	a.took = time.Since(begun)
}

// postAlone sends a move that must not go into a batch.
func (b *bulk) postAlone(ctx context.Context, m *bulkMove) ([]result, error) {
	said, err := b.client.call(ctx, opMoveLeads, Call{Method: methodUpdate, Params: m.params(), Idempotent: true}, true)
	var e *crm.Error
	switch {
	case err == nil:
		m.item = wireItem{}
		m.broken = m.item.readOne(crmhttp.NewCursor(said.Value))
		return []result{{answered: true, timing: said.Timing}}, nil
	case errors.As(err, &e) && (e.Kind == crm.ErrRejected || e.Kind == crm.ErrNotFound || e.Kind == crm.ErrForbidden): //nolint:errorlint // these very values
		return []result{{err: e}}, nil
	}
	return nil, err
}

// handle settles what came back, or has it sent again.
func (b *bulk) handle(a answer) {
	delete(b.underWay, a.number)
	for _, m := range a.batch {
		delete(b.busy, m.lead)
	}
	switch {
	case a.unsent:
		b.again(a.batch)
		b.end(b.failure(&crm.Error{Kind: crm.ErrUnavailable, Err: a.err}))
	case a.err != nil:
		b.failed(a)
	default:
		if a.number > b.counted {
			b.failures = 0
		}
		b.flow.answered(len(a.batch), a.took)
		for i, m := range a.batch {
			b.judge(m, &a.results[i])
		}
	}
	b.tell()
}

// judge settles a move by what the portal said of it.
func (b *bulk) judge(m *bulkMove, r *result) {
	switch {
	case r.err != nil && budgetUsedUp(r.err):
		b.overBudget([]*bulkMove{m}, methodUpdate, r.err)
	case r.err != nil && bucketFull(r.err):
		b.again([]*bulkMove{m})
	case r.err != nil && errors.Is(r.err.Kind, crm.ErrUnavailable):
		b.lost([]*bulkMove{m}, b.failure(r.err))
	case r.err != nil:
		b.settle(m, crm.MoveRefused, crm.Lead{}, b.failure(r.err))
	case !r.answered:
		b.lost([]*bulkMove{m}, b.failure(&crm.Error{Kind: crm.ErrBadResponse, Message: "the batch holds no answer to the move"}))
	case m.broken != nil:
		b.lost([]*bulkMove{m}, b.failure(&crm.Error{Kind: crm.ErrBadResponse, Message: m.broken.Error()}))
	default:
		lead, failed := m.verify(r.timing.Start)
		switch {
		case failed == nil:
			b.settle(m, crm.MoveDone, lead, nil)
		case errors.Is(failed.Kind, crm.ErrBadResponse):
			b.lost([]*bulkMove{m}, b.failure(failed))
		default:
			b.settle(m, crm.MoveRefused, crm.Lead{}, b.failure(failed))
		}
	}
}

// failed deals with a batch that failed as a whole.
func (b *bulk) failed(a answer) {
	var e *crm.Error
	if !errors.As(a.err, &e) {
		e = &crm.Error{Kind: crm.ErrUnavailable, Err: a.err}
	}
	switch {
	case bucketFull(e):
		b.again(a.batch) // the limiter holds everyone back
	case budgetUsedUp(e):
		b.overBudget(a.batch, methodBatch, e)
	case errors.Is(e.Kind, crm.ErrRateLimited):
		b.again(a.batch)
		b.pause(a, max(e.RetryAfter, firstPause), e)
	case errors.Is(e.Kind, crm.ErrUnavailable), errors.Is(e.Kind, crm.ErrBadResponse):
		b.lost(a.batch, e)
		b.flow.failed(a.number, len(a.batch), late(e))
		b.pause(a, firstFailurePause<<b.failures, e)
	default:
		// The sign-in, a right, the portal as a whole: all others would fare alike.
		for _, m := range a.batch {
			b.settle(m, crm.MoveRefused, crm.Lead{}, e)
		}
		b.end(e)
	}
}

// late reports whether no answer came in time.
func late(e *crm.Error) bool {
	var timeout net.Error
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}

// pause holds the run back, or ends it if the portal goes on to break down. A
// round counts once, however many batches of it failed.
func (b *bulk) pause(a answer, pause time.Duration, why error) {
	if a.number > b.counted {
		b.failures, b.counted = b.failures+1, b.flow.sent
		b.resume = time.Now().Add(pause)
	}
	if b.failures >= mostFailures {
		b.end(why)
	}
}

// overBudget deals with moves that the portal did not carry out because the
// method's time is used up.
func (b *bulk) overBudget(moves []*bulkMove, method string, e *crm.Error) {
	wait := b.client.budgets.refused(method)
	if b.client.opts.FailOnBudget {
		e.RetryAfter = wait
		err := b.failure(e)
		for _, m := range moves {
			b.settle(m, crm.MoveRefused, crm.Lead{}, err)
		}
		b.end(err)
		return
	}
	b.again(moves)
	b.resume = time.Now().Add(wait)
}

// again has moves sent again that surely were not carried out.
func (b *bulk) again(moves []*bulkMove) {
	if b.ended != nil {
		for _, m := range moves {
			b.leave(m)
		}
		return
	}
	b.queue, b.shuffled = append(b.queue, moves...), true
}

// lost has moves sent again to which no answer came, a few times.
func (b *bulk) lost(moves []*bulkMove, why error) {
	for _, m := range moves {
		m.tries, m.doubt = m.tries+1, why
		if m.tries >= b.client.attempts() {
			b.settle(m, crm.MoveUnknown, crm.Lead{}, why)
		} else {
			b.again([]*bulkMove{m})
		}
	}
}
