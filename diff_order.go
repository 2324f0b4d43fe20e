package statuslink

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// orderGap is the distance between the Orders of a list that is numbered anew.
const orderGap = 1024

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
// the CRM really had. If a place is lacking, nothing can be said about what
// the CRM moved: the bot's sequence stays and all places are noted.
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
		if leads := s.leader() == at.link; leads != base.Ordered || leads && base.Order != row.Order {
			return false
		}
	}
	return true
}

// members returns the statuses led by listed links of the scope, but those
// created in this plan, and whether all have a place in Base. On the way it
// takes the places of links that do not lead.
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
		whole = whole && base.Ordered
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
	for _, x := range bot {
		sc.settle(x.linkAt)
	}
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

// place is the second half of step 7: it deals out the places of the reordered
// statuses, gives the created ones places of their own, and numbers both.
func (m *merger) place() {
	if len(m.moved)+len(m.created) == 0 {
		return
	}
	n := m.snapshot.Len()
	owner := make([]int, n)
	for i := range owner {
		owner[i] = i
	}
	for _, move := range m.moved {
		for k, place := range move.places {
			owner[place] = move.owners[k]
		}
	}
	list := newSequence(owner, len(m.created))
	m.eachScope(func(src *source, sc *scope) {
		if sc.births > 0 {
			m.placeBirths(list, src, sc)
		}
	})
	m.number(list.all(), owner)
}

// placeBirths puts each created status right after the one that precedes it in
// the CRM's list of its scope; without one, right before the one that follows;
// without either, at the end.
func (m *merger) placeBirths(list *sequence, src *source, sc *scope) {
	var rows []int
	for r := range src.rows {
		if src.rows[r].Ref.Scope == sc.key.ID && src.at[r].linked {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b int) int { return inCRMOrder(&src.rows[a], &src.rows[b]) })
	isBirth := func(r int) bool {
		i := src.at[r].status
		return i >= m.snapshot.Len() && m.from[i-m.snapshot.Len()] == src.rows[r].Ref
	}
	previous := list.last()
	if first := slices.IndexFunc(rows, func(r int) bool { return !isBirth(r) }); first >= 0 {
		previous = list.before(src.at[rows[first]].status)
	}
	for _, r := range rows {
		if isBirth(r) {
			list.insertAfter(previous, src.at[r].status)
		}
		previous = src.at[r].status
	}
}

// number gives Orders to the sequence: the places of the snapshot keep theirs,
// created statuses take numbers between them, and where there is no room, all
// are numbered anew.
func (m *merger) number(sequence, owner []int) {
	statuses := m.snapshot.state.Statuses
	n := len(statuses)
	distinct := true
	for i := 1; i < n; i++ {
		distinct = distinct && statuses[i-1].Order != statuses[i].Order
	}
	m.orders = make(map[int]int, len(m.created))
	room := distinct || len(m.moved) == 0
	for start, place := 0, 0; room && start < len(sequence); {
		if sequence[start] < n { // the owner of the next place
			if order := statuses[place].Order; order != statuses[sequence[start]].Order {
				m.orders[sequence[start]] = order
			}
			place++
			start++
			continue
		}
		end := start
		for end < len(sequence) && sequence[end] >= n {
			end++
		}
		room = m.numberBetween(sequence[start:end], statuses, place)
		start = end
	}
	if !room {
		clear(m.orders)
		for k, i := range sequence {
			if order := (k + 1) * orderGap; i >= n || order != statuses[i].Order {
				m.orders[i] = order
			}
		}
	}
	for place, i := range owner {
		if place != i {
			m.edit(i) // moved, not only renumbered
		}
	}
}

// numberBetween numbers created statuses that stand before a place, or reports
// that there is no room.
func (m *merger) numberBetween(created []int, statuses []Status, place int) bool {
	k, n := len(created), len(statuses)
	if k >= maxOrder/orderGap {
		return false
	}
	low, step := 0, orderGap
	switch {
	case n == 0:
	case place == n:
		if low = statuses[n-1].Order; low > maxOrder-(k+1)*orderGap {
			return false
		}
	case place == 0:
		if low = statuses[0].Order - (k+1)*orderGap; low < -maxOrder {
			return false
		}
	default:
		low = statuses[place-1].Order
		distance := uint(statuses[place].Order) - uint(low)
		if step = int(min(distance/uint(k+1), orderGap)); step == 0 {
			return false
		}
	}
	for j, i := range created {
		m.orders[i] = low + (j+1)*step
	}
	return true
}

// sequence is a doubly linked list of indices of statuses around a head.
type sequence struct {
	next, prev []int
	head       int
}

func newSequence(items []int, more int) *sequence {
	head := len(items) + more
	s := &sequence{make([]int, head+1), make([]int, head+1), head}
	s.next[head], s.prev[head] = head, head
	for _, i := range items {
		s.insertAfter(s.prev[head], i)
	}
	return s
}

func (s *sequence) insertAfter(at, i int) {
	after := s.next[at]
	s.next[at], s.prev[i], s.next[i], s.prev[after] = i, at, after, i
}

func (s *sequence) before(i int) int { return s.prev[i] }
func (s *sequence) last() int        { return s.prev[s.head] }

func (s *sequence) all() []int {
	var items []int
	for i := s.next[s.head]; i != s.head; i = s.next[i] {
		items = append(items, i)
	}
	return items
}
