package bitrix24test_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// itemGolden is a golden file of an answer about items, without its time.
func itemGolden(t *testing.T, name string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, data).(map[string]any)
}

// at is a time of the golden files.
func at(t *testing.T, s string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// shop is a portal with the items of the golden files.
func shop(t *testing.T) *bitrix24test.Portal {
	t.Helper()
	p := bitrix24test.New()
	person := func(i bitrix24test.Item) {
		i.CreatedBy, i.UpdatedBy, i.MovedBy = 17, 17, 17
		if got := p.AddItem(i); got.ID != i.ID || got.Title != i.Title {
			t.Fatalf("AddItem(%+v) = %+v", i, got)
		}
	}
	person(bitrix24test.Item{
		TypeID: 1, ID: 4521, Stage: "IN_PROCESS", Title: "Запрос из бота #4521",
		Created: at(t, "2026-08-18T10:02:11+03:00"), Updated: at(t, "2026-08-20T10:59:02+03:00"), Moved: at(t, "2026-08-20T10:59:02+03:00"),
	})
	person(bitrix24test.Item{
		TypeID: 2, ID: 880, Category: 5, Stage: "C5:UC_K3M9XZ", Title: "Order 880",
		Created: at(t, "2026-08-18T10:05:00+03:00"), Updated: at(t, "2026-08-20T11:00:00+03:00"), Moved: at(t, "2026-08-20T11:00:00+03:00"),
	})
	person(bitrix24test.Item{
		TypeID: 2, ID: 881, Stage: "PREPARATION", Title: "Order 881",
		Created: at(t, "2026-08-18T10:05:00+03:00"), Updated: at(t, "2026-08-19T09:00:00+03:00"), Moved: at(t, "2026-08-19T09:00:00+03:00"),
	})
	person(bitrix24test.Item{
		TypeID: 177, ID: 24, Category: 7, Stage: "DT177_7:CLIENT", PreviousStage: "DT177_7:PREPARATION", Title: "Delivery 24",
		Created: at(t, "2026-08-18T10:05:00+03:00"), Updated: at(t, "2026-08-20T11:00:00+03:00"), Moved: at(t, "2026-08-20T11:00:00+03:00"),
	})
	return p
}

// unkept are the fields of the golden items that a portal does not keep, so that
// only their names are compared.
var unkept = []string{
	"name", "lastName", "sourceId", "hasPhone", "hasImol", "fm", "contactId", "contactIds", "leadId", "opportunity", "isManualOpportunity",
	"begindate", "closedate", "lastActivityTime", "lastActivityBy",
	"NAME", "LAST_NAME", "SOURCE_ID", "HAS_PHONE", "HAS_IMOL", "CONTACT_ID", "LEAD_ID", "OPPORTUNITY", "IS_MANUAL_OPPORTUNITY",
	"BEGINDATE", "CLOSEDATE", "LAST_ACTIVITY_TIME", "LAST_ACTIVITY_BY",
}

func kept(fields any) any {
	m, isMap := fields.(map[string]any)
	if !isMap {
		return fields
	}
	m = maps.Clone(m)
	delete(m, "PHONE") // the old methods have it where there is one
	for _, name := range unkept {
		if _, found := m[name]; found {
			m[name] = "not kept"
		}
	}
	return m
}

func TestItemsAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-08-20T11:00:00+03:00").Add(17 * time.Millisecond)
	for _, test := range []struct {
		file, method, params string
	}{
		{"item_get_lead.json", "crm.item.get", `{"entityTypeId": 1, "id": 4521}`},
		{"item_get_deal.json", "crm.item.get", `{"entityTypeId": "2", "id": "880"}`},
		{"item_get_dynamic.json", "crm.item.get", `{"entityTypeId": 177, "id": 24}`},
		{"item_list.json", "crm.item.list", `{"entityTypeId": 2, "select": ["id", "movedTime", "stageId", "categoryId", "unknown"]}`},
		{"item_update_ok.json", "crm.item.update", `{"entityTypeId": 2, "id": 880, "fields": {"stageId": "C5:UC_K3M9XZ"}}`},
		{"item_update_stage_ignored.json", "crm.item.update", `{"entityTypeId": 2, "id": 881, "fields": {"stageId": "C5:NEW", "unknown": 1}}`},
		{"item_update_won.json", "crm.item.update", `{"entityTypeId": 2, "id": 880, "fields": {"stageId": "C5:WON"}}`},
		{"item_update_category_moved.json", "crm.item.update", `{"entityTypeId": 2, "id": 880, "fields": {"categoryId": 2, "stageId": "C2:NEW"}}`},
		{"lead_get.json", "crm.lead.get", `{"id": 4521}`},
		{"deal_get.json", "crm.deal.get", `{"id": 880}`},
		{"lead_update_ok.json", "crm.lead.update", `{"id": 4521, "fields": {"STATUS_ID": "NEW"}}`},
		{"deal_update_ok.json", "crm.deal.update", `{"id": 880, "fields": {"STAGE_ID": "C5:NEW"}}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(now))
			p := shop(t)
			status, body := call(p, test.method, test.params)
			if status != http.StatusOK {
				t.Fatalf("%s: %d %s", test.file, status, body)
			}
			want, got := itemGolden(t, test.file), parsed(t, []byte(body)).(map[string]any)
			for _, answer := range []map[string]any{want, got} {
				if result, isMap := answer["result"].(map[string]any); isMap {
					if item, found := result["item"]; found {
						result["item"] = kept(item)
					} else {
						answer["result"] = kept(result)
					}
				}
			}
			if test.file == "deal_get.json" { // the file is of another day
				for _, name := range []string{"DATE_MODIFY", "MOVED_TIME"} {
					want["result"].(map[string]any)[name] = "2026-08-20T11:00:00+03:00"
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s is not %s (-want +got):\n%s", test.method, test.params, test.file, diff)
			}
		})
	}
}

func TestErrorsOfItems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, params, code, text string
	}{
		{"crm.item.get", `{"entityTypeId": 1, "id": 1}`, "NOT_FOUND", "Element not found"},
		{"crm.item.get", `{"entityTypeId": 2, "id": 4521}`, "NOT_FOUND", "Element not found"},
		{"crm.item.get", `{"entityTypeId": 178, "id": 24}`, "NOT_FOUND", "Smart process not found"},
		{"crm.item.get", `{"entityTypeId": "lead", "id": 24}`, "NOT_FOUND", "Smart process not found"},
		{"crm.item.get", `{"id": 24}`, "100", "Could not find value for parameter {entityTypeId}"},
		{"crm.item.get", `{"entityTypeId": 1}`, "100", "Could not find value for parameter {id}"},
		{"crm.item.update", `{"entityTypeId": 1, "id": 1, "fields": {}}`, "NOT_FOUND", "Element not found"},
		{"crm.item.update", `{"entityTypeId": 1, "id": 4521}`, "100", "Could not find value for parameter {fields}"},
		{"crm.item.update", `{"entityTypeId": 2, "id": 880, "fields": {"categoryId": 4}}`, "CRM_FIELD_ERROR_VALUE_NOT_VALID", `Invalid value for field "Pipeline"`},
		{"crm.item.update", `{"entityTypeId": 2, "id": 880, "fields": {"categoryId": 7}}`, "CRM_FIELD_ERROR_VALUE_NOT_VALID", `Invalid value for field "Pipeline"`},
		{"crm.item.add", `{"entityTypeId": 2, "fields": {"categoryId": 7}}`, "CRM_FIELD_ERROR_VALUE_NOT_VALID", `Invalid value for field "Pipeline"`},
		{"crm.item.add", `{"entityTypeId": 2}`, "100", "Could not find value for parameter {fields}"},
		{"crm.item.add", `{"entityTypeId": 4, "fields": {}}`, "NOT_FOUND", "Smart process not found"},
		{"crm.item.delete", `{"entityTypeId": 2, "id": 1}`, "NOT_FOUND", "Element not found"},
		{"crm.item.list", `{"entityTypeId": 3}`, "NOT_FOUND", "Smart process not found"},
		{"crm.item.list", `{"entityTypeId": 1, "filter": {"STATUS_ID": "NEW"}}`, "INVALID_ARG_VALUE", ""},
		{"crm.item.list", `{"entityTypeId": 1, "filter": {"@categoryId": [0]}}`, "INVALID_ARG_VALUE", ""},
		{"crm.item.list", `{"entityTypeId": 2, "order": {"STAGE": "ASC"}}`, "INVALID_ARG_VALUE", ""},
		{"crm.stagehistory.list", `{"entityTypeId": 1, "filter": {"STAGE_ID": "NEW"}}`, "INVALID_ARG_VALUE", ""},
		{"crm.stagehistory.list", ``, "100", "Could not find value for parameter {entityTypeId}"},
		{"crm.lead.get", `{"id": 880}`, "", "Not found"},
		{"crm.lead.get", `{"id": "x"}`, "", "ID is not defined or invalid."},
		{"crm.deal.get", `{"id": 4521}`, "", "Not found"},
		{"crm.lead.update", `{"id": 880, "fields": {}}`, "", "Not found"},
		{"crm.lead.update", `{"id": 0, "fields": {}}`, "", "ID is not defined or invalid."},
		{"crm.deal.update", `{"id": 880, "fields": "NEW"}`, "", "Parameter 'fields' must be array."},
	} {
		p := shop(t)
		before := []any{p.Items(1), p.Items(2), p.Items(177)}
		status, body := call(p, test.method, test.params)
		var answer struct {
			Error any
			Text  string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		code := strings.Trim(strings.TrimPrefix(string(encoded(t, answer.Error)), `"`), `"`)
		if status != http.StatusBadRequest || code != test.code || test.text != "" && answer.Text != test.text {
			t.Errorf("%s %s: %d %s", test.method, test.params, status, body)
		}
		if diff := cmp.Diff(before, []any{p.Items(1), p.Items(2), p.Items(177)}); diff != "" {
			t.Errorf("%s %s changed something:\n%s", test.method, test.params, diff)
		}
	}
}

func encoded(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestItemsOfPeople(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		time.Sleep(1500 * time.Millisecond)
		start := time.Now().Truncate(time.Second)
		lead := p.AddLead("NEW")
		want := bitrix24test.Item{
			TypeID: 1, ID: 1, Stage: "NEW", Title: "Заявка #1", Created: start, Updated: start, Moved: start,
			CreatedBy: bitrix24test.ManagerID, UpdatedBy: bitrix24test.ManagerID, MovedBy: bitrix24test.ManagerID,
		}
		if diff := cmp.Diff(want, lead); diff != "" || lead.Moved.Format(time.RFC3339) != "2000-01-01T03:00:01+03:00" {
			t.Errorf("AddLead (-want +got):\n%s", diff)
		}
		deal := p.AddDeal(5, "")
		if deal.ID != 1 || deal.TypeID != 2 || deal.Category != 5 || deal.Stage != "C5:NEW" {
			t.Errorf("AddDeal = %+v", deal)
		}
		if smart := p.AddItem(bitrix24test.Item{TypeID: 177}); smart.Category != 7 || smart.Stage != "DT177_7:NEW" {
			t.Errorf("AddItem of a smart process = %+v", smart)
		}
		if invoice := p.AddItem(bitrix24test.Item{TypeID: 31}); invoice.Category != 3 || invoice.Stage != "DT31_3:N" {
			t.Errorf("AddItem of an invoice = %+v", invoice)
		}
		if quote := p.AddItem(bitrix24test.Item{TypeID: 7}); quote.Category != 0 || quote.Stage != "DRAFT" {
			t.Errorf("AddItem of a quote = %+v", quote)
		}
		if main := p.AddDeal(0, ""); main.Category != 0 || main.Stage != "NEW" || main.ID != 2 {
			t.Errorf("AddDeal = %+v", main)
		}
		p.AddItem(bitrix24test.Item{TypeID: 1, ID: 50, Stage: "JUNK", Title: "Спам"})
		p.AddItem(bitrix24test.Item{TypeID: 1, ID: 40})
		if next := p.AddLead(""); next.ID != 51 {
			t.Errorf("the next number is %d, want 51", next.ID)
		}
		added := p.AddItems(3, bitrix24test.Item{TypeID: 1, ID: 7, Stage: "PROCESSED"})
		for i, item := range added {
			if item.ID != 52+i || item.Title != []string{"Заявка #52", "Заявка #53", "Заявка #54"}[i] {
				t.Errorf("AddItems[%d] = %+v", i, item)
			}
		}
		if item := p.AddItems(1, bitrix24test.Item{TypeID: 1, Title: "Повтор"})[0]; item.Title != "Повтор" || item.Stage != "NEW" {
			t.Errorf("AddItems = %+v", item)
		}
		var ids []int
		for _, item := range p.Items(1) {
			ids = append(ids, item.ID)
		}
		if want := []int{1, 40, 50, 51, 52, 53, 54, 55}; !slices.Equal(ids, want) {
			t.Errorf("Items: %v, want %v", ids, want)
		}

		exact := time.Date(2026, 8, 20, 23, 59, 59, 999_999_999, time.UTC)
		if item := p.AddItem(bitrix24test.Item{TypeID: 7, Moved: exact}); item.Moved.Format(time.RFC3339Nano) != "2026-08-21T02:59:59+03:00" {
			t.Errorf("Moved = %v, want whole seconds in Moscow", item.Moved)
		}
		time.Sleep(time.Minute)
		if err := p.MoveItem(2, 1, 2, "C2:1"); err != nil {
			t.Fatal(err)
		}
		moved, found := p.Item(2, 1)
		want = deal
		want.Category, want.Stage, want.PreviousStage = 2, "C2:1", "C5:NEW"
		want.Moved, want.Updated = start.Add(time.Minute), start.Add(time.Minute)
		if diff := cmp.Diff(want, moved); diff != "" || !found {
			t.Errorf("MoveItem (-want +got):\n%s", diff)
		}
		for _, err := range []error{
			p.MoveItem(2, 1, 2, "NEW"), p.MoveItem(2, 1, 0, "C2:1"), p.MoveItem(2, 3, 0, "NEW"), p.DeleteItem(1, 2), p.DeleteItem(177, 40),
		} {
			if err == nil || !strings.HasPrefix(err.Error(), "bitrix24test: no ") {
				t.Errorf("error = %v", err)
			}
		}
		if err := p.DeleteItem(1, 50); err != nil {
			t.Fatal(err)
		}
		if item, found := p.Item(1, 50); found || item != (bitrix24test.Item{}) {
			t.Errorf("after DeleteItem: %+v", item)
		}
		if len(p.Items(1)) != 7 {
			t.Errorf("DeleteItem left %d items", len(p.Items(1)))
		}
		if next := p.AddItem(bitrix24test.Item{TypeID: 1, ID: 40, Title: "Вместо"}); next.Title != "Вместо" || len(p.Items(1)) != 7 {
			t.Errorf("an item in the place of another: %+v", next)
		}
	})
}

func TestItemAddAndDelete(t *testing.T) {
	t.Parallel()
	p := shop(t)
	for _, test := range []struct {
		params   string
		typeID   int
		category int
		stage    string
	}{
		{`{"entityTypeId": 1, "fields": {"title": "Новый лид", "stageId": "1"}}`, 1, 0, "1"},
		{`{"entityTypeId": 1, "fields": {"title": "Новый лид"}}`, 1, 0, "NEW"},
		{`{"entityTypeId": 2, "fields": {"title": "Новый лид", "stageId": "C5:WON", "categoryId": 5}}`, 2, 5, "C5:WON"},
		{`{"entityTypeId": 2, "fields": {"title": "Новый лид", "stageId": "C5:WON"}}`, 2, 0, "NEW"},
		{`{"entityTypeId": 177, "fields": {"title": "Новый лид", "categoryId": 9}}`, 177, 9, "DT177_9:NEW"},
	} {
		var answer struct {
			Result struct {
				Item struct {
					ID, CategoryID, CreatedBy, MovedBy int
					StageID, Title                     string
				}
			}
		}
		result(t, p, "crm.item.add", test.params, &answer)
		said := answer.Result.Item
		item, found := p.Item(test.typeID, said.ID)
		if !found || item.Category != test.category || item.Stage != test.stage || item.Title != "Новый лид" || item.CreatedBy != bitrix24test.DefaultUserID ||
			said.CategoryID != test.category || said.StageID != test.stage || said.Title != item.Title || said.CreatedBy != 17 || said.MovedBy != 17 {
			t.Errorf("%s: %+v, said %+v", test.params, item, said)
		}
		var deleted struct{ Result []any }
		result(t, p, "crm.item.delete", `{"entityTypeId": `+string(encoded(t, test.typeID))+`, "id": `+string(encoded(t, said.ID))+`}`, &deleted)
		if _, found := p.Item(test.typeID, said.ID); found || deleted.Result == nil {
			t.Errorf("%s was not deleted", test.params)
		}
	}
}

func TestSimpleModeHidesLeads(t *testing.T) {
	t.Parallel()
	p := shop(t)
	p.SetSimpleMode(true)
	for method, params := range map[string]string{
		"crm.item.get": `{"entityTypeId": 1, "id": 4521}`, "crm.lead.get": `{"id": 4521}`,
		"crm.item.update": `{"entityTypeId": 1, "id": 4521, "fields": {"stageId": "NEW"}}`, "crm.lead.update": `{"id": 4521, "fields": {"STATUS_ID": "NEW"}}`,
		"crm.item.delete": `{"entityTypeId": 1, "id": 4521}`,
	} {
		if status, body := call(p, method, params); status != http.StatusBadRequest || !strings.Contains(strings.ToLower(body), "not found") {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}
	for method, empty := range map[string]string{"crm.item.list": `{"result":{"items":[]},"total":0,`, "crm.lead.list": `{"result":[],"total":0,`} {
		if _, body := call(p, method, `{"entityTypeId": 1}`); !strings.HasPrefix(body, empty) {
			t.Errorf("%s: %s", method, body)
		}
	}
	if item, _ := p.Item(1, 4521); item.Stage != "IN_PROCESS" {
		t.Errorf("the lead was changed: %+v", item)
	}
	if status, _ := call(p, "crm.item.get", `{"entityTypeId": 2, "id": 880}`); status != http.StatusOK {
		t.Errorf("a deal: %d", status)
	}
	p.SetSimpleMode(false)
	if status, _ := call(p, "crm.lead.get", `{"id": 4521}`); status != http.StatusOK {
		t.Errorf("with leads again: %d", status)
	}
}

func TestFailItem(t *testing.T) {
	t.Parallel()
	p := shop(t)
	p.FailItem(1, 4521, bitrix24test.AccessDenied())
	for method, params := range map[string]string{
		"crm.item.get": `{"entityTypeId": 1, "id": 4521}`, "crm.lead.get": `{"id": 4521}`,
		"crm.item.update": `{"entityTypeId": 1, "id": 4521, "fields": {"stageId": "NEW"}}`, "crm.lead.update": `{"id": 4521, "fields": {"STATUS_ID": "NEW"}}`,
		"crm.item.delete": `{"entityTypeId": 1, "id": 4521}`,
	} {
		if status, body := call(p, method, params); status != http.StatusBadRequest || !strings.Contains(body, "ACCESS_DENIED") {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}
	if item, _ := p.Item(1, 4521); item.Stage != "IN_PROCESS" {
		t.Errorf("the lead was changed: %+v", item)
	}
	if status, _ := call(p, "crm.item.get", `{"entityTypeId": 2, "id": 880}`); status != http.StatusOK {
		t.Errorf("another item: %d", status)
	}
	p.Recover()
	if status, _ := call(p, "crm.lead.get", `{"id": 4521}`); status != http.StatusOK {
		t.Errorf("after Recover: %d", status)
	}
}

func TestClosedItems(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	when := at(t, "2026-08-20T11:00:00+03:00")
	for _, stage := range []string{"NEW", "CONVERTED", "UC_R0B0T5"} {
		p.AddItem(bitrix24test.Item{TypeID: 1, Stage: stage, Moved: when})
	}
	for _, stage := range []string{"C5:NEW", "C5:WON", "C5:LOSE"} {
		p.AddItem(bitrix24test.Item{TypeID: 2, Category: 5, Stage: stage})
	}
	p.AddItem(bitrix24test.Item{TypeID: 7})
	field := func(method, params, name string) any {
		t.Helper()
		var answer struct{ Result map[string]any }
		result(t, p, method, params, &answer)
		fields := answer.Result
		if item, isItem := fields["item"].(map[string]any); isItem {
			fields = item
		}
		value, found := fields[name]
		if !found {
			return "no field"
		}
		return value
	}
	for _, test := range []struct {
		method, params, field string
		want                  any
	}{
		{"crm.item.get", `{"entityTypeId": 1, "id": 1}`, "dateClosed", nil},
		{"crm.item.get", `{"entityTypeId": 1, "id": 2}`, "dateClosed", "2026-08-20T11:00:00+03:00"},
		{"crm.item.get", `{"entityTypeId": 1, "id": 2}`, "stageSemanticId", "S"},
		{"crm.item.get", `{"entityTypeId": 1, "id": 3}`, "dateClosed", "2026-08-20T11:00:00+03:00"},
		{"crm.item.get", `{"entityTypeId": 1, "id": 3}`, "stageSemanticId", "F"},
		{"crm.item.get", `{"entityTypeId": 1, "id": 3}`, "categoryId", "no field"},
		{"crm.item.get", `{"entityTypeId": 2, "id": 1}`, "closed", "N"},
		{"crm.item.get", `{"entityTypeId": 2, "id": 2}`, "closed", "Y"},
		{"crm.item.get", `{"entityTypeId": 2, "id": 3}`, "closed", "Y"},
		{"crm.item.get", `{"entityTypeId": 7, "id": 1}`, "categoryId", "no field"},
		{"crm.lead.get", `{"id": 1}`, "DATE_CLOSED", ""},
		{"crm.lead.get", `{"id": 2}`, "DATE_CLOSED", "2026-08-20T11:00:00+03:00"},
		{"crm.lead.get", `{"id": 3}`, "STATUS_SEMANTIC_ID", "F"},
		{"crm.deal.get", `{"id": 1}`, "CLOSED", "N"},
		{"crm.deal.get", `{"id": 2}`, "CLOSED", "Y"},
		{"crm.deal.get", `{"id": 2}`, "STAGE_SEMANTIC_ID", "S"},
	} {
		if got := field(test.method, test.params, test.field); got != test.want {
			t.Errorf("%s %s: %s = %v, want %v", test.method, test.params, test.field, got, test.want)
		}
	}
}
