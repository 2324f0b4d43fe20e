package statuslink_test

import (
	"fmt"
	"slices"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// fate is what becomes of a row that nothing is linked to.
type fate struct {
	relinks crm.Ref   // the Ref whose link it takes over
	links   candidate // the status that it is linked to
	creates bool
}

// candidate is a status by its ID or, if the plan creates it, by its row.
type candidate struct {
	id  string
	row crm.Ref
}

// namesake is a status as far as finding a partner by name goes.
type namesake struct {
	candidate
	names   []string
	outcome crm.Outcome
	links   []statuslink.ScopeKey
}

// fates follows steps 3 and 6.
func (s *step) fates() map[crm.Ref]fate {
	fates := make(map[crm.Ref]fate)
	shut := make(map[crm.Ref]bool)
	for _, key := range s.verdict.scopes {
		if !s.verdict.held[key] {
			s.relinks(key, fates, shut)
		}
	}
	var statuses []*namesake
	for _, p := range s.pairs() {
		n := &namesake{candidate: candidate{id: p.before.ID}, outcome: p.after.Outcome}
		for _, name := range append([]string{p.after.Name}, p.after.Aliases...) {
			n.names = append(n.names, folded(name))
		}
		for _, link := range p.before.Links {
			n.links = append(n.links, scopeOf(link.Ref))
		}
		statuses = append(statuses, n)
	}
	for i := 0; i < len(s.verdict.scopes); {
		unit := s.verdict.scopes[i : i+1]
		for i++; s.engine.policy.Apart && i < len(s.verdict.scopes) && s.verdict.scopes[i].Source == unit[0].Source; i++ {
			unit = append(unit[:len(unit):len(unit)], s.verdict.scopes[i])
		}
		statuses = s.match(unit, statuses, fates, shut)
	}
	return fates
}

// free returns the rows of a scope that nothing is linked to.
func (s *step) free(key statuslink.ScopeKey) []crm.Status {
	return slices.DeleteFunc(s.verdict.list(key), func(row crm.Status) bool {
		_, linked := s.before.ByRef(row.Ref)
		return linked || s.w.ghost.ignored[row.Ref]
	})
}

func (s *step) relinks(key statuslink.ScopeKey, fates map[crm.Ref]fate, shut map[crm.Ref]bool) {
	rows := s.free(key)
	partners := make(map[crm.Ref][]crm.Ref)
	for status := range s.before.All() {
		for _, link := range status.Links {
			if _, listed := s.verdict.rows[link.Ref]; listed || scopeOf(link.Ref) != key {
				continue
			}
			base := s.w.ghost.base[link.Ref]
			for _, row := range rows {
				if name := folded(row.Name); name != "" && saysName(&row) && name == folded(base.Name) && !contradict(row.Outcome, base.Outcome) {
					partners[row.Ref] = append(partners[row.Ref], link.Ref)
					partners[link.Ref] = append(partners[link.Ref], row.Ref)
				}
			}
		}
	}
	for _, row := range rows {
		switch of := partners[row.Ref]; {
		case len(of) == 0:
		case len(of) == 1 && len(partners[of[0]]) == 1:
			fates[row.Ref] = fate{relinks: of[0]}
		default:
			shut[row.Ref] = true
		}
	}
}

func contradict(a, b crm.Outcome) bool {
	return a != b && a.Valid() && b.Valid() && a != crm.Unknown && b != crm.Unknown
}

func (s *step) match(unit []statuslink.ScopeKey, statuses []*namesake, fates map[crm.Ref]fate, shut map[crm.Ref]bool) []*namesake {
	claims := make(map[candidate]int)
	found := make(map[crm.Ref][]*namesake)
	var rows []crm.Status
	for _, key := range unit {
		for _, row := range s.free(key) {
			if _, relinked := fates[row.Ref]; relinked {
				continue
			}
			if !shut[row.Ref] {
				rows = append(rows, row)
			}
			for _, n := range statuses {
				taken := slices.ContainsFunc(n.links, func(k statuslink.ScopeKey) bool {
					return k == key || s.engine.policy.Apart && k.Source == key.Source
				})
				if name := folded(row.Name); !taken && name != "" && saysName(&row) && slices.Contains(n.names, name) && !contradict(n.outcome, row.Outcome) {
					found[row.Ref] = append(found[row.Ref], n)
					claims[n.candidate]++
				}
			}
		}
	}
	for _, row := range rows {
		key := scopeOf(row.Ref)
		if s.verdict.held[key] {
			continue
		}
		of := found[row.Ref]
		switch {
		case len(of) == 1 && claims[of[0].candidate] == 1:
			fates[row.Ref] = fate{links: of[0].candidate}
			of[0].links = append(of[0].links, key)
		case len(of) == 0 && !s.engine.policy.LinkOnly:
			fates[row.Ref] = fate{creates: true}
			n := &namesake{candidate: candidate{row: row.Ref}, links: []statuslink.ScopeKey{key}}
			if saysOutcome(&row) {
				n.outcome = row.Outcome
			}
			if n.names = []string{row.Ref.ID}; saysName(&row) {
				n.names = []string{folded(row.Name)}
			}
			statuses = append(statuses, n)
		}
	}
	return statuses
}

// Steps 3 and 6, word by word: a row that nothing is linked to takes over a
// link whose status was re-created, is linked to its only candidate of which it
// is the only claimant, or becomes a status; otherwise it is ambiguous and
// stays as it is.
func lawPartners(s *step) error {
	fates := s.fates()
	for ref := range s.verdict.rows {
		if _, linked := s.before.ByRef(ref); linked {
			continue
		}
		want := fates[ref]
		status, linked := s.after.ByRef(ref)
		_, existed := s.before.ByID(status.ID)
		switch {
		case want.relinks != crm.Ref{}:
			if old, _ := s.before.ByRef(want.relinks); !linked || old.ID != status.ID {
				return fmt.Errorf("%s is %s re-created: linked to %q, want %q", ref, want.relinks, status.ID, old.ID)
			}
		case want.creates:
			if !linked || existed || status.Links[0].Ref != ref {
				return fmt.Errorf("%s has no partner: linked to %q, want a status of its own", ref, status.ID)
			}
		case want.links != candidate{}:
			id := want.links.id
			if id == "" {
				partner, _ := s.after.ByRef(want.links.row)
				id = partner.ID
			}
			if status.ID != id {
				return fmt.Errorf("%s is linked to %q, want its only candidate %q", ref, status.ID, id)
			}
		case linked:
			return fmt.Errorf("%s was linked to %s, and was to be left alone", ref, status.ID)
		case !s.verdict.held[scopeOf(ref)] && !s.w.ghost.ignored[ref]:
			kind := statuslink.FindingAmbiguous
			if !slices.ContainsFunc(s.plan.Findings(), func(f statuslink.Finding) bool {
				return f.Ref == ref && (f.Kind == kind || f.Kind == statuslink.FindingUnlinked)
			}) {
				return fmt.Errorf("%s was left alone, and no finding says so", ref)
			}
		}
	}
	return nil
}
