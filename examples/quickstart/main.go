// Quickstart shows the whole of a synchronisation, offline: a bot with three
// statuses meets a fake Umnico account and a fake Bitrix24 portal, sees what
// would change, confirms, and finds the external IDs of both on its statuses.
// Then people rename, delete, reorder and re-create statuses in the CRMs, and the
// second plan says what that means for the bot.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
	"github.com/statuslink/statuslink/memstore"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	// Two fakes, played without a network; examples/umnico and examples/bitrix24
	// talk to real accounts.
	account, portal := umnicotest.New(), bitrix24test.New()
	account.SetStatuses(
		umnicotest.Status{ID: firstContact, Order: 1, Name: "Первичное касание", Color: "#9E9E9E"},
		umnicotest.Status{ID: inWork, Order: 2, Name: "В работе", Color: "#2F80ED"},
		umnicotest.Status{ID: bill, Order: 3, Name: "Счёт «Ромашка» выставлен", Color: "#F2C94C"},
		umnicotest.Status{ID: paid, Order: 4, Name: "Оплачено ✅", Color: "#27AE60"},
		umnicotest.Status{ID: spam, Order: 5, Name: "Спам", Color: "#4F4F4F"},
	)
	first, err := umnico.New(account.Token(), &umnico.Options{HTTPClient: account.HTTPClient()})
	if err != nil {
		return err
	}
	second, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{HTTPClient: portal.HTTPClient()})
	if err != nil {
		return err
	}

	// The statuses that the bot's code needs. Code names them by key.
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	if err != nil {
		return err
	}
	err = catalog.Ensure(ctx,
		statuslink.Definition{Key: "first-contact", Name: "Первичное касание", Aliases: []string{"Новый"}},
		statuslink.Definition{Key: "in-work", Name: "В работе"},
		statuslink.Definition{Key: "paid", Name: "Paid", Aliases: []string{"Оплачено ✅", "Качественный лид"}},
	)
	if err != nil {
		return err
	}

	// See what would change, then confirm.
	syncer, err := statuslink.NewSyncer(catalog, nil, first, second)
	if err != nil {
		return err
	}
	plan, err := syncer.Plan(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "== The first plan\n%v", plan)
	if _, err := syncer.Apply(ctx, plan); err != nil {
		return err
	}
	statuses, err := catalog.Load(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== The bot's statuses, with external IDs\n%v", statuses)

	// Meanwhile, people work on the lists in both CRMs.
	if err := changeCRMs(account, portal); err != nil {
		return err
	}
	plan, err = syncer.Plan(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== The second plan, after people worked on the CRMs' lists\n%v", plan)
	return nil
}

// The statuses of the Umnico account.
const firstContact, inWork, bill, paid, spam = 710201, 710205, 710209, 710231, 710240

// changeCRMs does to the CRMs' lists what people do.
func changeCRMs(account *umnicotest.Umnico, portal *bitrix24test.Portal) error {
	if err := account.Rename(firstContact, "Новый клиент"); err != nil {
		return err
	}
	if err := account.Delete(spam); err != nil {
		return err
	}
	if err := account.Reorder(firstContact, paid, inWork); err != nil {
		return err
	}
	if _, err := account.Recreate(bill); err != nil { // the same name under a new ID
		return err
	}
	account.Add("Возврат")
	if err := portal.Rename("STATUS", "PROCESSED", "Ждём ответа"); err != nil {
		return err
	}
	if err := portal.Delete("STATUS", "JUNK"); err != nil {
		return err
	}
	return portal.Recolor("STATUS", "UC_7TQ2KD", "#FFD700")
}
