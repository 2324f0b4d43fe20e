package storetest

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/statuslink/statuslink"
)

func contextMutants() []mutant {
	return []mutant{
		{"loads under an ended context", func() statuslink.Store {
			return &broken{load: func(b *broken, ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
				return b.Store.Load(context.WithoutCancel(ctx), prev)
			}}
		}, "LoadEndsWithItsContext", "Load under a cancelled context"},
		{"hands out prev under an ended context", func() statuslink.Store {
			return &broken{load: func(b *broken, ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
				now, _ := b.Store.Load(context.WithoutCancel(ctx), prev)
				if now == prev {
					return prev, nil
				}
				return b.Store.Load(ctx, prev)
			}}
		}, "LoadEndsWithItsContext", "with the present prev"},
		{"calls every end a cancelling", func() statuslink.Store {
			return &broken{load: func(b *broken, ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
				if ctx.Err() != nil {
					return nil, context.Canceled
				}
				return b.Store.Load(ctx, prev)
			}}
		}, "LoadEndsWithItsContext", "past its deadline"},
		{"applies under an ended context", func() statuslink.Store {
			return &broken{apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
				return b.Store.Apply(context.WithoutCancel(ctx), c)
			}}
		}, "ApplyEndsWithItsContext", "Apply under a cancelled context said <nil>"},
		{"applies, then looks at the context", func() statuslink.Store {
			return &broken{apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
				after, err := b.Store.Apply(context.WithoutCancel(ctx), c)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return after, err
			}}
		}, "ApplyEndsWithItsContext", "something of it was kept"},
		{"has an error of its own for an ended context", func() statuslink.Store {
			return &broken{apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
				after, err := b.Store.Apply(ctx, c)
				if ctx.Err() != nil {
					return nil, errors.New("interrupted")
				}
				return after, err
			}}
		}, "ApplyEndsWithItsContext", "said interrupted"},
	}
}

// racy is a store that looks at the version first and writes later, whoever
// wrote in between. Its memory accesses are atomic, so that it is the checks
// that see it and not the race detector.
type racy struct {
	now     atomic.Pointer[statuslink.Snapshot]
	writers atomic.Int32
}

func (r *racy) Load(ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	r.now.CompareAndSwap(nil, new(statuslink.Snapshot))
	if now := r.now.Load(); prev == nil || prev.Version() != now.Version() {
		return now, ctx.Err()
	}
	return prev, ctx.Err()
}

func (r *racy) Apply(ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
	now, err := r.Load(ctx, nil)
	if err != nil {
		return nil, err
	}
	next, err := now.With(c)
	if err != nil {
		return nil, err
	}
	// Wait a little for another writer.
	before := r.writers.Add(1)
	for n := 0; n < 10_000 && r.writers.Load() == before; n++ {
		runtime.Gosched()
	}
	r.now.Store(next)
	return next, nil
}

func concurrentMutants() []mutant {
	return []mutant{
		{
			"looks at the version before it takes the lock", func() statuslink.Store { return new(racy) },
			"OneOfManyWritersWins", "two writers won",
		},
		{"lets late writers win too", late(rebased), "OneOfManyWritersWins", "two writers won"},
		{"tells late writers that they won", late(func(now *statuslink.Snapshot, _ statuslink.Changes) (*statuslink.Snapshot, error) {
			return now, nil
		}), "OneOfManyWritersWins", "two writers won"},
		{"lets nobody win of many", func() statuslink.Store {
			var at atomic.Int32
			return &broken{apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
				if at.Add(1) > 1 {
					return nil, &statuslink.StaleError{Planned: c.Version, Present: c.Version + 1}
				}
				return b.Store.Apply(ctx, c)
			}}
		}, "OneOfManyWritersWins", "no writer won"},
		{"tells late writers of a lock", late(func(*statuslink.Snapshot, statuslink.Changes) (*statuslink.Snapshot, error) {
			return nil, errors.New("database is locked")
		}), "OneOfManyWritersWins", "a writer that came late was told database is locked"},
		{"loses what a writer wrote between look and write", func() statuslink.Store { return new(racy) }, "WritersLoseNothing", "lost something"},
		{"shows readers older states in between", func() statuslink.Store {
			var old atomic.Pointer[statuslink.Snapshot]
			var n atomic.Int32
			return &broken{load: func(b *broken, ctx context.Context, _ *statuslink.Snapshot) (*statuslink.Snapshot, error) {
				now, err := b.Store.Load(ctx, nil)
				old.CompareAndSwap(nil, now)
				if n.Add(1)%5 == 0 {
					return old.Load(), err
				}
				return now, err
			}}
		}, "WritersLoseNothing", "a reader saw version"},
	}
}
