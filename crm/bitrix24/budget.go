package bitrix24

import (
	"strings"
	"sync"
	"time"
)

// The budget of operating time is divided into ten parts of ten minutes. Where the
// portal does not say when the next is free, the wait for it grows between these.
const (
	shortestBudgetWait = time.Second
	longestBudgetWait  = time.Minute
	// furthestReset is how far away the reset is that a portal may speak of.
	furthestReset = 10 * time.Minute
)

// budgets holds what the portal said of the operating time of methods. Its
// zero value is ready to use. A portal keeps a budget for each method and each
// webhook or application; the refusal itself does not say when it ends, so the
// last good answers are kept
// (https://apidocs.bitrix24.com/settings/performance/limits.html).
type budgets struct {
	mu      sync.Mutex
	methods map[string]budget // by their names in small letters
}

// budget is that of one method.
type budget struct {
	free    time.Time // by this machine's clock; zero if the portal did not say
	refused int       // refusals in a row without news of free
}

// note takes over what the portal says beside a good answer, which left it at the
// time finish by its own clock.
func (b *budgets) note(t Timing, finish time.Time) {
	if t.OperatingResetAt.IsZero() || finish.IsZero() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.methods == nil {
		b.methods = map[string]budget{}
	}
	// The portal's clock may be another one, so only the difference counts.
	b.methods[strings.ToLower(t.Method)] = budget{free: time.Now().Add(min(t.OperatingResetAt.Sub(finish), furthestReset))}
}

// refused returns how long to wait after a refusal: until the oldest part of the
// budget is free, by what the portal said last.
func (b *budgets) refused(method string) time.Duration {
	method = strings.ToLower(method)
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.methods[method]
	if wait := time.Until(known.free); wait > 0 {
		return wait
	}
	wait := min(shortestBudgetWait<<min(known.refused, 10), longestBudgetWait)
	if b.methods == nil {
		b.methods = map[string]budget{}
	}
	b.methods[method] = budget{free: time.Now().Add(wait), refused: known.refused + 1}
	return wait
}
