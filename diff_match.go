package statuslink

import (
	"fmt"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// linkAndCreate is step 6.
func (m *merger) linkAndCreate() {
	for _, src := range m.sources {
		if m.policy.Apart {
			m.match(src, src.scopes)
			continue
		}
		for i, sc := range src.scopes {
			if !sc.held {
				m.match(src, src.scopes[i:i+1])
			}
		}
	}
}

// match links the open rows of scopes that are judged together, or creates
// statuses from them. A row is linked if it has one candidate and is that
// candidate's only claimant, whatever else happens in the plan; so what one
// plan finds ambiguous, the next does too.
func (m *merger) match(src *source, scopes []*scope) {
	rows, statuses := make(pool), make(pool)
	names := make(map[int]string)
	for _, sc := range scopes {
		for _, r := range sc.open {
			name := m.fold(src.rows[r].Name)
			if name == "" {
				continue
			}
			names[r] = name
			if rows[name] == nil {
				for _, i := range m.called(name) {
					if m.free(i, sc.key) {
						statuses.add(name, m.at(i).Outcome, i)
					}
				}
			}
			rows.add(name, src.rows[r].Outcome, r)
		}
	}
	for _, sc := range scopes {
		if sc.held {
			continue
		}
		for _, r := range sc.open {
			if sc.blocked[r] {
				continue
			}
			row, name := &src.rows[r], names[r]
			found := 0
			if name != "" {
				found = statuses.count(name, row.Outcome)
			}
			if found == 1 {
				if i := statuses.only(name, row.Outcome); m.claims(rows, i) == 1 {
					m.linkByName(src, sc, i, r)
					continue
				}
			}
			switch {
			case found > 0:
				f := Finding{Kind: FindingAmbiguous, Ref: row.Ref, CRM: row.Name}
				f.Candidates, f.More = m.candidates(statuses.first(name, row.Outcome, maxCandidates), found)
				f.Message = fmt.Sprintf("several statuses could be %q; link it by hand", row.Name)
				if found == 1 {
					f.Message = fmt.Sprintf("%q and others in the CRM could be %q; link one by hand, and ignore those that are to stay out", row.Name, f.Candidates[0].Name)
				}
				sc.find(f)
			case m.policy.LinkOnly:
				sc.find(Finding{
					Kind: FindingUnlinked, Ref: row.Ref, CRM: row.Name,
					Message: fmt.Sprintf("no status of the bot is called %q; create one, or link it by hand", row.Name),
				})
			default:
				m.create(src, sc, r)
			}
		}
	}
}

// called returns the statuses with that folded name or alias, in order.
func (m *merger) called(name string) []int {
	found := m.snapshot.nameIndex().find[name]
	if len(m.renamed) == 0 && len(m.extra) == 0 {
		return found
	}
	var now []int
	for _, i := range found {
		if _, renamed := m.renamed[i]; !renamed || slices.Contains(m.namesOf(i), name) {
			now = append(now, i)
		}
	}
	for _, i := range m.extra[name] {
		if _, known := slices.BinarySearch(found, i); !known {
			now = append(now, i)
		}
	}
	slices.Sort(now)
	return now
}

// namesOf returns the folded name and aliases of a status, each once.
func (m *merger) namesOf(i int) []string {
	s := m.at(i)
	name, known := m.renamed[i]
	switch {
	case known:
	case i < m.snapshot.Len():
		name = m.snapshot.nameIndex().folded[i]
	default:
		name = m.fold(s.Name)
	}
	names := []string{name}
	for _, alias := range s.Aliases {
		if alias = m.fold(alias); !slices.Contains(names, alias) {
			names = append(names, alias)
		}
	}
	return names
}

// rename notes that a status goes by another name from now on.
func (m *merger) rename(i int) {
	if m.renamed == nil {
		m.renamed = make(map[int]string)
	}
	m.renamed[i] = m.fold(m.at(i).Name)
	m.goesBy(i, m.renamed[i])
}

func (m *merger) goesBy(i int, name string) {
	if m.extra == nil {
		m.extra = make(map[string][]int)
	}
	m.extra[name] = append(m.extra[name], i)
}

// free reports whether a status may be linked by name in a scope.
func (m *merger) free(i int, key ScopeKey) bool {
	return !slices.ContainsFunc(m.at(i).Links, func(l Link) bool {
		return l.Ref.Source == key.Source && (m.policy.Apart || l.Ref.Scope == key.ID)
	})
}

// claims counts the rows for which a status is a candidate.
func (m *merger) claims(rows pool, i int) int {
	n := 0
	for _, name := range m.namesOf(i) {
		n += rows.count(name, m.at(i).Outcome)
	}
	return n
}

func (m *merger) linkByName(src *source, sc *scope, i, r int) {
	row := &src.rows[r]
	s := m.edit(i)
	at := linkAt{i, len(s.Links)}
	s.Links = append(s.Links, Link{Ref: row.Ref, LinkedAt: pendingTime()})
	src.at[r] = place{at, true}
	sc.added = append(sc.added, addedLink{at, r})
	op := Operation{Kind: OpLink, Ref: row.Ref, Status: m.ref(i), Reason: "they have the same name"}
	if m.fold(row.Name) != m.fold(m.at(i).Name) {
		op.Reason = fmt.Sprintf("%q is an alias of it", row.Name)
	}
	op.Changes = m.mergeValues(sc, at, row)
	sc.act(at, op)
}

func (m *merger) create(src *source, sc *scope, r int) {
	row := &src.rows[r]
	name := row.Name
	if name == "" {
		if name = crm.CleanName(row.Ref.ID); blank(name) {
			name = fmt.Sprintf("%q", row.Ref.ID)
		}
	}
	s := &Status{
		Name: name, Color: row.Color, Outcome: row.Outcome,
		Links: []Link{{
			Ref: row.Ref, LinkedAt: pendingTime(),
			Base: Base{Name: name, Color: row.Color, Outcome: row.Outcome, Order: row.Order, Ordered: true},
		}},
	}
	reason, folded := "no status has this name", m.fold(name)
	if len(m.snapshot.nameIndex().find[folded])+len(m.extra[folded]) > 0 {
		reason = "no status of this name is free for it"
	}
	i := m.snapshot.Len() + len(m.created)
	m.created = append(m.created, s)
	m.from = append(m.from, row.Ref)
	m.goesBy(i, folded)
	src.at[r] = place{linkAt{i, 0}, true}
	sc.births++
	op := Operation{Kind: OpCreate, Ref: row.Ref, Status: m.ref(i), Reason: reason}
	for _, change := range []Change{
		{FieldName, "", s.Name},
		{FieldColor, "", s.Color},
		{FieldOutcome, "", outcomeText(s.Outcome)},
	} {
		if change.After != "" {
			op.Changes = append(op.Changes, change)
		}
	}
	sc.act(linkAt{i, 0}, op)
}

// addedLink is a link made by name and the row that it is linked to.
type addedLink struct {
	linkAt
	row int
}
