package bitrix24

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmbulk"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opMoveLeads = "move leads"

	// How many batches of a bulk change are under way at once: more than a few only
	// while answers come well, because portals break down under too many.
	firstInFlight = 4
	mostInFlight  = 32
)

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
// up to 2,500 are read ahead. While the input keeps the loop waiting, what is
// under way goes on, but nothing new is sent and no results come, also when ctx has
// ended: an input that may block has to look at ctx itself. [Options.Attempts] limits
// how often a move is sent without an answer, [Options.RetryBudget] has no part in it.
func (c *Client) MoveLeads(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return crmbulk.Move(ctx, crmbulk.Options{
		Prepare: c.prepare, Canonical: c.canonical, Wait: c.limiter.wait, Spare: c.limiter.spare, Send: c.sendMoves,
		Failure: func(e *crm.Error) error { return c.failure(opMoveLeads, e) },
		Batch:   maxCommands, First: firstInFlight, Most: mostInFlight,
		Timeout: c.timeout(), Attempts: c.attempts(), FailOnHold: c.opts.FailOnBudget,
	}, moves, progress)
}

// bulkMove is a move of a run.
type bulkMove struct {
	moving
	query  string
	broken error // what cannot be read of the answer
}

// prepare checks a move, and makes a command of it.
func (c *Client) prepare(ctx context.Context, move crm.Move) (item any, alone bool, err error) {
	checked, unfit := c.newMoving(move)
	if unfit != nil {
		return nil, false, c.failure(opMoveLeads, unfit)
	}
	if err := c.refuses(ctx, opMoveLeads, move.To); err != nil {
		return nil, false, err
	}
	m := &bulkMove{moving: checked, query: checked.query()}
	return m, refers(m.query), nil
}

// sendMoves sends moves as one request: a batch, or a call if it must not be one.
func (c *Client) sendMoves(ctx context.Context, _ <-chan struct{}, items []any) crmbulk.Answer {
	if m := items[0].(*bulkMove); refers(m.query) {
		return c.sendAlone(ctx, m)
	}
	cs := make(commands, len(items))
	for i, item := range items {
		m := item.(*bulkMove)
		cs[i] = command{key: "m" + strconv.Itoa(i), method: methodUpdate, query: m.query, into: func(cursor *crmhttp.Cursor) error {
			// A cursor of its own: one that cannot be read does not spoil the others.
			m.broken = m.item.readOne(crmhttp.NewCursor(cursor.Value()))
			return nil
		}}
	}
	response, err := c.post(ctx, request{
		op: opMoveLeads, method: methodBatch, idempotent: true, once: true,
		body: func(token string) ([]byte, error) { return cs.encode(false, token) },
	})
	if err != nil {
		answer := c.notMoved(err, methodBatch)
		var e *crm.Error
		answer.Large = errors.As(err, &e) && errors.Is(e.Kind, crm.ErrBadResponse) && e.Status == http.StatusOK
		return answer
	}
	results, err := c.decodeBatch(opMoveLeads, cs, response)
	if err != nil {
		return c.notMoved(err, methodBatch)
	}
	verdicts := make([]crmbulk.Verdict, len(items))
	for i, item := range items {
		verdicts[i] = c.verdict(item.(*bulkMove), &results[i])
	}
	return crmbulk.Answer{Verdicts: verdicts}
}

// sendAlone sends a move that must not go into a batch.
func (c *Client) sendAlone(ctx context.Context, m *bulkMove) crmbulk.Answer {
	said, err := c.call(ctx, opMoveLeads, Call{Method: methodUpdate, Params: m.params(), Idempotent: true}, true)
	var e *crm.Error
	switch {
	case err == nil:
		m.broken = m.item.readOne(crmhttp.NewCursor(said.Value))
		return crmbulk.Answer{Verdicts: []crmbulk.Verdict{c.verdict(m, &result{answered: true, timing: said.Timing})}}
	case errors.As(err, &e) && (budgetUsedUp(e) || e.Kind == crm.ErrRejected || e.Kind == crm.ErrNotFound || e.Kind == crm.ErrForbidden): //nolint:errorlint // these very values
		return crmbulk.Answer{Verdicts: []crmbulk.Verdict{c.verdict(m, &result{err: e})}}
	}
	return c.notMoved(err, methodUpdate)
}

// verdict says what the portal's words about a move mean.
func (c *Client) verdict(m *bulkMove, r *result) crmbulk.Verdict {
	failed := func(fate crmbulk.Fate, e *crm.Error) crmbulk.Verdict {
		return crmbulk.Verdict{Fate: fate, Err: c.failure(opMoveLeads, e)}
	}
	switch {
	case r.err != nil && budgetUsedUp(r.err):
		return c.held(r.err, methodUpdate)
	case r.err != nil && bucketFull(r.err):
		return crmbulk.Verdict{Fate: crmbulk.Again}
	case r.err != nil && errors.Is(r.err.Kind, crm.ErrUnavailable):
		return failed(crmbulk.Lost, r.err)
	case r.err != nil:
		return failed(crmbulk.Refused, r.err)
	case !r.answered:
		return failed(crmbulk.Lost, &crm.Error{Kind: crm.ErrBadResponse, Message: "the batch holds no answer to the move"})
	case m.broken != nil:
		return failed(crmbulk.Lost, &crm.Error{Kind: crm.ErrBadResponse, Message: m.broken.Error()})
	}
	lead, unfit := m.verify(r.timing.Start)
	switch {
	case unfit == nil:
		return crmbulk.Verdict{Lead: lead}
	case errors.Is(unfit.Kind, crm.ErrBadResponse):
		return failed(crmbulk.Lost, unfit)
	}
	return failed(crmbulk.Refused, unfit)
}

// notMoved says what an error means for all moves of a request.
func (c *Client) notMoved(err error, method string) crmbulk.Answer {
	var e *crm.Error
	if !errors.As(err, &e) {
		e = c.failure(opMoveLeads, &crm.Error{Kind: crm.ErrUnavailable, Err: err})
	}
	var all crmbulk.Verdict
	switch {
	case bucketFull(e):
		all.Fate = crmbulk.Again // the limiter holds everyone back
	case budgetUsedUp(e):
		all = c.held(e, method)
	case errors.Is(e.Kind, crm.ErrRateLimited):
		all = crmbulk.Verdict{Fate: crmbulk.Busy, Err: e, Wait: e.RetryAfter}
	case neverRan(e):
		all = crmbulk.Verdict{Fate: crmbulk.Busy, Err: e}
	case errors.Is(e.Kind, crm.ErrUnavailable), errors.Is(e.Kind, crm.ErrBadResponse):
		all = crmbulk.Verdict{Fate: crmbulk.Lost, Err: e}
	default:
		// The sign-in, a right, the portal as a whole: all others would fare alike.
		all = crmbulk.Verdict{Fate: crmbulk.Ended, Err: e}
	}
	return crmbulk.Answer{All: all, Late: late(e)}
}

// held is the verdict on a move of a method whose time is used up.
func (c *Client) held(e *crm.Error, method string) crmbulk.Verdict {
	e.RetryAfter = max(e.RetryAfter, c.budgets.refused(method))
	return crmbulk.Verdict{Fate: crmbulk.Held, Err: c.failure(opMoveLeads, e), Wait: e.RetryAfter}
}

// neverRan reports whether a batch without a good answer was surely not carried out:
// no connection came about, the portal sent it elsewhere, or it did not take the old
// token and there is no new one yet.
func neverRan(e *crm.Error) bool {
	unanswered := errors.Is(e.Kind, crm.ErrUnavailable) || errors.Is(e.Kind, crm.ErrBadResponse)
	var dns *net.DNSError
	return unanswered && (errors.Is(e, syscall.ECONNREFUSED) || errors.As(e.Err, &dns) || redirects(e.Status) || e.Op == opRenew)
}

// late reports whether no answer came in time.
func late(e *crm.Error) bool {
	var timeout net.Error
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}
