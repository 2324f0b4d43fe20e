package statuslink

import (
	"iter"
	"reflect"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// Snapshot is the state of a store at one version. It is immutable and safe
// for concurrent use; the slices in what it returns are its own and must not
// be modified. Lookups cost one map access and allocate nothing. The zero
// value is the empty state at version 0.
type Snapshot struct {
	version uint64
	state   State // statuses by Order, then ID; the rest by identity

	byID    map[string]int
	byKey   map[string]int
	byRef   map[crm.Ref]linkAt
	ignored map[crm.Ref]int

	names func() *nameIndex
	links func() *linkIndex
}

// linkAt is the place of a link: the status's and the link's index.
type linkAt struct{ status, link int }

// NewSnapshot checks and indexes a state, of which it keeps a copy. The error
// is an [*Error] of kind [ErrInvalid] or [ErrDuplicate] that names the status
// and the field. Times become UTC in whole microseconds.
func NewSnapshot(version uint64, state State) (*Snapshot, error) {
	s := &Snapshot{version: version}
	s.state.Statuses = make([]Status, len(state.Statuses))
	for i := range state.Statuses {
		s.state.Statuses[i] = state.Statuses[i].normal()
		if err := s.state.Statuses[i].validate(); err != nil {
			return nil, err
		}
	}
	s.state.Ignored = slices.Clone(state.Ignored)
	s.state.Scopes = slices.Clone(state.Scopes)
	s.state.Accounts = slices.Clone(state.Accounts)
	if err := s.index(); err != nil {
		return nil, err
	}
	return s, nil
}

// Version returns the store's version that this is the state of.
func (s *Snapshot) Version() uint64 { return s.version }

// Len returns the number of statuses.
func (s *Snapshot) Len() int { return len(s.state.Statuses) }

// At returns the status at place i, from 0 to Len()-1.
func (s *Snapshot) At(i int) Status { return s.state.Statuses[i] }

// All returns the statuses in order.
func (s *Snapshot) All() iter.Seq[Status] { return slices.Values(s.state.Statuses) }

// ByID returns the status with the ID.
func (s *Snapshot) ByID(id string) (Status, bool) {
	if i, ok := s.byID[id]; ok {
		return s.state.Statuses[i], true
	}
	return Status{}, false
}

// ByKey returns the status with the Key, which must not be empty.
func (s *Snapshot) ByKey(key string) (Status, bool) {
	if i, ok := s.byKey[key]; ok {
		return s.state.Statuses[i], true
	}
	return Status{}, false
}

// ByRef returns the status that is linked to ref, whether the link is missing
// or not.
func (s *Snapshot) ByRef(ref crm.Ref) (Status, bool) {
	if at, ok := s.byRef[ref]; ok {
		return s.state.Statuses[at.status], true
	}
	return Status{}, false
}

// Ignored returns the ignored Refs, sorted.
func (s *Snapshot) Ignored() iter.Seq[Ignored] { return slices.Values(s.state.Ignored) }

// IsIgnored reports whether ref is ignored.
func (s *Snapshot) IsIgnored(ref crm.Ref) bool {
	_, ok := s.ignored[ref]
	return ok
}

// Scopes returns the known scopes, sorted by source and ID.
func (s *Snapshot) Scopes() iter.Seq[Scope] { return slices.Values(s.state.Scopes) }

// Scope returns a known scope.
func (s *Snapshot) Scope(key ScopeKey) (Scope, bool) {
	i, ok := slices.BinarySearchFunc(s.state.Scopes, key, func(p Scope, k ScopeKey) int { return compareScopes(p.ScopeKey, k) })
	if !ok {
		return Scope{}, false
	}
	return s.state.Scopes[i], true
}

// Account returns the known names of the account behind a source, sorted; nil
// if none are known.
func (s *Snapshot) Account(source string) []string {
	for _, account := range s.state.Accounts {
		if account.Source == source {
			return account.Names
		}
	}
	return nil
}

// State returns a copy of everything, for stores that encode it. NewSnapshot
// of it gives an equal Snapshot.
func (s *Snapshot) State() State {
	state := State{
		Statuses: make([]Status, len(s.state.Statuses)),
		Ignored:  slices.Clone(s.state.Ignored),
		Scopes:   slices.Clone(s.state.Scopes),
		Accounts: slices.Clone(s.state.Accounts),
	}
	for i := range s.state.Statuses {
		state.Statuses[i] = s.state.Statuses[i].Clone()
	}
	for i := range state.Accounts {
		state.Accounts[i].Names = slices.Clone(state.Accounts[i].Names)
	}
	return state
}

// Since names the statuses that differ between old and s, in the order of s,
// removed ones last. A nil old is empty.
func (s *Snapshot) Since(old *Snapshot) []Moved {
	if old == nil {
		old = new(Snapshot)
	}
	var moved []Moved
	for i := range s.state.Statuses {
		now := &s.state.Statuses[i]
		before, existed := old.byID[now.ID]
		switch {
		case !existed:
			moved = append(moved, Moved{now.ID, now.Name, "created"})
		case !reflect.DeepEqual(*now, old.state.Statuses[before]):
			moved = append(moved, Moved{now.ID, now.Name, "changed"})
		}
	}
	for i := range old.state.Statuses {
		before := &old.state.Statuses[i]
		if _, exists := s.byID[before.ID]; !exists {
			moved = append(moved, Moved{before.ID, before.Name, "removed"})
		}
	}
	return moved
}
