package bitrix24test

import "time"

// Accounting says which methods the commands of a batch are charged to, for
// [Portal.SetOperatingLimit]. Single calls are charged to their own in both.
type Accounting int

const (
	// ChargeInner charges each command to its own method, as documented. A
	// command whose method has used up its time fails alone.
	ChargeInner Accounting = iota
	// ChargeBatch charges all commands to the method batch, as one measurement
	// had it. A batch is refused as a whole then.
	ChargeBatch
)

// SetOperatingLimit limits the time that each method may take
// (https://apidocs.bitrix24.com/limits.html). A command takes its latency, see
// [Portal.SetLatency], and this is summed up by method in ten baskets of
// window/10 each, of which the oldest drops out when a new one begins. The
// baskets begin at the multiples of window/10 in Unix time. A command whose
// method's sum has come to the budget is refused with [OperationTimeLimit] and
// takes no time: with the status 429 if it is a single call, among the errors in
// an answer with the status 200 in a batch.
//
// A budget of 0, as at the start, is no limit; the times are summed up all the
// same. A window of 0 is that of Bitrix24, ten minutes. All sums are 0
// afterwards.
func (p *Portal) SetOperatingLimit(budget, window time.Duration, charge Accounting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.operating.budget, p.operating.window, p.operating.charge = budget, window, charge
	clear(p.operating.methods)
}

// ShowOperating says where "operating" and "operating_reset_at" stand: in the
// "time" of single calls, in that of batches, and in the "result_time" of the
// commands in a batch. At the start they stand everywhere but in the "time" of
// batches, as the documentation's examples have it; they are missing altogether
// where a portal is not in the cloud. Each speaks of its own method, a batch of
// the method batch.
func (p *Portal) ShowOperating(calls, batches, commands bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.operating.inCalls, p.operating.inBatches, p.operating.inCommands = calls, batches, commands
}

// operating is the load limiter. Its methods run under mu.
type operating struct {
	budget, window                 time.Duration
	charge                         Accounting
	inCalls, inBatches, inCommands bool
	methods                        map[string]*baskets
}

const basketCount = 10

// baskets are the times of one method. A basket stands at the place of the last
// digit of its number, which is the number of widths since 1970.
type baskets [basketCount]struct {
	number int64
	spent  time.Duration
}

// width returns how long one basket is filled.
func (o *operating) width() time.Duration {
	if o.window < basketCount {
		return time.Minute
	}
	return o.window / basketCount
}

// add charges a method.
func (o *operating) add(now time.Time, method string, d time.Duration) {
	if d <= 0 {
		return
	}
	b := o.methods[method]
	if b == nil {
		b = new(baskets)
		o.methods[method] = b
	}
	number := now.UnixNano() / int64(o.width())
	basket := &b[number%basketCount]
	if basket.number != number {
		basket.number, basket.spent = number, 0
	}
	basket.spent += d
}

// sum returns what a method has taken, and when the oldest of it drops out, in
// Unix time.
func (o *operating) sum(now time.Time, method string) (spent time.Duration, reset int) {
	width := int64(o.width())
	number := now.UnixNano() / width
	oldest := number
	if b := o.methods[method]; b != nil {
		for _, basket := range b {
			if basket.number > number-basketCount && basket.spent > 0 {
				spent += basket.spent
				oldest = min(oldest, basket.number)
			}
		}
	}
	end := (oldest + basketCount) * width
	return spent, int((end + int64(time.Second) - 1) / int64(time.Second))
}

// exhausted reports whether a method has used up its time.
func (o *operating) exhausted(now time.Time, method string) bool {
	if o.budget <= 0 {
		return false
	}
	spent, _ := o.sum(now, method)
	return spent >= o.budget
}
