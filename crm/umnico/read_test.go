package umnico_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// at returns a lead as a client gives it.
func at(id, statusID int) crm.Lead { return crm.Lead{Ref: lead(id), Status: status(statusID)} }

func TestReadLead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		kind   error
		says   string
	}{
		{"golden", 200, golden(t, "lead.json"), nil, ""},
		{"IDs as texts", 200, `{"id":"70010001","statusId":"710205"}`, nil, ""},
		{"golden 404", 404, golden(t, "error_404.json"), crm.ErrNotFound, "Not found"},
		{"golden 401", 401, golden(t, "error_401.json"), crm.ErrUnauthorized, "Settings > API"},
		{"golden 422", 422, golden(t, "error_422.json"), crm.ErrRejected, "User 4999"},
		{"another lead", 200, `{"id":70010002,"statusId":710205}`, crm.ErrBadResponse, "another lead"},
		{"no status", 200, `{"id":70010001,"statusId":null}`, crm.ErrBadResponse, "without id or statusId"},
		{"empty status", 200, `{"id":70010001,"statusId":""}`, crm.ErrBadResponse, "without id or statusId"},
		{"status with a fraction", 200, `{"id":70010001,"statusId":1.5}`, crm.ErrBadResponse, "whole number"},
		{"status that is an object", 200, `{"id":70010001,"statusId":{"id":1}}`, crm.ErrBadResponse, "neither a number nor a text"},
		{"wrapped", 200, `{"lead":{"id":70010001,"statusId":710205}}`, crm.ErrBadResponse, "without id or statusId"},
		{"a list", 200, golden(t, "leads_page.json"), crm.ErrBadResponse, "another form"},
		{"error inside", 200, golden(t, "error_404.json"), crm.ErrBadResponse, "statusId: Not found"},
		{"a customer", 200, golden(t, "customer.json"), crm.ErrBadResponse, "without id or statusId"},
		{"an event", 200, golden(t, "webhook_lead_changed_status.json"), crm.ErrBadResponse, "without id or statusId"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := always(t, test.status, test.body).ReadLead(t.Context(), lead(70010001))
			want := at(70010001, 710205)
			if test.kind != nil {
				failedWith(t, err, test.kind, "read lead", test.says)
				want = crm.Lead{}
			} else if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lead (-want +got):\n%s", diff)
			}
		})
	}
}

// What cannot be a lead is not asked for: "inbox" is the address of a list.
func TestLeadsThatCannotBe(t *testing.T) {
	t.Parallel()
	client := scripted(t, func(r *http.Request) (int, string) {
		t.Errorf("Umnico was asked: %s", told(r))
		return 500, ""
	})
	for _, ref := range []crm.LeadRef{
		{},
		{Source: "umnico"},
		{Source: "bitrix24", ID: "1"},
		{Source: "umnico", Kind: "lead", ID: "1"},
		{Source: "umnico", ID: "inbox"},
		{Source: "umnico", ID: "0"},
		{Source: "umnico", ID: "01"},
		{Source: "umnico", ID: "-1"},
		{Source: "umnico", ID: "1/../2"},
		{Source: "umnico", ID: "1?x=1"},
		{Source: "umnico", ID: "١"},
		{Source: "umnico", ID: strings.Repeat("1", 19)},
	} {
		_, err := client.ReadLead(t.Context(), ref)
		failedWith(t, err, crm.ErrNotFound, "read lead", "nothing was sent")
		_, err = client.MoveLead(t.Context(), crm.Move{Lead: ref, To: status(1)})
		failedWith(t, err, crm.ErrNotFound, "move lead", "nothing was sent")
	}
	for _, to := range []crm.Ref{{}, {Source: "umnico"}, {Source: "bitrix24", ID: "1"}, {Source: "umnico", Scope: "STATUS", ID: "1"}} {
		_, err := client.MoveLead(t.Context(), crm.Move{Lead: lead(1), To: to})
		failedWith(t, err, crm.ErrNotFound, "move lead", "nothing was sent")
		_, err = collect(client.ListLeads(t.Context(), crm.LeadQuery{Statuses: []crm.Ref{status(1), to}}))
		failedWith(t, err, crm.ErrNotFound, "list leads", "nothing was sent")
	}
	_, err := collect(client.ListLeads(t.Context(), crm.LeadQuery{Kind: "inbox"}))
	failedWith(t, err, crm.ErrNotFound, "list leads", "chosen with Leads")
	_, err = collect(client.Leads(t.Context(), umnico.Filter{Section: "1"}))
	failedWith(t, err, crm.ErrNotFound, "list leads", "nothing was sent")
}

// collect reads a list to its end.
func collect(leads iter.Seq2[crm.Lead, error]) ([]crm.Lead, error) {
	var all []crm.Lead
	for lead, err := range leads {
		if err != nil {
			return all, err
		}
		all = append(all, lead)
	}
	return all, nil
}

func TestLeadsOfAPage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       []crm.Lead
		kind       error
		says       string
	}{
		{"golden", golden(t, "leads_page.json"), []crm.Lead{
			at(70010001, 710205), at(70010002, 710201), at(70010003, 710231), at(70010004, 999999),
		}, nil, ""},
		{"golden, empty", golden(t, "leads_page_empty.json"), nil, nil, ""},
		{"IDs as texts, one twice", `[{"id":"1","statusId":"2"},{"id":3,"statusId":4},{"id":1,"statusId":5}]`, []crm.Lead{at(1, 2), at(3, 4)}, nil, ""},
		{"object", golden(t, "lead.json"), nil, crm.ErrBadResponse, "an object instead of a list"},
		{"error inside", golden(t, "error_422.json"), nil, crm.ErrBadResponse, "list: User 4999"},
		{"no ID", `[{"id":1,"statusId":2},{"statusId":2}]`, nil, crm.ErrBadResponse, "row 2"},
		{"no status", `[{"id":1}]`, nil, crm.ErrBadResponse, "row 1"},
		{"null row", `[null]`, nil, crm.ErrBadResponse, "row 1"},
		{"managers", golden(t, "managers.json"), nil, crm.ErrBadResponse, "row 1"},
		{"integrations", golden(t, "integrations.json"), nil, crm.ErrBadResponse, "row 1"},
		{"sources", golden(t, "sources.json"), nil, crm.ErrBadResponse, "row 1"},
		{"webhooks", golden(t, "webhooks_list.json"), nil, crm.ErrBadResponse, "row 1"},
		{"statuses", golden(t, "statuses.json"), nil, crm.ErrBadResponse, "row 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := collect(always(t, 200, test.body).ListLeads(t.Context(), crm.LeadQuery{}))
			if test.kind != nil {
				failedWith(t, err, test.kind, "list leads", test.says)
			} else if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("leads (-want +got):\n%s", diff)
			}
		})
	}
}

// pathAll is where all leads are.
const pathAll = "/v1.3/leads/all"

func TestLeadsInPages(t *testing.T) {
	t.Parallel()
	for n, requests := range map[int]int{0: 1, 1: 1, 49: 1, 50: 2, 51: 1, 199: 1, 200: 2, 201: 2, 389: 2, 390: 3, 999: 6, 1000: 7} {
		for _, oldest := range []bool{false, true} {
			fake := account()
			fake.SetOldestFirst(oldest)
			fake.SetTextIDs(oldest)
			fake.AddLeads(n, umnicotest.Lead{StatusID: 710205})
			got, err := collect(mustNew(t, on(fake)).ListLeads(t.Context(), crm.LeadQuery{}))
			if err != nil {
				t.Errorf("%d leads: %v", n, err)
			}
			hasAll(t, fmt.Sprintf("%d leads", n), fake, got)
			if got := fake.Requests(pathAll); got != requests {
				t.Errorf("%d leads: %d requests, want %d", n, got, requests)
			}
		}
	}
}

// hasAll checks that the leads are those of the fake, each once.
func hasAll(t *testing.T, what string, fake *umnicotest.Umnico, got []crm.Lead) {
	t.Helper()
	var want []string
	for _, l := range fake.Leads() {
		want = append(want, strconv.Itoa(l.ID))
	}
	ids := make([]string, 0, len(got))
	for _, lead := range got {
		ids = append(ids, lead.Ref.ID)
	}
	slices.Sort(ids)
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), ids); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A loop may move each lead out of the list that it goes through, and leads may come
// and go: what is there all the time is not missed, and nothing comes twice.
func TestLeadsWhileTheyMove(t *testing.T) {
	t.Parallel()
	const n = 1100
	tests := []struct {
		name string
		// during is called for each lead that comes.
		during func(fake *umnicotest.Umnico, i, id int)
		stay   func(i int) bool // whether the i-th lead must come
	}{
		{"each is moved", func(f *umnicotest.Umnico, _, id int) { _ = f.MoveLead(id, 710231) }, nil},
		{"one of two is moved", func(f *umnicotest.Umnico, i, id int) {
			if i%2 == 0 {
				_ = f.MoveLead(id, 710231)
			}
		}, nil},
		{"each is deleted", func(f *umnicotest.Umnico, _, id int) { _ = f.DeleteLead(id) }, nil},
		{"one goes", func(f *umnicotest.Umnico, i, id int) {
			if i == 30 {
				_ = f.DeleteLead(id)
			}
		}, nil},
		{"others come", func(f *umnicotest.Umnico, i, _ int) {
			if i < 500 {
				f.AddLead(umnicotest.Lead{StatusID: 710205})
			}
		}, nil},
		{"a page goes at once", func(f *umnicotest.Umnico, i, _ int) {
			if i == 399 {
				for _, l := range f.Leads()[n-390:] {
					_ = f.DeleteLead(l.ID)
				}
			}
		}, func(i int) bool { return i >= 400 }},
	}
	for _, test := range tests {
		for _, oldest := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, oldest first %v", test.name, oldest), func(t *testing.T) {
				t.Parallel()
				fake := account()
				fake.SetOldestFirst(oldest)
				added := fake.AddLeads(n, umnicotest.Lead{StatusID: 710205})
				client := mustNew(t, on(fake))
				seen := map[string]bool{}
				for lead, err := range client.ListLeads(t.Context(), crm.LeadQuery{Statuses: []crm.Ref{status(710205)}}) {
					if err != nil {
						t.Fatal(err)
					}
					if seen[lead.Ref.ID] {
						t.Fatalf("lead %v came twice", lead.Ref)
					}
					test.during(fake, len(seen), number(lead.Ref.ID))
					seen[lead.Ref.ID] = true
				}
				missed := 0
				for _, l := range added {
					if _, there := fake.Lead(l.ID); !seen[strconv.Itoa(l.ID)] && (there || test.stay == nil) {
						missed++
					}
				}
				if missed > 0 {
					t.Errorf("%d leads were missed", missed)
				}
				if got := fake.Requests(pathAll); got > 40 {
					t.Errorf("%d requests for %d leads", got, n)
				}
			})
		}
	}
}

// rows returns leads as Umnico writes them.
func rows(from, n, statusID int) []map[string]int {
	all := make([]map[string]int, n)
	for i := range all {
		all[i] = map[string]int{"id": from + i, "statusId": statusID}
	}
	return all
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestListsThatDoNotKeepToTheRules(t *testing.T) {
	t.Parallel()
	all := rows(1, 300, 710205)
	page := func(r *http.Request, most int) []map[string]int {
		offset := min(number(r.URL.Query().Get("offset")), len(all))
		return all[offset:min(offset+most, len(all))]
	}
	tests := []struct {
		name     string
		answer   func(r *http.Request) any
		leads    int
		requests int
		kind     error
	}{
		{"a limit that is not kept to", func(r *http.Request) any { return page(r, 50) }, 300, 8, nil},
		{"the same page for ever", func(*http.Request) any { return all[:200] }, 200, 22, crm.ErrIncomplete},
		{"all leads for ever", func(*http.Request) any { return all }, 300, 22, crm.ErrIncomplete},
		{"one default page for ever", func(*http.Request) any { return all[:50] }, 50, 22, crm.ErrIncomplete},
		{"two pages in turn", func(r *http.Request) any {
			return all[100*(number(r.URL.Query().Get("offset"))%4/2):][:200]
		}, 300, 23, crm.ErrIncomplete},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			client := scripted(t, func(r *http.Request) (int, string) {
				if requests++; requests > 200 {
					return 500, ""
				}
				return 200, encoded(t, test.answer(r))
			})
			got, err := collect(client.ListLeads(t.Context(), crm.LeadQuery{}))
			if test.kind != nil {
				failedWith(t, err, test.kind, "list leads", "repeats")
			} else if err != nil {
				t.Error(err)
			}
			if len(got) != test.leads || requests > test.requests {
				t.Errorf("%d leads in %d requests, want %d in at most %d", len(got), requests, test.leads, test.requests)
			}
		})
	}
}

// The filter for statuses holds also where Umnico does not look at it.
func TestStatusesAreLookedAtByTheClient(t *testing.T) {
	t.Parallel()
	client := always(t, 200, golden(t, "leads_page.json"))
	got, err := collect(client.ListLeads(t.Context(), crm.LeadQuery{Statuses: []crm.Ref{status(710231), status(999999)}}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]crm.Lead{at(70010003, 710231), at(70010004, 999999)}, got); diff != "" {
		t.Errorf("leads (-want +got):\n%s", diff)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	fake := account()
	add := func(l umnicotest.Lead) string { return strconv.Itoa(fake.AddLead(l).ID) }
	newLead := add(umnicotest.Lead{StatusID: 710201, Tags: []string{"повторный & важный"}, IntegrationID: 90117})
	inWork := add(umnicotest.Lead{StatusID: 710205, UserID: 4101, Read: true, IntegrationID: 90118, Customer: umnicotest.Customer{ID: 60010009}})
	done := add(umnicotest.Lead{
		StatusID: 710231, UserID: 4102, Section: "completed", Tags: []string{"vip"}, IntegrationID: 90117,
		Source: umnicotest.Source{Type: "comment"}, Message: umnicotest.Message{Text: "да"},
	})
	all := []string{newLead, inWork, done}
	types := map[int]string{}
	for _, n := range umnicotest.DefaultIntegrations() {
		types[n.ID] = n.Type
	}
	tests := []struct {
		name   string
		filter umnico.Filter
		want   []string
	}{
		{"none", umnico.Filter{}, all},
		{"all", umnico.Filter{Section: umnico.SectionAll}, all},
		{"inbox", umnico.Filter{Section: umnico.SectionInbox}, []string{newLead}},
		{"active", umnico.Filter{Section: umnico.SectionActive}, []string{inWork}},
		{"completed", umnico.Filter{Section: umnico.SectionCompleted}, []string{done}},
		{"one status", umnico.Filter{Statuses: []crm.Ref{status(710205)}}, []string{inWork}},
		{"two statuses, one twice", umnico.Filter{Statuses: []crm.Ref{status(710205), status(710231), status(710205)}}, []string{inWork, done}},
		{"a user", umnico.Filter{Users: []string{"4102"}}, []string{done}},
		{"users", umnico.Filter{Users: []string{"4101", "4102"}}, []string{inWork, done}},
		{"integration", umnico.Filter{Integrations: []string{"90118"}}, []string{inWork}},
		{"type", umnico.Filter{Types: []string{types[90118], "none"}}, []string{inWork}},
		{"tag", umnico.Filter{Tags: []string{"повторный & важный"}}, []string{newLead}},
		{"source", umnico.Filter{SourceTypes: []string{"comment"}}, []string{done}},
		{"read", umnico.Filter{Unread: "read"}, []string{inWork}},
		{"customer", umnico.Filter{Customer: "60010009"}, []string{inWork}},
		{"two fields", umnico.Filter{Users: []string{"4101"}, Statuses: []crm.Ref{status(710231)}}, nil},
		{"a section and a status", umnico.Filter{Section: umnico.SectionCompleted, Statuses: []crm.Ref{status(710205), status(710231)}}, []string{done}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			leads, err := collect(mustNew(t, on(fake)).Leads(t.Context(), test.filter))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range leads {
				got = append(got, l.Ref.ID)
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("leads (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatAListAsksFor(t *testing.T) {
	t.Parallel()
	var sent []string
	client := scripted(t, func(r *http.Request) (int, string) {
		sent = append(sent, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
		return 200, encoded(t, rows(len(sent)*1000, 200-len(sent), 2))
	})
	filter := umnico.Filter{
		Statuses: []crm.Ref{status(2), status(1), status(2)}, Users: []string{"4101", "4102"}, Integrations: []string{"7"}, Types: []string{"waba"},
		Tags: []string{"a b"}, SourceTypes: []string{"message"}, Unread: "unread", Customer: "60010001",
	}
	if _, err := collect(client.Leads(t.Context(), filter)); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /v1.3/leads/all?customer=60010001&limit=200&offset=0&sa=7&source_types=message&statuses=2&statuses=1" +
		"&tags=a+b&types=waba&unread=unread&users=4101&users=4102"}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// A list that was begun can be read again, and side by side.
func TestListsCanBeReadAgain(t *testing.T) {
	t.Parallel()
	fake := account()
	fake.AddLeads(450, umnicotest.Lead{StatusID: 710205})
	list := mustNew(t, on(fake)).ListLeads(t.Context(), crm.LeadQuery{})
	next, stop := iter.Pull2(list)
	defer stop()
	for range 250 {
		if _, err, ok := next(); err != nil || !ok {
			t.Fatal(err, ok)
		}
	}
	for range 2 {
		got, err := collect(list)
		if err != nil {
			t.Fatal(err)
		}
		hasAll(t, "read again", fake, got)
	}
	rest := 0
	for _, _, ok := next(); ok; _, _, ok = next() {
		rest++
	}
	if rest != 200 {
		t.Errorf("%d leads were left, want 200", rest)
	}
}

func TestListEndsWithItsContext(t *testing.T) {
	t.Parallel()
	fake := account()
	fake.AddLeads(450, umnicotest.Lead{StatusID: 710205})
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	for _, err := range mustNew(t, on(fake)).ListLeads(ctx, crm.LeadQuery{}) {
		if n++; n == 10 {
			cancel()
		}
		if err != nil {
			if failedWith(t, err, crm.ErrUnavailable, "list leads", ""); !errors.Is(err, context.Canceled) || n != 201 {
				t.Errorf("after %d leads: %v", n, err)
			}
		}
	}
	cancel()
	if n != 201 {
		t.Errorf("%d leads and errors, want those of the first page and an error", n)
	}
}

// A long list takes no more requests than it has to, also where some leads go and the
// client has to look back.
func TestLongList(t *testing.T) {
	t.Parallel()
	const overlapped = 10 // rows of a page that were in the one before
	for _, gone := range []int{0, overlapped - 1, 15} {
		all, requests := rows(1, 5000, 710205), 0
		client := scripted(t, func(r *http.Request) (int, string) {
			requests++
			offset := number(r.URL.Query().Get("offset"))
			if offset == 1900 && len(all) == 5000 {
				all = all[gone:]
			}
			return 200, encoded(t, all[offset:min(offset+200, len(all))])
		})
		got, err := collect(client.ListLeads(t.Context(), crm.LeadQuery{}))
		if err != nil || len(got) != 5000 || requests > 27+gone/overlapped*3 {
			t.Errorf("%d go: %d leads in %d requests, error = %v", gone, len(got), requests, err)
		}
	}
}
