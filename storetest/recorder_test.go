package storetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/statuslink/statuslink"
)

// recorder is a tb that remembers failures instead of failing.
type recorder struct {
	ctx context.Context //nolint:containedctx // stands for the one of a testing.T

	mu       sync.Mutex
	failures []string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Logf(string, ...any)      {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failures runs one check on a store and returns how it failed. It runs in a
// bubble, so that waiting for what never comes takes no time.
func failures(t *testing.T, name string, newStore func() statuslink.Store) []string {
	t.Helper()
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	var r recorder
	synctest.Test(t, func(t *testing.T) {
		r.ctx = t.Context()
		done := make(chan struct{})
		go func() {
			defer close(done)
			checks[i].run(&test{tb: &r, store: newStore()})
		}()
		<-done
	})
	return r.failures
}

// mutant is a store that breaks one promise, the check that has to see it, and
// words of what the check has to say.
type mutant struct {
	name  string
	store func() statuslink.Store
	check string
	says  string
}

// catches checks that each mutant is caught by its check for the right reason.
func catches(t *testing.T, mutants []mutant) {
	t.Helper()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			got := failures(t, m.check, m.store)
			if len(got) == 0 {
				t.Fatalf("%s does not see a store that %s", m.check, m.name)
			}
			if all := strings.Join(got, "\n"); !strings.Contains(all, m.says) {
				t.Errorf("%s sees that a store %s for another reason than %q:\n%s", m.check, m.name, m.says, all)
			}
		})
	}
}
