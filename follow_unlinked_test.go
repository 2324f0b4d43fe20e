package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

func TestUnlinkedStatus(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		var reports []statuslink.UnlinkedLead
		var f *follower
		synchronise := false
		f = newFollower(t, statuslink.LeadsOptions{Unlinked: func(ctx context.Context, lead statuslink.UnlinkedLead) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			reports = append(reports, lead)
			if synchronise {
				_, err := f.syncer.Sync(ctx)
				return err
			}
			return nil
		}}, d)
		f.start(d.hook)
		defer f.stop()
		calls := d.Calls()
		d.Show(listing("acme", append(slices.Clone(stageRows), "5 Думает")...))
		want := func(promise string, lists int, names ...string) {
			t.Helper()
			f.wantTold(promise)
			var got []string
			for _, report := range reports {
				if report.Listed != (report.Status.Name != "") || report.Status.Ref != report.Lead.Status {
					t.Errorf("%s: the report %+v contradicts itself", promise, report)
				}
				got = append(got, report.Lead.Ref.ID+" "+report.Status.Name)
			}
			if diff := cmp.Diff(names, got); diff != "" || d.Calls()-calls != lists {
				t.Errorf("%s: the list was read %d times, want %d; reports (-want +got)\n%s", promise, d.Calls()-calls, lists, diff)
			}
			calls, reports = d.Calls(), nil
		}
		d.put("7", "5")
		d.post(isMoved, "7", "5")
		want("an unknown status", 1, "7 Думает")
		d.post(isMoved, "7", "5")
		d.post(isChanged, "7")
		want("again", 0)
		for i := range 100 {
			d.put(fmt.Sprint(100+i), "6")
			d.post(isMoved, fmt.Sprint(100+i), "6")
		}
		synctest.Wait()
		if len(reports) != 100 || d.Calls() != calls {
			t.Errorf("%d reports for 100 leads, with %d readings of the list within a minute", len(reports), d.Calls()-calls)
		}
		reports = nil
		pass(time.Minute)
		d.Fail(crm.ErrUnavailable)
		d.put("8", "5")
		d.post(isMoved, "8", "5")
		want("the list cannot be read, and is known from before", 1, "8 Думает")
		d.put("9", "6")
		d.post(isMoved, "9", "6")
		want("a failure is not repeated within a minute", 0, "9 ")

		d.put("7", "2")
		d.post(isMoved, "7", "2")
		f.wantTold("it moves on", "7: work <- ")
		pass(time.Minute)
		d.Show(listing("acme", append(slices.Clone(stageRows), "5 Думает", "6 Ждёт")...))
		synchronise = true
		d.put("7", "6")
		d.post(isMoved, "7", "6")
		f.wantTold("the report leads to a synchronisation, and the lead is told", "7:  <- work")
		reports, calls = nil, d.Calls()
		d.post(isMoved, "9", "6")
		f.wantTold("what was not told when it was not linked", "9:  <- ")
		want("linked now", 0)
	})
}

func TestUnlinkedFallback(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		reports := 0
		f := newFollower(t, statuslink.LeadsOptions{
			Fallback: "operator", Unlinked: func(_ context.Context, lead statuslink.UnlinkedLead) error {
				reports++
				if lead.Ignored != (lead.Lead.Ref.ID == "8") {
					t.Errorf("lead %s: ignored is %v", lead.Lead.Ref.ID, lead.Ignored)
				}
				return nil
			},
		}, d)
		f.must(f.catalog.Unlink(t.Context(), ref("acme", "3")))
		fails := 1
		f.failWith(func(statuslink.LeadChange) error {
			if fails--; fails >= 0 {
				return errors.New("once")
			}
			return nil
		})
		f.start(d.hook)
		defer f.stop()
		d.put("7", "9")
		d.post(isMoved, "7", "9")
		d.put("8", "3")
		pass(time.Minute)
		d.post(isMoved, "8", "3")
		d.post(isMoved, "8", "3")
		f.wantTold("the fallback", "7: operator (fallback)", "8: operator (fallback)")
		if reports != 2 {
			t.Errorf("%d reports, want one for each lead", reports)
		}
		d.put("7", "4")
		d.post(isMoved, "7", "4")
		f.wantTold("from the fallback to the same status by a link", "7: operator <- operator")
	})
}
