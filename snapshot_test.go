package statuslink_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// someState returns a state of two of everything, each time a new one.
func someState() statuslink.State {
	at := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)
	return statuslink.State{
		Statuses: []statuslink.Status{
			{
				ID: "a", Key: "new", Name: "New", Color: "#00FF00", Outcome: crm.Open, Aliases: []string{"z", "fresh"}, Order: 1,
				Created: at, Updated: at,
				Links: []statuslink.Link{
					{Ref: crm.Ref{Source: "u", ID: "1"}, Base: statuslink.Base{Name: "New", Ordered: true}, LinkedAt: at, MissingSince: at},
					{Ref: crm.Ref{Source: "b", Scope: "DEAL", ID: "NEW"}, LinkedAt: at},
				},
			},
			{ID: "b", Key: "paid", Name: "Paid", Order: 2, Links: []statuslink.Link{{Ref: crm.Ref{Source: "u", ID: "2"}}}},
		},
		Ignored: []statuslink.Ignored{
			{Ref: crm.Ref{Source: "b", Scope: "DEAL", ID: "X"}, Name: "X", Since: at, Who: "anna"},
			{Ref: crm.Ref{Source: "u", ID: "3"}, Name: "Three", Since: at},
		},
		Scopes: []statuslink.Scope{
			{ScopeKey: statuslink.ScopeKey{Source: "b", ID: "DEAL"}, Name: "Deals"},
			{ScopeKey: statuslink.ScopeKey{Source: "u"}},
		},
		Accounts: []statuslink.Account{{Source: "b", Names: []string{"host", "member"}}, {Source: "u", Names: []string{"77"}}},
	}
}

func snapshotOf(t *testing.T, version uint64, state statuslink.State) *statuslink.Snapshot {
	t.Helper()
	s, err := statuslink.NewSnapshot(version, state)
	if err != nil {
		t.Fatalf("NewSnapshot: %v", err)
	}
	return s
}

func TestSnapshotStateRoundTrip(t *testing.T) {
	t.Parallel()
	s := snapshotOf(t, 7, someState())
	if s.Version() != 7 || s.Len() != 2 {
		t.Errorf("version %d, %d statuses; want version 7 and 2 statuses", s.Version(), s.Len())
	}
	if diff := cmp.Diff(someState(), s.State()); diff != "" {
		t.Errorf("State is not what NewSnapshot was given (-want +got):\n%s", diff)
	}
	text, err := json.Marshal(s.State())
	if err != nil {
		t.Fatalf("Marshal: %v", err)
	}
	var decoded statuslink.State
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatalf("Unmarshal: %v", err)
	}
	if diff := cmp.Diff(someState(), snapshotOf(t, 7, decoded).State()); diff != "" {
		t.Errorf("a State does not survive JSON (-want +got):\n%s", diff)
	}
}

// TestSnapshotKeepsACopy checks that neither what NewSnapshot was given nor
// what State returned is shared.
func TestSnapshotKeepsACopy(t *testing.T) {
	t.Parallel()
	spoil := func(state statuslink.State) {
		clear(state.Statuses[0].Aliases)
		clear(state.Statuses[0].Links)
		clear(state.Accounts[0].Names)
		clear(state.Statuses)
		clear(state.Ignored)
		clear(state.Scopes)
		clear(state.Accounts)
	}
	given := someState()
	s := snapshotOf(t, 1, given)
	spoil(given)
	if diff := cmp.Diff(someState(), s.State()); diff != "" {
		t.Errorf("NewSnapshot shares what it was given (-want +got):\n%s", diff)
	}
	spoil(s.State())
	if diff := cmp.Diff(someState(), s.State()); diff != "" {
		t.Errorf("State hands out what the Snapshot keeps (-want +got):\n%s", diff)
	}
}

func TestSnapshotSorts(t *testing.T) {
	t.Parallel()
	given := someState()
	slices.Reverse(given.Statuses)
	slices.Reverse(given.Ignored)
	slices.Reverse(given.Scopes)
	slices.Reverse(given.Accounts)
	given.Accounts[1].Names = []string{"member", "host", "member"}
	given.Accounts = append(given.Accounts, statuslink.Account{Source: "no names"})
	if diff := cmp.Diff(someState(), snapshotOf(t, 1, given).State()); diff != "" {
		t.Errorf("a Snapshot does not sort what it holds (-want +got):\n%s", diff)
	}
}

func TestSnapshotTimes(t *testing.T) {
	t.Parallel()
	given := time.Now().In(time.FixedZone("east", 3*3600)).Add(123) // with a monotonic clock
	want := given.UTC().Truncate(time.Microsecond)
	s := statuslink.Status{
		ID: "a", Name: "A", Created: given, Updated: given,
		Links: []statuslink.Link{{Ref: crm.Ref{Source: "u", ID: "1"}, LinkedAt: given, MissingSince: given}},
	}
	ignored := statuslink.Ignored{Ref: crm.Ref{Source: "u", ID: "2"}, Since: given}
	with, err := new(statuslink.Snapshot).With(statuslink.Changes{Create: []statuslink.Status{s}, Ignore: []statuslink.Ignored{ignored}})
	if err != nil {
		t.Fatalf("With: %v", err)
	}
	state := statuslink.State{Statuses: []statuslink.Status{s}, Ignored: []statuslink.Ignored{ignored}}
	for what, snapshot := range map[string]*statuslink.Snapshot{"NewSnapshot": snapshotOf(t, 1, state), "With": with} {
		got := snapshot.State()
		for field, at := range map[string]time.Time{
			"Created": got.Statuses[0].Created, "Updated": got.Statuses[0].Updated,
			"LinkedAt": got.Statuses[0].Links[0].LinkedAt, "MissingSince": got.Statuses[0].Links[0].MissingSince,
			"Since": got.Ignored[0].Since,
		} {
			if at != want { // not Equal: zone and monotonic clock count
				t.Errorf("%s keeps %s as %v, want %v: UTC in whole microseconds", what, field, at, want)
			}
		}
	}
	if s.Created != given || s.Links[0].LinkedAt != given || ignored.Since != given {
		t.Error("the caller's times were touched")
	}
}

func TestZeroSnapshot(t *testing.T) {
	t.Parallel()
	var zero statuslink.Snapshot
	if zero.Version() != 0 || zero.Len() != 0 {
		t.Errorf("the zero Snapshot is at version %d with %d statuses, want the empty state at version 0", zero.Version(), zero.Len())
	}
	_, byID := zero.ByID("")
	_, byKey := zero.ByKey("")
	_, byRef := zero.ByRef(crm.Ref{})
	_, scope := zero.Scope(statuslink.ScopeKey{})
	if byID || byKey || byRef || scope || zero.IsIgnored(crm.Ref{}) || zero.Account("") != nil {
		t.Error("something is found in the zero Snapshot")
	}
	for range zero.All() {
		t.Error("the zero Snapshot has a status")
	}
	empty := snapshotOf(t, 0, statuslink.State{})
	if diff := cmp.Diff(empty.State(), zero.State()); diff != "" {
		t.Errorf("the zero Snapshot is not the empty state (-want +got):\n%s", diff)
	}
	if moved := zero.Since(empty); moved != nil {
		t.Errorf("Since of two empty Snapshots = %v, want none", moved)
	}
	some := someState()
	with, err := zero.With(statuslink.Changes{Create: some.Statuses, Ignore: some.Ignored, Scopes: some.Scopes, Accounts: some.Accounts})
	if err != nil {
		t.Fatalf("With: %v", err)
	}
	if diff := cmp.Diff(someState(), with.State()); diff != "" || with.Version() != 1 {
		t.Errorf("With of the zero Snapshot is at version %d, want 1 (-want +got):\n%s", with.Version(), diff)
	}
	if zero.Len() != 0 {
		t.Error("With changed the zero Snapshot")
	}
}

// TestEmptyAgain checks that a state from which everything but the statuses
// went is equal to one that never had it, also after decoding.
func TestEmptyAgain(t *testing.T) {
	t.Parallel()
	some := someState()
	after, err := snapshotOf(t, 1, some).With(statuslink.Changes{
		Version: 1,
		Restore: []crm.Ref{some.Ignored[0].Ref, some.Ignored[1].Ref}, DropScopes: []statuslink.ScopeKey{some.Scopes[0].ScopeKey, some.Scopes[1].ScopeKey},
		Accounts: []statuslink.Account{{Source: "b"}, {Source: "u", Names: []string{}}},
	})
	if err != nil {
		t.Fatalf("With: %v", err)
	}
	want := statuslink.State{Statuses: someState().Statuses}
	if diff := cmp.Diff(want, after.State()); diff != "" {
		t.Errorf("what is gone left something behind (-want +got):\n%s", diff)
	}
	want.Ignored, want.Scopes, want.Accounts = []statuslink.Ignored{}, []statuslink.Scope{}, []statuslink.Account{}
	want.Statuses[1].Aliases = []string{}
	if diff := cmp.Diff(after.State(), snapshotOf(t, 1, want).State()); diff != "" {
		t.Errorf("empty and nil make two states (-want +got):\n%s", diff)
	}
}

func TestStateRules(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		edit   func(*statuslink.State)
		kind   error
		status string
		field  string
	}{
		{"an ID twice", func(s *statuslink.State) { s.Statuses[1].ID = "a" }, statuslink.ErrDuplicate, "Paid", "id"},
		{"a key twice", func(s *statuslink.State) { s.Statuses[1].Key = "new" }, statuslink.ErrDuplicate, "Paid", "key"},
		{"a Ref in two statuses", func(s *statuslink.State) { s.Statuses[1].Links[0].Ref.ID = "1" }, statuslink.ErrDuplicate, "Paid", "links"},
		{"a Ref twice in one status", func(s *statuslink.State) { s.Statuses[0].Links[1].Ref = s.Statuses[0].Links[0].Ref }, statuslink.ErrDuplicate, "New", "links"},
		{"an ignored Ref that is linked", func(s *statuslink.State) { s.Statuses[1].Links[0].Ref.ID = "3" }, statuslink.ErrInvalid, "Paid", "links"},
		{"an ignored Ref without a source", func(s *statuslink.State) { s.Ignored[0].Ref.Source = "" }, statuslink.ErrInvalid, "/DEAL/X", ""},
		{"an ignored Ref without an ID", func(s *statuslink.State) { s.Ignored[1].Ref.ID = "" }, statuslink.ErrInvalid, "u/", ""},
		{"an ignored Ref that is not UTF-8", func(s *statuslink.State) { s.Ignored[1].Ref.ID = "\xff" }, statuslink.ErrInvalid, "u/\xff", ""},
		{"an ignored name that is not UTF-8", func(s *statuslink.State) { s.Ignored[1].Name = "\xff" }, statuslink.ErrInvalid, "u/3", ""},
		{"an ignored name with a zero byte", func(s *statuslink.State) { s.Ignored[1].Name = "a\x00" }, statuslink.ErrInvalid, "u/3", ""},
		{"a Ref ignored twice", func(s *statuslink.State) { s.Ignored[0].Ref = s.Ignored[1].Ref }, statuslink.ErrDuplicate, "u/3", ""},
		{"a scope without a source", func(s *statuslink.State) { s.Scopes[0].Source = "" }, statuslink.ErrInvalid, "/DEAL", ""},
		{"a scope twice", func(s *statuslink.State) { s.Scopes[0].ScopeKey = s.Scopes[1].ScopeKey }, statuslink.ErrDuplicate, "u", ""},
		{"an account without a source", func(s *statuslink.State) { s.Accounts[0].Source = "" }, statuslink.ErrInvalid, "", ""},
		{"an account twice", func(s *statuslink.State) { s.Accounts[0].Source = "u" }, statuslink.ErrDuplicate, "u", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			state := someState()
			tt.edit(&state)
			_, err := statuslink.NewSnapshot(1, state)
			var e *statuslink.Error
			if !errors.Is(err, tt.kind) || !errors.As(err, &e) || e.Status != tt.status || e.Field != tt.field {
				t.Errorf("NewSnapshot says %v, want an *Error of kind %q that names %q and the field %q", err, tt.kind, tt.status, tt.field)
			}
		})
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	old := snapshotOf(t, 1, statuslink.State{Statuses: []statuslink.Status{
		{ID: "a", Name: "A", Order: 1},
		{ID: "b", Name: "B", Order: 2},
		{ID: "c", Name: "C", Order: 3},
		{ID: "d", Name: "D", Order: 4},
		{ID: "e", Name: "E", Order: 5, Links: []statuslink.Link{{Ref: crm.Ref{Source: "u", ID: "1"}}}},
	}})
	now, err := old.With(statuslink.Changes{
		Version: 1,
		Create:  []statuslink.Status{{ID: "f", Name: "F"}},
		Update: []statuslink.Status{
			{ID: "b", Name: "Renamed", Order: 9},
			{ID: "c", Name: "C", Order: 3},
			{ID: "e", Name: "E", Order: 5, Links: []statuslink.Link{{Ref: crm.Ref{Source: "u", ID: "1"}, Base: statuslink.Base{Ordered: true}}}},
		},
		Remove: []string{"d", "a"},
		Scopes: []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "u"}}},
	})
	if err != nil {
		t.Fatalf("With: %v", err)
	}
	want := []statuslink.Moved{
		{ID: "f", Name: "F", What: "created"},
		{ID: "e", Name: "E", What: "changed"},
		{ID: "b", Name: "Renamed", What: "changed"},
		{ID: "a", Name: "A", What: "removed"},
		{ID: "d", Name: "D", What: "removed"},
	}
	if diff := cmp.Diff(want, now.Since(old)); diff != "" {
		t.Errorf("Since names what differs, in order, removed ones last (-want +got):\n%s", diff)
	}
	if got := now.Since(now); got != nil {
		t.Errorf("Since of itself = %v, want none", got)
	}
}

// TestSnapshotConcurrentUse is for the race detector.
func TestSnapshotConcurrentUse(t *testing.T) {
	t.Parallel()
	s := snapshotOf(t, 1, someState())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s.ByRef(crm.Ref{Source: "u", ID: "1"})
			s.State()
			first := s.At(0)
			update := first.Clone()
			update.Links[0].Base.Name = fmt.Sprint(i)
			update.Order = 9
			after, err := s.With(statuslink.Changes{Version: 1, Update: []statuslink.Status{update}, Accounts: []statuslink.Account{{Source: "u", Names: []string{"b", "a"}}}})
			if err != nil {
				t.Errorf("With: %v", err)
				return
			}
			after.Since(s)
		})
	}
	wg.Wait()
	if diff := cmp.Diff(someState(), s.State()); diff != "" {
		t.Errorf("concurrent use changed the Snapshot (-want +got):\n%s", diff)
	}
}
