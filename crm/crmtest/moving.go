package crmtest

import (
	"context"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// moveLead is MoveLead, of a lead that exists to a status in which it does not
// stand.
var moveLead = operation{
	name:  "MoveLead",
	can:   func(client crm.Client) bool { _, ok := client.(crm.LeadMover); return ok },
	ready: func(t *test, _ int) { t.add(1, 0) },
	do: func(ctx context.Context, t *test, client crm.Client) (any, error) {
		mover, _ := client.(crm.LeadMover)
		lead := t.added[len(t.added)-1]
		move := crm.Move{Lead: lead, To: t.next(lead)}
		after, err := mover.MoveLead(ctx, move)
		return moved{move, after}, err
	},
	sound: func(t *test, what string, value any) {
		t.Helper()
		m, _ := value.(moved)
		t.asItStands(what+": MoveLead", m.move.Lead, m.lead)
		t.stands(what, m.move.Lead, m.move.To)
	},
	writes: true,
}

// moved is a move and what was returned of it.
type moved struct {
	move crm.Move
	lead crm.Lead
}

// mover returns a client that moves leads; without the method the check is left
// out.
func (t *test) mover() (crm.LeadMover, crm.Client) {
	t.Helper()
	t.requires(moveLead)
	client := t.client(Conn{})
	mover, _ := client.(crm.LeadMover)
	return mover, client
}

var movingChecks = []check{
	{name: "MovesTheLead", run: movesTheLead},
	{name: "MoveToTheSameStatusIsHarmless", run: moveToTheSameStatus},
	{name: "MovesAlongNoOtherStatus", run: movesAlongNoOtherStatus},
	{name: "MoveOfAMissingLeadFails", run: moveOfAMissingLead},
	{name: "MoveThatIsRefusedFails", run: moveThatIsRefused},
	{name: "MoveThatIsIgnoredIsNotApplied", run: moveThatIsIgnored},
	{name: "MoveThatARuleTookFurtherIsASuccess", run: moveTakenFurther},
	{name: "MovesToNoOtherScopeUnasked", run: movesToNoOtherScope},
	{name: "MovesAcrossScopesIfAsked", run: movesAcrossScopes},
	{name: "MovesNothingOfAnotherAccount", run: movesNothingForeign},
	{name: "MovesLeadsForManyCallersAtOnce", run: movesLeadsForMany},
}

// moves checks a move that has to go well.
func (t *test) moves(what string, mover crm.LeadMover, move crm.Move) {
	t.Helper()
	lead, err := mover.MoveLead(t.Context(), move)
	if err != nil {
		t.Errorf("%s: MoveLead failed: %v", what, err)
		return
	}
	t.stands(what, move.Lead, move.To)
	t.asItStands(what+": MoveLead", move.Lead, lead)
}

// doesNotMove checks a move that has to fail and to leave the lead where it is.
func (t *test) doesNotMove(what string, client crm.Client, move crm.Move, kinds ...error) {
	t.Helper()
	mover, _ := client.(crm.LeadMover)
	before := t.at(move.Lead)
	lead, err := mover.MoveLead(t.Context(), move)
	if err == nil {
		t.Errorf("%s: MoveLead returned no error, and the status %v", what, lead.Status)
	} else {
		t.explained(what, client, err, kinds...)
	}
	t.stands(what, move.Lead, before)
}

// movesTheLead: MoveLead changes the status in the CRM, of this lead alone, and
// returns the lead as it stands then.
func movesTheLead(t *test) {
	mover, _ := t.mover()
	lead, neighbour := t.add(1, 0)[0], t.add(1, 0)[0]
	for _, i := range []int{1, 2, 0, 2} {
		t.moves("a move", mover, crm.Move{Lead: lead, To: t.leads.Statuses[i]})
		t.stands("a move of another lead", neighbour, t.leads.Statuses[0])
	}
	t.movePerson(lead, t.leads.Statuses[1])
	t.moves("a move after one by a person", mover, crm.Move{Lead: lead, To: t.leads.Statuses[2]})
}

// moveToTheSameStatus: repeating the call is safe.
func moveToTheSameStatus(t *test) {
	mover, _ := t.mover()
	lead := t.add(1, 0)[0]
	t.moves("a move to the status in which the lead stands", mover, crm.Move{Lead: lead, To: t.leads.Statuses[0]})
	for range 3 {
		t.moves("a move that is repeated", mover, crm.Move{Lead: lead, To: t.leads.Statuses[1]})
	}
}

// movesAlongNoOtherStatus: a lead is put into the status wished for, and into no
// other one on the way, where rules would begin to act.
func movesAlongNoOtherStatus(t *test) {
	mover, _ := t.mover()
	lead := t.add(1, 0)[0]
	for _, i := range []int{2, 1, 0} {
		before, to := t.at(lead), t.leads.Statuses[i]
		look := func() {
			if at := t.at(lead); at != before && at != to {
				t.Errorf("a move from %v to %v put the lead into %v on the way", before, to, at)
			}
		}
		t.wire.onRequest(look)
		t.moves("a move", mover, crm.Move{Lead: lead, To: to})
		t.wire.onRequest(nil)
	}
}

// moveOfAMissingLead: a lead that does not exist is ErrNotFound, or ErrRejected
// where the CRM says no more.
func moveOfAMissingLead(t *test) {
	_, client := t.mover()
	t.add(1, 0)
	for range 2 {
		t.doesNotMove("a move of a lead that does not exist", client,
			crm.Move{Lead: t.leads.Missing(), To: t.leads.Statuses[1]}, crm.ErrNotFound, crm.ErrRejected)
	}
}

// moveThatIsRefused: the error is ErrRejected if the CRM said no.
func moveThatIsRefused(t *test) {
	mover, client := t.mover()
	if t.leads.Refuse == nil {
		t.Skipf("the CRM cannot refuse a move")
	}
	lead, neighbour := t.add(1, 0)[0], t.add(1, 0)[0]
	t.leads.Refuse(lead)
	t.doesNotMove("a move that the CRM refuses", client, crm.Move{Lead: lead, To: t.leads.Statuses[1]}, crm.ErrRejected)
	t.moves("a move beside one that the CRM refused", mover, crm.Move{Lead: neighbour, To: t.leads.Statuses[1]})
}

// moveThatIsIgnored: the error is ErrNotApplied if the CRM said yes and the lead
// still stands where it stood.
func moveThatIsIgnored(t *test) {
	mover, client := t.mover()
	if t.leads.Ignored == (crm.Ref{}) {
		t.Skipf("the CRM ignores no move")
	}
	lead := t.add(1, 0)[0]
	t.doesNotMove("a move that the CRM ignores", client, crm.Move{Lead: lead, To: t.leads.Ignored}, crm.ErrNotApplied)
	t.moves("a move after one that the CRM ignored", mover, crm.Move{Lead: lead, To: t.leads.Statuses[1]})
}

// moveTakenFurther: a lead that a rule in the CRM moved on is a success, and is
// returned as it stands.
func moveTakenFurther(t *test) {
	mover, _ := t.mover()
	if t.leads.Automate == nil {
		t.Skipf("the CRM has no rules")
	}
	lead := t.add(1, 0)[0]
	t.leads.Automate(t.leads.Statuses[1], t.leads.Statuses[2])
	after, err := mover.MoveLead(t.Context(), crm.Move{Lead: lead, To: t.leads.Statuses[1]})
	if err != nil {
		t.Errorf("MoveLead of a lead that a rule moved on failed, it is a success: %v", err)
		return
	}
	t.stands("a move of a lead that a rule moved on", lead, t.leads.Statuses[2])
	t.asItStands("MoveLead of a lead that a rule moved on", lead, after)
}

// other leaves a check out if there is one scope only.
func (t *test) other() crm.Ref {
	t.Helper()
	if t.leads.Other == (crm.Ref{}) {
		t.Skipf("the CRM has a single list")
	}
	return t.leads.Other
}

// movesToNoOtherScope: without Across a wish for a status of another scope is
// refused or not applied, also where the lead changed its scope just now.
func movesToNoOtherScope(t *test) {
	_, client := t.mover()
	other := t.other()
	lead := t.add(1, 0)[0]
	t.doesNotMove("a move to another scope without Across", client, crm.Move{Lead: lead, To: other})
	t.movePerson(lead, other)
	for _, status := range t.leads.Statuses {
		t.doesNotMove("a move back from another scope without Across", client, crm.Move{Lead: lead, To: status})
	}
}

// movesAcrossScopes: with Across the lead is moved to the other scope and to no
// other status of it.
func movesAcrossScopes(t *test) {
	mover, _ := t.mover()
	other := t.other()
	lead := t.add(1, 0)[0]
	for range 2 {
		t.moves("a move to another scope with Across", mover, crm.Move{Lead: lead, To: other, Across: true})
	}
	t.moves("a move back with Across", mover, crm.Move{Lead: lead, To: t.leads.Statuses[2], Across: true})
	t.moves("a move within a scope with Across", mover, crm.Move{Lead: lead, To: t.leads.Statuses[1], Across: true})
}

// movesNothingForeign: a lead and a status of another account are refused.
func movesNothingForeign(t *test) {
	mover, client := t.mover()
	lead, status := t.foreign()
	own := t.add(1, 0)[0]
	t.refusesUnasked("MoveLead of a lead of another account", client, func() error {
		_, err := mover.MoveLead(t.Context(), crm.Move{Lead: lead, To: t.leads.Statuses[1]})
		return err
	})
	t.refusesUnasked("MoveLead to a status of another account", client, func() error {
		_, err := mover.MoveLead(t.Context(), crm.Move{Lead: own, To: status})
		return err
	})
}

// movesLeadsForMany: the method is safe for concurrent use.
func movesLeadsForMany(t *test) {
	mover, _ := t.mover()
	t.front.Fail(-1, crmfault.Delay(time.Second)) // so that calls overlap
	var wg sync.WaitGroup
	for _, lead := range t.add(8, 0) {
		wg.Go(func() {
			for _, i := range []int{1, 2, 0, 1} {
				t.moves("a move beside other callers", mover, crm.Move{Lead: lead, To: t.leads.Statuses[i]})
			}
		})
	}
	wg.Wait()
}
