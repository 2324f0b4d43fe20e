package crmbulk_test

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmbulk"
)

// Whatever of the caller panics, what is under way is waited for, the input is told, and
// there is a final report.
func TestPanicsOfTheCaller(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"input", "loop", "progress", "every progress"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 2, 3, func(a *acme) {
				a.latency = func(n int, _ string) time.Duration { return time.Duration(n) * time.Second }
				told := false
				func() {
					defer func() {
						if value := recover(); value != who {
							a.Errorf("the loop recovers %v", value)
						}
					}()
					reports := 0
					a.told = func() {
						if reports++; who == "every progress" || reports == 2 && who == "progress" {
							panic(who)
						}
					}
					a.run(a.Context(), func(yield func(crm.Move) bool) {
						for move := range endless {
							if len(a.taken) == 20 && who == "input" {
								panic(who)
							}
							if !yield(move) {
								told = true
								return
							}
						}
					}, func(crm.MoveResult) bool {
						if len(a.received) == 3 && who == "loop" {
							panic(who)
						}
						return true
					})
				}()
				if told != (who != "input") {
					a.Errorf("the input is told: %v", told)
				}
				if report := a.final(); report.Done != 2*len(a.requests) || report.Unknown > 0 {
					a.Errorf("report = %+v after %s", report, a.sent())
				}
			})
		})
	}
}

// So it is where a function of the client panics, and the panic comes up in the loop.
func TestPanics(t *testing.T) {
	t.Parallel()
	const at = "g" // the lead over which it happens
	for name, test := range map[string]struct {
		set    func(a *acme)
		states string // of the lead
	}{
		"Prepare": {func(a *acme) {
			prepare := a.opts.Prepare
			a.opts.Prepare = func(ctx context.Context, move crm.Move) (any, bool, error) {
				if move.Lead.ID == at {
					panic("странный клиент")
				}
				return prepare(ctx, move)
			}
		}, "N"},
		"Canonical": {func(a *acme) {
			a.opts.Canonical = func(lead crm.LeadRef) crm.LeadRef {
				if lead.ID == at {
					panic("странный клиент")
				}
				return lead
			}
		}, "N"},
		"Send": {func(a *acme) {
			a.answer = func(_ int, leads string) crmbulk.Answer {
				if strings.Contains(leads, at) {
					panic("странный клиент")
				}
				return crmbulk.Answer{}
			}
		}, "U"},
		"too few verdicts": {func(a *acme) {
			a.answer = func(_ int, leads string) crmbulk.Answer {
				if strings.Contains(leads, at) {
					return crmbulk.Answer{Verdicts: []crmbulk.Verdict{}}
				}
				return crmbulk.Answer{}
			}
		}, "U"},
		"too many verdicts": {func(a *acme) {
			a.answer = func(_ int, leads string) crmbulk.Answer {
				if strings.Contains(leads, at) {
					return each(crmbulk.Done, crmbulk.Done, crmbulk.Done)
				}
				return crmbulk.Answer{}
			}
		}, "U"},
		"Wait": {func(a *acme) {
			var n atomic.Int64
			a.opts.Wait = func(ctx context.Context) error {
				if n.Add(1) == 4 {
					panic("странный клиент")
				}
				return ctx.Err()
			}
		}, "N"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, 2, 3, func(a *acme) {
				test.set(a)
				a.latency = func(n int, _ string) time.Duration { return time.Duration(n) * time.Second }
				func() {
					defer func() {
						text, want := "", "странный клиент"
						switch value := recover().(type) {
						case error:
							text = value.Error()
						case string:
							text = value
						}
						if strings.Contains(name, "verdicts") {
							want = "verdicts on 2 moves"
						}
						if !strings.Contains(text, want) {
							a.Errorf("the loop recovers %q", text)
						}
					}()
					a.run(a.Context(), wishes("abcdefghijklmnop"), nil)
				}()
				index := strings.Index("abcdefgh", at)
				if states := a.states(); len(states) <= index || states[index:index+1] != test.states {
					a.Errorf("states %s", states)
				}
				if n := len(a.requests); n > 7 {
					a.Errorf("%d requests", n)
				}
			})
		})
	}
}

// A function that ends its goroutine ends the run.
func TestGoexit(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, 2, func(a *acme) {
		a.latency = func(int, string) time.Duration { return time.Second }
		a.answer = func(_ int, leads string) crmbulk.Answer {
			if leads == "c" {
				runtime.Goexit()
			}
			return crmbulk.Answer{}
		}
		a.moved("abcdefgh")
		if states := a.states(); states[:3] != "DDU" {
			a.Errorf("states %s", states)
		}
		a.wantError(crm.MoveUnknown, crm.ErrUnavailable)
		a.wantError(crm.MoveNotSent, crm.ErrUnavailable)
	})
	inBubble(t, 1, 2, func(a *acme) {
		var n atomic.Int64
		a.opts.Wait = func(ctx context.Context) error {
			if n.Add(1) == 3 {
				runtime.Goexit()
			}
			return ctx.Err()
		}
		a.run(a.Context(), endless, nil)
		if report := a.final(); report.Done == 0 || report.Unknown > 0 || report.NotSent == 0 {
			a.Errorf("report = %+v", report)
		}
	})
}
