package statuslink

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/statuslink/statuslink/crm"
)

// mergeFields is step 4.
func (m *merger) mergeFields(src *source, sc *scope) {
	for _, at := range sc.links {
		row := m.row(src, at)
		if row == nil {
			continue
		}
		if changes := m.mergeValues(sc, at, row); len(changes) > 0 {
			sc.act(at, Operation{
				Kind: OpUpdate, Ref: row.Ref, Status: m.ref(at.status), Changes: changes,
				Reason: "the CRM changed it",
			})
		}
	}
}

// mergeValues moves the Base of a listed link and, if the link leads, merges
// the CRM's values into the status. It returns what changed there.
func (m *merger) mergeValues(sc *scope, at linkAt, row *crm.Status) []Change {
	s := m.at(at.status)
	base := s.Links[at.link].Base
	if unmoved(row.Name, base.Name) && unmoved(row.Color, base.Color) && unmoved(row.Outcome, base.Outcome) {
		return nil
	}
	next, named := base, *s
	var changes []Change
	if s.leader() != at.link {
		follow(&next.Name, row.Name)
		follow(&next.Color, row.Color)
		follow(&next.Outcome, row.Outcome)
	} else {
		f := fieldMerge{m: m, sc: sc, at: at, row: row}
		mergeField(&f, FieldName, &named.Name, &next.Name, row.Name, true)
		mergeField(&f, FieldColor, &named.Color, &next.Color, row.Color, true)
		// An Outcome decides who is a candidate, so a first link fills none.
		mergeField(&f, FieldOutcome, &named.Outcome, &next.Outcome, row.Outcome, false)
		changes = f.changes
	}
	if len(changes) == 0 && next == base {
		return nil
	}
	edited := m.edit(at.status)
	renamed := edited.Name != named.Name
	edited.Name, edited.Color, edited.Outcome = named.Name, named.Color, named.Outcome
	if renamed {
		m.rename(at.status)
	}
	edited.Links[at.link].Base = next
	sc.note(at, base, next)
	return changes
}

// unmoved reports whether the CRM says nothing, or what it said before.
func unmoved[T comparable](said, base T) bool {
	var nothing T
	return said == nothing || said == base
}

func follow[T comparable](base *T, said T) {
	if !unmoved(said, *base) {
		*base = said
	}
}

// fieldMerge gathers what the merge of one status's fields comes to.
type fieldMerge struct {
	m       *merger
	sc      *scope
	at      linkAt
	row     *crm.Status
	changes []Change
}

// mergeField merges one field: bot and base are changed in place.
func mergeField[T comparable](f *fieldMerge, field Field, bot, base *T, said T, fill bool) {
	var nothing T
	was := *bot
	report := func(kind FindingKind, message string) {
		f.sc.find(Finding{
			Kind: kind, Ref: f.row.Ref, Status: f.m.ref(f.at.status), Field: field,
			Bot: valueText(was), CRM: valueText(said),
			Message: fmt.Sprintf("%s %q in the bot, %q in the CRM; %s", field, valueText(was), valueText(said), message),
		})
	}
	switch {
	case unmoved(said, *base):
		return
	case *bot == said:
	case *base == nothing:
		if *bot == nothing && fill {
			*bot = said
		} else {
			report(FindingDiffers, "the bot's is kept")
		}
	case *bot == *base:
		*bot = said
	case f.m.policy.Conflict == CRMWins:
		report(FindingConflict, "the CRM changed it, the bot's is its own, and the CRM's is taken")
		*bot = said
	default:
		report(FindingConflict, "the CRM changed it, the bot's is its own, and is kept; Catalog.Follow takes the CRM's")
		if f.m.policy.Conflict == Leave {
			return
		}
	}
	*base = said
	if *bot != was {
		f.changes = append(f.changes, Change{field, valueText(was), valueText(*bot)})
	}
}

// valueText returns a field's value as a plan shows it.
func valueText[T comparable](value T) string {
	if outcome, ok := any(value).(crm.Outcome); ok {
		return outcomeText(outcome)
	}
	return fmt.Sprint(value)
}

// outcomeText returns an outcome's name, or "" for none.
func outcomeText(outcome crm.Outcome) string {
	if outcome == crm.Unknown {
		return ""
	}
	return outcome.String()
}

// note keeps the move of a Base for a note operation.
func (sc *scope) note(at linkAt, old, now Base) {
	var changes []Change
	add := func(field Field, before, after string) {
		if before != after {
			changes = append(changes, Change{field, before, after})
		}
	}
	add(FieldName, old.Name, now.Name)
	add(FieldColor, old.Color, now.Color)
	add(FieldOutcome, outcomeText(old.Outcome), outcomeText(now.Outcome))
	add(FieldOrder, orderText(old), orderText(now))
	if sc.pending == nil {
		sc.pending = make(map[linkAt][]Change)
	}
	sc.pending[at] = append(sc.pending[at], changes...)
}

func orderText(base Base) string {
	if !base.Ordered {
		return ""
	}
	return strconv.Itoa(base.Order)
}

// noteBases adds a note operation for each link of which only the Base moves.
func (m *merger) noteBases(_ *source, sc *scope) {
	if len(sc.pending) == 0 {
		return
	}
	for _, at := range sc.links {
		changes := sc.pending[at]
		if sc.reordered && m.at(at.status).leader() == at.link {
			changes = slices.DeleteFunc(changes, func(c Change) bool { return c.Field == FieldOrder })
		}
		if len(changes) > 0 && !sc.settled[at] {
			sc.ops = append(sc.ops, Operation{
				Kind: OpNote, Ref: m.at(at.status).Links[at.link].Ref, Status: m.ref(at.status), Changes: changes,
				Reason: "the CRM's values are noted; the status stays as it is",
			})
		}
	}
}
