package statuslink_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"sync"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
	"github.com/statuslink/statuslink/memstore"
)

func ExampleLeads_Follow() {
	ctx, cancel := context.WithCancel(context.Background())
	check := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	account := umnicotest.NewServer() // a fake Umnico
	defer account.Close()
	client, err := umnico.New(account.Token(), &umnico.Options{BaseURL: account.URL})
	check(err)
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	check(catalog.Ensure(ctx, statuslink.Definition{Key: "first-contact", Name: "Первичное касание"},
		statuslink.Definition{Key: "paid", Name: "Paid", Aliases: []string{"Оплачено ✅"}}))
	syncer, err := statuslink.NewSyncer(catalog, nil, client)
	check(err)
	_, err = syncer.Sync(ctx)
	check(err)

	leads, err := statuslink.NewLeads(catalog, nil, client)
	check(err)
	events, err := umnico.NewEvents(umnico.EventOptions{Secret: "made-up-secret-of-the-hook"})
	check(err)
	server := httptest.NewServer(events) // the bot's own web server
	defer server.Close()
	var bot sync.WaitGroup
	told := make(chan bool)
	bot.Go(func() {
		fmt.Println(leads.Follow(ctx, func(_ context.Context, change statuslink.LeadChange) error {
			switch change.Status.Key {
			case "paid":
				fmt.Printf("lead %s was %q and has paid\n", change.Lead.Ref.ID, change.PreviousStatus.Name)
			default:
				fmt.Printf("lead %s: %s\n", change.Lead.Ref.ID, change.Status.Name)
			}
			told <- true
			return nil
		}, events))
	})

	// This is what happens in Umnico.
	account.AddWebhook(umnicotest.Webhook{URL: server.URL + "/hooks/umnico/made-up-secret-of-the-hook"})
	lead := account.AddLead(umnicotest.Lead{})
	for sent := 0; sent == 0; { // until Follow has begun
		waiting := account.Events()
		if sent, _ = account.Deliver(ctx, account.HTTPClient()); sent == 0 {
			account.SetEvents(waiting...)
			account.AddWebhook(account.Webhooks()[0])
		}
	}
	<-told
	check(account.MoveLead(lead.ID, 710231))
	account.Deliver(ctx, account.HTTPClient())
	<-told
	cancel()
	bot.Wait()

	// Output:
	// lead 70010001: Первичное касание
	// lead 70010001 was "Первичное касание" and has paid
	// context canceled
}

func ExampleLeads_CatchUp() {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	portal := bitrix24test.NewServer() // a fake Bitrix24
	defer portal.Close()
	client, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{Scopes: []string{bitrix24.Deals}})
	check(err)
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	syncer, err := statuslink.NewSyncer(catalog, nil, client)
	check(err)
	_, err = syncer.Sync(ctx)
	check(err)
	leads, err := statuslink.NewLeads(catalog, nil, client)
	check(err)
	handle := func(_ context.Context, change statuslink.LeadChange) error {
		fmt.Printf("%s %s: %s\n", change.Lead.Ref.Kind, change.Lead.Ref.ID, change.Status.Name)
		return nil
	}

	position, err := leads.CatchUp(ctx, "bitrix24", bitrix24.KindDeal, "", handle)
	check(err)
	// The bot is away. Meanwhile:
	deal := portal.AddDeal(0, "NEW")
	check(portal.MoveItem(2, deal.ID, 0, "EXECUTING"))
	check(portal.MoveItem(2, deal.ID, 0, "WON"))
	// It is back, follows again, and catches up.
	position, err = leads.CatchUp(ctx, "bitrix24", bitrix24.KindDeal, position, handle)
	check(err)
	_, err = leads.CatchUp(ctx, "bitrix24", bitrix24.KindDeal, position, handle) // once more
	check(err)

	// Output:
	// deal 1: Delivered
}
