package bitrix24test_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// said is a parsed answer of a batch, whose results can be replaced: the golden
// files have some of methods that are not served.
func said(t *testing.T, body string, replace map[string]any) any {
	t.Helper()
	value := parsed(t, []byte(body))
	switch results := value.(map[string]any)["result"].(map[string]any)["result"].(type) {
	case map[string]any:
		for key, result := range replace {
			results[key] = result
		}
	case []any:
		for key, result := range replace {
			results[key[0]-'0'] = result
		}
	}
	return value
}

func TestBatchesAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	long := &strings.Builder{}
	for i := range 51 {
		fmt.Fprintf(long, `,"c%03d":"profile"`, i)
	}
	row := bitrix24test.DefaultStatuses()[2]
	for _, test := range []struct {
		file, body string
		prepare    func(p *bitrix24test.Portal)
		replace    map[string]any
	}{
		{"batch_all_failed.json", `{"cmd": {"statuses": "crm.status.list", "categories": "crm.category.list?entityTypeId=2"}}`, func(p *bitrix24test.Portal) {
			p.FailCommand(-1, "crm.status.list", bitrix24test.APIError{Code: "insufficient_scope"})
			p.FailCommand(1, "crm.Category.list", bitrix24test.APIError{Code: "insufficient_scope"})
		}, nil},
		{"batch_halted.json", `{"halt": 1, "cmd": {"first": "profile", "second": "scope", "third": "profile"}}`, func(p *bitrix24test.Portal) {
			p.FailCommand(1, "scope", bitrix24test.AccessDenied())
		}, map[string]any{"first": true}},
		{"batch_nested_forbidden.json", `{"cmd": {"inner": "Batch?cmd[a]=profile"}}`, nil, nil},
		{"batch_empty_arrays.json", `{"cmd": {"a": 1, "b": null, "c": ["profile"], "d": {"e": "profile"}}}`, nil, nil},
		{"batch_numeric_keys_with_error.json", `{"cmd": ["profile", "nothing?id=1", "crm.status.list"]}`, func(p *bitrix24test.Portal) {
			p.SetStatuses(row)
		}, map[string]any{"0": true}},
	} {
		p := bitrix24test.New()
		if test.prepare != nil {
			test.prepare(p)
		}
		status, body := call(p, "batch", test.body)
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", test.file, status, body)
			continue
		}
		if diff := cmp.Diff(parsed(t, golden(t, test.file)), said(t, body, test.replace)); diff != "" {
			t.Errorf("%s is not %s (-want +got):\n%s", test.body, test.file, diff)
		}
	}

	p := bitrix24test.New()
	_, body := call(p, "batch", `{"cmd": {`+long.String()[1:]+`}}`)
	got := said(t, body, nil).(map[string]any)["result"].(map[string]any)
	want := parsed(t, golden(t, "batch_length_exceeded.json")).(map[string]any)["result"].(map[string]any)
	if diff := cmp.Diff(want["result_error"], got["result_error"]); diff != "" {
		t.Errorf("a batch of 51 (-want +got):\n%s", diff)
	}
	if results := got["result"].(map[string]any); len(results) != 50 || p.Calls("profile") != 50 {
		t.Errorf("a batch of 51: %d results, %d calls", len(results), p.Calls("profile"))
	}

	p.SetStatuses(row)
	_, body = call(p, "batch", `{"cmd": ["profile", "crm.status.list", "scope"]}`)
	got = said(t, body, map[string]any{"0": true, "2": nil}).(map[string]any)["result"].(map[string]any)
	want = parsed(t, golden(t, "batch_numeric_keys.json")).(map[string]any)["result"].(map[string]any)
	want["result_total"] = map[string]any{"1": json.Number("1")} // the golden file has none
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("numeric keys (-want +got):\n%s", diff)
	}
	if p.TotalRequests() != 2 {
		t.Errorf("TotalRequests = %d, want 2: a batch is one", p.TotalRequests())
	}
}

func TestBatchOfEverythingEqualsSingleCalls(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.SetPageSize(50)
	var batch struct {
		Result struct {
			Results map[string]json.RawMessage `json:"result"`
			Errors  []any                      `json:"result_error"`
			Totals  map[string]int             `json:"result_total"`
			Next    map[string]int             `json:"result_next"`
		}
	}
	commands := map[string]string{
		"mode": "crm.settings.mode.get", "categories": "crm.category.list?entityTypeId=2",
		"types": "crm.status.entity.types", "statuses": "CRM.status.list?order%5BSORT%5D=ASC",
	}
	cmd, err := json.Marshal(map[string]any{"halt": 0, "cmd": commands})
	if err != nil {
		t.Fatal(err)
	}
	result(t, p, "batch", string(cmd), &batch)
	for key, command := range commands {
		method, query, _ := strings.Cut(command, "?")
		var single struct{ Result json.RawMessage }
		_, body := send(p, http.MethodGet, p.WebhookPath()+method, query, "", "")
		if err := json.Unmarshal([]byte(body), &single); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(single.Result), string(batch.Result.Results[key])); diff != "" {
			t.Errorf("%s (-single +batch):\n%s", key, diff)
		}
	}
	if diff := cmp.Diff(map[string]int{"categories": 3, "statuses": 66}, batch.Result.Totals); diff != "" {
		t.Errorf("result_total (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"statuses": 50}, batch.Result.Next); diff != "" {
		t.Errorf("result_next (-want +got):\n%s", diff)
	}
	if got := p.Calls("crm.status.list"); got != 2 {
		t.Errorf("Calls = %d, want 2", got)
	}
}

func TestCommandsAreSplitAsPHPDoes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		command string
		rows    int // -1 is an error
	}{
		{"crm.status.list?filter[ENTITY_ID]=STATUS", 8},
		{"crm.status.list?filter[ENTITY_ID]=STATUS#&filter[SYSTEM]=N", 8},
		{"crm.status.list#?filter[ENTITY_ID]=STATUS", 66},
		{"crm.status.list?filter[NAME]=%D0%A1%D0%BF%D0%B0%D0%BC&x=#", 1},
		{"crm.status.list?filter[STATUS_ID]=C5:NEW", 1},
		{"crm.status.list?filter[NAME]=Phone call", 1},
		{"crm.status.list?filter[NAME]=Phone+call", 1},
		{"crm.status.list?filter[NAME]=Phone%20call?", 0},
		{"crm.status.list?filter\t[ENTITY_ID]=STATUS", 66},
		{"crm.status.list.json", -1},
		{"/crm.status.list", -1},
		{"//crm.status.list", -1},
		{"https://b24.example.com/crm.status.list", -1},
		{"", -1},
		{"?", -1},
	} {
		p := bitrix24test.New()
		form := url.Values{"cmd[only]": {test.command}}.Encode()
		_, body := send(p, http.MethodPost, p.WebhookPath()+"batch", "", asForm, form)
		var answer struct {
			Result struct {
				Result any `json:"result"`
			}
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		rows := -1
		if results, ok := answer.Result.Result.(map[string]any); ok {
			rows = len(results["only"].([]any))
		}
		if rows != test.rows {
			t.Errorf("%q: %d rows, want %d", test.command, rows, test.rows)
		}
	}
}

func TestHaltIsATestOfPHP(t *testing.T) {
	t.Parallel()
	for halt, want := range map[string]bool{
		`halt=1`: true, `halt=true`: true, `halt=false`: true, `halt=0.0`: true, `halt=+`: true, `halt[]=0`: true,
		`halt=0`: false, `halt=`: false, `halt`: false, `x=1`: false,
		`{"halt": 1`: true, `{"halt": true`: true, `{"halt": "false"`: true, `{"halt": [0]`: true, `{"halt": 0.5`: true,
		`{"halt": 0`: false, `{"halt": 0.0`: false, `{"halt": -0`: false, `{"halt": "0"`: false, `{"halt": ""`: false,
		`{"halt": false`: false, `{"halt": null`: false, `{"halt": {}`: false, `{"halt": []`: false,
	} {
		p := bitrix24test.New()
		mediaType, body := asForm, halt+"&cmd[a]=nothing&cmd[b]=profile"
		if strings.HasPrefix(halt, "{") {
			mediaType, body = asJSON, halt+`, "cmd": {"a": "nothing", "b": "profile"}}`
		}
		send(p, http.MethodPost, p.WebhookPath()+"batch", "", mediaType, body)
		if halted := p.Calls("profile") == 0; p.Calls("nothing") != 1 || halted != want {
			t.Errorf("%s: halted = %v, want %v", halt, halted, want)
		}
	}
}
