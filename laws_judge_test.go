package statuslink_test

import (
	"cmp"
	"slices"
	"strings"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// The laws judge by what follows: an account of the rules that shares no code
// with the library, and a memory of its own.

// foldings are the names of the world by what they fold to.
var foldings = map[string]string{
	"A": "a", "a": "a", "A\u200d": "a", "B": "b", "C": "c",
	"\u0439": "\u0439", "\u0438\u0306": "\u0439", "\u0419": "\u0439",
	"B\u00a0C": "b c", "b C": "b c",
	"D": "d", "E": "e", "F": "f", "G": "g", "H": "h",
}

// folded returns what a name folds to; "" for a blank one.
func folded(name string) string {
	if name == "" || name == "\u200b" {
		return ""
	}
	if f, ok := foldings[name]; ok {
		return f
	}
	return name // an ID that names a status
}

// Which fields a CRM says: what is empty, or cannot be kept, is not said.
func saysName(row *crm.Status) bool {
	return folded(row.Name) != "" && row.Name == crm.CleanName(row.Name)
}

func saysColor(row *crm.Status) bool {
	return row.Color != "" && row.Color == crm.CleanColor(row.Color)
}
func saysOutcome(row *crm.Status) bool { return row.Outcome != crm.Unknown && row.Outcome.Valid() }

func inSequence(a, b crm.Status) int {
	return cmp.Or(cmp.Compare(a.Order, b.Order), strings.Compare(a.Ref.ID, b.Ref.ID))
}

func scopeOf(ref crm.Ref) statuslink.ScopeKey {
	return statuslink.ScopeKey{Source: ref.Source, ID: ref.Scope}
}

// verdict is what the readings of one run are worth.
type verdict struct {
	refused map[string]bool
	scopes  []statuslink.ScopeKey // believed, in the order of reading
	covered map[statuslink.ScopeKey]bool
	held    map[statuslink.ScopeKey]bool
	rows    map[crm.Ref]crm.Status
}

// list returns the rows of a believed scope in the CRM's sequence.
func (v *verdict) list(key statuslink.ScopeKey) []crm.Status {
	var rows []crm.Status
	for ref, row := range v.rows {
		if scopeOf(ref) == key {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, inSequence)
	return rows
}

// judge follows steps 1 and 2: what is refused and what is held.
func judge(before *statuslink.Snapshot, readings []shown, released []statuslink.ScopeKey) verdict {
	v := verdict{
		refused: make(map[string]bool), covered: make(map[statuslink.ScopeKey]bool),
		held: make(map[statuslink.ScopeKey]bool), rows: make(map[crm.Ref]crm.Status),
	}
	links := make(map[statuslink.ScopeKey][]statuslink.Link)
	for status := range before.All() {
		for _, link := range status.Links {
			links[scopeOf(link.Ref)] = append(links[scopeOf(link.Ref)], link)
		}
	}
	for _, r := range readings {
		if refuse(before, r, links) {
			v.refused[r.source] = true
			continue
		}
		read := make(map[statuslink.ScopeKey]bool)
		for _, scope := range r.listing.Scopes {
			key := statuslink.ScopeKey{Source: r.source, ID: scope.ID}
			v.scopes = append(v.scopes, key)
			v.covered[key], read[key] = true, true
		}
		for _, row := range r.listing.Statuses {
			v.rows[row.Ref] = row
		}
		for key, of := range links {
			if key.Source != r.source {
				continue
			}
			if !read[key] {
				if r.listing.Exists != nil && !slices.Contains(r.listing.Exists, key.ID) {
					if !slices.Contains(released, key) {
						v.held[key] = true
					} else {
						v.covered[key] = true
					}
				}
				continue
			}
			if tooMuchLost(&v, key, of) && !slices.Contains(released, key) {
				v.held[key] = true
			}
		}
	}
	return v
}

func refuse(before *statuslink.Snapshot, r shown, links map[statuslink.ScopeKey][]statuslink.Link) bool {
	l := &r.listing
	if r.err != nil || l.Validate() != nil || l.Source != r.source {
		return true
	}
	if len(l.Statuses) == 0 && slices.ContainsFunc(l.Scopes, func(p crm.Scope) bool {
		return len(links[statuslink.ScopeKey{Source: r.source, ID: p.ID}]) > 0
	}) {
		return true
	}
	known := before.Account(r.source)
	return len(known) > 0 && len(l.Account) > 0 &&
		!slices.ContainsFunc(known, func(name string) bool { return slices.Contains(l.Account, name) })
}

func tooMuchLost(v *verdict, key statuslink.ScopeKey, links []statuslink.Link) bool {
	a, held := 0, 0
	for _, link := range links {
		if _, listed := v.rows[link.Ref]; listed {
			held++
		} else if !link.Missing() {
			a++
		}
	}
	n := a + held
	return a > 2 && 3*a > n || a == n && n > 1 || len(v.list(key)) == 0
}
