package statuslink_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
	"github.com/statuslink/statuslink/memstore"
)

const webhookSecret = "made-up-secret-5f0c1d"

// connect returns a client of a fake Umnico account, which has the lead 7001 and tells
// the bot what happens to it.
func connect(ctx context.Context) (*umnicotest.Umnico, *umnico.Client) {
	account := umnicotest.New()
	account.SetStatuses(
		umnicotest.Status{ID: 710201, Order: 1, Name: "Первичное касание"},
		umnicotest.Status{ID: 710205, Order: 2, Name: "В работе"},
		umnicotest.Status{ID: 710207, Order: 3, Name: "Диалог с оператором"},
	)
	account.AddLead(umnicotest.Lead{ID: 7001, StatusID: 710201})
	account.SetWebhookFailures(0) // the webhook stays on
	client, err := umnico.New(account.Token(), &umnico.Options{HTTPClient: account.HTTPClient()})
	check(err)
	_, err = client.Keep(ctx, "https://bot.example.com/hooks/umnico/"+webhookSecret, "bot")
	check(err)
	return account, client
}

// takeOver is what a manager does in Umnico, which tells the bot of it.
func takeOver(account *umnicotest.Umnico, bot http.Handler) {
	check(account.MoveLead(7001, 710207))
	events := account.Events()
	for told := 0; told == 0; told, _ = account.DeliverTo(context.Background(), bot) {
		account.SetEvents(events...) // again, as the bot accepts none before it follows
	}
}

// The second program of the README: the bot moves a client in the CRM, and falls
// silent when a manager does.
func Example_leads() {
	ctx, stop := context.WithCancel(context.Background())
	account, client := connect(ctx) // a fake Umnico account

	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	check(catalog.Ensure(ctx,
		statuslink.Definition{Key: "in-work", Name: "В работе"},
		statuslink.Definition{Key: "operator", Name: "Диалог с оператором"},
	))
	syncer, err := statuslink.NewSyncer(catalog, nil, client)
	check(err)
	_, err = syncer.Sync(ctx)
	check(err)

	leads, err := statuslink.NewLeads(catalog, nil, client)
	check(err)
	set, err := leads.Set(ctx, crm.LeadRef{Source: "umnico", ID: "7001"}, "in-work")
	check(err)
	fmt.Println(set.Lead, set.From, "->", set.To)

	events, err := umnico.NewEvents(umnico.EventOptions{Secret: webhookSecret})
	check(err)
	go takeOver(account, events) // for a real account: mux.Handle("POST /hooks/umnico/{secret}", events)
	err = leads.Follow(ctx, func(_ context.Context, change statuslink.LeadChange) error {
		if change.Status.Key == "operator" {
			fmt.Println(change.Lead.Ref, "is a person's now: the bot is silent")
			stop() // a real bot goes on
		}
		return nil
	}, events)
	fmt.Println(err)
	// Output:
	// umnico/7001 umnico/710201 -> umnico/710205
	// umnico/7001 is a person's now: the bot is silent
	// context canceled
}
