package crmtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// moveLeads is MoveLeads of two leads.
var moveLeads = operation{
	name:  "MoveLeads",
	can:   func(client crm.Client) bool { _, ok := client.(crm.BulkMover); return ok },
	ready: func(t *test, _ int) { t.add(2, 0) },
	do: func(ctx context.Context, t *test, client crm.Client) (any, error) {
		mover, _ := client.(crm.BulkMover)
		var moves []crm.Move
		for _, lead := range t.added[len(t.added)-2:] {
			moves = append(moves, crm.Move{Lead: lead, To: t.next(lead)})
		}
		results := slices.Collect(mover.MoveLeads(ctx, slices.Values(moves), nil))
		for i, r := range results {
			if r.Err != nil {
				t.explained(fmt.Sprintf("result %d of MoveLeads", i), client, r.Err)
			}
		}
		if len(results) == 0 {
			if ctx.Err() != nil { // it may have taken none
				return results, &crm.Error{Kind: crm.ErrUnavailable, Source: client.Source(), Op: "none taken", Err: ctx.Err()}
			}
			return results, errors.New("no results")
		}
		return results, results[0].Err
	},
	sound: func(t *test, what string, value any) {
		t.Helper()
		results, _ := value.([]crm.MoveResult)
		for _, r := range results {
			t.stands(what, r.Move.Lead, r.Move.To)
		}
	},
	writes: true,
	many:   true,
}

// state returns the name of a state.
func state(s crm.MoveState) string {
	names := []string{"not sent", "done", "refused", "unknown"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("MoveState(%d)", s)
}

// bulkMover returns a client that moves many leads; without the method the check
// is left out.
func (t *test) bulkMover() crm.Client {
	t.Helper()
	t.requires(moveLeads)
	return t.client(Conn{})
}

var bulkChecks = []check{
	{name: "MoveLeadsGivesOneResultForEachInOrder", run: oneResultInOrder},
	{name: "MoveLeadsNamesThoseThatFailed", run: namesThoseThatFailed},
	{name: "MoveLeadsDoesNotSayDoneOfAnIgnoredMove", run: bulkIgnoredMove},
	{name: "MoveLeadsShowsWhereARuleTookALead", run: bulkTakenFurther},
	{name: "MoveLeadsMovesToNoOtherScopeUnasked", run: bulkScopes},
	{name: "MoveLeadsMovesNothingOfAnotherAccount", run: bulkForeign},
	{name: "MoveLeadsKeepsTheOrderOfOneLead", run: bulkKeepsTheOrder},
	{name: "MoveLeadsServesManyCallersAtOnce", run: bulkForMany},
}

// wishes returns moves of the leads to a status.
func wishes(leads []crm.LeadRef, to crm.Ref) []crm.Move {
	moves := make([]crm.Move, len(leads))
	for i, lead := range leads {
		moves[i] = crm.Move{Lead: lead, To: to}
	}
	return moves
}

// oneResultInOrder: one result for each move, in the same order, also of none
// and beyond the size of a request.
func oneResultInOrder(t *test) {
	client := t.bulkMover()
	for _, n := range []int{0, 1, 2, 49, 50, 51, 120} {
		moves := wishes(t.add(n, 0), t.leads.Statuses[1])
		for i := range moves {
			moves[i].To = t.leads.Statuses[1+i%2]
		}
		t.wire.forget()
		r := t.run(t.Context(), fmt.Sprintf("%d moves", n), client, bulk{moves: slices.Values(moves), few: n})
		r.allDone()
		if sent := len(t.wire.requests()); n == 0 && sent > 0 {
			t.Errorf("%d requests were sent for no move", sent)
		}
	}
}

// namesThoseThatFailed: some moves fail, and the others are done.
func namesThoseThatFailed(t *test) {
	client := t.bulkMover()
	moves := wishes(t.add(120, 0), t.leads.Statuses[1])
	fails := make(map[crm.LeadRef][]error)
	for i := range moves {
		switch {
		case i%7 == 3:
			moves[i].Lead = t.leads.Missing()
			fails[moves[i].Lead] = []error{crm.ErrNotFound, crm.ErrRejected}
		case i%11 == 5 && t.leads.Refuse != nil:
			t.leads.Refuse(moves[i].Lead)
			fails[moves[i].Lead] = []error{crm.ErrRejected}
		}
	}
	r := t.run(t.Context(), "some moves that fail", client, bulk{moves: slices.Values(moves), few: len(moves)})
	for i, result := range r.got {
		kinds, fail := fails[result.Move.Lead]
		switch {
		case fail && result.State != crm.MoveRefused:
			t.Errorf("move %d was refused by the CRM, or its lead does not exist; its state is %s", i, state(result.State))
		case fail:
			t.explained(fmt.Sprintf("move %d", i), client, result.Err, kinds...)
		case result.State != crm.MoveDone:
			t.Errorf("move %d beside those that fail has the state %s: %v", i, state(result.State), result.Err)
		}
	}
}

// bulkIgnoredMove: a move to which the CRM said yes and which it did not make is
// ErrNotApplied where the client can tell. Else it is done, with the lead as it
// stands, if the CRM shows it: the caller compares.
func bulkIgnoredMove(t *test) {
	client := t.bulkMover()
	if t.leads.Ignored == (crm.Ref{}) {
		t.Skipf("the CRM ignores no move")
	}
	moves := wishes(t.add(3, 0), t.leads.Statuses[1])
	moves[1].To = t.leads.Ignored
	r := t.run(t.Context(), "a move that the CRM ignores", client, bulk{moves: slices.Values(moves), few: 3, lies: true})
	for i, result := range r.got {
		switch {
		case i != 1 && result.State != crm.MoveDone:
			t.Errorf("a move beside one that the CRM ignores has the state %s: %v", state(result.State), result.Err)
		case i != 1:
		case result.State != crm.MoveDone:
			t.explained("a move that the CRM ignores", client, result.Err, crm.ErrNotApplied)
		case result.Lead != (crm.Lead{}):
			t.asItStands("a move that the CRM ignores: MoveLeads", result.Move.Lead, result.Lead)
		}
	}
}

// bulkTakenFurther: a lead that a rule moved on is done, and is shown where it
// stands, if at all.
func bulkTakenFurther(t *test) {
	client := t.bulkMover()
	if t.leads.Automate == nil {
		t.Skipf("the CRM has no rules")
	}
	t.leads.Automate(t.leads.Statuses[1], t.leads.Statuses[2])
	moves := wishes(t.add(3, 0), t.leads.Statuses[1])
	r := t.run(t.Context(), "moves of leads that a rule moved on", client, bulk{moves: slices.Values(moves), few: 3, lies: true})
	for _, result := range r.got {
		if result.State != crm.MoveDone {
			t.Errorf("a move of a lead that a rule moved on has the state %s, it is done: %v", state(result.State), result.Err)
		} else if result.Lead != (crm.Lead{}) {
			t.asItStands("MoveLeads of a lead that a rule moved on", result.Move.Lead, result.Lead)
		}
	}
}

// bulkScopes: Across counts for each move by itself.
func bulkScopes(t *test) {
	client := t.bulkMover()
	other := t.other()
	moves := wishes(t.add(30, 0), other)
	for i := range moves {
		moves[i].Across = i%3 == 0
	}
	r := t.run(t.Context(), "moves to another scope", client, bulk{moves: slices.Values(moves), few: len(moves)})
	for i, result := range r.got {
		switch {
		case result.Move.Across && result.State != crm.MoveDone:
			t.Errorf("move %d to another scope with Across has the state %s: %v", i, state(result.State), result.Err)
		case !result.Move.Across && result.State != crm.MoveRefused:
			t.Errorf("move %d to another scope without Across has the state %s; it is refused or not applied", i, state(result.State))
		case !result.Move.Across:
			t.stands("a move to another scope without Across", result.Move.Lead, t.leads.Statuses[0])
		}
	}
}

// bulkForeign: leads and statuses of another account are refused, and the others
// are moved.
func bulkForeign(t *test) {
	client := t.bulkMover()
	lead, status := t.foreign()
	moves := wishes(t.add(6, 0), t.leads.Statuses[1])
	moves[1].Lead, moves[4].To = lead, status
	r := t.run(t.Context(), "moves of another account", client, bulk{moves: slices.Values(moves), few: len(moves)})
	for i, result := range r.got {
		if foreign := i == 1 || i == 4; foreign == (result.State == crm.MoveDone) {
			t.Errorf("move %d has the state %s (%v); those that concern another account are not done, the others are", i, state(result.State), result.Err)
		}
	}
	own := t.added[0] // of the number of the foreign lead
	t.stands("a move of the lead of another account that has the same ID", own, t.leads.Statuses[0])
}

// bulkKeepsTheOrder: two moves of one lead in one input end at the second
// status, however far apart they are and however slow the first is.
func bulkKeepsTheOrder(t *test) {
	client := t.bulkMover()
	for _, apart := range []int{1, 7, 30, 60} {
		t.calm()
		t.front.Fail(1, crmfault.Delay(5*time.Second))
		t.front.Fail(1, crmfault.Fault{})
		t.front.Fail(1, crmfault.Delay(3*time.Second))
		var moves []crm.Move
		for range 120 / apart {
			leads := t.add(apart, 0)
			moves = slices.Concat(moves, wishes(leads, t.leads.Statuses[1]), wishes(leads, t.leads.Statuses[2]))
		}
		what := fmt.Sprintf("two moves of one lead, %d apart", apart)
		t.run(t.Context(), what, client, bulk{moves: slices.Values(moves), few: len(moves)}).everyDone()
		for _, move := range moves {
			t.stands(what, move.Lead, t.leads.Statuses[2])
		}
	}
}

// bulkForMany: the method is safe for concurrent use.
func bulkForMany(t *test) {
	client := t.bulkMover()
	t.front.Fail(-1, crmfault.Delay(time.Second)) // so that runs overlap
	var wg sync.WaitGroup
	for leads := range slices.Chunk(t.add(120, 0), 30) {
		moves := wishes(leads, t.leads.Statuses[1])
		wg.Go(func() {
			mover, _ := client.(crm.BulkMover)
			i := 0
			for result := range mover.MoveLeads(t.Context(), slices.Values(moves), func(crm.MoveReport) {}) {
				if i >= len(moves) || result.Move != moves[i] || result.State != crm.MoveDone {
					t.Errorf("result %d of a run beside others is of %v, %s: %v", i, result.Move, state(result.State), result.Err)
				}
				i++
			}
			for _, move := range moves {
				t.stands("a run beside others", move.Lead, move.To)
			}
		})
	}
	wg.Wait()
}
