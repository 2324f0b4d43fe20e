package statuslink_test

import (
	"strings"
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// fieldCase is one row of the table of fields: what the CRM, the bot and Base
// hold before a plan, and what bot and Base hold after it.
type fieldCase struct {
	name           string
	crm, base, bot string // "" is absent or unset
	policy         statuslink.Conflict
	wantBot        string
	wantBase       string
	finding        string // "conflict", "differs" or ""
	stays          bool   // the finding is in the next plan too
}

// The values stand for a name, a colour and an outcome each.
var fieldValues = map[string]map[statuslink.Field]string{
	"1": {statuslink.FieldName: "One", statuslink.FieldColor: "#111111", statuslink.FieldOutcome: "open"},
	"2": {statuslink.FieldName: "Two", statuslink.FieldColor: "#222222", statuslink.FieldOutcome: "won"},
	"3": {statuslink.FieldName: "Три", statuslink.FieldColor: "#333333", statuslink.FieldOutcome: "lost"},
	"":  {},
}

var fieldTable = []fieldCase{
	{name: "CRM is Base", crm: "1", base: "1", bot: "1", wantBot: "1", wantBase: "1"},
	{name: "CRM is Base, bot edited", crm: "1", base: "1", bot: "2", wantBot: "2", wantBase: "1"},
	{name: "bot is Base, CRM moved", crm: "2", base: "1", bot: "1", wantBot: "2", wantBase: "2"},
	{name: "both moved to the same", crm: "2", base: "1", bot: "2", wantBot: "2", wantBase: "2"},
	{name: "both moved apart, bot keeps", crm: "2", base: "1", bot: "3", wantBot: "3", wantBase: "2", finding: "conflict"},
	{name: "both moved apart, CRM wins", crm: "2", base: "1", bot: "3", policy: statuslink.CRMWins, wantBot: "2", wantBase: "2", finding: "conflict"},
	{name: "both moved apart, leave", crm: "2", base: "1", bot: "3", policy: statuslink.Leave, wantBot: "3", wantBase: "1", finding: "conflict", stays: true},
	{name: "no Base, bot set", crm: "1", bot: "2", wantBot: "2", wantBase: "1", finding: "differs"},
	{name: "no Base, bot the same", crm: "1", bot: "1", wantBot: "1", wantBase: "1"},
	{name: "no Base, bot unset", crm: "1", bot: "", wantBot: "1", wantBase: "1"},
	{name: "CRM says nothing", crm: "", base: "1", bot: "2", wantBot: "2", wantBase: "1"},
	{name: "CRM says nothing, no Base", crm: "", base: "", bot: "2", wantBot: "2", wantBase: ""},
}

func TestFieldTable(t *testing.T) {
	t.Parallel()
	for _, field := range []statuslink.Field{statuslink.FieldName, statuslink.FieldColor, statuslink.FieldOutcome} {
		for _, test := range fieldTable {
			if field == statuslink.FieldName && test.bot == "" {
				continue // a status always has a name
			}
			if field == statuslink.FieldOutcome && test.name == "no Base, bot unset" {
				test.wantBot, test.finding = "", "differs" // a first link fills no Outcome
			}
			t.Run(string(field)+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				test.run(t, field)
			})
		}
	}
}

func (c *fieldCase) run(t *testing.T, field statuslink.Field) {
	r := newRig(t, statuslink.Policy{Conflict: c.policy}, "crm")
	ref := crm.Ref{Source: "crm", ID: "1"}
	value := func(v string) string { return fieldValues[v][field] }
	row := crm.Status{Ref: ref}
	link := statuslink.Link{Ref: ref}
	status := statuslink.Status{ID: "st_1", Name: "Name", Links: []statuslink.Link{link}}
	base := &status.Links[0].Base
	base.Ordered = true
	setField(t, field, &status.Name, &status.Color, &status.Outcome, value(c.bot))
	setField(t, field, &row.Name, &row.Color, &row.Outcome, value(c.crm))
	setField(t, field, &base.Name, &base.Color, &base.Outcome, value(c.base))
	_, err := r.store.Apply(t.Context(), statuslink.Changes{
		Create: []statuslink.Status{status}, Scopes: []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "crm"}}},
	})
	r.must(err)
	l := listing("crm")
	l.Statuses = []crm.Status{row}
	r.fakes["crm"].Show(l)

	plan := r.sync()
	after, err := r.catalog.Get(t.Context(), "st_1")
	r.must(err)
	got := map[string]string{
		"bot":  fieldOf(field, after.Name, after.Color, after.Outcome),
		"Base": fieldOf(field, after.Links[0].Base.Name, after.Links[0].Base.Color, after.Links[0].Base.Outcome),
	}
	if got["bot"] != value(c.wantBot) || got["Base"] != value(c.wantBase) {
		t.Errorf("bot %q and Base %q, want %q and %q\n%v", got["bot"], got["Base"], value(c.wantBot), value(c.wantBase), plan)
	}
	if found := findingsAbout(plan, field); found != c.finding {
		t.Errorf("findings %q, want %q", found, c.finding)
	}
	again := ""
	if c.stays {
		again = c.finding
	}
	if found := findingsAbout(r.plan(), field); found != again {
		t.Errorf("findings of the next plan %q, want %q", found, again)
	}
}

func setField(t *testing.T, field statuslink.Field, name, color *string, outcome *crm.Outcome, value string) {
	t.Helper()
	switch {
	case value == "":
	case field == statuslink.FieldName:
		*name = value
	case field == statuslink.FieldColor:
		*color = value
	default:
		if err := outcome.UnmarshalText([]byte(value)); err != nil {
			t.Fatal(err)
		}
	}
}

func fieldOf(field statuslink.Field, name, color string, outcome crm.Outcome) string {
	switch {
	case field == statuslink.FieldName:
		return name
	case field == statuslink.FieldColor:
		return color
	case outcome == crm.Unknown:
		return ""
	}
	return outcome.String()
}

func findingsAbout(plan *statuslink.Plan, field statuslink.Field) string {
	var found []string
	for _, f := range plan.Findings() {
		if f.Field == field && f.Kind != statuslink.FindingOutcome {
			found = append(found, string(f.Kind))
		}
	}
	return strings.Join(found, " ")
}

func TestFieldsOfACreatedStatusAreTheCRMs(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 Оплачено #27AE60 won")
	r.wantPlan(r.sync(), "create", "")
	status, err := r.catalog.Get(t.Context(), "st_01")
	r.must(err)
	want := statuslink.Base{Name: "Оплачено", Color: "#27AE60", Outcome: crm.Won, Order: 10, Ordered: true}
	if status.Links[0].Base != want {
		t.Errorf("Base of a created status is %+v, want %+v", status.Links[0].Base, want)
	}
	r.wantState("a created status has the CRM's values", "Оплачено #27AE60 won crm/1")
}

func TestFieldsOfAMissingLinkAreKeptAndItsBaseIsFrozen(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A #111111 open", "2 B", "3 C", "4 D")
	r.sync()
	before, err := r.catalog.Get(t.Context(), "st_01")
	r.must(err)
	r.show("crm", "2 B", "3 C", "4 D")
	r.wantPlan(r.sync(), "missing", "")
	after, err := r.catalog.Get(t.Context(), "st_01")
	r.must(err)
	if after.Links[0].Base != before.Links[0].Base || after.Name != "A" || after.Color != "#111111" {
		t.Errorf("a missing link changed %+v to %+v", before, after)
	}
	// Listed again with other values, it is merged with the frozen Base.
	r.show("crm", "1 A2 #222222 won", "2 B", "3 C", "4 D")
	r.wantPlan(r.sync(), "revive update", "")
	r.wantState("a revived link is merged", "A2 #222222 won crm/1", "B crm/2", "C crm/3", "D crm/4")
}

func TestOnlyTheLeaderReachesTheFields(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "a", "b")
	r.show("a", "1 New #111111")
	r.show("b", "1 New #222222")
	r.sync()
	r.wantState("the first link leads", "New #111111 a/1 b/1")
	r.show("b", "1 Neu #333333")
	r.wantPlan(r.sync(), "", "")
	r.wantState("a link that does not lead changes nothing", "New #111111 a/1 b/1")
	_, err := r.catalog.Lead(t.Context(), crm.Ref{Source: "b", ID: "1"})
	r.must(err)
	r.wantPlan(r.sync(), "", "")
	r.wantState("a change of leader changes nothing by itself", "New #111111 b/1 a/1")
	r.show("b", "1 Neu #444444")
	r.wantPlan(r.sync(), "", "conflict")
	_, err = r.catalog.Follow(t.Context(), "st_01")
	r.must(err)
	r.show("b", "1 Novo #555555")
	r.wantPlan(r.sync(), "update", "")
	r.wantState("a field that follows takes the CRM's next value", "Novo #555555 b/1 a/1")
}

func TestBlankNameMatchesAndOverwritesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, statuslink.Policy{}, "crm")
	r.show("crm", "1 A", "2")
	r.sync()
	r.wantState("a status without a name is named by its ID", "A crm/1", "2 crm/2")
	r.show("crm", "1", "2 B")
	r.sync()
	r.wantState("a blank name overwrites nothing, a first name is taken", "A crm/1", "B crm/2")
}
