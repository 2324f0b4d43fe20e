package umnico

import (
	"bytes"
	"context"
	"math"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opListStatuses = "list statuses"
	// The call is known from a client in use; no page about it could be read.
	pathStatuses = "/v1.3/statuses"
	// scopeName names the only list. No pipelines are known in Umnico: a lead
	// carries a statusId and nothing beside it
	// (https://api.umnico.com/docs/ru/apiMethods/leads.html).
	scopeName = "Leads"
)

// ListStatuses returns the account's whole status list: one scope without an
// ID, with the rows in the order in which Umnico gave them, which need not be
// that of Order. Account is empty. A row without an order comes after all those
// that have one.
//
// The error is a [*crm.Error]. It is of kind [crm.ErrBadResponse] if the answer
// is not an array of statuses that each have an ID of their own, and of kind
// [crm.ErrUnauthorized] if Umnico refuses the token. An empty array is an empty
// list, not an error. The call is repeated where that may help, see [Options].
func (c *Client) ListStatuses(ctx context.Context) (crm.Listing, error) {
	response, err := c.http.Do(ctx, crmhttp.Request{Op: opListStatuses, Path: pathStatuses})
	if err != nil {
		return crm.Listing{}, err
	}
	// Nothing is known of pages, a total or a limit of rows: the answer is the
	// whole list, as the known client takes it. If it turns out to have pages,
	// this is the place to read on.
	return c.listing(response)
}

// listing returns the answer as a valid listing, or says why it is none.
func (c *Client) listing(response crmhttp.Response) (crm.Listing, error) {
	rows, err := c.decodeStatuses(response)
	if err != nil {
		return crm.Listing{}, err
	}
	listing := crm.Listing{
		Source:   c.Source(),
		Scopes:   []crm.Scope{{Name: scopeName}},
		Statuses: convertStatuses(c.Source(), rows),
	}
	if err := listing.Validate(); err != nil {
		return crm.Listing{}, err
	}
	return listing, nil
}

// decodeStatuses decodes the answer, which has to be an array.
func (c *Client) decodeStatuses(response crmhttp.Response) ([]wireStatus, error) {
	// A list is an array without a wrapper
	// (https://api.umnico.com/docs/apiMethods/managers.html).
	if bytes.HasPrefix(bytes.TrimSpace(response.Body), []byte("{")) {
		message := "an object instead of a list"
		if text := errorText(response.Body); text != "" {
			message += ": " + text
		}
		return nil, c.http.Error(opListStatuses, &crm.Error{
			Kind: crm.ErrBadResponse, Status: response.Status, Message: message,
		})
	}
	var rows []wireStatus
	if err := c.http.Decode(opListStatuses, response, &rows); err != nil {
		return nil, err
	}
	return rows, nil
}

// convertStatuses returns the rows as statuses. It judges none: a row without
// an ID stays one, and the listing is refused.
func convertStatuses(source string, rows []wireStatus) []crm.Status {
	statuses := make([]crm.Status, len(rows))
	last := 0
	for i := range rows {
		last = max(last, rows[i].Order.Value)
	}
	for i := range rows {
		row := &rows[i]
		order := row.Order.Value
		if !row.Order.Known {
			if last < math.MaxInt {
				last++
			}
			order = last
		}
		statuses[i] = crm.Status{
			Ref:   crm.Ref{Source: source, ID: string(row.ID)},
			Name:  crm.CleanName(string(row.Name)),
			Order: order,
			Color: crm.CleanColor(string(row.Color)),
			Raw:   rawFields(row),
		}
	}
	return statuses
}

// rawFields returns what has no field of its own: the type, whose meaning is
// unknown, and a colour in an unknown form.
func rawFields(row *wireStatus) map[string]string {
	var raw map[string]string
	set := func(name, value string) {
		if value == "" {
			return
		}
		if raw == nil {
			raw = make(map[string]string, 2)
		}
		raw[name] = value
	}
	set("type", string(row.Type))
	if color := string(row.Color); crm.CleanColor(color) == "" {
		set("color", color)
	}
	return raw
}
