package bitrix24test_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// where is where an item stands, and the code of the error that the call said.
func where(t *testing.T, p *bitrix24test.Portal, method, params string, typeID, id int) (stage, code string) {
	t.Helper()
	status, body := call(p, method, params)
	var answer struct {
		Result json.RawMessage
		Error  any
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	item, _ := p.Item(typeID, id)
	if status != http.StatusOK {
		return item.Stage, fmt.Sprint(answer.Error)
	}
	var said struct {
		Item struct {
			StageID    string
			CategoryID int
		}
	}
	if err := json.Unmarshal(answer.Result, &said); err == nil {
		if said.Item.StageID != item.Stage || said.Item.CategoryID != item.Category {
			t.Errorf("%s %s said %+v, and it is %+v", method, params, said, item)
		}
	} else if string(answer.Result) != "true" {
		t.Errorf("%s said %s", method, answer.Result)
	}
	return item.Stage, ""
}

func TestWrongStages(t *testing.T) {
	t.Parallel()
	const (
		newer = "crm.item.update"
		lead  = `{"entityTypeId": 1, "id": 4521, "fields": {"stageId": %q, "title": "Другое"}}`
		deal  = `{"entityTypeId": 2, "id": 880, "fields": {"stageId": %q, "title": "Другое"}}`
		old   = `{"id": 4521, "fields": {"STATUS_ID": %q, "TITLE": "Другое"}}`
		older = `{"id": 880, "fields": {"STAGE_ID": %q, "CATEGORY_ID": 2, "TITLE": "Другое"}}`
		bad   = "CRM_FIELD_ERROR_VALUE_NOT_VALID"
	)
	for _, test := range []struct {
		does                   bitrix24test.WrongStage
		method, params, to     string
		typeID, id             int
		wantStage, code, title string
	}{
		{bitrix24test.StageKept, newer, lead, "JUNK", 1, 4521, "JUNK", "", "Другое"},
		{bitrix24test.StageKept, newer, lead, "C5:NEW", 1, 4521, "IN_PROCESS", "", "Другое"},
		{bitrix24test.StageKept, newer, lead, "NO SUCH", 1, 4521, "IN_PROCESS", "", "Другое"},
		{bitrix24test.StageKept, newer, lead, "", 1, 4521, "IN_PROCESS", "", "Другое"},
		{bitrix24test.StageKept, newer, deal, "C2:NEW", 2, 880, "C5:UC_K3M9XZ", "", "Другое"},
		{bitrix24test.StageKept, newer, deal, "NEW", 2, 880, "C5:UC_K3M9XZ", "", "Другое"},
		{bitrix24test.StageKept, "crm.lead.update", old, "C5:NEW", 1, 4521, "IN_PROCESS", "", "Другое"},
		{bitrix24test.StageKept, "crm.deal.update", older, "C2:NEW", 2, 880, "C5:UC_K3M9XZ", "", "Другое"},
		{bitrix24test.StageKept, "crm.deal.update", older, "C5:WON", 2, 880, "C5:WON", "", "Другое"},
		{bitrix24test.StageRefused, newer, lead, "C5:NEW", 1, 4521, "IN_PROCESS", bad, "Запрос из бота #4521"},
		{bitrix24test.StageRefused, newer, lead, "JUNK", 1, 4521, "JUNK", "", "Другое"},
		{bitrix24test.StageRefused, "crm.lead.update", old, "C5:NEW", 1, 4521, "IN_PROCESS", bad, "Запрос из бота #4521"},
		{bitrix24test.StageRefused, "crm.deal.update", older, "C2:NEW", 2, 880, "C5:UC_K3M9XZ", bad, "Order 880"},
		{bitrix24test.StageStored, newer, lead, "Нет такой", 1, 4521, "IN_PROCESS", "", "Другое"},
		{bitrix24test.StageStored, "crm.lead.update", old, "Нет такой", 1, 4521, "Нет такой", "", "Другое"},
		{bitrix24test.StageStored, "crm.deal.update", older, "C2:NEW", 2, 880, "C2:NEW", "", "Другое"},
	} {
		p := shop(t)
		p.SetWrongStage(test.does)
		params := fmt.Sprintf(test.params, test.to)
		stage, code := where(t, p, test.method, params, test.typeID, test.id)
		item, _ := p.Item(test.typeID, test.id)
		if stage != test.wantStage || code != test.code || item.Title != test.title {
			t.Errorf("%d %s %s: %q in %q, error %q", test.does, test.method, params, item.Title, stage, code)
		}
		if test.typeID == 2 && item.Category != 5 {
			t.Errorf("%s %s: pipeline %d", test.method, params, item.Category)
		}
	}
}

func TestMovesToAnotherPipeline(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ from, fields, want string }{
		{"C5:UC_K3M9XZ", `"categoryId": 2, "stageId": "C2:1"`, "C2:1"},
		{"C5:UC_K3M9XZ", `"categoryId": "2", "stageId": "C2:LOSE"`, "C2:LOSE"},
		{"C5:UC_K3M9XZ", `"categoryId": 2`, "C2:NEW"},
		{"C5:UC_K3M9XZ", `"categoryId": 2, "stageId": "C5:NEW"`, "C2:NEW"},
		{"C5:UC_K3M9XZ", `"categoryId": 0, "stageId": "NO SUCH"`, "NEW"},
		{"C5:WON", `"categoryId": 2`, "C2:WON"},
		{"C5:WON", `"categoryId": 0, "stageId": "C5:WON"`, "WON"},
		{"C5:UC_9PLQ0A", `"categoryId": 0`, "LOSE"},
		{"C5:NEW", `"categoryId": 5, "stageId": "C5:WON"`, "C5:WON"},
		{"C5:NEW", `"categoryId": 5`, "C5:NEW"},
	} {
		for _, does := range []bitrix24test.WrongStage{bitrix24test.StageKept, bitrix24test.StageRefused, bitrix24test.StageStored} {
			p := bitrix24test.New()
			p.SetWrongStage(does)
			p.AddDeal(5, test.from)
			stage, code := where(t, p, "crm.item.update", `{"entityTypeId": 2, "id": 1, "fields": {`+test.fields+`}}`, 2, 1)
			if stage != test.want || code != "" {
				t.Errorf("%s to %s: %s, error %q, want %s", test.from, test.fields, stage, code, test.want)
			}
		}
	}
	p := bitrix24test.New()
	p.AddLead("NEW")
	if stage, code := where(t, p, "crm.item.update", `{"entityTypeId": 1, "id": 1, "fields": {"categoryId": 5, "stageId": "JUNK"}}`, 1, 1); stage != "JUNK" || code != "" {
		t.Errorf("a lead with a categoryId: %s, error %q", stage, code)
	}
	empty, err := p.AddSmartPipeline(177, "Пустая")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Statuses() {
		if s.Scope == empty.Scope() && s.Semantics != "F" {
			if err := p.Delete(s.Scope, s.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.AddItem(bitrix24test.Item{TypeID: 177})
	stage, _ := where(t, p, "crm.item.update", fmt.Sprintf(`{"entityTypeId": 177, "id": 1, "fields": {"categoryId": %d}}`, empty.ID), 177, 1)
	if want := fmt.Sprintf("DT177_%d:FAIL", empty.ID); stage != want {
		t.Errorf("to a pipeline without such a stage: %s, want %s", stage, want)
	}
}

func TestChangesOfItems(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		before := p.AddItem(bitrix24test.Item{TypeID: 177, Category: 7, Stage: "DT177_7:NEW"})
		update := func(fields string) bitrix24test.Item {
			time.Sleep(time.Minute)
			if status, body := call(p, "crm.item.update", `{"entityTypeId": 177, "id": 1, "fields": {`+fields+`}}`); status != http.StatusOK {
				t.Fatal(body)
			}
			item, _ := p.Item(177, 1)
			return item
		}
		for _, nothing := range []string{``, `"stageId": "DT177_7:NEW"`, `"STAGE_ID": "DT177_7:CLIENT"`, `"categoryId": 7`, `"stageId": "DT177_9:NEW"`, `"stageId": null`} {
			if item := update(nothing); item != before {
				t.Errorf("{%s} changed %+v to %+v", nothing, before, item)
			}
		}
		titled := before
		titled.Title, titled.Updated, titled.UpdatedBy = "Доставка", before.Updated.Add(7*time.Minute), bitrix24test.DefaultUserID
		if diff := cmp.Diff(titled, update(`"title": "Доставка"`)); diff != "" {
			t.Errorf("title (-want +got):\n%s", diff)
		}
		moved := titled
		moved.Stage, moved.PreviousStage, moved.MovedBy = "DT177_7:CLIENT", "DT177_7:NEW", bitrix24test.DefaultUserID
		moved.Moved, moved.Updated = before.Updated.Add(8*time.Minute), before.Updated.Add(8*time.Minute)
		if diff := cmp.Diff(moved, update(`"stageId": "DT177_7:CLIENT"`)); diff != "" {
			t.Errorf("stage (-want +got):\n%s", diff)
		}
		if rows := history(t, p, 177, ""); len(rows) != 2 {
			t.Errorf("history: %v", rows)
		}
	})
}

func TestAutomate(t *testing.T) {
	t.Parallel()
	p := shop(t)
	p.Automate("DEAL_STAGE_5", "C5:NEW", "C5:PREPARATION")
	p.Automate("DEAL_STAGE_5", "C5:PREPARATION", "C5:WON")
	p.Automate("STATUS", "NEW", "PROCESSED")
	p.Automate("STATUS", "1", "JUNK")
	p.Automate("STATUS", "1", "")
	to := func(params string, typeID, id int) string {
		t.Helper()
		stage, code := where(t, p, "crm.item.update", params, typeID, id)
		if code != "" {
			t.Errorf("%s: %s", params, code)
		}
		return stage
	}
	if got := to(`{"entityTypeId": 2, "id": 880, "fields": {"stageId": "C5:NEW"}}`, 2, 880); got != "C5:WON" {
		t.Errorf("the deal stands in %s", got)
	}
	want := []string{"1 C5:UC_K3M9XZ", "2 C5:NEW", "2 C5:PREPARATION", "3 C5:WON"}
	if diff := cmp.Diff(want, history(t, p, 2, `"OWNER_ID": 880`)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if item, _ := p.Item(2, 880); item.MovedBy != 0 || item.PreviousStage != "C5:PREPARATION" {
		t.Errorf("the deal = %+v", item)
	}
	if got := to(`{"entityTypeId": 2, "id": 881, "fields": {"stageId": "NEW"}}`, 2, 881); got != "NEW" {
		t.Errorf("a deal of another pipeline stands in %s", got)
	}
	if got := to(`{"entityTypeId": 1, "id": 4521, "fields": {"stageId": "1"}}`, 1, 4521); got != "1" {
		t.Errorf("a rule that was removed: %s", got)
	}
	if lead := p.AddLead("NEW"); lead.Stage != "PROCESSED" {
		t.Errorf("a new lead stands in %s", lead.Stage)
	}
	if err := p.MoveItem(1, 4521, 0, "NEW"); err != nil {
		t.Fatal(err)
	}
	if item, _ := p.Item(1, 4521); item.Stage != "PROCESSED" {
		t.Errorf("moved by a person: %s", item.Stage)
	}
	p.Automate("STATUS", "PROCESSED", "NEW")
	if got := to(`{"entityTypeId": 1, "id": 4521, "fields": {"stageId": "NEW"}}`, 1, 4521); got != "NEW" {
		t.Errorf("rules in a circle: %s", got)
	}
	if _, body := call(p, "crm.lead.update", `{"id": 4521, "fields": {"STATUS_ID": "JUNK"}}`); !strings.HasPrefix(body, `{"result":true,`) {
		t.Errorf("crm.lead.update said %s", body)
	}
}

func TestForbidStage(t *testing.T) {
	t.Parallel()
	p := shop(t)
	p.ForbidStage("DEAL_STAGE_5", "C5:WON", bitrix24test.StageForbidden())
	p.ForbidStage("DEAL_STAGE_5", "C5:NEW", bitrix24test.FieldRequired("Сумма"))
	p.ForbidStage("STATUS", "JUNK", bitrix24test.StageForbidden())
	for _, test := range []struct{ method, params, code string }{
		{"crm.item.update", `{"entityTypeId": 2, "id": 880, "fields": {"stageId": "C5:WON", "title": "Другое"}}`, "-"},
		{"crm.deal.update", `{"id": 880, "fields": {"STAGE_ID": "C5:WON"}}`, "-"},
		{"crm.item.update", `{"entityTypeId": 2, "id": 880, "fields": {"stageId": "C5:NEW"}}`, "CRM_FIELD_ERROR_REQUIRED"},
		{"crm.item.update", `{"entityTypeId": 2, "id": 881, "fields": {"categoryId": 5, "stageId": "C5:WON"}}`, "-"},
		{"crm.lead.update", `{"id": 4521, "fields": {"STATUS_ID": "JUNK"}}`, "-"},
	} {
		before := []any{p.Items(1), p.Items(2)}
		_, code := where(t, p, test.method, test.params, 2, 880)
		if diff := cmp.Diff(before, []any{p.Items(1), p.Items(2)}); code != test.code || diff != "" {
			t.Errorf("%s %s: error %q, want %q\n%s", test.method, test.params, code, test.code, diff)
		}
	}
	if stage, code := where(t, p, "crm.item.update", `{"entityTypeId": 2, "id": 881, "fields": {"categoryId": 5, "stageId": "C5:NEW"}}`, 2, 881); stage != "C5:NEW" || code != "" {
		t.Errorf("required fields of another pipeline: %s, error %q", stage, code)
	}
	if err := p.MoveItem(2, 880, 5, "C5:WON"); err != nil {
		t.Error(err)
	}
	if _, code := where(t, p, "crm.item.update", `{"entityTypeId": 2, "id": 880, "fields": {"stageId": "C5:WON", "title": "Другое"}}`, 2, 880); code != "" {
		t.Errorf("a stage that the item stands in: error %q", code)
	}
	p.AllowStage("STATUS", "JUNK")
	if stage, code := where(t, p, "crm.lead.update", `{"id": 4521, "fields": {"STATUS_ID": "JUNK"}}`, 1, 4521); stage != "JUNK" || code != "" {
		t.Errorf("after AllowStage: %s, error %q", stage, code)
	}
	for file, e := range map[string]bitrix24test.APIError{
		"error_field_value_not_valid.json": bitrix24test.FieldInvalid("Stage"),
		"error_field_required.json":        bitrix24test.FieldRequired("Amount"),
		"error_not_found_spa.json":         bitrix24test.SmartProcessNotFound(),
		"error_not_found_legacy.json":      bitrix24test.NotFoundLegacy(),
	} {
		p.FailCommand(1, "profile", e)
		status, body := call(p, "profile", "")
		if diff := cmp.Diff(parsed(t, golden(t, file)), parsed(t, []byte(body))); diff != "" || status != http.StatusBadRequest {
			t.Errorf("%s: %d (-want +got):\n%s", file, status, diff)
		}
	}
}
