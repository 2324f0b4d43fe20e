package crmbulk_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmbulk"
)

// When ctx ends, what is under way is waited for, and nothing new is sent. Send is not
// cut off, and can see that the run has ended.
func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, 2, func(a *acme) {
		ctx, cancel := context.WithTimeout(a.Context(), 500*time.Millisecond)
		defer cancel()
		var seen atomic.Int64
		send := a.opts.Send
		a.opts.Send = func(ctx context.Context, ended <-chan struct{}, items []any) crmbulk.Answer {
			select {
			case <-ended:
				a.Error("the run ended before it began")
			default:
			}
			go func() {
				<-ended
				if time.Since(a.began) == 500*time.Millisecond {
					seen.Add(1)
				}
			}()
			return send(ctx, ended, items)
		}
		a.latency = func(n int, _ string) time.Duration { return time.Duration(n) * time.Second }
		a.run(ctx, endless, nil)
		if len(a.requests) != 2 || seen.Load() != 2 || time.Since(a.began) != 2*time.Second {
			a.Errorf("%d requests, %d saw the end, it took %v", len(a.requests), seen.Load(), time.Since(a.began))
		}
		if states := a.states(); states[:5] != "DDDDN" || len(a.received) != len(a.taken) {
			a.Errorf("states %s, %d received", states, len(a.received))
		}
		a.wantError(crm.MoveNotSent, context.DeadlineExceeded, crm.ErrUnavailable)
	})
}

// Under a context that has ended nothing is taken.
func TestUnderAnEndedContext(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, 2, func(a *acme) {
		ctx, cancel := context.WithCancel(a.Context())
		cancel()
		a.run(ctx, endless, nil)
		a.want("", "")
	})
}

// A run that waits, for its turn or for the end of a pause, ends with its context at
// once, and so does one whose input was slow. What waited is not sent, even if its turn
// came at the same time.
func TestEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wait func(context.Context) error
		took time.Duration
	}{
		"until ctx ends":             {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, time.Second},
		"its turn comes as ctx ends": {func(ctx context.Context) error { <-ctx.Done(); return nil }, time.Second},
		"it does not look at ctx":    {func(context.Context) error { time.Sleep(time.Minute); return nil }, time.Minute},
	} {
		inBubble(t, 2, 3, func(a *acme) {
			ctx, cancel := context.WithTimeout(a.Context(), time.Second)
			defer cancel()
			a.opts.Wait = test.wait
			a.run(ctx, wishes("abcdefgh"), nil)
			a.want("", strings.Repeat("N", len(a.taken)))
			a.wantError(crm.MoveNotSent, context.DeadlineExceeded, crm.ErrUnavailable)
			if took := time.Since(a.began); took != test.took {
				a.Errorf("%s: it took %v", name, took)
			}
		})
	}
	inBubble(t, 2, 1, func(a *acme) {
		ctx, cancel := context.WithTimeout(a.Context(), time.Minute)
		defer cancel()
		a.answer = func(int, string) crmbulk.Answer {
			answer := all(crmbulk.Held)
			answer.All.Wait = time.Hour
			return answer
		}
		a.run(ctx, wishes("abcdefgh"), nil)
		a.want("0s ab", strings.Repeat("N", len(a.taken)))
		a.wantError(crm.MoveNotSent, context.DeadlineExceeded, crm.ErrUnavailable)
		if took := time.Since(a.began); took != time.Minute {
			a.Errorf("it took %v", took)
		}
	})
	inBubble(t, 5, 1, func(a *acme) {
		ctx, cancel := context.WithTimeout(a.Context(), 1500*time.Millisecond)
		defer cancel()
		a.run(ctx, func(yield func(crm.Move) bool) {
			for move := range wishes("abcdefgh") {
				time.Sleep(time.Second)
				if !yield(move) {
					return
				}
			}
		}, nil)
		a.want("", "NN")
	})
}

// An error of Wait ends the run; what waits already may still have its turn.
func TestEndsWithWait(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, 2, func(a *acme) {
		var mu sync.Mutex
		turn := 0
		a.opts.Wait = func(ctx context.Context) error {
			mu.Lock()
			turn++
			mine := turn
			mu.Unlock()
			if mine == 2 {
				return errBusy
			}
			time.Sleep(time.Minute)
			return ctx.Err()
		}
		a.moved("abcdef")
		if n := strings.Count(a.states(), "D"); n != 1 || len(a.requests) != 1 || turn != 2 {
			a.Errorf("states %s, requests %s, %d turns", a.states(), a.sent(), turn)
		}
		a.wantError(crm.MoveNotSent, errBusy, crm.ErrUnavailable)
	})
}

// A loop that stops has nothing more sent, not even what waits for its turn; what it
// did not receive is in the final report. Nobody cancelled anything.
func TestLoopStops(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, 3, func(a *acme) {
		var mu sync.Mutex
		turn := 0
		a.opts.Wait = func(ctx context.Context) error {
			mu.Lock()
			turn++
			mine := turn
			mu.Unlock()
			if mine > 3 {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		a.latency = func(_ int, leads string) time.Duration { return time.Duration(leads[0]-'a'+1) * time.Second }
		a.run(a.Context(), wishes("abcdefgh"), func(result crm.MoveResult) bool { return result.Move.Lead.ID != "b" })
		if len(a.received) != 2 || len(a.requests) != 3 || time.Since(a.began) != 3*time.Second || turn != 4 {
			a.Errorf("%d received, requests %s, it took %v, %d turns", len(a.received), a.sent(), time.Since(a.began), turn)
		}
		if states := a.states(); states != "DDD"+strings.Repeat("N", len(a.taken)-3) {
			a.Errorf("states %s", states)
		}
		for _, result := range a.final().Untaken {
			if result.State == crm.MoveNotSent && (!errors.Is(result.Err, crm.ErrUnavailable) || errors.Is(result.Err, context.Canceled)) {
				a.Errorf("error %v", result.Err)
			}
		}
	})
}

// While the loop, progress, Prepare or the input takes its time, what is under way goes
// on, also what waited for its turn, and nothing more is sent. A loop that stops then
// finds all of it.
func TestSlowLoop(t *testing.T) {
	t.Parallel()
	for _, stops := range []bool{false, true} {
		inBubble(t, 1, 2, func(a *acme) {
			a.latency = func(_ int, leads string) time.Duration { return time.Duration(leads[0]-'a'+1) * time.Second }
			var mu sync.Mutex
			turn := 0
			a.opts.Wait = func(context.Context) error {
				mu.Lock()
				turn++
				mine := turn
				mu.Unlock()
				if mine == 3 {
					time.Sleep(5 * time.Second)
				}
				return nil
			}
			a.run(a.Context(), wishes("abcde"), func(crm.MoveResult) bool {
				if len(a.received) == 2 {
					time.Sleep(time.Hour)
					return !stops
				}
				return true
			})
			if len(a.requests) < 3 || a.requests[2] != (request{6 * time.Second, "c", "2"}) {
				a.Fatalf("requests %s", a.sent())
			}
			for _, r := range a.requests[3:] {
				if stops || r.at < time.Hour {
					a.Errorf("requests %s", a.sent())
				}
			}
			if states := a.states(); states[:3] != "DDD" {
				a.Errorf("states %s", states)
			}
		})
	}
}

// What has come meanwhile is looked at, and handed over, before something new is sent.
func TestLooksBeforeItSends(t *testing.T) {
	t.Parallel()
	for _, slow := range []string{"loop", "input"} {
		inBubble(t, 1, 3, func(a *acme) {
			a.latency = func(_ int, leads string) time.Duration { return time.Duration(leads[0]-'a'+1) * time.Second }
			held := false
			a.answer = func(_ int, leads string) crmbulk.Answer {
				if leads != "c" || held {
					return crmbulk.Answer{}
				}
				held = true
				answer := all(crmbulk.Held)
				answer.All.Wait = 24 * time.Hour
				return answer
			}
			a.run(a.Context(), func(yield func(crm.Move) bool) {
				for move := range wishes("abcdefgh") {
					if slow == "input" && move.Lead.ID == "g" {
						time.Sleep(time.Hour)
					}
					if !yield(move) {
						return
					}
				}
			}, func(result crm.MoveResult) bool {
				if slow == "loop" && len(a.received) == 1 {
					time.Sleep(time.Hour)
				}
				if result.Move.Lead.ID == "b" && time.Since(a.began) > 2*time.Hour {
					a.Errorf("slow %s: the second result comes after %v", slow, time.Since(a.began))
				}
				return true
			})
			if a.requests[3].at < 24*time.Hour {
				a.Errorf("slow %s: requests %s", slow, a.sent())
			}
		})
	}
}

// When the CRM refuses all, what waits for its turn is not sent any more, and all says
// why.
func TestEndedEndsAll(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]crmbulk.Answer{"all": all(crmbulk.Ended), "each": each(crmbulk.Again, crmbulk.Ended, crmbulk.Again)} {
		inBubble(t, 3, 2, func(a *acme) {
			var mu sync.Mutex
			turn := 0
			a.opts.Wait = func(ctx context.Context) error {
				mu.Lock()
				turn++
				mine := turn
				mu.Unlock()
				if mine == 1 {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}
			a.latency = func(int, string) time.Duration { return time.Second }
			a.answer = func(int, string) crmbulk.Answer { return answer }
			a.run(a.Context(), endless, nil)
			want := map[string]int{"all": 3, "each": 1}[name]
			if states := a.states(); strings.Count(states, "R") != want || strings.Count(states, "N") != len(a.taken)-want || len(a.requests) != 1 {
				a.Errorf("%s: states %s after %s", name, states, a.sent())
			}
			a.wantError(crm.MoveRefused, errEnded)
			a.wantError(crm.MoveNotSent, errEnded)
			if took := time.Since(a.began); took != time.Second {
				a.Errorf("%s: it took %v", name, took)
			}
		})
	}
}

// Each answer is followed by one report, which counts all so far.
func TestProgress(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, 2, func(a *acme) {
		a.answer = func(n int, _ string) crmbulk.Answer {
			switch n {
			case 1:
				return each(crmbulk.Refused, crmbulk.Done)
			case 3:
				return each(crmbulk.Lost, crmbulk.Done)
			}
			return crmbulk.Answer{}
		}
		for _, seconds := range []time.Duration{0, 1} { // together, and one after the other
			a.latency = func(n int, _ string) time.Duration { return time.Duration(n) * seconds * time.Second }
			a.mu.Lock()
			a.requests = nil
			a.mu.Unlock()
			a.moved("abcdefgh")
			if len(a.reports) != len(a.requests)+1 {
				a.Errorf("%d reports after %d requests", len(a.reports), len(a.requests))
			}
			var before crm.MoveReport
			for _, report := range a.reports {
				if report.Done < before.Done || report.Refused < before.Refused {
					a.Errorf("%+v after %+v", report, before)
				}
				before = report
			}
		}
	})
	inBubble(t, 2, 2, func(a *acme) { // and without progress
		n := 0
		for range crmbulk.Move(a.Context(), a.opts, wishes("abc"), nil) {
			n++
		}
		if n != 3 {
			a.Errorf("%d results", n)
		}
	})
}

// The sequence of results may be ranged over again: it is another run.
func TestMoveTwice(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, 2, func(a *acme) {
		run := crmbulk.Move(a.Context(), a.opts, wishes("abcde"), nil)
		for range run {
			break
		}
		n := 0
		for range run {
			n++
		}
		if n != 5 {
			a.Errorf("%d results of the second run", n)
		}
	})
}

// Numbers below 1 are taken for 1, and First for Most where it is more.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, -7} {
		inBubble(t, n, n, func(a *acme) {
			a.opts.Timeout = time.Duration(n)
			a.opts.Attempts = n
			a.latency = func(int, string) time.Duration { return time.Second }
			a.answer = func(n int, _ string) crmbulk.Answer {
				return each([]crmbulk.Fate{crmbulk.Lost, crmbulk.Done}[min(n, 2)-1])
			}
			a.moved("abc")
			a.want("0s a, 2s b, 3s c", "UDD")
		})
	}
	inBubble(t, 1, 2, func(a *acme) {
		a.opts.First = 20
		a.latency = func(int, string) time.Duration { return time.Second }
		a.run(a.Context(), endless, func(crm.MoveResult) bool { return false })
		if a.atOnce != 2 {
			a.Errorf("%d requests were under way at once", a.atOnce)
		}
	})
}
