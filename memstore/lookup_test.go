package memstore_test

import (
	"fmt"
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
)

// lookups are the ways to find a status in a loaded store of many.
func lookups(tb testing.TB) map[string]func() bool {
	tb.Helper()
	state := statuslink.State{}
	for i := range 1000 {
		state.Statuses = append(state.Statuses, statuslink.Status{
			ID: fmt.Sprintf("st_%020d", i), Key: fmt.Sprintf("key-%d", i), Name: "Name", Order: i,
			Links: []statuslink.Link{{Ref: ref(i)}},
		})
	}
	s, err := memstore.New(state)
	if err != nil {
		tb.Fatalf("New: %v", err)
	}
	ctx := tb.Context()
	prev, err := s.Load(ctx, nil)
	if err != nil {
		tb.Fatalf("Load: %v", err)
	}
	load := func() *statuslink.Snapshot {
		now, err := s.Load(ctx, prev)
		if err != nil {
			tb.Fatalf("Load: %v", err)
		}
		return now
	}
	id, key, at := fmt.Sprintf("st_%020d", 777), "key-777", ref(777)
	return map[string]func() bool{
		"ID":  func() bool { _, ok := load().ByID(id); return ok },
		"Key": func() bool { _, ok := load().ByKey(key); return ok },
		"Ref": func() bool { _, ok := load().ByRef(at); return ok },
	}
}

func ref(i int) crm.Ref {
	return crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE_5", ID: fmt.Sprintf("C5:%d", i)}
}

// TestLookupsAllocateNothing is not parallel, because AllocsPerRun counts the
// allocations of all goroutines.
func TestLookupsAllocateNothing(t *testing.T) { //nolint:paralleltest // see above
	for name, find := range lookups(t) {
		if !find() {
			t.Fatalf("the lookup by %s finds nothing", name)
		}
		if n := testing.AllocsPerRun(100, func() { find() }); n != 0 {
			t.Errorf("Load and a lookup by %s allocate %v times, want 0", name, n)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	for name, find := range lookups(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !find() {
					b.Fatal("nothing found")
				}
			}
		})
	}
}

func BenchmarkLookupParallel(b *testing.B) {
	find := lookups(b)["Ref"]
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			find()
		}
	})
}

func BenchmarkApply(b *testing.B) {
	state := statuslink.State{}
	for i := range 1000 {
		state.Statuses = append(state.Statuses, statuslink.Status{
			ID: fmt.Sprintf("st_%020d", i), Name: "Name", Order: i, Links: []statuslink.Link{{Ref: ref(i)}},
		})
	}
	s, err := memstore.New(state)
	if err != nil {
		b.Fatalf("New: %v", err)
	}
	now, err := s.Load(b.Context(), nil)
	if err != nil {
		b.Fatalf("Load: %v", err)
	}
	for i := 0; b.Loop(); i++ {
		status := now.At(500)
		status.Color = fmt.Sprintf("#%06X", i&0xffffff)
		now, err = s.Apply(b.Context(), statuslink.Changes{Version: now.Version(), Update: []statuslink.Status{status}})
		if err != nil {
			b.Fatalf("Apply: %v", err)
		}
	}
}
