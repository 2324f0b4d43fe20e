package statuslink_test

import (
	"errors"
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
