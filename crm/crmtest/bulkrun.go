package crmtest

import (
	"context"
	"iter"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/statuslink/statuslink/crm"
)

const (
	// tooFar is how many moves a client takes at most before their results were
	// received. It is a bound for any window, however generous.
	tooFar = 5000
	// tooMany is where an endless input ends after all.
	tooMany = 10_000
)

// bulk is what happens in a run of MoveLeads.
type bulk struct {
	moves iter.Seq[crm.Move]
	few   int // how many results there are if nothing ends the run; 0 if it is not known
	// loop is called with each result's number, from 1, and ends the loop over
	// the results if it returns false. Nil goes on.
	loop func(n int) bool
	// lies is set where the CRM does not do what it says.
	lies bool
	// silent is set for a run without progress.
	silent bool
}

// bulkRun is a run of MoveLeads and what was seen of it.
type bulkRun struct {
	*test

	plan   bulk
	what   string
	client crm.Client
	took   time.Duration

	mu      sync.Mutex
	taken   []crm.Move
	got     []crm.MoveResult
	reports []crm.MoveReport
	over    bool
	busy    atomic.Bool
}

// run lets a client move leads, sees to it that this ends, and checks what is
// promised of every run: one result for each move taken, in order; reports that
// count them, of which the last one is final; states that are true.
func (t *test) run(ctx context.Context, what string, client crm.Client, b bulk) *bulkRun {
	t.Helper()
	r := &bulkRun{test: t, plan: b, what: what, client: client}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(done)
		r.consume(ctx)
	}()
	timer := time.NewTimer(moveLeads.patience())
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Errorf("%s: MoveLeads did not end within %v", what, moveLeads.patience())
		cancel()
		t.calm()
		<-done
	}
	r.took = time.Since(start)
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	sent := len(t.wire.requests())
	time.Sleep(time.Minute)
	if more := len(t.wire.requests()) - sent; more > 0 {
		t.Errorf("%s: %d requests were sent after the run had ended", what, more)
	}
	r.account()
	if !b.lies {
		r.tellsTheTruth()
	}
	return r
}

// consume is the loop over the results.
func (r *bulkRun) consume(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			r.Errorf("%s: MoveLeads panicked: %v\n%s", r.what, p, debug.Stack())
		}
	}()
	mover, _ := r.client.(crm.BulkMover)
	progress := r.report
	if r.plan.silent {
		progress = nil
	}
	for result := range mover.MoveLeads(ctx, r.input, progress) {
		r.mu.Lock()
		r.got = append(r.got, result)
		n := len(r.got)
		r.mu.Unlock()
		if r.plan.loop != nil && !r.plan.loop(n) {
			return
		}
	}
}

// input is the input, which remembers what was taken of it.
func (r *bulkRun) input(yield func(crm.Move) bool) {
	for move := range r.plan.moves {
		r.mu.Lock()
		if r.over {
			r.mu.Unlock()
			r.Errorf("%s: a move was taken from the input after the run had ended", r.what)
			return
		}
		r.taken = append(r.taken, move)
		taken, ahead := len(r.taken), len(r.taken)-len(r.got)
		r.mu.Unlock()
		if ahead > tooFar {
			r.Errorf("%s: more than %d moves were taken before their results were received; the input may be endless", r.what, tooFar)
			return
		}
		if taken > tooMany {
			r.Errorf("%s: more than %d moves were taken; the run had to end long before", r.what, tooMany)
			return
		}
		if !yield(move) {
			return
		}
	}
}

// report is the run's progress. It does not wait: a client may hold a lock.
func (r *bulkRun) report(report crm.MoveReport) {
	if !r.busy.CompareAndSwap(false, true) {
		r.Errorf("%s: progress was called from two goroutines at a time", r.what)
		return
	}
	defer r.busy.Store(false)
	for range 20 {
		runtime.Gosched()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		r.Errorf("%s: progress was called after the run had ended", r.what)
		return
	}
	if total := counts(report); total > len(r.taken) {
		r.Errorf("%s: a report counts %d moves when %d had been taken", r.what, total, len(r.taken))
	}
	r.reports = append(r.reports, report)
}

// counts returns how many moves a report counts.
func counts(report crm.MoveReport) int {
	return report.NotSent + report.Done + report.Refused + report.Unknown
}

// account checks that each move taken has one result and is counted once.
func (r *bulkRun) account() {
	r.Helper()
	all := r.got
	if !r.plan.silent {
		final := r.final()
		all = append(append([]crm.MoveResult(nil), r.got...), final.Untaken...)
		tally := crm.MoveReport{Final: true}
		for _, result := range all {
			switch result.State {
			case crm.MoveNotSent:
				tally.NotSent++
			case crm.MoveDone:
				tally.Done++
			case crm.MoveRefused:
				tally.Refused++
			case crm.MoveUnknown:
				tally.Unknown++
			default:
				r.Errorf("%s: a result has the state %s, which is none", r.what, state(result.State))
			}
		}
		if counts(final) != len(r.taken) {
			r.Errorf("%s: the final report counts %d moves, %d were taken from the input", r.what, counts(final), len(r.taken))
		}
		if final.Untaken = nil; !sameCounts(final, tally) {
			r.Errorf("%s: the final report counts %+v, the results are %+v", r.what, final, tally)
		}
	}
	r.results(all)
}

func sameCounts(a, b crm.MoveReport) bool {
	return a.NotSent == b.NotSent && a.Done == b.Done && a.Refused == b.Refused && a.Unknown == b.Unknown
}

// final checks the reports of the run and returns the last one.
func (r *bulkRun) final() crm.MoveReport {
	r.Helper()
	var last crm.MoveReport
	for i, report := range r.reports {
		if report.Final != (i == len(r.reports)-1) {
			r.Errorf("%s: report %d of %d has Final %v; the last one is final, and no other", r.what, i+1, len(r.reports), report.Final)
		}
		if report.NotSent < last.NotSent || report.Done < last.Done || report.Refused < last.Refused || report.Unknown < last.Unknown {
			r.Errorf("%s: a report counts less than the one before: %+v after %+v", r.what, report, last)
		}
		if !report.Final && report.Untaken != nil {
			r.Errorf("%s: a report that is not final has Untaken results", r.what)
		}
		last = report
	}
	if len(r.reports) == 0 {
		r.Errorf("%s: there was no report; a run has a final one", r.what)
	}
	return last
}

// results checks that the results are those of the moves that were taken.
func (r *bulkRun) results(all []crm.MoveResult) {
	r.Helper()
	for i, result := range r.got {
		if i < len(r.taken) && result.Move != r.taken[i] {
			r.Errorf("%s: result %d is of the move %v, want %v; results come in the order of the moves", r.what, i, result.Move, r.taken[i])
			break
		}
	}
	open := make(map[crm.Move]int)
	for _, move := range r.taken {
		open[move]++
	}
	for _, result := range all {
		open[result.Move]--
		if (result.Err == nil) != (result.State == crm.MoveDone) {
			r.Errorf("%s: a result has the state %s and the error %v; it is nil exactly if the state is done", r.what, state(result.State), result.Err)
		}
		if result.Err != nil {
			r.explained(r.what, r.client, result.Err)
		}
	}
	whole := r.plan.loop == nil || !r.plan.silent // without progress nobody hears of the untaken
	for move, n := range open {
		if n < 0 || n > 0 && whole {
			r.Errorf("%s: the move %v was taken and has %d results too few", r.what, move, n)
			break
		}
	}
	if r.plan.few > 0 && r.plan.loop == nil && len(r.got) != r.plan.few {
		r.Errorf("%s: MoveLeads yielded %d results for %d moves", r.what, len(r.got), r.plan.few)
	}
}

// everything returns all results, received or not.
func (r *bulkRun) everything() []crm.MoveResult {
	all := append([]crm.MoveResult(nil), r.got...)
	if n := len(r.reports); n > 0 {
		all = append(all, r.reports[n-1].Untaken...)
	}
	return all
}

// tellsTheTruth compares the states with what the CRM has, for each lead that
// has one move.
func (r *bulkRun) tellsTheTruth() {
	r.Helper()
	moves := make(map[crm.LeadRef]int)
	for _, move := range r.taken {
		moves[move.Lead]++
	}
	for _, result := range r.everything() {
		lead, at := result.Move.Lead, r.at(result.Move.Lead)
		if moves[lead] > 1 || lead.Source != r.client.Source() {
			continue
		}
		there := at == result.Move.To
		switch {
		case result.State == crm.MoveDone && !there:
			r.Errorf("%s: the move of %v to %v is done, it says; the CRM has it in %v", r.what, lead, result.Move.To, at)
			return
		case (result.State == crm.MoveNotSent || result.State == crm.MoveRefused) && there:
			r.Errorf("%s: the move of %v was %s, it says; the CRM has it in %v", r.what, lead, state(result.State), at)
			return
		case result.State == crm.MoveDone && result.Lead != (crm.Lead{}):
			r.asItStands(r.what+": MoveLeads", lead, result.Lead)
		}
	}
}

// everyDone checks that each move is done.
func (r *bulkRun) everyDone() {
	r.Helper()
	for i, result := range r.got {
		if result.State != crm.MoveDone {
			r.Errorf("%s: move %d has the state %s: %v", r.what, i, state(result.State), result.Err)
			return
		}
	}
}

// allDone checks that each move is done, in the CRM as well.
func (r *bulkRun) allDone() {
	r.Helper()
	r.everyDone()
	for _, move := range r.taken {
		r.stands(r.what, move.Lead, move.To)
	}
}
