package storetest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

func TestFillerKnowsEveryField(t *testing.T) {
	t.Parallel()
	want := []string{
		".Statuses.ID", ".Statuses.Key", ".Statuses.Name", ".Statuses.Color", ".Statuses.Outcome", ".Statuses.Aliases", ".Statuses.Order",
		".Statuses.Links.Ref.Source", ".Statuses.Links.Ref.Scope", ".Statuses.Links.Ref.ID",
		".Statuses.Links.Base.Name", ".Statuses.Links.Base.Color", ".Statuses.Links.Base.Outcome",
		".Statuses.Links.Base.Order", ".Statuses.Links.Base.Ordered",
		".Statuses.Links.LinkedAt", ".Statuses.Links.MissingSince", ".Statuses.Created", ".Statuses.Updated",
		".Ignored.Ref.Source", ".Ignored.Ref.Scope", ".Ignored.Ref.ID", ".Ignored.Name", ".Ignored.Since", ".Ignored.Who",
		".Scopes.ScopeKey.Source", ".Scopes.ScopeKey.ID", ".Scopes.Name",
		".Accounts.Source", ".Accounts.Names",
	}
	if diff := cmp.Diff(want, paths[statuslink.State]()); diff != "" {
		t.Errorf("the fields of a State that the suite fills (-want +got):\n%s", diff)
	}
}

func TestFillerLeavesNothingZeroAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	seen := make(map[any]string)
	for seed := range 3 {
		r := recorder{ctx: t.Context()}
		state := (&test{tb: &r}).full(seed)
		if len(r.failures) > 0 {
			t.Fatalf("full(%d): %v", seed, r.failures)
		}
		v := reflect.ValueOf(state)
		leaves("", v, v, func(path string, leaf, _ reflect.Value) {
			if leaf.IsZero() {
				t.Errorf("full(%d) leaves %s zero", seed, path)
			}
			switch value := leaf.Interface().(type) {
			case bool, crm.Outcome:
			case []string:
				if len(value) != 2 || value[0] >= value[1] {
					t.Errorf("full(%d) fills %s with %q, want two texts, sorted", seed, path, value)
				}
			default:
				if other, twice := seen[value]; twice {
					t.Errorf("full fills %s and %s with the same %v", other, path, value)
				}
				seen[value] = path
			}
		})
		got, err := statuslink.NewSnapshot(1, state)
		if err != nil {
			t.Fatalf("full(%d) is not valid: %v", seed, err)
		}
		if diff := cmp.Diff(state, got.State()); diff != "" {
			t.Errorf("full(%d) is not as a Snapshot keeps it (-want +got):\n%s", seed, diff)
		}
	}
}

func TestFillerRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	type hidden struct{ n int }
	for name, value := range map[string]any{
		"a map":                            &struct{ Raw map[string]string }{},
		"a pointer":                        &struct{ At *time.Time }{},
		"an interface":                     &struct{ Any any }{},
		"a channel":                        &struct{ C chan int }{},
		"a function":                       &struct{ F func() }{},
		"an array":                         &struct{ A [2]int }{},
		"a float":                          &struct{ F float64 }{},
		"a byte too small to be distinct":  &struct{ B uint8 }{},
		"an int8 too small to be distinct": &struct{ B int8 }{},
		"a struct without exported fields": &struct{ H hidden }{hidden{0}},
		"a map deep inside slices": &struct {
			S []struct{ Raw map[string]int }
		}{},
		"a map beside a field that it does fill": &struct {
			Name string
			Raw  map[string]int
		}{},
	} {
		r := recorder{ctx: t.Context()}
		done := make(chan struct{})
		go func() {
			defer close(done)
			(&test{tb: &r}).fill(1, "Value", value)
		}()
		<-done
		if len(r.failures) != 1 || !strings.Contains(r.failures[0], "cannot fill Value.") {
			t.Errorf("the filler passes over %s instead of failing with its name: %q", name, r.failures)
		}
	}
}
