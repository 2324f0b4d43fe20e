package bitrix24test_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestBindingHandlers(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{}).AccessToken
	p.AddWebhookHandler(botURL, "token", "ONCRMLEADUPDATE")
	const lead = `{"event": "OnCrmLeadUpdate", "handler": "` + botURL + `"}`
	const deal = `{"event": "ONCRMDEALMOVETOCATEGORY", "handler": "` + botURL + `", "auth_type": 17}`
	status, body := byToken(p, token, "event.bind", lead)
	wantGolden(t, "event.bind", status, 200, body, "event_bind_ok.json")
	for _, again := range []string{lead, strings.NewReplacer(`event"`, `EVENT"`, `handler"`, `HANDLER"`).Replace(lead)} {
		status, body = byToken(p, token, "event.bind", again)
		wantGolden(t, "event.bind twice", status, 400, body, "error_event_already_bound.json")
	}
	byToken(p, token, "event.bind", deal)
	status, body = byToken(p, token, "event.get", "")
	wantGolden(t, "event.get", status, 200, body, "event_get.json")

	byToken(p, token, "event.bind", strings.Replace(lead, "}", `, "auth_type": 17}`, 1))
	byToken(p, token, "event.bind", strings.Replace(lead, "events", "events/2", 1))
	status, body = byToken(p, token, "event.unbind", deal)
	wantGolden(t, "event.unbind", status, 200, body, "event_unbind_ok.json")
	for _, test := range []struct {
		params string
		want   int
	}{
		{deal, 0},
		{strings.Replace(lead, "}", `, "auth_type": 1}`, 1), 0},
		{strings.Replace(lead, "}", `, "event_type": "offline"}`, 1), 0},
		{lead, 2},
		{lead, 0},
	} {
		var answer struct{ Result struct{ Count int } }
		_, body := byToken(p, token, "event.unbind", test.params)
		if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Result.Count != test.want {
			t.Errorf("event.unbind %s = %s, want %d", test.params, body, test.want)
		}
	}
	_, body = byToken(p, token, "event.get", "")
	if want := `{"result":[{"event":"ONCRMLEADUPDATE","handler":"https:\/\/bot.example.com\/b24\/events\/2","auth_type":"0","offline":0}],`; !strings.HasPrefix(body, want) {
		t.Errorf("event.get = %s, want %s", body, want)
	}
	p.SetEvents()
	lead1 := p.AddLead("NEW")
	update(t, p, 1, lead1.ID, `{"stageId": "JUNK"}`)
	if queue := p.Events(); len(queue) != 2 || queue[0].URL != botURL || queue[1].URL != botURL+"/2" {
		t.Errorf("events = %+v, want one of the webhook and one of the handler that is left", queue)
	}
}

func TestWhatCannotBeBound(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{}).AccessToken
	for _, method := range []string{"event.bind", "event.unbind"} {
		for _, event := range []string{"", "ONCRMSTATUSUPDATE", "ONCRMDYNAMICITEMADD_178", "ONCRMDYNAMICITEMADD_2"} {
			status, body := byToken(p, token, method, `{"event": "`+event+`", "handler": "`+botURL+`"}`)
			wantGolden(t, method+" "+event, status, 400, body, "error_event_not_found.json")
		}
		status, body := byToken(p, token, method, `{"event": "ONCRMLEADADD"}`)
		if status != 400 || !strings.HasPrefix(body, `{"error":"ERROR_ARGUMENT","error_description":"Argument \u0027HANDLER\u0027 `) {
			t.Errorf("%s without a handler: %d %s", method, status, body)
		}
	}
	p.AddSmartProcess("Ремонт")
	bind(t, p, "ONCRMDYNAMICITEMADD_178", "")
	bind(t, p, "ONCRMDYNAMICITEMDELETE_31", "")
}

func TestEventsAreListed(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	var answer struct{ Result []string }
	result(t, p, "events", "", &answer)
	for _, event := range []string{"ONAPPINSTALL", "ONCRMLEADUPDATE", "ONCRMDEALMOVETOCATEGORY", "ONCRMDYNAMICITEMADD", "ONCRMDYNAMICITEMADD_177", "ONOFFLINEEVENT"} {
		if !slices.Contains(answer.Result, event) {
			t.Errorf("events lack %s: %q", event, answer.Result)
		}
	}
}

func TestEventTestSendsItsParameters(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{}).AccessToken
	bind(t, p, "ONAPPTEST", "")
	byToken(p, token, "event.test", `{"имя": "Проба & ко", "deep": {"list": ["a", 2], "none": null}, "yes": true, "no": false}`)
	form := values(t, p)
	got := map[string]string{}
	for key := range form {
		if strings.HasPrefix(key, "data") {
			got[key] = form.Get(key)
		}
	}
	want := map[string]string{
		"data[QUERY][имя]": "Проба & ко", "data[QUERY][deep][list][0]": "a", "data[QUERY][deep][list][1]": "2",
		"data[QUERY][yes]": "1", "data[QUERY][no]": "0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ONAPPTEST (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(p.Events()[0].Body, "event=ONAPPTEST&data%5BQUERY%5D%5B"+url.QueryEscape("имя")+"%5D=%D0%9F") {
		t.Errorf("body = %s", p.Events()[0].Body)
	}
}

func TestHandlersGoWithTheApplication(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.Install(bitrix24test.App{})
	bind(t, p, "ONAPPUNINSTALL", "")
	bind(t, p, "ONCRMLEADADD", "")
	p.Uninstall()
	p.Uninstall()
	form := values(t, p)
	if form.Get("event") != "ONAPPUNINSTALL" || form.Get("auth[application_token]") != "apptoken-example-app-1" || form.Has("auth[access_token]") {
		t.Errorf("the bound handler heard %v", form)
	}
	p.SetEvents()
	token := p.Install(bitrix24test.App{}).AccessToken
	p.AddLead("NEW")
	if _, body := byToken(p, token, "event.get", ""); !strings.HasPrefix(body, `{"result":[],`) || len(p.Events()) != 0 {
		t.Errorf("after the installation: event.get = %s, events = %+v", body, p.Events())
	}
	p.Install(bitrix24test.App{Handler: botURL})
	p.SetEvents()
	p.Uninstall()
	p.Uninstall()
	if form := values(t, p); form.Get("event") != "ONAPPUNINSTALL" {
		t.Errorf("App.Handler heard %v", form)
	}
}

func TestAnotherInstallationDropsTheHandlers(t *testing.T) {
	t.Parallel()
	p := withOffline(t, 1)
	bind(t, p, "ONCRMLEADADD", "")
	p.AddWebhookHandler("https://webhook.example.com/", "token", "ONCRMLEADADD")
	token := p.Install(bitrix24test.App{}).AccessToken
	p.AddLead("NEW")
	if queue := p.Events(); len(queue) != 1 || queue[0].URL != "https://webhook.example.com/" {
		t.Errorf("events = %+v, want that of the outgoing webhook", queue)
	}
	if _, body := byToken(p, token, "event.offline.get", ""); !strings.HasPrefix(body, `{"result":{"process_id":null,"events":[]},`) {
		t.Errorf("event.offline.get = %s", body)
	}
}
