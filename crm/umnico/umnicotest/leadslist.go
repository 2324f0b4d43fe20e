package umnicotest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

const (
	// The sizes of a page of leads
	// (https://api.umnico.com/docs/ru/apiMethods/leads.html).
	pageDefault = 50
	pageMost    = 200
)

// listLeads answers with a page of a section. That a greater limit than 200 means
// 200, and that what is no number is refused, is assumed. It runs under mu.
func (u *Umnico) listLeads(section string, query url.Values) (status int, body []byte) {
	offset, good := count(query, "offset", 0)
	limit, alsoGood := count(query, "limit", pageDefault)
	if !good || !alsoGood {
		return refused("offset and limit must be numbers")
	}
	wanted := u.filters(query)
	if section != SectionAll {
		wanted = append([]filter{func(lead *Lead) bool { return lead.Section == section }}, wanted...)
	}
	page := u.page(wanted, offset, min(limit, pageMost))
	rows := make([]wireLead, len(page)) // an empty list is [], not null
	for i, lead := range page {
		rows[i] = u.wireLead(lead)
	}
	return http.StatusOK, encode(rows)
}

// page returns leads that all filters want, in the order of lists. It runs under
// mu.
func (u *Umnico) page(wanted []filter, offset, limit int) []*Lead {
	var page []*Lead
	i := 0
	if len(wanted) == 0 { // nothing to look at before the page
		i, offset = min(offset, len(u.leads)), 0
	}
	for ; i < len(u.leads) && len(page) < limit; i++ {
		lead := u.leads[len(u.leads)-1-i]
		if u.oldestFirst {
			lead = u.leads[i]
		}
		switch {
		case slices.ContainsFunc(wanted, func(want filter) bool { return !want(lead) }):
		case offset > 0:
			offset--
		default:
			page = append(page, lead)
		}
	}
	return page
}

// filter reports whether a list is to hold the lead.
type filter func(*Lead) bool

// filters returns those of a request. A repeated parameter wants any of its
// values. Parameters that are not known do nothing, and a value that no lead can
// have finds none; both is assumed. It runs
// under mu.
func (u *Umnico) filters(query url.Values) []filter {
	var all []filter
	add := func(name string, has func(lead *Lead, value string) bool) {
		if values := query[name]; len(values) > 0 {
			all = append(all, func(lead *Lead) bool {
				return slices.ContainsFunc(values, func(value string) bool { return has(lead, value) })
			})
		}
	}
	addNumber := func(name string, of func(*Lead) int) {
		var numbers []int
		for _, value := range query[name] {
			if n, err := strconv.Atoi(value); err == nil {
				numbers = append(numbers, n)
			}
		}
		if query.Has(name) {
			all = append(all, func(lead *Lead) bool { return slices.Contains(numbers, of(lead)) })
		}
	}
	addNumber("statuses", func(lead *Lead) int { return lead.StatusID })
	addNumber("users", func(lead *Lead) int { return lead.UserID })
	addNumber("sa", func(lead *Lead) int { return lead.IntegrationID })
	addNumber("customer", func(lead *Lead) int { return lead.Customer.ID })
	add("types", func(lead *Lead, value string) bool {
		return slices.ContainsFunc(u.integrations, func(n Integration) bool { return n.ID == lead.IntegrationID && n.Type == value })
	})
	add("tags", func(lead *Lead, value string) bool { return slices.Contains(lead.Tags, value) })
	add("source_types", func(lead *Lead, value string) bool { return lead.Source.Type == value })
	add("unread", func(lead *Lead, value string) bool {
		switch value {
		case "unread":
			return !lead.Read
		case "read":
			return lead.Read
		case "unanswered":
			return lead.Message.Incoming
		case "answered":
			return !lead.Message.Incoming
		}
		return false
	})
	return all
}

// count returns a number of the query; 0 and none mean usual.
func count(query url.Values, name string, usual int) (n int, good bool) {
	if query.Get(name) == "" {
		return usual, true
	}
	n, err := strconv.Atoi(query.Get(name))
	if n == 0 {
		n = usual
	}
	return n, err == nil && n >= 0
}
