package statuslink

import (
	"strings"
	"sync"
	"time"
	"unique"

	"github.com/statuslink/statuslink/crm"
)

// defaultTableSize is how many leads are remembered if the options do not say.
const defaultTableSize = 100_000

// leadTable remembers the leads that were heard of last, up to size of them: their
// states, and what Set did with them. A lead takes about 270 bytes.
type leadTable struct {
	size int

	mu          sync.Mutex
	index       map[leadKey]int32
	rows        []leadRow
	first, last int32                   // the row that was used last, and the one to be dropped next
	telling     map[crm.LeadRef]crm.Ref // what the callback is being told

	clock uint64 // of what happens to leads, in the order in which it does
}

type leadKey struct {
	account unique.Handle[leadAccount]
	id      string
}

type leadAccount struct{ source, kind string }

// leadRow is one lead. What many leads share is kept once.
type leadRow struct {
	key          leadKey
	before, next int32 // in the sequence of use; -1 for none

	status   unique.Handle[crm.Ref]
	bot      unique.Handle[string]
	movedAt  int64 // in microseconds since 1970; 0 for none
	deleted  bool
	own      unique.Handle[crm.Ref] // where this process moved it
	moving   unique.Handle[crm.Ref] // where it may be moving it
	ownAt    time.Time              // of the later of both
	set      setMark
	lookedAt uint64 // when it was told last, or found to stand where it was told
}

var (
	noRef  = unique.Make(crm.Ref{})
	noText = unique.Make("")
)

func newLeadTable(size int) *leadTable {
	if size <= 0 {
		size = defaultTableSize
	}
	return &leadTable{size: size, index: make(map[leadKey]int32), telling: make(map[crm.LeadRef]crm.Ref), first: -1, last: -1}
}

// load returns what is known of a lead; the zero state for nothing.
func (t *leadTable) load(lead crm.LeadRef) LeadState {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, false)
	if row == nil {
		return LeadState{}
	}
	state := LeadState{Status: row.status.Value(), StatusID: row.bot.Value(), Deleted: row.deleted}
	if row.movedAt != 0 {
		state.MovedAt = time.UnixMicro(row.movedAt).UTC()
	}
	return state
}

// store keeps what is known of a lead.
func (t *leadTable) store(lead crm.LeadRef, state LeadState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, true)
	row.status, row.bot, row.deleted = unique.Make(state.Status), unique.Make(state.StatusID), state.Deleted
	row.movedAt = 0
	if !state.MovedAt.IsZero() {
		row.movedAt = state.MovedAt.UnixMicro()
	}
}

// find returns the row of a lead, which is then the one that was used last. Without
// create it is nil if there is none. The caller holds mu.
func (t *leadTable) find(lead crm.LeadRef, create bool) *leadRow {
	key := leadKey{unique.Make(leadAccount{lead.Source, lead.Kind}), lead.ID}
	i, found := t.index[key]
	switch {
	case found:
		t.unlink(i)
	case !create:
		return nil
	default:
		if len(t.rows) < t.size {
			i = int32(len(t.rows))
			t.rows = append(t.rows, leadRow{})
		} else {
			i = t.last
			t.unlink(i)
			delete(t.index, t.rows[i].key)
		}
		key.id = strings.Clone(key.id) // it may be a piece of a whole message
		t.index[key] = i
		t.rows[i] = leadRow{key: key, status: noRef, bot: noText, own: noRef, moving: noRef, set: setMark{from: noRef, to: noRef}}
	}
	row := &t.rows[i]
	row.before, row.next = -1, t.first
	if t.first >= 0 {
		t.rows[t.first].before = i
	} else {
		t.last = i
	}
	t.first = i
	return row
}

// unlink takes a row out of the sequence of use. The caller holds mu.
func (t *leadTable) unlink(i int32) {
	row := &t.rows[i]
	if row.before >= 0 {
		t.rows[row.before].next = row.next
	} else {
		t.first = row.next
	}
	if row.next >= 0 {
		t.rows[row.next].before = row.before
	} else {
		t.last = row.before
	}
}
