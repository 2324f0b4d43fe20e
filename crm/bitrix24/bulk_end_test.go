package bitrix24_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// tripper is a transport made of a function.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// through has the rig's client send over a transport that may do something else.
func (r *bulkRig) through(instead func(next http.RoundTripper, q *http.Request) (*http.Response, error)) {
	next := r.portal.Transport()
	r.client = mustConnect(r.T, r.portal, bitrix24.Options{
		HTTPClient: &http.Client{Transport: tripper(func(q *http.Request) (*http.Response, error) { return instead(next, q) })},
	})
}

// A loop that ends early has nothing more sent, not even what waits at the Limiter
// already, and leaves the places there to others.
func TestMoveLeadsSendsNothingBehindTheLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := bitrix24.NewStandardLimiter()
		rig := newBulkRig(t, 3000, bitrix24.Options{Limiter: limiter})
		rig.portal.SetLatency(40*time.Millisecond, 0)
		received := 0
		var ended time.Time
		var final crm.MoveReport
		sent := 0
		for range rig.client.MoveLeads(t.Context(), wishes(rig.items), func(report crm.MoveReport) { final = report }) {
			if received++; received == 48*50+1 {
				ended, sent = time.Now(), rig.portal.TotalRequests()
				break
			}
		}
		if took := time.Since(ended); took > 40*time.Millisecond {
			t.Errorf("the loop was held for %v when it had ended", took)
		}
		if n := rig.portal.TotalRequests() - sent; n > 0 {
			t.Errorf("%d requests were sent when the loop had ended", n)
		}
		if final.NotSent == 0 || final.Unknown > 0 || final.Done != 50*sent {
			t.Errorf("report = %+v after %d requests", final, sent)
		}
		for _, result := range final.Untaken {
			if result.State == crm.MoveNotSent && (!errors.Is(result.Err, crm.ErrUnavailable) || errors.Is(result.Err, context.Canceled)) {
				t.Fatalf("error = %v; nobody canceled anything", result.Err)
			}
		}
		start := time.Now()
		if _, err := rig.client.MoveLead(t.Context(), wish(rig.items[0].ID, "PROCESSED")); err != nil || time.Since(start) > 600*time.Millisecond {
			t.Errorf("error %v; the next call waited for %v", err, time.Since(start))
		}
	})
}

// A call beside a run has its turn soon, however long the run is.
func TestMoveLeadsLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 3000, bitrix24.Options{Limiter: bitrix24.NewStandardLimiter()})
		rig.portal.SetLatency(40*time.Millisecond, 0)
		var took time.Duration
		time.AfterFunc(time.Second, func() {
			start := time.Now()
			if _, err := rig.client.MoveLead(t.Context(), wish(rig.items[0].ID, "PROCESSED")); err != nil {
				t.Error(err)
			}
			took = time.Since(start)
		})
		if _, report := rig.all(); report.Done != 3000 {
			t.Errorf("report = %+v", report)
		}
		if took == 0 || took > 2*time.Second {
			t.Errorf("the call took %v", took)
		}
	})
}

// One batch that takes long does not have the whole input read meanwhile.
func TestMoveLeadsReadsAheadByAWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 4000, bitrix24.Options{})
		var requests atomic.Int64
		rig.through(func(next http.RoundTripper, q *http.Request) (*http.Response, error) {
			if requests.Add(1) == 1 {
				time.Sleep(20 * time.Second)
			}
			return next.RoundTrip(q)
		})
		taken, received, ahead := 0, 0, 0
		for range rig.client.MoveLeads(t.Context(), func(yield func(crm.Move) bool) {
			for move := range wishes(rig.items) {
				taken++
				ahead = max(ahead, taken-received)
				if !yield(move) {
					return
				}
			}
		}, nil) {
			received++
		}
		if received != 4000 || ahead != 2500 {
			t.Errorf("%d results, %d moves were read ahead", received, ahead)
		}
	})
}

// Two runs on one portal share it: they end together.
func TestMoveLeadsSharesThePortalWithAnotherRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := bitrix24.NewStandardLimiter()
		rig := newBulkRig(t, 1000, bitrix24.Options{Limiter: limiter})
		rig.portal.SetLatency(40*time.Millisecond, 0)
		rig.portal.SetRateLimit(2, 50)
		other := mustConnect(t, rig.portal, bitrix24.Options{Limiter: limiter})
		for range 48 { // what goes at once
			if _, err := rig.client.Call(t.Context(), bitrix24.Call{Method: "crm.settings.mode.get"}); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		var took [2]time.Duration
		var both sync.WaitGroup
		for i, client := range []*bitrix24.Client{rig.client, other} {
			both.Go(func() {
				for result := range client.MoveLeads(t.Context(), wishes(rig.items[500*i:500*(i+1)]), nil) {
					if result.State != crm.MoveDone {
						t.Errorf("state %v, error %v", result.State, result.Err)
					}
				}
				took[i] = time.Since(start)
			})
		}
		both.Wait()
		if first, last := min(took[0], took[1]), max(took[0], took[1]); last > 11*time.Second || last-first > 2*time.Second {
			t.Errorf("the runs took %v", took)
		}
		if n := rig.portal.RateLimited(); n > 0 {
			t.Errorf("%d answers 503", n)
		}
	})
}

// Nor does one that ends during a long pause wait for its end.
func TestMoveLeadsEndsWithItsContextDuringAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 100, bitrix24.Options{})
		rig.portal.Fail(-1, crmfault.Answer(429, `{"error":"OPERATION_TIME_LIMIT"}`, "Retry-After", "600"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		start := time.Now()
		if _, report := rig.move(ctx, wishes(rig.items)); report.NotSent != 100 || time.Since(start) != time.Minute {
			t.Errorf("it took %v for %+v", time.Since(start), report)
		}
	})
}

// A portal that breaks down now and then, and answers well between, is not given up.
func TestMoveLeadsGoesOnWithAShakyPortal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 2000, bitrix24.Options{})
		rig.portal.SetLatency(100*time.Millisecond, 0)
		var requests atomic.Int64
		rig.through(func(next http.RoundTripper, q *http.Request) (*http.Response, error) {
			if requests.Add(1)%3 == 1 {
				return answered(http.StatusBadGateway, ""), nil
			}
			return next.RoundTrip(q)
		})
		results, report := rig.all()
		rig.truthful(results)
		if report.NotSent > 0 || report.Done < 1800 {
			t.Errorf("report = %+v", report)
		}
	})
}

// A context that ends while the input is slow ends the run with the next move.
func TestMoveLeadsEndsWithItsContextDuringASlowInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 1000, bitrix24.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		start := time.Now()
		results, report := rig.move(ctx, func(yield func(crm.Move) bool) {
			for move := range wishes(rig.items) {
				time.Sleep(time.Second)
				if !yield(move) {
					return
				}
			}
		})
		if took := time.Since(start); took != 3*time.Second || report.NotSent != 3 || len(results) != 3 {
			t.Errorf("it took %v for %+v", took, report)
		}
	})
}

// An input, a loop, and a progress function that call the client do not hold it up.
func TestMoveLeadsWithinMoveLeads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 300, bitrix24.Options{Limiter: bitrix24.NewStandardLimiter()})
		rig.portal.SetLatency(40*time.Millisecond, 0)
		inner := func(items []bitrix24test.Item) {
			for result := range rig.client.MoveLeads(t.Context(), wishes(items), nil) {
				if result.State != crm.MoveDone {
					t.Errorf("state %v, error %v", result.State, result.Err)
				}
			}
		}
		told := 0
		done := 0
		for result := range rig.client.MoveLeads(t.Context(), func(yield func(crm.Move) bool) {
			for i, move := range slices.Collect(wishes(rig.items[:200])) {
				if i%60 == 0 {
					inner(rig.items[200:250])
				}
				if !yield(move) {
					return
				}
			}
		}, func(crm.MoveReport) {
			if told++; told == 1 {
				inner(rig.items[250:275])
			}
		}) {
			if result.State == crm.MoveDone {
				done++
			}
			if done == 70 {
				inner(rig.items[275:])
			}
		}
		if done != 200 {
			t.Errorf("%d done", done)
		}
	})
}

// The sequence of results may be ranged over again: it is another run.
func TestMoveLeadsTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 120, bitrix24.Options{})
		finals := 0
		run := rig.client.MoveLeads(t.Context(), wishes(rig.items), func(report crm.MoveReport) {
			if report.Final {
				finals++
				if report.Done > 120 {
					t.Errorf("report = %+v", report)
				}
			}
		})
		for range run {
			break
		}
		n := 0
		for range run {
			n++
		}
		if n != 120 || finals != 2 {
			t.Errorf("%d results of the second run, %d final reports", n, finals)
		}
	})
}

// Whatever panics, what is under way is waited for, and the input is told.
func TestMoveLeadsOutlivesPanics(t *testing.T) {
	t.Parallel()
	const at = 210
	for _, who := range []string{"input", "progress", "every progress"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rig := newBulkRig(t, 1000, bitrix24.Options{})
				rig.portal.SetLatency(100*time.Millisecond, 0)
				var begun, underWay atomic.Int64
				rig.through(func(next http.RoundTripper, q *http.Request) (*http.Response, error) {
					underWay.Add(1)
					defer underWay.Add(-1)
					time.Sleep(time.Duration(begun.Add(1)) * time.Second)
					return next.RoundTrip(q)
				})
				told := false
				reports := 0
				var final crm.MoveReport
				defer func() {
					if got := recover(); got != who {
						t.Errorf("panic %v, want %v", got, who)
					}
					if underWay.Load() != 0 || begun.Load() == 0 {
						t.Errorf("%d of %d requests are still under way", underWay.Load(), begun.Load())
					}
					if (who == "input") == told || final.Final == (who == "every progress") {
						t.Errorf("input told %v, report %+v", told, final)
					}
				}()
				taken := 0
				for range rig.client.MoveLeads(t.Context(), func(yield func(crm.Move) bool) {
					for move := range wishes(rig.items) {
						if taken++; who == "input" && taken == at {
							panic(who)
						}
						if !yield(move) {
							told = true
							return
						}
					}
				}, func(report crm.MoveReport) {
					if reports++; who == "every progress" || (who == "progress" && reports == 1) {
						panic(who)
					}
					final = report
				}) {
					continue
				}
			})
		})
	}
}

// A move whose answer was lost is not said to be refused, or not sent, when the run
// ends for another reason: it may have been carried out.
func TestMoveLeadsDoesNotForgetADoubt(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(rig *bulkRig, cancel func()){
		"the sign-in ends":      func(rig *bulkRig, _ func()) { rig.portal.SetSecret("another-made-up-secret") },
		"the budget is used up": func(rig *bulkRig, _ func()) { rig.portal.Fail(-1, bitrix24test.OperationTimeLimit().Fault()) },
		"the portal is gone":    func(rig *bulkRig, _ func()) { rig.portal.Fail(-1, crmfault.Answer(403, "")) },
		"cancelled":             func(_ *bulkRig, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rig := newBulkRig(t, 40, bitrix24.Options{FailOnBudget: true})
				rig.portal.Fail(1, crmfault.Cut())
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(500*time.Millisecond, func() { then(rig, cancel) })
				results, report := rig.move(ctx, wishes(rig.items))
				rig.truthful(results)
				if report.Unknown != 40 {
					t.Errorf("report = %+v, error %v", report, results[0].Err)
				}
			})
		})
	}
}

// What surely did not get there is not in doubt.
func TestMoveLeadsKnowsWhatNeverRan(t *testing.T) {
	t.Parallel()
	elsewhere := func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {"https://evil.example/"}}, Body: http.NoBody}, nil
	}
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"refused": func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		},
		"no such host": func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x.example", IsNotFound: true}}
		},
		"sent elsewhere": elsewhere,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rig := newBulkRig(t, 1000, bitrix24.Options{})
				rig.through(func(_ http.RoundTripper, q *http.Request) (*http.Response, error) { return answer(q) })
				start := time.Now()
				results, report := rig.all()
				if report.NotSent != len(results) || len(results) == 0 || len(results) == 1000 {
					t.Errorf("report = %+v", report)
				}
				if took := time.Since(start); took != 15*time.Second {
					t.Errorf("it took %v, want the portal to be tried five times", took)
				}
			})
		})
	}
}

// A token that cannot be renewed leaves no doubt either.
func TestMoveLeadsWithoutANewToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 1000, bitrix24.Options{})
		rig.portal.SetLatency(100*time.Millisecond, 0)
		tokens := rig.portal.Install(bitrix24test.App{})
		saved, fails := 0, 3
		client, err := bitrix24.NewForApp(bitrix24.App{
			ClientID: bitrix24test.DefaultClientID, ClientSecret: bitrix24test.DefaultClientSecret,
			Save: func(context.Context, bitrix24.Token) error {
				if saved++; saved <= fails {
					return errors.New("диск полон")
				}
				return nil
			},
		}, bitrix24.Token{
			AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken, MemberID: tokens.MemberID,
			ClientEndpoint: tokens.ClientEndpoint, ServerEndpoint: tokens.ServerEndpoint,
		}, &bitrix24.Options{HTTPClient: rig.portal.HTTPClient(), Limiter: bitrix24.NewNoLimiter()})
		if err != nil {
			t.Fatal(err)
		}
		rig.client = client
		time.AfterFunc(50*time.Millisecond, rig.portal.ExpireTokens)
		results, report := rig.all()
		rig.truthful(results)
		if report.Done != 1000 {
			t.Errorf("report = %+v", report)
		}
		fails = 1000
		rig.portal.ExpireTokens()
		results, report = rig.all()
		if report.NotSent != len(results) || report.Done > 0 {
			t.Errorf("report = %+v", report)
		}
	})
}
