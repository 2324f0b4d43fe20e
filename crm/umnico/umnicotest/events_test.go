package umnicotest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// heard returns a fake with one lead and one webhook.
func heard() (*umnicotest.Umnico, umnicotest.Lead) {
	fake := umnicotest.New()
	lead := fake.AddLead(umnicotest.Lead{StatusID: 710205})
	fake.AddWebhook(umnicotest.Webhook{URL: "https://bot.example.com/hook"})
	return fake, lead
}

// wantEvents checks the types of the events that wait, and takes them out.
func wantEvents(t *testing.T, what string, fake *umnicotest.Umnico, want ...string) {
	t.Helper()
	var got []string
	for _, d := range fake.Events() {
		got = append(got, d.Type)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: events %v, want %v", what, got, want)
	}
	fake.SetEvents()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsAnEvent(t *testing.T) {
	t.Parallel()
	fake, lead := heard()
	wantEvents(t, "before the webhook", fake)
	fake.AddLead(umnicotest.Lead{})
	wantEvents(t, "AddLead", fake, "lead.created")
	fake.AddLead(lead)
	wantEvents(t, "AddLead of a lead that is there", fake)
	fake.AddLeads(2, umnicotest.Lead{})
	wantEvents(t, "AddLeads", fake, "lead.created", "lead.created")
	must(t, fake.MoveLead(lead.ID, 710205))
	wantEvents(t, "a move to where it is", fake)
	must(t, fake.MoveLead(lead.ID, 710231))
	wantEvents(t, "MoveLead", fake, "lead.changed.status")
	must(t, fake.EditLead(lead.ID, func(lead *umnicotest.Lead) { lead.Tags = []string{"новый"} }))
	wantEvents(t, "EditLead", fake, "lead.changed")
	must(t, fake.EditLead(lead.ID, func(lead *umnicotest.Lead) { lead.Tags[0] = "vip" }))
	wantEvents(t, "EditLead of a tag", fake, "lead.changed")
	must(t, fake.EditLead(lead.ID, func(lead *umnicotest.Lead) { lead.StatusID, lead.Amount = 710205, 5 }))
	wantEvents(t, "EditLead with a status", fake, "lead.changed.status", "lead.changed")
	must(t, fake.EditLead(lead.ID, func(*umnicotest.Lead) {}))
	wantEvents(t, "EditLead without a change", fake)
	must(t, fake.SetSection(lead.ID, "completed"))
	wantEvents(t, "SetSection", fake)
	must(t, fake.AddMessage(lead.ID, umnicotest.Message{Text: "Да", Incoming: true}))
	must(t, fake.AddMessage(lead.ID, umnicotest.Message{Text: "Нет"}))
	wantEvents(t, "AddMessage", fake, "message.incoming", "message.outgoing")
	customer := fake.SetCustomer(umnicotest.Customer{})
	customer.Name = "Ирина"
	fake.SetCustomer(customer)
	fake.SetCustomer(customer)
	wantEvents(t, "SetCustomer", fake, "customer.created", "customer.changed")
	must(t, fake.DeleteLead(lead.ID))
	wantEvents(t, "DeleteLead", fake)
	fake.SendEvent(`{"type":"integration.created","id":1}`)
	fake.SendEvent(`no JSON`)
	if got := fake.Events()[1].Body; got != "no JSON" {
		t.Errorf("SendEvent changed the body: %s", got)
	}
	wantEvents(t, "SendEvent", fake, "integration.created", "")
	fake.AddWebhook(umnicotest.Webhook{ID: 30501, Off: true})
	fake.AddLead(umnicotest.Lead{})
	fake.SendEvent("{}")
	wantEvents(t, "a webhook that is off", fake)
	fake.AddWebhook(umnicotest.Webhook{ID: 1, URL: "https://a.example"})
	fake.AddWebhook(umnicotest.Webhook{ID: 2, URL: "https://b.example"})
	fake.SendEvent("{}")
	if diff := cmp.Diff([]umnicotest.Delivery{
		{WebhookID: 1, URL: "https://a.example", Body: "{}"}, {WebhookID: 2, URL: "https://b.example", Body: "{}"},
	}, fake.Events()); diff != "" {
		t.Errorf("two webhooks (-want +got):\n%s", diff)
	}
}

func TestChangesOverTheAPIAreEvents(t *testing.T) {
	t.Parallel()
	fake, lead := heard()
	const path = "/v1.3/leads/70010001"
	call(t, fake, "PUT", path, `{"statusId":710231}`)
	wantEvents(t, "PUT", fake, "lead.changed.status")
	call(t, fake, "PUT", path, `{"statusId":710231,"amount":5}`)
	wantEvents(t, "PUT of an amount", fake, "lead.changed")
	call(t, fake, "PUT", path, `{"statusId":5}`)
	wantEvents(t, "a PUT that is refused", fake)
	fake.SetChangedToo(true)
	call(t, fake, "PUT", path, `{"statusId":710209}`)
	wantEvents(t, "SetChangedToo", fake, "lead.changed.status", "lead.changed")
	must(t, fake.MoveLead(lead.ID, 710231))
	wantEvents(t, "SetChangedToo, by a manager", fake, "lead.changed.status", "lead.changed")
	fake.Automate(710209, 710214)
	call(t, fake, "PUT", path, `{"statusId":710209}`)
	if got := fake.Events(); len(got) != 4 || !strings.Contains(got[0].Body, "710209") || !strings.Contains(got[3].Body, "710214") {
		t.Errorf("a rule: %v", got)
	}
	wantEvents(t, "a rule", fake, "lead.changed.status", "lead.changed", "lead.changed.status", "lead.changed")
	fake.SetChangedToo(false)
	fake.SetEcho(false)
	call(t, fake, "PUT", path, `{"statusId":710205,"amount":7}`)
	wantEvents(t, "SetEcho(false)", fake)
	must(t, fake.MoveLead(lead.ID, 710231))
	wantEvents(t, "SetEcho(false), by a manager", fake, "lead.changed.status")
	call(t, fake, "PUT", path, `{"statusId":710209}`)
	wantEvents(t, "SetEcho(false), what a rule does", fake, "lead.changed.status")
	fake.SetEcho(true)
	call(t, fake, "PUT", path, `{"statusId":710205}`)
	wantEvents(t, "SetEcho(true)", fake, "lead.changed.status")
}

func TestFormsOfEvents(t *testing.T) {
	t.Parallel()
	fake, lead := heard()
	body := func(form umnicotest.EventForm, do func()) string {
		fake.SetEvents()
		fake.SetEventForm(form)
		do()
		return fake.Events()[0].Body
	}
	move := func() {
		must(t, fake.EditLead(lead.ID, func(lead *umnicotest.Lead) { lead.StatusID++ }))
	}
	whole := body(umnicotest.EventForm{WholeLead: true}, move)
	_, row := call(t, fake, "GET", "/v1.3/leads/70010001", "")
	if want := `{"type":"lead.changed.status","accountId":100500,"leadId":70010001,"lead":` + row + `}`; whole != want {
		t.Errorf("WholeLead:\n got %s\nwant %s", whole, want)
	}
	message := func() { must(t, fake.AddMessage(lead.ID, umnicotest.Message{})) }
	if got := body(umnicotest.EventForm{NoSourceType: true, TextLeadID: true}, message); !strings.Contains(got, `"saId":90117}`) || !strings.Contains(got, `"leadId":"70010001"`) {
		t.Errorf("NoSourceType, TextLeadID: %s", got)
	}
	if got := body(umnicotest.EventForm{}, message); !strings.Contains(got, `"saId":90117,"type":"message"}`) || !strings.Contains(got, `"socialId":null,"profileUrl":null`) {
		t.Errorf("a message: %s", got)
	}
	customer := umnicotest.Customer{ID: 5, Login: "a"}
	set := func() { customer.Name += "я"; fake.SetCustomer(customer) }
	if got, want := body(umnicotest.EventForm{NoCustomer: true, NoAccountID: true}, set), `{"type":"customer.created","customerId":5}`; got != want {
		t.Errorf("NoCustomer: %s, want %s", got, want)
	}
	if got, want := body(umnicotest.EventForm{NoCustomerID: true, NoAccountID: true}, set),
		`{"type":"customer.changed","customer":{"id":5,"login":"a","name":"яя","phone":null,"avatar":null}}`; got != want {
		t.Errorf("NoCustomerID: %s, want %s", got, want)
	}
	fake.SetAccountID(7)
	if got := body(umnicotest.EventForm{}, move); !strings.Contains(got, `"accountId":7,`) {
		t.Errorf("SetAccountID: %s", got)
	}
}

// receiver keeps the bodies that it gets, and answers with the statuses in turn,
// the last of them for ever.
type receiver struct {
	statuses []int
	bodies   []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	if request.Method != http.MethodPost || request.Header.Get("Content-Type") != "application/json" {
		body = []byte("no POST of JSON")
	}
	r.bodies = append(r.bodies, string(body))
	w.WriteHeader(r.statuses[0])
	if len(r.statuses) > 1 {
		r.statuses = r.statuses[1:]
	}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	fake, lead := heard()
	got := &receiver{statuses: []int{200}}
	deliver := func(what string, delivered, failed int, bodies ...string) {
		t.Helper()
		got.bodies = nil
		d, f := fake.DeliverTo(t.Context(), got)
		if d != delivered || f != failed || !slices.Equal(got.bodies, bodies) {
			t.Errorf("%s: %d delivered, %d failed, %q; want %d, %d, %q", what, d, f, got.bodies, delivered, failed, bodies)
		}
	}
	deliver("nothing", 0, 0)
	must(t, fake.MoveLead(lead.ID, 710231))
	must(t, fake.MoveLead(lead.ID, 710236))
	events := fake.Events()
	a, b := events[0].Body, events[1].Body
	if a == b || !strings.Contains(a, "710231") {
		t.Errorf("the bodies are not of their time: %s, %s", a, b)
	}
	events[0].Body = "spoilt"
	deliver("two", 2, 0, a, b)
	deliver("none twice", 0, 0)
	events[0].Body = a
	sequence := []umnicotest.Delivery{events[1], events[0], events[1]}
	fake.SetEvents(sequence...)
	sequence[0].Body = "spoilt"
	deliver("another sequence, and one twice", 3, 0, b, a, b)
	fake.SetEvents(umnicotest.Delivery{URL: "https://elsewhere.example", Body: "x"})
	deliver("one that a test made", 1, 0, "x")
	fake.SetEvents(umnicotest.Delivery{URL: ":", Body: "x"})
	deliver("an address that is none", 0, 1)
	fake.SetEvents(events[1], umnicotest.Delivery{WebhookID: 99, URL: "https://gone.example", Body: "y"}, events[1])
	deliver("a webhook that is gone", 2, 1, b, b)
	got.statuses = []int{204, 301, 404, 299}
	fake.SetEvents(events[1], events[1], events[1], events[1])
	deliver("statuses", 2, 2, b, b, b, b)

	ctx, cancel := context.WithCancel(t.Context())
	fake.SetEvents(events[1], events[1])
	d, f := fake.DeliverTo(ctx, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() }))
	if d+f != 1 || len(fake.Events()) != 1 {
		t.Errorf("an ended context: %d delivered, %d failed, %d left", d, f, len(fake.Events()))
	}
	fake.SetEvents(events[1])
	d, f = fake.DeliverTo(t.Context(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fake.SendEvent("late") }))
	if d != 1 || f != 0 || len(fake.Events()) != 1 {
		t.Errorf("an event that comes meanwhile: %d delivered, %d failed, %d left", d, f, len(fake.Events()))
	}
}

func TestDeliverOverTheNetwork(t *testing.T) {
	t.Parallel()
	got := &receiver{statuses: []int{200}}
	server := httptest.NewServer(got)
	t.Cleanup(server.Close)
	fake := umnicotest.New()
	fake.AddWebhook(umnicotest.Webhook{URL: server.URL + "/hook"})
	fake.SendEvent("{}")
	if d, f := fake.Deliver(t.Context(), server.Client()); d != 1 || f != 0 || len(got.bodies) != 1 {
		t.Errorf("%d delivered, %d failed, %q", d, f, got.bodies)
	}
	server.Close()
	fake.SendEvent("{}")
	if d, f := fake.Deliver(t.Context(), server.Client()); d != 0 || f != 1 {
		t.Errorf("nobody listens: %d delivered, %d failed", d, f)
	}
}

func TestWebhooksAreSwitchedOff(t *testing.T) {
	t.Parallel()
	fake, _ := heard()
	run := func(what string, off bool, delivered, failed int, statuses ...int) {
		t.Helper()
		for range statuses {
			fake.SendEvent("{}")
		}
		d, f := fake.DeliverTo(t.Context(), &receiver{statuses: statuses})
		if d != delivered || f != failed || fake.Webhooks()[0].Off != off {
			t.Errorf("%s: %d delivered, %d failed, off %v; want %d, %d, %v", what, d, f, fake.Webhooks()[0].Off, delivered, failed, off)
		}
	}
	run("never three in a row", false, 2, 4, 500, 500, 200, 500, 500, 200)
	run("three in a row, and one that is not sent", true, 0, 4, 500, 404, 500, 200)
	run("off", true, 0, 0)
	call(t, fake, "PUT", "/v1.3/webhooks/30501", `{"status":1}`)
	run("on again, from the start", false, 0, 2, 500, 500)
	call(t, fake, "PUT", "/v1.3/webhooks/30501", `{"status":1}`)
	run("on is no news", true, 0, 1, 500)
	fake.AddWebhook(umnicotest.Webhook{ID: 30501, URL: "https://bot.example.com"})
	run("replaced, from the start", false, 0, 2, 500, 500)
	fake.SetWebhookFailures(1)
	run("one", true, 0, 2, 500, 200)
	fake.AddWebhook(umnicotest.Webhook{ID: 30501, URL: "https://bot.example.com"})
	fake.SetWebhookFailures(0)
	run("never", false, 0, 5, 500, 500, 500, 500, 500)
}

func TestSlowHandlersFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, _ := heard()
		fake.SendEvent("{}")
		server := umnicotest.New() // a handler that is slow
		server.SetLatency(time.Minute)
		client := server.HTTPClient()
		client.Timeout = time.Second
		start := time.Now()
		if d, f := fake.Deliver(t.Context(), client); d != 0 || f != 1 || time.Since(start) != time.Second {
			t.Errorf("%d delivered, %d failed after %v", d, f, time.Since(start))
		}
	})
}
