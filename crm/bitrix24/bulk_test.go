package bitrix24_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// bulkRig is a portal with leads in "NEW" and a client for it.
type bulkRig struct {
	*testing.T
	portal *bitrix24test.Portal
	client *bitrix24.Client
	items  []bitrix24test.Item
}

func newBulkRig(t *testing.T, leads int, opts bitrix24.Options) *bulkRig {
	t.Helper()
	portal := bitrix24test.New()
	if opts.HTTPClient == nil {
		opts.HTTPClient = portal.HTTPClient()
	}
	if opts.Limiter == nil {
		opts.Limiter = bitrix24.NewNoLimiter()
	}
	client, err := bitrix24.New(portal.Webhook(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	return &bulkRig{T: t, portal: portal, client: client, items: portal.AddItems(leads, bitrix24test.Item{TypeID: 1, Stage: "NEW"})}
}

// wish returns the wish to move the lead with the number n.
func wish(n int, stage string) crm.Move {
	return crm.Move{
		Lead: crm.LeadRef{Source: bitrix24.DefaultSource, Kind: bitrix24.KindLead, ID: strconv.Itoa(n)},
		To:   crm.Ref{Source: bitrix24.DefaultSource, Scope: bitrix24.Leads, ID: stage},
	}
}

// all moves all leads, and returns the results and the last report.
func (r *bulkRig) all() ([]crm.MoveResult, crm.MoveReport) {
	r.Helper()
	return r.move(r.Context(), wishes(r.items))
}

func (r *bulkRig) move(ctx context.Context, moves iter.Seq[crm.Move]) ([]crm.MoveResult, crm.MoveReport) {
	r.Helper()
	var report crm.MoveReport
	results := slices.Collect(r.client.MoveLeads(ctx, moves, func(m crm.MoveReport) {
		if report.Final {
			r.Error("a report came after the final one")
		}
		report = m
	}))
	if !report.Final {
		r.Error("there was no final report")
	}
	counted := map[crm.MoveState]int{}
	for _, result := range append(slices.Clone(results), report.Untaken...) {
		counted[result.State]++
		if (result.Err == nil) != (result.State == crm.MoveDone) {
			r.Errorf("state %v with the error %v", result.State, result.Err)
		}
	}
	want := map[crm.MoveState]int{
		crm.MoveNotSent: report.NotSent, crm.MoveDone: report.Done, crm.MoveRefused: report.Refused, crm.MoveUnknown: report.Unknown,
	}
	for state, n := range want {
		if counted[state] != n {
			r.Errorf("%d results of state %v, and the report says %d", counted[state], state, n)
		}
	}
	return results, report
}

// stage returns where the portal has a lead.
func (r *bulkRig) stage(n int) string { return stageOf(r.portal, 1, n) }

// truthful checks results against the portal, where nobody else moves leads.
func (r *bulkRig) truthful(results []crm.MoveResult) {
	r.Helper()
	for _, result := range results {
		id, _ := strconv.Atoi(result.Move.Lead.ID)
		stage := r.stage(id)
		switch {
		case result.State == crm.MoveDone && (stage != result.Move.To.ID || result.Lead.Status != result.Move.To):
			r.Errorf("lead %d is said to be in %v and stands in %q", id, result.Lead.Status, stage)
		case (result.State == crm.MoveNotSent || result.State == crm.MoveRefused) && stage == result.Move.To.ID:
			r.Errorf("lead %d is said to be untouched (%v), and was moved", id, result.Err)
		}
	}
}

func TestMoveLeadsKeepsTheSequenceAndNamesWhatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 333, bitrix24.Options{})
		rig.portal.SetLatency(10*time.Millisecond, time.Millisecond)
		if err := rig.portal.DeleteItem(1, rig.items[5].ID); err != nil {
			t.Fatal(err)
		}
		rig.portal.FailItem(1, rig.items[77].ID, bitrix24test.StageForbidden())
		rig.portal.FailItem(1, rig.items[332].ID, bitrix24test.APIError{Code: "", Text: "Недостаточно прав"})
		moves := slices.Collect(wishes(rig.items))
		moves = slices.Insert(moves, 100, crm.Move{Lead: crm.LeadRef{Source: "umnico", ID: "1"}, To: moves[0].To})
		results, report := rig.move(t.Context(), slices.Values(moves))
		for i, move := range moves {
			if i < len(results) && results[i].Move != move {
				t.Fatalf("result %d is of %v, want %v", i, results[i].Move, move)
			}
		}
		failed := map[int]string{}
		for i, result := range results {
			if result.State != crm.MoveDone {
				failed[i] = fmt.Sprint(result.State, " ", crm.Kind(result.Err))
			}
		}
		if diff := cmp.Diff(map[int]string{5: "2 not found", 77: "2 rejected", 100: "2 not found", 333: "2 rejected"}, failed); diff != "" {
			t.Errorf("what failed (-want +got):\n%s", diff)
		}
		if report.Done != 330 || report.Refused != 4 || len(results) != 334 || report.Untaken != nil {
			t.Errorf("report = %+v for %d results", report, len(results))
		}
		var e *crm.Error
		if !errors.As(results[333].Err, &e) || !strings.Contains(e.Message, "Недостаточно прав") || e.Op != "move leads" {
			t.Errorf("error = %v", results[333].Err)
		}
		rig.truthful(slices.Delete(results, 100, 101))
	})
}

// A run that ends at any request, in any way, is repeated with what was not done:
// then every lead stands where it is wished.
func TestMoveLeadsCanBeRepeatedFromAnyPoint(t *testing.T) {
	t.Parallel()
	// With a short time-out the batches are small, so that few leads make many requests.
	const leads, requests, timeout = 24, 7, 2 * time.Second
	breaks := map[string]func(r *bulkRig, cancel func()){
		"cancelled before the portal sees the request": func(r *bulkRig, cancel func()) {
			r.portal.Fail(1, crmfault.Rewrite(func(b []byte) []byte { cancel(); return b }))
		},
		"the answer is lost, and the process with it": func(r *bulkRig, cancel func()) {
			r.portal.Fail(60, crmfault.Drop())
			cancel()
		},
		"the answer is cut":        func(r *bulkRig, _ func()) { r.portal.Fail(1, crmfault.Cut()) },
		"a page of HTML":           func(r *bulkRig, _ func()) { r.portal.Fail(1, crmfault.HTML()) },
		"the portal is gone":       func(r *bulkRig, _ func()) { r.portal.Fail(60, crmfault.Drop()) },
		"the bucket is full":       func(r *bulkRig, _ func()) { r.portal.Fail(2, bitrix24test.QueryLimit().Fault()) },
		"the sign-in ends":         func(r *bulkRig, _ func()) { r.portal.SetSecret("another-made-up-secret") },
		"the budget is used up":    func(r *bulkRig, _ func()) { r.portal.Fail(1, bitrix24test.OperationTimeLimit().Fault()) },
		"the portal is overloaded": func(r *bulkRig, _ func()) { r.portal.Fail(1, bitrix24test.Overload().Fault()) },
	}
	for name, happens := range breaks {
		for at := range requests + 1 {
			t.Run(fmt.Sprintf("%s/request %d", name, at+1), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					rig := newBulkRig(t, leads, bitrix24.Options{})
					rig.portal.SetLatency(30*time.Millisecond, 100*time.Millisecond)
					watch := &counting{next: rig.portal.Transport(), at: at, happens: func() { happens(rig, cancel) }}
					rig.client = mustConnect(t, rig.portal, bitrix24.Options{HTTPClient: &http.Client{Transport: watch}, Timeout: timeout})
					results, _ := rig.move(ctx, wishes(rig.items))
					rig.truthful(results)
					if n := watch.seen.Load(); at == requests && n != requests {
						t.Errorf("a whole run makes %d requests, want %d, each of which is broken here", n, requests)
					}

					rig.portal.Recover()
					rig.client = mustConnect(t, rig.portal, bitrix24.Options{})
					left := map[string]bool{}
					for move := range wishes(rig.items) {
						left[move.Lead.ID] = true
					}
					for _, result := range results {
						if result.State == crm.MoveDone {
							delete(left, result.Move.Lead.ID)
						}
					}
					again, report := rig.move(t.Context(), func(yield func(crm.Move) bool) {
						for move := range wishes(rig.items) {
							if left[move.Lead.ID] && !yield(move) {
								return
							}
						}
					})
					rig.truthful(again)
					if report.Done != len(left) {
						t.Errorf("the second run did %d of %d", report.Done, len(left))
					}
					for _, item := range rig.items {
						if stage := rig.stage(item.ID); stage != "IN_PROCESS" {
							t.Fatalf("lead %d stands in %q at the end", item.ID, stage)
						}
					}
				})
			})
		}
	}
}

// counting lets something happen before one of the requests.
type counting struct {
	next    http.RoundTripper
	at      int
	happens func()
	seen    atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.seen.Add(1) == int64(c.at+1) {
		c.happens()
	}
	return c.next.RoundTrip(r)
}

func mustConnect(t *testing.T, portal *bitrix24test.Portal, opts bitrix24.Options) *bitrix24.Client {
	t.Helper()
	if opts.HTTPClient == nil {
		opts.HTTPClient = portal.HTTPClient()
	}
	if opts.Limiter == nil {
		opts.Limiter = bitrix24.NewNoLimiter()
	}
	client, err := bitrix24.New(portal.Webhook(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
