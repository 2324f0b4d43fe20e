package umnico_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		kind   error
		says   string
	}{
		{"golden 401", 401, golden(t, "error_401.json"), crm.ErrUnauthorized, "AuthWord (Bearer, or none): Unauthorized"},
		{"golden 404", 404, golden(t, "error_404.json"), crm.ErrNotFound, ": Not found"},
		{"golden 422", 422, golden(t, "error_422.json"), crm.ErrRejected, ": User 4999 doesn't exist for this account"},
		{"golden webhook", 400, golden(t, "error_webhook_exists.json"), crm.ErrRejected, ": This server already exists"},
		{"401 without a body", 401, "", crm.ErrUnauthorized, "Settings > API"},
		{"402", 402, "", crm.ErrForbidden, ""},
		{"403", 403, "no right", crm.ErrForbidden, ": no right"},
		{"429 without a wait", 429, "", crm.ErrRateLimited, ""},
		{"500", 500, "Internal Server Error", crm.ErrUnavailable, ": Internal Server Error"},
		{"502 html", 502, "<html>secret page</html>", crm.ErrUnavailable, "Bad Gateway)"},
		{"message before detail before error", 400, `{"error":"c","detail":"b","message":"a"}`, crm.ErrRejected, ": a"},
		{"detail before error", 400, `{"error":"c","detail":"b","message":""}`, crm.ErrRejected, ": b"},
		{"null message", 400, `{"error":"c","message":null}`, crm.ErrRejected, ": c"},
		{"error that is an object", 400, `{"error":{"field":["x"]}}`, crm.ErrRejected, `: {"field":["x"]}`},
		{"object without a known key", 400, `{"reason":"d"}`, crm.ErrRejected, `: {"reason":"d"}`},
		{"array", 400, `["e"]`, crm.ErrRejected, `: ["e"]`},
		{"cut json", 400, `{"error":"f`, crm.ErrRejected, `: {"error":"f`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := mocked(t, httpmock.NewStringResponder(test.status, test.body)).ListStatuses(t.Context())
			if e := detail(t, err, test.kind); e.Status != test.status {
				t.Errorf("status = %d, want %d", e.Status, test.status)
			}
			if !strings.HasSuffix(err.Error(), test.says) && !strings.Contains(test.says, "Settings") {
				t.Errorf("error = %q, want it to end with %q", err, test.says)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("error = %q, want it to say %q", err, test.says)
			}
		})
	}
}

// played returns a fake without a network and a client for it.
func played(t *testing.T, opts umnico.Options) (*umnicotest.Umnico, *umnico.Client) {
	t.Helper()
	fake := umnicotest.New()
	fake.SetToken(token)
	opts.HTTPClient = &http.Client{Transport: fake.Transport()}
	return fake, mustNew(t, &opts)
}

func TestRefusedTokenIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	fake, client := played(t, umnico.Options{})
	fake.SetToken("another")
	_, err := client.ListStatuses(t.Context())
	wantKind(t, err, crm.ErrUnauthorized)
	if got := fake.TotalRequests(); got != 1 {
		t.Errorf("%d requests with a refused token, want 1", got)
	}
}

func TestPassingFaultsAreOvercome(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]crmfault.Fault{
		"429":            umnicotest.RateLimited(2 * time.Second),
		"503":            crmfault.Answer(503, ""),
		"dropped":        crmfault.Drop(),
		"dropped midway": crmfault.CutConnection(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, client := played(t, umnico.Options{})
				fake.Fail(1, fault)
				start := time.Now()
				if _, err := client.ListStatuses(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); name == "429" && took < 2*time.Second {
					t.Errorf("asked again after %v, want after Retry-After", took)
				}
				if got := fake.Requests(umnicotest.PathStatuses); got != 2 {
					t.Errorf("%d requests, want 2", got)
				}
			})
		})
	}
}

func TestLongRetryAfterIsReported(t *testing.T) {
	t.Parallel()
	fake, client := played(t, umnico.Options{})
	fake.Fail(-1, umnicotest.RateLimited(time.Minute))
	_, err := client.ListStatuses(t.Context())
	if e := detail(t, err, crm.ErrRateLimited); e.RetryAfter != time.Minute {
		t.Errorf("RetryAfter = %v, want 1m", e.RetryAfter)
	}
	if got := fake.TotalRequests(); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}

func TestLastingFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault crmfault.Fault
		kind  error
		mark  error
	}{
		{"dropped", crmfault.Drop(), crm.ErrUnavailable, nil},
		{"dropped midway", crmfault.CutConnection(), crm.ErrUnavailable, io.ErrUnexpectedEOF},
		{"html", crmfault.HTML(), crm.ErrBadResponse, nil},
		{"cut", crmfault.Cut(), crm.ErrBadResponse, nil},
		{"503", crmfault.Answer(503, ""), crm.ErrUnavailable, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := umnicotest.NewServer()
			t.Cleanup(server.Close)
			server.SetToken(token)
			server.Fail(-1, test.fault)
			client := mustNew(t, &umnico.Options{BaseURL: server.URL, HTTPClient: server.HTTPClient(), Attempts: 1})
			_, err := client.ListStatuses(t.Context())
			wantKind(t, err, test.kind)
			if test.mark != nil && !errors.Is(err, test.mark) {
				t.Errorf("errors.Is does not find %v in %v", test.mark, err)
			}
		})
	}
}

func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	server := umnicotest.NewServer()
	server.Close()
	_, err := mustNew(t, &umnico.Options{BaseURL: server.URL, Attempts: 1}).ListStatuses(t.Context())
	wantKind(t, err, crm.ErrUnavailable)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a refused connection is not told: %v", err)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, client := played(t, umnico.Options{Timeout: 3 * time.Second})
		fake.Fail(-1, crmfault.Delay(time.Hour))
		start := time.Now()
		_, err := client.ListStatuses(t.Context())
		wantKind(t, err, crm.ErrUnavailable)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("a time-out is not told: %v", err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the call took %v", took)
		}
	})
}

func TestContext(t *testing.T) {
	t.Parallel()
	fake, client := played(t, umnico.Options{})
	release := fake.Hold()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := client.ListStatuses(ctx)
		done <- err
	}()
	if err := fake.WaitRequests(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	err := <-done
	wantKind(t, err, crm.ErrUnavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	if _, err := client.ListStatuses(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	if got := fake.TotalRequests(); got != 1 {
		t.Errorf("%d requests, want 1: none under an ended context", got)
	}
}

func TestTokenNeverTravels(t *testing.T) {
	t.Parallel()
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(foreign.Close)
	server := umnicotest.NewServer()
	t.Cleanup(server.Close)
	server.SetToken(token)
	client := mustNew(t, &umnico.Options{BaseURL: server.URL, HTTPClient: server.HTTPClient()})
	for _, to := range []string{foreign.URL, server.URL + "/elsewhere"} {
		server.Fail(1, crmfault.Redirect(302, to))
		_, err := client.ListStatuses(t.Context())
		wantKind(t, err, crm.ErrBadResponse)
	}
	if got := server.TotalRequests(); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
}

func TestSecretIsNowhere(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	server := umnicotest.NewServer()
	t.Cleanup(server.Close)
	server.SetToken(token)
	client := mustNew(t, &umnico.Options{
		BaseURL: server.URL, HTTPClient: server.HTTPClient(), RetryBudget: time.Nanosecond,
		Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	values := []any{client, *client, struct{ C *umnico.Client }{client}, struct{ c umnico.Client }{*client}}
	faults := []crmfault.Fault{
		{},
		crmfault.Answer(401, `{"error":"bearer `+token+` is unknown"}`),
		crmfault.Answer(500, "GET /v1.3/statuses Authorization: bearer "+token),
		crmfault.Answer(422, strings.Repeat("x", 280)+token),
		crmfault.Answer(200, `{"error":"`+token+`"}`),
		crmfault.Answer(200, `[{"id":"`+token+`"},`),
		crmfault.Answer(200, `"`+token+`"`),
		crmfault.Redirect(302, "https://evil.example/?t="+token),
		crmfault.HTML(), crmfault.Drop(), crmfault.CutConnection(), crmfault.Cut(),
	}
	for i, fault := range faults {
		server.Recover()
		server.Fail(-1, fault)
		_, err := client.ListStatuses(t.Context())
		if (err == nil) != (i == 0) {
			t.Errorf("fault %d: error = %v", i, err)
		}
		values = append(values, chain(err)...)
	}
	server.Close()
	_, err := client.ListStatuses(t.Context())
	values = append(append(values, log.String()), chain(err)...)
	if len(log.String()) == 0 {
		t.Error("nothing was logged")
	}
	for _, value := range values {
		encoded, _ := json.Marshal(value)
		for _, shown := range []string{
			fmt.Sprintf("%v", value), fmt.Sprintf("%+v", value), fmt.Sprintf("%#v", value), fmt.Sprintf("%q", value), string(encoded),
		} {
			for _, part := range strings.Split(token, ".") {
				if strings.Contains(shown, part[:10]) {
					t.Errorf("the token can be seen in %T: %s", value, shown)
				}
			}
		}
	}
}

// chain returns err and all that Unwrap reaches from it.
func chain(err error) []any {
	if err == nil {
		return nil
	}
	found := []any{err}
	switch e := err.(type) { //nolint:errorlint // it walks the chain itself
	case interface{ Unwrap() error }:
		found = append(found, chain(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			found = append(found, chain(inner)...)
		}
	}
	return found
}

func TestCallersHTTPClientStaysAsItIs(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodGet, statusesURL, httpmock.NewStringResponder(200, "[]"))
	check := func(*http.Request, []*http.Request) error { return nil }
	theirs := &http.Client{Transport: mock, Jar: jar, CheckRedirect: check, Timeout: time.Minute}
	if _, err := mustNew(t, &umnico.Options{HTTPClient: theirs}).ListStatuses(t.Context()); err != nil {
		t.Fatal(err)
	}
	if theirs.Transport != http.RoundTripper(mock) || theirs.Jar != http.CookieJar(jar) || theirs.Timeout != time.Minute ||
		fmt.Sprintf("%p", theirs.CheckRedirect) != fmt.Sprintf("%p", check) {
		t.Error("the caller's http.Client was changed")
	}
}
