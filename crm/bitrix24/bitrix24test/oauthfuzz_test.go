package bitrix24test_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func FuzzTokenServer(f *testing.F) {
	f.Add("", refreshForm("RT-example-0001"))
	f.Add(codeForm("code-example-0002"), "grant_type[]=refresh_token&client_id=%zz")
	f.Add("grant_type=refresh_token", client+"&refresh_token[a][b]=RT-example-0001")
	f.Fuzz(func(t *testing.T, query, form string) {
		p := bitrix24test.New()
		p.Install(bitrix24test.App{})
		p.AuthorizationCode()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.TokenURL(), strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		request.URL.RawQuery = query
		status, body := do(t, p.HTTPClient(), request)
		granted := strings.HasPrefix(body, `{"access_token":"AT-example-0003",`)
		if !json.Valid([]byte(body)) || granted != (status == 200) || status != 200 && status != 400 {
			t.Errorf("%d %s", status, body)
		}
	})
}

func FuzzEventCalls(f *testing.F) {
	f.Add(byte(0), `{"event": "ONCRMLEADADD", "handler": "https://bot.example.com/", "auth_type": "17", "options": {"minTimeout": 5}}`)
	f.Add(byte(0), `{"event": "oncrmleadadd", "EVENT_TYPE": "offline", "clear": 0, "limit": -1, "filter": [1], "имя": [{"a": [[null, true]]}]}`)
	f.Add(byte(1), "event=ONAPPTEST&handler=x&process_id=pid-00000001&message_id[]=a&a[b][]=%ff&[=&auth=x")
	f.Fuzz(func(t *testing.T, mediaType byte, body string) {
		p := bitrix24test.New()
		token := p.Install(bitrix24test.App{}).AccessToken
		bind(t, p, "ONAPPTEST", "")
		bind(t, p, "ONOFFLINEEVENT", "")
		for _, method := range []string{
			"event.bind", "event.test", "event.offline.get", "event.offline.error", "event.offline.clear", "event.get", "event.unbind", "feature.get",
		} {
			p.AddLead("NEW")
			request := "{\"auth\": \"" + token + "\"}"
			if status, answer := send(p, http.MethodPost, "/rest/"+method, "", asJSON, request); !json.Valid([]byte(answer)) || status != 200 && status != 400 {
				t.Fatalf("%s: %d %s", method, status, answer)
			}
			status, answer := send(p, http.MethodPost, "/rest/"+method, "auth="+token, mediaTypes[int(mediaType)%len(mediaTypes)], body)
			if !json.Valid([]byte(answer)) || status != 200 && status != 400 && status != 401 {
				t.Fatalf("%s: %d %s", method, status, answer)
			}
		}
		for _, d := range p.Events() {
			form, err := url.ParseQuery(d.Body)
			if err != nil || form.Get("event") != d.Event || form.Get("auth[application_token]") != bitrix24test.DefaultApplicationToken {
				t.Errorf("event %s: %v in %s", d.Event, err, d.Body)
			}
		}
	})
}
