package crmtest

import (
	"context"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
)

// operation is a call of a client, as the checks make it that look at failures:
// they are the same whatever is called.
type operation struct {
	name string
	// can reports whether the client has the method.
	can func(client crm.Client) bool
	// ready makes the CRM have what the call asks for: n rows, where they count.
	ready func(t *test, n int)
	// do makes the call and returns what came of it.
	do func(ctx context.Context, t *test, client crm.Client) (any, error)
	// sound checks what came of a call that went well.
	sound func(t *test, what string, value any)
	// beside checks what came beside an error; nil if it does not matter.
	beside func(t *test, what string, value any)
	// writes marks a call that changes something: whether it is repeated is the
	// client's business.
	writes bool
	// many marks a run of many requests, which may take longer and is not ended
	// in the midst of a request.
	many bool
}

// patience is how long the call may take by the fake clock, whatever happens.
func (o operation) patience() time.Duration {
	if o.many {
		return 6 * patience
	}
	return patience
}

// listStatuses is the call that every client has.
var listStatuses = operation{
	name:  "ListStatuses",
	can:   func(crm.Client) bool { return true },
	ready: func(t *test, n int) { t.want = t.show(n) },
	do: func(ctx context.Context, _ *test, client crm.Client) (any, error) {
		listing, err := client.ListStatuses(ctx)
		return listing, err
	},
	sound: func(t *test, what string, value any) {
		t.Helper()
		listing, _ := value.(crm.Listing)
		t.same(what+": ListStatuses did not return the complete list", t.want, listing)
		if err := listing.Validate(); err != nil {
			t.Errorf("%s: the Listing does not pass Validate: %v", what, err)
		}
	},
	beside: func(t *test, what string, value any) {
		t.Helper()
		listing, _ := value.(crm.Listing)
		if diff := gocmp.Diff(crm.Listing{}, listing); diff != "" {
			t.Errorf("%s: beside its error ListStatuses returned a part of a Listing (-want +got):\n%s", what, diff)
		}
	},
}

// of returns the checks as checks of another operation.
func (o operation) of(group []check) []check {
	var all []check
	for _, c := range group {
		all = append(all, check{name: o.name + "/" + c.name, socket: c.socket, run: func(t *test) {
			t.requires(o)
			c.run(t)
		}})
	}
	return all
}

// requires makes the operation the one that the check is about, and leaves the
// check out if the client lacks the method.
func (t *test) requires(o operation) {
	t.Helper()
	t.op = o
	if !o.can(t.client(Conn{})) {
		t.Skipf("the client has no method %s", o.name)
	}
}
