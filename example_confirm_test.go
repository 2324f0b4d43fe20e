package statuslink_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/memstore"
)

// A web page shows a plan and keeps its token in the button. What was shown is
// what is done, or nothing.
func ExampleSyncer_Confirm() {
	ctx := context.Background()
	account := crmfake.New("umnico", crmfake.Listing("umnico", crm.Scope{},
		crmfake.Status("710201", "First contact"), crmfake.Status("710231", "Paid")))
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	syncer, err := statuslink.NewSyncer(catalog, nil, account)
	check(err)

	plan, err := syncer.Plan(ctx)
	check(err)
	fmt.Println(plan)
	button := plan.Token()

	report, err := syncer.Confirm(ctx, button)
	check(err)
	fmt.Println("applied:", report.Applied)

	report, err = syncer.Confirm(ctx, button) // a second click
	check(err)
	fmt.Println("applied:", report.Applied, "already:", report.Already)

	// Between showing and confirming, the CRM changes.
	account.Show(crmfake.Listing("umnico", crm.Scope{},
		crmfake.Status("710201", "First contact"), crmfake.Status("710231", "Paid in full")))
	plan, err = syncer.Plan(ctx)
	check(err)
	account.Show(crmfake.Listing("umnico", crm.Scope{},
		crmfake.Status("710201", "First contact"), crmfake.Status("710231", "Refunded")))
	_, err = syncer.Confirm(ctx, plan.Token())
	fmt.Println(errors.Is(err, statuslink.ErrStale), err)
	// Output:
	// umnico
	//   scope                          the list is read for the first time
	//   create  First contact  710201  no status has this name
	//   create  Paid           710231  no status has this name
	// 3 operations: 1 scope, 2 create
	//
	// applied: true
	// applied: false already: true
	// true statuslink: stale: the plan would now do something else than was shown; look again and decide anew
}
