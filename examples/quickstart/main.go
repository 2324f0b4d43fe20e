// Quickstart shows the whole of a synchronisation, offline: a bot with two
// statuses meets a fake Umnico account, sees what would change, confirms, and
// finds the external IDs on its statuses. Then people rename, delete, reorder
// and re-create statuses in the CRM, and the second plan says what that means
// for the bot.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/statuslink/statuslink"
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
	// A fake Umnico on loopback; examples/umnico talks to a real one.
	server := umnicotest.NewServer()
	defer server.Close()
	client, err := umnico.New(server.Token(), &umnico.Options{BaseURL: server.URL})
	if err != nil {
		return err
	}

	// The statuses that the bot's code needs. Code names them by key.
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	if err != nil {
		return err
	}
	err = catalog.Ensure(ctx,
		statuslink.Definition{Key: "first-contact", Name: "Первичное касание"},
		statuslink.Definition{Key: "paid", Name: "Paid", Aliases: []string{"Оплачено ✅"}},
	)
	if err != nil {
		return err
	}

	// See what would change, then confirm.
	syncer, err := statuslink.NewSyncer(catalog, nil, client)
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

	// Meanwhile, people work on the list in the CRM.
	if err := changeCRM(server); err != nil {
		return err
	}
	plan, err = syncer.Plan(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n== The second plan, after people worked on the CRM's list\n%v", plan)
	return nil
}

// changeCRM does to the CRM's list what people do.
func changeCRM(server *umnicotest.Server) error {
	const firstContact, inWork, bill, vip, paid, spam = 710201, 710205, 710209, 710218, 710231, 710240
	if err := server.Rename(firstContact, "Новый клиент"); err != nil {
		return err
	}
	if err := server.Delete(spam); err != nil {
		return err
	}
	if err := server.Reorder(firstContact, paid, inWork); err != nil {
		return err
	}
	if _, err := server.Recreate(bill); err != nil { // the same name under a new ID
		return err
	}
	server.Add("Возврат")
	return server.Recolor(vip, "#FFD700")
}
