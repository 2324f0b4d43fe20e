package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// A callback that was shown a state, and failed, is not shown an older one instead
// when the CRM answers out of an old copy.
func TestFollowShowsNoOlderStateAfterOneThatFailed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		now := time.Now()
		d.putAt("7", "3", now)
		failures := 0
		f.failWith(func(statuslink.LeadChange) error {
			if failures++; failures > 1 {
				return nil
			}
			d.putAt("7", "2", now.Add(-time.Minute)) // the old copy
			time.AfterFunc(4*time.Second, func() { d.putAt("7", "3", now) })
			return errors.New("the bot is busy")
		})
		d.post(crm.EventLeadChanged, "7")
		pass(time.Minute)
		f.stop()
		if failures != 2 {
			t.Errorf("the callback was called %d times", failures)
		}
		f.wantTold("the newest state, and no older one", "7: paid")
	})
}

// Nor after one that Unlinked was shown.
func TestFollowShowsNoOlderStateAfterAReportThatFailed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		now := time.Now()
		reports := 0
		f := newFollower(t, statuslink.LeadsOptions{Unlinked: func(context.Context, statuslink.UnlinkedLead) error {
			if reports++; reports > 1 {
				return nil
			}
			d.putAt("7", "2", now.Add(-time.Minute)) // the old copy
			time.AfterFunc(4*time.Second, func() { d.putAt("7", "99", now) })
			return errors.New("the bot is busy")
		}}, d)
		f.start(d.hook)
		d.putAt("7", "99", now)
		d.post(crm.EventLeadChanged, "7")
		pass(time.Minute)
		f.stop()
		f.wantTold("no older state")
		if reports != 2 {
			t.Errorf("it was reported %d times", reports)
		}
	})
}

// An event of after what was told is not given up for an answer of before it.
func TestFollowReadsAgainWhereTheAnswerIsOlderThanTheEvent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
		unix := func(at time.Time) string { return fmt.Sprint(at.Unix()) }
		d.putAt("7", "2", at)
		d.post(isMoved, "7", "2", unix(at))
		f.wantTold("the first sight", "7: work")
		d.putAt("7", "1", at.Add(-time.Minute)) // the old copy
		d.post(isMoved, "7", "3", unix(at.Add(time.Minute)))
		f.wantTold("the answer is of before what was told")
		d.putAt("7", "3", at.Add(time.Minute))
		pass(time.Minute)
		f.wantTold("the last state", "7: paid <- work")

		d.putAt("7", "1", at.Add(-time.Minute))
		d.readings()
		d.post(isMoved, "7", "1", unix(at)) // of before, too
		pass(time.Hour)
		f.wantTold("a late event")
		if n := d.readings(); n != 1 {
			t.Errorf("%d readings for a late event, want 1", n)
		}
	})
}
