package crmtest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
)

// TestSoundLeadClientPasses also looks whether the factory is called once for
// each check.
func TestSoundLeadClientPasses(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, c := range leadChecks {
		want = append(want, t.Name()+"/"+c.name)
	}
	RunLeads(t, func(t *testing.T) LeadHarness {
		got = append(got, t.Name())
		return acmeLeadHarness(t, sound)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the subtests for which the factory was called (-want +got):\n%s", diff)
	}
}

// TestOtherSoundLeadClientsPass: the suite leaves to a client what the contract
// leaves to it.
func TestOtherSoundLeadClientsPass(t *testing.T) {
	t.Parallel()
	for name, differ := range map[string]func(a *acme, conn Conn){
		"sends several requests at once":     func(a *acme, _ Conn) { a.leads.run.parallel = 3 },
		"does not repeat a move":             func(a *acme, _ Conn) { a.single = true },
		"sends several requests of one move": func(a *acme, _ Conn) { a.leads.run.size, a.leads.run.parallel = 1, 4 },
		"does not show the leads that it moved": each(func(_ *acme, result *crm.MoveResult) {
			result.Lead = crm.Lead{}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range leadChecks { // they differ in moves alone
				if !strings.HasPrefix(c.name, "Move") {
					continue
				}
				r := recordedLeads(t, c.name, func(t *testing.T) LeadHarness { return acmeLeadHarness(t, differ) })
				if len(r.failures) > 0 {
					t.Errorf("%s does not pass: %v", c.name, r.failures)
				}
			}
		})
	}
}

func TestLeadChecksThatAreLeftOut(t *testing.T) {
	t.Parallel()
	for name, without := range map[string]func(h *LeadHarness){
		"MoveThatIsRefusedFails":             func(h *LeadHarness) { h.Refuse = nil },
		"MoveThatIsIgnoredIsNotApplied":      func(h *LeadHarness) { h.Ignored = crm.Ref{} },
		"MoveThatARuleTookFurtherIsASuccess": func(h *LeadHarness) { h.Automate = nil },
		"MovesToNoOtherScopeUnasked":         func(h *LeadHarness) { h.Other = crm.Ref{} },
		"ReadLead/BelievesNoBrokenAnswer":    lacksAll,
		"MoveLeads/LeavesNothingBehind":      lacksAll,
	} {
		r := recordedLeads(t, name, func(t *testing.T) LeadHarness {
			h := acmeLeadHarness(t, sound)
			without(&h)
			return h
		})
		if r.skipped == "" || len(r.failures) > 0 {
			t.Errorf("%s was not left out: %v", name, r.failures)
		}
	}
}

// lacksAll gives a harness a client that knows statuses alone.
func lacksAll(h *LeadHarness) {
	client := h.Client
	h.Client = func(conn Conn) (crm.Client, error) {
		c, err := client(conn)
		return struct{ crm.Client }{c}, err
	}
}

func TestUnsoundLeadHarness(t *testing.T) {
	t.Parallel()
	for says, spoil := range map[string]func(h *LeadHarness){
		"lacks CRM":             func(h *LeadHarness) { h.CRM = nil },
		"lacks CRM, Client":     func(h *LeadHarness) { h.Client = nil },
		"Client or Revoke":      func(h *LeadHarness) { h.Revoke = nil },
		"lacks AddLead":         func(h *LeadHarness) { h.AddLead = nil },
		"lacks AddLead, Lead":   func(h *LeadHarness) { h.Lead = nil },
		"Missing or MovePerson": func(h *LeadHarness) { h.MovePerson = nil },
		"or MovePerson":         func(h *LeadHarness) { h.Missing = nil },
		"names no secret":       func(h *LeadHarness) { h.Secrets = nil },
		"has 2 Statuses":        func(h *LeadHarness) { h.Statuses = h.Statuses[:2] },
		"of several scopes":     func(h *LeadHarness) { h.Statuses = append(slices.Clone(h.Statuses), h.Other) },
		"an Other of the scope": func(h *LeadHarness) { h.Other = h.Statuses[1] },
		"no client could be":    func(h *LeadHarness) { h.Client = func(Conn) (crm.Client, error) { return nil, errors.New("no") } },
		"the harness: AddLead":  func(h *LeadHarness) { h.AddLead = func(crm.Ref) crm.LeadRef { return h.Missing() } },
	} {
		r := recordedLeads(t, "ReadsALeadAsItStands", func(t *testing.T) LeadHarness {
			h := acmeLeadHarness(t, sound)
			spoil(&h)
			return h
		})
		if all := strings.Join(r.failures, "\n"); !strings.Contains(all, says) {
			t.Errorf("the failures of a harness are %q, want them to say %q", all, says)
		}
	}
}

func TestEveryLeadCheckCatchesSomething(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range leadChecks {
		names = append(names, c.name)
	}
	everyCheckCatches(t, names, leadMutants())
}

func TestLeadMutants(t *testing.T) {
	t.Parallel()
	for _, m := range leadMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			seen(t, m.name, m.check, m.says, recordedLeads(t, m.check, func(t *testing.T) LeadHarness { return acmeLeadHarness(t, m.differ) }))
		})
	}
}

// leadMutants are the broken clients of leads.
func leadMutants() []mutant {
	return slices.Concat(
		callMutants(), readingMutants(), movingMutants(), bulkMutants(), bulkEndMutants(), bulkFaultMutants(), leadListMutants(),
	)
}
