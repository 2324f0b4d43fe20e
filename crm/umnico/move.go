package umnico

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const opMoveLead = "move lead"

var _ crm.LeadMover = (*Client)(nil)

// MoveRequest is the request that puts a lead into a status, see [Options.Move].
type MoveRequest struct {
	// Method is the HTTP method; empty means PUT.
	Method string
	// Path is the address behind the base URL, with its parts escaped; empty means
	// "/v1.3/leads/{id}".
	Path string
	// Body is encoded as JSON; nil is none.
	Body any
}

// defaultMove is the request that is most likely to be the right one.
func defaultMove(lead crm.LeadRef, to crm.Ref) MoveRequest {
	return MoveRequest{http.MethodPut, pathLead + lead.ID, map[string]any{"statusId": idValue(to.ID)}}
}

// idValue returns an ID as Umnico writes it: as a number, if it is one.
func idValue(id string) any {
	if isNumber(id) {
		return json.Number(id)
	}
	return id
}

// MoveLead puts a lead into a status, and returns it as Umnico said that it stands
// afterwards. Repeating the call is safe, and the client does so by itself. Across
// means nothing: there is one list of statuses.
//
// How Umnico changes a lead's status is not confirmed, nor what it answers; see
// [Options.Move]. Therefore its answer is not believed, and the lead is read twice:
// before, and back. That makes three requests, or one where it stands in the status
// already, and nothing is written. If it still stands where it stood, the move is
// [crm.ErrNotApplied]. If it stands in a third status, a rule of the account moved it
// on, and that is success: the status of the lead that is returned says where to.
// Umnico does not say when a lead came to its status, so without the first reading
// these two could not be told apart; it looks like a move that was not applied when a
// rule moves the lead back to where it was.
//
// The error is of kind [crm.ErrRejected] if Umnico said no, also by not knowing the
// call, and of kind [crm.ErrNotFound] if it has no such lead. If the last listing
// that the client read does not hold the status, the list is read again unless it is
// younger than ten seconds, and the move is refused with [crm.ErrNotFound] before
// anything is written if the status is not there.
func (c *Client) MoveLead(ctx context.Context, move crm.Move) (crm.Lead, error) {
	if unfit := c.checkMove(move); unfit != nil {
		return crm.Lead{}, c.failure(opMoveLead, unfit)
	}
	if err := c.refuses(ctx, opMoveLead, move.To); err != nil {
		return crm.Lead{}, err
	}
	lead, _, err := c.moveLead(ctx, nil, opMoveLead, move)
	return lead, err
}

// checkMove returns why there can be no such move.
func (c *Client) checkMove(move crm.Move) *crm.Error {
	return cmp.Or(c.checkLead(move.Lead), c.checkStatus(move.To))
}

// moveLead makes a move that was checked, unless ended is closed before it writes.
// wrote says whether Umnico may have carried it out.
func (c *Client) moveLead(ctx context.Context, ended <-chan struct{}, op string, move crm.Move) (lead crm.Lead, wrote bool, err error) {
	before, err := c.readLead(ctx, op, move.Lead)
	if err != nil || before.Status == move.To {
		return before, false, err
	}
	select {
	case <-ended:
		return crm.Lead{}, false, c.failure(op, &crm.Error{Kind: crm.ErrUnavailable, Message: "the run ended before anything was written"})
	default:
	}
	response, err := c.write(ctx, op, move)
	if err != nil {
		return crm.Lead{}, true, err
	}
	after, err := c.readLead(ctx, op, move.Lead)
	if err != nil {
		return crm.Lead{}, true, err
	}
	if after.Status != move.To && after.Status == before.Status {
		message := fmt.Sprintf("Umnico said yes and left the lead in %q; it has no such status as %q, or changes a status by another call than Options.Move makes",
			after.Status.ID, move.To.ID)
		return crm.Lead{}, true, c.failure(op, &crm.Error{Kind: crm.ErrNotApplied, Status: response.Status, Message: hinted(message, errorText(response.Body))})
	}
	return after, true, nil
}

// write sends the request that moves the lead, which exists.
func (c *Client) write(ctx context.Context, op string, move crm.Move) (crmhttp.Response, error) {
	request := c.opts.Move(move.Lead, move.To)
	response, _, err := c.do(ctx, crmhttp.Request{
		Op: op, Method: cmp.Or(request.Method, http.MethodPut), Path: cmp.Or(request.Path, pathLead+move.Lead.ID),
		Body: request.Body, Idempotent: true,
	})
	return response, unknownCall(err)
}

// unknownCall returns the error with the kind that it has when Umnico does not know
// the call for moving a lead.
func unknownCall(err error) error {
	var e *crm.Error
	if !errors.As(err, &e) || e.Status != http.StatusNotFound && e.Status != http.StatusMethodNotAllowed {
		return err
	}
	unknown := *e
	unknown.Kind = crm.ErrRejected
	unknown.Message = hinted("Umnico has the lead, but not this status or not this call; how a status is changed is not confirmed, see Options.Move", e.Message)
	return &unknown
}

// refuses returns an error if the status surely does not exist.
func (c *Client) refuses(ctx context.Context, op string, status crm.Ref) error {
	if !c.listed.Lacks(ctx, status, c.ListStatuses) {
		return nil
	}
	return c.failure(op, &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf(
		"the account has no status %q; nothing was written", status.ID)})
}
