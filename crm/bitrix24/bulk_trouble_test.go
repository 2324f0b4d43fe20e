package bitrix24_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// Wherever the portal reports the operating time, and whatever it charges, a run
// that uses it up waits and finishes.
func TestMoveLeadsWaitsForTheBudget(t *testing.T) {
	t.Parallel()
	for _, charge := range []bitrix24test.Accounting{bitrix24test.ChargeInner, bitrix24test.ChargeBatch} {
		for _, shows := range [][3]bool{{true, false, true}, {true, true, false}, {true, true, true}, {}} {
			t.Run(fmt.Sprint(charge, shows), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					rig := newBulkRig(t, 1500, bitrix24.Options{})
					rig.portal.SetLatency(0, 100*time.Millisecond)
					rig.portal.SetOperatingLimit(48*time.Second, time.Minute, charge)
					rig.portal.ShowOperating(shows[0], shows[1], shows[2])
					start := time.Now()
					results, report := rig.all()
					rig.truthful(results)
					if took := time.Since(start); report.Done != 1500 || took < time.Minute || took > 6*time.Minute {
						t.Errorf("%d done after %v", report.Done, took)
					}
				})
			})
		}
	}
}

func TestMoveLeadsFailsOnTheBudgetIfItIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 1000, bitrix24.Options{FailOnBudget: true})
		rig.portal.SetLatency(0, 100*time.Millisecond)
		rig.portal.SetOperatingLimit(48*time.Second, 10*time.Minute, bitrix24test.ChargeInner)
		results, report := rig.all()
		rig.truthful(results)
		if report.Done < 480 || report.Refused == 0 || report.NotSent == 0 || report.Unknown != 0 {
			t.Errorf("report = %+v with %d results", report, len(results))
		}
		for _, result := range results {
			var e *crm.Error
			if result.State != crm.MoveDone && (!errors.As(result.Err, &e) || !errors.Is(e, crm.ErrRateLimited) || e.RetryAfter < 9*time.Minute) {
				t.Fatalf("state %v, error %v; want it to say when the method may be called again", result.State, result.Err)
			}
		}
	})
}

// A stranger who fills the bucket costs a few refusals and no move.
func TestMoveLeadsSharesTheBucketWithStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 4000, bitrix24.Options{Limiter: bitrix24.NewStandardLimiter()})
		rig.portal.SetLatency(40*time.Millisecond, 0)
		rig.portal.SetRateLimit(2, 50)
		for _, at := range []time.Duration{0, 3 * time.Second, 12 * time.Second} {
			time.AfterFunc(at, rig.portal.FillBucket)
		}
		results, report := rig.all()
		rig.truthful(results)
		if report.Done != 4000 || rig.portal.RateLimited() > 60 {
			t.Errorf("%d done, %d answers 503", report.Done, rig.portal.RateLimited())
		}
	})
}

// What breaks down is sent again, by fewer at once; what goes on to break down is
// unknown, and the run ends.
func TestMoveLeadsOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 1000, bitrix24.Options{})
		rig.portal.SetLatency(100*time.Millisecond, 0)
		time.AfterFunc(50*time.Millisecond, func() { rig.portal.Fail(-1, crmfault.Answer(502, "")) })
		time.AfterFunc(2*time.Second, rig.portal.Recover)
		results, report := rig.all()
		rig.truthful(results)
		if report.Done != 1000 {
			t.Errorf("report = %+v", report)
		}
	})
}

func TestMoveLeadsEndsWithADeadPortal(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]crmfault.Fault{
		"gone": crmfault.Drop(), "broken": crmfault.Answer(500, ""), "HTML": crmfault.HTML(), "cut": crmfault.Cut(),
		"silent":            crmfault.Delay(time.Hour),
		"rate without code": crmfault.Answer(429, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rig := newBulkRig(t, 5000, bitrix24.Options{})
				rig.portal.Fail(-1, fault)
				start := time.Now()
				results, report := rig.all()
				if took := time.Since(start); took > 10*time.Minute {
					t.Errorf("it took %v", took)
				}
				if report.Done+report.Refused > 0 || report.NotSent == 0 || len(results) >= 5000 {
					t.Errorf("report = %+v with %d results", report, len(results))
				}
				if unknown := name != "rate without code"; unknown != (report.Unknown > 0) {
					t.Errorf("report = %+v", report)
				}
				for _, result := range results {
					if crm.Kind(result.Err) == nil {
						t.Fatalf("error = %v", result.Err)
					}
				}
			})
		})
	}
}

// A portal that takes two seconds for a lead makes the batches smaller, and the
// first ones, which came too late, are looked into again.
func TestMoveLeadsFollowsASlowPortal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 300, bitrix24.Options{})
		rig.portal.SetLatency(0, 1500*time.Millisecond)
		results, report := rig.all()
		rig.truthful(results)
		if report.Done != 300 {
			t.Errorf("report = %+v", report)
		}
	})
}

func TestMoveLeadsEndsWhenTheSignInDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 3000, bitrix24.Options{})
		rig.portal.SetLatency(100*time.Millisecond, 0)
		time.AfterFunc(250*time.Millisecond, func() { rig.portal.SetSecret("another-made-up-secret") })
		results, report := rig.all()
		rig.truthful(results)
		if report.Done == 0 || report.Refused == 0 || report.Unknown != 0 {
			t.Errorf("report = %+v", report)
		}
		for _, result := range results {
			if result.State != crm.MoveDone && !errors.Is(result.Err, crm.ErrUnauthorized) {
				t.Fatalf("error = %v", result.Err)
			}
		}
		if n := rig.portal.TotalRequests(); n > 60 {
			t.Errorf("%d requests", n)
		}
	})
}

// When the context ends, what is under way is waited for, and nothing new is sent.
func TestMoveLeadsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 3000, bitrix24.Options{})
		rig.portal.SetLatency(time.Second, 0)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, cancel)
		start := time.Now()
		results, report := rig.move(ctx, wishes(rig.items))
		rig.truthful(results)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it took %v, want what was under way to be waited for", took)
		}
		if report.Done != 800 || report.Unknown != 0 || report.NotSent == 0 {
			t.Errorf("report = %+v", report)
		}
		if last := results[len(results)-1]; !errors.Is(last.Err, context.Canceled) || !errors.Is(last.Err, crm.ErrUnavailable) {
			t.Errorf("error = %v", last.Err)
		}
		ended, _ := rig.move(ctx, wishes(rig.items))
		if n := rig.portal.TotalRequests(); len(ended) != 0 || n != 16 {
			t.Errorf("a run whose context has ended gave %d results; %d requests in all", len(ended), n)
		}
	})
}

// A deadline that comes before the bucket has room ends the run at once.
func TestMoveLeadsDoesNotWaitBeyondTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 1000, bitrix24.Options{Limiter: bitrix24.NewLimiter(1, 3)})
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		results, report := rig.move(ctx, wishes(rig.items))
		rig.truthful(results)
		if report.Done != 150 || report.NotSent == 0 || report.Unknown+report.Refused != 0 {
			t.Errorf("report = %+v", report)
		}
	})
}

// The loop may end early: what it did not receive is in the final report.
func TestMoveLeadsAccountsForALoopThatEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 1, bitrix24.Options{})
		rig.portal.SetLatency(100*time.Millisecond, 0)
		rig.items = rig.portal.AddItems(20000, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		taken := 0
		var final crm.MoveReport
		var received []crm.MoveResult
		for result := range rig.client.MoveLeads(t.Context(), func(yield func(crm.Move) bool) {
			for move := range wishes(rig.items) {
				taken++
				if !yield(move) {
					return
				}
			}
		}, func(report crm.MoveReport) { final = report }) {
			if received = append(received, result); len(received) == 120 {
				break
			}
		}
		if !final.Final || final.NotSent+final.Done+final.Refused+final.Unknown != taken || len(received)+len(final.Untaken) != taken {
			t.Errorf("taken %d, received %d, report %+v", taken, len(received), final)
		}
		if taken > 2500 {
			t.Errorf("%d moves were read ahead", taken)
		}
		rig.truthful(append(received, final.Untaken...))
		for i, result := range append(received, final.Untaken...) {
			if result.Move.Lead.ID != fmt.Sprint(rig.items[i].ID) {
				t.Fatalf("result %d is of lead %s", i, result.Move.Lead.ID)
			}
		}
	})
}

// A loop that panics leaves nothing under way.
func TestMoveLeadsOutlivesAPanicOfTheLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 500, bitrix24.Options{})
		rig.portal.SetLatency(100*time.Millisecond, 0)
		var final crm.MoveReport
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is lost")
				}
			}()
			for range rig.client.MoveLeads(t.Context(), wishes(rig.items), func(report crm.MoveReport) { final = report }) {
				panic("mine")
			}
		}()
		if !final.Final || final.Unknown != 0 {
			t.Errorf("report = %+v", final)
		}
	})
}

// Two moves of one lead are carried out one after the other.
func TestMoveLeadsKeepsTheSequenceOfALead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 100, bitrix24.Options{})
		rig.portal.SetLatency(0, 10*time.Millisecond)
		rig.portal.FailCommand(40, "crm.item.update", bitrix24test.OperationTimeLimit())
		var moves []crm.Move
		for _, stage := range []string{"IN_PROCESS", "PROCESSED", "CONVERTED"} {
			for i, item := range rig.items {
				move := wish(item.ID, stage)
				if i%2 == 0 { // the same lead, written otherwise
					move.Lead.Kind, move.Lead.ID = "", "00"+move.Lead.ID
				}
				moves = append(moves, move)
			}
		}
		results, report := rig.move(t.Context(), slices.Values(moves))
		if report.Done != 300 {
			t.Errorf("report = %+v", report)
		}
		for i, result := range results {
			if result.Move != moves[i] || result.Lead.Status != moves[i].To || result.Lead.Ref != moves[i].Lead {
				t.Fatalf("result %d = %+v", i, result)
			}
		}
		for _, item := range rig.items {
			if stage := rig.stage(item.ID); stage != "CONVERTED" {
				t.Fatalf("lead %d stands in %q", item.ID, stage)
			}
		}
	})
}

// A status whose ID the portal would replace in a batch is set by a call of its own.
func TestMoveLeadsSendsReferencesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 5, bitrix24.Options{})
		statuses := rig.portal.Statuses()
		odd := bitrix24test.Status{RowID: 9001, Scope: "STATUS", ID: "$result[m0]", Name: "Чужой", Sort: 15}
		rig.portal.SetStatuses(append(statuses, odd)...)
		moves := slices.Collect(wishes(rig.items))
		moves[1].To.ID, moves[3].To.ID = odd.ID, odd.ID
		moves = append(moves, moves[3])
		moves[5].Lead.ID = "999999"
		results, report := rig.move(t.Context(), slices.Values(moves))
		rig.truthful(results)
		if report.Done != 5 || !errors.Is(results[5].Err, crm.ErrNotFound) || rig.portal.Calls("batch") != 1 || rig.portal.TotalRequests() != 4 {
			t.Errorf("report = %+v, error %v, %d requests", report, results[5].Err, rig.portal.TotalRequests())
		}
	})
}

// The portal says yes and keeps the stage, or a rule moves the lead on.
func TestMoveLeadsVerifies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 3, bitrix24.Options{})
		rig.portal.Automate("STATUS", "PROCESSED", "JUNK")
		time.Sleep(10 * time.Second)
		deal := rig.portal.AddDeal(0, "NEW")
		across := crm.Move{
			Lead: crm.LeadRef{Source: bitrix24.DefaultSource, Kind: bitrix24.KindDeal, ID: fmt.Sprint(deal.ID)},
			To:   crm.Ref{Source: bitrix24.DefaultSource, Scope: "DEAL_STAGE_5", ID: "C5:NEW"}, Across: true,
		}
		time.Sleep(10 * time.Second)
		within := across
		within.Lead.ID = fmt.Sprint(rig.portal.AddDeal(0, "NEW").ID)
		time.Sleep(10 * time.Second)
		within.Across, within.To.Scope, within.To.ID = false, "DEAL_STAGE_2", "C2:NEW"
		moves := []crm.Move{
			wish(rig.items[0].ID, "GONE"), wish(rig.items[1].ID, "PROCESSED"), wish(rig.items[2].ID, "IN_PROCESS"), across, within,
		}
		results, _ := rig.move(t.Context(), slices.Values(moves))
		var got []string
		for _, result := range results {
			got = append(got, fmt.Sprintf("%d %s %v", result.State, result.Lead.Status.ID, crm.Kind(result.Err)))
		}
		want := []string{"2  not applied", "1 JUNK <nil>", "1 IN_PROCESS <nil>", "1 C5:NEW <nil>", "2  not applied"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	})
}

// What the list of statuses, read before, does not hold is refused unsent.
func TestMoveLeadsLooksIntoTheListItHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 120, bitrix24.Options{})
		if _, err := rig.client.ListStatuses(t.Context()); err != nil {
			t.Fatal(err)
		}
		moves := slices.Collect(wishes(rig.items))
		for i := range 60 {
			moves[i].To.ID = "GONE"
		}
		results, report := rig.move(t.Context(), slices.Values(moves))
		if report.Done != 60 || report.Refused != 60 || !errors.Is(results[0].Err, crm.ErrNotFound) || rig.portal.Calls("crm.item.update") != 60 {
			t.Errorf("report = %+v, first error %v", report, results[0].Err)
		}
		if n := rig.portal.Calls("crm.status.list"); n != 1 {
			t.Errorf("the list was read %d times", n)
		}
	})
}

// A command that the portal leaves out, or answers with nonsense, is sent again,
// and does not spoil the others.
func TestMoveLeadsRepeatsWhatHasNoAnswer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(string) string{
		"no answer":   func(s string) string { return strings.Replace(s, `"m3":{"item"`, `"x3":{"item"`, 1) },
		"no item":     func(s string) string { return strings.Replace(s, `"m3":{"item"`, `"m3":{"other"`, 1) },
		"no stage":    func(s string) string { return strings.Replace(s, `"stageId":`, `"stage":`, 1) },
		"another one": func(s string) string { return strings.Replace(s, `"m3":{"item":{"id":`, `"m3":{"item":{"id":7`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rig := newBulkRig(t, 30, bitrix24.Options{})
				rig.portal.Fail(1, crmfault.Rewrite(func(b []byte) []byte { return []byte(change(string(b))) }))
				results, report := rig.all()
				if report.Done != 30 || len(results) != 30 || rig.portal.Calls("crm.item.update") != 31 {
					t.Errorf("report = %+v after %d calls", report, rig.portal.Calls("crm.item.update"))
				}
			})
		})
	}
}

// Moves that cannot be are refused unsent, whatever comes behind them.
func TestMoveLeadsRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 0, bitrix24.Options{})
		move := wish(1, "IN_PROCESS")
		move.Lead.Source = "umnico"
		results, report := rig.move(t.Context(), slices.Values(slices.Repeat([]crm.Move{move}, 6000)))
		if len(results) != 6000 || report.Refused != 6000 || report.Untaken != nil || rig.portal.TotalRequests() != 0 {
			t.Errorf("%d results, report %+v", len(results), report)
		}
	})
}

func TestMoveLeadsOfNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 0, bitrix24.Options{})
		if results, report := rig.all(); len(results) != 0 || rig.portal.TotalRequests() != 0 || report.Untaken != nil {
			t.Errorf("%d results, report %+v", len(results), report)
		}
		for range rig.client.MoveLeads(t.Context(), wishes(nil), nil) {
			t.Error("a result")
		}
	})
}

// A token that ends in the midst of a run is renewed once.
func TestMoveLeadsRenewsTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 2000, bitrix24.Options{})
		rig.portal.SetLatency(100*time.Millisecond, 0)
		saved := 0
		rig.client = forApp(t, rig.portal, &saved, bitrix24.NewNoLimiter())
		time.AfterFunc(150*time.Millisecond, rig.portal.ExpireTokens)
		results, report := rig.all()
		rig.truthful(results)
		if report.Done != 2000 || saved != 1 {
			t.Errorf("report = %+v, %d tokens saved", report, saved)
		}
	})
}

// What is sent again with the new token waits for its turn like all else.
func TestMoveLeadsRationsWhatIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 200, bitrix24.Options{})
		saved := 0
		rig.client = forApp(t, rig.portal, &saved, bitrix24.NewLimiter(1, 5))
		rig.portal.ExpireTokens()
		start := time.Now()
		_, report := rig.all()
		took := time.Since(start).Round(time.Second)
		calls := rig.portal.TotalRequests() - rig.portal.Refreshes()
		if least := time.Duration(calls-4) * time.Second; report.Done != 200 || calls < 5 || took < least {
			t.Errorf("%d done after %v by %d calls: four in the bucket, and the others at one a second", report.Done, took, calls)
		}
	})
}

// forApp returns a client that is signed in as an application.
func forApp(t *testing.T, portal *bitrix24test.Portal, saved *int, limiter *bitrix24.Limiter) *bitrix24.Client {
	t.Helper()
	app := bitrix24test.App{}
	tokens := portal.Install(app)
	client, err := bitrix24.NewForApp(bitrix24.App{
		ClientID: bitrix24test.DefaultClientID, ClientSecret: bitrix24test.DefaultClientSecret,
		Save: func(context.Context, bitrix24.Token) error { *saved++; return nil },
	}, bitrix24.Token{
		AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken, MemberID: tokens.MemberID,
		ClientEndpoint: tokens.ClientEndpoint, ServerEndpoint: tokens.ServerEndpoint,
	}, &bitrix24.Options{HTTPClient: portal.HTTPClient(), Limiter: limiter})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
