package umnicotest

import (
	"context"
	"time"
)

// SetLatency makes every request take this time, refused ones included; 0, as at
// the start, is none. Where the client goes away earlier, the request is done at
// once: what it asks for happens all the same, and nothing of it outlives the
// request.
func (u *Umnico) SetLatency(d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.latency = d
}

// MaxConcurrent returns how many requests there were at most at once, without
// those that a fault or Hold kept from the fake at that time.
func (u *Umnico) MaxConcurrent() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.mostAtOnce
}

// enter counts a request in, and says how long it takes and whether the rate
// limit refuses it. leave counts it out.
func (u *Umnico) enter() (latency time.Duration, limited bool, wait time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.atOnce++
	u.mostAtOnce = max(u.mostAtOnce, u.atOnce)
	return u.latency, !u.limit.take(time.Now()), u.limit.wait
}

func (u *Umnico) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.atOnce--
}

// pause lets time pass, but not for a client that has gone.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
