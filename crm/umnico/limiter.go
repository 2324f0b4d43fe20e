package umnico

import (
	"context"
	"math"

	"golang.org/x/time/rate"
)

// newLimiter returns a limiter of the requests in a second.
func newLimiter(perSecond float64) *rate.Limiter {
	if perSecond < 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(max(1, math.Min(2*perSecond, 1e6))))
}

// wait returns when a request may be sent; at once with an error if ctx would end
// before.
func (c *Client) wait(ctx context.Context) error {
	err := c.limiter.Wait(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return context.DeadlineExceeded
}
