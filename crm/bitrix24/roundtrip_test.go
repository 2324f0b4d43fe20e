package bitrix24_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// A status that is changed through the client comes back through the handler. The
// test of the other CRM reads alike.
func TestChangeComesBackAsAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		portal := bitrix24test.New()
		client := mustConnect(t, portal, bitrix24.Options{})
		events, err := bitrix24.NewEvents(bitrix24.EventOptions{Tokens: []string{"made-up-application-token"}, ReadLeads: client.ReadLeads})
		if err != nil {
			t.Fatal(err)
		}
		added := portal.AddLead("NEW")
		portal.AddWebhookHandler("https://bot.example.com/hooks/bitrix24", "made-up-application-token", bitrix24.EventNames(bitrix24.KindLead)...)
		lead := crm.LeadRef{Source: bitrix24.DefaultSource, Kind: bitrix24.KindLead, ID: strconv.Itoa(added.ID)}
		to := crm.Ref{Source: bitrix24.DefaultSource, Scope: bitrix24.Leads, ID: "IN_PROCESS"}

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
		if delivered, failed := portal.DeliverTo(t.Context(), events); delivered != 1 || failed != 0 {
			t.Fatalf("%d events were delivered, %d failed", delivered, failed)
		}
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		if len(got) != 1 || got[0].Kind != crm.EventLeadChanged || got[0].Lead != lead || got[0].Status != to {
			t.Errorf("events %+v", got)
		}
	})
}
