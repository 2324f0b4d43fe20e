package umnico

import (
	"context"
	"errors"
	"iter"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmbulk"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const opMoveLeads = "move leads"

var _ crm.BulkMover = (*Client)(nil)

// MoveLeads moves leads as [Client.MoveLead] does, each by itself: Umnico is not known
// to move several with one request. [Options.InFlight] leads are moved at once, within
// [Options.Rate]. When Umnico says that there are too many requests (HTTP 429), no other
// move is begun for as long as it asks for. Two moves of one lead are carried out one after
// the other, as they came. Setting a status twice is harmless, so what broke down is
// tried again a few times before it counts as [crm.MoveUnknown]. When Umnico refuses the
// sign-in, or breaks down again and again, the run ends: what was not sent says why.
//
// A move that Umnico said yes to and did not carry out is [crm.MoveRefused] with
// [crm.ErrNotApplied].
//
// The input is asked for moves by the goroutine that loops over the results, and
// up to 2,500 are read ahead. While the input keeps the loop waiting, what is
// under way goes on, but nothing new is sent and no results come, also when ctx has
// ended: an input that may block has to look at ctx itself.
func (c *Client) MoveLeads(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return crmbulk.Move(ctx, crmbulk.Options{
		Prepare: c.prepare, Send: c.sendMove,
		Failure: func(e *crm.Error) error { return c.failure(opMoveLeads, e) },
		Batch:   1, First: c.opts.InFlight, Most: c.opts.InFlight,
		// Each attempt repeats its requests by itself.
		Timeout: crmhttp.DefaultTimeout, Attempts: 2,
	}, moves, progress)
}

// prepare checks a move before it is sent.
func (c *Client) prepare(ctx context.Context, move crm.Move) (item any, alone bool, err error) {
	if unfit := c.checkMove(move); unfit != nil {
		return nil, false, c.failure(opMoveLeads, unfit)
	}
	return move, false, c.refuses(ctx, opMoveLeads, move.To)
}

// sendMove moves one lead, and says what became of it.
func (c *Client) sendMove(ctx context.Context, ended <-chan struct{}, items []any) crmbulk.Answer {
	lead, wrote, err := c.moveLead(ctx, ended, opMoveLeads, items[0].(crm.Move))
	if err == nil {
		return crmbulk.Answer{Verdicts: []crmbulk.Verdict{{Lead: lead}}}
	}
	var e *crm.Error
	if !errors.As(err, &e) {
		e = c.failure(opMoveLeads, &crm.Error{Kind: crm.ErrUnavailable, Err: err})
	}
	all := crmbulk.Verdict{Err: e, Wait: e.RetryAfter}
	switch kind := crm.Kind(e); {
	case errors.Is(kind, crm.ErrUnauthorized):
		all.Fate = crmbulk.Ended
	case errors.Is(kind, crm.ErrRateLimited):
		all.Fate, all.Doubt = crmbulk.Busy, wrote
	case errors.Is(kind, crm.ErrUnavailable), errors.Is(kind, crm.ErrBadResponse):
		all.Fate = crmbulk.Busy
		if wrote {
			all.Fate = crmbulk.Lost
		}
	default:
		return crmbulk.Answer{Verdicts: []crmbulk.Verdict{{Fate: crmbulk.Refused, Err: e}}}
	}
	return crmbulk.Answer{All: all}
}
