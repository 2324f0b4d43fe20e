package bitrix24test_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestCategoryWrites(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	var said struct {
		Result struct {
			Category struct {
				ID, Sort, EntityTypeID int
				Name                   string
			}
		}
	}
	pipeline := func(id int) bitrix24test.Pipeline {
		for _, pipeline := range p.Pipelines() {
			if pipeline.ID == id {
				return pipeline
			}
		}
		return bitrix24test.Pipeline{}
	}
	result(t, p, "crm.category.add", `{"entityTypeId": 2, "fields": {"name": "Опт", "sort": 250}}`, &said)
	id := said.Result.Category.ID
	want := bitrix24test.Pipeline{TypeID: 2, ID: id, Name: "Опт", Sort: 250}
	if diff := cmp.Diff(want, pipeline(id)); diff != "" || said.Result.Category.Name != "Опт" || said.Result.Category.Sort != 250 {
		t.Errorf("add said %+v (-want +got):\n%s", said, diff)
	}
	if stages := list(t, p, want.Scope()); len(stages) != 8 || stages[0].ID != fmt.Sprintf("C%d:NEW", id) {
		t.Errorf("the new pipeline's stages = %+v", stages)
	}
	result(t, p, "crm.category.update", fmt.Sprintf(`{"entityTypeId": 2, "id": %d, "fields": {"name": "Wholesale"}}`, id), &said)
	want.Name = "Wholesale"
	if got := pipeline(id); got != want || said.Result.Category.Name != "Wholesale" {
		t.Errorf("update said %+v: %+v", said, got)
	}
	result(t, p, "crm.category.update", fmt.Sprintf(`{"entityTypeId": 2, "id": %d, "fields": {"sort": "20"}}`, id), &said)
	want.Sort = 20
	if got := pipeline(id); got != want {
		t.Errorf("update: %+v", got)
	}

	p.AddDeal(5, "")
	if err := p.HidePipeline(2, true); err != nil {
		t.Fatal(err)
	}
	before := p.Pipelines()
	for _, test := range []struct{ method, params, text string }{
		{"add", `{"entityTypeId": 1, "fields": {"name": "x"}}`, "ENTITY_TYPE_NOT_SUPPORTED"},
		{"add", `{"entityTypeId": 2, "fields": {"sort": 5}}`, "CRM_FIELD_ERROR_REQUIRED"},
		{"add", `{"entityTypeId": 2}`, "{fields}"},
		{"update", `{"entityTypeId": 2, "id": 5}`, "{fields}"},
		{"update", `{"entityTypeId": 2, "id": 7, "fields": {"name": "x"}}`, "Element not found"},
		{"update", `{"entityTypeId": 2, "id": 2, "fields": {"name": "x"}}`, "ACCESS_DENIED"},
		{"delete", `{"entityTypeId": 2, "id": 2}`, "ACCESS_DENIED"},
		{"delete", `{"entityTypeId": 177, "id": 5}`, "Element not found"},
		{"delete", `{"entityTypeId": 2, "id": 0}`, "default"},
		{"delete", `{"entityTypeId": 2, "id": 5}`, "items"},
	} {
		status, body := call(p, "crm.category."+test.method, test.params)
		if status != http.StatusBadRequest || !strings.Contains(body, test.text) {
			t.Errorf("%s %s: %d %s", test.method, test.params, status, body)
		}
	}
	if diff := cmp.Diff(before, p.Pipelines()); diff != "" {
		t.Errorf("calls that failed changed something:\n%s", diff)
	}
	if _, body := call(p, "crm.category.delete", fmt.Sprintf(`{"entityTypeId": 2, "id": %d}`, id)); !strings.HasPrefix(body, `{"result":null,`) {
		t.Errorf("delete: %s", body)
	}
	if pipeline(id).ID != 0 || len(list(t, p, want.Scope())) != 0 {
		t.Error("the pipeline is still there")
	}
}
