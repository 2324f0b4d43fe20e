package crmhttp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

func TestWhatIsSafeIsRepeated(t *testing.T) {
	t.Parallel()
	failed := func(err error) roundTrip {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	broken := failed(io.ErrUnexpectedEOF)
	answer := func(status int, header ...string) roundTrip {
		return func(*http.Request) (*http.Response, error) { return reply(status, "", header...), nil }
	}
	get, post, marked := crmhttp.Request{}, crmhttp.Request{Method: "POST", Body: 1}, crmhttp.Request{Method: "POST", Body: 1, Idempotent: true}
	tests := []struct {
		name     string
		request  crmhttp.Request
		failure  roundTrip
		attempts int
	}{
		{"GET, connection broken", get, broken, 3},
		{"GET, certificate refused", get, failed(&tls.CertificateVerificationError{Err: errors.New("x")}), 1},
		{"GET 408", get, answer(408), 3},
		{"GET 425", get, answer(425), 3},
		{"GET 429", get, answer(429), 3},
		{"GET 500", get, answer(500), 1},
		{"GET 501", get, answer(501), 1},
		{"GET 502", get, answer(502), 3},
		{"GET 503", get, answer(503), 3},
		{"GET 504", get, answer(504), 3},
		{"GET 401", get, answer(401), 1},
		{"GET 404", get, answer(404), 1},
		{"GET 302", get, answer(302, "Location", "https://crm.example/other"), 1},
		{"HEAD 503", crmhttp.Request{Method: "HEAD"}, answer(503), 3},
		{"POST 503", post, answer(503), 1},
		{"POST 429", post, answer(429, "Retry-After", "1"), 1},
		{"POST, connection broken", post, broken, 1},
		{"PUT 503", crmhttp.Request{Method: "PUT", Body: 1}, answer(503), 1},
		{"DELETE 503", crmhttp.Request{Method: "DELETE"}, answer(503), 1},
		{"marked POST 503", marked, answer(503), 3},
		{"marked POST, connection broken", marked, broken, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				client := over(t, func(r *http.Request) (*http.Response, error) {
					attempts++
					if test.request.Body != nil {
						if got := readAll(t, r); got != "1" {
							t.Errorf("attempt %d carried %q", attempts, got)
						}
					}
					return test.failure(r)
				}, crmhttp.Options{})
				if _, err := client.Do(t.Context(), test.request); err == nil {
					t.Error("no error")
				}
				if attempts != test.attempts {
					t.Errorf("sent %d times, want %d", attempts, test.attempts)
				}
			})
		})
	}
}

func TestDelaysGrowAndAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		client := over(t, func(*http.Request) (*http.Response, error) {
			times = append(times, time.Now())
			return reply(503, ""), nil
		}, crmhttp.Options{Attempts: 100})
		start := time.Now()
		wantKind(t, list(t.Context(), client), crm.ErrUnavailable)
		if took := time.Since(start); took > crmhttp.DefaultRetryBudget {
			t.Errorf("the call took %v, want at most %v", took, crmhttp.DefaultRetryBudget)
		}
		longest := 250 * time.Millisecond
		for i := 1; i < len(times); i++ {
			if delay := times[i].Sub(times[i-1]); delay < longest/2 || delay > longest {
				t.Errorf("delay %d is %v, want %v to %v", i, delay, longest/2, longest)
			}
			longest = min(2*longest, 2*time.Second)
		}
		if len(times) < 4 || len(times) > 10 {
			t.Errorf("%d attempts in %v", len(times), crmhttp.DefaultRetryBudget)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		zero := time.Now()
		tests := []struct {
			name, header string
			attempts     int
			least, after time.Duration
		}{
			{"seconds", "2", 2, 2 * time.Second, 0},
			{"fraction", "1.5", 2, 1500 * time.Millisecond, 0},
			{"whole budget", "5", 2, 5 * time.Second, 0},
			{"date", zero.Add(3 * time.Second).UTC().Format(http.TimeFormat), 2, 3 * time.Second, 0},
			{"past date", zero.Add(-time.Hour).UTC().Format(http.TimeFormat), 2, 0, 0},
			{"negative", "-3", 2, 0, 0},
			{"nonsense", "soon", 2, 0, 0},
			{"not a number", "NaN", 2, 0, 0},
			{"longer than the budget", "60", 1, 0, time.Minute},
			{"date beyond the budget", zero.Add(time.Hour).UTC().Format(http.TimeFormat), 1, 0, time.Hour},
			{"overflow", "1e300", 1, 0, 365 * 24 * time.Hour},
		}
		for _, test := range tests {
			offset := time.Until(zero) // brings the clock back to zero for each test
			attempts := 0
			client := over(t, func(*http.Request) (*http.Response, error) {
				attempts++
				if attempts == 1 {
					return reply(429, "", "Retry-After", test.header), nil
				}
				return reply(200, `{}`), nil
			}, crmhttp.Options{Now: func() time.Time { return time.Now().Add(offset) }})
			start := time.Now()
			err := list(t.Context(), client)
			took := time.Since(start)
			if attempts != test.attempts {
				t.Errorf("%s: sent %d times, want %d", test.name, attempts, test.attempts)
			}
			if took < test.least || took > max(test.least*11/10, 250*time.Millisecond) {
				t.Errorf("%s: took %v, want about %v", test.name, took, test.least)
			}
			if test.attempts == 1 {
				if e := detail(t, err, crm.ErrRateLimited); e.RetryAfter != test.after || took != 0 {
					t.Errorf("%s: RetryAfter = %v after %v, want %v at once", test.name, e.RetryAfter, took, test.after)
				}
			} else if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
	})
}

func TestRetryAfterThatSaysNothingIsZero(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"", "NaN", "-1", "0", "soon", "Mon, 02 Jan 2006 15:04:05 GMT"} {
		client := over(t, func(*http.Request) (*http.Response, error) {
			return reply(429, "", "Retry-After", header), nil
		}, crmhttp.Options{Attempts: 1})
		if e := detail(t, list(t.Context(), client), crm.ErrRateLimited); e.RetryAfter != 0 {
			t.Errorf("Retry-After %q: %v, want 0", header, e.RetryAfter)
		}
	}
}

func TestOptionsLimitRepetition(t *testing.T) {
	t.Parallel()
	count := func(opts crmhttp.Options) int {
		attempts := 0
		client := over(t, func(*http.Request) (*http.Response, error) { attempts++; return reply(500, ""), nil }, opts)
		if err := list(t.Context(), client); err == nil {
			t.Error("no error")
		}
		return attempts
	}
	always := func(*crm.Error) bool { return true }
	if got := count(crmhttp.Options{Retry: always, Attempts: 2}); got != 2 {
		t.Errorf("with a rule of its own and Attempts 2 it was sent %d times", got)
	}
	if got := count(crmhttp.Options{Retry: always, Attempts: 1}); got != 1 {
		t.Errorf("with Attempts 1 it was sent %d times", got)
	}
	if got := count(crmhttp.Options{Retry: always, RetryBudget: time.Nanosecond}); got != 1 {
		t.Errorf("without a budget it was sent %d times", got)
	}
}

func TestTimeoutIsForEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		client := over(t, func(r *http.Request) (*http.Response, error) {
			attempts++
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, crmhttp.Options{Timeout: time.Second})
		start := time.Now()
		err := list(t.Context(), client)
		wantKind(t, err, crm.ErrUnavailable)
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want a time-out that is not the caller's", err)
		}
		if took := time.Since(start); attempts != 3 || took < 3*time.Second || took > 4*time.Second {
			t.Errorf("%d attempts took %v", attempts, took)
		}
	})
}

func TestTimeoutCoversTheBody(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"a":`)
		_ = http.NewResponseController(w).Flush()
		close(begun)
		<-r.Context().Done()
	}, crmhttp.Options{Timeout: 50 * time.Millisecond, Attempts: 1})
	err := list(t.Context(), client)
	<-begun
	e := detail(t, err, crm.ErrUnavailable)
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() || e.Status != 0 {
		t.Errorf("error = %v, want a time-out without an answer", err)
	}
}

func TestContextThatEndedBeforeSendsNothing(t *testing.T) {
	t.Parallel()
	client := over(t, func(*http.Request) (*http.Response, error) {
		t.Error("it was sent")
		return reply(200, `{}`), nil
	}, crmhttp.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := list(ctx, client)
	wantKind(t, err, crm.ErrUnavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

func TestContextThatEndsDuringTheCall(t *testing.T) {
	t.Parallel()
	block := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	refuse := func(*http.Request) (*http.Response, error) { return reply(503, "", "Retry-After", "3"), nil }
	tests := []struct {
		name string
		send roundTrip
		kind error
	}{
		{"while it is sent", block, crm.ErrUnavailable},
		{"while it waits", refuse, crm.ErrUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				start := time.Now()
				err := list(ctx, over(t, test.send, crmhttp.Options{}))
				wantKind(t, err, test.kind)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error = %v, want context.Canceled", err)
				}
				if took := time.Since(start); took != time.Second {
					t.Errorf("the call ended after %v, want as soon as its context", took)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				err := list(ctx, over(t, test.send, crmhttp.Options{}))
				wantKind(t, err, test.kind)
				took := time.Since(start)
				if test.name == "while it waits" {
					if took != 0 {
						t.Errorf("the call waited %v for what the deadline forbids", took)
					}
					return
				}
				if !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
					t.Errorf("error after %v = %v, want context.DeadlineExceeded after 1s", took, err)
				}
			})
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"https://evil.example/steal?token=1", "/same/host", "https://crm.example:444/", ""} {
		var asked atomic.Int32
		client := over(t, func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			return reply(307, "", "Location", location), nil
		}, crmhttp.Options{Authorization: "bearer hunter2"})
		_, err := client.Do(t.Context(), crmhttp.Request{Op: "list", Method: "POST", Body: 1})
		e := detail(t, err, crm.ErrBadResponse)
		if asked.Load() != 1 || e.Status != 307 {
			t.Errorf("Location %q: %d requests, error %v", location, asked.Load(), err)
		}
		noSecret(t, err, "hunter2", "token=1")
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"a":1}`)
	}, crmhttp.Options{})
	request := crmhttp.Request{Op: "list", Method: "POST", Body: map[string]int{"a": 1}, Header: http.Header{"x": {"y"}}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				var into struct{ A int }
				if err := client.DoJSON(t.Context(), request, &into); err != nil || into.A != 1 {
					t.Errorf("DoJSON = %v, %v", into, err)
				}
			}
		})
	}
	wg.Wait()
}

// What was surely not carried out is sent again, even if it is not safe twice.
func TestWhatSurelyDidNotRunIsRepeated(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		request crmhttp.Request
		status  int
		want    int
	}{
		{"refused before it ran", crmhttp.Request{Method: "POST"}, 429, 3},
		{"perhaps carried out", crmhttp.Request{Method: "POST"}, 503, 1},
		{"to be sent once", crmhttp.Request{Method: "POST", Once: true}, 429, 1},
		{"safe and to be sent once", crmhttp.Request{Once: true}, 503, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				client := over(t, func(*http.Request) (*http.Response, error) {
					sent++
					return reply(test.status, ""), nil
				}, crmhttp.Options{Unrun: func(e *crm.Error) bool { return e.Status == 429 }})
				if _, err := client.Do(t.Context(), test.request); err == nil || sent != test.want {
					t.Errorf("sent %d times, want %d; error = %v", sent, test.want, err)
				}
			})
		})
	}
}

// Each attempt waits at the gate, whose error ends the call.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var trace []string
		var closed error
		client := over(t, func(*http.Request) (*http.Response, error) {
			trace = append(trace, "sent")
			return reply(503, ""), nil
		}, crmhttp.Options{Attempts: 2, Gate: func(context.Context) error {
			trace = append(trace, "gate")
			return closed
		}})
		_, _ = client.Do(t.Context(), crmhttp.Request{})
		_, _ = client.Do(t.Context(), crmhttp.Request{Once: true})
		closed = context.DeadlineExceeded
		_, err := client.Do(t.Context(), crmhttp.Request{Op: "list"})
		_ = detail(t, err, crm.ErrUnavailable)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want that of the gate", err)
		}
		if diff := cmp.Diff([]string{"gate", "sent", "gate", "sent", "sent", "gate"}, trace); diff != "" {
			t.Errorf("trace (-want +got):\n%s", diff)
		}
	})
}
