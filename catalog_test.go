package statuslink_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/memstore"
)

func TestNewCatalogNeedsAStore(t *testing.T) {
	t.Parallel()
	_, err := statuslink.NewCatalog(nil, nil)
	wantKind(t, "a Catalog without a store is refused", err, statuslink.ErrInvalid, "new catalog", "")

	spy := &spyStore{Store: new(memstore.Store)}
	if _, err := statuslink.NewCatalog(spy, nil); err != nil || spy.loads.Load() != 0 {
		t.Errorf("NewCatalog reads nothing: error %v after %d reads of the store", err, spy.loads.Load())
	}
}

func TestNilOptionsWork(t *testing.T) {
	t.Parallel()
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-time.Second)
	seen := make(map[string]bool)
	for range 50 {
		status, err := catalog.Create(t.Context(), statuslink.Status{Name: "New"})
		if err != nil {
			t.Fatal(err)
		}
		random := strings.TrimPrefix(status.ID, "st_")
		if len(random) != 20 || strings.Trim(random, "0123456789ABCDEFGHIJKLMNOPQRSTUV") != "" || seen[status.ID] {
			t.Errorf("ID %q is not st_ and 20 base-32 characters, random", status.ID)
		}
		seen[status.ID] = true
		if status.Created.Before(start) || status.Created.After(time.Now()) {
			t.Errorf("Created is %v, not the present time", status.Created)
		}
	}
	removal, err := catalog.PreviewRemove(t.Context(), catalogFirst(t, catalog))
	if err != nil || removal.InUse != nil {
		t.Errorf("without a hook a status is used nowhere: %v, %v", removal, err)
	}
}

func catalogFirst(t *testing.T, catalog *statuslink.Catalog) string {
	t.Helper()
	snapshot, err := catalog.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snapshot.At(0).ID
}

func TestGet(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	// An ID that looks like a key: the key comes first.
	b.must(applyTo(t, b.memory, statuslink.Changes{Create: []statuslink.Status{{ID: "paid", Name: "Impostor"}}}))
	for _, test := range []struct{ name, keyOrID, want string }{
		{"by key", "new", "new"},
		{"by ID", "st_01", "new"},
		{"key before ID", "paid", "paid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status, err := b.catalog.Get(t.Context(), test.keyOrID)
			if err != nil || status.Name != test.want {
				t.Errorf("Get(%q) is %q, %v; want %q", test.keyOrID, status.Name, err, test.want)
			}
		})
	}
	for _, unknown := range []string{"nowhere", ""} {
		_, err := b.catalog.Get(t.Context(), unknown)
		wantKind(t, "an unknown status is not found", err, statuslink.ErrNotFound, "", "")
	}
}

func applyTo(t *testing.T, store statuslink.Store, changes statuslink.Changes) error {
	t.Helper()
	snapshot, err := store.Load(t.Context(), nil)
	if err != nil {
		return err
	}
	changes.Version = snapshot.Version()
	_, err = store.Apply(t.Context(), changes)
	return err
}

func TestStoreErrorsAreKept(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	broken := errors.New("disk full")
	b.store.before = func(statuslink.Changes) error { return broken }
	before := b.snapshot()
	_, err := b.catalog.Create(t.Context(), statuslink.Status{Name: "Paid"})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "statuslink: create: disk full") {
		t.Errorf("the store's error is lost: %v", err)
	}
	if n := b.store.applies.Load(); n != 1 {
		t.Errorf("only a stale change is made anew, but the store was asked %d times", n)
	}
	b.store.onLoad = func() error { return broken }
	if _, err := b.catalog.Load(t.Context()); !errors.Is(err, broken) {
		t.Errorf("the store's error is lost: %v", err)
	}
	b.store.onLoad = nil

	// An error of this package that the store holds: it must not be edited.
	shared := &statuslink.Error{Kind: statuslink.ErrWrongScope}
	b.store.before = func(statuslink.Changes) error { return shared }
	_, err = b.catalog.Create(t.Context(), statuslink.Status{Name: "Paid"})
	if wantKind(t, "the store's error", err, statuslink.ErrWrongScope, "create", ""); shared.Op != "" {
		t.Error("the store's error was edited")
	}
	b.wantSame("a failed change changes nothing", before)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.other().Create(ctx, statuslink.Status{Name: "Paid"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled change ends with %v", err)
	}
	b.wantSame("a cancelled change changes nothing", before)
}

func TestChangeIsMadeAnewWhenOthersWereFaster(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	other := b.other()
	var once sync.Once
	b.store.before = func(statuslink.Changes) (err error) {
		once.Do(func() {
			_, err = other.Edit(t.Context(), "paid", func(s *statuslink.Status) { s.Color = "#00FF00" })
		})
		return err
	}
	calls := 0
	paid, err := b.catalog.Edit(t.Context(), "paid", func(s *statuslink.Status) { calls++; s.Name = "Bought" })
	b.must(err)
	if paid.Name != "Bought" || paid.Color != "#00FF00" {
		t.Errorf("a change of another engine was lost: %+v", paid)
	}
	if calls != 2 || b.store.applies.Load() != 2 {
		t.Errorf("the edit was made %d times in %d changes, want anew once", calls, b.store.applies.Load())
	}
}

func TestChangeGivesUpSomeTime(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	other := b.other()
	names := []string{"A", "B"}
	tries := 0
	b.store.before = func(statuslink.Changes) error {
		tries++
		_, err := other.Edit(t.Context(), "paid", func(s *statuslink.Status) { s.Name = names[tries%2] })
		return err
	}
	_, err := b.catalog.Edit(t.Context(), "new", func(s *statuslink.Status) { s.Name = "Fresh" })
	stale := wantStale(t, "a change that never comes through gives up", err)
	if tries < 2 || tries > 1000 {
		t.Errorf("%d tries, want a few", tries)
	}
	want := []statuslink.Moved{{ID: "st_02", Name: names[tries%2], What: "changed"}}
	if diff := cmp.Diff(want, stale.Moved); diff != "" {
		t.Errorf("the error does not tell what moved (-want +got)\n%s", diff)
	}
	if stale.Present != b.snapshot().Version() || stale.Planned != stale.Present-1 || stale.Reason != "" {
		t.Errorf("the error tells wrong versions: %+v", stale)
	}
}

// A store may say stale without telling which version it is at.
func TestBareStaleErrorOfAStore(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	b.store.before = func(statuslink.Changes) error { return statuslink.ErrStale }
	_, err := b.catalog.Create(t.Context(), statuslink.Status{Name: "Paid"})
	if stale := wantStale(t, "a bare ErrStale becomes a *StaleError", err); len(stale.Moved) != 0 || stale.Planned != 1 {
		t.Errorf("the error tells what is not so: %+v", stale)
	}
}

func TestManyWritersAtOnce(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	const engines, each = 8, 8
	var wait sync.WaitGroup
	for range engines {
		catalog := b.other()
		for range each {
			wait.Go(func() {
				if _, err := catalog.Create(t.Context(), statuslink.Status{Name: "New"}); err != nil {
					t.Errorf("a change among many failed: %v", err)
				}
			})
		}
	}
	wait.Wait()
	if n := b.snapshot().Len(); n != engines*each {
		t.Errorf("%d statuses after %d creations", n, engines*each)
	}
}

func TestNoteTellsWhoWhenAndWhy(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	ctx := statuslink.WithActor(t.Context(), "anna")
	at := b.clock.stored()
	for _, test := range []struct {
		why string
		do  func() error
	}{
		{"ensure", func() error { return b.catalog.Ensure(ctx, statuslink.Definition{Key: "lost", Name: "Lost"}) }},
		{"create", func() error { _, err := b.catalog.Create(ctx, statuslink.Status{Name: "X"}); return err }},
		{"edit", func() error {
			_, err := b.catalog.Edit(ctx, "new", func(s *statuslink.Status) { s.Name = "Y" })
			return err
		}},
		{"reorder", func() error { return b.catalog.Reorder(ctx, "paid", "new") }},
		{"link", func() error { _, err := b.catalog.Link(ctx, "new", ref("crm", "1")); return err }},
		{"link", func() error { _, err := b.catalog.Link(ctx, "new", ref("crm", "2")); return err }},
		{"lead", func() error { _, err := b.catalog.Lead(ctx, ref("crm", "2")); return err }},
		{"unlink", func() error { return b.catalog.Unlink(ctx, ref("crm", "2")) }},
		{"restore", func() error { return b.catalog.Restore(ctx, ref("crm", "2")) }},
		{"ignore", func() error { return b.catalog.Ignore(ctx, ref("crm", "3"), "Spam") }},
		{"accept account", func() error { return b.catalog.AcceptAccount(ctx, "crm", "17") }},
		{"rename source", func() error { return b.catalog.RenameSource(ctx, "crm", "umnico") }},
		{"remove", func() error {
			removal, err := b.catalog.PreviewRemove(ctx, "paid")
			b.must(err)
			return b.catalog.Remove(ctx, removal)
		}},
	} {
		b.wantWrites(test.why+" is one change", 1, test.do)
		b.wantNote(test.why+" is noted", statuslink.Note{At: at, Who: "anna", Why: test.why})
	}
	_, err := b.catalog.Create(t.Context(), statuslink.Status{Name: "Nobody's"})
	b.must(err)
	b.wantNote("without an actor Who is empty", statuslink.Note{At: at, Why: "create"})
}
