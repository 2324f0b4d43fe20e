package storetest

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

func loadMutants() []mutant {
	beginning := func(version uint64, state statuslink.State) func() statuslink.Store {
		return func() statuslink.Store {
			now, err := statuslink.NewSnapshot(version, state)
			if err != nil {
				panic(err)
			}
			return &cell{now: now, commit: commitWith}
		}
	}
	return []mutant{
		{"begins at version 1", beginning(1, statuslink.State{}), "NewStoreIsEmpty", "at version 1, want 0"},
		{
			"begins with a status", beginning(0, statuslink.State{Statuses: []statuslink.Status{status("a")}}),
			"NewStoreIsEmpty", "not empty",
		},
		{"never returns prev", func() statuslink.Store {
			return &broken{load: func(b *broken, ctx context.Context, _ *statuslink.Snapshot) (*statuslink.Snapshot, error) {
				now, err := b.Store.Load(ctx, nil)
				if err != nil {
					return nil, err
				}
				return statuslink.NewSnapshot(now.Version(), now.State())
			}}
		}, "LoadReturnsPrevWhenNothingChanged", "did not return prev"},
		{"knows only its own latest Snapshot as prev", func() statuslink.Store {
			return &broken{load: func(b *broken, ctx context.Context, _ *statuslink.Snapshot) (*statuslink.Snapshot, error) {
				return b.Store.Load(ctx, nil)
			}}
		}, "LoadReturnsPrevWhenNothingChanged", "the zero Snapshot"},
		{"returns prev whatever happened", func() statuslink.Store {
			return &broken{load: func(b *broken, ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
				if prev != nil {
					return prev, ctx.Err()
				}
				return b.Store.Load(ctx, nil)
			}}
		}, "LoadSeesChanges", "not the present state"},
		{"returns the state before from Apply", func() statuslink.Store {
			return &broken{apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
				before, _ := b.Store.Load(ctx, nil)
				_, err := b.Store.Apply(ctx, c)
				return before, err
			}}
		}, "ApplyReturnsTheStateAfter", "Apply does not return the state after"},
		{"returns the right state at the wrong version from Apply", func() statuslink.Store {
			return &broken{apply: func(b *broken, ctx context.Context, c statuslink.Changes) (*statuslink.Snapshot, error) {
				after, err := b.Store.Apply(ctx, c)
				if err != nil {
					return nil, err
				}
				return statuslink.NewSnapshot(after.Version()+1, after.State())
			}}
		}, "ApplyReturnsTheStateAfter", "but Load says"},
	}
}

// lossMutants lose one field each, of all that there are: on creation, on
// update, and when it is cleared.
func lossMutants() []mutant {
	// These do not differ between the states of KeepsEveryFieldOfAnUpdate, or
	// are not cleared in ClearsEveryField.
	identity := []string{
		".Statuses.ID", ".Ignored.Ref.Source", ".Ignored.Ref.Scope", ".Ignored.Ref.ID",
		".Scopes.ScopeKey.Source", ".Scopes.ScopeKey.ID", ".Accounts.Source",
	}
	notUpdated := append([]string{".Statuses.Links.Base.Ordered"}, identity...)
	notCleared := append([]string{
		".Statuses.Name", ".Statuses.Links.Ref.Source", ".Statuses.Links.Ref.Scope", ".Statuses.Links.Ref.ID", ".Accounts.Names",
	}, identity...)

	// each calls visit for all values of the path in two states.
	each := func(want string, old, now *statuslink.State, visit func(old, now reflect.Value)) {
		leaves("", reflect.ValueOf(old).Elem(), reflect.ValueOf(now).Elem(), func(path string, a, b reflect.Value) {
			if path == want {
				visit(a, b)
			}
		})
	}
	var mutants []mutant
	for _, path := range paths[statuslink.State]() {
		says := "a field of something created is lost"
		if slices.Contains(identity, path) && path != ".Ignored.Ref.Scope" && path != ".Scopes.ScopeKey.ID" ||
			path == ".Statuses.Name" || path == ".Statuses.Links.Ref.Source" || path == ".Statuses.Links.Ref.ID" {
			says = "Apply refused a valid change" // the Snapshot cannot be without it
		}
		if path == ".Accounts.Names" {
			says = "a field of something created is lost"
		}
		mutants = append(mutants, mutant{"loses " + path, keeping(func(_, now *statuslink.State) {
			each(path, now, now, func(_, v reflect.Value) { v.SetZero() })
		}), "KeepsEveryField", says})
		if !slices.Contains(notUpdated, path) {
			mutants = append(mutants, mutant{"does not update " + path, keeping(func(old, now *statuslink.State) {
				each(path, old, now, func(before, v reflect.Value) { v.Set(before) })
			}), "KeepsEveryFieldOfAnUpdate", "has not its new value"})
		}
		if !slices.Contains(notCleared, path) {
			mutants = append(mutants, mutant{"does not clear " + path, keeping(func(old, now *statuslink.State) {
				each(path, old, now, func(before, v reflect.Value) {
					if v.IsZero() {
						v.Set(before)
					}
				})
			}), "ClearsEveryField", "a field that was cleared is still there"})
		}
	}
	return mutants
}

// links calls edit for the links of each status.
func links(edit func(links []statuslink.Link)) func(_, now *statuslink.State) {
	return func(_, now *statuslink.State) {
		for i := range now.Statuses {
			edit(now.Statuses[i].Links)
		}
	}
}

func fieldMutants() []mutant {
	bySource := func(a, b statuslink.Link) int { return strings.Compare(a.Ref.String(), b.Ref.String()) }
	return []mutant{
		{
			"sorts links", keeping(links(func(links []statuslink.Link) { slices.SortFunc(links, bySource) })),
			"KeepsTheOrderOfLinks", "on creation",
		},
		{"sees no change in links that change places", keeping(func(old, now *statuslink.State) {
			for i := range old.Statuses {
				before, after := slices.Clone(old.Statuses[i].Links), slices.Clone(now.Statuses[i].Links)
				slices.SortFunc(before, bySource)
				slices.SortFunc(after, bySource)
				if slices.Equal(before, after) {
					now.Statuses[i].Links = old.Statuses[i].Links
				}
			}
		}), "KeepsTheOrderOfLinks", "only the order changes"},
		{"adds new links at the end", keeping(func(old, now *statuslink.State) {
			for i := range old.Statuses {
				slices.SortStableFunc(now.Statuses[i].Links, func(a, b statuslink.Link) int {
					return boolean(!old.Statuses[i].Linked(a.Ref)) - boolean(!old.Statuses[i].Linked(b.Ref))
				})
			}
		}), "KeepsTheOrderOfLinks", "the place of a new link"},
		{"never cuts a link", keeping(func(old, now *statuslink.State) {
			for i := range old.Statuses {
				if len(now.Statuses) > i && now.Statuses[i].Links == nil {
					now.Statuses[i].Links = old.Statuses[i].Links
				}
			}
		}), "ClearsEveryField", "a link that was cut is still there"},
		{"sorts aliases", keeping(func(_, now *statuslink.State) {
			for i := range now.Statuses {
				slices.Sort(now.Statuses[i].Aliases)
			}
		}), "KeepsTheOrderOfAliases", "aliases"},
		{"takes a Base's Order of 0 for none", keeping(links(func(links []statuslink.Link) {
			for i := range links {
				links[i].Base.Ordered = links[i].Base.Order != 0
			}
		})), "KeepsBase", "a Base is not kept"},
		{"keeps a Base whole only if it has a name", keeping(links(func(links []statuslink.Link) {
			for i := range links {
				if links[i].Base.Name == "" {
					links[i].Base = statuslink.Base{}
				}
			}
		})), "KeepsBase", "a Base is not kept"},
		{"does not update whether a Base is ordered", keeping(func(old, now *statuslink.State) {
			for i := range old.Statuses {
				for j := range old.Statuses[i].Links {
					now.Statuses[i].Links[j].Base.Ordered = old.Statuses[i].Links[j].Base.Ordered
				}
			}
		}), "KeepsBase", "an updated Base is not kept"},
		{"marks a link missing once and for all", keeping(func(old, now *statuslink.State) {
			for i := range old.Statuses {
				for j, link := range old.Statuses[i].Links {
					if link.Missing() {
						now.Statuses[i].Links[j].MissingSince = link.MissingSince
					}
				}
			}
		}), "KeepsMissingSince", "MissingSince is not what the update said"},
		{"clears MissingSince of the first link", keeping(links(func(links []statuslink.Link) {
			if len(links) > 0 {
				links[0].MissingSince = time.Time{}
			}
		})), "KeepsMissingSince", "MissingSince is not what the update said"},
		{"takes Lost for Won", keeping(func(_, now *statuslink.State) {
			for i := range now.Statuses {
				if now.Statuses[i].Outcome == crm.Lost {
					now.Statuses[i].Outcome = crm.Won
				}
			}
		}), "KeepsOutcomes", "an outcome is not kept"},
		{"takes Unknown for Open", keeping(func(_, now *statuslink.State) {
			for i := range now.Statuses {
				if now.Statuses[i].Outcome == crm.Unknown {
					now.Statuses[i].Outcome = crm.Open
				}
			}
		}), "KeepsOutcomes", "an outcome is not kept"},
	}
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
