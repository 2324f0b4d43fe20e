package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opBoundEvents = "list bound events"

	methodEventGet    = "event.get"
	methodEventBind   = "event.bind"
	methodEventUnbind = "event.unbind"
)

// EventNames returns the portal's names for what happens to leads of a Kind: that
// they are made, changed and deleted, and with deals that they come into another
// pipeline, which the portal does not count as a change
// (https://apidocs.bitrix24.com/api-reference/crm/deals/events/index.html). It
// returns nil for what is no Kind.
func EventNames(kind string) []string {
	typeID, known := typeOf(kind)
	name := "DYNAMICITEM"
	switch {
	case !known:
		return nil
	case typeID == typeLead:
		name = "LEAD"
	case typeID == typeDeal:
		name = "DEAL"
	case typeID == typeQuote:
		name = "QUOTE"
	}
	var names []string
	for _, what := range []string{"ADD", "UPDATE", "DELETE"} {
		full := "ONCRM" + name + what
		if name == "DYNAMICITEM" {
			full += "_" + strconv.Itoa(typeID)
		}
		names = append(names, full)
	}
	if typeID == typeDeal {
		names = append(names, "ONCRMDEALMOVETOCATEGORY")
	}
	return names
}

// Binding is an event that the portal sends to a handler of the application.
type Binding struct {
	// Event is its name in capital letters: "ONCRMLEADUPDATE".
	Event string
	// Handler is the address that it is sent to; empty for offline events.
	Handler string
	// User is the number of the user in whose name the tokens beside the event
	// are; empty for the one who causes it.
	User string
	// Offline events are kept by the portal until they are fetched.
	Offline bool
}

// BoundEvents returns the events that the application has bound, in the portal's
// sequence. It needs an application, see [NewForApp]; with a webhook it is
// [crm.ErrForbidden]
// (https://apidocs.bitrix24.com/api-reference/events/event-get.html).
func (c *Client) BoundEvents(ctx context.Context) ([]Binding, error) {
	result, err := c.call(ctx, opBoundEvents, Call{Method: methodEventGet, Idempotent: true}, false)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		Event   crmhttp.Text `json:"event"`
		Handler crmhttp.Text `json:"handler"`
		User    crmhttp.Text `json:"auth_type"`
		Offline crmhttp.Int  `json:"offline"`
	}
	if err := json.Unmarshal(result.Value, &rows); err != nil {
		return nil, c.failure(opBoundEvents, &crm.Error{Kind: crm.ErrBadResponse, Message: "no list of events"})
	}
	bindings := make([]Binding, len(rows))
	for i, row := range rows {
		bindings[i] = Binding{
			Event: strings.ToUpper(string(row.Event)), Handler: string(row.Handler),
			User: string(row.User), Offline: row.Offline.Value != 0,
		}
		if row.User == "0" {
			bindings[i].User = ""
		}
	}
	return bindings, nil
}

// BindEvents sees to it that the portal sends the events to the handler's address,
// and binds those that it does not yet: calling it again does nothing. Handlers are
// forgotten when an application is updated, so it is to be called at each of its
// installations, at the earliest when that is finished. At most 50 events. It needs
// an application whose user is an administrator
// (https://apidocs.bitrix24.com/api-reference/events/event-bind.html).
func (c *Client) BindEvents(ctx context.Context, handler string, events ...string) error {
	missing, err := c.unbound(ctx, handler, events)
	if err != nil || len(missing) == 0 {
		return err
	}
	results, err := c.Batch(ctx, false, eventCalls(methodEventBind, handler, missing)...)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(results, func(r Result) bool { return r.Err != nil }) {
		return nil
	}
	// The code for a handler that is bound already says nothing; look again.
	still, err := c.unbound(ctx, handler, missing)
	if err != nil {
		return err
	}
	var failures []error
	for i := range results {
		if results[i].Err != nil && slices.Contains(still, missing[i]) {
			failures = append(failures, results[i].Err)
		}
	}
	return errors.Join(failures...)
}

// UnbindEvents sees to it that the portal does not send the events to the handler's
// address, and returns how many it did
// (https://apidocs.bitrix24.com/api-reference/events/event-unbind.html). At most 50
// events.
func (c *Client) UnbindEvents(ctx context.Context, handler string, events ...string) (int, error) {
	if len(events) == 0 {
		return 0, nil
	}
	results, err := c.Batch(ctx, false, eventCalls(methodEventUnbind, handler, events)...)
	if err != nil {
		return 0, err
	}
	removed := 0
	var failures []error
	for i := range results {
		var said struct {
			Count crmhttp.Int `json:"count"`
		}
		if err := results[i].Err; err != nil {
			failures = append(failures, err)
			continue
		}
		if err := results[i].Decode(&said); err != nil {
			failures = append(failures, c.failure(methodEventUnbind, &crm.Error{Kind: crm.ErrBadResponse, Message: "no number of handlers"}))
		}
		removed += said.Count.Value
	}
	return removed, errors.Join(failures...)
}

// unbound returns those of the events that are not sent to the handler.
func (c *Client) unbound(ctx context.Context, handler string, events []string) ([]string, error) {
	bound, err := c.BoundEvents(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(events), func(event string) bool {
		return slices.ContainsFunc(bound, func(b Binding) bool {
			return strings.EqualFold(b.Event, event) && b.Handler == handler && !b.Offline
		})
	}), nil
}

// eventCalls returns one call for each event. Neither method is dangerous twice:
// both end with the same.
func eventCalls(method, handler string, events []string) []Call {
	var calls []Call
	for _, event := range events {
		calls = append(calls, Call{Method: method, Params: Params{"event": event, "handler": handler}, Idempotent: true})
	}
	return calls
}
