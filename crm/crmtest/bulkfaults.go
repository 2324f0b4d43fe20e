package crmtest

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var bulkFaultChecks = []check{
	{name: "MoveLeadsLosesNothingToAFault", run: losesNothingToAFault},
	{name: "MoveLeadsGivesUpInTheEnd", run: bulkGivesUp},
}

// losesNothingToAFault: whichever request goes wrong, the states say what became
// of each move, and a second run of what may be sent again completes the work.
func losesNothingToAFault(t *test) {
	client := t.bulkMover()
	const n = 120
	t.wire.forget()
	t.run(t.Context(), "no fault", client, bulk{moves: slices.Values(wishes(t.add(n, 0), t.leads.Statuses[1])), few: n}).allDone()
	requests := len(t.wire.requests())
	for _, fault := range []struct {
		name  string
		fault crmfault.Fault
	}{
		{"a connection that broke in the midst of the answer", crmfault.CutConnection()},
		{"a connection that broke before the answer", crmfault.Drop()},
		{"half an answer", crmfault.Cut()},
		{"a 500", crmfault.Answer(http.StatusInternalServerError, "")},
	} {
		for good := range min(requests, 5) {
			for _, times := range []int{1, mostRequests} {
				t.calm()
				t.front.Fail(good, crmfault.Fault{})
				t.front.Fail(times, fault.fault)
				what := fmt.Sprintf("%s, %d times, instead of answer %d of %d", fault.name, times, good+1, requests)
				moves := wishes(t.add(n, 0), t.leads.Statuses[1])
				r := t.run(t.Context(), what, client, bulk{moves: slices.Values(moves)})
				t.again(what, client, r, moves[len(r.taken):])
			}
		}
	}
}

// again moves what a run left open and what it did not take, without faults, and
// checks that all is done then.
func (t *test) again(what string, client crm.Client, r *bulkRun, rest []crm.Move) {
	t.Helper()
	open := slices.Clone(rest)
	for _, result := range r.got {
		switch result.State {
		case crm.MoveNotSent, crm.MoveUnknown:
			open = append(open, result.Move)
		case crm.MoveRefused:
			t.Errorf("%s: a move has the state refused, which the CRM did not say: %v", what, result.Err)
			return
		case crm.MoveDone:
		}
	}
	t.calm()
	t.run(t.Context(), what+", again", client, bulk{moves: slices.Values(open), few: len(open)}).allDone()
}

// bulkGivesUp: a CRM that fails for good ends the run, with each move accounted
// for that was taken, and none done. The input may hold more.
func bulkGivesUp(t *test) {
	client := t.bulkMover()
	const n = 300
	for _, fault := range []struct {
		name  string
		fault crmfault.Fault
	}{
		{"a 500 for good", crmfault.Answer(http.StatusInternalServerError, "")},
		{"a 503 for good", crmfault.Answer(http.StatusServiceUnavailable, "")},
		{"a 429 for good", crmfault.Answer(http.StatusTooManyRequests, "")},
		{"a 401 for good", crmfault.Answer(http.StatusUnauthorized, "")},
		{"a dropped connection for good", crmfault.Drop()},
		{"HTML for good", crmfault.HTML()},
	} {
		t.suffers(fault.fault)
		t.wire.forget()
		moves := wishes(t.add(n, 0), t.leads.Statuses[1])
		r := t.run(t.Context(), fault.name, client, bulk{moves: slices.Values(moves)})
		for _, result := range r.got {
			if result.State == crm.MoveDone {
				t.Errorf("%s: a move is done", fault.name)
				break
			}
		}
		if asked := len(t.wire.requests()); asked > n*mostRequests {
			t.Errorf("%s: the CRM was asked %d times for %d moves", fault.name, asked, n)
		}
	}
}
