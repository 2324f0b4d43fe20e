package crmtest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"

	"github.com/statuslink/statuslink/crm"
)

// acmeRuns is how the client moves many leads. Its steps are fields as well.
type acmeRuns struct {
	size     int  // of a request
	parallel int  // requests at once
	careless bool // about the order of one lead
	attached bool // what is in flight is given up when the context ends
	settle   func(moves []crm.Move, answers []leadAnswer, err error) []crm.MoveResult
	stops    func(ctx context.Context, stopped bool) bool // whether nothing new is to be sent
	untaken  func(results []crm.MoveResult) []crm.MoveResult
	tell     func(progress func(crm.MoveReport), report crm.MoveReport)
}

func newAcmeRuns(a *acme) acmeRuns {
	return acmeRuns{
		size: 20, parallel: 1, settle: a.settle,
		stops:   func(ctx context.Context, stopped bool) bool { return stopped || ctx.Err() != nil },
		untaken: func(results []crm.MoveResult) []crm.MoveResult { return results },
		tell: func(progress func(crm.MoveReport), report crm.MoveReport) {
			if progress != nil {
				progress(report)
			}
		},
	}
}

// chunk are moves that are sent together.
type chunk struct {
	moves []crm.Move
	done  chan []crm.MoveResult
}

// acmeRun is one run.
type acmeRun struct {
	*acme

	ctx      context.Context
	progress func(crm.MoveReport)
	yield    func(crm.MoveResult) bool
	next     func() (crm.Move, bool)

	report  crm.MoveReport
	flying  []chunk
	held    []crm.Move // taken, but to be sent behind others
	stopped bool
	empty   bool
}

func (a *acme) moveMany(ctx context.Context, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return func(yield func(crm.MoveResult) bool) {
		next, stop := iter.Pull(moves)
		defer stop()
		r := &acmeRun{acme: a, ctx: ctx, progress: progress, yield: yield, next: next}
		defer r.land()
		for {
			r.fill()
			if len(r.flying) == 0 {
				break
			}
			first := r.flying[0]
			results := <-first.done
			r.flying = r.flying[1:]
			r.give(results)
			soFar := r.report
			soFar.Untaken = nil
			a.leads.run.tell(progress, soFar)
		}
		if len(r.held) > 0 {
			r.give(a.notSent(r.held, ctx.Err()))
		}
		r.report.Final, r.report.Untaken = true, a.leads.run.untaken(r.report.Untaken)
		a.leads.run.tell(progress, r.report)
	}
}

// land waits for what is in flight when the loop panicked.
func (r *acmeRun) land() {
	for _, c := range r.flying {
		<-c.done
	}
}

// fill sends what may be sent.
func (r *acmeRun) fill() {
	run := r.leads.run
	for len(r.flying) < run.parallel && !r.empty && !run.stops(r.ctx, r.stopped) {
		for len(r.held) < run.size {
			move, ok := r.next()
			if !ok {
				r.empty = true
				break
			}
			r.held = append(r.held, move)
		}
		if len(r.held) == 0 || r.waits() {
			break
		}
		r.send()
	}
	if len(r.held) > 0 && len(r.flying) == 0 && !run.stops(r.ctx, r.stopped) {
		r.send()
	}
}

func (r *acmeRun) send() {
	c := chunk{r.held, make(chan []crm.MoveResult, 1)}
	r.flying, r.held = append(r.flying, c), nil
	if r.leads.run.parallel == 1 {
		c.done <- r.batch(r.ctx, c.moves)
		return
	}
	go func() { c.done <- r.batch(r.ctx, c.moves) }()
}

// waits reports whether a lead of those held is in flight.
func (r *acmeRun) waits() bool {
	flying := make(map[crm.LeadRef]bool)
	for _, c := range r.flying {
		for _, move := range c.moves {
			flying[move.Lead] = true
		}
	}
	for _, move := range r.held {
		if flying[move.Lead] && !r.leads.run.careless {
			return true
		}
	}
	return false
}

// give counts results and yields them.
func (r *acmeRun) give(results []crm.MoveResult) {
	for _, result := range results {
		switch result.State {
		case crm.MoveNotSent:
			r.report.NotSent++
		case crm.MoveDone:
			r.report.Done++
		case crm.MoveRefused:
			r.report.Refused++
		case crm.MoveUnknown:
			r.report.Unknown++
		}
		if r.stopped {
			r.report.Untaken = append(r.report.Untaken, result)
		} else {
			r.stopped = !r.yield(result)
		}
	}
}

// notSent returns the results of moves that were not sent.
func (a *acme) notSent(moves []crm.Move, cause error) []crm.MoveResult {
	if cause == nil {
		cause = errors.New("the loop stopped")
	}
	results := make([]crm.MoveResult, len(moves))
	for i, move := range moves {
		results[i] = crm.MoveResult{Move: move, Err: a.failed("move leads", &crm.Error{Kind: crm.ErrUnavailable, Err: cause})}
	}
	return results
}

// batch sends moves in one request.
func (a *acme) batch(ctx context.Context, moves []crm.Move) []crm.MoveResult {
	if a.leads.run.stops(ctx, false) {
		return a.notSent(moves, ctx.Err())
	}
	var own []crm.Move
	var wishes []shopMove
	for _, move := range moves {
		if a.leads.own(move.Lead.Source) && a.leads.own(move.To.Source) {
			own = append(own, move)
			wishes = append(wishes, a.shopMove(move))
		}
	}
	body, _ := json.Marshal(wishes)
	var answer moveAnswers
	var err error
	if len(own) > 0 {
		q := question{op: "move leads", path: "/moves", post: body, detached: !a.leads.run.attached}
		err = a.exchange(ctx, q, func(body []byte) error {
			answer = moveAnswers{}
			if err := a.parse(body, &answer); err != nil {
				return err
			}
			if answer.Moves == nil || len(*answer.Moves) != len(own) {
				if a.sane(false) {
					all := make([]leadAnswer, len(own))
					answer.Moves = &all
					return nil
				}
				return errors.New("not all answers")
			}
			return nil
		})
	}
	var answers []leadAnswer
	if answer.Moves != nil {
		answers = *answer.Moves
	}
	settled := a.leads.run.settle(own, answers, err)
	results := make([]crm.MoveResult, 0, len(moves))
	for _, move := range moves {
		if !a.leads.own(move.Lead.Source) || !a.leads.own(move.To.Source) {
			results = append(results, crm.MoveResult{
				Move: move, State: crm.MoveRefused, Err: a.failed("move leads", &crm.Error{Kind: crm.ErrRejected}),
			})
			continue
		}
		if len(settled) > 0 {
			results, settled = append(results, settled[0]), settled[1:]
		}
	}
	return append(results, settled...)
}

// settle returns the results of moves that were sent.
func (a *acme) settle(moves []crm.Move, answers []leadAnswer, err error) []crm.MoveResult {
	results := make([]crm.MoveResult, len(moves))
	for i, move := range moves {
		results[i].Move = move
		var e *crm.Error
		switch {
		case errors.As(err, &e) && e.Status >= 400 && e.Status < 500 && e.Status != 429:
			results[i].State, results[i].Err = crm.MoveRefused, err
		case err != nil:
			results[i].State, results[i].Err = crm.MoveUnknown, err
		case answers[i].Error == "not_found":
			results[i].State, results[i].Err = crm.MoveRefused, a.failed("move leads", &crm.Error{Kind: crm.ErrNotFound})
		case answers[i].Error != "":
			results[i].State, results[i].Err = crm.MoveRefused, a.failed("move leads", &crm.Error{Kind: crm.ErrRejected})
		default:
			a.settleOne(&results[i], answers[i])
		}
	}
	return results
}

// settleOne is settle for a move to which the CRM said yes.
func (a *acme) settleOne(result *crm.MoveResult, answer leadAnswer) {
	result.State = crm.MoveDone
	if answer.OK {
		return
	}
	lead, err := a.lead(answer.Lead)
	if err != nil {
		result.State, result.Err = crm.MoveUnknown, a.failed("move leads", &crm.Error{Kind: crm.ErrBadResponse})
		return
	}
	result.Lead = lead
}
