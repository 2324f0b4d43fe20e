package statuslink_test

import (
	"context"
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
)

// A person links what no name tells: three stages of the CRM are one status of
// the bot. The first one is where leads are moved to, all are recognised.
func ExampleCatalog_Link() {
	ctx := statuslink.WithActor(context.Background(), "anna")
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	check(catalog.Ensure(ctx, statuslink.Definition{Key: "no-answer", Name: "No answer"}))
	for _, id := range []string{"NA1", "NA2", "NA3"} {
		_, err := catalog.Link(ctx, "no-answer", crm.Ref{Source: "bitrix24", Scope: "STATUS", ID: id})
		check(err)
	}

	snapshot, err := catalog.Snapshot(ctx)
	check(err)
	status, ok := snapshot.ByRef(crm.Ref{Source: "bitrix24", Scope: "STATUS", ID: "NA3"})
	fmt.Println(ok, status.Key)
	target, _ := status.Target("bitrix24", "STATUS")
	fmt.Println("moves go to", target.Ref)
	// Output:
	// true no-answer
	// moves go to bitrix24/STATUS/NA1
}
