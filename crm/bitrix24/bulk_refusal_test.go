package bitrix24_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// A bucket that is said to be full inside an answer with HTTP 200 stops the run as
// well: it must not ask again at once, for ever.
func TestMoveLeadsStopsForAFullBucketWhereverItIsSaid(t *testing.T) {
	t.Parallel()
	const inFront, behind = `{"error":"QUERY_LIMIT_EXCEEDED","error_description":"Too many requests"}`,
		`{"time":{"start":1},"error":"QUERY_LIMIT_EXCEEDED"}`
	for name, fail := range map[string]func(rig *bulkRig){
		"of each command":  func(rig *bulkRig) { rig.portal.FailCommand(100000, "crm.item.update", bitrix24test.QueryLimit()) },
		"in front":         func(rig *bulkRig) { rig.portal.Fail(-1, crmfault.Answer(200, inFront)) },
		"behind the times": func(rig *bulkRig) { rig.portal.Fail(-1, crmfault.Answer(200, behind)) },
		"by HTTP 503":      func(rig *bulkRig) { rig.portal.Fail(-1, bitrix24test.QueryLimit().Fault()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rig := newBulkRig(t, 50, bitrix24.Options{})
				fail(rig)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Millisecond)
				defer cancel()
				_, report := rig.move(ctx, wishes(rig.items))
				if n := rig.portal.TotalRequests(); report.NotSent != 50 || n < 5 || n > 61 {
					t.Errorf("report = %+v after %d requests in a minute", report, n)
				}
			})
		})
	}
}

// So it does for a single call and for a batch of one's own.
func TestACallTellsTheLimiterOfAFullBucket(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(c *bitrix24.Client, ctx context.Context) error{
		"call": func(c *bitrix24.Client, ctx context.Context) error {
			_, err := c.Call(ctx, bitrix24.Call{Method: "crm.settings.mode.get"})
			return err
		},
		"batch": func(c *bitrix24.Client, ctx context.Context) error {
			_, err := c.Batch(ctx, false, bitrix24.Call{Method: "crm.settings.mode.get"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rig := newBulkRig(t, 1, bitrix24.Options{})
				rig.portal.Fail(1, crmfault.Answer(200, `{"time":{},"error":"query_limit_exceeded"}`))
				start := time.Now()
				if err := call(rig.client, t.Context()); !errors.Is(err, crm.ErrRateLimited) {
					t.Errorf("error = %v", err)
				}
				if err := call(rig.client, t.Context()); err != nil || time.Since(start) != time.Second {
					t.Errorf("the next was sent after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}

// An answer too large for Options.MaxBody makes the batches smaller.
func TestMoveLeadsFitsTheAnswersIntoMaxBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 500, bitrix24.Options{MaxBody: 20 << 10})
		results, report := rig.all()
		rig.truthful(results)
		if report.Done != 500 {
			t.Errorf("report = %+v, error %v", report, results[0].Err)
		}
		if n := rig.portal.TotalRequests(); n > 60 {
			t.Errorf("%d requests", n)
		}
		// Where not even one answer fits, the moves are in doubt, and the run ends.
		rig.client = mustConnect(t, rig.portal, bitrix24.Options{MaxBody: 300})
		results, report = rig.all()
		if report.Unknown == 0 || report.NotSent == 0 || report.Done+report.Refused > 0 || !errors.Is(results[0].Err, crm.ErrBadResponse) {
			t.Errorf("report = %+v, error %v", report, results[0].Err)
		}
	})
}

// An answer that was too large leaves its moves in doubt.
func TestMoveLeadsDoubtsWhatWasTooLarge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 50, bitrix24.Options{})
		var requests atomic.Int64
		rig.client = mustConnect(t, rig.portal, bitrix24.Options{
			MaxBody: 20 << 10,
			HTTPClient: &http.Client{Transport: tripper(func(q *http.Request) (*http.Response, error) {
				if requests.Add(1) > 1 {
					return answered(http.StatusForbidden, ""), nil
				}
				return rig.portal.Transport().RoundTrip(q)
			})},
		})
		results, report := rig.all()
		rig.truthful(results)
		if report.Unknown != 50 {
			t.Errorf("report = %+v", report)
		}
	})
}

// A move sent alone whose method has no time left waits for that method's time, not
// for that of batches.
func TestMoveLeadsWaitsForTheBudgetOfAMoveSentAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 2, bitrix24.Options{})
		odd := bitrix24test.Status{RowID: 9001, Scope: "STATUS", ID: "$result[m0]", Name: "Чужой", Sort: 15}
		rig.portal.SetStatuses(append(rig.portal.Statuses(), odd)...)
		moves := slices.Collect(wishes(rig.items))
		moves[1].To.ID = odd.ID
		rig.client.MoveLeads(t.Context(), slices.Values(moves[:1]), nil)(func(crm.MoveResult) bool {
			// The portal has said now when time is free again: in ten minutes.
			rig.portal.Fail(1, bitrix24test.OperationTimeLimit().Fault())
			return true
		})
		start := time.Now()
		_, report := rig.move(t.Context(), slices.Values(moves[1:]))
		if took := time.Since(start); report.Done != 1 || took < 9*time.Minute || took > 10*time.Minute {
			t.Errorf("it took %v: %+v", took, report)
		}
		other, err := rig.client.Batch(t.Context(), false, bitrix24.Call{Method: "crm.settings.mode.get"})
		if err != nil || other[0].Err != nil {
			t.Fatal(err)
		}
	})
}

// A portal that breaks down while the budget is waited for does not shorten the
// wait, and what it asks for by Retry-After is kept.
func TestMoveLeadsKeepsTheLongestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 100, bitrix24.Options{})
		start := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		rig.through(func(next http.RoundTripper, q *http.Request) (*http.Response, error) {
			mu.Lock()
			at = append(at, time.Since(start))
			n := len(at)
			mu.Unlock()
			switch n {
			case 1:
				time.Sleep(100 * time.Millisecond)
				return answered(429, `{"error":"OPERATION_TIME_LIMIT"}`, "Retry-After", "90"), nil
			case 2:
				time.Sleep(200 * time.Millisecond)
				return answered(502, ""), nil
			}
			return next.RoundTrip(q)
		})
		_, report := rig.all()
		if report.Done != 100 || len(at) != 4 || at[2] != 90*time.Second+100*time.Millisecond {
			t.Errorf("report = %+v, requests at %v", report, at)
		}
	})
}

// HTTP 429 without a code is waited for as long as the portal says.
func TestMoveLeadsWaitsAsLongAsItIsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 40, bitrix24.Options{})
		rig.portal.Fail(2, crmfault.RetryAfter(http.StatusTooManyRequests, 30*time.Second))
		start := time.Now()
		if _, report := rig.all(); report.Done != 40 || time.Since(start) != time.Minute {
			t.Errorf("it took %v for %+v", time.Since(start), report)
		}
	})
}

func answered(status int, body string, header ...string) *http.Response {
	response := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: http.NoBody}
	if body != "" {
		response.Body = io.NopCloser(strings.NewReader(body))
	}
	for i := 0; i+1 < len(header); i += 2 {
		response.Header.Set(header[i], header[i+1])
	}
	return response
}

// A portal that answers and carries out nothing is one that breaks down.
func TestMoveLeadsEndsWithAPortalThatCarriesOutNothing(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(rig *bulkRig){
		"breaks down": func(rig *bulkRig) {
			rig.portal.FailCommand(100000, "crm.item.update", bitrix24test.APIError{Code: "INTERNAL_SERVER_ERROR", Text: "Внутренняя ошибка"})
		},
		"says nothing": func(rig *bulkRig) { rig.portal.Fail(-1, crmfault.Answer(200, `{"result":{"result":[]}}`)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rig := newBulkRig(t, 5000, bitrix24.Options{})
				prepare(rig)
				start := time.Now()
				results, report := rig.all()
				if took := time.Since(start); took != 15*time.Second || report.Unknown == 0 || report.NotSent == 0 || len(results) == 5000 {
					t.Errorf("it took %v: %+v", took, report)
				}
			})
		})
	}
}

// A lead that the portal breaks down over does not end the run for the others.
func TestMoveLeadsLeavesOutWhatBreaksThePortal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 400, bitrix24.Options{})
		for i := 0; i < 400; i += 40 {
			rig.portal.FailItem(1, rig.items[i].ID, bitrix24test.APIError{Code: "INTERNAL_SERVER_ERROR"})
		}
		results, report := rig.all()
		rig.truthful(results)
		if n := rig.portal.Calls("crm.item.update"); n != 390+3*10 {
			t.Errorf("%d calls, want three of each that breaks the portal", n)
		}
		if report.Done != 390 || report.Unknown != 10 || !errors.Is(results[40].Err, crm.ErrUnavailable) {
			t.Errorf("report = %+v", report)
		}
	})
}

// Every second command without an answer, for ever: all moves are accounted for.
func TestMoveLeadsOutlivesHalfAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 300, bitrix24.Options{})
		rig.portal.Fail(-1, crmfault.Rewrite(func(b []byte) []byte {
			text := string(b)
			for _, digit := range "02468" {
				text = strings.ReplaceAll(text, string(digit)+`":{"item"`, `x":{"item"`)
			}
			return []byte(text)
		}))
		start := time.Now()
		results, report := rig.all()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v, want pauses only for what has no answer at all", took)
		}
		if len(results) != 300 || report.Done < 150 || report.Refused+report.NotSent > 0 {
			t.Errorf("report = %+v for %d results", report, len(results))
		}
		rig.truthful(results)
	})
}

// The time that a refusal takes says nothing of what a command takes.
func TestMoveLeadsDoesNotTakeRefusalsForSpeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 600, bitrix24.Options{})
		start := time.Now()
		var mu sync.Mutex
		largest := 0
		rig.through(func(next http.RoundTripper, q *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(q.Body)
			if err != nil {
				return nil, err
			}
			q.Body = io.NopCloser(bytes.NewReader(body))
			mu.Lock()
			if time.Since(start) > 50*time.Second {
				largest = max(largest, bytes.Count(body, []byte("crm.item.update")))
			}
			mu.Unlock()
			return next.RoundTrip(q)
		})
		rig.portal.SetLatency(0, time.Second)
		time.AfterFunc(50*time.Second, func() {
			rig.portal.SetLatency(0, 0)
			rig.portal.FailCommand(100000, "crm.item.update", bitrix24test.OperationTimeLimit())
		})
		time.AfterFunc(20*time.Minute, func() {
			rig.portal.SetLatency(0, time.Second)
			rig.portal.RecoverCommands()
		})
		if _, report := rig.all(); report.Done != 600 {
			t.Errorf("report = %+v", report)
		}
		if largest == 0 || largest > 25 {
			t.Errorf("batches of %d commands when each had been refused", largest)
		}
	})
}
