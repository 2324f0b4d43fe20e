package umnicotest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// ids lists leads and returns their IDs without what all have.
func ids(t *testing.T, fake *umnicotest.Umnico, list string) []int {
	t.Helper()
	status, body := call(t, fake, "GET", "/v1.3/leads/"+list, "")
	var rows []struct{ ID int }
	if status != 200 || json.Unmarshal([]byte(body), &rows) != nil {
		t.Fatalf("%s: %d %s", list, status, body)
	}
	found := make([]int, len(rows))
	for i, row := range rows {
		found[i] = row.ID - 70010000
	}
	return found
}

func TestLeadsHaveWhatLeadsAlwaysHave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := umnicotest.New()
		now := time.Now()
		got := fake.AddLead(umnicotest.Lead{})
		want := umnicotest.Lead{
			ID: 70010001, StatusID: 710201, Section: "inbox", IntegrationID: 90117, CreatedAt: now,
			Customer: umnicotest.Customer{ID: 60010001, Login: "customer_60010001"},
			Message:  umnicotest.Message{At: now, Incoming: true},
			Source:   umnicotest.Source{ID: "user_70010001", RealID: 70010001, Type: "message"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("AddLead (-want +got):\n%s", diff)
		}
		if got := fake.AddLead(umnicotest.Lead{UserID: 4101}); got.Section != "active" || got.ID != 70010002 {
			t.Errorf("a lead of a manager: %+v", got)
		}
		time.Sleep(time.Minute)
		irina := fake.SetCustomer(umnicotest.Customer{ID: 60010001, Name: "Ирина"})
		late := fake.AddLead(umnicotest.Lead{ID: 70010001, Amount: 7, Customer: umnicotest.Customer{ID: 60010001}})
		if late.Customer != irina {
			t.Errorf("a customer that is nothing but its ID was replaced: %+v", late.Customer)
		}
		if leads := fake.Leads(); len(leads) != 2 || leads[0].ID != 70010002 || leads[1].Amount != 7 {
			t.Errorf("a lead that is replaced: %+v", leads)
		}
		if first, next := fake.AddLead(umnicotest.Lead{ID: 5}), fake.AddLead(umnicotest.Lead{}); first.ID != 5 || next.ID != 70010003 {
			t.Errorf("after an ID that was given: %d, %d", first.ID, next.ID)
		}
		_, body := call(t, fake, "GET", "/v1.3/leads/70010002", "")
		for _, part := range []string{
			`"userId":4101,`, `"amount":0,`, `"details":null`, `"tags":[]`, `"responseTime":null`, `"createdAt":"2000-01-01T00:00:00.000Z"`, `"items":null`,
		} {
			if !strings.Contains(body, part) {
				t.Errorf("%s is missing in %s", part, body)
			}
		}
	})
}

func TestLeadsShareNoMemory(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	tags := []string{"первый"}
	lead := fake.AddLead(umnicotest.Lead{Tags: tags})
	many := fake.AddLeads(1, umnicotest.Lead{Tags: tags})
	tags[0], lead.Tags[0], many[0].Tags[0] = "spoilt", "spoilt", "spoilt"
	fake.Leads()[0].Tags[0] = "spoilt"
	var kept *umnicotest.Lead
	if err := fake.EditLead(lead.ID, func(lead *umnicotest.Lead) { kept = lead; lead.Details = "x" }); err != nil {
		t.Fatal(err)
	}
	kept.Tags[0] = "spoilt"
	for _, lead := range fake.Leads() {
		if lead.Tags[0] != "первый" {
			t.Errorf("lead %d shares memory", lead.ID)
		}
	}
}

func TestEditingLeads(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	lead := fake.AddLead(umnicotest.Lead{})
	want := lead
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got, found := fake.Lead(lead.ID); !found || !cmp.Equal(got, want) {
			t.Errorf("%s (-want +got):\n%s", what, cmp.Diff(want, got))
		}
	}
	want.StatusID = 710231
	check("MoveLead", fake.MoveLead(lead.ID, 710231))
	want.Section = "completed"
	check("SetSection", fake.SetSection(lead.ID, "completed"))
	want.Amount, want.StatusID = 5, 5
	check("EditLead", fake.EditLead(lead.ID, func(lead *umnicotest.Lead) {
		lead.Amount, lead.StatusID = 5, 5
		lead.ID, lead.CreatedAt, lead.Customer = 1, time.Time{}, umnicotest.Customer{}
	}))
	want.Customer.Name = "Ирина"
	fake.SetCustomer(want.Customer)
	check("SetCustomer", nil)
	fake.Automate(5, 710201)
	want.Tags = []string{"а"}
	check("EditLead in a status with a rule", fake.EditLead(lead.ID, func(lead *umnicotest.Lead) { lead.Tags = []string{"а"} }))
	if err := fake.MoveLead(lead.ID, 5); err == nil {
		t.Error("MoveLead to a status that is not there: no error")
	}
	want.Message = umnicotest.Message{ID: 9, Text: "Добрый день", At: lead.CreatedAt.Add(time.Second)}
	want.Read, want.ResponseTime = true, time.Second
	if err := fake.EditLead(lead.ID, func(lead *umnicotest.Lead) { lead.Read, lead.ResponseTime = true, time.Second }); err != nil {
		t.Fatal(err)
	}
	check("AddMessage", fake.AddMessage(lead.ID, want.Message))
	want.Message = umnicotest.Message{ID: 10, Text: "?", At: lead.CreatedAt.Add(time.Minute), Incoming: true}
	want.Read, want.ResponseTime = false, 0
	check("AddMessage", fake.AddMessage(lead.ID, umnicotest.Message{ID: 10, Text: "?", At: want.Message.At, Incoming: true}))

	for id := range 2 {
		if err := fake.AddMessage(lead.ID, umnicotest.Message{Text: "и ещё"}); err != nil {
			t.Error(err)
		}
		got, _ := fake.Lead(lead.ID)
		if got.Message.ID != 48211+id || time.Since(got.Message.At).Abs() > time.Hour {
			t.Errorf("AddMessage without an ID and a time: %+v", got.Message)
		}
	}

	if err := fake.DeleteLead(lead.ID); err != nil {
		t.Error(err)
	}
	if _, found := fake.Lead(lead.ID); found || len(fake.Leads()) != 0 {
		t.Error("DeleteLead left the lead")
	}
	if status, _ := call(t, fake, "GET", fmt.Sprintf("/v1.3/leads/%d", lead.ID), ""); status != 404 {
		t.Errorf("a deleted lead: %d", status)
	}
	for what, err := range map[string]error{
		"MoveLead": fake.MoveLead(lead.ID, 710231), "SetSection": fake.SetSection(lead.ID, "inbox"),
		"EditLead": fake.EditLead(lead.ID, func(*umnicotest.Lead) {}), "DeleteLead": fake.DeleteLead(lead.ID),
		"AddMessage": fake.AddMessage(lead.ID, umnicotest.Message{}),
	} {
		if err == nil {
			t.Errorf("%s of a lead that is not there: no error", what)
		}
	}
	if next := fake.AddLead(umnicotest.Lead{}); next.ID != lead.ID+1 {
		t.Errorf("the ID %d was used again", next.ID)
	}
}

func TestRulesAndSections(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	lead := fake.AddLead(umnicotest.Lead{StatusID: 710201})
	is := func(what string, status int, section string) {
		t.Helper()
		if got, _ := fake.Lead(lead.ID); got.StatusID != status || got.Section != section {
			t.Errorf("%s: status %d in %s, want %d in %s", what, got.StatusID, got.Section, status, section)
		}
	}
	move := func(to int) {
		t.Helper()
		if err := fake.MoveLead(lead.ID, to); err != nil {
			t.Error(err)
		}
	}
	fake.SetStatusSection(710231, "completed")
	fake.SetStatusSection(710205, "active")
	move(710205)
	is("a status that decides", 710205, "active")
	fake.Automate(710209, 710214)
	fake.Automate(710214, 710231)
	move(710209)
	is("two rules", 710231, "completed")
	move(710231)
	is("a move to where it is", 710231, "completed")
	fake.Automate(710231, 710209)
	move(710209)
	is("rules in a circle", 710209, "completed")
	fake.Automate(710209, 0)
	fake.SetStatusSection(710205, "")
	move(710205)
	is("a status that decides no more", 710205, "completed")
	move(710209)
	is("no rule any more", 710209, "completed")
	fake.Automate(710209, 710209)
	move(710209)
	is("a rule without an end", 710209, "completed")
}

func TestListsOfLeads(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	day := time.Date(2026, 5, 14, 0, 0, 0, 0, time.UTC)
	fake.AddLead(umnicotest.Lead{CreatedAt: day, Tags: []string{"vip", "повторный"}})
	fake.AddLead(umnicotest.Lead{CreatedAt: day.Add(2 * time.Hour), UserID: 4101, StatusID: 710205, IntegrationID: 90118, Read: true})
	fake.AddLead(umnicotest.Lead{
		CreatedAt: day.Add(time.Hour), UserID: 4102, StatusID: 710231, Section: "completed", Tags: []string{"vip"},
		Source: umnicotest.Source{Type: "comment"}, Message: umnicotest.Message{Text: "Готово"},
	})
	fake.AddLead(umnicotest.Lead{CreatedAt: day.Add(time.Hour), UserID: 4101, StatusID: 710231, Customer: umnicotest.Customer{ID: 60010001}})
	tests := []struct {
		list string
		want []int
	}{
		{"all", []int{2, 4, 3, 1}},
		{"inbox", []int{1}},
		{"active", []int{2, 4}},
		{"completed", []int{3}},
		{"completed/", []int{3}},
		{"all?limit=2", []int{2, 4}},
		{"all?limit=2&offset=1", []int{4, 3}},
		{"all?limit=2&offset=3", []int{1}},
		{"all?offset=4", []int{}},
		{"all?offset=99", []int{}},
		{"active?limit=1&offset=1", []int{4}},
		{"all?limit=0", []int{2, 4, 3, 1}},
		{"all?statuses=710231", []int{4, 3}},
		{"all?statuses=710231&statuses=710205", []int{2, 4, 3}},
		{"active?statuses=710231", []int{4}},
		{"all?statuses=710231&users=4101", []int{4}},
		{"all?users=4101&users=4102&limit=2&offset=1", []int{4, 3}},
		{"all?sa=90118", []int{2}},
		{"all?types=whatsapp2", []int{4, 3, 1}},
		{"all?types=telebot&types=whatsapp2", []int{2, 4, 3, 1}},
		{"all?types=vk", []int{}},
		{"all?tags=vip", []int{3, 1}},
		{"all?tags=%D0%BF%D0%BE%D0%B2%D1%82%D0%BE%D1%80%D0%BD%D1%8B%D0%B9", []int{1}},
		{"all?source_types=comment", []int{3}},
		{"all?source_types=message", []int{2, 4, 1}},
		{"all?unread=unread", []int{4, 3, 1}},
		{"all?unread=read", []int{2}},
		{"all?unread=answered", []int{3}},
		{"all?unread=unanswered", []int{2, 4, 1}},
		{"all?unread=x", []int{}},
		{"all?customer=60010001", []int{4, 1}},
		{"all?customer=x", []int{}},
		{"all?search=x", []int{2, 4, 3, 1}},
	}
	for _, test := range tests {
		if got := ids(t, fake, test.list); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.list, got, test.want)
		}
	}
	fake.SetOldestFirst(true)
	if got := ids(t, fake, "all?limit=2&offset=1"); !slices.Equal(got, []int{3, 4}) {
		t.Errorf("oldest first: %v", got)
	}
	if got := ids(t, fake, "active"); !slices.Equal(got, []int{4, 2}) {
		t.Errorf("oldest first: %v", got)
	}
	for _, list := range []string{"all?limit=x", "all?limit=-1", "all?offset=-1", "all?offset=1.5"} {
		if status, _ := call(t, fake, "GET", "/v1.3/leads/"+list, ""); status != 422 {
			t.Errorf("%s: %d, want 422", list, status)
		}
	}
	for _, path := range []string{"", "/", "/everything", "/0", "/-1", "/70010001/status", "/all/1"} {
		if status, _ := call(t, fake, "GET", "/v1.3/leads"+path, ""); status != 404 {
			t.Errorf("GET /v1.3/leads%s: %d, want 404", path, status)
		}
	}
	if status, _ := send(t, fake, "GET", "/v1.3/leads/all", "", ""); status != 401 {
		t.Errorf("without a token: %d", status)
	}
}

func TestManyLeads(t *testing.T) {
	t.Parallel()
	const n = 20_000
	fake := umnicotest.New()
	added := fake.AddLeads(n, umnicotest.Lead{UserID: 4101, StatusID: 710205})
	if len(added) != n || added[0].ID == added[n-1].ID || added[0].Customer.ID == added[1].Customer.ID {
		t.Fatalf("AddLeads: %d leads, %+v, %+v", len(added), added[0], added[n-1])
	}
	if got := len(ids(t, fake, "all")); got != 50 {
		t.Errorf("a page has %d leads, want 50", got)
	}
	if got := len(ids(t, fake, "all?limit=500")); got != 200 {
		t.Errorf("a page has %d leads, want 200 at most", got)
	}
	seen := map[int]bool{}
	for offset := 0; ; offset += 200 {
		page := ids(t, fake, fmt.Sprintf("active?limit=200&statuses=710205&offset=%d", offset))
		for _, id := range page {
			seen[id] = true
		}
		if len(page) < 200 {
			break
		}
	}
	if len(seen) != n {
		t.Errorf("%d leads seen, want %d", len(seen), n)
	}
	older := fake.AddLeads(2, umnicotest.Lead{CreatedAt: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)})
	fake.SetOldestFirst(true)
	if got := ids(t, fake, "all?limit=2"); got[0] != older[0].ID-70010000 || got[1] != older[1].ID-70010000 {
		t.Errorf("leads that came late, but are older: %v", got)
	}
}

func TestTextIDs(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.AddLead(umnicotest.Lead{UserID: 4101})
	fake.AddWebhook(umnicotest.Webhook{URL: "https://bot.example.com"})
	fake.SetTextIDs(true)
	for path, part := range map[string]string{
		umnicotest.PathAccount:             `{"id":"100500",`,
		"/v1.3/leads/70010001":             `{"id":"70010001","userId":"4101","statusId":"710201",`,
		"/v1.3/leads/all":                  `"socialAccount":{"id":"90117",`,
		"/v1.3/leads/active":               `"customer":{"id":"60010001",`,
		"/v1.3/webhooks":                   `{"id":"30501",`,
		"/v1.3/managers":                   `"sources":[{"id":"511","saId":"90117"}]`,
		"/v1.3/integrations":               `{"id":"90118",`,
		"/v1.3/messaging/70010001/sources": `"realId":"70010001","saId":"90117"`,
	} {
		if _, body := call(t, fake, "GET", path, ""); !strings.Contains(body, part) {
			t.Errorf("%s has no %s: %s", path, part, body)
		}
	}
	fake.SetTextIDs(false)
	if _, body := call(t, fake, "GET", "/v1.3/leads/70010001", ""); !strings.HasPrefix(body, `{"id":70010001,`) {
		t.Errorf("IDs are no numbers again: %s", body)
	}
}

func TestLeadsWithAnyFields(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.SetStatuses()
	fake.SetIntegrations()
	kazan := time.FixedZone("Казань", 3*60*60)
	fake.AddLead(umnicotest.Lead{CustomFields: `{"a":"b`, Items: `[1]`, Details: "<b>&", CreatedAt: time.Date(2026, 5, 14, 1, 0, 0, 5e6, kazan)})
	_, body := call(t, fake, "GET", "/v1.3/leads/70010001", "")
	for _, part := range []string{
		`"customFields":"{\"a\":\"b"`, `"items":[1]`, `"createdAt":"2026-05-13T22:00:00.005Z"`, `"details":"<b>&"`, `"statusId":0`, `"socialAccount":{"id":0,"type":"","login":""}`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("%s is missing in %s", part, body)
		}
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.SetAccountStatus("blocked")
	fake.SetAccountID(7)
	want(t, fake, "GET", umnicotest.PathAccount, "", 200, `{"account":{"id":7,"status":"blocked"}}`)
	fake.SetManagers(umnicotest.Manager{ID: 1, Integrations: []int{8, 9}})
	if _, body := call(t, fake, "GET", "/v1.3/managers", ""); !strings.Contains(body, `"sources":[{"id":511,"saId":8},{"id":512,"saId":9}]`) {
		t.Errorf("two integrations of a manager: %s", body)
	}
	fake.SetManagers()
	want(t, fake, "GET", "/v1.3/managers", "", 200, `[]`)
	fake.SetIntegrations(umnicotest.Integration{ID: 1, Type: "ok", Status: "error"})
	want(t, fake, "GET", "/v1.3/integrations", "", 200,
		`[{"id":1,"type":"ok","login":"","externalId":null,"url":null,"avatar":null,"status":"error"}]`)
	want(t, fake, "GET", "/v1.3/customers/1", "", 404, `{"error":"Not found"}`)
	customer := fake.SetCustomer(umnicotest.Customer{Name: "Ирина"})
	want(t, fake, "GET", "/v1.3/customers/"+strconv.Itoa(customer.ID), "", 200,
		`{"name":"Ирина","phone":null,"email":null,"avatar":null,"address":null,"profiles":[]}`)
	for _, path := range []string{"/v1.3/messaging/1/sources", "/v1.3/customers", "/x", "/"} {
		if status, _ := call(t, fake, "GET", path, ""); status != 404 {
			t.Errorf("%s: %d, want 404", path, status)
		}
	}
	fake.AddLead(umnicotest.Lead{ID: 1})
	want(t, fake, "GET", "/v1.3/messaging/1/history", "", 404, `{"error":"Not found"}`)
	want(t, fake, "POST", "/v1.3/messaging/1/sources", "", 404, `{"error":"Not found"}`)
	if status, _ := call(t, fake, "POST", umnicotest.PathStatuses, "{}"); status != 404 {
		t.Errorf("POST of statuses: %d, want 404", status)
	}
}

func TestLeadsConcurrently(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.AddWebhook(umnicotest.Webhook{URL: "https://bot.example.com"})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				lead := fake.AddLead(umnicotest.Lead{Tags: []string{"a"}})
				path := fmt.Sprintf("/v1.3/leads/%d", lead.ID)
				if status, body := call(t, fake, "PUT", path, `{"statusId":710231,"tags":["b"]}`); status != 200 {
					t.Errorf("%d %s", status, body)
				}
				ids(t, fake, "all")
				fake.DeliverTo(t.Context(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				if err := fake.DeleteLead(lead.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if left := fake.Leads(); len(left) != 0 {
		t.Errorf("%d leads left", len(left))
	}
}
