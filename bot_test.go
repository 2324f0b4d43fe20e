package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
)

// spyStore counts what a store is asked, and lets others in between. It hides
// that the store is a Watcher and a Historian.
type spyStore struct {
	statuslink.Store
	loads, applies atomic.Int64
	before         func(statuslink.Changes) error // before each Apply; may refuse it
	after          func()                         // after each Apply that was made
	onLoad         func() error
	deaf           bool // to the end of a context
}

func (s *spyStore) Load(ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	s.loads.Add(1)
	if s.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	if s.onLoad != nil {
		if err := s.onLoad(); err != nil {
			return nil, err
		}
	}
	return s.Store.Load(ctx, prev)
}

func (s *spyStore) Apply(ctx context.Context, changes statuslink.Changes) (*statuslink.Snapshot, error) {
	s.applies.Add(1)
	if s.before != nil {
		if err := s.before(changes); err != nil {
			return nil, err
		}
	}
	snapshot, err := s.Store.Apply(ctx, changes)
	if err == nil && s.after != nil {
		s.after()
	}
	return snapshot, err
}

// clock is a clock that stands still, or goes on by step whenever it is read.
// Its zone and its nanoseconds are none that a store keeps.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	step time.Duration
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 8, 20, 14, 0, 0, 123456789, time.FixedZone("MSK", 3*60*60))}
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// stored is the clock's time as a store keeps it.
func (c *clock) stored() time.Time { return c.read().UTC().Truncate(time.Microsecond) }

// bot is a Catalog over a store in memory, of which everything is counted.
type bot struct {
	t       *testing.T
	memory  *memstore.Store
	store   *spyStore
	clock   *clock
	catalog *statuslink.Catalog
	inUse   func(context.Context, statuslink.Status) ([]string, error)
}

// newBot has a status for each key, called like it.
func newBot(t *testing.T, keys ...string) *bot {
	t.Helper()
	b := &bot{t: t, memory: new(memstore.Store), clock: newClock()}
	b.store = &spyStore{Store: b.memory}
	var ids atomic.Int64
	catalog, err := statuslink.NewCatalog(b.store, &statuslink.Options{
		NewID: func() string { return fmt.Sprintf("st_%02d", ids.Add(1)) },
		Now:   b.clock.read,
		InUse: func(ctx context.Context, status statuslink.Status) ([]string, error) {
			if b.inUse == nil {
				return nil, nil
			}
			return b.inUse(ctx, status)
		},
	})
	b.must(err)
	b.catalog = catalog
	definitions := make([]statuslink.Definition, len(keys))
	for i, key := range keys {
		definitions[i] = statuslink.Definition{Key: key, Name: key}
	}
	b.must(catalog.Ensure(t.Context(), definitions...))
	b.store.loads.Store(0)
	b.store.applies.Store(0)
	return b
}

// other is a Catalog of another engine over the same store.
func (b *bot) other() *statuslink.Catalog {
	b.t.Helper()
	opts := new(statuslink.Options)
	if b.clock != nil {
		opts.Now = b.clock.read
	}
	catalog, err := statuslink.NewCatalog(b.memory, opts)
	b.must(err)
	return catalog
}

func (b *bot) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bot) snapshot() *statuslink.Snapshot {
	b.t.Helper()
	snapshot, err := b.memory.Load(b.t.Context(), nil)
	b.must(err)
	return snapshot
}

func (b *bot) status(keyOrID string) statuslink.Status {
	b.t.Helper()
	status, err := b.other().Get(b.t.Context(), keyOrID)
	b.must(err)
	return status
}

// wantWrites runs do and checks how many changes of the store it tried.
func (b *bot) wantWrites(promise string, want int64, do func() error) {
	b.t.Helper()
	before := b.store.applies.Load()
	b.must(do())
	if got := b.store.applies.Load() - before; got != want {
		b.t.Errorf("%s: %d changes of the store, want %d", promise, got, want)
	}
}

// wantKeys checks the sequence of the list.
func (b *bot) wantKeys(promise string, want ...string) {
	b.t.Helper()
	var got []string
	for status := range b.snapshot().All() {
		got = append(got, status.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%s: wrong list (-want +got)\n%s", promise, diff)
	}
}

// wantSame checks that the store is as it was.
func (b *bot) wantSame(promise string, before *statuslink.Snapshot) {
	b.t.Helper()
	if diff := cmp.Diff(before.State(), b.snapshot().State(), exactTimes); diff != "" {
		b.t.Errorf("%s: the store changed (-want +got)\n%s", promise, diff)
	}
	if before.Version() != b.snapshot().Version() {
		b.t.Errorf("%s: the store went from version %d to %d", promise, before.Version(), b.snapshot().Version())
	}
}

// wantNote checks the latest change in the store's history.
func (b *bot) wantNote(promise string, want statuslink.Note) {
	b.t.Helper()
	history, err := b.memory.History(b.t.Context(), 1)
	b.must(err)
	if len(history) == 0 {
		b.t.Fatalf("%s: the history is empty", promise)
	}
	if diff := cmp.Diff(want, history[0].Note, exactTimes); diff != "" {
		b.t.Errorf("%s: wrong note (-want +got)\n%s", promise, diff)
	}
}

// exactTimes compares times with their zones.
var exactTimes = cmp.Transformer("exact", func(t time.Time) string { return t.Format(time.RFC3339Nano) })

// wantKind checks the kind of an error, and the field that it blames.
func wantKind(t *testing.T, promise string, err, kind error, op, field string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: error %v, want one of kind %q", promise, err, kind)
		return
	}
	var e *statuslink.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: error %v is no *Error", promise, err)
		return
	}
	if e.Op != op || e.Field != field {
		t.Errorf("%s: error %v is of operation %q and field %q, want %q and %q", promise, err, e.Op, e.Field, op, field)
	}
}

// wantStale returns the *StaleError in err.
func wantStale(t *testing.T, promise string, err error) *statuslink.StaleError {
	t.Helper()
	var stale *statuslink.StaleError
	if !errors.Is(err, statuslink.ErrStale) || !errors.As(err, &stale) {
		t.Fatalf("%s: error %v, want a *StaleError", promise, err)
	}
	return stale
}

func ref(source, id string) crm.Ref { return crm.Ref{Source: source, ID: id} }
