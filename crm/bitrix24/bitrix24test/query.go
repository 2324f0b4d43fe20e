package bitrix24test

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"
)

// column is a field that a list can be filtered and sorted by: a whole number or
// a text.
type column[R any] struct {
	number func(R) int
	// parse reads what a filter asks for; nil reads a whole number.
	parse func(any) int
	text  func(R) string
}

// listing is a list of rows that stand by their numbers.
type listing[R any] struct {
	id      string // the column of the number
	columns map[string]column[R]
	strict  bool // other columns are errors, and not ignored
}

// condition is one part of a filter.
type condition[R any] struct {
	column[R]
	onID    bool
	sign    string
	numbers []int
	texts   []string
}

// signs are what a filter's key may begin with, longer ones first.
var signs = []string{"!@", ">=", "<=", "!=", "=", "!", ">", "<", "@"}

const listPage = 50

// list returns one page of the rows that a call asks for, by number unless it
// asks otherwise, and what the answer says of their count. A start of -1 turns
// the counting off: total is 0, and there is no next
// (https://apidocs.bitrix24.com/settings/performance/huge-data.html).
func (l listing[R]) list(rows []R, params *phpMap) (page []R, said reply, failed *APIError) {
	conditions, failed := l.conditions(params.get("filter"))
	if failed != nil {
		return nil, reply{}, failed
	}
	compare, descending, failed := l.order(params.get("order"))
	if failed != nil {
		return nil, reply{}, failed
	}
	rows, conditions = l.narrow(rows, conditions)
	start := number(params.get("start"))
	counting := start >= 0
	start = max(0, start)
	if compare != nil {
		rows = slices.DeleteFunc(slices.Clone(rows), func(r R) bool { return !all(conditions, r) })
		slices.SortStableFunc(rows, compare)
		conditions = nil
	}
	total := 0
	if len(conditions) == 0 { // the rest need not be looked at
		total = len(rows)
		for i := start; i < min(total, start+listPage); i++ {
			page = append(page, at(rows, i, descending))
		}
	} else {
		for i := range rows {
			r := at(rows, i, descending)
			if !all(conditions, r) {
				continue
			}
			if total >= start && len(page) < listPage {
				page = append(page, r)
			}
			total++
			if !counting && len(page) == listPage {
				break
			}
		}
	}
	said.counted = true
	if counting {
		said.total = total
		if start+listPage < total {
			said.next = start + listPage
		}
	}
	return page, said, nil
}

// at returns a row from the front or from the back.
func at[R any](rows []R, i int, descending bool) R {
	if descending {
		return rows[len(rows)-1-i]
	}
	return rows[i]
}

// conditions reads a filter.
func (l listing[R]) conditions(filter any) ([]condition[R], *APIError) {
	m, isMap := filter.(*phpMap)
	if !isMap {
		return nil, nil
	}
	var conditions []condition[R]
	for _, key := range m.keys {
		c := condition[R]{sign: "="}
		name := key
		for _, sign := range signs {
			if rest, found := strings.CutPrefix(key, sign); found {
				c.sign, name = sign, rest
				break
			}
		}
		column, known := l.columns[name]
		if !known && l.strict {
			return nil, badArgument("filter", name)
		} else if !known {
			continue
		}
		c.column, c.onID = column, name == l.id
		values := []any{m.get(key)}
		if list, isList := values[0].(*phpMap); isList {
			values = slices.Collect(list.all())
		}
		for _, value := range values {
			switch {
			case column.text != nil:
				c.texts = append(c.texts, text(value))
			case column.parse != nil:
				c.numbers = append(c.numbers, column.parse(value))
			default:
				c.numbers = append(c.numbers, number(value))
			}
		}
		conditions = append(conditions, c)
	}
	return conditions, nil
}

// order reads an order: a comparison, or nil for the order of the numbers.
func (l listing[R]) order(order any) (compare func(a, b R) int, descending bool, failed *APIError) {
	m, isMap := order.(*phpMap)
	if !isMap {
		return nil, false, nil
	}
	var steps []func(a, b R) int
	for _, name := range m.keys {
		column, known := l.columns[name]
		if !known && l.strict {
			return nil, false, badArgument("order", name)
		} else if !known {
			continue
		}
		sign := 1
		if strings.EqualFold(text(m.get(name)), "desc") {
			sign = -1
		}
		if name == l.id && len(steps) == 0 { // numbers differ, so nothing comes after them
			return nil, sign < 0, nil
		}
		steps = append(steps, func(a, b R) int {
			if column.text != nil {
				return sign * cmp.Compare(column.text(a), column.text(b))
			}
			return sign * cmp.Compare(column.number(a), column.number(b))
		})
	}
	if len(steps) == 0 {
		return nil, false, nil
	}
	return func(a, b R) int {
		for _, step := range steps {
			if result := step(a, b); result != 0 {
				return result
			}
		}
		return 0
	}, false, nil
}

// narrow finds the rows by their numbers as far as the conditions ask for
// numbers, and returns the other conditions.
func (l listing[R]) narrow(rows []R, conditions []condition[R]) ([]R, []condition[R]) {
	id := l.columns[l.id].number
	from := func(n int) int { return sort.Search(len(rows), func(i int) bool { return id(rows[i]) >= n }) }
	var rest []condition[R]
	for _, c := range conditions {
		if !c.onID || len(c.numbers) == 0 {
			rest = append(rest, c)
			continue
		}
		switch n := c.numbers[0]; c.sign {
		case ">":
			rows = rows[from(n+1):]
		case ">=":
			rows = rows[from(n):]
		case "<":
			rows = rows[:from(n)]
		case "<=":
			rows = rows[:from(n+1)]
		case "=", "@":
			slices.Sort(c.numbers)
			var found []R
			for _, n := range slices.Compact(c.numbers) {
				if i := from(n); i < len(rows) && id(rows[i]) == n {
					found = append(found, rows[i])
				}
			}
			rows = found
		default:
			rest = append(rest, c)
		}
	}
	return rows, rest
}

// all reports whether a row fulfils all conditions.
func all[R any](conditions []condition[R], r R) bool {
	for i := range conditions {
		if !conditions[i].holds(r) {
			return false
		}
	}
	return true
}

// holds reports whether a row fulfils the condition. One that compares with no
// value is fulfilled by none, which is assumed.
func (c *condition[R]) holds(r R) bool {
	if c.text != nil {
		return fulfils(c.sign, c.text(r), c.texts)
	}
	return fulfils(c.sign, c.number(r), c.numbers)
}

func fulfils[V cmp.Ordered](sign string, value V, wanted []V) bool {
	switch sign {
	case "=", "@":
		return slices.Contains(wanted, value)
	case "!", "!=", "!@":
		return !slices.Contains(wanted, value)
	}
	if len(wanted) == 0 {
		return false
	}
	switch result := cmp.Compare(value, wanted[0]); sign {
	case ">":
		return result > 0
	case ">=":
		return result >= 0
	case "<":
		return result < 0
	default:
		return result <= 0
	}
}

// timeValue reads a time that a filter asks for, and returns Unix time; 0 for
// what is none. A time without an offset is one of Moscow.
func timeValue(value any) int {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(form, text(value), moscow); err == nil {
			return int(t.Unix())
		}
	}
	return 0
}

// chosen returns the fields of a row that a call selects: all, if it selects none
// or "*".
func chosen(row *phpMap, params *phpMap) *phpMap {
	names, isMap := params.get("select").(*phpMap)
	if !isMap || len(names.keys) == 0 {
		return row
	}
	wanted := map[string]bool{}
	for name := range names.all() {
		wanted[text(name)] = true
	}
	if wanted["*"] {
		return row
	}
	part := new(phpMap)
	for i, key := range row.keys {
		if wanted[key] {
			part.set(key, row.values[i])
		}
	}
	return part
}
