package statuslink_test

import (
	"slices"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// leadKnown is what one life of the bot did with a lead and told of it.
type leadKnown struct {
	begun, ended int       // calls of Set, and wishes of SetMany
	done         int       // those that went well
	endedAt      time.Time // the last of them
	doneAt       time.Time // the last that went well
	calls        int       // of the callback, that went well

	told     bool // something was told:
	last     crm.Ref
	reported []crm.Ref // unlinked, after last: the one before the latest, or the latest
	settled  int       // what was begun before the lead was read for it; -1 if not known
	hearing  int       // the same, for the call under way
	linked   bool      // a status of the bot was linked to what LastKnown said last
}

// knowsOf returns what a life of the bot knows of a lead. The caller holds mu of the
// world.
func (p *leadProcess) knowsOf(lead crm.LeadRef) *leadKnown {
	if p.knows[lead] == nil {
		p.knows[lead] = new(leadKnown)
	}
	return p.knows[lead]
}

// hears begins a call of the callback.
func (k *leadKnown) hears() {
	k.hearing = k.begun
	if k.begun != k.ended || k.endedAt.Equal(time.Now()) {
		k.hearing = -1
	}
}

// tells ends it well.
func (k *leadKnown) tells(ref crm.Ref) {
	k.calls++
	k.told, k.last, k.reported, k.settled = true, ref, nil, k.hearing
}

// wantCame checks what a change says of where the lead came from, and of who moved it.
// The caller holds mu.
func (w *leadWorld) wantCame(change statuslink.LeadChange) {
	lead := change.Lead.Ref
	knows := w.process.knowsOf(lead)
	if change.Own && knows.begun == 0 {
		w.t.Errorf("%s is said to be set by this process, which never did", lead)
	}
	if !change.Known && (change.Previous != crm.Ref{} || change.PreviousStatus.ID != "") {
		w.t.Errorf("%s came from %s, which is not known", lead, change.Previous)
	}
	if knows.begun != knows.settled {
		return // where it was set from or to may be what is known
	}
	last, known := knows.last, knows.told
	switch {
	case w.mode == withMemory:
		state := w.memory.kept(lead)
		last, known = state.Status, state != (statuslink.LeadState{})
	case w.mode == withLastKnown && !known && w.unsure[lead]:
		return
	case w.mode == withLastKnown && !known:
		view, told := w.view[lead]
		linked := w.linked(view.Lead.Status)
		if told && linked != knows.linked {
			return // it was synchronised meanwhile; Unlinked does that too
		}
		if known = told && (linked || w.fallback != "") && !view.Deleted && !view.Fallback; known {
			last = view.Lead.Status
		}
	}
	if last == goneRef {
		last = crm.Ref{}
	}
	switch {
	case change.Known && slices.Contains(knows.reported, change.Previous):
	case change.Known != known, change.Previous != last:
		w.t.Errorf("%s came from %s (known: %v), told last was %s (%v)", lead, change.Previous, change.Known, last, known)
	default:
		w.counts["came from where it was told last"]++
	}
}

// linked reports whether a status of the bot is linked to one of a CRM.
func (w *leadWorld) linked(ref crm.Ref) bool {
	snapshot, err := w.catalog.Snapshot(w.t.Context())
	if err != nil {
		w.t.Error(err)
		return false
	}
	_, linked := snapshot.ByRef(ref)
	return linked
}

// begin writes down that this life of the bot is going to set a lead. The function
// that it returns writes down what the bot knows of the lead because it was set, if
// it has heard nothing of it meanwhile, which may be newer.
func (w *leadWorld) begin(lead crm.LeadRef) (end func(statuslink.SetResult)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	process := w.process
	knows := process.knowsOf(lead)
	knows.begun++
	calls, done, begun := knows.calls, knows.done, time.Now()
	return func(set statuslink.SetResult) {
		w.mu.Lock()
		defer w.mu.Unlock()
		knows.ended++
		knows.endedAt = time.Now()
		others := knows.done > done
		before := knows.doneAt
		if set.Lead == lead {
			knows.done++
			knows.doneAt = time.Now()
		}
		if set.Lead != lead || w.process != process || knows.calls != calls || w.mode == withMemory {
			return
		}
		if w.unsure[lead] = others; others {
			// Which of them was first is not known, and not even that there is a
			// question, if the other ended in the moment in which this began.
			if states := w.truth[lead]; before.After(begun) || set.To != states[len(states)-1] {
				return
			}
		}
		w.counts["known by setting"]++
		w.view[lead] = statuslink.LeadChange{LeadStatus: statuslink.LeadStatus{
			Lead: crm.Lead{Ref: lead, Status: set.To}, Status: set.ToStatus, Fallback: set.ToStatus.ID == "",
		}}
	}
}

// memoryFails lets the memory fail sometimes. What the callback wrote is not kept
// either then.
func (w *leadWorld) memoryFails(lead crm.LeadRef) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, told := w.before[lead]
	delete(w.before, lead)
	if w.calm || w.random.IntN(15) > 0 {
		return nil
	}
	w.counts["memory failed"]++
	if told {
		w.view[lead] = before
		w.process.knowsOf(lead).settled = -1
	}
	return errNotToday
}
