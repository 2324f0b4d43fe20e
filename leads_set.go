package statuslink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
)

const opSetStatus = "set status"

// SetResult tells what became of a lead that was to be put into a status.
type SetResult struct {
	Lead crm.LeadRef
	// From is where the lead was read to stand before; the zero Ref if it was not
	// read. To is where it stands now, as the CRM said; where the CRM did not say,
	// it is where the lead was put. By now it may stand elsewhere: keep To only if Follow
	// told nothing of the lead since Set or SetMany was called. If it did, or another call
	// set the lead at the same time, Follow reads the lead again and tells how it stands.
	From, To crm.Ref
	// FromStatus and ToStatus are the bot's statuses for From and To, zero where
	// none is linked. They must not be modified.
	FromStatus, ToStatus Status
	// Changed reports that the lead came to stand on To after it was read, mostly
	// because the CRM was asked to move it. It is false where the lead was read to stand
	// on one of the status's links already.
	Changed bool
	// MovedOn reports that a rule of the CRM moved the lead on at once: ToStatus is
	// not the status that was wished for.
	MovedOn bool
}

// Set puts a lead into the status with the Key or ID, a Key first. The CRM's status
// for it is the first link of the status in the lead's own scope: a deal of the
// fifth pipeline gets a stage of the fifth pipeline. Nothing is written if the lead
// stands on any of the status's links already.
//
// The lead is read first, and the CRM's answer is verified, so that no error means
// that the lead came into the status. A rule of the CRM may have moved it on since,
// see [SetResult.MovedOn]. Setting the same again is safe.
//
// The error is an [*Error] with the lead, as it was read, and the status. Before
// anything is written it is
//
//   - [ErrNotFound] if there is no such status, or no client of the lead's source; if
//     there is no such lead, it is [crm.ErrNotFound] as well;
//   - [errors.ErrUnsupported] if the client cannot move leads, or cannot read them
//     and the status is linked in several scopes of the source;
//   - [ErrNotLinked] if the status has no link to the source;
//   - [ErrWrongScope] if it has, but none in the lead's scope;
//   - [ErrMissing] if the CRM does not list the linked status any more, as the last
//     synchronisation found. Clients of this module also look at a list that they read
//     a moment ago: what that does not hold is [crm.ErrNotFound].
//
// Afterwards it has the kind of package crm that the client gave it, such as
// [crm.ErrNotApplied] if the CRM said yes and left the lead where it stood. Where it
// is not known whether the lead was moved, as with [crm.ErrUnavailable], the message
// says so.
//
// A client that can neither read leads nor be asked otherwise where they stand
// leaves From and FromStatus zero. Set may be called by the callback of [Leads.Follow].
func (l *Leads) Set(ctx context.Context, lead crm.LeadRef, keyOrID string) (SetResult, error) {
	e, err := l.newErrand(ctx, lead, keyOrID, l.table.now())
	if err == nil {
		err = e.aim(ctx)
	}
	if err == nil && !e.there {
		l.table.setMoving(lead, e.to)
		var after crm.Lead
		after, err = e.move(ctx)
		_, err = e.end(after, stateOf(err), err)
	}
	if err != nil {
		return SetResult{}, e.about(err)
	}
	l.deliver(e)
	return e.result, nil
}

// errand is one wish to put a lead into a status, with what is known of the way
// there. Its lead is always set, the rest as far as newErrand came.
type errand struct {
	leads    *Leads
	lead     crm.Lead // its Status is zero until it was read
	snapshot *Snapshot
	status   *Status
	client   crm.Client
	to       crm.Ref // where the lead is put
	there    bool    // it stands in the status already
	begun    uint64  // when the call began, by the table's clock
	result   SetResult
}

// newErrand finds what is needed to fulfil a wish of a call that began at a time of the
// table's clock, without asking a CRM. It returns the errand also with an error.
func (l *Leads) newErrand(ctx context.Context, lead crm.LeadRef, keyOrID string, begun uint64) (*errand, error) {
	e := &errand{leads: l, lead: crm.Lead{Ref: lead}, begun: begun}
	snapshot, err := l.catalog.Snapshot(ctx)
	if err != nil {
		return e, err
	}
	status, err := snapshot.get(keyOrID)
	if err != nil {
		return e, err
	}
	e.snapshot, e.status = snapshot, &status
	if e.client, err = l.client(lead.Source); err != nil {
		return e, err
	}
	_, single := e.client.(crm.LeadMover)
	_, bulk := e.client.(crm.BulkMover)
	if !single && !bulk {
		return e, &Error{Kind: errors.ErrUnsupported, Message: fmt.Sprintf("the client of %q cannot move leads", lead.Source)}
	}
	if len(e.links()) == 0 {
		return e, e.notLinked()
	}
	return e, nil
}

// links returns the status's links to the lead's source: those in scopes where the
// lead may stand, or all, if there is none.
func (e *errand) links() []Link {
	var links, fit []Link
	for _, link := range e.status.Links {
		if link.Ref.Source != e.lead.Ref.Source {
			continue
		}
		links = append(links, link)
		if e.fits(link.Ref.Scope) {
			fit = append(fit, link)
		}
	}
	if len(fit) == 0 {
		return links // none of them will do, which is said when the lead is read
	}
	return fit
}

// fits reports whether a lead of this Kind may stand in a scope of its source.
func (e *errand) fits(scope string) bool {
	kinder, ok := e.client.(crm.LeadKinder)
	if !ok || e.lead.Ref.Kind == "" {
		return true
	}
	kind, stands := kinder.KindOf(scope)
	return stands && kind == e.lead.Ref.Kind
}

// blind chooses where the lead is put without reading it, if reading could lead to
// nothing else: the status has one link, in the only scope that is known where the
// lead may stand.
func (e *errand) blind() bool {
	links := e.links()
	if len(links) != 1 || links[0].Missing() || !e.fits(links[0].Ref.Scope) {
		return false
	}
	other := func(key ScopeKey) bool {
		return key.Source == e.lead.Ref.Source && key.ID != links[0].Ref.Scope && e.fits(key.ID)
	}
	if slices.ContainsFunc(e.snapshot.linkIndex().scopes, other) ||
		slices.ContainsFunc(e.snapshot.state.Scopes, func(s Scope) bool { return other(s.ScopeKey) }) {
		return false
	}
	e.to = links[0].Ref
	return true
}

// aim reads the lead, and decides where it is put.
func (e *errand) aim(ctx context.Context) error {
	if canRead(e.client) {
		lead, err := readLead(ctx, e.client, e.lead.Ref)
		if err != nil {
			return err
		}
		return e.aimFrom(lead)
	}
	return e.aimUnread()
}

// aimUnread decides where a lead is put that cannot be read.
func (e *errand) aimUnread() error {
	links := e.links()
	elsewhere := func(link Link) bool { return link.Ref.Scope != links[0].Ref.Scope }
	if slices.ContainsFunc(links, elsewhere) {
		return &Error{Kind: errors.ErrUnsupported, Message: fmt.Sprintf(
			"the status is linked in %s, and the client cannot read in which of them the lead stands", e.scopes(links))}
	}
	return e.put(links[0])
}

// aimFrom decides where a lead that was read is put.
func (e *errand) aimFrom(lead crm.Lead) error {
	asked := e.lead.Ref
	e.lead = lead
	e.lead.Ref = asked
	if e.status.Linked(lead.Status) {
		e.there, e.to = true, lead.Status
		e.result = SetResult{Lead: asked, From: lead.Status, To: lead.Status, FromStatus: *e.status, ToStatus: *e.status}
		e.leads.table.setDone(e.result, lead.MovedAt)
		return nil
	}
	scope := ScopeKey{asked.Source, lead.Status.Scope}
	link, ok := e.status.Target(scope.Source, scope.ID)
	if !ok {
		return &Error{Kind: ErrWrongScope, Message: fmt.Sprintf(
			"the lead stands in %s, and the status is linked in %s only; link it to one of the lead's scope, or %s",
			e.snapshot.scopeLabel(scope), e.scopes(e.links()), e.leads.catalog.synchronise(e.snapshot, scope))}
	}
	return e.put(link)
}

// put decides that the lead is put where the link leads.
func (e *errand) put(link Link) error {
	if !link.Missing() {
		e.to = link.Ref
		return nil
	}
	name := link.Base.Name
	if name == "" {
		name = e.status.Name
	}
	what := "link the status to another one and make that the first with Catalog.Lead, or " +
		e.leads.catalog.synchronise(e.snapshot, ScopeKey{link.Ref.Source, link.Ref.Scope})
	for _, other := range e.status.Links {
		if other.Ref.Source == link.Ref.Source && other.Ref.Scope == link.Ref.Scope && !other.Missing() {
			what = fmt.Sprintf("make %s the first link with Catalog.Lead", other.Ref)
			break
		}
	}
	return &Error{Kind: ErrMissing, Message: fmt.Sprintf("%s (%q) is missing since %s; %s",
		link.Ref, name, link.MissingSince.Format(time.RFC3339), what)}
}

// move lets the CRM move the lead.
func (e *errand) move(ctx context.Context) (crm.Lead, error) {
	move := crm.Move{Lead: e.lead.Ref, To: e.to}
	if mover, ok := e.client.(crm.LeadMover); ok {
		return mover.MoveLead(ctx, move)
	}
	one := func(yield func(crm.Move) bool) { yield(move) }
	for result := range e.client.(crm.BulkMover).MoveLeads(ctx, one, nil) {
		return result.Lead, result.Err
	}
	return crm.Lead{}, noResult(move.Lead.Source)
}

// noResult is what a client did that says nothing of a move.
func noResult(source string) error {
	return &crm.Error{Kind: crm.ErrUnavailable, Source: source, Op: "move leads", Message: "the client gave no result for the lead"}
}

// end takes what became of the move, and returns it as it is to be told: the error is
// nil exactly if the move was done. A lead that stands where it was read to stand did
// not move, whatever the client made of the CRM's answer.
func (e *errand) end(after crm.Lead, state crm.MoveState, err error) (crm.MoveState, error) {
	to := after.Status
	if to == (crm.Ref{}) {
		to = e.to
	}
	if state == crm.MoveDone && to == e.lead.Status {
		state, err = crm.MoveRefused, &crm.Error{
			Kind: crm.ErrNotApplied, Source: to.Source, Op: "move lead", Message: "the lead stands where it stood before",
		}
	}
	switch state {
	case crm.MoveDone:
		e.result = SetResult{Lead: e.lead.Ref, From: e.lead.Status, To: to, Changed: true}
		e.result.FromStatus, _ = e.snapshot.ByRef(e.lead.Status)
		e.result.ToStatus, _ = e.snapshot.ByRef(to)
		e.result.MovedOn = e.result.ToStatus.ID != e.status.ID
		e.leads.table.setDone(e.result, after.MovedAt)
		return state, nil
	case crm.MoveUnknown: // it may have been made, as moving was told before
	default:
		e.leads.table.setMoving(e.lead.Ref, crm.Ref{})
	}
	return state, e.failed(state, err)
}

// failed says in the bot's words what the error of a move in a state means.
func (e *errand) failed(state crm.MoveState, err error) error {
	failed := &Error{Err: err, Message: "the lead was not moved"}
	if e.to != (crm.Ref{}) {
		failed.Message += fmt.Sprintf(" to %s", e.to)
	}
	switch {
	case state == crm.MoveUnknown:
		failed.Message = fmt.Sprintf("whether the lead was moved to %s is not known; setting it again is safe", e.to)
	case state == crm.MoveNotSent:
	case errors.Is(err, crm.ErrNotFound):
		failed.Kind = ErrNotFound
		failed.Message = fmt.Sprintf("the CRM has no such lead, or %s no longer; synchronise", e.to)
	case errors.Is(err, crm.ErrNotApplied):
		failed.Message = "the CRM left the lead where it stood"
		if e.lead.Status != (crm.Ref{}) {
			failed.Message = fmt.Sprintf("the CRM left the lead on %s", e.lead.Status)
		}
		failed.Message += fmt.Sprintf(" instead of %s; synchronise, and see whether a rule there forbids the move", e.to)
	}
	return failed
}

// stateOf says what the error of a single move tells of its state.
func stateOf(err error) crm.MoveState {
	if err == nil {
		return crm.MoveDone
	}
	if isAny(err, crm.ErrUnauthorized, crm.ErrForbidden, crm.ErrNotFound, crm.ErrRateLimited, crm.ErrRejected, crm.ErrNotApplied) {
		return crm.MoveRefused
	}
	return crm.MoveUnknown
}

// isAny reports whether an error is of one of the kinds.
func isAny(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}

// about says in an error what it was about.
func (e *errand) about(err error) error {
	label := ""
	if e.status != nil {
		label = e.status.label()
	}
	return about(opSetStatus, e.lead, label, err)
}

// notLinked is the error for a status without a link to the lead's source.
func (e *errand) notLinked() error {
	source := e.lead.Ref.Source
	has := "to no status of a CRM"
	if len(e.status.Links) > 0 {
		has = "in " + e.scopes(e.status.Links) + " only"
	}
	return &Error{Kind: ErrNotLinked, Message: fmt.Sprintf(
		"the status is linked %s; link it to one of %q, or %s", has, source, e.leads.catalog.synchroniseSource(source))}
}

// scopes names the scopes of links for people.
func (e *errand) scopes(links []Link) string {
	var labels []string
	for _, link := range links {
		label := e.snapshot.scopeLabel(ScopeKey{link.Ref.Source, link.Ref.Scope})
		if !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	return listed(labels)
}

// scopeLabel names a scope for people: by its name, where it is known.
func (s *Snapshot) scopeLabel(key ScopeKey) string {
	if scope, ok := s.Scope(key); ok && scope.Name != "" {
		return fmt.Sprintf("%q (%s)", scope.Name, key)
	}
	return key.String()
}

// listed lists things for people: a, b and c.
func listed(things []string) string {
	if n := len(things); n > 1 {
		return strings.Join(things[:n-1], ", ") + " and " + things[n-1]
	}
	return strings.Join(things, "")
}
