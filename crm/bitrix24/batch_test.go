package bitrix24

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

func goldenResponse(t testing.TB, name string) crmhttp.Response {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return crmhttp.Response{Status: 200, Body: data}
}

func offline(t testing.TB, scopes ...string) *Client {
	t.Helper()
	client, err := New("https://b24.example.com/rest/17/0a1b2c3d4e5f6g7h/", &Options{Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// keyed returns commands with the keys, whose methods are called like them, and
// where their results come to.
func keyed(keys ...string) (commands, map[string]string) {
	var cs commands
	got := map[string]string{}
	for _, key := range keys {
		cs = append(cs, command{key: key, method: "call." + key, into: func(cursor *crmhttp.Cursor) error {
			got[key] = string(cursor.Value())
			return nil
		}})
	}
	return cs, got
}

func TestGoldenRequestBatch(t *testing.T) {
	t.Parallel()
	var want struct {
		Cmd map[string]string
	}
	if err := json.Unmarshal(goldenResponse(t, "request_batch_statuses.json").Body, &want); err != nil {
		t.Fatal(err)
	}
	// The sequence of rows is another on purpose, see listQuery.
	want.Cmd["statuses"] = strings.Replace(want.Cmd["statuses"], "SORT", "ID", 1)
	encoded, err := offline(t, Everything).commands(new(portal)).encode(false, "")
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Cmd map[string]string }
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Cmd, got.Cmd); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestCommandsKeepTheirSequence(t *testing.T) {
	t.Parallel()
	cs := commands{{key: "z", method: "b.list", query: "filter%5BCOLOR%5D=%23FF00+00%26x%3D1"}, {key: "a", method: "a.get"}}
	const cmd = `"cmd":{"z":"b.list?filter%5BCOLOR%5D=%23FF00+00%26x%3D1","a":"a.get"}}`
	for _, test := range []struct {
		commands commands
		halt     bool
		token    string
		want     string
	}{
		{cs, false, "", `{"halt":0,` + cmd},
		{cs, true, "", `{"halt":1,` + cmd},
		{cs, true, `a"b`, `{"halt":1,"auth":"a\"b",` + cmd},
		{nil, false, "", `{"halt":0,"cmd":{}}`},
	} {
		if got, err := test.commands.encode(test.halt, test.token); err != nil || string(got) != test.want {
			t.Errorf("body = %s, %v; want %s", got, err, test.want)
		}
	}
}

func TestGoldenBatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		file string
		keys []string
		kind error // nil if all is well
		says string
	}{
		{"batch_statuses.json", []string{"mode", "categories", "types", "statuses"}, nil, ""},
		{"batch_statuses_per_pipeline.json", []string{"lead", "cat_0", "cat_2", "cat_5"}, nil, ""},
		{"batch_with_next.json", []string{"page"}, nil, ""},
		{"batch_numeric_keys.json", []string{"0", "1", "2"}, nil, ""},
		{"batch_empty_arrays.json", nil, nil, ""},
		{"batch_with_errors.json", []string{"u_103", "move_77", "u_105", "u_107", "u_999"}, crm.ErrNotFound, "call.move_77: Element not found"},
		{"batch_with_errors.json", []string{"u_103", "u_105", "u_107", "u_999", "move_77"}, crm.ErrRateLimited, "call.u_105: "},
		{"batch_with_errors.json", []string{"u_999", "u_103", "u_105", "u_107", "move_77"}, crm.ErrNotFound, "call.u_999: Status is not found."},
		{"batch_with_errors.json", []string{"u_103", "u_107"}, crm.ErrBadResponse, "a command that was not sent failed"},
		{"batch_all_failed.json", []string{"categories", "statuses"}, crm.ErrForbidden, `call.categories: the webhook needs the scope "crm"`},
		{"batch_halted.json", []string{"first", "second", "third"}, crm.ErrForbidden, "call.second: "},
		{"batch_length_exceeded.json", []string{"c000", "c050"}, crm.ErrRejected, "Max batch length exceeded"},
		{"batch_nested_forbidden.json", []string{"inner"}, crm.ErrRejected, "not allowed for batch usage"},
		{"batch_numeric_keys_with_error.json", []string{"0", "1", "2"}, crm.ErrForbidden, "call.1: "},
		{"batch_empty_arrays.json", []string{"mode"}, crm.ErrBadResponse, "no answer to call.mode"},
		{"error_query_limit.json", []string{"mode"}, crm.ErrRateLimited, "Too many requests"},
		{"status_update_ok.json", []string{"mode"}, crm.ErrBadResponse, "no batch"},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			cs, got := keyed(test.keys...)
			_, err := offline(t).allRead("test", cs, goldenResponse(t, test.file))
			if test.kind == nil {
				if err != nil || len(got) != len(test.keys) {
					t.Errorf("results %v, error %v", got, err)
				}
				return
			}
			var e *crm.Error
			if !errors.As(err, &e) || e.Kind != test.kind || !strings.Contains(e.Message, test.says) { //nolint:errorlint // the field itself
				t.Errorf("error = %v, want the kind %v and %q", err, test.kind, test.says)
			}
		})
	}
}

// PHP writes a map with the keys 0 to n-1 as an array, and an empty one too.
func TestGoldenSections(t *testing.T) {
	t.Parallel()
	cs, got := keyed("0", "1", "2")
	if _, err := offline(t).allRead("test", cs, goldenResponse(t, "batch_numeric_keys.json")); err != nil {
		t.Fatal(err)
	}
	if got["0"] != "true" || !strings.Contains(got["1"], `"STATUS_ID": "NEW"`) || got["2"] != "null" {
		t.Errorf("results of an array = %v", got)
	}
	cs, _ = keyed("page")
	results, err := offline(t).allRead("test", cs, goldenResponse(t, "batch_with_next.json"))
	if err != nil || results[0].total.Value != 137 || results[0].next != 50 {
		t.Errorf("total and next: %+v, %v", results, err)
	}
	// What failed and what did not stand beside each other.
	cs, _ = keyed("u_103", "u_105", "u_107", "u_999", "move_77")
	results, err = offline(t).decodeBatch("test", cs, goldenResponse(t, "batch_with_errors.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []error{nil, crm.ErrRateLimited, nil, crm.ErrNotFound, crm.ErrNotFound} {
		if r := results[i]; (r.err == nil) != (kind == nil) || r.answered != (kind == nil) || (kind != nil && !errors.Is(r.err, kind)) {
			t.Errorf("command %d: %+v, want the kind %v", i, r, kind)
		}
	}
}

// rowsOf returns the rows, or the row, in the answer of a single call.
func rowsOf(t *testing.T, file string) []wireStatus {
	t.Helper()
	cursor, err := offline(t).at().http.JSON("test", goldenResponse(t, file))
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]wireStatus, 1)
	for name := range cursor.Members() {
		switch {
		case string(name) != "result":
		case cursor.Kind() == '{':
			err = rows[0].read(cursor)
		default:
			rows = rows[:0]
			err = readRows(cursor, &rows, (*wireStatus).read)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// A status, a pipeline and what a change gives back, from calls of their own.
func TestGoldenSingleResults(t *testing.T) {
	t.Parallel()
	status := func(file string) crm.Status {
		return convertStatus("b", &rowsOf(t, file)[0])
	}
	for file, want := range map[string]crm.Status{
		"status_get.json": {
			Ref: crm.Ref{Source: "b", Scope: "DEAL_STAGE_5", ID: "C5:UC_K3M9XZ"}, Name: "Demo booked", Order: 30,
			Color: "#47E4C2", Outcome: crm.Open, Raw: map[string]string{"ID": "165"},
		},
		"status_get_dynamic.json": {
			Ref: crm.Ref{Source: "b", Scope: "DYNAMIC_177_STAGE_7", ID: "DT177_7:SUCCESS"}, Name: "Success", Order: 40,
			Color: "#00FF00", Outcome: crm.Won, System: true, Raw: map[string]string{"ID": "227"},
		},
	} {
		if diff := cmp.Diff(want, status(file)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	decode := func(file string, into any) {
		t.Helper()
		if err := offline(t).at().http.Decode("test", goldenResponse(t, file), into); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	var number struct{ Result crmhttp.ID }
	decode("status_add_ok.json", &number)
	var updated, deleted struct{ Result bool }
	decode("status_update_ok.json", &updated)
	decode("status_delete_ok.json", &deleted)
	if number.Result != "773" || !updated.Result || !deleted.Result {
		t.Errorf("results of changes: %q, %v, %v", number.Result, updated.Result, deleted.Result)
	}
	var category struct {
		Result struct{ Category wireCategory }
	}
	decode("category_get.json", &category)
	if want := (wireCategory{"5", "Subscriptions", crmhttp.Int{Value: 200, Known: true}}); category.Result.Category != want {
		t.Errorf("pipeline = %+v, want %+v", category.Result.Category, want)
	}
	var categories struct{ Result wireCategories }
	decode("category_list_dynamic.json", &categories)
	if got := pipelinesOf(categories.Result); len(got) != 2 || got["9"] != (pipeline{"Склад 2", 2}) {
		t.Errorf("pipelines = %v", got)
	}
	if items := rowsOf(t, "status_entity_items.json"); len(items) == 0 || items[0].StatusID != "NEW" || items[0].Sort.Value != 10 {
		t.Errorf("items = %+v", items)
	}
	for _, row := range rowsOf(t, "status_list_source.json") {
		if s := convertStatus("b", &row); s.Ref.Scope != "SOURCE" || s.Color != "" {
			t.Errorf("a row without a colour: %+v", s)
		}
	}
	var fields struct{ Result map[string]any }
	decode("status_fields.json", &fields)
	for _, field := range []string{"ID", "ENTITY_ID", "STATUS_ID", "NAME", "SORT", "SYSTEM", "COLOR", "SEMANTICS"} {
		if _, found := fields.Result[field]; !found {
			t.Errorf("crm.status.fields does not name %s", field)
		}
	}
}
