package crmtest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
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
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	var r recorder
	checks[i].on(t, func(t *testing.T) {
		r.t = t
		done := make(chan struct{})
		go func() {
			defer close(done)
			checks[i].run(newTest(&r, newHarness(t), !checks[i].socket))
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
			got := recorded(t, m.check, func(t *testing.T) Harness { return acmeHarness(t, m.differ) }).failures
			if len(got) == 0 {
				t.Fatalf("%s does not see a client that %s", m.check, m.name)
			}
			if all := strings.Join(got, "\n"); !strings.Contains(all, m.says) {
				t.Errorf("%s sees that a client %s for another reason than %q:\n%s", m.check, m.name, m.says, all[:min(len(all), 3000)])
			}
		})
	}
}
