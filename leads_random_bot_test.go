package statuslink_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/umnico"
)

// leadProcess is one life of the bot.
type leadProcess struct {
	leads  *statuslink.Leads
	ctx    context.Context //nolint:containedctx // the process's
	cancel context.CancelFunc
	deals  *bitrix24.Events
	chats  *umnico.Events
	jobs   sync.WaitGroup
	knows  map[crm.LeadRef]*leadKnown
}

// start begins a life of the bot: it follows, and catches up.
func (w *leadWorld) start() {
	opts := &statuslink.LeadsOptions{
		Retries: 60, Unlinked: w.unlinked,
		DeadLetter: func(_ context.Context, change statuslink.LeadChange, err error) {
			w.t.Errorf("%s was given up: %v", change.Lead.Ref, err)
		},
	}
	switch w.mode {
	case withLastKnown:
		opts.LastKnown = w.lastKnown
	case withMemory:
		opts.Memory = w.memory
	}
	opts.Fallback = w.fallback
	if w.trusts {
		opts.TrustEvents = []string{"umnico"}
	}
	p := &leadProcess{knows: make(map[crm.LeadRef]*leadKnown)}
	var err error
	p.leads, err = statuslink.NewLeads(w.catalog, opts, w.clients...)
	w.must(err)
	receive := bitrix24.EventOptions{Tokens: []string{hookToken}}
	if w.reads {
		receive.ReadLeads = w.clients[0].(crm.BulkReader).ReadLeads
	}
	p.deals, err = bitrix24.NewEvents(receive)
	w.must(err)
	p.chats, err = umnico.NewEvents(umnico.EventOptions{Secret: hookSecret})
	w.must(err)
	w.mu.Lock()
	w.process = p
	clear(w.due)
	clear(w.goneDue)
	w.mu.Unlock()
	w.follow()
	for _, kind := range []string{bitrix24.KindDeal, bitrix24.KindLead} {
		w.job(p, func() { w.until(p, func() error { return w.catchUp(p, kind) }) })
	}
	w.job(p, func() { w.until(p, func() error { return p.leads.Reconcile(p.ctx, "umnico", "", w.handle) }) })
}

// follow follows, for the first time or again. What was accepted before is still due.
func (w *leadWorld) follow() {
	p := w.now()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.mu.Lock()
	p.ctx, p.cancel = ctx, cancel
	w.mu.Unlock()
	w.job(p, func() {
		if err := p.leads.Follow(ctx, w.handle, p.deals, p.chats); !errors.Is(err, context.Canceled) {
			w.t.Errorf("Follow returned %v", err)
		}
	})
}

// job does something as long as the process lives; not at all if it does not.
func (w *leadWorld) job(p *leadProcess, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.ctx.Err() == nil {
		p.jobs.Go(do)
	}
}

// until tries until it goes well, or the process ends.
func (w *leadWorld) until(p *leadProcess, try func() error) {
	for try() != nil && p.ctx.Err() == nil {
		time.Sleep(3 * time.Second)
	}
}

func (w *leadWorld) catchUp(p *leadProcess, kind string) error {
	w.mu.Lock()
	position := w.positions[kind]
	w.mu.Unlock()
	position, err := p.leads.CatchUp(p.ctx, "bitrix24", kind, position, w.handle)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.positions[kind] = position
	return err
}

// stop ends a life of the bot, or interrupts it.
func (w *leadWorld) stop() {
	p := w.now()
	w.mu.Lock()
	p.cancel()
	w.mu.Unlock()
	p.jobs.Wait()
}

// now returns the process that runs, or ran last.
func (w *leadWorld) now() *leadProcess {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.process
}

// hear checks that a state of a lead is none that was before the one heard of last.
// Where a lead came to a state again, it is taken for the earliest possible visit:
// what was heard is in order if and only if it is in order then.
func (w *leadWorld) hear(lead crm.LeadRef, ref crm.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookLocked()
	states := w.truth[lead]
	if w.trusts && lead.Source == "umnico" { // an event may tell of before what was read
		w.heard[lead] = ref
		return
	}
	for i := w.reached[lead]; i < len(states); i++ {
		if states[i] == ref {
			w.reached[lead], w.heard[lead] = i, ref
			return
		}
	}
	w.t.Errorf("%s: heard of %s after state %d of %v", lead, ref, w.reached[lead], states)
}

var errNotToday = errors.New("сегодня нет")

// handle is the bot's callback.
func (w *leadWorld) handle(ctx context.Context, change statuslink.LeadChange) error {
	lead, ref := change.Lead.Ref, change.Lead.Status
	if change.Deleted {
		ref = goneRef
	}
	w.mu.Lock()
	heard := w.heard[lead]
	w.mu.Unlock()
	if !w.copies {
		w.hear(lead, ref)
	}
	w.mu.Lock()
	busy := w.inCall[lead]
	w.inCall[lead] = true
	fails := !w.calm && w.random.IntN(8) == 0
	w.wantCame(change)
	knows := w.process.knowsOf(lead)
	knows.hears()
	w.before[lead] = w.view[lead]
	takes := time.Duration(w.random.IntN(3)) * time.Duration(w.random.IntN(500)) * time.Millisecond
	w.counts["told"]++
	w.mu.Unlock()
	if busy {
		w.t.Errorf("%s: told twice at the same time", lead)
	}
	if !change.Deleted && !change.Fallback && !change.Status.Linked(ref) {
		w.t.Errorf("%s stands on %s, told as %q", lead, ref, change.Status.Name)
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		fails = true
	}
	if w.copies && !fails {
		w.hear(lead, ref) // what a callback refused is not remembered, so an older answer may come after it
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.inCall, lead)
	if fails {
		w.counts["callback failed"]++
		w.heard[lead] = heard // it may be back where it was reported, which is not news then
		return errNotToday
	}
	w.view[lead], w.unsure[lead] = change, false
	knows.tells(ref)
	return nil
}

// unlinked hears of leads on statuses that nobody linked, and sometimes synchronises.
func (w *leadWorld) unlinked(ctx context.Context, lead statuslink.UnlinkedLead) error {
	w.hear(lead.Lead.Ref, lead.Lead.Status)
	w.count("unlinked")
	w.mu.Lock()
	knows := w.process.knowsOf(lead.Lead.Ref)
	knows.reported = append(knows.reported, lead.Lead.Status)
	calm := w.calm
	w.mu.Unlock()
	if !w.chance(3) {
		return nil
	}
	_, err := w.syncer.Sync(ctx)
	if calm {
		return nil
	}
	return err
}

// lastKnown is what the bot knows of a lead. Of one that it took to be in the fallback
// it only knows that.
func (w *leadWorld) lastKnown(_ context.Context, lead crm.LeadRef) (crm.Ref, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change, known := w.view[lead]
	w.process.knowsOf(lead).linked = w.linked(change.Lead.Status)
	switch {
	case !w.calm && w.random.IntN(20) == 0:
		return crm.Ref{}, false, errNotToday
	case !known || change.Deleted || change.Fallback || w.unsure[lead]:
		return crm.Ref{}, false, nil
	}
	return change.Lead.Status, true, nil
}
