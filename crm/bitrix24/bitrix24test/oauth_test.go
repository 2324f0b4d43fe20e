package bitrix24test_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// fixtureStart is the moment of the golden answers, in Unix time.
const fixtureStart = 1787212800

// atFixtureTime runs a test with a fake clock that shows the moment of the golden
// answers.
func atFixtureTime(t *testing.T, run func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(fixtureStart, 0)))
		run(t)
	})
}

// byToken calls a method with the application's token.
func byToken(p *bitrix24test.Portal, token, method, body string) (int, string) {
	return send(p, http.MethodPost, "/rest/"+method, "auth="+url.QueryEscape(token), asJSON, body)
}

// authorize sends a form to the token server and returns status and body.
func authorize(t *testing.T, p *bitrix24test.Portal, form string) (int, string) {
	t.Helper()
	return post(t, p.HTTPClient(), p.TokenURL(), form)
}

func post(t *testing.T, client *http.Client, address, form string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", asForm)
	return do(t, client, request)
}

func get(t *testing.T, client *http.Client, address string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, client, request)
}

func do(t *testing.T, client *http.Client, request *http.Request) (int, string) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

const client = "client_id=" + bitrix24test.DefaultClientID + "&client_secret=" + bitrix24test.DefaultClientSecret

func codeForm(code string) string { return "grant_type=authorization_code&" + client + "&code=" + code }

func refreshForm(token string) string {
	return "grant_type=refresh_token&" + client + "&refresh_token=" + token
}

// refreshed gets a new pair of tokens.
func refreshed(t *testing.T, p *bitrix24test.Portal, token string) (access, refresh string) {
	t.Helper()
	status, body := authorize(t, p, refreshForm(token))
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
		t.Fatalf("refresh: %d %s", status, body)
	}
	return answer.Access, answer.Refresh
}

func wantGolden(t *testing.T, what string, status, wantStatus int, body, file string) {
	t.Helper()
	if status != wantStatus {
		t.Errorf("%s: status %d, want %d: %s", what, status, wantStatus, body)
	}
	if diff := cmp.Diff(parsed(t, golden(t, file)), parsed(t, []byte(body))); diff != "" {
		t.Errorf("%s is not %s (-want +got):\n%s", what, file, diff)
	}
}

func TestTokenAnswersAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	atFixtureTime(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.Install(bitrix24test.App{Scope: "crm,user_brief"})
		_, second := refreshed(t, p, "RT-example-0001")
		if second != "RT-example-0002" {
			t.Errorf("second refresh token = %q", second)
		}
		p = bitrix24test.New()
		p.Install(bitrix24test.App{Scope: "crm,user_brief"})
		status, body := authorize(t, p, refreshForm("RT-example-0001"))
		wantGolden(t, "refresh", status, 200, body, "oauth_refresh.json")

		p = bitrix24test.New()
		p.Install(bitrix24test.App{})
		_, token := refreshed(t, p, "RT-example-0001")
		p.SetAuthServer(bitrix24test.AuthServerRU)
		if want := "https://oauth.bitrix24.tech/oauth/token/"; p.TokenURL() != want {
			t.Errorf("TokenURL = %q, want %q", p.TokenURL(), want)
		}
		status, body = authorize(t, p, refreshForm(token))
		wantGolden(t, "refresh in Russia", status, 200, body, "oauth_refresh_ru.json")

		p = bitrix24test.New()
		p.Install(bitrix24test.App{})
		status, body = authorize(t, p, codeForm(p.AuthorizationCode()))
		body = strings.NewReplacer("AT-example-0003", "AT-example-0001", "RT-example-0003", "RT-example-0001").Replace(body)
		wantGolden(t, "code", status, 200, body, "oauth_token.json")
		if p.Refreshes() != 0 {
			t.Errorf("a code counts as a refresh")
		}
	})
}

func TestTokenErrorsAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	const other = "client_id=local.other&client_secret=" + bitrix24test.DefaultClientSecret
	const wrong = "client_id=" + bitrix24test.DefaultClientID + "&client_secret=wrong"
	for _, test := range []struct {
		form, file string
		status     int
		prepare    func(p *bitrix24test.Portal)
	}{
		{"grant_type=refresh_token&refresh_token=RT-example-0001&" + other, "oauth_error_invalid_client.json", 400, nil},
		{"grant_type=refresh_token&refresh_token=RT-example-0001&" + wrong, "oauth_error_invalid_client.json", 400, nil},
		{"grant_type=refresh_token&refresh_token=RT-example-0001", "oauth_error_invalid_client.json", 400, nil},
		{refreshForm("RT-example-0002"), "oauth_error_invalid_grant.json", 400, nil},
		{refreshForm("AT-example-0001"), "oauth_error_invalid_grant.json", 400, nil},
		{codeForm("RT-example-0001"), "oauth_error_invalid_grant.json", 400, nil},
		{refreshForm("RT-example-0001"), "oauth_error_invalid_grant.json", 400, (*bitrix24test.Portal).RevokeTokens},
		{refreshForm("RT-example-0001"), "oauth_error_payment_required.json", 401, func(p *bitrix24test.Portal) {
			p.FailToken(1, bitrix24test.PaymentRequired())
		}},
		{refreshForm("RT-example-0001"), "oauth_error_wrong_client.json", 200, func(p *bitrix24test.Portal) {
			p.FailToken(1, bitrix24test.WrongClient())
		}},
	} {
		p := bitrix24test.New()
		p.Install(bitrix24test.App{})
		if test.prepare != nil {
			test.prepare(p)
		}
		status, body := authorize(t, p, test.form)
		wantGolden(t, test.form, status, test.status, body, test.file)
		if p.Refreshes() != 0 {
			t.Errorf("%s: Refreshes = %d after a refusal", test.form, p.Refreshes())
		}
	}
}

func TestTokenServerRefusesIncompleteRequests(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	if status, body := authorize(t, p, refreshForm("RT-example-0001")); status != 400 || !strings.Contains(body, `"invalid_client"`) {
		t.Errorf("without an application: %d %s", status, body)
	}
	if status, body := authorize(t, p, "grant_type=refresh_token&refresh_token=x"); status != 400 || !strings.Contains(body, `"invalid_client"`) {
		t.Errorf("without an application and credentials: %d %s", status, body)
	}
	p.Install(bitrix24test.App{})
	for _, form := range []string{
		"", client, "grant_type=password&" + client, "grant_type=refresh_token&" + client, "grant_type=authorization_code&" + client,
		`{"grant_type":"refresh_token"}`,
	} {
		if status, body := authorize(t, p, form); status != 400 || !strings.Contains(body, `"error":"invalid_request"`) {
			t.Errorf("%q: %d %s", form, status, body)
		}
	}
	p.Uninstall()
	if status, body := authorize(t, p, refreshForm("RT-example-0001")); status != 401 || !strings.Contains(body, `"NOT_INSTALLED"`) {
		t.Errorf("uninstalled: %d %s", status, body)
	}
	if p.Requests("/oauth/token") != 9 {
		t.Errorf("Requests = %d, want 9", p.Requests("/oauth/token"))
	}
	if status, _ := send(p, http.MethodPost, "/oauth/token/", "", asForm, refreshForm("RT-example-0001")); status != http.StatusNotFound {
		t.Errorf("under the portal's host: %d, want 404", status)
	}
	if status, _ := get(t, p.HTTPClient(), "https://oauth.bitrix.info/rest/profile"); status != http.StatusNotFound {
		t.Errorf("a method of the token server: %d, want 404", status)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.TokenURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := do(t, p.HTTPClient(), request); status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d, want 405", status)
	}
}

func TestTokenServerTakesAQuery(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	tokens := p.Install(bitrix24test.App{ClientID: "app.ж", ClientSecret: "тайна"})
	query := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"app.ж"}, "client_secret": {"тайна"},
		"refresh_token": {tokens.RefreshToken},
	}
	for _, host := range []string{"oauth.bitrix.info", "OAuth.Bitrix24.Tech:443"} {
		p.SetRefreshReusable(true)
		status, body := get(t, p.HTTPClient(), "https://"+host+"/oauth/token/?"+query.Encode())
		if status != 200 || !strings.Contains(body, `"domain":"oauth.bitrix.info"`) {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}
	p.SetAuthServer("OAuth.Example.com")
	if p.TokenURL() != "https://oauth.example.com/oauth/token/" {
		t.Errorf("TokenURL = %q", p.TokenURL())
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(p.TokenURL(), "/")+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "" // the address has it
	response, err := p.HTTPClient().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != "application/json; charset=utf-8" {
		t.Errorf("another host: %d, Content-Type %q", response.StatusCode, got)
	}
	if p.Refreshes() != 3 {
		t.Errorf("Refreshes = %d, want 3", p.Refreshes())
	}
}

func TestARefreshTokenWorksOnce(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	tokens := p.Install(bitrix24test.App{})
	access, refresh := refreshed(t, p, tokens.RefreshToken)
	if access == tokens.AccessToken || refresh == tokens.RefreshToken {
		t.Errorf("the refresh gave %q, %q again", access, refresh)
	}
	if status, body := authorize(t, p, refreshForm(tokens.RefreshToken)); status != 400 {
		t.Errorf("the used refresh token: %d %s", status, body)
	}
	for _, token := range []string{tokens.AccessToken, access} {
		if status, body := byToken(p, token, "profile", ""); status != 200 {
			t.Errorf("%s: %d %s", token, status, body)
		}
	}
	p.SetRefreshReusable(true)
	first, _ := refreshed(t, p, refresh)
	second, _ := refreshed(t, p, refresh)
	if first == second || p.Refreshes() != 3 {
		t.Errorf("reused: %q %q, %d refreshes", first, second, p.Refreshes())
	}
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		tokens := p.Install(bitrix24test.App{})
		if want := time.Now().Add(time.Hour); !tokens.Expires.Equal(want) {
			t.Errorf("Expires = %v, want %v", tokens.Expires, want)
		}
		p.SetRefreshReusable(true)
		code := p.AuthorizationCode()
		other := p.AuthorizationCode()
		time.Sleep(30*time.Second - 1)
		if status, body := authorize(t, p, codeForm(code)); status != 200 {
			t.Errorf("code in time: %d %s", status, body)
		}
		if status, body := authorize(t, p, codeForm(code)); status != 400 || !strings.Contains(body, `"invalid_grant"`) {
			t.Errorf("code twice: %d %s", status, body)
		}
		time.Sleep(time.Nanosecond)
		if status, body := authorize(t, p, codeForm(other)); status != 400 || !strings.Contains(body, `"invalid_grant"`) {
			t.Errorf("code too late: %d %s", status, body)
		}
		time.Sleep(time.Until(tokens.Expires) - 1)
		if status, body := byToken(p, tokens.AccessToken, "profile", ""); status != 200 {
			t.Errorf("access token in time: %d %s", status, body)
		}
		time.Sleep(time.Nanosecond)
		status, body := byToken(p, tokens.AccessToken, "profile", "")
		wantGolden(t, "expired", status, 401, body, "error_expired_token.json")
		time.Sleep(180*24*time.Hour - time.Hour - 1)
		access, refresh := refreshed(t, p, tokens.RefreshToken)
		p.ExpireTokens()
		if status, body := byToken(p, access, "profile", ""); status != 401 || !strings.Contains(body, `"expired_token"`) {
			t.Errorf("after ExpireTokens: %d %s", status, body)
		}
		time.Sleep(time.Nanosecond)
		if status, _ := authorize(t, p, refreshForm(tokens.RefreshToken)); status != 400 {
			t.Errorf("refresh token too late: %d", status)
		}
		access, _ = refreshed(t, p, refresh)
		p.RevokeTokens()
		if status, body := byToken(p, access, "profile", ""); status != 200 {
			t.Errorf("access token after RevokeTokens: %d %s", status, body)
		}
		if status, body := authorize(t, p, refreshForm(refresh)); status != 400 || !strings.Contains(body, `"invalid_grant"`) {
			t.Errorf("refresh token after RevokeTokens: %d %s", status, body)
		}
	})
}

func TestTheTokenServerIsAsSlowAsThePortal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := bitrix24test.New()
		p.Install(bitrix24test.App{})
		p.SetRefreshReusable(true)
		p.SetLatency(2*time.Second, time.Minute)
		p.SetRateLimit(1, 1)
		p.FillBucket()
		start := time.Now()
		refreshed(t, p, "RT-example-0001")
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("a refresh took %v, want 2s", got)
		}
		p.SetLatency(time.Hour, 0)
		if status, body := authorize(t, p, refreshForm("RT-example-0001")); status != 504 || p.Refreshes() != 1 {
			t.Errorf("a refresh that takes an hour: %d %s, %d refreshes", status, body, p.Refreshes())
		}
	})
}

func TestInstallAndUninstallEndTheTokensBefore(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	first := p.Install(bitrix24test.App{})
	second := p.Install(bitrix24test.App{ClientID: "local.second"})
	status, body := byToken(p, first.AccessToken, "profile", "")
	wantGolden(t, "the token before", status, 401, body, "error_invalid_token.json")
	if status, body := byToken(p, second.AccessToken, "profile", ""); status != 200 {
		t.Errorf("the new token: %d %s", status, body)
	}
	if status, body := authorize(t, p, refreshForm(first.RefreshToken)); status != 400 || !strings.Contains(body, `"invalid_client"`) {
		t.Errorf("the client before: %d %s", status, body)
	}
	p.Uninstall()
	if status, body := byToken(p, second.AccessToken, "profile", ""); status != 401 || !strings.Contains(body, `"invalid_token"`) {
		t.Errorf("after Uninstall: %d %s", status, body)
	}
	if status, _ := call(p, "profile", ""); status != 200 {
		t.Errorf("the webhook does not work without the application: %d", status)
	}
}

func TestPortalsOfOneApplicationDiffer(t *testing.T) {
	t.Parallel()
	p, q := bitrix24test.New(), bitrix24test.New()
	q.SetMemberID("fedcba9876543210fedcba9876543210")
	q.RenamePortal("second.example.com")
	one, two := p.Install(bitrix24test.App{}), q.Install(bitrix24test.App{})
	if one.AccessToken == two.AccessToken || one.RefreshToken == two.RefreshToken {
		t.Error("both have the same tokens")
	}
	if two.MemberID != "fedcba9876543210fedcba9876543210" || two.ClientEndpoint != "https://second.example.com/rest/" {
		t.Errorf("tokens of the second = %+v", two)
	}
	if one.MemberID != bitrix24test.DefaultMemberID || one.ServerEndpoint != "https://oauth.bitrix.info/rest/" || one.Scope != "crm" ||
		one.UserID != 17 || one.ApplicationToken != "apptoken-example-app-1" {
		t.Errorf("tokens of the first = %+v", one)
	}
	if status, body := byToken(q, one.AccessToken, "profile", ""); status != 401 || !strings.Contains(body, `"invalid_token"`) {
		t.Errorf("a stranger's token: %d %s", status, body)
	}
}
