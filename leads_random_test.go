package statuslink_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

var (
	leadHistories = flag.Int("leads.histories", 20, "how many histories TestLeadsRandomly lets happen")
	leadSeed      = flag.Uint64("leads.seed", 1, "the seed of the first history")
	leadMoments   = flag.Int("leads.steps", 250, "how many steps a history has")
)

// TestLeadsRandomly lets random things happen to a bot with two CRMs, many at a time,
// and judges what it tells. After all has settled, the bot's view of each lead has to
// be the CRM's. A history that fails is named by its seed:
//
//	go test -run TestLeadsRandomly -leads.seed=17 -leads.histories=1 .
func TestLeadsRandomly(t *testing.T) {
	t.Parallel()
	for i := range *leadHistories {
		seed := *leadSeed + uint64(i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newLeadWorld(t, seed)
				w.run(seed)
				w.settle()
				w.stop()
				t.Logf("seed %d: %s", seed, w)
			})
		})
	}
}

// run lets steps happen.
func (w *leadWorld) run(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	w.start()
	var steps sync.WaitGroup
	for range *leadMoments {
		step, own := drawLeadStep(random), rand.New(rand.NewPCG(random.Uint64(), 2))
		steps.Go(func() { step.do(w, own) })
		switch random.IntN(12) {
		case 0:
			time.Sleep(time.Duration(random.IntN(20)) * time.Second)
		case 1, 2, 3:
			time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
		}
		if random.IntN(40) == 0 {
			w.stop()
			time.Sleep(time.Duration(random.IntN(60)) * time.Second)
			if random.IntN(2) == 0 {
				w.follow()
			} else {
				w.start()
			}
		}
	}
	steps.Wait()
}

// settle lets all come to rest, and judges what the bot knows.
func (w *leadWorld) settle() {
	w.portal.Recover()
	w.account.Recover()
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	pass(time.Hour)
	if !w.copies { // an older answer may be what was told last, so that nothing seems to be new
		w.judgeEvents()
	}
	w.stop()
	w.start()
	pass(time.Minute)
	p := w.now()
	w.portal.SetEvents(append(w.deals.late, w.deals.gone...)...)
	w.account.SetEvents(w.chats.late...)
	w.portal.DeliverTo(w.t.Context(), p.deals)
	w.account.DeliverTo(w.t.Context(), p.chats)
	pass(time.Hour)
	w.judge("caught up", true)

	_, err := w.syncer.Sync(w.t.Context())
	w.must(err)
	for _, kind := range []crm.LeadRef{{Source: "umnico"}, {Source: "bitrix24", Kind: "deal"}, {Source: "bitrix24", Kind: "lead"}} {
		w.must(p.leads.Reconcile(w.t.Context(), kind.Source, kind.Kind, w.handle))
	}
	pass(time.Hour)
	w.judge("reconciled", false)
}

// judgeEvents checks that the last process told what accepted events led to.
func (w *leadWorld) judgeEvents() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookLocked()
	for lead := range w.goneDue {
		if !w.view[lead].Deleted {
			w.t.Errorf("%s: an event said that it is gone, told last was %s", lead, told(w.view[lead]))
		}
	}
	for lead, due := range w.due {
		if w.trusts && lead.Source == "umnico" {
			continue // an event that was answered with 503 may come after a newer one
		}
		states := w.truth[lead]
		later := states[due:]
		if states[len(states)-1] != goneRef && !slices.Contains(later, w.heard[lead]) && !slices.Contains(later, w.view[lead].Lead.Status) {
			w.t.Errorf("%s: an event led to %v, heard was %s, told last %s; states %v", lead, later, w.heard[lead], told(w.view[lead]), states)
		}
	}
}

// judge compares the bot's view with the CRMs. A lead on a status that no status of
// the bot is linked to was reported, and told only where there is a fallback. early
// says that statuses may have been linked since the bot last heard of a lead on them.
func (w *leadWorld) judge(when string, early bool) {
	snapshot, err := w.catalog.Load(w.t.Context())
	w.must(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookLocked()
	for lead, states := range w.truth {
		if early && w.trusts && lead.Source == "umnico" {
			continue
		}
		last := states[len(states)-1]
		view := w.view[lead]
		status, linked := snapshot.ByRef(last)
		switch {
		case last == goneRef:
			if lead.Source == "bitrix24" && !view.Deleted {
				w.t.Errorf("%s: %s is gone, told last was %s", when, lead, told(view))
			}
		case early && (w.heard[lead] == last || view.Lead.Status == last):
		case !linked:
			// Where the link to the status that is the fallback, too, is gone, nothing is new.
			if w.heard[lead] != last && (view.Lead.Status != last || view.Status.Key == "" || view.Status.Key != w.fallback) {
				w.t.Errorf("%s: %s stands on %s, which is not linked, heard was %s", when, lead, last, w.heard[lead])
			}
		case view.Lead.Status != last || view.Status.ID != status.ID || view.Deleted:
			w.t.Errorf("%s: %s stands on %s (%q), told last was %s; heard %s; states %v", when, lead, last, status.Name, told(view), w.heard[lead], states)
		}
	}
}

func told(change statuslink.LeadChange) string {
	if change.Deleted {
		return "gone"
	}
	return fmt.Sprintf("%s (%q, fallback %v)", change.Lead.Status, change.Status.Name, change.Fallback)
}
