package bitrix24_test

import (
	"errors"
	"fmt"
	"net/http"
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

func TestTimesAreReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []bitrix24.Timing
		portal, client := portalClient(t, bitrix24.Options{Observe: func(timing bitrix24.Timing) { got = append(got, timing) }})
		portal.SetLatency(100*time.Millisecond, time.Second)
		start := time.Now()
		if _, err := client.Call(t.Context(), bitrix24.Call{Method: "profile"}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Batch(t.Context(), false, bitrix24.Call{Method: "Scope"}, bitrix24.Call{Method: "no.such"}, bitrix24.Call{Method: "profile"}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Call(t.Context(), bitrix24.Call{Method: "no.such"}); err == nil {
			t.Error("no error")
		}
		at := start.Add
		reset := start.Truncate(time.Minute).Add(10 * time.Minute)
		want := []bitrix24.Timing{
			{Method: "profile", Start: at(0), Finish: at(1100 * time.Millisecond), Duration: 1100 * time.Millisecond, Processing: time.Second, Operating: time.Second, OperatingResetAt: reset},
			{Method: "scope", Start: at(1200 * time.Millisecond), Finish: at(2200 * time.Millisecond), Duration: time.Second, Processing: time.Second, Operating: time.Second, OperatingResetAt: reset},
			{Method: "profile", Start: at(3200 * time.Millisecond), Finish: at(4200 * time.Millisecond), Duration: time.Second, Processing: time.Second, Operating: 2 * time.Second, OperatingResetAt: reset},
			{Method: "batch", Start: at(1100 * time.Millisecond), Finish: at(4200 * time.Millisecond), Duration: 3100 * time.Millisecond, Processing: 3 * time.Second},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("times (-want +got):\n%s", diff)
		}
	})
}

// A method whose time is used up says when to go on, as far as the portal said so
// before: a call of itself, a command of itself or of its batch.
func TestOperatingTimeIsUsedUp(t *testing.T) {
	t.Parallel()
	for _, batch := range []bool{false, true} {
		for _, charge := range []bitrix24test.Accounting{bitrix24test.ChargeInner, bitrix24test.ChargeBatch} {
			for shown := range 8 {
				calls, batches, commands := shown&1 != 0, shown&2 != 0, shown&4 != 0
				known := calls
				if batch {
					known = commands
				}
				if batch && charge == bitrix24test.ChargeBatch {
					known = batches
				}
				t.Run(fmt.Sprintf("batch %v, charge %v, shown %03b", batch, charge, shown), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						operatingTime(t, batch, known, func(p *bitrix24test.Portal) {
							p.SetOperatingLimit(10*time.Second, 0, charge)
							p.ShowOperating(calls, batches, commands)
						})
					})
				})
			}
		}
	}
}

func operatingTime(t *testing.T, batch, known bool, limit func(*bitrix24test.Portal)) {
	portal, client := portalClient(t, bitrix24.Options{})
	limit(portal)
	portal.SetLatency(0, 4*time.Second)
	call := bitrix24.Call{Method: "CRM.Status.List", Idempotent: true}
	ask := func() error {
		if !batch {
			_, err := client.Call(t.Context(), call)
			return err
		}
		results, err := client.Batch(t.Context(), false, call)
		if err != nil {
			return err
		}
		return results[0].Err
	}
	time.Sleep(90 * time.Second) // the portal's minutes are not those of the calls
	free := time.Now().Truncate(time.Minute).Add(10 * time.Minute)
	for range 3 {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Minute)
	refused := func() time.Duration {
		t.Helper()
		before := portal.TotalRequests()
		e := kindAndText(t, ask(), crm.ErrRateLimited, "time is used up")
		if e.Code != "OPERATION_TIME_LIMIT" || portal.TotalRequests() != before+1 {
			t.Errorf("%v after %d requests: it is not to be repeated", e, portal.TotalRequests()-before)
		}
		return e.RetryAfter
	}
	if !known {
		for _, want := range []time.Duration{1, 2, 4} {
			wait := refused()
			if wait != want*time.Second {
				t.Errorf("wait %v, want %ds", wait, want)
			}
			time.Sleep(wait)
		}
		return
	}
	for range 2 {
		if wait := refused(); !time.Now().Add(wait).Equal(free) {
			t.Errorf("free at %v, want %v", time.Now().Add(wait), free)
		}
		time.Sleep(30 * time.Second)
	}
	time.Sleep(refused())
	if err := ask(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// The time until a budget is free counts from when the answer left the portal,
// which is the latest of all that it says; a command that failed says nothing of it.
func TestBatchTellsWhenTimeIsFree(t *testing.T) {
	t.Parallel()
	const both = `"result":{"c0":1,"c1":1},`
	const spent = `"operating_reset_at":1787213400` // 600 seconds behind the first command
	for name, test := range map[string]struct {
		said, times    string
		command, whole time.Duration // waits after a refusal
		observed       string
	}{
		"all say when": {
			both, `"result_time":{"c0":{"finish":1787212800,` + spent + `},"c1":{"finish":1787212810}}},"time":{"finish":1787212820,` + spent + `}`,
			580 * time.Second, 580 * time.Second, "m.a m.b batch",
		},
		"the whole does not": {
			both, `"result_time":{"c0":{"finish":1787212800,` + spent + `},"c1":{"finish":1787212810}}},"time":{` + spent + `}`,
			590 * time.Second, 590 * time.Second, "m.a m.b batch",
		},
		"the first is the latest": {
			both, `"result_time":{"c0":{"finish":1787212830,` + spent + `},"c1":{"finish":1787212810}}},"time":{"finish":1787212820}`,
			570 * time.Second, time.Second, "m.a m.b batch",
		},
		"nobody does": {
			both, `"result_time":{"c0":{` + spent + `}}},"time":{` + spent + `}`,
			time.Second, time.Second, "m.a m.b batch",
		},
		"it failed beside a result": {
			both + `"result_error":{"c0":{"error":"NOT_FOUND"}},`, `"result_time":{"c0":{"finish":1787212800,` + spent + `}}},"time":{"finish":1787212820}`,
			time.Second, time.Second, "m.b batch",
		},
		"it has no result": {
			`"result":{"c1":1},`, `"result_time":{"c0":{"finish":1787212800,` + spent + `}}},"time":{"finish":1787212820}`,
			time.Second, time.Second, "m.b batch",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answer := `{"result":{` + test.said + test.times + `}`
				var observed []string
				h := &hosts{answer: func(*http.Request) *http.Response { return said(200, answer) }}
				client := mustNew(t, &bitrix24.Options{
					HTTPClient: &http.Client{Transport: h}, Observe: func(timing bitrix24.Timing) { observed = append(observed, timing.Method) },
				})
				calls := []bitrix24.Call{{Method: "M.a"}, {Method: "M.b"}}
				if _, err := client.Batch(t.Context(), false, calls...); err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(observed, " "); got != test.observed {
					t.Errorf("observed %q, want %q", got, test.observed)
				}
				answer = `{"error":"OPERATION_TIME_LIMIT"}`
				_, one := client.Call(t.Context(), calls[0])
				_, all := client.Batch(t.Context(), false, calls...)
				if e := kindAndText(t, one, crm.ErrRateLimited); e.RetryAfter != test.command {
					t.Errorf("the command's method: wait %v, want %v", e.RetryAfter, test.command)
				}
				if e := kindAndText(t, all, crm.ErrRateLimited); e.RetryAfter != test.whole {
					t.Errorf("batches: wait %v, want %v", e.RetryAfter, test.whole)
				}
			})
		})
	}
}

// Whatever form the refusal has, the error says when to try again: what the portal
// asks for, and otherwise what is known.
func TestRefusalsForWantOfTimeSayWhenToGoOn(t *testing.T) {
	t.Parallel()
	call := bitrix24.Call{Method: "crm.item.list"}
	asks := map[string]func(*bitrix24.Client) error{
		"call": func(c *bitrix24.Client) error {
			_, err := c.Call(t.Context(), call)
			return err
		},
		"batch": func(c *bitrix24.Client) error {
			_, err := c.Batch(t.Context(), false, call)
			return err
		},
	}
	for name, test := range map[string]struct {
		answer crmfault.Fault
		want   time.Duration
	}{
		"alone":                 {crmfault.Answer(429, `{"error":"OPERATION_TIME_LIMIT"}`), time.Second},
		"HTTP 200":              {crmfault.Answer(200, `{"error":"operation_time_limit"}`), time.Second},
		"pretty":                {crmfault.Answer(200, "{\n \"error\": \"OPERATION_TIME_LIMIT\"\n}"), time.Second},
		"behind a result":       {crmfault.Answer(200, `{"result":[],"error":"OPERATION_TIME_LIMIT"}`), time.Second},
		"with a wait":           {crmfault.Answer(429, `{"error":"OPERATION_TIME_LIMIT"}`, "Retry-After", "90"), 90 * time.Second},
		"another one":           {crmfault.Answer(400, `{"error":"ERROR_CORE"}`), 0},
		"another one, HTTP 200": {crmfault.Answer(200, `{"result":[],"error":"ACCESS_DENIED"}`), 0},
		"too many requests":     {crmfault.Answer(503, `{"error":"QUERY_LIMIT_EXCEEDED"}`), 0},
	} {
		for how, ask := range asks {
			portal := bitrix24test.New()
			portal.Fail(1, test.answer)
			err := ask(connected(t, portal, bitrix24.Options{Attempts: 1}))
			var e *crm.Error
			if !errors.As(err, &e) || e.RetryAfter != test.want {
				t.Errorf("%s, %s: %+v, want a wait of %v", name, how, err, test.want)
			}
		}
	}
}

// The client's own calls of a method are of the same budget.
func TestListsWaitForTheirMethodsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		portal, client := portalClient(t, bitrix24.Options{})
		portal.SetOperatingLimit(time.Second, 0, bitrix24test.ChargeInner)
		portal.SetLatency(0, 4*time.Second)
		if _, err := client.Call(t.Context(), bitrix24.Call{Method: itemList, Params: bitrix24.Params{"entityTypeId": 1}}); err != nil {
			t.Fatal(err)
		}
		free := time.Now().Truncate(time.Minute).Add(10 * time.Minute)
		var refused error
		for _, err := range client.ListLeads(t.Context(), crm.LeadQuery{Kind: bitrix24.KindLead}) {
			refused = err
		}
		if e := failure(t, "a list", refused, crm.ErrRateLimited, listLeads); !time.Now().Add(e.RetryAfter).Equal(free) {
			t.Errorf("free at %v, want %v", time.Now().Add(e.RetryAfter), free)
		}
		portal.Fail(1, crmfault.Answer(200, "{\n \"error\": \"OPERATION_TIME_LIMIT\"\n}"))
		for _, err := range client.ListLeads(t.Context(), crm.LeadQuery{Kind: bitrix24.KindLead}) {
			refused = err
		}
		if e := failure(t, "a list", refused, crm.ErrRateLimited, listLeads); !time.Now().Add(e.RetryAfter).Equal(free) {
			t.Errorf("in another form: free at %v, want %v", time.Now().Add(e.RetryAfter), free)
		}
	})
}

// What a bulk change sends alone has waited for its turn, and does not wait again.
func TestMovesSentAloneWaitOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 4, bitrix24.Options{Limiter: bitrix24.NewLimiter(1, 2)})
		odd := bitrix24test.Status{RowID: 9001, Scope: "STATUS", ID: "$result[m0]", Name: "Чужой", Sort: 15}
		rig.portal.SetStatuses(append(rig.portal.Statuses(), odd)...)
		moves := slices.Collect(wishes(rig.items))
		for i := range moves {
			moves[i].To.ID = odd.ID
		}
		start := time.Now()
		_, report := rig.move(t.Context(), slices.Values(moves))
		if took := time.Since(start); report.Done != 4 || took != 3*time.Second {
			t.Errorf("it took %v: %+v", took, report)
		}
	})
}
