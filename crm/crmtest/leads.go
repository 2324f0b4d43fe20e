package crmtest

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// LeadHarness is a client that knows leads and the fake CRM under it, as
// [RunLeads] wants them. The fields are required unless they say otherwise.
//
// CRM, Client, Secrets, Revoke, ErrorInside and WrongAnswers are those of
// [Harness]; what Client returns implements one or more of [crm.LeadReader],
// [crm.LeadMover], [crm.BulkMover] and [crm.LeadLister]. The other functions are
// about the leads of the CRM, which has none at the start. They may be called
// while requests run, and from several goroutines, and take no time.
type LeadHarness struct {
	CRM          http.Handler
	Client       func(conn Conn) (crm.Client, error)
	Secrets      []string
	Revoke       func()
	ErrorInside  string   // optional, in the answer to any request about leads
	WrongAnswers []string // optional, no answer to any request about leads

	// Statuses are three or more of one scope, in any order. People and the API
	// may move a lead from each of them to each other.
	Statuses []crm.Ref
	// AddLead makes a lead in the status, which is one of Statuses or Other.
	// All leads are of one kind. Up to some thousands are made in a check.
	AddLead func(status crm.Ref) crm.LeadRef
	// Lead returns the status in which the CRM has the lead, and whether there
	// is such a lead.
	Lead func(lead crm.LeadRef) (crm.Ref, bool)
	// Missing returns a lead of the same kind that does not exist and never
	// will; another one at each call is best.
	Missing func() crm.LeadRef
	// MovePerson moves the lead as a person in the CRM does.
	MovePerson func(lead crm.LeadRef, to crm.Ref)

	// Other is a status of another scope than Statuses, of the same kind of
	// lead. The zero Ref means that the CRM has a single list.
	Other crm.Ref
	// Ignored is a status of the scope of Statuses to which the CRM does not
	// move a lead, although it says yes: one that does not exist, mostly. The
	// zero Ref means that the CRM does not do so.
	Ignored crm.Ref
	// Automate makes the CRM move every lead on to the second status by itself,
	// as soon as it was moved to the first one, and before it answers. Nil
	// means that it has no such rules.
	Automate func(from, to crm.Ref)
	// Refuse makes the CRM say no to every change of the lead's status from now
	// on, with an error about this lead that is [crm.ErrRejected]: a required
	// field is empty. Nil means that it cannot.
	Refuse func(lead crm.LeadRef)
	// ReadsBack says that the client verifies each move of a bulk run by a request
	// of its own, which it may send for what is in flight when the run ends.
	ReadsBack bool
}

// RunLeads runs each check of leads as a subtest on a harness of its own, as
// [Run] does with those of the list, all in bubbles of testing/synctest. A check
// of an interface that the client does not implement is skipped, so a client
// says with var _ crm.LeadMover = (*Client)(nil) which ones it means to.
//
// The checks of one method have its name, those of failures in front: with
// -run 'TestLeads/^MoveLead$' go test runs those of the failures of MoveLead.
//
// Up to 8 goroutines call the client at once.
func RunLeads(t *testing.T, newHarness func(t *testing.T) LeadHarness) {
	t.Helper()
	for _, c := range leadChecks {
		t.Run(c.name, func(t *testing.T) {
			c.on(t, func(t *testing.T) { c.run(newLeadTest(t, newHarness(t))) })
		})
	}
}

// leadChecks are all checks of leads: those of one interface stand in a file,
// and the checks of failures are made with each call.
var leadChecks = concat(
	abilityChecks, readingChecks, movingChecks, bulkChecks, bulkEndChecks, bulkFaultChecks, leadListChecks,
	readLead.of(callChecks), readLead.of(repeatChecks), readLead.of(formChecks),
	moveLead.of(callChecks), moveLead.of(repeatChecks), moveLead.of(formChecks),
	listLeads.of(callChecks), listLeads.of(repeatChecks), listLeads.of(formChecks), listLeads.of(rowChecks),
	moveLeads.of(runChecks),
)

// callChecks are the checks of failures that are made with every call of one or
// few requests.
var callChecks = concat(
	statusChecks, only(answerChecks, "BelievesNoBrokenAnswer"), only(failureChecks, "TimeoutIsUnavailable", "EveryCallHasATimeout"),
	contextChecks, leftoverChecks, only(travelChecks, "CredentialsFollowNoRedirect"),
	only(secretChecks, "SecretsAreInNoError", "SecretsAreInNoLog"),
)

// only returns the checks of the names.
func only(group []check, names ...string) []check {
	return slices.DeleteFunc(slices.Clone(group), func(c check) bool { return !slices.Contains(names, c.name) })
}

var (
	formChecks   = only(answerChecks, "BelievesNoAnswerOfAnotherForm", "SeesTheErrorInsideAnAnswer")
	repeatChecks = retryChecks
	// runChecks are those for a run of many requests: it may repeat as long as it
	// likes, and does not end with its context.
	runChecks = concat(
		statusChecks, only(answerChecks, "BelievesNoBrokenAnswer"), formChecks, only(failureChecks, "EveryCallHasATimeout"),
		only(contextChecks, "SendsNothingUnderAnEndedContext"), leftoverChecks,
		only(travelChecks, "CredentialsFollowNoRedirect"), only(secretChecks, "SecretsAreInNoError", "SecretsAreInNoLog"),
	)
)

var abilityChecks = []check{{name: "KnowsLeads", run: knowsLeads}}

// knowsLeads: the client implements one of the interfaces, at least.
func knowsLeads(t *test) {
	client := t.client(Conn{})
	for _, o := range []operation{readLead, moveLead, moveLeads, listLeads} {
		if o.can(client) {
			return
		}
	}
	t.Errorf("the client (%T) implements no interface of package crm that is about leads", client)
}

// newLeadTest returns the test of a harness, after a look whether it is complete.
func newLeadTest(t tb, h LeadHarness) *test {
	t.Helper()
	switch {
	case h.CRM == nil, h.Client == nil, h.Revoke == nil:
		t.Fatalf("the harness lacks CRM, Client or Revoke")
	case h.AddLead == nil, h.Lead == nil, h.Missing == nil, h.MovePerson == nil:
		t.Fatalf("the harness lacks AddLead, Lead, Missing or MovePerson")
	case tooShort(h.Secrets):
		t.Fatalf("the harness names no secret, or one that is shorter than 8 bytes")
	case len(h.Statuses) < 3:
		t.Fatalf("the harness has %d Statuses, want 3 or more", len(h.Statuses))
	case slices.ContainsFunc(h.Statuses, func(r crm.Ref) bool { return r.Scope != h.Statuses[0].Scope }):
		t.Fatalf("the harness has Statuses of several scopes")
	case h.Other != crm.Ref{} && h.Other.Scope == h.Statuses[0].Scope:
		t.Fatalf("the harness has an Other of the scope of its Statuses")
	}
	begun := begin(t, Harness{
		CRM: h.CRM, Client: h.Client, Secrets: h.Secrets, Revoke: h.Revoke, ErrorInside: h.ErrorInside, WrongAnswers: h.WrongAnswers,
	}, true)
	begun.leads = h
	return begun
}

// aWhile is how long leads stand where they are before a check goes on, by the fake
// clock: a CRM that says when a lead came to its status says it to the second.
const aWhile = 2 * time.Second

// add makes n leads in the i-th status.
func (t *test) add(n, i int) []crm.LeadRef {
	t.Helper()
	var leads []crm.LeadRef
	for range n {
		lead := t.leads.AddLead(t.leads.Statuses[i])
		if at, ok := t.leads.Lead(lead); !ok || at != t.leads.Statuses[i] {
			t.Fatalf("the harness: AddLead(%v) returned %v, which Lead has in %v, %v", t.leads.Statuses[i], lead, at, ok)
		}
		leads = append(leads, lead)
	}
	t.added = append(t.added, leads...)
	time.Sleep(aWhile)
	return leads
}

// movePerson moves a lead as a person does.
func (t *test) movePerson(lead crm.LeadRef, to crm.Ref) {
	t.Helper()
	t.leads.MovePerson(lead, to)
	t.stands("the harness: MovePerson", lead, to)
	time.Sleep(aWhile)
}

// at returns where the CRM has the lead; the zero Ref if nowhere.
func (t *test) at(lead crm.LeadRef) crm.Ref {
	status, _ := t.leads.Lead(lead)
	return status
}

// stands checks where the CRM has the lead.
func (t *test) stands(what string, lead crm.LeadRef, want crm.Ref) {
	t.Helper()
	if got := t.at(lead); got != want {
		t.Errorf("%s: the CRM has the lead %v in %v, want %v", what, lead, got, want)
	}
}

// next returns a status in which the lead does not stand.
func (t *test) next(lead crm.LeadRef) crm.Ref {
	i := slices.Index(t.leads.Statuses, t.at(lead))
	return t.leads.Statuses[(i+1)%len(t.leads.Statuses)]
}

// foreign returns a lead and a status as another account has them.
func (t *test) foreign() (crm.LeadRef, crm.Ref) {
	lead, status := t.add(1, 0)[0], t.leads.Statuses[1]
	lead.Source += "-of-another"
	status.Source += "-of-another"
	return lead, status
}
