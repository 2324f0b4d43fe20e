package statuslink_test

import (
	"fmt"
	"slices"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// One failing source never harms another: the others end as if it were not
// there.
func lawOthersGoOn(s *step) error {
	if len(s.verdict.refused) == 0 || len(s.released) > 0 {
		return nil
	}
	var rest []shown
	for _, r := range s.readings {
		if !s.verdict.refused[r.source] {
			rest = append(rest, r)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	e, store := s.w.fork(s.before.State(), s.engine.policy, rest)
	_, after, err := e.run(store)
	if err != nil {
		return fmt.Errorf("without the refused sources: %w", err)
	}
	if diff := difference(canonical(after, nil), canonical(s.after, nil)); diff != "" {
		return fmt.Errorf("refused sources changed what became of the others (-without +with):\n%s", diff)
	}
	return nil
}

// Connecting two CRMs, or pipelines, together gives the same as one after the
// other, in the same order; under Apart CRMs only.
func lawTogether(s *step) error {
	if len(s.released) > 0 {
		return nil
	}
	// Only what has no links yet is connected; the rest stays unread.
	linked := make(map[statuslink.ScopeKey]bool)
	for status := range s.before.All() {
		for _, link := range status.Links {
			linked[scopeOf(link.Ref)] = true
		}
	}
	var parts [][]shown // each adds one CRM or pipeline to those before
	var all []shown
	for _, r := range s.readings {
		if s.verdict.refused[r.source] {
			continue
		}
		r.listing = cloneListing(r.listing)
		scopes := slices.DeleteFunc(r.listing.Scopes, func(p crm.Scope) bool {
			return linked[statuslink.ScopeKey{Source: r.source, ID: p.ID}]
		})
		if len(scopes) == 0 {
			continue
		}
		some := func(n int) shown {
			part := r
			part.listing.Scopes = scopes[:n:n]
			part.listing.Exists = nil
			part.listing.Statuses = slices.DeleteFunc(slices.Clone(r.listing.Statuses), func(row crm.Status) bool {
				return !slices.ContainsFunc(part.listing.Scopes, func(p crm.Scope) bool { return p.ID == row.Ref.Scope })
			})
			return part
		}
		if !s.engine.policy.Apart {
			for n := 1; n < len(scopes); n++ {
				parts = append(parts, append(slices.Clone(all), some(n)))
			}
		}
		all = append(all, some(len(scopes)))
		parts = append(parts, slices.Clone(all))
	}
	if len(parts) < 2 {
		return nil
	}
	e, store := s.w.fork(s.before.State(), s.engine.policy, all)
	_, together, err := e.run(store)
	if err != nil {
		return fmt.Errorf("together: %w", err)
	}
	state := s.before.State()
	var last *statuslink.Snapshot
	for i, part := range parts {
		w := *s.w
		w.ids += 20 * (i + 1)
		e, store := w.fork(state, s.engine.policy, part)
		if _, last, err = e.run(store); err != nil {
			return fmt.Errorf("one after the other: %w", err)
		}
		state = last.State()
	}
	if diff := difference(canonical(together, s.before), canonical(last, s.before)); diff != "" {
		return fmt.Errorf("together is not as one after the other (-together +one after the other):\n%s", diff)
	}
	return nil
}

// One name becomes one status over all CRMs, when they are connected to an
// empty bot.
func lawOneName(s *step) error {
	if s.before.Len() > 0 || s.engine.policy.Apart || len(s.w.ghost.ignored) > 0 {
		return nil
	}
	rows := make(map[string]map[statuslink.ScopeKey]int)
	outcomes := make(map[string]map[crm.Outcome]bool)
	for ref, row := range s.verdict.rows {
		name := folded(row.Name)
		if rows[name] == nil {
			rows[name], outcomes[name] = make(map[statuslink.ScopeKey]int), make(map[crm.Outcome]bool)
		}
		rows[name][scopeOf(ref)]++
		if saysOutcome(&row) {
			outcomes[name][row.Outcome] = true
		}
	}
	got := make(map[string]int)
	for status := range s.after.All() {
		got[folded(status.Name)]++
	}
	for name, scopes := range rows {
		most := 0
		for _, n := range scopes {
			most = max(most, n)
		}
		if name == "" || most > 1 || len(outcomes[name]) > 1 || s.engine.policy.LinkOnly {
			continue
		}
		if got[name] != 1 {
			return fmt.Errorf("the name %+q stands once in %d lists and became %d statuses", name, len(scopes), got[name])
		}
	}
	return nil
}
