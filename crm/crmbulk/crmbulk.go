// Package crmbulk runs the moves of many leads: it is what the clients'
// [crm.BulkMover] have in common, and for those of other CRMs. It takes moves as
// they are needed, keeps several requests under way, more while answers come well
// and fewer when the CRM breaks down, sends again what was not carried out, keeps the
// moves of one lead in their sequence, and accounts for every one. What a client adds
// is how moves are sent, and what the answer means.
package crmbulk

import (
	"context"
	"iter"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// Options say how the moves of a run are sent. All functions are required unless
// their comments say otherwise; only Wait and Send are called by several goroutines
// at once. Numbers below 1 are taken for 1.
type Options struct {
	// Prepare checks a move when it is taken, and returns what Send gets of it. Its
	// error is that of a move which is refused unsent. alone says that the move must
	// not be sent together with others. ctx ends with the run.
	Prepare func(ctx context.Context, move crm.Move) (item any, alone bool, err error)
	// Canonical returns the one form of a lead's identity, if it has several. Nil
	// means that it has not.
	Canonical func(crm.LeadRef) crm.LeadRef
	// Wait waits until a request may be sent, as a limit of the rate wants it. ctx
	// ends with the run, and so should the wait. Its error, which is mostly that of
	// ctx, ends the run, except for the requests that wait already. Nil means that
	// nothing is to be waited for.
	Wait func(ctx context.Context) error
	// Spare says whether n requests could be sent at once, which are more than are
	// needed: then the moves that are left at the end are divided into so many, so that
	// all requests end together. Nil means that it never is so.
	Spare func(n int) bool
	// Send sends moves in one request, at most Batch of them and no lead twice, in the
	// sequence of the input, and says what became of them. What is under way is waited
	// for, so its ctx does not end with that of the run, and Send ends by itself; ended
	// is closed when the run ends, for a client that needs several requests for a move
	// and has not begun to write.
	Send func(ctx context.Context, ended <-chan struct{}, items []any) Answer
	// Failure makes an error of this package one of the client.
	Failure func(*crm.Error) error

	// Batch is how many moves a request holds at most.
	Batch int
	// First is how many requests are under way at once at the start, and Most how
	// many there may ever be; First is never more.
	First, Most int
	// Timeout is the limit of one request: batches are so large that they last half
	// of it at most, and never longer than 25 seconds.
	Timeout time.Duration
	// Attempts is how often a move is sent at most to which no answer came.
	Attempts int
	// FailOnHold ends the run where it would have to wait for what is [Held], which
	// counts as refused.
	FailOnHold bool
}

// Fate is what became of a move that was sent.
type Fate uint8

// The fates of moves.
const (
	// Done: the CRM said yes, and nothing contradicts it.
	Done Fate = iota
	// Refused: the CRM said no.
	Refused
	// Lost: nothing of use came back. It may have been carried out.
	Lost
	// Again: it was surely not carried out, and Options.Wait holds everyone back.
	Again
	// Busy: it was surely not carried out, because the CRM could not be reached or
	// had too much to do.
	Busy
	// Held: it was surely not carried out, and nothing is to be sent for Wait.
	Held
	// Ended: it was surely not carried out, and nor will be any other: the sign-in
	// is refused, the account blocked.
	Ended
)

// Verdict says what became of one move.
type Verdict struct {
	Fate Fate
	// Lead is the lead as the CRM said it stands afterwards, where the Fate is Done.
	Lead crm.Lead
	// Err is why, unless the Fate is Done.
	Err error
	// Wait is for how long nothing is to be sent. Where it is 0, and a whole request is
	// Lost or Busy, there is a pause that grows; for a Busy move among others there is
	// a short one.
	Wait time.Duration
	// Doubt says, with Busy, that a part of it may have been carried out all the
	// same, and only the verification was not: it is sent again, and unknown if the
	// run ends before.
	Doubt bool
}

// Answer says what became of the moves in one request.
type Answer struct {
	// Verdicts are those of the moves, one for each, in their sequence; nil if All is
	// that of each.
	Verdicts []Verdict
	All      Verdict
	// Late says that no answer came in time, and Large that one came which was too
	// large to be read: the next batches are smaller.
	Late, Large bool
}

// Move is the [crm.BulkMover.MoveLeads] of a client.
//
// The input is asked for moves by the goroutine that loops over the results, and
// up to 2,500 are read ahead. While the input keeps the loop waiting, what is under way
// goes on, but nothing new is sent and no results come, also when ctx has ended: an
// input that may block has to look at ctx itself. The same goes for the loop, progress
// and Prepare.
//
// A run ends by itself when a move is [Ended], and when the CRM breaks down five
// times in a row with growing pauses. All requests that were under way together are
// one time; a request breaks down that brings nothing but Lost and Busy moves. When a
// run ends, [crm.MoveNotSent] is also what was sent and surely not carried out, and
// [crm.MoveUnknown] what may have been carried out at any attempt, unless a later one
// was answered.
//
// Whatever panics, what is under way is waited for, and progress gets its final
// report. A panic of Wait or Send ends the run and comes up in the loop over the
// results, behind the last of them; where one of them ends its goroutine instead, the
// run ends.
func Move(ctx context.Context, opts Options, moves iter.Seq[crm.Move], progress func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	if opts.Canonical == nil {
		opts.Canonical = func(lead crm.LeadRef) crm.LeadRef { return lead }
	}
	if opts.Wait == nil {
		opts.Wait = func(context.Context) error { return nil }
	}
	if opts.Spare == nil {
		opts.Spare = func(int) bool { return false }
	}
	opts.Batch, opts.Most = max(1, opts.Batch), max(1, opts.Most)
	opts.First = clamp(opts.First, 1, opts.Most)
	return func(yield func(crm.MoveResult) bool) {
		next, stop := iter.Pull(moves)
		defer stop()
		ctx, cancel := context.WithCancel(ctx)
		r := &run{
			opts: &opts, ctx: ctx, cancel: cancel, next: next, progress: progress,
			flow: newFlow(&opts), busy: map[crm.LeadRef]bool{}, underWay: map[int]time.Time{},
			begun: make(chan struct{}, opts.Most), answers: make(chan answer, opts.Most),
		}
		r.run(yield)
	}
}
