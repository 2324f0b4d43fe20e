package statuslink_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
)

// The first line of a bot creates the statuses that its code needs. Whatever
// people call them later, the code finds them by key.
func ExampleCatalog_Ensure() {
	ctx := context.Background()
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	check(catalog.Ensure(ctx,
		statuslink.Definition{Key: "new", Name: "First contact"},
		statuslink.Definition{Key: "paid", Name: "Paid", Outcome: crm.Won, Aliases: []string{"Оплачено"}},
	))
	_, err = catalog.Edit(ctx, "paid", func(s *statuslink.Status) { s.Name = "Money came" })
	check(err)

	paid, err := catalog.Get(ctx, "paid")
	check(err)
	fmt.Println(paid.Name)
	_, err = catalog.Get(ctx, "lost")
	fmt.Println(errors.Is(err, statuslink.ErrNotFound), err)
	// Output:
	// Money came
	// true statuslink: "lost": not found: no status has this key or ID; the keys are "new" and "paid"
}
