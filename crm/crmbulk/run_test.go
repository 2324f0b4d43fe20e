package crmbulk

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// A pause that ends between the look at what may be sent and the wait for what
// comes does not leave the run waiting for nothing.
func TestBulkDoesNotWaitForAPauseThatIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &run{ctx: t.Context(), resume: time.Now(), queue: []*item{{}}, answers: make(chan answer), begun: make(chan struct{})}
		r.wait()
		r.resume = time.Now().Add(time.Second)
		start := time.Now()
		r.wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("waited %v for a pause of a second", took)
		}
		// With something under way it is its answer that is waited for.
		r.underWay = map[int]time.Time{1: time.Now()}
		begun := make(chan struct{})
		r.begun = begun
		time.AfterFunc(time.Minute, func() { begun <- struct{}{} })
		r.wait()
		if took := time.Since(start); took != time.Minute+time.Second {
			t.Errorf("waited until %v", took)
		}
	})
}

// The moves of a lead keep their sequence, and one sent alone is alone.
func TestBulkComposes(t *testing.T) {
	t.Parallel()
	move := func(lead string, alone bool) *item { return &item{lead: crm.LeadRef{ID: lead}, alone: alone} }
	r := &run{opts: &Options{Spare: func(int) bool { return false }}, flow: newFlow(testOptions(30 * time.Second)), busy: map[crm.LeadRef]bool{{ID: "busy"}: true}}
	for i, m := range []*item{
		move("a", false), move("busy", false), move("a", true), move("b", false), move("c", true),
		move("busy", true), move("a", false), move("d", false), move("c", false),
	} {
		m.number = i
		r.queue = append(r.queue, m)
	}
	var got [][]int
	for {
		batch := r.compose()
		if len(batch) == 0 {
			break
		}
		var numbers []int
		for _, m := range batch {
			numbers = append(numbers, m.number)
		}
		got = append(got, numbers)
	}
	want := [][]int{{0, 3, 7}, {2}, {4}, {6, 8}}
	if len(got) != len(want) {
		t.Fatalf("batches %v, want %v", got, want)
	}
	for i := range want {
		if len(got[i]) != len(want[i]) || got[i][0] != want[i][0] {
			t.Errorf("batches %v, want %v", got, want)
		}
	}
	if len(r.queue) != 2 {
		t.Errorf("%d moves are left, want those of the busy lead", len(r.queue))
	}
}

// A batch that lasts longer than was thought will end any moment, and not before now.
func TestBulkKnowsHowLongBatchesLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &run{underWay: map[int]time.Time{1: time.Now().Add(-time.Minute), 2: time.Now().Add(time.Minute)}}
		got := r.lasting()
		slices.Sort(got)
		if want := []time.Duration{0, time.Minute}; !slices.Equal(got, want) {
			t.Errorf("batches last %v, want %v", got, want)
		}
	})
}

// While more may come, what has been taken is not divided as if it were the rest.
func TestBulkDividesTheRestOnly(t *testing.T) {
	t.Parallel()
	for exhausted, want := range map[bool]int{false: 40, true: 10} {
		r := &run{opts: &Options{Spare: func(int) bool { return true }}, flow: newFlow(testOptions(30 * time.Second)), exhausted: exhausted}
		r.flow.per = 100 * time.Millisecond
		for i := range 40 {
			r.queue = append(r.queue, &item{number: i, lead: crm.LeadRef{ID: strconv.Itoa(i)}})
		}
		if got := len(r.compose()); got != want {
			t.Errorf("the end of the input is known: %v; the next batch has %d moves, want %d", exhausted, got, want)
		}
	}
}

// testOptions are those of batches of fifty.
func testOptions(timeout time.Duration) *Options {
	return &Options{Batch: 50, First: 4, Most: 32, Timeout: timeout}
}
