package statuslink_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
)

// Removing takes two steps: a person sees what would happen, then confirms it.
// If something moved in between, nothing is removed.
func ExampleCatalog_Remove() {
	ctx := context.Background()
	leads := 12
	catalog, err := statuslink.NewCatalog(new(memstore.Store), &statuslink.Options{
		InUse: func(context.Context, statuslink.Status) ([]string, error) {
			return []string{fmt.Sprintf("%d leads", leads)}, nil
		},
	})
	check(err)
	check(catalog.Ensure(ctx,
		statuslink.Definition{Key: "new", Name: "First contact"},
		statuslink.Definition{Key: "spam", Name: "Spam"},
	))
	_, err = catalog.Link(ctx, "spam", crm.Ref{Source: "umnico", ID: "710299"})
	check(err)

	removal, err := catalog.PreviewRemove(ctx, "spam")
	check(err)
	fmt.Println(removal)

	leads = 13
	err = catalog.Remove(ctx, removal)
	fmt.Println(errors.Is(err, statuslink.ErrStale), err)

	removal, err = catalog.PreviewRemove(ctx, "spam")
	check(err)
	check(catalog.Remove(ctx, removal))
	snapshot, err := catalog.Snapshot(ctx)
	check(err)
	fmt.Println(snapshot.Len(), "left, ignored:", snapshot.IsIgnored(crm.Ref{Source: "umnico", ID: "710299"}))
	// Output:
	// remove "Spam"; ignore from then on umnico/710299; in use by 12 leads
	// true statuslink: stale: "Spam" is now in use by: 13 leads; look again and decide anew
	// 1 left, ignored: true
}
