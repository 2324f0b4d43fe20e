package statuslink

import (
	"errors"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// Policy chooses what a synchronisation does where there is a choice. Its zero
// value is the safest.
type Policy struct {
	// Conflict decides about a field, or a sequence, that both the bot and the
	// CRM changed, to different values.
	Conflict Conflict
	// Apart keeps the scopes of one source apart: a status with a link of that
	// source is never linked by name to another of its scopes. Stages of the
	// same name in two pipelines then become two statuses.
	Apart bool
	// LinkOnly links by name but never creates a status.
	LinkOnly bool
}

// Conflict is what is done about a field that both sides changed.
type Conflict string

// The choices. Each conflict is reported as a finding.
const (
	// KeepBot keeps the bot's value; the conflict is reported once.
	KeepBot Conflict = ""
	// CRMWins takes the CRM's value; the conflict is reported once.
	CRMWins Conflict = "crm-wins"
	// Leave keeps the bot's value and reports the conflict in every plan. (A
	// sequence is reported once only if the plan also creates or relinks
	// something in the scope, or the places of some were not known.)
	Leave Conflict = "leave"
)

// Field names what a [Change] or a [Finding] is about.
type Field string

// The fields.
const (
	FieldName    Field = "name"
	FieldColor   Field = "color"
	FieldOutcome Field = "outcome"
	FieldOrder   Field = "order"   // the place in the sequence
	FieldScope   Field = "scope"   // the name of a scope
	FieldAccount Field = "account" // the names of an account
)

// OperationKind says what an [Operation] does.
type OperationKind string

// The kinds of operations.
const (
	OpLink    OperationKind = "link"    // an existing status is linked by name
	OpCreate  OperationKind = "create"  // a status is created from the CRM's
	OpUpdate  OperationKind = "update"  // fields take the CRM's new values
	OpNote    OperationKind = "note"    // only the link's Base moves
	OpRevive  OperationKind = "revive"  // a missing link is listed again
	OpRelink  OperationKind = "relink"  // the CRM re-created the status under a new ID
	OpMissing OperationKind = "missing" // the CRM no longer lists it
	OpReorder OperationKind = "reorder" // the statuses led by a scope take the CRM's sequence
	OpScope   OperationKind = "scope"   // a scope or account becomes known or is renamed
)

// StatusRef names a status of the bot in a plan: by ID or, if the plan creates
// it, by the Ref that it is created from.
type StatusRef struct {
	ID  string  `json:"id,omitempty"`
	New crm.Ref `json:"new,omitzero"`
	// Name is the name that the status has once the plan is applied; what it
	// was before stands in the operation's Changes.
	Name string `json:"name"`
}

// Change is one value before and after.
type Change struct {
	Field  Field  `json:"field"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Operation is one step of a plan. It touches one link, except OpReorder, which
// touches those that lead a status of a scope, and OpScope, which touches none.
type Operation struct {
	Kind OperationKind `json:"kind"`
	// Ref is the CRM's status; without ID for OpReorder and OpScope.
	Ref crm.Ref `json:"ref"`
	// Was is the Ref before an OpRelink.
	Was crm.Ref `json:"was,omitzero"`
	// Status is the bot's status; zero for OpReorder and OpScope.
	Status StatusRef `json:"status,omitzero"`
	// Changes are the bot's fields that take a new value; for OpNote those of
	// the link's Base.
	Changes []Change `json:"changes,omitempty"`
	// Follows is the status right after which an OpCreate puts the new one;
	// zero if that becomes the first of the list.
	Follows StatusRef `json:"follows,omitzero"`
	// Before and After are the two sequences of an OpReorder.
	Before []StatusRef `json:"before,omitempty"`
	After  []StatusRef `json:"after,omitempty"`
	// Reason says why, for people.
	Reason string `json:"reason"`
}

// FindingKind says what a [Finding] is about.
type FindingKind string

// The kinds of findings.
const (
	FindingFailed       FindingKind = "failed"          // a source could not be read, or was refused
	FindingOtherAccount FindingKind = "other-account"   // a source is now another account
	FindingUnreadSource FindingKind = "unread-source"   // the store has links of a source without a client
	FindingUnreadScope  FindingKind = "unread-scope"    // the store has links of a scope that was not asked for
	FindingHeld         FindingKind = "held"            // a scope lost too much; nothing is concluded
	FindingAmbiguous    FindingKind = "ambiguous"       // several partners for a name
	FindingConflict     FindingKind = "conflict"        // both sides changed a field
	FindingDiffers      FindingKind = "differs"         // a first link found different values
	FindingOutcome      FindingKind = "outcome-differs" // a link's Outcome contradicts its status's
	FindingIgnored      FindingKind = "ignored"         // the CRM lists an ignored Ref
	FindingUnlinked     FindingKind = "unlinked"        // LinkOnly found no partner
	FindingTwins        FindingKind = "twin-name"       // several statuses have one name
	FindingInvalid      FindingKind = "invalid-value"   // the CRM gave a value that cannot be kept
)

// Finding is something that a plan noticed. It comes back equal in every plan
// until its cause goes.
type Finding struct {
	Kind FindingKind `json:"kind"`
	// Scope is where; its ID is empty also for findings about a whole source,
	// and both are empty for those about the bot's own list.
	Scope ScopeKey `json:"scope,omitzero"`
	// Ref is the CRM's status concerned, if it is about one.
	Ref crm.Ref `json:"ref,omitzero"`
	// Status is the bot's status concerned, if it is about one.
	Status StatusRef `json:"status,omitzero"`
	// Field, Bot and CRM are the field concerned and its values.
	Field Field  `json:"field,omitempty"`
	Bot   string `json:"bot,omitempty"`
	CRM   string `json:"crm,omitempty"`
	// Candidates are the statuses to choose from, at most ten; More counts the
	// rest.
	Candidates []StatusRef `json:"candidates,omitempty"`
	More       int         `json:"more,omitempty"`
	// Account holds the names of the other account.
	Account []string `json:"account,omitempty"`
	// Message says what was found and what to do, for people.
	Message string `json:"message"`
	// Err is the error of a source that failed.
	Err error `json:"-"`
}

// Attention reports whether a person should decide or mend something.
func (f *Finding) Attention() bool {
	switch f.Kind {
	case FindingFailed, FindingOtherAccount, FindingUnreadSource, FindingHeld, FindingAmbiguous,
		FindingConflict, FindingOutcome, FindingInvalid:
		return true
	}
	return false
}

// Plan is what a synchronisation would do, and what it noticed. It is made by
// [Syncer.Plan], is immutable, and is safe for concurrent use. It prints as a
// table and encodes to JSON; it is never decoded.
type Plan struct {
	input
	operations []Operation
	findings   []Finding
	digest     string
	err        error
	read       []string // sources that were read and not refused

	// draft of the changes: pendingTime stands for the instant of the Apply,
	// and created statuses have no ID yet.
	updates []draft
	creates []Status
	scopes  []Scope
	account []Account

	owner  *Syncer
	madeAt time.Time
}

type draft struct {
	status  Status
	touched bool // by an operation, not only renumbered
}

// Operations returns a copy of the operations, grouped by source and scope in
// the order in which they were read.
func (p *Plan) Operations() []Operation {
	operations := slices.Clone(p.operations)
	for i := range operations {
		op := &operations[i]
		op.Changes = slices.Clone(op.Changes)
		op.Before, op.After = slices.Clone(op.Before), slices.Clone(op.After)
	}
	return operations
}

// Findings returns a copy of the findings, in the same order.
func (p *Plan) Findings() []Finding {
	findings := slices.Clone(p.findings)
	for i := range findings {
		f := &findings[i]
		f.Candidates, f.Account = slices.Clone(f.Candidates), slices.Clone(f.Account)
	}
	return findings
}

// Attention returns the findings that a person should look at.
func (p *Plan) Attention() []Finding {
	return slices.DeleteFunc(p.Findings(), func(f Finding) bool { return !f.Attention() })
}

// Empty reports whether the plan does nothing. It may still have findings.
func (p *Plan) Empty() bool { return len(p.operations) == 0 }

// Err joins the errors of the sources that could not be read or were refused;
// nil if there are none. The rest of the plan stands.
func (p *Plan) Err() error { return p.err }

// Version returns the version of the store that the plan was made from.
func (p *Plan) Version() uint64 { return p.snapshot.version }

// Digest identifies what the plan does and asks to be confirmed: operations,
// conflicts and differences, held and refused parts, and policy, but neither
// reasons nor times nor the store's version. Two plans with the same digest do
// the same.
func (p *Plan) Digest() string { return p.digest }

// Release returns a new plan, with a digest of its own, in which the scopes are
// no longer held: what their lists lack is marked missing. Do it after looking
// at the CRM. Scopes that are not held are passed over. Nothing is read again.
func (p *Plan) Release(scopes ...ScopeKey) *Plan {
	in := p.input
	for _, finding := range p.findings {
		if finding.Kind == FindingHeld && slices.Contains(scopes, finding.Scope) {
			in.released = append(slices.Clone(in.released), finding.Scope)
		}
	}
	slices.SortFunc(in.released, compareScopes)
	next := diff(in)
	next.owner, next.madeAt = p.owner, p.madeAt
	return next
}

// Held returns the scopes that are held, for [Plan.Release].
func (p *Plan) Held() []ScopeKey {
	var held []ScopeKey
	for _, finding := range p.findings {
		if finding.Kind == FindingHeld {
			held = append(held, finding.Scope)
		}
	}
	return held
}

// pendingTime stands for the instant of the Apply in a draft. No stored time
// equals it, since those are in whole microseconds.
func pendingTime() time.Time { return time.Unix(0, 1).UTC() }

// changes returns the plan as a change of the store at the instant now.
func (p *Plan) changes(now time.Time, newID func() string) Changes {
	now = instant(now)
	c := Changes{Version: p.snapshot.version, Scopes: p.scopes, Accounts: p.account}
	date := func(s Status) Status {
		for i := range s.Links {
			if l := &s.Links[i]; l.LinkedAt.Equal(pendingTime()) {
				l.LinkedAt = now
			}
			if l := &s.Links[i]; l.MissingSince.Equal(pendingTime()) {
				l.MissingSince = now
			}
		}
		return s
	}
	for _, d := range p.updates {
		s := date(d.status.Clone())
		if d.touched {
			s.Updated = now
		}
		c.Update = append(c.Update, s)
	}
	for i := range p.creates {
		s := date(p.creates[i].Clone())
		s.ID, s.Created, s.Updated = newID(), now, now
		c.Create = append(c.Create, s)
	}
	return c
}

// joinFailures joins the errors of the findings.
func joinFailures(findings []Finding) error {
	var errs []error
	for i := range findings {
		if findings[i].Err != nil {
			errs = append(errs, findings[i].Err)
		}
	}
	return errors.Join(errs...)
}
