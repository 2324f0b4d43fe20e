package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/statuslink/statuslink"
)

var contextChecks = []check{
	{"LoadEndsWithItsContext", loadEndsWithContext},
	{"ApplyEndsWithItsContext", applyEndsWithContext},
}

// ended calls try under contexts that have ended in each way.
func (t *test) ended(try func(ctx context.Context, how string)) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	try(cancelled, "a cancelled context")
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	try(late, "a context past its deadline")
}

// loadEndsWithContext: Load under an ended context returns ctx.Err(), also
// where it could answer without looking.
func loadEndsWithContext(t *test) {
	empty := t.load()
	now := t.create(status("a"))
	t.ended(func(ctx context.Context, how string) {
		for what, prev := range map[string]*statuslink.Snapshot{"no prev": nil, "the present prev": now, "an old prev": empty} {
			if _, err := t.store.Load(ctx, prev); !errors.Is(err, ctx.Err()) {
				t.Errorf("Load under %s, with %s, said %v, want %v", how, what, err, ctx.Err())
			}
		}
	})
}

// applyEndsWithContext: Apply under an ended context returns ctx.Err() and
// changes nothing.
func applyEndsWithContext(t *test) {
	before := t.create(status("a"))
	state := before.State()
	t.ended(func(ctx context.Context, how string) {
		changes := statuslink.Changes{Version: before.Version(), Create: []statuslink.Status{status("b")}}
		if _, err := t.store.Apply(ctx, changes); !errors.Is(err, ctx.Err()) {
			t.Errorf("Apply under %s said %v, want %v", how, err, ctx.Err())
		}
		t.unchanged("Apply under "+how, before, state)
	})
}
