package bitrix24_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// What the operations are called in errors, and the methods behind them.
const (
	readLead, readLeads, listLeads, moveLead, readHistory = "read lead", "read leads", "list leads", "move lead", "read history"

	itemGet, itemList, itemUpdate, stageHistory = "crm.item.get", "crm.item.list", "crm.item.update", "crm.stagehistory.list"
)

// desk is a portal, and a client that sends each request once.
type desk struct {
	*testing.T
	portal *bitrix24test.Portal
	client *bitrix24.Client
}

func newDesk(t *testing.T, scopes ...string) *desk {
	t.Helper()
	portal := bitrix24test.New()
	return &desk{t, portal, connected(t, portal, bitrix24.Options{Attempts: 1, Scopes: scopes})}
}

// connected returns a client for the portal, with a limiter of its own.
func connected(t *testing.T, portal *bitrix24test.Portal, opts bitrix24.Options) *bitrix24.Client {
	t.Helper()
	opts.HTTPClient, opts.Limiter = portal.HTTPClient(), bitrix24.NewNoLimiter()
	client, err := bitrix24.New(portal.Webhook(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// requests checks how many requests the portal has got.
func (d *desk) requests(what string, want int) {
	d.Helper()
	if got := d.portal.TotalRequests(); got != want {
		d.Errorf("%s: %d requests, want %d", what, got, want)
	}
}

// add adds an item that stands in its stage since an hour.
func (d *desk) add(typeID, category int, stage string) crm.LeadRef {
	d.Helper()
	item := d.portal.AddItem(bitrix24test.Item{TypeID: typeID, Category: category, Stage: stage, Moved: time.Now().Add(-time.Hour)})
	return refOf(typeID, item.ID)
}

// refOf returns the identity of an item.
func refOf(typeID, id int) crm.LeadRef {
	kind, named := map[int]string{1: bitrix24.KindLead, 2: bitrix24.KindDeal, 7: bitrix24.KindQuote, 31: bitrix24.KindInvoice}[typeID]
	if !named {
		kind = "dynamic:" + strconv.Itoa(typeID)
	}
	return crm.LeadRef{Source: "bitrix24", Kind: kind, ID: strconv.Itoa(id)}
}

func status(scope, id string) crm.Ref { return crm.Ref{Source: "bitrix24", Scope: scope, ID: id} }

// fails checks an error of the client: its kind, its operation, and that it keeps
// the webhook's secret.
func fails(t *testing.T, what string, err, kind error, op string) {
	t.Helper()
	_ = failure(t, what, err, kind, op)
}

// failure is fails for tests that need more of the error.
func failure(t *testing.T, what string, err, kind error, op string) *crm.Error {
	t.Helper()
	var e *crm.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: error = %v (%T), want a *crm.Error of the kind %v", what, err, err, kind)
		return new(crm.Error)
	}
	if crm.Kind(err) != kind || e.Source != "bitrix24" || e.Op != op { //nolint:errorlint // the kind itself
		t.Errorf("%s: error = %v, want one of %s of the kind %v", what, err, op, kind)
	}
	if shown := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(shown, bitrix24test.DefaultSecret) {
		t.Errorf("%s: the error shows the secret", what)
	}
	return e
}

// scripted is a portal that says what a test wants it to say, and keeps what it was
// asked.
type scripted struct {
	say func(method string, params map[string]any) string

	mu    sync.Mutex
	asked []map[string]any
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var params map[string]any
	if err := json.Unmarshal(body, &params); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.asked = append(s.asked, params)
	s.mu.Unlock()
	answer := s.say(path.Base(r.URL.Path), params)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body: io.NopCloser(bytes.NewReader([]byte(answer))), Request: r,
	}, nil
}

// saying returns a client for a portal that always gives the answers, one after the
// other, and the last of them for ever.
func saying(t *testing.T, answers ...string) (*bitrix24.Client, *scripted) {
	t.Helper()
	n := 0
	s := &scripted{say: func(string, map[string]any) string {
		n++
		return answers[min(n, len(answers))-1]
	}}
	client, err := bitrix24.New(webhook, &bitrix24.Options{
		HTTPClient: &http.Client{Transport: s}, Limiter: bitrix24.NewNoLimiter(), Attempts: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client, s
}

// asksFor checks that a request is the golden one.
func asksFor(t *testing.T, file string, got map[string]any) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(golden(t, file)), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestReadLeadTellsWhereItStands(t *testing.T) {
	t.Parallel()
	moved := time.Date(2026, 8, 20, 10, 59, 2, 0, time.UTC)
	for _, test := range []struct {
		typeID, category int
		stage, scope     string
	}{
		{1, 0, "UC_7TQ2KD", "STATUS"},
		{2, 0, "PREPARATION", "DEAL_STAGE"},
		{2, 2, "C2:1", "DEAL_STAGE_2"},
		{2, 5, "C5:UC_K3M9XZ", "DEAL_STAGE_5"},
		{7, 0, "DECLAINED", "QUOTE_STATUS"},
		{31, 3, "DT31_3:N", "SMART_INVOICE_STAGE_3"},
		{177, 7, "DT177_7:CLIENT", "DYNAMIC_177_STAGE_7"},
		{177, 9, "DT177_9:CLIENT", "DYNAMIC_177_STAGE_9"},
		{1, 0, "Ждём звонка", "STATUS"}, // in no list that was read
	} {
		d := newDesk(t)
		d.portal.AddItem(bitrix24test.Item{TypeID: test.typeID, ID: 4521, Category: test.category, Stage: test.stage, Moved: moved, MovedBy: 31})
		ref := refOf(test.typeID, 4521)
		got, err := d.client.ReadLead(t.Context(), ref)
		if err != nil {
			t.Errorf("%v: %v", ref, err)
			continue
		}
		want := crm.Lead{Ref: ref, Status: status(test.scope, test.stage), MovedAt: moved, MovedBy: "31"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", ref, diff)
		}
		d.requests(ref.String(), 1)
	}
}

func TestReadLeadNamesTheLeadAsItWasAsked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddItem(bitrix24test.Item{TypeID: 1, ID: 42, Stage: "NEW"})
	refs := []crm.LeadRef{
		{Source: "bitrix24", Kind: "lead", ID: "42"}, {Source: "bitrix24", ID: "42"}, {Source: "bitrix24", Kind: "lead", ID: "0042"},
	}
	many, err := d.client.ReadLeads(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	for i, ref := range refs {
		got, err := d.client.ReadLead(t.Context(), ref)
		if err != nil || got.Ref != ref || got.Status != status("STATUS", "NEW") {
			t.Errorf("%v: %+v, %v", ref, got, err)
		}
		if diff := cmp.Diff(crm.LeadResult{Lead: got}, many[i]); diff != "" {
			t.Errorf("%v read among others (-alone +among others):\n%s", ref, diff)
		}
		alone, err := d.client.ReadLeads(t.Context(), []crm.LeadRef{ref})
		if diff := cmp.Diff(many[i:i+1], alone); diff != "" || err != nil {
			t.Errorf("%v read alone, %v (-among others +alone):\n%s", ref, err, diff)
		}
		moved, err := d.client.MoveLead(t.Context(), crm.Move{Lead: ref, To: status("STATUS", "NEW")})
		if err != nil || moved.Ref != ref {
			t.Errorf("%v moved: %+v, %v", ref, moved, err)
		}
	}
}

// Rules of the portal move leads too; they have no name.
func TestReadLeadThatARuleMoved(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.Automate("DEAL_STAGE_5", "C5:NEW", "C5:PREPARATION")
	item := d.portal.AddDeal(5, "C5:NEW")
	got, err := d.client.ReadLead(t.Context(), refOf(2, item.ID))
	if err != nil || got.Status != status("DEAL_STAGE_5", "C5:PREPARATION") || got.MovedBy != "" || got.MovedAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestReadLeadThatIsNotThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddLead("NEW")
	for _, ref := range []crm.LeadRef{refOf(1, 2), refOf(2, 1), refOf(7, 1), refOf(31, 1), refOf(177, 1), refOf(999, 1), {Source: "bitrix24", ID: "999999999999999999"}} {
		got, err := d.client.ReadLead(t.Context(), ref)
		fails(t, ref.String(), err, crm.ErrNotFound, readLead)
		if got != (crm.Lead{}) {
			t.Errorf("%v: %+v beside an error", ref, got)
		}
	}
	d.requests("leads that may be there", 7)
	d.portal.FailItem(1, 1, bitrix24test.AccessDenied())
	_, err := d.client.ReadLead(t.Context(), refOf(1, 1))
	fails(t, "a lead that may not be seen", err, crm.ErrForbidden, readLead)
	d.portal.Fail(1, crmfault.HTML())
	_, err = d.client.ReadLead(t.Context(), refOf(1, 1))
	fails(t, "a page for people", err, crm.ErrBadResponse, readLead)
	d.portal.Fail(1, bitrix24test.Internal().Fault())
	_, err = d.client.ReadLead(t.Context(), refOf(1, 1))
	fails(t, "a portal that breaks down", err, crm.ErrUnavailable, readLead)
}

// unfit are leads that cannot be; nothing is sent for them.
var unfit = []crm.LeadRef{
	{},
	{Kind: "lead", ID: "1"},
	{Source: "umnico", Kind: "lead", ID: "1"},
	{Source: "Bitrix24", Kind: "lead", ID: "1"},
	{Source: "bitrix24", Kind: "dynamic:0177", ID: "1"},
	{Source: "bitrix24", Kind: "dynamic:5", ID: "1"},
	{Source: "bitrix24", Kind: "сделка", ID: "1"},
	{Source: "bitrix24", Kind: "lead"},
	{Source: "bitrix24", Kind: "lead", ID: "0"},
	{Source: "bitrix24", Kind: "lead", ID: "-1"},
	{Source: "bitrix24", Kind: "lead", ID: "1 "},
	{Source: "bitrix24", Kind: "deal", ID: "C5:1"},
	{Source: "bitrix24", Kind: "deal", ID: "12345678901234567890"},
}

func TestLeadsThatCannotBeAreNotAskedFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddLead("NEW")
	for _, ref := range unfit {
		_, err := d.client.ReadLead(t.Context(), ref)
		fails(t, ref.String(), err, crm.ErrNotFound, readLead)
		_, err = d.client.MoveLead(t.Context(), crm.Move{Lead: ref, To: status("STATUS", "PROCESSED")})
		fails(t, ref.String(), err, crm.ErrNotFound, moveLead)
	}
	results, err := d.client.ReadLeads(t.Context(), unfit)
	if err != nil || len(results) != len(unfit) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, result := range results {
		fails(t, unfit[i].String(), result.Err, crm.ErrNotFound, readLeads)
	}
	d.requests("leads that cannot be", 0)
}

func TestReadInSimpleMode(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddLead("NEW")
	d.portal.AddDeal(0, "NEW")
	d.portal.SetSimpleMode(true)
	_, err := d.client.ReadLead(t.Context(), refOf(1, 1))
	fails(t, "a lead of a portal without leads", err, crm.ErrNotFound, readLead)
	results, err := d.client.ReadLeads(t.Context(), []crm.LeadRef{refOf(1, 1), refOf(2, 1)})
	if err != nil {
		t.Fatal(err)
	}
	fails(t, "a lead of a portal without leads", results[0].Err, crm.ErrNotFound, readLeads)
	if results[1].Err != nil || results[1].Lead.Status != status("DEAL_STAGE", "NEW") {
		t.Errorf("a deal: %+v", results[1])
	}
	if got, err := listed(d.client.ListLeads(t.Context(), crm.LeadQuery{})); len(got) != 0 || err != nil {
		t.Errorf("leads: %v, %v", got, err)
	}
}

// strange are results that are no item 1 of a pipeline.
var strange = map[string]string{
	"null":                 `null`,
	"false":                `false`,
	"true, as old methods": `true`,
	"an empty array":       `[]`,
	"a text":               `"x"`,
	"no item":              `{"items":[]}`,
	"a null item":          `{"item":null}`,
	"an item in a list":    `{"item":[{"id":1,"categoryId":5,"stageId":"C5:NEW"}]}`,
	"another lead":         `{"item":{"id":2,"categoryId":5,"stageId":"C5:NEW"}}`,
	"no id":                `{"item":{"categoryId":5,"stageId":"C5:NEW"}}`,
	"a null id":            `{"item":{"id":null,"categoryId":5,"stageId":"C5:NEW"}}`,
	"an id that is none":   `{"item":{"id":{},"categoryId":5,"stageId":"C5:NEW"}}`,
	"a fraction as id":     `{"item":{"id":1.5,"categoryId":5,"stageId":"C5:NEW"}}`,
	"no stage":             `{"item":{"id":1,"categoryId":5}}`,
	"an empty stage":       `{"item":{"id":1,"categoryId":5,"stageId":""}}`,
	"a stage of old names": `{"item":{"ID":"1","CATEGORY_ID":"5","STAGE_ID":"C5:NEW"}}`,
	"a list as stage":      `{"item":{"id":1,"categoryId":5,"stageId":["C5:NEW"]}}`,
	"no pipeline":          `{"item":{"id":1,"stageId":"C5:NEW"}}`,
	"a text as pipeline":   `{"item":{"id":1,"categoryId":"main","stageId":"C5:NEW"}}`,
}

func TestReadLeadOfAStrangeAnswer(t *testing.T) {
	t.Parallel()
	for name, result := range strange {
		client, _ := saying(t, `{"result":`+result+`}`)
		got, err := client.ReadLead(t.Context(), refOf(2, 1))
		fails(t, name, err, crm.ErrBadResponse, readLead)
		if got != (crm.Lead{}) {
			t.Errorf("%s: %+v beside an error", name, got)
		}
	}
	client, asked := saying(t, golden(t, "item_get_deal.json"))
	if _, err := client.ReadLead(t.Context(), crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: "000880"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]map[string]any{{"entityTypeId": 2.0, "id": 880.0}}, asked.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestReadLeadsTakesOneRequestForEach2500(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]struct{ requests, lists int }{
		0: {0, 0}, 1: {1, 1}, 50: {1, 1}, 51: {1, 2}, 2500: {1, 50}, 2501: {2, 51},
	} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			refs := make([]crm.LeadRef, n)
			for i, item := range d.portal.AddItems(n, bitrix24test.Item{TypeID: 1, Stage: "NEW"}) {
				refs[n-1-i] = refOf(1, item.ID)
				if item.ID%7 == 0 {
					if err := d.portal.MoveItem(1, item.ID, 0, "PROCESSED"); err != nil {
						t.Fatal(err)
					}
				}
			}
			results, err := d.client.ReadLeads(t.Context(), refs)
			if err != nil || len(results) != n {
				t.Fatalf("%d results for %d leads, %v", len(results), n, err)
			}
			for i, result := range results {
				id, _ := strconv.Atoi(refs[i].ID)
				item, _ := d.portal.Item(1, id)
				if result.Err != nil || result.Lead.Ref != refs[i] || result.Lead.Status.ID != item.Stage || !result.Lead.MovedAt.Equal(item.Moved) || result.Lead.MovedBy != "23" {
					t.Fatalf("result %d is %+v; the lead %v stands in %s since %v", i, result, refs[i], item.Stage, item.Moved)
				}
			}
			d.requests("leads", want.requests)
			if got := d.portal.Calls(itemList); got != want.lists {
				t.Errorf("%d lists, want %d", got, want.lists)
			}
		})
	}
}

// The lists are of one Kind each, so mixed ones may need one more.
func TestReadLeadsOfManyKinds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	want := map[crm.LeadRef]crm.Ref{}
	var refs []crm.LeadRef
	for typeID, at := range map[int]struct {
		n, category  int
		stage, scope string
	}{
		1: {2450, 0, "UC_7TQ2KD", "STATUS"}, 2: {20, 0, "NEW", "DEAL_STAGE"}, 7: {10, 0, "SENT", "QUOTE_STATUS"},
		31: {5, 3, "DT31_3:N", "SMART_INVOICE_STAGE_3"}, 177: {3, 9, "DT177_9:NEW", "DYNAMIC_177_STAGE_9"},
	} {
		for _, item := range d.portal.AddItems(at.n, bitrix24test.Item{TypeID: typeID, Category: at.category, Stage: at.stage}) {
			ref := refOf(typeID, item.ID)
			refs, want[ref] = append(refs, ref), status(at.scope, at.stage)
		}
	}
	deal := d.portal.AddDeal(5, "C5:WON")
	refs, want[refOf(2, deal.ID)] = append(refs, refOf(2, deal.ID)), status("DEAL_STAGE_5", "C5:WON")
	slices.SortFunc(refs, func(a, b crm.LeadRef) int { return strings.Compare(a.ID+a.Kind, b.ID+b.Kind) }) // mixed
	results, err := d.client.ReadLeads(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if result.Err != nil || result.Lead.Ref != refs[i] || result.Lead.Status != want[refs[i]] {
			t.Errorf("%v: %+v, want it in %v", refs[i], result, want[refs[i]])
		}
	}
	d.requests("2,489 leads of five Kinds", 2)
	if got := d.portal.Calls(itemList); got != 49+4 {
		t.Errorf("%d lists, want %d", got, 49+4)
	}
}

func TestReadLeadsThatRepeatOrAreMissing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddItem(bitrix24test.Item{TypeID: 1, ID: 7, Stage: "NEW"})
	d.portal.AddItem(bitrix24test.Item{TypeID: 2, ID: 7, Category: 5, Stage: "C5:WON"})
	refs := []crm.LeadRef{
		refOf(1, 8), refOf(2, 7),
		{Source: "bitrix24", ID: "007"},
		refOf(1, 7), refOf(1, 8),
		{Source: "umnico", ID: "7"},
		{Source: "bitrix24", Kind: "deal", ID: "07"},
		refOf(1, 7), refOf(177, 7), refOf(2, 70),
	}
	for range 100 {
		refs = append(refs, refOf(1, 7))
	}
	results, err := d.client.ReadLeads(t.Context(), refs)
	if err != nil || len(results) != len(refs) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, result := range results {
		switch ref := refs[i]; {
		case i == 0, i == 4, i == 5, i == 8, i == 9:
			fails(t, ref.String(), result.Err, crm.ErrNotFound, readLeads)
			if result.Lead != (crm.Lead{}) {
				t.Errorf("%v: %+v beside an error", ref, result.Lead)
			}
		case result.Err != nil, result.Lead.Ref != ref:
			t.Errorf("%v: %+v", ref, result)
		case ref.Kind == "deal" && result.Lead.Status != status("DEAL_STAGE_5", "C5:WON"),
			ref.Kind != "deal" && result.Lead.Status != status("STATUS", "NEW"):
			t.Errorf("%v stands in %v", ref, result.Lead.Status)
		}
	}
	d.requests("leads that repeat", 1)
	if got := d.portal.Calls(itemList); got != 3 {
		t.Errorf("%d lists for three Kinds", got)
	}
}

// A command that fails concerns its own leads only.
func TestReadLeadsWhereSomeCannotBeRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddLead("NEW")
	d.portal.AddDeal(5, "C5:NEW")
	gone := refOf(999, 1) // there is no such smart process
	results, err := d.client.ReadLeads(t.Context(), []crm.LeadRef{gone, refOf(1, 1), refOf(999, 2), refOf(2, 1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2} {
		fails(t, "of a process that is gone", results[i].Err, crm.ErrNotFound, readLeads)
	}
	if results[1].Err != nil || results[1].Lead.Status != status("STATUS", "NEW") || results[3].Err != nil || results[3].Lead.Status != status("DEAL_STAGE_5", "C5:NEW") {
		t.Errorf("the others: %+v, %+v", results[1], results[3])
	}
	results, err = d.client.ReadLeads(t.Context(), []crm.LeadRef{gone})
	if err != nil || len(results) != 1 {
		t.Fatalf("a lead that is missing: %v, %v", results, err)
	}
	fails(t, "the only one", results[0].Err, crm.ErrNotFound, readLeads)

	d.portal.FailCommand(1, itemList, bitrix24test.AccessDenied())
	results, err = d.client.ReadLeads(t.Context(), []crm.LeadRef{refOf(1, 1), refOf(2, 1)})
	if err != nil {
		t.Fatal(err)
	}
	fails(t, "a Kind that may not be seen", results[0].Err, crm.ErrForbidden, readLeads)
	if results[1].Err != nil || results[1].Lead.Status != status("DEAL_STAGE_5", "C5:NEW") {
		t.Errorf("the other: %+v", results[1])
	}
}

func TestReadLeadsThatFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*bitrix24test.Portal)
		kind    error
	}{
		"no right at all":    {func(p *bitrix24test.Portal) { p.FailCommand(-1, itemList, bitrix24test.AccessDenied()) }, crm.ErrForbidden},
		"no time left":       {func(p *bitrix24test.Portal) { p.FailCommand(-1, itemList, bitrix24test.OperationTimeLimit()) }, crm.ErrRateLimited},
		"no batch":           {func(p *bitrix24test.Portal) { p.FailCommand(-1, "batch", bitrix24test.InsufficientScope()) }, crm.ErrForbidden},
		"another secret":     {func(p *bitrix24test.Portal) { p.SetSecret("n3p6r0s9u2y5c8f1") }, crm.ErrUnauthorized},
		"a broken batch":     {func(p *bitrix24test.Portal) { p.Fail(-1, crmfault.Cut()) }, crm.ErrBadResponse},
		"a broken line":      {func(p *bitrix24test.Portal) { p.Fail(-1, crmfault.Drop()) }, crm.ErrUnavailable},
		"the second request": {func(p *bitrix24test.Portal) { p.Fail(1, crmfault.Fault{}); p.Fail(1, crmfault.HTML()) }, crm.ErrBadResponse},
	} {
		d := newDesk(t)
		var refs []crm.LeadRef
		n := 3
		if name == "the second request" {
			n = 2501
		}
		for _, item := range d.portal.AddItems(n, bitrix24test.Item{TypeID: 1, Stage: "NEW"}) {
			refs = append(refs, refOf(1, item.ID))
		}
		test.prepare(d.portal)
		results, err := d.client.ReadLeads(t.Context(), refs)
		fails(t, name, err, test.kind, readLeads)
		if results != nil {
			t.Errorf("%s: results beside an error", name)
		}
	}
	d := newDesk(t)
	d.portal.AddLead("NEW")
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := d.client.ReadLeads(ended, []crm.LeadRef{refOf(1, 1)})
	fails(t, "a context that has ended", err, crm.ErrUnavailable, readLeads)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want the context's", err)
	}
}

// An answer that cannot be what the portal meant is never taken for the absence of
// a lead, also where another command failed.
func TestReadLeadsOfAStrangeAnswer(t *testing.T) {
	t.Parallel()
	const item = `{"id":1,"categoryId":5,"stageId":"C5:NEW"}`
	const failed = `"l1":{"error":"NOT_FOUND","error_description":"Smart process not found"}`
	for name, first := range map[string]string{
		"null": `null`, "an array": `[]`, "no list": `{"item":` + item + `}`, "a null list": `{"items":null}`,
		"a map":                     `{"items":{"0":` + item + `}}`,
		"a row that is null":        `{"items":[null]}`,
		"a row without a stage":     `{"items":[{"id":1,"categoryId":5}]}`,
		"a row without an id":       `{"items":[{"categoryId":5,"stageId":"C5:NEW"}]}`,
		"a row without a pipeline":  `{"items":[{"id":1,"stageId":"C5:NEW"}]}`,
		"a row nobody asked for":    `{"items":[{"id":2,"categoryId":5,"stageId":"C5:NEW"}]}`,
		"one that is not the first": `{"items":[` + item + `,{"id":2,"categoryId":5,"stageId":"C5:NEW"}]}`,
	} {
		for _, answer := range []string{
			`{"result":{"result":{"l0":` + first + `,"l1":{"items":[]}},"result_error":[]}}`,
			`{"result":{"result":{"l0":` + first + `},"result_error":{` + failed + `}}}`,
			`{"result":{"result_error":{` + failed + `},"result":{"l0":` + first + `}}}`,
		} {
			client, _ := saying(t, answer)
			results, err := client.ReadLeads(t.Context(), []crm.LeadRef{refOf(2, 1), refOf(999, 1)})
			fails(t, name, err, crm.ErrBadResponse, readLeads)
			if results != nil {
				t.Errorf("%s: %+v beside an error", name, results)
			}
		}
	}
	client, _ := saying(t, `{"result":{"result":{"l0":{"items":[`+item+`]}},"result_error":[]}}`)
	_, err := client.ReadLeads(t.Context(), []crm.LeadRef{refOf(2, 1), refOf(999, 1)})
	fails(t, "no answer to the second", err, crm.ErrBadResponse, readLeads)
}
