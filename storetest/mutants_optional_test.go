package storetest

import (
	"context"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/statuslink/statuslink"
)

func watcherMutants() []mutant {
	closed := make(chan struct{})
	close(closed)
	changed := func(f func(*broken, *statuslink.Snapshot) <-chan struct{}) func() statuslink.Store {
		return func() statuslink.Store { return &broken{changed: f} }
	}
	return []mutant{
		{
			"tells of changes all the time", changed(func(*broken, *statuslink.Snapshot) <-chan struct{} { return closed }),
			"WatcherWaits", "although nothing happened",
		},
		{"knows only its own latest Snapshot to wait for", changed(func(b *broken, prev *statuslink.Snapshot) <-chan struct{} {
			if prev.Version() == 0 {
				return closed
			}
			return b.Store.Changed(prev)
		}), "WatcherWaits", "an empty store"},
		{
			"never tells of a change", changed(func(*broken, *statuslink.Snapshot) <-chan struct{} { return make(chan struct{}) }),
			"WatcherTellsOfAChange", "was not closed within",
		},
		{"tells one watcher alone", func() statuslink.Store {
			silent := make(chan struct{})
			taken := make(map[uint64]bool)
			return &broken{changed: func(b *broken, prev *statuslink.Snapshot) <-chan struct{} {
				if taken[prev.Version()] {
					return silent
				}
				taken[prev.Version()] = true
				return b.Store.Changed(prev)
			}}
		}, "WatcherTellsOfAChange", "another watcher: the channel was not closed"},
		{"sends a value to watchers", func() statuslink.Store {
			var waiting []chan struct{}
			return &broken{
				apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
					after, err := b.Store.Apply(ctx, c)
					for _, w := range waiting {
						w <- struct{}{}
					}
					waiting = nil
					return after, err
				},
				changed: func(*broken, *statuslink.Snapshot) <-chan struct{} {
					waiting = append(waiting, make(chan struct{}, 1))
					return waiting[len(waiting)-1]
				},
			}
		}, "WatcherTellsOfAChange", "received a value"},
		{"tells of statuses alone", func() statuslink.Store {
			silent := make(chan struct{})
			var told chan struct{}
			return &broken{
				apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
					after, err := b.Store.Apply(ctx, c)
					if len(c.Create) > 0 && told != nil {
						close(told)
						told = nil
					}
					return after, err
				},
				changed: func(b *broken, prev *statuslink.Snapshot) <-chan struct{} {
					if now, _ := b.Store.Load(context.Background(), nil); now.Version() != prev.Version() {
						return silent
					}
					if told == nil {
						told = make(chan struct{})
					}
					return told
				},
			}
		}, "WatcherTellsOfAChange", "a scope, one watcher: the channel was not closed"},
		{"tells of the next change, not of the past", changed(func(b *broken, _ *statuslink.Snapshot) <-chan struct{} {
			now, _ := b.Store.Load(context.Background(), nil)
			return b.Store.Changed(now)
		}), "WatcherTellsOfThePast", "was not closed within"},
		{"forgets who was left two changes behind", changed(func(b *broken, prev *statuslink.Snapshot) <-chan struct{} {
			if now, _ := b.Store.Load(context.Background(), nil); now.Version() > prev.Version()+1 {
				return make(chan struct{})
			}
			return b.Store.Changed(prev)
		}), "WatcherTellsOfThePast", "two changes ago"},
	}
}

func historianMutants() []mutant {
	telling := func(mangle func([]statuslink.Record)) func() statuslink.Store {
		return func() statuslink.Store {
			return &broken{history: func(b *broken, ctx context.Context, limit int) ([]statuslink.Record, error) {
				records, err := b.Store.History(ctx, limit)
				mangle(records)
				return records, err
			}}
		}
	}
	mutants := []mutant{
		{"tells the oldest change first", func() statuslink.Store {
			return &broken{history: func(b *broken, ctx context.Context, limit int) ([]statuslink.Record, error) {
				records, err := b.Store.History(ctx, math.MaxInt)
				slices.Reverse(records)
				return records[:min(limit, len(records))], err
			}}
		}, "HistoryIsNewestFirst", "newest first"},
		{"tells the latest changes the wrong way round", telling(slices.Reverse), "HistoryIsNewestFirst", "newest first"},
		{"tells more than was asked for", func() statuslink.Store {
			return &broken{history: func(b *broken, ctx context.Context, limit int) ([]statuslink.Record, error) {
				return b.Store.History(ctx, limit+1)
			}}
		}, "HistoryIsNewestFirst", "has 2 records, want 1 to 1"},
		{"takes a limit of 0 for none", func() statuslink.Store {
			return &broken{history: func(b *broken, ctx context.Context, limit int) ([]statuslink.Record, error) {
				if limit == 0 {
					limit = math.MaxInt
				}
				return b.Store.History(ctx, limit)
			}}
		}, "HistoryIsNewestFirst", "History(0)"},
		{"remembers nothing", func() statuslink.Store {
			return &broken{history: func(*broken, context.Context, int) ([]statuslink.Record, error) { return nil, nil }}
		}, "HistoryIsNewestFirst", "has 0 records"},
		{"tells the version before a change", telling(func(records []statuslink.Record) {
			for i := range records {
				records[i].Version--
			}
		}), "HistoryKeepsEveryFieldOfANote", "a field of a Note is lost"},
		{"keeps a Note to the second", telling(func(records []statuslink.Record) {
			for i := range records {
				records[i].Note.At = records[i].Note.At.Truncate(time.Second)
			}
		}), "HistoryKeepsEveryFieldOfANote", "a Note is not kept"},
		{"keeps the clock on the wall of a Note", func() statuslink.Store {
			return &broken{apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
				at := c.Note.At
				c.Note.At = time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
				return b.Store.Apply(ctx, c)
			}}
		}, "HistoryKeepsEveryFieldOfANote", "byte for byte and to the microsecond"},
		{"remembers what changed nothing", func() statuslink.Store {
			var more []statuslink.Record
			return &broken{
				apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
					if c.Empty() {
						more = append(more, statuslink.Record{Version: c.Version, Note: c.Note})
					}
					return b.Store.Apply(ctx, c)
				},
				history: func(b *broken, ctx context.Context, limit int) ([]statuslink.Record, error) {
					records, err := b.Store.History(ctx, limit)
					return append(slices.Clone(more), records...), err
				},
			}
		}, "HistoryHoldsChangesOnly", "has 3 records, want 1 to 2"},
		{"remembers the latest wish, refused or not", func() statuslink.Store {
			var latest statuslink.Note
			return &broken{
				apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
					latest = c.Note
					return b.Store.Apply(ctx, c)
				},
				history: func(b *broken, ctx context.Context, _ int) ([]statuslink.Record, error) {
					records, err := b.Store.History(ctx, 1)
					if len(records) > 0 {
						records[0].Note = latest
					}
					return records, err
				},
			}
		}, "HistoryHoldsChangesOnly", "something that changed nothing is remembered"},
		{"hands out its own history", func() statuslink.Store {
			var own []statuslink.Record
			return &broken{history: func(b *broken, ctx context.Context, limit int) ([]statuslink.Record, error) {
				if own == nil {
					own, _ = b.Store.History(ctx, limit)
				}
				return own, nil
			}}
		}, "HistoryBelongsToTheCaller", "the caller changed the history"},
	}
	for _, path := range paths[statuslink.Note]() {
		mutants = append(mutants, mutant{"loses Note" + path, telling(func(records []statuslink.Record) {
			for i := range records {
				v := reflect.ValueOf(&records[i].Note).Elem()
				leaves("", v, v, func(at string, _, leaf reflect.Value) {
					if at == path {
						leaf.SetZero()
					}
				})
			}
		}), "HistoryKeepsEveryFieldOfANote", "a field of a Note is lost"})
	}
	return mutants
}
