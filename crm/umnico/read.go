package umnico

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opReadLead  = "read lead"
	opListLeads = "list leads"

	// pageRows is how many rows a page of a list may have at most, and defaultRows
	// how many it has if it is not asked for a number
	// (https://api.umnico.com/docs/ru/apiMethods/leads.html).
	pageRows    = 200
	defaultRows = 50
	// overlap is by how many rows a page reaches back into the one before it.
	overlap = 10
	// mostIdle is how many pages without a lead that was not seen before may come
	// in a row.
	mostIdle = 20
)

// The interfaces of package crm that the client has beside [crm.Client].
var (
	_ crm.LeadReader = (*Client)(nil)
	_ crm.LeadLister = (*Client)(nil)
)

// ReadLead returns a lead as it stands now. Its Kind is empty, because Umnico has
// one sort of lead; MovedAt and MovedBy are unknown. [crm.ErrNotFound] if there is
// none, or the Kind or the ID cannot be one.
func (c *Client) ReadLead(ctx context.Context, lead crm.LeadRef) (crm.Lead, error) {
	return c.readLead(ctx, opReadLead, lead)
}

// readLead is ReadLead as a part of an operation.
func (c *Client) readLead(ctx context.Context, op string, lead crm.LeadRef) (crm.Lead, error) {
	if unfit := c.checkLead(lead); unfit != nil {
		return crm.Lead{}, c.failure(op, unfit)
	}
	response, _, err := c.do(ctx, crmhttp.Request{Op: op, Path: pathLead + lead.ID})
	if err != nil {
		return crm.Lead{}, err
	}
	return c.lead(op, response, lead)
}

// lead returns the lead in an answer, which has to be the one that was asked for.
func (c *Client) lead(op string, response crmhttp.Response, asked crm.LeadRef) (crm.Lead, error) {
	var said wireLead
	if err := c.decode(op, response, &said); err != nil {
		return crm.Lead{}, err
	}
	lead, whole := said.lead(c.Source())
	switch {
	case !whole:
		return crm.Lead{}, c.bad(op, response, "a lead without id or statusId")
	case lead.Ref != asked:
		return crm.Lead{}, c.bad(op, response, "the answer is about another lead")
	}
	return lead, nil
}

// Section is a part of an account's leads, as Umnico's web interface divides them.
// Whether a lead's status decides in which it is, is not known.
type Section string

// The sections. Only the inbox is documented
// (https://api.umnico.com/docs/ru/apiMethods/leads.html); the others are known from
// programs in use.
const (
	SectionAll       Section = "all"       // every lead
	SectionInbox     Section = "inbox"     // new leads
	SectionActive    Section = "active"    // leads that were taken into work
	SectionCompleted Section = "completed" // leads that were closed
)

// Filter chooses leads. Its zero value chooses all. Several values in one field mean
// any of them; a lead has to fit all fields. What Umnico documents of them is at
// https://api.umnico.com/docs/ru/apiMethods/leads.html; Statuses and Customer are
// known from programs in use.
type Filter struct {
	// Section is where the leads are; empty means [SectionAll].
	Section Section
	// Statuses keeps leads that stand in one of these. The client looks at each lead
	// itself, so that it holds even where Umnico should not look at it.
	Statuses []crm.Ref
	// Users are the IDs of the employees who are responsible.
	Users []string
	// Integrations are the IDs of integrations.
	Integrations []string
	// Types are types of integrations: "whatsapp2", "telebot".
	Types []string
	// Tags are texts of tags.
	Tags []string
	// SourceTypes are "comment" and "message".
	SourceTypes []string
	// Unread is "unread", "read", "unanswered" or "answered"; empty keeps all.
	Unread string
	// Customer is the ID of a customer; empty keeps all.
	Customer string
}

// ListLeads yields the leads of all sections that stand in one of the query's
// statuses, as [Client.Leads] does. The query's Kind has to be empty, because Umnico
// has one sort of lead: what divides them are sections, for which there is
// [Filter.Section].
func (c *Client) ListLeads(ctx context.Context, query crm.LeadQuery) iter.Seq2[crm.Lead, error] {
	if query.Kind != "" {
		return func(yield func(crm.Lead, error) bool) {
			yield(crm.Lead{}, c.failure(opListLeads, &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf(
				"%q is no kind of lead; the kind is empty, and sections are chosen with Leads", query.Kind)}))
		}
	}
	return c.Leads(ctx, Filter{Statuses: query.Statuses})
}

// Leads yields the leads that the filter chooses, in Umnico's sequence, which is not
// documented; some 190 come with each request. An error is yielded last, and means
// that the list is incomplete.
//
// Each lead comes once, as it stood when its page was read. Umnico's pages are
// counted from the beginning of the list, so leads that come or go meanwhile shift
// the others. Each page therefore reaches back into the one before; where they do not
// meet, the client goes back until they do. So a lead that is in the list all the
// time is not missed, also when the loop itself moves leads out of the list that it
// goes through, as long as Umnico keeps the sequence of those that stay. If it should
// sort by something that changes, such as the last message, a lead that changes in
// this respect may be missed. One that comes or leaves meanwhile may be there or not.
//
// The list ends with a page that is not full; one of just 50, Umnico's default, is
// not taken for the end. The error is of kind [crm.ErrIncomplete] if pages come again
// and again with nothing new in them.
func (c *Client) Leads(ctx context.Context, filter Filter) iter.Seq2[crm.Lead, error] {
	return func(yield func(crm.Lead, error) bool) {
		path, query, unfit := c.filter(filter)
		if unfit != nil {
			yield(crm.Lead{}, c.failure(opListLeads, unfit))
			return
		}
		seen := map[string]bool{}
		for offset, idle := 0, 0; ; {
			page, err := c.leadPage(ctx, path, query, offset)
			if err != nil {
				yield(crm.Lead{}, err)
				return
			}
			met := offset == 0 || len(page) > 0 && seen[page[0].Ref.ID]
			idle++
			for _, lead := range page {
				if seen[lead.Ref.ID] {
					continue
				}
				seen[lead.Ref.ID], idle = true, 0
				if len(filter.Statuses) > 0 && !slices.Contains(filter.Statuses, lead.Status) {
					continue
				}
				if !yield(lead, nil) {
					return
				}
			}
			switch {
			case !met:
				offset = max(0, offset-(pageRows-overlap))
			case len(page) < pageRows && len(page) != defaultRows:
				return
			default:
				offset += len(page) - overlap
			}
			if idle > mostIdle {
				yield(crm.Lead{}, c.failure(opListLeads, &crm.Error{Kind: crm.ErrIncomplete, Message: "Umnico repeats the same pages of leads"}))
				return
			}
		}
	}
}

// filter returns where the leads of a filter are.
func (c *Client) filter(filter Filter) (path string, query url.Values, unfit *crm.Error) {
	section := filter.Section
	switch section {
	case "":
		section = SectionAll
	case SectionAll, SectionInbox, SectionActive, SectionCompleted:
	default:
		return "", nil, &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf("%q is no section of leads; nothing was sent", section)}
	}
	query = url.Values{"limit": {strconv.Itoa(pageRows)}}
	for _, status := range filter.Statuses {
		if unfit := c.checkStatus(status); unfit != nil {
			return "", nil, unfit
		}
		if !slices.Contains(query["statuses"], status.ID) {
			query.Add("statuses", status.ID)
		}
	}
	for name, values := range map[string][]string{
		"users": filter.Users, "sa": filter.Integrations, "types": filter.Types, "tags": filter.Tags, "source_types": filter.SourceTypes,
	} {
		if len(values) > 0 {
			query[name] = slices.Clone(values)
		}
	}
	if filter.Unread != "" {
		query.Set("unread", filter.Unread)
	}
	if filter.Customer != "" {
		query.Set("customer", filter.Customer)
	}
	return pathLead + string(section), query, nil
}

// leadPage returns the page of leads from offset on. It changes the query.
func (c *Client) leadPage(ctx context.Context, path string, query url.Values, offset int) ([]crm.Lead, error) {
	query.Set("offset", strconv.Itoa(offset))
	response, _, err := c.do(ctx, crmhttp.Request{Op: opListLeads, Path: path, Query: query})
	if err != nil {
		return nil, err
	}
	return c.leads(response)
}

// leads returns the leads in an answer. One that cannot be read fails them all.
func (c *Client) leads(response crmhttp.Response) ([]crm.Lead, error) {
	var rows []wireLead
	if err := c.decodeList(opListLeads, response, &rows); err != nil {
		return nil, err
	}
	leads := make([]crm.Lead, len(rows))
	for i := range rows {
		lead, whole := rows[i].lead(c.Source())
		if !whole {
			return nil, c.failure(opListLeads, &crm.Error{Kind: crm.ErrBadResponse, Message: fmt.Sprintf("a lead without id or statusId (row %d)", i+1)})
		}
		leads[i] = lead
	}
	return leads, nil
}
