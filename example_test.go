package statuslink_test

import (
	"context"
	"fmt"
	"log"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
	"github.com/statuslink/statuslink/memstore"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// The program of the README.
func Example() {
	ctx := context.Background()

	// A fake Umnico account. For a real one: umnico.New(os.Getenv("UMNICO_TOKEN"), nil)
	account := umnicotest.NewServer()
	defer account.Close()
	account.SetStatuses(
		umnicotest.Status{ID: 710201, Order: 1, Name: "Первичное касание", Color: "#9E9E9E"},
		umnicotest.Status{ID: 710205, Order: 2, Name: "В работе", Color: "#2F80ED"},
		umnicotest.Status{ID: 710231, Order: 3, Name: "Оплачено ✅", Color: "#27AE60"},
	)
	client, err := umnico.New(account.Token(), &umnico.Options{BaseURL: account.URL})
	check(err)

	// The bot's own statuses. Code names them by key, whatever people call them.
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	check(catalog.Ensure(ctx,
		statuslink.Definition{Key: "first-contact", Name: "Первичное касание"},
		statuslink.Definition{Key: "paid", Name: "Paid", Aliases: []string{"Оплачено ✅"}},
	))

	// See what would change, then confirm. Until then nothing has happened.
	syncer, err := statuslink.NewSyncer(catalog, nil, client)
	check(err)
	plan, err := syncer.Plan(ctx)
	check(err)
	fmt.Println(plan)
	_, err = syncer.Apply(ctx, plan)
	check(err)

	statuses, err := catalog.Load(ctx)
	check(err)
	fmt.Println(statuses)
	// Output:
	// umnico (Leads)
	//   scope                              account "" -> "100500": the CRM names the account
	//   scope                              the list is read for the first time
	//   link    Первичное касание  710201  color "" -> "#9E9E9E": they have the same name
	//   create  В работе           710205  no status has this name
	//   link    Paid               710231  color "" -> "#27AE60": "Оплачено ✅" is an alias of it
	// Findings
	//      differs  umnico  710231  name "Paid" in the bot, "Оплачено ✅" in the CRM; the bot's is kept
	// 5 operations: 2 scope, 2 link, 1 create
	//
	// KEY            NAME               COLOR    OUTCOME  EXTERNAL IDS
	// first-contact  Первичное касание  #9E9E9E           umnico/710201
	//                В работе           #2F80ED           umnico/710205
	// paid           Paid               #27AE60           umnico/710231
}
