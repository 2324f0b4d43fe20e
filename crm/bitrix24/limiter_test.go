package bitrix24

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sentAt returns when n requests of one sender each were let go.
func sentAt(t *testing.T, limiter *Limiter, n int) []time.Duration {
	t.Helper()
	start := time.Now()
	var mu sync.Mutex
	var at []time.Duration
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := limiter.wait(t.Context()); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(start))
		})
	}
	all.Wait()
	slices.Sort(at)
	return at
}

func TestLimiterLetsTheBucketGoAndThenItsDrain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limiter func() *Limiter
		n       int
		atOnce  int
		last    time.Duration
	}{
		"standard":         {NewStandardLimiter, 58, 48, 5 * time.Second},
		"enterprise":       {NewEnterpriseLimiter, 255, 245, 2 * time.Second},
		"none":             {NewNoLimiter, 500, 500, 0},
		"bucket too small": {func() *Limiter { return NewLimiter(0, 0) }, 3, 1, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				at := sentAt(t, test.limiter(), test.n)
				atOnce := 0
				for _, d := range at {
					if d == 0 {
						atOnce++
					}
				}
				if last := at[len(at)-1].Round(time.Millisecond); atOnce != test.atOnce || last != test.last {
					t.Errorf("%d at once, the last after %v; want %d and %v", atOnce, last, test.atOnce, test.last)
				}
			})
		})
	}
}

// A portal that says that its bucket is full stops everyone, those included who
// have their place already.
func TestLimiterStopsAllSendersAndResumesAtTheDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := NewStandardLimiter()
		sentAt(t, limiter, 48)
		var at []time.Duration
		var waiting sync.WaitGroup
		waiting.Go(func() { at = sentAt(t, limiter, 4) })
		time.Sleep(200 * time.Millisecond)
		limiter.full()
		limiter.full() // another answer to the same burst
		waiting.Wait()
		for i, want := range []time.Duration{1200, 1700, 2200, 2700} {
			if got := at[i].Round(time.Millisecond); got != want*time.Millisecond {
				t.Errorf("request %d was let go after %v, want %vms", i+1, got, int(want))
			}
		}
		if !limiter.spare(0) || limiter.spare(1) {
			t.Error("there is room in the bucket right behind a pause")
		}
	})
}

func TestLimiterPausesGrowUntilARequestIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := NewNoLimiter()
		pause := func() time.Duration { return sentAt(t, limiter, 1)[0].Round(time.Millisecond) }
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 16} {
			limiter.full()
			limiter.taken() // of a request that was sent before
			if got := pause(); got != want*time.Second {
				t.Errorf("the pause lasts %v, want %v", got, want*time.Second)
			}
		}
		limiter.taken()
		limiter.full()
		if got := pause(); got != time.Second {
			t.Errorf("after a good answer the pause lasts %v, want 1s", got)
		}
	})
}

func TestLimiterEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := NewLimiter(1, 2)
		sentAt(t, limiter, 1)
		start := time.Now()
		short, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		if err := limiter.wait(short); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 0 {
			t.Errorf("error = %v after %v, want the deadline's at once", err, time.Since(start))
		}
		ended, end := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, end)
		if err := limiter.wait(ended); !errors.Is(err, context.Canceled) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("error = %v after %v, want the cancellation's", err, time.Since(start))
		}
		if err := limiter.wait(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v of a context that has ended", err)
		}
		// Their places are free again.
		if at := sentAt(t, limiter, 1); at[0].Round(time.Millisecond) != 900*time.Millisecond {
			t.Errorf("the next is let go after %v", at[0])
		}
	})
}

// Many who go leave all their places to those who come.
func TestLimiterTakesPlacesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := NewStandardLimiter()
		sentAt(t, limiter, 48)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() { _ = limiter.wait(ctx) })
		}
		synctest.Wait()
		cancel()
		all.Wait()
		if at := sentAt(t, limiter, 3); at[0].Round(time.Millisecond) != 500*time.Millisecond || at[2].Round(time.Millisecond) != 1500*time.Millisecond {
			t.Errorf("the next are let go after %v, want one each half second", at)
		}
	})
}

func TestClientsOfOnePortalShareALimiter(t *testing.T) {
	t.Parallel()
	one := sharedLimiter("one.example")
	if one != sharedLimiter("one.example") {
		t.Error("two Limiters for one portal")
	}
	if one == sharedLimiter("two.example") {
		t.Error("one Limiter for two portals")
	}
}
