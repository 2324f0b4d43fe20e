// Package preflight is the look at the list of statuses before a lead is moved.
package preflight

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// fresh is how old a listing may be that alone proves that a status does not exist,
// and how soon after a listing that failed none is read again.
const fresh = 10 * time.Second

// List is what a client knows of the CRM's statuses from the last listing that it
// read. Its zero value is ready to use, and knows nothing. It is safe for concurrent
// use, and must not be copied.
type List struct {
	last   atomic.Pointer[listing]
	failed atomic.Pointer[time.Time] // when the last one could not be read
}

// listing is one listing.
type listing struct {
	at     time.Time
	scopes map[string]map[string]bool
}

// Note keeps a listing.
func (l *List) Note(read *crm.Listing) {
	k := &listing{at: time.Now(), scopes: make(map[string]map[string]bool, len(read.Scopes))}
	for _, scope := range read.Scopes {
		k.scopes[scope.ID] = map[string]bool{}
	}
	for i := range read.Statuses {
		ref := &read.Statuses[i].Ref
		k.scopes[ref.Scope][ref.ID] = true
	}
	l.last.Store(k)
}

// lacks reports whether the last listing covers the status's scope, and does not
// have the status.
func (l *List) lacks(status crm.Ref) (at time.Time, lacks bool) {
	k := l.last.Load()
	if k == nil {
		return time.Time{}, false
	}
	ids, covered := k.scopes[status.Scope]
	return k.at, covered && !ids[status.ID]
}

// Lacks reports whether the status surely does not exist. A listing that lacks it is
// read again first, because somebody may have made the status meanwhile: read reads
// one, and notes it. Where that fails, the CRM itself has to decide, and so it has for
// the moves that come right behind.
func (l *List) Lacks(ctx context.Context, status crm.Ref, read func(context.Context) (crm.Listing, error)) bool {
	at, lacks := l.lacks(status)
	if !lacks || time.Since(at) <= fresh {
		return lacks
	}
	if failed := l.failed.Load(); failed != nil && time.Since(*failed) <= fresh {
		return false
	}
	if _, err := read(ctx); err != nil {
		now := time.Now()
		l.failed.Store(&now)
		return false // the move is verified in any case
	}
	_, lacks = l.lacks(status)
	return lacks
}
