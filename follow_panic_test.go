package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm/crmhook"
)

func TestCallbackPanics(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, fails := range map[string]int{"at once": 0, "in a repetition": 1} {
		bubble(t, func(t *testing.T) {
			d := newDesk(t, "acme", crmhook.Options{})
			f := newFollower(t, statuslink.LeadsOptions{}, d)
			others := 0
			f.failWith(func(change statuslink.LeadChange) error {
				if change.Lead.Ref.ID == "7" {
					if fails--; fails < 0 {
						panic("странный клиент")
					}
				}
				others++
				return errors.New("no")
			})
			value := make(chan any)
			go func() {
				defer func() { value <- recover() }()
				_ = f.leads.Follow(t.Context(), f.handle, d.hook)
			}()
			synctest.Wait()
			d.put("8", "1")
			d.post(isMoved, "8", "1")
			synctest.Wait()
			d.put("7", "1")
			d.post(isMoved, "7", "1")
			if text := fmt.Sprint(<-value); !strings.Contains(text, "странный клиент") {
				t.Errorf("%s: the caller of Follow recovers %v", name, text)
			}
			f.failWith(nil)
			f.start(d.hook)
			f.wantTold(name+": a second Follow goes on, without the event", "8: first")
			d.post(isMoved, "7", "1")
			f.wantTold(name+": the lead is free", "7: first")
			f.stop()
		})
	}
}

func TestCallbackEndsItsGoroutine(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, fails := range []int{0, 1} {
		bubble(t, func(t *testing.T) {
			d := newDesk(t, "acme", crmhook.Options{})
			f := newFollower(t, statuslink.LeadsOptions{}, d)
			ended := make(chan error)
			go func() {
				ended <- f.leads.Follow(t.Context(), func(context.Context, statuslink.LeadChange) error {
					if fails--; fails < 0 {
						runtime.Goexit()
					}
					return errors.New("no")
				}, d.hook)
			}()
			synctest.Wait()
			d.put("7", "1")
			d.post(isMoved, "7", "1")
			if err := <-ended; err == nil || !strings.Contains(err.Error(), "ended its goroutine") {
				t.Errorf("after %d failures: %v", fails+1, err)
			}
		})
	}
}
