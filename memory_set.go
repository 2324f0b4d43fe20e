package statuslink

import (
	"time"
	"unique"

	"github.com/statuslink/statuslink/crm"
)

// A bot hears of a lead from Set and from Follow, which may run at the same time. So
// that both tell one story, the table keeps of each lead beside its state
//
//   - own, moving and ownAt: where this process put it, for [LeadChange.Own];
//   - set: what the bot knows by the last Set and was not told since;
//   - lookedAt, and telling of the table: when Follow looked at it.
//
// The table's clock says what of that came first. What was read before one of both is
// not told after it. If Follow looked at a lead while it was set, nobody knows which of
// the two the bot heard last, and it is told once more.

// ownAge is how long a change that this process made may take to come back.
const ownAge = 10 * time.Minute

// setMoving keeps where this process is going to move a lead, as the CRM may tell of it
// before it answers. The zero Ref says that it surely did not.
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

// own reports whether this process moved a lead to a status lately.
func (t *leadTable) own(lead crm.LeadRef, status crm.Ref) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, false)
	return row != nil && (row.own.Value() == status || row.moving.Value() == status) && time.Since(row.ownAt) <= ownAge
}

// setMark is the last success of setting a lead's status, whose result is what the
// bot knows of the lead until something else is told.
type setMark struct {
	at      uint64    // 0 for none
	last    uint64    // the time of the one before
	movedAt time.Time // [crm.Lead.MovedAt] then; an answer that is older is an old copy
	from    unique.Handle[crm.Ref]
	to      unique.Handle[crm.Ref] // noRef if it was told that the lead stands there, or came from there
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

// now returns the time of the table's clock.
func (t *leadTable) now() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clock
}

// tick returns a time that is later than all before. The caller holds mu.
func (t *leadTable) tick() uint64 {
	t.clock++
	return t.clock
}

// touched reports whether a lead was set or looked at after a time.
func (t *leadTable) touched(lead crm.LeadRef, since uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, false)
	return row != nil && (row.set.at > since || row.lookedAt > since)
}

// setDone keeps what a success of setting a lead's status says. The CRM says that the lead
// moved at movedAt, or does not say.
func (t *leadTable) setDone(result SetResult, movedAt time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(result.Lead, true)
	row.set = setMark{
		at: t.tick(), last: row.set.at, movedAt: movedAt,
		from: unique.Make(result.From), to: unique.Make(result.To),
	}
	if result.Changed {
		row.own, row.moving, row.ownAt = row.set.to, noRef, time.Now()
	}
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

// beginTelling begins to tell that a lead, which was read after set, stands on a status;
// false if it was set again since.
func (t *leadTable) beginTelling(lead crm.LeadRef, set setMark, status crm.Ref) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.touch(lead, set) {
		return false
	}
	t.telling[lead] = status
	return true
}

// endTelling ends it.
func (t *leadTable) endTelling(lead crm.LeadRef) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.telling, lead)
}

// looked notes that there was nothing to tell of a lead that was looked at after set;
// false if it was set again since.
func (t *leadTable) looked(lead crm.LeadRef, set setMark) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.touch(lead, set)
}

// touch is looked for a caller that holds mu.
func (t *leadTable) touch(lead crm.LeadRef, set setMark) bool {
	row := t.find(lead, true)
	if row.set.at != set.at {
		return false
	}
	row.lookedAt = t.tick()
	return true
}

// told keeps that a lead was told to have gone from one status to another, and that it
// was read after set: nothing of what this process did with the lead before that is news.
func (t *leadTable) told(lead crm.LeadRef, set setMark, from, to crm.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, true)
	if row.status = unique.Make(to); row.set.at != set.at {
		return
	}
	if set.unheard() || row.own.Value() == from {
		row.own = noRef // it was told, or left
	}
	row.set.to = noRef
}

// doubt keeps that the bot may know a lead to stand on a status, to which it came at
// movedAt as far as known, and may not.
func (t *leadTable) doubt(lead crm.LeadRef, status crm.Ref, movedAt time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(lead, true)
	if !movedAt.IsZero() {
		row.set.movedAt = movedAt
	}
	t.unsure(row, crm.Ref{}, status)
}

// unsure is doubt for a caller that holds mu. The lead may have come there from another
// status, if that is known.
func (t *leadTable) unsure(row *leadRow, from, to crm.Ref) {
	row.set.at, row.set.last, row.set.unsure = t.tick(), row.set.at, true
	row.set.from, row.set.to = unique.Make(from), unique.Make(to)
}

// overlapped reports whether the lead was looked at, or set by others, since a call began
// that then set it, so that the bot may not know which of it is the newer.
func (t *leadTable) overlapped(result SetResult, begun uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.find(result.Lead, true)
	now, telling := t.telling[result.Lead]
	if !telling {
		now = row.status.Value()
	}
	others := row.set.last > begun
	if !others && (now == result.To || !telling && row.lookedAt <= begun) {
		return false
	}
	t.unsure(row, result.From, result.To)
	return true
}
