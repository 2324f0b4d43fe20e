package crmbulk

import (
	"cmp"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
)

const (
	// mostFailures is in how many rounds in a row the CRM may break down before a
	// run ends. After each there is a pause, which doubles.
	mostFailures = 5
	firstPause   = time.Second
)

// answer is what came back for a batch.
type answer struct {
	Answer
	batch  []*item
	number int   // of the batch
	begun  bool  // Options.Send was called
	unsent error // why it was not; nil if it was
	exit   *exit // how a function of the client ended that did not return
	took   time.Duration
}

// exit is how a function ended that did not return.
type exit struct {
	message  string
	panicked error // nil if it ended its goroutine
}

// handle settles what came back, or has it sent again.
func (r *run) handle(a answer) {
	delete(r.underWay, a.number)
	for _, m := range a.batch {
		delete(r.busy, m.lead)
	}
	if !a.begun {
		r.waiting--
	}
	switch {
	case a.exit != nil:
		r.exited(a)
	case a.unsent != nil:
		r.again(a.batch)
		// Before a deadline, those that wait already may still be in time.
		r.close(r.unavailable("", a.unsent))
	case a.Verdicts == nil && (a.All.Fate == Done || a.All.Fate == Refused):
		a.Verdicts = slices.Repeat([]Verdict{a.All}, len(a.batch))
		r.answered(a)
	case a.Verdicts != nil:
		r.answered(a)
	default:
		r.failed(a)
	}
}

// exited ends the run because a function of the client did not return.
func (r *run) exited(a answer) {
	why := r.unavailable(a.exit.message, nil)
	if a.begun {
		doubt(a.batch, why)
	}
	r.end(why)
	r.again(a.batch)
	if r.panicked == nil {
		r.panicked = a.exit.panicked
	}
}

// answered deals with a batch that was answered.
func (r *run) answered(a answer) {
	done, lost, busy := 0, 0, 0
	var pause time.Duration
	var broke error
	for i, m := range a.batch {
		v := &a.Verdicts[i]
		pause = max(pause, v.Wait)
		switch v.Fate {
		case Done:
			done++
			r.settle(m, crm.MoveDone, v.Lead, nil)
		case Refused:
			r.settle(m, crm.MoveRefused, crm.Lead{}, v.Err)
		case Lost:
			lost, broke = lost+1, v.Err
			r.lost(a.batch[i:i+1], v.Err)
		case Busy:
			busy, broke = busy+1, v.Err
			r.busied(a.batch[i:i+1], v)
		default:
			r.unrun(a.batch[i:i+1], v)
		}
	}
	if lost+busy == len(a.batch) { // as good as no answer
		r.flow.failed(a.number, len(a.batch), false)
		r.pause(a, pause, broke)
		return
	}
	r.flow.answered(done, a.took)
	if busy > 0 {
		pause = cmp.Or(pause, firstPause)
	}
	r.hold(pause)
	if a.number > r.counted {
		r.failures = 0
	}
}

// failed deals with a batch that failed as a whole.
func (r *run) failed(a answer) {
	v := &a.All
	switch {
	case a.Large && len(a.batch) > 1:
		doubt(a.batch, v.Err)
		r.again(a.batch)
		r.flow.tooLarge(len(a.batch))
	case v.Fate == Lost:
		r.lost(a.batch, v.Err)
		r.flow.failed(a.number, len(a.batch), a.Late)
		r.pause(a, v.Wait, v.Err)
	case v.Fate == Busy:
		r.busied(a.batch, v)
		r.flow.failed(a.number, len(a.batch), false)
		r.pause(a, v.Wait, v.Err)
	default:
		r.unrun(a.batch, v)
		r.hold(v.Wait)
	}
}

// busied has moves sent again for which the CRM was too busy.
func (r *run) busied(moves []*item, v *Verdict) {
	if v.Doubt {
		doubt(moves, v.Err)
	}
	r.again(moves)
}

// unrun deals with moves that the CRM surely did not carry out.
func (r *run) unrun(moves []*item, v *Verdict) {
	switch {
	case v.Fate == Ended || (v.Fate == Held && r.opts.FailOnHold):
		r.leave(moves, crm.MoveRefused, v.Err)
		r.end(v.Err)
	default:
		r.again(moves)
	}
}

// pause holds the run back, or ends it if the CRM goes on to break down. A round
// counts once, however many batches of it failed.
func (r *run) pause(a answer, pause time.Duration, why error) {
	if a.number > r.counted {
		if pause == 0 {
			pause = firstPause << r.failures
		}
		r.failures, r.counted = r.failures+1, r.flow.sent
		r.hold(pause)
	}
	if r.failures >= mostFailures {
		r.end(why)
	}
}

// hold sees to it that nothing is sent for so long.
func (r *run) hold(pause time.Duration) {
	if until := time.Now().Add(pause); pause > 0 && until.After(r.resume) {
		r.resume = until
	}
}

// doubt notes that moves may have been carried out.
func doubt(moves []*item, why error) {
	for _, m := range moves {
		m.doubt = why
	}
}

// again has moves sent again that surely were not carried out.
func (r *run) again(moves []*item) {
	if r.ended != nil {
		r.leave(moves, crm.MoveNotSent, r.ended)
		return
	}
	r.queue, r.shuffled = append(r.queue, moves...), true
}

// lost has moves sent again to which no answer came, a few times.
func (r *run) lost(moves []*item, why error) {
	for _, m := range moves {
		m.tries, m.doubt = m.tries+1, why
		if m.tries >= r.opts.Attempts {
			r.settle(m, crm.MoveUnknown, crm.Lead{}, why)
		} else {
			r.again([]*item{m})
		}
	}
}
