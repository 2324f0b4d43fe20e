package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
	"github.com/statuslink/statuslink/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) statuslink.Store { return new(memstore.Store) })
}

// Both optional interfaces are promised, and storetest checks them only if they
// are there.
var (
	_ statuslink.Watcher   = (*memstore.Store)(nil)
	_ statuslink.Historian = (*memstore.Store)(nil)
)

func status(id string) statuslink.Status { return statuslink.Status{ID: id, Name: "Status " + id} }

func create(t *testing.T, s *memstore.Store, id string, note statuslink.Note) *statuslink.Snapshot {
	t.Helper()
	now, err := s.Load(t.Context(), nil)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	next, err := s.Apply(t.Context(), statuslink.Changes{
		Version: now.Version(), Create: []statuslink.Status{status(id)}, Note: note,
	})
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return next
}

func TestNew(t *testing.T) {
	t.Parallel()
	state := statuslink.State{
		Statuses: []statuslink.Status{{ID: "a", Key: "a", Name: "A", Links: []statuslink.Link{{Ref: crm.Ref{Source: "crm", ID: "1"}}}}},
		Scopes:   []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "crm"}, Name: "List"}},
	}
	s, err := memstore.New(state)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	state.Statuses[0].Name, state.Statuses[0].Links[0].Ref.ID = "changed", "2"
	got, err := s.Load(t.Context(), nil)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if got.Version() != 1 {
		t.Errorf("a store that begins with a state is at version %d, want 1", got.Version())
	}
	want := statuslink.State{
		Statuses: []statuslink.Status{{ID: "a", Key: "a", Name: "A", Links: []statuslink.Link{{Ref: crm.Ref{Source: "crm", ID: "1"}}}}},
		Scopes:   []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "crm"}, Name: "List"}},
	}
	if diff := cmp.Diff(want, got.State()); diff != "" {
		t.Errorf("New does not keep a copy of the state (-want +got):\n%s", diff)
	}
	if history, err := s.History(t.Context(), 10); err != nil || len(history) != 0 {
		t.Errorf("History of a new store = %v, %v; want none", history, err)
	}
	if now := create(t, s, "b", statuslink.Note{}); now.Version() != 2 || now.Len() != 2 {
		t.Errorf("after one change: version %d, %d statuses; want version 2 and 2 statuses", now.Version(), now.Len())
	}
}

func TestNewOfNothing(t *testing.T) {
	t.Parallel()
	s, err := memstore.New(statuslink.State{})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	got, err := s.Load(t.Context(), nil)
	if err != nil || got.Version() != 0 {
		t.Errorf("a new empty store is at version %d (%v), want 0", got.Version(), err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := memstore.New(statuslink.State{Statuses: []statuslink.Status{status("a"), status("a")}})
	if !errors.Is(err, statuslink.ErrDuplicate) {
		t.Errorf("New of an ID twice: %v, want ErrDuplicate", err)
	}
}

// TestZeroStoreIsOne checks that callers who meet on a zero Store all see the
// same first moment: a watcher from before the first change is told of it.
func TestZeroStoreIsOne(t *testing.T) {
	t.Parallel()
	for range 2000 {
		var (
			s     memstore.Store
			wg    sync.WaitGroup
			start = make(chan struct{})
			mu    sync.Mutex
			seen  = make(map[*statuslink.Snapshot]bool)
			waits []<-chan struct{}
		)
		for range 4 {
			wg.Go(func() {
				<-start
				now, err := s.Load(t.Context(), nil)
				if err != nil {
					t.Errorf("Load: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				seen[now] = true
				waits = append(waits, s.Changed(now))
			})
		}
		close(start)
		wg.Wait()
		if len(seen) != 1 {
			t.Fatalf("%d first Snapshots, want all callers to share one", len(seen))
		}
		create(t, &s, "a", statuslink.Note{})
		for _, wait := range waits {
			select {
			case <-wait:
			default:
				t.Fatal("a watcher of the empty store is not told of the first change")
			}
		}
	}
}

func TestLoadShares(t *testing.T) {
	t.Parallel()
	var s memstore.Store
	applied := create(t, &s, "a", statuslink.Note{})
	if got, err := s.Load(t.Context(), nil); err != nil || got != applied {
		t.Errorf("Load = %p, %v; want the Snapshot %p that Apply returned", got, err, applied)
	}
}

// TestChangedClosesOnlyForAChange checks what memstore promises beyond
// Watcher, which may close a channel for nothing.
func TestChangedClosesOnlyForAChange(t *testing.T) {
	t.Parallel()
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	var s memstore.Store
	if !closed(s.Changed(nil)) {
		t.Error("Changed(nil) is open, want closed at once")
	}
	now := create(t, &s, "a", statuslink.Note{})
	wait := s.Changed(now)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, change := range map[string]func() error{
		"an empty change": func() error {
			_, err := s.Apply(t.Context(), statuslink.Changes{Version: now.Version(), Note: statuslink.Note{Why: "nothing"}})
			return err
		},
		"a stale change": func() error {
			_, err := s.Apply(t.Context(), statuslink.Changes{Create: []statuslink.Status{status("b")}})
			if !errors.Is(err, statuslink.ErrStale) {
				return fmt.Errorf("want ErrStale, got %w", err)
			}
			return nil
		},
		"a cancelled change": func() error {
			_, err := s.Apply(cancelled, statuslink.Changes{Version: now.Version(), Create: []statuslink.Status{status("b")}})
			if !errors.Is(err, context.Canceled) {
				return fmt.Errorf("want context.Canceled, got %w", err)
			}
			return nil
		},
	} {
		if err := change(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if closed(wait) {
			t.Errorf("%s closed the channel", name)
		}
	}
	create(t, &s, "b", statuslink.Note{})
	if !closed(wait) {
		t.Error("a change did not close the channel")
	}
	if !closed(s.Changed(now)) {
		t.Error("Changed of an old Snapshot is open, want closed at once")
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	const made, remembered = 250, 100
	var s memstore.Store
	for i := range made {
		create(t, &s, fmt.Sprintf("st-%03d", i), statuslink.Note{Why: fmt.Sprint(i + 1)})
	}
	for _, limit := range []int{-1, 0, 1, 99, 100, 101, math.MaxInt} {
		got, err := s.History(t.Context(), limit)
		if err != nil {
			t.Fatalf("History(%d): %v", limit, err)
		}
		want := max(0, min(limit, remembered))
		if len(got) != want {
			t.Errorf("History(%d) has %d records, want %d", limit, len(got), want)
		}
		for i, record := range got {
			if why := fmt.Sprint(made - i); record.Note.Why != why || record.Version != uint64(made-i) {
				t.Fatalf("History(%d)[%d] is change %q at version %d, want %q: the newest first", limit, i, record.Note.Why, record.Version, why)
			}
		}
	}
}

func TestHistoryTimes(t *testing.T) {
	t.Parallel()
	var s memstore.Store
	at := time.Date(2026, 3, 29, 1, 30, 0, 123456789, time.FixedZone("east", 3*60*60))
	create(t, &s, "a", statuslink.Note{At: at})
	got, err := s.History(t.Context(), 1)
	if err != nil || len(got) != 1 {
		t.Fatalf("History = %v, %v; want one record", got, err)
	}
	want := time.Date(2026, 3, 28, 22, 30, 0, 123456000, time.UTC)
	if got[0].Note.At != want { // not Equal: the zone counts
		t.Errorf("Note.At = %v, want %v: UTC in whole microseconds", got[0].Note.At, want)
	}
}

func TestHistoryCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := new(memstore.Store).History(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("History under a cancelled context: %v, want context.Canceled", err)
	}
}
