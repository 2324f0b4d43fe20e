package umnicotest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := umnicotest.New()
		lead := fake.AddLead(umnicotest.Lead{StatusID: 710205})
		time.Sleep(300 * time.Millisecond)
		fake.SetRateLimit(2, 1500*time.Millisecond)
		wantStatus(t, "first", fake, good, 200)
		wantStatus(t, "second, refused for its token, but counted", fake, "", 401)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://umnico.example/v1.3/leads/70010001", strings.NewReader(`{"statusId":710231}`))
		must(t, err)
		request.Header.Set("Authorization", good)
		response, err := fake.Transport().RoundTrip(request)
		must(t, err)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") != "2" {
			t.Errorf("%d, Retry-After %q; want 429 and 2", response.StatusCode, response.Header.Get("Retry-After"))
		}
		if lead, _ := fake.Lead(lead.ID); lead.StatusID != 710205 {
			t.Error("a request beyond the limit was done")
		}
		time.Sleep(999 * time.Millisecond)
		wantStatus(t, "still the same second", fake, good, 429)
		time.Sleep(time.Millisecond)
		wantStatus(t, "next second", fake, good, 200)
		wantStatus(t, "next second", fake, good, 200)
		wantStatus(t, "next second", fake, good, 429)
		if got := fake.RateLimited(); got != 3 {
			t.Errorf("RateLimited = %d, want 3", got)
		}
		fake.SetRateLimit(1, 0)
		wantStatus(t, "a new limit", fake, good, 200)
		_, body := call(t, fake, "GET", umnicotest.PathStatuses, "")
		if body != "" {
			t.Errorf("the body of a 429 is %q", body)
		}
		fake.SetRateLimit(0, 0)
		for range 5 {
			wantStatus(t, "no limit", fake, good, 200)
		}
		if got := fake.RateLimited(); got != 4 {
			t.Errorf("RateLimited = %d, want 4", got)
		}
	})
}

func TestRateLimitWithoutRetryAfter(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.SetRateLimit(1, 0)
	var response *http.Response
	for range 2 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://umnico.example/", nil)
		must(t, err)
		response, err = fake.Transport().RoundTrip(request)
		must(t, err)
		_ = response.Body.Close()
	}
	if _, found := response.Header["Retry-After"]; response.StatusCode != http.StatusTooManyRequests || found {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := umnicotest.New()
		lead := fake.AddLead(umnicotest.Lead{StatusID: 710205})
		if got := fake.MaxConcurrent(); got != 0 {
			t.Errorf("MaxConcurrent = %d before any request", got)
		}
		fake.SetLatency(time.Second)
		start := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { wantStatus(t, "slow", fake, good, 200) })
		}
		wg.Wait()
		wantStatus(t, "refused", fake, "", 401)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it took %v, want 2s", took)
		}
		if got := fake.MaxConcurrent(); got != 3 {
			t.Errorf("MaxConcurrent = %d, want 3", got)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://umnico.example/v1.3/leads/70010001", strings.NewReader(`{"statusId":710231}`))
		must(t, err)
		request.Header.Set("Authorization", good)
		response, err := fake.HTTPClient().Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if lead, _ := fake.Lead(lead.ID); lead.StatusID != 710231 || time.Since(start) != 2*time.Second+10*time.Millisecond {
			t.Errorf("a request whose client went away: status %d after %v", lead.StatusID, time.Since(start))
		}
		fake.SetLatency(0)
		wantStatus(t, "fast", fake, good, 200)
		if took := time.Since(start); took != 2*time.Second+10*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}
