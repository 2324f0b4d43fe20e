package umnico_test

import (
	"log/slog"
	"net/http"
	"strings"
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
			if test.status != http.StatusUnauthorized && strings.Contains(err.Error(), "check") {
				t.Errorf("error = %q, which blames what was not refused", err)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("error = %q, want it to say %q", err, test.says)
			}
		})
	}
}

// The waits between attempts are the client's; what it does with its options is
// not seen by the suite of package crmtest.
func TestOptionsReachTheRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		opts     umnico.Options
		fault    crmfault.Fault
		requests int
	}{
		{"defaults", umnico.Options{}, crmfault.Answer(503, ""), 3},
		{"attempts", umnico.Options{Attempts: 2}, crmfault.Answer(503, ""), 2},
		{"wait within the budget", umnico.Options{RetryBudget: time.Minute}, umnicotest.RateLimited(10 * time.Second), 3},
		{"wait beyond the budget", umnico.Options{}, umnicotest.RateLimited(10 * time.Second), 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				fake := umnicotest.New()
				fake.SetToken(token)
				fake.Fail(-1, test.fault)
				test.opts.HTTPClient = &http.Client{Transport: fake.Transport()}
				test.opts.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				if _, err := mustNew(t, &test.opts).ListStatuses(t.Context()); err == nil {
					t.Error("a call that always fails gave no error")
				}
				if got := fake.Requests(umnicotest.PathStatuses); got != test.requests {
					t.Errorf("%d requests, want %d", got, test.requests)
				}
				if got := strings.Count(log.String(), "\n"); got != test.requests {
					t.Errorf("%d records in the log, want one for each of %d requests:\n%s", got, test.requests, log.String())
				}
			})
		})
	}
}
