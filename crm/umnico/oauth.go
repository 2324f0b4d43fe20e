package umnico

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opSignIn = "sign in"
	opRenew  = "renew token"

	// Both calls are known from programs in use.
	pathLogin  = "/v1.3/auth/login"
	pathTokens = "/v1.3/auth/tokens"
)

// NewForUser returns a client that acts as a user of the account, within his
// rights, and signs in with his login and password. opts may be nil. Some of
// Umnico's calls are said to take no account's token, but none of this package's;
// prefer [New].
//
// The client signs in before its first request. When Umnico refuses the token (HTTP
// 401), which is how it says that it has run out
// (https://api.umnico.com/docs/introduction/auth.html), it is refreshed, and if that
// does not help, the client signs in again, each once in a call, which is then
// repeated. One call signs in at a time, and the others wait for it. Nothing is kept
// anywhere but in memory. NewForUser does not ask Umnico whether the password is
// good; [Client.Check] does. No error shows login, password or token.
//
// An error of signing in is of kind [crm.ErrUnauthorized] if Umnico refuses login
// and password with HTTP 401, which is assumed, and says to check them with 400 and
// 422 as well. Each call would try again, so do not go on after it.
func NewForUser(login, password string, opts *Options) (*Client, error) {
	c, err := newClient(opts, DefaultUserAuthWord, hintUser, crmhttp.Secret(login), crmhttp.Secret(password))
	if err != nil {
		return nil, err
	}
	if login == "" || password == "" {
		return nil, fmt.Errorf("%s: %w", c.Source(), errors.New("login or password is empty"))
	}
	credentials := map[string]string{"login": login, "pass": password}
	outside := c.at()
	c.session.renew = func(ctx context.Context, stale *access, deep bool) (*access, error) {
		if stale.refresh != "" && !deep {
			next, err := c.refresh(ctx, outside, stale)
			if err == nil || hopeless(ctx, err) {
				return next, err
			}
		}
		return c.signIn(ctx, outside, stale, credentials)
	}
	return c, nil
}

// hopeless reports whether a refresh failed in such a way that signing in would not
// go better.
func hopeless(ctx context.Context, err error) bool {
	var e *crm.Error
	return ctx.Err() != nil || !errors.As(err, &e) || errors.Is(err, crm.ErrRateLimited) || e.Status == 0 && errors.Is(err, crm.ErrUnavailable)
}

// signIn returns an access that login and password give.
func (c *Client) signIn(ctx context.Context, outside, stale *access, credentials map[string]string) (*access, error) {
	response, err := outside.http.Do(ctx, crmhttp.Request{
		Op: opSignIn, Method: http.MethodPost, Path: pathLogin, Body: credentials, Idempotent: true,
		Secrets: []crmhttp.Secret{stale.token, stale.refresh},
	})
	if err != nil {
		return nil, err
	}
	return c.enter(opSignIn, outside, response, "")
}

// refresh returns an access that the refresh token of a stale one gives. The word
// before it is the one that it came with, if any.
func (c *Client) refresh(ctx context.Context, outside, stale *access) (*access, error) {
	response, err := outside.http.Do(ctx, crmhttp.Request{
		Op: opRenew, Method: http.MethodPost, Path: pathTokens, Idempotent: true,
		Header:  http.Header{"Authorization": {string(stale.refresh)}},
		Secrets: []crmhttp.Secret{stale.refresh, stale.token},
	})
	if err != nil {
		return nil, err
	}
	next, err := c.enter(opRenew, outside, response, stale.refresh)
	if err != nil {
		return nil, err
	}
	next.refreshed = true
	return next, nil
}

// enter returns the access with the tokens of an answer; kept is the refresh token
// if the answer has none.
func (c *Client) enter(op string, outside *access, response crmhttp.Response, kept crmhttp.Secret) (*access, error) {
	var said wireTokens
	if err := outside.http.Decode(op, response, &said); err != nil {
		return nil, err
	}
	bad := func(message string) error {
		return outside.http.Error(op, &crm.Error{Kind: crm.ErrBadResponse, Status: response.Status, Message: message})
	}
	text := strings.TrimFunc(string(said.Access.Token), invisible)
	if text == "" {
		return nil, bad("an answer without accessToken.token")
	}
	// A word in the text is Umnico's own, and is sent as it came.
	word := c.session.word
	if first, _, found := cutWord(text); found && c.opts.AuthWord == "" {
		word = first
	}
	token, err := cleanToken(text, word)
	if err != nil {
		return nil, bad("accessToken.token is no token")
	}
	refresh := strings.TrimFunc(string(said.Refresh.Token), invisible)
	if strings.ContainsFunc(refresh, func(r rune) bool { return r != ' ' && notVisible(r) }) {
		refresh = "" // the password does it as well
	}
	a, err := c.open(token, word, cmp.Or(crmhttp.Secret(refresh), kept))
	if err != nil {
		return nil, bad("accessToken.token is no token")
	}
	return a, nil
}
