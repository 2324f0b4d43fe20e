package statuslink

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// errStaleCopy is why a lead is read again: the CRM answered with an older state than
// it had answered with before.
var errStaleCopy = errors.New("the CRM answered with an older state of the lead than before")

// update tells of a lead what is new, and keeps what was told.
func (r *run) update(t *task) error {
	t.spoken = false
	err := r.updateMemory(t)
	switch {
	case err != nil:
		t.unkept = t.unkept || t.spoken
	case t.spoken:
		r.leads.table.told(t.event.Lead, t.set, t.from, t.to)
	}
	return err
}

func (r *run) updateMemory(t *task) error {
	l, lead := r.leads, t.event.Lead
	if l.opts.Memory != nil {
		return l.opts.Memory.Update(r.ctx, lead, func(ctx context.Context, old LeadState) (LeadState, error) {
			return r.step(ctx, t, old)
		})
	}
	state := l.table.load(lead)
	old := state
	if state == (LeadState{}) && l.opts.LastKnown != nil {
		var err error
		if old, err = l.lastKnown(r.ctx, lead); err != nil {
			return err
		}
	}
	next, err := r.step(r.ctx, t, old)
	if err == nil && next != state {
		l.table.store(lead, next)
	}
	return err
}

// lastKnown asks the developer what was known of a lead before.
func (l *Leads) lastKnown(ctx context.Context, lead crm.LeadRef) (LeadState, error) {
	ref, known, err := l.opts.LastKnown(ctx, lead)
	if err != nil || !known || ref == (crm.Ref{}) {
		return LeadState{}, err
	}
	status, err := l.resolve(ctx, crm.Lead{Status: ref})
	switch {
	case errors.Is(err, ErrNotLinked):
		return LeadState{}, nil // whether that was reported is not known
	case err != nil || status.Fallback: // nor whether it was told
		return LeadState{Status: ref}, err
	}
	return LeadState{Status: ref, StatusID: status.Status.ID}, nil
}

// statusID returns the ID of the bot's status that a lead on ref is in; empty if
// there is none.
func (l *Leads) statusID(ctx context.Context, ref crm.Ref) (string, error) {
	status, err := l.resolve(ctx, crm.Lead{Status: ref})
	if err != nil && !errors.Is(err, ErrNotLinked) {
		return "", err
	}
	return status.Status.ID, nil
}

// errSetMeanwhile is why a lead is looked at again: it was set after it was read.
var errSetMeanwhile = errors.New("the lead was set after it was read")

// step tells of a lead if it does not stand as in old, and returns how it stands.
func (r *run) step(ctx context.Context, t *task, old LeadState) (next LeadState, err error) {
	table, lead := r.leads.table, t.event.Lead
	for {
		t.set = table.lastSet(lead)
		next, err = r.stepOnce(ctx, t, old)
		again := errors.Is(err, errSetMeanwhile) ||
			err == nil && !t.spoken && !table.looked(lead, t.set) // it may be news now
		if !again {
			return next, err
		}
	}
}

// stepOnce is step, whose error is errSetMeanwhile if it has to begin again.
func (r *run) stepOnce(ctx context.Context, t *task, old LeadState) (LeadState, error) {
	l, event := r.leads, &t.event
	if r.repeats(t, old) {
		if id, err := l.statusID(ctx, old.Status); err != nil || id == old.StatusID {
			return old, err
		}
	}
	lead, err := r.look(ctx, t, old)
	switch {
	case errors.Is(err, crm.ErrNotFound):
		if event.Kind != crm.EventLeadDeleted || old.Deleted && !t.unkept && !t.set.unheard() {
			return old, nil
		}
		change := LeadChange{LeadStatus: LeadStatus{Lead: crm.Lead{Ref: event.Lead}}, Deleted: true}
		return LeadState{Deleted: true}, r.call(ctx, t, old, change)
	case err != nil:
		return old, err
	case older(lead.MovedAt, t.shown), older(lead.MovedAt, t.set.movedAt):
		return old, errStaleCopy // the bot was shown a newer one, or knows it by Set
	case older(lead.MovedAt, old.MovedAt):
		if event.At.After(old.MovedAt) {
			return old, errStaleCopy // the event is of after what was told
		}
		return old, nil // what was told is newer
	}
	status, err := l.resolve(ctx, lead)
	if err != nil && !errors.Is(err, ErrNotLinked) {
		return old, err
	}
	next := LeadState{Status: lead.Status, StatusID: status.Status.ID, MovedAt: lead.MovedAt.UTC()}
	if same(old, next) && !t.unkept && !t.set.news(next.Status) {
		if next.MovedAt.Equal(old.MovedAt) {
			return old, nil // which need not be written again, however the memory spells it
		}
		return next, nil
	}
	if !lead.MovedAt.IsZero() {
		t.shown = lead.MovedAt
	}
	if (err != nil || status.Fallback) && t.reported != lead.Status {
		if err := r.report(ctx, lead); err != nil {
			return old, err
		}
		t.reported = lead.Status
		status, err = l.resolve(ctx, lead) // the report may have led to a link
		if err != nil && !errors.Is(err, ErrNotLinked) {
			return old, err
		}
		next.StatusID = status.Status.ID
	}
	if err != nil {
		if !l.table.looked(event.Lead, t.set) {
			return old, errSetMeanwhile
		}
		t.spoken, t.from, t.to = true, old.Status, next.Status
		return next, nil // it is reported, and there is nothing to tell it by
	}
	return next, r.call(ctx, t, old, LeadChange{LeadStatus: status})
}

// older reports whether one time is before another, where both are known.
func older(one, other time.Time) bool {
	return !one.IsZero() && !other.IsZero() && one.Before(other)
}

// same reports whether nothing is to be told of the step from one state to another.
func same(old, next LeadState) bool {
	return old.Status == next.Status && old.StatusID == next.StatusID && !old.Deleted
}

// repeats reports whether the event carries what was told last.
func (r *run) repeats(t *task, old LeadState) bool {
	return t.read.Ref == (crm.LeadRef{}) && !t.instead && t.event.Kind != crm.EventLeadDeleted &&
		t.event.Status != (crm.Ref{}) && t.event.Status == old.Status && !t.set.news(old.Status)
}

// fresh reports whether what was read before the lead's turn came is not older than
// what is known: nothing happened to the lead here since, nor, as far as can be seen, in
// another process with the same memory.
func (l *Leads) fresh(t *task, read crm.Lead, old LeadState) bool {
	switch {
	case l.table.touched(t.event.Lead, t.since):
		return false
	case l.opts.Memory == nil, old == LeadState{}, read.Status == old.Status:
		return true
	}
	return !old.MovedAt.IsZero() && read.MovedAt.After(old.MovedAt)
}

// look finds out where a lead stands.
func (r *run) look(ctx context.Context, t *task, old LeadState) (crm.Lead, error) {
	l, event := r.leads, &t.event
	if read := t.read; read.Ref != (crm.LeadRef{}) {
		t.read = crm.Lead{} // the next time it is too old
		if l.fresh(t, read, old) {
			return read, nil
		}
	} else if t.via != "" && slices.Contains(l.opts.TrustEvents, event.Lead.Source) && !old.Deleted {
		switch {
		case event.Kind == crm.EventLeadDeleted:
			return crm.Lead{}, crm.ErrNotFound
		case event.Status == crm.Ref{}, t.set.news(event.Status), !event.At.IsZero() && event.At.Before(old.MovedAt):
		default:
			return crm.Lead{Ref: event.Lead, Status: event.Status}, nil
		}
	}
	client, err := l.reader(event.Lead.Source)
	if err != nil {
		return crm.Lead{}, err
	}
	return readLead(ctx, client, event.Lead)
}

// call completes the change and tells it. Its error says that it is to be told again.
func (r *run) call(ctx context.Context, t *task, old LeadState, change LeadChange) error {
	l := r.leads
	lead := change.Lead.Ref
	change.Event = t.event
	snapshot, err := l.catalog.Snapshot(ctx)
	if err != nil {
		return err
	}
	if before := t.set.before(change.Lead.Status); before != (crm.Ref{}) {
		change.Known, change.Previous = true, before
		change.PreviousStatus, _ = snapshot.ByRef(before)
	} else if old != (LeadState{}) {
		change.Known, change.Previous = true, old.Status
		change.PreviousStatus, _ = snapshot.ByID(old.StatusID)
	}
	if !l.table.beginTelling(lead, t.set, change.Lead.Status) {
		return errSetMeanwhile
	}
	defer l.table.endTelling(lead)
	change.Own = !change.Deleted && l.table.own(lead, change.Lead.Status)
	if err := r.handle(ctx, change); err != nil {
		if r.ctx.Err() != nil {
			return err
		}
		t.counted = true
		if !r.giveUp(t, change.Lead.Status) {
			return err
		}
		letter := change // a copy, so that only it is allocated
		t.letter, t.why = &letter, err
	}
	t.spoken, t.from, t.to = true, old.Status, change.Lead.Status
	return nil
}
