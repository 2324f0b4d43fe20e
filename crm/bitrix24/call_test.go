package bitrix24_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// answering returns a client that is always answered so, and sends once.
func answering(t *testing.T, status int, body string) *bitrix24.Client {
	t.Helper()
	h := &hosts{answer: func(*http.Request) *http.Response { return said(status, body) }}
	return mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: h}, Attempts: 1})
}

// portalClient returns a fake portal and a client for it.
func portalClient(t *testing.T, opts bitrix24.Options) (*bitrix24test.Portal, *bitrix24.Client) {
	t.Helper()
	portal := bitrix24test.New()
	opts.HTTPClient, opts.Limiter = portal.HTTPClient(), bitrix24.NewNoLimiter()
	client, err := bitrix24.New(portal.Webhook(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	return portal, client
}

func TestCallReadsEveryEnvelope(t *testing.T) {
	t.Parallel()
	known := func(n int) crmhttp.Int { return crmhttp.Int{Value: n, Known: true} }
	for body, want := range map[string]bitrix24.Result{
		`{"result":true}`:                                           {Value: json.RawMessage("true")},
		`{"result":null}`:                                           {Value: json.RawMessage("null")},
		`{"result":false}`:                                          {Value: json.RawMessage("false")},
		`{"result":0}`:                                              {Value: json.RawMessage("0")},
		`{"result":""}`:                                             {Value: json.RawMessage(`""`)},
		`{"result":[]}`:                                             {Value: json.RawMessage("[]")},
		`{"result":"Новый"}`:                                        {Value: json.RawMessage(`"Новый"`)},
		`{"total":137,"next":50,"result":[1,2]}`:                    {Value: json.RawMessage("[1,2]"), Total: known(137), Next: 50},
		`{"result":[],"total":"137","next":"50"}`:                   {Value: json.RawMessage("[]"), Total: known(137), Next: 50},
		`{"result":1,"result":2}`:                                   {Value: json.RawMessage("2")}, // of several, the last counts
		`{"result":[],"total":0,"next":null}`:                       {Value: json.RawMessage("[]"), Total: known(0)},
		`{"result":[],"total":null,"next":false}`:                   {Value: json.RawMessage("[]")},
		`{"result":1,"error":null,"error_description":null}`:        {Value: json.RawMessage("1")},
		`{"result":{"error":"ACCESS_DENIED"},"time":[],"new":{}}`:   {Value: json.RawMessage(`{"error":"ACCESS_DENIED"}`)},
		"\uFEFF" + ` {"result" : { "a" : [ 1 ] } , "time" : null }`: {Value: json.RawMessage(`{ "a" : [ 1 ] }`)},
		`{"result":1,"time":{"duration":0.5,"operating":1}}`:        {Value: json.RawMessage("1"), Timing: bitrix24.Timing{Duration: time.Second / 2, Operating: time.Second}},
	} {
		got, err := answering(t, 200, body).Call(t.Context(), bitrix24.Call{Method: "Some.Method_2"})
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		want.Timing.Method = "Some.Method_2"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

func TestCallReadsNoOtherAnswer(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"HTML": "<!DOCTYPE html><p>Вход</p>", "empty": "", "blank": " \r\n", "cut": `{"result":{"id":1`, "null": "null",
		"no result": `{"time":{}}`, "an empty object": "{}", "a list": `[{"result":1}]`, "a text": `"result"`, "a number": "17",
		"two": `{"result":1}{"result":2}`, "broken text": `{"result":1,"total":"\uZZZZ"}`,
		"cut error": `{"error":"ACCESS`, "broken code": `{"result":1,"error":{"code":[}}`,
	} {
		result, err := answering(t, 200, body).Call(t.Context(), bitrix24.Call{Method: "profile"})
		if e := kindAndText(t, err, crm.ErrBadResponse); e.Op != "profile" || e.Status != 200 || result.Value != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// profile, scope, app.info and offline events have no method of their own.
func TestGoldenCalls(t *testing.T) {
	t.Parallel()
	timing := bitrix24.Timing{
		Method: "m", Start: time.Unix(1787212800, 113527000), Finish: time.Unix(1787212800, 154727000),
		Duration: 41200 * time.Microsecond, Processing: 6100 * time.Microsecond, OperatingResetAt: time.Unix(1787213400, 0),
	}
	decode := func(file string, into any) bitrix24.Timing {
		t.Helper()
		result, err := answering(t, 200, golden(t, file)).Call(t.Context(), bitrix24.Call{Method: "m"})
		if err == nil {
			err = result.Decode(into)
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		return result.Timing
	}
	same := func(file string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	type profile struct {
		ID    crmhttp.ID
		Admin bool
		Name  string
	}
	var who profile
	same("the times of profile.json", timing, decode("profile.json", &who))
	same("profile.json", profile{"17", true, "Bot"}, who)
	var scopes []string
	decode("scope.json", &scopes)
	same("scope.json", []string{"crm", "user_brief"}, scopes)
	type appInfo struct {
		ID        crmhttp.ID
		Code      string
		Status    string
		Installed bool
		Days      crmhttp.Int
		Family    string `json:"LICENSE_FAMILY"`
	}
	var app appInfo
	decode("app_info.json", &app)
	same("app_info.json", appInfo{ID: "5", Code: "local.6890aa11bb22c3.00112233", Status: "L", Installed: true, Family: "pro"}, app)
	type event struct {
		ID      crmhttp.ID
		Event   string          `json:"EVENT_NAME"`
		Data    json.RawMessage `json:"EVENT_DATA"`
		Message crmhttp.Text    `json:"MESSAGE_ID"`
	}
	type offline struct {
		Process crmhttp.Text `json:"process_id"`
		Events  []event      `json:"events"`
	}
	var cleared, reserved offline
	decode("offline_get.json", &cleared)
	decode("offline_get_reserved.json", &reserved)
	if cleared.Process != "" || len(cleared.Events) != 3 || cleared.Events[1].ID != "32" || cleared.Events[1].Event != "ONCRMDEALUPDATE" ||
		string(cleared.Events[2].Data) != "false" || cleared.Events[2].Message != "1" {
		t.Errorf("offline_get.json: %+v", cleared)
	}
	if reserved.Process != "pid-5e6f7a8b" || len(reserved.Events) != 1 || reserved.Events[0].Message != "77aa" {
		t.Errorf("offline_get_reserved.json: %+v", reserved)
	}
	var bound bool
	decode("event_bind_ok.json", &bound)
	var unbound struct{ Count int }
	decode("event_unbind_ok.json", &unbound)
	if !bound || unbound.Count != 1 {
		t.Errorf("events: %v, %v", bound, unbound)
	}
	var names []struct{ Event string }
	decode("event_get.json", &names)
	if len(names) != 2 || names[1].Event != "ONCRMDEALMOVETOCATEGORY" {
		t.Errorf("event_get.json: %v", names)
	}
	var odd struct{ X map[string]any }
	result, err := answering(t, 200, `{"result":{"x":[]}}`).Call(t.Context(), bitrix24.Call{Method: "m"})
	if err != nil || result.Decode(&odd) == nil {
		t.Errorf("a list is taken for an object (%v)", err)
	}
}

// What an error is does not depend on where it stands: alone with its HTTP status,
// with HTTP 200, behind a result, or among a batch's errors.
func TestErrorsAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind error
		code string
	}{
		`"error":"ACCESS_DENIED"`: {crm.ErrForbidden, "ACCESS_DENIED"},
		`"error":"access_denied","error_description":"Доступ запрещён"`: {crm.ErrForbidden, "access_denied"},
		`"error":"Operation_Time_Limit"`:                                {crm.ErrRateLimited, "Operation_Time_Limit"},
		`"error":"NOT_FOUND"`:                                           {crm.ErrNotFound, "NOT_FOUND"},
		`"error":"","error_description":"Status is not found."`:         {crm.ErrNotFound, ""},
		`"error":"","error_description":"Access denied."`:               {crm.ErrForbidden, ""},
		`"error":"","error_description":"Не найдено"`:                   {crm.ErrRejected, ""},
		`"error":""`:              {crm.ErrRejected, ""},
		`"error":0`:               {crm.ErrRejected, "0"},
		`"error":100`:             {crm.ErrRejected, "100"},
		`"error":"0","x":1`:       {crm.ErrRejected, "0"},
		`"error":"NEW_CODE"`:      {crm.ErrRejected, "NEW_CODE"},
		`"error":false`:           {crm.ErrRejected, "false"},
		`"error":{"code":"A_1"}`:  {crm.ErrRejected, "A_1"},
		`"error":"expired_token"`: {crm.ErrUnauthorized, "expired_token"},
	}
	for said, want := range tests {
		t.Run(said, func(t *testing.T) {
			t.Parallel()
			look := func(where string, err error, status int) {
				t.Helper()
				if e := kindAndText(t, err, want.kind); e.Code != want.code || e.Op != "crm.item.get" || e.Status != status {
					t.Errorf("%s: code %q with HTTP %d, want %q: %v", where, e.Code, e.Status, want.code, err)
				}
			}
			call := bitrix24.Call{Method: "crm.item.get"}
			for where, answer := range map[string]struct {
				status int
				body   string
			}{
				"alone": {400, "{" + said + "}"}, "HTTP 200": {200, "{" + said + "}"}, "pretty": {200, "{\n " + said + "\n}\n"},
				"behind a result": {200, `{"result":[],` + said + "}"}, "in front of one": {200, "{" + said + `,"result":[]}`},
			} {
				result, err := answering(t, answer.status, answer.body).Call(t.Context(), call)
				look(where, err, answer.status)
				if diff := cmp.Diff(bitrix24.Result{}, result); diff != "" {
					t.Errorf("%s: a result beside the error (-want +got):\n%s", where, diff)
				}
			}
			results, err := answering(t, 200, `{"result":{"result":{"c1":1},"result_error":{"c0":{`+said+`}}}}`).Batch(t.Context(), false, call, call)
			if err != nil || results[1].Err != nil || string(results[1].Value) != "1" {
				t.Fatalf("batch: %v, %+v", err, results)
			}
			look("in a batch", results[0].Err, 200)
			if results[0].Decode(new(int)) != results[0].Err { //nolint:errorlint // this very error
				t.Error("Decode does not tell why the call failed")
			}
		})
	}
}

func TestGoldenErrorsOfCalls(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*error*.json")
	if err != nil || len(files) < 35 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), "batch_") {
			continue
		}
		body := golden(t, filepath.Base(file))
		call := bitrix24.Call{Method: "crm.item.get"}
		_, alone := answering(t, 400, body).Call(t.Context(), call)
		_, well := answering(t, 200, body).Call(t.Context(), call)
		results, err := answering(t, 200, `{"result":{"result":[],"result_error":{"c0":`+body+`}}}`).Batch(t.Context(), false, call)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var e *crm.Error
		if !errors.As(alone, &e) || crm.Kind(alone) == nil {
			t.Errorf("%s: %v", file, alone)
			continue
		}
		for _, other := range []error{well, results[0].Err} {
			var o *crm.Error
			if !errors.As(other, &o) || !errors.Is(other, e.Kind) || o.Code != e.Code || o.Message != e.Message {
				t.Errorf("%s: %v, but alone %v", file, other, alone)
			}
		}
	}
}

func TestCallThatCannotBeSent(t *testing.T) {
	t.Parallel()
	const address = "https://b24.example.com/rest/17/" + secret + "/profile"
	const others = "9z8y7x6w5v4u3t2s" // which the client does not know
	h := &hosts{answer: func(*http.Request) *http.Response { return said(200, `{"result":1}`) }}
	client := mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: h}})
	for name, call := range map[string]bitrix24.Call{
		"no method":        {},
		"an address":       {Method: address},
		"another's":        {Method: "https://other.example.com/rest/1/" + others + "/profile"},
		"a path":           {Method: "crm.item.get/../batch"},
		"a query":          {Method: "crm.item.get?id=1"},
		"a blank":          {Method: "crm.item.get "},
		"other letters":    {Method: "сrm.item.get"},
		"a fragment":       {Method: "profile#"},
		"a batch":          {Method: "Batch"},
		"a token":          {Method: "profile", Params: bitrix24.Params{"auth": "AT-example-0001"}},
		"no JSON":          {Method: "profile", Params: bitrix24.Params{"x": make(chan int)}},
		"not even numbers": {Method: "profile", Params: bitrix24.Params{"x": math.NaN()}},
	} {
		_, err := client.Call(t.Context(), call)
		_, errBatch := client.Batch(t.Context(), false, bitrix24.Call{Method: "profile"}, call)
		for _, err := range []error{err, errBatch} {
			e := kindAndText(t, err, crm.ErrRejected, "nothing was sent")
			if text := fmt.Sprintf("%+v %#v", err, e.Err); strings.Contains(text, secret) || strings.Contains(text, others) || e.Status != 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !strings.Contains(errBatch.Error(), "call 2") {
			t.Errorf("%s: the error does not say which call: %v", name, errBatch)
		}
	}
	if sent := h.sent(); len(sent) != 0 {
		t.Errorf("sent %v", sent)
	}
}

// The caller's parameters stay as they are, and the token is not put into them.
func TestParamsAreNotChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		params := bitrix24.Params{"x": bitrix24.Params{"y": 1}}
		for range 2 {
			if _, err := s.client.Call(t.Context(), bitrix24.Call{Method: "profile", Params: params}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.client.Call(t.Context(), bitrix24.Call{Method: "profile"}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(bitrix24.Params{"x": bitrix24.Params{"y": 1}}, params); diff != "" {
			t.Errorf("params (-want +got):\n%s", diff)
		}
		got := s.requests()
		if got[1].body != `{"auth":"AT-example-0001","x":{"y":1}}` || got[2].body != `{"auth":"AT-example-0001"}` || got[0].typ != "application/json" {
			t.Errorf("sent %v", got)
		}
	})
}

// PHP takes null for no parameters at all, and the portal for no JSON.
func TestCallWithoutParams(t *testing.T) {
	t.Parallel()
	h := &hosts{answer: func(*http.Request) *http.Response { return said(200, `{"result":1}`) }}
	client := mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: h}})
	for _, params := range []bitrix24.Params{nil, {}} {
		if _, err := client.Call(t.Context(), bitrix24.Call{Method: "profile", Params: params}); err != nil {
			t.Fatal(err)
		}
		if sent := h.sent(); len(sent) != 1 || !strings.HasSuffix(sent[0], "/profile {}") {
			t.Errorf("sent %v", sent)
		}
	}
}

func TestWhatIsRepeated(t *testing.T) {
	t.Parallel()
	errorOf := func(status int, code string) crmfault.Fault {
		return crmfault.Answer(status, `{"error":"`+code+`"}`)
	}
	for name, test := range map[string]struct {
		fault   crmfault.Fault
		reads   bool // a call that may be carried out twice is repeated
		changes bool // another one
	}{
		"rate":             {errorOf(503, "QUERY_LIMIT_EXCEEDED"), true, true},
		"rate with 401":    {errorOf(401, "query_limit_exceeded"), true, true},
		"rate with 200":    {errorOf(200, "QUERY_LIMIT_EXCEEDED"), true, true},
		"blocked by hand":  {errorOf(503, "OVERLOAD_LIMIT"), false, false},
		"blocked with 401": {errorOf(401, "overload_limit"), false, false},
		"time used up":     {errorOf(429, "OPERATION_TIME_LIMIT"), false, false},
		"broke down":       {errorOf(500, "INTERNAL_SERVER_ERROR"), true, false},
		"500 without code": {crmfault.Answer(500, ""), true, false},
		"gateway":          {crmfault.Answer(502, "<html>"), true, false},
		"503 without code": {crmfault.Answer(503, "<html>"), true, false},
		"gateway time-out": {crmfault.Answer(504, ""), true, false},
		"too many":         {crmfault.Answer(429, ""), true, false},
		"credentials":      {errorOf(401, "INVALID_CREDENTIALS"), false, false},
		"rejected":         {errorOf(400, "ERROR_CORE"), false, false},
		"not found":        {errorOf(404, "ERROR_METHOD_NOT_FOUND"), false, false},
		"HTML":             {crmfault.HTML(), false, false},
	} {
		for _, idempotent := range []bool{true, false} {
			again := test.changes
			if idempotent {
				again = test.reads
			}
			calls := map[string]func(t *testing.T, c *bitrix24.Client) error{
				"call": func(t *testing.T, c *bitrix24.Client) error {
					_, err := c.Call(t.Context(), bitrix24.Call{Method: "profile", Idempotent: idempotent})
					return err
				},
				"batch": func(t *testing.T, c *bitrix24.Client) error {
					_, err := c.Batch(t.Context(), false, bitrix24.Call{Method: "scope", Idempotent: true}, bitrix24.Call{Method: "profile", Idempotent: idempotent})
					return err
				},
				"batch that begins so": func(t *testing.T, c *bitrix24.Client) error {
					_, err := c.Batch(t.Context(), false, bitrix24.Call{Method: "profile", Idempotent: idempotent}, bitrix24.Call{Method: "scope", Idempotent: true})
					return err
				},
			}
			for how, call := range calls {
				t.Run(fmt.Sprintf("%s, %s, idempotent %v", name, how, idempotent), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						portal, client := portalClient(t, bitrix24.Options{})
						portal.Fail(1, test.fault)
						err := call(t, client)
						want := 1
						if again {
							want = 2
						}
						if got := portal.TotalRequests(); got != want || (err == nil) != again {
							t.Errorf("%d requests, %v; want it repeated: %v", got, err, again)
						}
					})
				})
			}
		}
	}
}

// A call that was cut off may have been carried out.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			lost, n := 0, 0
			client := mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				if n++; n == 1 {
					lost++
					return nil, io.ErrUnexpectedEOF
				}
				return said(200, `{"result":1}`), nil
			})}})
			_, err := client.Call(t.Context(), bitrix24.Call{Method: "crm.item.add", Idempotent: idempotent})
			if (err == nil) != idempotent || lost != 1 || (n == 2) != idempotent {
				t.Errorf("idempotent %v: %d requests, %v", idempotent, n, err)
			}
			if !idempotent {
				wantError(t, err, crm.ErrUnavailable)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Calls, batches and renewals at the same time.
func TestClientIsForSeveralGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var observed sync.Map
		s := install(t, func(_ *bitrix24.App, _ *bitrix24.Token, opts *bitrix24.Options) {
			opts.Observe = func(timing bitrix24.Timing) { observed.Store(timing.Method, true) }
		})
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				if i%20 == 0 {
					s.portal.ExpireTokens()
				}
				var err error
				switch i % 3 {
				case 0:
					err = s.profile(t.Context())
				case 1:
					_, err = s.client.Batch(t.Context(), true, bitrix24.Call{Method: "scope"}, bitrix24.Call{Method: "profile"})
				default:
					_, err = s.client.ListStatuses(t.Context())
				}
				// Two may expire during one call, which renews once.
				if err != nil && !errors.Is(err, crm.ErrUnauthorized) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, method := range []string{"profile", "scope", "batch"} {
			if _, found := observed.Load(method); !found {
				t.Errorf("%s was not observed", method)
			}
		}
	})
}
