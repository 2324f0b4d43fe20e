package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
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
// stands now, with the Ref that it was asked for by: see [KindLead] and its
// neighbours for the Kind. [crm.ErrNotFound] if there is none, or the Kind or the ID
// cannot be one. A portal that works without leads has none to read.
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
	read, unfit := item.lead(c.Source(), typeID)
	if unfit != nil {
		return crm.Lead{}, c.failure(opReadLead, unfit)
	}
	read.Ref = lead
	return read, nil
}

// ReadLeads reads many leads, 50 of one Kind with each command of a batch, and so
// 2,500 of one Kind with each request. Each has the Ref that it was asked for by. A
// lead that the list of the portal does not show has an Err of kind
// [crm.ErrNotFound]: it does not exist, or the one who signed in may not see it.
// What the portal says of a command that fails is the Err of its leads, so that
// those of a smart process that is gone do not make the others fail.
func (c *Client) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	results := make([]crm.LeadResult, len(leads))
	found := map[crm.LeadRef]crm.LeadResult{}
	for pages := range slices.Chunk(c.idPages(leads, results), maxCommands) {
		if err := c.readIDs(ctx, pages, found); err != nil {
			return nil, err
		}
	}
	for i := range results {
		if results[i].Err != nil {
			continue
		}
		result, ok := found[c.canonical(leads[i])]
		switch {
		case !ok:
			results[i].Err = c.failure(opReadLeads, &crm.Error{Kind: crm.ErrNotFound, Message: "the portal does not list the lead"})
		case result.Err != nil:
			results[i].Err = result.Err
		default:
			results[i].Lead = result.Lead
			results[i].Lead.Ref = leads[i]
		}
	}
	return results, nil
}

// idPage is a list of items by their IDs, of which there are as many as it shows.
type idPage struct {
	typeID int
	ids    []string
	rows   []wireItem
	broken error // what cannot be read of the answer
}

// idPages returns pages with all leads, each once. Leads that cannot be get their
// error.
func (c *Client) idPages(leads []crm.LeadRef, results []crm.LeadResult) []*idPage {
	var pages []*idPage
	last := map[int]*idPage{} // by type
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
		page := last[typeID]
		if page == nil || len(page.ids) == pageRows {
			page = &idPage{typeID: typeID}
			pages, last[typeID] = append(pages, page), page
		}
		page.ids = append(page.ids, lead.ID)
	}
	return pages
}

// readIDs reads pages with one request, and puts what it says into found. Its error
// tells that none of them could be read.
func (c *Client) readIDs(ctx context.Context, pages []*idPage, found map[crm.LeadRef]crm.LeadResult) error {
	cs := make(commands, len(pages))
	for i, page := range pages {
		cs[i] = command{"l" + strconv.Itoa(i), methodList, idQuery(page.typeID, page.ids), func(cursor *crmhttp.Cursor) error {
			page.broken = readItems(cursor, &page.rows)
			return nil // it is looked at below, also where another command failed
		}}
	}
	response, err := c.post(ctx, request{op: opReadLeads, method: methodBatch, idempotent: true, body: func(token string) ([]byte, error) {
		return cs.encode(false, token)
	}})
	if err != nil {
		return c.overBudget(err, methodBatch)
	}
	said, err := c.decodeBatch(opReadLeads, cs, response)
	if err != nil {
		return c.overBudget(err, methodBatch)
	}
	var failure error // that is none of a single Kind
	answered := false
	for i, page := range pages {
		r := &said[i]
		switch {
		case r.err != nil:
			err := c.overBudget(c.failure(opReadLeads, r.err), methodList)
			if failure == nil && !errors.Is(err, crm.ErrNotFound) {
				failure = err
			}
			for _, id := range page.ids {
				found[crm.LeadRef{Source: c.Source(), Kind: kindOf(page.typeID), ID: id}] = crm.LeadResult{Err: err}
			}
			continue
		case !r.answered:
			return c.bad(opReadLeads, response, "the batch holds no answer to "+methodList)
		case page.broken != nil:
			return c.bad(opReadLeads, response, "JSON of another form than expected, in "+methodList+explain(page.broken))
		}
		answered = true
		for j := range page.rows {
			lead, unfit := page.rows[j].lead(c.Source(), page.typeID)
			if unfit != nil {
				return c.failure(opReadLeads, unfit)
			}
			if !slices.Contains(page.ids, lead.Ref.ID) {
				return c.bad(opReadLeads, response, "the portal lists a lead that was not asked for")
			}
			found[lead.Ref] = crm.LeadResult{Lead: lead}
		}
	}
	if answered {
		return nil
	}
	return failure
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
				lead, unfit := page[i].lead(c.Source(), typeID)
				if unfit != nil {
					yield(crm.Lead{}, c.failure(opListLeads, unfit))
					return
				}
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
