package bitrix24test_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// itemPage is an answer of crm.item.list.
type itemPage struct {
	Result struct {
		Items []struct{ ID int }
	}
	Total *int
	Next  int
}

func (p itemPage) ids() []int {
	ids := []int{}
	for _, item := range p.Result.Items {
		ids = append(ids, item.ID)
	}
	return ids
}

// six is a portal with six deals.
func six() *bitrix24test.Portal {
	p := bitrix24test.New()
	day := time.Date(2026, 8, 20, 12, 0, 0, 0, time.FixedZone("", 3*60*60))
	for i, deal := range []bitrix24test.Item{
		{Category: 5, Stage: "C5:NEW", Title: "b"},
		{Category: 0, Stage: "NEW", Title: "a"},
		{Category: 5, Stage: "C5:WON", Title: "c"},
		{Category: 2, Stage: "C2:1", Title: "Замер"},
		{Category: 0, Stage: "WON", Title: "b"},
		{Category: 5, Stage: "C5:NEW", Title: "d"},
	} {
		deal.TypeID, deal.Moved, deal.Updated = 2, day.AddDate(0, 0, i), day.AddDate(0, 0, -i)
		p.AddItem(deal)
	}
	return p
}

func TestFiltersOfItems(t *testing.T) {
	t.Parallel()
	p := six()
	for filter, want := range map[string][]int{
		``:                                                       {1, 2, 3, 4, 5, 6},
		`"filter": {}`:                                           {1, 2, 3, 4, 5, 6},
		`"filter": []`:                                           {1, 2, 3, 4, 5, 6},
		`"filter": {"id": 3}`:                                    {3},
		`"filter": {"=id": "3"}`:                                 {3},
		`"filter": {"id": [6, 3, 3, 9, 1]}`:                      {1, 3, 6},
		`"filter": {"@id": [6, 3], ">id": 3}`:                    {6},
		`"filter": {">id": 3, "@id": [6, 3]}`:                    {6},
		`"filter": {"@id": []}`:                                  {},
		`"filter": {"!id": 3}`:                                   {1, 2, 4, 5, 6},
		`"filter": {"!@id": [1, 2, 6]}`:                          {3, 4, 5},
		`"filter": {">id": 4}`:                                   {5, 6},
		`"filter": {">id": 6}`:                                   {},
		`"filter": {">=id": 4}`:                                  {4, 5, 6},
		`"filter": {"<id": 3}`:                                   {1, 2},
		`"filter": {"<=id": 3}`:                                  {1, 2, 3},
		`"filter": {">id": 1, "<=id": 3}`:                        {2, 3},
		`"filter": {"<id": 2, ">id": 3}`:                         {},
		`"filter": {"stageId": "C5:NEW"}`:                        {1, 6},
		`"filter": {"=stageId": "new"}`:                          {},
		`"filter": {"@stageId": ["C5:NEW", "WON"], ">id": 1}`:    {5, 6},
		`"filter": {"!stageId": "C5:NEW"}`:                       {2, 3, 4, 5},
		`"filter": {"!=stageId": "C5:NEW"}`:                      {2, 3, 4, 5},
		`"filter": {"!@stageId": ["C5:NEW", "WON"]}`:             {2, 3, 4},
		`"filter": {"categoryId": 0}`:                            {2, 5},
		`"filter": {"@categoryId": [0, "2"]}`:                    {2, 4, 5},
		`"filter": {">categoryId": 2}`:                           {1, 3, 6},
		`"filter": {"<=categoryId": 2, "!stageId": "WON"}`:       {2, 4},
		`"filter": {"title": "Замер"}`:                           {4},
		`"filter": {">title": "b"}`:                              {3, 4, 6},
		`"filter": {">=movedTime": "2026-08-23T12:00:00+03:00"}`: {4, 5, 6},
		`"filter": {">movedTime": "2026-08-23T09:00:00Z", "<movedTime": "2026-08-25"}`:        {5},
		`"filter": {"<movedTime": "2026-08-21T12:00:00"}`:                                     {1},
		`"order": {"id": "DESC"}`:                                                             {6, 5, 4, 3, 2, 1},
		`"order": {"id": "desc", "stageId": "ASC"}, "filter": {"stageId": ["C5:NEW", "NEW"]}`: {6, 2, 1},
		`"order": {"id": "ASC"}, "filter": {"<id": 3}`:                                        {1, 2},
		`"order": {"id": "DESC"}, "filter": {"<id": 3}`:                                       {2, 1},
		`"order": {"categoryId": "ASC"}`:                                                      {2, 5, 4, 1, 3, 6},
		`"order": {"categoryId": "DESC", "id": "DESC"}`:                                       {6, 3, 1, 4, 5, 2},
		`"order": {"stageId": "ASC"}, "filter": {"categoryId": 5, ">id": 1}`:                  {6, 3},
		`"order": {"title": "ASC"}`:                                                           {2, 1, 5, 3, 6, 4},
		`"order": {"updatedTime": "ASC"}`:                                                     {6, 5, 4, 3, 2, 1},
	} {
		params := `{"entityTypeId": 2`
		if filter != "" {
			params += ", " + filter
		}
		var page itemPage
		result(t, p, "crm.item.list", params+"}", &page)
		if diff := cmp.Diff(want, page.ids()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filter, diff)
		}
		if page.Total == nil || *page.Total != len(want) || page.Next != 0 {
			t.Errorf("%s: total %v, next %d", filter, page.Total, page.Next)
		}
	}
}

func TestPagesOfItems(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.AddItems(60, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	p.AddItems(61, bitrix24test.Item{TypeID: 1, Stage: "JUNK"})
	for _, test := range []struct {
		params             string
		first, rows        int
		last, total, next_ int
	}{
		{`"start": 0`, 1, 50, 50, 121, 50},
		{`"start": "50"`, 51, 50, 100, 121, 100},
		{`"start": 100`, 101, 21, 121, 121, 0},
		{`"start": 200`, 0, 0, 0, 121, 0},
		{`"start": 71`, 72, 50, 121, 121, 0},
		{`"start": 70, "order": {"id": "DESC"}`, 51, 50, 2, 121, 120},
		{`"start": 50, "order": {"stageId": "ASC"}`, 111, 50, 39, 121, 100},
		{`"filter": {"stageId": "NEW"}`, 1, 50, 50, 60, 50},
		{`"start": 50, "filter": {"stageId": "NEW"}`, 51, 10, 60, 60, 0},
		{`"start": 50, "filter": {"stageId": "JUNK", ">id": 70}`, 121, 1, 121, 51, 0},
		{`"start": -1`, 1, 50, 50, 0, 0},
		{`"start": -1, "filter": {">id": 50, "stageId": "JUNK"}`, 61, 50, 110, 0, 0},
		{`"start": -1, "filter": {">id": 110, "stageId": "JUNK"}`, 111, 11, 121, 0, 0},
		{`"start": -1, "filter": {"<id": 110, "stageId": "JUNK"}, "order": {"id": "DESC"}`, 109, 49, 61, 0, 0},
		{`"start": -1, "order": {"stageId": "DESC"}`, 1, 50, 50, 0, 0},
	} {
		var page itemPage
		result(t, p, "crm.item.list", `{"entityTypeId": 1, "select": ["id"], `+test.params+`}`, &page)
		ids := page.ids()
		if len(ids) != test.rows || page.Total == nil || *page.Total != test.total || page.Next != test.next_ {
			t.Errorf("%s: %d rows, total %v, next %d", test.params, len(ids), *page.Total, page.Next)
		}
		if len(ids) > 0 && (ids[0] != test.first || ids[len(ids)-1] != test.last) {
			t.Errorf("%s: from %d to %d, want from %d to %d", test.params, ids[0], ids[len(ids)-1], test.first, test.last)
		}
	}
}

func TestOldLists(t *testing.T) {
	t.Parallel()
	p := six()
	p.AddLead("JUNK")
	p.AddItem(bitrix24test.Item{TypeID: 1, Stage: "NEW", Title: "Лид"})
	for _, test := range []struct {
		method, params, want string
	}{
		{"crm.lead.list", ``, "[1 2]"},
		{"crm.lead.list", `{"filter": {"STATUS_ID": "NEW"}}`, "[2]"},
		{"crm.lead.list", `{"filter": {"!STATUS_ID": ["NEW"]}}`, "[1]"},
		{"crm.lead.list", `{"filter": {"@STATUS_ID": ["NEW", "JUNK"]}, "order": {"ID": "DESC"}}`, "[2 1]"},
		{"crm.lead.list", `{"filter": {"TITLE": "Лид"}}`, "[2]"},
		{"crm.lead.list", `{"filter": {"stageId": "NEW", "STAGE_ID": "X"}, "order": {"what": "ASC"}}`, "[1 2]"},
		{"crm.deal.list", `{"filter": {"@STAGE_ID": ["C5:NEW", "WON"], ">ID": 1}}`, "[5 6]"},
		{"crm.deal.list", `{"filter": {"CATEGORY_ID": "0"}}`, "[2 5]"},
		{"crm.deal.list", `{"filter": {">MOVED_TIME": "2026-08-23T12:00:00+03:00"}, "order": {"DATE_MODIFY": "ASC"}}`, "[6 5]"},
	} {
		var page struct {
			Result []map[string]any
			Total  int
		}
		result(t, p, test.method, test.params, &page)
		ids := []string{}
		for _, row := range page.Result {
			ids = append(ids, row["ID"].(string))
		}
		if fmt.Sprint(ids) != test.want || page.Total != len(ids) {
			t.Errorf("%s %s: %v, total %d, want %s", test.method, test.params, ids, page.Total, test.want)
		}
	}
	want := itemGolden(t, "lead_list.json")["result"].([]any)[0].(map[string]any)
	p.AddItem(bitrix24test.Item{TypeID: 1, ID: 4521, Stage: "IN_PROCESS", Title: "Bot request #4521", Updated: at(t, "2026-08-20T10:59:02+03:00")})
	var page struct{ Result []map[string]any }
	result(t, p, "crm.lead.list", `{"filter": {"ID": 4521}, "select": ["ID", "TITLE", "STATUS_ID", "STATUS_SEMANTIC_ID", "DATE_MODIFY"]}`, &page)
	if diff := cmp.Diff([]map[string]any{want}, page.Result); diff != "" {
		t.Errorf("lead_list.json (-want +got):\n%s", diff)
	}
	result(t, p, "crm.lead.list", `{"filter": {"ID": 4521}, "select": ["*", "UF_*"]}`, &page)
	if len(page.Result[0]) < 40 {
		t.Errorf("* selects %d fields", len(page.Result[0]))
	}
}

func TestManyItems(t *testing.T) {
	t.Parallel()
	const n = 10_003
	p := bitrix24test.New()
	p.AddItems(n, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	last, seen := 0, 0
	for {
		var page itemPage
		result(t, p, "crm.item.list", `{"entityTypeId": 1, "select": ["id"], "start": -1, "order": {"id": "ASC"}, "filter": {"@stageId": ["NEW"], ">id": `+strconv.Itoa(last)+`}}`, &page)
		ids := page.ids()
		if !slices.IsSorted(ids) || len(ids) > 0 && ids[0] != last+1 {
			t.Fatalf("after %d: %v", last, ids)
		}
		seen += len(ids)
		if len(ids) < 50 {
			break
		}
		last = ids[len(ids)-1]
	}
	if seen != n {
		t.Errorf("%d items, want %d", seen, n)
	}
	var page itemPage
	result(t, p, "crm.item.list", `{"entityTypeId": 1, "select": ["id"], "filter": {"@id": [5, 9999, 100001, 7000]}}`, &page)
	if want := []int{5, 7000, 9999}; !slices.Equal(page.ids(), want) {
		t.Errorf("by id: %v, want %v", page.ids(), want)
	}
}
