package statuslink_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// many collects the results, and checks the reports.
func many(t *testing.T, leads *statuslink.Leads, wishes []statuslink.Wish) []statuslink.WishResult {
	t.Helper()
	var last crm.MoveReport
	finals := 0
	results := slices.Collect(leads.SetMany(t.Context(), slices.Values(wishes), func(r crm.MoveReport) {
		if r.Done < last.Done || r.NotSent < last.NotSent || r.Refused < last.Refused || r.Unknown < last.Unknown {
			t.Errorf("the report went from %+v to %+v", last, r)
		}
		last = r
		if r.Final {
			finals++
		}
	}))
	if want := counted(results); finals != 1 || !cmp.Equal(want, last) {
		t.Errorf("%d final reports, the last report is %+v, want %+v", finals, last, want)
	}
	wantWishes(t, wishes, results)
	return results
}

// counted is the final report for results that were all received.
func counted(results []statuslink.WishResult) crm.MoveReport {
	report := crm.MoveReport{Final: true}
	for _, r := range results {
		switch r.State {
		case crm.MoveNotSent:
			report.NotSent++
		case crm.MoveDone:
			report.Done++
		case crm.MoveRefused:
			report.Refused++
		case crm.MoveUnknown:
			report.Unknown++
		}
	}
	return report
}

// wantWishes checks that there is one sound result for each wish, in order.
func wantWishes(t *testing.T, wishes []statuslink.Wish, results []statuslink.WishResult) {
	t.Helper()
	if len(results) != len(wishes) {
		t.Fatalf("%d results for %d wishes", len(results), len(wishes))
	}
	for i, r := range results {
		if r.Wish != wishes[i] {
			t.Fatalf("result %d is of %v, want %v", i, r.Wish, wishes[i])
		}
		if (r.Err == nil) != (r.State == crm.MoveDone) {
			t.Errorf("result %d has state %d and error %v", i, r.State, r.Err)
		}
		var e *statuslink.Error
		if r.Err != nil && (!errors.As(r.Err, &e) || e.Lead.Ref != r.Wish.Lead || e.Op != "set status") {
			t.Errorf("result %d has error %v", i, r.Err)
		}
	}
}

func TestSetManyOverBothCRMs(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	var wishes []statuslink.Wish
	for i := range 120 {
		lead := []crm.LeadRef{}
		switch i % 3 {
		case 0:
			lead = append(lead, r.deal(0, "NEW"), r.deal(5, "C5:NEW"))
		case 1:
			lead = append(lead, r.lead("NEW"), r.deal(0, "PREPARATION"))
		case 2:
			lead = append(lead, r.chat(710201))
		}
		for _, l := range lead {
			wishes = append(wishes, statuslink.Wish{Lead: l, Status: "in-work"})
		}
	}
	results := many(t, r.leads, wishes)
	want := map[string]string{"DEAL_STAGE": "PREPARATION", "DEAL_STAGE_5": "C5:PREPARATION", "STATUS": "IN_PROCESS", "": "710205"}
	for _, result := range results {
		lead := result.Wish.Lead
		if result.Err != nil || r.stands(lead) != want[result.Set.To.Scope] || result.Set.To.ID != r.stands(lead) || result.Set.ToStatus.Key != "in-work" {
			t.Errorf("%v stands on %q: %+v", lead, r.stands(lead), result)
		}
		if before := result.Set.FromStatus.Key; lead.Kind == "deal" && before != "new" && (before != "in-work" || result.Set.Changed) {
			t.Errorf("%v: from %q, changed %t", lead, before, result.Set.Changed)
		}
	}
	// Deals are read, as they may stand in two pipelines; leads have one list.
	if n := r.portal.Calls("crm.item.list"); n != 3 {
		t.Errorf("%d lists of items, want 3 of 120 deals", n)
	}
	if n := r.portal.Calls("crm.item.update"); n != 120 {
		t.Errorf("%d updates, want 80 deals and 40 leads", n)
	}
}

func TestSetManyRefusesLikeSet(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	deal, chat := r.deal(0, "NEW"), r.chat(710201)
	away := crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: "4711"}
	wishes := []statuslink.Wish{
		{Lead: deal, Status: "Никакой"},
		{Lead: crm.LeadRef{Source: "amo", ID: "1"}, Status: "new"},
		{Lead: chat, Status: "bare"},
		{Lead: chat, Status: "lost"},
		{Lead: deal, Status: "operator"},
		{Lead: deal, Status: "lost"},
		{Lead: r.deal(5, "C5:NEW"), Status: "lost"},
		{Lead: away, Status: "in-work"},
		{Lead: deal, Status: "in-work"},
	}
	results := many(t, r.leads, wishes)
	for i, result := range results[:8] {
		_, err := r.leads.Set(t.Context(), result.Wish.Lead, result.Wish.Status)
		if result.State != crm.MoveRefused || i < 7 && i != 5 && result.Err.Error() != err.Error() {
			t.Errorf("%v: state %d, error\n%v, want that of Set\n%v", result.Wish, result.State, result.Err, err)
		}
	}
	for i, kind := range map[int]error{
		0: statuslink.ErrNotFound, 1: statuslink.ErrNotFound, 2: statuslink.ErrNotLinked, 3: statuslink.ErrNotLinked,
		4: statuslink.ErrWrongScope, 5: statuslink.ErrMissing, 6: statuslink.ErrMissing, 7: statuslink.ErrNotFound,
	} {
		if !errors.Is(results[i].Err, kind) {
			t.Errorf("%v: error %v, want %v", results[i].Wish, results[i].Err, kind)
		}
	}
	if last := results[8]; last.Err != nil || r.stands(deal) != "PREPARATION" {
		t.Errorf("a lead that other wishes were refused for: %+v", last)
	}
}

// Nothing is written to the only link if it is missing; a lead may stand there.
func TestSetManyWithAMissingLink(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	there, elsewhere := r.chat(710236), r.chat(710201)
	results := many(t, r.leads, []statuslink.Wish{{Lead: there, Status: "refund"}, {Lead: elsewhere, Status: "refund"}})
	if results[0].Err != nil || results[0].Set.Changed {
		t.Errorf("a lead that stands there: %+v", results[0])
	}
	if !errors.Is(results[1].Err, statuslink.ErrMissing) || r.stands(elsewhere) != "710201" {
		t.Errorf("a lead that stands on %s: %+v", r.stands(elsewhere), results[1])
	}
}

// Wishes about one lead come one after the other, also where leads are read.
func TestSetManyKeepsTheOrderOfALead(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	deal := r.deal(0, "PREPARATION")
	var wishes []statuslink.Wish
	for _, to := range []string{"new", "in-work", "no-answer", "in-work", "new", "in-work", "in-work"} {
		wishes = append(wishes, statuslink.Wish{Lead: deal, Status: to}, statuslink.Wish{Lead: r.chat(710201), Status: "in-work"})
	}
	results := many(t, r.leads, wishes)
	before := "in-work"
	for i := 0; i < len(results); i += 2 {
		set := results[i].Set
		if results[i].Err != nil || set.FromStatus.Key != before || set.Changed != (i < len(results)-2) {
			t.Errorf("wish %d: from %q, changed %t, error %v, want from %q", i, set.FromStatus.Key, set.Changed, results[i].Err, before)
		}
		before = set.ToStatus.Key
	}
	if at := r.stands(deal); at != "PREPARATION" {
		t.Errorf("the deal stands on %q in the end", at)
	}
}

// Leads are read only where it matters, up to 2,500 at once.
func TestSetManyReadsNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	amo, zoho := newHandmade("amo", nil), newHandmade("zoho", nil)
	var wishes []statuslink.Wish
	for i := range 6000 {
		h, at := amo, crm.Ref{Source: "amo", Scope: "a", ID: "1"}
		status := []string{"two", "one", "sole", "twice"}[i%4]
		if i%4 > 1 {
			h, at = zoho, ref("zoho", "1")
		}
		lead := crm.LeadRef{Source: at.Source, ID: strconv.Itoa(i)}
		h.stand[lead] = at
		wishes = append(wishes, statuslink.Wish{Lead: lead, Status: status})
	}
	leads := handmadeLeads(t, map[string][]string{
		"two": {"amo/a/3", "amo/b/3"}, "one": {"amo/a/2"}, // amo has two scopes, and
		"sole": {"zoho/2"}, "twice": {"zoho/4", "zoho/5"}, // zoho one
	}, bulkOnly{amo}, bulkOnly{zoho})
	for _, result := range many(t, leads, wishes) {
		if result.Err != nil || (result.Set.From == crm.Ref{}) != (result.Wish.Status == "sole") {
			t.Fatalf("%+v", result)
		}
	}
	if amo.reads != 3000 || zoho.reads != 1500 || amo.bulks+zoho.bulks > 10 {
		t.Errorf("%d and %d leads were read in %d calls, want 3000 and 1500 in few", amo.reads, zoho.reads, amo.bulks+zoho.bulks)
	}
}

// A CRM that is slow does not keep another one from working, nor from beginning
// again once its results were received.
func TestSetManyAtTheSameTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow, fast := newHandmade("slow", nil), newHandmade("fast", nil)
		slow.onMove = func(context.Context, crm.Move) error { time.Sleep(4 * time.Second); return nil }
		fast.onMove = func(context.Context, crm.Move) error { time.Sleep(time.Second); return nil }
		leads := handmadeLeads(t, map[string][]string{"work": {"slow/2", "fast/2"}}, mover{slow}, mover{fast})
		var wishes []statuslink.Wish
		for i := range 400 {
			source := "slow"
			if i%5 > 0 {
				source = "fast"
			}
			wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: source, ID: strconv.Itoa(i)}, Status: "work"})
		}
		start := time.Now()
		many(t, leads, wishes)
		// 80 moves of 4 seconds, and 320 of one, 4 at once each.
		if took := time.Since(start); took != 80*time.Second {
			t.Errorf("it took %v, want 1m20s", took)
		}
	})
}

func (panicking) MoveLeads(context.Context, iter.Seq[crm.Move], func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	panic("the client broke")
}

// A status that is linked while wishes come in is found, and the statuses are read
// once for all of them.
func TestSetManyLooksUpEachWishWhenItIsTaken(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	free := r.account.Add("Диалог с оператором")
	chat, other := r.chat(710201), r.chat(710201)
	results := slices.Collect(r.leads.SetMany(t.Context(), func(yield func(statuslink.Wish) bool) {
		if !yield(statuslink.Wish{Lead: chat, Status: "operator"}) {
			return
		}
		_, err := r.catalog.Link(t.Context(), "operator", ref("umnico", strconv.Itoa(free.ID)))
		r.must(err)
		yield(statuslink.Wish{Lead: other, Status: "operator"})
	}, nil))
	if len(results) != 2 || !errors.Is(results[0].Err, statuslink.ErrNotLinked) || results[1].Err != nil {
		t.Errorf("%+v", results)
	}
}
