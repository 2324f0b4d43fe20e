package statuslink_test

import (
	"context"
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/memstore"
)

// When a list suddenly lacks most of its statuses, nothing is concluded from
// it. A person looks at the CRM and releases the scope.
func ExamplePlan_Release() {
	ctx := context.Background()
	scope := crm.Scope{ID: "DEAL_STAGE", Name: "Deals"}
	portal := crmfake.New("bitrix24", crmfake.Listing("bitrix24", scope,
		crmfake.Status("NEW", "New"), crmfake.Status("WORK", "In work"), crmfake.Status("BILL", "Billed"), crmfake.Status("WON", "Paid")))
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	syncer, err := statuslink.NewSyncer(catalog, nil, portal)
	check(err)
	_, err = syncer.Sync(ctx)
	check(err)

	portal.Show(crmfake.Listing("bitrix24", scope, crmfake.Status("NEW", "New")))
	plan, err := syncer.Plan(ctx)
	check(err)
	fmt.Println(plan)

	released := plan.Release(plan.Held()...)
	fmt.Println(released)
	_, err = syncer.Apply(ctx, released)
	check(err)
	// Output:
	// Findings
	//   !  held  bitrix24/DEAL_STAGE  3 of 4 linked statuses are absent; nothing is concluded here until you release it after a look at the CRM
	// Nothing to do.
	//
	// bitrix24/DEAL_STAGE (Deals)
	//   missing  In work  WORK  the CRM no longer lists it
	//   missing  Billed   BILL  the CRM no longer lists it
	//   missing  Paid     WON   the CRM no longer lists it
	// 3 operations: 3 missing
}
