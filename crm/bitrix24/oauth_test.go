package bitrix24_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tokenPath = "/oauth/token/"

// sent is a request, or what an application was asked to do.
type sent struct {
	what string // "profile", "token", "save", "load"
	url  *url.URL
	typ  string
	body string
}

// signedIn is an application in a portal, with what happened there.
type signedIn struct {
	portal *bitrix24test.Portal
	client *bitrix24.Client
	token  bitrix24.Token // the first

	mu     sync.Mutex
	sent   []sent
	saved  []bitrix24.Token
	save   func(context.Context, bitrix24.Token) error // before it is saved; may be nil
	answer func(what string, r *http.Request) *http.Response
}

// RoundTrip keeps the request, and answers it unless answer does.
func (s *signedIn) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	what := strings.TrimPrefix(r.URL.Path, "/rest/")
	if r.URL.Path == tokenPath {
		what = "token"
	}
	s.note(sent{what, r.URL, r.Header.Get("Content-Type"), string(body)})
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if response := answer(what, r); response != nil {
			response.Request = r
			return response, nil
		}
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	return s.portal.Transport().RoundTrip(again)
}

func (s *signedIn) note(one sent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, one)
}

// happened returns what was sent and done since the last time.
func (s *signedIn) happened() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, one := range s.sent {
		all = append(all, one.what)
	}
	s.sent = nil
	return strings.Join(all, " ")
}

func (s *signedIn) requests() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

func (s *signedIn) kept() []bitrix24.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.saved)
}

func (s *signedIn) answers(answer func(what string, r *http.Request) *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// app returns the application that Save is told about.
func (s *signedIn) app() bitrix24.App {
	return bitrix24.App{
		ClientID: bitrix24test.DefaultClientID, ClientSecret: bitrix24test.DefaultClientSecret,
		Save: func(ctx context.Context, token bitrix24.Token) error {
			s.note(sent{what: "save"})
			if s.save != nil {
				if err := s.save(ctx, token); err != nil {
					return err
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.saved = append(s.saved, token)
			return nil
		},
	}
}

// install returns an application that was just installed; change may be nil.
func install(t *testing.T, change func(*bitrix24.App, *bitrix24.Token, *bitrix24.Options)) *signedIn {
	t.Helper()
	s := &signedIn{portal: bitrix24test.New()}
	s.connect(t, tokenOf(s.portal.Install(bitrix24test.App{})), change)
	return s
}

func (s *signedIn) connect(t *testing.T, token bitrix24.Token, change func(*bitrix24.App, *bitrix24.Token, *bitrix24.Options)) {
	t.Helper()
	s.token = token
	app, opts := s.app(), bitrix24.Options{HTTPClient: &http.Client{Transport: s}, Limiter: bitrix24.NewNoLimiter()}
	if change != nil {
		change(&app, &s.token, &opts)
	}
	client, err := bitrix24.NewForApp(app, s.token, &opts)
	if err != nil {
		t.Fatal(err)
	}
	s.client = client
}

func tokenOf(tokens bitrix24test.Tokens) bitrix24.Token {
	return bitrix24.Token{
		AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken, Expires: tokens.Expires,
		MemberID: tokens.MemberID, ClientEndpoint: tokens.ClientEndpoint, ServerEndpoint: tokens.ServerEndpoint,
		Scope: tokens.Scope,
	}
}

// profile asks who the application is.
func (s *signedIn) profile(ctx context.Context) error {
	_, err := s.client.Call(ctx, bitrix24.Call{Method: "profile", Idempotent: true})
	return err
}

func (s *signedIn) good(t *testing.T) {
	t.Helper()
	if err := s.profile(t.Context()); err != nil {
		t.Errorf("call: %v", err)
	}
}

// kindAndText looks at an error, and that it holds no token and no secret.
func kindAndText(t *testing.T, err, kind error, texts ...string) *crm.Error {
	t.Helper()
	var e *crm.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) || e.Kind != kind { //nolint:errorlint // the field itself
		t.Fatalf("error = %v, want one of the kind %v", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error = %v, want it to say %q", err, text)
		}
	}
	noSecret(t, fmt.Sprintf("%v %+v %#v %#v", err, err, err, e.Err))
	return e
}

// wantError is kindAndText for tests that need no more of the error.
func wantError(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	_ = kindAndText(t, err, kind, texts...)
}

func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, hidden := range []string{"AT-", "RT-", "code-example", bitrix24test.DefaultClientSecret, bitrix24test.DefaultSecret} {
		if strings.Contains(text, hidden) {
			t.Errorf("a secret (%s…) is seen in %s", hidden, text)
		}
	}
}

func said(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ProtoMajor: 1, ProtoMinor: 1,
	}
}

func TestTokenIsRenewedWhenThePortalRefusesIt(t *testing.T) {
	t.Parallel()
	capitals := bitrix24test.APIError{Status: 401, Code: "EXPIRED_TOKEN"}
	within := bitrix24test.APIError{Status: 200, Code: "invalid_token"}
	for name, refuse := range map[string]func(*bitrix24test.Portal){
		"it expired":          (*bitrix24test.Portal).ExpireTokens,
		"it is not known":     func(p *bitrix24test.Portal) { p.FailCommand(1, "profile", bitrix24test.InvalidToken()) },
		"code in capitals":    func(p *bitrix24test.Portal) { p.FailCommand(1, "profile", capitals) },
		"said with HTTP 200":  func(p *bitrix24test.Portal) { p.FailCommand(1, "profile", within) },
		"it expired by clock": func(*bitrix24test.Portal) { time.Sleep(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := install(t, nil)
				refuse(s.portal)
				s.good(t)
				if got := s.happened(); got != "profile token save profile" {
					t.Errorf("it went %q: the new token has to be saved before it is used", got)
				}
				if got := s.kept(); len(got) != 1 || got[0].AccessToken != "AT-example-0002" || got[0].RefreshToken != "RT-example-0002" ||
					got[0].MemberID != s.token.MemberID || got[0].ClientEndpoint != s.token.ClientEndpoint ||
					got[0].ServerEndpoint != s.token.ServerEndpoint || got[0].Scope != "crm" || got[0].Status != "L" || got[0].UserID != "17" ||
					!got[0].Expires.Equal(time.Now().Add(time.Hour).Truncate(time.Second)) {
					t.Errorf("saved %+v", got)
				}
				s.good(t)
				if requests := s.requests(); len(requests) != 1 || requests[0].body != `{"auth":"AT-example-0002"}` {
					t.Errorf("the next call sent %v", requests)
				}
			})
		})
	}
}

func TestTokenIsNotRenewedOtherwise(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]bitrix24test.APIError{
		"no auth":     bitrix24test.NoAuth(),
		"credentials": bitrix24test.InvalidCredentials(),
		"access":      bitrix24test.AccessDenied(),
		"type":        bitrix24test.WrongAuthType(),
		"scope":       bitrix24test.InsufficientScopeApp(),
		"rate":        bitrix24test.QueryLimit(),
		"overload":    bitrix24test.Overload(),
		"payment":     bitrix24test.PaymentRequired(),
		"uninstalled": bitrix24test.NotInstalled(),
		"no code":     {Status: 401, Code: "", Text: "expired_token"},
		"broken":      bitrix24test.Internal(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := install(t, nil)
				s.portal.FailCommand(-1, "profile", e)
				if err := s.profile(t.Context()); err == nil {
					t.Error("no error")
				}
				if got := s.happened(); strings.Contains(got, "token") || strings.Contains(got, "save") {
					t.Errorf("it went %q", got)
				}
			})
		})
	}
	t.Run("before it is refused", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := install(t, func(_ *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) {
				token.Expires = time.Now().Add(-time.Hour)
			})
			for range 3 {
				s.good(t)
			}
			if got := s.happened(); got != "profile profile profile" {
				t.Errorf("it went %q", got)
			}
		})
	})
}

func TestTokenIsRenewedOnceForACall(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *bitrix24.Client) error{
		"profile": func(ctx context.Context, c *bitrix24.Client) error {
			_, err := c.Call(ctx, bitrix24.Call{Method: "profile"})
			return err
		},
		"batch": func(ctx context.Context, c *bitrix24.Client) error {
			_, err := c.Batch(ctx, false, bitrix24.Call{Method: "profile"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := install(t, nil)
				s.portal.FailCommand(-1, name, bitrix24test.ExpiredToken())
				s.answers(func(what string, _ *http.Request) *http.Response {
					if what != "batch" {
						return nil
					}
					return said(401, `{"error":"expired_token"}`)
				})
				e := kindAndText(t, call(t.Context(), s.client), crm.ErrUnauthorized)
				if want := name + " token save " + name; e.Code != "expired_token" {
					t.Errorf("code %q", e.Code)
				} else if got := s.happened(); got != want {
					t.Errorf("it went %q, want %q", got, want)
				}
			})
		})
	}
}

func TestManyCallsShareARenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		s.save = func(context.Context, bitrix24.Token) error {
			time.Sleep(3 * time.Second)
			return nil
		}
		s.portal.SetLatency(100*time.Millisecond, 0)
		for round := 1; round <= 3; round++ {
			s.portal.ExpireTokens()
			var all sync.WaitGroup
			for i := range 50 {
				all.Go(func() {
					// Some come while it is under way, some when it is done.
					time.Sleep(time.Duration(i) * 10 * time.Millisecond)
					s.good(t)
				})
			}
			all.Wait()
			if s.portal.Refreshes() != round || len(s.kept()) != round || s.portal.Requests(tokenPath) != round {
				t.Errorf("round %d: %d refreshes, %d saved, %d requests", round, s.portal.Refreshes(), len(s.kept()), s.portal.Requests(tokenPath))
			}
		}
	})
}

// All who wait for a renewal that fails get its error, and the next call tries
// again.
func TestManyCallsShareAFailedRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		s.portal.ExpireTokens()
		s.portal.FailToken(1, bitrix24test.InvalidClient())
		s.portal.SetLatency(time.Second, 0)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := s.profile(t.Context()); !errors.Is(err, crm.ErrUnauthorized) {
					t.Errorf("error = %v", err)
				}
			})
		}
		synctest.Wait()
		release := s.portal.Hold() // the token server answers when all wait for it
		time.Sleep(10 * time.Second)
		release()
		all.Wait()
		if got := s.portal.Requests(tokenPath); got != 1 {
			t.Errorf("%d requests for a token", got)
		}
		s.good(t)
	})
}

func TestTokenThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		var offered []bitrix24.Token
		s.save = func(_ context.Context, token bitrix24.Token) error {
			if offered = append(offered, token); len(offered) < 3 {
				return fmt.Errorf("диск полон: %s, %s", token.AccessToken, url.QueryEscape(token.RefreshToken))
			}
			return nil
		}
		s.portal.ExpireTokens()
		for range 2 {
			wantError(t, s.profile(t.Context()), crm.ErrUnavailable, "renew token", "could not be saved", "диск полон")
		}
		if got := s.happened(); got != "profile token save profile save" {
			t.Errorf("it went %q: only Save is to be tried again", got)
		}
		s.good(t)
		if got := s.happened(); got != "profile save profile" || s.portal.Refreshes() != 1 {
			t.Errorf("it went %q with %d refreshes", got, s.portal.Refreshes())
		}
		if len(offered) != 3 || offered[0] != offered[1] || offered[1] != offered[2] || offered[0].RefreshToken != "RT-example-0002" {
			t.Errorf("%d tokens offered, which have to be the same", len(offered))
		}
	})
}

func TestCallerWhoLeavesDoesNotEndTheRenewal(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, where := range map[string]string{"at the token server": "token", "while it is saved": "save"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := install(t, nil)
				wait := func() { time.Sleep(10 * time.Second) }
				s.save = func(ctx context.Context, _ bitrix24.Token) error {
					if where == "save" {
						wait()
					}
					if ctx.Value(key{}) != "of the caller" {
						t.Error("Save has not the caller's values")
					}
					return ctx.Err()
				}
				s.answers(func(what string, _ *http.Request) *http.Response {
					if what == "token" && where == "token" {
						wait()
					}
					return nil
				})
				s.portal.ExpireTokens()
				start := time.Now()
				ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "of the caller"), time.Second)
				defer cancel()
				e := kindAndText(t, s.profile(ctx), crm.ErrUnavailable)
				if !errors.Is(e, context.DeadlineExceeded) || time.Since(start) != time.Second || e.Op != "profile" {
					t.Errorf("after %v: %v", time.Since(start), e)
				}
				// One who comes later waits for the same renewal.
				s.good(t)
				if took := time.Since(start); took != 10*time.Second {
					t.Errorf("it took %v", took)
				}
				if s.portal.Refreshes() != 1 || len(s.kept()) != 1 {
					t.Errorf("%d refreshes, %d saved", s.portal.Refreshes(), len(s.kept()))
				}
			})
		})
	}
}

func TestTokenThatAnotherProcessRenewed(t *testing.T) {
	t.Parallel()
	var nothing bitrix24.Token
	// renewed has the first token renewed elsewhere.
	renewed := func(t *testing.T, s *signedIn) bitrix24.Token {
		t.Helper()
		other := &signedIn{portal: s.portal}
		other.connect(t, s.token, nil)
		s.portal.ExpireTokens()
		other.good(t)
		return other.kept()[0]
	}
	tests := map[string]struct {
		loads func(t *testing.T, s *signedIn) []any // tokens or errors, one for each time
		went  string
		kind  error
		says  string
	}{
		"it is used": {func(t *testing.T, s *signedIn) []any {
			return []any{renewed(t, s)}
		}, "profile load profile", nil, ""},
		"nobody did": {func(_ *testing.T, s *signedIn) []any {
			s.portal.ExpireTokens()
			return []any{s.token}
		}, "profile load token save profile", nil, ""},
		"nothing is kept": {func(_ *testing.T, s *signedIn) []any {
			s.portal.ExpireTokens()
			return []any{nothing}
		}, "profile load token save profile", nil, ""},
		"while this one tried": {func(t *testing.T, s *signedIn) []any {
			return []any{s.token, renewed(t, s)}
		}, "profile load token load profile", nil, ""},
		"and it has expired since": {func(t *testing.T, s *signedIn) []any {
			token := renewed(t, s)
			s.portal.ExpireTokens()
			return []any{token, token}
		}, "profile load profile load token save profile", nil, ""},
		"the sign-in is over": {func(_ *testing.T, s *signedIn) []any {
			s.portal.ExpireTokens()
			s.portal.RevokeTokens()
			return []any{s.token, s.token}
		}, "profile load token load", crm.ErrUnauthorized, "authorize the application again"},
		"it cannot be loaded": {func(_ *testing.T, s *signedIn) []any {
			s.portal.ExpireTokens()
			return []any{fmt.Errorf("база не отвечает: %s %s", s.token.AccessToken, s.token.RefreshToken)}
		}, "profile load", crm.ErrUnavailable, "could not be loaded: база не отвечает"},
		"it is one of another portal": {func(t *testing.T, s *signedIn) []any {
			token := renewed(t, s)
			token.MemberID = "ffffffffffffffffffffffffffffffff"
			return []any{token}
		}, "profile load", crm.ErrBadResponse, "another portal"},
		"it leads elsewhere in the clear": {func(t *testing.T, s *signedIn) []any {
			token := renewed(t, s)
			token.ClientEndpoint = "http://evil.example/rest/"
			return []any{token}
		}, "profile load", crm.ErrBadResponse, "https"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &signedIn{portal: bitrix24test.New()}
				var loads []any
				s.connect(t, tokenOf(s.portal.Install(bitrix24test.App{})), func(app *bitrix24.App, _ *bitrix24.Token, _ *bitrix24.Options) {
					app.Load = func(_ context.Context, member string) (bitrix24.Token, error) {
						s.note(sent{what: "load"})
						if member != bitrix24test.DefaultMemberID {
							t.Errorf("the token of %q is asked for", member)
						}
						if len(loads) == 0 {
							t.Error("it is asked for once more")
							return bitrix24.Token{}, nil
						}
						next := loads[0]
						loads = loads[1:]
						if err, failed := next.(error); failed {
							return bitrix24.Token{}, err
						}
						return next.(bitrix24.Token), nil
					}
				})
				loads = test.loads(t, s)
				err := s.profile(t.Context())
				if test.kind == nil && err != nil {
					t.Errorf("error = %v", err)
				} else if test.kind != nil {
					wantError(t, err, test.kind, test.says)
				}
				if got := s.happened(); got != test.went {
					t.Errorf("it went %q, want %q", got, test.went)
				}
			})
		})
	}
}

// A Load that never agrees with the portal ends.
func TestTokensThatAreAlwaysOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := install(t, func(app *bitrix24.App, token *bitrix24.Token, _ *bitrix24.Options) {
			first := *token
			app.Load = func(context.Context, string) (bitrix24.Token, error) {
				n++
				first.AccessToken = fmt.Sprintf("AT-other-%d", n)
				return first, nil
			}
		})
		s.portal.ExpireTokens()
		wantError(t, s.profile(t.Context()), crm.ErrUnauthorized)
		if got := s.happened(); got != "profile profile profile" {
			t.Errorf("it went %q", got)
		}
	})
}

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

func TestRenewalIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := install(t, nil)
		s.portal.ExpireTokens()
		s.portal.FailToken(2, bitrix24test.Internal())
		s.good(t)
		if got := s.happened(); got != "profile token token token save profile" {
			t.Errorf("it went %q", got)
		}
		// A code is good for one try.
		s.portal.FailToken(1, bitrix24test.Internal())
		_, err := s.app().Exchange(t.Context(), "oauth.bitrix.info", s.portal.AuthorizationCode(), &bitrix24.Options{HTTPClient: &http.Client{Transport: s}})
		wantError(t, err, crm.ErrUnavailable, "authorize")
		if got := s.happened(); got != "token" {
			t.Errorf("it went %q", got)
		}
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

// A renewed token tells the portal's present host.
func TestRenewalTellsTheNewHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var renamed []string
		s := install(t, func(_ *bitrix24.App, _ *bitrix24.Token, opts *bitrix24.Options) {
			opts.Renamed = func(host string) { renamed = append(renamed, host) }
		})
		s.portal.ExpireTokens()
		s.portal.SetLatency(100*time.Millisecond, 0) // all calls are under way before one is refused
		s.answers(func(what string, _ *http.Request) *http.Response {
			if what == "token" {
				s.portal.RenamePortal("new.example.org") // the old name would not lead there
			}
			return nil
		})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { s.good(t) })
		}
		all.Wait()
		if diff := cmp.Diff([]string{"new.example.org"}, renamed); diff != "" {
			t.Errorf("renamed (-want +got):\n%s", diff)
		}
		if got := s.kept(); len(got) != 1 || got[0].ClientEndpoint != "https://new.example.org/rest/" {
			t.Errorf("saved %v", got)
		}
		_ = s.happened()
		listing, err := s.client.ListStatuses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if requests := s.requests(); requests[0].url.Host != "new.example.org" {
			t.Errorf("sent to %q", requests[0].url.Host)
		}
		if diff := cmp.Diff([]string{"b24.example.com", bitrix24test.DefaultMemberID, "new.example.org"}, listing.Account); diff != "" {
			t.Errorf("account (-want +got):\n%s", diff)
		}
	})
}

// A token renewed while the portal is found to be renamed: both are remembered,
// and told once.
func TestRenewalAndRenameTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var renamed []string
		s := install(t, func(_ *bitrix24.App, _ *bitrix24.Token, opts *bitrix24.Options) {
			opts.Renamed = func(host string) { renamed = append(renamed, host) }
		})
		s.save = func(context.Context, bitrix24.Token) error {
			time.Sleep(time.Second)
			return nil
		}
		s.portal.ExpireTokens()
		var all sync.WaitGroup
		all.Go(func() { s.good(t) })
		synctest.Wait() // the renewal is under way
		s.portal.RenamePortal("portal.bitrix24.ru")
		for range 10 {
			all.Go(func() { s.good(t) })
		}
		all.Wait()
		s.good(t)
		if diff := cmp.Diff([]string{"portal.bitrix24.ru"}, slices.Compact(renamed)); diff != "" {
			t.Errorf("renamed (-want +got):\n%s", diff)
		}
		if s.portal.Refreshes() != 1 {
			t.Errorf("%d refreshes", s.portal.Refreshes())
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
