// Package umnico is the client for Umnico (https://umnico.com), an inbox for
// messengers with leads. Through version 1.3 of the REST API it reads the account's
// list of lead statuses, reads, lists and moves leads, and keeps the webhooks by
// which Umnico tells of changes, which [Events] receives.
//
// Umnico documents little, so this package takes nothing for granted that it need
// not. Confirmed by the vendor's pages are the address, the account token in the
// header Authorization, that a list is a bare JSON array, the fields of a lead, and
// the inbox with its pages of at most 200 and most of its filters
// (https://api.umnico.com/docs/introduction/auth.html,
// https://api.umnico.com/docs/apiMethods/managers.html,
// https://api.umnico.com/docs/ru/apiMethods/leads.html). Known from programs in use
// are the other calls for reading, signing in with a password, and webhooks.
// Everything else is not confirmed, and each point is corrected in one place:
//
//   - the word before a token: [Options.AuthWord];
//   - the call that changes a lead's status, which nothing public shows at all:
//     [Options.Move]. Whatever it answers, the lead is read back;
//   - what a status's type means: it is in Raw["type"], and Outcome stays
//     [crm.Unknown] unless [Options.Outcomes] says more;
//   - whether the list of statuses has pages: the answer is taken for the whole list,
//     and Announced of the scope stays 0 ([Client.ListStatuses]);
//   - how a colour is written: one that is not "#RRGGBB" is in Raw["color"];
//   - whether names are unique: only the ID tells statuses apart;
//   - in which order leads are listed, and that the list ends with a page that is not
//     full: [Client.Leads];
//   - that "all" lists the leads of every section, and that several values of one
//     filter mean any of them: [Filter];
//   - how many requests Umnico takes: [Options.Rate]. An answer 429 is obeyed;
//   - what a message of a webhook holds beside the lead and its status, and whether it
//     comes again, late, or in another sequence: [Events] counts on nothing of it;
//   - what an account's status is beside "active": [Client.Check] returns the account
//     beside its error, so that the caller can judge;
//   - with which code Umnico refuses a webhook that is there already, or an eleventh:
//     [Client.Register] looks at the list instead;
//   - whether a token that came from signing in has a word in it, and how a refresh is
//     asked for: a text that has a word is sent as it came, and where a refresh fails,
//     the password is used ([NewForUser]);
//   - what an error's body looks like: it is read leniently, and the kind of error
//     follows from the HTTP status;
//   - whether the list of statuses can be changed over the API: this package does not.
package umnico

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
	"github.com/statuslink/statuslink/crm/internal/preflight"
)

const (
	// DefaultBaseURL is the address of the API.
	DefaultBaseURL = "https://api.umnico.com"
	// DefaultSource is the Source of a client without another name.
	DefaultSource = "umnico"
	// DefaultAuthWord is the word before an account's token. Umnico's
	// documentation writes it in small letters, see [Options.AuthWord].
	DefaultAuthWord = "bearer"
	// DefaultUserAuthWord is the word before a user's token
	// (https://api.umnico.com/docs/introduction/auth.html).
	DefaultUserAuthWord = "JWT"
	// NoAuthWord as [Options.AuthWord] sends the token alone.
	NoAuthWord = "-"
)

// Options change how a [Client] works. The zero value, and nil, are ready to
// use. What makes a client copies them.
type Options struct {
	// Source is the Source of all Refs; empty means [DefaultSource]. Give
	// another one where two accounts are connected.
	Source string
	// BaseURL is the address in front of "/v1.3"; empty means
	// [DefaultBaseURL]. It has to be https, except for a loopback host.
	BaseURL string
	// AuthWord is the word between "Authorization:" and the token; empty means
	// [DefaultAuthWord], and [DefaultUserAuthWord] for [NewForUser]. Some accounts
	// were seen to want "Bearer" instead, others no word at all ([NoAuthWord]).
	AuthWord string
	// Outcomes gives statuses a meaning, by their ID or their type: what stands
	// under the ID counts first, and a status under neither is [crm.Unknown].
	// Umnico has no documented sign for it, and which types there are is not known;
	// they are in Raw["type"] of a listing.
	Outcomes map[string]crm.Outcome
	// Move returns the request that puts a lead into a status; nil means PUT
	// /v1.3/leads/{id} with {"statusId": n}. That is a guess: the part of the page
	// of leads that could be read ends before such a call
	// (https://api.umnico.com/docs/ru/apiMethods/leads.html), and no public program
	// makes one. PUT with nothing but what changes is how this API changes a
	// webhook, and statusId is the field's name in a lead that is read. If Umnico
	// wants something else, it is one line:
	//
	//	Move: func(lead crm.LeadRef, to crm.Ref) umnico.MoveRequest {
	//		return umnico.MoveRequest{Method: "POST", Path: "/v1.3/leads/" + lead.ID + "/status/" + to.ID}
	//	}
	//
	// It may be called by several goroutines at once, and more than once for a
	// move. The request must do no harm when it is sent twice.
	Move func(lead crm.LeadRef, to crm.Ref) MoveRequest
	// Rate is how many requests a second the client sends at most; 0 means 5, a
	// negative number that there is no limit. Umnico documents none, so this is a
	// modest guess. Up to twice as many go at once after a pause.
	Rate float64
	// InFlight is how many leads [Client.MoveLeads] moves at once; 0 means 4.
	InFlight int
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

// complete returns a copy with what is zero filled in, but for AuthWord; o may be
// nil.
func (o *Options) complete() (*Options, error) {
	var all Options
	if o != nil {
		all = *o
	}
	if all.Source == "" {
		all.Source = DefaultSource
	}
	if all.BaseURL == "" {
		all.BaseURL = DefaultBaseURL
	}
	if all.Move == nil {
		all.Move = defaultMove
	}
	if all.InFlight < 0 || math.IsNaN(all.Rate) {
		return nil, fmt.Errorf("%s: options: InFlight is negative, or Rate is no number", all.Source)
	}
	all.InFlight, all.Rate = cmp.Or(all.InFlight, 4), cmp.Or(all.Rate, 5)
	if all.AuthWord != NoAuthWord && strings.ContainsFunc(all.AuthWord, notVisible) {
		return nil, fmt.Errorf("%s: options: AuthWord must be one word such as %q", all.Source, DefaultAuthWord)
	}
	for name, outcome := range all.Outcomes {
		if name == "" || !outcome.Valid() {
			return nil, fmt.Errorf("%s: options: Outcomes[%q] is %v; expected an ID or a type, and one of the outcomes", all.Source, name, outcome)
		}
	}
	all.Outcomes = maps.Clone(all.Outcomes)
	return &all, nil
}

// Client is a [crm.Client] for one Umnico account. It is made by [New],
// [NewWithTokens] or [NewForUser]; its zero value is not usable. Its methods are
// safe for concurrent use. Printed in any way it shows its source only.
type Client struct {
	opts    *Options
	session *session
	listed  *preflight.List
	limiter *rate.Limiter
}

var _ crm.Client = (*Client)(nil)

// New returns a client for the account that token belongs to. opts may be nil.
//
// The token is the account's JSON Web Token, taken in Umnico's web interface
// under Settings > API (Настройки > API). It may be given as it was pasted: with
// blanks and line ends around it, and with "Bearer" in front. New does not ask
// Umnico whether it is good; [Client.Check] does. No error shows it.
func New(token string, opts *Options) (*Client, error) {
	c, err := newClient(opts, DefaultAuthWord, hintToken)
	if err != nil {
		return nil, err
	}
	token, err = cleanToken(token, c.session.word)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Source(), err)
	}
	a, err := c.open(token, c.session.word, "")
	if err != nil {
		return nil, err
	}
	c.session.now.Store(a)
	return c, nil
}

// NewWithTokens returns a client that asks for its token, for accounts whose tokens
// are replaced from time to time. opts may be nil.
//
// ask is called before the first request, and again when Umnico refuses the token
// (HTTP 401): once in a call of the client, which is then repeated if the token is
// another one. It is never called by two goroutines at once, and must not call the
// client. What it returns is understood as by [New]. Its error makes the call fail,
// with kind [crm.ErrUnavailable]; its text is kept, so it must show no secret but
// the token in use.
func NewWithTokens(ask func(ctx context.Context) (token string, err error), opts *Options) (*Client, error) {
	c, err := newClient(opts, DefaultAuthWord, hintToken)
	if err != nil {
		return nil, err
	}
	if ask == nil {
		return nil, fmt.Errorf("%s: %w", c.Source(), errors.New("the function that returns the token is missing"))
	}
	c.session.renew = func(ctx context.Context, stale *access, _ bool) (*access, error) { return c.askToken(ctx, stale, ask) }
	return c, nil
}

// newClient returns a client that nobody has signed in.
func newClient(opts *Options, word, hint string, secrets ...crmhttp.Secret) (*Client, error) {
	o, err := opts.complete()
	if err != nil {
		return nil, err
	}
	if o.AuthWord != "" {
		word = o.AuthWord
	}
	c := &Client{opts: o, listed: new(preflight.List), limiter: newLimiter(o.Rate), session: newSession(word, hint, secrets)}
	a, err := c.open("", NoAuthWord, "")
	if err != nil {
		return nil, err
	}
	c.session.now.Store(a)
	return c, nil
}

// Source returns the source given in [Options], or [DefaultSource].
func (c *Client) Source() string { return c.opts.Source }

// Format prints the client's source, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "umnico.Client(%s)", c.Source()) }
