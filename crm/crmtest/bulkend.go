package crmtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var bulkEndChecks = []check{
	{name: "MoveLeadsReportsEveryRunOnce", run: reportsEveryRun},
	{name: "MoveLeadsNeedsNoProgress", run: needsNoProgress},
	{name: "MoveLeadsReadsAheadByAWindowOnly", run: readsAheadByAWindow},
	{name: "MoveLeadsAccountsForAllWhenTheLoopStops", run: loopStops},
	{name: "MoveLeadsSendsNothingUnderAnEndedContext", run: bulkUnderEndedContext},
	{name: "MoveLeadsWaitsForWhatIsInFlight", run: waitsForWhatIsInFlight},
	{name: "MoveLeadsEndsWithItsContext", run: bulkEndsWithItsContext},
	{name: "MoveLeadsEndsWhileItWaits", run: bulkEndsWhileItWaits},
	{name: "MoveLeadsLeavesNothingBehind", run: bulkLeavesNothing},
}

// endless returns moves of ever more leads, from the first status to the second.
func (t *test) endless() iter.Seq[crm.Move] {
	return func(yield func(crm.Move) bool) {
		for yield(crm.Move{Lead: t.leads.AddLead(t.leads.Statuses[0]), To: t.leads.Statuses[1]}) {
		}
	}
}

// reportsEveryRun: progress gets a final report of each run, once and last, and
// counts that only grow, from one goroutine at a time.
func reportsEveryRun(t *test) {
	client := t.bulkMover()
	for _, n := range []int{0, 1, 300} {
		moves := wishes(t.add(n, 0), t.leads.Statuses[1])
		for i := range moves {
			if i%10 == 9 {
				moves[i].Lead = t.leads.Missing()
			}
		}
		t.calm()
		t.front.Fail(-1, crmfault.Delay(time.Second))
		t.run(t.Context(), fmt.Sprintf("%d moves", n), client, bulk{moves: slices.Values(moves), few: n})
	}
}

// needsNoProgress: progress may be nil, however the run ends.
func needsNoProgress(t *test) {
	client := t.bulkMover()
	moves := wishes(t.add(70, 0), t.leads.Statuses[1])
	t.run(t.Context(), "a run without progress", client, bulk{moves: slices.Values(moves), few: 70, silent: true}).allDone()
	t.run(t.Context(), "a run without progress whose loop stops", client, bulk{
		moves: t.endless(), silent: true, loop: func(n int) bool { return n < 3 },
	})
}

// readsAheadByAWindow: the input may be endless, and the loop over the results
// as slow as it likes.
func readsAheadByAWindow(t *test) {
	client := t.bulkMover()
	r := t.run(t.Context(), "an endless input", client, bulk{moves: t.endless(), loop: func(n int) bool {
		if n%40 == 0 {
			time.Sleep(10 * time.Minute)
		}
		return n < 130
	}})
	r.everyDone()
}

// loopStops: when the loop over the results stops, nothing new is sent, what is
// in flight is waited for, and the final report accounts for all moves taken.
func loopStops(t *test) {
	client := t.bulkMover()
	for _, after := range []int{1, 2, 70} {
		t.calm()
		t.front.Fail(-1, crmfault.Delay(time.Second))
		var stopped time.Time
		what := fmt.Sprintf("a loop that stops after %d results", after)
		r := t.run(t.Context(), what, client, bulk{moves: t.endless(), loop: func(n int) bool {
			if n < after {
				return true
			}
			stopped = time.Now()
			return false
		}})
		if late := t.sentAfter(stopped); late > 0 {
			t.Errorf("%s: %d requests were sent when it had stopped", what, late)
		}
		if len(r.got) != after {
			t.Errorf("%s received %d results", what, len(r.got))
		}
		r.answered()
		t.wire.forget()
	}
}

// sentAfter returns how many requests were sent later than that.
func (t *test) sentAfter(instant time.Time) int {
	n := 0
	for _, s := range t.wire.requests() {
		if s.at.After(instant) {
			n++
		}
	}
	return n
}

// answered checks that no move has an unknown fate: the CRM answered each request
// that was sent.
func (r *bulkRun) answered() {
	r.Helper()
	for _, result := range r.everything() {
		if result.State == crm.MoveUnknown {
			r.Errorf("%s: the fate of a move is unknown although the CRM answered all that was sent; what is in flight is waited for: %v",
				r.what, result.Err)
			return
		}
	}
}

// ended checks that what was not sent says that the context had ended.
func (r *bulkRun) ended(because error) {
	r.Helper()
	for _, result := range r.everything() {
		if result.State != crm.MoveNotSent {
			continue
		}
		if !errors.Is(result.Err, because) || !errors.Is(result.Err, crm.ErrUnavailable) {
			r.Errorf("%s: the error of a move that was not sent is not %q and does not wrap ctx.Err() (%v): %v",
				r.what, text(crm.ErrUnavailable), because, result.Err)
			return
		}
	}
}

// bulkUnderEndedContext: a run under an ended context sends nothing, and moves
// nothing.
func bulkUnderEndedContext(t *test) {
	client := t.bulkMover()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, moves := range map[string]iter.Seq[crm.Move]{
		"a run under an ended context":                       slices.Values(wishes(t.add(70, 0), t.leads.Statuses[1])),
		"a run with an endless input under an ended context": t.endless(),
	} {
		t.wire.forget()
		r := t.run(ctx, what, client, bulk{moves: moves})
		if sent := len(t.wire.requests()); sent > 0 {
			t.Errorf("%s sent %d requests", what, sent)
		}
		for _, result := range r.got {
			if result.State != crm.MoveNotSent {
				t.Errorf("%s: a move has the state %s, want not sent", what, state(result.State))
				break
			}
		}
		r.ended(context.Canceled)
	}
}

// waitsForWhatIsInFlight: when ctx ends, nothing new is sent, and a run goes on
// until the CRM has answered what it was sent. One that reads a move back may send
// that request.
func waitsForWhatIsInFlight(t *test) {
	client := t.bulkMover()
	const cancelled, answered = 5 * time.Second, 8 * time.Second
	for _, good := range []int{0, 1, 2} {
		moves := wishes(t.add(300, 0), t.leads.Statuses[1])
		t.calm()
		t.front.Fail(good, crmfault.Fault{})
		t.front.Fail(-1, crmfault.Delay(answered))
		t.wire.forget()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(cancelled, cancel)
		end := time.Now().Add(cancelled)
		what := fmt.Sprintf("a run whose context ends after %d answers", good)
		r := t.run(ctx, what, client, bulk{moves: slices.Values(moves)})
		late := t.sentAfter(end)
		allowed := 0
		if t.leads.ReadsBack {
			allowed = len(t.wire.requests()) - late - good
		}
		if late > allowed {
			t.Errorf("%s sent %d requests afterwards", what, late)
		}
		if len(t.wire.requests())-late > good && r.took < answered-soon {
			t.Errorf("%s ended after %v, before the CRM had answered; what is in flight is waited for", what, r.took)
		}
		r.answered()
		r.ended(context.Canceled)
		for _, move := range r.taken {
			if t.at(move.Lead) == move.To && !slices.ContainsFunc(r.got, func(m crm.MoveResult) bool { return m.Move == move && m.State == crm.MoveDone }) {
				t.Errorf("%s: the CRM moved %v and said so, and the result is another than done", what, move.Lead)
				break
			}
		}
	}
}

// bulkEndsWithItsContext: with an endless input the end of ctx is the end of the
// run, soon after the CRM has answered what is in flight.
func bulkEndsWithItsContext(t *test) {
	client := t.bulkMover()
	const answer, cancelled = time.Second, 3500 * time.Millisecond
	t.front.Fail(-1, crmfault.Delay(answer))
	ctx, cancel := context.WithTimeout(t.Context(), cancelled)
	defer cancel()
	r := t.run(ctx, "an endless input until the deadline", client, bulk{moves: t.endless()})
	last := answer
	if t.leads.ReadsBack {
		last += answer
	}
	if r.took > cancelled+last+soon {
		t.Errorf("an endless input went on for %v after the deadline", r.took-cancelled)
	}
	if len(r.got) == 0 || r.got[0].State != crm.MoveDone {
		t.Errorf("an endless input until the deadline: no move was done in %v", cancelled)
	}
	r.answered()
	r.ended(context.DeadlineExceeded)
}

// bulkEndsWhileItWaits: a run that waits before it asks again ends with its
// context.
func bulkEndsWhileItWaits(t *test) {
	client := t.bulkMover()
	const cancelled = time.Second
	moves := wishes(t.add(70, 0), t.leads.Statuses[1])
	t.suffers(crmfault.RetryAfter(http.StatusServiceUnavailable, time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), cancelled)
	defer cancel()
	end := time.Now().Add(cancelled)
	r := t.run(ctx, "a run that waits to ask again", client, bulk{moves: slices.Values(moves)})
	if r.took > cancelled+soon {
		t.Errorf("a run that waits to ask again went on for %v after the deadline", r.took-cancelled)
	}
	if late := t.sentAfter(end); late > 0 {
		t.Errorf("a run that waits to ask again sent %d requests after the deadline", late)
	}
}

// bulkLeavesNothing: however a run ends, no goroutine of it runs on.
func bulkLeavesNothing(t *test) {
	client := t.bulkMover()
	mover, _ := client.(crm.BulkMover)
	stop := errors.New("the loop panics")
	for _, end := range []struct {
		name   string
		loop   func(n int) bool
		cancel time.Duration
	}{
		{"went well", func(int) bool { return true }, 0},
		{"stopped at the first result", func(int) bool { return false }, 0},
		{"stopped in the midst", func(n int) bool { return n < 60 }, 0},
		{"was cancelled", func(int) bool { return true }, 1500 * time.Millisecond},
		{"panicked", func(n int) bool {
			if n == 3 {
				panic(stop)
			}
			return true
		}, 0},
	} {
		moves := wishes(t.add(120, 0), t.leads.Statuses[1])
		t.calm()
		t.front.Fail(-1, crmfault.Delay(time.Second))
		t.gone("a run that "+end.name, end.cancel, func(ctx context.Context) {
			defer func() {
				if p := recover(); p != nil && p != any(stop) {
					t.Errorf("a run that %s: %v", end.name, p)
				}
			}()
			n := 0
			for range mover.MoveLeads(ctx, slices.Values(moves), func(crm.MoveReport) {}) {
				n++
				if !end.loop(n) {
					return
				}
			}
		})
	}
}
