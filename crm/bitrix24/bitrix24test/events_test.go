package bitrix24test_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

const botURL = "https://bot.example.com/b24/events"

// bindAs binds a handler that gets the given number. Numbers before it are used
// up by webhooks that get no events.
func bindAs(t *testing.T, p *bitrix24test.Portal, number int, event string) {
	t.Helper()
	for range number - 1 {
		p.AddWebhookHandler(botURL, "unused")
	}
	bind(t, p, event, "")
}

// bind binds a handler of an application, which is installed first if need be.
func bind(t *testing.T, p *bitrix24test.Portal, event, more string) {
	t.Helper()
	status, body := byToken(p, "AT-example-0001", "event.bind", `{"event": "`+event+`", "handler": "`+botURL+`"`+more+`}`)
	if status != 200 {
		t.Fatalf("event.bind %s: %d %s", event, status, body)
	}
}

// update calls crm.item.update, as user 17.
func update(t *testing.T, p *bitrix24test.Portal, typeID, id int, fields string) {
	t.Helper()
	if status, body := call(p, "crm.item.update", fmt.Sprintf(`{"entityTypeId": %d, "id": %d, "fields": %s}`, typeID, id, fields)); status != 200 {
		t.Fatalf("crm.item.update: %d %s", status, body)
	}
}

// values decodes the event that waits alone.
func values(t *testing.T, p *bitrix24test.Portal) url.Values {
	t.Helper()
	queue := p.Events()
	if len(queue) != 1 {
		t.Fatalf("events = %+v, want one", queue)
	}
	form, err := url.ParseQuery(queue[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

func TestEventsAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	const typeLead, typeDeal = 1, 2
	lead := bitrix24test.Item{TypeID: typeLead, ID: 4521, CreatedBy: 17}
	deal := bitrix24test.Item{TypeID: typeDeal, ID: 880, CreatedBy: 17}
	parcel := bitrix24test.Item{TypeID: 177, ID: 24, Category: 7}
	const rename = `{"title": "Новое имя"}`
	changed := func(p *bitrix24test.Portal, typeID, id int) { update(t, p, typeID, id, rename) }
	bound := func(number int, event string) func(p *bitrix24test.Portal) {
		return func(p *bitrix24test.Portal) { bindAs(t, p, number, event) }
	}
	webhook := func(number int, token string) func(p *bitrix24test.Portal) {
		return func(p *bitrix24test.Portal) {
			for range number - 1 {
				p.AddWebhookHandler(botURL, "unused")
			}
			p.AddWebhookHandler(botURL, token, "OnCrmLeadUpdate", "OnCrmDealUpdate")
		}
	}
	for _, test := range []struct {
		file    string
		prepare func(p *bitrix24test.Portal)
		change  func(p *bitrix24test.Portal)
	}{
		{"event_lead_add.form", bound(709, "ONCRMLEADADD"), func(p *bitrix24test.Portal) {
			p.AddItem(bitrix24test.Item{TypeID: typeLead, ID: 4530, CreatedBy: 17})
		}},
		{"event_lead_update.form", bound(709, "onCrmLeadUpdate"), func(p *bitrix24test.Portal) { changed(p, typeLead, 4521) }},
		{"event_lead_delete.form", bound(711, "ONCRMLEADDELETE"), func(p *bitrix24test.Portal) {
			call(p, "crm.item.delete", `{"entityTypeId": 1, "id": 4521}`)
		}},
		{"event_lead_update_no_tokens.form", bound(709, "ONCRMLEADUPDATE"), func(p *bitrix24test.Portal) {
			p.Automate("STATUS", "IN_PROCESS", "PROCESSED")
			update(t, p, typeLead, 4521, `{"stageId": "IN_PROCESS"}`)
			p.SetEvents(p.Events()[1:]...)
		}},
		{"event_deal_add.form", bound(653, "ONCRMDEALADD"), func(p *bitrix24test.Portal) {
			p.AddItem(bitrix24test.Item{TypeID: typeDeal, ID: 882, CreatedBy: 17})
		}},
		{"event_deal_update.form", bound(655, "ONCRMDEALUPDATE"), func(p *bitrix24test.Portal) { changed(p, typeDeal, 880) }},
		{"event_deal_delete.form", func(p *bitrix24test.Portal) {
			for range 656 {
				p.AddWebhookHandler(botURL, "unused")
			}
			bind(t, p, "ONCRMDEALDELETE", `, "auth_type": 17`)
		}, func(p *bitrix24test.Portal) {
			if err := p.DeleteItem(typeDeal, 880); err != nil {
				t.Error(err)
			}
		}},
		{"event_deal_move_to_category.form", bound(659, "ONCRMDEALMOVETOCATEGORY"), func(p *bitrix24test.Portal) {
			update(t, p, typeDeal, 880, `{"categoryId": 5, "stageId": "C5:NEW"}`)
		}},
		{"event_dynamic_item_update.form", bound(661, "ONCRMDYNAMICITEMUPDATE"), func(p *bitrix24test.Portal) { changed(p, 177, 24) }},
		{"event_dynamic_item_update_typed.form", bound(663, "ONCRMDYNAMICITEMUPDATE_177"), func(p *bitrix24test.Portal) { changed(p, 177, 24) }},
		{"event_webhook_lead_update.form", webhook(975, "apptoken-example-hook-1"), func(p *bitrix24test.Portal) { changed(p, typeLead, 4521) }},
		{"event_webhook_deal_update.form", webhook(975, "apptoken-example-hook-1"), func(p *bitrix24test.Portal) { changed(p, typeDeal, 880) }},
		{"event_webhook_bad_token.form", webhook(975, "not-the-token"), func(p *bitrix24test.Portal) { changed(p, typeDeal, 880) }},
		{"event_webhook_minimal.form", webhook(1, "apptoken-example-hook-1"), func(p *bitrix24test.Portal) {
			p.SetShortWebhooks(true)
			changed(p, typeDeal, 880)
		}},
		{"event_app_uninstall.form", nil, func(p *bitrix24test.Portal) {
			p.Install(bitrix24test.App{Handler: botURL})
			p.SetEvents()
			p.Uninstall()
		}},
		{"event_app_test.form", bound(3, "ONAPPTEST"), func(p *bitrix24test.Portal) {
			if _, body := byToken(p, "AT-example-0001", "event.test", `{"test": 1}`); !strings.HasPrefix(body, `{"result":1,`) {
				t.Errorf("event.test = %s", body)
			}
		}},
		{"event_offline.form", func(p *bitrix24test.Portal) {
			bind(t, p, "ONOFFLINEEVENT", "")
			byToken(p, "AT-example-0001", "event.bind", `{"event": "ONCRMLEADUPDATE", "event_type": "offline"}`)
		}, func(p *bitrix24test.Portal) { changed(p, typeLead, 4521) }},
	} {
		atFixtureTime(t, func(t *testing.T) {
			p := bitrix24test.New()
			p.Install(bitrix24test.App{})
			for _, item := range []bitrix24test.Item{lead, deal, parcel} {
				p.AddItem(item)
			}
			if test.prepare != nil {
				test.prepare(p)
			}
			test.change(p)
			queue := p.Events()
			if len(queue) != 1 {
				t.Fatalf("%s: events = %+v, want one", test.file, queue)
			}
			if diff := cmp.Diff(string(golden(t, test.file)), queue[0].Body); diff != "" {
				t.Errorf("not %s (-want +got):\n%s", test.file, diff)
			}
			if queue[0].URL != botURL || !strings.HasPrefix(queue[0].Body, "event="+queue[0].Event+"&") {
				t.Errorf("%s: %+v", test.file, queue[0])
			}
		})
	}
}

func TestInstallIsTheGoldenEvent(t *testing.T) {
	t.Parallel()
	atFixtureTime(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.Install(bitrix24test.App{})
		if len(p.Events()) != 0 {
			t.Errorf("events without a handler: %+v", p.Events())
		}
		p = bitrix24test.New()
		p.Install(bitrix24test.App{Handler: botURL})
		if diff := cmp.Diff(string(golden(t, "event_app_install.form")), p.Events()[0].Body); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestEventOfARussianPortalIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	atFixtureTime(t, func(t *testing.T) {
		p := bitrix24test.New()
		tokens := p.Install(bitrix24test.App{Scope: "crm,user_brief"})
		p.SetAuthServer(bitrix24test.AuthServerRU)
		p.AddItem(bitrix24test.Item{TypeID: 1, ID: 4521})
		bindAs(t, p, 196, "ONCRMLEADUPDATE")
		_, refresh := refreshed(t, p, tokens.RefreshToken)
		refreshed(t, p, refresh)
		update(t, p, 1, 4521, `{"stageId": "IN_PROCESS"}`)
		if diff := cmp.Diff(string(golden(t, "event_lead_update_ru.form")), p.Events()[0].Body); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestWhoHearsOfWhat(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.Install(bitrix24test.App{})
	all := []string{
		"ONCRMLEADADD", "ONCRMLEADUPDATE", "ONCRMLEADDELETE", "ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE", "ONCRMDEALMOVETOCATEGORY",
		"ONCRMQUOTEADD", "ONCRMQUOTEUPDATE", "ONCRMQUOTEDELETE", "ONCRMDYNAMICITEMADD", "ONCRMDYNAMICITEMUPDATE", "ONCRMDYNAMICITEMDELETE_31",
		"ONCRMDYNAMICITEMUPDATE_177",
	}
	p.AddWebhookHandler("https://webhook.example.com/", "token", all...)
	for _, event := range all {
		bind(t, p, event, "")
	}
	heard := func() (webhook, app []string) {
		for _, d := range p.Events() {
			if d.URL == botURL {
				app = append(app, d.Event)
			} else {
				webhook = append(webhook, d.Event)
			}
		}
		p.SetEvents()
		return webhook, app
	}
	move := func(item bitrix24test.Item, category int, stage string) func() {
		return func() {
			if err := p.MoveItem(item.TypeID, item.ID, category, stage); err != nil {
				t.Error(err)
			}
		}
	}
	remove := func(item bitrix24test.Item) func() {
		return func() {
			if err := p.DeleteItem(item.TypeID, item.ID); err != nil {
				t.Error(err)
			}
		}
	}
	lead, deal := bitrix24test.Item{TypeID: 1, ID: 1}, bitrix24test.Item{TypeID: 2, ID: 1}
	invoice, quote, parcel := bitrix24test.Item{TypeID: 31, ID: 1}, bitrix24test.Item{TypeID: 7, ID: 1}, bitrix24test.Item{TypeID: 177, ID: 1}
	for _, test := range []struct {
		what         string
		change       func()
		webhook, app []string
	}{
		{"lead added", func() { p.AddItem(lead) }, all[0:1], all[0:1]},
		{"lead moved", move(lead, 0, "JUNK"), all[1:2], all[1:2]},
		{"lead moved again", move(lead, 0, "JUNK"), nil, nil},
		{"lead deleted", remove(lead), all[2:3], all[2:3]},
		{"deal added", func() { p.AddItem(deal) }, all[3:4], all[3:4]},
		{"deal moved", move(deal, 0, "WON"), all[4:5], all[4:5]},
		{"deal in another pipeline", move(deal, 5, "C5:NEW"), nil, all[6:7]},
		{"deal moved there", move(deal, 5, "C5:WON"), all[4:5], all[4:5]},
		{"deal deleted", remove(deal), all[5:6], all[5:6]},
		{"quote added", func() { p.AddItem(quote) }, all[7:8], all[7:8]},
		{"quote moved", move(quote, 0, "SENT"), all[8:9], all[8:9]},
		{"quote deleted", remove(quote), all[9:10], all[9:10]},
		{"invoice added", func() { p.AddItem(invoice) }, all[10:11], all[10:11]},
		{"invoice deleted", remove(invoice), all[12:13], all[12:13]},
		{"parcel added", func() { p.AddItem(parcel) }, all[10:11], all[10:11]},
		{"parcel in another pipeline", move(parcel, 9, "DT177_9:NEW"), []string{all[11], all[13]}, []string{all[11], all[13]}},
	} {
		test.change()
		webhook, app := heard()
		if !slices.Equal(webhook, test.webhook) || !slices.Equal(app, test.app) {
			t.Errorf("%s: the webhook heard %q, want %q; the application %q, want %q", test.what, webhook, test.webhook, app, test.app)
		}
	}
	p.AddItem(lead)
	p.Uninstall()
	p.AddItem(lead)
	if webhook, app := heard(); len(webhook) != 2 || len(app) != 1 {
		t.Errorf("uninstalled before the second: the webhook heard %q, the application %q", webhook, app)
	}
}

func TestEventsSayWhoMadeTheChange(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.Install(bitrix24test.App{})
	lead := p.AddLead("NEW")
	bind(t, p, "ONCRMLEADUPDATE", "")
	if err := p.MoveItem(1, lead.ID, 0, "JUNK"); err != nil {
		t.Fatal(err)
	}
	if got := values(t, p).Get("auth[user_id]"); got != "23" {
		t.Errorf("user_id of a person's move = %q, want 23", got)
	}
	p.SetEvents()
	update(t, p, 1, lead.ID, `{"stageId": "NEW"}`)
	if got := values(t, p).Get("auth[user_id]"); got != "17" {
		t.Errorf("user_id of the webhook's move = %q, want 17", got)
	}
	tokens := p.Install(bitrix24test.App{ApplicationToken: "тайна"})
	byToken(p, tokens.AccessToken, "event.bind", `{"event": "ONCRMLEADUPDATE", "handler": "`+botURL+`", "auth_type": 1}`)
	p.Automate("STATUS", "IN_PROCESS", "PROCESSED")
	p.SetEvents()
	update(t, p, 1, lead.ID, `{"stageId": "IN_PROCESS"}`)
	if n := len(p.Events()); n != 2 {
		t.Fatalf("%d events, want one of the move and one of the rule's", n)
	}
	for i, want := range []string{"1", ""} {
		form, err := url.ParseQuery(p.Events()[i].Body)
		if err != nil || form.Get("auth[user_id]") != want || form.Has("auth[access_token]") != (want != "") || form.Get("auth[application_token]") != "тайна" {
			t.Errorf("event %d with auth_type 1: %v %v, want user_id %q", i, form, err, want)
		}
	}
}

func TestTheTokenOfAnEventWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.Install(bitrix24test.App{})
		bind(t, p, "ONCRMLEADADD", "")
		time.Sleep(20 * time.Minute)
		p.AddLead("NEW")
		form := values(t, p)
		if form.Get("auth[access_token]") != "AT-example-0001" || form.Get("auth[expires_in]") != "2400" {
			t.Errorf("while the token lives: %v", form)
		}
		p.SetEvents()
		p.ExpireTokens()
		p.AddLead("NEW")
		form = values(t, p)
		if form.Get("auth[expires_in]") != "3600" || form.Has("auth[refresh_token]") {
			t.Errorf("after it expired: %v", form)
		}
		if status, body := byToken(p, form.Get("auth[access_token]"), "profile", ""); status != 200 {
			t.Errorf("the token of the event: %d %s", status, body)
		}
	})
}

// receiver collects events.
type receiver struct {
	got  []string
	fail func(n int) int // the status of the answer to the nth event
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if err := request.ParseForm(); err != nil || request.Method != http.MethodPost {
		panic(fmt.Sprint(request.Method, err))
	}
	r.got = append(r.got, request.Host+" "+request.PostForm.Get("data[FIELDS][ID]"))
	if r.fail != nil {
		w.WriteHeader(r.fail(len(r.got)))
	}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	p.AddWebhookHandler(server.URL+"/events", "token", "ONCRMLEADADD")
	for range 3 {
		p.AddLead("NEW")
	}
	if delivered, failed := p.Deliver(t.Context(), server.Client()); delivered != 3 || failed != 0 {
		t.Errorf("Deliver = %d, %d, want 3, 0", delivered, failed)
	}
	if want := []string{host + " 1", host + " 2", host + " 3"}; !slices.Equal(r.got, want) {
		t.Errorf("got %q, want %q", r.got, want)
	}
	if delivered, failed := p.Deliver(t.Context(), server.Client()); delivered+failed != 0 || len(p.Events()) != 0 {
		t.Errorf("delivered twice: %d, %d", delivered, failed)
	}
}

func TestDeliverLosesWhatFails(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.AddWebhookHandler("https://bot.example.com/", "token", "ONCRMLEADADD")
	p.AddWebhookHandler("::none", "token", "ONCRMLEADADD")
	for range 4 {
		p.AddLead("NEW")
	}
	r := &receiver{fail: func(n int) int { return []int{200, 204, 302, 503}[n-1] }}
	if delivered, failed := p.DeliverTo(t.Context(), r); delivered != 2 || failed != 6 {
		t.Errorf("DeliverTo = %d, %d, want 2, 6", delivered, failed)
	}
	if len(p.Events()) != 0 || len(r.got) != 4 {
		t.Errorf("%d events are left; got %q", len(p.Events()), r.got)
	}
	p.AddLead("NEW")
	broken := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if delivered, failed := p.DeliverTo(t.Context(), broken); delivered != 0 || failed != 2 {
		t.Errorf("DeliverTo = %d, %d, want 0, 2", delivered, failed)
	}
}

func TestEventsCanComeInAnySequence(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.AddWebhookHandler(botURL, "token", "ONCRMLEADADD")
	for range 3 {
		p.AddLead("NEW")
	}
	queue := p.Events()
	queue[0], queue[1], queue[2] = queue[2], queue[0], queue[0]
	p.SetEvents(queue...)
	queue[2].Body = "overwritten"
	p.Events()[0].Body = "overwritten"
	r := &receiver{}
	if delivered, _ := p.DeliverTo(t.Context(), r); delivered != 3 {
		t.Errorf("delivered %d", delivered)
	}
	if want := []string{"bot.example.com 3", "bot.example.com 1", "bot.example.com 1"}; !slices.Equal(r.got, want) {
		t.Errorf("got %q, want %q", r.got, want)
	}
}

func TestDeliverEnds(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.AddWebhookHandler(botURL, "token", "ONCRMLEADADD")
	p.AddLead("NEW")
	echo := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { p.AddLead("NEW") })
	if delivered, failed := p.DeliverTo(t.Context(), echo); delivered != 1 || failed != 0 {
		t.Errorf("DeliverTo = %d, %d: events that came meanwhile were sent too", delivered, failed)
	}
	p.AddLead("NEW")
	ctx, cancel := context.WithCancel(t.Context())
	stop := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() })
	delivered, failed := p.DeliverTo(ctx, stop)
	if delivered+failed != 1 || len(p.Events()) != 1 {
		t.Errorf("DeliverTo = %d, %d with %d left, want one sent and one left", delivered, failed, len(p.Events()))
	}
	if delivered, failed := p.DeliverTo(ctx, stop); delivered+failed != 0 || !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("DeliverTo after the end = %d, %d", delivered, failed)
	}
}

func TestOnlyHeadersOfAForm(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.AddWebhookHandler(botURL, "token", "ONCRMLEADADD")
	p.AddLead("NEW")
	body := p.Events()[0].Body
	p.DeliverTo(t.Context(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != body || r.Header.Get("Content-Type") != asForm {
			t.Errorf("%s %s %v, want %s", r.Header.Get("Content-Type"), got, err, body)
		}
	}))
}

func TestEventsAndTokensWhileRequestsRun(t *testing.T) {
	t.Parallel()
	const workers, leads = 4, 25
	p := bitrix24test.New()
	p.Install(bitrix24test.App{})
	bind(t, p, "ONCRMLEADADD", "")
	p.SetRefreshReusable(true)
	var got atomic.Int64
	bot := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) })
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range leads {
				p.AddLead("NEW")
				send(p, http.MethodGet, "/rest/profile", "auth=AT-example-0001", "", "")
				authorize(t, p, refreshForm("RT-example-0001"))
				p.DeliverTo(t.Context(), bot)
				p.RenamePortal(p.Host())
			}
		})
	}
	group.Wait()
	p.DeliverTo(t.Context(), bot)
	if p.Refreshes() != workers*leads {
		t.Errorf("Refreshes = %d, want %d", p.Refreshes(), workers*leads)
	}
	if got.Load() != workers*leads || len(p.Events()) != 0 {
		t.Errorf("%d of %d events came, %d wait", got.Load(), workers*leads, len(p.Events()))
	}
}
