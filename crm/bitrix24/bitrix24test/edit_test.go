package bitrix24test_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestEditing(t *testing.T) {
	t.Parallel()
	const scope = "DEAL_STAGE_5"
	row := func(id int, code, name string, sort int, semantics string) bitrix24test.Status {
		return bitrix24test.Status{
			RowID: id, Scope: scope, ID: "C5:" + code, Name: name, Sort: sort,
			Category: "5", Color: "#FFA900", Semantics: semantics,
		}
	}
	p := bitrix24test.New()
	a, won, lost := row(1001, "NEW", "a", 10, ""), row(1002, "WON", "won", 20, "S"), row(1003, "LOSE", "lost", 30, "F")
	elsewhere := bitrix24test.Status{RowID: 1000, Scope: "DEAL_STAGE", ID: "C5:NEW", Name: "elsewhere", Sort: 10}
	given := []bitrix24test.Status{lost, a, elsewhere, won}
	p.SetStatuses(given...)
	given[0].Name = "spoilt"
	p.Statuses()[0].Name = "spoilt"
	if diff := cmp.Diff([]bitrix24test.Status{lost, a, elsewhere, won}, p.Statuses()); diff != "" {
		t.Errorf("SetStatuses, or it shares memory (-want +got):\n%s", diff)
	}
	check := func(what string, err error, want ...bitrix24test.Status) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(want, list(t, p, scope)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		if diff := cmp.Diff([]bitrix24test.Status{elsewhere}, list(t, p, "DEAL_STAGE")); diff != "" {
			t.Errorf("%s touched another directory (-want +got):\n%s", what, diff)
		}
	}
	check("SetStatuses", nil, a, won, lost)
	a.Name = "A <1>"
	check("Rename", p.Rename(scope, "C5:NEW", "A <1>"), a, won, lost)
	lost.Color = "red"
	check("Recolor", p.Recolor(scope, "C5:LOSE", "red"), a, won, lost)
	b := p.AddStatus(scope, "b")
	if want := row(1004, strings.TrimPrefix(b.ID, "C5:"), "b", 15, "P"); b != want || !strings.HasPrefix(b.ID, "C5:UC_") || len(b.ID) != 12 {
		t.Errorf("AddStatus = %+v, want %+v with a code of a person", b, want)
	}
	check("AddStatus", nil, a, b, won, lost)
	lost.Sort, a.Sort, b.Sort, won.Sort = 10, 20, 30, 40
	check("Reorder", p.Reorder(scope, "C5:LOSE", "C5:NEW", "C5:LOSE"), lost, a, b, won)
	check("Delete", p.Delete(scope, "C5:LOSE"), a, b, won)
	again, err := p.Recreate(scope, "C5:NEW")
	want := a
	want.RowID, want.ID = 1005, again.ID
	if again != want || again.ID == a.ID || !strings.HasPrefix(again.ID, "C5:UC_") {
		t.Errorf("Recreate = %+v, want %+v with another code", again, want)
	}
	check("Recreate", err, again, b, won)

	_, recreateErr := p.Recreate(scope, "NEW")
	for what, err := range map[string]error{
		"Rename": p.Rename("DEAL_STAGE", b.ID, ""), "Recolor": p.Recolor(scope, "x", ""), "Delete": p.Delete("", b.ID),
		"Reorder": p.Reorder(scope, b.ID, "C5:NEW"), "Recreate": recreateErr,
	} {
		if err == nil {
			t.Errorf("%s of a status that is not there: no error", what)
		}
	}
	check("failed edits", nil, again, b, won)

	p.SetStatuses()
	if _, body := call(p, "crm.status.list", ""); !strings.HasPrefix(body, `{"result":[],"total":0,"time":`) {
		t.Errorf("an empty list is %s", body)
	}
	if c := p.AddStatus(scope, "c"); c.RowID != 1006 || c.Sort != 10 {
		t.Errorf("AddStatus = %+v, want a row never used", c)
	}
}

func TestAddedStagesStandBeforeTheSuccess(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	for _, test := range []struct{ scope, prefix, category, color, semantics string }{
		{"STATUS", "UC_", "0", "#FFA900", "P"},
		{"QUOTE_STATUS", "UC_", "0", "#FFA900", "P"},
		{"DEAL_STAGE", "UC_", "0", "#FFA900", "P"},
		{"DEAL_STAGE_2", "C2:UC_", "2", "#FFA900", "P"},
		{"SMART_INVOICE_STAGE_3", "DT31_3:UC_", "3", "#FFA900", "P"},
		{"DYNAMIC_177_STAGE_9", "DT177_9:UC_", "9", "#FFA900", "P"},
		{"SOURCE", "UC_", "", "", ""},
		{"DEAL_STAGE_X", "UC_", "", "", ""},
	} {
		before := list(t, p, test.scope)
		codes := map[string]bool{}
		for range 20 {
			s := p.AddStatus(test.scope, "x")
			if !strings.HasPrefix(s.ID, test.prefix) || s.Category != test.category || s.Color != test.color || s.Semantics != test.semantics {
				t.Fatalf("AddStatus(%q) = %+v", test.scope, s)
			}
			codes[s.ID] = true
		}
		if len(codes) != 20 {
			t.Errorf("%s: %d codes for 20 statuses", test.scope, len(codes))
		}
		var others, want []string
		final := 0
		for i, s := range list(t, p, test.scope) {
			if codes[s.ID] {
				if final > 0 {
					t.Errorf("%s: %s stands behind a final stage, at %d", test.scope, s.ID, i)
				}
				continue
			}
			others = append(others, s.ID)
			if s.Semantics == "S" || s.Semantics == "F" {
				final++
			}
		}
		for _, s := range before {
			want = append(want, s.ID)
		}
		if diff := cmp.Diff(want, others); diff != "" {
			t.Errorf("%s: the others moved (-want +got):\n%s", test.scope, diff)
		}
	}
	if fresh := bitrix24test.New().AddStatus("STATUS", "x"); fresh != bitrix24test.New().AddStatus("STATUS", "x") {
		t.Error("two new portals give different codes")
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	const batch = `{"cmd": {"a": "crm.status.list", "b": "crm.status.entity.types", "c": "crm.category.list?entityTypeId=2"}}`
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				s := p.AddStatus("SOURCE", "x")
				pipeline := p.AddPipeline("y")
				if err := p.Rename(s.Scope, s.ID, "z"); err != nil {
					t.Error(err)
				}
				p.FailCommand(1, "crm.status.fields", bitrix24test.Internal())
				if status, body := call(p, "batch", batch); status != 200 {
					t.Error(body)
				}
				if err := p.Delete(s.Scope, s.ID); err != nil {
					t.Error(err)
				}
				if err := p.DeletePipeline(pipeline.ID); err != nil {
					t.Error(err)
				}
				_, _, _ = p.Calls("batch"), p.Statuses(), p.Pipelines()
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(bitrix24test.DefaultStatuses(), p.Statuses()); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if got := p.Calls("crm.status.list"); got != 80 {
		t.Errorf("Calls = %d, want 80", got)
	}
}
