package storetest

import (
	"context"
	"reflect"
	"sync"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/memstore"
)

// cell is a simple store to break: commit makes the state after a change.
type cell struct {
	mu     sync.Mutex
	now    *statuslink.Snapshot
	commit func(now *statuslink.Snapshot, changes statuslink.Changes) (*statuslink.Snapshot, error)
}

type commit = func(*statuslink.Snapshot, statuslink.Changes) (*statuslink.Snapshot, error)

func newCell(c commit) *cell { return &cell{now: new(statuslink.Snapshot), commit: c} }

// celled makes the factory of a mutant.
func celled(c commit) func() statuslink.Store {
	return func() statuslink.Store { return newCell(c) }
}

func commitWith(now *statuslink.Snapshot, changes statuslink.Changes) (*statuslink.Snapshot, error) {
	return now.With(changes)
}

func (c *cell) Load(ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if prev != nil && prev.Version() == c.now.Version() {
		return prev, nil
	}
	return c.now, nil
}

func (c *cell) Apply(ctx context.Context, changes statuslink.Changes) (*statuslink.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next, err := c.commit(c.now, changes)
	if next != nil {
		c.now = next // a broken store may move and fail
	}
	if err != nil {
		return nil, err
	}
	return next, nil
}

// keeping is a store that keeps what mangle makes of the old and the new state.
func keeping(mangle func(old, now *statuslink.State)) func() statuslink.Store {
	return celled(func(now *statuslink.Snapshot, changes statuslink.Changes) (*statuslink.Snapshot, error) {
		next, err := now.With(changes)
		if err != nil || next == now {
			return next, err
		}
		before, after := now.State(), next.State()
		mangle(&before, &after)
		return statuslink.NewSnapshot(next.Version(), after)
	})
}

// reading is a store that makes other changes than it is told.
func reading(mangle func(*statuslink.Changes)) func() statuslink.Store {
	return celled(func(now *statuslink.Snapshot, changes statuslink.Changes) (*statuslink.Snapshot, error) {
		mangle(&changes)
		return now.With(changes)
	})
}

// broken is a memstore with methods of its own.
type broken struct {
	memstore.Store

	load    func(*broken, context.Context, *statuslink.Snapshot) (*statuslink.Snapshot, error)
	apply   func(*broken, context.Context, statuslink.Changes) (*statuslink.Snapshot, error)
	changed func(*broken, *statuslink.Snapshot) <-chan struct{}
	history func(*broken, context.Context, int) ([]statuslink.Record, error)
}

func (b *broken) Load(ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	if b.load != nil {
		return b.load(b, ctx, prev)
	}
	return b.Store.Load(ctx, prev)
}

func (b *broken) Apply(ctx context.Context, changes statuslink.Changes) (*statuslink.Snapshot, error) {
	if b.apply != nil {
		return b.apply(b, ctx, changes)
	}
	return b.Store.Apply(ctx, changes)
}

func (b *broken) Changed(prev *statuslink.Snapshot) <-chan struct{} {
	if b.changed != nil {
		return b.changed(b, prev)
	}
	return b.Store.Changed(prev)
}

func (b *broken) History(ctx context.Context, limit int) ([]statuslink.Record, error) {
	if b.history != nil {
		return b.history(b, ctx, limit)
	}
	return b.Store.History(ctx, limit)
}

// leaves calls visit for each plain value inside two values of one type, with
// its path without indexes. Slices are walked as far as the shorter one goes.
func leaves(path string, a, b reflect.Value, visit func(path string, a, b reflect.Value)) {
	switch {
	case a.Kind() == reflect.Struct && a.Type() != timeType:
		for i := range a.NumField() {
			leaves(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i), visit)
		}
	case a.Kind() == reflect.Slice && a.Type().Elem().Kind() == reflect.Struct:
		for i := range min(a.Len(), b.Len()) {
			leaves(path, a.Index(i), b.Index(i), visit)
		}
	default:
		visit(path, a, b)
	}
}

// paths lists the paths of all plain values in a type.
func paths[T any]() []string {
	var value T
	f := filler{}
	if err := f.fill("", reflect.ValueOf(&value).Elem()); err != nil {
		panic(err)
	}
	var all []string
	seen := make(map[string]bool)
	v := reflect.ValueOf(value)
	leaves("", v, v, func(path string, _, _ reflect.Value) {
		if !seen[path] {
			seen[path] = true
			all = append(all, path)
		}
	})
	return all
}
