package umnicotest_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

const (
	loginPath  = umnicotest.PathLogin
	tokensPath = umnicotest.PathTokens
	signIn     = `{"login":"owner@example.com","pass":"пароль-123"}`
)

type tokens struct {
	AccessToken struct {
		Token string
		Exp   *int64
	}
	RefreshToken struct{ Token string }
}

func withUser() *umnicotest.Umnico {
	fake := umnicotest.New()
	fake.AddUser("owner@example.com", "пароль-123")
	return fake
}

// give sends a request for tokens and returns them.
func give(t *testing.T, fake *umnicotest.Umnico, path, authorization, body string) (access, refresh string, exp *int64) {
	t.Helper()
	var given tokens
	status, answer := send(t, fake, "POST", path, authorization, body)
	if status != 200 || json.Unmarshal([]byte(answer), &given) != nil || given.AccessToken.Token == "" || given.RefreshToken.Token == "" {
		t.Fatalf("%s: %d %s", path, status, answer)
	}
	return given.AccessToken.Token, given.RefreshToken.Token, given.AccessToken.Exp
}

// wantStatus asks for the list of statuses.
func wantStatus(t *testing.T, what string, fake *umnicotest.Umnico, authorization string, status int) {
	t.Helper()
	if got, body := send(t, fake, "GET", umnicotest.PathStatuses, authorization, ""); got != status {
		t.Errorf("%s: %d %s, want %d", what, got, body, status)
	}
}

func TestUsersSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := withUser()
		for body, status := range map[string]int{
			`{"login":"owner@example.com","pass":"x"}`:  401,
			`{"login":"owner@example.com"}`:             401,
			`{"login":"another@example.com","pass":""}`: 401,
			`{}`: 401,
			`{"login":"owner@example.com","password":"пароль-123"}`: 401,
			``:   422,
			`[]`: 422,
		} {
			if got, answer := send(t, fake, "POST", loginPath, "", body); got != status {
				t.Errorf("%s: %d %s, want %d", body, got, answer, status)
			}
		}
		if got, _ := send(t, fake, "GET", loginPath, good, ""); got != 404 {
			t.Errorf("GET: %d, want 404", got)
		}
		access, refresh, exp := give(t, fake, loginPath, "", signIn)
		if exp == nil || *exp != time.Now().Add(time.Hour).Unix() {
			t.Errorf("exp = %v", exp)
		}
		wantStatus(t, "JWT", fake, "JWT "+access, 200)
		wantStatus(t, "no word", fake, access, 401)
		wantStatus(t, "another word", fake, "bearer "+access, 401)
		wantStatus(t, "word twice", fake, "JWT JWT "+access, 401)
		wantStatus(t, "the refresh token", fake, "JWT "+refresh, 401)
		wantStatus(t, "the word alone", fake, "JWT ", 401)
		wantStatus(t, "the account's token beside it", fake, good, 200)
		wantStatus(t, "the account's token with the word of users", fake, "JWT "+umnicotest.DefaultToken, 401)

		time.Sleep(time.Hour - time.Second)
		wantStatus(t, "just before the hour is over", fake, "JWT "+access, 200)
		time.Sleep(time.Second)
		wantStatus(t, "after an hour", fake, "JWT "+access, 401)

		for _, header := range []string{"", "x", access, "JWT " + refresh, "bearer " + refresh} {
			if got, _ := send(t, fake, "POST", tokensPath, header, ""); got != 401 {
				t.Errorf("tokens for %q: %d, want 401", header, got)
			}
		}
		access2, refresh2, _ := give(t, fake, tokensPath, refresh, "")
		if access2 == access || refresh2 == refresh {
			t.Error("the new tokens are the old ones")
		}
		wantStatus(t, "new", fake, "JWT "+access2, 200)
		if got, _ := send(t, fake, "POST", tokensPath, refresh, ""); got != 401 {
			t.Errorf("a refresh token twice: %d, want 401", got)
		}
		fake.SetRefreshReusable(true)
		_, refresh3, _ := give(t, fake, tokensPath, refresh2, "")
		access3, _, _ := give(t, fake, tokensPath, refresh2, "")
		fake.RevokeTokens()
		for _, revoked := range []string{refresh2, refresh3} {
			if got, _ := send(t, fake, "POST", tokensPath, revoked, ""); got != 401 {
				t.Errorf("a revoked refresh token: %d, want 401", got)
			}
		}
		wantStatus(t, "access after RevokeTokens", fake, "JWT "+access3, 200)
		fake.ExpireTokens()
		wantStatus(t, "access after ExpireTokens", fake, "JWT "+access3, 401)
		if logins, refreshes := fake.Logins(), fake.Refreshes(); logins != 1 || refreshes != 3 {
			t.Errorf("%d logins, %d refreshes; want 1 and 3", logins, refreshes)
		}
		_, refresh4, _ := give(t, fake, loginPath, "", signIn)
		fake.ExpireTokens()
		give(t, fake, tokensPath, refresh4, "")

		fake.AddUser("owner@example.com", "new")
		if got, _ := send(t, fake, "POST", loginPath, "", signIn); got != 401 {
			t.Errorf("an old password: %d, want 401", got)
		}
	})
}

func TestWordsOfUserTokens(t *testing.T) {
	t.Parallel()
	fake := withUser()
	fake.SetUserAuthWord("-")
	fake.SetExp(false)
	access, _, exp := give(t, fake, loginPath, "", signIn)
	if exp != nil {
		t.Errorf("exp = %d, want none", *exp)
	}
	wantStatus(t, "no word", fake, access, 200)
	wantStatus(t, "JWT where no word is wanted", fake, "JWT "+access, 401)
	fake.SetUserAuthWord("Bearer")
	wantStatus(t, "another word", fake, "Bearer "+access, 200)
	wantStatus(t, "JWT where another word is wanted", fake, "JWT "+access, 401)
	fake.SetUserAuthWord("")
	wantStatus(t, "the usual word", fake, "JWT "+access, 200)

	fake.SetWordInTokens(true)
	access, refresh, _ := give(t, fake, loginPath, "", signIn)
	if access[:4] != "JWT " || refresh[:4] != "JWT " {
		t.Errorf("the tokens do not hold the word: %q, %q", access, refresh)
	}
	wantStatus(t, "as it was given", fake, access, 200)
	wantStatus(t, "the word twice", fake, "JWT "+access, 401)
	wantStatus(t, "without its word", fake, access[4:], 401)
	give(t, fake, tokensPath, refresh, "")
}
