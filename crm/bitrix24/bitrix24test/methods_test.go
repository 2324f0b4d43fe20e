package bitrix24test_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestPathsAndSecret(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	old := p.WebhookPath()
	if old != "/rest/17/"+bitrix24test.DefaultSecret+"/" || p.Webhook() != "https://b24.example.com"+old {
		t.Errorf("WebhookPath = %q, Webhook = %q", old, p.Webhook())
	}
	p.SetSecret("another")
	refused := string(mustCompact(t, golden(t, "error_invalid_credentials.json")))
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{http.MethodGet, old + "profile", 401, refused},
		{http.MethodGet, old + "no.such.method", 401, refused},
		{http.MethodGet, "/rest/18/another/profile", 401, refused},
		{http.MethodGet, "/rest/17//profile", 401, refused},
		{http.MethodGet, "/rest/profile", 401, string(mustCompact(t, golden(t, "error_no_auth.json")))},
		{http.MethodGet, p.WebhookPath() + "profile", 200, `{"result":{"ID":"17"`},
		{http.MethodPost, p.WebhookPath() + "Profile.JSON", 200, `{"result":{"ID":"17"`},
		{http.MethodPost, p.WebhookPath() + "profile/", 200, `{"result":{"ID":"17"`},
		{http.MethodPost, p.WebhookPath() + "crm/status.list", 404, `{"error":"ERROR_METHOD_NOT_FOUND"`},
		{http.MethodPut, p.WebhookPath() + "profile", 405, ""},
		{http.MethodGet, "/", 404, ""},
	} {
		status, body := send(p, test.method, test.path, "", asJSON, "")
		if status != test.status || !strings.HasPrefix(body, test.body) {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, status, body, test.status, test.body)
		}
	}
	if got := p.Calls("profile"); got != 3 {
		t.Errorf("Calls = %d, want 3: refused ones do not count", got)
	}
}

func mustCompact(t *testing.T, data []byte) []byte {
	t.Helper()
	var value struct {
		Error string `json:"error"`
		Text  string `json:"error_description"`
	}
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	compact, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	var now struct{ Result time.Time }
	before := time.Now().Truncate(time.Second)
	result(t, p, "server.time", "", &now)
	if now.Result.Before(before) || now.Result.After(time.Now()) {
		t.Errorf("server.time = %v", now.Result)
	}
	for name, want := range map[string]bool{"crm.Status.list": true, "crm.dealcategory.list": false, "": false} {
		var answer struct {
			Result struct{ IsExisting, IsAvailable bool }
		}
		result(t, p, "method.get", `{"name": "`+name+`"}`, &answer)
		if answer.Result.IsExisting != want || answer.Result.IsAvailable != want {
			t.Errorf("method.get %q = %+v, want %v", name, answer.Result, want)
		}
	}
	for _, test := range []struct{ method, params, body string }{
		{"crm.category.list", `{}`, `{"error":100,"error_description":"Could not find value for parameter {entityTypeId}"}`},
		{"crm.category.get", `{"entityTypeId": 7, "id": 1}`, `{"error":"ENTITY_TYPE_NOT_SUPPORTED","error_description":"Entity type \u0022Quote\u0022 is not supported"}`},
		{"crm.status.entity.items", `{}`, `{"error":"","error_description":"The parameter entityId is not defined or invalid."}`},
		{"crm.status.entity.items", `{"entityId":"DEAL_STAGE_0"}`, `{"error":"","error_description":"The parameter entityId is not defined or invalid."}`},
	} {
		if status, body := call(p, test.method, test.params); status != 400 || body != test.body {
			t.Errorf("%s %s: %d %s, want 400 %s", test.method, test.params, status, body, test.body)
		}
	}
}

func TestFilterAndOrder(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	for _, test := range []struct {
		params string
		count  int
		first  string // the row's number
	}{
		{`{"filter": {"ENTITY_ID": "STATUS"}}`, 8, "1"},
		{`{"filter": {"ENTITY_ID": "STATUS", "SYSTEM": "N"}}`, 5, "3"},
		{`{"filter": {"STATUS_ID": "NEW"}}`, 2, "1"},
		{`{"filter": {"STATUS_ID": 1}}`, 2, "209"},
		{`{"filter": {"ID": "0165"}}`, 0, ""},
		{`{"filter": {"ID": 165}}`, 1, "165"},
		{`{"filter": {"NAME": "Other"}}`, 2, "363"},
		{`{"filter": {"SORT": "35"}}`, 1, "211"},
		{`{"filter": {"CATEGORY_ID": 5}}`, 6, "161"},
		{`{"filter": {"CATEGORY_ID": "0"}}`, 2, "211"},
		{`{"filter": {"SEMANTICS": "S"}}`, 8, "45"},
		{`{"filter": {"SEMANTICS": "", "ENTITY_ID": null, "NAME": false, "ID": []}}`, 66, "1"},
		{`{"filter": {">ID": 100, "COLOR": "#39A8EF", "entity_id": "STATUS"}}`, 66, "1"},
		{`{"filter": "STATUS", "order": "ID"}`, 66, "1"},
		{`{"select": ["ID"], "start": -1}`, 66, "1"},
		{`{"order": {"ID": "desc"}}`, 66, "383"},
		{`{"order": {"ENTITY_ID": "ASC", "SORT": "DESC"}}`, 66, "383"},
		{`{"order": {"SYSTEM": "DESC", "STATUS_ID": "ASC"}, "filter": {"ENTITY_ID": "DEAL_STAGE"}}`, 8, "113"},
		{`{"order": {"COLOR": "DESC"}}`, 66, "1"},
		{`{"order": {"CATEGORY_ID": "DESC"}}`, 66, "241"},
	} {
		var answer struct {
			Result []struct{ ID string }
			Total  int
		}
		result(t, p, "crm.status.list", test.params, &answer)
		first := ""
		if len(answer.Result) > 0 {
			first = answer.Result[0].ID
		}
		if len(answer.Result) != test.count || answer.Total != test.count || first != test.first {
			t.Errorf("%s: %d rows of %d, the first %s; want %d, %s", test.params, len(answer.Result), answer.Total, first, test.count, test.first)
		}
	}
}

type page struct {
	Result      []struct{ ID string }
	Total, Next *int
}

func (p page) String() string {
	data, _ := json.Marshal([]any{len(p.Result), p.Total, p.Next})
	return string(data)
}

func TestPages(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	for _, test := range []struct {
		size         int
		params, want string // rows, total, next
	}{
		{0, `{}`, `[66,66,null]`},
		{0, `{"start": 50}`, `[66,66,null]`},
		{50, `{}`, `[50,66,50]`},
		{50, `{"start": "50"}`, `[16,66,null]`},
		{50, `{"start": 66}`, `[0,66,null]`},
		{50, `{"start": 1000}`, `[0,66,null]`},
		{50, `{"start": -1}`, `[50,0,null]`},
		{50, `{"filter": {"ENTITY_ID": "STATUS"}}`, `[8,8,null]`},
		{33, `{"start": 33}`, `[33,66,null]`},
		{7, `{"start": 7}`, `[7,66,14]`},
	} {
		p.SetPageSize(test.size)
		var got page
		result(t, p, "crm.status.list", test.params, &got)
		if got.String() != test.want {
			t.Errorf("size %d, %s: %v, want %s", test.size, test.params, got, test.want)
		}
	}
	p.SetPageSize(50)
	var ids []string
	for _, start := range []string{"0", "50"} {
		var got page
		result(t, p, "crm.status.list", `{"start": `+start+`}`, &got)
		for _, row := range got.Result {
			ids = append(ids, row.ID)
		}
	}
	p.SetPageSize(0)
	var whole page
	result(t, p, "crm.status.list", ``, &whole)
	var want []string
	for _, row := range whole.Result {
		want = append(want, row.ID)
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("two pages are not the whole (-want +got):\n%s", diff)
	}

	p.SetCategoryPageSize(2)
	var categories struct {
		Result      struct{ Categories []struct{ ID int } }
		Total, Next int
	}
	result(t, p, "crm.category.list", `{"entityTypeId": 2}`, &categories)
	if len(categories.Result.Categories) != 2 || categories.Total != 3 || categories.Next != 2 {
		t.Errorf("crm.category.list = %+v", categories)
	}
}
