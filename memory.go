package statuslink

import (
	"context"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// LeadState is what [Leads.Follow] knows of a lead: what it told last, or reported to
// [LeadsOptions.Unlinked]. The zero value knows nothing. It is comparable, but for
// MovedAt, whose time zone may get lost on the way: compare that with Equal. It may be
// kept as JSON or in columns.
type LeadState struct {
	// Status is where the lead stood. It stands there too if nothing was told because
	// no status of the bot was linked to it; StatusID is empty then.
	Status crm.Ref `json:"status,omitzero"`
	// StatusID is the ID of the bot's status.
	StatusID string `json:"statusId,omitempty"`
	// MovedAt is [crm.Lead.MovedAt], zero where the CRM does not say. A state that is
	// older is never told. At least whole seconds of it have to be kept; cut it, and do
	// not round.
	MovedAt time.Time `json:"movedAt,omitzero"`
	// Deleted says that the lead is gone. Nothing else is set then.
	Deleted bool `json:"deleted,omitempty"`
}

// LeadMemory keeps lead states where they outlive the process, and for several
// replicas of a bot that hear of the same leads. It is safe for concurrent use.
//
// It holds what was told. What [Leads.Set] returned is known to its own process only,
// until that tells of the lead.
//
// Its one method is all that a replica needs to be alone with a lead: a method that
// loads and one that stores would let two replicas tell the same change, or the older
// of two after the newer, whatever they compare when they store.
type LeadMemory interface {
	// Update calls change once with the lead's state, the zero one if none is kept,
	// and keeps what it returns, unless it returns an error: that is returned, and
	// the state stays. A returned state equal to the given one need not be written.
	//
	// Until change returns, no other Update of the same lead may be in its own, in
	// this process or another; those of different leads must not wait for each other.
	// In a database this is a transaction with a lock on the lead's row, or an
	// advisory one where there is no row yet. change takes as long as reading the
	// lead and the callback of [Leads.Follow] take; for a lead on an unlinked status
	// also as long as reading the CRM's list, which is given up after 20 seconds, and
	// [LeadsOptions.Unlinked]. So what change calls must not call Update for the lead.
	//
	// change is called with ctx or one made of it, which the callback gets: if it
	// holds the transaction, what the callback writes there and the state are kept
	// both or not at all, and so each change is told once in effect.
	//
	// After an error of Update itself the change is told again.
	Update(ctx context.Context, lead crm.LeadRef, change func(ctx context.Context, state LeadState) (LeadState, error)) error
}
