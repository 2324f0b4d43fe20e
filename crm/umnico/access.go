package umnico

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// access is what signs the requests. It never changes, but for what was learnt of
// the account behind it.
type access struct {
	http    *crmhttp.Client
	token   crmhttp.Secret // without a word; empty before the first sign-in
	refresh crmhttp.Secret // a user's, to get another token with
	// refreshed is set where the token came without the password.
	refreshed bool
	// account is the account's ID, once it is known. A token never changes its
	// account.
	account atomic.Pointer[string]
}

// session is a client's access, which changes when a token is replaced.
type session struct {
	now  atomic.Pointer[access]
	word string // before the token
	hint string // what is said beside a refused token
	// secrets are what a user signs in with. They stand behind a function, because
	// package fmt prints what unexported fields hold.
	secrets func() []crmhttp.Secret
	// renew returns an access in place of a stale one, or the stale one itself if
	// there is no other. deep is set where a token that was refreshed a moment ago
	// was refused as well. Nil with a token that stays.
	renew func(ctx context.Context, stale *access, deep bool) (*access, error)
	// turn is held by the one who renews. It guards failed.
	turn     chan struct{}
	failed   error        // of the last renewal that failed
	failures atomic.Int64 // how many have failed
}

func newSession(word, hint string, secrets []crmhttp.Secret) *session {
	return &session{word: word, hint: hint, secrets: func() []crmhttp.Secret { return secrets }, turn: make(chan struct{}, 1)}
}

// at returns the access of this moment.
func (c *Client) at() *access { return c.session.now.Load() }

// failure returns e as an error of this client.
func (c *Client) failure(op string, e *crm.Error) *crm.Error { return c.at().http.Error(op, e) }

// open returns the access with a token. Errors do not show the token before it
// either, of which answers may be on their way.
func (c *Client) open(token, word string, refresh crmhttp.Secret) (*access, error) {
	_, bare, _ := strings.Cut(string(refresh), " ") // it may have a word in front, too
	secrets := append([]crmhttp.Secret{refresh, crmhttp.Secret(bare)}, c.session.secrets()...)
	if before := c.at(); before != nil {
		secrets = append(secrets, before.token, before.refresh)
	}
	authorization := word + " " + token
	if word == NoAuthWord || token == "" {
		authorization = token
	}
	hint := c.session.hint
	if token == "" {
		hint = hintPassword // nothing but signing in is done without one
	}
	client, err := crmhttp.New(c.opts.Source, c.opts.BaseURL, &crmhttp.Options{
		HTTPClient:    c.opts.HTTPClient,
		Logger:        c.opts.Logger,
		Authorization: crmhttp.Secret(authorization), // https://api.umnico.com/docs/introduction/auth.html
		Secrets:       secrets,
		Classify:      func(r crmhttp.Response) *crm.Error { return classify(r, hint) },
		Gate:          c.wait,
		Attempts:      c.opts.Attempts,
		RetryBudget:   c.opts.RetryBudget,
		Timeout:       c.opts.Timeout,
		MaxBody:       c.opts.MaxBody,
	})
	if err != nil {
		return nil, err
	}
	return &access{http: client, token: crmhttp.Secret(token), refresh: refresh}, nil
}

// do sends the request, and returns the access with which it was answered. A
// refused token is replaced once, and once more where the new one came from a
// refresh and is refused as well; a refused request was not carried out.
func (c *Client) do(ctx context.Context, request crmhttp.Request) (crmhttp.Response, *access, error) {
	a, last := c.at(), c.session.renew == nil
	if !last && a.token == "" {
		last = true // a token of this moment that is refused is no stale one
		var err error
		if a, err = c.renewed(ctx, request.Op, a, false); err != nil {
			return crmhttp.Response{}, nil, err
		}
	}
	for deep := false; ; deep = true {
		response, err := a.http.Do(ctx, request)
		if last || !errors.Is(err, crm.ErrUnauthorized) {
			return response, a, err
		}
		next, failed := c.renewed(ctx, request.Op, a, deep)
		switch {
		case failed != nil:
			return crmhttp.Response{}, nil, failed
		case next == a:
			return crmhttp.Response{}, nil, err
		}
		a, last = next, deep || !next.refreshed
	}
}

// renewed returns an access that is another one than stale, or stale itself if
// there is no other. One caller at a time renews. The others wait, and take what
// came of it, be it an error; but not the end of the other's context.
func (c *Client) renewed(ctx context.Context, op string, stale *access, deep bool) (*access, error) {
	s := c.session
	failures := s.failures.Load()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, c.failure(op, &crm.Error{Kind: crm.ErrUnavailable, Err: ctx.Err()})
	}
	if a := c.at(); a != stale {
		return a, nil
	}
	if s.failures.Load() != failures {
		return nil, s.failed
	}
	if err := ctx.Err(); err != nil {
		return nil, c.failure(op, &crm.Error{Kind: crm.ErrUnavailable, Err: err})
	}
	next, err := s.renew(ctx, stale, deep)
	if err != nil {
		if ctx.Err() == nil {
			s.failed = err
			s.failures.Add(1)
		}
		return nil, err
	}
	s.now.Store(next)
	return next, nil
}
