package statuslink_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func TestSetPutsALeadIntoTheStatusOfItsOwnScope(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	for name, tc := range map[string]struct {
		lead     crm.LeadRef
		to       string
		stands   string
		from     string // key
		changed  bool
		fromID   string
		scopeNow string
	}{
		"a lead":                      {r.lead("NEW"), "in-work", "IN_PROCESS", "new", true, "NEW", "STATUS"},
		"a deal of the main pipeline": {r.deal(0, "NEW"), "in-work", "PREPARATION", "new", true, "NEW", "DEAL_STAGE"},
		"a deal of another pipeline":  {r.deal(5, "C5:NEW"), "in-work", "C5:PREPARATION", "new", true, "C5:NEW", "DEAL_STAGE_5"},
		"one of Umnico":               {r.chat(710201), "in-work", "710205", "new", true, "710201", ""},
		"by ID":                       {r.chat(710201), "st_in-work", "710205", "new", true, "710201", ""},
		"from an unlinked status":     {r.deal(5, "C5:UC_9PLQ0A"), "in-work", "C5:PREPARATION", "", true, "C5:UC_9PLQ0A", "DEAL_STAGE_5"},
		"the first link of a scope":   {r.deal(0, "NEW"), "no-answer", "EXECUTING", "new", true, "NEW", "DEAL_STAGE"},
		"there already":               {r.deal(0, "PREPARATION"), "in-work", "PREPARATION", "in-work", false, "PREPARATION", "DEAL_STAGE"},
		"on another link already":     {r.deal(0, "FINAL_INVOICE"), "no-answer", "FINAL_INVOICE", "no-answer", false, "FINAL_INVOICE", "DEAL_STAGE"},
		"on a missing link already":   {r.deal(0, "LOSE"), "lost", "LOSE", "lost", false, "LOSE", "DEAL_STAGE"},
	} {
		got, err := r.leads.Set(t.Context(), tc.lead, tc.to)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if at := r.stands(tc.lead); at != tc.stands {
			t.Errorf("%s: it stands on %q, want %q", name, at, tc.stands)
		}
		want := statuslink.SetResult{
			Lead: tc.lead, From: crm.Ref{Source: tc.lead.Source, Scope: tc.scopeNow, ID: tc.fromID},
			To: crm.Ref{Source: tc.lead.Source, Scope: tc.scopeNow, ID: tc.stands}, Changed: tc.changed,
		}
		from, to := got.FromStatus.Key, got.ToStatus.Key
		got.FromStatus, got.ToStatus = statuslink.Status{}, statuslink.Status{}
		if diff := cmp.Diff(want, got); diff != "" || from != tc.from || to != strings.TrimPrefix(tc.to, "st_") {
			t.Errorf("%s: from %q to %q (-want +got)\n%s", name, from, to, diff)
		}
	}
	if n := r.portal.Calls("crm.item.update"); n != 5 {
		t.Errorf("%d updates of the portal, want 5", n)
	}
}

func TestSetRefusesBeforeItWrites(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	deal, sub, lead, chat := r.deal(0, "NEW"), r.deal(5, "C5:NEW"), r.lead("NEW"), r.chat(710201)
	away := crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: "4711"}
	amo := crm.LeadRef{Source: "amo", ID: "1"}
	for name, tc := range map[string]struct {
		lead  crm.LeadRef
		to    string
		text  string
		kinds []error
	}{
		"no status": {
			deal, "Никакой", `statuslink: set status: lead bitrix24/deal/` + deal.ID + `: "Никакой": not found: no status has this key or ID; the keys are "bare", "demo", "in-work", "lost", "new", "no-answer", "operator", "paid" and "refund"`,
			[]error{statuslink.ErrNotFound},
		},
		"no client": {
			amo, "in-work", `statuslink: set status: lead amo/1: "В работе": not found: no client of the source "amo" is connected, only of "bitrix24" and "umnico"`,
			[]error{statuslink.ErrNotFound},
		},
		"no lead": {
			away, "in-work", `statuslink: set status: lead bitrix24/deal/4711: "В работе": bitrix24: read lead: not found (HTTP 400 Bad Request, code NOT_FOUND): Element not found`,
			[]error{statuslink.ErrNotFound, crm.ErrNotFound},
		},
		"no link at all": {
			chat, "bare", `statuslink: set status: lead umnico/` + chat.ID + `: "Без связей": not linked: the status is linked to no status of a CRM; link it to one of "umnico", or synchronise`,
			[]error{statuslink.ErrNotLinked},
		},
		"no link to the source": {
			chat, "lost", `statuslink: set status: lead umnico/` + chat.ID +
				`: "Пропал": not linked: the status is linked in "General" (bitrix24/DEAL_STAGE) and "Подписки" (bitrix24/DEAL_STAGE_5) only; link it to one of "umnico", or synchronise`,
			[]error{statuslink.ErrNotLinked},
		},
		"another pipeline": {
			deal, "demo", `statuslink: set status: lead bitrix24/deal/` + deal.ID +
				`: "Демо": wrong scope: the lead stands in "General" (bitrix24/DEAL_STAGE), and the status is linked in "Подписки" (bitrix24/DEAL_STAGE_5) only; link it to one of the lead's scope, or synchronise`,
			[]error{statuslink.ErrWrongScope},
		},
		"another kind of lead": {
			sub, "operator", `statuslink: set status: lead bitrix24/deal/` + sub.ID +
				`: "Диалог с оператором": wrong scope: the lead stands in "Подписки" (bitrix24/DEAL_STAGE_5), and the status is linked in "Лиды" (bitrix24/STATUS) only; link it to one of the lead's scope, or synchronise`,
			[]error{statuslink.ErrWrongScope},
		},
		"several other scopes": {
			lead, "lost", `statuslink: set status: lead bitrix24/lead/` + lead.ID +
				`: "Пропал": wrong scope: the lead stands in "Лиды" (bitrix24/STATUS), and the status is linked in "General" (bitrix24/DEAL_STAGE) and "Подписки" (bitrix24/DEAL_STAGE_5) only; link it to one of the lead's scope, or synchronise`,
			[]error{statuslink.ErrWrongScope},
		},
		"missing": {
			sub, "lost", `statuslink: set status: lead bitrix24/deal/` + sub.ID +
				`: "Пропал": missing in the CRM: bitrix24/DEAL_STAGE_5/C5:LOSE ("Refused") is missing since 2026-08-20T11:00:00Z; link the status to another one and make that the first with Catalog.Lead, or synchronise`,
			[]error{statuslink.ErrMissing},
		},
		"missing, and another link stands in the scope": {
			deal, "lost", `statuslink: set status: lead bitrix24/deal/` + deal.ID +
				`: "Пропал": missing in the CRM: bitrix24/DEAL_STAGE/LOSE ("Lost") is missing since 2026-08-20T11:00:00Z; make bitrix24/DEAL_STAGE/APOLOGY the first link with Catalog.Lead`,
			[]error{statuslink.ErrMissing},
		},
	} {
		got, err := r.leads.Set(t.Context(), tc.lead, tc.to)
		wantLeadError(t, name, err, tc.lead, tc.text, tc.kinds...)
		if diff := cmp.Diff(statuslink.SetResult{}, got); diff != "" {
			t.Errorf("%s: a result beside the error\n%s", name, diff)
		}
	}
	if n := r.portal.Calls("crm.item.update"); n != 0 {
		t.Errorf("%d updates of the portal, want none", n)
	}
}

func TestSetByClientsThatCanDoLess(t *testing.T) {
	t.Parallel()
	statuses := map[string][]string{"new": {"amo/1"}, "work": {"amo/2"}, "paid": {"amo/a/3", "amo/b/4"}}
	lead := crm.LeadRef{Source: "amo", ID: "7"}

	lists := newHandmade("amo", nil)
	_, err := handmadeLeads(t, statuses, lists).Set(t.Context(), lead, "work")
	wantLeadError(t, "cannot move", err, lead,
		`statuslink: set status: lead amo/7: "work": unsupported operation: the client of "amo" cannot move leads`, errors.ErrUnsupported)

	moves := newHandmade("amo", map[string]string{"7": "1"})
	blind := handmadeLeads(t, statuses, mover{moves})
	got, err := blind.Set(t.Context(), lead, "work")
	if err != nil || got.From != (crm.Ref{}) || got.FromStatus.ID != "" || got.ToStatus.Key != "work" || !got.Changed {
		t.Errorf("cannot read, one scope: %+v, %v", got, err)
	}
	_, err = blind.Set(t.Context(), lead, "paid")
	wantLeadError(t, "cannot read, two scopes", err, lead,
		`statuslink: set status: lead amo/7: "paid": unsupported operation: the status is linked in amo/a and amo/b, and the client cannot read in which of them the lead stands`, errors.ErrUnsupported)

	bulk := newHandmade("amo", map[string]string{"7": "1"})
	got, err = handmadeLeads(t, statuses, bulkOnly{bulk}).Set(t.Context(), lead, "work")
	if err != nil || got.FromStatus.Key != "new" || got.ToStatus.Key != "work" {
		t.Errorf("moves many only: %+v, %v", got, err)
	}
	if diff := cmp.Diff([]crm.Move{{Lead: lead, To: ref("amo", "2")}}, bulk.moves); diff != "" {
		t.Errorf("wrong moves (-want +got)\n%s", diff)
	}
}

func TestSetMovedOn(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	r.portal.Automate("DEAL_STAGE", "PREPARATION", "NEW")
	r.account.Automate(710205, 710231)
	chat, deal := r.chat(710201), r.deal(0, "EXECUTING")
	got, err := r.leads.Set(t.Context(), chat, "in-work")
	if err != nil || !got.MovedOn || !got.Changed || got.ToStatus.Key != "paid" || got.To.ID != "710231" {
		t.Errorf("Umnico: %+v, %v", got, err)
	}
	got, err = r.leads.Set(t.Context(), deal, "in-work")
	if err != nil || !got.MovedOn || !got.Changed || got.ToStatus.Key != "new" || got.To.ID != "NEW" {
		t.Errorf("Bitrix24: %+v, %v", got, err)
	}

	amo := newHandmade("amo", map[string]string{"1": "1", "2": "1"})
	amo.forward = map[crm.Ref]crm.Ref{ref("amo", "2"): ref("amo", "22"), ref("amo", "3"): ref("amo", "99")}
	leads := handmadeLeads(t, map[string][]string{"new": {"amo/1"}, "work": {"amo/2", "amo/22"}, "paid": {"amo/3"}}, readMover{mover{amo}})
	got, err = leads.Set(t.Context(), crm.LeadRef{Source: "amo", ID: "1"}, "work")
	if err != nil || got.MovedOn || got.To.ID != "22" || got.ToStatus.Key != "work" {
		t.Errorf("to another link of the status: %+v, %v", got, err)
	}
	got, err = leads.Set(t.Context(), crm.LeadRef{Source: "amo", ID: "2"}, "paid")
	if err != nil || !got.MovedOn || got.To.ID != "99" || got.ToStatus.ID != "" {
		t.Errorf("to an unlinked status: %+v, %v", got, err)
	}
}

func TestSetTellsWhatTheCRMSaid(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	r.account.SetStatusCall(umnicotest.StatusCall{Wrong: umnicotest.KeepStatus})
	r.must(r.account.Delete(710205))
	chat := r.chat(710201)
	_, err := r.leads.Set(t.Context(), chat, "in-work")
	if !errors.Is(err, crm.ErrNotApplied) || !strings.Contains(err.Error(),
		`"В работе": failed: the CRM left the lead on umnico/710201 instead of umnico/710205; synchronise, and see whether a rule there forbids the move: umnico: move lead: not applied`) {
		t.Errorf("Umnico kept the old one: %v", err)
	}
	r.must(r.portal.Delete("DEAL_STAGE", "PREPARATION"))
	deal := r.deal(0, "NEW")
	if _, err = r.leads.Set(t.Context(), deal, "in-work"); !errors.Is(err, crm.ErrNotApplied) || !strings.Contains(err.Error(), "left the lead on bitrix24/DEAL_STAGE/NEW ") {
		t.Errorf("Bitrix24 kept the old one: %v", err) // also of a deal of this second, which may seem to have moved
	}
	forbidden := r.deal(5, "C5:NEW")
	r.portal.ForbidStage("DEAL_STAGE_5", "C5:PREPARATION", bitrix24test.FieldRequired("UF_CRM_1"))
	_, err = r.leads.Set(t.Context(), forbidden, "in-work")
	if !errors.Is(err, crm.ErrRejected) || errors.Is(err, statuslink.ErrNotFound) ||
		!strings.Contains(err.Error(), `failed: the lead was not moved to bitrix24/DEAL_STAGE_5/C5:PREPARATION: bitrix24: move lead: rejected`) {
		t.Errorf("rejected: %v", err)
	}

	lead := crm.LeadRef{Source: "amo", ID: "7"}
	for kind, says := range map[error]string{
		crm.ErrUnavailable:  "failed: whether the lead was moved to amo/2 is not known; setting it again is safe: ",
		crm.ErrBadResponse:  "failed: whether the lead was moved to amo/2 is not known; setting it again is safe: ",
		crm.ErrRateLimited:  "failed: the lead was not moved to amo/2: ",
		crm.ErrUnauthorized: "failed: the lead was not moved to amo/2: ",
		crm.ErrNotFound:     "not found: the CRM has no such lead, or amo/2 no longer; synchronise: ",
		crm.ErrNotApplied:   "failed: the CRM left the lead where it stood instead of amo/2; synchronise, and see whether a rule there forbids the move: ",
	} {
		amo := newHandmade("amo", map[string]string{"7": "1"})
		amo.onMove = func(context.Context, crm.Move) error { return &crm.Error{Kind: kind, Source: "amo", Op: "move lead"} }
		_, err := handmadeLeads(t, map[string][]string{"work": {"amo/2"}}, mover{amo}).Set(t.Context(), lead, "work")
		wantLeadError(t, kind.Error(), err, lead, `statuslink: set status: lead amo/7: "work": `+says+"amo: move lead: "+kind.Error(), kind)
	}
}

// Both clients look into their last listing before they write.
func TestSetIsRefusedByAFreshListing(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	r.must(r.portal.Delete("DEAL_STAGE", "PREPARATION"))
	r.must(r.account.Delete(710205))
	b, u := r.bitrix24(), r.umnico()
	leads, err := statuslink.NewLeads(r.catalog, nil, b, u)
	r.must(err)
	for _, client := range []crm.Client{b, u} {
		_, err := client.ListStatuses(t.Context())
		r.must(err)
	}
	for _, lead := range []crm.LeadRef{r.deal(0, "NEW"), r.chat(710201)} {
		if _, err := leads.Set(t.Context(), lead, "in-work"); !errors.Is(err, statuslink.ErrNotFound) || !errors.Is(err, crm.ErrNotFound) {
			t.Errorf("%v: error %v, want not found", lead, err)
		}
	}
	if n := r.portal.Calls("crm.item.update"); n != 0 {
		t.Errorf("%d updates of the portal, want none", n)
	}
}
