package crmtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// readLead is ReadLead, of a lead that exists.
var readLead = operation{
	name:  "ReadLead",
	can:   func(client crm.Client) bool { _, ok := client.(crm.LeadReader); return ok },
	ready: func(t *test, _ int) { t.add(1, 0) },
	do: func(ctx context.Context, t *test, client crm.Client) (any, error) {
		reader, _ := client.(crm.LeadReader)
		lead, err := reader.ReadLead(ctx, t.added[len(t.added)-1])
		return lead, err
	},
	sound: func(t *test, what string, value any) {
		t.Helper()
		lead, _ := value.(crm.Lead)
		t.asItStands(what+": ReadLead", t.added[len(t.added)-1], lead)
	},
}

// asItStands checks that what a call said of a lead is what the CRM has.
func (t *test) asItStands(what string, want crm.LeadRef, got crm.Lead) {
	t.Helper()
	if got.Ref != want {
		t.Errorf("%s returned the lead %v, want %v", what, got.Ref, want)
	}
	if at := t.at(want); got.Status != at {
		t.Errorf("%s returned the lead %v in %v; it stands in %v", what, want, got.Status, at)
	}
}

// reader returns a client that reads leads; without the method the check is left
// out.
func (t *test) reader() (crm.LeadReader, crm.Client) {
	t.Helper()
	t.requires(readLead)
	client := t.client(Conn{})
	reader, _ := client.(crm.LeadReader)
	return reader, client
}

var readingChecks = []check{
	{name: "ReadsALeadAsItStands", run: readsALeadAsItStands},
	{name: "MissingLeadIsNotFound", run: missingLeadIsNotFound},
	{name: "AsksForNoLeadOfAnotherAccount", run: asksForNoForeignLead},
	{name: "ReadsLeadsForManyCallersAtOnce", run: readsLeadsForMany},
}

// readsALeadAsItStands: ReadLead returns the status in which the lead stands
// now, whatever it was before.
func readsALeadAsItStands(t *test) {
	reader, _ := t.reader()
	leads := append(t.add(2, 0), t.add(1, 1)...)
	if t.leads.Other != (crm.Ref{}) {
		leads = append(leads, t.leads.AddLead(t.leads.Other))
	}
	for range 3 {
		for _, ref := range leads {
			lead, err := reader.ReadLead(t.Context(), ref)
			if err != nil {
				t.Fatalf("ReadLead failed: %v", err)
			}
			t.asItStands("ReadLead", ref, lead)
		}
		t.movePerson(leads[0], t.next(leads[0]))
		t.movePerson(leads[2], t.next(leads[2]))
	}
}

// missingLeadIsNotFound: ReadLead of a lead that does not exist is ErrNotFound.
func missingLeadIsNotFound(t *test) {
	reader, client := t.reader()
	t.add(1, 0)
	for range 2 {
		lead, err := reader.ReadLead(t.Context(), t.leads.Missing())
		if err == nil {
			t.Errorf("ReadLead of a lead that does not exist returned no error, and the status %v", lead.Status)
			continue
		}
		t.explained("ReadLead of a lead that does not exist", client, err, crm.ErrNotFound)
	}
}

// asksForNoForeignLead: a lead of another account is no business of this one,
// which may have another of the same number.
func asksForNoForeignLead(t *test) {
	reader, client := t.reader()
	lead, _ := t.foreign()
	t.refusesUnasked("ReadLead of a lead of another account", client, func() error {
		_, err := reader.ReadLead(t.Context(), lead)
		return err
	})
}

// refusesUnasked checks that a call fails without a request.
func (t *test) refusesUnasked(what string, client crm.Client, call func() error) {
	t.Helper()
	t.wire.forget()
	if err := call(); err == nil {
		t.Errorf("%s returned no error", what)
	} else {
		t.explained(what, client, err)
	}
	if sent := len(t.wire.requests()); sent > 0 {
		t.Errorf("%s was sent to the CRM, in %d requests; it concerns another account", what, sent)
	}
}

// readsLeadsForMany: the method is safe for concurrent use, and each caller gets
// the lead that he asked for.
func readsLeadsForMany(t *test) {
	reader, _ := t.reader()
	t.front.Fail(-1, crmfault.Delay(time.Second)) // so that calls overlap
	var wg sync.WaitGroup
	for _, ref := range slices.Concat(t.add(3, 0), t.add(3, 1), t.add(2, 2)) {
		wg.Go(func() {
			for range 5 {
				lead, err := reader.ReadLead(t.Context(), ref)
				if err != nil {
					t.Errorf("ReadLead failed beside other callers: %v", err)
					return
				}
				t.asItStands("beside other callers ReadLead", ref, lead)
			}
		})
	}
	wg.Wait()
}
