package umnicotest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// DefaultUserWord is the word before the access token of a user
	// (https://api.umnico.com/docs/introduction/auth.html).
	DefaultUserWord = "JWT"
	// accessLife is assumed.
	accessLife = time.Hour
)

// users are those who sign in with a password, and their tokens. They are guarded
// by the fake's mu.
type users struct {
	passwords map[string]string // by login
	access    map[string]time.Time
	refresh   map[string]bool
	issued    int

	word         string // "" is [DefaultUserWord]
	wordInTokens bool
	noExp        bool
	reusable     bool

	logins, refreshes int
}

func newUsers() users {
	return users{passwords: map[string]string{}, access: map[string]time.Time{}, refresh: map[string]bool{}}
}

// AddUser adds a user who may sign in by POST /v1.3/auth/login, or gives one
// another password. At the start there is none.
func (u *Umnico) AddUser(login, password string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users.passwords[login] = password
}

// SetUserAuthWord makes the fake accept exactly this word before the access token
// of a user; "-" accepts the token without a word only, as three clients send it.
// Empty, as at the start, is [DefaultUserWord].
func (u *Umnico) SetUserAuthWord(word string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users.word = word
}

// SetWordInTokens makes the tokens that are given from now on begin with the word
// "JWT" and a blank, so that they are to be sent as they are and with no other
// word. Whether Umnico's do is not known.
func (u *Umnico) SetWordInTokens(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users.wordInTokens = on
}

// SetExp says whether answers with tokens say in "exp" when the access token
// expires, as at the start. Only one client has seen it.
func (u *Umnico) SetExp(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users.noExp = !on
}

// SetRefreshReusable makes a refresh token work again after it was used, or, as
// at the start, only once. Which of the two Umnico does is not known.
func (u *Umnico) SetRefreshReusable(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users.reusable = on
}

// ExpireTokens makes all access tokens of users expire that were given so far,
// which they do by themselves after an hour: calls with them get 401.
func (u *Umnico) ExpireTokens() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.users.access)
}

// RevokeTokens makes all refresh tokens dead that were given so far: they get
// 401. They do not end by themselves. Access tokens go on until they expire.
func (u *Umnico) RevokeTokens() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.users.refresh)
}

// Logins returns how often tokens were given for a password. Refused requests are
// not counted.
func (u *Umnico) Logins() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.users.logins
}

// Refreshes returns how often tokens were given for a refresh token. Refused
// requests are not counted.
func (u *Umnico) Refreshes() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.users.refreshes
}

// authorized reports whether the header Authorization has an access token of a
// user.
func (u *users) authorized(header string) bool {
	if u.word == "-" || strings.Contains(header, " ") {
		if time.Now().Before(u.access[header]) { // as it was given
			return true
		}
	}
	word, token, _ := strings.Cut(header, " ")
	if word != cmp.Or(u.word, DefaultUserWord) || strings.Contains(token, " ") {
		return false
	}
	return time.Now().Before(u.access[token])
}

// login answers POST /v1.3/auth/login.
func (u *users) login(body []byte) (status int, answer []byte) {
	var request struct {
		Login string `json:"login"`
		Pass  string `json:"pass"`
	}
	if json.Unmarshal(body, &request) != nil {
		return refused("login and pass are required")
	}
	if password, found := u.passwords[request.Login]; !found || password != request.Pass {
		return unauthorized()
	}
	u.logins++
	return u.issue()
}

// renew answers POST /v1.3/auth/tokens, where the header Authorization is the
// refresh token without a word.
func (u *users) renew(header string) (status int, body []byte) {
	if !u.refresh[header] {
		return unauthorized()
	}
	if !u.reusable {
		delete(u.refresh, header)
	}
	u.refreshes++
	return u.issue()
}

// issue gives a new pair of tokens.
func (u *users) issue() (status int, body []byte) {
	u.issued++
	type token struct {
		Token string `json:"token"`
		Exp   int64  `json:"exp,omitempty"`
	}
	word := ""
	if u.wordInTokens {
		word = DefaultUserWord + " "
	}
	expires := time.Now().Add(accessLife)
	access := token{Token: fmt.Sprintf("%sumnicotest-access-%04d", word, u.issued), Exp: expires.Unix()}
	refresh := token{Token: fmt.Sprintf("%sumnicotest-refresh-%04d", word, u.issued)}
	if u.noExp {
		access.Exp = 0
	}
	u.access[access.Token] = expires
	u.refresh[refresh.Token] = true
	return http.StatusOK, encode(struct {
		AccessToken  token `json:"accessToken"`
		RefreshToken token `json:"refreshToken"`
	}{access, refresh})
}
