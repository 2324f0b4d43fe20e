package crmbulk_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmbulk"
)

// acme is a CRM whose leads are single letters. It does as it is told and keeps what
// it was sent. Its time is that of a bubble.
type acme struct {
	*testing.T
	opts crmbulk.Options
	// answer says what comes back for the request with this number, from 1. The zero
	// Answer, as by a nil function, says yes, and a Verdict without a lead has the move's.
	answer  func(n int, leads string) crmbulk.Answer
	latency func(n int, leads string) time.Duration
	told    func() // called with each report; nil is nothing

	mu       sync.Mutex
	began    time.Time
	requests []request
	underWay int
	atOnce   int // the most that ever were
	reports  []crm.MoveReport
	received []crm.MoveResult
	taken    []crm.Move
}

// request is what acme was sent.
type request struct {
	at    time.Duration // from the start of the bubble
	leads string
	to    string // the statuses, which are the numbers of the moves
}

// newAcme returns one that takes up to batch moves with a request, and inFlight
// requests at once.
func newAcme(t *testing.T, batch, inFlight int) *acme {
	t.Helper()
	a := &acme{T: t, began: time.Now()}
	a.opts = crmbulk.Options{
		Prepare: func(_ context.Context, move crm.Move) (item any, alone bool, err error) { return move, false, nil },
		Send:    a.send,
		Failure: func(e *crm.Error) error { e.Source, e.Op = "acme", "move leads"; return e },
		Batch:   batch, First: inFlight, Most: inFlight, Timeout: time.Minute, Attempts: 3,
	}
	return a
}

// inBubble runs a test of one that takes up to batch moves with a request, and
// inFlight at once, in a bubble.
func inBubble(t *testing.T, batch, inFlight int, test func(a *acme)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newAcme(t, batch, inFlight)) })
}

func (a *acme) send(ctx context.Context, _ <-chan struct{}, items []any) crmbulk.Answer {
	var r request
	var to []string
	for _, item := range items {
		move := item.(crm.Move)
		r.leads += move.Lead.ID
		to = append(to, move.To.ID)
	}
	a.mu.Lock()
	r.at, r.to = time.Since(a.began), strings.Join(to, " ")
	a.requests = append(a.requests, r)
	n := len(a.requests)
	a.underWay++
	a.atOnce = max(a.atOnce, a.underWay)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.underWay--
	}()
	if a.latency != nil {
		time.Sleep(a.latency(n, r.leads))
	}
	if ctx.Err() != nil {
		a.Errorf("request %d was cut off: %v", n, ctx.Err())
	}
	answer := crmbulk.Answer{Verdicts: make([]crmbulk.Verdict, len(items))}
	if a.answer != nil {
		if said := a.answer(n, r.leads); said.Verdicts != nil || said.All != (crmbulk.Verdict{}) {
			answer = said
		}
	}
	answer.Verdicts = slices.Clone(answer.Verdicts)
	for i := range min(len(items), len(answer.Verdicts)) {
		if v := &answer.Verdicts[i]; v.Fate == crmbulk.Done && v.Lead == (crm.Lead{}) {
			move := items[i].(crm.Move)
			v.Lead = crm.Lead{Ref: move.Lead, Status: move.To}
		}
	}
	return answer
}

// wishes moves leads, each into the status that has the move's number from 0.
func wishes(leads string) iter.Seq[crm.Move] {
	return func(yield func(crm.Move) bool) {
		for i, lead := range strings.Split(leads, "") {
			if !yield(wish(i, lead)) {
				return
			}
		}
	}
}

func wish(number int, lead string) crm.Move {
	return crm.Move{Lead: crm.LeadRef{Source: "acme", ID: lead}, To: crm.Ref{Source: "acme", ID: strconv.Itoa(number)}}
}

// endless moves ever more leads of one letter each.
func endless(yield func(crm.Move) bool) {
	for i := 0; yield(wish(i, string(rune(0x4e00+i)))); i++ {
	}
}

// run runs moves, as far as loop returns true; nil goes on. It sees to it that each
// move taken has one result, in order, and is counted once.
func (a *acme) run(ctx context.Context, moves iter.Seq[crm.Move], loop func(result crm.MoveResult) bool) {
	a.Helper()
	a.taken, a.received, a.reports = nil, nil, nil
	defer a.account() // also if something panics
	for result := range crmbulk.Move(ctx, a.opts, func(yield func(crm.Move) bool) {
		for move := range moves {
			a.taken = append(a.taken, move)
			if !yield(move) {
				return
			}
		}
	}, func(report crm.MoveReport) {
		a.reports = append(a.reports, report)
		if a.told != nil {
			a.told()
		}
	}) {
		a.received = append(a.received, result)
		if loop != nil && !loop(result) {
			return
		}
	}
	if untaken := a.final().Untaken; untaken != nil {
		a.Errorf("the loop went on to its end, and %d results are untaken", len(untaken))
	}
}

// moved runs moves of leads to the end.
func (a *acme) moved(leads string) {
	a.Helper()
	a.run(a.Context(), wishes(leads), nil)
}

func (a *acme) account() {
	a.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.underWay != 0 {
		a.Errorf("%d requests are under way when the run is over", a.underWay)
	}
	for i, report := range a.reports {
		if last := i == len(a.reports)-1; report.Final != last || !last && report.Untaken != nil {
			a.Errorf("report %d of %d is %+v", i+1, len(a.reports), report)
		}
	}
	results := a.results()
	if len(results) != len(a.taken) {
		a.Errorf("%d results for %d moves", len(results), len(a.taken))
		return
	}
	var want crm.MoveReport
	for i, result := range results {
		if result.Move != a.taken[i] || (result.Err == nil) != (result.State == crm.MoveDone) || (result.Lead != crm.Lead{}) != (result.State == crm.MoveDone) {
			a.Errorf("result %d = %+v", i, result)
		}
		switch result.State {
		case crm.MoveNotSent:
			want.NotSent++
		case crm.MoveDone:
			want.Done++
		case crm.MoveRefused:
			want.Refused++
		case crm.MoveUnknown:
			want.Unknown++
		}
	}
	got := a.final()
	got.Final, got.Untaken = false, nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		a.Errorf("the last report counts %+v, want %+v", got, want)
	}
}

// final returns the last report.
func (a *acme) final() crm.MoveReport {
	if len(a.reports) == 0 {
		a.Error("there was no report")
		return crm.MoveReport{}
	}
	return a.reports[len(a.reports)-1]
}

// results are all of the last run, received or not.
func (a *acme) results() []crm.MoveResult {
	return append(slices.Clone(a.received), a.final().Untaken...)
}

// states returns those of all results: D for done, R for refused, U for unknown, and
// N for not sent.
func (a *acme) states() string {
	var b strings.Builder
	for _, result := range a.results() {
		b.WriteByte("NDRU"[result.State])
	}
	return b.String()
}

// sent returns when acme was sent what: "0s ab, 1s c".
func (a *acme) sent() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, r := range a.requests {
		all = append(all, fmt.Sprint(r.at, " ", r.leads))
	}
	return strings.Join(all, ", ")
}

// want compares what was sent, and the states of the moves.
func (a *acme) want(sent, states string) {
	a.Helper()
	if got := a.sent(); got != sent {
		a.Errorf("requests %s\nwant     %s", got, sent)
	}
	if got := a.states(); got != states {
		a.Errorf("states %s, want %s", got, states)
	}
}

// wantError checks the error of all results in the state.
func (a *acme) wantError(state crm.MoveState, want ...error) {
	a.Helper()
	n := 0
	for i, result := range a.results() {
		if result.State != state {
			continue
		}
		n++
		for _, w := range want {
			if !errors.Is(result.Err, w) {
				a.Errorf("result %d: %v, want %v", i, result.Err, w)
			}
		}
	}
	if n == 0 {
		a.Errorf("no result has the state %v: %s", state, a.states())
	}
}

var (
	errRefused = &crm.Error{Kind: crm.ErrRejected, Source: "acme", Op: "move leads"}
	errLost    = &crm.Error{Kind: crm.ErrBadResponse, Source: "acme", Op: "move leads"}
	errBusy    = &crm.Error{Kind: crm.ErrUnavailable, Source: "acme", Op: "move leads"}
	errHeld    = &crm.Error{Kind: crm.ErrRateLimited, Source: "acme", Op: "move leads"}
	errEnded   = &crm.Error{Kind: crm.ErrUnauthorized, Source: "acme", Op: "move leads"}
)

// verdict is one of the fate, with its error.
func verdict(fate crmbulk.Fate) crmbulk.Verdict {
	errs := map[crmbulk.Fate]error{
		crmbulk.Refused: errRefused, crmbulk.Lost: errLost, crmbulk.Again: errBusy, crmbulk.Busy: errBusy,
		crmbulk.Held: errHeld, crmbulk.Ended: errEnded,
	}
	return crmbulk.Verdict{Fate: fate, Err: errs[fate]}
}

// all is the answer that is the fate of all moves of a request.
func all(fate crmbulk.Fate) crmbulk.Answer { return crmbulk.Answer{All: verdict(fate)} }

// each is the answer of verdicts.
func each(fates ...crmbulk.Fate) crmbulk.Answer {
	var answer crmbulk.Answer
	for _, fate := range fates {
		answer.Verdicts = append(answer.Verdicts, verdict(fate))
	}
	return answer
}
