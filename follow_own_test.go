package statuslink_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

func TestOwnChanges(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, movingDesk{d})
		f.start(d.hook)
		defer f.stop()
		set := func(status string) {
			t.Helper()
			_, err := f.leads.Set(t.Context(), d.ref("7"), status)
			f.must(err)
		}
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		f.wantTold("a manager's", "7: first")
		set("work") // sends its event before it answers
		f.wantTold("one's own change", "7: work <- first own")
		d.put("7", "3")
		d.post(isMoved, "7", "3")
		synctest.Wait()
		d.put("7", "2")
		d.post(isMoved, "7", "2")
		f.wantTold("a manager's moves to and fro", "7: paid <- work", "7: work <- paid")
		set("operator")
		f.wantTold("one's own again", "7: operator <- work own")
		d.put("8", "1")
		d.post(isMoved, "8", "1")
		f.wantTold("another lead", "8: first")

		d.refuse(func(crm.LeadRef) error { return nil })
		d.mu.Lock()
		d.leads["9"] = crm.Lead{Ref: d.ref("9"), Status: ref("acme", "1")}
		d.mu.Unlock()
		_, err := f.leads.Set(t.Context(), d.ref("9"), "paid") // whose event does not come
		f.must(err)
		f.wantTold("no event yet", "9: paid own")
	})
}

// movingDesk can move leads too, and sends an event for it first.
type movingDesk struct{ *crmDesk }

func (d movingDesk) MoveLead(ctx context.Context, move crm.Move) (crm.Lead, error) {
	d.put(move.Lead.ID, move.To.ID)
	d.post(isMoved, move.Lead.ID, move.To.ID)
	synctest.Wait()
	return d.ReadLead(ctx, move.Lead)
}

func TestOwnIsForgotten(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		f := newFollower(t, statuslink.LeadsOptions{}, movingDesk{d})
		d.put("7", "1")
		_, err := f.leads.Set(t.Context(), d.ref("7"), "work") // nobody follows yet
		f.must(err)
		pass(11 * time.Minute)
		f.start(d.hook)
		defer f.stop()
		d.post(isMoved, "7", "2")
		f.wantTold("an event long after", "7: work <- first")
	})
}
