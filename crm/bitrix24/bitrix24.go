// Package bitrix24 is the client for Bitrix24 (https://www.bitrix24.com), a CRM
// with leads, deals in pipelines, and smart processes. It reads the portal's
// lists of statuses through version 2 of the REST API, signed in by an incoming
// webhook.
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
// Scope and ID tells statuses apart. What is not sure about the API, and
// therefore:
//
//   - whether the list of statuses has pages: the documentation says so in
//     words, the server's known source ignores pages. Pages are followed where
//     they come, and the rows are counted against the portal's own total, so
//     that a part is never taken for the whole (https://apidocs.bitrix24.com/api-reference/crm/status/crm-status-list.html);
//   - whether a portal without leads still lists their statuses: it does not
//     matter, the client asks for the portal's mode;
//   - which pipelines the webhook's owner may see: their names and sequence are
//     shown by rights, their stages are not. A pipeline without a name that can
//     be read has that of its directory.
package bitrix24

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
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
}

// Client is a [crm.Client] for one Bitrix24 portal. It is made by [New]; its
// zero value is not usable. It never changes, and its methods are safe for
// concurrent use. Printed in any way it shows its source only.
type Client struct {
	http   *crmhttp.Client
	host   string
	scopes choice
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
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Source == "" {
		o.Source = DefaultSource
	}
	scopes, err := newChoice(o.Scopes)
	if err != nil {
		return nil, fmt.Errorf("%s: options: Scopes: %w", o.Source, err)
	}
	address, err := parseWebhook(webhook)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Source, err)
	}
	client, err := crmhttp.New(o.Source, address.base, &crmhttp.Options{
		HTTPClient:  o.HTTPClient,
		Logger:      o.Logger,
		Secrets:     []crmhttp.Secret{crmhttp.Secret(address.secret)},
		Classify:    classify,
		Retry:       retryable,
		Attempts:    o.Attempts,
		RetryBudget: o.RetryBudget,
		Timeout:     o.Timeout,
		MaxBody:     o.MaxBody,
	})
	if err != nil {
		return nil, err
	}
	return &Client{http: client, host: address.host, scopes: scopes}, nil
}

// Source returns the source given in [Options], or [DefaultSource].
func (c *Client) Source() string { return c.http.Source() }

// Format prints the client's source, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "bitrix24.Client(%s)", c.Source())
}
