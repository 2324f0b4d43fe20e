package bitrix24_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestAuthorizationServerHasToBeKnown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server string
		hosts  []string
		good   bool
	}{
		"of the world":        {"oauth.bitrix.info", nil, true},
		"of Russia":           {"oauth.bitrix24.tech", nil, true},
		"in capitals":         {"OAuth.Bitrix.Info", nil, true},
		"another":             {"evil.example", nil, false},
		"begins like one":     {"oauth.bitrix.info.evil.example", nil, false},
		"ends like one":       {"evil-oauth.bitrix.info", nil, false},
		"below one":           {"a.oauth.bitrix.info", nil, false},
		"a portal":            {"evil.bitrix24.com", nil, false},
		"user in front":       {"oauth.bitrix.info@evil.example", nil, false},
		"user of the true":    {"me:pass@oauth.bitrix.info", nil, false},
		"another port":        {"oauth.bitrix.info:8443", nil, false},
		"nothing":             {"", nil, false},
		"line end":            {"oauth.bitrix.info\nevil.example", nil, false},
		"named":               {"auth.example.com", []string{"other.example.com", "auth.example.com"}, true},
		"named, with a port":  {"auth.example.com:8443", []string{"auth.example.com:8443"}, true},
		"named, other port":   {"auth.example.com:8443", []string{"auth.example.com:443"}, false},
		"named in small":      {"AUTH.example.com", []string{"auth.example.com"}, true},
		"user of a named one": {"me@auth.example.com", []string{"auth.example.com"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &signedIn{portal: bitrix24test.New()}
			token := tokenOf(s.portal.Install(bitrix24test.App{}))
			token.ServerEndpoint = "https://" + test.server + "/rest/"
			opts := &bitrix24.Options{HTTPClient: &http.Client{Transport: s}, Limiter: bitrix24.NewNoLimiter(), Hosts: test.hosts, Source: "второй"}
			_, err := bitrix24.NewForApp(s.app(), token, opts)
			s.answers(func(string, *http.Request) *http.Response { return said(200, golden(t, "oauth_token.json")) })
			_, errExchange := s.app().Exchange(t.Context(), test.server, "code-example-0001", opts)
			for _, err := range []error{err, errExchange} {
				if test.good != (err == nil) {
					t.Errorf("error = %v, want it good: %v", err, test.good)
				}
				if err != nil {
					noSecret(t, fmt.Sprintf("%v %#v", err, err))
					if !strings.HasPrefix(err.Error(), "второй: ") || strings.Count(err.Error(), "второй") != 1 {
						t.Errorf("the error does not name the source once: %v", err)
					}
				}
			}
			want := ""
			if test.good {
				want = "token" // of Exchange
			}
			if got := s.happened(); got != want {
				t.Errorf("sent %q, want %q", got, want)
			}
		})
	}
}

func TestApplicationIsChecked(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*bitrix24.App, *bitrix24.Token, *bitrix24.Options){
		"no id":                func(app *bitrix24.App, _ *bitrix24.Token, _ *bitrix24.Options) { app.ClientID = "" },
		"no secret":            func(app *bitrix24.App, _ *bitrix24.Token, _ *bitrix24.Options) { app.ClientSecret = "" },
		"no Save":              func(app *bitrix24.App, _ *bitrix24.Token, _ *bitrix24.Options) { app.Save = nil },
		"no token":             func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) { *token = bitrix24.Token{} },
		"no access token":      func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) { token.AccessToken = "" },
		"no refresh token":     func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) { token.RefreshToken = "" },
		"no member":            func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) { token.MemberID = "" },
		"no server":            func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) { token.ServerEndpoint = "" },
		"server is no address": func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) { token.ServerEndpoint = "%zz" },
		"server in the clear": func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) {
			token.ServerEndpoint = "http://oauth.bitrix.info/rest/"
		},
		"no portal": func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) { token.ClientEndpoint = "" },
		"portal in the clear": func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) {
			token.ClientEndpoint = "http://b24.example.com/rest/"
		},
		"portal with a user": func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) {
			token.ClientEndpoint = "https://a:b@b24.example.com/rest/"
		},
		"portal with a query": func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) {
			token.ClientEndpoint = "https://b24.example.com/rest/?a"
		},
		"webhook's address": func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) {
			token.ClientEndpoint = "https://b24.example.com/rest/1/abc/"
		},
		"options": func(_ *bitrix24.App, _ *bitrix24.Token, opts *bitrix24.Options) { opts.Attempts = -1 },
		"scopes":  func(_ *bitrix24.App, _ *bitrix24.Token, opts *bitrix24.Options) { opts.Scopes = []string{"?"} },
	} {
		s := &signedIn{portal: bitrix24test.New()}
		app, token, opts := s.app(), tokenOf(s.portal.Install(bitrix24test.App{})), bitrix24.Options{}
		change(&app, &token, &opts)
		client, err := bitrix24.NewForApp(app, token, &opts)
		if err == nil || client != nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		noSecret(t, fmt.Sprintf("%v %#v", err, err))
		if text := err.Error(); strings.Count(text, "bitrix24: ") != 1 || !strings.HasPrefix(text, "bitrix24: ") {
			t.Errorf("%s: the error does not name the source once: %v", name, err)
		}
	}
}

func TestTokensAreAskedForByForm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, host := range []string{bitrix24test.AuthServer, bitrix24test.AuthServerRU} {
			s := &signedIn{portal: bitrix24test.New()}
			s.portal.SetAuthServer(host)
			s.connect(t, tokenOf(s.portal.Install(bitrix24test.App{})), nil)
			s.portal.ExpireTokens()
			s.good(t)
			code := s.portal.AuthorizationCode()
			token, err := s.app().Exchange(t.Context(), host, code, &bitrix24.Options{HTTPClient: &http.Client{Transport: s}})
			if err != nil {
				t.Fatal(err)
			}
			if want := "https://" + host + "/rest/"; token.ServerEndpoint != want || s.kept()[0].ServerEndpoint != want {
				t.Errorf("server %q and %q, want %q", token.ServerEndpoint, s.kept()[0].ServerEndpoint, want)
			}
			if token.AccessToken != "AT-example-0004" || token.RefreshToken != "RT-example-0004" || token.MemberID != bitrix24test.DefaultMemberID {
				t.Errorf("Exchange gave the wrong token")
			}
			client := url.Values{"client_id": {bitrix24test.DefaultClientID}, "client_secret": {bitrix24test.DefaultClientSecret}}
			var forms []url.Values
			for _, one := range s.requests() {
				if one.what != "token" {
					continue
				}
				if one.url.String() != "https://"+host+tokenPath || one.typ != "application/x-www-form-urlencoded" {
					t.Errorf("%s with %s", one.url, one.typ)
				}
				form, err := url.ParseQuery(one.body)
				if err != nil {
					t.Error(err)
				}
				for name, values := range client {
					if !slices.Equal(form[name], values) {
						t.Errorf("%s is not what it should be", name)
					}
					form.Del(name)
				}
				forms = append(forms, form)
			}
			want := []url.Values{
				{"grant_type": {"refresh_token"}, "refresh_token": {s.token.RefreshToken}},
				{"grant_type": {"authorization_code"}, "code": {code}},
			}
			if diff := cmp.Diff(want, forms); diff != "" {
				t.Errorf("forms (-want +got):\n%s", diff)
			}
		}
	})
}

func TestGoldenTokenErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file   string
		status int
		kind   error
		code   string
		says   string
	}{
		{"oauth_error_invalid_client.json", 400, crm.ErrUnauthorized, "invalid_client", "ClientSecret"},
		{"oauth_error_invalid_grant.json", 400, crm.ErrUnauthorized, "invalid_grant", "authorize the application again"},
		{"oauth_error_payment_required.json", 401, crm.ErrForbidden, "PAYMENT_REQUIRED", "paid or trial period"},
		{"oauth_error_wrong_client.json", 200, crm.ErrUnauthorized, "wrong_client", "ClientID"},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pretty := golden(t, test.file)
				var line bytes.Buffer
				if err := json.Compact(&line, []byte(pretty)); err != nil {
					t.Fatal(err)
				}
				for _, body := range []string{pretty, line.String()} {
					s := install(t, nil)
					s.portal.ExpireTokens()
					s.answers(func(what string, _ *http.Request) *http.Response {
						if what == "token" {
							return said(test.status, body)
						}
						return nil
					})
					_, errExchange := s.app().Exchange(t.Context(), "oauth.bitrix.info", "code-example-0001", &bitrix24.Options{HTTPClient: &http.Client{Transport: s}})
					for i, err := range []error{s.profile(t.Context()), errExchange} {
						e := kindAndText(t, err, test.kind, test.says)
						if e.Code != test.code || e.Status != test.status || e.Op != []string{"renew token", "authorize"}[i] {
							t.Errorf("error = %v", e)
						}
					}
					if got := s.happened(); got != "token profile token" {
						t.Errorf("it went %q", got)
					}
					// The old token stays, and may be good again.
					s.answers(nil)
					s.good(t)
					if got := s.happened(); got != "profile token save profile" {
						t.Errorf("afterwards it went %q", got)
					}
				}
			})
		})
	}
}

func TestTokenAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	without := func(names ...string) string {
		var fields map[string]any
		if err := json.Unmarshal([]byte(golden(t, "oauth_refresh.json")), &fields); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			delete(fields, name)
		}
		body, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	whole := without()
	for name, body := range map[string]string{
		"HTML":             "<html><body>Технические работы AT-example-0002</body></html>",
		"cut":              whole[:len(whole)/2],
		"empty":            "",
		"null":             "null",
		"a list":           "[]",
		"an empty object":  "{}",
		"a text":           `"AT-example-0002"`,
		"no refresh token": without("refresh_token"),
		"no access token":  without("access_token"),
		"broken text":      strings.Replace(whole, `"AT-`, `"\uZZZZAT-`, 1),
		"another portal":   strings.Replace(whole, bitrix24test.DefaultMemberID, "ffff", 1),
		"odd address":      strings.Replace(whole, "https://b24.example.com/rest/", "ftp://b24.example.com/rest/", 1),
		"odd path":         strings.Replace(whole, "b24.example.com/rest/", "b24.example.com/rest/1/AT-example-0002/", 1),
		"portal in clear":  strings.Replace(whole, "https://b24.example.com", "http://b24.example.com", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := install(t, nil)
				s.portal.ExpireTokens()
				s.answers(func(what string, _ *http.Request) *http.Response {
					if what == "token" {
						return said(200, body)
					}
					return nil
				})
				wantError(t, s.profile(t.Context()), crm.ErrBadResponse, "renew token")
				if got := s.happened(); got != "profile token" {
					t.Errorf("it went %q: nothing is to be saved", got)
				}
				s.answers(nil)
				s.good(t)
				if got := s.happened(); got != "profile token save profile" {
					t.Errorf("afterwards it went %q: the old token stays", got)
				}
			})
		})
	}
	// What the old token says too need not be said again.
	t.Run("tokens alone", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := install(t, nil)
			s.portal.ExpireTokens()
			s.answers(func(what string, _ *http.Request) *http.Response {
				if what == "token" {
					return said(200, without("member_id", "client_endpoint", "server_endpoint"))
				}
				return nil
			})
			_ = s.profile(t.Context()) // the portal does not know the token
			if got := s.kept(); len(got) != 1 || got[0].MemberID != s.token.MemberID || got[0].ClientEndpoint != s.token.ClientEndpoint || got[0].ServerEndpoint != s.token.ServerEndpoint {
				t.Errorf("%d tokens saved", len(got))
			}
		})
	})
}

// The code lives for 30 seconds, and is good once.
func TestExchangeOfADeadCode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		exchange := func(code string) error {
			_, err := s.app().Exchange(t.Context(), "oauth.bitrix.info", code, &bitrix24.Options{HTTPClient: &http.Client{Transport: s}})
			return err
		}
		code := s.portal.AuthorizationCode()
		if err := exchange(code); err != nil {
			t.Fatal(err)
		}
		wantError(t, exchange(code), crm.ErrUnauthorized)
		late := s.portal.AuthorizationCode()
		time.Sleep(30 * time.Second)
		wantError(t, exchange(late), crm.ErrUnauthorized)
		s.portal.Uninstall()
		wantError(t, exchange(s.portal.AuthorizationCode()), crm.ErrUnauthorized)
		if got := s.client.Source(); got != "bitrix24" {
			t.Errorf("Source = %q", got)
		}
	})
}

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	app := bitrix24.App{ClientID: "local.1 & 2", ClientSecret: "hidden"}
	const want = "https://b24.example.com/oauth/authorize/?client_id=local.1+%26+2&state=%D1%81%D0%BE%D1%81%D1%82%D0%BE%D1%8F%D0%BD%D0%B8%D0%B5"
	if got := app.AuthorizeURL("b24.example.com", "состояние"); got != want {
		t.Errorf("AuthorizeURL = %q, want %q", got, want)
	}
	if text := fmt.Sprintf("%v %+v %#v", app, app, app); strings.Contains(text, "hidden") {
		t.Errorf("the application shows its secret: %s", text)
	}
}

// From a person's consent to calls, over HTTPS, with nothing secret in the log.
func TestApplicationOverTheNetwork(t *testing.T) {
	t.Parallel()
	server := bitrix24test.NewTLSServer()
	defer server.Close()
	server.Install(bitrix24test.App{})
	host := strings.TrimPrefix(server.URL, "https://")
	var log bytes.Buffer
	opts := &bitrix24.Options{
		HTTPClient: server.HTTPClient(), Hosts: []string{host}, Limiter: bitrix24.NewNoLimiter(),
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	var kept bitrix24.Token
	app := bitrix24.App{
		ClientID: bitrix24test.DefaultClientID, ClientSecret: bitrix24test.DefaultClientSecret,
		Save: func(_ context.Context, token bitrix24.Token) error {
			kept = token
			return nil
		},
	}
	token, err := app.Exchange(t.Context(), host, server.AuthorizationCode(), opts)
	if err != nil {
		t.Fatal(err)
	}
	client, err := bitrix24.NewForApp(app, token, opts)
	if err != nil {
		t.Fatal(err)
	}
	server.ExpireTokens()
	listing, err := client.ListStatuses(t.Context())
	if err != nil || len(listing.Statuses) == 0 {
		t.Fatalf("%d statuses, %v", len(listing.Statuses), err)
	}
	if kept.AccessToken == "" || kept.AccessToken == token.AccessToken {
		t.Error("the new token was not saved")
	}
	noSecret(t, log.String())
	for _, part := range []string{"renew token", "authorize", "list statuses"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not tell of %q:\n%s", part, &log)
		}
	}
}
