package crmtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// beside is how many events a receiver may hold beside its queue: those that are
// being handed over.
const beside = 64

var queueChecks = []eventCheck{
	{name: "AnswersWithoutWaiting", run: answersWithoutWaiting},
	{name: "KeepsTheOrderOfALead", run: keepsTheOrderOfALead},
	{name: "HandsOverAllThatItAccepted", run: handsOverAll},
	{name: "AnswersUnavailableWhenFull", run: unavailableWhenFull},
}

var drainChecks = []eventCheck{
	{name: "AnswersUnavailableUnlessDrained", run: unavailableUnlessDrained},
	{name: "RunEndsWithItsContext", run: runEndsWithItsContext},
	{name: "RunTellsHandleOfTheEnd", run: runTellsHandle},
	{name: "ReceiverLeavesNothingBehind", run: receiverLeavesNothing},
}

// answersWithoutWaiting: an answer does not wait for what is done with an event.
func answersWithoutWaiting(t *eventTest) {
	r := t.receive(t.Context(), func(context.Context, crm.Event) { time.Sleep(time.Minute) })
	defer r.stop()
	for i := range min(3, t.Queue) {
		if status := t.send(r, t.change(i)); !accepted(status) {
			t.Errorf("a message was answered with HTTP %d while another one was handled, want 2xx", status)
		}
	}
	r.settle()
}

// keepsTheOrderOfALead: events of one lead are handed over one after another, in
// the order of their arrival, and none is lost.
func keepsTheOrderOfALead(t *eventTest) {
	var handled atomic.Int64
	r := t.receive(t.Context(), func(context.Context, crm.Event) {
		time.Sleep([]time.Duration{9 * time.Second, time.Second, 4 * time.Second}[handled.Add(1)%3])
	})
	defer r.stop()
	sent := make(map[crm.LeadRef][]string)
	for i := range 10 * min(t.Queue, 10) {
		m := t.change(i % 3)
		status := t.send(r, m)
		for status == http.StatusServiceUnavailable {
			time.Sleep(time.Minute)
			m = t.change(i % 3)
			status = t.send(r, m)
		}
		if !accepted(status) {
			t.Fatalf("a genuine message was answered with HTTP %d", status)
		}
		sent[t.Leads[i%3]] = append(sent[t.Leads[i%3]], string(m.body))
	}
	got := make(map[crm.LeadRef][]string)
	for _, event := range r.settle() {
		got[event.Lead] = append(got[event.Lead], string(event.Raw))
	}
	for lead, bodies := range sent {
		if len(got[lead]) != len(bodies) {
			t.Errorf("of the lead %v %d events were handed over, %d were accepted", lead, len(got[lead]), len(bodies))
			continue
		}
		for i := range bodies {
			if got[lead][i] != bodies[i] {
				t.Errorf("event %d of the lead %v is not message %d; those of one lead come in the order of their arrival", i, lead, i)
				break
			}
		}
	}
}

// handsOverAll: each message that was answered with 2xx is handed over, whoever
// sends beside it.
func handsOverAll(t *eventTest) {
	r := t.receive(t.Context(), func(context.Context, crm.Event) { time.Sleep(300 * time.Millisecond) })
	defer r.stop()
	var mu sync.Mutex
	taken := make(map[crm.LeadRef]int)
	var wg sync.WaitGroup
	for sender := range 8 {
		wg.Go(func() {
			for i := range 20 {
				lead := (sender + i) % len(t.Leads)
				status := t.send(r, t.change(lead))
				switch {
				case accepted(status):
					mu.Lock()
					taken[t.Leads[lead]]++
					mu.Unlock()
				case status != http.StatusServiceUnavailable:
					t.Errorf("a genuine message beside others was answered with HTTP %d", status)
				}
			}
		})
	}
	wg.Wait()
	got := make(map[crm.LeadRef]int)
	for _, event := range r.settle() {
		got[event.Lead]++
	}
	for lead, n := range taken {
		if got[lead] < n {
			t.Errorf("of the lead %v %d events were handed over, %d were accepted", lead, got[lead], n)
		}
	}
	if len(taken) == 0 {
		t.Errorf("no genuine message was accepted")
	}
}

// unavailableWhenFull: a receiver holds no more than it has place for, says so
// with 503, and loses nothing of what it accepted.
func unavailableWhenFull(t *eventTest) {
	for _, leads := range []int{1, 3} {
		gate := make(chan struct{})
		r := t.receive(t.Context(), func(context.Context, crm.Event) { <-gate })
		taken, status := 0, 0
		for i := 0; i <= t.Queue+beside; i++ {
			if status = t.send(r, t.change(i%leads)); !accepted(status) {
				break
			}
			taken++
		}
		switch {
		case accepted(status):
			t.Errorf("%d messages of %d leads were accepted while nothing was handled, with a queue of %d; a full one is answered with 503", taken, leads, t.Queue)
		case status != http.StatusServiceUnavailable:
			t.Errorf("a message beyond the queue was answered with HTTP %d, want 503", status)
		case taken < t.Queue:
			t.Errorf("%d messages were accepted with a queue of %d", taken, t.Queue)
		}
		close(gate)
		if got := len(r.settle()); got < taken {
			t.Errorf("%d events were handed over when the queue was drained, %d were accepted", got, taken)
		}
		if status := t.send(r, t.change(0)); !accepted(status) {
			t.Errorf("a message was answered with HTTP %d when the queue had been drained, want 2xx", status)
		}
		r.stop()
	}
}

// unavailableUnlessDrained: nothing is accepted before Run and after it.
func unavailableUnlessDrained(t *eventTest) {
	r := t.receiver()
	unavailable := func(when string) {
		for i := range 3 {
			if status := t.send(r, t.change(i)); status != http.StatusServiceUnavailable {
				t.Errorf("a message %s was answered with HTTP %d, want 503", when, status)
			}
		}
	}
	unavailable("before Run")
	r.run(t.Context())
	if got := len(r.settle()); got > 0 {
		t.Errorf("%d messages from before Run were handed over", got)
	}
	if status := t.send(r, t.change(0)); !accepted(status) {
		t.Errorf("a message while Run drains was answered with HTTP %d, want 2xx", status)
	}
	r.settle()
	r.stop()
	unavailable("after Run")
	if got := len(r.settle()); got != 1 {
		t.Errorf("%d events were handed over, want 1", got)
	}
}

// runEndsWithItsContext: Run returns ctx.Err(), and not before handle returned.
func runEndsWithItsContext(t *eventTest) {
	r := t.receive(t.Context(), func(context.Context, crm.Event) { time.Sleep(30 * time.Second) })
	t.send(r, t.change(0))
	time.Sleep(5 * time.Second)
	r.stop() // looks whether handle was still running
	if len(r.settle()) == 0 {
		t.Errorf("an event that was accepted while Run drained was not handed over")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	source := t.Source()
	if err := source.Run(ctx, func(context.Context, crm.Event) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run returned %v at its deadline, want ctx.Err() (%v)", err, context.DeadlineExceeded)
	}
}

// runTellsHandle: the context of handle ends with that of Run.
func runTellsHandle(t *eventTest) {
	told := make(chan struct{}, 1)
	r := t.receive(t.Context(), func(ctx context.Context, _ crm.Event) {
		timer := time.NewTimer(patience / 2)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			told <- struct{}{}
		case <-timer.C:
		}
	})
	t.send(r, t.change(0))
	synctest.Wait()
	r.stop()
	r.settle()
	select {
	case <-told:
	default:
		t.Errorf("the context of handle did not end when that of Run did")
	}
}

// receiverLeavesNothing: a receiver starts no goroutine of its own, and those of
// Run have ended when it returns.
func receiverLeavesNothing(t *eventTest) {
	for what, do := range map[string]func(r *receiver){
		"a receiver that nobody drains": func(r *receiver) { t.send(r, t.change(0)) },
		"a Run that nobody used": func(r *receiver) {
			r.run(t.Context())
			r.stop()
		},
		"a Run that handed events over": func(r *receiver) {
			r.run(t.Context())
			for i := range 3 {
				t.send(r, t.change(i))
			}
			r.settle()
			r.stop()
		},
		"a Run that ended with a full queue": func(r *receiver) {
			r.handle = func(ctx context.Context, _ crm.Event) { <-ctx.Done() }
			r.run(t.Context())
			for range t.Queue + 1 {
				t.send(r, t.change(1))
			}
			r.stop()
		},
	} {
		label := fmt.Sprint(goneID.Add(1))
		pprof.Do(t.Context(), pprof.Labels(goneLabel, label), func(context.Context) { do(t.receiver()) })
		synctest.Wait()
		for _, stack := range labelled(t, label) {
			t.Errorf("%s left a goroutine that runs on:\n%s", what, strings.TrimSpace(stack))
		}
	}
}
