// Package crm is what a CRM client is: the contract between package
// statuslink and the clients of the single CRMs, its types and its errors. It
// is to statuslink what database/sql/driver is to database/sql, and needs the
// standard library only.
//
// A client implements [Client], which reads the CRM's whole list of statuses.
// Everything else that a CRM may be able to do is a small optional interface
// that the same value may implement as well: [LeadReader], [BulkReader],
// [LeadMover], [BulkMover], [LeadLister], [LeadKinder], [EventSource],
// [HistoryReader], [StatusWriter]. New abilities come as new interfaces; no method
// is ever added to an existing one.
//
// Every error that a method of a client returns is, or wraps, an [*Error]. What
// makes the client may fail with plain errors: they are the developer's mistakes,
// and no call of the CRM.
package crm

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Ref is the identity of a status in a CRM. Refs are compared byte for byte
// and never folded: two Refs name the same status exactly when they are equal.
type Ref struct {
	// Source names the connected account: "umnico", "bitrix24", or a name that
	// the developer gives when two accounts of one CRM are connected. It stays
	// the same when a token or an address changes. Never empty.
	Source string `json:"source"`
	// Scope names the list inside the account, in the CRM's own words: a
	// pipeline or directory such as "DEAL_STAGE_5". It is empty for a CRM with
	// a single list.
	Scope string `json:"scope,omitempty"`
	// ID is the CRM's own identifier inside Scope, as text. Never empty. It is
	// never built from parts: Scope is not glued into it.
	ID string `json:"id"`
}

// Status is one row of a CRM's status list: what the CRM said, normalised by
// the client with [CleanName] and [CleanColor].
type Status struct {
	Ref Ref
	// Name is what people see: valid UTF-8 without control characters,
	// trimmed, at most [MaxName] runes. Names need not be unique. Empty if the
	// CRM gave none.
	Name string
	// Order is the CRM's sort key; a smaller one comes first and equal ones are
	// sorted by Ref.ID. A client of a CRM without sort keys numbers the rows; a
	// single row without one stands where the client chooses, and says so.
	Order int
	// Color is "#RRGGBB" in capitals, or empty if the CRM gave none. A colour
	// in any other form goes to Raw.
	Color string
	// Outcome says whether a lead in this status is finished. A client sets it
	// only where the CRM itself says so, never from a name; a field for it that
	// is there and empty says that it is not finished.
	Outcome Outcome
	// System reports that the CRM will not let the status be deleted.
	System bool
	// Raw holds further fields as text, under the CRM's own names. Nothing
	// branches on it. Nil if there are none.
	Raw map[string]string
}

// Scope is one list of statuses inside an account, read to its end.
type Scope struct {
	// ID is the Scope of the Refs in it; empty for a CRM with a single list.
	ID string
	// Name is what people call it ("Subscriptions"); may be empty.
	Name string
	// Announced is how many statuses the CRM itself said that the scope holds,
	// or 0 if it did not say. [Listing.Validate] compares it with the rows. A
	// client whose CRM announces 0 and shows rows has to notice that itself, and
	// one whose CRM announces a number on each page compares them: if they
	// differ, the list changed while it was read, and is [ErrIncomplete].
	Announced int
}

// Listing is everything that one account said in one complete read.
type Listing struct {
	// Source is the client's Source.
	Source string
	// Account is the set of the CRM's own names for the account: an account
	// number, a portal's host and its member ID. It is empty if unknown; a host
	// that many accounts share is no name of one. Two
	// listings are of different accounts if both know names and share none.
	Account []string
	// Scopes are the lists that were asked for and exist, each read to its end,
	// in the order in which people there see them.
	Scopes []Scope
	// Exists holds the IDs of all scopes that the CRM says exist, asked for or
	// not; nil if it cannot tell.
	Exists []string
	// Statuses are the rows of all Scopes, in any order. Every Ref has this
	// Source and one of the Scopes.
	Statuses []Status
}

// Client reads the status list of one account. Its methods are safe for
// concurrent use.
type Client interface {
	// Source returns the name of the connected account that all Refs of this
	// client carry. It never changes and is never empty.
	Source() string

	// ListStatuses returns the complete list or an error, never a part: if one
	// page, one row or one of the asked scopes cannot be read, the whole call
	// fails. An empty list out of an answer that was not understood, a page
	// that was cut and a scope that was skipped are errors too, mostly
	// [ErrIncomplete] or [ErrBadResponse]; a row that comes twice is one too, or
	// stands in the Listing once. An account without statuses is an empty
	// Listing. The Listing passes [Listing.Validate] and belongs to the caller;
	// beside an error it is the zero one.
	//
	// Every error has a kind. The call ends soon after ctx ends, with one of kind
	// [ErrUnavailable] that wraps ctx.Err(), and before that where it would have
	// to wait for longer than ctx lasts. A time-out of the client's own is of the
	// same kind and a [net.Error], but does not look like the end of ctx.
	ListStatuses(ctx context.Context) (Listing, error)
}

// LeadRef is the identity of a lead, or a deal, in a CRM.
type LeadRef struct {
	// Source is the connected account, as in [Ref].
	Source string `json:"source"`
	// Kind is the CRM's sort of object: empty for a CRM with one sort;
	// "lead", "deal" or "dynamic:177" in Bitrix24.
	Kind string `json:"kind,omitempty"`
	// ID is the CRM's own identifier, as text.
	ID string `json:"id"`
}

// Lead is what a CRM said of one lead.
type Lead struct {
	Ref LeadRef
	// Status is the status that the lead stands in; its Scope is the lead's own
	// scope. The status need not be in any list that was read.
	Status Ref
	// MovedAt is when the lead came to Status, zero if the CRM does not say.
	MovedAt time.Time
	// MovedBy is the CRM's own name for who moved it, empty if unknown.
	MovedBy string
}

// LeadReader is implemented by clients that can read one lead.
type LeadReader interface {
	// ReadLead returns the lead as it stands now; [ErrNotFound] if there is
	// none.
	ReadLead(ctx context.Context, lead LeadRef) (Lead, error)
}

// LeadResult is what a CRM said of one lead among many.
type LeadResult struct {
	Lead Lead
	// Err is nil exactly if Lead is the lead.
	Err error
}

// BulkReader is implemented by clients that can read many leads in few requests.
type BulkReader interface {
	// ReadLeads returns one result for each of the leads, in the same order. A
	// lead that does not exist has an Err of kind [ErrNotFound] and does not make
	// the others fail. The error of ReadLeads itself says that none could be read;
	// there are no results then.
	ReadLeads(ctx context.Context, leads []LeadRef) ([]LeadResult, error)
}

// Move is the wish to put a lead into a status.
type Move struct {
	Lead LeadRef
	// To is the status wished for.
	To Ref
	// Across permits that To stands in another scope than the lead, such as
	// another pipeline, to which the lead is then moved. Without it such a wish
	// is refused or not applied, and the lead stays where it is.
	Across bool
}

// LeadMover is implemented by clients that can change a lead's status.
type LeadMover interface {
	// MoveLead fulfils the wish and returns the lead as the CRM said it stands
	// afterwards. That may be yet another status, when a rule in the CRM moved
	// the lead on: this is success, and the caller compares. The error is
	// [ErrNotApplied] if the CRM said yes and the lead still stands where it
	// stood, [ErrRejected] if the CRM said no. Repeating the call is safe.
	MoveLead(ctx context.Context, move Move) (Lead, error)
}

// MoveState says how a [Move] ended.
type MoveState uint8

// How a move ended. Moves that were not sent, or whose fate is unknown, may be
// sent again: setting a fixed status twice is harmless.
const (
	// MoveNotSent is surely not carried out: it was not sent, or the CRM put it off
	// and the run ended before it was sent again.
	MoveNotSent MoveState = iota
	// MoveDone has the CRM's yes, and nothing contradicts it.
	MoveDone
	// MoveRefused has the CRM's no, or was not sent because it cannot be right; Err
	// says why.
	MoveRefused
	// MoveUnknown was sent, and no answer came that can be used.
	MoveUnknown
)

// MoveResult tells how one move ended.
type MoveResult struct {
	Move  Move
	State MoveState
	// Lead is the lead as the CRM said it stands afterwards; its zero value
	// where the CRM did not say.
	Lead Lead
	// Err is nil exactly if State is [MoveDone].
	Err error
}

// MoveReport counts how the moves of one [BulkMover.MoveLeads] ended so far.
type MoveReport struct {
	NotSent, Done, Refused, Unknown int
	// Final marks the last report of a run, in which every move that was taken
	// from the input is counted.
	Final bool
	// Untaken holds, in a final report only, the results that the loop over the
	// output did not receive because it ended early.
	Untaken []MoveResult
}

// BulkMover is implemented by clients that can move many leads in few
// requests.
type BulkMover interface {
	// MoveLeads takes moves and yields one result for each that it took, in the
	// same order. It reads ahead by a bounded window only, so the input may be
	// endless. Partial failure is normal; where the CRM as a whole refuses, or
	// breaks down again and again, the run ends before its input does. When ctx
	// ends, or the loop over the results stops, nothing new is sent, what is in
	// flight is waited for, and progress gets a final report that accounts for
	// every move taken.
	//
	// progress may be nil; it is called from one goroutine at a time.
	MoveLeads(ctx context.Context, moves iter.Seq[Move], progress func(MoveReport)) iter.Seq[MoveResult]
}

// LeadQuery chooses leads. Its zero value chooses all.
type LeadQuery struct {
	// Kind is the sort of object, as in [LeadRef]; empty for the CRM's first.
	Kind string
	// Statuses keeps leads that stand in one of these; empty keeps all.
	Statuses []Ref
}

// LeadLister is implemented by clients that can list leads.
type LeadLister interface {
	// ListLeads yields the leads page by page, each once. An error is yielded
	// last, and means that the list is incomplete. Leads that move while it is
	// read may be missed; the client's comment says what it promises.
	ListLeads(ctx context.Context, query LeadQuery) iter.Seq2[Lead, error]
}

// LeadKinder is implemented by clients of CRMs with several kinds of leads.
type LeadKinder interface {
	// KindOf returns the Kind, as in [LeadRef], of the leads that stand in the
	// statuses of a scope; false if no leads do. It asks nobody.
	KindOf(scope string) (kind string, ok bool)
}

// EventKind says what an [Event] tells.
type EventKind uint8

// The kinds of events.
const (
	EventOther       EventKind = iota // understood, but none of those below; see Type and Raw
	EventLeadCreated                  // a lead came into being
	EventLeadChanged                  // something of a lead changed, perhaps its status
	EventLeadMoved                    // a lead's status changed
	EventLeadDeleted                  // a lead is gone
)

// Event is one message of a CRM, after its sender was checked.
type Event struct {
	Source string
	Kind   EventKind
	// Type is the CRM's own name for the event.
	Type string
	// Lead is the lead concerned; zero for [EventOther] without one.
	Lead LeadRef
	// Status is the lead's status, if the message carries it; otherwise the
	// zero Ref, and the lead has to be read.
	Status Ref
	// At is when it happened, zero if the CRM does not say.
	At time.Time
	// Raw is the message as it came.
	Raw Body
}

// EventSource is implemented by what receives a CRM's messages.
//
// As an [http.Handler] it checks the sender, answers fast, and accepts only
// while Run drains: otherwise, and while its queue is full, it answers 503. It
// starts no goroutine of its own.
type EventSource interface {
	http.Handler
	Source() string
	// Run hands each accepted event to handle until ctx ends, and returns
	// ctx.Err() then. Events of one lead are handed over one after another, in
	// the order of their arrival; those of different leads may overlap.
	Run(ctx context.Context, handle func(ctx context.Context, event Event)) error
}

// HistoryEntry is something that happened, as a CRM kept it.
type HistoryEntry struct {
	// Event is of kind [EventLeadCreated] or [EventLeadMoved], and has its Status.
	Event Event
	// Position is behind the event: reading on from it yields what comes after.
	Position string
}

// HistoryReader is implemented by clients whose CRM keeps what happened to its
// leads, so that what was missed can be read later.
type HistoryReader interface {
	// HistoryEnd returns the position behind all that happened so far.
	HistoryEnd(ctx context.Context, kind string) (position string, err error)
	// ReadHistory yields what happened to leads of a kind behind the position, the
	// oldest first. An error is yielded last; reading on from the last position
	// misses nothing.
	ReadHistory(ctx context.Context, kind, position string) iter.Seq2[HistoryEntry, error]
}

// StatusWriter is implemented by clients that can change the CRM's own list.
type StatusWriter interface {
	// CreateStatus adds a status to the scope in status.Ref and returns it as
	// the CRM stored it. The CRM may choose another ID than the one asked for.
	CreateStatus(ctx context.Context, status Status) (Status, error)
	// UpdateStatus changes name, order and colour of the status named by
	// status.Ref and returns it as the CRM stored it.
	UpdateStatus(ctx context.Context, status Status) (Status, error)
	// DeleteStatus removes a status; [ErrRejected] if leads stand in it.
	DeleteStatus(ctx context.Context, ref Ref) error
}
