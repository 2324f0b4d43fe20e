package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// hangingDesk is a CRM whose list does not come.
type hangingDesk struct {
	*crmDesk
	hangs atomic.Bool
}

func (h *hangingDesk) ListStatuses(ctx context.Context) (crm.Listing, error) {
	if h.hangs.Load() {
		<-ctx.Done()
		return crm.Listing{}, &crm.Error{Kind: crm.ErrUnavailable, Source: h.Source()}
	}
	return h.crmDesk.ListStatuses(ctx)
}

// A list that does not come holds up one lead, and no other.
func TestUnlinkedStatusesOfACRMThatDoesNotList(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &hangingDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		var reports atomic.Int64
		f := newFollower(t, statuslink.LeadsOptions{
			Unlinked: func(context.Context, statuslink.UnlinkedLead) error { reports.Add(1); return nil },
		}, d)
		f.start(d.hook)
		defer f.stop()
		d.hangs.Store(true)
		for i := range 60 {
			d.put(fmt.Sprint(100+i), "99")
			d.post(isMoved, fmt.Sprint(100+i), "99")
		}
		d.put("7", "2")
		d.post(isMoved, "7", "2")
		f.wantTold("a linked lead does not wait", "7: work")
		if reports.Load() != 59 {
			t.Errorf("%d reports, want one of each lead but that for which the list is read", reports.Load())
		}
		pass(time.Minute)
		if reports.Load() != 60 {
			t.Errorf("%d reports after a minute, want 60", reports.Load())
		}
	})
}

// What Unlinked cannot do is repeated, and told if the status is linked then.
func TestUnlinkedIsRepeated(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		var f *follower
		reports := 0
		f = newFollower(t, statuslink.LeadsOptions{Unlinked: func(ctx context.Context, _ statuslink.UnlinkedLead) error {
			reports++
			_, err := f.syncer.Sync(ctx)
			return err
		}}, d)
		f.start(d.hook)
		defer f.stop()
		d.Show(listing("acme", append(stageRows[:4:4], "5 Думает")...))
		d.Fail(crm.ErrUnavailable)
		d.put("7", "5")
		d.post(isMoved, "7", "5")
		f.wantTold("the synchronisation fails")
		d.Show(listing("acme", append(stageRows[:4:4], "5 Думает")...))
		pass(time.Minute)
		f.wantTold("it is done again", "7: ")
		if reports != 2 {
			t.Errorf("%d reports, want 2", reports)
		}
	})
}

// A lead is reported once, also if Follow ends before it is told by the fallback.
func TestUnlinkedIsReportedOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		reports := 0
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{
			Fallback: "operator",
			Unlinked: func(context.Context, statuslink.UnlinkedLead) error { reports++; return nil },
		}, d)
		f.failAll()
		f.start(d.hook)
		d.put("7", "99")
		d.post(isMoved, "7", "99")
		synctest.Wait()
		f.stop()
		f.failWith(nil)
		f.start(d.hook)
		defer f.stop()
		f.wantTold("told", "7: operator (fallback)")
		if reports != 1 {
			t.Errorf("%d reports for one visit", reports)
		}
	})
}

// What waits for the lead that a callback holds is refused within the callback.
func TestNoCatchingUpWithinACallback(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		var f *follower
		var errs []error
		within := func(ctx context.Context) {
			_, err := f.leads.CatchUp(ctx, "acme", "", "0", f.handle)
			errs = append(errs, err, f.leads.Reconcile(ctx, "acme", "", f.handle), f.leads.Follow(ctx, f.handle, d.hook))
		}
		f = newFollower(t, statuslink.LeadsOptions{
			Retries:    -1,
			Unlinked:   func(ctx context.Context, _ statuslink.UnlinkedLead) error { within(ctx); return nil },
			DeadLetter: func(ctx context.Context, _ statuslink.LeadChange, _ error) { within(ctx) },
		}, d)
		f.start(d.hook)
		defer f.stop()
		d.put("7", "99")
		d.post(isMoved, "7", "99")
		synctest.Wait()
		f.failAll()
		d.put("8", "1")
		d.post(isMoved, "8", "1")
		synctest.Wait()
		for _, err := range errs {
			if !errors.Is(err, statuslink.ErrInvalid) {
				t.Errorf("error %v", err)
			}
		}
		if len(errs) != 6 {
			t.Errorf("%d calls, want 6", len(errs))
		}
		f.failWith(nil)
		f.must(f.leads.Reconcile(t.Context(), "acme", "", f.handle))
	})
}

// A slow CRM holds up no repetition of another one.
func TestRepetitionsOfOneCRMDoNotWaitForAnother(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		a, b := newDesk(t, "acme", crmhook.Options{}), newDesk(t, "best", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, a, b)
		a.refuse(func(crm.LeadRef) error {
			time.Sleep(30 * time.Second)
			return &crm.Error{Kind: crm.ErrUnavailable}
		})
		f.start(a.hook, b.hook)
		defer f.stop()
		for i := range 200 {
			a.put(fmt.Sprint(100+i), "1")
			a.post(isMoved, fmt.Sprint(100+i), "1")
		}
		pass(5 * time.Minute)
		fails := 1
		f.failWith(func(c statuslink.LeadChange) error {
			if c.Lead.Ref.Source == "best" {
				if fails--; fails >= 0 {
					return errBroken
				}
			}
			return nil
		})
		b.put("7", "2")
		b.post(isMoved, "7", "2")
		pass(time.Second)
		f.wantTold("after a second", "7: work")
	})
}

// Where events are believed, one that came after a deletion says how the lead is.
func TestTrustedEventAfterADeletion(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{TrustEvents: []string{"acme"}}, d)
		f.start(d.hook)
		defer f.stop()
		d.post(isMoved, "7", "1")
		f.wantTold("the first sight", "7: first")
		f.failAll()
		d.post(isDeleted, "7")
		synctest.Wait()
		d.post(isNew, "7", "3")
		synctest.Wait()
		f.failWith(nil)
		pass(time.Hour)
		f.wantTold("it is there again", "7: paid <- first")
	})
}

func TestFollowOfOneSourceTwice(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		if err := f.leads.Follow(t.Context(), f.handle, d.hook, d.hook); !errors.Is(err, statuslink.ErrDuplicate) {
			t.Errorf("error %v", err)
		}
		f.start(d.hook)
		f.stop()
	})
}

// listPanics is a client that panics.
type listPanics struct{ *keptDesk }

func (listPanics) ListLeads(context.Context, crm.LeadQuery) iter.Seq2[crm.Lead, error] {
	panic("сломано")
}

func readBehind(s []int, i int) int { return s[i] }

// A panic says where it happened, whatever its value is.
func TestPanicsSayWhere(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		d.keep(1, 1, "7", "2")
		f := newFollower(t, statuslink.LeadsOptions{}, listPanics{d})
		caught := func(call func()) (text string) {
			defer func() { text = fmt.Sprint(recover()) }()
			call()
			return ""
		}
		text := caught(func() {
			_, _ = f.leads.CatchUp(t.Context(), "acme", "", "0", func(context.Context, statuslink.LeadChange) error {
				return fmt.Errorf("%d", readBehind(nil, 7))
			})
		})
		if !strings.Contains(text, "out of range") || !strings.Contains(text, "readBehind") {
			t.Errorf("recovered %q", text)
		}
		text = caught(func() { _ = f.leads.Reconcile(t.Context(), "acme", "", f.handle) })
		if !strings.Contains(text, "сломано") || !strings.Contains(text, "listPanics") || strings.Contains(text, "callback panicked") {
			t.Errorf("recovered %q", text)
		}
	})
}

// A history that does not say when things happened is gone through as it stands.
func TestHistoryWithoutTimes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		for i := range 1000 {
			d.keep(i+1, float64(i), strconv.Itoa(i), "2")
			d.entries[i].Event.At = time.Time{}
		}
		position, err := f.leads.CatchUp(t.Context(), "acme", "", "0", f.handle)
		f.must(err)
		if position != "1000" || len(f.told) != 1000 {
			t.Errorf("%d told, position %q", len(f.told), position)
		}
	})
}
