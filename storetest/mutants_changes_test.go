package storetest

import (
	"errors"
	"reflect"
	"slices"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// stepwise is a store that makes the parts of a change one after another, each
// judged by itself, and takes all back if one fails.
func stepwise(split func(statuslink.Changes) []statuslink.Changes) func() statuslink.Store {
	return celled(func(now *statuslink.Snapshot, changes statuslink.Changes) (*statuslink.Snapshot, error) {
		if changes.Version != now.Version() {
			return now.With(changes)
		}
		next := now
		for _, part := range split(changes) {
			part.Version = next.Version()
			var err error
			if next, err = next.With(part); err != nil {
				return nil, err
			}
		}
		return next, nil
	})
}

func changeMutants() []mutant {
	mutants := []mutant{
		{"makes updates one by one", stepwise(func(c statuslink.Changes) []statuslink.Changes {
			var parts []statuslink.Changes
			for _, s := range c.Update {
				parts = append(parts, statuslink.Changes{Update: []statuslink.Status{s}})
			}
			c.Update = nil
			return append(parts, c)
		}), "ExchangesKeys", "Apply refused a valid change"},
		{"makes links one by one", stepwise(func(c statuslink.Changes) []statuslink.Changes {
			var parts []statuslink.Changes
			for _, s := range c.Update {
				parts = append(parts, statuslink.Changes{Update: []statuslink.Status{s}})
			}
			c.Update = nil
			return append(parts, c)
		}), "ExchangesRefs", "Apply refused a valid change"},
		{"exchanges two keys, but not three", keeping(func(old, now *statuslink.State) {
			var moved []int
			for i := range old.Statuses {
				if i < len(now.Statuses) && old.Statuses[i].Key != now.Statuses[i].Key {
					moved = append(moved, i)
				}
			}
			if len(moved) > 2 {
				for i := range old.Statuses {
					now.Statuses[i].Key = old.Statuses[i].Key
				}
			}
		}), "ExchangesKeys", "the keys were not exchanged"},
		{"creates before it updates and removes", stepwise(func(c statuslink.Changes) []statuslink.Changes {
			create := statuslink.Changes{Create: c.Create}
			c.Create = nil
			return []statuslink.Changes{create, c}
		}), "HandsOverKeyAndRef", "Apply refused a valid change"},
		{"removes before it creates", stepwise(func(c statuslink.Changes) []statuslink.Changes {
			remove := statuslink.Changes{Remove: c.Remove}
			c.Remove = nil
			return []statuslink.Changes{remove, c}
		}), "ReplacesTheLastStatus", "Apply refused a valid change"},
		{"links before it restores", stepwise(func(c statuslink.Changes) []statuslink.Changes {
			restore := statuslink.Changes{Restore: c.Restore}
			c.Restore = nil
			return []statuslink.Changes{c, restore}
		}), "RestoresAndLinksAtOnce", "Apply refused a valid change"},
		{"ignores before it cuts", stepwise(func(c statuslink.Changes) []statuslink.Changes {
			ignore := statuslink.Changes{Ignore: c.Ignore}
			c.Ignore = nil
			return []statuslink.Changes{ignore, c}
		}), "RestoresAndLinksAtOnce", "Apply refused a valid change"},
		{"forgets what was ignored when more is ignored", keeping(func(old, now *statuslink.State) {
			if !slices.Equal(old.Ignored, now.Ignored) {
				now.Ignored = now.Ignored[1:]
			}
		}), "MakesEveryPartOfAChange", "a part of a change is not made"},
	}
	parts := reflect.TypeFor[statuslink.Changes]()
	for i := range parts.NumField() {
		if parts.Field(i).Type.Kind() != reflect.Slice {
			continue
		}
		says := "a part of a change is not made"
		if parts.Field(i).Name == "Create" {
			says = "Apply refused a valid change" // the next one updates what was created
		}
		mutants = append(mutants, mutant{"passes over " + parts.Field(i).Name, reading(func(c *statuslink.Changes) {
			reflect.ValueOf(c).Elem().Field(i).SetZero()
		}), "MakesEveryPartOfAChange", says})
	}
	return append(mutants, atomicMutants()...)
}

// half is a store that keeps a part of a change that is refused as a whole.
func half(part func(statuslink.Changes) statuslink.Changes) func() statuslink.Store {
	return celled(func(now *statuslink.Snapshot, changes statuslink.Changes) (*statuslink.Snapshot, error) {
		next, err := now.With(changes)
		if err == nil || errors.Is(err, statuslink.ErrStale) {
			return next, err
		}
		kept := part(changes)
		kept.Version = changes.Version
		if next, partly := now.With(kept); partly == nil && next != now {
			return next, err
		}
		return nil, err
	})
}

func atomicMutants() []mutant {
	const kept = "something of it was kept"
	return []mutant{
		{"keeps the creations of a refused change", half(func(c statuslink.Changes) statuslink.Changes {
			return statuslink.Changes{Create: c.Create}
		}), "MakesNothingOfARefusedChange", kept},
		{"keeps the updates of a refused change", half(func(c statuslink.Changes) statuslink.Changes {
			return statuslink.Changes{Update: c.Update}
		}), "MakesNothingOfARefusedChange", kept},
		{"keeps the removals of a refused change", half(func(c statuslink.Changes) statuslink.Changes {
			return statuslink.Changes{Remove: c.Remove}
		}), "MakesNothingOfARefusedChange", kept},
		{"keeps the statuses when the scopes are refused", half(func(c statuslink.Changes) statuslink.Changes {
			return statuslink.Changes{Create: c.Create, Update: c.Update, Remove: c.Remove, Ignore: c.Ignore, Restore: c.Restore}
		}), "MakesNothingOfARefusedChange", kept},
		{"keeps the scopes when the statuses are refused", half(func(c statuslink.Changes) statuslink.Changes {
			return statuslink.Changes{Scopes: c.Scopes, DropScopes: c.DropScopes, Accounts: c.Accounts}
		}), "MakesNothingOfARefusedChange", kept},
		{"makes all but the bad part", half(func(c statuslink.Changes) statuslink.Changes {
			c.Remove = slices.DeleteFunc(slices.Clone(c.Remove), func(id string) bool { return id == "unknown" })
			return c
		}), "MakesNothingOfARefusedChange", kept},
		{"is locked by a refused change", func() statuslink.Store {
			locked := false
			return newCell(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
				if locked && !c.Empty() {
					return nil, errors.New("locked")
				}
				next, err := now.With(c)
				locked = errors.Is(err, statuslink.ErrNotFound)
				return next, err
			})
		}, "GoesOnAfterARefusedChange", "Apply refused a valid change"},
		{"makes the rest of a refused change with the next one", func() statuslink.Store {
			var left []statuslink.Scope
			return newCell(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
				add := left
				left = nil
				next, err := now.With(c)
				if errors.Is(err, statuslink.ErrNotFound) {
					left = []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "left over"}}}
				}
				if err != nil || len(add) == 0 {
					return next, err
				}
				c.Scopes = append(slices.Clone(c.Scopes), add...)
				return now.With(c)
			})
		}, "GoesOnAfterARefusedChange", "not made whole"},
	}
}

// forgiving is a store that makes something acceptable of a change that has to
// be refused.
func forgiving(mend func(now *statuslink.Snapshot, c *statuslink.Changes)) func() statuslink.Store {
	return celled(func(now *statuslink.Snapshot, changes statuslink.Changes) (*statuslink.Snapshot, error) {
		if changes.Version == now.Version() {
			mend(now, &changes)
		}
		return now.With(changes)
	})
}

// withdraw takes what others hold already out of the changed statuses, as
// "insert or ignore" does.
func withdraw(now *statuslink.Snapshot, c *statuslink.Changes, key bool) {
	keys, refs := make(map[string]string), make(map[crm.Ref]string)
	for s := range now.All() {
		keys[s.Key] = s.ID
		for _, link := range s.Links {
			refs[link.Ref] = s.ID
		}
	}
	for _, list := range []*[]statuslink.Status{&c.Update, &c.Create} {
		*list = slices.Clone(*list)
		for i := range *list {
			s := (*list)[i].Clone()
			if owner, taken := keys[s.Key]; key && taken && owner != s.ID {
				s.Key = ""
			}
			keys[s.Key] = s.ID
			if !key {
				var own []statuslink.Link
				for _, link := range s.Links {
					if owner, taken := refs[link.Ref]; !taken || owner == s.ID && !slices.Contains(own, link) {
						own = append(own, link)
					}
					refs[link.Ref] = s.ID
				}
				s.Links = own
			}
			(*list)[i] = s
		}
	}
}

func ruleMutants() []mutant {
	const accepted = "Apply accepted it"
	return []mutant{
		{"updates what is created twice", forgiving(func(now *statuslink.Snapshot, c *statuslink.Changes) {
			for _, s := range c.Create {
				if _, there := now.ByID(s.ID); there {
					c.Update, c.Create = append(c.Update, s), nil
				}
			}
		}), "RefusesADuplicateID", "creating an ID that is there: " + accepted},
		{"takes the last of two updates", forgiving(func(_ *statuslink.Snapshot, c *statuslink.Changes) {
			if n := len(c.Update); n > 1 && c.Update[n-1].ID == c.Update[n-2].ID {
				c.Update = c.Update[n-1:]
			}
		}), "RefusesADuplicateID", "twice in one change: " + accepted},
		{"removes what it has just updated", forgiving(func(_ *statuslink.Snapshot, c *statuslink.Changes) {
			if len(c.Remove) > 0 {
				c.Update = nil
			}
		}), "RefusesADuplicateID", "updating and removing a status in one change: " + accepted},
		{"passes over a key that is taken", forgiving(func(now *statuslink.Snapshot, c *statuslink.Changes) {
			withdraw(now, c, true)
		}), "RefusesADuplicateKey", accepted},
		{"passes over a Ref that is taken", forgiving(func(now *statuslink.Snapshot, c *statuslink.Changes) {
			withdraw(now, c, false)
		}), "RefusesADuplicateRef", accepted},
		{"looks for keys in the statuses of before only", forgiving(func(now *statuslink.Snapshot, c *statuslink.Changes) {
			if len(c.Create) > 1 {
				withdraw(now, c, true)
			}
		}), "RefusesADuplicateKey", "creating two statuses with one key: " + accepted},
		{"says what was refused in words alone", celled(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
			next, err := now.With(c)
			if err != nil {
				return nil, errors.New(err.Error())
			}
			return next, nil
		}), "RefusesADuplicateKey", "want a *statuslink.Error of kind"},
		{"creates what it cannot update", forgiving(func(now *statuslink.Snapshot, c *statuslink.Changes) {
			for _, s := range c.Update {
				if _, there := now.ByID(s.ID); !there {
					c.Create, c.Update = append(c.Create, s), nil
				}
			}
		}), "RefusesUnknownStatuses", "updating a status in an empty store: " + accepted},
		{"passes over the update of an unknown status", forgiving(func(now *statuslink.Snapshot, c *statuslink.Changes) {
			c.Update = slices.DeleteFunc(slices.Clone(c.Update), func(s statuslink.Status) bool { _, there := now.ByID(s.ID); return !there })
		}), "RefusesUnknownStatuses", "updating a status that is not there: " + accepted},
		{"passes over the removal of an unknown status", forgiving(func(now *statuslink.Snapshot, c *statuslink.Changes) {
			c.Remove = slices.DeleteFunc(slices.Clone(c.Remove), func(id string) bool { _, there := now.ByID(id); return !there })
		}), "RefusesUnknownStatuses", "removing a status that is not there: " + accepted},
		{"removes the last status", celled(func(now *statuslink.Snapshot, c statuslink.Changes) (*statuslink.Snapshot, error) {
			next, err := now.With(c)
			if errors.Is(err, statuslink.ErrInUse) {
				return statuslink.NewSnapshot(now.Version()+1, statuslink.State{})
			}
			return next, err
		}), "RefusesRemovingTheLastStatus", accepted},
		{"restores an ignored Ref that is linked", forgiving(func(_ *statuslink.Snapshot, c *statuslink.Changes) {
			for _, s := range c.Update {
				for _, link := range s.Links {
					c.Restore = append(c.Restore, link.Ref)
				}
			}
		}), "RefusesLinkingAnIgnoredRef", "linking an ignored Ref: " + accepted},
		{"does not ignore a linked Ref", forgiving(func(now *statuslink.Snapshot, c *statuslink.Changes) {
			c.Ignore = slices.DeleteFunc(slices.Clone(c.Ignore), func(i statuslink.Ignored) bool { _, there := now.ByRef(i.Ref); return there })
		}), "RefusesLinkingAnIgnoredRef", "ignoring a linked Ref: " + accepted},
		{"mends names", forgiving(func(_ *statuslink.Snapshot, c *statuslink.Changes) {
			for _, list := range []*[]statuslink.Status{&c.Create, &c.Update} {
				*list = slices.Clone(*list)
				for i := range *list {
					(*list)[i].Name = crm.CleanName((*list)[i].Name)
				}
			}
		}), "RefusesInvalidValues", "a name that is not UTF-8: " + accepted},
		{"passes over bad scopes", forgiving(func(_ *statuslink.Snapshot, c *statuslink.Changes) {
			c.Scopes = slices.DeleteFunc(slices.Clone(c.Scopes), func(s statuslink.Scope) bool { return s.Source == "" })
		}), "RefusesInvalidValues", "a scope without a source: " + accepted},
	}
}
