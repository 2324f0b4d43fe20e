package bitrix24test_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestTheTokenMayStandInQueryFormOrJSON(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{}).AccessToken
	for _, test := range []struct {
		what, method, query, mediaType, body string
	}{
		{"query of a GET", http.MethodGet, "auth=" + token, "", ""},
		{"query of a POST", http.MethodPost, "auth=" + token, asJSON, `{"id": 165}`},
		{"form", http.MethodPost, "", asForm, "auth=" + token},
		{"JSON", http.MethodPost, "", asJSON, `{"auth": "` + token + `"}`},
		{"JSON over the query", http.MethodPost, "auth=other", asJSON, `{"auth": "` + token + `"}`},
	} {
		for _, path := range []string{"/rest/profile", "/rest/Profile.json", "/rest/profile/", "/rest/profile.json/"} {
			if status, body := send(p, test.method, path, test.query, test.mediaType, test.body); status != 200 || !strings.HasPrefix(body, `{"result":{"ID":"17"`) {
				t.Errorf("%s, %s: %d %s", test.what, path, status, body)
			}
		}
	}
	for _, test := range []struct {
		path, query, file string
		status            int
	}{
		{"/rest/profile", "", "error_no_auth.json", 401},
		{"/rest/profile", "auth=", "error_no_auth.json", 401},
		{"/rest/profile", "auth[0]=" + token, "error_no_auth.json", 401},
		{"/rest/profile", "access_token=" + token, "error_no_auth.json", 401},
		{"/rest/17/" + bitrix24test.DefaultSecret, "auth=" + token, "error_no_auth.json", 401},
		{"/rest/17/wrong/profile", "auth=" + token, "error_invalid_credentials.json", 401},
		{"/rest/profile", "auth=AT-example-0002", "error_invalid_token.json", 401},
		{"/rest/profile", "auth=" + strings.ToLower(token), "error_invalid_token.json", 401},
		{"/rest/profiles", "auth=" + token, "error_method_not_found.json", 404},
		{"/rest/", "auth=" + token, "error_method_not_found.json", 404},
	} {
		status, body := send(p, http.MethodGet, test.path, test.query, "", "")
		wantGolden(t, test.path+"?"+test.query, status, test.status, body, test.file)
	}
	if p.Calls("profile") != 20 {
		t.Errorf("Calls = %d: refused calls count, or accepted ones do not", p.Calls("profile"))
	}
}

func TestAWebhookMayNotCallWhatNeedsAnApplication(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{}).AccessToken
	for _, method := range []string{"app.info", "event.bind", "event.get", "event.unbind", "event.test", "event.offline.get", "event.offline.clear", "event.offline.error"} {
		status, body := send(p, http.MethodPost, p.WebhookPath()+method, "auth="+token, asJSON, "")
		wantGolden(t, method, status, 403, body, "error_wrong_auth_type.json")
		if status, body := byToken(p, token, method, ""); status == 403 {
			t.Errorf("%s by the application: %d %s", method, status, body)
		}
	}
	const batch = `{"cmd": {"info": "app.info?auth=%s", "events": "events", "feature": "feature.get?CODE=rest_offline_extended"}}`
	_, body := call(p, "batch", strings.Replace(batch, "%s", token, 1))
	if want := `"result_error":{"info":{"error":"WRONG_AUTH_TYPE",`; !strings.Contains(body, want) {
		t.Errorf("batch of the webhook: %s, want %s in it", body, want)
	}
	_, body = byToken(p, token, "batch", strings.Replace(batch, "%s", "nothing", 1))
	for _, want := range []string{`"result_error":[]`, `"info":{"ID":5,"CODE":"local.6890aa11bb22c3.00112233"`, `"feature":{"value":"Y"}`, `"ONCRMDYNAMICITEMDELETE_177"`} {
		if !strings.Contains(body, want) {
			t.Errorf("batch of the application: %s, want %s in it", body, want)
		}
	}
}

func TestAnApplicationHasItsOwnScope(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{Scope: "user_brief, task"}).AccessToken
	status, body := byToken(p, token, "crm.status.list", "")
	if status != 401 || !strings.HasPrefix(body, `{"error":"insufficient_scope",`) {
		t.Errorf("crm.status.list: %d %s", status, body)
	}
	if _, body := byToken(p, token, "scope", ""); !strings.HasPrefix(body, `{"result":["user_brief","task"],`) {
		t.Errorf("scope = %s", body)
	}
	if _, body := byToken(p, token, "batch", `{"cmd": {"a": "crm.status.list", "b": "scope"}}`); !strings.Contains(body, `"a":{"error":"insufficient_scope"`) ||
		!strings.Contains(body, `"b":["user_brief","task"]`) {
		t.Errorf("batch = %s", body)
	}
	if status, body := call(p, "crm.status.list", ""); status != 200 {
		t.Errorf("the webhook: %d %s", status, body)
	}
	if _, body := call(p, "scope", `{"auth": "x"}`); !strings.HasPrefix(body, `{"result":["crm","user_brief"],`) {
		t.Errorf("scope of the webhook = %s", body)
	}
	token = p.Install(bitrix24test.App{Scope: "user_brief,crm"}).AccessToken
	if status, body := byToken(p, token, "crm.status.list", ""); status != 200 {
		t.Errorf("with the scope crm: %d %s", status, body)
	}
}

func TestWhichMethodsAreAvailable(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{Scope: "user_brief"}).AccessToken
	for _, test := range []struct {
		name             string
		byHook, byClient string
	}{
		{"app.info", "false", "true"},
		{"crm.status.list", "true", "false"},
		{"events", "true", "true"},
	} {
		params := `{"name": "` + test.name + `"}`
		_, byHook := call(p, "method.get", params)
		_, byClient := byToken(p, token, "method.get", params)
		for body, want := range map[string]string{byHook: test.byHook, byClient: test.byClient} {
			if !strings.HasPrefix(body, `{"result":{"isExisting":true,"isAvailable":`+want+`},`) {
				t.Errorf("method.get %s = %s, want %s", test.name, body, want)
			}
		}
	}
}

func TestAppInfo(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{}).AccessToken
	status, body := byToken(p, token, "app.info", "")
	wantGolden(t, "app.info", status, 200, body, "app_info.json")
	if _, body := byToken(p, token, "feature.get", `{"CODE": "other"}`); !strings.HasPrefix(body, `{"result":{"value":"N"},`) {
		t.Errorf("feature.get = %s", body)
	}
}
