package bitrix24test_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

func TestErrorsAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file   string
		err    bitrix24test.APIError
		status int
	}{
		{"error_query_limit.json", bitrix24test.QueryLimit(), 503},
		{"error_operation_time_limit.json", bitrix24test.OperationTimeLimit(), 429},
		{"error_overload.json", bitrix24test.Overload(), 503},
		{"error_internal.json", bitrix24test.Internal(), 500},
		{"error_unexpected_answer.json", bitrix24test.UnexpectedAnswer(), 500},
		{"error_expired_token.json", bitrix24test.ExpiredToken(), 401},
		{"error_no_auth.json", bitrix24test.NoAuth(), 401},
		{"error_invalid_credentials.json", bitrix24test.InvalidCredentials(), 401},
		{"error_insufficient_scope.json", bitrix24test.InsufficientScope(), 401},
		{"error_user_access.json", bitrix24test.UserAccess(), 401},
		{"error_access_denied.json", bitrix24test.AccessDenied(), 400},
		{"error_access_denied_legacy.json", bitrix24test.AccessDeniedLegacy(), 400},
		{"error_rest_plan.json", bitrix24test.PlanRequired(), 403},
		{"error_portal_deleted.json", bitrix24test.PortalDeleted(), 403},
		{"error_method_not_found.json", bitrix24test.MethodNotFound(), 404},
		{"error_not_found.json", bitrix24test.NotFound(), 400},
		{"error_status_not_found.json", bitrix24test.StatusNotFound(), 400},
		{"error_numeric_code.json", bitrix24test.NumericCode(), 400},
		{"error_wrong_encoding.json", bitrix24test.WrongEncoding(), 200},
	} {
		p := bitrix24test.New()
		want := parsed(t, golden(t, test.file))
		check := func(what, method string) {
			t.Helper()
			status, body := call(p, method, "")
			if diff := cmp.Diff(want, parsed(t, []byte(body))); status != test.status || diff != "" {
				t.Errorf("%s %s: %d, want %d (-want +got):\n%s", test.file, what, status, test.status, diff)
			}
		}
		p.Fail(1, test.err.Fault())
		check("as a fault", "profile")
		p.FailCommand(2, "profile", test.err)
		check("of a method", "profile")
		_, body := call(p, "batch", `{"cmd": {"only": "profile"}}`)
		got := parsed(t, []byte(body)).(map[string]any)["result"].(map[string]any)["result_error"].(map[string]any)["only"]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s in a batch (-want +got):\n%s", test.file, diff)
		}
		p.FailCommand(1, "BATCH", test.err)
		check("of a batch", "batch")
		if status, body := call(p, "batch", `{"cmd": ["profile"]}`); status != 200 || !strings.Contains(body, `"result_error":[]`) {
			t.Errorf("%s is not over: %d %s", test.file, status, body)
		}
	}
}

func TestFailCommand(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	ask := func() int {
		status, _ := call(p, "scope", "")
		return status
	}
	p.FailCommand(1, "scope", bitrix24test.APIError{Code: "X"})
	p.FailCommand(0, "scope", bitrix24test.Internal())
	p.FailCommand(-1, "scope", bitrix24test.QueryLimit())
	p.FailCommand(1, "scope", bitrix24test.Internal())
	for i, want := range []int{400, 503, 503, 503} {
		if got := ask(); got != want {
			t.Errorf("call %d: %d, want %d", i, got, want)
		}
	}
	if status, _ := call(p, "profile", ""); status != 200 {
		t.Errorf("another method: %d", status)
	}
	p.RecoverCommands()
	if got := ask(); got != 200 {
		t.Errorf("after RecoverCommands: %d", got)
	}
	p.FailCommand(-1, "scope", bitrix24test.QueryLimit())
	p.Fail(-1, bitrix24test.Overload().Fault())
	p.RecoverCommands()
	if got := ask(); got != 503 {
		t.Errorf("RecoverCommands took back a fault: %d", got)
	}
	p.FailCommand(-1, "scope", bitrix24test.QueryLimit())
	p.Recover()
	if got := ask(); got != 200 {
		t.Errorf("after Recover: %d", got)
	}
	if got := p.Calls("scope"); got != 6 {
		t.Errorf("Calls = %d, want 6: failed calls count, requests that met a fault do not", got)
	}
}

func TestPart(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	const batch = `{"cmd": {"types": "crm.status.entity.types", "rows": "crm.status.list", "mode": "crm.settings.mode.get"}}`
	_, whole := call(p, "batch", batch)
	p.Fail(1, bitrix24test.Part(66))
	_, same := call(p, "batch", batch)
	if diff := cmp.Diff(parsed(t, []byte(whole)), parsed(t, []byte(same))); diff != "" {
		t.Errorf("Part(66) of 66 (-want +got):\n%s", diff)
	}
	var answer struct {
		Result struct {
			Result struct{ Types, Rows []any }
			Total  map[string]int `json:"result_total"`
		}
	}
	p.Fail(1, bitrix24test.Part(3))
	result(t, p, "batch", batch, &answer)
	if len(answer.Result.Result.Types) != 16 || len(answer.Result.Result.Rows) != 3 || answer.Result.Total["rows"] != 66 {
		t.Errorf("Part(3) = %+v", answer)
	}
	var single struct {
		Result []any
		Total  int
	}
	p.Fail(1, bitrix24test.Part(-1))
	result(t, p, "crm.status.list", "", &single)
	if len(single.Result) != 0 || single.Total != 66 {
		t.Errorf("Part(-1) = %+v", single)
	}
	p.Fail(1, bitrix24test.Part(1))
	if status, body := send(p, http.MethodGet, "/", "", "", ""); status != 404 || body != "" {
		t.Errorf("Part of what is no JSON: %d %q", status, body)
	}
}

func TestTransportNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		client := &http.Client{Transport: p.Transport(), Timeout: 2 * time.Hour}
		get := func(method string) error {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Webhook()+method, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err == nil {
				_ = response.Body.Close()
			}
			return err
		}
		p.Fail(1, crmfault.Delay(time.Hour))
		start := time.Now()
		if err := get("profile"); err != nil || time.Since(start) != time.Hour {
			t.Errorf("Delay(1h) took %v of the fake clock: %v", time.Since(start), err)
		}
		_, body := call(p, "server.time", "")
		if want := `{"result":"2000-01-01T04:00:00+03:00","time":{"start":946688400.000000,"finish":946688400.000000,"duration":0,`; !strings.HasPrefix(body, want) {
			t.Errorf("server.time = %s, want %s", body, want)
		}
		p.Fail(1, crmfault.Drop())
		if err := get("profile"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Drop: %v, want io.ErrUnexpectedEOF", err)
		}
		p.Hold()
		if err := get("profile"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a held request ended with %v, want its context's error", err)
		}
	})
}

func TestServer(t *testing.T) {
	t.Parallel()
	server := bitrix24test.NewServer()
	t.Cleanup(server.Close)
	server.Hold()
	done := make(chan string, 1)
	go func() {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.Webhook()+"batch", strings.NewReader("cmd[a]=scope"))
		if err != nil {
			done <- err.Error()
			return
		}
		request.Header.Set("Content-Type", asForm)
		response, err := server.HTTPClient().Do(request)
		if err != nil {
			done <- err.Error()
			return
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		done <- string(body)
	}()
	if err := server.WaitRequests(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	server.Close() // lets it go on
	if body := <-done; !strings.HasPrefix(body, `{"result":{"result":{"a":["crm","user_brief"]},`) {
		t.Errorf("batch = %s", body)
	}
	server.Close()
	if !strings.HasPrefix(server.Webhook(), server.URL+"/rest/17/") {
		t.Errorf("Webhook = %q", server.Webhook())
	}
}
