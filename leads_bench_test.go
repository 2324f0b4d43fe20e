package statuslink

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// countedStore counts how often it is read.
type countedStore struct {
	snapshot *Snapshot
	loads    int
}

func (s *countedStore) Load(context.Context, *Snapshot) (*Snapshot, error) {
	s.loads++
	return s.snapshot, nil
}

func (s *countedStore) Apply(context.Context, Changes) (*Snapshot, error) { return s.snapshot, nil }

// listless is a client that is never asked.
type listless struct{}

func (listless) Source() string { return "crm" }

func (listless) ListStatuses(context.Context) (crm.Listing, error) { return crm.Listing{}, nil }

// resolveRig are Leads over 1,000 statuses with two links each.
func resolveRig(tb testing.TB, maxAge time.Duration) (*Leads, *countedStore, []crm.Lead) {
	tb.Helper()
	var changes Changes
	var leads []crm.Lead
	for i := range 1000 {
		status := Status{ID: fmt.Sprintf("st_%04d", i), Name: fmt.Sprintf("Этап %d", i)}
		for _, scope := range []string{"a", "b"} {
			ref := crm.Ref{Source: "crm", Scope: scope, ID: fmt.Sprint(i)}
			status.Links = append(status.Links, Link{Ref: ref})
			leads = append(leads, crm.Lead{Ref: crm.LeadRef{Source: "crm", ID: fmt.Sprint(len(leads))}, Status: ref})
		}
		changes.Create = append(changes.Create, status)
	}
	snapshot, err := new(Snapshot).With(changes)
	if err != nil {
		tb.Fatal(err)
	}
	store := &countedStore{snapshot: snapshot}
	catalog, err := NewCatalog(store, &Options{MaxAge: maxAge})
	if err != nil {
		tb.Fatal(err)
	}
	l, err := NewLeads(catalog, nil, listless{})
	if err != nil {
		tb.Fatal(err)
	}
	return l, store, leads
}

func TestResolveReadsNoStoreAndAllocatesNothing(t *testing.T) { //nolint:paralleltest // it counts allocations
	l, store, leads := resolveRig(t, time.Hour)
	i := 0
	allocs := testing.AllocsPerRun(1000, func() {
		lead := leads[i%len(leads)]
		i++
		if got, err := l.resolve(t.Context(), lead); err != nil || got.Lead != lead || !got.Status.Linked(lead.Status) {
			t.Fatalf("%v: %+v, %v", lead, got, err)
		}
	})
	if allocs != 0 || store.loads != 1 {
		t.Errorf("%v allocations, %d readings of the store, want none and 1", allocs, store.loads)
	}
}

func BenchmarkResolve(b *testing.B) {
	l, _, leads := resolveRig(b, time.Hour)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := l.resolve(b.Context(), leads[i%len(leads)]); err != nil {
			b.Fatal(err)
		}
	}
}
