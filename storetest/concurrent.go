package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
)

var concurrentChecks = []check{
	{"OneOfManyWritersWins", oneWriterWins},
	{"WritersLoseNothing", writersLoseNothing},
}

const (
	writers = 8
	rounds  = 10
)

// oneWriterWins: of several writers at one version exactly one wins; the others
// are told that they were late.
func oneWriterWins(t *test) {
	t.create(status("first"))
	for round := range rounds {
		before := t.load()
		var (
			wg     sync.WaitGroup
			start  = make(chan struct{})
			after  = make([]*statuslink.Snapshot, writers)
			errs   = make([]error, writers)
			winner = -1
		)
		id := func(writer int) string { return fmt.Sprintf("r%d-w%d", round, writer) }
		for w := range writers {
			wg.Go(func() {
				<-start
				after[w], errs[w] = t.store.Apply(t.Context(), statuslink.Changes{
					Version: before.Version(), Create: []statuslink.Status{status(id(w))},
				})
			})
		}
		close(start)
		wg.Wait()
		for w, err := range errs {
			var stale *statuslink.StaleError
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("two writers won at version %d, want exactly one", before.Version())
			case err == nil:
				winner = w
			case !errors.As(err, &stale):
				t.Fatalf("a writer that came late was told %v (%T), want a *statuslink.StaleError", err, err)
			case stale.Planned != before.Version() || stale.Present <= before.Version():
				t.Errorf("a writer that came late was told planned at %d, present %d; want %d and more", stale.Planned, stale.Present, before.Version())
			}
		}
		if winner < 0 {
			t.Fatalf("no writer won at version %d, want exactly one", before.Version())
		}
		state := before.State()
		state.Statuses = append(state.Statuses, status(id(winner)))
		slices.SortFunc(state.Statuses, func(a, b statuslink.Status) int { return compare(a.ID, b.ID) })
		t.holds("the store does not hold what the one winner wrote", state)
		if diff := cmp.Diff(state, after[winner].State()); diff != "" {
			t.Errorf("Apply did not return what the winner wrote (-want +got):\n%s", diff)
		}
	}
}

// writersLoseNothing: writers who look again and try again when they are late
// get all their changes in, each at a version of its own, while readers read.
func writersLoseNothing(t *test) {
	t.create(status("first"))
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		versions = make(map[uint64]string)
		stop     = make(chan struct{})
		readers  sync.WaitGroup
	)
	for range 2 {
		readers.Go(func() { t.readUntil(stop) })
	}
	for w := range writers {
		wg.Go(func() {
			for round := range rounds {
				id := fmt.Sprintf("w%d-r%d", w, round)
				after, err := t.addTrying(id)
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				mu.Lock()
				if other, taken := versions[after.Version()]; taken {
					t.Errorf("the changes of %s and %s got the same version %d", other, id, after.Version())
				}
				versions[after.Version()] = id
				mu.Unlock()
				if _, ok := after.ByID(id); !ok {
					t.Errorf("Apply returned a state without what it wrote")
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()

	want := []string{"first"}
	for w := range writers {
		for round := range rounds {
			want = append(want, fmt.Sprintf("w%d-r%d", w, round))
		}
	}
	slices.Sort(want)
	var got []string
	for s := range t.load().All() {
		got = append(got, s.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("writers who were told that they had won lost something (-want +got):\n%s", diff)
	}
}

// addTrying creates a status, and tries again as long as it comes late.
func (t *test) addTrying(id string) (*statuslink.Snapshot, error) {
	var now *statuslink.Snapshot
	for {
		var err error
		if now, err = t.store.Load(t.Context(), now); err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
		after, err := t.store.Apply(t.Context(), statuslink.Changes{Version: now.Version(), Create: []statuslink.Status{status(id)}})
		if errors.Is(err, statuslink.ErrStale) {
			continue
		}
		return after, err
	}
}

// readUntil loads again and again; what it sees only ever grows.
func (t *test) readUntil(stop <-chan struct{}) {
	var prev *statuslink.Snapshot
	for {
		select {
		case <-stop:
			return
		default:
		}
		now, err := t.store.Load(t.Context(), prev)
		if err != nil {
			t.Errorf("Load beside writers: %v", err)
			return
		}
		if prev != nil && (now.Version() < prev.Version() || now.Len() < prev.Len()) {
			t.Errorf("a reader saw version %d with %d statuses after version %d with %d",
				now.Version(), now.Len(), prev.Version(), prev.Len())
			return
		}
		prev = now
	}
}
