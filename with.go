package statuslink

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/statuslink/statuslink/crm"
)

// With returns the state after changes; s itself if they change nothing. It is
// pure. Everything is judged on the state after the whole change, so that two
// statuses may exchange a Key or a Ref. The error is a [*StaleError] if s is
// not at changes.Version, otherwise an [*Error] of kind [ErrInvalid],
// [ErrDuplicate], [ErrNotFound] (an update or removal of what is not there) or
// [ErrInUse] (the last status would be removed).
func (s *Snapshot) With(changes Changes) (*Snapshot, error) {
	if changes.Version != s.version {
		return nil, &StaleError{Planned: changes.Version, Present: s.version}
	}
	if changes.Empty() {
		return s, nil
	}
	next := &Snapshot{version: s.version + 1}
	statuses, err := s.withStatuses(&changes)
	if err != nil {
		return nil, err
	}
	next.state.Statuses = statuses
	next.state.Ignored = merge(s.state.Ignored, changes.Ignore, changes.Restore, func(i Ignored) crm.Ref { return i.Ref })
	next.state.Scopes = merge(s.state.Scopes, changes.Scopes, changes.DropScopes, func(p Scope) ScopeKey { return p.ScopeKey })
	next.state.Accounts = merge(s.state.Accounts, changes.Accounts, nil, func(a Account) string { return a.Source })
	if err := next.index(); err != nil {
		return nil, err
	}
	if s.same(next, &changes) {
		return s, nil
	}
	return next, nil
}

// same reports whether next, which changes made of s, is equal to it: a status
// updated to what it was, a scope renamed to its name.
func (s *Snapshot) same(next *Snapshot, changes *Changes) bool {
	if len(changes.Create)+len(changes.Remove) > 0 {
		return false
	}
	for i := range changes.Update {
		id := changes.Update[i].ID
		if !reflect.DeepEqual(s.state.Statuses[s.byID[id]], next.state.Statuses[next.byID[id]]) {
			return false
		}
	}
	return slices.Equal(s.state.Ignored, next.state.Ignored) && slices.Equal(s.state.Scopes, next.state.Scopes) &&
		reflect.DeepEqual(s.state.Accounts, next.state.Accounts)
}

func (s *Snapshot) withStatuses(changes *Changes) ([]Status, error) {
	// after holds, for each status that the change names, what becomes of it;
	// nil for removed.
	after := make(map[string]*Status, len(changes.Update)+len(changes.Remove)+len(changes.Create))
	claim := func(id string, want bool, value *Status) error {
		if _, twice := after[id]; twice {
			return &Error{Kind: ErrInvalid, Status: id, Field: "id", Message: "a change names the status twice"}
		}
		if _, exists := s.byID[id]; exists != want {
			if want {
				return &Error{Kind: ErrNotFound, Status: id, Message: "there is no status with this ID"}
			}
			return &Error{Kind: ErrDuplicate, Status: id, Field: "id", Message: "another status has this ID"}
		}
		after[id] = value
		return nil
	}
	own := func(values []Status, exist bool) error {
		for i := range values {
			value := values[i].normal()
			if err := value.validate(); err != nil {
				return err
			}
			if err := claim(value.ID, exist, &value); err != nil {
				return err
			}
		}
		return nil
	}
	if err := own(changes.Update, true); err != nil {
		return nil, err
	}
	if err := own(changes.Create, false); err != nil {
		return nil, err
	}
	for _, id := range changes.Remove {
		if err := claim(id, true, nil); err != nil {
			return nil, err
		}
	}
	if len(s.state.Statuses) > 0 && len(changes.Remove) == len(s.state.Statuses)+len(changes.Create) {
		return nil, &Error{Kind: ErrInUse, Op: "remove", Message: "a bot needs at least one status; create another first"}
	}
	statuses := make([]Status, 0, len(s.state.Statuses)+len(changes.Create)-len(changes.Remove))
	for i := range s.state.Statuses {
		value, changed := after[s.state.Statuses[i].ID]
		switch {
		case !changed:
			statuses = append(statuses, s.state.Statuses[i])
		case value != nil:
			statuses = append(statuses, *value)
		}
	}
	for i := range changes.Create {
		statuses = append(statuses, *after[changes.Create[i].ID])
	}
	return statuses, nil
}

// merge returns a copy of old without dropped, with each of set added or in
// place of the one of the same key.
func merge[T any, K comparable](old, set []T, dropped []K, key func(T) K) []T {
	gone := make(map[K]bool, len(set)+len(dropped))
	for _, k := range dropped {
		gone[k] = true
	}
	for _, v := range set {
		gone[key(v)] = true
	}
	merged := make([]T, 0, len(old)+len(set))
	for _, v := range old {
		if !gone[key(v)] {
			merged = append(merged, v)
		}
	}
	return append(merged, set...)
}

// index sorts the state, checks what concerns more than one status, and builds
// the lookups.
func (s *Snapshot) index() error {
	if err := s.indexRest(); err != nil {
		return err
	}
	statuses := s.state.Statuses
	if !slices.IsSortedFunc(statuses, byOrder) {
		slices.SortFunc(statuses, byOrder)
	}
	links := 0
	for i := range statuses {
		links += len(statuses[i].Links)
	}
	s.byID = make(map[string]int, len(statuses))
	s.byKey = make(map[string]int)
	s.byRef = make(map[crm.Ref]linkAt, links)
	duplicate := func(status *Status, field, message string) error {
		return &Error{Kind: ErrDuplicate, Status: status.label(), Field: field, Message: message}
	}
	for i := range statuses {
		status := &statuses[i]
		if _, taken := s.byID[status.ID]; taken {
			return duplicate(status, "id", "another status has this ID")
		}
		s.byID[status.ID] = i
		if status.Key != "" {
			if j, taken := s.byKey[status.Key]; taken {
				return duplicate(status, "key", fmt.Sprintf("the key %q is that of %q", status.Key, statuses[j].Name))
			}
			s.byKey[status.Key] = i
		}
		for j, link := range status.Links {
			if at, taken := s.byRef[link.Ref]; taken {
				return duplicate(status, "links", fmt.Sprintf("%s is linked to %q", link.Ref, statuses[at.status].Name))
			}
			if _, ignored := s.ignored[link.Ref]; ignored {
				return &Error{
					Kind: ErrInvalid, Status: status.label(), Field: "links",
					Message: fmt.Sprintf("%s is ignored; restore it first", link.Ref),
				}
			}
			s.byRef[link.Ref] = linkAt{i, j}
		}
	}
	s.names = sync.OnceValue(func() *nameIndex { return newNameIndex(statuses) })
	s.links = sync.OnceValue(func() *linkIndex { return newLinkIndex(statuses) })
	return nil
}

func (s *Snapshot) indexRest() error {
	bad := func(kind error, what fmt.Stringer, message string) error {
		return &Error{Kind: kind, Status: what.String(), Message: message}
	}
	st := &s.state
	s.ignored = make(map[crm.Ref]int, len(st.Ignored))
	slices.SortStableFunc(st.Ignored, func(a, b Ignored) int { return compareRefs(a.Ref, b.Ref) })
	for i := range st.Ignored {
		ref := st.Ignored[i].Ref
		if ref.Source == "" || ref.ID == "" {
			return bad(ErrInvalid, ref, "an ignored Ref needs a source and an ID")
		}
		if !storable(ref.Source, ref.Scope, ref.ID, st.Ignored[i].Name, st.Ignored[i].Who) {
			return bad(ErrInvalid, ref, "the texts of an ignored Ref are valid UTF-8 without zero bytes")
		}
		if _, twice := s.ignored[ref]; twice {
			return bad(ErrDuplicate, ref, "the Ref is ignored twice")
		}
		st.Ignored[i].Since = instant(st.Ignored[i].Since)
		s.ignored[ref] = i
	}
	slices.SortStableFunc(st.Scopes, func(a, b Scope) int { return compareScopes(a.ScopeKey, b.ScopeKey) })
	for i, scope := range st.Scopes {
		if scope.Source == "" || !storable(scope.Source, scope.ID, scope.Name) {
			return bad(ErrInvalid, scope, "a scope needs a source, and its texts are valid UTF-8 without zero bytes")
		}
		if i > 0 && st.Scopes[i-1].ScopeKey == scope.ScopeKey {
			return bad(ErrDuplicate, scope, "the scope stands twice")
		}
	}
	slices.SortStableFunc(st.Accounts, func(a, b Account) int { return strings.Compare(a.Source, b.Source) })
	for i := range st.Accounts {
		account := &st.Accounts[i]
		key := ScopeKey{Source: account.Source}
		if account.Source == "" || slices.Contains(account.Names, "") || !storable(account.Source) || !storable(account.Names...) {
			return bad(ErrInvalid, key, "an account needs a source and names that are not empty, valid UTF-8 and without zero bytes")
		}
		if i > 0 && st.Accounts[i-1].Source == account.Source {
			return bad(ErrDuplicate, key, "the account stands twice")
		}
		account.Names = slices.Compact(slices.Sorted(slices.Values(account.Names)))
	}
	st.Accounts = slices.DeleteFunc(st.Accounts, func(a Account) bool { return len(a.Names) == 0 })
	// nil rather than empty, so that equal states are equal however they came
	// about.
	if len(st.Ignored) == 0 {
		st.Ignored = nil
	}
	if len(st.Scopes) == 0 {
		st.Scopes = nil
	}
	if len(st.Accounts) == 0 {
		st.Accounts = nil
	}
	return nil
}

func byOrder(a, b Status) int {
	return cmp.Or(cmp.Compare(a.Order, b.Order), strings.Compare(a.ID, b.ID))
}

func compareRefs(a, b crm.Ref) int {
	return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Scope, b.Scope), strings.Compare(a.ID, b.ID))
}

func compareScopes(a, b ScopeKey) int {
	return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.ID, b.ID))
}
