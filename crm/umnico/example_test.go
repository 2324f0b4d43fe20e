package umnico_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"slices"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func Example() {
	ctx := context.Background()
	server := umnicotest.NewServer() // stands for https://api.umnico.com
	defer server.Close()

	client, err := umnico.New(server.Token(), &umnico.Options{BaseURL: server.URL})
	if err != nil {
		log.Fatal(err) //nolint:gocritic // an example ends with its process
	}
	listing, err := client.ListStatuses(ctx)
	if err != nil {
		log.Fatal(err)
	}
	slices.SortFunc(listing.Statuses, func(a, b crm.Status) int { return cmp.Compare(a.Order, b.Order) })
	for _, status := range listing.Statuses[:3] {
		fmt.Println(status.Ref, status.Name, status.Color)
	}

	server.SetToken("a new one")
	_, err = client.ListStatuses(ctx)
	fmt.Println(errors.Is(err, crm.ErrUnauthorized))

	// Output:
	// umnico/710201 Первичное касание #9E9E9E
	// umnico/710205 В работе #2F80ED
	// umnico/710209 Счёт «Ромашка» выставлен #F2C94C
	// true
}

func ExampleClient_MoveLead() {
	ctx := context.Background()
	server := umnicotest.NewServer() // stands for https://api.umnico.com
	defer server.Close()
	server.AddLead(umnicotest.Lead{ID: 70010001, StatusID: 710205})

	client, err := umnico.New(server.Token(), &umnico.Options{BaseURL: server.URL})
	if err != nil {
		log.Fatal(err) //nolint:gocritic // an example ends with its process
	}
	if _, err := client.Check(ctx); err != nil {
		log.Fatal(err)
	}
	paid := crm.Ref{Source: client.Source(), ID: "710231"}
	lead, err := client.MoveLead(ctx, crm.Move{Lead: crm.LeadRef{Source: client.Source(), ID: "70010001"}, To: paid})
	fmt.Println(lead.Ref, lead.Status, err)

	for lead, err := range client.Leads(ctx, umnico.Filter{Section: umnico.SectionInbox, Statuses: []crm.Ref{paid}}) {
		fmt.Println(lead.Ref, err)
	}

	// At the start of the bot, and now and then.
	kept, err := client.Keep(ctx, "https://bot.example.com/umnico/5f0c1d7be2a94c63", "statuses")
	fmt.Println(kept.Registered, kept.Enabled, err)

	// Output:
	// umnico/70010001 umnico/710231 <nil>
	// umnico/70010001 <nil>
	// true false <nil>
}
