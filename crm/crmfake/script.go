package crmfake

import (
	"context"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// Play replaces the rest of the script: the next calls take these steps, and
// the last one repeats. Calls that have begun keep the step that they took.
// Listings are copied, errors are returned as they are. Without steps it is
// the same as [Client.Show] without listings.
func (c *Client) Play(steps ...Step) {
	script := make([]Step, 0, max(1, len(steps)))
	for _, step := range steps {
		script = append(script, Step{Listing: clone(step.Listing), Err: step.Err})
	}
	if len(script) == 0 {
		script = append(script, Step{Listing: Listing(c.source, crm.Scope{})})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script = script
}

// Show is [Client.Play] with listings only: the next calls answer with them,
// one a call, and the last one repeats. Without listings the client answers
// with one empty scope.
func (c *Client) Show(listings ...crm.Listing) {
	steps := make([]Step, 0, len(listings))
	for _, listing := range listings {
		steps = append(steps, Step{Listing: listing})
	}
	c.Play(steps...)
}

// Fail makes every call from now on return an error of the given kind, until
// the script is replaced again: a [*crm.Error] that names the client's source
// and the operation. A kind that is itself a [*crm.Error], or nil, does not
// belong here; give those to [Client.Play].
func (c *Client) Fail(kind error) {
	c.Play(Step{Err: &crm.Error{Kind: kind, Source: c.source, Op: opList}})
}

// Hold makes every call that begins from now on wait until release is called
// or its context ends. Holding twice needs both releases. Calling release again
// does nothing; calls that begin after it do not wait.
func (c *Client) Hold() (release func()) {
	gate := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gates = append(c.gates, gate) // calls hold a shorter slice, or an older one
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.gates, gate)
		if i < 0 {
			return
		}
		c.gates = slices.Concat(c.gates[:i], c.gates[i+1:])
		close(gate)
	}
}

// Calls returns how many calls of [Client.ListStatuses] have begun.
func (c *Client) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// Running returns how many calls of [Client.ListStatuses] have begun and not
// ended.
func (c *Client) Running() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

// Overlap returns the greatest number of calls of [Client.ListStatuses] that
// have ever run at the same time.
func (c *Client) Overlap() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.overlap
}

// WaitCalls waits until at least n calls of [Client.ListStatuses] have begun
// since the client was made, and returns nil then, or ctx.Err() if ctx ends
// before.
func (c *Client) WaitCalls(ctx context.Context, n int) error {
	for {
		c.mu.Lock()
		calls, begun := c.calls, c.begun
		c.mu.Unlock()
		if calls >= n {
			return nil
		}
		select {
		case <-begun:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
