package statuslink_test

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// The space is tiny, so that everything collides.
var (
	lawNames = []string{"A", "B", "a", "\u0439", "\u0438\u0306", "C", "B\u00a0C", "b C", "A\u200d"}
	// distinctNames are those of histories about sequences.
	distinctNames = []string{"A", "B", "C", "D", "E", "F", "G", "H"}
	lawColors     = []string{"", "#FF0000", "#00FF00"}
	lawOutcomes   = []crm.Outcome{crm.Unknown, crm.Open, crm.Won}
	lawOrders     = []int{1, 2, 3, 5, 5, 8}
	lawIDs        = []string{"1", "2", "3", "4", "5", "6", "7", "10"}
	lawSources    = []sourceSetup{
		{name: "u", scopes: []string{""}},
		{name: "b", scopes: []string{"P", "Q"}, exists: true},
		{name: "c", scopes: []string{"P", "Q", "R"}, announces: true},
	}
)

func pick[T any](rt *rapid.T, of []T) T { return of[roll(rt, len(of))] }

// roll draws a number from 0 to n-1, all with the same chance: the ranges of
// rapid prefer small numbers.
func roll(rt *rapid.T, n int) int {
	number, most := 0, 1
	for exact := n&(n-1) == 0; exact && most < n || !exact && most < 4*n; most *= 2 {
		number *= 2
		if coin.Draw(rt, "bit") {
			number++
		}
	}
	return number % n
}

var coin = rapid.Bool()

func drawSetup(rt *rapid.T) setup {
	var s setup
	first, n := roll(rt, len(lawSources)), 1+roll(rt, 3)
	var names []string
	for i := range n {
		source := lawSources[(first+i)%len(lawSources)]
		source.exists = source.exists != (roll(rt, 3) == 2)
		s.sources = append(s.sources, source)
		names = append(names, source.name)
	}
	s.engines = []engineSetup{{drawPolicy(rt), names}}
	if roll(rt, 2) == 1 {
		others := slices.Clone(names)
		slices.Reverse(others)
		s.engines = append(s.engines, engineSetup{drawPolicy(rt), others[:1+roll(rt, n)]})
	}
	s.descending = roll(rt, 2) == 1
	s.focus = pick(rt, []string{"", "sequences", "fields"})
	return s
}

func drawPolicy(rt *rapid.T) statuslink.Policy {
	return statuslink.Policy{
		Conflict: pick(rt, []statuslink.Conflict{statuslink.KeepBot, statuslink.CRMWins, statuslink.Leave}),
		Apart:    roll(rt, 4) == 3, LinkOnly: roll(rt, 8) == 7,
	}
}

// draw is one sort of action; act makes it out of what is there, or nil if there
// is nothing for it.
type draw struct {
	name   string // where a focus is on it
	weight int
	act    func(rt *rapid.T, w *world) action
}

func drawAction(rt *rapid.T, w *world) action {
	rows := 0
	for _, c := range w.crms {
		for _, scope := range c.scopes {
			rows += len(scope.rows)
		}
	}
	enough := 3 + 2*len(w.crms)
	if w.setup.focus == "sequences" {
		enough = 4 + 4*len(w.crms)
	}
	if rows < enough && roll(rt, 4) > 0 {
		return drawCreate(rt, w)
	}
	for range 20 {
		if a := anyOf(rt, w, draws()[w.setup.focus]); a != nil {
			return a
		}
	}
	return drawCreate(rt, w)
}

func anyOf(rt *rapid.T, w *world, of []draw) action {
	total := 0
	for _, d := range of {
		total += d.weight
	}
	n := roll(rt, total)
	for _, d := range of {
		if n -= d.weight; n < 0 {
			return d.act(rt, w)
		}
	}
	panic(fmt.Sprint("weights do not add up to ", total))
}

func drawCreate(rt *rapid.T, w *world) action {
	source := w.crms[pick(rt, w.setup.sources).name]
	if len(source.scopes) == 0 {
		return crmScopeOn{source.name, "P"}
	}
	ref := crm.Ref{Source: source.name, Scope: pick(rt, source.scopes).id, ID: pick(rt, lawIDs)}
	return crmCreate{crm.Status{
		Ref: ref, Name: drawName(rt, w), Order: pick(rt, lawOrders), Color: pick(rt, lawColors), Outcome: drawOutcome(rt),
	}}
}

func drawCRMName(rt *rapid.T) string {
	if roll(rt, 12) == 11 {
		return pick(rt, []string{"", "\u200b"})
	}
	return pick(rt, lawNames)
}

func drawName(rt *rapid.T, w *world) string {
	if w.setup.focus == "sequences" && roll(rt, 8) > 0 {
		return pick(rt, distinctNames)
	}
	return drawCRMName(rt)
}

func drawOutcome(rt *rapid.T) crm.Outcome {
	if roll(rt, 3) < 2 {
		return crm.Unknown
	}
	return pick(rt, lawOutcomes)
}

func shuffle(rt *rapid.T, ids []string) []string {
	for i := range ids {
		j := i + roll(rt, len(ids)-i)
		ids[i], ids[j] = ids[j], ids[i]
	}
	return ids
}

func withScope(then func(*rapid.T, string, *crmScope) action) func(*rapid.T, *world) action {
	return func(rt *rapid.T, w *world) action {
		source := w.crms[pick(rt, w.setup.sources).name]
		if len(source.scopes) == 0 {
			return nil
		}
		return then(rt, source.name, pick(rt, source.scopes))
	}
}

func withRow(then func(*rapid.T, *world, crm.Status) action) func(*rapid.T, *world) action {
	return func(rt *rapid.T, w *world) action {
		source := w.crms[pick(rt, w.setup.sources).name]
		if len(source.scopes) == 0 {
			return nil
		}
		scope := pick(rt, source.scopes)
		if len(scope.rows) == 0 {
			return nil
		}
		return then(rt, w, pick(rt, scope.rows))
	}
}

func withStatus(then func(*rapid.T, statuslink.Status) action) func(*rapid.T, *world) action {
	return func(rt *rapid.T, w *world) action {
		now := load(w.store)
		if now.Len() == 0 {
			return nil
		}
		return then(rt, now.At(roll(rt, now.Len())))
	}
}

func withLink(then func(*rapid.T, statuslink.Link) action) func(*rapid.T, *world) action {
	return func(rt *rapid.T, w *world) action {
		var links []statuslink.Link
		for status := range load(w.store).All() {
			// A status with several links is the more interesting one.
			links = append(links, status.Links...)
		}
		if len(links) == 0 {
			return nil
		}
		return then(rt, pick(rt, links))
	}
}
