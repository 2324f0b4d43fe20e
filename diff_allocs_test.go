package statuslink

import "testing"

// What a plan of an unchanged list allocates does not depend on its length,
// beyond what reading the listing (Validate) allocates.
func TestUnchangedListAllocatesIndependentlyOfItsLength(t *testing.T) { //nolint:paralleltest // testing.AllocsPerRun
	plan := func(n int) float64 {
		listing := benchListing(n, benchName)
		in := benchInput(benchLinked(t, listing), listing)
		diff(in) // builds the indices that the snapshot keeps
		return testing.AllocsPerRun(20, func() { diff(in) }) -
			testing.AllocsPerRun(20, func() {
				if err := listing.Validate(); err != nil {
					t.Fatal(err)
				}
			})
	}
	// The race detector makes a map allocate once more or less now and then.
	if few, many := plan(100), plan(20_000); many > few+3 {
		t.Errorf("a plan of 100 unchanged statuses allocates %v times, one of 20,000 %v times", few, many)
	}
}
