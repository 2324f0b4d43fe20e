package statuslink_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// in returns the leads in a status, and the errors.
func in(ctx context.Context, leads *statuslink.Leads, key string) (found []statuslink.LeadStatus, errs []error) {
	for lead, err := range leads.In(ctx, key) {
		if err != nil {
			errs = append(errs, err)
		} else {
			found = append(found, lead)
		}
	}
	return found, errs
}

func refs(leads []statuslink.LeadStatus) []crm.LeadRef {
	var refs []crm.LeadRef
	for _, lead := range leads {
		refs = append(refs, lead.Lead.Ref)
	}
	return refs
}

func TestInYieldsTheLeadsOfAllLinks(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	var want []crm.LeadRef
	for range 60 { // more than a page
		want = append(want, r.lead("IN_PROCESS"))
	}
	r.lead("NEW")
	want = append(want, r.deal(0, "PREPARATION"), r.deal(5, "C5:PREPARATION"))
	r.deal(0, "NEW")
	chats := []crm.LeadRef{r.chat(710205), r.chat(710205)}
	r.chat(710201)
	found, errs := in(t.Context(), r.leads, "in-work")
	got := refs(found)
	if len(got) == len(want)+2 {
		slices.SortFunc(got[len(want):], func(a, b crm.LeadRef) int { return strings.Compare(a.ID, b.ID) })
	}
	if diff := cmp.Diff(append(want, chats...), got); diff != "" || errs != nil {
		t.Errorf("errors %v, wrong leads (-want +got)\n%s", errs, diff)
	}
	for _, lead := range found {
		if lead.Status.Key != "in-work" || lead.Fallback || lead.Lead.Status.ID != r.stands(lead.Lead.Ref) {
			t.Errorf("wrong lead %+v", lead)
		}
	}
	// One list of leads in two pages, and one of both pipelines' deals.
	if n := r.portal.Calls("crm.item.list"); n != 3 {
		t.Errorf("%d lists of items, want 3", n)
	}
}

func TestInHasTheOutcomeOfTheLinkAndMissingLinks(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, &statuslink.LeadsOptions{Fallback: "lost"})
	won, chat, lost := r.deal(5, "C5:WON"), r.chat(710231), r.deal(0, "LOSE")
	r.deal(2, "C2:1") // which is "lost" as the fallback only
	found, errs := in(t.Context(), r.leads, "st_paid")
	if diff := cmp.Diff([]crm.LeadRef{won, chat}, refs(found)); diff != "" || errs != nil {
		t.Fatalf("errors %v, wrong leads (-want +got)\n%s", errs, diff)
	}
	if found[0].Outcome != crm.Won || found[1].Outcome != crm.Open {
		t.Errorf("outcomes %v and %v, want won and open", found[0].Outcome, found[1].Outcome)
	}
	found, errs = in(t.Context(), r.leads, "lost")
	if diff := cmp.Diff([]crm.LeadRef{lost}, refs(found)); diff != "" || errs != nil {
		t.Errorf("errors %v, wrong leads (-want +got)\n%s", errs, diff)
	}
	if found, errs = in(t.Context(), r.leads, "bare"); found != nil || errs != nil {
		t.Errorf("without links: %v, %v", found, errs)
	}
}

// lister lists what it is told, also what it was not asked for.
type lister struct {
	*handmade
	leads []crm.Lead
	err   error
	asked []crm.LeadQuery
}

func (l *lister) ListLeads(_ context.Context, query crm.LeadQuery) iter.Seq2[crm.Lead, error] {
	l.asked = append(l.asked, query)
	return func(yield func(crm.Lead, error) bool) {
		for _, lead := range l.leads {
			if !yield(lead, nil) {
				return
			}
		}
		if l.err != nil {
			yield(crm.Lead{}, l.err)
		}
	}
}

// kinded has a kind of leads for each scope but one.
type kinded struct{ *lister }

func (kinded) KindOf(scope string) (string, bool) { return scope, scope != "none" }

func TestInGoesOnBehindAnError(t *testing.T) {
	t.Parallel()
	lead := func(source, id, at string) crm.Lead {
		return crm.Lead{Ref: crm.LeadRef{Source: source, ID: id}, Status: ref(source, at)}
	}
	down := &crm.Error{Kind: crm.ErrUnavailable, Source: "down", Op: "list leads"}
	broken := &lister{handmade: newHandmade("down", nil), leads: []crm.Lead{lead("down", "1", "1")}, err: down}
	sound := &lister{handmade: newHandmade("amo", nil), leads: []crm.Lead{lead("amo", "2", "1"), lead("amo", "3", "2"), lead("amo", "4", "99")}}
	leads := handmadeLeads(t, map[string][]string{"work": {"down/1", "mute/1", "away/1", "amo/1"}, "other": {"amo/2"}},
		broken, sound, newHandmade("mute", nil))
	found, errs := in(t.Context(), leads, "work")
	if diff := cmp.Diff([]crm.LeadRef{{Source: "down", ID: "1"}, {Source: "amo", ID: "2"}}, refs(found)); diff != "" {
		t.Errorf("wrong leads (-want +got)\n%s", diff)
	}
	if len(errs) != 3 {
		t.Fatalf("errors %v, want three", errs)
	}
	wantLeadError(t, "down", errs[0], crm.LeadRef{}, `statuslink: list leads: "work": failed: down: list leads: unavailable`, crm.ErrUnavailable)
	wantLeadError(t, "mute", errs[1], crm.LeadRef{}, `statuslink: list leads: "work": unsupported operation: the client of "mute" cannot list leads`, errors.ErrUnsupported)
	wantLeadError(t, "away", errs[2], crm.LeadRef{},
		`statuslink: list leads: "work": not found: no client of the source "away" is connected, only of "down", "amo" and "mute"`, statuslink.ErrNotFound)

	_, errs = in(t.Context(), leads, "nothing")
	if len(errs) != 1 {
		t.Fatalf("errors %v, want one", errs)
	}
	wantLeadError(t, "no status", errs[0], crm.LeadRef{}, `statuslink: list leads: "nothing": not found: no status has this key or ID; the keys are "other" and "work"`, statuslink.ErrNotFound)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sound.asked = nil
	if _, errs = in(ctx, leads, "work"); len(errs) != 1 || len(sound.asked) > 0 {
		t.Errorf("once ctx has ended: errors %v, %d lists", errs, len(sound.asked))
	}
	for _, err := range leads.In(t.Context(), "work") {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if len(sound.asked) > 0 {
		t.Errorf("after the loop ended, another list was read")
	}
}

func TestInAsksForEachKind(t *testing.T) {
	t.Parallel()
	amo := &lister{handmade: newHandmade("amo", nil)}
	zoho := &lister{handmade: newHandmade("zoho", nil)}
	leads := handmadeLeads(t, map[string][]string{"work": {"amo/a/1", "zoho/a/1", "amo/none/1", "amo/b/1", "zoho/b/2", "amo/a/2"}}, kinded{amo}, zoho)
	if found, errs := in(t.Context(), leads, "work"); found != nil || errs != nil {
		t.Errorf("found %v, errors %v", found, errs)
	}
	at := func(source, scope, id string) crm.Ref { return crm.Ref{Source: source, Scope: scope, ID: id} }
	if diff := cmp.Diff([]crm.LeadQuery{
		{Kind: "a", Statuses: []crm.Ref{at("amo", "a", "1"), at("amo", "a", "2")}},
		{Kind: "b", Statuses: []crm.Ref{at("amo", "b", "1")}},
	}, amo.asked); diff != "" {
		t.Errorf("several kinds: wrong queries (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]crm.LeadQuery{{Statuses: []crm.Ref{at("zoho", "a", "1"), at("zoho", "b", "2")}}}, zoho.asked); diff != "" {
		t.Errorf("one kind: wrong queries (-want +got)\n%s", diff)
	}
}
