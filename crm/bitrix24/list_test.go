package bitrix24_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// listed returns what a list yields, up to the error.
func listed(list iter.Seq2[crm.Lead, error]) (leads []crm.Lead, failed error) {
	for lead, err := range list {
		if failed != nil {
			return nil, errors.New("something comes behind the error")
		}
		if err != nil {
			failed = err
			continue
		}
		leads = append(leads, lead)
	}
	return leads, failed
}

// ids returns the IDs of the leads.
func ids(leads []crm.Lead) []int {
	var all []int
	for _, lead := range leads {
		id, _ := strconv.Atoi(lead.Ref.ID)
		all = append(all, id)
	}
	return all
}

// upTo returns the numbers from first to last, without some.
func upTo(first, last int, without ...int) []int {
	var all []int
	for i := first; i <= last; i++ {
		all = append(all, i)
		for _, gone := range without {
			if gone == i {
				all = all[:len(all)-1]
			}
		}
	}
	return all
}

func TestListLeadsTakesOneRequestForEach50(t *testing.T) {
	t.Parallel()
	for n, requests := range map[int]int{0: 1, 1: 1, 49: 1, 50: 2, 51: 2, 100: 3, 120: 3} {
		d := newDesk(t)
		moved := time.Date(2026, 8, 20, 10, 59, 2, 0, time.UTC)
		d.portal.AddItems(n, bitrix24test.Item{TypeID: 1, Stage: "UC_7TQ2KD", Moved: moved, MovedBy: 31})
		d.portal.AddItems(60, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		d.portal.AddItems(60, bitrix24test.Item{TypeID: 2, Stage: "NEW"})
		query := crm.LeadQuery{Statuses: []crm.Ref{status("STATUS", "UC_7TQ2KD")}}
		got, err := listed(d.client.ListLeads(t.Context(), query))
		if err != nil {
			t.Errorf("%d leads: %v", n, err)
		}
		var want []crm.Lead
		for id := range n {
			want = append(want, crm.Lead{Ref: refOf(1, id+1), Status: status("STATUS", "UC_7TQ2KD"), MovedAt: moved, MovedBy: "31"})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d leads (-want +got):\n%s", n, diff)
		}
		d.requests(strconv.Itoa(n)+" leads", requests)
	}
}

func TestListLeadsChoosesByKindAndStatus(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, stage := range []string{"NEW", "IN_PROCESS", "NEW", "UC_7TQ2KD", "1"} {
		d.portal.AddLead(stage)
	}
	for _, deal := range []struct {
		category int
		stage    string
	}{{0, "NEW"}, {5, "C5:NEW"}, {2, "C2:1"}, {5, "C5:WON"}, {0, "WON"}, {5, "C5:NEW"}} {
		d.portal.AddDeal(deal.category, deal.stage)
	}
	d.portal.AddItem(bitrix24test.Item{TypeID: 7, Stage: "SENT"})
	d.portal.AddItem(bitrix24test.Item{TypeID: 31, Category: 3, Stage: "DT31_3:N"})
	d.portal.AddItem(bitrix24test.Item{TypeID: 177, Category: 7, Stage: "DT177_7:NEW"})
	d.portal.AddItem(bitrix24test.Item{TypeID: 177, Category: 9, Stage: "DT177_9:NEW"})
	for name, test := range map[string]struct {
		query crm.LeadQuery
		want  []int
	}{
		"all leads":           {crm.LeadQuery{}, []int{1, 2, 3, 4, 5}},
		"all leads, by name":  {crm.LeadQuery{Kind: bitrix24.KindLead}, []int{1, 2, 3, 4, 5}},
		"all deals":           {crm.LeadQuery{Kind: bitrix24.KindDeal}, []int{1, 2, 3, 4, 5, 6}},
		"leads, one status":   {crm.LeadQuery{Statuses: []crm.Ref{status("STATUS", "NEW")}}, []int{1, 3}},
		"a code like a digit": {crm.LeadQuery{Statuses: []crm.Ref{status("STATUS", "1")}}, []int{5}},
		"the same twice":      {crm.LeadQuery{Statuses: []crm.Ref{status("STATUS", "NEW"), status("STATUS", "NEW")}}, []int{1, 3}},
		"deals, main":         {crm.LeadQuery{Kind: bitrix24.KindDeal, Statuses: []crm.Ref{status("DEAL_STAGE", "NEW")}}, []int{1}},
		"several pipelines": {crm.LeadQuery{Kind: bitrix24.KindDeal, Statuses: []crm.Ref{
			status("DEAL_STAGE_5", "C5:NEW"), status("DEAL_STAGE", "WON"), status("DEAL_STAGE_2", "C2:1"),
		}}, []int{2, 3, 5, 6}},
		"one that is not there":     {crm.LeadQuery{Statuses: []crm.Ref{status("STATUS", "Ждём звонка")}}, nil},
		"a stage elsewhere":         {crm.LeadQuery{Kind: bitrix24.KindDeal, Statuses: []crm.Ref{status("DEAL_STAGE_2", "C5:NEW")}}, nil},
		"quotes":                    {crm.LeadQuery{Kind: bitrix24.KindQuote, Statuses: []crm.Ref{status("QUOTE_STATUS", "SENT")}}, []int{1}},
		"invoices":                  {crm.LeadQuery{Kind: bitrix24.KindInvoice}, []int{1}},
		"a smart process":           {crm.LeadQuery{Kind: "dynamic:177"}, []int{1, 2}},
		"a smart process, pipeline": {crm.LeadQuery{Kind: "dynamic:177", Statuses: []crm.Ref{status("DYNAMIC_177_STAGE_9", "DT177_9:NEW")}}, []int{2}},
	} {
		got, err := listed(d.client.ListLeads(t.Context(), test.query))
		if diff := cmp.Diff(test.want, ids(got)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
		kind := test.query.Kind
		if kind == "" {
			kind = bitrix24.KindLead
		}
		for _, lead := range got {
			if lead.Ref.Kind != kind || lead.Ref.Source != "bitrix24" {
				t.Errorf("%s: %v", name, lead.Ref)
			}
		}
	}
}

func TestListLeadsOfWhatCannotBe(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddLead("NEW")
	d.portal.AddDeal(0, "NEW")
	for name, query := range map[string]crm.LeadQuery{
		"a Kind that is none":       {Kind: "dynamic:5"},
		"a foreign status":          {Statuses: []crm.Ref{{Source: "umnico", Scope: "STATUS", ID: "NEW"}}},
		"a status without ID":       {Statuses: []crm.Ref{status("STATUS", "")}},
		"a status without list":     {Statuses: []crm.Ref{status("", "NEW")}},
		"a deal's status of leads":  {Statuses: []crm.Ref{status("DEAL_STAGE", "NEW")}},
		"one among good ones":       {Statuses: []crm.Ref{status("STATUS", "NEW"), status("DEAL_STAGE", "NEW")}},
		"a pipeline in odd writing": {Kind: bitrix24.KindDeal, Statuses: []crm.Ref{status("DEAL_STAGE_0", "NEW")}},
		"another process":           {Kind: "dynamic:177", Statuses: []crm.Ref{status("DYNAMIC_178_STAGE_7", "DT178_7:NEW")}},
	} {
		got, err := listed(d.client.ListLeads(t.Context(), query))
		fails(t, name, err, crm.ErrNotFound, listLeads)
		if len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	d.requests("lists that cannot be", 0)
	_, err := listed(d.client.ListLeads(t.Context(), crm.LeadQuery{Kind: "dynamic:999"}))
	fails(t, "a smart process that is gone", err, crm.ErrNotFound, listLeads)
}

func TestListLeadsThatIsLeft(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddItems(120, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	list := d.client.ListLeads(t.Context(), crm.LeadQuery{})
	for _, test := range []struct{ leads, requests int }{{1, 1}, {50, 2}, {51, 4}} { // requests in all
		n := 0
		for _, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == test.leads {
				break
			}
		}
		d.requests("a list that is left after "+strconv.Itoa(test.leads), test.requests)
	}
	// It can be read again, from the beginning.
	if got, err := listed(list); err != nil || len(got) != 120 {
		t.Errorf("%d leads, %v", len(got), err)
	}
}

func TestListLeadsThatFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault crmfault.Fault
		kind  error
	}{
		"the portal breaks down": {bitrix24test.Internal().Fault(), crm.ErrUnavailable},
		"a line breaks":          {crmfault.CutConnection(), crm.ErrUnavailable},
		"half an answer":         {crmfault.Cut(), crm.ErrBadResponse},
		"the rights are gone":    {bitrix24test.AccessDenied().Fault(), crm.ErrForbidden},
		"no list":                {crmfault.Answer(200, `{"result":{"items":null}}`), crm.ErrBadResponse},
		"no items":               {crmfault.Answer(200, `{"result":[]}`), crm.ErrBadResponse},
		"a row without a stage":  {crmfault.Answer(200, `{"result":{"items":[{"id":61,"stageId":"NEW"},{"id":62}]}}`), crm.ErrBadResponse},
		"an ID that is none":     {crmfault.Answer(200, `{"result":{"items":[{"id":61,"stageId":"NEW"},{"id":"x","stageId":"NEW"}]}}`), crm.ErrIncomplete},
		"another sequence":       {crmfault.Answer(200, `{"result":{"items":[{"id":62,"stageId":"NEW"},{"id":61,"stageId":"NEW"}]}}`), crm.ErrIncomplete},
		"a lead twice":           {crmfault.Answer(200, `{"result":{"items":[{"id":61,"stageId":"NEW"},{"id":61,"stageId":"NEW"}]}}`), crm.ErrIncomplete},
		"one that came before":   {crmfault.Answer(200, `{"result":{"items":[{"id":50,"stageId":"NEW"}]}}`), crm.ErrIncomplete},
	} {
		d := newDesk(t)
		d.portal.AddItems(120, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		d.portal.Fail(1, crmfault.Fault{})
		d.portal.Fail(1, test.fault)
		got, err := listed(d.client.ListLeads(t.Context(), crm.LeadQuery{}))
		fails(t, name, err, test.kind, listLeads)
		if diff := cmp.Diff(upTo(1, 50), ids(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		d.requests(name, 2)
	}
	d := newDesk(t)
	d.portal.AddItems(120, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	ctx, end := context.WithCancel(t.Context())
	defer end()
	n := 0
	for _, err := range d.client.ListLeads(ctx, crm.LeadQuery{}) {
		if n++; n <= 50 {
			if err != nil {
				t.Fatal(err)
			}
			end()
			continue
		}
		fails(t, "a context that has ended", err, crm.ErrUnavailable, listLeads)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want the context's", err)
		}
	}
	d.requests("a context that has ended", 1)
}

// A deal without its pipeline stands in no status that can be named.
func TestListLeadsWithoutAPipeline(t *testing.T) {
	t.Parallel()
	client, _ := saying(t, `{"result":{"items":[{"id":1,"categoryId":0,"stageId":"NEW"},{"id":2,"stageId":"C5:NEW"}]}}`)
	got, err := listed(client.ListLeads(t.Context(), crm.LeadQuery{Kind: bitrix24.KindDeal}))
	fails(t, "a deal without its pipeline", err, crm.ErrBadResponse, listLeads)
	if diff := cmp.Diff([]int{1}, ids(got)); diff != "" {
		t.Errorf("leads (-want +got):\n%s", diff)
	}
}

func TestListLeadsOfAPortalThatIgnoresTheFilter(t *testing.T) {
	t.Parallel()
	t.Run("of IDs", func(t *testing.T) {
		t.Parallel()
		client, asked := saying(t, golden(t, "item_list_page1.json"))
		got, err := listed(client.ListLeads(t.Context(), crm.LeadQuery{Kind: bitrix24.KindDeal}))
		fails(t, "the same page again", err, crm.ErrIncomplete, listLeads)
		if diff := cmp.Diff(upTo(1001, 1050), ids(got)); diff != "" {
			t.Errorf("leads (-want +got):\n%s", diff)
		}
		if len(asked.asked) != 2 {
			t.Errorf("%d requests", len(asked.asked))
		}
	})
	t.Run("of stages", func(t *testing.T) {
		t.Parallel()
		client, _ := saying(t, golden(t, "item_list.json"))
		got, err := listed(client.ListLeads(t.Context(), crm.LeadQuery{Kind: bitrix24.KindDeal, Statuses: []crm.Ref{status("DEAL_STAGE", "PREPARATION")}}))
		if diff := cmp.Diff([]int{881}, ids(got)); diff != "" || err != nil {
			t.Errorf("leads, %v (-want +got):\n%s", err, diff)
		}
	})
}

// The two golden pages, and what is asked for them.
func TestGoldenListOfDeals(t *testing.T) {
	t.Parallel()
	client, asked := saying(t, golden(t, "item_list_page1.json"), golden(t, "item_list_no_count.json"))
	got, err := listed(client.ListLeads(t.Context(), crm.LeadQuery{Kind: bitrix24.KindDeal, Statuses: []crm.Ref{
		status("DEAL_STAGE_5", "C5:NEW"), status("DEAL_STAGE_5", "C5:UC_K3M9XZ"),
	}}))
	if diff := cmp.Diff(append(upTo(1001, 1051), 1060), ids(got)); diff != "" || err != nil {
		t.Errorf("leads, %v (-want +got):\n%s", err, diff)
	}
	if len(asked.asked) != 2 {
		t.Fatalf("%d requests, want 2", len(asked.asked))
	}
	for i, last := range []float64{0, 1050} {
		filter, _ := asked.asked[i]["filter"].(map[string]any)
		if filter[">id"] != last {
			t.Errorf("request %d asks for what comes behind %v, want %v", i, filter[">id"], last)
		}
	}
	first := asked.asked[0]
	fields, _ := first["select"].([]any)
	if len(fields) == 0 || fields[len(fields)-1] != "movedBy" {
		t.Fatalf("fields %v", fields)
	}
	first["select"] = fields[:len(fields)-1] // the golden request does not want to know who moved it
	first["filter"].(map[string]any)[">id"] = 0.0
	asksFor(t, "request_item_list_by_stage.json", first)
}

// Leads move, come and go while the pages are read.
func TestListLeadsThatMoveMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddItems(150, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	move := func(id int, stage string) {
		t.Helper()
		if err := d.portal.MoveItem(1, id, 0, stage); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []int{10, 90, 91} {
		move(id, "PROCESSED")
	}
	meanwhile := func() {
		move(10, "NEW")        // came before the page: missed
		move(90, "NEW")        // came behind it
		move(20, "PROCESSED")  // left after it was read
		move(120, "PROCESSED") // left before it was
		move(130, "PROCESSED") // left, and came back
		move(130, "NEW")
		move(30, "IN_PROCESS") // moves within what is asked for, and is not read again
		d.portal.AddItems(2, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		if err := d.portal.DeleteItem(1, 140); err != nil {
			t.Fatal(err)
		}
		if err := d.portal.DeleteItem(1, 40); err != nil {
			t.Fatal(err)
		}
	}
	var got []crm.Lead
	for lead, err := range d.client.ListLeads(t.Context(), crm.LeadQuery{Statuses: []crm.Ref{status("STATUS", "NEW"), status("STATUS", "IN_PROCESS")}}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, lead); len(got) == 1 {
			meanwhile() // the first page was read, with the leads 1 to 51
		}
	}
	if diff := cmp.Diff(upTo(1, 152, 10, 91, 120, 140), ids(got)); diff != "" {
		t.Errorf("leads (-want +got):\n%s", diff)
	}
	for _, lead := range got {
		if lead.Status != status("STATUS", "NEW") { // as it stood when its page was read
			t.Errorf("lead %s stands in %v", lead.Ref.ID, lead.Status)
		}
	}
}
