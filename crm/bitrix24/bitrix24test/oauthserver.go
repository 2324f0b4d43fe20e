package bitrix24test

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// tokenPath is the path of the token server.
const tokenPath = "/oauth/token/"

// FailToken makes the next n requests to the token server answer with the error,
// after those that errors were set for before. A negative n means all, until
// [Portal.Recover] or [Portal.RecoverCommands]. An error without a text has no
// "error_description". How many requests came is p.Requests("/oauth/token/").
func (p *Portal) FailToken(n int, e APIError) { p.FailCommand(n, tokenPath, e) }

// isTokenRequest reports whether the request is one to the token server. It runs
// under mu.
func (p *Portal) isTokenRequest(host, path string) bool {
	return strings.TrimSuffix(path, "/")+"/" == tokenPath &&
		(isAuthServer(host) || host == p.app.authHost || p.app.loopback != "")
}

// isAuthServer reports whether the host is never a portal's.
func isAuthServer(host string) bool { return host == AuthServer || host == AuthServerRU }

// tokenAnswer is the token server. What it says to parameters in JSON, and in
// which sequence it looks at them, is assumed. It takes the latency of a request
// ([Portal.SetLatency]), but no place in the bucket of the portal's limit.
func (p *Portal) tokenAnswer(r *http.Request) (status int, body []byte) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, nil
	}
	params := parseQuery(r.URL.RawQuery)
	if r.Method == http.MethodPost && r.Body != nil {
		if form, err := io.ReadAll(r.Body); err == nil {
			params.merge(parseQuery(string(form)))
		}
	}
	p.mu.Lock()
	now := time.Now()
	v := &visit{ctx: r.Context(), start: now, due: now, request: p.requestTime}
	p.mu.Unlock()
	if !v.wait(v.request) {
		return timedOut()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if failed := p.failing(tokenPath); failed != nil {
		return failed.tokenAnswer()
	}
	tokens, failed := p.app.exchange(params)
	if failed != nil {
		return failed.tokenAnswer()
	}
	byCode := text(params.get("grant_type")) == grantCode
	answer := array("access_token", tokens.AccessToken, "client_endpoint", tokens.ClientEndpoint, "domain", p.app.authHost)
	if !byCode {
		answer.set("expires", int(tokens.Expires.Unix()))
		p.app.refreshes++
	}
	for _, field := range [][2]any{
		{"expires_in", int(accessLife.Seconds())},
		{"member_id", tokens.MemberID},
		{"refresh_token", tokens.RefreshToken},
		{"scope", tokens.Scope},
		{"server_endpoint", tokens.ServerEndpoint},
		{"status", statusLocal},
	} {
		answer.set(field[0].(string), field[1])
	}
	if !byCode {
		answer.set("user_id", tokens.UserID)
	}
	return http.StatusOK, encode(answer)
}

// tokenAnswer is [APIError.answer] of the token server, which leaves an empty
// text out.
func (e APIError) tokenAnswer() (status int, body []byte) {
	if e.Text != "" {
		return e.answer()
	}
	return e.Status, encode(array("error", e.Code))
}

const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	// statusLocal is the status of an application that was made for one portal.
	statusLocal = "L"
)

// exchange gives tokens for a code or a refresh token.
func (a *application) exchange(params *phpMap) (Tokens, *APIError) {
	refuse := func(e APIError) (Tokens, *APIError) { return Tokens{}, &e }
	live, key := a.codes, "code"
	switch text(params.get("grant_type")) {
	case grantCode:
	case grantRefresh:
		live, key = a.refresh, "refresh_token"
	default:
		return refuse(InvalidRequest())
	}
	given := text(params.get(key))
	if given == "" {
		return refuse(InvalidRequest())
	}
	if a.ClientID == "" || text(params.get("client_id")) != a.ClientID || text(params.get("client_secret")) != a.ClientSecret {
		return refuse(InvalidClient())
	}
	if !a.installed {
		return refuse(NotInstalled())
	}
	expires, found := live[given]
	if !found || !time.Now().Before(expires) {
		return refuse(InvalidGrant())
	}
	if key == "code" || !a.reusable {
		delete(live, given)
	}
	return a.issue(), nil
}
