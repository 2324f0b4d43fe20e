package crmfake_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
)

func Example() {
	ctx := context.Background()
	client := crmfake.New("umnico", crmfake.Listing("umnico", crm.Scope{},
		crmfake.Status("710201", "First contact"),
		crmfake.Status("710205", "In work"),
	))

	listing, err := client.ListStatuses(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, status := range listing.Statuses {
		fmt.Println(status.Order, status.Ref, status.Name)
	}

	client.Fail(crm.ErrRateLimited)
	_, err = client.ListStatuses(ctx)
	fmt.Println(err, errors.Is(err, crm.ErrRateLimited))
	fmt.Println(client.Calls(), "calls")

	// Output:
	// 1 umnico/710201 First contact
	// 2 umnico/710205 In work
	// umnico: list statuses: rate limited true
	// 2 calls
}

// A pipeline is a scope of its own, as in Bitrix24.
func ExampleJoin() {
	listing := crmfake.Join(
		crmfake.Listing("bitrix24", crm.Scope{ID: "DEAL_STAGE", Name: "Sales"}, crmfake.Status("NEW", "New")),
		crmfake.Listing("bitrix24", crm.Scope{ID: "DEAL_STAGE_5", Name: "Service"}, crmfake.Status("C5:NEW", "New")),
	)
	fmt.Println(listing.Statuses[0].Ref)
	fmt.Println(listing.Statuses[1].Ref)
	fmt.Println(listing.Validate())
	// Output:
	// bitrix24/DEAL_STAGE/NEW
	// bitrix24/DEAL_STAGE_5/C5:NEW
	// <nil>
}
