package umnicotest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Answer is what a successful change is answered with, where that is not known.
type Answer int

const (
	// AnswerObject is 200 with what was changed, as it stands afterwards.
	AnswerObject Answer = iota
	// AnswerEmptyObject is 200 with {}.
	AnswerEmptyObject
	// AnswerNothing is 204 without a body.
	AnswerNothing
)

// WrongStatus is what becomes of a change to a status that is not in the list.
type WrongStatus int

const (
	// RefuseWrongStatus answers 422.
	RefuseWrongStatus WrongStatus = iota
	// KeepStatus answers as if it were done, and does nothing.
	KeepStatus
	// StoreWrongStatus gives the lead the status that there is not.
	StoreWrongStatus
)

// StatusCall is how a lead's status is changed over the API. No public page or
// program shows that call, so all of it is assumed. The zero value is the most
// likely one: PUT /v1.3/leads/{id} with {"statusId": 710231}.
type StatusCall struct {
	// Method is the HTTP method; empty means PUT.
	Method string
	// Path has "{id}" for the lead, and may have "{status}" for the status, which
	// is not in the body then; empty means "/v1.3/leads/{id}".
	Path string
	// Field is the status's key in the body; empty means "statusId".
	Field string
	// Required are keys that the body must have too, such as "userId", if a part
	// of a lead is not enough. A body without one gets 422.
	Required []string
	// Answer is that to a success; [AnswerObject] is the lead.
	Answer Answer
	// Wrong says what a status that is not in the list does.
	Wrong WrongStatus
}

// SetStatusCall changes how a lead's status is changed over the API. The call of
// before gets 404 if its method or path was another.
//
// Whatever the call is, the body must be a JSON object with the status's number,
// which may not be a text, or the answer is 422; userId, amount, details and tags
// are stored if they are there, with 422 for a userId of no manager. The answer
// shows the lead after all rules of [Umnico.Automate].
func (u *Umnico) SetStatusCall(call StatusCall) {
	u.mu.Lock()
	defer u.mu.Unlock()
	call.Required = slices.Clone(call.Required)
	u.statusCall = call
}

// RefuseLead makes the API refuse every change of the lead's status with this HTTP
// status, such as 403 for a lead that may not be changed or 422 for one that lacks
// something. Reading goes on. An HTTP status of 0 takes it back. That Umnico
// refuses like this is assumed.
func (u *Umnico) RefuseLead(leadID, httpStatus int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refusals[leadID] = httpStatus
}

// SetEcho says whether what the API changes is an event too, as at the start.
// Whether Umnico tells those who made a change of it is not known.
func (u *Umnico) SetEcho(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.silent = !on
}

// match reports whether this is the call, and returns the texts in its path.
func (c *StatusCall) match(method, path string) (lead, status string, found bool) {
	if method != cmp.Or(c.Method, http.MethodPut) {
		return "", "", false
	}
	pattern := strings.Split(strings.TrimSuffix(cmp.Or(c.Path, PathLeads+"/{id}"), "/"), "/")
	parts := strings.Split(path, "/")
	if len(parts) != len(pattern) {
		return "", "", false
	}
	for i, part := range parts {
		switch pattern[i] {
		case "{id}":
			lead = part
		case "{status}":
			status = part
		case part:
		default:
			return "", "", false
		}
	}
	return lead, status, true
}

// leadChange is the known part of the body.
type leadChange struct {
	UserID  *int      `json:"userId"`
	Amount  *int      `json:"amount"`
	Details *string   `json:"details"`
	Tags    *[]string `json:"tags"`
}

// changeLead answers the call. It runs under mu.
func (u *Umnico) changeLead(id, statusText string, body []byte) (status int, answer []byte) {
	lead := u.leadByID[parseID(id)]
	switch {
	case lead == nil:
		return notFound()
	case u.refusals[lead.ID] != 0:
		return failure(u.refusals[lead.ID], http.StatusText(u.refusals[lead.ID]))
	}
	statusID, change, text := u.statusCall.read(statusText, body)
	if text != "" {
		return refused(text)
	}
	next := *lead
	if text := u.apply(change, &next); text != "" {
		return refused(text)
	}
	next.StatusID = statusID
	if _, err := u.find(statusID); err != nil {
		switch u.statusCall.Wrong {
		case KeepStatus:
			next.StatusID = lead.StatusID
		case StoreWrongStatus:
		default:
			return refused(fmt.Sprintf("Status %d doesn't exist for this account", statusID))
		}
	}
	u.save(lead, next, !u.silent)
	return u.statusCall.Answer.give(u.wireLead(lead))
}

// read returns what the request asks for, or the text of its refusal.
func (c *StatusCall) read(inPath string, body []byte) (statusID int, change leadChange, text string) {
	var fields map[string]json.RawMessage
	if len(body) > 0 || inPath == "" || len(c.Required) > 0 {
		if json.Unmarshal(body, &fields) != nil || fields == nil || json.Unmarshal(body, &change) != nil {
			return 0, change, "a JSON object is required"
		}
	}
	for _, key := range c.Required {
		if _, found := fields[key]; !found {
			return 0, change, key + " is required"
		}
	}
	if inPath != "" {
		return parseID(inPath), change, ""
	}
	field := cmp.Or(c.Field, "statusId")
	if json.Unmarshal(fields[field], &statusID) != nil || string(fields[field]) == "null" {
		return 0, change, field + " must be a number"
	}
	return statusID, change, ""
}

// apply puts what stands beside the status into a lead, or returns the text of
// the refusal. It runs under mu.
func (u *Umnico) apply(change leadChange, lead *Lead) (text string) {
	if change.UserID != nil {
		if !slices.ContainsFunc(u.managers, func(m Manager) bool { return m.ID == *change.UserID }) {
			return fmt.Sprintf("User %d doesn't exist for this account", *change.UserID)
		}
		lead.UserID = *change.UserID
	}
	if change.Amount != nil {
		lead.Amount = *change.Amount
	}
	if change.Details != nil {
		lead.Details = *change.Details
	}
	if change.Tags != nil {
		lead.Tags = *change.Tags
	}
	return ""
}

// give returns the answer.
func (a Answer) give(object any) (status int, body []byte) {
	switch a {
	case AnswerEmptyObject:
		return http.StatusOK, encode(struct{}{})
	case AnswerNothing:
		return http.StatusNoContent, nil
	default:
		return http.StatusOK, encode(object)
	}
}

// parseID returns an ID of a path, or 0, which is nobody's.
func parseID(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}
