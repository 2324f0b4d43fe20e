package bitrix24test_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// send gives the portal a request as it is written and returns status and body.
func send(p http.Handler, method, path, query, mediaType, body string) (int, string) {
	request := httptest.NewRequestWithContext(context.Background(), method, "/", strings.NewReader(body))
	request.URL.Path, request.URL.RawQuery = path, query
	request.Header.Set("Content-Type", mediaType)
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

// call calls a method with parameters in JSON.
func call(p *bitrix24test.Portal, method, body string) (int, string) {
	return send(p, http.MethodPost, p.WebhookPath()+method, "", asJSON, body)
}

// result calls a method that has to succeed, and decodes the whole answer.
func result(t *testing.T, p *bitrix24test.Portal, method, body string, target any) {
	t.Helper()
	status, answer := call(p, method, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, body, status, answer)
	}
	if err := json.Unmarshal([]byte(answer), target); err != nil {
		t.Fatalf("%s: %v in %s", method, err, answer)
	}
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// parsed decodes JSON for a comparison: of the portal's times only the names of
// the fields are kept.
func parsed(t *testing.T, data []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return timeless(value)
}

func timeless(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = timeless(v[i])
		}
	case map[string]any:
		if _, isTime := v["date_start"]; isTime {
			var names []string
			for name := range v {
				names = append(names, name)
			}
			slices.Sort(names)
			return "time: " + strings.Join(names, " ")
		}
		for key := range v {
			v[key] = timeless(v[key])
		}
	}
	return value
}

func TestAnswersAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	simple := func(p *bitrix24test.Portal) { p.SetSimpleMode(true) }
	for _, test := range []struct {
		file, method, params string
		prepare              func(p *bitrix24test.Portal)
		status               int
	}{
		{"status_list_all.json", "crm.status.list", `{}`, nil, 200},
		{"status_list_all.json", "crm.status.list", `{"start": 50}`, nil, 200},
		{"status_list_empty.json", "crm.status.list", `{"filter": {"ENTITY_ID": "DEAL_STAGE_0"}}`, nil, 200},
		{"status_get.json", "crm.status.get", `{"id": 165}`, nil, 200},
		{"status_get_dynamic.json", "crm.status.get", `{"id": "227"}`, nil, 200},
		{"status_fields.json", "crm.status.fields", ``, nil, 200},
		{"status_entity_types.json", "crm.status.entity.types", ``, nil, 200},
		{"status_entity_items.json", "crm.status.entity.items", `{"entityId": "DEAL_STAGE"}`, nil, 200},
		{"category_list.json", "crm.category.list", `{"entityTypeId": 2}`, nil, 200},
		{"category_list_dynamic.json", "crm.category.list", `{"entityTypeId": 177}`, nil, 200},
		{"category_get.json", "crm.category.get", `{"entityTypeId": 2, "id": 5}`, nil, 200},
		{"settings_mode_get_classic.json", "crm.settings.mode.get", ``, nil, 200},
		{"settings_mode_get_simple.json", "crm.settings.mode.get", ``, simple, 200},
		{"status_entity_types.json", "crm.status.entity.types", ``, simple, 200},
		{"status_list_all.json", "crm.status.list", ``, simple, 200},
		{"profile.json", "profile", ``, nil, 200},
		{"scope.json", "SCOPE.json", ``, nil, 200},
		{"error_method_not_found.json", "crm.status.lists", ``, nil, 404},
		{"error_method_not_found.json", "", ``, nil, 404},
		{"error_entity_type_not_supported.json", "crm.category.list", `{"entityTypeId": 1}`, nil, 400},
		{"error_not_found_spa.json", "crm.category.list", `{"entityTypeId": 178}`, nil, 400},
		{"error_not_found_spa.json", "crm.category.get", `{"entityTypeId": "x", "id": 5}`, nil, 400},
		{"error_not_found.json", "crm.category.get", `{"entityTypeId": 2, "id": 7}`, nil, 400},
		{"error_status_filter_array.json", "crm.status.list", `{"filter": {"ENTITY_ID": ["STATUS"]}}`, nil, 400},
		{"error_status_not_found.json", "crm.status.get", `{"id": 99999}`, nil, 400},
		{"error_id_invalid_legacy.json", "crm.status.get", `{"id": 0}`, nil, 400},
		{"error_id_invalid_legacy.json", "crm.status.get", `{"id": [165]}`, nil, 400},
		{"batch_empty_arrays.json", "batch", `{"halt": 0, "cmd": {}}`, nil, 200},
		{"batch_empty_arrays.json", "batch", `{"cmd": "profile"}`, nil, 200},
	} {
		p := bitrix24test.New()
		if test.prepare != nil {
			test.prepare(p)
		}
		status, body := call(p, test.method, test.params)
		if status != test.status {
			t.Errorf("%s: status %d, want %d", test.file, status, test.status)
		}
		if diff := cmp.Diff(parsed(t, golden(t, test.file)), parsed(t, []byte(body))); diff != "" {
			t.Errorf("%s %s is not %s (-want +got):\n%s", test.method, test.params, test.file, diff)
		}
	}
}

func TestTheDefaultRowsAreInTheOrderOfTheList(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	if diff := cmp.Diff(bitrix24test.DefaultStatuses(), list(t, p, "")); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(bitrix24test.DefaultStatuses(), p.Statuses()); diff != "" {
		t.Errorf("Statuses (-want +got):\n%s", diff)
	}
}

// list reads a directory, or all for "", from the wire.
func list(t *testing.T, p *bitrix24test.Portal, scope string) []bitrix24test.Status {
	t.Helper()
	var answer struct {
		Result []struct {
			ID       string  `json:"ID"`
			Scope    string  `json:"ENTITY_ID"`
			StatusID string  `json:"STATUS_ID"`
			Name     string  `json:"NAME"`
			Initial  string  `json:"NAME_INIT"`
			Sort     string  `json:"SORT"`
			System   string  `json:"SYSTEM"`
			Category *string `json:"CATEGORY_ID"`
			Color    *string `json:"COLOR"`
			Meaning  *string `json:"SEMANTICS"`
		} `json:"result"`
	}
	result(t, p, "crm.status.list", `{"filter": {"ENTITY_ID": "`+scope+`"}}`, &answer)
	rows := make([]bitrix24test.Status, len(answer.Result))
	for i, r := range answer.Result {
		s := bitrix24test.Status{Scope: r.Scope, ID: r.StatusID, Name: r.Name, InitialName: r.Initial, System: r.System == "Y"}
		s.RowID, _ = strconv.Atoi(r.ID)
		s.Sort, _ = strconv.Atoi(r.Sort)
		for value, field := range map[*string]*string{r.Category: &s.Category, r.Color: &s.Color, r.Meaning: &s.Semantics} {
			if value != nil {
				*field = *value
			}
		}
		rows[i] = s
	}
	return rows
}

func TestWritesJSONAsPHPDoes(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.SetStatuses(bitrix24test.Status{
		RowID: 211, Scope: "STATUS", ID: "UC_7TQ2KD", Name: `"Звонок" & <чат> / бот`, Sort: 35,
		Category: "0", Color: "#FFA900", Semantics: "P",
	})
	_, body := call(p, "crm.status.list", "")
	got, _, _ := strings.Cut(body, `,"time"`)
	want, _, _ := strings.Cut(string(golden(t, "wire_style_escapes.json")), `,"time"`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wire (-want +got):\n%s", diff)
	}
	if strings.ContainsAny(body, "\n\r") {
		t.Errorf("not on one line: %s", body)
	}
	p.SetStatuses(bitrix24test.Status{Scope: "SOURCE", Name: "\\'\b\f\n\r\t\x01\x1f\x7f\u2028😀\xff"})
	_, body = call(p, "crm.status.list", "")
	if want := `"NAME":"\\\u0027\b\f\n\r\t\u0001\u001f` + "\x7f" + `\u2028😀` + "\uFFFD" + `",`; !strings.Contains(body, want) {
		t.Errorf("got %s, want %s in it", body, want)
	}
}

func TestTransport(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	client := &http.Client{Transport: p.Transport()}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Webhook()+"profile", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), `{"result":{"ID":"17"`) {
		t.Errorf("profile: %d %s %v", response.StatusCode, body, err)
	}
	if got := response.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type = %q", got)
	}
	if p.Requests(p.WebhookPath()+"profile") != 1 || p.Calls("Profile") != 1 {
		t.Error("the request was not counted")
	}
}
