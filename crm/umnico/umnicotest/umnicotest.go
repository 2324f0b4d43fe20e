// Package umnicotest is a fake Umnico to test bots and clients against: it
// keeps an account with a list of statuses, checks the token, fails on demand
// and counts what it was asked. It behaves as Umnico is known to, and where
// nothing is known it says so in a comment.
//
// [NewServer] starts one on a loopback port in one line. [New] gives the
// [http.Handler] alone, and [Umnico.Transport] plays it without a network, for
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
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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
type Umnico struct {
	mu       sync.Mutex
	token    string
	word     string // "" accepts the usual one in any case
	textIDs  bool
	statuses []Status
	lastID   int
	faults   []Fault
	gates    []chan struct{}
	counts   map[string]int
	total    int
	begun    chan struct{} // closed and replaced when a request comes
}

// New returns a fake with the token [DefaultToken] and [DefaultStatuses].
func New() *Umnico {
	u := &Umnico{token: DefaultToken, counts: map[string]int{}, begun: make(chan struct{})}
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
	s.release(nil)
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

// Requests returns how many requests have come for the path, such as
// [PathStatuses], failed and refused ones included.
func (u *Umnico) Requests(path string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.counts[path]
}

// TotalRequests returns how many requests have come for any path.
func (u *Umnico) TotalRequests() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.total
}

// WaitRequests waits until at least n requests have come since the start, and
// returns nil then, or ctx.Err() if ctx ends before.
func (u *Umnico) WaitRequests(ctx context.Context, n int) error {
	for {
		u.mu.Lock()
		total, begun := u.total, u.begun
		u.mu.Unlock()
		if total >= n {
			return nil
		}
		select {
		case <-begun:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Hold makes every request that comes from now on wait until release is called
// or its client goes away. Calling release again does nothing.
func (u *Umnico) Hold() (release func()) {
	gate := make(chan struct{})
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gates = append(u.gates, gate) // requests hold a shorter slice, or an older one
	return func() { u.release(gate) }
}

// release opens one gate, or all for nil.
func (u *Umnico) release(only chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var kept []chan struct{}
	for _, gate := range u.gates {
		if only == nil || gate == only {
			close(gate)
		} else {
			kept = append(kept, gate)
		}
	}
	u.gates = kept
}
