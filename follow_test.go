package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

const (
	isNew     = crm.EventLeadCreated
	isChanged = crm.EventLeadChanged
	isMoved   = crm.EventLeadMoved
	isDeleted = crm.EventLeadDeleted
)

func TestFollowTellsWhatIsNew(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()

		d.put("7", "1")
		d.post(isNew, "7", "1")
		synctest.Wait()
		f.mu.Lock()
		change := f.change[0]
		f.mu.Unlock()
		if change.Event.Kind != isNew || string(change.Event.Raw) == "" || change.Lead.Status != ref("acme", "1") || change.Status.Name != "Первичное касание" {
			t.Errorf("the change %+v does not say what was", change)
		}
		f.wantTold("the first sight of a lead", "7: first")

		d.put("7", "2")
		d.post(isMoved, "7", "2")
		f.wantTold("a move", "7: work <- first")
		if n := d.readings(); n != 2 {
			t.Errorf("%d readings for two changes, want 2", n)
		}

		d.post(isMoved, "7", "2")
		f.wantTold("the same event again")
		if n := d.readings(); n != 0 {
			t.Errorf("%d readings for a repeated event that carries what was told, want none", n)
		}
		d.post(isChanged, "7")
		f.wantTold("an event that carries no status, where nothing changed")
		if n := d.readings(); n != 1 {
			t.Errorf("%d readings, want 1", n)
		}

		d.put("7", "3")
		d.put("7", "4")
		d.post(isMoved, "7", "3")
		d.post(isMoved, "7", "4")
		f.wantTold("a lead that moved on before its event came is told as it stands", "7: operator <- work")
		d.post(isMoved, "7", "3")
		d.post(isMoved, "7", "2")
		f.wantTold("late events tell nothing")

		d.post(crm.EventOther, "7")
		if n := d.readings(); n != 3 {
			t.Errorf("%d readings, want one for each event that carries another status, none for other events", n)
		}
		d.post(isChanged, "8")
		f.wantTold("a lead that cannot be found, of which nobody said that it is gone")
	})
}

func TestFollowTellsARelink(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		f.wantTold("the first sight", "7: first")
		f.must(f.catalog.Unlink(t.Context(), ref("acme", "1")))
		_, err := f.catalog.Link(t.Context(), "paid", ref("acme", "1"))
		f.must(err)
		d.post(isMoved, "7", "1")
		f.wantTold("the lead stands where it stood, which is another status of the bot now", "7: paid <- first")
	})
}

func TestFollowTellsThatALeadIsGone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.post(isNew, "7", "1")
		f.wantTold("the first sight", "7: first")
		d.post(isDeleted, "7")
		f.wantTold("a lead is said to be gone and is not")
		d.remove("7")
		d.post(isMoved, "7", "2")
		f.wantTold("a late event of a lead that is gone")
		d.post(isDeleted, "7")
		f.wantTold("a lead is gone", "7: gone <- first")
		d.post(isDeleted, "7")
		d.post(isMoved, "7", "2")
		f.wantTold("it is told once")
		d.put("7", "3")
		d.post(isNew, "7", "3")
		f.wantTold("a lead that came back", "7: paid <- ")
		d.post(isDeleted, "9")
		f.wantTold("a lead of which nothing is known is gone", "9: gone")
	})
}

// That a lead is gone is told only by the event that says so, so no other takes its
// place while it waits to be told again.
func TestGoneIsNotForgottenForOtherEvents(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"followed on": false, "followed again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				d := newDesk(t, "acme", crmhook.Options{})
				f := newFollower(t, statuslink.LeadsOptions{}, d)
				f.failWith(func(change statuslink.LeadChange) error {
					if change.Deleted {
						return errors.New("сценарий сломан")
					}
					return nil
				})
				f.start(d.hook)
				defer func() { f.stop() }()
				d.put("7", "1")
				d.post(isNew, "7", "1")
				f.wantTold("the first sight", "7: first")
				d.remove("7")
				d.post(isDeleted, "7")
				synctest.Wait()
				d.post(isMoved, "7", "2") // late
				synctest.Wait()
				if restart {
					f.stop()
					f.failWith(nil)
					f.start(d.hook)
				}
				f.failWith(nil)
				pass(time.Minute)
				f.wantTold("it is gone", "7: gone <- first")
			})
		})
	}
}

func TestTrustEvents(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d, other := newDesk(t, "acme", crmhook.Options{}), newDesk(t, "other", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{TrustEvents: []string{"acme"}}, d, other)
		f.start(d.hook, other.hook)
		defer f.stop()
		d.post(isMoved, "7", "1")
		d.post(isMoved, "7", "2")
		d.post(isMoved, "7", "1")
		f.wantTold("each event is believed", "7: first", "7: work <- first", "7: first <- work")
		d.post(isDeleted, "7")
		f.wantTold("a lead is gone", "7: gone <- first")
		if n := d.readings(); n != 0 {
			t.Errorf("%d readings of a source that is trusted", n)
		}
		d.post(isMoved, "7", "2")
		f.wantTold("an event of a lead that is gone is not believed")
		other.put("7", "2")
		other.post(isMoved, "7", "1")
		f.wantTold("another source is not trusted", "7: work")

		at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
		d.putAt("8", "3", at)
		d.post(isChanged, "8")
		d.post(isMoved, "8", "1", fmt.Sprint(at.Add(-time.Minute).Unix()))
		f.wantTold("an event older than what is known is not believed", "8: paid")
		d.post(isMoved, "8", "1", fmt.Sprint(at.Add(time.Minute).Unix()))
		f.wantTold("a newer one is", "8: first <- paid")
	})
}

func TestFollowNeverTellsAnOlderReading(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.FixedZone("MSK", 3*60*60))
		d.putAt("7", "2", at)
		d.post(isChanged, "7")
		f.wantTold("the first sight", "7: work")
		d.putAt("7", "1", at.Add(-time.Second))
		d.post(isChanged, "7")
		f.wantTold("the CRM answers with what was before")
		d.putAt("7", "3", at)
		d.post(isChanged, "7")
		f.wantTold("a move in the same second", "7: paid <- work")
		d.putAt("7", "3", at.Add(2*time.Second))
		d.post(isChanged, "7")
		f.wantTold("the lead went and came back")
		d.putAt("7", "1", at.Add(time.Second))
		d.post(isChanged, "7")
		f.wantTold("where it went comes late")
	})
}

func TestFollowChecksItsArguments(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var dead letters
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{DeadLetter: dead.take}, d)
		for name, err := range map[string]error{
			"no callback": f.leads.Follow(t.Context(), nil, d.hook),
			"no source":   f.leads.Follow(t.Context(), f.handle),
			"nil source":  f.leads.Follow(t.Context(), f.handle, nil),
		} {
			if !errors.Is(err, statuslink.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		stranger := newDesk(t, "stranger", crmhook.Options{})
		f.start(d.hook, stranger.hook)
		if err := f.leads.Follow(t.Context(), f.handle, d.hook); !errors.Is(err, statuslink.ErrDuplicate) {
			t.Errorf("a second Follow: %v", err)
		}
		stranger.post(isMoved, "7", "1")
		dead.want(t, "an event of a source without a client", "7: ")
		if !errors.Is(dead.errs[0], statuslink.ErrNotFound) {
			t.Errorf("it has the error %v", dead.errs[0])
		}
		f.stop()

		busy, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.hook.Run(busy, func(context.Context, crm.Event) {}) }()
		synctest.Wait()
		if err := f.leads.Follow(t.Context(), f.handle, d.hook, stranger.hook); err == nil || !strings.Contains(err.Error(), `"acme"`) {
			t.Errorf("a source that runs already ends Follow: %v", err)
		}
		cancel()
		wantCanceled(t, ended)
	})
}
