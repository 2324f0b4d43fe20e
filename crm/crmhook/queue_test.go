package crmhook

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/statuslink/statuslink/crm"
)

// rig receives events of leads, whose ts is their number, inside a bubble.
type rig struct {
	t      *testing.T
	events *Receiver

	mu   sync.Mutex
	sent int
	got  map[string][]int // by lead
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	opts.Source = cmp.Or(opts.Source, "acme")
	opts.Receive = func(_ context.Context, _ *http.Request, body []byte) (crm.Event, error) { return event(string(body)) }
	events, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, events: events, got: make(map[string][]int)}
}

// post sends the next event of the lead.
func (r *rig) post(lead int) (status int) {
	r.t.Helper()
	return r.postText(fmt.Sprint(lead))
}

// postText sends the next event, which is about what the text says.
func (r *rig) postText(text string) (status int) {
	r.t.Helper()
	r.mu.Lock()
	r.sent++
	body := fmt.Sprintf("%d %s", r.sent, text)
	r.mu.Unlock()
	request := httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, "/", strings.NewReader(body))
	w := httptest.NewRecorder()
	r.events.ServeHTTP(w, request)
	return w.Code
}

func (r *rig) wantPost(lead, want int) {
	r.t.Helper()
	if accepting := r.events.Accepting(); accepting != (want == http.StatusOK) {
		r.t.Errorf("before an event that is to be answered with HTTP %d, Accepting says %v", want, accepting)
	}
	if status := r.post(lead); status != want {
		r.t.Errorf("an event of lead %d: HTTP %d, want %d", lead, status, want)
	}
}

func (r *rig) note(event crm.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got[event.Lead.ID] = append(r.got[event.Lead.ID], int(event.At.Unix()))
}

// run starts Run and returns what ends it and waits for its result.
func (r *rig) run(handle func(context.Context, crm.Event)) (end func() error) {
	ctx, cancel := context.WithCancel(r.t.Context())
	result := make(chan error, 1)
	go func() { result <- r.events.Run(ctx, handle) }()
	synctest.Wait()
	return func() error {
		cancel()
		return <-result
	}
}

// wantEnd ends a Run that must have gone well.
func (r *rig) wantEnd(end func() error) {
	r.t.Helper()
	if err := end(); !errors.Is(err, context.Canceled) || err != context.Canceled { //nolint:errorlint // that very value
		r.t.Errorf("Run returned %v, want context.Canceled itself", err)
	}
}

func (r *rig) wantStats(want Stats) {
	r.t.Helper()
	if stats := r.events.Stats(); stats != want {
		r.t.Errorf("stats\n%+v, want\n%+v", stats, want)
	}
}

// wantEmpty checks that nothing is kept for leads that wait for nothing.
func (r *rig) wantEmpty() {
	r.t.Helper()
	q := &r.events.queue
	if len(q.lanes) > 0 || len(q.ready) > 0 || q.waiting != 0 || q.run != nil {
		r.t.Errorf("%d lanes, %d ready, %d waiting in a queue that is empty; run %v", len(q.lanes), len(q.ready), q.waiting, q.run)
	}
}

func (r *rig) wantOrder() {
	r.t.Helper()
	for lead, numbers := range r.got {
		if !slices.IsSorted(numbers) || len(slices.Compact(slices.Clone(numbers))) != len(numbers) {
			r.t.Errorf("events of lead %s came as %v", lead, numbers)
		}
	}
}

func TestEventsOfOneLeadComeOneAfterAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const leads, each = 5, 40
		r := newRig(t, Options{Workers: 3})
		busy, most, all := make(map[string]bool), 0, 0
		end := r.run(func(_ context.Context, event crm.Event) {
			r.mu.Lock()
			if busy[event.Lead.ID] {
				t.Errorf("two events of lead %s at once", event.Lead.ID)
			}
			busy[event.Lead.ID] = true
			all++
			most = max(most, all)
			r.mu.Unlock()
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
			r.note(event)
			r.mu.Lock()
			busy[event.Lead.ID] = false
			all--
			r.mu.Unlock()
		})
		for i := range leads * each {
			r.wantPost(1+i%leads, http.StatusOK)
			time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
		}
		time.Sleep(time.Hour)
		r.wantEnd(end)
		if most != 3 {
			t.Errorf("%d events were handled at once, want 3", most)
		}
		if len(r.got) != leads {
			t.Errorf("%d leads", len(r.got))
		}
		for lead, numbers := range r.got {
			if len(numbers) != each {
				t.Errorf("lead %s: %d events, want %d", lead, len(numbers), each)
			}
		}
		r.wantOrder()
		r.wantStats(Stats{Accepted: leads * each, Handled: leads * each})
		r.wantEmpty()
	})
}

// A lead whose events take long, however many wait, holds up no other lead.
func TestEventsOfASlowLeadHoldUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Workers: 2})
		start := time.Now()
		end := r.run(func(_ context.Context, event crm.Event) {
			if event.Lead.ID == "1" {
				time.Sleep(time.Minute)
			}
			r.note(event)
		})
		for range 100 {
			r.wantPost(1, http.StatusOK)
		}
		for lead := 2; lead < 50; lead++ {
			r.wantPost(lead, http.StatusOK)
		}
		synctest.Wait()
		r.mu.Lock()
		if len(r.got) != 48 || time.Since(start) != 0 {
			t.Errorf("%d other leads were served in %v", len(r.got), time.Since(start))
		}
		r.mu.Unlock()
		time.Sleep(101 * time.Minute)
		r.wantEnd(end)
		if len(r.got["1"]) != 100 {
			t.Errorf("%d events of the slow lead", len(r.got["1"]))
		}
		r.wantOrder()
	})
}

// A lead that is changed all the time takes its turn like all others.
func TestEventsOfABusyLeadTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Workers: 1})
		var order []string
		end := r.run(func(_ context.Context, event crm.Event) {
			order = append(order, event.Lead.ID)
			time.Sleep(time.Second)
		})
		for range 5 {
			r.wantPost(1, http.StatusOK)
		}
		r.wantPost(2, http.StatusOK)
		r.wantPost(3, http.StatusOK)
		time.Sleep(time.Minute)
		r.wantEnd(end)
		// The second of lead 1 gets ready when the first is done, behind those that wait.
		if want := []string{"1", "2", "3", "1", "1", "1", "1"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

func TestEventsWithoutALeadKeepTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		end := r.run(func(_ context.Context, event crm.Event) {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
			r.note(event)
		})
		for range 20 {
			r.sent++
			body := fmt.Sprint(r.sent)
			r.events.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body)))
		}
		time.Sleep(time.Minute)
		r.wantEnd(end)
		if len(r.got[""]) != 20 {
			t.Errorf("%d events, want 20", len(r.got[""]))
		}
		r.wantOrder()
	})
}

func TestEventQueueIsBounded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		opts          Options
		size, workers int
	}{
		"as asked":   {Options{QueueSize: 3, Workers: 2}, 3, 2},
		"by default": {Options{}, 1024, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, test.opts)
				free := make(chan bool)
				end := r.run(func(_ context.Context, event crm.Event) {
					<-free
					r.note(event)
				})
				lead := 0
				next := func() int { lead++; return lead }
				for range test.workers { // each taken by a worker
					r.wantPost(next(), http.StatusOK)
					synctest.Wait()
				}
				for range test.size {
					r.wantPost(next(), http.StatusOK)
				}
				r.wantPost(next(), http.StatusServiceUnavailable)
				r.wantPost(1, http.StatusServiceUnavailable)
				all := uint64(test.size + test.workers)
				r.wantStats(Stats{Accepted: all, Full: 2, Waiting: test.size})
				free <- true
				synctest.Wait()
				r.wantPost(next(), http.StatusOK)
				r.wantPost(next(), http.StatusServiceUnavailable)
				r.wantStats(Stats{Accepted: all + 1, Handled: 1, Full: 3, Waiting: test.size})
				close(free)
				synctest.Wait()
				r.wantStats(Stats{Accepted: all + 1, Handled: all + 1, Full: 3})
				r.wantEnd(end)
				r.wantEmpty()
			})
		})
	}
}

func TestEventsAreAcceptedOnlyWhileRunDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.wantPost(1, http.StatusServiceUnavailable)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.events.Run(ended, func(context.Context, crm.Event) { t.Error("an event") }); err != context.Canceled { //nolint:errorlint // that very value
			t.Errorf("Run with an ended context returned %v", err)
		}
		r.wantPost(1, http.StatusServiceUnavailable)
		for range 3 {
			end := r.run(func(_ context.Context, event crm.Event) { r.note(event) })
			r.wantPost(1, http.StatusOK)
			synctest.Wait()
			r.wantEnd(end)
			r.wantPost(1, http.StatusServiceUnavailable)
		}
		r.wantStats(Stats{Accepted: 3, Handled: 3, Stopped: 5})
	})
}

// Between the end of the context and the moment in which Run's goroutine notices
// it, nothing is accepted either.
func TestEventsAreRefusedAsSoonAsTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- r.events.Run(ctx, func(context.Context, crm.Event) {}) }()
		synctest.Wait()
		r.events.mu.Lock() // Run cannot stop anything now
		cancel()
		answer := r.events.queue.push(crm.Event{})
		r.events.mu.Unlock()
		if answer != stopped || <-result == nil {
			t.Errorf("answer %d", answer)
		}
	})
}

// A worker that is woken for an event which another one takes goes on waiting.
func TestEventsThatAnotherWorkerTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Workers: 1})
		end := r.run(func(_ context.Context, event crm.Event) { r.note(event) })
		q := &r.events.queue
		q.mu.Lock()
		if how := q.push(crm.Event{Lead: crm.LeadRef{Source: "acme", ID: "1"}}); how != accepted {
			t.Errorf("answer %d", how)
		}
		ready := q.ready
		q.ready = nil // somebody was quicker
		q.mu.Unlock()
		synctest.Wait()
		if len(r.got) != 0 {
			t.Errorf("events %v", r.got)
		}
		q.mu.Lock()
		q.ready = ready
		q.wake.Signal()
		q.mu.Unlock()
		synctest.Wait()
		r.wantEnd(end)
		if len(r.got["1"]) != 1 {
			t.Errorf("events %v", r.got)
		}
		r.wantEmpty()
	})
}

// What ends Run is told as the context's error, whatever its cause, and a full queue
// that nobody drains is one that nobody drains.
func TestEventsOfAFullQueueThatNobodyDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRig(t, Options{QueueSize: 1, Workers: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error)
		go func() {
			result <- r.events.Run(ctx, func(ctx context.Context, _ crm.Event) { <-ctx.Done() })
		}()
		synctest.Wait()
		r.wantPost(1, http.StatusOK)
		synctest.Wait()
		r.wantPost(2, http.StatusOK)
		r.wantPost(3, http.StatusServiceUnavailable)
		r.wantStats(Stats{Accepted: 2, Full: 1, Waiting: 1})
		cancel(errors.New("the cause"))
		if err := <-result; err != context.Canceled { //nolint:errorlint // that very value
			t.Errorf("Run returned %v", err)
		}
		r.wantPost(3, http.StatusServiceUnavailable)
		r.wantStats(Stats{Accepted: 2, Handled: 1, Full: 1, Stopped: 1, Waiting: 1})
		for _, lost := range []string{"the queue is full", "nobody drains the queue"} {
			if !strings.Contains(log.String(), `level=WARN msg="crm event" source=acme answer="lost: `+lost+`" type=lead.changed`) {
				t.Errorf("log %s, want %q", log.String(), lost)
			}
		}
	})
}

func TestEventsThatWaitWhenTheContextEndsComeInTheNextRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRig(t, Options{Workers: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		end := r.run(func(ctx context.Context, event crm.Event) {
			<-ctx.Done()
			time.Sleep(time.Minute) // one that does not end at once
			r.note(event)
		})
		for i := range 10 {
			r.wantPost(1+i%3, http.StatusOK)
			synctest.Wait()
		}
		start := time.Now()
		r.wantEnd(end)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("Run returned after %v, want to wait for the calls of handle", took)
		}
		r.wantStats(Stats{Accepted: 10, Handled: 2, Waiting: 8})
		if !strings.Contains(log.String(), `level=WARN msg="crm events wait for the next run" source=acme waiting=8`) {
			t.Errorf("log %s", log.String())
		}
		r.wantPost(1, http.StatusServiceUnavailable)
		log.Reset()
		end = r.run(func(_ context.Context, event crm.Event) { r.note(event) })
		r.wantPost(1, http.StatusOK)
		synctest.Wait()
		r.wantEnd(end)
		r.wantOrder()
		if len(r.got["1"]) != 5 || len(r.got["2"]) != 3 || len(r.got["3"]) != 3 {
			t.Errorf("got %v, want each once", r.got)
		}
		r.wantStats(Stats{Accepted: 11, Handled: 11, Stopped: 1})
		r.wantEmpty()
		if log.Len() > 0 {
			t.Errorf("log %s", log.String())
		}
	})
}

func TestEventsRunIsThereOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Source: "Портал"})
		end := r.run(func(_ context.Context, event crm.Event) { r.note(event) })
		err := r.events.Run(t.Context(), func(context.Context, crm.Event) { t.Error("an event for the second Run") })
		if !errors.Is(err, errRunning) || err.Error() != "Портал: Run is already running" {
			t.Errorf("the second Run returned %v", err)
		}
		r.wantPost(1, http.StatusOK)
		synctest.Wait()
		r.wantEnd(end)
		if len(r.got["1"]) != 1 {
			t.Errorf("got %v", r.got)
		}
	})
}

func TestEventHandleHasTheContextOfRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		type key struct{}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "of Run"), time.Hour)
		defer cancel()
		result := make(chan error)
		go func() {
			result <- r.events.Run(ctx, func(ctx context.Context, event crm.Event) {
				if ctx.Value(key{}) != "of Run" {
					t.Error("handle has another context")
				}
				r.note(event)
			})
		}()
		synctest.Wait()
		r.wantPost(1, http.StatusOK)
		if err := <-result; err != context.DeadlineExceeded || len(r.got) != 1 { //nolint:errorlint // that very value
			t.Errorf("Run returned %v, events %v", err, r.got)
		}
	})
}

func TestPanicOfAnEventHandlerReachesTheCallerOfRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Workers: 2})
		recovered := make(chan any)
		start := time.Now()
		go func() {
			defer func() { recovered <- recover() }()
			err := r.events.Run(t.Context(), func(_ context.Context, event crm.Event) {
				time.Sleep(time.Second)
				if event.Lead.ID == "1" {
					panic("bug")
				}
				time.Sleep(time.Minute)
				r.note(event)
			})
			t.Errorf("Run returned %v", err)
		}()
		synctest.Wait()
		for _, lead := range []int{1, 2, 1, 3, 2} {
			r.wantPost(lead, http.StatusOK)
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		r.wantPost(4, http.StatusServiceUnavailable)
		value := <-recovered
		if text := fmt.Sprint(value); !strings.HasPrefix(text, "crmhook: the handler of events panicked: bug") || !strings.Contains(text, "queue_test.go") {
			t.Errorf("recovered %v", value)
		}
		if took := time.Since(start); took != time.Minute+time.Second {
			t.Errorf("the panic came after %v, want that the other calls of handle have ended", took)
		}
		r.wantStats(Stats{Accepted: 5, Handled: 2, Stopped: 1, Waiting: 3})
		end := r.run(func(_ context.Context, event crm.Event) { r.note(event) })
		r.wantEnd(end)
		r.wantOrder()
		if len(r.got["1"]) != 1 || len(r.got["2"]) != 2 || len(r.got["3"]) != 1 {
			t.Errorf("got %v", r.got)
		}
		r.wantEmpty()
	})
}

func TestEventHandlerThatEndsItsGoroutineEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		result := make(chan error)
		go func() {
			result <- r.events.Run(t.Context(), func(context.Context, crm.Event) { runtime.Goexit() })
		}()
		synctest.Wait()
		r.wantPost(1, http.StatusOK)
		if err := <-result; !errors.Is(err, errExit) || err.Error() != "acme: handle ended its goroutine" {
			t.Errorf("Run returned %v", err)
		}
		r.wantStats(Stats{Accepted: 1, Handled: 1})
		r.wantEmpty()
	})
}

// All workers may fail at once.
func TestEventHandlersThatAllPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Workers: 4})
		free, recovered := make(chan bool), make(chan any)
		go func() {
			defer func() { recovered <- recover() }()
			_ = r.events.Run(t.Context(), func(context.Context, crm.Event) {
				<-free
				panic("bug")
			})
		}()
		synctest.Wait()
		for lead := range 4 {
			r.wantPost(lead+1, http.StatusOK)
		}
		synctest.Wait()
		close(free)
		if value := <-recovered; value == nil {
			t.Error("no panic")
		}
		r.wantStats(Stats{Accepted: 4, Handled: 4})
	})
}

// Senders, runs and readers of the counts at once: each accepted event is handed
// over once, in order.
func TestEventsUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{QueueSize: 10, Workers: 4})
		var senders sync.WaitGroup
		accepted := make([]int, 20)
		for lead := range accepted {
			senders.Go(func() {
				for range 100 {
					if r.post(lead+1) == http.StatusOK {
						accepted[lead]++
					}
					if stats := r.events.Stats(); stats.Handled+uint64(stats.Waiting) > stats.Accepted || stats.Waiting > 10 {
						t.Errorf("stats %+v", stats)
					}
					time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
				}
			})
		}
		handle := func(_ context.Context, event crm.Event) {
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			r.note(event)
		}
		for range 10 {
			end := r.run(handle)
			time.Sleep(400 * time.Millisecond)
			r.wantEnd(end)
			time.Sleep(50 * time.Millisecond)
		}
		senders.Wait()
		end := r.run(handle)
		time.Sleep(time.Minute)
		r.wantEnd(end)
		total := 0
		for lead, n := range accepted {
			total += n
			if got := r.got[fmt.Sprint(lead+1)]; len(got) != n {
				t.Errorf("lead %d: %d events, want %d", lead+1, len(got), n)
			}
		}
		stats := r.events.Stats()
		if stats.Accepted != uint64(total) || stats.Accepted+stats.Full+stats.Stopped != 2000 || stats.Stopped == 0 || stats.Full == 0 {
			t.Errorf("%d accepted, stats %+v", total, stats)
		}
		r.wantOrder()
		r.wantEmpty()
	})
}

func TestNoGoroutineOutlivesRun(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := newRig(t, Options{})
	r.wantPost(1, http.StatusServiceUnavailable)
	ctx, cancel := context.WithCancel(t.Context())
	handled := make(chan bool)
	result := make(chan error)
	go func() {
		result <- r.events.Run(ctx, func(context.Context, crm.Event) { handled <- true })
	}()
	for r.post(1) != http.StatusOK {
		runtime.Gosched()
	}
	<-handled
	cancel()
	if err := <-result; err == nil {
		t.Error("Run returned no error")
	}
}
