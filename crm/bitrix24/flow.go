package bitrix24

import (
	"slices"
	"time"
)

const (
	// firstInFlight is how many batches of a bulk change are under way at the
	// start. The number grows while answers come well, and halves when the portal
	// breaks down: portals do under too many at once.
	firstInFlight = 4
	mostInFlight  = 32

	// assumedTime is what a command is taken to last before the first answer.
	assumedTime = 250 * time.Millisecond
	// longestBatch is what a batch may last at most: a portal ends a request after
	// 60 seconds.
	longestBatch = 25 * time.Second
	// shortestShare is what a batch has to last to be worth being divided, when
	// what is left is less than could be under way at once.
	shortestShare = 250 * time.Millisecond
)

// flow decides how many batches are under way at once, and how large they are. It
// is for one goroutine.
type flow struct {
	longest  time.Duration // that a batch is to last
	limit    float64       // batches under way
	steady   bool          // the portal broke down before: grow slowly
	sent     int           // batches so far
	halvedAt int           // sent when limit was halved
	per      time.Duration // measured time of a command; 0 if there is none yet
}

func newFlow(timeout time.Duration) *flow {
	return &flow{limit: firstInFlight, longest: min(timeout/2, longestBatch)}
}

// most returns how many batches may be under way.
func (f *flow) most() int { return int(f.limit) }

// size returns how many commands the next batch has. left is how many there are in
// all, if the end is known, otherwise -1; busy is for how long each of the batches
// under way will last, and spare says whether there is room for n requests more
// than are needed.
func (f *flow) size(left int, busy []time.Duration, spare func(n int) bool) int {
	per := f.per
	if per == 0 {
		per = assumedTime
	}
	size := clamp(int(f.longest/per), 1, maxCommands)
	if left < 0 || f.per == 0 {
		return size
	}
	// What is left is divided, so that all batches end together.
	share := max(ceil(f.level(left, busy), per), ceil(shortestShare, per))
	if int(share) < size && spare(ceil(left, int(share))) {
		return int(share)
	}
	return size
}

// level returns when all is done that is left, if it is poured upon the batches
// that may be under way, of which busy already last for so long: it fills the
// shortest first.
func (f *flow) level(left int, busy []time.Duration) time.Duration {
	lasts := make([]time.Duration, max(1, f.most()-len(busy)), mostInFlight+1)
	lasts = append(lasts, busy...)
	slices.Sort(lasts)
	work := time.Duration(left) * f.per
	var sum, level time.Duration
	for i, last := range lasts {
		if i > 0 && last >= level {
			break
		}
		sum += last
		level = (work + sum) / time.Duration(i+1)
	}
	return level
}

// answered takes over that a batch of n commands was answered well, which took the
// portal so long.
func (f *flow) answered(n int, took time.Duration) {
	per := max(took/time.Duration(n), 1)
	if f.per == 0 {
		f.per = per
	} else {
		f.per = (f.per + per) / 2
	}
	if f.steady {
		f.limit += 1 / f.limit
	} else {
		f.limit += 2
	}
	f.limit = min(f.limit, mostInFlight)
}

// failed takes over that the batch that was sent as number sent broke down, and
// whether it lasted too long.
func (f *flow) failed(sent, n int, late bool) {
	if late {
		f.per = max(2*f.per, 2*f.longest/time.Duration(n))
	}
	if sent < f.halvedAt {
		return // it was under way when the number was halved
	}
	f.limit, f.steady, f.halvedAt = max(1, f.limit/2), true, f.sent
}

func clamp(n, low, high int) int { return max(low, min(n, high)) }

func ceil[T int | time.Duration](a, b T) T { return (a + b - 1) / b }
