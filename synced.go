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

// lastSynced says for people when the scope was last synchronised.
func (c *Catalog) lastSynced(snapshot *Snapshot, key ScopeKey) string {
	_, known := snapshot.Scope(key)
	return c.synced.last(known, func(other ScopeKey) bool { return other == key })
}

// lastSyncedSource does so for a source, of which it takes the scope that was
// synchronised last.
func (c *Catalog) lastSyncedSource(snapshot *Snapshot, source string) string {
	known := slices.ContainsFunc(snapshot.state.Scopes, func(s Scope) bool { return s.Source == source })
	return c.synced.last(known, func(other ScopeKey) bool { return other.Source == source })
}

// last says when the last of some scopes was synchronised; known says that one of
// them was, by any process.
func (s *syncedScopes) last(known bool, which func(ScopeKey) bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last time.Time
	for key, at := range s.at {
		if which(key) && at.After(last) {
			last = at
		}
	}
	switch {
	case !last.IsZero():
		return fmt.Sprintf("last synchronised %s", last.Format(time.RFC3339))
	case known:
		return "not synchronised since this process began"
	default:
		return "never synchronised"
	}
}
