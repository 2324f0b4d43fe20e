package bitrix24

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// page is one answer of crm.status.list.
type page struct {
	rows  []wireStatus
	total crmhttp.Int
	next  int // where the next page starts; 0 if there is none
}

// listQuery returns the query of crm.status.list from row start on. Rows are
// asked for in the order of their numbers: by SORT, which is not unique, pages
// could share a row and lack another.
func (c *Client) listQuery(start int) string {
	query := url.Values{"order[ID]": {"ASC"}}
	if directory, one := c.scopes.single(); one {
		query.Set("filter[ENTITY_ID]", directory)
	}
	if start > 0 {
		query.Set("start", strconv.Itoa(start))
	}
	return query.Encode()
}

// allRows returns each row once, the first page's included. Whether the list has
// pages at all is not sure, see the package comment; if the first answer has no
// next, this sends nothing. One thing cannot be seen: a row that goes and another
// that comes between two pages, with the total as it was. The row that was missed
// is marked missing then, not removed, and revived by the next read.
func (c *Client) allRows(ctx context.Context, first page) ([]wireStatus, error) {
	if !first.total.Known {
		return nil, c.fail(crm.ErrIncomplete, "the portal did not say how many statuses there are")
	}
	total := first.total.Value
	var all rowSet
	all.add(first.rows)
	for start, next := 0, first.next; next > start && next < total && all.count() < total; {
		pages, err := c.readPages(ctx, next, next-start, total)
		if err != nil {
			return nil, err
		}
		before := all.count()
		for _, p := range pages {
			if p.total.Value != total {
				return nil, c.fail(crm.ErrIncomplete, fmt.Sprintf(
					"the list changed while it was read: it had %d statuses, then %d", total, p.total.Value))
			}
			all.add(p.rows)
		}
		if all.count() == before {
			break // the portal repeats itself
		}
		start, next = next+(len(pages)-1)*(next-start), pages[len(pages)-1].next
	}
	switch count := all.count(); {
	case count < total:
		return nil, c.fail(crm.ErrIncomplete, fmt.Sprintf("the portal announced %d statuses and showed %d", total, count))
	case count > total:
		return nil, c.fail(crm.ErrBadResponse, fmt.Sprintf("the portal announced %d statuses and showed %d", total, count))
	}
	return all.rows, nil
}

// readPages reads the pages from row start on, as many as are left or as a batch
// holds, in one request.
func (c *Client) readPages(ctx context.Context, start, size, total int) ([]page, error) {
	var cs commands
	pages := make([]page, maxCommands)
	for at := start; len(cs) == 0 || (at < total && len(cs) < maxCommands); at += size {
		rows := &pages[len(cs)].rows
		cs = append(cs, command{"p" + strconv.Itoa(at), "crm.status.list", c.listQuery(at), func(cursor *crmhttp.Cursor) error {
			return readRows(cursor, rows, (*wireStatus).read)
		}})
	}
	results, err := c.readAll(ctx, opListStatuses, cs)
	if err != nil {
		return nil, err
	}
	for i, result := range results {
		pages[i].total, pages[i].next = result.total, result.next
	}
	return pages[:len(cs)], nil
}

// rowSet holds rows by their identity: pages that moved meanwhile may repeat
// one, whose last form counts.
type rowSet struct {
	rows []wireStatus
	at   map[rowKey]int
}

// rowKey is what tells statuses of a portal apart.
type rowKey struct{ directory, id crmhttp.ID }

// add takes the rows over; those of the first page are kept where they are.
func (s *rowSet) add(rows []wireStatus) {
	if s.at == nil {
		s.at = make(map[rowKey]int, len(rows))
		s.rows = rows[:0]
	}
	for i := range rows {
		key := rowKey{rows[i].Directory, rows[i].StatusID}
		if at, repeated := s.at[key]; repeated {
			s.rows[at] = rows[i]
			continue
		}
		s.at[key] = len(s.rows)
		s.rows = append(s.rows, rows[i])
	}
}

func (s *rowSet) count() int { return len(s.rows) }
