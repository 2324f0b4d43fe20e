package crmfault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink/crm/crmfault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// truth is what the fake behind the faults says.
const truth = `[{"id":1},{"id":2}]`

func fake() *crmfault.Handler {
	return crmfault.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Path", r.URL.Path)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, truth)
	}))
}

// said is an answer.
type said struct {
	Status int
	Body   string
	Header http.Header
}

// ask asks over a transport and returns the answer, with some headers.
func ask(ctx context.Context, transport http.RoundTripper, address string) (said, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader("body"))
	if err != nil {
		return said{}, err
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return said{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	header := http.Header{}
	for _, name := range []string{"Content-Type", "Retry-After", "Location", "X-Path"} {
		if value := response.Header.Get(name); value != "" {
			header.Set(name, value)
		}
	}
	return said{response.StatusCode, string(body), header}, err
}

// ways calls test with a transport without a network and with a real one.
func ways(t *testing.T, test func(t *testing.T, h *crmfault.Handler, transport http.RoundTripper, address string)) {
	t.Helper()
	t.Run("without a network", func(t *testing.T) {
		t.Parallel()
		h := fake()
		test(t, h, h.Transport(), "https://crm.example")
	})
	t.Run("over a port", func(t *testing.T) {
		t.Parallel()
		h := fake()
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		test(t, h, &http.Transport{DisableKeepAlives: true}, server.URL)
	})
}

func TestFaultsThatAnswer(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	const media, path, text = "application/json; charset=utf-8", "/list", "text/plain; charset=utf-8"
	tests := []struct {
		name  string
		fault crmfault.Fault
		want  said
	}{
		{"none", crmfault.Fault{}, said{202, truth, header("X-Path", path, "Content-Type", text)}},
		{"answer", crmfault.Answer(409, `{}`), said{409, `{}`, header("Content-Type", media)}},
		{"answer without a body", crmfault.Answer(401, ""), said{401, "", header("Content-Type", media)}},
		{"answer with headers", crmfault.Answer(200, "x", "Content-Type", "text/plain", "Location", "/y", "odd"), said{200, "x", header("Content-Type", "text/plain", "Location", "/y")}},
		{"html", crmfault.HTML(), said{200, "<!DOCTYPE html><html><body>Технические работы</body></html>\n", header("Content-Type", "text/html; charset=utf-8")}},
		{"retry after", crmfault.RetryAfter(429, 1500*time.Millisecond), said{429, "", header("Content-Type", media, "Retry-After", "2")}},
		{"retry without a wait", crmfault.RetryAfter(503, 0), said{503, "", header("Content-Type", media)}},
		{"redirect", crmfault.Redirect(307, "https://other.example/"), said{307, "", header("Content-Type", media, "Location", "https://other.example/")}},
		{"rewrite", crmfault.Rewrite(func(body []byte) []byte { return append(body, "!"...) }), said{202, truth + "!", header("X-Path", path, "Content-Type", text)}},
		{"cut", crmfault.Cut(), said{202, truth[:len(truth)/2], header("X-Path", path, "Content-Type", text)}},
		{"delay", crmfault.Delay(time.Nanosecond), said{202, truth, header("X-Path", path, "Content-Type", text)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ways(t, func(t *testing.T, h *crmfault.Handler, transport http.RoundTripper, address string) {
				h.Fail(1, test.fault)
				got, err := ask(t.Context(), transport, address+"/list")
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestFaultsThatBreakTheConnection(t *testing.T) {
	t.Parallel()
	ways(t, func(t *testing.T, h *crmfault.Handler, transport http.RoundTripper, address string) {
		h.Fail(1, crmfault.Drop())
		if got, err := ask(t.Context(), transport, address); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Drop: %+v, %v", got, err)
		}
		h.Fail(1, crmfault.CutConnection())
		got, err := ask(t.Context(), transport, address)
		if !errors.Is(err, io.ErrUnexpectedEOF) || (got.Body != "" && got.Body != truth[:len(truth)/2]) {
			t.Errorf("CutConnection: %+v, %v; want half an answer, or none, and an error", got, err)
		}
		if got, err := ask(t.Context(), transport, address); err != nil || got.Body != truth {
			t.Errorf("afterwards: %+v, %v", got, err)
		}
	})
}

func TestFailTakesTurns(t *testing.T) {
	t.Parallel()
	h := fake()
	statuses := func(n int) []int {
		var all []int
		for range n {
			got, err := ask(t.Context(), h.Transport(), "https://crm.example/")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, got.Status)
		}
		return all
	}
	h.Fail(2, crmfault.Answer(500, ""))
	h.Fail(0, crmfault.Answer(404, ""))
	h.Fail(1, crmfault.Fault{})
	h.Fail(1, crmfault.Answer(403, ""))
	if diff := cmp.Diff([]int{500, 500, 202, 403, 202}, statuses(5)); diff != "" {
		t.Errorf("faults in their turn (-want +got):\n%s", diff)
	}
	h.Fail(1, crmfault.Answer(500, ""))
	h.Fail(-1, crmfault.Answer(503, ""))
	h.Fail(1, crmfault.Answer(404, ""))
	if diff := cmp.Diff([]int{500, 503, 503, 503}, statuses(4)); diff != "" {
		t.Errorf("a fault for ever (-want +got):\n%s", diff)
	}
	h.Recover()
	if diff := cmp.Diff([]int{202, 202}, statuses(2)); diff != "" {
		t.Errorf("after Recover (-want +got):\n%s", diff)
	}
	if got := h.TotalRequests(); got != 11 {
		t.Errorf("TotalRequests = %d, want 11: failed ones count too", got)
	}
}

func TestRequestsAreCountedByPath(t *testing.T) {
	t.Parallel()
	h := fake()
	h.Fail(1, crmfault.Drop())
	for _, path := range []string{"/a", "/a/", "/b?c=d", ""} {
		_, _ = ask(t.Context(), h.Transport(), "https://crm.example"+path)
	}
	for path, want := range map[string]int{"/a": 2, "/a/": 2, "/b": 1, "": 1, "/": 1, "/c": 0} {
		if got := h.Requests(path); got != want {
			t.Errorf("Requests(%q) = %d, want %d", path, got, want)
		}
	}
}

func TestDelayTakesTimeOfTheFakeClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := fake()
		h.Fail(-1, crmfault.Delay(time.Hour))
		start := time.Now()
		if _, err := ask(t.Context(), h.Transport(), "https://crm.example"); err != nil || time.Since(start) != time.Hour {
			t.Errorf("Delay took %v, %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := ask(ctx, h.Transport(), "https://crm.example"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("a client that goes away waited for %v, %v", time.Since(start), err)
		}
		if _, err := ask(ctx, h.Transport(), "https://crm.example"); !errors.Is(err, context.DeadlineExceeded) || h.TotalRequests() != 2 {
			t.Errorf("a request under an ended context: %v, %d requests", err, h.TotalRequests())
		}
	})
}

func TestHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := fake()
		first, second := h.Hold(), h.Hold()
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			done int
		)
		send := func(ctx context.Context) {
			wg.Go(func() {
				_, err := ask(ctx, h.Transport(), "https://crm.example")
				mu.Lock()
				defer mu.Unlock()
				if done++; !errors.Is(err, ctx.Err()) {
					t.Errorf("a held request ended with %v, want %v", err, ctx.Err())
				}
			})
		}
		count := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if done != want {
				t.Errorf("%s: %d requests have ended, want %d", what, done, want)
			}
		}
		send(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		send(ctx)
		if err := h.WaitRequests(t.Context(), 2); err != nil {
			t.Error(err)
		}
		count("held twice", 0)
		first()
		first()
		count("released once", 0)
		cancel()
		count("one client has gone", 1)
		second()
		count("released", 2)
		h.Hold()
		h.Hold()
		send(t.Context())
		count("held again", 2)
		h.ReleaseAll()
		count("released all", 3)
		send(t.Context())
		count("not held any more", 4)
		wg.Wait()
	})
}

func TestWaitRequestsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := fake()
	ctx, cancel := context.WithCancel(t.Context())
	if err := h.WaitRequests(ctx, 0); err != nil {
		t.Error(err)
	}
	cancel()
	if err := h.WaitRequests(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitRequests = %v, want context.Canceled", err)
	}
}

// TestOtherPanicsAreNotHidden: only the one that a server understands is a
// broken connection.
func TestOtherPanicsAreNotHidden(t *testing.T) {
	t.Parallel()
	h := crmfault.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a mistake in the fake") }))
	defer func() {
		if p := recover(); p != "a mistake in the fake" {
			t.Errorf("recovered %v", p)
		}
	}()
	_, _ = ask(t.Context(), h.Transport(), "https://crm.example")
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	h := fake()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				h.Fail(1, crmfault.Answer(500, ""))
				release := h.Hold()
				release()
				if _, err := ask(t.Context(), h.Transport(), "https://crm.example/x"); err != nil {
					t.Error(err)
				}
			}
			h.ReleaseAll()
		})
	}
	h.ReleaseAll()
	if err := h.WaitRequests(t.Context(), 1); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if got := h.Requests("/x"); got != 160 {
		t.Errorf("Requests = %d, want 160", got)
	}
}
