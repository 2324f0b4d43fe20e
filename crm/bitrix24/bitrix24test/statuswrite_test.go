package bitrix24test_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestStatusAdd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fields string
		want   bitrix24test.Status // without its number
	}{
		{
			`"ENTITY_ID": "DEAL_STAGE_5", "STATUS_ID": "DEMO_DONE", "NAME": "Demo done", "SORT": 35, "COLOR": "#47E4C2", "SEMANTICS": ""`,
			bitrix24test.Status{Scope: "DEAL_STAGE_5", ID: "C5:DEMO_DONE", Name: "Demo done", Sort: 35, Color: "#47E4C2", Semantics: "P", Category: "5"},
		},
		{
			`"ENTITY_ID": "DEAL_STAGE_5", "STATUS_ID": "C5:X-1", "NAME": "Демо", "SORT": "90", "SEMANTICS": "F"`,
			bitrix24test.Status{Scope: "DEAL_STAGE_5", ID: "C5:X-1", Name: "Демо", Sort: 90, Semantics: "F", Category: "5"},
		},
		{
			`"ENTITY_ID": "DEAL_STAGE_5", "STATUS_ID": "C2:X", "NAME": "Демо"`,
			bitrix24test.Status{Scope: "DEAL_STAGE_5", ID: "C5:X", Name: "Демо", Sort: 10, Semantics: "P", Category: "5"},
		},
		{
			`"ENTITY_ID": "STATUS", "STATUS_ID": "ABCDEFGHIJKLMNOPQRSTU", "NAME": "Ждём", "SORT": -3`,
			bitrix24test.Status{Scope: "STATUS", ID: "ABCDEFGHIJKLMNOPQRSTU", Name: "Ждём", Sort: 10, Semantics: "P", Category: "0"},
		},
		{
			`"ENTITY_ID": "DEAL_STAGE_5", "STATUS_ID": "ABCDEFGHIJKLMNOPQRS", "NAME": "x"`,
			bitrix24test.Status{Scope: "DEAL_STAGE_5", ID: "C5:ABCDEFGHIJKLMNOPQRS", Name: "x", Sort: 10, Semantics: "P", Category: "5"},
		},
		{
			`"ENTITY_ID": "DYNAMIC_177_STAGE_7", "STATUS_ID": "WAIT", "NAME": "Ждём"`,
			bitrix24test.Status{Scope: "DYNAMIC_177_STAGE_7", ID: "DT177_7:WAIT", Name: "Ждём", Sort: 10, Semantics: "P", Category: "7"},
		},
		{
			`"ENTITY_ID": "SOURCE", "STATUS_ID": "Любой: код", "NAME": "Ярмарка", "SORT": 1000`,
			bitrix24test.Status{Scope: "SOURCE", ID: "Любой: код", Name: "Ярмарка", Sort: 1000},
		},
	} {
		p := bitrix24test.New()
		before := p.Statuses()
		var answer struct{ Result int }
		result(t, p, "crm.status.add", `{"fields": {`+test.fields+`}}`, &answer)
		test.want.RowID = answer.Result
		if diff := cmp.Diff(append(before, test.want), p.Statuses()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.fields, diff)
		}
		status, body := call(p, "crm.status.add", `{"fields": {`+test.fields+`}}`)
		if diff := cmp.Diff(parsed(t, golden(t, "error_status_duplicate.json")), parsed(t, []byte(body))); diff != "" || status != http.StatusBadRequest {
			t.Errorf("%s again: %d (-want +got):\n%s", test.fields, status, diff)
		}
		for _, s := range before {
			if s.RowID == test.want.RowID {
				t.Errorf("number %d was used before", s.RowID)
			}
		}
	}
}

func TestErrorsOfStatusWrites(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ method, params, file, text string }{
		{"add", `{"fields": {}}`, "error_status_required.json", ""},
		{"add", `{"fields": {"ENTITY_ID": "STATUS"}}`, "", "The field STATUS_ID is required."},
		{"add", `{"fields": {"STATUS_ID": "X"}}`, "", "The field ENTITY_ID is required."},
		{"add", `{"fields": "X"}`, "", "Parameter 'fields' must be array."},
		{"add", `{"fields": {"ENTITY_ID": "DEAL_STAGE_0", "STATUS_ID": "X", "NAME": "Икс"}}`, "error_status_entity_type.json", ""},
		{"add", `{"fields": {"ENTITY_ID": "STATUS", "STATUS_ID": "X"}}`, "", "The field Title is required."},
		{"add", `{"fields": {"ENTITY_ID": "STATUS", "STATUS_ID": "X", "NAME": "x", "SEMANTICS": "S"}}`, "", "Cannot create more stages after the final stage"},
		{"add", `{"fields": {"ENTITY_ID": "STATUS", "STATUS_ID": "X", "NAME": "x", "SORT": 41}}`, "", "Cannot create more stages after the final stage"},
		{"add", `{"fields": {"ENTITY_ID": "STATUS", "STATUS_ID": "ABCDEFGHIJKLMNOPQRSTUV", "NAME": "x"}}`, "error_status_too_long.json", ""},
		{"add", `{"fields": {"ENTITY_ID": "DEAL_STAGE_5", "STATUS_ID": "ABCDEFGHIJKLMNOPQRST", "NAME": "x"}}`, "error_status_too_long.json", ""},
		{"add", `{"fields": {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "ABCDEFGHIJKLMNOPQRSTUVW", "NAME": "x"}}`, "error_status_too_long.json", ""},
		{"add", `{"fields": {"ENTITY_ID": "SOURCE", "STATUS_ID": "` + strings.Repeat("x", 51) + `", "NAME": "x"}}`, "error_status_too_long.json", ""},
		{"add", `{"fields": {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "C5:X", "NAME": "x"}}`, "", "Недопустимые символы"},
		{"add", `{"fields": {"ENTITY_ID": "STATUS", "STATUS_ID": "Ждём", "NAME": "x"}}`, "", "Недопустимые символы"},
		{"update", `{"id": 0, "fields": {"NAME": "x"}}`, "error_id_invalid_legacy.json", ""},
		{"update", `{"id": 99999, "fields": {"NAME": "x"}}`, "error_status_not_found.json", ""},
		{"update", `{"id": 165}`, "", "Parameter 'fields' must be array."},
		{"update", `{"id": 165, "fields": {"NAME": "", "SORT": 7}}`, "", "The field Title is required."},
		{"delete", `{"id": "x"}`, "error_id_invalid_legacy.json", ""},
		{"delete", `{"id": 99999}`, "error_status_not_found.json", ""},
		{"delete", `{"id": 161}`, "error_status_system_delete.json", ""},
		{"delete", `{"id": 161, "params": {"FORCED": "N"}}`, "error_status_system_delete.json", ""},
		{"delete", `{"id": 165}`, "error_status_in_use.json", ""},
		{"delete", `{"id": 225}`, "", "На этой стадии есть элементы."},
		{"delete", `{"id": 3}`, "error_status_in_use.json", ""},
	} {
		p := shop(t)
		before := p.Statuses()
		status, body := call(p, "crm.status."+test.method, test.params)
		if test.file != "" {
			if diff := cmp.Diff(parsed(t, golden(t, test.file)), parsed(t, []byte(body))); diff != "" {
				t.Errorf("%s %s is not %s (-want +got):\n%s", test.method, test.params, test.file, diff)
			}
		} else if !strings.Contains(strings.ReplaceAll(body, `\u0027`, "'"), test.text) {
			t.Errorf("%s %s: %s", test.method, test.params, body)
		}
		if diff := cmp.Diff(before, p.Statuses()); diff != "" || status != http.StatusBadRequest {
			t.Errorf("%s %s: %d, and changed:\n%s", test.method, test.params, status, diff)
		}
	}
}

func TestStatusUpdateAndDelete(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	find := func(id int) (bitrix24test.Status, bool) {
		for _, s := range p.Statuses() {
			if s.RowID == id {
				return s, true
			}
		}
		return bitrix24test.Status{}, false
	}
	update := func(fields string) {
		t.Helper()
		var answer struct{ Result bool }
		if result(t, p, "crm.status.update", `{"id": "165", "fields": {`+fields+`}}`, &answer); !answer.Result {
			t.Errorf("update %s said no", fields)
		}
	}
	want, _ := find(165)
	update(`"NAME": "Показ назначен"`)
	want.Name = "Показ назначен"
	if got, _ := find(165); got != want {
		t.Errorf("NAME: %+v", got)
	}
	update(`"SORT": "31", "COLOR": "#123456"`)
	want.Sort, want.Color = 31, "#123456"
	if got, _ := find(165); got != want {
		t.Errorf("SORT and COLOR: %+v", got)
	}
	update(`"SORT": 0`)
	want.Sort = 10
	if got, _ := find(165); got != want {
		t.Errorf("SORT 0: %+v", got)
	}
	update(`"STATUS_ID": "C5:Y", "ENTITY_ID": "STATUS", "CATEGORY_ID": 2, "SEMANTICS": "F", "SYSTEM": "Y"`)
	if got, _ := find(165); got != want {
		t.Errorf("other fields: %+v", got)
	}
	p.AddDeal(2, "C5:UC_K3M9XZ") // a code of that name in another directory
	for id, options := range map[int]string{165: `{}`, 163: `{"FORCED": "Y"}`, 161: `{"FORCED": "Y"}`} {
		var answer struct{ Result bool }
		result(t, p, "crm.status.delete", fmt.Sprintf(`{"id": %d, "params": %s}`, id, options), &answer)
		if _, found := find(id); found || !answer.Result {
			t.Errorf("row %d is still there", id)
		}
	}
	if len(p.Statuses()) != 63 {
		t.Errorf("%d rows are left, want 63", len(p.Statuses()))
	}
}
