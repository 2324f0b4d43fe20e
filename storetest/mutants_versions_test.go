package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"

	"github.com/statuslink/statuslink"
)

// numbered is a store whose versions come from the state.
func numbered(version func(before uint64, state statuslink.State) uint64) func() statuslink.Store {
	return celled(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
		next, err := now.With(c)
		if err != nil || next == now {
			return next, err
		}
		return statuslink.NewSnapshot(version(now.Version(), next.State()), next.State())
	})
}

// bumping is a store that gives a new version to what changes nothing.
func bumping(when func(now *statuslink.Snapshot, c statuslink.Changes) bool) func() statuslink.Store {
	return celled(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
		next, err := now.With(c)
		if err == nil && next == now && when(now, c) {
			return statuslink.NewSnapshot(now.Version()+1, now.State())
		}
		return next, err
	})
}

// late is a store that answers a stale change in another way.
func late(answer func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error)) func() statuslink.Store {
	return celled(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
		if c.Version != now.Version() {
			return answer(now, c)
		}
		return now.With(c)
	})
}

// rebased makes a change at the present version.
func rebased(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
	c.Version = now.Version()
	return now.With(c)
}

func versionMutants() []mutant {
	const accepted = "Apply accepted it, want a *statuslink.StaleError"
	return []mutant{
		{"takes the number of statuses for a version", numbered(func(_ uint64, s statuslink.State) uint64 {
			return uint64(len(s.Statuses))
		}), "EveryChangeGivesANewVersion", "want one greater than"},
		{"takes a hash for a version", numbered(func(_ uint64, s statuslink.State) uint64 {
			h := fnv.New64()
			_, _ = fmt.Fprint(h, s)
			return h.Sum64()
		}), "EveryChangeGivesANewVersion", "want one greater than"},
		{"gives a version for statuses alone", func() statuslink.Store {
			var before []statuslink.Status
			return newCell(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
				next, err := now.With(c)
				if err != nil || next == now {
					return next, err
				}
				state, version := next.State(), next.Version()
				if fmt.Sprint(before) == fmt.Sprint(state.Statuses) {
					version--
				}
				before = state.Statuses
				return statuslink.NewSnapshot(version, state)
			})
		}, "EveryChangeGivesANewVersion", "an ignored Ref gave version"},
		{"gives a refused change a version", celled(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
			next, err := now.With(c)
			if errors.Is(err, statuslink.ErrNotFound) {
				moved, _ := statuslink.NewSnapshot(now.Version()+1, now.State())
				return moved, err
			}
			return next, err
		}), "EveryChangeGivesANewVersion", "although nothing changed"},
		{"gives an empty change a version", bumping(func(_ *statuslink.Snapshot, c statuslink.Changes) bool {
			return c.Empty() && c.Note.Why == ""
		}), "NothingChangesNothing", "an empty change"},
		{"gives a Note a version", bumping(func(_ *statuslink.Snapshot, c statuslink.Changes) bool {
			return c.Empty() && c.Note.Why != ""
		}), "NothingChangesNothing", "a Note alone"},
		{"gives an update to the same a version", bumping(func(_ *statuslink.Snapshot, c statuslink.Changes) bool {
			return len(c.Update) > 0
		}), "NothingChangesNothing", "to what it is"},
		{"gives restoring nothing a version", bumping(func(_ *statuslink.Snapshot, c statuslink.Changes) bool {
			return len(c.Restore) > 0
		}), "NothingChangesNothing", "what is not there"},
		{"ignores the version", late(rebased), "RefusesAStaleChange", accepted},
		{"accepts versions to come", late(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
			if c.Version > now.Version() {
				return rebased(now, c)
			}
			return now.With(c)
		}), "RefusesAStaleChange", "at a version to come: " + accepted},
		{"takes version 0 for any", late(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
			if c.Version == 0 {
				return rebased(now, c)
			}
			return now.With(c)
		}), "RefusesAStaleChange", "at version 0: " + accepted},
		{"does not look at the version of an empty change", late(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
			if c.Empty() {
				return now, nil
			}
			return now.With(c)
		}), "RefusesAStaleChange", "an empty change at the version before: " + accepted},
		{"says stale without the versions", late(func(*statuslink.Snapshot, statuslink.Changes) (*statuslink.Snapshot, error) {
			return nil, statuslink.ErrStale
		}), "RefusesAStaleChange", "want a *statuslink.StaleError"},
		{"says the versions the wrong way round", late(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
			return nil, &statuslink.StaleError{Planned: now.Version(), Present: c.Version}
		}), "RefusesAStaleChange", "the error says planned at"},
		{"judges a change before its version", late(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
			if next, err := rebased(now, c); err != nil {
				return next, err
			}
			return now.With(c)
		}), "RefusesAStaleChange", "stale change that is invalid"},
	}
}

// journal is a store that remembers changes, not states.
type journal struct {
	mu      sync.Mutex
	changes []statuslink.Changes
}

func (j *journal) replay() (*statuslink.Snapshot, error) {
	now := new(statuslink.Snapshot)
	for _, c := range j.changes {
		var err error
		if now, err = now.With(c); err != nil {
			return nil, err
		}
	}
	return now, nil
}

func (j *journal) Load(_ context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, err := j.replay()
	if err == nil && prev != nil && prev.Version() == now.Version() {
		return prev, nil
	}
	return now, err
}

func (j *journal) Apply(_ context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, err := j.replay()
	if err != nil {
		return nil, err
	}
	next, err := now.With(c)
	if err == nil {
		j.changes = append(j.changes, c)
	}
	return next, err
}

// touching is a store that touches what the caller handed in.
func touching(touch func(*statuslink.Changes)) func() statuslink.Store {
	return reading(touch)
}

// inPlace is a store that writes into the Snapshots that it has handed out.
func inPlace(write func(old, now statuslink.Status)) func() statuslink.Store {
	return celled(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
		next, err := now.With(c)
		if err != nil {
			return nil, err
		}
		for old := range now.All() {
			if s, there := next.ByID(old.ID); there {
				write(old, s)
			}
		}
		return next, nil
	})
}

func ownerMutants() []mutant {
	const touched, changed = "touched what the caller handed in", "changed a Snapshot that"
	byName := func(a, b statuslink.Status) int { return cmp.Compare(a.ID, b.ID) }
	return []mutant{
		{
			"keeps the caller's slices", func() statuslink.Store { return new(journal) },
			"KeepsNothingOfTheCallersChanges", "Load:",
		},
		{"keeps the caller's scopes", func() statuslink.Store {
			var held [][]statuslink.Scope
			return &broken{
				apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
					held = append(held, c.Scopes)
					return b.Store.Apply(ctx, c)
				},
				load: func(b *broken, ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
					now, err := b.Store.Load(ctx, prev)
					if err != nil || len(held) == 0 || len(held[0]) == 0 {
						return now, err
					}
					state := now.State()
					state.Scopes = nil
					for _, scope := range held[0] {
						if scope.Source != "" {
							state.Scopes = append(state.Scopes, scope)
						}
					}
					return statuslink.NewSnapshot(now.Version(), state)
				},
			}
		}, "KeepsNothingOfTheCallersChanges", "the store kept a slice of a creation"},
		{
			"sorts the caller's creations", touching(func(c *statuslink.Changes) { slices.SortFunc(c.Create, byName) }),
			"LeavesTheCallersChangesAlone", touched,
		},
		{"gives the caller's times another zone and precision", touching(func(c *statuslink.Changes) {
			for i := range c.Ignore {
				c.Ignore[i].Since = c.Ignore[i].Since.Truncate(1e9)
			}
		}), "LeavesTheCallersChangesAlone", touched},
		{"sorts the names of the caller's accounts", touching(func(c *statuslink.Changes) {
			for i := range c.Accounts {
				slices.Sort(c.Accounts[i].Names)
			}
		}), "LeavesTheCallersChangesAlone", touched},
		{"makes the caller's empty slices nil", touching(func(c *statuslink.Changes) {
			for i := range c.Create {
				if len(c.Create[i].Aliases) == 0 {
					c.Create[i].Aliases = nil
				}
			}
		}), "LeavesTheCallersChangesAlone", touched},
		{
			"writes links into old Snapshots", inPlace(func(old, now statuslink.Status) { copy(old.Links, now.Links) }),
			"SnapshotsNeverChange", changed,
		},
		{
			"writes aliases into old Snapshots", inPlace(func(old, now statuslink.Status) { copy(old.Aliases, now.Aliases) }),
			"SnapshotsNeverChange", changed,
		},
		{"writes the names of accounts into old Snapshots", celled(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
			next, err := now.With(c)
			if err == nil && len(c.Accounts) > 0 {
				for _, account := range now.State().Accounts {
					copy(now.Account(account.Source), []string{"spoilt"})
				}
			}
			return next, err
		}), "SnapshotsNeverChange", changed},
	}
}
