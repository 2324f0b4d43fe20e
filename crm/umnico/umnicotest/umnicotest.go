// Package umnicotest is a fake Umnico to test bots and clients against: it
// keeps an account with statuses, leads and webhooks, checks tokens, sends events,
// fails on demand and counts what it was asked.
//
// [NewServer] starts one on a loopback port in one line. [New] gives the
// [http.Handler] alone, and its Transport plays it without a network, for
// tests with a fake clock.
//
//	server := umnicotest.NewServer()
//	defer server.Close()
//	client, err := umnico.New(server.Token(), &umnico.Options{BaseURL: server.URL})
//
// A new account has the eleven statuses of [DefaultStatuses] and no leads. All
// names and numbers are invented. Time is that of [time.Now].
//
// # What is confirmed
//
// The vendor's pages confirm the account token, the word JWT before the tokens of
// users (https://api.umnico.com/docs/introduction/auth.html), that lists are bare
// arrays, the managers (https://api.umnico.com/docs/apiMethods/managers.html), and
// the list of the inbox with most of its parameters and fields
// (https://api.umnico.com/docs/ru/apiMethods/leads.html). Programs in use confirm
// the statuses, the account, a single lead, the other sections, the parameters
// statuses and customer, signing in, the calls of webhooks, that there are ten of
// them at most, and the events' names and most of their fields.
//
// # What is assumed, and how it is switched
//
//   - How a lead's status is changed, what that answers, and what a status does
//     that is not in the list: [Umnico.SetStatusCall]. That it is refused or the
//     lead moved on: [Umnico.RefuseLead], [Umnico.Automate].
//   - Whether a status decides the section: [Umnico.SetStatusSection]. The order of
//     lists: [Umnico.SetOldestFirst].
//   - The word before a token: [Umnico.SetAuthWord], [Umnico.SetUserAuthWord],
//     [Umnico.SetWordInTokens]. How long tokens live, and whether that is said:
//     [Umnico.ExpireTokens], [Umnico.SetExp]. Whether a refresh token works twice:
//     [Umnico.SetRefreshReusable].
//   - Whether one's own changes are events, and whether a change of status is
//     lead.changed too: [Umnico.SetEcho], [Umnico.SetChangedToo]. The form of
//     events: [Umnico.SetEventForm], and [Umnico.SendEvent] for others.
//   - Whether events come again, late or not at all: [Umnico.SetEvents]. When a
//     webhook is switched off: [Umnico.SetWebhookFailures].
//   - Answers to the calls of webhooks: [Umnico.SetWebhookCalls].
//   - Whether IDs are numbers or texts: [Umnico.SetTextIDs].
//   - Limits of requests: [Umnico.SetRateLimit].
//   - The account's other statuses than "active": [Umnico.SetAccountStatus].
//   - Error texts and statuses, other than that of a webhook that exists: give
//     others by Fail and [github.com/statuslink/statuslink/crm/crmfault.Answer].
package umnicotest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm/crmfault"
)

const (
	// DefaultToken is the token of a new account.
	DefaultToken = "umnicotest-header.umnicotest-claims.umnicotest-signature"
	// DefaultAccountID is the ID of a new account.
	DefaultAccountID = 100500
	// PathStatuses is where the status list is.
	PathStatuses = "/v1.3/statuses"
	// PathAccount is where the account is.
	PathAccount = "/v1.3/account/me"
	// PathLeads is what the paths of leads and of their lists begin with.
	PathLeads = "/v1.3/leads"
	// PathWebhooks is where the webhooks are.
	PathWebhooks = "/v1.3/webhooks"
	// PathLogin is where a user signs in.
	PathLogin = "/v1.3/auth/login"
	// PathTokens is where a refresh token gets new tokens.
	PathTokens = "/v1.3/auth/tokens"
)

// Umnico is a fake Umnico with one account: an [http.Handler] with state. It is
// made by [New] or [NewServer]; its zero value is not usable. All methods are
// safe for concurrent use, also while requests run.
//
// The embedded handler makes requests fail, holds them and counts them.
type Umnico struct {
	*crmfault.Handler

	mu       sync.Mutex
	token    string
	word     string // "" accepts the usual one in any case
	textIDs  bool
	statuses []Status
	lastID   int
	users    users

	accountID     int
	accountStatus string
	managers      []Manager
	integrations  []Integration

	leads       []*Lead // sorted by byAge
	leadByID    map[int]*Lead
	customers   map[int]Customer
	rules       map[int]int    // from a status to another
	sections    map[int]string // of statuses
	refusals    map[int]int    // of leads, by HTTP status
	oldestFirst bool
	statusCall  StatusCall

	webhooks     []Webhook
	webhookCalls WebhookCalls
	failures     map[int]int // in a row, of a webhook
	failuresMost int
	queue        []Delivery
	form         EventForm
	changedToo   bool
	silent       bool

	lastLead, lastCustomer, lastWebhook, lastMessage int

	limit              limit
	latency            time.Duration
	atOnce, mostAtOnce int
}

// New returns a fake with the token [DefaultToken], [DefaultStatuses],
// [DefaultManagers] and [DefaultIntegrations].
func New() *Umnico {
	u := &Umnico{
		token: DefaultToken, users: newUsers(),
		accountID: DefaultAccountID, accountStatus: "active",
		managers: DefaultManagers(), integrations: DefaultIntegrations(),
		leadByID: map[int]*Lead{}, customers: map[int]Customer{},
		rules: map[int]int{}, sections: map[int]string{}, refusals: map[int]int{},
		failures: map[int]int{}, failuresMost: 3,
		lastLead: 70010000, lastCustomer: 60010000, lastWebhook: 30500, lastMessage: 48210,
	}
	u.Handler = crmfault.New(http.HandlerFunc(u.serve))
	u.SetStatuses(DefaultStatuses()...)
	return u
}

// Server is an [Umnico] that listens on a loopback port.
type Server struct {
	*Umnico
	// URL is the address to give to a client, without a slash at its end.
	URL string

	server *httptest.Server
}

// NewServer starts a fake as [New] makes it. It panics if no port can be had.
// The caller closes it.
func NewServer() *Server {
	u := New()
	server := httptest.NewServer(u)
	return &Server{Umnico: u, URL: server.URL, server: server}
}

// Close lets held requests go on, waits until all have ended and stops the
// server. Closing twice is allowed.
func (s *Server) Close() {
	s.ReleaseAll()
	s.server.Close()
}

// HTTPClient returns an HTTP client whose connections end with [Server.Close].
func (s *Server) HTTPClient() *http.Client { return s.server.Client() }

// Token returns the account's token.
func (u *Umnico) Token() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.token
}

// SetToken replaces the account's token: the old one gets 401 from now on.
func (u *Umnico) SetToken(token string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.token = token
}

// SetAuthWord makes the fake accept exactly this word before the token, as
// some accounts were seen to do; "-" accepts the token without a word only.
// Empty, as at the start, accepts "bearer" in small and capital letters.
func (u *Umnico) SetAuthWord(word string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.word = word
}

// SetTextIDs makes answers have IDs as texts instead of numbers, or as numbers
// again. Umnico was seen to do both, though not in these answers. For events see
// [EventForm].
func (u *Umnico) SetTextIDs(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.textIDs = on
}

// authorized reports whether the header Authorization has the account's token. It
// runs under mu.
func (u *Umnico) authorized(header string) bool {
	if u.word == "-" {
		return header == u.token
	}
	word, token, _ := strings.Cut(header, " ")
	if u.word == "" {
		return strings.EqualFold(word, "bearer") && token == u.token
	}
	return word == u.word && token == u.token
}
