package bitrix24

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// firstPause is how long nothing is sent after the portal said that its bucket
	// is full: until it has surely drained once. It doubles while that goes on.
	firstPause   = time.Second
	longestPause = 16 * time.Second
)

// Limiter rations the requests to a portal, as the portal does: in a bucket that
// every request fills by one, and that drains steadily
// (https://apidocs.bitrix24.com/settings/performance/limits.html). A portal counts
// all requests from one IP address together, so one Limiter is for all that talk to
// one portal; without [Options.Limiter] all clients of a process do so by
// themselves. A Limiter is safe for concurrent use, and must not be copied.
//
// Other programs may fill the same bucket. When the portal says that it is full
// (HTTP 503, QUERY_LIMIT_EXCEEDED), everyone who waits at the Limiter is held for
// a second, and then let go at the pace at which the bucket drains.
type Limiter struct {
	perSecond rate.Limit
	burst     int

	mu     sync.Mutex
	bucket *rate.Limiter
	until  time.Time     // nothing is sent before
	pause  time.Duration // how long the last pause in a row was
}

// NewLimiter returns a Limiter for a bucket that holds so many requests and drains
// by so many in a second. It lets one second's drain less than the bucket holds go
// at once: portals drain in steps, and would refuse those. perSecond below 1 is
// taken for 1.
func NewLimiter(perSecond, bucket int) *Limiter {
	perSecond = max(1, perSecond)
	return newLimiter(rate.Limit(perSecond), max(1, bucket-perSecond))
}

// NewStandardLimiter returns a [NewLimiter] for all plans but Enterprise: 2
// requests a second, and 50 in the bucket.
func NewStandardLimiter() *Limiter { return NewLimiter(2, 50) }

// NewEnterpriseLimiter returns a [NewLimiter] for the Enterprise plan: 5 requests a
// second, and 250 in the bucket.
func NewEnterpriseLimiter() *Limiter { return NewLimiter(5, 250) }

// NewNoLimiter returns a Limiter that holds nothing back until the portal says that
// there are too many requests: for portals on servers of one's own, which may have
// no limit.
func NewNoLimiter() *Limiter { return newLimiter(rate.Inf, 0) }

func newLimiter(perSecond rate.Limit, burst int) *Limiter {
	return &Limiter{perSecond: perSecond, burst: burst, bucket: rate.NewLimiter(perSecond, burst)}
}

// shared are the Limiters of clients without one of their own, by the portal's
// host. It is the only state that clients share, and there for the reason that
// portals count so. A Limiter has a few hundred bytes, and stays.
var shared sync.Map // of *Limiter by host

// sharedLimiter returns the Limiter of all clients of the portal.
func sharedLimiter(host string) *Limiter {
	limiter, found := shared.Load(host)
	if !found {
		limiter, _ = shared.LoadOrStore(host, NewStandardLimiter())
	}
	return limiter.(*Limiter)
}

// wait returns when a request may be sent. It fails if ctx ends, and with
// [context.DeadlineExceeded] at once if it would end before.
func (l *Limiter) wait(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		delay, bucket := l.reserve()
		if delay == 0 {
			return nil
		}
		err := sleepWithin(ctx, delay)
		switch {
		case err != nil:
			if bucket != nil {
				// Its own Cancel would not do for more than the last place taken.
				bucket.ReserveN(time.Now(), -1)
			}
			return err
		case bucket != nil && l.holds(bucket):
			return nil
		}
	}
}

// reserve returns how long to wait, and the bucket in which a place is taken; nil
// during a pause, behind which a place has to be taken.
func (l *Limiter) reserve() (time.Duration, *rate.Limiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.until) {
		return l.until.Sub(now), nil
	}
	return l.bucket.ReserveN(now, 1).DelayFrom(now), l.bucket
}

// holds reports whether a place in the bucket is still one: those taken before a
// pause are not.
func (l *Limiter) holds(bucket *rate.Limiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bucket == l.bucket
}

// spare reports whether so many requests could be sent at once.
func (l *Limiter) spare(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	return !now.Before(l.until) && (l.perSecond == rate.Inf || l.bucket.TokensAt(now) >= float64(n))
}

// full is called when the portal said that its bucket is full.
func (l *Limiter) full() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.until) {
		return // it was sent before the pause began
	}
	l.pause = min(max(firstPause, 2*l.pause), longestPause)
	l.until = now.Add(l.pause)
	// One may go at the end of the pause, the next at the pace of the drain.
	l.bucket = rate.NewLimiter(l.perSecond, l.burst)
	l.bucket.AllowN(l.until, l.burst-1)
}

// taken is called when the portal took a request.
func (l *Limiter) taken() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pause > 0 && !time.Now().Before(l.until) {
		l.pause = 0
	}
}

// sleepWithin returns when the time has passed, or ctx ended; with
// [context.DeadlineExceeded] at once if ctx ends before.
func sleepWithin(ctx context.Context, d time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
