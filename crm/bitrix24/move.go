package bitrix24

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opMoveLead   = "move lead"
	methodUpdate = "crm.item.update"
)

var _ crm.LeadMover = (*Client)(nil)

// MoveLead puts a lead, deal, quote, invoice or item of a smart process into a
// status, and returns it as the portal said that it stands afterwards. Across lets
// it go into another pipeline. Repeating the call is safe, and the client does so
// by itself.
//
// Bitrix24 may say yes to a stage that does not exist or that is one of another
// pipeline, and keep the old one; which of its versions do so, and which say no, is
// not documented. Therefore the answer is looked at: [crm.ErrNotApplied] means that
// the lead stands in another status, to which it did not come during the call. If
// it did, by the second, a rule of the portal moved it on, and that is success: the
// status of the lead that is returned says where to. It looks the same when a person
// put the lead elsewhere in the second in which the call began, and the portal kept
// it there, or when the lead goes Across to a stage that the other pipeline does not
// have: Bitrix24 puts it into the first one there with the same outcome.
//
// If the last listing that the client read covers the status's list, and the status
// is not in it, the list is read again unless it is younger than ten seconds, and the
// move is refused with [crm.ErrNotFound] before anything is written if the status is
// not there.
func (c *Client) MoveLead(ctx context.Context, move crm.Move) (crm.Lead, error) {
	m, unfit := c.newMoving(move)
	if unfit != nil {
		return crm.Lead{}, c.failure(opMoveLead, unfit)
	}
	if err := c.refuses(ctx, opMoveLead, move.To); err != nil {
		return crm.Lead{}, err
	}
	result, err := c.call(ctx, opMoveLead, Call{Method: methodUpdate, Params: m.params(), Idempotent: true}, false)
	if err != nil {
		return crm.Lead{}, err
	}
	if err := m.item.readOne(crmhttp.NewCursor(result.Value)); err != nil {
		return crm.Lead{}, c.failure(opMoveLead, &crm.Error{Kind: crm.ErrBadResponse, Message: err.Error()})
	}
	lead, failed := m.verify(result.Timing.Start)
	if failed != nil {
		return crm.Lead{}, c.failure(opMoveLead, failed)
	}
	return lead, nil
}

// moving is a move on its way.
type moving struct {
	move     crm.Move
	typeID   int
	category int  // that of the status wished for
	across   bool // the pipeline is set as well
	item     wireItem
}

// newMoving checks a move without asking the portal.
func (c *Client) newMoving(move crm.Move) (moving, *crm.Error) {
	typeID, unfit := c.checkLead(move.Lead)
	if unfit != nil {
		return moving{}, unfit
	}
	if move.To.Source != c.Source() || move.To.ID == "" {
		return moving{}, &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf(
			"%q of %q is no status of this portal; nothing was sent", move.To.ID, move.To.Source)}
	}
	category, fits := pipelineOf(typeID, move.To.Scope)
	if !fits {
		return moving{}, &crm.Error{Kind: crm.ErrRejected, Message: fmt.Sprintf(
			"a %s has no status in the list %q; nothing was sent", kindOf(typeID), move.To.Scope)}
	}
	return moving{
		move: move, typeID: typeID, category: category,
		across: move.Across && hasPipelines(typeID),
	}, nil
}

// params returns the parameters of crm.item.update
// (https://apidocs.bitrix24.com/api-reference/crm/universal/crm-item-update.html).
func (m *moving) params() Params {
	fields := Params{"stageId": m.move.To.ID}
	if m.across {
		fields["categoryId"] = m.category
	}
	return Params{"entityTypeId": m.typeID, "id": number64(m.move.Lead.ID), "fields": fields}
}

// query returns what params holds as the query of a command.
func (m *moving) query() string {
	b := make([]byte, 0, 96)
	b = strconv.AppendInt(append(b, "entityTypeId="...), int64(m.typeID), 10)
	if m.across {
		b = strconv.AppendInt(append(b, "&fields%5BcategoryId%5D="...), int64(m.category), 10)
	}
	b = append(append(b, "&fields%5BstageId%5D="...), url.QueryEscape(m.move.To.ID)...)
	return string(append(append(b, "&id="...), trimZeros(m.move.Lead.ID)...))
}

// verify says what the portal's answer means, given when it began with the call by
// its own clock.
func (m *moving) verify(start time.Time) (crm.Lead, *crm.Error) {
	lead, unfit := m.item.lead(m.move.Lead.Source, m.typeID)
	if unfit != nil {
		return crm.Lead{}, unfit
	}
	if !sameID(string(m.item.ID), m.move.Lead.ID) {
		return crm.Lead{}, &crm.Error{Kind: crm.ErrBadResponse, Message: "the answer is about another lead"}
	}
	lead.Ref = m.move.Lead
	if lead.Status == m.move.To {
		return lead, nil
	}
	// The portal says when the item moved to the second, so one that had come there in
	// the very second of the call is taken for moved on.
	if !start.IsZero() && !lead.MovedAt.Before(start.Truncate(time.Second)) {
		return lead, nil
	}
	return crm.Lead{}, &crm.Error{Kind: crm.ErrNotApplied, Message: fmt.Sprintf(
		"the portal said yes and left the lead in %q of %q; it has no such status as %q in the lead's pipeline, or a rule forbids the move",
		lead.Status.ID, lead.Status.Scope, m.move.To.ID)}
}

// refuses returns an error if the status surely does not exist.
func (c *Client) refuses(ctx context.Context, op string, status crm.Ref) error {
	if !c.listed.Lacks(ctx, status, c.ListStatuses) {
		return nil
	}
	return c.failure(op, &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf(
		"the portal has no status %q in %q; nothing was written", status.ID, status.Scope)})
}
