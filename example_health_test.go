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

// A schedule synchronises, and a page shows how the sources are.
func ExampleSyncer_Health() {
	ctx := context.Background()
	umnico := crmfake.New("umnico", crmfake.Listing("umnico", crm.Scope{}, crmfake.Status("710201", "First contact")))
	portal := crmfake.New("bitrix24")
	portal.Fail(crm.ErrUnauthorized) // someone revoked the webhook
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	syncer, err := statuslink.NewSyncer(catalog, nil, umnico, portal)
	check(err)

	for range 3 {
		report, err := syncer.Sync(ctx)
		if report == nil {
			fmt.Println("nothing could be read:", err)
			continue
		}
		fmt.Println("applied:", report.Applied, "error:", err)
	}
	for _, health := range syncer.Health() {
		fmt.Println(health.Source, "failures:", health.Failures, "replace the token:", errors.Is(health.LastError, crm.ErrUnauthorized))
	}
	// Output:
	// applied: true error: bitrix24: list statuses: unauthorized
	// applied: false error: bitrix24: list statuses: unauthorized
	// applied: false error: bitrix24: list statuses: unauthorized
	// umnico failures: 0 replace the token: false
	// bitrix24 failures: 3 replace the token: true
}
