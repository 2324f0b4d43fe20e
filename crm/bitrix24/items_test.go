package bitrix24

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

func TestKindsAndTypes(t *testing.T) {
	t.Parallel()
	for kind, typeID := range map[string]int{
		"lead": 1, "deal": 2, "quote": 7, "invoice": 31, "dynamic:128": 128, "dynamic:177": 177, "dynamic:1036": 1036,
	} {
		if got, ok := typeOf(kind); got != typeID || !ok {
			t.Errorf("type of %q = %d, %v; want %d", kind, got, ok, typeID)
		}
		if got := kindOf(typeID); got != kind {
			t.Errorf("kind of %d = %q, want %q", typeID, got, kind)
		}
	}
	if got, ok := typeOf(""); got != typeLead || !ok {
		t.Errorf("type of the empty Kind = %d, %v; want that of leads", got, ok)
	}
	for _, kind := range []string{
		"dynamic:0177", "dynamic:5", "dynamic:1", "dynamic:31", "dynamic:127", "dynamic:", "dynamic:x", "dynamic:-177", "dynamic:+177",
		"dynamic: 177", "dynamic:177 ", "dynamic:1e3", "dynamic:99999999999999999999", "Dynamic:177", "177", "1", "LEAD", "Deal", "lead ",
		"contact", "сделка",
	} {
		if typeID, ok := typeOf(kind); ok {
			t.Errorf("%q is taken for the Kind of type %d", kind, typeID)
		}
	}
}

func TestDirectoriesAndPipelines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		typeID, category int
		directory        string
	}{
		{typeLead, 0, "STATUS"},
		{typeQuote, 0, "QUOTE_STATUS"},
		{typeDeal, 0, "DEAL_STAGE"},
		{typeDeal, 5, "DEAL_STAGE_5"},
		{typeDeal, 1234, "DEAL_STAGE_1234"},
		{typeInvoice, 3, "SMART_INVOICE_STAGE_3"},
		{177, 7, "DYNAMIC_177_STAGE_7"},
		{177, 0, "DYNAMIC_177_STAGE_0"},
	} {
		if got := directoryOf(test.typeID, test.category); got != test.directory {
			t.Errorf("directory of type %d in pipeline %d = %q, want %q", test.typeID, test.category, got, test.directory)
		}
		if got, ok := pipelineOf(test.typeID, test.directory); got != test.category || !ok {
			t.Errorf("pipeline of type %d with %q = %d, %v; want %d", test.typeID, test.directory, got, ok, test.category)
		}
	}
	// Leads and quotes have one list, whatever a portal says of their pipeline.
	if directoryOf(typeLead, 5) != "STATUS" || directoryOf(typeQuote, 5) != "QUOTE_STATUS" {
		t.Error("leads and quotes have pipelines")
	}
	for directory, typeIDs := range map[string][]int{
		"":                       {typeLead, typeDeal, typeQuote, typeInvoice, 177},
		"STATUS":                 {typeDeal, typeQuote, typeInvoice, 177},
		"STATUS_5":               {typeLead, typeDeal},
		"QUOTE_STATUS":           {typeLead, typeDeal, 177},
		"QUOTE_STATUS_0":         {typeQuote},
		"DEAL_STAGE":             {typeLead, typeQuote, typeInvoice, 177},
		"DEAL_STAGE_":            {typeDeal},
		"DEAL_STAGE_0":           {typeDeal},
		"DEAL_STAGE_05":          {typeDeal},
		"DEAL_STAGE_+5":          {typeDeal},
		"DEAL_STAGE_-1":          {typeDeal},
		"DEAL_STAGE_ 5":          {typeDeal},
		"DEAL_STAGE_5_5":         {typeDeal},
		"DEAL_STAGE_x":           {typeDeal},
		"deal_stage":             {typeDeal},
		"DEAL_STAGE_5":           {typeLead, typeQuote, typeInvoice, 177},
		"SMART_INVOICE_STAGE_3":  {typeDeal, 177},
		"SMART_INVOICE_STAGE_03": {typeInvoice},
		"DYNAMIC_177_STAGE_7":    {178, typeDeal, typeInvoice, 1777},
		"DYNAMIC_177_STAGE_07":   {177},
		"DYNAMIC_177_STAGE_":     {177},
		"DYNAMIC_0177_STAGE_7":   {177},
		"DYNAMIC_1_STAGE_0":      {typeLead},
		"DYNAMIC_7_STAGE_0":      {typeQuote},
		"DYNAMIC_2_STAGE_5":      {typeDeal},
		"DYNAMIC_31_STAGE_3":     {typeInvoice},
		"SOURCE":                 {typeLead, typeDeal, 177},
	} {
		for _, typeID := range typeIDs {
			if category, ok := pipelineOf(typeID, directory); ok {
				t.Errorf("%q is taken for pipeline %d of type %d", directory, category, typeID)
			}
		}
	}
}

func TestLeadsThatCannotBe(t *testing.T) {
	t.Parallel()
	c := offline(t)
	good := crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: "880"}
	if typeID, unfit := c.checkLead(good); typeID != typeDeal || unfit != nil {
		t.Errorf("%v: type %d, %v", good, typeID, unfit)
	}
	for _, id := range []string{"1", "007", "999999999999999999"} {
		if _, unfit := c.checkLead(crm.LeadRef{Source: "bitrix24", ID: id}); unfit != nil {
			t.Errorf("ID %q: %v", id, unfit)
		}
	}
	for _, id := range []string{"", "0", "000", "-1", "+1", "1.0", "1e3", " 1", "1 ", "x", "C5:1", "１２", "1000000000000000000", "0000000000000000001"} {
		if _, unfit := c.checkLead(crm.LeadRef{Source: "bitrix24", ID: id}); unfit == nil || !errors.Is(unfit, crm.ErrNotFound) {
			t.Errorf("ID %q: %v, want not found", id, unfit)
		}
	}
	for id, want := range map[string]string{"1": "1", "007": "7", "0": "0", "100": "100", "000100": "100"} {
		if got := trimZeros(id); got != want {
			t.Errorf("%q without zeros in front = %q, want %q", id, got, want)
		}
	}
}

// said returns the result of an answer.
func said(t testing.TB, file string) Result {
	t.Helper()
	result, err := offline(t).decodeCall("test", "crm.item.get", goldenResponse(t, file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return result
}

// The portal's offset, and the moments at which its items moved.
var (
	moscowTime = time.FixedZone("", 3*60*60)
	eleven     = time.Date(2026, 8, 20, 11, 0, 0, 0, moscowTime)
)

func dealIn(id, scope, stage string, moved time.Time, by string) crm.Lead {
	return crm.Lead{
		Ref:     crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: id},
		Status:  crm.Ref{Source: "bitrix24", Scope: scope, ID: stage},
		MovedAt: moved, MovedBy: by,
	}
}

func TestGoldenItems(t *testing.T) {
	t.Parallel()
	for file, test := range map[string]struct {
		typeID int
		want   crm.Lead
	}{
		"item_get_lead.json": {typeLead, crm.Lead{
			Ref:     crm.LeadRef{Source: "bitrix24", Kind: "lead", ID: "4521"},
			Status:  crm.Ref{Source: "bitrix24", Scope: "STATUS", ID: "IN_PROCESS"},
			MovedAt: time.Date(2026, 8, 20, 10, 59, 2, 0, moscowTime), MovedBy: "17",
		}},
		"item_get_deal.json": {typeDeal, dealIn("880", "DEAL_STAGE_5", "C5:UC_K3M9XZ", eleven, "17")},
		"item_get_dynamic.json": {177, crm.Lead{
			Ref:     crm.LeadRef{Source: "bitrix24", Kind: "dynamic:177", ID: "24"},
			Status:  crm.Ref{Source: "bitrix24", Scope: "DYNAMIC_177_STAGE_7", ID: "DT177_7:CLIENT"},
			MovedAt: eleven, MovedBy: "17",
		}},
		"item_update_ok.json":             {typeDeal, dealIn("880", "DEAL_STAGE_5", "C5:UC_K3M9XZ", eleven, "17")},
		"item_update_won.json":            {typeDeal, dealIn("880", "DEAL_STAGE_5", "C5:WON", eleven, "17")},
		"item_update_category_moved.json": {typeDeal, dealIn("880", "DEAL_STAGE_2", "C2:NEW", eleven, "17")},
		"item_update_stage_ignored.json":  {typeDeal, dealIn("881", "DEAL_STAGE", "PREPARATION", time.Date(2026, 8, 19, 9, 0, 0, 0, moscowTime), "17")},
	} {
		var item wireItem
		if err := item.readOne(crmhttp.NewCursor(said(t, file).Value)); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		got, unfit := item.lead("bitrix24", test.typeID)
		if unfit != nil {
			t.Errorf("%s: %v", file, unfit)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestGoldenItemLists(t *testing.T) {
	t.Parallel()
	for file, test := range map[string]struct {
		rows, total, next int
		first, last       crm.Lead
	}{
		"item_list.json": {
			2, 2, 0,
			dealIn("880", "DEAL_STAGE_5", "C5:UC_K3M9XZ", eleven, ""),
			dealIn("881", "DEAL_STAGE", "PREPARATION", time.Date(2026, 8, 19, 9, 0, 0, 0, moscowTime), ""),
		},
		"item_list_page1.json": {
			50, 137, 50,
			dealIn("1001", "DEAL_STAGE_5", "C5:NEW", time.Time{}, ""), dealIn("1050", "DEAL_STAGE_5", "C5:NEW", time.Time{}, ""),
		},
		"item_list_no_count.json": {
			2, 0, 0,
			dealIn("1051", "DEAL_STAGE_5", "C5:NEW", time.Time{}, ""), dealIn("1060", "DEAL_STAGE_5", "C5:NEW", time.Time{}, ""),
		},
	} {
		result := said(t, file)
		var items []wireItem
		if err := readItems(crmhttp.NewCursor(result.Value), &items); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if len(items) != test.rows || result.Total.Value != test.total || result.Next != test.next {
			t.Errorf("%s: %d rows, total %d, next %d; want %d, %d, %d",
				file, len(items), result.Total.Value, result.Next, test.rows, test.total, test.next)
		}
		for want, item := range map[*crm.Lead]*wireItem{&test.first: &items[0], &test.last: &items[len(items)-1]} {
			got, unfit := item.lead("bitrix24", typeDeal)
			if diff := cmp.Diff(*want, got); diff != "" || unfit != nil {
				t.Errorf("%s, %v (-want +got):\n%s", file, unfit, diff)
			}
		}
	}
}

// Values come as numbers and as texts, and most of them may be missing.
func TestItemsInOtherForms(t *testing.T) {
	t.Parallel()
	const id, stage = `"id":7,`, `"stageId":"C5:NEW",`
	deal := func(moved time.Time, by string) crm.Lead { return dealIn("7", "DEAL_STAGE_5", "C5:NEW", moved, by) }
	for item, want := range map[string]crm.Lead{
		id + stage + `"categoryId":5`:                                                       deal(time.Time{}, ""),
		`"id":"7",` + stage + `"categoryId":"5","movedBy":"17"`:                             deal(time.Time{}, "17"),
		id + stage + `"categoryId":5,"movedBy":0,"movedTime":null`:                          deal(time.Time{}, ""),
		id + stage + `"categoryId":5,"movedBy":"0","movedTime":""`:                          deal(time.Time{}, ""),
		id + stage + `"categoryId":5,"movedBy":null,"movedTime":"yesterday"`:                deal(time.Time{}, ""),
		id + stage + `"categoryId":5,"movedTime":"2026-08-20T08:00:00Z"`:                    deal(eleven, ""),
		id + stage + `"categoryId":5,"movedTime":"2026-08-20T13:00:00+05:00","title":"Имя"`: deal(eleven, ""),
		id + `"stageId":"Замер","categoryId":0`:                                             dealIn("7", "DEAL_STAGE", "Замер", time.Time{}, ""),
		id + `"stageId":1,"categoryId":2`:                                                   dealIn("7", "DEAL_STAGE_2", "1", time.Time{}, ""),
	} {
		var w wireItem
		if err := w.readOne(crmhttp.NewCursor([]byte(`{"item":{` + item + `}}`))); err != nil {
			t.Errorf("%s: %v", item, err)
			continue
		}
		got, unfit := w.lead("bitrix24", typeDeal)
		if diff := cmp.Diff(want, got); diff != "" || unfit != nil {
			t.Errorf("%s, %v (-want +got):\n%s", item, unfit, diff)
		}
	}
	// Of values that stand twice the last counts, and nothing of the first.
	var w wireItem
	if err := w.readOne(crmhttp.NewCursor([]byte(`{"item":{"id":1,"stageId":"A","movedBy":17},"item":{"id":2,"stageId":"B"}}`))); err != nil || w != (wireItem{ID: "2", Stage: "B"}) {
		t.Errorf("of two items %+v, %v", w, err)
	}
	var items []wireItem
	twice := `{"items":[{"id":1,"stageId":"A"},{"id":2,"stageId":"A"}],"items":[{"id":3,"stageId":"B"}]}`
	if err := readItems(crmhttp.NewCursor([]byte(twice)), &items); err != nil || len(items) != 1 || items[0].ID != "3" {
		t.Errorf("of two lists %+v, %v", items, err)
	}
}

// An item has an id and a stage, or nothing of it is used.
func TestItemsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, item := range []string{
		`null`, `[]`, `7`, `"x"`, `{}`, `{"stageId":"NEW"}`, `{"id":null,"stageId":"NEW"}`, `{"id":"","stageId":"NEW"}`, `{"id":true,"stageId":"NEW"}`,
		`{"id":7}`, `{"id":7,"stageId":null}`, `{"id":7,"stageId":""}`, `{"id":7,"stageId":{}}`, `{"ID":7,"STAGE_ID":"NEW"}`,
	} {
		var w wireItem
		if err := w.readOne(crmhttp.NewCursor([]byte(`{"item":` + item + `}`))); err == nil {
			t.Errorf("%s is taken for %+v", item, w)
		}
		var items []wireItem
		if err := readItems(crmhttp.NewCursor([]byte(`{"items":[{"id":1,"stageId":"NEW"},`+item+`]}`)), &items); err == nil {
			t.Errorf("%s is taken for %+v", item, items)
		}
	}
	for _, result := range []string{`null`, `[]`, `true`, `{}`, `{"Item":{"id":7,"stageId":"NEW"}}`} {
		if err := new(wireItem).readOne(crmhttp.NewCursor([]byte(result))); err == nil {
			t.Errorf("%s is taken for an item", result)
		}
		if err := readItems(crmhttp.NewCursor([]byte(result)), new([]wireItem)); err == nil {
			t.Errorf("%s is taken for a list", result)
		}
	}
}

// The pipeline is not guessed from the stage, nor taken for the main one.
func TestItemsWithoutAPipeline(t *testing.T) {
	t.Parallel()
	for _, item := range []wireItem{{ID: "7", Stage: "C5:NEW"}, {ID: "7", Stage: "NEW"}} {
		for _, typeID := range []int{typeDeal, typeInvoice, 177} {
			if lead, unfit := item.lead("bitrix24", typeID); unfit == nil || !errors.Is(unfit, crm.ErrBadResponse) || lead != (crm.Lead{}) {
				t.Errorf("type %d: %+v, %v; want a bad response", typeID, lead, unfit)
			}
		}
		for typeID, scope := range map[int]string{typeLead: "STATUS", typeQuote: "QUOTE_STATUS"} {
			if lead, unfit := item.lead("bitrix24", typeID); unfit != nil || lead.Status.Scope != scope {
				t.Errorf("type %d: %+v, %v; want the list %s", typeID, lead, unfit, scope)
			}
		}
	}
}

func TestGoldenMoves(t *testing.T) {
	t.Parallel()
	c := offline(t)
	to := func(scope, stage string) crm.Ref { return crm.Ref{Source: "bitrix24", Scope: scope, ID: stage} }
	for _, test := range []struct {
		file, id string
		to       crm.Ref
		stands   crm.Ref
		kind     error // nil if the lead was moved
	}{
		{"item_update_ok.json", "880", to("DEAL_STAGE_5", "C5:UC_K3M9XZ"), to("DEAL_STAGE_5", "C5:UC_K3M9XZ"), nil},
		{"item_update_won.json", "880", to("DEAL_STAGE_5", "C5:WON"), to("DEAL_STAGE_5", "C5:WON"), nil},
		{"item_update_category_moved.json", "880", to("DEAL_STAGE_2", "C2:NEW"), to("DEAL_STAGE_2", "C2:NEW"), nil},
		{"item_update_stage_ignored.json", "881", to("DEAL_STAGE_5", "C5:NEW"), crm.Ref{}, crm.ErrNotApplied},
		// It came there during the call, so a rule moved it on.
		{"item_update_won.json", "880", to("DEAL_STAGE_5", "C5:NEW"), to("DEAL_STAGE_5", "C5:WON"), nil},
		// The same stage in another pipeline is another status.
		{"item_update_stage_ignored.json", "881", to("DEAL_STAGE_5", "PREPARATION"), crm.Ref{}, crm.ErrNotApplied},
		{"item_update_ok.json", "881", to("DEAL_STAGE_5", "C5:UC_K3M9XZ"), crm.Ref{}, crm.ErrBadResponse},
	} {
		m, unfit := c.newMoving(crm.Move{Lead: crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: test.id}, To: test.to})
		if unfit != nil {
			t.Fatal(unfit)
		}
		result := said(t, test.file)
		if err := m.item.readOne(crmhttp.NewCursor(result.Value)); err != nil {
			t.Fatal(err)
		}
		lead, failed := m.verify(result.Timing.Start)
		switch {
		case test.kind == nil && (failed != nil || lead.Status != test.stands || lead.Ref.ID != test.id):
			t.Errorf("%s to %v: %+v, %v", test.file, test.to, lead, failed)
		case test.kind != nil && (failed == nil || !errors.Is(failed, test.kind) || lead != (crm.Lead{})):
			t.Errorf("%s to %v: %+v, %v; want the kind %v", test.file, test.to, lead, failed, test.kind)
		}
	}
}

// Both ways to send a move ask for the same.
func TestMovesAreOneWishInBothForms(t *testing.T) {
	t.Parallel()
	c := offline(t)
	for _, kind := range []string{"", "lead", "deal", "quote", "invoice", "dynamic:177"} {
		typeID, _ := typeOf(kind)
		for _, across := range []bool{false, true} {
			for _, stage := range []string{"C5:NEW", "Замер & цена #1", "a=b&fields[x]=1 +%"} {
				m, unfit := c.newMoving(crm.Move{
					Lead: crm.LeadRef{Source: "bitrix24", Kind: kind, ID: "00880"},
					To:   crm.Ref{Source: "bitrix24", Scope: directoryOf(typeID, 5), ID: stage}, Across: across,
				})
				if unfit != nil {
					t.Fatal(unfit)
				}
				want, err := m.params().query()
				if got := m.query(); got != want || err != nil {
					t.Errorf("%q, across %v: the command %q, the call %q, %v", kind, across, got, want, err)
				}
				if set := strings.Contains(want, "categoryId"); set != (across && kind != "" && kind != "lead" && kind != "quote") {
					t.Errorf("%q, across %v: the pipeline is set: %v", kind, across, set)
				}
			}
		}
	}
}
