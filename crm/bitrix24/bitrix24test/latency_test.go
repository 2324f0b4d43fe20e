package bitrix24test_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// timing is a "time" as the portal says it.
type timing struct {
	Start, Finish, Duration, Processing float64
	Operating                           *float64
	Reset                               *int64 `json:"operating_reset_at"`
}

// timed is an answer with its time, of a batch with those of its commands.
type timed struct {
	Result json.RawMessage
	Error  string
	Time   timing
}

type timedBatch struct {
	Result struct {
		Result json.RawMessage            `json:"result"`
		Errors json.RawMessage            `json:"result_error"`
		Times  map[string]json.RawMessage `json:"result_time"`
	}
	Error string
	Time  timing
}

// command returns the time of one command.
func (b timedBatch) command(t *testing.T, key string) timing {
	t.Helper()
	var said timing
	if err := json.Unmarshal(b.Result.Times[key], &said); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return said
}

// batchOf is a batch of n commands with the keys c0 to c(n-1).
func batchOf(n int, command func(i int) string) string {
	b := new(strings.Builder)
	for i := range n {
		fmt.Fprintf(b, `,"c%d":%q`, i, command(i))
	}
	return `{"cmd": {` + strings.TrimPrefix(b.String(), ",") + `}}`
}

// junk moves lead i+1 to JUNK.
func junk(i int) string {
	return fmt.Sprintf("crm.item.update?entityTypeId=1&id=%d&fields[stageId]=JUNK", i+1)
}

// junked returns how many leads stand in JUNK.
func junked(p *bitrix24test.Portal) int {
	n := 0
	for _, item := range p.Items(1) {
		if item.Stage == "JUNK" {
			n++
		}
	}
	return n
}

func TestLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.AddItems(50, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		p.SetLatency(400*time.Millisecond, 200*time.Millisecond)
		start := time.Now()
		var single timed
		result(t, p, "crm.item.get", `{"entityTypeId": 1, "id": 1}`, &single)
		if took := time.Since(start); took != 600*time.Millisecond || single.Time.Duration != 0.6 || single.Time.Processing != 0.2 {
			t.Errorf("a call took %v and said %+v", took, single.Time)
		}
		if single.Time.Start != 946684800 || single.Time.Finish != 946684800.6 {
			t.Errorf("a call said %+v", single.Time)
		}

		start = time.Now()
		done := make(chan struct{})
		var batch timedBatch
		go func() {
			defer close(done)
			result(t, p, "batch", batchOf(50, junk), &batch)
		}()
		for _, passed := range []struct {
			after time.Duration
			done  int
		}{{599, 0}, {601, 1}, {799, 1}, {801, 2}, {10_399, 49}, {10_401, 50}} {
			time.Sleep(time.Until(start.Add(passed.after * time.Millisecond)))
			synctest.Wait()
			if got := junked(p); got != passed.done {
				t.Errorf("after %v ms %d commands were done, want %d", int(passed.after), got, passed.done)
			}
		}
		<-done
		if batch.Time.Duration != 10.4 || batch.Time.Processing != 10 {
			t.Errorf("the batch said %+v", batch.Time)
		}
		for _, key := range []string{"c0", "c49"} {
			if said := batch.command(t, key); said.Duration != 0.2 || said.Processing != 0.2 {
				t.Errorf("%s said %+v", key, said)
			}
		}
		if said := batch.command(t, "c1"); fmt.Sprintf("%.1f", said.Start-batch.Time.Start) != "0.6" {
			t.Errorf("c1 began at %v, the batch at %v", said.Start, batch.Time.Start)
		}

		start = time.Now()
		if status, _ := send(p, http.MethodGet, "/rest/17/wrong/profile", "", "", ""); status != http.StatusUnauthorized || time.Since(start) != 400*time.Millisecond {
			t.Errorf("a refused request: %d after %v", status, time.Since(start))
		}
		start = time.Now()
		if _, body := call(p, "batch", batchOf(0, nil)); time.Since(start) != 400*time.Millisecond {
			t.Errorf("an empty batch took %v: %s", time.Since(start), body)
		}
		p.SetLatency(0, 0)
		start = time.Now()
		result(t, p, "batch", batchOf(50, junk), &batch)
		if took := time.Since(start); took != 0 || batch.Time.Duration != 0 {
			t.Errorf("without latency a batch took %v", took)
		}
	})
}

func TestRequestsRunInParallel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.AddItems(200, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		p.SetLatency(time.Second, 20*time.Millisecond)
		if got := p.MaxConcurrent(); got != 0 {
			t.Errorf("MaxConcurrent = %d before any request", got)
		}
		start := time.Now()
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				var batch timedBatch
				result(t, p, "batch", batchOf(50, func(j int) string { return junk(50*i + j) }), &batch)
			})
		}
		group.Wait()
		if took := time.Since(start); took != 2*time.Second || junked(p) != 200 {
			t.Errorf("four batches took %v and did %d", took, junked(p))
		}
		if status, _ := call(p, "profile", ""); status != http.StatusOK || p.MaxConcurrent() != 4 {
			t.Errorf("MaxConcurrent = %d, want 4", p.MaxConcurrent())
		}
	})
}

func TestAClientThatGoesAwayLeavesItsWorkDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.AddItems(50, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		p.SetLatency(0, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Webhook()+"batch", strings.NewReader(batchOf(50, junk)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", asJSON)
		go func() {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := junked(p); got != 10 {
				t.Errorf("%d commands were done before, want 10", got)
			}
		}()
		start := time.Now()
		response, err := p.HTTPClient().Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second+time.Millisecond {
			t.Errorf("the request ended with %v after %v", err, time.Since(start))
		}
		if got := junked(p); got != 50 {
			t.Errorf("%d commands were done, want all", got)
		}
		p.SetLatency(40*time.Second, time.Second)
		body := batchOf(50, func(i int) string { return strings.Replace(junk(i), "JUNK", "NEW", 1) })
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler { //nolint:errorlint // that very value
					t.Errorf("a client that has gone is answered: %v", got)
				}
			}()
			request := httptest.NewRequestWithContext(ended, http.MethodPost, p.WebhookPath()+"batch", strings.NewReader(body))
			request.Header.Set("Content-Type", asJSON)
			p.ServeHTTP(httptest.NewRecorder(), request)
		}()
		if got := junked(p); got != 30 {
			t.Errorf("%d commands of the first minute were done, want 20", 50-got)
		}
	})
}

func TestARequestOfMoreThanAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.AddItems(50, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		p.SetLatency(500*time.Millisecond, 2*time.Second)
		start := time.Now()
		recorder := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, p.WebhookPath()+"batch", strings.NewReader(batchOf(50, junk)))
		request.Header.Set("Content-Type", asJSON)
		p.ServeHTTP(recorder, request)
		body, err := io.ReadAll(recorder.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		if recorder.Code != http.StatusGatewayTimeout || recorder.Header().Get("Content-Type") != "text/html" || !strings.HasPrefix(string(body), "<html>") {
			t.Errorf("%d %v %s", recorder.Code, recorder.Header(), body)
		}
		if took := time.Since(start); took != time.Minute || junked(p) != 29 || p.Calls("crm.item.update") != 29 {
			t.Errorf("after %v %d commands were done, want 29", took, junked(p))
		}
		time.Sleep(time.Hour)
		if junked(p) != 29 {
			t.Errorf("%d commands were done later", junked(p))
		}
		p.SetLatency(0, 61*time.Second)
		if status, _ := call(p, "profile", ""); status != http.StatusGatewayTimeout || p.Calls("profile") != 0 {
			t.Errorf("a slow call: %d", status)
		}
		p.SetLatency(time.Hour, 0)
		start = time.Now()
		if status, _ := call(p, "profile", ""); status != http.StatusGatewayTimeout || p.Calls("profile") != 0 || time.Since(start) != time.Minute {
			t.Errorf("a slow request: %d", status)
		}
		p.SetLatency(10*time.Second, time.Second)
		if status, _ := call(p, "batch", batchOf(50, junk)); status != http.StatusOK {
			t.Errorf("a request of a minute: %d", status)
		}

		p.SetOperatingLimit(70*time.Second, time.Hour, bitrix24test.ChargeInner)
		p.SetLatency(0, 40*time.Second)
		for range 2 {
			if status, _ := call(p, "scope", ""); status != http.StatusOK {
				t.Errorf("scope: %d", status)
			}
		}
		if status, _ := call(p, "batch", `{"cmd": ["profile", "profile", "scope"]}`); status != http.StatusGatewayTimeout || p.Calls("scope") != 2 {
			t.Errorf("%d, and scope was counted %d times: the batch did not come to it", status, p.Calls("scope"))
		}
	})
}
