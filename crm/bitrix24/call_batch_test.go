package bitrix24_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

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
