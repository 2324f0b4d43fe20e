package bitrix24test_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// stopping returns the client without redirects.
func stopping(client *http.Client) *http.Client {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// location posts a form and returns the status and where the answer leads to.
func location(t *testing.T, client *http.Client, address, form string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", asForm)
	response, err := stopping(client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode, response.Header.Get("Location")
}

func TestARenamedPortalRedirects(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{}).AccessToken
	old := p.Webhook()
	p.RenamePortal("between.example.com")
	p.RenamePortal("New.Example.com:443")
	if p.Host() != "new.example.com" {
		t.Errorf("Host = %q", p.Host())
	}
	for _, address := range []string{
		old + "crm.status.list?start=0&filter%5BENTITY_ID%5D=STATUS", "https://b24.example.com/rest/profile?auth=" + token,
		"https://B24.example.com:443/nothing", "https://between.example.com/%D0%B6?%D0%B6=1",
	} {
		status, got := location(t, p.HTTPClient(), address, "a=b")
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if want := "https://new.example.com" + u.RequestURI(); status != http.StatusFound || got != want {
			t.Errorf("%s: %d %q, want 302 %q", address, status, got, want)
		}
	}
	if p.Calls("crm.status.list")+p.Calls("profile") != 0 {
		t.Error("a call to the old host was run")
	}
	if !strings.HasPrefix(p.Webhook(), "https://new.example.com/rest/17/") {
		t.Errorf("Webhook = %q", p.Webhook())
	}
	if status, body := get(t, p.HTTPClient(), p.Webhook()+"profile"); status != 200 {
		t.Errorf("the new host: %d %s", status, body)
	}
	if status, _ := get(t, p.HTTPClient(), old+"profile"); status != 200 || p.Calls("profile") != 2 {
		t.Errorf("a client that follows: %d", status)
	}
}

func TestARenamedPortalIsNamedEverywhere(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	tokens := p.Install(bitrix24test.App{})
	bind(t, p, "ONCRMLEADADD", "")
	p.AddWebhookHandler(botURL, "token", "ONCRMLEADADD")
	p.RenamePortal("new.example.com")
	status, body := authorize(t, p, refreshForm(tokens.RefreshToken))
	if want := `"client_endpoint":"https:\/\/new.example.com\/rest\/","domain":"oauth.bitrix.info",`; status != 200 || !strings.Contains(body, want) {
		t.Errorf("token answer: %d %s, want %s in it", status, body, want)
	}
	p.AddLead("NEW")
	if len(p.Events()) != 2 {
		t.Fatalf("events = %+v", p.Events())
	}
	for _, d := range p.Events() {
		form, err := url.ParseQuery(d.Body)
		if err != nil || form.Get("auth[domain]") != "new.example.com" || form.Get("auth[client_endpoint]") != "https://new.example.com/rest/" ||
			form.Get("auth[member_id]") != tokens.MemberID {
			t.Errorf("event: %v %v", form, err)
		}
	}
}

func TestAPortalGetsItsNameBack(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.RenamePortal("new.example.com")
	p.RenamePortal(bitrix24test.DefaultHost)
	if status, body := get(t, stopping(p.HTTPClient()), "https://b24.example.com"+p.WebhookPath()+"profile"); status != 200 {
		t.Errorf("the first host: %d %s", status, body)
	}
	if status, got := location(t, p.HTTPClient(), "https://new.example.com/x", ""); status != 302 || got != "https://b24.example.com/x" {
		t.Errorf("the second host: %d %q", status, got)
	}
	p.RenamePortal(bitrix24test.DefaultHost)
	if status, body := get(t, stopping(p.HTTPClient()), p.Webhook()+"profile"); status != 200 {
		t.Errorf("renamed to the same: %d %s", status, body)
	}
}

func TestServersAreRenamed(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func() *bitrix24test.Server{"http": bitrix24test.NewServer, "https": bitrix24test.NewTLSServer} {
		server := start()
		t.Cleanup(server.Close)
		tokens := server.Install(bitrix24test.App{})
		old := server.Webhook()
		server.RenamePortal(server.OtherHost())
		status, got := location(t, server.HTTPClient(), old+"profile", "")
		if want := name + "://" + server.OtherHost() + server.WebhookPath() + "profile"; status != 302 || got != want {
			t.Errorf("%s: %d %q, want %q", name, status, got, want)
		}
		if status, body := post(t, server.HTTPClient(), got, ""); status != 200 {
			t.Errorf("%s: the new host: %d %s", name, status, body)
		}
		status, body := post(t, stopping(server.HTTPClient()), server.TokenURL(), refreshForm(tokens.RefreshToken))
		if want := `"client_endpoint":"` + name + `:\/\/` + server.OtherHost() + `\/rest\/"`; status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: the token server at its old address: %d %s, want %s", name, status, body, want)
		}
	}
}
