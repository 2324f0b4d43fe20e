package statuslink_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

func TestSnapshotLookups(t *testing.T) {
	t.Parallel()
	state := someState()
	s := snapshotOf(t, 1, state)
	finds := func(what string, got statuslink.Status, ok bool, want *statuslink.Status) {
		t.Helper()
		if want == nil {
			want = new(statuslink.Status)
			if ok {
				t.Errorf("%s finds something, want nothing", what)
			}
		} else if !ok {
			t.Errorf("%s finds nothing", what)
		}
		if diff := cmp.Diff(*want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	a, b := &state.Statuses[0], &state.Statuses[1]
	for id, want := range map[string]*statuslink.Status{"a": a, "b": b, "A": nil, "": nil, "new": nil} {
		got, ok := s.ByID(id)
		finds(fmt.Sprintf("ByID(%q)", id), got, ok, want)
	}
	for key, want := range map[string]*statuslink.Status{"new": a, "paid": b, "": nil, "a": nil} {
		got, ok := s.ByKey(key)
		finds(fmt.Sprintf("ByKey(%q)", key), got, ok, want)
	}
	for ref, want := range map[crm.Ref]*statuslink.Status{
		{Source: "u", ID: "1"}: a, {Source: "b", Scope: "DEAL", ID: "NEW"}: a, {Source: "u", ID: "2"}: b,
		{Source: "b", ID: "NEW"}: nil, {Source: "b", Scope: "DEAL", ID: "new"}: nil, {Source: "u", ID: "3"}: nil, {}: nil,
	} {
		got, ok := s.ByRef(ref)
		finds(fmt.Sprintf("ByRef(%v)", ref), got, ok, want)
	}
	if diff := cmp.Diff(state.Statuses, slices.Collect(s.All())); diff != "" {
		t.Errorf("All is not all statuses in order (-want +got):\n%s", diff)
	}
	for i := range state.Statuses {
		finds(fmt.Sprintf("At(%d)", i), s.At(i), true, &state.Statuses[i])
	}
	if diff := cmp.Diff(state.Ignored, slices.Collect(s.Ignored())); diff != "" {
		t.Errorf("Ignored is not all ignored Refs (-want +got):\n%s", diff)
	}
	if !s.IsIgnored(state.Ignored[0].Ref) || !s.IsIgnored(state.Ignored[1].Ref) || s.IsIgnored(crm.Ref{Source: "u", ID: "1"}) {
		t.Error("IsIgnored does not say which Refs are ignored")
	}
	if diff := cmp.Diff(state.Scopes, slices.Collect(s.Scopes())); diff != "" {
		t.Errorf("Scopes is not all scopes (-want +got):\n%s", diff)
	}
	if got, ok := s.Scope(statuslink.ScopeKey{Source: "b", ID: "DEAL"}); !ok || got != state.Scopes[0] {
		t.Errorf("Scope = %#v, %v; want %#v", got, ok, state.Scopes[0])
	}
	if got, ok := s.Scope(statuslink.ScopeKey{Source: "b"}); ok || got != (statuslink.Scope{}) {
		t.Errorf("Scope of an unknown key = %#v, %v; want none", got, ok)
	}
	if diff := cmp.Diff(state.Accounts[0].Names, s.Account("b")); diff != "" {
		t.Errorf("Account (-want +got):\n%s", diff)
	}
	if got := s.Account("c"); got != nil {
		t.Errorf("Account of an unknown source = %v, want nil", got)
	}
}

// TestSnapshotLookupsAllocateNothing is not parallel, because AllocsPerRun
// counts the allocations of all goroutines.
func TestSnapshotLookupsAllocateNothing(t *testing.T) { //nolint:paralleltest // see above
	s := snapshotOf(t, 1, someState())
	ref, scope := crm.Ref{Source: "u", ID: "1"}, statuslink.ScopeKey{Source: "b", ID: "DEAL"}
	for name, find := range map[string]func() bool{
		"ByID":      func() bool { _, ok := s.ByID("a"); return ok },
		"ByKey":     func() bool { _, ok := s.ByKey("new"); return ok },
		"ByRef":     func() bool { _, ok := s.ByRef(ref); return ok },
		"IsIgnored": func() bool { return !s.IsIgnored(ref) },
		"Scope":     func() bool { _, ok := s.Scope(scope); return ok },
		"Account":   func() bool { return s.Account("b") != nil },
		"At":        func() bool { return s.At(0).ID == "a" },
	} {
		if !find() {
			t.Errorf("%s does not find what is there", name)
		}
		if n := testing.AllocsPerRun(100, func() { find() }); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
}
