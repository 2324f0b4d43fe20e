package bitrix24test_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestTLSServer(t *testing.T) {
	t.Parallel()
	server := bitrix24test.NewTLSServer()
	t.Cleanup(server.Close)
	if !strings.HasPrefix(server.Webhook(), "https://127.0.0.1:") || !strings.HasPrefix(server.Webhook(), server.URL+"/rest/17/") {
		t.Errorf("Webhook = %q", server.Webhook())
	}
	if status, body := get(t, server.HTTPClient(), server.Webhook()+"profile"); status != 200 {
		t.Errorf("profile: %d %s", status, body)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(server.Certificate()) {
		t.Fatalf("Certificate = %s", server.Certificate())
	}
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer trusting.CloseIdleConnections()
	for _, host := range []string{strings.TrimPrefix(server.URL, "https://"), server.OtherHost()} {
		if status, body := get(t, trusting, "https://"+host+server.WebhookPath()+"profile"); status != 200 {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.Webhook()+"profile", nil)
	if err != nil {
		t.Fatal(err)
	}
	distrusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}}
	response, err := distrusting.Do(request)
	if err == nil {
		_ = response.Body.Close()
		t.Error("a client without the certificate is served")
	}
	plain := bitrix24test.NewServer()
	t.Cleanup(plain.Close)
	if plain.Certificate() != nil {
		t.Errorf("Certificate without TLS = %s", plain.Certificate())
	}
}

func TestServerPlaysTheTokenServer(t *testing.T) {
	t.Parallel()
	server := bitrix24test.NewServer()
	t.Cleanup(server.Close)
	tokens := server.Install(bitrix24test.App{Handler: server.URL})
	if tokens.ClientEndpoint != server.URL+"/rest/" || tokens.ServerEndpoint != server.URL+"/rest/" || server.TokenURL() != server.URL+"/oauth/token/" {
		t.Errorf("tokens = %+v, TokenURL = %q", tokens, server.TokenURL())
	}
	status, body := post(t, server.HTTPClient(), server.TokenURL(), codeForm(server.AuthorizationCode()))
	if host := strings.TrimPrefix(server.URL, "http://"); status != 200 || !strings.Contains(body, `"domain":"`+host+`"`) {
		t.Errorf("token answer: %d %s", status, body)
	}
	if status, body := post(t, server.HTTPClient(), tokens.ClientEndpoint+"app.info", "auth="+tokens.AccessToken); status != 200 {
		t.Errorf("app.info: %d %s", status, body)
	}
	server.SetAuthServer(bitrix24test.AuthServerRU)
	status, body = post(t, server.HTTPClient(), server.TokenURL(), refreshForm(tokens.RefreshToken))
	if status != 200 || !strings.Contains(body, `"domain":"oauth.bitrix24.tech"`) {
		t.Errorf("token answer of a server in Russia: %d %s", status, body)
	}
	if strings.Contains(server.Events()[0].Body, "bitrix.info") {
		t.Errorf("an event leads out of the loopback: %s", server.Events()[0].Body)
	}
}
