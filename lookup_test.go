package statuslink_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/memstore"
)

// watchedSpy is a memstore that counts its reads and is still a Watcher.
type watchedSpy struct {
	*memstore.Store
	loads atomic.Int64
}

func (s *watchedSpy) Load(ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	s.loads.Add(1)
	return s.Store.Load(ctx, prev)
}

func TestLookupsTrustTheLastLoadForMaxAge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name             string
		maxAge           time.Duration
		advance          time.Duration
		reads            int64 // of ten lookups and a Get after the clock went on
		sees             string
		changeBySomebody bool
	}{
		{"at once", 0, 0, 0, "new", true},
		{"just before five seconds, the default", 0, 5*time.Second - 1, 0, "new", true},
		{"at five seconds", 0, 5 * time.Second, 1, "renamed", true},
		{"before a minute of its own", time.Minute, time.Minute - 1, 0, "new", true},
		{"after a minute of its own", time.Minute, time.Minute, 1, "renamed", true},
		{"never trusting", -1, 0, 11, "renamed", true},
		{"the clock was put back", 0, -time.Hour, 1, "renamed", true},
		{"nothing changed", 0, time.Hour, 1, "new", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBot(t, "new")
			catalog, err := statuslink.NewCatalog(b.store, &statuslink.Options{Now: b.clock.read, MaxAge: test.maxAge})
			b.must(err)
			_, err = catalog.Snapshot(t.Context())
			b.must(err)
			if test.changeBySomebody {
				_, err = b.other().Edit(t.Context(), "new", func(s *statuslink.Status) { s.Name = "renamed" })
				b.must(err)
			}
			b.store.loads.Store(0)
			b.clock.advance(test.advance)
			var snapshot *statuslink.Snapshot
			for range 10 {
				snapshot, err = catalog.Snapshot(t.Context())
				b.must(err)
			}
			status, err := catalog.Get(t.Context(), "new")
			b.must(err)
			if status.Name != test.sees || snapshot.At(0).Name != test.sees {
				t.Errorf("the lookup sees %q, want %q", status.Name, test.sees)
			}
			if n := b.store.loads.Load(); n != test.reads {
				t.Errorf("%d reads of the store, want %d", n, test.reads)
			}
		})
	}
}

// A slow answer is as old as the question.
func TestMaxAgeCountsFromBeforeTheLoad(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	catalog, err := statuslink.NewCatalog(b.store, &statuslink.Options{Now: b.clock.read})
	b.must(err)
	b.store.onLoad = func() error { b.clock.advance(4 * time.Second); return nil }
	_, err = catalog.Snapshot(t.Context())
	b.must(err)
	b.clock.advance(time.Second)
	_, err = catalog.Snapshot(t.Context())
	b.must(err)
	if n := b.store.loads.Load(); n != 2 {
		t.Errorf("a snapshot that was asked for five seconds ago is trusted: %d reads, want 2", n)
	}
}

// What a Catalog did itself it sees at once.
func TestLookupsSeeOwnChanges(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	_, err := b.catalog.Get(t.Context(), "new")
	b.must(err)
	_, err = b.catalog.Edit(t.Context(), "new", func(s *statuslink.Status) { s.Name = "mine" })
	b.must(err)
	reads := b.store.loads.Load()
	status, err := b.catalog.Get(t.Context(), "new")
	b.must(err)
	if status.Name != "mine" || b.store.loads.Load() != reads {
		t.Errorf("the Catalog sees %q after %d more reads", status.Name, b.store.loads.Load()-reads)
	}
}

func TestLookupsOverAWatcherSeeEveryChangeAtOnce(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	spy := &watchedSpy{Store: b.memory}
	catalog, err := statuslink.NewCatalog(spy, &statuslink.Options{Now: b.clock.read})
	b.must(err)
	for _, name := range []string{"first", "second", "third"} {
		_, err := b.other().Edit(t.Context(), "new", func(s *statuslink.Status) { s.Name = name })
		b.must(err)
		spy.loads.Store(0)
		for range 5 {
			status, err := catalog.Get(t.Context(), "new")
			b.must(err)
			if status.Name != name {
				t.Errorf("a change by others is not seen at once: %q, want %q", status.Name, name)
			}
		}
		if n := spy.loads.Load(); n != 1 {
			t.Errorf("%d reads of the store after one change, want 1", n)
		}
		b.clock.advance(time.Hour)
		_, err = catalog.Snapshot(t.Context())
		b.must(err)
		if n := spy.loads.Load(); n != 1 {
			t.Errorf("%d reads of the store although nothing changed: age does not matter here", n-1)
		}
	}
}

// An older state that comes in late never replaces a newer one.
func TestLookupsNeverGoBack(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	late := make(chan struct{})
	asked := make(chan struct{})
	old := b.snapshot()
	slow := &slowStore{Store: b.memory, answer: old, asked: asked, late: late}
	catalog, err := statuslink.NewCatalog(slow, &statuslink.Options{Now: b.clock.read})
	b.must(err)
	done := make(chan error, 1)
	go func() { _, err := catalog.Load(t.Context()); done <- err }()
	<-asked
	_, err = catalog.Edit(t.Context(), "new", func(s *statuslink.Status) { s.Name = "newer" })
	b.must(err)
	close(late)
	b.must(<-done)
	status, err := catalog.Get(t.Context(), "new")
	b.must(err)
	if status.Name != "newer" {
		t.Errorf("the lookup went back to %q", status.Name)
	}
}

// slowStore answers its first Load late, with what was so when it began.
type slowStore struct {
	statuslink.Store
	loads       atomic.Int64
	answer      *statuslink.Snapshot
	asked, late chan struct{}
}

func (s *slowStore) Load(ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	if s.loads.Add(1) == 1 {
		close(s.asked)
		<-s.late
		return s.answer, nil
	}
	return s.Store.Load(ctx, prev)
}

func TestLookupsAllocateNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun
	b := newBot(t, "new", "paid")
	watching := b.other()
	for name, catalog := range map[string]*statuslink.Catalog{"Watcher": watching, "no Watcher": b.catalog} {
		ctx := t.Context()
		_, err := catalog.Snapshot(ctx)
		b.must(err)
		allocs := testing.AllocsPerRun(100, func() {
			snapshot, err := catalog.Snapshot(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := snapshot.ByKey("paid"); !ok {
				t.Fatal("lost")
			}
			if _, err := catalog.Get(ctx, "st_01"); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: a lookup allocates %v times", name, allocs)
		}
	}
}
