package bitrix24test

import (
	"context"
	"net/http"
	"time"
)

// requestLimit is how long a request may take
// (https://apidocs.bitrix24.com/limits.html).
const requestLimit = 60 * time.Second

// SetLatency makes every request take some time, refused ones included, and
// every command in it some more; a single call is one command. Both are 0 at the
// start. Commands of a batch run one after the other, each at the end of its
// share, while other requests go on beside them; so a batch that is cut off has
// done a part.
//
// A request that would take more than 60 seconds is cut off then with the status
// 504 and HTML, and its further commands do not run. Where the client goes away
// earlier, the commands that are left before that run at once, without their
// latency: the portal finishes what it began, and nothing of it outlives the
// request.
func (p *Portal) SetLatency(request, command time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requestTime, p.commandTime = request, command
}

// MaxConcurrent returns how many requests there were at most at once, without
// those that a fault or [Portal.Hold] kept from the portal at that time.
func (p *Portal) MaxConcurrent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mostAtOnce
}

// enter counts a request in, and leave counts it out.
func (p *Portal) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atOnce++
	p.mostAtOnce = max(p.mostAtOnce, p.atOnce)
}

func (p *Portal) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atOnce--
}

// visit is one request on its way through the portal.
type visit struct {
	ctx     context.Context
	start   time.Time
	due     time.Time     // when all that was begun is over
	request time.Duration // the latency of the request itself
	command time.Duration // and of each command
	over    bool          // the request was cut off
	byApp   bool          // it came with the application's token
}

// wait lets time pass, but not for a client that has gone. It reports false, for
// ever after, when the request has taken too long. It runs without mu.
func (v *visit) wait(d time.Duration) bool {
	if v.over {
		return false
	}
	if d <= 0 {
		return true
	}
	v.due = v.due.Add(d)
	if end := v.start.Add(requestLimit); v.due.After(end) {
		v.due, v.over = end, true
	}
	if left := time.Until(v.due); left > 0 {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-v.ctx.Done():
		}
	}
	return !v.over
}

// timedOut is what stands before the portal says of a request that takes too
// long.
func timedOut() (status int, body []byte) {
	return http.StatusGatewayTimeout, []byte("<html>\n<head><title>504 Gateway Time-out</title></head>\n<body>\n" +
		"<center><h1>504 Gateway Time-out</h1></center>\n<hr><center>nginx</center>\n</body>\n</html>\n")
}
