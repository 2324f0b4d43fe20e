package statuslink

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// syncedScopes is when the scopes of CRMs were last synchronised by this process.
type syncedScopes struct {
	mu sync.Mutex
	at map[ScopeKey]time.Time
}

// note keeps that a plan is done: all that it read and does not hold.
func (s *syncedScopes) note(plan *Plan) {
	held := plan.Held()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = make(map[ScopeKey]time.Time)
	}
	for _, reading := range plan.readings {
		if !slices.Contains(plan.read, reading.source) {
			continue
		}
		for _, scope := range reading.listing.Scopes {
			key := ScopeKey{reading.source, scope.ID}
			if !slices.Contains(held, key) && plan.madeAt.After(s.at[key]) {
				s.at[key] = plan.madeAt
			}
		}
	}
}

// synchronise says for people in which case a synchronisation may help with what a
// scope lacks.
func (c *Catalog) synchronise(snapshot *Snapshot, key ScopeKey) string {
	if last := c.synced.last(func(other ScopeKey) bool { return other == key }); !last.IsZero() {
		return again(last)
	}
	if _, known := snapshot.Scope(key); known {
		return "synchronise"
	}
	return fmt.Sprintf("let the client read %s, which was never synchronised, and synchronise", key)
}

// synchroniseSource does so for a source.
func (c *Catalog) synchroniseSource(source string) string {
	if last := c.synced.last(func(other ScopeKey) bool { return other.Source == source }); !last.IsZero() {
		return again(last)
	}
	return "synchronise"
}

func again(last time.Time) string {
	return "synchronise again if something changed there since " + last.Format(time.RFC3339)
}

// last returns when the last of some scopes was synchronised by this process; zero for
// never.
func (s *syncedScopes) last(which func(ScopeKey) bool) (last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, at := range s.at {
		if which(key) && at.After(last) {
			last = at
		}
	}
	return last
}
