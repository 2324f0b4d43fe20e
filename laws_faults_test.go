package statuslink_test

import (
	"fmt"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// fault is what goes wrong when a source is read.
type fault struct {
	source string
	kind   string
	n      int
}

// The faults.
var faultKinds = []string{"fails", "cut", "announced and cut", "doubled", "empty", "emptied scope", "other account", "stray row"}

func (f fault) String() string {
	if f.kind == "cut" || f.kind == "emptied scope" {
		return fmt.Sprintf("%s %s (%d)", f.source, f.kind, f.n)
	}
	return f.source + " " + f.kind
}

// list returns what a complete reading of the CRM gives.
func (c *crmSource) list() crm.Listing {
	l := crm.Listing{Source: c.name, Account: slices.Clone(c.account)}
	if c.exists {
		l.Exists = []string{}
	}
	for _, s := range c.scopes {
		if c.exists {
			l.Exists = append(l.Exists, s.id)
		}
		if s.hidden {
			continue
		}
		scope := crm.Scope{ID: s.id, Name: s.name}
		if c.announces {
			scope.Announced = len(s.rows)
		}
		l.Scopes = append(l.Scopes, scope)
		l.Statuses = append(l.Statuses, s.rows...)
	}
	return l
}

// read returns what the sources show, with the faults.
func (w *world) read(sources []string, faults []fault) []shown {
	readings := make([]shown, 0, len(sources))
	for _, source := range sources {
		r := shown{source: source, listing: w.crms[source].list()}
		for _, f := range faults {
			if f.source == source {
				f.spoil(&r)
			}
		}
		readings = append(readings, r)
	}
	return readings
}

func (f fault) spoil(r *shown) {
	l := &r.listing
	drop := func(keep func(crm.Status) bool) {
		l.Statuses = slices.DeleteFunc(l.Statuses, func(s crm.Status) bool { return !keep(s) })
	}
	recount := func() {
		for i := range l.Scopes {
			if l.Scopes[i].Announced > 0 {
				l.Scopes[i].Announced = 0
			}
		}
	}
	switch f.kind {
	case "fails":
		*r = shown{source: r.source, err: &crm.Error{Kind: crm.ErrUnavailable, Source: r.source, Op: "list statuses"}}
	case "cut":
		recount()
		l.Statuses = l.Statuses[:len(l.Statuses)-min(len(l.Statuses), 1+f.n)]
	case "announced and cut":
		if n := len(l.Statuses); n > 0 {
			last := l.Statuses[n-1].Ref.Scope
			for i := range l.Scopes {
				if l.Scopes[i].ID == last {
					l.Scopes[i].Announced = n + 1
				}
			}
			l.Statuses = l.Statuses[:n-1]
		}
	case "doubled":
		if len(l.Statuses) > 0 {
			l.Statuses = append(l.Statuses, l.Statuses[0])
		}
	case "empty":
		recount()
		l.Statuses = nil
	case "emptied scope":
		if len(l.Scopes) > 0 {
			recount()
			empty := l.Scopes[f.n%len(l.Scopes)].ID
			drop(func(s crm.Status) bool { return s.Ref.Scope != empty })
		}
	case "other account":
		l.Account = []string{"other.example"}
	case "stray row":
		l.Statuses = append(l.Statuses, crm.Status{Ref: crm.Ref{Source: l.Source, Scope: "nowhere", ID: "1"}, Name: "A"})
	}
}
