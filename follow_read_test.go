package statuslink_test

import (
	"context"
	"testing"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// What another process told since a lead was listed is in the memory only. The lead is
// read again, unless the CRM says that it moved after that.
func TestReconcileTellsNothingOlderThanWhatAnotherProcessTold(t *testing.T) {
	t.Parallel()
	told := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name                string
		there, listed, told time.Time
		readings            int
		want                []string
	}{
		{name: "the CRM does not say when leads moved", readings: 1},
		{name: "the lead was listed before", listed: told.Add(-time.Minute), told: told, readings: 1},
		{name: "the lead moved since", listed: told.Add(time.Minute), told: told, want: []string{"7: work <- paid"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				memory := newSharedMemory()
				d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
				f := newFollower(t, statuslink.LeadsOptions{Memory: memory}, d)
				paid, err := f.catalog.Get(t.Context(), "paid")
				f.must(err)
				d.putAt("7", "2", test.listed)
				d.afterBulk = func() {
					d.putAt("7", "3", test.told)
					f.must(memory.Update(t.Context(), d.ref("7"), func(context.Context, statuslink.LeadState) (statuslink.LeadState, error) {
						return statuslink.LeadState{Status: ref("acme", "3"), StatusID: paid.ID, MovedAt: test.told}, nil
					}))
				}
				f.must(f.leads.Reconcile(t.Context(), "acme", "", f.handle))
				f.wantTold(test.name, test.want...)
				if n := d.readings(); n != test.readings {
					t.Errorf("%d readings, want %d", n, test.readings)
				}
			})
		})
	}
}

// That a lead stands on an unlinked status is news as any other: what was listed before
// is not told after it was reported.
func TestReconcileTellsNothingOlderThanAReport(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		reports := 0
		f := newFollower(t, statuslink.LeadsOptions{Unlinked: func(context.Context, statuslink.UnlinkedLead) error {
			reports++
			return nil
		}}, d)
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		f.wantTold("the first sight", "7: first")
		d.put("7", "2")
		d.afterBulk = func() {
			d.put("7", "99")
			d.post(isMoved, "7", "99")
			pass(0)
		}
		f.must(f.leads.Reconcile(t.Context(), "acme", "", f.handle))
		f.wantTold("the lead is on an unlinked status")
		if reports != 1 {
			t.Errorf("%d reports", reports)
		}
	})
}

// A result of SetMany that waits for one of another CRM may come after one of Set that is
// newer.
func TestALateResultOfSetMany(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &setDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		other := &setDesk{crmDesk: newDesk(t, "other", crmhook.Options{}), slow: "8"}
		f := newFollower(t, statuslink.LeadsOptions{}, d, other)
		f.start(d.hook)
		defer f.stop()
		other.put("8", "1")
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		f.wantTold("the first sight", "7: first")
		time.AfterFunc(10*time.Second, func() {
			_, err := f.leads.Set(t.Context(), d.ref("7"), "first")
			f.must(err)
		})
		wishes := func(yield func(statuslink.Wish) bool) {
			_ = yield(statuslink.Wish{Lead: other.ref("8"), Status: "paid"}) && yield(statuslink.Wish{Lead: d.ref("7"), Status: "paid"})
		}
		var last crm.Ref
		for result := range f.leads.SetMany(t.Context(), wishes, nil) {
			f.must(result.Err)
			last = result.Set.To
		}
		if last != ref("acme", "3") {
			t.Errorf("the last result says %s", last)
		}
		f.wantTold("the bot hears how the lead stands", "7: first <- paid own")
	})
}

// Nor is it believed beside what was told meanwhile and could not be kept.
func TestALateResultOfSetManyBesideWhatWasNotKept(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		memory := newSharedMemory()
		var dead letters
		d := &setDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		other := &setDesk{crmDesk: newDesk(t, "other", crmhook.Options{}), slow: "8"}
		f := newFollower(t, statuslink.LeadsOptions{Memory: memory, Retries: -1, DeadLetter: dead.take}, d, other)
		f.start(d.hook)
		defer f.stop()
		other.put("8", "1")
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		f.wantTold("the first sight", "7: first")
		time.AfterFunc(10*time.Second, func() {
			memory.failWith(errBroken)
			d.put("7", "2")
			d.post(isMoved, "7", "2")
		})
		time.AfterFunc(20*time.Second, func() {
			f.wantTold("it is not kept", "7: work <- first")
			dead.want(t, "it is given up", "7: ")
			memory.failWith(nil)
		})
		wishes := func(yield func(statuslink.Wish) bool) {
			_ = yield(statuslink.Wish{Lead: other.ref("8"), Status: "paid"}) && yield(statuslink.Wish{Lead: d.ref("7"), Status: "first"})
		}
		for result := range f.leads.SetMany(t.Context(), wishes, nil) {
			f.must(result.Err)
		}
		f.wantTold("the bot hears how the lead stands", "7: work <- first")
	})
}
