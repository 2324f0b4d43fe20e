package bitrix24test_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		ask := func(n, want int) {
			t.Helper()
			let := 0
			for range n {
				status, body := call(p, "batch", `{"cmd": ["profile", "profile"]}`)
				switch {
				case status == http.StatusOK:
					let++
				case status != http.StatusServiceUnavailable || !strings.Contains(body, `"QUERY_LIMIT_EXCEEDED"`):
					t.Errorf("%d %s", status, body)
				}
			}
			if let != want {
				t.Errorf("%d of %d requests were let in, want %d", let, n, want)
			}
		}
		ask(200, 200)
		time.Sleep(300 * time.Millisecond)
		p.SetRateLimit(2, 50)
		ask(60, 50)
		if p.RateLimited() != 10 || p.Calls("profile") != 500 {
			t.Errorf("RateLimited = %d, %d commands ran", p.RateLimited(), p.Calls("profile"))
		}
		time.Sleep(999 * time.Millisecond)
		ask(1, 0)
		time.Sleep(time.Millisecond) // one second after SetRateLimit
		ask(5, 2)
		time.Sleep(1900 * time.Millisecond)
		ask(5, 2)
		time.Sleep(100 * time.Millisecond)
		ask(5, 2)
		time.Sleep(time.Hour)
		ask(50, 50)
		time.Sleep(10 * time.Second)
		ask(10, 10)
		p.FillBucket()
		ask(1, 0)
		time.Sleep(time.Second)
		ask(3, 2)
		time.Sleep(20 * time.Second)
		p.FillBucket()
		ask(1, 0)
		if status, _ := send(p, http.MethodGet, "/rest/17/wrong/profile", "", "", ""); status != http.StatusServiceUnavailable {
			t.Errorf("wrong credentials: %d", status)
		}
		before := p.RateLimited()
		p.SetRateLimit(5, 3)
		ask(4, 3)
		time.Sleep(time.Second)
		ask(4, 3)
		p.SetRateLimit(0, 1)
		ask(2, 1)
		time.Sleep(time.Hour)
		ask(2, 0)
		if got := p.RateLimited() - before; got != 5 {
			t.Errorf("RateLimited grew by %d, want 5", got)
		}
		p.SetRateLimit(0, 0)
		p.FillBucket()
		ask(100, 100)
	})
}
