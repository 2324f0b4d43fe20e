package crmbulk

import (
	"testing"
	"time"
)

func TestFlowGrowsAndHalves(t *testing.T) {
	t.Parallel()
	f := newFlow(testOptions(30 * time.Second))
	limits := []int{f.most()}
	step := func(happens func()) {
		happens()
		limits = append(limits, f.most())
	}
	good := func() { f.answered(50, time.Second) }
	bad := func(number int) func() { return func() { f.failed(number, 50, false) } }
	f.sent = 10
	step(good)
	step(good)
	step(bad(9))
	step(bad(8))  // it was under way when the number was halved
	step(bad(10)) // so was the last one
	step(good)
	for range 20 {
		good()
	}
	step(good)
	f.sent = 99
	for range 9 {
		f.sent++
		bad(f.sent)()
	}
	step(bad(f.sent))
	for range 2000 {
		good()
	}
	step(good)
	want := []int{4, 6, 8, 4, 4, 4, 4, 7, 1, 32}
	for i := range want {
		if limits[i] != want[i] {
			t.Fatalf("batches under way: %v, want %v", limits, want)
		}
	}
}

func TestFlowSizeFollowsTheTimeOfACommand(t *testing.T) {
	t.Parallel()
	noRoom := func(int) bool { return false }
	for _, test := range []struct {
		timeout, per time.Duration
		want         int
	}{
		{30 * time.Second, 0, 50}, // the portal may take 250 ms and stays within the half
		{10 * time.Second, 0, 20},
		{time.Second, 0, 2},
		{100 * time.Millisecond, 0, 1},
		{30 * time.Second, time.Microsecond, 50},
		{30 * time.Second, 300 * time.Millisecond, 50},
		{30 * time.Second, 500 * time.Millisecond, 30},
		{30 * time.Second, time.Minute, 1},
		{time.Hour, 1250 * time.Millisecond, 20}, // the portal ends a request itself
	} {
		f := newFlow(testOptions(test.timeout))
		f.per = test.per
		if got := f.size(-1, nil, noRoom); got != test.want {
			t.Errorf("time-out %v, %v a command: %d commands, want %d", test.timeout, test.per, got, test.want)
		}
	}
	f := newFlow(testOptions(30 * time.Second))
	f.failed(1, 50, true)
	if got := f.size(-1, nil, noRoom); got != 25 {
		t.Errorf("after a batch of 50 that was late: %d commands, want 25", got)
	}
	f.failed(2, 25, true)
	if got := f.size(-1, nil, noRoom); got != 12 {
		t.Errorf("after one of 25: %d commands, want 12", got)
	}
	// Many that are late at the same time count like one, and the size comes back.
	f = newFlow(testOptions(30 * time.Second))
	for i := range 32 {
		f.failed(i+1, 50, true)
	}
	if got := f.size(-1, nil, noRoom); got != 25 {
		t.Errorf("after 32 batches of 50 that were late: %d commands, want 25", got)
	}
	f.answered(25, time.Second)
	f.answered(50, time.Second)
	if got := f.size(-1, nil, noRoom); got != 50 {
		t.Errorf("after two good answers: %d commands, want 50", got)
	}
	// A batch of which nothing was carried out says nothing of the time.
	per := f.per
	f.answered(0, time.Millisecond)
	if f.per != per {
		t.Errorf("%v a command, want %v", f.per, per)
	}
	// One slow answer does not count for more than all before it.
	f.per = 100 * time.Millisecond
	f.answered(10, 3*time.Second)
	if f.per != 200*time.Millisecond {
		t.Errorf("%v a command, want 200ms", f.per)
	}
	f.per = per
	f.tooLarge(50)
	f.tooLarge(50)
	if got := f.size(-1, nil, noRoom); got != 25 {
		t.Errorf("after answers to 50 that were too large: %d commands, want 25", got)
	}
	f.tooLarge(1)
	f.tooLarge(30)
	if got := f.size(-1, nil, noRoom); got != 1 {
		t.Errorf("after an answer to one that was too large: %d commands, want 1", got)
	}
}

// What is left is divided so that all batches end together.
func TestFlowDividesWhatIsLeft(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		left, limit int
		per         time.Duration
		busy        []time.Duration
		room        int
		want        int
	}{
		"all free":                       {200, 10, 20 * ms, nil, 99, 20},
		"not worth it":                   {200, 10, ms, nil, 99, 50},
		"a share is worth its request":   {40, 10, 20 * ms, nil, 99, 13},
		"no room in the bucket":          {200, 10, 20 * ms, nil, 9, 50},
		"no room for the last of them":   {40, 10, 20 * ms, nil, 3, 50},
		"the others have just begun":     {100, 10, 20 * ms, []time.Duration{1000 * ms, 1000 * ms, 1000 * ms, 1000 * ms, 1000 * ms, 1000 * ms, 1000 * ms, 1000 * ms}, 99, 50},
		"the others are about to end":    {200, 10, 20 * ms, []time.Duration{0, 0, 0, 0, 0, 0, 0, 0}, 99, 20},
		"one is about to end":            {100, 4, 20 * ms, []time.Duration{2000 * ms, 2000 * ms, 0}, 99, 50},
		"one of several ends":            {80, 4, 20 * ms, []time.Duration{2000 * ms, 2000 * ms, 0}, 99, 40},
		"one ends in the midst":          {50, 2, 20 * ms, []time.Duration{200 * ms}, 99, 30},
		"the end of the input not known": {-1, 10, 20 * ms, nil, 99, 50},
		"time of a command not known":    {100, 10, 0, nil, 99, 50},
	} {
		f := newFlow(testOptions(30 * time.Second))
		f.limit, f.per = float64(test.limit), test.per
		if got := f.size(test.left, test.busy, func(n int) bool { return n <= test.room }); got != test.want {
			t.Errorf("%s: %d commands, want %d", name, got, test.want)
		}
	}
}
