package statuslink

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// maxCandidates limits the candidates that a finding names.
const maxCandidates = 10

// compareOutcomes reports links whose Outcome contradicts their status's.
func (m *merger) compareOutcomes(src *source, sc *scope) {
	check := func(at linkAt, row *crm.Status) {
		if s := m.at(at.status); s.Outcome.Contradicts(row.Outcome) {
			sc.find(Finding{
				Kind: FindingOutcome, Ref: row.Ref, Status: m.ref(at.status), Field: FieldOutcome,
				Bot: s.Outcome.String(), CRM: row.Outcome.String(),
				Message: fmt.Sprintf("%q is %s in the bot and %s in the CRM", s.Name, s.Outcome, row.Outcome),
			})
		}
	}
	for _, at := range sc.links {
		if row := m.row(src, at); row != nil {
			check(at, row)
		}
	}
	for _, at := range sc.added {
		check(at.linkAt, &src.rows[at.row])
	}
}

// findTwins reports statuses that have one name after the plan.
func (m *merger) findTwins() {
	index := m.snapshot.nameIndex()
	groups := index.twins
	if len(m.renamed) > 0 || len(m.created) > 0 {
		names := slices.Clone(index.folded)
		for i, name := range m.renamed {
			names[i] = name
		}
		for _, s := range m.created {
			names = append(names, m.fold(s.Name))
		}
		groups = twins(names)
	}
	for _, group := range groups {
		f := Finding{Kind: FindingTwins, Field: FieldName, Bot: m.at(group[0]).Name}
		f.Candidates, f.More = m.candidates(group, len(group))
		f.Message = fmt.Sprintf("%d statuses are called %q; rename or remove the superfluous ones", len(group), f.Bot)
		m.findings = append(m.findings, f)
	}
}

// candidates names the first of the statuses, of which there are count.
func (m *merger) candidates(indices []int, count int) (refs []StatusRef, more int) {
	indices = indices[:min(maxCandidates, len(indices))]
	return m.refs(indices), count - len(indices)
}

func compareFindings(a, b Finding) int {
	return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), compareRefs(a.Ref, b.Ref),
		strings.Compare(a.Status.ID, b.Status.ID), strings.Compare(string(a.Field), string(b.Field)))
}
