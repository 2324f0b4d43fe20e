// Package bitrix24 is the client for Bitrix24 (https://www.bitrix24.com), a CRM
// with leads, deals in pipelines, and smart processes. It reads the portal's lists
// of statuses, reads and moves leads, one or many thousands, and receives what the
// portal says of changes, through version 2 of the REST API. It signs in by an
// incoming webhook ([New]) or as an application ([NewForApp]).
//
// # Statuses
//
// Each list, which Bitrix24 calls a directory, is a scope: "STATUS" has the
// statuses of leads, "DEAL_STAGE" the stages of the main pipeline of deals,
// "DEAL_STAGE_5" those of another. [Options.Scopes] chooses among them; without
// it the client reads the leads' statuses alone:
//
//	client, err := bitrix24.New(webhook, &bitrix24.Options{
//		Scopes: []string{bitrix24.Leads, bitrix24.Deals},
//	})
//
// However many lists there are, one HTTP request reads them all: a batch
// (https://apidocs.bitrix24.com/settings/how-to-call-rest-api/batch.html).
//
// The same ID stands in several directories, "NEW" in most, so only the pair of
// Scope and ID tells statuses apart.
//
// # Leads
//
// A [crm.LeadRef] names leads, deals, quotes, invoices and items of smart
// processes, by Kind: [KindLead], [KindDeal], "dynamic:177". They are read by
// [Client.ReadLead], [Client.ReadLeads] and [Client.ListLeads], and moved by
// [Client.MoveLead] and, up to 50 in one request, [Client.MoveLeads]. A move is
// verified by what the portal answers.
//
// # Events
//
// [Events] is the [http.Handler] for outgoing webhooks and for the events that an
// application binds with [Client.BindEvents]. The portal sends each event once, and
// those that nobody took are lost: [Client.ReadHistory] reads what happened
// meanwhile.
//
// # Limits
//
// The portal counts requests, and the time that each method takes
// (https://apidocs.bitrix24.com/settings/performance/limits.html). The clients of
// a process share one [Limiter] for each portal, so that they rarely meet the
// first; a bulk change that meets the second waits until it may go on. In tests,
// where many clients talk to a fake portal that has no limits, give each client a
// [NewNoLimiter].
//
// # What is not sure
//
//   - Whether the list of statuses has pages: the documentation says so in
//     words, the server's known source ignores pages. Pages are followed where
//     they come, and the rows are counted against the portal's own total, so
//     that a part is never taken for the whole (https://apidocs.bitrix24.com/api-reference/crm/status/crm-status-list.html).
//   - Whether a portal without leads still lists their statuses: it does not
//     matter, the client asks for the portal's mode.
//   - Which pipelines the webhook's owner may see: their names and sequence are
//     shown by rights, their stages are not. A pipeline without a name that can
//     be read has that of its directory.
//   - What becomes of a move to a stage that does not exist: portals keep the old
//     one and say yes, or say no. Both are errors here, [crm.ErrNotApplied] and
//     [crm.ErrRejected].
//   - Whether the time of a batch counts for its commands' methods, as documented,
//     or for "batch", and where it is reported: all of it is looked at, see
//     [Timing].
//   - Whether an old refresh token still works after a renewal: the client does
//     not count on it.
//   - Whether events come in their order, or twice: neither is counted on.
package bitrix24

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
	"github.com/statuslink/statuslink/crm/internal/preflight"
)

// DefaultSource is the Source of a client without another name.
const DefaultSource = "bitrix24"

// Options change how a [Client] works. The zero value, and nil, are ready to
// use. [New] copies them.
type Options struct {
	// Source is the Source of all Refs; empty means [DefaultSource]. Give
	// another one where two portals are connected.
	Source string
	// Scopes chooses the lists to read: [Leads], [Deals], [Everything], a
	// directory's code such as "DEAL_STAGE_5", or the beginning of codes with a
	// star behind it such as "DYNAMIC_177_*". Empty means [Leads].
	Scopes []string
	// HTTPClient sends the requests; nil means one like [http.DefaultClient].
	// It is copied and never changed, and its CheckRedirect is not used.
	HTTPClient *http.Client
	// Logger gets one record for each request, without address, headers and
	// bodies; nil means no log.
	Logger *slog.Logger
	// Timeout limits each attempt of a call; 0 means 30 seconds. A portal ends
	// a request after 60 seconds itself.
	Timeout time.Duration
	// Attempts is how often a request that is safe to repeat is sent at most;
	// 0 means 3, 1 that nothing is repeated.
	Attempts int
	// RetryBudget is how long after the start of a call a repetition may begin
	// at the latest; 0 means 5 seconds.
	RetryBudget time.Duration
	// MaxBody is the greatest size of an answer in bytes; 0 means 8 MiB, which
	// is more than 15,000 statuses.
	MaxBody int64
	// Limiter rations the requests; nil means the one that all clients of this
	// portal in this process share, which is a [NewStandardLimiter].
	Limiter *Limiter
	// FailOnBudget makes a bulk change fail when the portal's budget of operating
	// time is used up, with an error that says when it may go on. Otherwise it
	// waits and goes on.
	FailOnBudget bool
	// Observe is called with what the portal says of the time of each call and of
	// each command in a batch that went well, perhaps by several goroutines at
	// once. It must be quick. Nil means that nobody looks.
	Observe func(Timing)
	// Hosts are further hosts that may get the credentials: the name to which a
	// portal on a server of one's own is renamed, an authorization server. Those of
	// Bitrix24's own domains need not be named.
	Hosts []string
	// Renamed is called when the portal says that it has another host now, so that
	// the address that the client was made with can be replaced. The client goes on
	// with the new one by itself, if it is one of Bitrix24's domains or of Hosts. It
	// must be quick, and must not call the client. Nil means that nobody wants to know.
	Renamed func(host string)
}

// complete returns a copy with what is zero filled in; o may be nil.
func (o *Options) complete() (*Options, error) {
	var all Options
	if o != nil {
		all = *o
	}
	if all.Source == "" {
		all.Source = DefaultSource
	}
	scopes, err := newChoice(all.Scopes)
	if err != nil {
		return nil, fmt.Errorf("%s: options: Scopes: %w", all.Source, err)
	}
	all.Scopes, all.Hosts = scopes, slices.Clone(all.Hosts)
	return &all, nil
}

// http returns the options that concern connections.
func (o *Options) http() *crmhttp.Options {
	return &crmhttp.Options{
		HTTPClient: o.HTTPClient, Logger: o.Logger, Timeout: o.Timeout,
		Attempts: o.Attempts, RetryBudget: o.RetryBudget, MaxBody: o.MaxBody,
	}
}

// timeout returns the limit of one attempt.
func (c *Client) timeout() time.Duration {
	return cmp.Or(c.opts.Timeout, crmhttp.DefaultTimeout)
}

// attempts returns how often what is safe to repeat is sent at most.
func (c *Client) attempts() int {
	return cmp.Or(c.opts.Attempts, crmhttp.DefaultAttempts)
}

// allows reports whether the address has one of Hosts.
func (o *Options) allows(u *url.URL) bool {
	return slices.ContainsFunc(o.Hosts, func(host string) bool {
		return strings.EqualFold(host, u.Host) || strings.EqualFold(host, u.Hostname())
	})
}

// Client is a [crm.Client] for one Bitrix24 portal. It is made by [New] or
// [NewForApp]; its zero value is not usable. Its methods are safe for concurrent
// use. Printed in any way it shows its source only.
type Client struct {
	opts    *Options
	scopes  choice
	limiter *Limiter
	session *session
	budgets *budgets
	listed  *preflight.List
	observe func(Timing)
}

var _ crm.Client = (*Client)(nil)

// New returns a client for the portal of an incoming webhook. opts may be nil.
//
// The address is what the portal shows under Developer resources > Other >
// Incoming webhook, such as "https://example.bitrix24.com/rest/17/SECRET/". It is
// a password: whoever has it acts as the user who made it, within the scopes
// that it was given, of which "crm" is needed here
// (https://apidocs.bitrix24.com/local-integrations/local-webhooks.html). It may be
// given as it was pasted: with blanks and line ends around it, and with the name
// of a method behind it. It has to be https, except for a loopback host. New
// does not ask the portal whether it is good. No error shows it.
func New(webhook string, opts *Options) (*Client, error) {
	o, err := opts.complete()
	if err != nil {
		return nil, err
	}
	address, err := parseWebhook(webhook)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Source, err)
	}
	c := newClient(o, address.host)
	client, err := crmhttp.New(o.Source, address.base, c.httpOptions(crmhttp.Secret(address.secret)))
	if err != nil {
		return nil, err
	}
	c.session = newSession(&access{http: client, host: address.host, path: crmhttp.Secret(address.path)}, o, address.host)
	return c, nil
}

// newClient returns a client without a session.
func newClient(o *Options, host string) *Client {
	c := &Client{opts: o, scopes: o.Scopes, limiter: o.Limiter, budgets: new(budgets), listed: new(preflight.List), observe: o.Observe}
	if c.limiter == nil {
		c.limiter = sharedLimiter(host)
	}
	return c
}

// open returns the access to the portal of a token.
func (c *Client) open(token Token) (*access, error) {
	u, err := endpoint(token.ClientEndpoint)
	if err != nil {
		return nil, err
	}
	path := "/" + strings.Trim(u.Path, "/")
	secret := crmhttp.Secret(token.AccessToken)
	client, err := crmhttp.New(c.opts.Source, u.Scheme+"://"+u.Host+path, c.httpOptions(secret, crmhttp.Secret(token.RefreshToken)))
	if err != nil {
		return nil, err
	}
	return &access{http: client, host: portalHost(u), path: crmhttp.Secret(path), token: secret}, nil
}

// httpOptions returns how the portal is talked to.
func (c *Client) httpOptions(secrets ...crmhttp.Secret) *crmhttp.Options {
	o := c.opts.http()
	o.Secrets = secrets
	o.Classify, o.Retry, o.Unrun, o.Gate = c.classify, retryable, unrun, c.limiter.wait
	return o
}

// classify is what classify says, tells the limiter, and leaves redirects to those
// who may follow them.
func (c *Client) classify(response crmhttp.Response) *crm.Error {
	if redirects(response.Status) && response.Header.Get("Location") != "" {
		return nil
	}
	e := classify(response)
	if e != nil && bucketFull(e) {
		c.limiter.full()
	} else {
		c.limiter.taken()
	}
	return e
}

// Source returns the source given in [Options], or [DefaultSource].
func (c *Client) Source() string { return c.opts.Source }

// Format prints the client's source, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "bitrix24.Client(%s)", c.Source())
}
