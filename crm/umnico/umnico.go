// Package umnico is the client for Umnico (https://umnico.com), an inbox for
// messengers with leads. It reads the account's list of lead statuses through
// version 1.3 of the REST API.
//
// Umnico documents little, so this package takes nothing for granted that it
// need not. Confirmed by the vendor's pages are the address, the account token
// in the header Authorization, and that a list is a bare JSON array
// (https://api.umnico.com/docs/introduction/auth.html,
// https://api.umnico.com/docs/apiMethods/managers.html). Known from programs
// in use only: the call GET /v1.3/statuses and the names and types of a
// status's fields. Unknown, and therefore:
//
//   - whether the list has pages: the answer is taken for the whole list, and
//     Announced of the scope stays 0;
//   - what the values of a status's type mean: they are in Raw["type"], and
//     Outcome stays [crm.Unknown];
//   - how a colour is written: one that is not "#RRGGBB" is in Raw["color"];
//   - whether names are unique: only the ID tells statuses apart;
//   - what an error's body looks like: it is read leniently, and the kind of
//     error follows from the HTTP status;
//   - whether statuses can be changed over the API: this package does not.
package umnico

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	// DefaultBaseURL is the address of the API.
	DefaultBaseURL = "https://api.umnico.com"
	// DefaultSource is the Source of a client without another name.
	DefaultSource = "umnico"
	// DefaultAuthWord is the word before the token. Umnico's documentation
	// writes it in small letters, see [Options.AuthWord].
	DefaultAuthWord = "bearer"
	// NoAuthWord as [Options.AuthWord] sends the token alone.
	NoAuthWord = "-"
)

// Options change how a [Client] works. The zero value, and nil, are ready to
// use. [New] copies them.
type Options struct {
	// Source is the Source of all Refs; empty means [DefaultSource]. Give
	// another one where two accounts are connected.
	Source string
	// BaseURL is the address in front of "/v1.3"; empty means
	// [DefaultBaseURL]. It has to be https, except for a loopback host.
	BaseURL string
	// AuthWord is the word between "Authorization:" and the token; empty means
	// [DefaultAuthWord]. Some accounts were seen to want "Bearer" instead,
	// others no word at all ([NoAuthWord]), and tokens of users "JWT".
	AuthWord string
	// HTTPClient sends the requests; nil means one like [http.DefaultClient].
	// It is copied and never changed, and its CheckRedirect is not used.
	HTTPClient *http.Client
	// Logger gets one record for each request, without address, headers and
	// bodies; nil means no log.
	Logger *slog.Logger
	// Timeout limits each attempt of a call; 0 means 30 seconds. Umnico can be
	// slow.
	Timeout time.Duration
	// Attempts is how often a request that is safe to repeat is sent at most;
	// 0 means 3, 1 that nothing is repeated.
	Attempts int
	// RetryBudget is how long after the start of a call a repetition may begin
	// at the latest; 0 means 5 seconds.
	RetryBudget time.Duration
	// MaxBody is the greatest size of an answer in bytes; 0 means 8 MiB.
	MaxBody int64
}

// Client is a [crm.Client] for one Umnico account. It is made by [New]; its
// zero value is not usable. It never changes, and its methods are safe for
// concurrent use. Printed in any way it shows its source only.
type Client struct {
	http *crmhttp.Client
}

var _ crm.Client = (*Client)(nil)

// New returns a client for the account that token belongs to. opts may be nil.
//
// The token is the account's JSON Web Token, taken in Umnico's web interface
// under Settings > API (Настройки > API). It may be given as it was pasted: with
// blanks and line ends around it, and with "Bearer" in front. New does not ask
// Umnico whether it is good. No error shows it.
func New(token string, opts *Options) (*Client, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Source == "" {
		o.Source = DefaultSource
	}
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	if o.AuthWord == "" {
		o.AuthWord = DefaultAuthWord
	}
	if o.AuthWord != NoAuthWord && strings.ContainsFunc(o.AuthWord, notVisible) {
		return nil, fmt.Errorf("%s: options: AuthWord must be one word such as %q", o.Source, DefaultAuthWord)
	}
	token, err := cleanToken(token, o.AuthWord)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Source, err)
	}
	// https://api.umnico.com/docs/introduction/auth.html
	authorization := o.AuthWord + " " + token
	if o.AuthWord == NoAuthWord {
		authorization = token
	}
	client, err := crmhttp.New(o.Source, o.BaseURL, &crmhttp.Options{
		HTTPClient:    o.HTTPClient,
		Logger:        o.Logger,
		Authorization: crmhttp.Secret(authorization),
		Classify:      classify,
		Attempts:      o.Attempts,
		RetryBudget:   o.RetryBudget,
		Timeout:       o.Timeout,
		MaxBody:       o.MaxBody,
	})
	if err != nil {
		return nil, err
	}
	return &Client{http: client}, nil
}

// Source returns the source given in [Options], or [DefaultSource].
func (c *Client) Source() string { return c.http.Source() }

// Format prints the client's source, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "umnico.Client(%s)", c.Source()) }
