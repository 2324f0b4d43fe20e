package statuslink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/statuslink/statuslink/crm"
)

const (
	opCatchUp   = "catch up"
	opReconcile = "reconcile"

	// historyOverlap is how long an entry of a CRM's history may come to light after
	// one that stands behind it.
	historyOverlap = 5 * time.Minute
	// mostRead is how many leads are read in one call.
	mostRead = 2500
)

// CatchUp tells what was missed while nobody followed, from the history that the CRM
// keeps: of each lead of the kind that moved behind the position, how it stands now.
// It returns the position to go on from, to be saved for the next time. Its client
// has to be a [crm.HistoryReader]; for others there is [Leads.Reconcile].
//
// The empty position tells nothing and returns that of now. This is how to begin: then
// [Leads.Reconcile] tells the leads that are there. Save the position that is returned
// each time; nothing else moves it. It goes back far enough to hold what comes to light
// late, five minutes before the latest entry. So the leads that moved last are told
// again if what was told of them is known no more; see [Leads.Follow] for what is told.
//
// Each lead is told as Follow tells it, with the same promises, repetitions and dead
// letters, and one after another with what Follow tells of it. So it may run
// beside Follow, and should: begin to follow, then catch up, and nothing falls between
// the two. Next to it an event that waited may be older than what it told, so under
// [LeadsOptions.TrustEvents] call it before Follow. Leads are read by a
// [crm.BulkReader], 2,500 at once, where the client is one.
//
// It returns when each lead was told or given up. If ctx ends or the CRM fails, the
// error comes together with a position before which all was told, perhaps the given
// one; call it again with that. Leads that are gone are not told: the history does
// not know them, or they are not to be read. [ErrNotFound] if no client of the source
// is connected, and [errors.ErrUnsupported] if it keeps no history or cannot read.
func (l *Leads) CatchUp(ctx context.Context, source, kind, position string, handle func(ctx context.Context, change LeadChange) error) (string, error) {
	if err := l.notWithin(ctx, opCatchUp); err != nil {
		return position, err
	}
	client, err := l.reader(source)
	if err != nil {
		return position, during(opCatchUp, err)
	}
	history, ok := client.(crm.HistoryReader)
	switch {
	case handle == nil:
		return position, &Error{Kind: ErrInvalid, Op: opCatchUp, Message: "a callback is needed"}
	case !ok:
		return position, &Error{Kind: errors.ErrUnsupported, Op: opCatchUp, Status: source, Message: "the client reads no history; use Reconcile"}
	case position == "":
		end, err := history.HistoryEnd(ctx, kind)
		if err != nil {
			return "", failedTo(opCatchUp, err)
		}
		return end, nil
	}
	part := historyPart{safe: position, latest: make(map[crm.LeadRef]int)}
	for entry, err := range history.ReadHistory(ctx, kind, position) {
		if err != nil {
			return position, failedTo(opCatchUp, err)
		}
		part.add(entry)
		if len(part.events) == mostRead {
			if err := l.tellAll(ctx, client, part.events, handle); err != nil {
				return position, failedTo(opCatchUp, err)
			}
			position = part.next()
		}
	}
	if err := l.tellAll(ctx, client, part.events, handle); err != nil {
		return position, failedTo(opCatchUp, err)
	}
	return part.next(), nil
}

// historyPart is what was read of a history and not told yet.
type historyPart struct {
	events []crm.Event // the latest of each lead
	latest map[crm.LeadRef]int

	recent []historyMark // what others may come to light before, in order
	newest time.Time
	safe   string // all before it has come to light
}

// historyMark is where an entry of a history stands.
type historyMark struct {
	position string
	at       time.Time
}

func (p *historyPart) add(entry crm.HistoryEntry) {
	event := entry.Event
	if i, again := p.latest[event.Lead]; again {
		p.events[i] = event
	} else {
		p.latest[event.Lead] = len(p.events)
		p.events = append(p.events, event)
	}
	if event.At.After(p.newest) {
		p.newest = event.At
	}
	p.recent = append(p.recent, historyMark{entry.Position, event.At})
	settled := p.newest.Add(-historyOverlap)
	for len(p.recent) > 0 && (p.recent[0].at.IsZero() || !p.recent[0].at.After(settled)) {
		p.safe, p.recent = p.recent[0].position, p.recent[1:]
	}
}

// next begins the next part, now that this one was told.
func (p *historyPart) next() (safe string) {
	p.events = nil
	clear(p.latest)
	return p.safe
}

// Reconcile tells what was missed while nobody followed, where the CRM keeps no history,
// and what is there at the first start: it lists all leads of the kind, as [crm.LeadRef]
// has it, and tells of each that does not stand where it stood when it was told last.
// Its client has to be a [crm.LeadLister].
//
// What was told last is asked of [LeadsOptions.Memory], or of the table in memory and
// then [LeadsOptions.LastKnown]. Without either of the options, every lead is told
// after a restart, and Known is false.
//
// As with [Leads.CatchUp] each lead is told as [Leads.Follow] tells it, and both may
// run at the same time. A lead is read once more only if it was told of or set since the
// listing began, or if it moved, as a Memory that other processes use has it, and the CRM
// does not say when. What the client's ListLeads may miss is missed. Leads that are gone
// are not told. After an error call it again; what was told is not told again.
func (l *Leads) Reconcile(ctx context.Context, source, kind string, handle func(ctx context.Context, change LeadChange) error) error {
	if err := l.notWithin(ctx, opReconcile); err != nil {
		return err
	}
	client, err := l.reader(source)
	if err != nil {
		return during(opReconcile, err)
	}
	lister, ok := client.(crm.LeadLister)
	switch {
	case handle == nil:
		return &Error{Kind: ErrInvalid, Op: opReconcile, Message: "a callback is needed"}
	case !ok:
		return &Error{Kind: errors.ErrUnsupported, Op: opReconcile, Status: source, Message: "the client lists no leads"}
	}
	r := newRun(ctx, l, handle)
	defer r.cancel()
	since := l.table.now()
	err = r.withAll(ctx, func() error {
		for lead, err := range lister.ListLeads(r.ctx, crm.LeadQuery{Kind: kind}) {
			if err != nil {
				return err
			}
			if !r.tellRead(crm.Event{Source: source, Lead: lead.Ref}, lead, since) {
				break
			}
		}
		return nil
	})
	return failedTo(opReconcile, err)
}

// tellAll tells how the leads of the events stand now.
func (l *Leads) tellAll(ctx context.Context, client crm.Client, events []crm.Event, handle func(ctx context.Context, change LeadChange) error) error {
	if len(events) == 0 {
		return ctx.Err()
	}
	var results []crm.LeadResult
	since := l.table.now()
	if bulk, ok := client.(crm.BulkReader); ok {
		leads := make([]crm.LeadRef, len(events))
		for i := range events {
			leads[i] = events[i].Lead
		}
		var err error
		if results, err = readLeads(ctx, bulk, client.Source(), leads); err != nil {
			return err
		}
	}
	r := newRun(ctx, l, handle)
	defer r.cancel()
	return r.withAll(ctx, func() error {
		for i := range events {
			var read crm.Lead
			if results != nil && results[i].Err == nil {
				read = results[i].Lead
			}
			if results != nil && errors.Is(results[i].Err, crm.ErrNotFound) {
				continue
			}
			if !r.tellRead(events[i], read, since) {
				break
			}
		}
		return nil
	})
}

// withAll waits for all that feed gave to tellRead.
func (r *run) withAll(ctx context.Context, feed func() error) error {
	var err error
	r.guard(func() { err = feed() })
	if ended := r.end(ctx); ended != nil {
		return ended
	}
	return err
}

// tellRead tells of a lead that was read after since, or is to be read if read is the
// zero Lead; false if the run ends.
func (r *run) tellRead(event crm.Event, read crm.Lead, since uint64) bool {
	select {
	case r.fed <- struct{}{}:
	case <-r.ctx.Done():
		return false
	}
	r.spawn(func() {
		defer func() { <-r.fed }()
		if lane := r.leads.lanes.acquire(r.ctx, event.Lead); lane != nil {
			lane.task = task{event: event, read: read, since: since}
			r.tryInTurn(lane)
		}
	})
	return true
}

// failedTo says what was being done; nil stays nil.
func failedTo(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("statuslink: %s: %w", op, err)
}
