package crmhook

import (
	"context"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// mostRead is how many leads are read in one call.
const mostRead = 2500

// complete reads the status of the event's lead, if it has to, and reports whether
// the event may be handed over: not if the run ended meanwhile.
//
// A reading counts for the events that had come when it began, of all leads of which
// some wait: so many events cost few requests, and what is handed over is never older
// than the event.
func (r *Receiver) complete(ctx context.Context, l *lane, e *queued) bool {
	if r.opts.ReadLeads == nil || !unread(e.event) {
		return true
	}
	q := &r.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.read < e.number {
		l.needs = e.number
		q.wanted = append(q.wanted, l)
		defer func() { q.wanted = slices.DeleteFunc(q.wanted, func(other *lane) bool { return other == l }) }()
	}
	for l.read < e.number {
		if !q.draining() {
			return false
		}
		if q.reading != nil {
			under := q.reading
			q.mu.Unlock()
			<-under
			q.mu.Lock()
			continue
		}
		r.read(ctx)
	}
	e.event.Status = l.status
	return q.draining()
}

// unread reports whether the lead of an event has to be read.
func unread(event crm.Event) bool {
	switch event.Kind {
	case crm.EventLeadCreated, crm.EventLeadChanged, crm.EventLeadMoved:
		return event.Lead.ID != "" && event.Status == crm.Ref{}
	default:
		return false
	}
}

// read reads the leads that are wanted, and those of which events wait. The caller
// holds mu, which is free meanwhile.
func (r *Receiver) read(ctx context.Context) {
	q := &r.queue
	lanes := q.toRead()
	leads := make([]crm.LeadRef, len(lanes))
	for i, l := range lanes {
		leads[i] = l.lead
	}
	var results []crm.LeadResult
	done, until := make(chan struct{}), q.last
	q.reading = done
	q.mu.Unlock()
	defer func() { // also if ReadLeads panics
		q.mu.Lock()
		for i, l := range lanes {
			switch {
			case len(results) == len(lanes) && results[i].Err == nil:
				l.read, l.status = until, results[i].Lead.Status
			case q.draining():
				l.read, l.status = until, crm.Ref{}
			default: // the run ended meanwhile: the next one reads it
			}
		}
		q.reading = nil
		close(done)
	}()
	var err error
	if results, err = r.opts.ReadLeads(ctx, leads); err != nil {
		results = nil // the events are handed over as they came
	}
}

// toRead returns the lanes whose leads are to be read together: those that are
// wanted, and those that will be. One that was read just now is still among the
// wanted until its worker goes on.
func (q *queue) toRead() []*lane {
	lanes := slices.DeleteFunc(q.wanted, func(l *lane) bool { return l.read >= l.needs })
	q.wanted = nil
	for _, l := range q.ready {
		if len(lanes) >= mostRead {
			break
		}
		if first := &l.events[0]; l.read < first.number && unread(first.event) {
			lanes = append(lanes, l)
		}
	}
	return lanes
}
