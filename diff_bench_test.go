package statuslink

import (
	"fmt"
	"testing"

	"github.com/statuslink/statuslink/crm"
)

// benchListing returns one scope of n statuses, named by name.
func benchListing(n int, name func(i int) string) crm.Listing {
	listing := crm.Listing{Source: "crm", Scopes: []crm.Scope{{Name: "Statuses", Announced: n}}}
	for i := range n {
		listing.Statuses = append(listing.Statuses, crm.Status{
			Ref: crm.Ref{Source: "crm", ID: fmt.Sprintf("id-%07d", i)}, Name: name(i), Order: i, Color: "#2F80ED",
		})
	}
	return listing
}

func benchName(i int) string { return fmt.Sprintf("Этап %d", i) }

// benchLinked returns a snapshot that was synchronised with the listing.
func benchLinked(tb testing.TB, listing crm.Listing) *Snapshot {
	tb.Helper()
	plan := diff(benchInput(new(Snapshot), listing))
	id := 0
	next, err := plan.snapshot.With(plan.changes(pendingTime().AddDate(50, 0, 0), func() string {
		id++
		return fmt.Sprintf("st_%020d", id)
	}))
	if err != nil {
		tb.Fatal(err)
	}
	return next
}

// benchTwins returns a snapshot of n unlinked statuses of one name.
func benchTwins(tb testing.TB, n int) *Snapshot {
	tb.Helper()
	var state State
	for i := range n {
		state.Statuses = append(state.Statuses, Status{ID: fmt.Sprintf("st_%d", i), Name: "Этап", Order: i})
	}
	snapshot, err := NewSnapshot(1, state)
	if err != nil {
		tb.Fatal(err)
	}
	return snapshot
}

func benchInput(snapshot *Snapshot, listing crm.Listing) input {
	return input{snapshot: snapshot, readings: []reading{{source: "crm", listing: listing}}}
}

// BenchmarkDiff plans one source of n statuses: nothing changed, one in a
// hundred renamed, all new, all linked by name, all of one name on both sides. The metric ns/status is to stay
// within ten times from 100 to 100,000.
func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		listing := benchListing(n, benchName)
		linked := benchLinked(b, listing)
		renamed := benchListing(n, func(i int) string {
			if i%100 == 0 {
				return fmt.Sprintf("Переименован %d", i)
			}
			return benchName(i)
		})
		var unlinked State
		for status := range linked.All() {
			status.Links = nil
			unlinked.Statuses = append(unlinked.Statuses, status)
		}
		named, err := NewSnapshot(1, unlinked)
		if err != nil {
			b.Fatal(err)
		}
		for _, work := range []struct {
			name  string
			in    input
			steps int
		}{
			{"unchanged", benchInput(linked, listing), 0},
			{"renamed", benchInput(linked, renamed), n / 100},
			{"new", benchInput(new(Snapshot), listing), n + 1},
			{"linked", benchInput(named, listing), n + 1},
			{"twins", benchInput(benchTwins(b, n), benchListing(n, func(int) string { return "Этап" })), 1},
		} {
			diff(work.in) // builds the indices that the snapshot keeps
			b.Run(fmt.Sprintf("%s/%d", work.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if plan := diff(work.in); len(plan.operations) != work.steps {
						b.Fatalf("%d operations, want %d", len(plan.operations), work.steps)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/status")
			})
		}
		b.Run(fmt.Sprintf("validate/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := listing.Validate(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
