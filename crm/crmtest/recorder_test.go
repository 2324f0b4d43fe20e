package crmtest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// recorder is a tb that remembers failures instead of failing.
type recorder struct {
	t *testing.T

	mu       sync.Mutex
	failures []string
	skipped  string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.t.Context() }

func (r *recorder) Skipf(format string, args ...any) {
	r.mu.Lock()
	r.skipped = fmt.Sprintf(format, args...)
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// recorded runs one check on a harness and returns how it failed.
func recorded(t *testing.T, name string, newHarness func(t *testing.T) Harness) *recorder {
	t.Helper()
	c := named(t, checks, name)
	return watched(t, c.on, func(r *recorder, t *testing.T) { c.run(newTest(r, newHarness(t), !c.socket)) })
}

// recordedLeads is recorded for a check of leads.
func recordedLeads(t *testing.T, name string, newHarness func(t *testing.T) LeadHarness) *recorder {
	t.Helper()
	c := named(t, leadChecks, name)
	return watched(t, c.on, func(r *recorder, t *testing.T) { c.run(newLeadTest(r, newHarness(t))) })
}

// recordedEvents is recorded for a check of receivers.
func recordedEvents(t *testing.T, name string, newHarness func(t *testing.T) EventHarness) *recorder {
	t.Helper()
	i := slices.IndexFunc(eventChecks, func(c eventCheck) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	return watched(t, synctest.Test, func(r *recorder, t *testing.T) { eventChecks[i].run(newEventTest(r, newHarness(t))) })
}

// named returns the check of the name.
func named(t *testing.T, all []check, name string) check {
	t.Helper()
	i := slices.IndexFunc(all, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	return all[i]
}

// watched runs a check where it is to run, and returns how it failed.
func watched(t *testing.T, on func(t *testing.T, run func(t *testing.T)), run func(r *recorder, t *testing.T)) *recorder {
	t.Helper()
	var r recorder
	on(t, func(t *testing.T) {
		r.t = t
		done := make(chan struct{})
		go func() {
			defer close(done)
			run(&r, t)
		}()
		<-done
	})
	return &r
}

// mutant is a client that breaks one promise, the check that has to see it, and
// words of what the check has to say.
type mutant struct {
	name   string
	differ func(a *acme, conn Conn)
	check  string
	says   string
}

// catches checks that each mutant is caught by its check for the right reason.
func catches(t *testing.T, mutants []mutant) {
	t.Helper()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			seen(t, m.name, m.check, m.says, recorded(t, m.check, func(t *testing.T) Harness { return acmeHarness(t, m.differ) }))
		})
	}
}

// seen checks that a check failed, for the right reason.
func seen(t *testing.T, name, check, says string, r *recorder) {
	t.Helper()
	if len(r.failures) == 0 {
		t.Fatalf("%s does not see one that %s", check, name)
	}
	if all := strings.Join(r.failures, "\n"); !strings.Contains(all, says) {
		t.Errorf("%s sees that one %s for another reason than %q:\n%s", check, name, says, all[:min(len(all), 3000)])
	}
}
