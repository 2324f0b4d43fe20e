package crmtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSoundClientPasses(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) Harness { return acmeHarness(sound) })
}

func TestRunCallsTheFactoryOncePerSubtest(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, c := range checks {
		want = append(want, t.Name()+"/"+c.name)
	}
	Run(t, func(t *testing.T) Harness {
		got = append(got, t.Name())
		return acmeHarness(sound)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the subtests for which the factory was called (-want +got):\n%s", diff)
	}
}
