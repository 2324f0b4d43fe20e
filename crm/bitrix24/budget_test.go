package bitrix24

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// portalNow is a time by a clock that goes wrong by years.
func portalNow() time.Time { return time.Now().AddDate(20, 0, 0) }

func TestBudgetIsFreeWhenThePortalSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b budgets
		said := func(method string, in time.Duration) {
			b.note(Timing{Method: method, OperatingResetAt: portalNow().Add(in)}, portalNow())
		}
		wait := func(method string, want time.Duration) {
			t.Helper()
			if got := b.refused(method); got != want {
				t.Errorf("%s: wait %v, want %v", method, got, want)
			}
		}
		said("crm.item.update", 7*time.Minute)
		said("batch", 2*time.Minute)
		wait("crm.item.update", 7*time.Minute)
		time.Sleep(3 * time.Minute)
		wait("crm.item.update", 4*time.Minute)
		wait("CRM.Item.Update", 4*time.Minute)
		said("CRM.Item.Update", time.Minute) // the last answer counts
		wait("crm.item.update", time.Minute)
		wait("crm.item.get", time.Second) // of which nothing is known
		// What the portal does not say changes nothing.
		b.note(Timing{Method: "crm.item.update"}, portalNow())
		b.note(Timing{Method: "crm.item.update", OperatingResetAt: portalNow().Add(time.Hour)}, time.Time{})
		wait("crm.item.update", time.Minute)
		// A nonsense time does not hold anybody for years.
		said("crm.item.update", 100*365*24*time.Hour)
		wait("crm.item.update", 10*time.Minute)
	})
}

// Where nothing is known, the wait grows from refusal to refusal, and not with
// those that come together.
func TestBudgetIsGuessed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b budgets
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			for range 3 {
				if got := b.refused("batch"); got != want*time.Second {
					t.Errorf("wait %v, want %vs", got, int(want))
				}
			}
			time.Sleep(want * time.Second)
		}
		// A reset that has passed says nothing of the next one.
		b.note(Timing{Method: "batch", OperatingResetAt: portalNow().Add(-time.Second)}, portalNow())
		if got := b.refused("batch"); got != time.Second {
			t.Errorf("after a good answer the wait is %v", got)
		}
	})
}

func TestBudgetsAreForSeveralGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b budgets
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { b.note(Timing{Method: "a", OperatingResetAt: portalNow().Add(time.Minute)}, portalNow()) })
			all.Go(func() { b.refused("b") })
		}
		all.Wait()
		if got := b.refused("a"); got != time.Minute {
			t.Errorf("wait %v", got)
		}
		if got := b.refused("b"); got != time.Second {
			t.Errorf("twenty refusals at once: wait %v", got)
		}
	})
}
