// Package crmhttp is the HTTP plumbing for CRM clients: this module's own ones
// and those of others. It stands on github.com/go-resty/resty/v2 without
// showing it, and takes care of what is easy to get wrong:
//
//   - Credentials stay secret: what is named in [Options.Authorization] and
//     [Options.Secrets] is in no error, no log line and no printed value, and
//     travels to no other host and along no redirect.
//   - An answer is believed only if it is whole: its size is limited before it
//     is decoded, and HTML, an empty or a cut answer is an error.
//   - Every error is a [*crm.Error]. One function per CRM says which kind an
//     answer is, see [Classify].
//   - Calls that are safe to repeat are repeated a few times, within a few
//     seconds, the way the CRM asks for.
//
// A client for another CRM keeps a [*Client], made by [New] with the credentials
// in [Options] and a rule for errors in Options.Classify. It calls
// [Client.GetJSON] or [Client.DoJSON], decodes fields that vendors write now as a
// number, now as a text, with [ID], [Text] and [Int], says what only it can judge
// with [Client.Error], and returns what passes [crm.Listing.Validate]. The
// directory examples/customcrm of this module has a whole one, with its fake and
// its tests. A [Cursor] is for answers so large that their decoding counts.
package crmhttp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/statuslink/statuslink/crm"
)

// Client sends requests to one account of one CRM. It is made by [New]; its
// zero value is not usable. It never changes, and all its methods are safe for
// concurrent use. Printed in any way it shows its source only.
type Client struct {
	// Everything stands behind a function, because package fmt prints what
	// unexported fields hold, and here that is credentials.
	state func() *state
}

type state struct {
	source  string
	base    string // without a slash at its end
	opts    Options
	secrets []Secret
	resty   *resty.Client
}

// shortestSecretPath is the length from which the path of a base URL is taken
// for a secret, even if it is not named as one: "/rest/1/0123456789abcdef", not
// "/api/v2".
const shortestSecretPath = 16

// New returns a client for the account source, whose addresses all begin with
// baseURL. opts may be nil.
//
// The address has to be https; plain http is taken for a loopback host, and
// elsewhere only with [Options.AllowHTTP]. It must name a host and must not
// hold a user, a password, a query or a fragment. Its path may be a credential
// (name it in [Options.Secrets] then). The errors of New are plain ones, of no
// kind of package crm, and none shows the address.
func New(source, baseURL string, opts *Options) (*Client, error) {
	if strings.TrimSpace(source) == "" {
		return nil, fmt.Errorf("crmhttp: the source is empty; give the account a name such as %q", "umnico")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	base, path, err := checkBase(baseURL, o.AllowHTTP)
	if err != nil {
		return nil, fmt.Errorf("%s: base URL: %w", source, err)
	}
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	s := &state{source: source, base: base, opts: o, resty: newResty(o.HTTPClient)}
	s.secrets = append(s.secrets, o.Secrets...)
	if o.Authorization != "" {
		s.secrets = append(s.secrets, o.Authorization)
		if _, token, found := strings.Cut(string(o.Authorization), " "); found {
			s.secrets = append(s.secrets, Secret(strings.TrimSpace(token)))
		}
	}
	if len(path) >= shortestSecretPath {
		s.secrets = append(s.secrets, Secret(path))
	}
	return &Client{state: func() *state { return s }}, nil
}

// At returns a client for another address of the same account, with the same
// source, options and secrets. It is for vendors who move accounts: redirects
// are not followed by themselves, so a client that knows a rule lets its
// [Options.Classify] return nil for them, reads Location from the [Response],
// decides whether that host may get the credentials, and sends again. baseURL
// is checked as by [New].
func (c *Client) At(baseURL string) (*Client, error) {
	s := c.state()
	opts := s.opts
	opts.Secrets = s.secrets
	return New(s.source, baseURL, &opts)
}

// Source returns the source that was given to [New].
func (c *Client) Source() string { return c.state().source }

// Format prints the client's source, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "crmhttp.Client(%s)", c.Source()) }

// GetJSON is [Client.DoJSON] with a GET of path and query. op says what is
// being done, for errors: "list statuses".
func (c *Client) GetJSON(ctx context.Context, op, path string, query url.Values, into any) error {
	return c.DoJSON(ctx, Request{Op: op, Path: path, Query: query}, into)
}

// DoJSON sends the request as [Client.Do] does and decodes the answer as
// [Client.Decode] does.
func (c *Client) DoJSON(ctx context.Context, request Request, into any) error {
	response, err := c.Do(ctx, request)
	if err != nil {
		return err
	}
	return c.Decode(request.Op, response, into)
}

// Error returns e as an error of this client, for what only the client can judge:
// a list that lacks its rows, a page that is not the one asked for. e must not be
// nil. It returns a copy that names the source and the
// operation, without any secret and with the message cleaned and cut to a few
// hundred bytes. The cause e.Err is replaced by its text; what [errors.Is] still
// finds in it is told at [Client.Do].
func (c *Client) Error(op string, e *crm.Error) *crm.Error {
	return c.state().clean(op, nil, e)
}

// newResty returns a resty client that leaves hc alone and does nothing on its
// own: no retry, no log, no redirect, no cookie jar that the caller did not
// give.
func newResty(hc *http.Client) *resty.Client {
	own := http.Client{}
	if hc != nil {
		own = *hc
	}
	if own.Transport == nil {
		// Otherwise resty makes one for each client, and an engine with a
		// thousand bots a thousand pools of connections to one host.
		own.Transport = http.DefaultTransport
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return resty.NewWithClient(&own).SetLogger(silent{}).SetDisableWarn(true).SetRetryCount(0)
}

// silent is a resty logger. The one of resty writes addresses to stderr.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}

// now returns the time by the injected clock.
func (s *state) now() time.Time { return s.opts.Now() }
