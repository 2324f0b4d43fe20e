package umnico

import (
	"context"
	"errors"
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
// that of Order. A row without an order comes after all those that have one.
//
// Account holds the account's ID. It is asked for with a second request behind the
// first list that is read with a token, and remembered, because a token belongs to
// one account. If that request fails, so does the whole call: a list that is not
// known to be of this account could be taken for that of another one. Only where
// Umnico itself says that the account may not be read (HTTP 403 or 404), which a
// user without rights may meet, is Account empty.
//
// The error is a [*crm.Error]. It is of kind [crm.ErrBadResponse] if the answer
// is not an array of statuses that each have an ID of their own, and of kind
// [crm.ErrUnauthorized] if Umnico refuses the token. An empty array is an empty
// list, not an error. The call is repeated where that may help, see [Options].
func (c *Client) ListStatuses(ctx context.Context) (crm.Listing, error) {
	response, a, err := c.do(ctx, crmhttp.Request{Op: opListStatuses, Path: pathStatuses})
	if err != nil {
		return crm.Listing{}, err
	}
	// Nothing is known of pages, a total or a limit of rows: the answer is the
	// whole list, as the known client takes it. If it turns out to have pages,
	// this is the place to read on.
	listing, err := c.listing(response)
	if err != nil {
		return crm.Listing{}, err
	}
	if listing.Account, err = c.accountNames(ctx, a); err != nil {
		return crm.Listing{}, err
	}
	if err := listing.Validate(); err != nil {
		return crm.Listing{}, err
	}
	c.listed.Note(&listing)
	return listing, nil
}

// accountNames returns the names of the account with whose access the list was read.
func (c *Client) accountNames(ctx context.Context, a *access) ([]string, error) {
	id := a.account.Load()
	if id == nil {
		account, by, err := c.readAccount(ctx, opListStatuses)
		switch {
		case errors.Is(err, crm.ErrForbidden), errors.Is(err, crm.ErrNotFound):
			return nil, nil // an answer: Umnico does not tell
		case err != nil:
			return nil, err
		case by != a:
			return nil, c.failure(opListStatuses, &crm.Error{
				Kind: crm.ErrUnavailable, Message: "the token was replaced while the list was read; read it again",
			})
		}
		id = &account.ID
	}
	return []string{*id}, nil
}

// listing returns the answer as a valid listing, or says why it is none.
func (c *Client) listing(response crmhttp.Response) (crm.Listing, error) {
	var rows []wireStatus
	if err := c.decodeList(opListStatuses, response, &rows); err != nil {
		return crm.Listing{}, err
	}
	listing := crm.Listing{
		Source:   c.Source(),
		Scopes:   []crm.Scope{{Name: scopeName}},
		Statuses: convertStatuses(c.Source(), rows, c.opts.Outcomes),
	}
	if err := listing.Validate(); err != nil {
		return crm.Listing{}, err
	}
	return listing, nil
}

// convertStatuses returns the rows as statuses. It judges none: a row without
// an ID stays one, and the listing is refused.
func convertStatuses(source string, rows []wireStatus, outcomes map[string]crm.Outcome) []crm.Status {
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
		outcome, named := outcomes[string(row.ID)]
		if !named {
			outcome = outcomes[string(row.Type)]
		}
		statuses[i] = crm.Status{
			Ref:     crm.Ref{Source: source, ID: string(row.ID)},
			Name:    crm.CleanName(string(row.Name)),
			Order:   order,
			Color:   crm.CleanColor(string(row.Color)),
			Outcome: outcome,
			Raw:     rawFields(row),
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
