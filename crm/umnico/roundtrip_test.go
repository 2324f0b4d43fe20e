package umnico_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// A status that is changed through the client comes back through the handler. The
// test of the other CRM reads alike.
func TestChangeComesBackAsAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		account := umnicotest.New()
		client, err := umnico.New(account.Token(), &umnico.Options{HTTPClient: account.HTTPClient()})
		if err != nil {
			t.Fatal(err)
		}
		events := mustEvents(t, umnico.EventOptions{AccountID: "100500"})
		if _, err := client.Keep(t.Context(), "https://bot.example.com"+eventPath, "statuses"); err != nil {
			t.Fatal(err)
		}
		added := account.AddLead(umnicotest.Lead{StatusID: 710201})
		account.SetEvents() // that of its creation
		lead := crm.LeadRef{Source: umnico.DefaultSource, ID: strconv.Itoa(added.ID)}
		to := crm.Ref{Source: umnico.DefaultSource, ID: "710205"}

		var got []crm.Event
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- events.Run(ctx, func(_ context.Context, event crm.Event) { got = append(got, event) })
		}()
		synctest.Wait()

		moved, err := client.MoveLead(t.Context(), crm.Move{Lead: lead, To: to})
		if err != nil || moved.Status != to {
			t.Fatalf("moved to %v, %v", moved.Status, err)
		}
		if delivered, failed := account.DeliverTo(t.Context(), events); delivered != 1 || failed != 0 {
			t.Fatalf("%d events were delivered, %d failed", delivered, failed)
		}
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		if len(got) != 1 || got[0].Kind != crm.EventLeadMoved || got[0].Lead != lead || got[0].Status != to {
			t.Errorf("events %+v", got)
		}
	})
}
