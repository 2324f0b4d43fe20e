// Package crmfault makes a fake CRM fail on demand: it stands in front of the
// fake's [http.Handler], lets requests meet faults, holds them, and counts them.
// The fakes of this module are built on it, and so is package crmtest; a fake
// for another CRM embeds a [*Handler] in the same way:
//
//	type Acme struct {
//		*crmfault.Handler
//		...
//	}
//
//	func New() *Acme {
//		a := &Acme{...}
//		a.Handler = crmfault.New(http.HandlerFunc(a.serve))
//		return a
//	}
package crmfault

import (
	"context"
	"net/http"
	"strings"
	"sync"
)

// Handler stands in front of a fake CRM. It is made by [New]; its zero value is
// not usable. All methods are safe for concurrent use, also while requests run.
type Handler struct {
	next http.Handler

	mu     sync.Mutex
	faults []Fault
	gates  []chan struct{}
	counts map[string]int
	total  int
	begun  chan struct{} // closed and replaced when a request comes
}

// New returns a handler that passes every request on to next, until it is told
// otherwise.
func New(next http.Handler) *Handler {
	return &Handler{next: next, counts: map[string]int{}, begun: make(chan struct{})}
}

// Fail makes the next n requests meet the fault, after those that faults were
// set for before. A negative n means all, until [Handler.Recover]. A request
// that meets an answer of its own does not reach the fake at all, so credentials
// are not looked at.
func (h *Handler) Fail(n int, fault Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n < 0 {
		fault.forever = true
		n = 1
	}
	for range n {
		h.faults = append(h.faults, fault)
	}
}

// Recover takes back all faults that no request has met yet.
func (h *Handler) Recover() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

// Requests returns how many requests have come for the path, failed and refused
// ones included. A slash at the end of a path makes no difference.
func (h *Handler) Requests(path string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts[strings.TrimSuffix(path, "/")]
}

// TotalRequests returns how many requests have come for any path.
func (h *Handler) TotalRequests() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

// WaitRequests waits until at least n requests have come since the start, and
// returns nil then, or ctx.Err() if ctx ends before.
func (h *Handler) WaitRequests(ctx context.Context, n int) error {
	for {
		h.mu.Lock()
		total, begun := h.total, h.begun
		h.mu.Unlock()
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
func (h *Handler) Hold() (release func()) {
	gate := make(chan struct{})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gates = append(h.gates, gate) // requests hold a shorter slice, or an older one
	return func() { h.release(gate) }
}

// ReleaseAll lets all held requests go on.
func (h *Handler) ReleaseAll() { h.release(nil) }

// release opens one gate, or all for nil.
func (h *Handler) release(only chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var kept []chan struct{}
	for _, gate := range h.gates {
		if only == nil || gate == only {
			close(gate)
		} else {
			kept = append(kept, gate)
		}
	}
	h.gates = kept
}

// begin counts a request and returns what it meets.
func (h *Handler) begin(r *http.Request) (Fault, []chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[strings.TrimSuffix(r.URL.Path, "/")]++
	h.total++
	close(h.begun)
	h.begun = make(chan struct{})
	if len(h.faults) == 0 {
		return Fault{}, h.gates
	}
	fault := h.faults[0]
	if !fault.forever {
		h.faults = h.faults[1:]
	}
	return fault, h.gates
}
