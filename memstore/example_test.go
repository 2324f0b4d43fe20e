package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
)

// A change is made from a Snapshot, and refused if the store has moved on.
func Example() {
	ctx := context.Background()
	var store memstore.Store

	before, err := store.Load(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	paid := statuslink.Status{
		ID: "st_1", Key: "paid", Name: "Paid", Outcome: crm.Won,
		Links: []statuslink.Link{{Ref: crm.Ref{Source: "umnico", ID: "710204"}}},
	}
	after, err := store.Apply(ctx, statuslink.Changes{
		Version: before.Version(),
		Create:  []statuslink.Status{paid},
		Note:    statuslink.Note{Who: "anna", Why: "create"},
	})
	if err != nil {
		log.Fatal(err)
	}
	status, _ := after.ByRef(crm.Ref{Source: "umnico", ID: "710204"})
	fmt.Printf("version %d: %s is %s\n", after.Version(), status.Key, status.Outcome)

	_, err = store.Apply(ctx, statuslink.Changes{Version: before.Version(), Remove: []string{"st_1"}})
	fmt.Println(errors.Is(err, statuslink.ErrStale))

	history, err := store.History(ctx, 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, record := range history {
		fmt.Printf("version %d: %s by %s\n", record.Version, record.Note.Why, record.Note.Who)
	}
	// Output:
	// version 1: paid is won
	// true
	// version 1: create by anna
}

// A watcher waits for changes, whoever makes them.
func ExampleStore_Changed() {
	ctx := context.Background()
	var store memstore.Store
	seen, err := store.Load(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		_, err := store.Apply(ctx, statuslink.Changes{
			Create: []statuslink.Status{{ID: "st_1", Name: "First contact"}},
		})
		if err != nil {
			log.Fatal(err)
		}
	}()
	<-store.Changed(seen)
	seen, err = store.Load(ctx, seen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(seen.At(0).Name)
	// Output: First contact
}
