// Package crmfake is a scripted [crm.Client] for tests and examples: it
// answers what it was told to answer, waits where it was told to wait, and
// counts what it was asked.
//
// A client made by [New] works at once. [Client.Show], [Client.Fail] and
// [Client.Play] set what the next calls answer, [Client.Hold] makes calls wait
// until they are released or their context ends, and [Client.WaitCalls] lets a
// test go on exactly when a call has begun, without sleeping. [Listing] and
// [Status] build a list in one expression.
//
// The script is played as it is: a listing that does not pass
// [crm.Listing.Validate] is returned all the same, so a test can also play a
// client that breaks the contract.
package crmfake

import (
	"context"
	"sync"

	"github.com/statuslink/statuslink/crm"
)

// DefaultSource is the source of a client that was made with an empty one.
const DefaultSource = "fake"

// opList is the operation named in errors.
const opList = "list statuses"

// Step is the answer to one call of [Client.ListStatuses]. Its zero value
// answers with the zero [crm.Listing], which is not a valid one.
type Step struct {
	// Listing is what the call returns if Err is nil.
	Listing crm.Listing
	// Err, if it is not nil, is what the call returns, as it is, with the zero
	// Listing.
	Err error
}

// Client is a [crm.Client] that plays a script: each call takes the next step,
// and the last step repeats for ever. It is made by [New]; its zero value is
// not usable. All methods are safe for concurrent use.
type Client struct {
	source string

	mu      sync.Mutex
	script  []Step // never empty; the first is what the next call takes
	calls   int
	running int
	overlap int
	gates   []chan struct{} // closed when released
	begun   chan struct{}   // closed and replaced when a call begins
}

var _ crm.Client = (*Client)(nil)

// New returns a client of the given source that answers with the listings, one
// a call, the last one again and again. Without listings it answers with one
// empty scope, which is a valid listing of no status. An empty source means
// [DefaultSource]. The listings are copied.
func New(source string, listings ...crm.Listing) *Client {
	if source == "" {
		source = DefaultSource
	}
	c := &Client{source: source, begun: make(chan struct{})}
	c.Show(listings...)
	return c
}

// Source returns the source that was given to [New].
func (c *Client) Source() string { return c.source }

// ListStatuses takes the next step of the script, waits while the client is
// held, and answers what the step says; a Listing is a copy that belongs to the
// caller. The step is taken when the call begins, so calls that overlap get
// their answers in the order in which they began.
//
// If ctx has ended before the call or ends while it waits, the error is a
// [*crm.Error] of kind [crm.ErrUnavailable] that wraps ctx.Err(). A call whose
// context has ended before is counted, but takes no step.
func (c *Client) ListStatuses(ctx context.Context) (crm.Listing, error) {
	step, gates := c.begin(ctx.Err() == nil)
	defer c.end()
	for _, gate := range gates {
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return crm.Listing{}, &crm.Error{Kind: crm.ErrUnavailable, Source: c.source, Op: opList, Err: err}
	}
	if step.Err != nil {
		return crm.Listing{}, step.Err
	}
	return clone(step.Listing), nil
}

// begin counts a call and, if take is set, hands out its step. The step is not
// copied: nothing ever writes to one.
func (c *Client) begin(take bool) (Step, []chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.running++
	c.overlap = max(c.overlap, c.running)
	close(c.begun)
	c.begun = make(chan struct{})
	if !take {
		return Step{}, nil
	}
	step := c.script[0]
	if len(c.script) > 1 {
		c.script = c.script[1:]
	}
	return step, c.gates
}

func (c *Client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
}
