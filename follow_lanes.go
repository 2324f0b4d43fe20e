package statuslink

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// lanes give each lead to one goroutine at a time. A lead that is held, or of which
// an event waits, has a lane.
type lanes struct {
	mu   sync.Mutex
	of   map[crm.LeadRef]*lane
	free []*lane         // to be used again
	runs map[string]*run // the Follow under way of each event source

	followed bool     // there was a Follow
	trusted  []string // sources whose events are believed
}

// lane is a lead's turn.
type lane struct {
	held bool
	task task // of the holder, which it may change

	next  task          // what comes after it
	more  bool          // there is a next
	freed chan struct{} // closed when the lane is held no more; nil if nobody waits for it
}

// task is what is to be told of a lead.
type task struct {
	event crm.Event
	// via is the Source of the event source, in which the event is kept when Follow
	// ends; empty for one that catches up, which is asked for again.
	via string
	// read is what the CRM said of the lead before it was held; unset where its Ref is.
	read  crm.Lead
	since uint64 // when it began to be read, by the table's clock

	owed

	tries   int           // how often it failed
	failed  crm.Ref       // where the lead stood when the callback failed
	counted bool          // the failure under way is counted
	wish    time.Duration // how long the CRM asked to wait
	letter  *LeadChange   // what the callback failed at for the last time
	why     error         // the reason of the letter

	set      setMark // the last success of setting the lead before it was looked at
	spoken   bool    // something was told
	from, to crm.Ref // where the lead went
}

// owed is what a task has to make good of those that were tried before.
type owed struct {
	// instead says that it stands for another event too, which was not told: that it
	// carries what was told last says nothing then.
	instead bool
	// unkept says that the callback was told of a state that the memory then did not
	// keep: what comes next is told, whatever it is.
	unkept bool
	// shown is the newest MovedAt that the callback or Unlinked got, and that was not kept.
	shown time.Time
	// reported is the unlinked status that was reported.
	reported crm.Ref
}

func newLanes(trusted []string) lanes {
	return lanes{trusted: trusted, of: make(map[crm.LeadRef]*lane), runs: make(map[string]*run)}
}

// take holds the lane of the event's lead, or leaves the event to the one who does.
func (ls *lanes) take(event *crm.Event, via string) *lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.of[event.Lead]
	if l == nil {
		l = ls.add(event.Lead)
	}
	if !l.more || !ls.lasts(&l.next) {
		l.wait(event, via)
	}
	if l.held {
		return nil
	}
	l.hold()
	return l
}

// recheck lets the Follow that is under way look at a lead of which no event came, or
// the next one, if there was one before.
func (ls *lanes) recheck(lead crm.LeadRef) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.of[lead]
	switch {
	case !ls.followed:
		return
	case l == nil:
		l = ls.add(lead)
	case l.more:
		l.next.instead = true
		return
	}
	l.next.event, l.next.via, l.more = crm.Event{Source: lead.Source, Lead: lead}, ls.viaOf(lead), true
	if !l.held {
		ls.wake(l)
	}
}

// viaOf returns the event source by which a lead's events come, as far as it can be
// known: one may bring those of several accounts. The caller holds mu.
func (ls *lanes) viaOf(lead crm.LeadRef) string {
	if ls.runs[lead.Source] == nil {
		for via := range ls.runs {
			return via
		}
	}
	return lead.Source
}

// acquire waits until it holds the lane of a lead; nil if ctx ends before. Events
// that wait go on waiting.
func (ls *lanes) acquire(ctx context.Context, lead crm.LeadRef) *lane {
	for {
		ls.mu.Lock()
		l := ls.of[lead]
		if l == nil {
			l = ls.add(lead)
		}
		if !l.held {
			l.held = true
			ls.mu.Unlock()
			return l
		}
		if l.freed == nil {
			l.freed = make(chan struct{})
		}
		freed := l.freed
		ls.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil
		}
	}
}

// lasts reports whether an event says that the lead is gone: no other one takes its
// place, because a lead that cannot be read is told as gone by it only. Where events are
// believed, the lead is not read, and the last one says how it is.
func (ls *lanes) lasts(t *task) bool {
	return t.event.Kind == crm.EventLeadDeleted && !slices.Contains(ls.trusted, t.event.Lead.Source)
}

// newer puts the event that came meanwhile in the place of the holder's.
func (ls *lanes) newer(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.more && l.task.via != "" {
		l.task.instead = true
		if !ls.lasts(&l.task) && l.next.event.Kind != crm.EventOther {
			l.task.event, l.task.via = l.next.event, l.next.via
		}
		l.next, l.more = task{}, false
	}
}

// release ends the holding of a lane. If an event waits, the Follow that it is for
// goes on with it, now or when there is one.
func (ls *lanes) release(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.let(l)
}

// park ends the holding of a lane whose task is not done: its event waits for the
// next Follow, unless a newer one does.
func (ls *lanes) park(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.task.via != "" { // otherwise it is asked for again
		if !l.more || ls.lasts(&l.task) || l.next.event.Kind == crm.EventOther {
			l.next.event, l.next.via = l.task.event, l.task.via
		}
		l.next.owed = l.task.owed
		l.next.instead, l.more = l.task.instead || l.more, true
	}
	ls.let(l)
}

// let is release for a caller that holds mu.
func (ls *lanes) let(l *lane) {
	lead := l.task.event.Lead
	l.held = false
	if l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
	if !l.more {
		delete(ls.of, lead)
		l.task = task{}
		ls.free = append(ls.free, l)
		return
	}
	ls.wake(l)
}

// wake lets the Follow that an event waits for go on with it, if there is one. The
// caller holds mu, and nobody the lane.
func (ls *lanes) wake(l *lane) {
	if r := ls.runs[l.next.via]; r != nil && r.ctx.Err() == nil {
		l.hold()
		r.spawn(func() { r.tryInTurn(l) })
	}
}

// open begins a Follow of event sources and returns, held, the lanes in which events
// of theirs wait. It fails if one of them is followed already.
func (ls *lanes) open(r *run, vias []string) ([]*lane, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for i, via := range vias {
		if ls.runs[via] != nil || slices.Contains(vias[:i], via) {
			return nil, &Error{Kind: ErrDuplicate, Op: opFollow, Status: via, Message: fmt.Sprintf("events of %q are being followed already", via)}
		}
	}
	for _, via := range vias {
		ls.runs[via] = r
	}
	ls.followed = true
	var parked []*lane
	for _, l := range ls.of {
		if !l.held && slices.Contains(vias, l.next.via) {
			l.hold()
			parked = append(parked, l)
		}
	}
	return parked, nil
}

// close ends a Follow: no event is left to it any more.
func (ls *lanes) close(vias []string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, via := range vias {
		delete(ls.runs, via)
	}
}

// add makes the lane of a lead. The caller holds mu.
func (ls *lanes) add(lead crm.LeadRef) *lane {
	var l *lane
	if n := len(ls.free); n > 0 {
		l, ls.free = ls.free[n-1], ls.free[:n-1]
	} else {
		l = new(lane)
	}
	ls.of[lead] = l
	return l
}

// wait makes the event the one that comes next. Each is told by reading the lead, so
// the latest is enough.
func (l *lane) wait(event *crm.Event, via string) {
	l.next = task{event: *event, via: via, owed: l.next.owed}
	l.next.instead, l.more = l.more, true
}

// hold gives the lane, and what waits in it, to the caller.
func (l *lane) hold() {
	l.held, l.task = true, l.next
	l.next, l.more = task{}, false
}
