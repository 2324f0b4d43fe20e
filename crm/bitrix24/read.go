package bitrix24

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opReadLead  = "read lead"
	opReadLeads = "read leads"
	opListLeads = "list leads"

	methodGet  = "crm.item.get"
	methodList = "crm.item.list"

	// pageRows is how many rows a page of a list has
	// (https://apidocs.bitrix24.com/settings/how-to-call-rest-api/list-methods-pecularities.html).
	pageRows = 50
)

// The interfaces of package crm that the client has beside [crm.Client].
var (
	_ crm.LeadReader = (*Client)(nil)
	_ crm.BulkReader = (*Client)(nil)
	_ crm.LeadLister = (*Client)(nil)
)

// ReadLead returns a lead, deal, quote, invoice or item of a smart process as it
// stands now: see [KindLead] and its neighbours for the Kind. [crm.ErrNotFound] if
// there is none, or the Kind or the ID cannot be one. A portal that works without
// leads has none to read.
func (c *Client) ReadLead(ctx context.Context, lead crm.LeadRef) (crm.Lead, error) {
	typeID, unfit := c.checkLead(lead)
	if unfit != nil {
		return crm.Lead{}, c.failure(opReadLead, unfit)
	}
	result, err := c.call(ctx, opReadLead, Call{
		Method: methodGet, Params: Params{"entityTypeId": typeID, "id": number64(lead.ID)}, Idempotent: true,
	}, false)
	if err != nil {
		return crm.Lead{}, err
	}
	var item wireItem
	if err := item.readOne(crmhttp.NewCursor(result.Value)); err != nil {
		return crm.Lead{}, c.failure(opReadLead, &crm.Error{Kind: crm.ErrBadResponse, Message: err.Error()})
	}
	if !sameID(string(item.ID), lead.ID) {
		return crm.Lead{}, c.failure(opReadLead, &crm.Error{Kind: crm.ErrBadResponse, Message: "the answer is about another lead"})
	}
	return item.lead(c.Source(), typeID), nil
}

// ReadLeads reads many leads in one request for each 2,500. A lead that the list
// of the portal does not show has an Err of kind [crm.ErrNotFound]: it does not
// exist, or the one who signed in may not see it.
func (c *Client) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	results := make([]crm.LeadResult, len(leads))
	found := map[crm.LeadRef]crm.Lead{}
	var cs commands
	var pages []*[]wireItem
	var types []int
	send := func() error {
		if len(cs) == 0 {
			return nil
		}
		if _, err := c.readAll(ctx, opReadLeads, cs); err != nil {
			return err
		}
		for i, page := range pages {
			for j := range *page {
				lead := (*page)[j].lead(c.Source(), types[i])
				found[lead.Ref] = lead
			}
		}
		cs, pages, types = nil, nil, nil
		return nil
	}
	for typeID, ids := range c.byType(leads, results) {
		for len(ids) > 0 {
			n := min(pageRows, len(ids))
			page := new([]wireItem)
			cs = append(cs, command{"l" + strconv.Itoa(len(cs)), methodList, idQuery(typeID, ids[:n]), func(cursor *crmhttp.Cursor) error {
				return readItems(cursor, page)
			}})
			pages, types, ids = append(pages, page), append(types, typeID), ids[n:]
			if len(cs) == maxCommands {
				if err := send(); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := send(); err != nil {
		return nil, err
	}
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		lead, ok := found[c.canonical(leads[i])]
		if !ok {
			results[i].Err = c.failure(opReadLeads, &crm.Error{Kind: crm.ErrNotFound, Message: "the portal does not list the lead"})
			continue
		}
		results[i].Lead = lead
	}
	return results, nil
}

// byType yields the IDs of leads of one type after another, each once. Leads that
// cannot be get their error.
func (c *Client) byType(leads []crm.LeadRef, results []crm.LeadResult) iter.Seq2[int, []string] {
	var types []int
	ids := map[int][]string{}
	seen := map[crm.LeadRef]bool{}
	for i, lead := range leads {
		typeID, unfit := c.checkLead(lead)
		if unfit != nil {
			results[i].Err = c.failure(opReadLeads, unfit)
			continue
		}
		lead = c.canonical(lead)
		if seen[lead] {
			continue
		}
		seen[lead] = true
		if len(ids[typeID]) == 0 {
			types = append(types, typeID)
		}
		ids[typeID] = append(ids[typeID], lead.ID)
	}
	return func(yield func(int, []string) bool) {
		for _, typeID := range types {
			if !yield(typeID, ids[typeID]) {
				return
			}
		}
	}
}

// canonical returns the one form of a lead's identity in which the portal's answers
// give it.
func (c *Client) canonical(lead crm.LeadRef) crm.LeadRef {
	if lead.Kind == "" {
		lead.Kind = KindLead
	}
	lead.ID = trimZeros(lead.ID)
	return lead
}

// idQuery returns the query of a list of the items with these IDs.
func idQuery(typeID int, ids []string) string {
	query, _ := listParams(typeID, Params{"@id": ids}, itemFields).query() // holds texts and numbers only
	return query
}

// listParams returns the parameters of a list of items. Counting the rows is
// switched off: it costs the portal the most
// (https://apidocs.bitrix24.com/settings/performance/huge-data.html).
func listParams(typeID int, filter Params, fields []string) Params {
	return Params{
		"entityTypeId": typeID, "select": fields, "filter": filter,
		"order": Params{"id": "ASC"}, "start": -1,
	}
}

// ListLeads yields the leads of a Kind that stand in one of the statuses, in
// the sequence of their IDs, which is that in which they were made; 50 come with
// each request.
//
// Each comes once, as it stood when its page was read. A lead that comes into one
// of the statuses behind the page that was read last is not missed, nor is one that
// stands there all the time; one that comes before it is, and one that leaves may
// be there or not.
func (c *Client) ListLeads(ctx context.Context, query crm.LeadQuery) iter.Seq2[crm.Lead, error] {
	return func(yield func(crm.Lead, error) bool) {
		filter, typeID, unfit := c.filter(query)
		if unfit != nil {
			yield(crm.Lead{}, c.failure(opListLeads, unfit))
			return
		}
		wanted := map[crm.Ref]bool{}
		for _, status := range query.Statuses {
			wanted[status] = true
		}
		last := int64(0)
		for {
			filter[">id"] = last
			page, err := c.leadPage(ctx, typeID, filter, last)
			if err != nil {
				yield(crm.Lead{}, err)
				return
			}
			for i := range page {
				last = number64(string(page[i].ID))
				lead := page[i].lead(c.Source(), typeID)
				if len(wanted) > 0 && !wanted[lead.Status] {
					continue // it moved, or the same stage stands in another pipeline
				}
				if !yield(lead, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
		}
	}
}

// filter returns the filter of a query.
func (c *Client) filter(query crm.LeadQuery) (Params, int, *crm.Error) {
	typeID, known := typeOf(query.Kind)
	if !known {
		return nil, 0, &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf("%q is no kind of lead", query.Kind)}
	}
	filter := Params{}
	var stages []string
	for _, status := range query.Statuses {
		if _, fits := pipelineOf(typeID, status.Scope); !fits || status.Source != c.Source() || status.ID == "" {
			return nil, 0, &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf(
				"a %s cannot stand in %q of %q in %q", kindOf(typeID), status.ID, status.Scope, status.Source)}
		}
		stages = append(stages, status.ID)
	}
	if len(stages) > 0 {
		filter["@stageId"] = stages
	}
	return filter, typeID, nil
}

// leadPage returns the page of items behind the ID last.
func (c *Client) leadPage(ctx context.Context, typeID int, filter Params, last int64) ([]wireItem, error) {
	result, err := c.call(ctx, opListLeads, Call{Method: methodList, Params: listParams(typeID, filter, itemFields), Idempotent: true}, false)
	if err != nil {
		return nil, err
	}
	var page []wireItem
	if err := readItems(crmhttp.NewCursor(result.Value), &page); err != nil {
		return nil, c.failure(opListLeads, &crm.Error{Kind: crm.ErrBadResponse, Message: err.Error()})
	}
	for i := range page {
		id := number64(string(page[i].ID))
		if id <= last {
			return nil, c.failure(opListLeads, &crm.Error{Kind: crm.ErrIncomplete, Message: "the portal does not keep to the sequence of IDs that was asked for"})
		}
		last = id
	}
	return page, nil
}

// number64 returns the number of an ID; 0 if it is none.
func number64(id string) int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func trimZeros(id string) string {
	if trimmed := strings.TrimLeft(id, "0"); trimmed != "" {
		return trimmed
	}
	return id
}

func sameID(a, b string) bool { return trimZeros(a) == trimZeros(b) }
