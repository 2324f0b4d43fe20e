package statuslink_test

import (
	"fmt"
	"slices"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// A synchronisation never removes a status and never cuts a link. A relink
// changes the ID of a Ref within its scope and nothing else of the link. ID,
// Key, Aliases and Created are never touched.
func lawNothingCut(s *step) error {
	for before := range s.before.All() {
		after, exists := s.after.ByID(before.ID)
		if !exists {
			return fmt.Errorf("%s (%+q) was removed", before.ID, before.Name)
		}
		if len(after.Links) < len(before.Links) {
			return fmt.Errorf("%s had the links %v and has %v", before.ID, before.Links, after.Links)
		}
		for i, link := range before.Links {
			now := after.Links[i]
			if now.Ref == link.Ref {
				continue
			}
			op := s.operation(statuslink.OpRelink, now.Ref)
			if scopeOf(now.Ref) != scopeOf(link.Ref) || op == nil || op.Was != link.Ref || op.Status.ID != before.ID {
				return fmt.Errorf("link %d of %s was %s and is %s, without a relink", i, before.ID, link.Ref, now.Ref)
			}
			if !now.LinkedAt.Equal(link.LinkedAt) || now.Missing() {
				return fmt.Errorf("the relink of %s to %s: %+v became %+v", link.Ref, now.Ref, link, now)
			}
		}
		if after.Key != before.Key || !slices.Equal(after.Aliases, before.Aliases) || !after.Created.Equal(before.Created) {
			return fmt.Errorf("what is no field of the CRM changed (-before +after):\n%s", difference(before, after))
		}
	}
	return nil
}

func (s *step) operation(kind statuslink.OperationKind, ref crm.Ref) *statuslink.Operation {
	for _, op := range s.plan.Operations() {
		if op.Kind == kind && op.Ref == ref {
			return &op
		}
	}
	return nil
}

// Nothing is concluded from a list that may be incomplete: no operation touches
// a link of an uncovered scope or of a refused source, nor a field led by one.
// A held scope is frozen whole but for fields and revivals of listed links.
func lawIncomplete(s *step) error {
	for _, p := range s.pairs() {
		for i, before := range p.before.Links {
			after, key := p.after.Links[i], scopeOf(before.Ref)
			_, listed := s.verdict.rows[before.Ref]
			switch {
			case !s.verdict.covered[key] && after != before:
				return fmt.Errorf("the link %s of a scope that was not read changed from %+v to %+v", before.Ref, before, after)
			case s.verdict.held[key] && after.Ref != before.Ref:
				return fmt.Errorf("%s of a held scope was relinked to %s", before.Ref, after.Ref)
			case s.verdict.held[key] && !listed && after != before:
				return fmt.Errorf("the unlisted link %s of a held scope changed from %+v to %+v", before.Ref, before, after)
			case !before.Missing() && after.Missing() && listed:
				return fmt.Errorf("%s is listed and was marked missing", before.Ref)
			case s.verdict.covered[key] && !s.verdict.held[key] && !listed && after.Ref == before.Ref && !after.Missing():
				return fmt.Errorf("%s is not listed and was not marked missing", before.Ref)
			case listed && after.Missing():
				return fmt.Errorf("%s is listed again and is still marked missing", before.Ref)
			}
			if s.verdict.held[key] && after.Base.Ordered && (!before.Base.Ordered || after.Base.Order != before.Base.Order) {
				return fmt.Errorf("the sequence of the held scope %s was noted", key)
			}
		}
		for _, after := range p.after.Links[len(p.before.Links):] {
			if key := scopeOf(after.Ref); !s.verdict.covered[key] || s.verdict.held[key] {
				return fmt.Errorf("%s was linked in a scope that was not read, or is held", after.Ref)
			}
		}
		if i := s.leads(p); i >= 0 && !s.verdict.covered[scopeOf(p.after.Links[i].Ref)] {
			for _, field := range fields {
				if ofStatus(&p.before, field) != ofStatus(&p.after, field) {
					return fmt.Errorf("%s of %s is led by %s, which was not read, and changed", field, p.before.ID, p.after.Links[i].Ref)
				}
			}
		}
	}
	for _, status := range s.created() {
		for _, link := range status.Links {
			if key := scopeOf(link.Ref); !s.verdict.covered[key] || s.verdict.held[key] {
				return fmt.Errorf("%s was created in a scope that was not read, or is held", link.Ref)
			}
		}
	}
	for _, op := range s.plan.Operations() {
		key := scopeOf(op.Ref)
		if s.verdict.refused[key.Source] || op.Kind != statuslink.OpScope && !s.verdict.covered[key] {
			return fmt.Errorf("%s of %s touches what was not read", op.Kind, op.Ref)
		}
		if s.verdict.held[key] && op.Kind != statuslink.OpUpdate && op.Kind != statuslink.OpNote &&
			op.Kind != statuslink.OpRevive && op.Kind != statuslink.OpScope {
			return fmt.Errorf("%s of %s touches a held scope", op.Kind, op.Ref)
		}
	}
	for source := range s.verdict.refused {
		if !slices.ContainsFunc(s.plan.Findings(), func(f statuslink.Finding) bool {
			return f.Scope.Source == source && (f.Kind == statuslink.FindingFailed || f.Kind == statuslink.FindingOtherAccount)
		}) {
			return fmt.Errorf("source %s was not refused", source)
		}
	}
	for key := range s.verdict.held {
		if !slices.Contains(s.plan.Held(), key) {
			return fmt.Errorf("scope %s is not reported as held", key)
		}
	}
	for _, key := range s.plan.Held() {
		if !s.verdict.held[key] {
			return fmt.Errorf("scope %s is reported as held", key)
		}
	}
	return nil
}

// A decision made by hand is never undone: what is ignored stays ignored and is
// linked to nothing.
func lawDecisions(s *step) error {
	for ref := range s.w.ghost.ignored {
		if status, linked := s.after.ByRef(ref); linked {
			return fmt.Errorf("%s is ignored and was linked to %s", ref, status.ID)
		}
		if !s.after.IsIgnored(ref) {
			return fmt.Errorf("%s is no longer ignored", ref)
		}
	}
	if n := len(slices.Collect(s.after.Ignored())); n != len(s.w.ghost.ignored) {
		return fmt.Errorf("%d Refs are ignored, %d were decided against", n, len(s.w.ghost.ignored))
	}
	return nil
}

// lawInvariants: the state can be built anew, no Ref is linked twice, and a
// status has at most one link per scope that no person made.
func lawInvariants(w *world) error {
	now := load(w.store)
	again, err := statuslink.NewSnapshot(now.Version(), now.State())
	if err != nil {
		return fmt.Errorf("the state cannot be built anew: %w", err)
	}
	if diff := difference(now.State(), again.State()); diff != "" {
		return fmt.Errorf("the state built anew differs (-want +got):\n%s", diff)
	}
	linked := make(map[crm.Ref]string)
	for status := range now.All() {
		automatic := make(map[statuslink.ScopeKey]int)
		for _, link := range status.Links {
			if linked[link.Ref] != "" {
				return fmt.Errorf("%s is linked to %s and %s", link.Ref, linked[link.Ref], status.ID)
			}
			linked[link.Ref] = status.ID
			if w.ghost.manual[link.Ref] {
				continue
			}
			if automatic[scopeOf(link.Ref)]++; automatic[scopeOf(link.Ref)] > 1 {
				return fmt.Errorf("%s has two links in %s that no person made", status.ID, scopeOf(link.Ref))
			}
		}
	}
	return nil
}
