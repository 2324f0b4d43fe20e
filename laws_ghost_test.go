package statuslink_test

import (
	"maps"
	"slices"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// ghost is what the laws remember of the past, beside the store.
type ghost struct {
	// base is what the CRM said last of each link, as far as a plan took note.
	base map[crm.Ref]statuslink.Base
	// manual are the links made by hand, ignored the Refs decided against.
	manual, ignored map[crm.Ref]bool
	// seen holds, for each scope, the sequences of the last listing that a plan
	// was applied with; several while conflicts are left open.
	seen map[statuslink.ScopeKey][]map[string]crm.Status
}

func newGhost() ghost {
	return ghost{
		base: make(map[crm.Ref]statuslink.Base), manual: make(map[crm.Ref]bool), ignored: make(map[crm.Ref]bool),
		seen: make(map[statuslink.ScopeKey][]map[string]crm.Status),
	}
}

func (g *ghost) clone() ghost {
	return ghost{maps.Clone(g.base), maps.Clone(g.manual), maps.Clone(g.ignored), maps.Clone(g.seen)}
}

// decide remembers that a person has decided against a Ref.
func (g *ghost) decide(ref crm.Ref) {
	g.ignored[ref] = true
	delete(g.base, ref)
	delete(g.manual, ref)
}

// step is one synchronisation that went through.
type step struct {
	w             *world
	engine        *engine
	before, after *statuslink.Snapshot
	readings      []shown
	released      []statuslink.ScopeKey
	plan          *statuslink.Plan
	verdict       verdict
	next          ghost // what to remember afterwards
}

// pair is a status before and after a synchronisation.
type pair struct{ before, after statuslink.Status }

// pairs returns the statuses that were there before, in their sequence.
func (s *step) pairs() []pair {
	var pairs []pair
	for before := range s.before.All() {
		if after, ok := s.after.ByID(before.ID); ok && len(after.Links) >= len(before.Links) {
			pairs = append(pairs, pair{before, after})
		}
	}
	return pairs
}

// created returns the statuses that were made.
func (s *step) created() []statuslink.Status {
	var made []statuslink.Status
	for after := range s.after.All() {
		if _, existed := s.before.ByID(after.ID); !existed {
			made = append(made, after)
		}
	}
	return made
}

// leader returns the first link that is not missing, or the zero Link.
func leader(s *statuslink.Status) statuslink.Link {
	for _, link := range s.Links {
		if link.MissingSince.IsZero() {
			return link
		}
	}
	return statuslink.Link{}
}

// leads returns the index of the link that leads the status in the plan: the
// first that is not missing once relinks and revivals are done, or else a link
// that the plan makes.
func (s *step) leads(p pair) int {
	last := slices.IndexFunc(p.after.Links, func(l statuslink.Link) bool { return !l.Missing() })
	if last >= len(p.before.Links) {
		return last
	}
	for i, before := range p.before.Links {
		after := p.after.Links[i]
		_, listed := s.verdict.rows[after.Ref]
		if !before.Missing() || before.Ref != after.Ref || listed {
			return i
		}
	}
	return -1
}

// past returns what is remembered of the link at index i, by the Ref that it
// had before; nothing if the link is new.
func (s *step) past(p pair, i int) statuslink.Base {
	if i >= len(p.before.Links) {
		return statuslink.Base{}
	}
	return s.w.ghost.base[p.before.Links[i].Ref]
}

// fresh reports whether the link at index i is new in this plan, is listed
// again after it was marked missing, or was relinked after that.
func fresh(p pair, i int) bool {
	return i >= len(p.before.Links) || p.before.Links[i].Missing() && !p.after.Links[i].Missing()
}

// finds reports whether the plan has a finding of the kind about the field.
func (s *step) finds(kind statuslink.FindingKind, scope statuslink.ScopeKey, ref crm.Ref, field statuslink.Field) bool {
	return slices.ContainsFunc(s.plan.Findings(), func(f statuslink.Finding) bool {
		return f.Kind == kind && f.Scope == scope && f.Ref == ref && f.Field == field
	})
}

// remember works out what to remember after the step.
func (s *step) remember() {
	g := s.w.ghost.clone()
	for _, p := range s.pairs() {
		for i, link := range p.after.Links {
			if i < len(p.before.Links) && p.before.Links[i].Ref != link.Ref {
				g.manual[link.Ref] = g.manual[p.before.Links[i].Ref]
				delete(g.base, p.before.Links[i].Ref)
				delete(g.manual, p.before.Links[i].Ref)
			}
		}
	}
	for _, p := range s.pairs() {
		first := s.leads(p)
		for i, link := range p.after.Links {
			base := s.past(p, i)
			if fresh(p, i) {
				base.Order, base.Ordered = 0, false
			}
			for _, field := range fields {
				setBase(&base, field, s.merge(p, i, i == first, field).base)
			}
			g.base[link.Ref] = base
		}
	}
	for _, status := range s.created() {
		for _, link := range status.Links {
			row := s.verdict.rows[link.Ref]
			base := statuslink.Base{Name: link.Ref.ID}
			for _, field := range fields {
				if value := said(&row, field); value != "" {
					setBase(&base, field, value)
				}
			}
			g.base[link.Ref] = base
		}
	}
	for _, key := range s.verdict.scopes {
		if !s.verdict.held[key] {
			s.rememberSequence(&g, key)
		}
	}
	s.next = g
}

// rememberSequence does what step 7 says of Base's Order.
func (s *step) rememberSequence(g *ghost, key statuslink.ScopeKey) {
	rows := make(map[string]crm.Status)
	for _, row := range s.verdict.list(key) {
		rows[row.Ref.ID] = row
	}
	open := s.sequence(key).open
	if open {
		g.seen[key] = append(g.seen[key][:len(g.seen[key]):len(g.seen[key])], rows)
	} else {
		g.seen[key] = []map[string]crm.Status{rows}
	}
	for status := range s.after.All() {
		first := leader(&status).Ref
		for _, link := range status.Links {
			row, listed := s.verdict.rows[link.Ref]
			if scopeOf(link.Ref) != key || !listed {
				continue
			}
			base := g.base[link.Ref]
			if first != link.Ref {
				base.Order, base.Ordered = 0, false
			} else if !open {
				base.Order, base.Ordered = row.Order, true
			}
			g.base[link.Ref] = base
		}
	}
}
