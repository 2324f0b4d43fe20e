package crmbulk_test

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmbulk"
)

// What a fate means for a request, said once for all moves or of each.
func TestFates(t *testing.T) {
	t.Parallel()
	waits := func(fate crmbulk.Fate, wait time.Duration) crmbulk.Verdict {
		v := verdict(fate)
		v.Wait = wait
		return v
	}
	for name, test := range map[string]struct {
		first        crmbulk.Verdict
		sent, states string
		err          error
	}{
		"done":             {crmbulk.Verdict{Lead: crm.Lead{MovedBy: "rule"}}, "0s ab", "DD", nil},
		"refused":          {verdict(crmbulk.Refused), "0s ab", "RR", errRefused},
		"lost":             {verdict(crmbulk.Lost), "0s ab, 1s ab", "DD", nil},
		"lost for long":    {waits(crmbulk.Lost, time.Minute), "0s ab, 1m0s ab", "DD", nil},
		"again":            {verdict(crmbulk.Again), "0s ab, 0s ab", "DD", nil},
		"busy":             {verdict(crmbulk.Busy), "0s ab, 1s ab", "DD", nil},
		"busy for long":    {waits(crmbulk.Busy, time.Minute), "0s ab, 1m0s ab", "DD", nil},
		"busy for a while": {waits(crmbulk.Busy, time.Millisecond), "0s ab, 1ms ab", "DD", nil},
		"held":             {waits(crmbulk.Held, time.Hour), "0s ab, 1h0m0s ab", "DD", nil},
		"ended":            {verdict(crmbulk.Ended), "0s ab", "RR", errEnded},
	} {
		for form, answer := range map[string]crmbulk.Answer{
			"all": {All: test.first}, "each": {Verdicts: []crmbulk.Verdict{test.first, test.first}},
		} {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				inBubble(t, 2, 1, func(a *acme) {
					a.answer = func(n int, _ string) crmbulk.Answer {
						if n == 1 {
							return answer
						}
						return crmbulk.Answer{}
					}
					a.moved("ab")
					a.want(test.sent, test.states)
					if test.err != nil {
						a.wantError(crm.MoveRefused, test.err)
					}
					if name == "done" && a.results()[1].Lead != test.first.Lead {
						a.Errorf("lead %+v, want what the CRM said", a.results()[1].Lead)
					}
				})
			})
		}
	}
}

// Each move of a request has a fate of its own, and only those that were not carried
// out are sent again, before what comes behind them.
func TestFatesOfOneRequest(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, 1, func(a *acme) {
		a.answer = func(n int, _ string) crmbulk.Answer {
			if n == 1 {
				return each(crmbulk.Again, crmbulk.Done, crmbulk.Lost, crmbulk.Refused, crmbulk.Again)
			}
			return crmbulk.Answer{}
		}
		a.moved("abcdefg")
		a.want("0s abcde, 0s acefg", "DDDRDDD")
		a.wantError(crm.MoveRefused, errRefused)
	})
}

// Where a part of a request found the CRM busy, there is a pause as well; it does not
// grow, and the CRM is not given up.
func TestBusyForAPartOfARequest(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, 1, func(a *acme) {
		busy := 0
		a.answer = func(_ int, leads string) crmbulk.Answer {
			if leads[0] == 'a' && busy < 6 && len(leads) == 2 {
				busy++
				return each(crmbulk.Busy, crmbulk.Done)
			}
			return crmbulk.Answer{}
		}
		a.moved("abcdefg")
		a.want("0s ab, 1s ac, 2s ad, 3s ae, 4s af, 5s ag, 6s a", "DDDDDDD")
	})
}

// A wait that is asked for is kept, whatever became of the move and of the others.
func TestWaitsAsLongAsItIsAsked(t *testing.T) {
	t.Parallel()
	for _, fates := range [][]crmbulk.Fate{
		{crmbulk.Done, crmbulk.Again},
		{crmbulk.Refused, crmbulk.Again},
		{crmbulk.Lost, crmbulk.Done},
		{crmbulk.Lost, crmbulk.Busy},
		{crmbulk.Again, crmbulk.Done},
		{crmbulk.Busy, crmbulk.Done},
		{crmbulk.Busy, crmbulk.Busy},
		{crmbulk.Held, crmbulk.Busy},
	} {
		for i := range fates {
			inBubble(t, 2, 1, func(a *acme) {
				a.answer = func(n int, _ string) crmbulk.Answer {
					answer := each(fates...)
					answer.Verdicts[i].Wait = time.Minute
					answer.Verdicts[1-i].Wait = time.Second
					if n > 1 {
						return crmbulk.Answer{}
					}
					return answer
				}
				a.moved("abc")
				if a.requests[1].at != time.Minute {
					a.Errorf("fates %v: requests %s", fates, a.sent())
				}
			})
		}
	}
}

// A move to which no answer comes is sent so many times, and the others do not wait
// for it.
func TestAttempts(t *testing.T) {
	t.Parallel()
	for attempts, sent := range map[int]string{
		-1: "0s ab, 0s cd", 1: "0s ab, 0s cd", 2: "0s ab, 0s ac, 0s d", 3: "0s ab, 0s ac, 0s ad",
	} {
		inBubble(t, 2, 1, func(a *acme) {
			a.opts.Attempts = attempts
			a.answer = func(_ int, leads string) crmbulk.Answer {
				if leads[0] == 'a' {
					return each(crmbulk.Lost, crmbulk.Done)
				}
				return crmbulk.Answer{}
			}
			a.moved("abcd")
			a.want(sent, "UDDD")
			a.wantError(crm.MoveUnknown, errLost)
		})
	}
}

// A CRM that breaks down five times in a row is given up, however it does so; between
// there are pauses that double.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer crmbulk.Answer
		states string
		state  crm.MoveState
		err    error
	}{
		"lost":                   {all(crmbulk.Lost), "UUUUN", crm.MoveUnknown, errLost},
		"each lost":              {each(crmbulk.Lost, crmbulk.Lost), "UUUUN", crm.MoveUnknown, errLost},
		"busy":                   {all(crmbulk.Busy), "NNN", crm.MoveNotSent, errBusy},
		"each busy":              {each(crmbulk.Busy, crmbulk.Busy), "NNN", crm.MoveNotSent, errBusy},
		"one lost, another busy": {each(crmbulk.Lost, crmbulk.Busy), "UUNN", crm.MoveNotSent, errBusy},
	} {
		inBubble(t, 2, 1, func(a *acme) {
			a.answer = func(int, string) crmbulk.Answer { return test.answer }
			a.run(a.Context(), endless, nil)
			var at []time.Duration
			for _, r := range a.requests {
				at = append(at, r.at)
			}
			want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second}
			if len(at) != len(want) || at[1] != want[1] || at[2] != want[2] || at[3] != want[3] || at[4] != want[4] {
				a.Errorf("%s: requests at %v, want %v", name, at, want)
			}
			if took := time.Since(a.began); took != 15*time.Second {
				a.Errorf("%s: it took %v", name, took)
			}
			if len(a.taken) > 10 || a.final().Done+a.final().Refused > 0 || a.final().NotSent == 0 {
				a.Errorf("%s: %d taken, %+v", name, len(a.taken), a.final())
			}
			a.wantError(test.state, test.err)
			if states := a.states(); len(states) < len(test.states) || states[:len(test.states)] != test.states {
				a.Errorf("%s: states %s, want %s...", name, states, test.states)
			}
		})
	}
}

// One good answer, and it is given another five times, with pauses that are short again.
func TestDoesNotGiveUpAShakyCRM(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, 1, func(a *acme) {
		a.answer = func(n int, _ string) crmbulk.Answer {
			if n%5 != 0 {
				return all(crmbulk.Busy)
			}
			return crmbulk.Answer{}
		}
		a.moved("ab")
		a.want("0s a, 1s a, 3s a, 7s a, 15s a, 15s b, 16s b, 18s b, 22s b, 30s b", "DD")
	})
}

// Requests that were under way together and all break down are one time.
func TestGivesUpByRounds(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, 4, func(a *acme) {
		a.latency = func(n int, _ string) time.Duration { return time.Duration(n) * 100 * time.Millisecond }
		a.answer = func(int, string) crmbulk.Answer { return all(crmbulk.Busy) }
		a.run(a.Context(), endless, nil)
		rounds := map[time.Duration]int{}
		for _, r := range a.requests {
			rounds[r.at]++
		}
		if len(rounds) != 5 || rounds[0] != 4 {
			a.Errorf("requests %s, want five rounds, the first of four", a.sent())
		}
	})
	// An answer to what was sent before a breakdown does not make up for it.
	inBubble(t, 1, 2, func(a *acme) {
		a.latency = func(_ int, leads string) time.Duration {
			return map[string]time.Duration{"b": 500 * time.Millisecond}[leads]
		}
		a.answer = func(_ int, leads string) crmbulk.Answer {
			if leads == "a" {
				return all(crmbulk.Busy)
			}
			return crmbulk.Answer{}
		}
		a.moved("ab")
		slices.SortStableFunc(a.requests, func(x, y request) int { return cmp.Compare(x.leads, y.leads) })
		a.want("0s a, 1s a, 3s a, 7s a, 15s a, 0s b", "ND")
	})
}

// The longest wait that was asked for is kept.
func TestKeepsTheLongestWait(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, 2, func(a *acme) {
		a.latency = func(n int, _ string) time.Duration { return time.Duration(n) * 100 * time.Millisecond }
		a.answer = func(n int, _ string) crmbulk.Answer {
			switch n {
			case 1:
				answer := all(crmbulk.Held)
				answer.All.Wait = time.Minute
				return answer
			case 2:
				return all(crmbulk.Lost)
			}
			return crmbulk.Answer{}
		}
		a.moved("ab")
		if at := a.requests[2].at; at != time.Minute+100*time.Millisecond {
			a.Errorf("the third request was sent after %v", at)
		}
	})
}

// Where the run is to fail instead of waiting, what would have to wait is refused, and
// the rest is not sent. Nothing else ends it.
func TestFailOnHold(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]crmbulk.Answer{"all": all(crmbulk.Held), "each": each(crmbulk.Held, crmbulk.Held)} {
		inBubble(t, 2, 1, func(a *acme) {
			a.opts.FailOnHold = true
			a.answer = func(n int, _ string) crmbulk.Answer {
				if n == 2 {
					return answer
				}
				return crmbulk.Answer{}
			}
			a.moved("abcdef")
			if states := a.states(); states[:5] != "DDRRN" {
				a.Errorf("%s: states %s", name, states)
			}
			a.wantError(crm.MoveRefused, errHeld)
			a.wantError(crm.MoveNotSent, errHeld)
		})
	}
	inBubble(t, 2, 1, func(a *acme) {
		a.opts.FailOnHold = true
		a.answer = func(n int, _ string) crmbulk.Answer {
			return []crmbulk.Answer{all(crmbulk.Again), each(crmbulk.Again, crmbulk.Done), all(crmbulk.Busy), all(crmbulk.Lost), {}}[n-1]
		}
		a.moved("ab")
		a.want("0s ab, 0s ab, 0s a, 1s a, 3s a", "DD")
	})
}

// The next requests hold half of what was too much, and what was not answered in time
// is sent again by them.
func TestSmallerRequests(t *testing.T) {
	t.Parallel()
	inBubble(t, 8, 1, func(a *acme) {
		a.opts.Timeout = 4 * time.Second // 8 moves are taken to last half of it
		a.answer = func(n int, _ string) crmbulk.Answer {
			if n == 1 {
				answer := all(crmbulk.Lost)
				answer.Late = true
				return answer
			}
			return crmbulk.Answer{}
		}
		a.run(a.Context(), wishes("abcdefghijklmnop"), nil)
		if a.requests[0].leads != "abcdefgh" || a.requests[1].leads != "abcd" {
			a.Errorf("requests %s", a.sent())
		}
	})
	inBubble(t, 8, 1, func(a *acme) {
		a.answer = func(_ int, leads string) crmbulk.Answer {
			if len(leads) > 2 {
				answer := all(crmbulk.Lost)
				answer.Large = true
				return answer
			}
			return crmbulk.Answer{}
		}
		a.moved("abcdefghij")
		a.want("0s abcdefgh, 0s abcd, 0s ab, 0s cd, 0s ef, 0s gh, 0s ij", "DDDDDDDDDD")
	})
	// Where the answer to one move is too large, none came.
	inBubble(t, 2, 1, func(a *acme) {
		a.answer = func(int, string) crmbulk.Answer {
			answer := all(crmbulk.Lost)
			answer.Large = true
			return answer
		}
		a.moved("ab")
		a.want("0s ab, 0s a, 1s a, 3s a, 7s b, 15s b", "UU")
	})
}

// What may have been carried out is not said to be refused, or not sent, when the run
// ends for another reason, and says why it is in doubt. What surely was not is.
func TestDoubt(t *testing.T) {
	t.Parallel()
	large := all(crmbulk.Lost)
	large.Large = true
	doubtful := all(crmbulk.Busy)
	doubtful.All.Doubt = true
	each2 := each(crmbulk.Busy, crmbulk.Again)
	each2.Verdicts[0].Doubt = true
	for name, test := range map[string]struct {
		first, then   crmbulk.Answer
		states        string
		doubt, reason error
	}{
		"lost":              {all(crmbulk.Lost), all(crmbulk.Ended), "UU", errLost, nil},
		"lost, then again":  {all(crmbulk.Lost), all(crmbulk.Again), "UU", errLost, nil},
		"too large":         {large, each(crmbulk.Ended), "UU", errLost, nil},
		"busy in doubt":     {doubtful, all(crmbulk.Ended), "UU", errBusy, nil},
		"one busy in doubt": {each2, all(crmbulk.Ended), "UR", errBusy, errEnded},
		"busy":              {all(crmbulk.Busy), all(crmbulk.Ended), "RR", nil, errEnded},
		"held":              {all(crmbulk.Held), all(crmbulk.Ended), "RR", nil, errEnded},
		"lost, then done":   {all(crmbulk.Lost), crmbulk.Answer{}, "DD", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 2, 1, func(a *acme) {
				ctx, cancel := context.WithTimeout(a.Context(), time.Minute)
				defer cancel()
				a.latency = func(int, string) time.Duration { return time.Second }
				a.answer = func(n int, _ string) crmbulk.Answer {
					if n == 1 {
						return test.first
					}
					return test.then
				}
				a.run(ctx, wishes("ab"), nil)
				a.want(a.sent(), test.states)
				if test.doubt != nil {
					a.wantError(crm.MoveUnknown, test.doubt)
				}
				if test.reason != nil {
					a.wantError(crm.MoveRefused, test.reason)
				}
			})
		})
	}
}

// What was sent, and surely not carried out, is not sent: also where the run ends before
// it could be sent again.
func TestNotSentIsSurelyNotCarriedOut(t *testing.T) {
	t.Parallel()
	for _, fate := range []crmbulk.Fate{crmbulk.Again, crmbulk.Busy, crmbulk.Held} {
		inBubble(t, 1, 2, func(a *acme) {
			a.latency = func(n int, _ string) time.Duration { return time.Duration(n) * time.Second }
			a.answer = func(_ int, leads string) crmbulk.Answer {
				if leads == "a" {
					return all(fate)
				}
				return crmbulk.Answer{}
			}
			ctx, cancel := context.WithTimeout(a.Context(), 500*time.Millisecond)
			defer cancel()
			a.run(ctx, wishes("abcd"), nil)
			if states := a.states(); states[:2] != "ND" || len(a.requests) != 2 {
				a.Errorf("states %s after %s", states, a.sent())
			}
			a.wantError(crm.MoveNotSent, context.DeadlineExceeded, crm.ErrUnavailable)
		})
	}
}
