package statuslink_test

import (
	"context"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// setDesk can move leads and list them. It sends no events for that, unless it tells.
type setDesk struct {
	*crmDesk
	onAnswer func() // once: after a lead was read, before the answer comes
	onMoved  func() // once: after a lead was moved, before the answer comes
	refuses  bool   // says yes, and leaves leads where they stand
	tells    bool   // sends an event for each move before it answers
	slow     string // the lead whose move takes a minute
	movedAt  time.Time
}

func (d *setDesk) ReadLead(ctx context.Context, lead crm.LeadRef) (crm.Lead, error) {
	read, err := d.crmDesk.ReadLead(ctx, lead)
	if then := d.onAnswer; then != nil {
		d.onAnswer = nil
		then()
	}
	return read, err
}

func (d *setDesk) MoveLead(ctx context.Context, move crm.Move) (crm.Lead, error) {
	if move.Lead.ID == d.slow {
		time.Sleep(time.Minute)
	}
	if !d.refuses {
		d.putAt(move.Lead.ID, move.To.ID, d.movedAt)
	}
	if d.tells {
		d.post(isMoved, move.Lead.ID, move.To.ID)
		synctest.Wait()
	}
	moved, err := d.crmDesk.ReadLead(ctx, move.Lead)
	if then := d.onMoved; then != nil {
		d.onMoved = nil
		then()
	}
	return moved, err
}

func (d *setDesk) ListLeads(ctx context.Context, _ crm.LeadQuery) iter.Seq2[crm.Lead, error] {
	return func(yield func(crm.Lead, error) bool) { yield(d.ReadLead(ctx, d.ref("7"))) }
}

// What Set said, and what Follow tells, is one story.
func TestFollowGoesOnFromWhatSetSaid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		opts statuslink.LeadsOptions
		told string // of the lead before it is set; empty if nothing
		then func(d *setDesk, f *follower, set func(status string))
		want []string
	}{
		{
			name: "the first that is heard of a lead is the event of Set",
			then: func(d *setDesk, _ *follower, set func(string)) {
				set("paid")
				d.post(isMoved, "7", "3")
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "Set knew more than was told",
			told: "2",
			then: func(d *setDesk, _ *follower, set func(string)) {
				d.put("7", "1")
				set("paid")
				d.post(isMoved, "7", "3")
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "a rule moves the lead back before the events come",
			told: "1",
			then: func(d *setDesk, _ *follower, set func(string)) {
				set("paid")
				d.put("7", "1")
				d.post(isMoved, "7", "3")
				d.post(isMoved, "7", "1")
			},
			want: []string{"7: first <- paid"},
		},
		{
			name: "only the event that carries what was told before comes",
			told: "1",
			then: func(d *setDesk, _ *follower, set func(string)) {
				set("paid")
				d.put("7", "1")
				d.post(isMoved, "7", "1")
			},
			want: []string{"7: first <- paid"},
		},
		{
			name: "a change that the process made is its own only until the lead left",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				set("paid")
				d.put("7", "1")
				d.post(isChanged, "7")
				f.wantTold("back again", "7: first <- paid")
				d.put("7", "3")
				d.post(isMoved, "7", "3")
			},
			want: []string{"7: paid <- first"},
		},
		{
			name: "a late event of before is no news",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				set("paid")
				d.post(isMoved, "7", "1")
				f.wantTold("where Set put it", "7: paid <- first own")
				d.post(isMoved, "7", "1")
			},
		},
		{
			name: "Set found the lead there, and it leaves before its event comes",
			told: "1",
			then: func(d *setDesk, _ *follower, set func(string)) {
				d.put("7", "3")
				set("paid")
				d.put("7", "1")
				d.post(isMoved, "7", "1")
			},
			want: []string{"7: first <- paid"},
		},
		{
			name: "Set found the lead there, which nobody else told",
			then: func(d *setDesk, _ *follower, set func(string)) {
				set("first")
				d.post(isMoved, "7", "1")
			},
			want: []string{"7: first"},
		},
		{
			name: "Set found the lead where it was told to stand",
			told: "1",
			then: func(d *setDesk, _ *follower, set func(string)) {
				set("first")
				d.post(isMoved, "7", "1")
				d.post(isChanged, "7")
			},
		},
		{
			name: "the lead is gone",
			told: "1",
			then: func(d *setDesk, _ *follower, set func(string)) {
				set("paid")
				d.remove("7")
				d.post(isDeleted, "7")
			},
			want: []string{"7: gone <- paid"},
		},
		{
			name: "the lead is gone again, which was gone before it was set",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				d.remove("7")
				d.post(isDeleted, "7")
				f.wantTold("gone", "7: gone <- first")
				d.put("7", "1")
				set("paid")
				d.remove("7")
				d.post(isDeleted, "7")
				d.post(isDeleted, "7")
			},
			want: []string{"7: gone <- paid"},
		},
		{
			name: "the CRM kept the lead where it stood",
			told: "1",
			then: func(d *setDesk, f *follower, _ func(string)) {
				d.refuses = true
				if _, err := f.leads.Set(f.t.Context(), d.ref("7"), "paid"); err == nil {
					f.t.Error("no error")
				}
				d.post(isMoved, "7", "1")
				d.post(isChanged, "7")
			},
		},
		{
			name: "many at once are no different",
			told: "1",
			then: func(d *setDesk, f *follower, _ func(string)) {
				wish := []statuslink.Wish{{Lead: d.ref("7"), Status: "paid"}}
				for range f.leads.SetMany(f.t.Context(), slices.Values(wish), nil) {
					d.put("7", "1")
				}
				d.post(isMoved, "7", "1")
			},
			want: []string{"7: first <- paid"},
		},
		{
			name: "a Set that is refused leaves the one before it one's own",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				set("work")
				d.refuses = true
				if _, err := f.leads.Set(f.t.Context(), d.ref("7"), "paid"); err == nil {
					f.t.Error("no error")
				}
				d.post(isMoved, "7", "2")
			},
			want: []string{"7: work <- first own"},
		},
		{
			name: "the callback sets the lead, which a rule moves back",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				f.failWith(func(change statuslink.LeadChange) error {
					if change.PreviousStatus.Key == "first" {
						set("paid")
						d.put("7", "2")
					}
					return nil
				})
				d.put("7", "2")
				d.post(isMoved, "7", "2")
				pass(0)
				d.post(isMoved, "7", "2")
			},
			want: []string{"7: work <- first", "7: work <- paid"},
		},
		{
			name: "the callback sets the lead each time, and no events come",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				f.failWith(func(statuslink.LeadChange) error {
					set("paid")
					return nil
				})
				d.put("7", "2")
				d.post(isMoved, "7", "2")
				pass(time.Hour)
				if n := d.readings(); n > 8 {
					f.t.Errorf("%d readings", n)
				}
			},
			want: []string{"7: work <- first", "7: paid <- work own"},
		},
		{
			name: "Follow tells while the lead is set, and no event of that comes",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				d.onAnswer = func() { // of the reading by Set
					d.put("7", "2")
					d.post(isMoved, "7", "2")
					f.wantTold("a manager moves it", "7: work <- first")
				}
				set("paid")
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "nor is there one where nothing but the status that it was set to was told",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				d.tells = true
				set("paid")
				d.readings()
				pass(time.Hour)
				if n := d.readings(); n != 0 {
					f.t.Errorf("%d readings", n)
				}
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "a callback is under way when the lead is set",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				f.failWith(func(change statuslink.LeadChange) error {
					if change.Status.Key == "work" {
						time.Sleep(time.Minute)
					}
					return nil
				})
				d.put("7", "2")
				d.post(isMoved, "7", "2")
				pass(time.Second)
				set("paid")
				pass(time.Hour)
			},
			want: []string{"7: work <- first", "7: paid <- work own"},
		},
		{
			name: "it is set by two calls at the same time",
			told: "1",
			then: func(d *setDesk, _ *follower, set func(string)) {
				d.onAnswer = func() {
					set("work")
					d.put("7", "1")
				}
				set("paid")
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "an event of where it was told last comes before Set returns, and is true by then",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				d.onMoved = func() {
					d.put("7", "1")
					d.post(isMoved, "7", "1")
					f.wantTold("nothing new yet")
				}
				set("paid")
			},
			want: []string{"7: first <- paid"},
		},
		{
			name: "it is set by two calls at the same time, and comes where it was told last",
			told: "3",
			then: func(d *setDesk, _ *follower, set func(string)) {
				d.put("7", "1")
				d.onAnswer = func() {
					set("work")
					d.put("7", "1")
				}
				set("paid")
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "a result of many comes after what was told since",
			told: "1",
			then: func(d *setDesk, f *follower, _ func(string)) {
				d.put("8", "1")
				d.slow = "8"
				time.AfterFunc(10*time.Second, func() {
					d.put("7", "2")
					d.post(isMoved, "7", "2")
				})
				wishes := []statuslink.Wish{{Lead: d.ref("8"), Status: "paid"}, {Lead: d.ref("7"), Status: "paid"}}
				for result := range f.leads.SetMany(f.t.Context(), slices.Values(wishes), nil) {
					f.must(result.Err)
				}
			},
			want: []string{"7: work <- first", "7: work <- paid"},
		},
		{
			name: "it is set by another call before many take the wish, and not read",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				wishes := func(yield func(statuslink.Wish) bool) {
					set("paid")
					yield(statuslink.Wish{Lead: d.ref("7"), Status: "first"})
				}
				for result := range f.leads.SetMany(f.t.Context(), wishes, nil) {
					f.must(result.Err)
				}
			},
			want: []string{"7: first <- first own"},
		},
		{
			name: "with a memory there is no reading either where both said the same",
			opts: statuslink.LeadsOptions{Memory: newSharedMemory()},
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				d.tells = true
				set("paid")
				d.readings()
				pass(time.Hour)
				if n := d.readings(); n != 0 {
					f.t.Errorf("%d readings", n)
				}
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "the event came before Set returned, and the status is relinked then",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				d.tells = true
				set("work")
				f.must(f.catalog.Unlink(f.t.Context(), ref("acme", "2")))
				_, err := f.catalog.Link(f.t.Context(), "paid", ref("acme", "2"))
				f.must(err)
				d.post(isMoved, "7", "2")
			},
			want: []string{"7: work <- first own", "7: paid <- work own"},
		},
		{
			name: "what was read before Set is not told after it",
			told: "1",
			then: func(d *setDesk, _ *follower, set func(string)) {
				d.put("7", "2")
				d.onAnswer = func() { set("paid") }
				d.post(isMoved, "7", "2")
			},
			want: []string{"7: paid <- work own"},
		},
		{
			name: "nor is an old copy of before Set",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
				d.putAt("7", "1", at)
				d.movedAt = at.Add(time.Minute)
				set("paid")
				d.putAt("7", "1", at)
				d.post(isMoved, "7", "3")
				f.wantTold("the CRM answers with the old copy")
				d.putAt("7", "3", d.movedAt)
				pass(time.Minute)
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "nor does what was read before Set say that nothing is new",
			told: "1",
			then: func(d *setDesk, _ *follower, set func(string)) {
				d.onAnswer = func() {
					set("paid")
					d.put("7", "1")
				}
				d.post(isChanged, "7")
			},
			want: []string{"7: first <- paid"},
		},
		{
			name: "nor is what was listed before Set, where nothing was told",
			then: func(d *setDesk, f *follower, set func(string)) {
				d.onAnswer = func() { set("paid") }
				f.must(f.leads.Reconcile(f.t.Context(), d.Source(), "", f.handle))
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "nor where it is what was told",
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				d.onAnswer = func() { set("paid") }
				f.must(f.leads.Reconcile(f.t.Context(), d.Source(), "", f.handle))
			},
			want: []string{"7: paid <- first own"},
		},
		{
			name: "a trusted event of before Set is not told after it",
			opts: statuslink.LeadsOptions{TrustEvents: []string{"acme"}},
			told: "1",
			then: func(d *setDesk, f *follower, set func(string)) {
				d.put("7", "2")
				set("paid")
				d.post(isMoved, "7", "2")
				f.wantTold("where Set put it", "7: paid <- work own")
				d.post(isMoved, "7", "3")
			},
		},
		{
			name: "an unlinked status after Set is where the lead came from",
			told: "1",
			then: func(d *setDesk, _ *follower, set func(string)) {
				set("paid")
				d.put("7", "99")
				d.post(isMoved, "7", "99")
				pass(0)
				d.put("7", "2")
				d.post(isMoved, "7", "2")
			},
			want: []string{"7: work <- "},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				d := &setDesk{crmDesk: newDesk(t, "acme", crmhook.Options{Workers: 1})}
				f := newFollower(t, test.opts, d)
				f.start(d.hook)
				defer f.stop()
				d.put("7", "1")
				if test.told != "" {
					d.put("7", test.told)
					d.post(isMoved, "7", test.told)
					pass(0)
				}
				f.mu.Lock()
				f.told = nil
				f.mu.Unlock()
				test.then(d, f, func(status string) {
					_, err := f.leads.Set(t.Context(), d.ref("7"), status)
					f.must(err)
				})
				f.wantTold(test.name, test.want...)
			})
		})
	}
}
