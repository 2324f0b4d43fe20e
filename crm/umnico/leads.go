package umnico

import (
	"fmt"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// pathLead is where a lead is, with its ID behind it.
const pathLead = "/v1.3/leads/"

// checkLead returns why the account has no such lead. A number is the only form of
// an ID that is documented, and "inbox" in its place would be a list.
func (c *Client) checkLead(lead crm.LeadRef) *crm.Error {
	no := func(why string) *crm.Error {
		return &crm.Error{Kind: crm.ErrNotFound, Message: why + "; nothing was sent"}
	}
	switch {
	case lead.Source != c.Source():
		return no(fmt.Sprintf("the lead is one of %q", lead.Source))
	case lead.Kind != "":
		return no(fmt.Sprintf("Umnico has one kind of lead without a name, and not %q", lead.Kind))
	case !isNumber(lead.ID):
		return no("the lead's ID is no number of one")
	}
	return nil
}

// checkStatus returns why the account has no such status.
func (c *Client) checkStatus(status crm.Ref) *crm.Error {
	if status.Source != c.Source() || status.Scope != "" || status.ID == "" {
		return &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf(
			"%q of %q in %q is no status of this account; nothing was sent", status.ID, status.Scope, status.Source)}
	}
	return nil
}

// isNumber reports whether the ID is a number as Umnico writes its own.
func isNumber(id string) bool {
	return id != "" && len(id) <= 18 && id[0] != '0' && strings.Trim(id, "0123456789") == ""
}

// lead returns the row as a lead; false if it lacks its ID or its status.
func (w *wireLead) lead(source string) (crm.Lead, bool) {
	return crm.Lead{
		Ref:    crm.LeadRef{Source: source, ID: string(w.ID)},
		Status: crm.Ref{Source: source, ID: string(w.Status)},
	}, w.ID != "" && w.Status != ""
}
