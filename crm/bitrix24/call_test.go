package bitrix24_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"slices"
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

func TestBatchKeepsTheSequence(t *testing.T) {
	t.Parallel()
	portal, client := portalClient(t, bitrix24.Options{})
	portal.AddLead("NEW")
	calls := []bitrix24.Call{
		{Method: "crm.status.list", Params: bitrix24.Params{"filter": bitrix24.Params{"ENTITY_ID": "STATUS"}}},
		{Method: "crm.item.get", Params: bitrix24.Params{"entityTypeId": 1, "id": 999}},
		{Method: "CRM.Settings.Mode.Get"},
		{Method: "no.such.method"},
		{Method: "scope"},
	}
	results, err := client.Batch(t.Context(), false, calls...)
	if err != nil || len(results) != len(calls) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, kind := range []error{nil, crm.ErrNotFound, nil, crm.ErrForbidden, nil} {
		r := results[i]
		if !errors.Is(r.Err, kind) || (kind == nil) != (r.Err == nil) || (kind == nil) != (r.Value != nil) {
			t.Errorf("call %d: %s, %v", i, r.Value, r.Err)
		}
		if kind == nil && r.Timing.Method != strings.ToLower(calls[i].Method) {
			t.Errorf("call %d: the times are of %q", i, r.Timing.Method)
		}
	}
	if results[0].Total.Value != 8 || string(results[2].Value) != "1" || string(results[4].Value) != `["crm","user_brief"]` {
		t.Errorf("total %v, mode %s, scopes %s", results[0].Total, results[2].Value, results[4].Value)
	}
	if e := kindAndText(t, results[1].Err, crm.ErrNotFound); e.Op != "crm.item.get" {
		t.Errorf("error = %v", e)
	}
	if portal.TotalRequests() != 1 {
		t.Errorf("%d requests", portal.TotalRequests())
	}
}

func TestBatchHalts(t *testing.T) {
	t.Parallel()
	portal, client := portalClient(t, bitrix24.Options{})
	good, bad := bitrix24.Call{Method: "profile"}, bitrix24.Call{Method: "crm.status.get", Params: bitrix24.Params{"id": 0}}
	for _, halt := range []bool{true, false} {
		before := portal.Calls("profile")
		results, err := client.Batch(t.Context(), halt, good, bad, good, bad, good)
		if err != nil {
			t.Fatal(err)
		}
		if results[0].Err != nil || results[1].Err == nil || errors.Is(results[1].Err, bitrix24.ErrHalted) {
			t.Errorf("halt %v: %v, %v", halt, results[0].Err, results[1].Err)
		}
		ran := 3
		if halt {
			ran = 1
		}
		for _, r := range results[2:] {
			if errors.Is(r.Err, bitrix24.ErrHalted) != halt {
				t.Errorf("halt %v: %v", halt, r.Err)
			}
			if halt {
				wantError(t, r.Err, crm.ErrRejected, "not carried out")
			}
		}
		if got := portal.Calls("profile") - before; got != ran {
			t.Errorf("halt %v: %d calls were carried out, want %d", halt, got, ran)
		}
	}
}

// Where nothing failed, nothing was halted: what has no answer may have been carried
// out.
func TestBatchThatHaltsAtNothing(t *testing.T) {
	t.Parallel()
	call := bitrix24.Call{Method: "crm.item.add"}
	results, err := answering(t, 200, `{"result":{"result":{"c0":1}}}`).Batch(t.Context(), true, call, call)
	if err != nil || results[0].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	if wantError(t, results[1].Err, crm.ErrBadResponse); errors.Is(results[1].Err, bitrix24.ErrHalted) {
		t.Errorf("error = %v", results[1].Err)
	}
}

func TestBatchSays0Or1(t *testing.T) {
	t.Parallel()
	h := &hosts{answer: func(*http.Request) *http.Response { return said(200, `{"result":{"result":{"c0":null}}}`) }}
	client := mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: h}})
	for halt, want := range map[bool]string{true: `{"halt":1,`, false: `{"halt":0,`} {
		results, err := client.Batch(t.Context(), halt, bitrix24.Call{Method: "profile"})
		if err != nil || results[0].Err != nil || string(results[0].Value) != "null" {
			t.Fatalf("%+v, %v", results, err)
		}
		if sent := h.sent(); !strings.Contains(sent[0], want) {
			t.Errorf("sent %v, want %s", sent, want)
		}
	}
}

func TestBatchAnswersThatLackSomething(t *testing.T) {
	t.Parallel()
	call := bitrix24.Call{Method: "crm.item.get"}
	for name, test := range map[string]struct {
		body  string
		kind  error    // of the whole
		kinds [3]error // of the calls
	}{
		"all well, with null and false":       {`{"result":{"result":{"c0":null,"c1":false,"c2":[]},"result_error":[]}}`, nil, [3]error{}},
		"one without an answer":               {`{"result":{"result":{"c0":1,"c2":1}}}`, nil, [3]error{nil, crm.ErrBadResponse, nil}},
		"a failure and one without an answer": {`{"result":{"result":{"c2":1},"result_error":{"c0":{"error":"NOT_FOUND"}}}}`, nil, [3]error{crm.ErrNotFound, crm.ErrBadResponse, nil}},
		"errors of all":                       {`{"result":{"result":[],"result_error":{"c0":{"error":"NOT_FOUND"},"c1":{"error":0},"c2":{"error":null}}}}`, nil, [3]error{crm.ErrNotFound, crm.ErrRejected, crm.ErrRejected}},
		"an error beside a result":            {`{"result":{"result_error":{"c1":{"error":""}},"result":{"c0":1,"c1":1,"c2":1}}}`, nil, [3]error{nil, crm.ErrRejected, nil}},
		"an error without anything":           {`{"result":{"result":{"c0":1,"c2":1},"result_error":{"c1":[]}}}`, nil, [3]error{nil, crm.ErrRejected, nil}},
		"times and pages of other forms":      {`{"result":{"result":{"c0":1,"c1":1,"c2":1},"result_time":{"c0":[]},"result_total":{"c1":"a"},"result_next":false},"time":7}`, nil, [3]error{}},
		"the error of another":                {`{"result":{"result":{"c0":1,"c1":1,"c2":1},"result_error":{"c9":{"error":""}}}}`, crm.ErrBadResponse, [3]error{}},
		"no batch":                            {`{"result":true}`, crm.ErrBadResponse, [3]error{}},
		"an error of the whole":               {`{"error":"QUERY_LIMIT_EXCEEDED"}`, crm.ErrRateLimited, [3]error{}},
		"an error of the whole, HTTP 200":     {`{"result":{"result":{"c0":1}},"error":"INTERNAL_SERVER_ERROR"}`, crm.ErrUnavailable, [3]error{}},
		"HTML":                                {`<html>`, crm.ErrBadResponse, [3]error{}},
		"cut":                                 {`{"result":{"result":{"c0":1`, crm.ErrBadResponse, [3]error{}},
	} {
		results, err := answering(t, 200, test.body).Batch(t.Context(), false, call, call, call)
		if test.kind != nil {
			if wantError(t, err, test.kind); results != nil {
				t.Errorf("%s: results beside an error", name)
			}
			continue
		}
		if err != nil || len(results) != 3 {
			t.Errorf("%s: %d results, %v", name, len(results), err)
			continue
		}
		for i, kind := range test.kinds {
			if (kind == nil) != (results[i].Err == nil) || !errors.Is(results[i].Err, kind) {
				t.Errorf("%s: call %d: %v, want %v", name, i, results[i].Err, kind)
			}
			if kind != nil && results[i].Value != nil {
				t.Errorf("%s: call %d failed and has a value", name, i)
			}
		}
	}
}

// What the portal says beside a result is its call's, and nothing is left of it
// where the call failed.
func TestBatchTellsOfPages(t *testing.T) {
	t.Parallel()
	known := func(n int) crmhttp.Int { return crmhttp.Int{Value: n, Known: true} }
	call := bitrix24.Call{Method: "crm.item.list"}
	results, err := answering(t, 200, `{"result":{
		"result":{"c0":[1],"c1":[2],"c2":[]},
		"result_total":{"c0":137,"c1":"2","c2":9},"result_next":{"c0":50,"c2":100},
		"result_time":{"c0":{"duration":1},"c2":{"duration":2}},
		"result_error":{"c2":{"error":"NOT_FOUND"}}}}`).Batch(t.Context(), false, call, call, call)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, results[2].Err, crm.ErrNotFound)
	results[2].Err = nil
	want := []bitrix24.Result{
		{Value: json.RawMessage("[1]"), Total: known(137), Next: 50, Timing: bitrix24.Timing{Method: call.Method, Duration: time.Second}},
		{Value: json.RawMessage("[2]"), Total: known(2), Timing: bitrix24.Timing{Method: call.Method}},
		{},
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	// Values are their callers' own: one that grows does not run into the next.
	_ = append(results[0].Value, "xxxxxxxxxxxx"...)
	if string(results[1].Value) != "[2]" {
		t.Errorf("the second became %s", results[1].Value)
	}
}

func TestBatchHoldsFifty(t *testing.T) {
	t.Parallel()
	portal, client := portalClient(t, bitrix24.Options{})
	calls := slices.Repeat([]bitrix24.Call{{Method: "profile"}}, 51)
	_, err := client.Batch(t.Context(), false, calls...)
	wantError(t, err, crm.ErrRejected, "51 calls", "50")
	if results, err := client.Batch(t.Context(), false); err != nil || len(results) != 0 {
		t.Errorf("no calls: %v, %v", results, err)
	}
	if portal.TotalRequests() != 0 {
		t.Errorf("%d requests were sent", portal.TotalRequests())
	}
	results, err := client.Batch(t.Context(), true, calls[:50]...)
	if err != nil || len(results) != 50 || results[49].Err != nil {
		t.Errorf("%d results, %v", len(results), err)
	}
}

// A name that the portal would replace in a batch is refused there, and arrives
// when it is sent alone.
func TestReferencesAreSentAlone(t *testing.T) {
	t.Parallel()
	portal, client := portalClient(t, bitrix24.Options{})
	for i, name := range []string{"Скидка $result[c0]", "$next[", "a $time[x][y] b", "$total[0]", "$error[c1]"} {
		call := bitrix24.Call{Method: "crm.status.add", Params: bitrix24.Params{"fields": bitrix24.Params{
			"ENTITY_ID": "SOURCE", "STATUS_ID": fmt.Sprintf("REF_%d", i), "NAME": name, "SORT": 500 + i,
		}}}
		before := portal.TotalRequests()
		_, err := client.Batch(t.Context(), false, bitrix24.Call{Method: "profile"}, call)
		wantError(t, err, crm.ErrRejected, "call 2 (crm.status.add)")
		if !errors.Is(err, bitrix24.ErrReference) || portal.TotalRequests() != before {
			t.Errorf("%q: %v after %d requests", name, err, portal.TotalRequests()-before)
		}
		if _, err := client.Call(t.Context(), call); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if !hasStatus(portal, name) {
			t.Errorf("%q did not arrive", name)
		}
	}
	_, err := client.Batch(t.Context(), false, bitrix24.Call{Method: "profile", Params: bitrix24.Params{"filter": bitrix24.Params{"$result[a]": 1}}})
	if !errors.Is(err, bitrix24.ErrReference) {
		t.Errorf("in a name: %v", err)
	}
}

func hasStatus(portal *bitrix24test.Portal, name string) bool {
	return slices.ContainsFunc(portal.Statuses(), func(s bitrix24test.Status) bool { return s.Name == name })
}

func TestTextsArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	portal, client := portalClient(t, bitrix24.Options{})
	var calls []bitrix24.Call
	names := []string{
		"Диалог & бот #1", "100% + 1 = ?", `кавычки " ' \ / <b>`, "a&fields[SORT]=1", "$result", "$100 [скидка]", "%24result%5Ba%5D", "日本 🙂", "#", "a=b;c",
	}
	for i, name := range names {
		calls = append(calls, bitrix24.Call{Method: "crm.status.add", Params: bitrix24.Params{"fields": bitrix24.Params{
			"ENTITY_ID": "SOURCE", "STATUS_ID": fmt.Sprintf("T_%d", i), "NAME": name, "SORT": 500 + i,
		}}})
	}
	results, err := client.Batch(t.Context(), false, calls...)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if results[i].Err != nil || !hasStatus(portal, name) {
			t.Errorf("%q did not arrive: %v", name, results[i].Err)
		}
	}
}

func TestTimesAreReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []bitrix24.Timing
		portal, client := portalClient(t, bitrix24.Options{Observe: func(timing bitrix24.Timing) { got = append(got, timing) }})
		portal.SetLatency(100*time.Millisecond, time.Second)
		start := time.Now()
		if _, err := client.Call(t.Context(), bitrix24.Call{Method: "profile"}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Batch(t.Context(), false, bitrix24.Call{Method: "Scope"}, bitrix24.Call{Method: "no.such"}, bitrix24.Call{Method: "profile"}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Call(t.Context(), bitrix24.Call{Method: "no.such"}); err == nil {
			t.Error("no error")
		}
		at := start.Add
		reset := start.Truncate(time.Minute).Add(10 * time.Minute)
		want := []bitrix24.Timing{
			{Method: "profile", Start: at(0), Finish: at(1100 * time.Millisecond), Duration: 1100 * time.Millisecond, Processing: time.Second, Operating: time.Second, OperatingResetAt: reset},
			{Method: "scope", Start: at(1200 * time.Millisecond), Finish: at(2200 * time.Millisecond), Duration: time.Second, Processing: time.Second, Operating: time.Second, OperatingResetAt: reset},
			{Method: "profile", Start: at(3200 * time.Millisecond), Finish: at(4200 * time.Millisecond), Duration: time.Second, Processing: time.Second, Operating: 2 * time.Second, OperatingResetAt: reset},
			{Method: "batch", Start: at(1100 * time.Millisecond), Finish: at(4200 * time.Millisecond), Duration: 3100 * time.Millisecond, Processing: 3 * time.Second},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("times (-want +got):\n%s", diff)
		}
	})
}

// A method whose time is used up says when to go on, as far as the portal said so
// before: a call of itself, a command of itself or of its batch.
func TestOperatingTimeIsUsedUp(t *testing.T) {
	t.Parallel()
	for _, batch := range []bool{false, true} {
		for _, charge := range []bitrix24test.Accounting{bitrix24test.ChargeInner, bitrix24test.ChargeBatch} {
			for shown := range 8 {
				calls, batches, commands := shown&1 != 0, shown&2 != 0, shown&4 != 0
				known := calls
				if batch {
					known = commands
				}
				if batch && charge == bitrix24test.ChargeBatch {
					known = batches
				}
				t.Run(fmt.Sprintf("batch %v, charge %v, shown %03b", batch, charge, shown), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						operatingTime(t, batch, known, func(p *bitrix24test.Portal) {
							p.SetOperatingLimit(10*time.Second, 0, charge)
							p.ShowOperating(calls, batches, commands)
						})
					})
				})
			}
		}
	}
}

func operatingTime(t *testing.T, batch, known bool, limit func(*bitrix24test.Portal)) {
	portal, client := portalClient(t, bitrix24.Options{})
	limit(portal)
	portal.SetLatency(0, 4*time.Second)
	call := bitrix24.Call{Method: "CRM.Status.List", Idempotent: true}
	ask := func() error {
		if !batch {
			_, err := client.Call(t.Context(), call)
			return err
		}
		results, err := client.Batch(t.Context(), false, call)
		if err != nil {
			return err
		}
		return results[0].Err
	}
	time.Sleep(90 * time.Second) // the portal's minutes are not those of the calls
	free := time.Now().Truncate(time.Minute).Add(10 * time.Minute)
	for range 3 {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Minute)
	refused := func() time.Duration {
		t.Helper()
		before := portal.TotalRequests()
		e := kindAndText(t, ask(), crm.ErrRateLimited, "time is used up")
		if e.Code != "OPERATION_TIME_LIMIT" || portal.TotalRequests() != before+1 {
			t.Errorf("%v after %d requests: it is not to be repeated", e, portal.TotalRequests()-before)
		}
		return e.RetryAfter
	}
	if !known {
		for _, want := range []time.Duration{1, 2, 4} {
			wait := refused()
			if wait != want*time.Second {
				t.Errorf("wait %v, want %ds", wait, want)
			}
			time.Sleep(wait)
		}
		return
	}
	for range 2 {
		if wait := refused(); !time.Now().Add(wait).Equal(free) {
			t.Errorf("free at %v, want %v", time.Now().Add(wait), free)
		}
		time.Sleep(30 * time.Second)
	}
	time.Sleep(refused())
	if err := ask(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// The time until a budget is free counts from when the answer left the portal,
// which is the latest of all that it says; a command that failed says nothing of it.
func TestBatchTellsWhenTimeIsFree(t *testing.T) {
	t.Parallel()
	const both = `"result":{"c0":1,"c1":1},`
	const spent = `"operating_reset_at":1787213400` // 600 seconds behind the first command
	for name, test := range map[string]struct {
		said, times    string
		command, whole time.Duration // waits after a refusal
		observed       string
	}{
		"all say when": {
			both, `"result_time":{"c0":{"finish":1787212800,` + spent + `},"c1":{"finish":1787212810}}},"time":{"finish":1787212820,` + spent + `}`,
			580 * time.Second, 580 * time.Second, "m.a m.b batch",
		},
		"the whole does not": {
			both, `"result_time":{"c0":{"finish":1787212800,` + spent + `},"c1":{"finish":1787212810}}},"time":{` + spent + `}`,
			590 * time.Second, 590 * time.Second, "m.a m.b batch",
		},
		"the first is the latest": {
			both, `"result_time":{"c0":{"finish":1787212830,` + spent + `},"c1":{"finish":1787212810}}},"time":{"finish":1787212820}`,
			570 * time.Second, time.Second, "m.a m.b batch",
		},
		"nobody does": {
			both, `"result_time":{"c0":{` + spent + `}}},"time":{` + spent + `}`,
			time.Second, time.Second, "m.a m.b batch",
		},
		"it failed beside a result": {
			both + `"result_error":{"c0":{"error":"NOT_FOUND"}},`, `"result_time":{"c0":{"finish":1787212800,` + spent + `}}},"time":{"finish":1787212820}`,
			time.Second, time.Second, "m.b batch",
		},
		"it has no result": {
			`"result":{"c1":1},`, `"result_time":{"c0":{"finish":1787212800,` + spent + `}}},"time":{"finish":1787212820}`,
			time.Second, time.Second, "m.b batch",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answer := `{"result":{` + test.said + test.times + `}`
				var observed []string
				h := &hosts{answer: func(*http.Request) *http.Response { return said(200, answer) }}
				client := mustNew(t, &bitrix24.Options{
					HTTPClient: &http.Client{Transport: h}, Observe: func(timing bitrix24.Timing) { observed = append(observed, timing.Method) },
				})
				calls := []bitrix24.Call{{Method: "M.a"}, {Method: "M.b"}}
				if _, err := client.Batch(t.Context(), false, calls...); err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(observed, " "); got != test.observed {
					t.Errorf("observed %q, want %q", got, test.observed)
				}
				answer = `{"error":"OPERATION_TIME_LIMIT"}`
				_, one := client.Call(t.Context(), calls[0])
				_, all := client.Batch(t.Context(), false, calls...)
				if e := kindAndText(t, one, crm.ErrRateLimited); e.RetryAfter != test.command {
					t.Errorf("the command's method: wait %v, want %v", e.RetryAfter, test.command)
				}
				if e := kindAndText(t, all, crm.ErrRateLimited); e.RetryAfter != test.whole {
					t.Errorf("batches: wait %v, want %v", e.RetryAfter, test.whole)
				}
			})
		})
	}
}

// Whatever form the refusal has, the error says when to try again: what the portal
// asks for, and otherwise what is known.
func TestRefusalsForWantOfTimeSayWhenToGoOn(t *testing.T) {
	t.Parallel()
	call := bitrix24.Call{Method: "crm.item.list"}
	asks := map[string]func(*bitrix24.Client) error{
		"call": func(c *bitrix24.Client) error {
			_, err := c.Call(t.Context(), call)
			return err
		},
		"batch": func(c *bitrix24.Client) error {
			_, err := c.Batch(t.Context(), false, call)
			return err
		},
	}
	for name, test := range map[string]struct {
		answer crmfault.Fault
		want   time.Duration
	}{
		"alone":                 {crmfault.Answer(429, `{"error":"OPERATION_TIME_LIMIT"}`), time.Second},
		"HTTP 200":              {crmfault.Answer(200, `{"error":"operation_time_limit"}`), time.Second},
		"pretty":                {crmfault.Answer(200, "{\n \"error\": \"OPERATION_TIME_LIMIT\"\n}"), time.Second},
		"behind a result":       {crmfault.Answer(200, `{"result":[],"error":"OPERATION_TIME_LIMIT"}`), time.Second},
		"with a wait":           {crmfault.Answer(429, `{"error":"OPERATION_TIME_LIMIT"}`, "Retry-After", "90"), 90 * time.Second},
		"another one":           {crmfault.Answer(400, `{"error":"ERROR_CORE"}`), 0},
		"another one, HTTP 200": {crmfault.Answer(200, `{"result":[],"error":"ACCESS_DENIED"}`), 0},
		"too many requests":     {crmfault.Answer(503, `{"error":"QUERY_LIMIT_EXCEEDED"}`), 0},
	} {
		for how, ask := range asks {
			portal := bitrix24test.New()
			portal.Fail(1, test.answer)
			err := ask(connected(t, portal, bitrix24.Options{Attempts: 1}))
			var e *crm.Error
			if !errors.As(err, &e) || e.RetryAfter != test.want {
				t.Errorf("%s, %s: %+v, want a wait of %v", name, how, err, test.want)
			}
		}
	}
}

// The client's own calls of a method are of the same budget.
func TestListsWaitForTheirMethodsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		portal, client := portalClient(t, bitrix24.Options{})
		portal.SetOperatingLimit(time.Second, 0, bitrix24test.ChargeInner)
		portal.SetLatency(0, 4*time.Second)
		if _, err := client.Call(t.Context(), bitrix24.Call{Method: itemList, Params: bitrix24.Params{"entityTypeId": 1}}); err != nil {
			t.Fatal(err)
		}
		free := time.Now().Truncate(time.Minute).Add(10 * time.Minute)
		var refused error
		for _, err := range client.ListLeads(t.Context(), crm.LeadQuery{Kind: bitrix24.KindLead}) {
			refused = err
		}
		if e := failure(t, "a list", refused, crm.ErrRateLimited, listLeads); !time.Now().Add(e.RetryAfter).Equal(free) {
			t.Errorf("free at %v, want %v", time.Now().Add(e.RetryAfter), free)
		}
		portal.Fail(1, crmfault.Answer(200, "{\n \"error\": \"OPERATION_TIME_LIMIT\"\n}"))
		for _, err := range client.ListLeads(t.Context(), crm.LeadQuery{Kind: bitrix24.KindLead}) {
			refused = err
		}
		if e := failure(t, "a list", refused, crm.ErrRateLimited, listLeads); !time.Now().Add(e.RetryAfter).Equal(free) {
			t.Errorf("in another form: free at %v, want %v", time.Now().Add(e.RetryAfter), free)
		}
	})
}

// What a bulk change sends alone has waited for its turn, and does not wait again.
func TestMovesSentAloneWaitOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := newBulkRig(t, 4, bitrix24.Options{Limiter: bitrix24.NewLimiter(1, 2)})
		odd := bitrix24test.Status{RowID: 9001, Scope: "STATUS", ID: "$result[m0]", Name: "Чужой", Sort: 15}
		rig.portal.SetStatuses(append(rig.portal.Statuses(), odd)...)
		moves := slices.Collect(wishes(rig.items))
		for i := range moves {
			moves[i].To.ID = odd.ID
		}
		start := time.Now()
		_, report := rig.move(t.Context(), slices.Values(moves))
		if took := time.Since(start); report.Done != 4 || took != 3*time.Second {
			t.Errorf("it took %v: %+v", took, report)
		}
	})
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
