package umnico_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// bulkWishes moves the leads into one status.
func bulkWishes(leads []umnicotest.Lead, status int) iter.Seq[crm.Move] {
	return func(yield func(crm.Move) bool) {
		for _, lead := range leads {
			if !yield(crm.Move{
				Lead: crm.LeadRef{Source: umnico.DefaultSource, ID: strconv.Itoa(lead.ID)},
				To:   crm.Ref{Source: umnico.DefaultSource, ID: strconv.Itoa(status)},
			}) {
				return
			}
		}
	}
}

// bulkMoves runs all moves in a bubble, and returns what came of them, and how long it
// took.
func bulkMoves(t *testing.T, account *umnicotest.Umnico, opts umnico.Options, leads []umnicotest.Lead) (states map[crm.MoveState]int, results []crm.MoveResult, took time.Duration) {
	t.Helper()
	opts.HTTPClient = account.HTTPClient()
	client, err := umnico.New(account.Token(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	states = map[crm.MoveState]int{}
	for result := range client.MoveLeads(t.Context(), bulkWishes(leads, 710205), nil) {
		states[result.State]++
		results = append(results, result)
		id, _ := strconv.Atoi(result.Move.Lead.ID)
		lead, _ := account.Lead(id)
		if done := result.State == crm.MoveDone; done && lead.StatusID != 710205 {
			t.Errorf("lead %d is said to be done and stands in %d", id, lead.StatusID)
		}
	}
	return states, results, time.Since(start)
}

// Rate and InFlight are kept, whatever the account's own limit.
func TestMoveLeadsKeepsToItsRate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		opts        umnico.Options
		least, most time.Duration
		atOnce      int
	}{
		"modest":   {umnico.Options{}, 56 * time.Second, 64 * time.Second, 4},
		"fast":     {umnico.Options{Rate: 50, InFlight: 10}, 4 * time.Second, 7 * time.Second, 10},
		"no limit": {umnico.Options{Rate: -1, InFlight: 10}, 3 * time.Second, 4 * time.Second, 10},
		"singly":   {umnico.Options{Rate: -1, InFlight: 1}, 30 * time.Second, 31 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				account := umnicotest.New()
				account.SetLatency(100 * time.Millisecond)
				leads := account.AddLeads(100, umnicotest.Lead{StatusID: 710201})
				states, _, took := bulkMoves(t, account, test.opts, leads)
				if states[crm.MoveDone] != 100 || account.TotalRequests() != 300 {
					t.Errorf("%v with %d requests", states, account.TotalRequests())
				}
				if took < test.least || took > test.most || account.MaxConcurrent() != test.atOnce {
					t.Errorf("it took %v with %d at once", took, account.MaxConcurrent())
				}
			})
		})
	}
}

// An account that says that there are too many requests is obeyed, whether it says for
// how long or not; nothing is lost.
func TestMoveLeadsObeysTheAccount(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{0, 3 * time.Second, 20 * time.Second} {
		t.Run(wait.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				account := umnicotest.New()
				account.SetLatency(50 * time.Millisecond)
				account.SetRateLimit(3, wait)
				leads := account.AddLeads(60, umnicotest.Lead{StatusID: 710201})
				states, _, took := bulkMoves(t, account, umnico.Options{Rate: 4}, leads)
				if states[crm.MoveDone] != 60 || account.RateLimited() == 0 {
					t.Errorf("%v after %v, with %d refusals", states, took, account.RateLimited())
				}
			})
		})
	}
}

func TestMoveLeadsNamesWhatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		account := umnicotest.New()
		leads := account.AddLeads(30, umnicotest.Lead{StatusID: 710201})
		account.RefuseLead(leads[3].ID, 422)
		account.RefuseLead(leads[7].ID, 403)
		if err := account.DeleteLead(leads[11].ID); err != nil {
			t.Fatal(err)
		}
		states, results, _ := bulkMoves(t, account, umnico.Options{Rate: -1}, leads)
		for i, kind := range map[int]error{3: crm.ErrRejected, 7: crm.ErrForbidden, 11: crm.ErrNotFound} {
			if results[i].State != crm.MoveRefused || !errors.Is(results[i].Err, kind) {
				t.Errorf("result %d: %v, %v", i, results[i].State, results[i].Err)
			}
		}
		if states[crm.MoveDone] != 27 || states[crm.MoveRefused] != 3 {
			t.Errorf("%v", states)
		}
	})
}

// An account that keeps the old status and says yes.
func TestMoveLeadsVerifies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		account := umnicotest.New()
		account.SetStatusCall(umnicotest.StatusCall{Wrong: umnicotest.KeepStatus})
		if err := account.Delete(710205); err != nil {
			t.Fatal(err)
		}
		leads := account.AddLeads(5, umnicotest.Lead{StatusID: 710201})
		states, results, _ := bulkMoves(t, account, umnico.Options{Rate: -1}, leads)
		if states[crm.MoveRefused] != 5 || !errors.Is(results[0].Err, crm.ErrNotApplied) {
			t.Errorf("%v, %v", states, results[0].Err)
		}
	})
}

// A run that ends is repeated with what was not done.
func TestMoveLeadsCanBeRepeatedFromAnyRequest(t *testing.T) {
	t.Parallel()
	for at := range 20 {
		synctest.Test(t, func(t *testing.T) {
			account := umnicotest.New()
			account.SetLatency(20 * time.Millisecond)
			leads := account.AddLeads(12, umnicotest.Lead{StatusID: 710201})
			client, err := umnico.New(account.Token(), &umnico.Options{HTTPClient: account.HTTPClient(), Rate: -1, Attempts: 1})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(time.Duration(at)*10*time.Millisecond, cancel)
			done := map[string]bool{}
			for result := range client.MoveLeads(ctx, bulkWishes(leads, 710205), nil) {
				id, _ := strconv.Atoi(result.Move.Lead.ID)
				lead, _ := account.Lead(id)
				if moved := lead.StatusID == 710205; (result.State == crm.MoveDone) != moved {
					t.Errorf("cancelled after %d0 ms: lead %d, %v, stands in %d", at, id, result.State, lead.StatusID)
				}
				done[result.Move.Lead.ID] = result.State == crm.MoveDone
			}
			left := slices.DeleteFunc(slices.Clone(leads), func(l umnicotest.Lead) bool { return done[strconv.Itoa(l.ID)] })
			for result := range client.MoveLeads(t.Context(), bulkWishes(left, 710205), nil) {
				if result.State != crm.MoveDone {
					t.Errorf("cancelled after %d0 ms: the second run: %v", at, result.Err)
				}
			}
			for _, lead := range account.Leads() {
				if lead.StatusID != 710205 {
					t.Errorf("cancelled after %d0 ms: lead %d stands in %d", at, lead.ID, lead.StatusID)
				}
			}
		})
	}
}
