package crmbulk

import (
	"slices"
	"time"
)

const (
	// assumedTime is what a move is taken to last before the first answer.
	assumedTime = 250 * time.Millisecond
	// longestBatch is what a batch may last at most: servers end a request that
	// lasts too long, Bitrix24 after 60 seconds.
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
	highest  float64       // that limit may be
	steady   bool          // the CRM broke down before: grow slowly
	sent     int           // batches so far
	halvedAt int           // sent when limit was halved
	per      time.Duration // measured time of a move; 0 if there is none yet
	largest  int           // moves whose answer is not too large
}

func newFlow(opts *Options) *flow {
	return &flow{
		limit: float64(opts.First), highest: float64(opts.Most), largest: opts.Batch,
		longest: min(opts.Timeout/2, longestBatch),
	}
}

// most returns how many batches may be under way.
func (f *flow) most() int { return int(f.limit) }

// size returns how many moves the next batch has. left is how many there are in
// all, if the end is known, otherwise -1; busy is for how long each of the batches
// under way will last, and spare says whether there is room for n requests more
// than are needed.
func (f *flow) size(left int, busy []time.Duration, spare func(n int) bool) int {
	per := f.per
	if per == 0 {
		per = assumedTime
	}
	size := clamp(int(f.longest/per), 1, f.largest)
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
	lasts := make([]time.Duration, max(1, f.most()-len(busy)), f.most()+len(busy)+1)
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

// answered takes over that a batch was answered, which took the CRM so long, and
// that it carried out n of the moves.
func (f *flow) answered(n int, took time.Duration) {
	if n > 0 {
		per := max(took/time.Duration(n), 1)
		if f.per > 0 {
			per = (f.per + per) / 2
		}
		f.per = per
	}
	if f.steady {
		f.limit += 1 / f.limit
	} else {
		f.limit += 2
	}
	f.limit = min(f.limit, f.highest)
}

// failed takes over that the batch that was sent as number sent broke down, and
// whether it lasted too long.
func (f *flow) failed(sent, n int, late bool) {
	if late {
		f.per = max(f.per, 2*f.longest/time.Duration(n)) // half as many are not
	}
	if sent <= f.halvedAt {
		return // it was under way when the number was halved
	}
	f.limit, f.steady, f.halvedAt = max(1, f.limit/2), true, f.sent
}

// tooLarge takes over that the answer to a batch of n moves was too large.
func (f *flow) tooLarge(n int) { f.largest = min(f.largest, max(1, n/2)) }

func clamp(n, low, high int) int { return max(low, min(n, high)) }

func ceil[T int | time.Duration](a, b T) T { return (a + b - 1) / b }
