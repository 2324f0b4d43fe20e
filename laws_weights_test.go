package statuslink_test

import (
	"math"
	"slices"
	"sync"

	"pgregory.net/rapid"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

func crmDraws() []draw {
	return []draw{
		{"", 16, drawCreate},
		{"rename", 5, withRow(func(rt *rapid.T, _ *world, row crm.Status) action { return crmRename{row.Ref, drawCRMName(rt)} })},
		{"", 3, withRow(func(rt *rapid.T, _ *world, row crm.Status) action { return crmSwapNames{row.Ref, pick(rt, lawIDs)} })},
		{"recolor", 3, withRow(func(rt *rapid.T, _ *world, row crm.Status) action {
			return crmRecolor{row.Ref, pick(rt, append(lawColors, "red"))}
		})},
		{"outcome", 3, withRow(func(rt *rapid.T, _ *world, row crm.Status) action { return crmOutcome{row.Ref, drawOutcome(rt)} })},
		{"order", 4, withRow(func(rt *rapid.T, _ *world, row crm.Status) action { return crmOrder{row.Ref, pick(rt, lawOrders)} })},
		{"arrange", 6, withScope(func(rt *rapid.T, source string, scope *crmScope) action {
			var ids []string
			for _, row := range scope.rows {
				ids = append(ids, row.Ref.ID)
			}
			return crmArrange{source, scope.id, shuffle(rt, ids)}
		})},
		{"", 2, withScope(func(_ *rapid.T, source string, scope *crmScope) action { return crmRenumber{source, scope.id} })},
		{"delete", 6, withRow(func(_ *rapid.T, _ *world, row crm.Status) action { return crmDelete{row.Ref} })},
		{"clear", 2, withScope(func(rt *rapid.T, source string, scope *crmScope) action {
			return crmClear{source, scope.id, roll(rt, 4)}
		})},
		{"recreate", 4, withRow(func(rt *rapid.T, _ *world, row crm.Status) action { return crmRecreate{row.Ref, pick(rt, lawIDs)} })},
		{"restore", 5, withScope(func(rt *rapid.T, _ string, scope *crmScope) action {
			if len(scope.deleted) == 0 {
				return nil
			}
			return crmRestore{pick(rt, scope.deleted).Ref}
		})},
		{"", 1, func(rt *rapid.T, w *world) action {
			return crmScopeOn{pick(rt, w.setup.sources).name, pick(rt, []string{"P", "Q", "R"})}
		}},
		{"", 1, withScope(func(_ *rapid.T, source string, scope *crmScope) action { return crmScopeOff{source, scope.id} })},
		{"", 1, withScope(func(rt *rapid.T, source string, scope *crmScope) action {
			return crmScopeName{source, scope.id, pick(rt, []string{"X", "Y", ""})}
		})},
		{"", 2, withScope(func(_ *rapid.T, source string, scope *crmScope) action {
			return crmHide{source, scope.id, !scope.hidden}
		})},
		{"", 1, func(rt *rapid.T, w *world) action {
			source := pick(rt, w.setup.sources).name
			return crmAccount{source, pick(rt, [][]string{{source + ".example"}, {source + ".example", "7"}, {"7"}, nil})}
		}},
	}
}

func botDraws() []draw {
	return []draw{
		{"", 4, func(rt *rapid.T, _ *world) action {
			return botCreate{pick(rt, lawNames), pick(rt, lawColors), pick(rt, append(lawNames[:3:3], "", "", "")), drawOutcome(rt)}
		}},
		{"edit", 8, withStatus(func(rt *rapid.T, s statuslink.Status) action {
			switch field := pick(rt, []string{"name", "name", "color", "outcome", "alias", "key"}); field {
			case "color":
				return botEdit{s.ID, field, pick(rt, lawColors)}
			case "outcome":
				return botEdit{s.ID, field, outcomeText(drawOutcome(rt))}
			case "key":
				return botEdit{s.ID, field, pick(rt, []string{"one", "two"})}
			default:
				return botEdit{s.ID, field, pick(rt, lawNames)}
			}
		})},
		{"reorder", 6, func(rt *rapid.T, w *world) action {
			var ids []string
			for status := range load(w.store).All() {
				if roll(rt, 4) < 3 {
					ids = append(ids, status.ID)
				}
			}
			if len(ids) < 2 {
				return nil
			}
			return botReorder{shuffle(rt, ids)}
		}},
		{"", 2, withStatus(func(_ *rapid.T, s statuslink.Status) action { return botRemove{s.ID} })},
		{"", 1, withRow(func(_ *rapid.T, _ *world, row crm.Status) action { return botIgnore{row.Ref} })},
		{"", 2, func(rt *rapid.T, w *world) action {
			ignored := slices.Collect(load(w.store).Ignored())
			if len(ignored) == 0 {
				return nil
			}
			return botRestore{pick(rt, ignored).Ref}
		}},
		{"link", 4, withRow(func(rt *rapid.T, w *world, row crm.Status) action {
			statuses := load(w.store).State().Statuses
			if len(statuses) == 0 {
				return nil
			}
			return botLink{pick(rt, statuses).ID, row.Ref}
		})},
		{"", 2, withLink(func(_ *rapid.T, link statuslink.Link) action { return botUnlink{link.Ref} })},
		{"lead", 4, withLink(func(_ *rapid.T, link statuslink.Link) action { return botLead{link.Ref} })},
		{"", 1, withStatus(func(rt *rapid.T, s statuslink.Status) action { return botFollow{s.ID, pick(rt, fields)} })},
		{"", 1, withScope(func(_ *rapid.T, source string, scope *crmScope) action { return botFollowSequence{source, scope.id} })},
		{"", 2, func(rt *rapid.T, _ *world) action {
			return botNumbers{pick(rt, []int{1, 0, -3, math.MaxInt/2 - 40, -math.MaxInt / 2}), 1 + roll(rt, 2), 1 + roll(rt, 3)}
		}},
		{"", 1, func(rt *rapid.T, w *world) action {
			source := pick(rt, w.setup.sources).name
			return botAccept{source, pick(rt, [][]string{nil, w.crms[source].account})}
		}},
	}
}

func syncDraws() []draw {
	bot := botDraws()
	events := slices.Concat(crmDraws(), bot)
	return []draw{
		{"sync", 44, func(rt *rapid.T, w *world) action {
			a := syncRun{engine: roll(rt, len(w.engines)), mode: pick(rt, append(syncModes, syncModes[0], syncModes[0]))}
			for _, source := range w.setup.sources {
				if roll(rt, 6) == 5 {
					a.faults = append(a.faults, fault{source.name, pick(rt, faultKinds), roll(rt, 4)})
				}
			}
			return a
		}},
		{"", 2, func(rt *rapid.T, w *world) action {
			if edit := anyOf(rt, w, bot); edit != nil {
				return syncStale{roll(rt, len(w.engines)), edit}
			}
			return nil
		}},
		{"", 3, func(rt *rapid.T, w *world) action {
			if event := anyOf(rt, w, events); event != nil {
				return syncConfirm{roll(rt, len(w.engines)), event}
			}
			return nil
		}},
		{"", 2, func(rt *rapid.T, w *world) action {
			return syncRace{roll(rt, len(w.engines)), roll(rt, len(w.engines))}
		}},
	}
}

// draws are what may happen, by what a history is about.
var draws = sync.OnceValue(func() map[string][]draw {
	all := slices.Concat(crmDraws(), botDraws(), syncDraws())
	draws := map[string][]draw{"": all}
	// What a history is about happens more often.
	for focus, actions := range map[string][]string{
		"sequences": {"arrange", "order", "delete", "recreate", "restore", "reorder", "link", "lead", "clear"},
		"fields":    {"rename", "recolor", "outcome", "edit", "edit", "lead"},
	} {
		about := slices.Clone(all)
		for i := range about {
			for _, name := range actions {
				if about[i].name == name {
					about[i].weight *= 3
				}
			}
			if about[i].name == "sync" {
				about[i].weight *= 2
			}
		}
		draws[focus] = about
	}
	return draws
})
