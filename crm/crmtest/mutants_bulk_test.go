package crmtest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// settling is a client that makes of the results of a request what change makes
// of them.
func settling(change func(a *acme, results []crm.MoveResult, answers []leadAnswer, err error) []crm.MoveResult) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.leads.run.settle = func(moves []crm.Move, answers []leadAnswer, err error) []crm.MoveResult {
			return change(a, a.settle(moves, answers, err), answers, err)
		}
	}
}

// each is settling for each result.
func each(change func(a *acme, result *crm.MoveResult)) func(*acme, Conn) {
	return settling(func(a *acme, results []crm.MoveResult, _ []leadAnswer, _ error) []crm.MoveResult {
		for i := range results {
			change(a, &results[i])
		}
		return results
	})
}

// running is a client that makes of a run another one.
func running(other func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult]) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.leads.many = func(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return other(a, ctx, moves, progress)
		}
	}
}

// reporting is a client that tells of its progress in another way.
func reporting(tell func(progress func(crm.MoveReport), report crm.MoveReport)) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.leads.run.tell = func(progress func(crm.MoveReport), report crm.MoveReport) {
			if progress != nil {
				tell(progress, report)
			}
		}
	}
}

func bulkMutants() []mutant {
	return []mutant{
		{"gives the results of a request in another order", settling(func(_ *acme, results []crm.MoveResult, _ []leadAnswer, _ error) []crm.MoveResult {
			slices.Reverse(results)
			return results
		}), "MoveLeadsGivesOneResultForEachInOrder", "results come in the order of the moves"},
		{"loses a result of fifty", settling(func(_ *acme, results []crm.MoveResult, _ []leadAnswer, _ error) []crm.MoveResult {
			return results[:min(len(results), 19)]
		}), "MoveLeadsGivesOneResultForEachInOrder", "results too few"},
		{"ends after a hundred", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return a.moveMany(ctx, func(yield func(crm.Move) bool) {
				n := 0
				for move := range moves {
					if n++; n > 100 || !yield(move) {
						return
					}
				}
			}, progress)
		}), "MoveLeadsGivesOneResultForEachInOrder", "120 moves: MoveLeads yielded 100 results"},
		{"says done and sends nothing", running(func(_ *acme, _ context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return func(yield func(crm.MoveResult) bool) {
				n := 0
				for move := range moves {
					n++
					yield(crm.MoveResult{Move: move, State: crm.MoveDone})
				}
				progress(crm.MoveReport{Done: n, Final: true})
			}
		}), "MoveLeadsGivesOneResultForEachInOrder", "the CRM has it in acme/main/101"},
		{"knows nothing of what is done", settling(func(a *acme, results []crm.MoveResult, _ []leadAnswer, _ error) []crm.MoveResult {
			unknown(a, results)
			return results
		}), "MoveLeadsGivesOneResultForEachInOrder", "1 moves: move 0 has the state unknown"},
		{"has a state of its own", each(func(a *acme, result *crm.MoveResult) {
			result.State, result.Err = 7, a.failed("move leads", &crm.Error{Kind: crm.ErrUnavailable})
		}), "MoveLeadsGivesOneResultForEachInOrder", "a result has the state MoveState(7), which is none"},
		{"asks on in the background", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return func(yield func(crm.MoveResult) bool) {
				a.moveMany(ctx, moves, progress)(yield)
				go func() {
					time.Sleep(time.Second)
					_, _ = a.listPage(context.WithoutCancel(ctx), crm.LeadQuery{}, 1)
				}()
			}
		}), "MoveLeadsGivesOneResultForEachInOrder", "requests were sent after the run had ended"},
		{"takes moves in the background", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return func(yield func(crm.MoveResult) bool) {
				a.moveMany(ctx, moves, progress)(yield)
				go func() {
					time.Sleep(time.Second)
					moves(func(crm.Move) bool { return true })
				}()
			}
		}), "MoveLeadsGivesOneResultForEachInOrder", "a move was taken from the input after the run had ended"},
		{"has an error beside done", each(func(_ *acme, result *crm.MoveResult) {
			result.Err = errors.New("done")
		}), "MoveLeadsGivesOneResultForEachInOrder", "nil exactly if the state is done"},
		{"asks the CRM about no move", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			_, _ = a.listPage(ctx, crm.LeadQuery{}, 1)
			return a.moveMany(ctx, moves, progress)
		}), "MoveLeadsGivesOneResultForEachInOrder", "1 requests were sent for no move"},
		{"fails a request for one move", settling(func(_ *acme, results []crm.MoveResult, _ []leadAnswer, _ error) []crm.MoveResult {
			for _, bad := range results {
				if bad.Err != nil {
					for i := range results {
						results[i].State, results[i].Err, results[i].Lead = bad.State, bad.Err, crm.Lead{}
					}
					break
				}
			}
			return results
		}), "MoveLeadsNamesThoseThatFailed", "was refused, it says; the CRM has it in"},
		{"knows nothing of a request with a bad move", settling(func(a *acme, results []crm.MoveResult, answers []leadAnswer, _ error) []crm.MoveResult {
			if slices.ContainsFunc(answers, func(answer leadAnswer) bool { return answer.Error != "" }) {
				unknown(a, results)
			}
			return results
		}), "MoveLeadsNamesThoseThatFailed", "beside those that fail has the state unknown"},
		{"takes failed moves for done", each(func(_ *acme, result *crm.MoveResult) {
			result.State, result.Err = crm.MoveDone, nil
		}), "MoveLeadsNamesThoseThatFailed", "its state is done"},
		{"takes refused moves for unsent ones", each(func(_ *acme, result *crm.MoveResult) {
			if result.State == crm.MoveRefused {
				result.State = crm.MoveNotSent
			}
		}), "MoveLeadsNamesThoseThatFailed", "its state is not sent"},
		{"says unavailable of refused moves", each(func(a *acme, result *crm.MoveResult) {
			if result.Err != nil {
				result.Err = a.failed("move leads", &crm.Error{Kind: crm.ErrUnavailable})
			}
		}), "MoveLeadsNamesThoseThatFailed", "wrong kind"},
		{"shows what it wished for, of an ignored move", each(func(_ *acme, result *crm.MoveResult) {
			result.Lead.Status = result.Move.To
		}), "MoveLeadsDoesNotSayDoneOfAnIgnoredMove", "it stands in acme/main/101"},
		{"knows nothing of a request with an ignored move", settling(func(a *acme, results []crm.MoveResult, answers []leadAnswer, _ error) []crm.MoveResult {
			if slices.ContainsFunc(answers, func(answer leadAnswer) bool { return answer.Lead.Stage == "101" }) {
				unknown(a, results)
			}
			return results
		}), "MoveLeadsDoesNotSayDoneOfAnIgnoredMove", "a move beside one that the CRM ignores has the state unknown"},
		{"says refused of an ignored move", each(func(a *acme, result *crm.MoveResult) {
			if result.Lead.Status != result.Move.To {
				result.State, result.Err = crm.MoveRefused, a.failed("move leads", &crm.Error{Kind: crm.ErrRejected})
			}
		}), "MoveLeadsDoesNotSayDoneOfAnIgnoredMove", "wrong kind"},
		{"takes a rule for a failure", each(func(a *acme, result *crm.MoveResult) {
			if result.Lead.Status != result.Move.To {
				result.State, result.Err = crm.MoveRefused, a.failed("move leads", &crm.Error{Kind: crm.ErrNotApplied})
			}
		}), "MoveLeadsShowsWhereARuleTookALead", "it is done"},
		{"shows what it wished for, of a rule", each(func(_ *acme, result *crm.MoveResult) {
			result.Lead.Status = result.Move.To
		}), "MoveLeadsShowsWhereARuleTookALead", "it stands in acme/main/103"},
		{
			"moves all across", func(a *acme, _ Conn) { a.leads.across = func(crm.Move) bool { return true } },
			"MoveLeadsMovesToNoOtherScopeUnasked", "without Across has the state done",
		},
		{
			"moves none across", func(a *acme, _ Conn) { a.leads.across = func(crm.Move) bool { return false } },
			"MoveLeadsMovesToNoOtherScopeUnasked", "with Across has the state refused",
		},
		{"moves leads of all accounts", always, "MoveLeadsMovesNothingOfAnotherAccount", "those that concern another account are not done"},
		{"sends several requests whatever is in them", func(a *acme, _ Conn) {
			a.leads.run.parallel, a.leads.run.careless = 3, true
		}, "MoveLeadsKeepsTheOrderOfOneLead", "want acme/main/103"},
		{"moves a lead once in a run", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			first := make(map[crm.LeadRef]crm.Ref)
			return a.moveMany(ctx, func(yield func(crm.Move) bool) {
				for move := range moves {
					if to, ok := first[move.Lead]; ok {
						move.To = to
					}
					first[move.Lead] = move.To
					if !yield(move) {
						return
					}
				}
			}, progress)
		}), "MoveLeadsKeepsTheOrderOfOneLead", "want acme/main/103"},
		{"gives the results of a request in another order, to many", settling(func(_ *acme, results []crm.MoveResult, _ []leadAnswer, _ error) []crm.MoveResult {
			slices.Reverse(results)
			return results
		}), "MoveLeadsServesManyCallersAtOnce", "result 0 of a run beside others"},
		{"serves one run at a time", func(a *acme, _ Conn) {
			var mu sync.Mutex
			a.leads.many = func(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
				return func(yield func(crm.MoveResult) bool) {
					if !mu.TryLock() {
						return
					}
					defer mu.Unlock()
					a.moveMany(ctx, moves, progress)(yield)
				}
			}
		}, "MoveLeadsServesManyCallersAtOnce", "a run beside others"},
	}
}

// unknown makes all results unknown.
func unknown(a *acme, results []crm.MoveResult) {
	for i := range results {
		results[i] = crm.MoveResult{
			Move: results[i].Move, State: crm.MoveUnknown, Err: a.failed("move leads", &crm.Error{Kind: crm.ErrUnavailable}),
		}
	}
}

func bulkEndMutants() []mutant {
	return []mutant{
		{"has no final report", reporting(func(progress func(crm.MoveReport), report crm.MoveReport) {
			report.Final = false
			progress(report)
		}), "MoveLeadsReportsEveryRunOnce", "the last one is final"},
		{"reports nothing", reporting(func(func(crm.MoveReport), crm.MoveReport) {}), "MoveLeadsReportsEveryRunOnce", "there was no report"},
		{"reports the end twice", reporting(func(progress func(crm.MoveReport), report crm.MoveReport) {
			progress(report)
			if report.Final {
				progress(report)
			}
		}), "MoveLeadsReportsEveryRunOnce", "and no other"},
		{"begins to count again", reporting(func(progress func(crm.MoveReport), report crm.MoveReport) {
			if !report.Final {
				report.Done %= 50
			}
			progress(report)
		}), "MoveLeadsReportsEveryRunOnce", "counts less than the one before"},
		{"forgets the refused in its report", reporting(func(progress func(crm.MoveReport), report crm.MoveReport) {
			report.Refused = 0
			progress(report)
		}), "MoveLeadsReportsEveryRunOnce", "the final report counts 270 moves, 300 were taken"},
		{"counts the refused as done", reporting(func(progress func(crm.MoveReport), report crm.MoveReport) {
			report.Done, report.Refused = report.Done+report.Refused, 0
			progress(report)
		}), "MoveLeadsReportsEveryRunOnce", "the final report counts {"},
		{"counts what it will take", reporting(func(progress func(crm.MoveReport), report crm.MoveReport) {
			if !report.Final {
				report.NotSent += 100
			}
			progress(report)
		}), "MoveLeadsReportsEveryRunOnce", "moves when 20 had been taken"},
		{"reports from several goroutines", reporting(func(progress func(crm.MoveReport), report crm.MoveReport) {
			var wg sync.WaitGroup
			for range 4 {
				copied := report
				copied.Final = false
				wg.Go(func() { progress(copied) })
			}
			wg.Wait()
			progress(report)
		}), "MoveLeadsReportsEveryRunOnce", "from two goroutines at a time"},
		{"reports after the end", reporting(func(progress func(crm.MoveReport), report crm.MoveReport) {
			if report.Final {
				go func() {
					time.Sleep(time.Second)
					progress(report)
				}()
				return
			}
			progress(report)
		}), "MoveLeadsReportsEveryRunOnce", "after the run had ended"},
		{"shows what is not received before the end", reporting(func(progress func(crm.MoveReport), report crm.MoveReport) {
			report.Untaken = []crm.MoveResult{}
			progress(report)
		}), "MoveLeadsReportsEveryRunOnce", "a report that is not final has Untaken results"},
		{"calls a nil progress", func(a *acme, _ Conn) {
			a.leads.run.tell = func(progress func(crm.MoveReport), report crm.MoveReport) { progress(report) }
		}, "MoveLeadsNeedsNoProgress", "panicked"},
		{"takes all before it sends", func(a *acme, _ Conn) { a.leads.run.size = 1 << 30 }, "MoveLeadsReadsAheadByAWindowOnly", "the input may be endless"},
		{"collects in the background", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return func(yield func(crm.MoveResult) bool) {
				var mu sync.Mutex
				var all []crm.Move
				var ended atomic.Bool
				var wg sync.WaitGroup
				wg.Go(func() {
					for move := range moves {
						mu.Lock()
						all = append(all, move)
						mu.Unlock()
						if ended.Load() {
							return
						}
					}
				})
				a.moveMany(ctx, func(yield func(crm.Move) bool) {
					for i := 0; ; i++ {
						mu.Lock()
						ready := i < len(all)
						mu.Unlock()
						if !ready {
							time.Sleep(time.Second)
							i--
							continue
						}
						mu.Lock()
						move := all[i]
						mu.Unlock()
						if !yield(move) {
							return
						}
					}
				}, progress)(yield)
				ended.Store(true)
				wg.Wait()
			}
		}), "MoveLeadsReadsAheadByAWindowOnly", "the input may be endless"},
		{"goes on when the loop has stopped", func(a *acme, _ Conn) {
			a.leads.run.stops = func(_ context.Context, _ bool) bool { return false }
		}, "MoveLeadsAccountsForAllWhenTheLoopStops", "requests were sent when it had stopped"},
		{"ends after fifty", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return a.moveMany(ctx, func(yield func(crm.Move) bool) {
				n := 0
				for move := range moves {
					if !yield(move) {
						return
					}
					if n++; n == 50 {
						return
					}
				}
			}, progress)
		}), "MoveLeadsAccountsForAllWhenTheLoopStops", "a loop that stops after 70 results received 50 results"},
		{"forgets what the loop did not receive", func(a *acme, _ Conn) {
			a.leads.run.untaken = func([]crm.MoveResult) []crm.MoveResult { return nil }
		}, "MoveLeadsAccountsForAllWhenTheLoopStops", "results too few"},
		{"shows what the loop received as not received", func(a *acme, _ Conn) {
			a.leads.run.untaken = func(results []crm.MoveResult) []crm.MoveResult { return append(results, results...) }
		}, "MoveLeadsAccountsForAllWhenTheLoopStops", "the final report counts"},
		{"runs under an ended context", func(a *acme, _ Conn) {
			a.leads.run.stops = func(_ context.Context, stopped bool) bool { return stopped }
		}, "MoveLeadsSendsNothingUnderAnEndedContext", "a run under an ended context sent"},
		{"says refused of what it did not send", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			if ctx.Err() == nil {
				return a.moveMany(ctx, moves, progress)
			}
			return func(yield func(crm.MoveResult) bool) {
				for move := range moves {
					progress(crm.MoveReport{Refused: 1, Final: true})
					_ = yield(crm.MoveResult{Move: move, State: crm.MoveRefused, Err: a.failed("move leads", &crm.Error{Kind: crm.ErrUnavailable, Err: ctx.Err()})})
					return
				}
			}
		}), "MoveLeadsSendsNothingUnderAnEndedContext", "a move has the state refused, want not sent"},
		{"does not say why it sent nothing", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			if ctx.Err() == nil {
				return a.moveMany(ctx, moves, progress)
			}
			return func(yield func(crm.MoveResult) bool) {
				for move := range moves {
					result := crm.MoveResult{Move: move, Err: a.failed("move leads", &crm.Error{Kind: crm.ErrUnavailable})}
					progress(crm.MoveReport{NotSent: 1, Final: true})
					_ = yield(result)
					return
				}
			}
		}), "MoveLeadsSendsNothingUnderAnEndedContext", "does not wrap ctx.Err()"},
		{"gives up what is in flight", func(a *acme, _ Conn) { a.leads.run.attached = true }, "MoveLeadsWaitsForWhatIsInFlight", "the fate of a move is unknown"},
		{"gives up what is in flight, and says that it was not sent", func(a *acme, conn Conn) {
			each(func(_ *acme, result *crm.MoveResult) {
				if result.State == crm.MoveUnknown {
					result.State = crm.MoveNotSent
				}
			})(a, conn)
			a.leads.run.attached = true
		}, "MoveLeadsWaitsForWhatIsInFlight", "before the CRM had answered"},
		{"sends what it has taken when its context has ended", func(a *acme, _ Conn) {
			a.leads.run.parallel = 2
			a.leads.many = func(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
				late := false
				a.leads.run.stops = func(ctx context.Context, stopped bool) bool {
					if ctx.Err() == nil || stopped || late {
						return stopped || ctx.Err() != nil
					}
					late = true
					_, _ = a.listPage(context.WithoutCancel(ctx), crm.LeadQuery{}, 1)
					return true
				}
				return a.moveMany(ctx, moves, progress)
			}
		}, "MoveLeadsWaitsForWhatIsInFlight", "requests afterwards"},
		{"says unknown of what was answered after the end", func(a *acme, _ Conn) {
			a.leads.many = func(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
				each(func(a *acme, result *crm.MoveResult) {
					if ctx.Err() != nil {
						result.State, result.Lead = crm.MoveUnknown, crm.Lead{}
						result.Err = a.failed("move leads", &crm.Error{Kind: crm.ErrUnavailable, Err: ctx.Err()})
					}
				})(a, Conn{})
				return a.moveMany(ctx, moves, progress)
			}
		}, "MoveLeadsWaitsForWhatIsInFlight", "the result is another than done"},
		{"does not end with its context", func(a *acme, _ Conn) {
			a.leads.run.stops = func(_ context.Context, stopped bool) bool { return stopped }
		}, "MoveLeadsEndsWithItsContext", "after the deadline"},
		{"sleeps before it begins", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return func(yield func(crm.MoveResult) bool) {
				time.Sleep(4 * time.Second)
				a.moveMany(ctx, moves, progress)(yield)
			}
		}), "MoveLeadsEndsWithItsContext", "no move was done"},
		{"waits and asks again when its context has ended", func(a *acme, _ Conn) {
			a.budget = 1 << 60
			a.leads.many = func(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
				return a.moveMany(context.WithoutCancel(ctx), moves, progress)
			}
		}, "MoveLeadsEndsWhileItWaits", "requests after the deadline"},
		{"sleeps whatever its context says", func(a *acme, _ Conn) {
			a.wait = func(e *crm.Error) time.Duration {
				time.Sleep(e.RetryAfter)
				return 0
			}
		}, "MoveLeadsEndsWhileItWaits", "after the deadline"},
		{"leaves a goroutine when the loop stops", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return func(yield func(crm.MoveResult) bool) {
				a.moveMany(ctx, moves, progress)(func(result crm.MoveResult) bool {
					if yield(result) {
						return true
					}
					go func() { <-a.closed }()
					return false
				})
			}
		}), "MoveLeadsLeavesNothingBehind", "a run that stopped at the first result left a goroutine"},
		{"leaves a goroutine when the loop panics", running(func(a *acme, ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
			return func(yield func(crm.MoveResult) bool) {
				stop := make(chan struct{})
				go func() {
					select {
					case <-a.closed:
					case <-stop:
					}
				}()
				a.moveMany(ctx, moves, progress)(yield)
				close(stop)
			}
		}), "MoveLeadsLeavesNothingBehind", "a run that panicked left a goroutine"},
	}
}

func bulkFaultMutants() []mutant {
	return []mutant{
		{"says not sent of what got no answer", each(func(_ *acme, result *crm.MoveResult) {
			if result.State == crm.MoveUnknown {
				result.State = crm.MoveNotSent
			}
		}), "MoveLeadsLosesNothingToAFault", "was not sent, it says; the CRM has it in"},
		{"says done of what got no answer", each(func(_ *acme, result *crm.MoveResult) {
			if result.State == crm.MoveUnknown {
				result.State, result.Err = crm.MoveDone, nil
			}
		}), "MoveLeadsLosesNothingToAFault", "is done, it says; the CRM has it in"},
		{"says refused of what got no answer", each(func(_ *acme, result *crm.MoveResult) {
			if result.State == crm.MoveUnknown {
				result.State = crm.MoveRefused
			}
		}), "MoveLeadsLosesNothingToAFault", "which the CRM did not say"},
		{"gives nothing of a request without an answer", settling(func(_ *acme, results []crm.MoveResult, _ []leadAnswer, err error) []crm.MoveResult {
			if err != nil {
				return nil
			}
			return results
		}), "MoveLeadsGivesUpInTheEnd", "results too few"},
		{"never gives up", func(a *acme, _ Conn) {
			a.attempts, a.budget = 1<<30, 1<<60
			a.wait = func(*crm.Error) time.Duration { return time.Minute }
		}, "MoveLeadsGivesUpInTheEnd", "did not end within"},
		{"asks three hundred times", func(a *acme, _ Conn) {
			a.attempts, a.budget = 300, 1<<60
			a.wait = func(*crm.Error) time.Duration { return 100 * time.Millisecond }
		}, "MoveLeadsGivesUpInTheEnd", "the CRM was asked 4500 times for 300 moves"},
		{"takes what fails for done", each(func(_ *acme, result *crm.MoveResult) {
			result.State, result.Err = crm.MoveDone, nil
		}), "MoveLeadsGivesUpInTheEnd", "a move is done"},
	}
}
