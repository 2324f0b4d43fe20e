package statuslink_test

import (
	"testing"

	"github.com/statuslink/statuslink/crm"
)

// TestLawScripts keeps histories that once broke a law.
func TestLawScripts(t *testing.T) {
	t.Parallel()
	u := func(id string) crm.Ref { return crm.Ref{Source: "u", ID: id} }
	b := func(scope, id string) crm.Ref { return crm.Ref{Source: "b", Scope: scope, ID: id} }
	row := func(ref crm.Ref, name string, order int, outcome crm.Outcome) action {
		return crmCreate{crm.Status{Ref: ref, Name: name, Order: order, Outcome: outcome}}
	}
	run := syncRun{mode: syncModes[0]}
	for _, test := range []struct {
		name   string
		script []action
	}{
		{
			name: "a digest that left out the Base of a link that does not lead",
			script: []action{
				row(b("Q", "1"), "B", 1, crm.Unknown), row(b("P", "1"), "B", 1, crm.Unknown), run,
			},
		},
		{
			name: "a digest that left out the place of a created status",
			script: []action{
				row(u("1"), "a", 2, crm.Unknown), run, row(u("4"), "B", 1, crm.Unknown), run,
			},
		},
		{
			name: "a digest that left out what else moves in a reorder",
			script: []action{
				row(b("Q", "4"), "B", 2, crm.Won), row(b("Q", "2"), "G", 5, crm.Unknown), run,
				crmOrder{b("Q", "2"), 2},
				run,
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sources := []sourceSetup{
				{name: "u", scopes: []string{""}},
				{name: "b", scopes: []string{"P", "Q"}, exists: true},
			}
			w := replay(setup{sources: sources, engines: []engineSetup{{sources: []string{"u", "b"}}}}, all, test.script)
			if w.failure != nil {
				t.Errorf("the law %q is broken: %v\nby\n%s%s", w.broken, w.failure, story(w.setup, w.script), w.last)
			}
		})
	}
}
