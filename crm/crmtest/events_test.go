package crmtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
)

// TestSoundReceiverPasses also looks whether the factory is called once for each
// check.
func TestSoundReceiverPasses(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, c := range eventChecks {
		want = append(want, t.Name()+"/"+c.name)
	}
	RunEvents(t, func(t *testing.T) EventHarness {
		got = append(got, t.Name())
		return acmeEventHarness(t, soundEvents)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the subtests for which the factory was called (-want +got):\n%s", diff)
	}
}

// TestOtherSoundReceiversPass: the suite leaves to a receiver what the contract
// leaves to it.
func TestOtherSoundReceiversPass(t *testing.T) {
	t.Parallel()
	for name, differ := range map[string]func(a *acmeEvents){
		"handles leads side by side": func(a *acmeEvents) { a.run = a.drainWide },
		"hands over what it does not need": func(a *acmeEvents) {
			event := a.event
			a.event = func(m acmeMessage, body []byte) (crm.Event, bool) {
				e, needed := event(m, body)
				if !needed {
					e.Kind, e.Lead = crm.EventOther, crm.LeadRef{}
				}
				return e, true
			}
		},
		"empties its queue at the end": func(a *acmeEvents) {
			a.run = func(ctx context.Context, handle func(context.Context, crm.Event)) error {
				err := a.drain(ctx, handle)
				for {
					select {
					case event := <-a.queue:
						handle(ctx, event)
					default:
						return err
					}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			RunEvents(t, func(t *testing.T) EventHarness { return acmeEventHarness(t, differ) })
		})
	}
}

func TestEventCheckThatIsLeftOut(t *testing.T) {
	t.Parallel()
	r := recordedEvents(t, "AcceptsWhatItDoesNotNeed", func(t *testing.T) EventHarness {
		h := acmeEventHarness(t, soundEvents)
		h.Other = nil
		return h
	})
	if r.skipped == "" || len(r.failures) > 0 {
		t.Errorf("it was not left out: %v", r.failures)
	}
}

func TestUnsoundEventHarness(t *testing.T) {
	t.Parallel()
	for says, spoil := range map[string]func(h *EventHarness){
		"lacks Source":          func(h *EventHarness) { h.Source = nil },
		"lacks Source, Change":  func(h *EventHarness) { h.Change = nil },
		"or Foreign":            func(h *EventHarness) { h.Foreign = nil },
		"has a Queue of 0":      func(h *EventHarness) { h.Queue = 0 },
		"has a Queue of 1001":   func(h *EventHarness) { h.Queue = 1001 },
		"has 2 Leads":           func(h *EventHarness) { h.Leads = h.Leads[:2] },
		"names no secret":       func(h *EventHarness) { h.Secrets = nil },
		"returned no receiver":  func(h *EventHarness) { h.Source = func() crm.EventSource { return nil } },
		"returned no request":   func(h *EventHarness) { h.Change = func(crm.LeadRef) *http.Request { return nil } },
		"or one without a body": func(h *EventHarness) { h.Change = func(crm.LeadRef) *http.Request { return &http.Request{} } },
	} {
		r := recordedEvents(t, "AnswersUnavailableUnlessDrained", func(t *testing.T) EventHarness {
			h := acmeEventHarness(t, soundEvents)
			spoil(&h)
			return h
		})
		if all := strings.Join(r.failures, "\n"); !strings.Contains(all, says) {
			t.Errorf("the failures of a harness are %q, want them to say %q", all, says)
		}
	}
}

func TestEveryEventCheckCatchesSomething(t *testing.T) {
	t.Parallel()
	var names []string
	var mutants []mutant
	for _, c := range eventChecks {
		names = append(names, c.name)
	}
	for _, m := range eventMutants() {
		mutants = append(mutants, mutant{name: m.name, check: m.check})
	}
	everyCheckCatches(t, names, mutants)
}

func TestEventMutants(t *testing.T) {
	t.Parallel()
	for _, m := range eventMutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			seen(t, m.name, m.check, m.says, recordedEvents(t, m.check, func(t *testing.T) EventHarness { return acmeEventHarness(t, m.differ) }))
		})
	}
}

// eventMutant is a mutant of a receiver.
type eventMutant struct {
	name   string
	differ func(a *acmeEvents)
	check  string
	says   string
}

// mapping is a receiver that makes other events.
func mapping(change func(event *crm.Event)) func(*acmeEvents) {
	return func(a *acmeEvents) {
		event := a.event
		a.event = func(m acmeMessage, body []byte) (crm.Event, bool) {
			e, needed := event(m, body)
			change(&e)
			return e, needed
		}
	}
}

// draining is a receiver that hands over in another way.
func draining(handing func(a *acmeEvents, ctx context.Context, handle func(context.Context, crm.Event), event crm.Event)) func(*acmeEvents) {
	return func(a *acmeEvents) {
		a.run = func(ctx context.Context, handle func(context.Context, crm.Event)) error {
			return a.drain(ctx, func(ctx context.Context, event crm.Event) { handing(a, ctx, handle, event) })
		}
	}
}

// ending is a receiver whose Run ends in another way.
func ending(end func(err error) error) func(*acmeEvents) {
	return func(a *acmeEvents) {
		a.run = func(ctx context.Context, handle func(context.Context, crm.Event)) error {
			return end(a.drain(ctx, handle))
		}
	}
}

// printing is a receiver that prints all that it has.
type printing struct {
	crm.EventSource

	token string
}

func eventMutants() []eventMutant {
	const want4xx = "want 4xx"
	return []eventMutant{
		{"names no account", func(a *acmeEvents) { a.source = func() string { return "" } }, "HandsOverAChange", "Source is empty"},
		{"changes its account", func(a *acmeEvents) {
			n := 0
			a.source = func() string { n++; return strings.Repeat("a", n) }
		}, "HandsOverAChange", "it never changes"},
		{"names another lead", mapping(func(e *crm.Event) { e.Lead.ID = "17" }), "HandsOverAChange", "the event is of the lead acme/17"},
		{"forgets the account", mapping(func(e *crm.Event) { e.Source = "" }), "HandsOverAChange", `of "", want`},
		{"does not say what happened", mapping(func(e *crm.Event) { e.Kind = crm.EventOther }), "HandsOverAChange", "has the kind 0"},
		{"has no type", mapping(func(e *crm.Event) { e.Type = "" }), "HandsOverAChange", "has no Type"},
		{"has a status of another account", mapping(func(e *crm.Event) { e.Status.ID = "102" }), "HandsOverAChange", "is of another account"},
		{"keeps a part of the message", mapping(func(e *crm.Event) { e.Raw = e.Raw[:4] }), "HandsOverAChange", "is not the message as it came"},
		{"takes no message", func(a *acmeEvents) { a.trust = func(string) bool { return false } }, "HandsOverAChange", "was answered with HTTP 403, want 2xx"},
		{"hands over twice", draining(func(_ *acmeEvents, ctx context.Context, handle func(context.Context, crm.Event), event crm.Event) {
			handle(ctx, event)
			handle(ctx, event)
		}), "HandsOverAChange", "after 1 messages 2 events"},
		{"believes every sender", func(a *acmeEvents) { a.trust = func(string) bool { return true } }, "RefusesAnotherSender", want4xx},
		{"believes the beginning of a token", func(a *acmeEvents) {
			a.trust = func(token string) bool { return token[:8] == eventToken[:8] }
		}, "RefusesAnotherSender", "who is not the CRM was handed over"},
		{"tells a wrong sender the token", func(a *acmeEvents) {
			a.answer = func(w http.ResponseWriter, status int) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "want "+eventToken)
			}
		}, "RefusesAnotherSender", "a credential can be seen in an answer"},
		{"takes a wrong sender for a broken one", func(a *acmeEvents) {
			a.answer = func(w http.ResponseWriter, status int) {
				if status == http.StatusForbidden {
					status = http.StatusInternalServerError
				}
				w.WriteHeader(status)
			}
		}, "RefusesAnotherSender", "HTTP 500, want 4xx"},
		{"closes after a wrong sender", func(a *acmeEvents) {
			bad := false
			a.trust = func(token string) bool {
				bad = bad || token != eventToken
				return !bad
			}
		}, "RefusesAnotherSender", "a genuine message after"},
		{"takes every method", func(a *acmeEvents) { a.method = func(string) bool { return true } }, "RefusesAnotherMethod", "a message sent with PUT was answered with HTTP 204"},
		{"takes PUT as well", func(a *acmeEvents) {
			a.method = func(method string) bool { return method == http.MethodPost || method == http.MethodPut }
		}, "RefusesAnotherMethod", "a message sent with PUT was handed over"},
		{"limits nothing", func(a *acmeEvents) { a.limit = func(body io.Reader) io.Reader { return body } }, "RefusesALargeMessage", "its size is limited"},
		{"reads the beginning of a large message", func(a *acmeEvents) {
			a.parse = func(body []byte) (acmeMessage, error) {
				if i := strings.IndexByte(string(body), '}'); i > 0 {
					body = body[:i+1]
				}
				return newAcmeEvents(1).parse(body)
			}
		}, "RefusesALargeMessage", want4xx},
		{"takes garbage for a message that it does not need", func(a *acmeEvents) {
			parse := a.parse
			a.parse = func(body []byte) (acmeMessage, error) {
				m, err := parse(body)
				if err != nil {
					m = acmeMessage{Token: eventToken}
				}
				return m, nil
			}
		}, "RefusesGarbage", want4xx},
		{"panics at garbage", func(a *acmeEvents) {
			parse := a.parse
			a.parse = func(body []byte) (acmeMessage, error) {
				m, err := parse(body)
				if err != nil {
					panic(err)
				}
				return m, nil
			}
		}, "RefusesGarbage", "panicked"},
		{"refuses what it does not need", func(a *acmeEvents) {
			parse := a.parse
			a.parse = func(body []byte) (acmeMessage, error) {
				m, err := parse(body)
				if m.Lead == "" {
					err = errors.New("no lead")
				}
				return m, err
			}
		}, "AcceptsWhatItDoesNotNeed", "HTTP 400, want 2xx"},
		{"takes all for changes of leads", func(a *acmeEvents) {
			event := a.event
			a.event = func(m acmeMessage, body []byte) (crm.Event, bool) {
				e, _ := event(m, body)
				return e, true
			}
		}, "AcceptsWhatItDoesNotNeed", "was handed over with the kind 2"},
		{"prints its token", func(a *acmeEvents) { a.wrapped = printing{a, eventToken} }, "SecretsAreInNoPrintedReceiver", "a credential can be seen in a"},
		{"prints the message", mapping(func(e *crm.Event) { e.Type = string(e.Raw) }), "SecretsAreInNoPrintedReceiver", "in a printed event"},
		{"waits until an event is handled", func(a *acmeEvents) {
			a.enqueue = func(event crm.Event) bool {
				a.queue <- event
				for len(a.queue) > 0 {
					time.Sleep(time.Second)
				}
				return true
			}
		}, "AnswersWithoutWaiting", "a receiver answers fast"},
		{"accepts nothing while it works", func(a *acmeEvents) {
			var busy atomic.Bool
			enqueue := a.enqueue
			a.enqueue = func(event crm.Event) bool { return !busy.Load() && enqueue(event) }
			a.run = func(ctx context.Context, handle func(context.Context, crm.Event)) error {
				return a.drain(ctx, func(ctx context.Context, event crm.Event) {
					busy.Store(true)
					defer busy.Store(false)
					handle(ctx, event)
				})
			}
		}, "AnswersWithoutWaiting", "HTTP 503 while another one was handled"},
		{"handles each event by itself", func(a *acmeEvents) {
			a.run = func(ctx context.Context, handle func(context.Context, crm.Event)) error {
				var wg sync.WaitGroup
				defer wg.Wait()
				return a.drain(ctx, func(ctx context.Context, event crm.Event) { wg.Go(func() { handle(ctx, event) }) })
			}
		}, "KeepsTheOrderOfALead", "two events of the lead"},
		{"hands over the newest first", func(a *acmeEvents) {
			a.run = func(ctx context.Context, handle func(context.Context, crm.Event)) error {
				return a.drain(ctx, func(ctx context.Context, event crm.Event) {
					waiting := []crm.Event{event}
					for len(a.queue) > 0 {
						waiting = append(waiting, <-a.queue)
					}
					slices.Reverse(waiting)
					for _, event := range waiting {
						handle(ctx, event)
					}
				})
			}
		}, "KeepsTheOrderOfALead", "in the order of their arrival"},
		{"hands over the last event of a lead", func(a *acmeEvents) {
			a.run = func(ctx context.Context, handle func(context.Context, crm.Event)) error {
				return a.drain(ctx, func(ctx context.Context, event crm.Event) {
					for len(a.queue) > 0 {
						event = <-a.queue
					}
					handle(ctx, event)
				})
			}
		}, "KeepsTheOrderOfALead", "were accepted"},
		{"loses every third event", func(a *acmeEvents) {
			n := 0
			enqueue := a.enqueue
			a.enqueue = func(event crm.Event) bool {
				n++
				return n%3 == 0 || enqueue(event)
			}
		}, "HandsOverAllThatItAccepted", "were accepted"},
		{"accepts nothing beside others", func(a *acmeEvents) {
			a.enqueue = func(crm.Event) bool { return false }
		}, "HandsOverAllThatItAccepted", "no genuine message was accepted"},
		{"says too many requests", func(a *acmeEvents) {
			a.answer = func(w http.ResponseWriter, status int) {
				if status == http.StatusServiceUnavailable {
					status = http.StatusTooManyRequests
				}
				w.WriteHeader(status)
			}
		}, "HandsOverAllThatItAccepted", "beside others was answered with HTTP 429"},
		{"has no end of place", func(a *acmeEvents) { a.queue = make(chan crm.Event, 1000) }, "AnswersUnavailableWhenFull", "a full one is answered with 503"},
		{"drops what it has no place for", func(a *acmeEvents) {
			enqueue := a.enqueue
			a.enqueue = func(event crm.Event) bool {
				_ = enqueue(event)
				return true
			}
		}, "AnswersUnavailableWhenFull", "were accepted while nothing was handled"},
		{"has less place than it says", func(a *acmeEvents) { a.queue = make(chan crm.Event, 2) }, "AnswersUnavailableWhenFull", "3 messages were accepted with a queue of 8"},
		{"loses every third event of a full queue", func(a *acmeEvents) {
			n := 0
			enqueue := a.enqueue
			a.enqueue = func(event crm.Event) bool {
				n++
				return n%3 == 0 || enqueue(event)
			}
		}, "AnswersUnavailableWhenFull", "when the queue was drained"},
		{"says 500 when it is full", func(a *acmeEvents) {
			a.answer = func(w http.ResponseWriter, status int) {
				if status == http.StatusServiceUnavailable {
					status = http.StatusInternalServerError
				}
				w.WriteHeader(status)
			}
		}, "AnswersUnavailableWhenFull", "HTTP 500, want 503"},
		{"stays closed when it was full", func(a *acmeEvents) {
			full := false
			enqueue := a.enqueue
			a.enqueue = func(event crm.Event) bool {
				full = full || !enqueue(event)
				return !full
			}
		}, "AnswersUnavailableWhenFull", "when the queue had been drained"},
		{"accepts before Run", func(a *acmeEvents) { a.open = func() bool { return true } }, "AnswersUnavailableUnlessDrained", "a message before Run was answered with HTTP 204, want 503"},
		{"keeps what it refused", func(a *acmeEvents) {
			a.answer = func(w http.ResponseWriter, status int) {
				if status == http.StatusServiceUnavailable {
					a.enqueue(crm.Event{Source: "acme"})
				}
				w.WriteHeader(status)
			}
		}, "AnswersUnavailableUnlessDrained", "3 messages from before Run were handed over"},
		{"accepts nothing", func(a *acmeEvents) {
			a.enqueue = func(crm.Event) bool { return false }
		}, "AnswersUnavailableUnlessDrained", "a message while Run drains was answered with HTTP 503"},
		{"hands over twice, between Runs", draining(func(_ *acmeEvents, ctx context.Context, handle func(context.Context, crm.Event), event crm.Event) {
			handle(ctx, event)
			handle(ctx, event)
		}), "AnswersUnavailableUnlessDrained", "2 events were handed over, want 1"},
		{"accepts after Run", func(a *acmeEvents) {
			opened := false
			a.open = func() bool {
				opened = opened || a.draining
				return opened
			}
		}, "AnswersUnavailableUnlessDrained", "a message after Run was answered with HTTP 204, want 503"},
		{"says nothing of the end", ending(func(error) error { return nil }), "RunEndsWithItsContext", "Run returned <nil>, want ctx.Err()"},
		{"says cancelled of a deadline", ending(func(error) error { return context.Canceled }), "RunEndsWithItsContext", "at its deadline"},
		{"returns while an event is handled", draining(func(_ *acmeEvents, ctx context.Context, handle func(context.Context, crm.Event), event crm.Event) {
			done := make(chan struct{})
			go func() {
				handle(ctx, event)
				close(done)
			}()
			select {
			case <-done:
			case <-ctx.Done():
			}
		}), "RunEndsWithItsContext", "calls of handle were running"},
		{"hands over when Run has returned", draining(func(_ *acmeEvents, ctx context.Context, handle func(context.Context, crm.Event), event crm.Event) {
			go func() {
				<-ctx.Done()
				time.Sleep(time.Second)
				handle(ctx, event)
			}()
		}), "RunEndsWithItsContext", "handle was called after Run had returned"},
		{"ends after an event", func(a *acmeEvents) {
			a.run = func(ctx context.Context, handle func(context.Context, crm.Event)) error {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				return a.drain(ctx, func(ctx context.Context, event crm.Event) {
					handle(ctx, event)
					cancel()
				})
			}
		}, "AnswersUnavailableUnlessDrained", "Run returned before its context ended"},
		{"drops what it accepted", draining(func(*acmeEvents, context.Context, func(context.Context, crm.Event), crm.Event) {
		}), "RunEndsWithItsContext", "was not handed over"},
		{"tells its token at the end", ending(func(err error) error { return fmt.Errorf("%s: %w", eventToken, err) }), "RunEndsWithItsContext", "in the error of Run"},
		{"hides the end from handle", draining(func(_ *acmeEvents, ctx context.Context, handle func(context.Context, crm.Event), event crm.Event) {
			handle(context.WithoutCancel(ctx), event)
		}), "RunTellsHandleOfTheEnd", "did not end when that of Run did"},
		{"works on its own", func(a *acmeEvents) {
			a.open = func() bool {
				go func() { <-a.closed }()
				return a.draining
			}
		}, "ReceiverLeavesNothingBehind", "a receiver that nobody drains left a goroutine"},
		{"leaves a goroutine when Run ends", func(a *acmeEvents) {
			a.run = func(ctx context.Context, handle func(context.Context, crm.Event)) error {
				go func() { <-a.closed }()
				return a.drain(ctx, handle)
			}
		}, "ReceiverLeavesNothingBehind", "a Run that nobody used left a goroutine"},
	}
}
