package bitrix24test_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestOperatingLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.AddItems(50, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		p.SetLatency(time.Second, 100*time.Millisecond)
		p.SetOperatingLimit(3*time.Second, 100*time.Second, bitrix24test.ChargeInner)
		start := time.Now().Unix() // a multiple of ten seconds

		var batch timedBatch
		result(t, p, "batch", batchOf(50, junk), &batch)
		if junked(p) != 30 || p.Calls("crm.item.update") != 50 {
			t.Errorf("%d commands were done, %d counted", junked(p), p.Calls("crm.item.update"))
		}
		if got := strings.Count(string(batch.Result.Errors), `"OPERATION_TIME_LIMIT"`); got != 20 {
			t.Errorf("%d commands were refused, want 20: %s", got, batch.Result.Errors)
		}
		if batch.Time.Duration != 4 || batch.Time.Operating != nil || batch.Time.Reset != nil {
			t.Errorf("the batch said %+v", batch.Time)
		}
		first, last := batch.command(t, "c0"), batch.command(t, "c29")
		if *first.Operating != 0.1 || *last.Operating != 3 || *first.Reset != start+100 || *last.Reset != start+100 {
			t.Errorf("the commands said %+v %v and %+v %v", *first.Operating, *first.Reset, *last.Operating, *last.Reset)
		}
		update := func() (int, string) {
			return call(p, "crm.item.update", `{"entityTypeId": 1, "id": 1, "fields": {"stageId": "NEW"}}`)
		}
		before := time.Now()
		if status, body := update(); status != http.StatusTooManyRequests || body != `{"error":"OPERATION_TIME_LIMIT","error_description":"Method is blocked due to operation time limit."}` {
			t.Errorf("a single call: %d %s", status, body)
		}
		if took := time.Since(before); took != time.Second {
			t.Errorf("a refused call took %v", took)
		}
		var other timed
		result(t, p, "profile", "", &other)
		if *other.Time.Operating != 0.1 || *other.Time.Reset != start+100 {
			t.Errorf("another method said %v %v", *other.Time.Operating, *other.Time.Reset)
		}

		// The method takes more in the next basket as soon as the first drops out.
		time.Sleep(time.Until(time.Unix(start+98, 500_000_000)))
		if status, _ := update(); status != http.StatusTooManyRequests {
			t.Errorf("before the basket drops out: %d", status)
		}
		time.Sleep(time.Until(time.Unix(start+100, 0)))
		var single timed
		result(t, p, "crm.item.update", `{"entityTypeId": 1, "id": 1, "fields": {"stageId": "NEW"}}`, &single)
		if *single.Time.Operating != 0.1 || *single.Time.Reset != start+200 {
			t.Errorf("after the basket dropped out: %v %v", *single.Time.Operating, *single.Time.Reset)
		}
		time.Sleep(30 * time.Second)
		result(t, p, "crm.item.update", `{"entityTypeId": 1, "id": 1, "fields": {"stageId": "NEW"}}`, &single)
		if *single.Time.Operating != 0.2 || *single.Time.Reset != start+200 {
			t.Errorf("in another basket: %v %v", *single.Time.Operating, *single.Time.Reset)
		}
		time.Sleep(time.Until(time.Unix(start+200, 0)))
		result(t, p, "crm.item.update", `{"entityTypeId": 1, "id": 1, "fields": {"stageId": "NEW"}}`, &single)
		if *single.Time.Operating != 0.2 || *single.Time.Reset != start+230 {
			t.Errorf("after the first of two dropped out: %v %v", *single.Time.Operating, *single.Time.Reset)
		}

		p.SetOperatingLimit(0, 0, bitrix24test.ChargeInner)
		for range 40 {
			result(t, p, "crm.item.update", `{"entityTypeId": 1, "id": 1, "fields": {"stageId": "NEW"}}`, &single)
		}
		now := time.Now().Unix()
		if *single.Time.Operating != 4 || *single.Time.Reset < now+490 || *single.Time.Reset > now+600 || *single.Time.Reset%60 != 0 {
			t.Errorf("without a limit: %v %v", *single.Time.Operating, *single.Time.Reset-now)
		}
	})
}

func TestBatchesAreCharged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.AddItems(50, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		p.SetLatency(0, 100*time.Millisecond)
		p.SetOperatingLimit(3*time.Second, 0, bitrix24test.ChargeBatch)
		p.ShowOperating(true, true, true)
		var batch timedBatch
		result(t, p, "batch", batchOf(29, junk), &batch)
		if *batch.Time.Operating != 2.9 || *batch.command(t, "c28").Operating != 0 {
			t.Errorf("the batch said %v, a command %v", *batch.Time.Operating, *batch.command(t, "c28").Operating)
		}
		result(t, p, "batch", batchOf(50, junk), &batch)
		if junked(p) != 50 || *batch.Time.Operating != 7.9 {
			t.Errorf("%d commands were done, said %v", junked(p), *batch.Time.Operating)
		}
		status, body := call(p, "batch", batchOf(1, junk))
		if status != http.StatusTooManyRequests || !strings.HasPrefix(body, `{"error":"OPERATION_TIME_LIMIT"`) || p.Calls("batch") != 3 {
			t.Errorf("a third batch: %d %s", status, body)
		}
		var single timed
		result(t, p, "crm.item.update", `{"entityTypeId": 1, "id": 1, "fields": {"stageId": "NEW"}}`, &single)
		if *single.Time.Operating != 0.1 {
			t.Errorf("a single call said %v", *single.Time.Operating)
		}
		p.SetOperatingLimit(100*time.Millisecond, 0, bitrix24test.ChargeBatch)
		result(t, p, "profile", "", &single)
		if status, _ := call(p, "profile", ""); status != http.StatusTooManyRequests {
			t.Errorf("a second call: %d", status)
		}
		if _, body := call(p, "batch", `{"cmd": {"a": "profile"}}`); !strings.Contains(body, `"result_error":[]`) {
			t.Errorf("a method that has used up its time in a batch: %s", body)
		}
		p.SetOperatingLimit(3*time.Second, 0, bitrix24test.ChargeBatch)
		if status, _ := call(p, "batch", batchOf(1, junk)); status != http.StatusOK {
			t.Errorf("after SetOperatingLimit: %d", status)
		}
	})
}

func TestShowOperating(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	for i := range 8 {
		calls, batches, commands := i&1 != 0, i&2 != 0, i&4 != 0
		p.ShowOperating(calls, batches, commands)
		var single timed
		var batch timedBatch
		result(t, p, "profile", "", &single)
		result(t, p, "batch", `{"cmd": {"a": "profile"}}`, &batch)
		command := batch.command(t, "a")
		for _, said := range []struct {
			time timing
			want bool
		}{{single.Time, calls}, {batch.Time, batches}, {command, commands}} {
			if (said.time.Operating != nil) != said.want || (said.time.Reset != nil) != said.want {
				t.Errorf("ShowOperating(%v, %v, %v): %+v", calls, batches, commands, said.time)
			}
		}
	}
}
