package storetest_test

import (
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/memstore"
	"github.com/statuslink/statuslink/storetest"
)

// A store's own test hands the suite a new, empty store for each check.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestStore(t *testing.T)
		storetest.Run(t, func(*testing.T) statuslink.Store { return new(memstore.Store) })
	}
}
