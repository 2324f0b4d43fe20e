package statuslink

import (
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// pool finds numbered things by folded name and outcome; those with unknown
// outcome go with all.
type pool map[string]*[crm.Lost + 1][]int

func (p pool) add(name string, outcome crm.Outcome, item int) {
	if p[name] == nil {
		p[name] = new([crm.Lost + 1][]int)
	}
	p[name][outcome] = append(p[name][outcome], item)
}

// count returns how many things have the name and do not contradict outcome.
func (p pool) count(name string, outcome crm.Outcome) int {
	n := 0
	p.each(name, outcome, func(items []int) { n += len(items) })
	return n
}

// only returns the thing if count is 1.
func (p pool) only(name string, outcome crm.Outcome) (item int) {
	p.each(name, outcome, func(items []int) {
		if len(items) > 0 {
			item = items[0]
		}
	})
	return item
}

// first returns the first things in order, at most n of those that count counts.
// They were added in order.
func (p pool) first(name string, outcome crm.Outcome, n int) (first []int) {
	p.each(name, outcome, func(items []int) { first = append(first, items[:min(n, len(items))]...) })
	slices.Sort(first)
	return first[:min(n, len(first))]
}

func (p pool) each(name string, outcome crm.Outcome, do func([]int)) {
	if groups := p[name]; groups != nil {
		for o := range groups {
			if !outcome.Contradicts(crm.Outcome(o)) {
				do(groups[o])
			}
		}
	}
}
