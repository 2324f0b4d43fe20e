package statuslink

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

const (
	// atOnce is how many leads are read or moved at the same time where a client can
	// do it one by one only.
	atOnce = 4
	// mostInRow is how many calls in a row may fail before the CRM is left alone.
	mostInRow = 5
)

// trouble notices that a CRM refuses as a whole, or breaks down again and again.
type trouble struct{ inRow int }

// whole reports whether the CRM is to be left alone after an error, or nil.
func (t *trouble) whole(err error) bool {
	t.inRow++
	if !isAny(err, crm.ErrForbidden, crm.ErrRateLimited, crm.ErrUnavailable, crm.ErrBadResponse) {
		t.inRow = 0
	}
	return t.inRow >= mostInRow || errors.Is(err, crm.ErrUnauthorized)
}

// each calls do for what the input yields, atOnce at the same time, and yields the
// results in the order of the input. It takes nothing more from the input once ctx
// has ended, and waits for what is under way before it returns or panics. A panic of
// do comes up in the loop over the results.
func each[In, Out any](ctx context.Context, input iter.Seq[In], do func(In) Out) iter.Seq[Out] {
	type call struct {
		out      Out
		panicked error
		done     chan struct{}
	}
	return func(yield func(Out) bool) {
		next, stop := iter.Pull(input)
		defer stop()
		var window []*call
		defer func() {
			for _, c := range window {
				<-c.done
			}
		}()
		for over := false; ; {
			for !over && len(window) < atOnce && ctx.Err() == nil {
				in, ok := next()
				if !ok {
					over = true
					break
				}
				c := &call{done: make(chan struct{})}
				window = append(window, c)
				go func() {
					defer close(c.done)
					defer func() {
						if value := recover(); value != nil {
							c.panicked = fmt.Errorf("%v\n\n%s", value, debug.Stack())
						}
					}()
					c.out = do(in)
				}()
			}
			if len(window) == 0 {
				return
			}
			c := window[0]
			<-c.done
			window = window[1:]
			if c.panicked != nil {
				panic(c.panicked)
			}
			if !yield(c.out) {
				return
			}
		}
	}
}

// singly is a [crm.BulkMover] for clients that can move leads one by one only.
type singly struct{ mover crm.LeadMover }

// MoveLeads moves a few leads at once. A move that was begun is ended, also when ctx
// ends.
func (s singly) MoveLeads(ctx context.Context, moves iter.Seq[crm.Move], _ func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return func(yield func(crm.MoveResult) bool) {
		var t trouble
		ctx, end := context.WithCancel(ctx)
		defer end()
		for result := range each(ctx, moves, func(move crm.Move) crm.MoveResult {
			lead, err := s.mover.MoveLead(context.WithoutCancel(ctx), move)
			return crm.MoveResult{Move: move, State: stateOf(err), Lead: lead, Err: err}
		}) {
			if t.whole(result.Err) {
				end() // no more are begun
			}
			if !yield(result) {
				return
			}
		}
	}
}

// readSingly reads leads a few at once, and returns one result for each. The error
// says that nothing more is to be asked of the CRM.
func readSingly(ctx context.Context, reader crm.LeadReader, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	var t trouble
	results := make([]crm.LeadResult, 0, len(leads))
	for result := range each(ctx, slices.Values(leads), func(lead crm.LeadRef) crm.LeadResult {
		read, err := reader.ReadLead(ctx, lead)
		return crm.LeadResult{Lead: read, Err: err}
	}) {
		if t.whole(result.Err) {
			return nil, result.Err
		}
		results = append(results, result)
	}
	if len(results) < len(leads) {
		return nil, ctx.Err() // which ended
	}
	return results, nil
}
