package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// TestFollowUnderLoad moves leads at random, with events that come twice, late, in
// another sequence or not at all, while the callback and the CRM fail now and then.
func TestFollowUnderLoad(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		const leads, moves = 20, 2000
		d := newDesk(t, "acme", crmhook.Options{QueueSize: 1 << 20})
		var dead letters
		f := newFollower(t, statuslink.LeadsOptions{DeadLetter: dead.take, Retries: 100}, d)
		random := rand.New(rand.NewPCG(20260820, 11))
		var mu sync.Mutex
		version, place := make(map[string]int), make(map[string]string)
		var wrong []string
		seen := make(map[string]string)
		chance := func(percent int) bool {
			mu.Lock()
			defer mu.Unlock()
			return random.IntN(100) < percent
		}
		d.refuse(func(crm.LeadRef) error {
			time.Sleep(time.Millisecond)
			if chance(5) {
				return &crm.Error{Kind: crm.ErrUnavailable}
			}
			return nil
		})
		told := make(map[string]time.Time)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- f.leads.Follow(ctx, func(_ context.Context, change statuslink.LeadChange) error {
				time.Sleep(time.Millisecond)
				if chance(5) {
					return errors.New("no")
				}
				mu.Lock()
				defer mu.Unlock()
				id := change.Lead.Ref.ID
				if change.Lead.MovedAt.Before(told[id]) {
					wrong = append(wrong, fmt.Sprint(id, " was told an older state after a newer one"))
				}
				if change.Known && change.PreviousStatus.Key != seen[id] {
					wrong = append(wrong, fmt.Sprintf("%s came from %q, told was %q", id, change.PreviousStatus.Key, seen[id]))
				}
				told[id], seen[id] = change.Lead.MovedAt, change.Status.Key
				return nil
			}, d.hook)
		}()
		synctest.Wait()
		keys := map[string]string{"1": "first", "2": "work", "3": "paid", "4": "operator"}
		var late []string
		for range moves {
			mu.Lock()
			id, status := fmt.Sprint(random.IntN(leads)), fmt.Sprint(1+random.IntN(4))
			version[id]++
			place[id] = keys[status]
			mu.Unlock()
			d.putAt(id, status, time.Now())
			late = append(late, id+" "+status)
			if !chance(20) { // lost, or late
				d.post(isMoved, id, status)
			}
			if chance(20) { // twice
				d.post(isMoved, id, status)
			}
			if chance(10) {
				mu.Lock()
				random.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
				mu.Unlock()
				for _, event := range late[:len(late)/2] {
					d.post(isMoved, event)
				}
				late = late[len(late)/2:]
			}
			time.Sleep(time.Millisecond)
		}
		for _, event := range late {
			d.post(isMoved, event)
		}
		pass(time.Hour)
		cancel()
		wantCanceled(t, ended)
		if len(wrong) > 0 {
			t.Errorf("%d times, such as: %s", len(wrong), wrong[0])
		}
		if diff := cmp.Diff(place, seen); diff != "" {
			t.Errorf("the bot's view is not the CRM's (-CRM +bot)\n%s", diff)
		}
		dead.want(t, "nothing is given up")
	})
}
