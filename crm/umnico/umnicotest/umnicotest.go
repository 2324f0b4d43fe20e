// Package umnicotest is a fake Umnico to test bots and clients against: it
// keeps an account with a list of statuses, checks the token, fails on demand
// and counts what it was asked. It behaves as Umnico is known to, and where
// nothing is known it says so in a comment.
//
// [NewServer] starts one on a loopback port in one line. [New] gives the
// [http.Handler] alone, and its Transport plays it without a network, for
// tests with a fake clock.
//
//	server := umnicotest.NewServer()
//	defer server.Close()
//	client, err := umnico.New(server.Token(), &umnico.Options{BaseURL: server.URL})
//
// A new account has the eleven statuses of [DefaultStatuses]. All names and
// numbers are invented.
package umnicotest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

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
}

// New returns a fake with the token [DefaultToken] and [DefaultStatuses].
func New() *Umnico {
	u := &Umnico{token: DefaultToken}
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

// Token returns the token that is accepted.
func (u *Umnico) Token() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.token
}

// SetToken replaces the token: the old one gets 401 from now on.
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

// SetTextIDs makes the fake write IDs as texts instead of numbers, or as
// numbers again. Umnico was seen to do both, though not in this list.
func (u *Umnico) SetTextIDs(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.textIDs = on
}

// authorized reports whether the request has the token. It runs under mu.
func (u *Umnico) authorized(r *http.Request) bool {
	header := r.Header.Get("Authorization")
	if u.word == "-" {
		return header == u.token
	}
	word, token, _ := strings.Cut(header, " ")
	if u.word == "" {
		return strings.EqualFold(word, "bearer") && token == u.token
	}
	return word == u.word && token == u.token
}
