package statuslink_test

import (
	"context"
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/memstore"
)

// Both the bot's people and the CRM's renamed the same status. By default the
// bot's name is kept; here the CRM wins. Either way the conflict is reported.
func ExamplePolicy() {
	ctx := context.Background()
	account := crmfake.New("umnico", crmfake.Listing("umnico", crm.Scope{}, crmfake.Status("710231", "Paid")))
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	check(catalog.Ensure(ctx, statuslink.Definition{Key: "paid", Name: "Paid"}))
	syncer, err := statuslink.NewSyncer(catalog, &statuslink.SyncOptions{
		Policy: statuslink.Policy{Conflict: statuslink.CRMWins, LinkOnly: true},
	}, account)
	check(err)
	_, err = syncer.Sync(ctx)
	check(err)

	_, err = catalog.Edit(ctx, "paid", func(s *statuslink.Status) { s.Name = "Money came" })
	check(err)
	account.Show(crmfake.Listing("umnico", crm.Scope{},
		crmfake.Status("710231", "Invoice settled"), crmfake.Status("710299", "Spam")))
	report, err := syncer.Sync(ctx)
	check(err)
	for _, finding := range report.Plan.Findings() {
		fmt.Println(finding.Kind, finding.Ref.ID, finding.Bot, "/", finding.CRM)
	}
	paid, err := catalog.Get(ctx, "paid")
	check(err)
	fmt.Println(paid.Name)
	// Output:
	// conflict 710231 Money came / Invoice settled
	// unlinked 710299  / Spam
	// Invoice settled
}
