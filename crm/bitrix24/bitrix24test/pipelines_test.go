package bitrix24test_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// directory is a row of crm.status.entity.types.
type directory struct {
	ID, Name, Prefix string
	TypeID           int `json:"ENTITY_TYPE_ID"`
}

func directories(t *testing.T, p *bitrix24test.Portal) map[string]directory {
	t.Helper()
	var answer struct{ Result []directory }
	result(t, p, "crm.status.entity.types", "", &answer)
	all := map[string]directory{}
	for _, d := range answer.Result {
		all[d.ID] = d
	}
	return all
}

// names returns the names of crm.category.list.
func names(t *testing.T, p *bitrix24test.Portal, typeID int) []string {
	t.Helper()
	var answer struct {
		Result struct{ Categories []struct{ Name string } }
		Total  int
	}
	params, err := json.Marshal(map[string]int{"entityTypeId": typeID})
	if err != nil {
		t.Fatal(err)
	}
	result(t, p, "crm.category.list", string(params), &answer)
	var all []string
	for _, c := range answer.Result.Categories {
		all = append(all, c.Name)
	}
	if answer.Total != len(all) {
		t.Errorf("total = %d of %d", answer.Total, len(all))
	}
	return all
}

// codes returns the codes of a directory with their outcomes; a star is a system row.
func codes(t *testing.T, p *bitrix24test.Portal, scope string) []string {
	t.Helper()
	var all []string
	for _, s := range list(t, p, scope) {
		code := s.ID
		if s.Semantics != "" {
			code += " " + s.Semantics
		}
		if s.System {
			code += " *"
		}
		all = append(all, code)
	}
	return all
}

func TestPipelines(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	if diff := cmp.Diff(bitrix24test.DefaultPipelines(), p.Pipelines()); diff != "" {
		t.Errorf("Pipelines (-want +got):\n%s", diff)
	}
	added := p.AddPipeline("Опт")
	want := bitrix24test.Pipeline{TypeID: 2, ID: 10, Name: "Опт", Sort: 500}
	if added != want || added.Scope() != "DEAL_STAGE_10" {
		t.Errorf("AddPipeline = %+v of %s, want %+v", added, added.Scope(), want)
	}
	if diff := cmp.Diff([]string{"Subscriptions", "Общая", "Замеры", "Опт"}, names(t, p, 2)); diff != "" {
		t.Errorf("crm.category.list (-want +got):\n%s", diff)
	}
	stages := []string{
		"C10:NEW *", "C10:PREPARATION", "C10:PREPAYMENT_INVOICE", "C10:EXECUTING", "C10:FINAL_INVOICE",
		"C10:WON S *", "C10:LOSE F *", "C10:APOLOGY F",
	}
	if diff := cmp.Diff(stages, codes(t, p, "DEAL_STAGE_10")); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	if got := directories(t, p)["DEAL_STAGE_10"]; got != (directory{"DEAL_STAGE_10", "Стадии сделки: Опт", "C10", 2}) {
		t.Errorf("directory = %+v", got)
	}

	if err := p.RenamePipeline(10, "Розница"); err != nil {
		t.Error(err)
	}
	if err := p.HidePipeline(5, true); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"Общая", "Замеры", "Розница"}, names(t, p, 2)); diff != "" {
		t.Errorf("crm.category.list (-want +got):\n%s", diff)
	}
	all := directories(t, p)
	if all["DEAL_STAGE_10"].Name != "Стадии сделки: Розница" || all["DEAL_STAGE_5"].ID == "" || len(list(t, p, "DEAL_STAGE_5")) != 6 {
		t.Errorf("crm.status.* hides a pipeline, or has an old name: %+v", all)
	}
	if status, body := call(p, "crm.category.get", `{"entityTypeId": 2, "id": 5}`); status != 400 {
		t.Errorf("crm.category.get of a hidden pipeline: %d %s", status, body)
	}
	if err := p.HidePipeline(5, false); err != nil {
		t.Error(err)
	}
	if got := names(t, p, 2); len(got) != 4 {
		t.Errorf("crm.category.list = %q, want the hidden one again", got)
	}

	if err := p.DeletePipeline(10); err != nil {
		t.Error(err)
	}
	if directories(t, p)["DEAL_STAGE_10"].ID != "" || len(p.Statuses()) != 66 || len(names(t, p, 2)) != 3 {
		t.Error("DeletePipeline left something")
	}
	if next := p.AddPipeline("x"); next.ID != 11 {
		t.Errorf("AddPipeline = %+v, want a number never used", next)
	}
	for what, err := range map[string]error{
		"RenamePipeline": p.RenamePipeline(10, ""), "HidePipeline": p.HidePipeline(10, true),
		"DeletePipeline": p.DeletePipeline(10), "DeletePipeline of the main one": p.DeletePipeline(0),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestSmartProcesses(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	first := p.AddSmartProcess("Заявки")
	if want := (bitrix24test.Pipeline{TypeID: 178, ID: 10, Name: "Общее", Sort: 500, Default: true}); first != want {
		t.Errorf("AddSmartProcess = %+v, want %+v", first, want)
	}
	second, err := p.AddSmartPipeline(178, "Срочные")
	if want := (bitrix24test.Pipeline{TypeID: 178, ID: 11, Name: "Срочные", Sort: 600}); err != nil || second != want {
		t.Errorf("AddSmartPipeline = %+v, %v, want %+v", second, err, want)
	}
	for _, typeID := range []int{2, 31, 179} {
		if _, err := p.AddSmartPipeline(typeID, "x"); err == nil {
			t.Errorf("AddSmartPipeline(%d): no error", typeID)
		}
	}
	if diff := cmp.Diff([]string{"Общее", "Срочные"}, names(t, p, 178)); diff != "" {
		t.Errorf("crm.category.list (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Общее"}, names(t, p, 31)); diff != "" {
		t.Errorf("crm.category.list of invoices (-want +got):\n%s", diff)
	}
	stages := []string{"DT178_11:NEW *", "DT178_11:PREPARATION", "DT178_11:CLIENT", "DT178_11:SUCCESS S *", "DT178_11:FAIL F *"}
	if diff := cmp.Diff(stages, codes(t, p, second.Scope())); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	want := directory{"DYNAMIC_178_STAGE_11", "Заявки (Срочные)", "DT178_11", 178}
	if got := directories(t, p)[second.Scope()]; got != want {
		t.Errorf("directory = %+v, want %+v", got, want)
	}
}

func TestSimpleModeMayHideTheLeads(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.SetLeadsListed(false)
	if got := len(list(t, p, "STATUS")); got != 8 {
		t.Errorf("%d statuses of leads; a portal with leads lists them", got)
	}
	p.SetSimpleMode(true)
	if got := directories(t, p)["STATUS"]; got.ID != "" || len(list(t, p, "STATUS")) != 0 || len(list(t, p, "")) != 58 {
		t.Errorf("the leads are listed: %+v", got)
	}
	if status, _ := call(p, "crm.status.get", `{"id": 1}`); status != 400 {
		t.Errorf("crm.status.get of a lead's status: %d", status)
	}
	p.SetLeadsListed(true)
	if got := len(list(t, p, "")); got != 66 {
		t.Errorf("%d rows", got)
	}
}
