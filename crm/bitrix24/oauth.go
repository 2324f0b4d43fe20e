package bitrix24

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// App is an application registered with Bitrix24, or a local one of a portal. One
// App serves all portals that it is installed in; each has a [Token] and a client
// of its own, see [NewForApp].
type App struct {
	ClientID     string
	ClientSecret crmhttp.Secret
	// Save keeps a renewed token in place of the one with the same MemberID. It
	// is called before the new token is used, because the old one is worth nothing
	// any more: if it fails, so does the call that wanted the token, and Save is
	// called again with the same token at the next. Never called for one portal
	// twice at the same time by one client. Required.
	Save func(ctx context.Context, token Token) error
	// Load returns the token that is kept for the portal. Give it where several
	// processes sign in to one portal: before a token is renewed, and if that
	// fails, the client looks whether another one has done so. Nil means that
	// there is only one.
	Load func(ctx context.Context, memberID string) (Token, error)
}

const (
	opAuthorize = "authorize"
	opRenew     = "renew token"
)

// authorizationHosts are the servers that may see an application's secret
// (https://apidocs.bitrix24.com/settings/oauth/index.html). The second serves
// portals of Russia and its neighbours; it is not documented, and was read in the
// vendor's own SDKs.
var authorizationHosts = []string{"oauth.bitrix.info", "oauth.bitrix24.tech"}

// NewForApp returns a client for the portal of a token, which it renews when the
// portal refuses it. opts may be nil. What a webhook cannot do, such as
// [Client.BindEvent], it can.
//
// The token comes from [App.Exchange], from [App.Save], or from an application's
// event ONAPPINSTALL. It has to name an authorization server that is known, or is
// among [Options.Hosts]. Clients with the same token must not be used side by side
// in one process, because a renewal ends the token of the other; processes that do
// need [App.Load].
func NewForApp(app App, token Token, opts *Options) (*Client, error) {
	o, err := opts.complete()
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Client, error) { return nil, fmt.Errorf("%s: %w", o.Source, err) }
	if err := app.check(); err != nil {
		return fail(err)
	}
	if err := token.check(); err != nil {
		return fail(err)
	}
	server, err := app.server(token.ServerEndpoint, o)
	if err != nil {
		return nil, err
	}
	c := newClient(o, token.host())
	a, err := c.open(token)
	if err != nil {
		return nil, err
	}
	c.session = newSession(a, o, a.host, token.MemberID)
	c.session.tokens = &tokens{app: app, server: server, token: token}
	return c, nil
}

func (app App) check() error {
	switch {
	case app.ClientID == "" || app.ClientSecret == "":
		return errors.New("the application lacks its ClientID or ClientSecret")
	case app.Save == nil:
		return errors.New("the application has no Save: a renewed token would be lost, and with it the sign-in")
	}
	return nil
}

// AuthorizeURL returns the address to which a person is sent to let the
// application into the portal, such as "example.bitrix24.com". Bitrix24 sends the
// person back to the address in the application's settings, with the parameters
// code, server_domain, member_id and state; compare state with what was given here,
// and give the others to [App.Exchange] within 30 seconds
// (https://apidocs.bitrix24.com/settings/oauth/index.html). If the person says no,
// the application is not told.
func (app App) AuthorizeURL(portal, state string) string {
	u := url.URL{Scheme: "https", Host: portal, Path: "/oauth/authorize/"}
	u.RawQuery = url.Values{"client_id": {app.ClientID}, "state": {state}}.Encode()
	return u.String()
}

// Exchange returns the token for a code that a person came back with. server is the
// parameter server_domain beside it, such as "oauth.bitrix.info". It is for the
// caller to keep the token, and to look whether its MemberID is the one expected.
// opts may be nil; only what concerns connections, and Hosts, is used of it.
//
// The error is of kind [crm.ErrUnauthorized] if the code is worth nothing (any
// more).
func (app App) Exchange(ctx context.Context, server, code string, opts *Options) (Token, error) {
	o, err := opts.complete()
	if err != nil {
		return Token{}, err
	}
	client, err := app.server("https://"+server+"/rest/", o)
	if err != nil {
		return Token{}, err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}}
	return app.grant(ctx, client, opAuthorize, form, nil)
}

// server returns a client for the authorization server named by a server_endpoint.
func (app App) server(endpoint string, o *Options) (*crmhttp.Client, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%s: the token's server_endpoint is no address such as https://oauth.bitrix.info/rest/", o.Source)
	}
	if !slices.Contains(authorizationHosts, strings.ToLower(u.Host)) && !o.allows(u) {
		return nil, fmt.Errorf("%s: the authorization server %q is not known; if it is right, name it in Options.Hosts", o.Source, u.Host)
	}
	http := o.http()
	http.Secrets = []crmhttp.Secret{app.ClientSecret}
	http.Classify, http.Retry, http.Unrun = classify, retryable, unrun
	return crmhttp.New(o.Source, u.Scheme+"://"+u.Host, http)
}

// grant asks the authorization server for a token, which takes the place of old; nil
// if there is none. The form goes by POST, so that no secret stands in an address.
func (app App) grant(ctx context.Context, server *crmhttp.Client, op string, form url.Values, old *Token) (Token, error) {
	secrets := []crmhttp.Secret{crmhttp.Secret(form.Get("code")), crmhttp.Secret(form.Get("refresh_token"))}
	form.Set("client_id", app.ClientID)
	form.Set("client_secret", string(app.ClientSecret))
	response, err := server.Do(ctx, crmhttp.Request{
		Op: op, Method: http.MethodPost, Path: "oauth/token/",
		// Repeating a renewal is the best that can be done when no answer came: if
		// the first was carried out, the old token may be worth nothing any more.
		Idempotent: old != nil,
		Header:     http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:       []byte(form.Encode()), Secrets: secrets,
	})
	if err != nil {
		return Token{}, err
	}
	var said wireError // also with HTTP 200
	if json.Unmarshal(response.Body, &said) == nil && said.Code.Present {
		return Token{}, server.Error(op, describe(said, response.Status, nil))
	}
	var token Token
	if err := server.Decode(op, response, &token); err != nil {
		return Token{}, err
	}
	if old != nil {
		token.MemberID = cmp.Or(token.MemberID, old.MemberID)
		token.ClientEndpoint = cmp.Or(token.ClientEndpoint, old.ClientEndpoint)
		token.ServerEndpoint = cmp.Or(token.ServerEndpoint, old.ServerEndpoint)
	}
	if err := token.check(); err != nil {
		return Token{}, server.Error(op, &crm.Error{Kind: crm.ErrBadResponse, Status: response.Status, Message: err.Error()})
	}
	return token, nil
}

// tokens renews the token of a client. flight is guarded by the session's mu, and
// token and unsaved belong to the renewal that is under way.
type tokens struct {
	app    App
	server *crmhttp.Client
	token  Token // the last that was saved
	// unsaved is a renewed token that could not be saved yet.
	unsaved *Token
	flight  *renewal // nil if there is none
}

// renewal is one renewal, for which everybody waits who needs a token.
type renewal struct {
	done chan struct{}
	err  error // when done is closed
}

// renew returns when the access is another one than stale. The renewal itself does
// not end with ctx, because the old token may be worth nothing by then; it ends
// within the time-outs of its few requests.
func (c *Client) renew(ctx context.Context, op string, stale *access) error {
	s := c.session
	s.mu.Lock()
	if c.at().token != stale.token {
		s.mu.Unlock()
		return nil // somebody else did it
	}
	flight := s.tokens.flight
	if flight == nil {
		flight = &renewal{done: make(chan struct{})}
		s.tokens.flight = flight
		go func() {
			before := s.tokens.token.ClientEndpoint
			next, err := c.renewed(context.WithoutCancel(ctx))
			s.mu.Lock()
			defer s.mu.Unlock()
			if host := c.at().host; err == nil && host != next.host && s.tokens.token.ClientEndpoint == before {
				next, err = next.on(host) // the portal itself told of it, and the token does not know yet
			}
			if err == nil {
				s.enter(next)
			}
			flight.err, s.tokens.flight = err, nil
			close(flight.done)
		}()
	}
	s.mu.Unlock()
	select {
	case <-flight.done:
		return flight.err
	case <-ctx.Done():
		return c.failure(op, &crm.Error{Kind: crm.ErrUnavailable, Err: ctx.Err()})
	}
}

// renewed returns the access with a token that is newer than the one in use: one
// that another process has saved, one that could not be saved before, or one from
// the authorization server.
func (c *Client) renewed(ctx context.Context) (*access, error) {
	t := c.session.tokens
	if t.unsaved == nil {
		if a, err := c.load(ctx); a != nil || err != nil {
			return a, err
		}
		next, err := t.app.grant(ctx, t.server, opRenew, url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {t.token.RefreshToken},
		}, &t.token)
		if err != nil {
			// Perhaps another process was faster.
			if a, _ := c.load(ctx); a != nil {
				return a, nil
			}
			return nil, err
		}
		if _, err := c.accept(next); err != nil {
			return nil, err
		}
		t.unsaved = &next
	}
	a, err := c.accept(*t.unsaved)
	if err != nil {
		return nil, err
	}
	if err := t.app.Save(ctx, *t.unsaved); err != nil {
		return nil, a.http.Error(opRenew, &crm.Error{
			Kind:    crm.ErrUnavailable,
			Message: "the new token could not be saved, and is not used before it is", Err: err,
		})
	}
	t.token, t.unsaved = *t.unsaved, nil
	return a, nil
}

// load returns the access with the token that another process has saved; nil if
// there is none.
func (c *Client) load(ctx context.Context) (*access, error) {
	t := c.session.tokens
	if t.app.Load == nil {
		return nil, nil
	}
	kept, err := t.app.Load(ctx, t.token.MemberID)
	if err != nil {
		return nil, c.failure(opRenew, &crm.Error{Kind: crm.ErrUnavailable, Message: "the token that is kept could not be loaded", Err: err})
	}
	if usable := kept.check() == nil; !usable || kept.AccessToken == t.token.AccessToken {
		return nil, nil
	}
	a, err := c.accept(kept)
	if err != nil {
		return nil, err
	}
	a.loaded, t.token = true, kept
	return a, nil
}

// accept returns the access with a token that is the portal's.
func (c *Client) accept(token Token) (*access, error) {
	if token.MemberID != c.session.tokens.token.MemberID {
		return nil, c.failure(opRenew, &crm.Error{Kind: crm.ErrBadResponse, Message: "the new token is one of another portal; it is not used"})
	}
	a, err := c.open(token)
	if err != nil {
		return nil, c.failure(opRenew, &crm.Error{Kind: crm.ErrBadResponse, Err: err})
	}
	return a, nil
}
