package bitrix24

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opListStatuses = "list statuses"
	// simpleMode is the answer of crm.settings.mode.get in a portal without
	// leads (https://apidocs.bitrix24.com/api-reference/crm/crm-settings-mode-get.html).
	simpleMode = 2
)

// portal is what the first request brings.
type portal struct {
	mode        crmhttp.Int // not known if it was not asked for
	categories  wireCategories
	directories []wireDirectory
	statuses    []wireStatus
}

// ListStatuses returns the chosen lists whole: one scope for each directory,
// the leads first, then the pipelines of deals in the portal's sequence, then
// the others. Exists names all lists of stages, chosen or not, as the portal
// names them whatever the webhook's owner may see. Account holds the portal's
// host. It takes one HTTP request, and further ones only if the portal answers
// in pages.
//
// The outcome of a status is that of its SEMANTICS. Raw holds "ID", the row's
// number that the portal's calls for changing a status want, and what else the
// other fields cannot hold.
//
// The error is a [*crm.Error]. It is of kind [crm.ErrNotFound] if leads were
// asked for in a portal that works without them, or none of the chosen lists
// exists, of kind [crm.ErrIncomplete] if the portal showed fewer rows than it
// announced or changed them meanwhile, of kind [crm.ErrUnauthorized] if it
// refuses the webhook, and of kind [crm.ErrForbidden] if that lacks a right or
// the scope "crm". If one of the calls in the batch fails, the whole read fails.
func (c *Client) ListStatuses(ctx context.Context) (crm.Listing, error) {
	var first portal
	results, err := c.readAll(ctx, opListStatuses, c.commands(&first))
	if err != nil {
		return crm.Listing{}, err
	}
	listing, err := c.whole(ctx, &first, results)
	if err == nil {
		c.listed.Note(&listing)
	}
	return listing, err
}

// commands returns what the first request asks, as far as the choice needs it;
// the list of statuses comes first.
func (c *Client) commands(first *portal) commands {
	cs := commands{
		{"statuses", "crm.status.list", c.listQuery(0), first.readStatuses},
		{"types", "crm.status.entity.types", "", first.readDirectories},
	}
	if c.scopes.holds(Leads) {
		cs = append(cs, command{"mode", "crm.settings.mode.get", "", first.readMode})
	}
	if c.scopes.mayHoldDeals() {
		cs = append(cs, command{"categories", "crm.category.list", "entityTypeId=2", first.categories.read})
	}
	return cs
}

func (p *portal) readStatuses(cursor *crmhttp.Cursor) error {
	return readRows(cursor, &p.statuses, (*wireStatus).read)
}

func (p *portal) readDirectories(cursor *crmhttp.Cursor) error {
	return readRows(cursor, &p.directories, (*wireDirectory).read)
}

func (p *portal) readMode(cursor *crmhttp.Cursor) error {
	if err := p.mode.UnmarshalJSON(cursor.Value()); err != nil || !p.mode.Known {
		return errors.New("no number")
	}
	return nil
}

// whole returns the listing that the first request began.
func (c *Client) whole(ctx context.Context, first *portal, results []result) (crm.Listing, error) {
	rows, err := c.allRows(ctx, page{first.statuses, results[0].total, results[0].next})
	if err != nil {
		return crm.Listing{}, err
	}
	return c.listing(first, rows)
}

// listing makes a valid listing of what the portal said, or says why it is none.
func (c *Client) listing(first *portal, rows []wireStatus) (crm.Listing, error) {
	listing := crm.Listing{Source: c.Source(), Account: c.account(), Exists: []string{}}
	withoutLeads := first.mode.Value == simpleMode
	if withoutLeads && slices.Contains(c.scopes, Leads) {
		return crm.Listing{}, c.fail(crm.ErrNotFound,
			"this portal works without leads (simple CRM mode); choose the deals instead: Options.Scopes = []string{bitrix24.Deals}")
	}
	pipelines := pipelinesOf(first.categories)
	var chosen []*wireDirectory
	for i := range first.directories {
		directory := &first.directories[i]
		// In simple mode the list may still be there, but nothing is in it.
		if !directory.Stages || (withoutLeads && directory.ID == Leads) {
			continue
		}
		listing.Exists = append(listing.Exists, string(directory.ID))
		if c.scopes.holds(string(directory.ID)) {
			chosen = append(chosen, directory)
		}
	}
	if len(chosen) == 0 {
		return crm.Listing{}, c.fail(crm.ErrNotFound, fmt.Sprintf("none of the chosen lists (%s) exists; the portal has %s",
			strings.Join(c.scopes, ", "), strings.Join(listing.Exists, ", ")))
	}
	slices.SortStableFunc(chosen, func(a, b *wireDirectory) int { return cmp.Compare(pipelines.place(a), pipelines.place(b)) })
	covered := make(map[string]bool, len(chosen))
	for _, directory := range chosen {
		covered[string(directory.ID)] = true
		listing.Scopes = append(listing.Scopes, crm.Scope{ID: string(directory.ID), Name: pipelines.name(directory)})
	}
	if _, one := c.scopes.single(); one {
		listing.Scopes[0].Announced = len(rows) // as many as the portal announced
	}
	listing.Statuses = make([]crm.Status, 0, len(rows))
	for i := range rows {
		if rows[i].Directory == "" {
			return crm.Listing{}, c.fail(crm.ErrBadResponse, "a status stands in no list: it has no ENTITY_ID")
		}
		if covered[string(rows[i].Directory)] {
			listing.Statuses = append(listing.Statuses, convertStatus(c.Source(), &rows[i]))
		}
	}
	if err := listing.Validate(); err != nil {
		return crm.Listing{}, err
	}
	return listing, nil
}

// convertStatus returns the row as a status. It judges nothing: a row without an
// ID stays one, and the listing is refused.
func convertStatus(source string, row *wireStatus) crm.Status {
	status := crm.Status{
		Ref:    crm.Ref{Source: source, Scope: string(row.Directory), ID: string(row.StatusID)},
		Name:   crm.CleanName(string(row.Name)),
		Order:  row.Sort.Value,
		Color:  crm.CleanColor(string(row.Color)),
		System: row.System == "Y",
		Raw:    map[string]string{"ID": string(row.ID)},
	}
	if row.Color != "" && status.Color == "" {
		status.Raw["COLOR"] = string(row.Color)
	}
	// https://apidocs.bitrix24.com/tutorials/crm/how-to-get-lists/how-to-get-stages-with-semantics.html
	switch row.Semantics {
	case "S":
		status.Outcome = crm.Won
	case "F":
		status.Outcome = crm.Lost
	case "", "P": // "P" is stored for some stages that people added
		status.Outcome = crm.Open
	default:
		status.Raw["SEMANTICS"] = string(row.Semantics)
	}
	return status
}

// fail returns an error of this read.
func (c *Client) fail(kind error, message string) error {
	return c.failure(opListStatuses, &crm.Error{Kind: kind, Message: message})
}
