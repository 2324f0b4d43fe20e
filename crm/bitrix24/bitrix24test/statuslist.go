package bitrix24test

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// columns are the fields that crm.status.list sorts and filters by; it ignores
// others. A row without a value has "" there.
var columns = map[string]func(s Status) string{
	"ID":          func(s Status) string { return strconv.Itoa(s.RowID) },
	"ENTITY_ID":   func(s Status) string { return s.Scope },
	"STATUS_ID":   func(s Status) string { return s.ID },
	"NAME":        func(s Status) string { return s.Name },
	"SORT":        func(s Status) string { return strconv.Itoa(s.Sort) },
	"SYSTEM":      func(s Status) string { return flag(s.System) },
	"CATEGORY_ID": func(s Status) string { return s.Category },
	"SEMANTICS":   func(s Status) string { return s.Semantics },
}

// isNumeric reports whether rows are sorted by the numbers in the column.
func isNumeric(column string) bool {
	return column == "ID" || column == "SORT" || column == "CATEGORY_ID"
}

func flag(on bool) string {
	if on {
		return "Y"
	}
	return "N"
}

// statusList is crm.status.list. The filter is by equality. Keys with a sign in
// front, such as ">ID", are ignored like unknown fields, and so are empty
// values. Bitrix24's filter by NAME is looser than this one.
func (p *Portal) statusList(params *phpMap) (reply, *APIError) {
	filter, failed := conditions(params.get("filter"))
	if failed != nil {
		return reply{}, failed
	}
	var found []Status
	for _, s := range p.visible() {
		matches := true
		for column, want := range filter {
			matches = matches && columns[column](s) == want
		}
		if matches {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, sorting(params.get("order")))
	rows := make([]any, len(found))
	for i, s := range found {
		rows[i] = s.row()
	}
	return paged(rows, p.statusPages, params), nil
}

// visible returns the rows that are listed. It runs under mu.
func (p *Portal) visible() []Status {
	if !p.withoutLeads() {
		return p.statuses
	}
	return slices.DeleteFunc(slices.Clone(p.statuses), func(s Status) bool { return s.Scope == "STATUS" })
}

// conditions returns the values that a filter asks for by column. That an empty
// array is an empty value, and that the error names other fields as it does
// ENTITY_ID, is assumed.
func conditions(filter any) (map[string]string, *APIError) {
	wanted := map[string]string{}
	m, isMap := filter.(*phpMap)
	if !isMap {
		return wanted, nil
	}
	for _, key := range m.keys {
		if columns[key] == nil {
			continue
		}
		value := m.get(key)
		if list, isList := value.(*phpMap); isList && len(list.keys) > 0 {
			return nil, &APIError{Code: "", Text: "Filter by " + key + " must be a string"}
		}
		if want := text(value); want != "" {
			wanted[key] = want
		}
	}
	return wanted, nil
}

// sorting returns the comparison that an order asks for: by SORT where it names
// no column, and last by ID, so that the sequence is always the same. How
// Bitrix24 sorts rows that are equal by the order is not known.
func sorting(order any) func(a, b Status) int {
	m, isMap := order.(*phpMap)
	if !isMap {
		return bySort
	}
	type by struct {
		column string
		sign   int
	}
	var all []by
	for _, key := range m.keys {
		if columns[key] == nil {
			continue
		}
		sign := 1
		if strings.EqualFold(text(m.get(key)), "desc") {
			sign = -1
		}
		all = append(all, by{key, sign})
	}
	if len(all) == 0 {
		return bySort
	}
	return func(a, b Status) int {
		for _, by := range all {
			x, y := columns[by.column](a), columns[by.column](b)
			result := cmp.Compare(x, y)
			if isNumeric(by.column) && x != "" && y != "" {
				result = cmp.Compare(number(x), number(y))
			}
			if result != 0 {
				return result * by.sign
			}
		}
		return cmp.Compare(a.RowID, b.RowID)
	}
}

// row returns the status as it is written: almost all of it as texts, and EXTRA
// only for leads, deals and quotes.
func (s Status) row() *phpMap {
	row := array(
		"ID", strconv.Itoa(s.RowID), "ENTITY_ID", s.Scope, "STATUS_ID", s.ID,
		"NAME", s.Name, "NAME_INIT", s.InitialName, "SORT", strconv.Itoa(s.Sort), "SYSTEM", flag(s.System),
		"CATEGORY_ID", orNull(s.Category), "COLOR", orNull(s.Color), "SEMANTICS", orNull(s.Semantics))
	if d := directoryOf(s.Scope); d.extra {
		row.set("EXTRA", array("SEMANTICS", d.meaning(s), "COLOR", s.Color))
	}
	return row
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// statusGet is crm.status.get.
func (p *Portal) statusGet(params *phpMap) (reply, *APIError) {
	id := number(params.get("id"))
	if id <= 0 {
		return reply{}, invalidID()
	}
	for _, s := range p.visible() {
		if s.RowID == id {
			return reply{result: s.row()}, nil
		}
	}
	failed := StatusNotFound()
	return reply{}, &failed
}
