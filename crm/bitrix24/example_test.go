package bitrix24_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func Example() {
	ctx := context.Background()
	portal := bitrix24test.NewServer() // stands for https://example.bitrix24.com
	defer portal.Close()

	client, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{Scopes: []string{bitrix24.Leads, bitrix24.Deals}})
	if err != nil {
		log.Fatal(err) //nolint:gocritic // an example ends with its process
	}
	listing, err := client.ListStatuses(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, scope := range listing.Scopes {
		fmt.Println(scope.ID, scope.Name)
		for _, status := range listing.Statuses {
			if status.Ref.Scope == scope.ID && status.Outcome == crm.Won {
				fmt.Println("  won is", status.Ref.ID, status.Name)
			}
		}
	}
	fmt.Println(portal.TotalRequests(), "request")

	portal.SetSimpleMode(true)
	_, err = client.ListStatuses(ctx)
	fmt.Println(errors.Is(err, crm.ErrNotFound))

	// Output:
	// STATUS Стадии лида
	//   won is CONVERTED Качественный лид
	// DEAL_STAGE_5 Subscriptions
	//   won is C5:WON Subscription paid
	// DEAL_STAGE Общая
	//   won is WON Delivered
	// DEAL_STAGE_2 Замеры
	//   won is C2:WON Сделка успешна
	// 1 request
	// true
}
