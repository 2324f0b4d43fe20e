package statuslink

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// member is a status led by a listed link of a scope.
type member struct {
	linkAt
	row    *crm.Status
	base   Base
	baseID string // the ID when Base was noted
}

// move deals the places of some statuses out in a new sequence. The places are
// indices of the snapshot's statuses.
type move struct{ places, owners []int }

// mergeSequence is the first half of step 7: it compares three sequences of
// the statuses led by the scope: the bot's, the CRM's and Base's.
//
// Only the link that leads its status keeps a place in Base, and loses it when
// it stops leading, is listed again after an absence, or is made. So all places
// of a scope were noted at the same instant, and together are a sequence that
// the CRM really had. If a place is lacking, or its link leads only since this
// plan, nothing can be said about what the CRM moved: the bot's sequence stays
// and all places are noted.
func (m *merger) mergeSequence(src *source, sc *scope) {
	if sc.held || m.sequenceUnmoved(src, sc) {
		return
	}
	members, whole := m.members(src, sc)
	bot := slices.Clone(members)
	slices.SortFunc(bot, func(a, b member) int { return cmp.Compare(a.status, b.status) })
	theirs := slices.Clone(members)
	slices.SortFunc(theirs, func(a, b member) int { return inCRMOrder(a.row, b.row) })
	same := func(a, b []member) bool {
		return slices.EqualFunc(a, b, func(x, y member) bool { return x.linkAt == y.linkAt })
	}
	report := func(kind FindingKind, message string) {
		sc.find(Finding{Kind: kind, Field: FieldOrder, Bot: m.sequenceText(bot), CRM: m.sequenceText(theirs), Message: message})
	}
	if !whole {
		if !same(bot, theirs) {
			report(FindingDiffers, "the bot's sequence is kept; the CRM has another one")
		}
		m.noteOrders(sc, members)
		return
	}
	base := slices.Clone(members)
	slices.SortFunc(base, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.base.Order, b.base.Order), strings.Compare(a.baseID, b.baseID))
	})
	switch {
	case same(theirs, base), same(theirs, bot):
	case same(bot, base):
		m.reorder(sc, bot, theirs, "the CRM changed the sequence")
	case m.policy.Conflict == CRMWins:
		report(FindingConflict, "both sides changed the sequence; the CRM's is taken")
		m.reorder(sc, bot, theirs, "both sides changed the sequence")
	default:
		report(FindingConflict, "both sides changed the sequence; the bot's is kept")
		// Places noted at another instant than those of a status that is
		// created or relinked now would not be a sequence.
		if m.policy.Conflict == Leave && sc.births == 0 && len(sc.oldID) == 0 {
			return
		}
	}
	m.noteOrders(sc, members)
}

// sequenceUnmoved reports whether all places are those in Base, so that nothing
// has to be done, without allocating anything.
func (m *merger) sequenceUnmoved(src *source, sc *scope) bool {
	if len(sc.added)+len(sc.oldID)+sc.births > 0 {
		return false
	}
	for _, at := range sc.links {
		row := m.row(src, at)
		if row == nil {
			continue
		}
		s := m.at(at.status)
		base := s.Links[at.link].Base
		leads := s.leader() == at.link
		if leads != base.Ordered || leads && (base.Order != row.Order || !m.ledBefore(at)) {
			return false
		}
	}
	return true
}

// ledBefore reports whether a link led its status before this plan.
func (m *merger) ledBefore(at linkAt) bool {
	return m.snapshot.state.Statuses[at.status].leader() == at.link
}

// members returns the statuses led by listed links of the scope, but those
// created in this plan, and whether all have a place in Base and were led
// before. On the way it takes the places of links that do not lead.
func (m *merger) members(src *source, sc *scope) (members []member, whole bool) {
	whole = true
	join := func(at linkAt, row *crm.Status) {
		if row == nil || at.status >= m.snapshot.Len() {
			return
		}
		s := m.at(at.status)
		base := s.Links[at.link].Base
		if s.leader() != at.link {
			if base.Ordered {
				m.noteOrder(sc, at, 0, false)
			}
			return
		}
		id, relinked := sc.oldID[at]
		if !relinked {
			id = row.Ref.ID
		}
		whole = whole && base.Ordered && m.ledBefore(at)
		members = append(members, member{at, row, base, id})
	}
	for _, at := range sc.links {
		join(at, m.row(src, at))
	}
	for _, at := range sc.added {
		join(at.linkAt, &src.rows[at.row])
	}
	return members, whole
}

func (m *merger) noteOrders(sc *scope, members []member) {
	for _, x := range members {
		if !x.base.Ordered || x.base.Order != x.row.Order {
			m.noteOrder(sc, x.linkAt, x.row.Order, true)
		}
	}
}

func (m *merger) noteOrder(sc *scope, at linkAt, order int, ordered bool) {
	link := &m.edit(at.status).Links[at.link]
	old := link.Base
	link.Base.Order, link.Base.Ordered = order, ordered
	sc.note(at, old, link.Base)
}

func (m *merger) reorder(sc *scope, bot, theirs []member, reason string) {
	indices := func(members []member) []int {
		list := make([]int, len(members))
		for k, x := range members {
			list[k] = x.status
		}
		return list
	}
	before, after := indices(bot), indices(theirs)
	m.moved = append(m.moved, move{before, after})
	sc.reordered = true
	sc.ops = append(sc.ops, Operation{
		Kind: OpReorder, Ref: crm.Ref{Source: sc.key.Source, Scope: sc.key.ID}, Reason: reason,
		Before: m.refs(before), After: m.refs(after),
	})
}

// sequenceText names at most ten statuses of a sequence.
func (m *merger) sequenceText(members []member) string {
	var b strings.Builder
	for k, x := range members {
		if k == maxCandidates {
			fmt.Fprintf(&b, ", and %d more", len(members)-k)
			break
		}
		if k > 0 {
			b.WriteString(", ")
		}
		b.WriteString(m.at(x.status).Name)
	}
	return b.String()
}
