package statuslink_test

import (
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// fields are what is merged field by field.
var fields = []statuslink.Field{statuslink.FieldName, statuslink.FieldColor, statuslink.FieldOutcome}

func outcomeText(o crm.Outcome) string {
	if o == crm.Unknown {
		return ""
	}
	return o.String()
}

// said returns what the CRM says of a field; "" if it does not say.
func said(row *crm.Status, field statuslink.Field) string {
	switch {
	case field == statuslink.FieldName && saysName(row):
		return row.Name
	case field == statuslink.FieldColor && saysColor(row):
		return row.Color
	case field == statuslink.FieldOutcome && saysOutcome(row):
		return row.Outcome.String()
	}
	return ""
}

func ofStatus(s *statuslink.Status, field statuslink.Field) string {
	switch field {
	case statuslink.FieldName:
		return s.Name
	case statuslink.FieldColor:
		return s.Color
	}
	return outcomeText(s.Outcome)
}

func ofBase(b statuslink.Base, field statuslink.Field) string {
	switch field {
	case statuslink.FieldName:
		return b.Name
	case statuslink.FieldColor:
		return b.Color
	}
	return outcomeText(b.Outcome)
}

func setBase(b *statuslink.Base, field statuslink.Field, value string) {
	switch field {
	case statuslink.FieldName:
		b.Name = value
	case statuslink.FieldColor:
		b.Color = value
	default:
		_ = b.Outcome.UnmarshalText([]byte(value))
	}
}

// merged is what the table of the design says of one field of one link.
type merged struct {
	value, base string
	conflict    bool // both moved apart: to be reported
	differs     bool // a first comparison found different values: to be reported
}

// merge is the three-way table. It takes Base from its own memory.
func (s *step) merge(p pair, i int, leads bool, field statuslink.Field) merged {
	link := p.after.Links[i]
	bot, base := ofStatus(&p.before, field), ofBase(s.past(p, i), field)
	row, listed := s.verdict.rows[link.Ref]
	now := ""
	if listed {
		now = said(&row, field)
	}
	switch {
	case now == "":
		return merged{value: bot, base: base}
	case !leads:
		return merged{value: bot, base: now}
	case base == "" && bot == "" && field != statuslink.FieldOutcome:
		return merged{value: now, base: now}
	case base == "":
		return merged{value: bot, base: now, differs: bot != now}
	case now == base || bot == now:
		return merged{value: bot, base: now}
	case bot == base:
		return merged{value: now, base: now}
	case s.engine.policy.Conflict == statuslink.CRMWins:
		return merged{value: now, base: now, conflict: true}
	case s.engine.policy.Conflict == statuslink.Leave:
		return merged{value: bot, base: base, conflict: true}
	}
	return merged{value: bot, base: now, conflict: true}
}

// No field edited in the bot is lost unless the policy says that the CRM wins,
// and then it is reported.
func lawFields(s *step) error {
	for _, p := range s.pairs() {
		leader := s.leads(p)
		for _, field := range fields {
			want := merged{value: ofStatus(&p.before, field)}
			if leader >= 0 {
				want = s.merge(p, leader, true, field)
			}
			got := ofStatus(&p.after, field)
			if got != want.value {
				return fmt.Errorf("%s of %s (%+q) was %+q and became %+q, want %+q", field, p.before.ID, p.before.Name,
					ofStatus(&p.before, field), got, want.value)
			}
			if leader < 0 {
				continue
			}
			ref := p.after.Links[leader].Ref
			if want.conflict != s.finds(statuslink.FindingConflict, scopeOf(ref), ref, field) {
				return fmt.Errorf("%s of %s: a conflict is reported: %t, want %t", field, p.before.ID, !want.conflict, want.conflict)
			}
			if want.differs && !s.finds(statuslink.FindingDiffers, scopeOf(ref), ref, field) {
				return fmt.Errorf("%s of %s: the difference at the first comparison is not reported", field, p.before.ID)
			}
		}
	}
	for _, status := range s.created() {
		if len(status.Links) == 0 {
			return fmt.Errorf("%s was created from nothing", status.ID)
		}
		row := s.verdict.rows[status.Links[0].Ref]
		for _, field := range fields {
			want := said(&row, field)
			if want == "" && field == statuslink.FieldName {
				want = row.Ref.ID
			}
			if got := ofStatus(&status, field); got != want {
				return fmt.Errorf("%s of the created %s is %+q, want the CRM's %+q", field, status.ID, got, want)
			}
		}
	}
	return nil
}

// Base is what the CRM said when a plan for the link was last applied.
func lawBase(s *step) error {
	for status := range s.after.All() {
		for _, link := range status.Links {
			want := s.next.base[link.Ref]
			if !want.Ordered {
				want.Order = link.Base.Order
			}
			if link.Base != want {
				return fmt.Errorf("the Base of %s at %s is %+v, want %+v", link.Ref, status.ID, link.Base, want)
			}
		}
	}
	return nil
}
