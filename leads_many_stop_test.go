package statuslink_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

func endless(source string, taken *atomic.Int64) iter.Seq[statuslink.Wish] {
	return func(yield func(statuslink.Wish) bool) {
		for i := 0; ; i++ {
			taken.Add(1)
			if !yield(statuslink.Wish{Lead: crm.LeadRef{Source: source, ID: strconv.Itoa(i)}, Status: "work"}) {
				return
			}
		}
	}
}

// Every way to stop early accounts for every wish that was taken.
func TestSetManyStopsCleanly(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, client := range map[string]func(*handmade) crm.Client{
		"singly":       func(h *handmade) crm.Client { return mover{h} },
		"reading":      func(h *handmade) crm.Client { return readMover{mover{h}} },
		"keeping back": func(h *handmade) crm.Client { return bulkOnly{h} },
	} {
		for _, way := range []string{"break", "context", "panic", "input panics"} {
			amo := newHandmade("amo", nil)
			amo.home = ref("amo", "1")
			leads := handmadeLeads(t, map[string][]string{"work": {"amo/2", "amo/3"}}, client(amo))
			ctx, cancel := context.WithCancel(t.Context())
			var taken atomic.Int64
			var final crm.MoveReport
			finals, got := 0, 0
			input := endless("amo", &taken)
			if way == "input panics" {
				input = func(yield func(statuslink.Wish) bool) {
					for w := range endless("amo", &taken) {
						if w.Lead.ID == "5100" {
							taken.Add(-1)
							panic("the input broke")
						}
						if !yield(w) {
							return
						}
					}
				}
			}
			panicked := func() (value any) {
				defer func() { value = recover() }()
				for result := range leads.SetMany(ctx, input, func(r crm.MoveReport) {
					if final = r; r.Final {
						finals++
					}
				}) {
					got++
					if result.State == crm.MoveDone && result.Set.ToStatus.Key != "work" {
						t.Errorf("%s, %s: %+v", name, way, result)
					}
					if got < 50 {
						continue
					}
					if way == "break" {
						break
					}
					if way == "panic" {
						panic("the loop broke")
					}
					if way == "context" {
						cancel()
					}
				}
				return nil
			}()
			cancel()
			if (panicked != nil) != strings.Contains(way, "panic") {
				t.Errorf("%s, %s: panicked with %v", name, way, panicked)
			}
			sum := final.Done + final.NotSent + final.Refused + final.Unknown
			if finals != 1 || int64(sum) != taken.Load() || len(final.Untaken) != sum-got || sum > 10100 {
				t.Errorf("%s, %s: %d finals, %d counted, %d taken, %d received, %d in Untaken", name, way, finals, sum, taken.Load(), got, len(final.Untaken))
			}
			for _, u := range final.Untaken {
				if (u.Err == nil) != (u.State == crm.MoveDone) || u.Move.Lead.Source != "amo" {
					t.Fatalf("%s, %s: %+v", name, way, u)
				}
				if way == "break" && u.State == crm.MoveNotSent && !strings.Contains(u.Err.Error(), "the loop over the results ended before") {
					t.Fatalf("%s, %s: %v", name, way, u.Err)
				}
			}
			done := 0
			for _, at := range amo.stand {
				if at.ID == "2" {
					done++
				}
			}
			if done != final.Done {
				t.Errorf("%s, %s: %d leads were moved, %d are counted", name, way, done, final.Done)
			}
		}
	}
}

func TestSetManyWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		amo := newHandmade("amo", nil)
		amo.onMove = func(ctx context.Context, _ crm.Move) error {
			select {
			case <-ctx.Done():
				return &crm.Error{Kind: crm.ErrUnavailable, Err: ctx.Err()}
			case <-time.After(10 * time.Second):
				return nil
			}
		}
		leads := handmadeLeads(t, map[string][]string{"work": {"amo/2"}}, mover{amo})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		var taken atomic.Int64
		done, notSent := 0, 0
		for result := range leads.SetMany(ctx, endless("amo", &taken), nil) {
			switch result.State {
			case crm.MoveDone:
				done++
			case crm.MoveNotSent:
				notSent++
				if !errors.Is(result.Err, context.DeadlineExceeded) {
					t.Fatalf("error %v, want that of the context", result.Err)
				}
			default:
				t.Fatalf("%+v", result)
			}
		}
		if done != 4 || notSent != 4996 || time.Since(start) != 10*time.Second {
			t.Errorf("%d done, %d not sent, after %v", done, notSent, time.Since(start))
		}
	})
}

// closed refuses the sign-in, and ends each run behind the first move.
type closed struct {
	mover
	runs atomic.Int64
}

func (c *closed) MoveLeads(_ context.Context, moves iter.Seq[crm.Move], _ func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	c.runs.Add(1)
	return func(yield func(crm.MoveResult) bool) {
		for move := range moves {
			yield(crm.MoveResult{Move: move, State: crm.MoveRefused, Err: &crm.Error{Kind: crm.ErrUnauthorized, Source: "amo"}})
			return
		}
	}
}

// A CRM whose run ended early is not asked again, however many wishes follow.
func TestSetManyBeginsNoRunBehindOneThatEndedEarly(t *testing.T) {
	t.Parallel()
	client := &closed{mover: mover{newHandmade("amo", nil)}}
	var wishes []statuslink.Wish
	for i := range 5200 { // more than are read ahead
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: "amo", ID: strconv.Itoa(i)}, Status: "work"})
	}
	for i, result := range many(t, handmadeLeads(t, map[string][]string{"work": {"amo/2"}}, client), wishes) {
		if !errors.Is(result.Err, crm.ErrUnauthorized) || i > 0 && result.State != crm.MoveNotSent {
			t.Fatalf("wish %d: %+v", i, result)
		}
	}
	if n := client.runs.Load(); n != 1 {
		t.Errorf("%d runs, want 1", n)
	}
}
