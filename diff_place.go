package statuslink

import (
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// orderGap is the distance between the Orders of a list that is numbered anew.
const orderGap = 1024

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
	for _, src := range m.sources {
		m.placeSource(list, src)
	}
	m.number(list.all(), owner)
	m.tellPlaces(list)
}

// placeSource gives the statuses created from a source their places, scope by
// scope.
func (m *merger) placeSource(list *sequence, src *source) {
	if !slices.ContainsFunc(src.scopes, func(sc *scope) bool { return sc.births > 0 }) {
		return
	}
	linked := make(map[string][]int, len(src.scopes)) // rows by scope
	for r := range src.rows {
		if id := src.rows[r].Ref.Scope; src.at[r].linked {
			linked[id] = append(linked[id], r)
		}
	}
	for _, sc := range src.scopes {
		if sc.births > 0 {
			m.placeBirths(list, src, linked[sc.key.ID])
		}
	}
}

// tellPlaces says in each create operation where the status is put.
func (m *merger) tellPlaces(list *sequence) {
	follows := make(map[crm.Ref]StatusRef, len(m.created))
	for k, ref := range m.from {
		if previous := list.prev[m.snapshot.Len()+k]; previous != list.head {
			follows[ref] = m.ref(previous)
		}
	}
	m.eachScope(func(_ *source, sc *scope) {
		for i := range sc.ops {
			if op := &sc.ops[i]; op.Kind == OpCreate {
				op.Follows = follows[op.Ref]
			}
		}
	})
}

// placeBirths puts each created status right after the one that precedes it in
// the CRM's list of its scope; without one, right before the one that follows;
// without either, at the end. The rows are the linked ones of the scope.
func (m *merger) placeBirths(list *sequence, src *source, rows []int) {
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
