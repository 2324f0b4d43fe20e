package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

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

func TestSetManyOneCRMIsDown(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	var wishes []statuslink.Wish
	for range 300 {
		wishes = append(wishes, statuslink.Wish{Lead: r.deal(0, "NEW"), Status: "in-work"}, statuslink.Wish{Lead: r.lead("NEW"), Status: "in-work"})
	}
	for i := range 40 {
		wishes = slices.Insert(wishes, i*10, statuslink.Wish{Lead: r.chat(710201), Status: "in-work"})
	}
	r.portal.SetSecret("another")
	for _, result := range many(t, r.leads, wishes) {
		switch {
		case result.Wish.Lead.Source == "umnico":
			if result.State != crm.MoveDone {
				t.Errorf("of the CRM that works: %+v", result)
			}
		case result.State == crm.MoveDone || !errors.Is(result.Err, crm.ErrUnauthorized):
			t.Fatalf("of the CRM that refuses: %+v", result)
		}
	}
	if n := r.portal.Calls("crm.item.update"); n > 0 {
		t.Errorf("%d updates", n)
	}
}

// A client without a BulkMover is left alone after some failures in a row.
func TestSetManyLeavesABrokenCRMAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{crm.ErrUnavailable, crm.ErrUnauthorized} {
		amo := newHandmade("amo", nil)
		amo.onMove = func(_ context.Context, move crm.Move) error {
			if n, _ := strconv.Atoi(move.Lead.ID); n >= 100 {
				return &crm.Error{Kind: kind, Source: "amo", Op: "move lead"}
			}
			return nil
		}
		zoho := newHandmade("zoho", nil)
		leads := handmadeLeads(t, map[string][]string{"work": {"amo/2", "zoho/2"}}, mover{amo}, mover{zoho})
		var wishes []statuslink.Wish
		for i := range 1000 {
			wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: []string{"amo", "zoho"}[i%2], ID: strconv.Itoa(i)}, Status: "work"})
		}
		results := many(t, leads, wishes)
		for i, result := range results {
			if result.Wish.Lead.Source == "zoho" || i < 100 {
				if result.State != crm.MoveDone {
					t.Errorf("%v: %d: %+v", kind, i, result)
				}
			} else if !errors.Is(result.Err, kind) || i > 130 && result.State != crm.MoveNotSent {
				t.Fatalf("%v: %d: state %d, error %v", kind, i, result.State, result.Err)
			}
		}
		if n := len(amo.moves); n > 60 {
			t.Errorf("%v: %d moves were tried", kind, n)
		}
	}
}

// Reading that fails ends it as well.
func TestSetManyWhereReadingFails(t *testing.T) {
	t.Parallel()
	statuses := map[string][]string{"new": {"amo/a/1"}, "work": {"amo/a/2", "amo/b/2"}}
	var wishes []statuslink.Wish
	for i := range 100 {
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: "amo", ID: strconv.Itoa(i)}, Status: "work"})
	}
	for name, client := range map[string]func(*handmade) crm.Client{
		"singly": func(h *handmade) crm.Client { return readMover{mover{h}} },
		"many":   func(h *handmade) crm.Client { return failingReader{bulkReader{mover{h}}} },
	} {
		amo := newHandmade("amo", nil)
		amo.onRead = func(context.Context, crm.LeadRef) error {
			return &crm.Error{Kind: crm.ErrUnavailable, Source: "amo", Op: "read lead"}
		}
		for _, result := range many(t, handmadeLeads(t, statuses, client(amo)), wishes) {
			if result.State != crm.MoveNotSent || !errors.Is(result.Err, crm.ErrUnavailable) {
				t.Fatalf("%s: %+v", name, result)
			}
		}
		if amo.reads > 10 || len(amo.moves) > 0 {
			t.Errorf("%s: %d readings, %d moves", name, amo.reads, len(amo.moves))
		}
	}
}

type failingReader struct{ bulkReader }

func (f failingReader) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	_, err := f.read(ctx, leads[0])
	return nil, err
}

// One lead that cannot be read does not make the others fail.
func TestSetManyWhereOneLeadCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{crm.ErrBadResponse, crm.ErrForbidden, crm.ErrUnavailable} {
		amo := newHandmade("amo", map[string]string{"1": "a/1", "2": "b/1", "3": "c/1", "4": "a/1"})
		amo.onRead = func(_ context.Context, lead crm.LeadRef) error {
			if lead.ID == "4" {
				return &crm.Error{Kind: kind, Source: "amo", Op: "read lead"}
			}
			return nil
		}
		for _, client := range []crm.Client{readMover{mover{amo}}, bulkReader{mover{amo}}} {
			leads := handmadeLeads(t, map[string][]string{"work": {"amo/a/2", "amo/b/2"}}, client)
			var wishes []statuslink.Wish
			for _, id := range []string{"1", "4", "2", "3", "9"} {
				wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: "amo", ID: id}, Status: "work"})
			}
			results := many(t, leads, wishes)
			unread := crm.MoveNotSent
			if kind == crm.ErrForbidden { //nolint:errorlint // the kind itself
				unread = crm.MoveRefused
			}
			for i, want := range []crm.MoveState{crm.MoveDone, unread, crm.MoveDone, crm.MoveRefused, crm.MoveRefused} {
				if results[i].State != want {
					t.Errorf("%v: %+v, want state %d", kind, results[i], want)
				}
			}
			if !errors.Is(results[3].Err, statuslink.ErrWrongScope) || !errors.Is(results[4].Err, statuslink.ErrNotFound) || !errors.Is(results[1].Err, kind) {
				t.Errorf("errors %v, %v, %v", results[1].Err, results[3].Err, results[4].Err)
			}
		}
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

func endless(source string, taken *atomic.Int64) iter.Seq[statuslink.Wish] {
	return func(yield func(statuslink.Wish) bool) {
		for i := 0; ; i++ {
			taken.Add(1)
			if !yield(statuslink.Wish{Lead: crm.LeadRef{Source: source, ID: strconv.Itoa(i)}, Status: "work"}) {
				return
			}
		}
	}
}

// Every way to stop early accounts for every wish that was taken.
func TestSetManyStopsCleanly(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, client := range map[string]func(*handmade) crm.Client{
		"singly":       func(h *handmade) crm.Client { return mover{h} },
		"reading":      func(h *handmade) crm.Client { return readMover{mover{h}} },
		"keeping back": func(h *handmade) crm.Client { return bulkOnly{h} },
	} {
		for _, way := range []string{"break", "context", "panic", "input panics"} {
			amo := newHandmade("amo", nil)
			amo.home = ref("amo", "1")
			leads := handmadeLeads(t, map[string][]string{"work": {"amo/2", "amo/3"}}, client(amo))
			ctx, cancel := context.WithCancel(t.Context())
			var taken atomic.Int64
			var final crm.MoveReport
			finals, got := 0, 0
			input := endless("amo", &taken)
			if way == "input panics" {
				input = func(yield func(statuslink.Wish) bool) {
					for w := range endless("amo", &taken) {
						if w.Lead.ID == "5100" {
							taken.Add(-1)
							panic("the input broke")
						}
						if !yield(w) {
							return
						}
					}
				}
			}
			panicked := func() (value any) {
				defer func() { value = recover() }()
				for result := range leads.SetMany(ctx, input, func(r crm.MoveReport) {
					if final = r; r.Final {
						finals++
					}
				}) {
					got++
					if result.State == crm.MoveDone && result.Set.ToStatus.Key != "work" {
						t.Errorf("%s, %s: %+v", name, way, result)
					}
					if got < 50 {
						continue
					}
					if way == "break" {
						break
					}
					if way == "panic" {
						panic("the loop broke")
					}
					if way == "context" {
						cancel()
					}
				}
				return nil
			}()
			cancel()
			if (panicked != nil) != strings.Contains(way, "panic") {
				t.Errorf("%s, %s: panicked with %v", name, way, panicked)
			}
			sum := final.Done + final.NotSent + final.Refused + final.Unknown
			if finals != 1 || int64(sum) != taken.Load() || len(final.Untaken) != sum-got || sum > 10100 {
				t.Errorf("%s, %s: %d finals, %d counted, %d taken, %d received, %d in Untaken", name, way, finals, sum, taken.Load(), got, len(final.Untaken))
			}
			for _, u := range final.Untaken {
				if (u.Err == nil) != (u.State == crm.MoveDone) || u.Move.Lead.Source != "amo" {
					t.Fatalf("%s, %s: %+v", name, way, u)
				}
				if way == "break" && u.State == crm.MoveNotSent && !strings.Contains(u.Err.Error(), "the loop over the results ended before") {
					t.Fatalf("%s, %s: %v", name, way, u.Err)
				}
			}
			done := 0
			for _, at := range amo.stand {
				if at.ID == "2" {
					done++
				}
			}
			if done != final.Done {
				t.Errorf("%s, %s: %d leads were moved, %d are counted", name, way, done, final.Done)
			}
		}
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

// More wishes than are read ahead, of a slow and a fast CRM whose clients keep moves
// back until they have enough of them: nothing waits for ever.
func TestSetManyOfClientsThatKeepMovesBack(t *testing.T) {
	t.Parallel()
	one, two := newHandmade("one", nil), newHandmade("two", nil)
	leads := handmadeLeads(t, map[string][]string{"work": {"one/2", "two/2"}}, bulkOnly{one}, bulkOnly{two})
	var wishes []statuslink.Wish
	for i := range 12000 {
		source := "two"
		if i < 10 || i > 11000 {
			source = "one"
		}
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: source, ID: strconv.Itoa(i)}, Status: "work"})
	}
	for _, result := range many(t, leads, wishes) {
		if result.State != crm.MoveDone {
			t.Fatalf("%+v", result)
		}
	}
}

func TestSetManyWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		amo := newHandmade("amo", nil)
		amo.onMove = func(ctx context.Context, _ crm.Move) error {
			select {
			case <-ctx.Done():
				return &crm.Error{Kind: crm.ErrUnavailable, Err: ctx.Err()}
			case <-time.After(10 * time.Second):
				return nil
			}
		}
		leads := handmadeLeads(t, map[string][]string{"work": {"amo/2"}}, mover{amo})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		var taken atomic.Int64
		done, notSent := 0, 0
		for result := range leads.SetMany(ctx, endless("amo", &taken), nil) {
			switch result.State {
			case crm.MoveDone:
				done++
			case crm.MoveNotSent:
				notSent++
				if !errors.Is(result.Err, context.DeadlineExceeded) {
					t.Fatalf("error %v, want that of the context", result.Err)
				}
			default:
				t.Fatalf("%+v", result)
			}
		}
		if done != 4 || notSent != 4996 || time.Since(start) != 10*time.Second {
			t.Errorf("%d done, %d not sent, after %v", done, notSent, time.Since(start))
		}
	})
}

// closed refuses the sign-in, and ends each run behind the first move.
type closed struct {
	mover
	runs atomic.Int64
}

func (c *closed) MoveLeads(_ context.Context, moves iter.Seq[crm.Move], _ func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	c.runs.Add(1)
	return func(yield func(crm.MoveResult) bool) {
		for move := range moves {
			yield(crm.MoveResult{Move: move, State: crm.MoveRefused, Err: &crm.Error{Kind: crm.ErrUnauthorized, Source: "amo"}})
			return
		}
	}
}

// A CRM whose run ended early is not asked again, however many wishes follow.
func TestSetManyBeginsNoRunBehindOneThatEndedEarly(t *testing.T) {
	t.Parallel()
	client := &closed{mover: mover{newHandmade("amo", nil)}}
	var wishes []statuslink.Wish
	for i := range 5200 { // more than are read ahead
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: "amo", ID: strconv.Itoa(i)}, Status: "work"})
	}
	for i, result := range many(t, handmadeLeads(t, map[string][]string{"work": {"amo/2"}}, client), wishes) {
		if !errors.Is(result.Err, crm.ErrUnauthorized) || i > 0 && result.State != crm.MoveNotSent {
			t.Fatalf("wish %d: %+v", i, result)
		}
	}
	if n := client.runs.Load(); n != 1 {
		t.Errorf("%d runs, want 1", n)
	}
}

type panicking struct{ mover }

func (panicking) MoveLeads(context.Context, iter.Seq[crm.Move], func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	panic("the client broke")
}

// forgetful takes moves and says nothing of the last ones.
type forgetful struct{ mover }

func (f forgetful) MoveLeads(_ context.Context, moves iter.Seq[crm.Move], _ func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return func(yield func(crm.MoveResult) bool) {
		all := slices.Collect(moves)
		for _, move := range all[:len(all)-2] {
			if !yield(crm.MoveResult{Move: move, State: crm.MoveDone}) {
				return
			}
		}
	}
}

func TestSetManyOfBrokenClients(t *testing.T) {
	t.Parallel()
	statuses := map[string][]string{"work": {"amo/2", "zoho/2"}}
	var wishes []statuslink.Wish
	for i := range 10 {
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: []string{"amo", "zoho"}[i%2], ID: strconv.Itoa(i)}, Status: "work"})
	}
	for name, client := range map[string]func(*handmade) crm.Client{
		"a run": func(h *handmade) crm.Client { return panicking{mover{h}} },
		"a move": func(h *handmade) crm.Client {
			h.onMove = func(context.Context, crm.Move) error { panic("the client broke") }
			return mover{h}
		},
	} {
		amo, zoho := newHandmade("amo", nil), newHandmade("zoho", nil)
		var final crm.MoveReport
		value := func() (value any) {
			defer func() { value = recover() }()
			for range handmadeLeads(t, statuses, client(amo), mover{zoho}).SetMany(t.Context(), slices.Values(wishes), func(r crm.MoveReport) { final = r }) {
			}
			return nil
		}()
		if text := fmt.Sprint(value); !strings.Contains(text, `statuslink: the client of "amo" panicked: `) || !strings.Contains(text, "the client broke") {
			t.Errorf("%s: panicked with %v", name, value)
		}
		if !final.Final || final.Done+final.NotSent+final.Refused+final.Unknown != 10 {
			t.Errorf("%s: the last report is %+v", name, final)
		}
	}

	results := many(t, handmadeLeads(t, statuses, forgetful{mover{newHandmade("amo", nil)}}, mover{newHandmade("zoho", nil)}), wishes)
	for i, want := range map[int]crm.MoveState{0: crm.MoveDone, 4: crm.MoveDone, 6: crm.MoveUnknown, 8: crm.MoveUnknown} {
		if results[i].State != want {
			t.Errorf("forgetful: %+v, want state %d", results[i], want)
		}
	}
	if to := results[0].Set.To; to != ref("amo", "2") {
		t.Errorf("where the CRM does not say where the lead stands, it is said to stand on %v", to)
	}
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

// endsEarly ends its runs behind the first refusal.
type endsEarly struct{ mover }

func (e endsEarly) MoveLeads(_ context.Context, moves iter.Seq[crm.Move], _ func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return func(yield func(crm.MoveResult) bool) {
		for move := range moves {
			yield(crm.MoveResult{Move: move, State: crm.MoveRefused, Err: &crm.Error{Kind: crm.ErrNotFound, Source: "amo", Message: "lead " + move.Lead.ID + " is gone"}})
			return
		}
	}
}

// What was not sent does not have the error of another lead.
func TestSetManyDoesNotBlameOtherLeads(t *testing.T) {
	t.Parallel()
	client := endsEarly{mover{newHandmade("amo", map[string]string{"1": "1", "2": "1"})}}
	leads := handmadeLeads(t, map[string][]string{"new": {"amo/1"}, "work": {"amo/2"}}, client)
	wishes := []statuslink.Wish{{Lead: crm.LeadRef{Source: "amo", ID: "1"}, Status: "work"}, {Lead: crm.LeadRef{Source: "amo", ID: "2"}, Status: "work"}}
	var states []crm.MoveState
	for result := range leads.SetMany(t.Context(), slices.Values(wishes), nil) {
		states = append(states, result.State)
		if result.State == crm.MoveNotSent && (errors.Is(result.Err, crm.ErrNotFound) || !errors.Is(result.Err, crm.ErrUnavailable)) {
			t.Errorf("lead %s: %v", result.Wish.Lead.ID, result.Err)
		}
	}
	if want := []crm.MoveState{crm.MoveRefused, crm.MoveNotSent}; !slices.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
}
