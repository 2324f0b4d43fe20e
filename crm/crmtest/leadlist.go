package crmtest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// listLeads is ListLeads of all leads of the kind.
var listLeads = operation{
	name: "ListLeads",
	can:  func(client crm.Client) bool { _, ok := client.(crm.LeadLister); return ok },
	ready: func(t *test, n int) {
		t.add(max(0, n-len(t.added)), 0)
	},
	do: func(ctx context.Context, t *test, client crm.Client) (any, error) {
		return t.list(ctx, client, t.query())
	},
	sound: func(t *test, what string, value any) {
		t.Helper()
		leads, _ := value.([]crm.Lead)
		t.lists(what, leads, t.added)
	},
}

// query chooses all leads of the kind.
func (t *test) query(statuses ...crm.Ref) crm.LeadQuery {
	return crm.LeadQuery{Kind: t.leads.Missing().Kind, Statuses: statuses}
}

// list reads a list to its end, and returns the leads and the error.
func (t *test) list(ctx context.Context, client crm.Client, query crm.LeadQuery) ([]crm.Lead, error) {
	t.Helper()
	lister, _ := client.(crm.LeadLister)
	var leads []crm.Lead
	var failure error
	for lead, err := range lister.ListLeads(ctx, query) {
		switch {
		case failure != nil:
			t.Errorf("ListLeads yielded the lead %v and the error %v behind an error, which comes last", lead.Ref, err)
			return leads, failure
		case err != nil:
			failure = err
		default:
			leads = append(leads, lead)
		}
	}
	return leads, failure
}

// lists checks that the leads are those wanted, each once, as they stand.
func (t *test) lists(what string, got []crm.Lead, want []crm.LeadRef) {
	t.Helper()
	wanted := make(map[crm.LeadRef]bool)
	for _, ref := range want {
		wanted[ref] = true
	}
	t.once(what, got)
	for _, lead := range got {
		if !wanted[lead.Ref] {
			t.Errorf("%s: ListLeads yielded the lead %v in %v, which was not asked for", what, lead.Ref, lead.Status)
			return
		}
		t.asItStands(what+": ListLeads", lead.Ref, lead)
		delete(wanted, lead.Ref)
	}
	if len(wanted) > 0 {
		t.Errorf("%s: ListLeads ended without an error and without %d of %d leads", what, len(wanted), len(want))
	}
}

// once checks that no lead comes twice.
func (t *test) once(what string, got []crm.Lead) {
	t.Helper()
	seen := make(map[crm.LeadRef]bool)
	for _, lead := range got {
		if seen[lead.Ref] {
			t.Errorf("%s: ListLeads yielded the lead %v twice", what, lead.Ref)
			return
		}
		seen[lead.Ref] = true
	}
}

// lister returns a client that lists leads; without the method the check is left
// out.
func (t *test) lister() crm.Client {
	t.Helper()
	t.requires(listLeads)
	return t.client(Conn{})
}

var leadListChecks = []check{
	{name: "ListLeadsYieldsEachLeadOnce", run: yieldsEachLeadOnce},
	{name: "ListLeadsKeepsToTheStatusesAskedFor", run: keepsToTheStatuses},
	{name: "ListLeadsYieldsNoLeadTwiceWhileLeadsCome", run: noLeadTwiceWhileLeadsCome},
	{name: "ListLeadsYieldsItsErrorLast", run: yieldsItsErrorLast},
	{name: "ListLeadsAsksNoMoreWhenTheLoopStops", run: asksNoMoreAfterBreak},
	{name: "ListLeadsLeavesNothingBehind", run: listLeavesNothing},
}

// yieldsEachLeadOnce: all leads, few or many, each once, as they stand.
func yieldsEachLeadOnce(t *test) {
	client := t.lister()
	for _, n := range []int{0, 1, 2, 49, 50, 51, 120} {
		t.add(n-len(t.added), n%3)
		what := fmt.Sprintf("a CRM with %d leads", n)
		leads, err := t.list(t.Context(), client, t.query())
		if err != nil {
			t.Errorf("%s: ListLeads failed: %v", what, err)
		}
		t.lists(what, leads, t.added)
	}
}

// keepsToTheStatuses: only leads that stand in one of the query's statuses.
func keepsToTheStatuses(t *test) {
	client := t.lister()
	s := t.leads.Statuses
	first, second, third := t.add(60, 0), t.add(55, 1), t.add(1, 2)
	_, foreign := t.foreign()
	first = append(first, t.added[len(t.added)-1])
	unknown := s[0]
	unknown.ID += "9"
	type choice struct {
		name string
		of   []crm.Ref
		want []crm.LeadRef
	}
	choices := []choice{
		{"all", nil, t.added},
		{"one status", s[1:2], second},
		{"a status with one lead", s[2:3], third},
		{"two statuses", s[:2], slices.Concat(first, second)},
		{"a status that is named twice", []crm.Ref{s[1], s[2], s[1]}, slices.Concat(second, third)},
		{"a status and one without leads", []crm.Ref{unknown, s[2]}, third},
		{"a status and one of another account", []crm.Ref{foreign, s[2]}, third},
		{"a status of another account alone", []crm.Ref{foreign}, nil},
		{"a status without leads", []crm.Ref{unknown}, nil},
	}
	if other := t.leads.Other; other != (crm.Ref{}) {
		there := []crm.LeadRef{t.leads.AddLead(other), t.leads.AddLead(other)}
		choices[0].want = slices.Concat(t.added, there)
		choices = append(choices, choice{"a status of another scope", []crm.Ref{other}, there},
			choice{"statuses of two scopes", []crm.Ref{other, s[1]}, slices.Concat(there, second)})
	}
	for _, c := range choices {
		what := "a list of " + c.name
		leads, err := t.list(t.Context(), client, t.query(c.of...))
		switch {
		case err != nil && slices.Contains(c.of, foreign): // a mistake of the caller's, which may be said
			t.explained(what, client, err)
			continue
		case err != nil:
			t.Errorf("%s: ListLeads failed: %v", what, err)
		}
		t.lists(what, leads, c.want)
	}
}

// noLeadTwiceWhileLeadsCome: leads that come while the list is read move others
// to the next page, and those are not yielded again.
func noLeadTwiceWhileLeadsCome(t *test) {
	client := t.lister()
	t.add(120, 0)
	t.wire.onRequest(func() { // an endless list is no matter of this check
		if len(t.wire.requests()) < lasting {
			t.leads.AddLead(t.leads.Statuses[0])
		}
	})
	leads, err := t.list(t.Context(), client, t.query(t.leads.Statuses[0]))
	t.wire.onRequest(nil)
	if err != nil {
		t.Errorf("ListLeads failed while leads came: %v", err)
	}
	t.once("leads that come while they are listed", leads)
}

// yieldsItsErrorLast: a list that cannot be read to its end ends with an error.
func yieldsItsErrorLast(t *test) {
	client := t.lister()
	t.add(120, 0)
	t.wire.forget()
	leads, err := t.list(t.Context(), client, t.query())
	if err != nil {
		t.Fatalf("ListLeads failed: %v", err)
	}
	t.lists("a list without faults", leads, t.added)
	requests := len(t.wire.requests())
	for _, bad := range []struct {
		name  string
		fault crmfault.Fault
	}{
		{"a 500", crmfault.Answer(http.StatusInternalServerError, "")},
		{"a 403", crmfault.Answer(http.StatusForbidden, "")},
		{"a page of HTML", crmfault.HTML()},
		{"half an answer", crmfault.Cut()},
		{"a dropped connection", crmfault.Drop()},
	} {
		for good := range min(requests, 8) {
			t.calm()
			t.front.Fail(good, crmfault.Fault{})
			t.front.Fail(lasting, bad.fault)
			what := fmt.Sprintf("%s instead of answer %d of %d", bad.name, good+1, requests)
			leads, err := t.list(t.Context(), client, t.query())
			if err == nil {
				t.Errorf("%s: ListLeads ended without an error after %d of 120 leads", what, len(leads))
				continue
			}
			t.explained(what, client, err)
			t.once(what, leads)
			for _, lead := range leads {
				t.asItStands(what+": ListLeads", lead.Ref, lead)
			}
		}
	}
}

// asksNoMoreAfterBreak: a loop that stops early stops the requests, and what was
// not needed was not asked for, but for what was on its way.
func asksNoMoreAfterBreak(t *test) {
	client := t.lister()
	t.add(120, 0)
	t.wire.forget()
	if _, err := t.list(t.Context(), client, t.query()); err != nil {
		t.Fatalf("ListLeads failed: %v", err)
	}
	whole := len(t.wire.requests())
	t.wire.forget()
	lister, _ := client.(crm.LeadLister)
	for lead, err := range lister.ListLeads(t.Context(), t.query()) {
		if err != nil {
			t.Errorf("ListLeads failed at the lead %v: %v", lead.Ref, err)
		}
		break
	}
	sent := len(t.wire.requests())
	time.Sleep(time.Minute)
	if more := len(t.wire.requests()) - sent; more > 0 {
		t.Errorf("ListLeads sent %d requests after its loop had stopped", more)
	}
	if whole > 2 && sent >= whole {
		t.Errorf("ListLeads sent all %d requests for a loop that stopped at the first lead; it goes page by page", sent)
	}
}

// listLeavesNothing: a loop that stops early, in whatever way, leaves no goroutine
// that runs on and no body open.
func listLeavesNothing(t *test) {
	client := t.lister()
	t.add(120, 0)
	lister, _ := client.(crm.LeadLister)
	t.front.Fail(-1, crmfault.Delay(time.Second))
	for what, loop := range map[string]func(){"stopped": func() {}, "panicked": func() { panic(http.ErrAbortHandler) }} {
		t.gone("a list whose loop "+what, 0, func(ctx context.Context) {
			defer func() { _ = recover() }()
			for _, err := range lister.ListLeads(ctx, t.query()) {
				if err != nil {
					t.Errorf("ListLeads failed: %v", err)
				}
				loop()
				return
			}
		})
	}
}
