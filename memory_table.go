package statuslink

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/statuslink/statuslink/crm"
)

const (
	// defaultTableSize is how many leads are remembered if the options do not say.
	defaultTableSize = 100_000
	// ownAge is how long a change that this process made may take to come back.
	ownAge = 10 * time.Minute
)

// leadTable remembers the leads that were heard of last, up to size of them: their
// states, and where this process moved them. A lead takes about 250 bytes.
type leadTable struct {
	size int

	mu          sync.Mutex
	index       map[leadKey]int32
	rows        []leadRow
	first, last int32                   // the row that was used last, and the one to be dropped next
	telling     map[crm.LeadRef]crm.Ref // what the callback is being told

	repeats atomic.Uint64 // how many events were taken for what was told, without a reading
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
	tellings uint32 // how many began since the row is there, or ended without news
}

// setMark is the last success of setting a lead's status, whose result is what the
// bot knows of the lead until something else is told.
type setMark struct {
	number uint32 // of the successes with this lead
	from   unique.Handle[crm.Ref]
	to     unique.Handle[crm.Ref] // noRef if it was told that the lead stands there, or came from there
	// unsure says that something else was told while the lead was set: the bot may
	// hold either for the newer, and is told whatever is found.
	unsure bool
}

// unheard reports whether nothing was told of the lead since it was set.
func (m setMark) unheard() bool { return m.to != noRef }

// news reports whether it is news to the bot that the lead stands on a status, because
// of what it heard by setting the lead.
func (m setMark) news(status crm.Ref) bool {
	return m.unheard() && (m.unsure || m.to.Value() != status)
}

// before returns where the lead was before it came to a status, as the last success of
// setting it tells; the zero Ref if it tells nothing, or something else was told since.
func (m setMark) before(status crm.Ref) crm.Ref {
	switch {
	case !m.unheard():
	case m.to.Value() != status:
		return m.to.Value()
	case m.from != m.to:
		return m.from.Value()
	}
	return crm.Ref{}
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

// setMoving keeps where this process is going to move a lead; the zero Ref says that it
// did not.
func (t *leadTable) setMoving(lead crm.LeadRef, to crm.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, to != crm.Ref{})
	if row == nil {
		return
	}
	if row.moving = unique.Make(to); to != (crm.Ref{}) {
		row.ownAt = time.Now()
	}
}

// setOwn keeps where this process moved a lead.
func (t *leadTable) setOwn(lead crm.LeadRef, to crm.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, true)
	row.own, row.moving, row.ownAt = unique.Make(to), noRef, time.Now()
}

// own reports whether this process moved a lead to a status lately.
func (t *leadTable) own(lead crm.LeadRef, status crm.Ref) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, false)
	return row != nil && (row.own.Value() == status || row.moving.Value() == status) && time.Since(row.ownAt) <= ownAge
}

// setDone keeps that the lead was set from one status to another, or found to stand
// there if both are the same.
func (t *leadTable) setDone(lead crm.LeadRef, from, to crm.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, true)
	row.set = setMark{number: row.set.number + 1, from: unique.Make(from), to: unique.Make(to)}
	if row.status == row.set.to {
		row.set.to = noRef // it was told in the meantime, or before
	}
}

// lastSet returns the last success of setting a lead's status.
func (t *leadTable) lastSet(lead crm.LeadRef) setMark {
	t.mu.Lock()
	defer t.mu.Unlock()
	if row := t.find(lead, false); row != nil {
		return row.set
	}
	return setMark{from: noRef, to: noRef}
}

// told keeps that a lead was told to have gone from one status to another, and that it
// was read after set: nothing of what this process did with the lead before that is news.
func (t *leadTable) told(lead crm.LeadRef, set setMark, from, to crm.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, false)
	if row == nil {
		return
	}
	if row.status = unique.Make(to); row.set.number != set.number {
		return
	}
	if set.unheard() || row.own.Value() == from {
		row.own = noRef // it was told, or left
	}
	row.set.to = noRef
}

// doubt keeps that the bot may know a lead to stand on a status, and may not.
func (t *leadTable) doubt(lead crm.LeadRef, status crm.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, true)
	row.set = setMark{row.set.number + 1, noRef, unique.Make(status), true}
}

// beginTelling begins to tell that a lead, which was read after set, stands on a status;
// false if it was set again since.
func (t *leadTable) beginTelling(lead crm.LeadRef, set setMark, status crm.Ref) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.looks(lead, set) {
		return false
	}
	t.telling[lead] = status
	return true
}

// looked notes that there was nothing to tell of a lead that was looked at after set;
// false if it was set again since.
func (t *leadTable) looked(lead crm.LeadRef, set setMark) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.looks(lead, set)
}

// looks counts that a lead was looked at after set; false if it was set again since.
// The caller holds mu.
func (t *leadTable) looks(lead crm.LeadRef, set setMark) bool {
	row := t.find(lead, false)
	if row == nil {
		return true
	}
	if row.set.number != set.number {
		return false
	}
	row.tellings++
	return true
}

// endTelling ends it.
func (t *leadTable) endTelling(lead crm.LeadRef) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.telling, lead)
}

// tally counts what happened to a lead.
type tally struct{ sets, tellings uint32 }

// tally returns the counts of now, for overlapped.
func (t *leadTable) tally(lead crm.LeadRef) tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, true)
	return tally{row.set.number, row.tellings}
}

// overlapped reports whether the lead was looked at, or set by others, while it was set
// to a status, so that the bot may not know which of it is the newer.
func (t *leadTable) overlapped(lead crm.LeadRef, since tally, from, to crm.Ref) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, true)
	now, telling := t.telling[lead]
	if !telling {
		now = row.status.Value()
	}
	others := row.set.number != since.sets+1
	if !others && (now == to || !telling && row.tellings == since.tellings) {
		return false
	}
	row.set = setMark{row.set.number + 1, unique.Make(from), unique.Make(to), true}
	return true
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
