package umnicotest

import "time"

// limit is a limit of requests in each second.
type limit struct {
	perSecond int // 0 is none
	wait      time.Duration
	created   time.Time
	second    int // since created, of the last request
	used      int // in that second
	refused   int
}

// SetRateLimit limits the requests of each second, counted from now on: the
// others get 429 with a Retry-After of wait in whole seconds, or without one if
// wait is 0, and do nothing. A perSecond of 0, as at the start, is no limit. No
// limit is documented, and no client has met one, so all of it is assumed.
func (u *Umnico) SetRateLimit(perSecond int, wait time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.limit = limit{perSecond: perSecond, wait: wait, created: time.Now(), refused: u.limit.refused}
}

// RateLimited returns how many requests the limit of [Umnico.SetRateLimit]
// refused.
func (u *Umnico) RateLimited() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.limit.refused
}

// take reports whether a request is let in.
func (l *limit) take(now time.Time) bool {
	if l.perSecond <= 0 {
		return true
	}
	if second := int(now.Sub(l.created) / time.Second); second != l.second {
		l.second, l.used = second, 0
	}
	if l.used >= l.perSecond {
		l.refused++
		return false
	}
	l.used++
	return true
}
