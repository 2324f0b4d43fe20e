package storetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain hides what a store can do beyond the Store interface.
type plain struct{ statuslink.Store }

func TestSoundStoresPass(t *testing.T) {
	t.Parallel()
	t.Run("with the optional interfaces", func(t *testing.T) {
		t.Parallel()
		Run(t, func(*testing.T) statuslink.Store { return new(memstore.Store) })
	})
	t.Run("without them", func(t *testing.T) {
		t.Parallel()
		Run(t, func(*testing.T) statuslink.Store { return plain{new(memstore.Store)} })
	})
	t.Run("the mutants' base", func(t *testing.T) {
		t.Parallel()
		Run(t, func(*testing.T) statuslink.Store { return newCell(commitWith) })
	})
}

func TestRunCallsTheFactoryOncePerSubtest(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, c := range checks {
		want = append(want, t.Name()+"/"+c.name)
	}
	Run(t, func(t *testing.T) statuslink.Store {
		got = append(got, t.Name())
		return new(memstore.Store)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the subtests for which the factory was called (-want +got):\n%s", diff)
	}
}

// TestEveryCheckCatchesSomething keeps a check that sees nothing from being
// added.
func TestEveryCheckCatchesSomething(t *testing.T) {
	t.Parallel()
	caught := make(map[string]bool)
	for _, m := range allMutants() {
		caught[m.check] = true
	}
	seen := make(map[string]bool)
	for _, c := range checks {
		if seen[c.name] {
			t.Errorf("two checks are called %s", c.name)
		}
		seen[c.name] = true
		if !caught[c.name] {
			t.Errorf("no broken store is caught by %s", c.name)
		}
	}
}

func TestMutants(t *testing.T) {
	t.Parallel()
	catches(t, allMutants())
}

// allMutants are the broken stores of all topics.
func allMutants() []mutant {
	var all []mutant
	for _, group := range [][]mutant{
		loadMutants(), fieldMutants(), lossMutants(), valueMutants(), changeMutants(), ruleMutants(), versionMutants(),
		ownerMutants(), contextMutants(), concurrentMutants(), watcherMutants(), historianMutants(),
	} {
		all = append(all, group...)
	}
	return all
}

func TestOptionalInterfacesAreNotRequired(t *testing.T) {
	t.Parallel()
	for _, c := range checks {
		if strings.HasPrefix(c.name, "Watcher") || strings.HasPrefix(c.name, "History") {
			got := failures(t, c.name, func() statuslink.Store { return plain{new(memstore.Store)} })
			if len(got) > 0 {
				t.Errorf("%s fails on a store without the interface: %v", c.name, got)
			}
		}
	}
}
