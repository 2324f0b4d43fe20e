package bitrix24

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// access is where the calls go, and what signs them. It never changes.
type access struct {
	http  *crmhttp.Client
	host  string
	path  crmhttp.Secret // of all addresses
	token crmhttp.Secret // of an application; a webhook has it in its address
	// loaded is set where another process had saved the token.
	loaded bool
}

// session is a client's access, which changes when the portal is renamed or a
// token renewed.
type session struct {
	now atomic.Pointer[access]
	mu  sync.Mutex // held while it is changed
	// names are the portal's names for itself: its first host, others that it was
	// renamed to, and an application's member_id.
	names atomic.Pointer[[]string]
	moved func(string) // told the new host
	// tokens renews the token; nil with a webhook.
	tokens *tokens
}

func newSession(a *access, opts *Options, names ...string) *session {
	s := &session{moved: opts.Renamed}
	s.now.Store(a)
	s.names.Store(&names)
	return s
}

// at returns the access of this moment.
func (c *Client) at() *access { return c.session.now.Load() }

// account returns the portal's names for itself.
func (c *Client) account() []string { return slices.Clone(*c.session.names.Load()) }

// request is a call or a batch.
type request struct {
	op, method string
	idempotent bool
	once       bool // see crmhttp.Request
	// body returns what is sent, with the token in it unless that is empty.
	body func(token string) ([]byte, error)
}

// mostRenames is how many renames of the portal one call follows.
const mostRenames = 3

// post sends the request. It goes on to the portal's new address if that was
// renamed, and sends again with a new token if the old one was refused: in both
// cases the portal has not carried out anything. A token is renewed once; one that
// another process had saved may be refused before that.
func (c *Client) post(ctx context.Context, r request) (crmhttp.Response, error) {
	for renames, renewals := 0, 0; ; {
		a := c.at()
		body, err := r.body(string(a.token))
		if err != nil {
			return crmhttp.Response{}, c.failure(r.op, &crm.Error{Kind: crm.ErrRejected, Message: "nothing was sent", Err: err})
		}
		response, err := a.http.Do(ctx, crmhttp.Request{
			Op: r.op, Method: http.MethodPost, Path: r.method, Body: body,
			Idempotent: r.idempotent, Once: r.once, Secrets: []crmhttp.Secret{a.token},
		})
		switch {
		case err == nil && redirects(response.Status):
			if renames++; renames > mostRenames {
				return crmhttp.Response{}, c.failure(r.op, redirected(response))
			}
			err = c.follow(r.op, a, response)
		case err != nil && c.session.tokens != nil && (renewals == 0 || renewals == 1 && a.loaded) && staleToken(err):
			renewals++
			err = c.renew(ctx, r.op, a)
		default:
			return response, err
		}
		if err == nil {
			err = c.queue(ctx, r)
		}
		if err != nil {
			return crmhttp.Response{}, err
		}
	}
}

// queue waits until a request that is sent again may be: one that waits by itself has
// done so for the first time only.
func (c *Client) queue(ctx context.Context, r request) error {
	if !r.once {
		return nil
	}
	if err := c.limiter.wait(ctx); err != nil {
		return c.failure(r.op, &crm.Error{Kind: crm.ErrUnavailable, Err: err})
	}
	return nil
}

// redirects reports whether the status is one that leads to another address.
func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirected is the error for a redirect that is not followed.
func redirected(response crmhttp.Response) *crm.Error {
	e := crmhttp.Classify(response)
	e.Status = response.Status
	// https://apidocs.bitrix24.com/settings/how-to-call-rest-api/change-domen.html
	e.Message = hinted("if the portal was renamed, put its new name into the address that it is called by", e.Message)
	return e
}

// follow makes the portal's new host that of all further calls. Only the host is
// taken from the redirect, and only if it is another one and may have the
// credentials.
func (c *Client) follow(op string, from *access, response crmhttp.Response) error {
	to, err := url.Parse(response.Header.Get("Location"))
	trusted := err == nil && to.Scheme == "https" && to.User == nil && (vendors(to.Hostname()) || c.opts.allows(to))
	if !trusted || portalHost(to) == from.host {
		return c.failure(op, redirected(response))
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if c.at() != from {
		return nil // somebody else was told before
	}
	next, err := from.on(portalHost(to))
	if err != nil {
		return c.failure(op, redirected(response))
	}
	c.session.enter(next)
	return nil
}

// on returns the access at another host.
func (a *access) on(host string) (*access, error) {
	client, err := a.http.At("https://" + host + string(a.path))
	if err != nil {
		return nil, err
	}
	next := *a
	next.http, next.host = client, host
	return &next, nil
}

// enter makes a the access of all further calls. It runs under mu.
func (s *session) enter(a *access) {
	before := s.now.Swap(a)
	if a.host == before.host {
		return
	}
	if names := *s.names.Load(); !slices.Contains(names, a.host) {
		names = append(slices.Clone(names), a.host)
		s.names.Store(&names)
	}
	if s.moved != nil {
		s.moved(a.host)
	}
}

// vendors reports whether the host is one of Bitrix24's own domains.
func vendors(host string) bool {
	name, domain, found := strings.Cut(strings.ToLower(host), ".")
	return found && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && slices.Contains(vendorDomains, domain)
}

// vendorDomains are the domains under which Bitrix24 keeps its portals. No page of
// the documentation lists them: they were read in the server's own source, which has
// one for each region. A portal under another one is named in Options.Hosts.
var vendorDomains = []string{
	"bitrix24.com", "bitrix24.ru", "bitrix24.eu", "bitrix24.de", "bitrix24.fr", "bitrix24.it", "bitrix24.pl",
	"bitrix24.es", "bitrix24.uk", "bitrix24.by", "bitrix24.kz", "bitrix24.uz", "bitrix24.ua", "bitrix24.in",
	"bitrix24.id", "bitrix24.vn", "bitrix24.cn", "bitrix24.jp", "bitrix24.mx", "bitrix24.co",
	"bitrix24.com.br", "bitrix24.com.tr",
}

// failure returns e as an error of this client.
func (c *Client) failure(op string, e *crm.Error) *crm.Error { return c.at().http.Error(op, e) }

// staleToken reports whether the portal refused the token, and may take a new one.
func staleToken(err error) bool {
	var e *crm.Error
	if !errors.As(err, &e) {
		return false
	}
	switch strings.ToLower(e.Code) {
	case "expired_token", "invalid_token":
		return true
	}
	return false
}
