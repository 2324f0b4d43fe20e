package umnico_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func forUser(t *testing.T, opts *umnico.Options) *umnico.Client {
	t.Helper()
	client, err := umnico.NewForUser(login, password, opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestUserSignsIn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		set      func(fake *umnicotest.Umnico)
		word     string
		kind     error
		says     string
		requests int
	}{
		{"as documented", func(*umnicotest.Umnico) {}, "", nil, "", 1},
		{"word in the token", func(f *umnicotest.Umnico) { f.SetWordInTokens(true) }, "", nil, "", 1},
		{"no word", func(f *umnicotest.Umnico) { f.SetUserAuthWord("-") }, umnico.NoAuthWord, nil, "", 1},
		{"another word", func(f *umnicotest.Umnico) { f.SetUserAuthWord("Bearer") }, "Bearer", nil, "", 1},
		{"wrong word", func(f *umnicotest.Umnico) { f.SetUserAuthWord("Bearer") }, "", crm.ErrUnauthorized, "AuthWord (JWT, Bearer, or none)", 1},
		{"wrong password", func(f *umnicotest.Umnico) { f.AddUser(login, "x") }, "", crm.ErrUnauthorized, "check login and password: Unauthorized", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := account()
			test.set(fake)
			opts := on(fake)
			opts.AuthWord = test.word
			client := forUser(t, opts)
			if got := fake.Logins(); got != 0 {
				t.Errorf("%d sign-ins before the first call", got)
			}
			for range 3 {
				_, err := client.Check(t.Context())
				if crm.Kind(err) != test.kind || err != nil && !strings.Contains(err.Error(), test.says) { //nolint:errorlint // the kind itself
					t.Errorf("error = %v, want kind %v, and %q", err, test.kind, test.says)
				}
				if test.kind != nil {
					break
				}
			}
			if got := fake.Requests(umnicotest.PathAccount); got != max(test.requests, 3*test.requests*b2i(test.kind == nil)) {
				t.Errorf("%d requests for the account, want %d for each call", got, test.requests)
			}
			if got, want := fake.Logins(), min(1, test.requests); got != want {
				t.Errorf("%d sign-ins, want %d", got, want)
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestUserTokensAreRenewed(t *testing.T) {
	t.Parallel()
	for _, words := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fake := account()
			fake.SetWordInTokens(words)
			client := forUser(t, on(fake))
			check := func(what string, logins, refreshes int) {
				t.Helper()
				if _, err := client.Check(t.Context()); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				if fake.Logins() != logins || fake.Refreshes() != refreshes {
					t.Errorf("%s: %d sign-ins and %d refreshes, want %d and %d", what, fake.Logins(), fake.Refreshes(), logins, refreshes)
				}
			}
			check("the first call", 1, 0)
			time.Sleep(59 * time.Minute)
			check("a token that is still good", 1, 0)
			time.Sleep(2 * time.Minute)
			check("an hour later", 1, 1)
			time.Sleep(24 * time.Hour)
			check("a day later", 1, 2)
			fake.ExpireTokens()
			fake.RevokeTokens()
			check("a refresh token that is dead", 2, 2)
			time.Sleep(2 * time.Hour)
			check("after that", 2, 3)
		})
	}
}

// What can go wrong with a refresh, in an account whose access token has run out.
func TestRefreshThatFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault crmfault.Fault
		kind  error // nil where signing in helps
		op    string
	}{
		{"401", crmfault.Answer(401, ""), nil, ""},
		{"404, the call is another one", crmfault.Answer(404, "Not found"), nil, ""},
		{"500", crmfault.Answer(500, ""), nil, ""},
		{"empty", crmfault.Answer(204, ""), nil, ""},
		{"no tokens", crmfault.Answer(200, `{"accessToken":null}`), nil, ""},
		{"a token of blanks", crmfault.Answer(200, `{"accessToken":{"token":" \u200b"}}`), nil, ""},
		{"a token that cannot be one", crmfault.Answer(200, `{"accessToken":{"token":"a b c"}}`), nil, ""},
		{"a token with a line end", crmfault.Answer(200, `{"accessToken":{"token":"a\nb"}}`), nil, ""},
		{"the old token", crmfault.Answer(200, `{"accessToken":{"token":"umnicotest-access-0001"}}`), nil, ""},
		{"a token that is refused", crmfault.Answer(200, `{"accessToken":{"token":"wrong"},"refreshToken":{"token":"umnicotest-refresh-0001"}}`), nil, ""},
		{"429", umnicotest.RateLimited(time.Hour), crm.ErrRateLimited, "renew token"},
		{"no answer", crmfault.Drop(), crm.ErrUnavailable, "renew token"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := account()
				client := forUser(t, &umnico.Options{HTTPClient: &http.Client{Transport: faulty{fake, "/v1.3/auth/tokens", test.fault}}, Attempts: 1})
				if _, err := client.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				fake.ExpireTokens()
				_, err := client.Check(t.Context())
				if test.kind != nil {
					failedWith(t, err, test.kind, test.op, "")
				} else if err != nil {
					t.Errorf("signing in again did not help: %v", err)
				}
				if got, want := fake.Logins(), 1+b2i(test.kind == nil); got != want {
					t.Errorf("%d sign-ins, want %d", got, want)
				}
			})
		})
	}
}

// faulty is a fake of which one path fails.
type faulty struct {
	fake  *umnicotest.Umnico
	path  string
	fault crmfault.Fault
}

func (f faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != f.path {
		return f.fake.Transport().RoundTrip(r)
	}
	broken := crmfault.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	broken.Fail(-1, f.fault)
	return broken.Transport().RoundTrip(r)
}

// A client whose every token is refused neither goes on for ever nor signs in more
// than once in a call.
func TestSigningInDoesNotLoop(t *testing.T) {
	t.Parallel()
	var sent []string
	refuse := false
	client := forUser(t, &umnico.Options{HTTPClient: &http.Client{Transport: answers(func(r *http.Request) (int, string) {
		sent = append(sent, r.URL.Path)
		switch {
		case r.URL.Path == "/v1.3/auth/login" || r.URL.Path == "/v1.3/auth/tokens":
			return 200, strings.ReplaceAll(golden(t, "auth_login.json"), "TOKEN", "TOKEN"+strings.Repeat("x", len(sent)))
		case refuse:
			return 401, golden(t, "error_401.json")
		}
		return 200, golden(t, "account_me.json")
	})}})
	want := func(what string, kind error, paths ...string) {
		t.Helper()
		_, err := client.Check(t.Context())
		if crm.Kind(err) != kind { //nolint:errorlint // the kind itself
			t.Errorf("%s: error = %v, want kind %v", what, err, kind)
		}
		if got := strings.Join(sent, " "); got != strings.Join(paths, " ") {
			t.Errorf("%s: requests %q, want %q", what, got, paths)
		}
		sent = nil
	}
	const me, in, renew = "/v1.3/account/me", "/v1.3/auth/login", "/v1.3/auth/tokens"
	want("the first call", nil, in, me)
	refuse = true
	want("all are refused", crm.ErrUnauthorized, me, renew, me, in, me)
	refuse = false
	want("it recovers", nil, me)
	refuse = true
	client = forUser(t, &umnico.Options{HTTPClient: &http.Client{Transport: answers(func(r *http.Request) (int, string) {
		sent = append(sent, r.URL.Path)
		if r.URL.Path == in {
			return 200, golden(t, "auth_login.json")
		}
		return 401, ""
	})}})
	want("a token of this moment", crm.ErrUnauthorized, in, me)
}

func TestWhatSigningInSends(t *testing.T) {
	t.Parallel()
	var sent []string
	expired := false
	client := forUser(t, &umnico.Options{HTTPClient: &http.Client{Transport: answers(func(r *http.Request) (int, string) {
		body := ""
		if r.Body != nil {
			b, _ := io.ReadAll(r.Body)
			body = string(b)
		}
		sent = append(sent, strings.TrimSpace(strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Authorization"), body}, " ")))
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1.3/auth/"):
			expired = false
			return 201, strings.Replace(golden(t, "auth_login.json"), "-TOKEN", "-TOKEN-"+string('0'+rune(len(sent))), 1)
		case expired:
			return 401, ""
		}
		return 200, golden(t, "account_me.json")
	})}})
	for range 2 {
		if _, err := client.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		expired = true
	}
	want := []string{
		`POST /v1.3/auth/login  {"login":"` + login + `","pass":"Сим-Сим, 4qZ8\u0026x"}`,
		"GET /v1.3/account/me JWT EXAMPLE-ACCESS-TOKEN-1",
		"GET /v1.3/account/me JWT EXAMPLE-ACCESS-TOKEN-1",
		"POST /v1.3/auth/tokens EXAMPLE-REFRESH-TOKEN",
		"GET /v1.3/account/me JWT EXAMPLE-ACCESS-TOKEN-4",
	}
	if got := strings.Join(sent, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("requests:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// One call signs in, and the others wait for it.
func TestManyCallsSignInOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := account()
		fake.SetLatency(time.Second)
		client := forUser(t, on(fake))
		round := func(logins, refreshes int) {
			t.Helper()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if _, err := client.Check(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if fake.Logins() != logins || fake.Refreshes() != refreshes {
				t.Errorf("%d sign-ins and %d refreshes, want %d and %d", fake.Logins(), fake.Refreshes(), logins, refreshes)
			}
		}
		round(1, 0)
		time.Sleep(2 * time.Hour)
		round(1, 1)
		fake.ExpireTokens()
		fake.RevokeTokens()
		round(2, 1)
		fake.AddUser(login, "another")
		fake.ExpireTokens()
		fake.RevokeTokens()
		before := fake.Requests("/v1.3/auth/login")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, err := client.Check(t.Context())
				failedWith(t, err, crm.ErrUnauthorized, "sign in", "check login and password", login)
			})
		}
		wg.Wait()
		if got := fake.Requests("/v1.3/auth/login") - before; got != 1 {
			t.Errorf("a wrong password was sent %d times, want once for all who wait", got)
		}
	})
}

func TestSignInEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := account()
		fake.Hold()
		client := forUser(t, on(fake))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := client.Check(ctx)
			if failedWith(t, err, crm.ErrUnavailable, "sign in", ""); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error = %v", err)
			}
		})
		wg.Go(func() {
			time.Sleep(time.Millisecond)
			if _, err := client.Check(t.Context()); err != nil {
				t.Errorf("a call that waited failed with the context of another one: %v", err)
			}
		})
		time.Sleep(2 * time.Second)
		fake.ReleaseAll()
		wg.Wait()
	})
}

func TestSignInIsRepeatedWhereThatHelps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := account()
		fake.Fail(1, crmfault.Answer(503, ""))
		if _, err := forUser(t, on(fake)).Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Tokens, old and new ones, and the password are in no error, although Umnico
// repeats all that it was sent.
func TestUserSecretsAreInNoError(t *testing.T) {
	t.Parallel()
	echo := false
	n := 0
	client := forUser(t, &umnico.Options{Attempts: 1, HTTPClient: &http.Client{Transport: answers(func(r *http.Request) (int, string) {
		n++
		switch {
		case echo && r.URL.Path == "/v1.3/account/me" && n%2 == 0:
			return 401, told(r)
		case echo:
			return 400, "EXAMPLE-ACCESS-TOKEN EXAMPLE-REFRESH-TOKEN " + told(r)
		case strings.HasPrefix(r.URL.Path, "/v1.3/auth/"):
			return 200, golden(t, "auth_login.json")
		}
		return 200, golden(t, "account_me.json")
	})}})
	secrets := []string{login, "EXAMPLE-ACCESS", "EXAMPLE-REFRESH", "ACCESS-TOKEN"}
	for i := range 12 {
		_, err := client.Check(t.Context())
		if echo && err == nil {
			t.Fatal("no error")
		}
		if echo {
			var e *crm.Error
			_ = errors.As(err, &e)
			failedWith(t, err, e.Kind, e.Op, "", secrets...)
		}
		echo = i > 1
	}
}

func TestNewForUserChecksWhatItGets(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"", password}, {login, ""}, {"", ""}} {
		if _, err := umnico.NewForUser(c[0], c[1], nil); err == nil {
			t.Errorf("%q: accepted", c)
		} else if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), login) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
	if _, err := umnico.NewForUser(login, password, &umnico.Options{BaseURL: "http://api.umnico.com"}); err == nil {
		t.Error("plain http: accepted")
	}
}

func TestWrongPasswordWithAnotherCode(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 422} {
		client := forUser(t, &umnico.Options{HTTPClient: &http.Client{Transport: answers(func(*http.Request) (int, string) {
			return status, `{"message":"Неверный пароль"}`
		})}})
		_, err := client.Check(t.Context())
		failedWith(t, err, crm.ErrRejected, "sign in", "check login and password: Неверный пароль")
	}
}

// A word that the text of a token holds is sent as it came, unless the options give
// another one.
func TestWordInTheTextOfAToken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, word, want string }{
		{"abc", "", "JWT abc"},
		{"Bearer abc", "", "Bearer abc"},
		{"  Bearer  abc ", "", "Bearer abc"},
		{"Bearer abc", "jwt", "jwt abc"},
		{"Bearer abc", umnico.NoAuthWord, "abc"},
	} {
		got := ""
		client := forUser(t, &umnico.Options{AuthWord: test.word, HTTPClient: &http.Client{Transport: answers(func(r *http.Request) (int, string) {
			if r.URL.Path == "/v1.3/auth/login" {
				return 200, `{"accessToken":{"token":"` + test.text + `"}}`
			}
			got = r.Header.Get("Authorization")
			return 200, golden(t, "account_me.json")
		})}})
		if _, err := client.Check(t.Context()); err != nil || got != test.want {
			t.Errorf("%q: Authorization: %q, want %q, error = %v", test.text, got, test.want, err)
		}
	}
}

// Where a refresh gives no refresh token, the one of before goes on.
func TestRefreshTokenThatStays(t *testing.T) {
	t.Parallel()
	n, fits, refreshed := 0, "", ""
	client := forUser(t, &umnico.Options{HTTPClient: &http.Client{Transport: answers(func(r *http.Request) (int, string) {
		switch r.URL.Path {
		case "/v1.3/auth/login":
			fits = "access-0"
			return 200, `{"accessToken":{"token":"access-0"},"refreshToken":{"token":"refresh-0"}}`
		case "/v1.3/auth/tokens":
			n++
			refreshed += r.Header.Get("Authorization") + " "
			fits = "access-" + string('0'+rune(n))
			return 200, `{"accessToken":{"token":"` + fits + `"}}`
		}
		if r.Header.Get("Authorization") != "JWT "+fits {
			return 401, ""
		}
		return 200, golden(t, "account_me.json")
	})}})
	for range 3 {
		if _, err := client.Check(t.Context()); err != nil {
			t.Error(err)
		}
		fits = "none"
	}
	if refreshed != "refresh-0 refresh-0 " {
		t.Errorf("refreshed with %q", refreshed)
	}
}
