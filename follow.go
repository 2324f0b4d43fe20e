package statuslink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
)

const opFollow = "follow"

// LeadChange is what [Leads.Follow], [Leads.CatchUp] and [Leads.Reconcile] tell: the
// lead now is in the Status.
type LeadChange struct {
	// LeadStatus is the lead as it stood when it was read last, or, under
	// [LeadsOptions.TrustEvents], as the event has it. Of a lead that is gone only
	// its Lead.Ref is set, and so it is in a dead letter of a lead that could not be
	// read.
	LeadStatus
	// Deleted says that the lead is gone.
	Deleted bool
	// Known says that something is known of where the lead was: Previous is where it
	// stood when it was told last, or reported to Unlinked, or as a later [SetResult]
	// said: its From if the lead stands on its To, and its To if not. It is zero if the
	// lead was gone. PreviousStatus is the bot's status for it, zero if there was none or
	// it is removed. What happened in between is not told.
	Known          bool
	Previous       crm.Ref
	PreviousStatus Status
	// Own says that this process put the lead there by Set or SetMany in the last ten
	// minutes. It is best effort: a rule of the CRM that moved the lead on at the same
	// moment may make it false, a person who chose the same status true.
	Own bool
	// Event is what told of the change: several events may be told as one change, of
	// which it is the last. Of [Leads.CatchUp] it is the entry of the history, of
	// [Leads.Reconcile] an [crm.EventOther] without Type.
	Event crm.Event
}

// UnlinkedLead is a lead that was found on a status of the CRM that no status of the
// bot is linked to.
type UnlinkedLead struct {
	Lead crm.Lead
	// Listed says that the CRM's list has the status, and Status is what the list
	// says of it, such as its name. Otherwise only its Ref is set: the status is in
	// no list, or the list could not be read within the minute.
	Listed bool
	Status crm.Status
	// Ignored says that a person decided that the status is none of the bot's.
	Ignored bool
}

// followDefaults completes the options of Follow.
func (l *Leads) followDefaults() {
	if l.opts.Retries == 0 {
		l.opts.Retries = 10
	}
	if l.opts.RetryDelay <= 0 {
		l.opts.RetryDelay = time.Second
	}
	l.opts.TrustEvents = slices.Clone(l.opts.TrustEvents)
	l.table, l.lanes = newLeadTable(l.opts.TableSize), newLanes(l.opts.TrustEvents)
	l.names = make(map[string]*statusNames, len(l.sources))
	for _, source := range l.sources {
		l.names[source] = new(statusNames)
	}
}

// Follow tells handle, until ctx ends, what becomes of the leads of which events
// come, in the bot's own statuses. It runs the Run of each of the sources, which the
// developer mounts as the handlers of webhooks; they accept events only meanwhile, and
// a receiver's Accepting says when it has begun (see package crmhook).
// It returns ctx.Err(), or why one of the sources ended, after all that it started
// has ended. [ErrInvalid] without a source or a handle, [ErrDuplicate] if these Leads
// follow one of the sources already, or it is given twice.
//
// To end without leaving anything for later, stop the server, wait until the sources
// hand over no more and [Leads.Pending] is 0, and end ctx. Handle is called by as many
// goroutines as the sources have workers, and by 8 more for each CRM. Handle, Unlinked
// and DeadLetter may call [Leads.Set], but must not wait for a CatchUp, a Reconcile or
// a Follow of these Leads, which wait for the lead that is told: called with the
// context of handle, these return [ErrInvalid].
//
// What it promises:
//
//   - Each accepted event is told at least once as long as the process lives: what
//     could not be told when ctx ended, the next Follow of the same source tells. What
//     was missed while no process lived, or while a source refused events because its
//     queue was full, [Leads.CatchUp] and [Leads.Reconcile] tell.
//   - One lead's changes are told one after another; those of different leads overlap.
//     An older state is never told after a newer one: the lead is read for each event.
//     Therefore states that a lead passed through quickly may not be told singly, the
//     last one always is. Where [crm.Lead.MovedAt] is known, an answer of the CRM that
//     is older than what was told, or than what Set returned, is not told, and asked for
//     again if the event or Set is newer. An old answer that says what was told last looks
//     like no change.
//   - Told is what is new: that the lead stands on another [crm.Ref] or in another
//     status of the bot than was told last, that it was heard of for the first time
//     (Known is false then, unless Set read it), and that it is gone. An event that
//     carries what was told last costs no request. What was told last is kept in a
//     table in memory, best effort: a lead that was dropped from it is told again. Set
//     [LeadsOptions.Memory] or LastKnown to know more.
//   - What [Leads.Set] and [Leads.SetMany] of these Leads return is known here too. A
//     lead that they put into a status is told, as Own. One that left the status again
//     before any event came is told even if it is back where it was told last. What was
//     read before Set succeeded is not told afterwards: it is read again. Where a call of
//     handle and one of Set overlap, either may be the newer: the lead is read again
//     then, also without an event, and told unless both said the same.
//   - If handle returns an error, or the CRM cannot be asked, it is tried again after
//     [LeadsOptions.RetryDelay], after twice as long, and so on up to a minute, or
//     after as long as the CRM asked for; after [LeadsOptions.Retries] repetitions it
//     goes to [LeadsOptions.DeadLetter], which says what counts as told. Repetitions
//     tell how the lead stands by then; another status is counted anew. Other leads go
//     on meanwhile, unless 1,024 wait for their repetition: then the sources wait, and
//     events stay in their queues, which refuse when they are full.
//   - A lead on a status that the bot does not know is reported to
//     [LeadsOptions.Unlinked], after the CRM's list was read for its name, once a
//     minute at most for each source. If the status is linked when Unlinked returns,
//     by a synchronisation for instance, the lead is told as any other; if not, with
//     [LeadsOptions.Fallback] or not at all. One whose status is linked later is told at
//     its next event, or by [Leads.Reconcile]: call that when a plan that was applied
//     has linked statuses.
//
// That a lead is gone is told only if an event says so and, when it is read, the CRM
// does not have it. A lead that cannot be found otherwise is not told. Nor is what a CRM
// loses of its events: call CatchUp or Reconcile from time to time as well.
//
// A panic of handle, or of what the options hold, comes up here after the other calls
// have ended; its event is not told again.
func (l *Leads) Follow(ctx context.Context, handle func(ctx context.Context, change LeadChange) error, sources ...crm.EventSource) error {
	if handle == nil || len(sources) == 0 || slices.Contains(sources, nil) {
		return &Error{Kind: ErrInvalid, Op: opFollow, Message: "a callback and a source of events are needed"}
	}
	if err := l.notWithin(ctx, opFollow); err != nil {
		return err
	}
	var vias []string
	for _, source := range sources {
		vias = append(vias, source.Source())
	}
	r := newRun(ctx, l, handle)
	defer r.cancel()
	parked, err := l.lanes.open(r, vias)
	if err != nil {
		return err
	}
	for _, lane := range parked {
		r.spawn(func() { r.tryInTurn(lane) })
	}
	for i, source := range sources {
		r.spawnSource(func() {
			err := source.Run(r.ctx, func(_ context.Context, event crm.Event) { r.event(&event, vias[i]) })
			if r.ctx.Err() == nil {
				r.fail(sourceEnded(vias[i], err))
			}
		})
	}
	r.sources.Wait()
	l.lanes.close(vias)
	return r.end(ctx)
}

// Pending returns of how many leads something is to be told: that is told now, that
// waits for its turn or its repetition, and that waits for the next Follow. What still
// waits in the sources is not counted.
func (l *Leads) Pending() int {
	l.lanes.mu.Lock()
	defer l.lanes.mu.Unlock()
	return len(l.lanes.of)
}

// sourceEnded is why Follow ends before its ctx does.
func sourceEnded(source string, err error) error {
	if err == nil {
		err = errors.New("its Run ended by itself")
	}
	return &Error{Op: opFollow, Status: source, Message: "the source of events ended", Err: err}
}

// event tells of one event.
func (r *run) event(event *crm.Event, via string) {
	if event.Kind == crm.EventOther || event.Lead.ID == "" {
		return
	}
	l := r.leads
	if _, err := l.reader(event.Lead.Source); err != nil {
		r.dead(r.ctx, LeadChange{LeadStatus: LeadStatus{Lead: crm.Lead{Ref: event.Lead}}, Event: *event}, err)
		return
	}
	if lane := l.lanes.take(event, via); lane != nil {
		r.try(lane)
	}
}

// reader returns the client of a source, which can read leads.
func (l *Leads) reader(source string) (crm.Client, error) {
	client, err := l.client(source)
	if err == nil && !canRead(client) {
		err = &Error{Kind: errors.ErrUnsupported, Status: source, Message: "the client cannot read leads"}
	}
	return client, err
}

// dead hands over what could not be told.
func (r *run) dead(ctx context.Context, change LeadChange, err error) {
	if r.leads.opts.DeadLetter != nil {
		r.leads.opts.DeadLetter(ctx, change, err)
		return
	}
	r.leads.opts.Logger.LogAttrs(ctx, slog.LevelError, "change of a lead not told",
		slog.String("source", change.Lead.Ref.Source), slog.String("lead", change.Lead.Ref.ID), slog.String("error", fmt.Sprintf("%T", err)))
}
