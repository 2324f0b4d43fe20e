package bitrix24test_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// history returns the sorts and stages of a history, whose numbers have to grow.
func history(t *testing.T, p *bitrix24test.Portal, typeID int, filter string) []string {
	t.Helper()
	var answer struct {
		Result struct {
			Items []struct {
				ID    int    `json:"ID"`
				Kind  int    `json:"TYPE_ID"`
				Stage string `json:"STAGE_ID"`
				Lead  string `json:"STATUS_ID"`
			}
		}
	}
	result(t, p, "crm.stagehistory.list", `{"entityTypeId": `+strconv.Itoa(typeID)+`, "order": {"ID": "ASC"}, "filter": {`+filter+`}}`, &answer)
	var rows []string
	last := 0
	for _, row := range answer.Result.Items {
		if row.ID <= last {
			t.Errorf("number %d after %d", row.ID, last)
		}
		last = row.ID
		rows = append(rows, fmt.Sprint(row.Kind, " ", row.Stage+row.Lead))
	}
	return rows
}

func TestHistoriesAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		until := func(s string) { time.Sleep(time.Until(at(t, s))) }
		move := func(typeID, id, category int, stage string) {
			if err := p.MoveItem(typeID, id, category, stage); err != nil {
				t.Fatal(err)
			}
		}
		until("2026-08-18T10:02:11+03:00")
		p.AddItem(bitrix24test.Item{TypeID: 1, ID: 4521, Stage: "NEW"})
		until("2026-08-18T10:05:00+03:00")
		p.AddItem(bitrix24test.Item{TypeID: 2, ID: 880, Stage: "NEW"})
		until("2026-08-19T12:40:13+03:00")
		move(2, 880, 0, "PREPARATION")
		until("2026-08-20T09:15:42+03:00")
		move(2, 880, 5, "C5:NEW")
		until("2026-08-20T10:59:02+03:00")
		move(1, 4521, 0, "IN_PROCESS")
		until("2026-08-20T11:00:00+03:00")
		move(2, 880, 5, "C5:WON")
		move(2, 880, 5, "C5:WON")
		for file, typeID := range map[string]string{"stagehistory_list.json": "2", "stagehistory_list_lead.json": "1"} {
			_, body := call(p, "crm.stagehistory.list", `{"entityTypeId": `+typeID+`, "order": {"ID": "ASC"}}`)
			want, got := itemGolden(t, file), parsed(t, []byte(body))
			for _, answer := range []any{want, got} {
				for _, item := range answer.(map[string]any)["result"].(map[string]any)["items"].([]any) {
					delete(item.(map[string]any), "ID")
				}
			}
			if diff := cmp.Diff(any(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	})
}

func TestFiltersOfTheHistory(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	for range 2 {
		p.AddDeal(0, "NEW") // rows 1 and 2
	}
	p.AddLead("NEW") // row 3
	for _, stage := range []string{"PREPARATION", "LOSE", "EXECUTING"} {
		if err := p.MoveItem(2, 2, 0, stage); err != nil { // rows 4 to 6
			t.Fatal(err)
		}
	}
	if err := p.MoveItem(2, 1, 2, "C2:WON"); err != nil { // row 7
		t.Fatal(err)
	}
	if err := p.DeleteItem(2, 1); err != nil {
		t.Fatal(err)
	}
	for filter, want := range map[string][]string{
		``:                              {"1 NEW", "1 NEW", "2 PREPARATION", "3 LOSE", "2 EXECUTING", "5 C2:WON"},
		`">ID": 4`:                      {"3 LOSE", "2 EXECUTING", "5 C2:WON"},
		`">ID": 4, "OWNER_ID": 2`:       {"3 LOSE", "2 EXECUTING"},
		`"OWNER_ID": [1]`:               {"1 NEW", "5 C2:WON"},
		`"TYPE_ID": [3, 5]`:             {"3 LOSE", "5 C2:WON"},
		`"CATEGORY_ID": 2`:              {"5 C2:WON"},
		`"STAGE_ID": "LOSE"`:            {"3 LOSE"},
		`"<CREATED_TIME": "1999-01-01"`: nil,
		`">=CREATED_TIME": "2000-01-01", "<=ID": 2`: {"1 NEW", "1 NEW"},
	} {
		if diff := cmp.Diff(want, history(t, p, 2, filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filter, diff)
		}
	}
	p.AddItems(101, bitrix24test.Item{TypeID: 31})
	var page struct {
		Result struct{ Items []map[string]any }
		Total  int
		Next   int
	}
	result(t, p, "crm.stagehistory.list", `{"entityTypeId": 31, "start": 50, "order": {"ID": "DESC"}, "select": ["ID", "OWNER_ID"]}`, &page)
	if len(page.Result.Items) != 50 || page.Total != 101 || page.Next != 100 || page.Result.Items[0]["OWNER_ID"] != 51.0 || len(page.Result.Items[0]) != 2 {
		t.Errorf("a page = %+v", page)
	}
}
