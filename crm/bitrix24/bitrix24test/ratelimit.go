package bitrix24test

import "time"

// bucket is the leaky bucket of requests.
type bucket struct {
	perSecond, burst int // burst 0 is no limit
	created          time.Time
	drained          int // seconds since created that were drained for
	level            int
	refused          int
}

// SetRateLimit limits the requests by a leaky bucket
// (https://apidocs.bitrix24.com/limits.html): each request raises its level by
// one, at every whole second from now on it sinks by perSecond in one step, and
// while the level is at burst, a request is answered with [QueryLimit] and does
// nothing. A batch is one request, and a refused one raises nothing. Most plans
// have 2 and 50, Enterprise has 5 and 250. A burst of 0, as at the start, is no
// limit. Unlike Bitrix24's, the bucket is the same for all addresses. That
// requests with wrong credentials count too is assumed.
//
// The bucket is empty afterwards.
func (p *Portal) SetRateLimit(perSecond, burst int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bucket = bucket{perSecond: perSecond, burst: burst, created: time.Now(), refused: p.bucket.refused}
}

// FillBucket raises the level of the bucket of [Portal.SetRateLimit] to its
// burst, as other programs do that work from the same address.
func (p *Portal) FillBucket() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bucket.drain(time.Now())
	p.bucket.level = p.bucket.burst
}

// RateLimited returns how many requests the limit of [Portal.SetRateLimit]
// refused.
func (p *Portal) RateLimited() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bucket.refused
}

// drain lets out what is due.
func (b *bucket) drain(now time.Time) {
	seconds := int(now.Sub(b.created) / time.Second)
	b.level = max(0, b.level-(seconds-b.drained)*b.perSecond)
	b.drained = seconds
}

// take lets a request in, or returns what it is answered.
func (b *bucket) take(now time.Time) *APIError {
	if b.burst <= 0 {
		return nil
	}
	b.drain(now)
	if b.level >= b.burst {
		b.refused++
		failed := QueryLimit()
		return &failed
	}
	b.level++
	return nil
}
