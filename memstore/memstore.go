// Package memstore keeps the statuses of a bot in memory. It is the store to
// start with, for tests, and for bots that synchronise anew after each start:
// what it holds ends with the process.
//
//	var store memstore.Store // ready to use
//
// Looking something up takes no lock and allocates nothing: [Store.Load] hands
// out the present [statuslink.Snapshot] itself, which all callers share.
package memstore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/statuslink/statuslink"
)

// remembered is how many changes a Store's history holds.
const remembered = 100

// Store is a [statuslink.Store] in memory, which is a [statuslink.Watcher] and
// a [statuslink.Historian] too. Its zero value is an empty store at version 0.
// It is safe for concurrent use, starts no goroutine and needs no closing. It
// must not be copied after first use.
type Store struct {
	now atomic.Pointer[moment]

	// mu is held by writers and by History, never while a caller's code runs.
	mu      sync.Mutex
	history []statuslink.Record // oldest first, at most 2*remembered
}

var (
	_ statuslink.Store     = (*Store)(nil)
	_ statuslink.Watcher   = (*Store)(nil)
	_ statuslink.Historian = (*Store)(nil)
)

// moment is the state at one version, with the channel that its end closes.
type moment struct {
	snapshot *statuslink.Snapshot
	over     chan struct{}
}

// New returns a store that holds a copy of state, at version 1, or at version 0
// if state is empty. Its history is empty. The error is what
// [statuslink.NewSnapshot] says.
func New(state statuslink.State) (*Store, error) {
	version := uint64(1)
	if len(state.Statuses)+len(state.Ignored)+len(state.Scopes)+len(state.Accounts) == 0 {
		version = 0
	}
	snapshot, err := statuslink.NewSnapshot(version, state)
	if err != nil {
		return nil, err
	}
	s := new(Store)
	s.now.Store(&moment{snapshot, make(chan struct{})})
	return s, nil
}

// Load returns the present state without taking a lock: prev itself if that is
// of the present version. The error is ctx.Err() if ctx has ended, otherwise
// nil.
func (s *Store) Load(ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := s.present().snapshot
	if prev != nil && prev.Version() == now.Version() {
		return prev, nil
	}
	return now, nil
}

// Apply makes all of changes or nothing, and returns the state after it. The
// error is ctx.Err() if ctx has ended, otherwise what
// [statuslink.Snapshot.With] says.
func (s *Store) Apply(ctx context.Context, changes statuslink.Changes) (*statuslink.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := s.present()
	next, err := now.snapshot.With(changes)
	if err != nil || next == now.snapshot {
		return next, err
	}
	s.now.Store(&moment{next, make(chan struct{})})
	close(now.over)
	s.remember(statuslink.Record{Version: next.Version(), Note: changes.Note})
	return next, nil
}

// Changed returns a channel that is closed once the store is past prev: at once
// if prev is nil or not of the present version. It is never closed without a
// change.
func (s *Store) Changed(prev *statuslink.Snapshot) <-chan struct{} {
	now := s.present()
	if prev != nil && prev.Version() == now.snapshot.Version() {
		return now.over
	}
	past := make(chan struct{})
	close(past)
	return past
}

// History returns up to limit of the latest changes, newest first; none if
// limit is not positive. The store remembers the last 100, with Note.At in UTC
// and whole microseconds. The error is ctx.Err() if ctx has ended, otherwise
// nil.
func (s *Store) History(ctx context.Context, limit int) ([]statuslink.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := max(0, min(limit, remembered, len(s.history)))
	latest := make([]statuslink.Record, 0, n)
	for i := range n {
		latest = append(latest, s.history[len(s.history)-1-i])
	}
	return latest, nil
}

// remember adds a change to the history. The caller holds mu.
func (s *Store) remember(record statuslink.Record) {
	record.Note.At = record.Note.At.UTC().Truncate(time.Microsecond)
	if len(s.history) == 2*remembered {
		// Forgetting half at a time costs less than moving all at each change.
		s.history = s.history[:copy(s.history, s.history[remembered:])]
	}
	s.history = append(s.history, record)
}

// present returns the present moment, and begins the first one of a zero Store.
func (s *Store) present() *moment {
	if now := s.now.Load(); now != nil {
		return now
	}
	s.now.CompareAndSwap(nil, &moment{new(statuslink.Snapshot), make(chan struct{})})
	return s.now.Load()
}
