package crmbulk_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmbulk"
)

// Results come in the sequence of the moves, whichever request is answered first, and
// requests hold the moves in their sequence.
func TestResultsKeepTheirSequence(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, 4, func(a *acme) {
		a.latency = func(n int, _ string) time.Duration { return time.Duration(10-n) * time.Second }
		a.answer = func(n int, leads string) crmbulk.Answer {
			if n < 3 {
				return each([]crmbulk.Fate{crmbulk.Again, crmbulk.Refused, crmbulk.Lost}[:len(leads)]...)
			}
			return crmbulk.Answer{}
		}
		a.moved("abcdefghijklmnopq")
		for _, r := range a.requests {
			if strings.Compare(r.leads[:1], r.leads[len(r.leads)-1:]) > 0 {
				a.Errorf("request %s", r.leads)
			}
		}
		if report := a.final(); report.Done != 15 || report.Refused != 2 {
			a.Errorf("report = %+v", report)
		}
	})
}

// The moves of one lead are sent one after the other, never together, also where the
// first of them has to be sent again.
func TestMovesOfOneLead(t *testing.T) {
	t.Parallel()
	for _, fate := range []crmbulk.Fate{crmbulk.Done, crmbulk.Refused, crmbulk.Lost, crmbulk.Again, crmbulk.Busy, crmbulk.Held} {
		inBubble(t, 3, 4, func(a *acme) {
			a.latency = func(n int, _ string) time.Duration { return time.Duration(1+n%3) * time.Second }
			a.answer = func(n int, leads string) crmbulk.Answer {
				if n%2 == 1 && n < 8 {
					return each([]crmbulk.Fate{fate, crmbulk.Done, fate}[:len(leads)]...)
				}
				return crmbulk.Answer{}
			}
			const leads = "abacabadabacabae"
			a.moved(leads)
			// What was asked for last of each lead is what it was last sent, and no move
			// comes behind a later one.
			last := map[string]string{}
			for _, r := range a.requests {
				to := strings.Fields(r.to)
				for i, lead := range strings.Split(r.leads, "") {
					if len(to[i]) < len(last[lead]) || len(to[i]) == len(last[lead]) && to[i] < last[lead] {
						a.Errorf("fate %v: lead %s was sent to %s after %s", fate, lead, to[i], last[lead])
					}
					last[lead] = to[i]
					if strings.Count(r.leads, lead) > 1 {
						a.Errorf("fate %v: request %s", fate, r.leads)
					}
				}
			}
			if last["a"] != "14" || last["b"] != "13" || last["e"] != "15" {
				a.Errorf("fate %v: leads were sent to %v in the end", fate, last)
			}
		})
	}
}

// Nor are they under way at the same time, where one lead is written in several ways.
func TestCanonicalLeads(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, 3, func(a *acme) {
		a.latency = func(int, string) time.Duration { return time.Second }
		a.opts.Canonical = func(lead crm.LeadRef) crm.LeadRef {
			lead.ID = strings.ToLower(lead.ID)
			return lead
		}
		a.moved("aAbBa")
		a.want("0s ab, 1s AB, 2s a", "DDDDD") // and the results are of the leads as they were written
	})
}

// One that must not be sent together with others is sent alone, in its turn.
func TestSendsAlone(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, 1, func(a *acme) {
		a.opts.Prepare = func(_ context.Context, move crm.Move) (item any, alone bool, err error) {
			return move, strings.ToUpper(move.Lead.ID) == move.Lead.ID, nil
		}
		a.moved("aBcdefGHi")
		a.want("0s acd, 0s B, 0s ef, 0s G, 0s H, 0s i", "DDDDDDDDD")
	})
}

// What is refused before it is sent is not sent, has Prepare's error, and holds nothing
// up; Send gets what Prepare made of the others.
func TestPrepare(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, 1, func(a *acme) {
		var during context.Context
		a.opts.Prepare = func(ctx context.Context, move crm.Move) (item any, alone bool, err error) {
			if during = ctx; ctx.Err() != nil {
				a.Error("Prepare was called when the run was over")
			}
			if move.Lead.ID == "b" || move.Lead.ID == "f" {
				return nil, false, errRefused
			}
			move.Lead.ID = strings.ToUpper(move.Lead.ID)
			return move, false, nil
		}
		a.answer = func(_ int, leads string) crmbulk.Answer {
			return crmbulk.Answer{Verdicts: make([]crmbulk.Verdict, len(leads))}
		}
		a.moved("abcdef")
		a.want("0s ACD, 0s E", "DRDDDR")
		a.wantError(crm.MoveRefused, errRefused)
		if during.Err() == nil {
			a.Error("the context of Prepare outlives the run")
		}
	})
	// However many they are.
	inBubble(t, 3, 1, func(a *acme) {
		a.opts.Prepare = func(context.Context, crm.Move) (any, bool, error) { return nil, false, errRefused }
		a.moved(strings.Repeat("a", 6000))
		a.want("", strings.Repeat("R", 6000))
	})
}

// Moves are taken as they are needed, and never more than the window holds: the input
// may be endless, one move may take as long as it likes.
func TestReadsAheadByAWindow(t *testing.T) {
	t.Parallel()
	const window = 2500
	inBubble(t, 10, 3, func(a *acme) {
		a.latency = func(n int, _ string) time.Duration {
			if n == 1 {
				return time.Hour
			}
			return time.Second
		}
		ahead, soon := 0, 0
		a.run(a.Context(), func(yield func(crm.Move) bool) {
			for move := range endless {
				if time.Since(a.began) == 0 {
					soon = len(a.taken) + 1
				}
				if ahead = max(ahead, len(a.taken)-len(a.received)); !yield(move) {
					return
				}
			}
		}, func(crm.MoveResult) bool { return len(a.received) < 4000 })
		if soon < 30 || soon > 100 {
			a.Errorf("%d moves were taken when three requests of ten were under way", soon)
		}
		if ahead+1 != window {
			a.Errorf("%d moves were read ahead, want %d", ahead+1, window)
		}
	})
}

// A run keeps as many requests under way as it may: never more than Most, and more
// and more while all goes well, and fewer when the CRM breaks down.
func TestUnderWay(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]crmbulk.Answer{
		"lost": all(crmbulk.Lost), "each lost": each(crmbulk.Lost), "busy": all(crmbulk.Busy), "each busy": each(crmbulk.Busy),
	} {
		inBubble(t, 1, 3, func(a *acme) {
			a.opts.Most = 8
			a.latency = func(int, string) time.Duration { return time.Second }
			var mu sync.Mutex
			at := map[time.Duration]int{}
			a.answer = func(int, string) crmbulk.Answer {
				mu.Lock()
				defer mu.Unlock()
				now := time.Since(a.began)
				if at[now]++; now == 4*time.Second {
					return broken
				}
				return crmbulk.Answer{}
			}
			a.run(a.Context(), endless, func(crm.MoveResult) bool { return time.Since(a.began) < 8*time.Second })
			if at[time.Second] != 3 || at[2*time.Second] != 8 || at[4*time.Second] != 8 || at[5*time.Second] != 0 || at[6*time.Second] != 4 || at[7*time.Second] != 4 {
				a.Errorf("%s: answers by time: %v", name, at)
			}
			if a.atOnce != 8 {
				a.Errorf("%s: %d requests were under way at once", name, a.atOnce)
			}
		})
	}
}

// No more than two wait for their turn at a time, so that a call beside the run does
// not wait for long.
func TestFewWait(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, 8, func(a *acme) {
		a.latency = func(int, string) time.Duration { return time.Minute }
		var mu sync.Mutex
		waiting, most := 0, 0
		a.opts.Wait = func(ctx context.Context) error {
			mu.Lock()
			waiting++
			most = max(most, waiting)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			waiting--
			mu.Unlock()
			return ctx.Err()
		}
		a.moved("abcdefgh")
		if most != 2 || a.atOnce != 8 {
			a.Errorf("%d waited at once, %d were under way: %s", most, a.atOnce, a.sent())
		}
	})
}

// What is left at the end is divided, if there is room for so many requests.
func TestDividesTheRest(t *testing.T) {
	t.Parallel()
	for room, want := range map[int]string{-1: "10s klmnopqrst, 10s uvwxyz", 1: "10s klmnopqrst, 10s uvwxyz", 2: "10s klmnopqr, 10s stuvwxyz"} {
		inBubble(t, 10, 1, func(a *acme) {
			a.opts.Most = 2
			if room >= 0 {
				a.opts.Spare = func(n int) bool { return n <= room }
			}
			a.latency = func(int, string) time.Duration { return 10 * time.Second }
			a.moved("abcdefghijklmnopqrstuvwxyz")
			slices.SortFunc(a.requests, func(x, y request) int { return strings.Compare(x.leads, y.leads) })
			a.want("0s abcdefghij, "+want, strings.Repeat("D", 26))
		})
	}
}

// Requests are so large that they last half of the time-out, and a long wait for their
// turn says nothing of that.
func TestMeasuresTheCRM(t *testing.T) {
	t.Parallel()
	inBubble(t, 10, 1, func(a *acme) {
		a.opts.Timeout = 20 * time.Second
		a.opts.Wait = func(ctx context.Context) error { time.Sleep(time.Hour); return ctx.Err() }
		a.latency = func(int, string) time.Duration { return 10 * time.Second }
		a.moved(strings.Repeat("abcdefghij", 3))
		a.want("1h0m0s abcdefghij, 2h0m10s abcdefghij, 3h0m20s abcdefghij", strings.Repeat("D", 30))
	})
	inBubble(t, 10, 1, func(a *acme) {
		a.opts.Timeout = 20 * time.Second
		a.latency = func(int, string) time.Duration { return 20 * time.Second }
		a.moved("abcdefghijklmno")
		a.want("0s abcdefghij, 20s klmno", strings.Repeat("D", 15))
	})
}
