package bitrix24test

import (
	"strconv"
	"testing"
)

// A page costs the same wherever it stands and however many rows there are, as
// long as the rows are found by their numbers.
func TestWorkOfAPage(t *testing.T) {
	t.Parallel()
	const n = 100_000
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i + 1
	}
	looks := 0
	l := listing[int]{"id", map[string]column[int]{
		"id":   {number: func(n int) int { looks++; return n }},
		"text": {text: func(int) string { looks++; return "same" }},
	}, true}
	ask := func(start int, filter ...any) (page []int, said reply) {
		t.Helper()
		looks = 0
		page, said, failed := l.list(rows, array("start", strconv.Itoa(start), "filter", array(filter...)))
		if failed != nil {
			t.Fatal(failed)
		}
		if looks > 200 {
			t.Errorf("%v from %d: %d looks at rows", filter, start, looks)
		}
		return page, said
	}
	last := 0
	for _, from := range []int{0, 50_000, 99_900} {
		page, _ := ask(-1, ">id", strconv.Itoa(from), "@text", "same")
		if len(page) != listPage || page[0] != from+1 {
			t.Errorf("after %d: %v", from, page)
		}
		page, said := ask(0, ">id", strconv.Itoa(from))
		if len(page) != listPage || said.total != n-from {
			t.Errorf("after %d: total %d", from, said.total)
		}
		if page, _ = ask(from); page[0] != from+1 {
			t.Errorf("from %d: %v", from, page)
		}
		last = page[len(page)-1]
	}
	if last != 99_950 {
		t.Errorf("last = %d", last)
	}
	ids := new(phpMap)
	for i := range 5 {
		ids.add(strconv.Itoa(20_000 * i))
	}
	if page, said := ask(0, "@id", ids, "text", "same"); len(page) != 4 || said.total != 4 {
		t.Errorf("by numbers: %v", page)
	}
}
