package statuslink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// maxTries limits how often a change is made anew because others changed the
// store meanwhile. Whenever one has to be, another one was made, so this many
// at the same time all come through.
const maxTries = 100

// Catalog is the list of a bot's statuses over a [Store], for people and for
// the bot's code. It is safe for concurrent use, and so are several Catalogs
// over one store. Each change is one Apply of the store; where another engine
// changed the store meanwhile, it is made anew on the newer state, unless it
// says otherwise.
type Catalog struct {
	store  Store
	opts   Options
	cached atomic.Pointer[cache]
	synced syncedScopes
}

type cache struct {
	snapshot *Snapshot
	loaded   time.Time
	changed  <-chan struct{} // nil if the store is no Watcher
}

// NewCatalog returns a Catalog over a store. It reads nothing yet.
func NewCatalog(store Store, opts *Options) (*Catalog, error) {
	if store == nil {
		return nil, &Error{Kind: ErrInvalid, Op: "new catalog", Message: "a store is needed; new(memstore.Store) is one in memory"}
	}
	return &Catalog{store: store, opts: opts.withDefaults()}, nil
}

// Load returns the state of the store as it is now.
func (c *Catalog) Load(ctx context.Context) (*Snapshot, error) {
	var previous *Snapshot
	if cached := c.cached.Load(); cached != nil {
		previous = cached.snapshot
	}
	asked := c.opts.Now() // the answer may be as old as the question
	snapshot, err := c.store.Load(ctx, previous)
	if err != nil {
		return nil, fmt.Errorf("statuslink: load: %w", err)
	}
	c.remember(snapshot, asked)
	return snapshot, nil
}

// Snapshot returns the state of the store, at most MaxAge old; where the store
// is a [Watcher], as it is now. Use it for lookups: it mostly costs neither a
// read of the store nor an allocation. What this Catalog, or a [Syncer] over it,
// has written is seen at once.
func (c *Catalog) Snapshot(ctx context.Context) (*Snapshot, error) {
	cached := c.cached.Load()
	if cached == nil {
		return c.Load(ctx)
	}
	if cached.changed != nil {
		select {
		case <-cached.changed:
			return c.Load(ctx)
		default:
			return cached.snapshot, nil
		}
	}
	if age := c.opts.Now().Sub(cached.loaded); age < 0 || age >= c.opts.MaxAge {
		return c.Load(ctx)
	}
	return cached.snapshot, nil
}

// remember keeps a snapshot that was asked for at an instant for lookups,
// unless a newer one is kept.
func (c *Catalog) remember(snapshot *Snapshot, asked time.Time) {
	next := &cache{snapshot: snapshot, loaded: asked}
	if watcher, ok := c.store.(Watcher); ok {
		next.changed = watcher.Changed(snapshot)
	}
	for {
		old := c.cached.Load()
		if old != nil && old.snapshot.version > snapshot.version {
			return
		}
		if c.cached.CompareAndSwap(old, next) {
			return
		}
	}
}

// Get returns the status with the Key or ID, a Key first; [ErrNotFound] if
// there is none. See [Catalog.Snapshot] for how old the answer may be.
func (c *Catalog) Get(ctx context.Context, keyOrID string) (Status, error) {
	snapshot, err := c.Snapshot(ctx)
	if err != nil {
		return Status{}, err
	}
	return snapshot.get(keyOrID)
}

func (s *Snapshot) get(keyOrID string) (Status, error) {
	if status, ok := s.ByKey(keyOrID); ok {
		return status, nil
	}
	if status, ok := s.ByID(keyOrID); ok {
		return status, nil
	}
	return Status{}, &Error{Kind: ErrNotFound, Status: keyOrID, Message: "no status has this key or ID; " + s.candidates(keyOrID)}
}

// shownKeys is how many keys an error names.
const shownKeys = 10

// candidates says for people what else could be meant where no status has a key or ID.
func (s *Snapshot) candidates(keyOrID string) string {
	fold := newFolder()
	name := fold(keyOrID)
	var keys []string
	for status := range s.All() {
		if fold(status.Name) == name {
			return fmt.Sprintf("it is the name of the status %q", cmp.Or(status.Key, status.ID))
		}
		if status.Key != "" {
			keys = append(keys, strconv.Quote(status.Key))
		}
	}
	if more := len(keys) - shownKeys; more > 1 {
		keys = append(keys[:shownKeys], fmt.Sprintf("%d more", more))
	}
	switch len(keys) {
	case 0:
		return "no status has a key yet"
	case 1:
		return "the only key is " + keys[0]
	}
	return "the keys are " + listed(keys)
}

// change loads the state, lets edit say what to change, and applies it, anew
// if the store moved meanwhile. An edit that changes nothing writes nothing;
// the instant of one that does is that of changes.Note.
func (c *Catalog) change(ctx context.Context, why string, edit func(*Snapshot, *Changes) error) (*Snapshot, error) {
	for try := 1; ; try++ {
		snapshot, err := c.Load(ctx)
		if err != nil {
			return nil, err
		}
		changes := Changes{Version: snapshot.version, Note: c.note(ctx, why)}
		if err := edit(snapshot, &changes); err != nil {
			return nil, during(why, err)
		}
		next, err := c.apply(ctx, snapshot, changes)
		if err == nil || try == maxTries || !errors.Is(err, ErrStale) {
			return next, err
		}
	}
}

// note begins a change: all its times are those of the note.
func (c *Catalog) note(ctx context.Context, why string) Note {
	return Note{At: instant(c.opts.Now()), Who: actor(ctx), Why: why}
}

// during says in an error of this package what was being done. An error inside
// another one is left alone: it may be someone else's.
func during(why string, err error) error {
	if e, ok := err.(*Error); ok && e.Op == "" { //nolint:errorlint // see above
		named := *e
		named.Op = why
		return &named
	}
	return err
}

// apply makes one change of the store. A [StaleError] tells what moved since
// the snapshot.
func (c *Catalog) apply(ctx context.Context, from *Snapshot, changes Changes) (*Snapshot, error) {
	if changes.Empty() {
		return from, nil
	}
	asked := c.opts.Now()
	next, err := c.store.Apply(ctx, changes)
	if err == nil {
		c.remember(next, asked)
		return next, nil
	}
	if errors.Is(err, ErrStale) {
		stale := &StaleError{Planned: from.version, Present: from.version}
		errors.As(err, &stale)
		if now, loadErr := c.Load(ctx); loadErr == nil {
			stale = &StaleError{Planned: from.version, Present: now.version, Moved: now.Since(from)}
		}
		return nil, stale
	}
	var e *Error
	if errors.As(err, &e) {
		return nil, during(changes.Note.Why, err)
	}
	return nil, fmt.Errorf("statuslink: %s: %w", changes.Note.Why, err)
}
