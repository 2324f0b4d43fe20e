package statuslink_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
	"github.com/statuslink/statuslink/memstore"
)

// TestNothingIsLeftOfLeads ends all that Leads do in the midst of it, over connections
// to both CRMs of which some requests do not return by themselves. Changes that are
// under way are waited for, which is why a request may not take long.
func TestNothingIsLeftOfLeads(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	portal, account := bitrix24test.New(), umnicotest.New()
	var stuck atomic.Bool
	stick := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if stuck.Load() {
				_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the client went
				<-r.Context().Done()
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	portalServer, accountServer := httptest.NewServer(stick(portal)), httptest.NewServer(stick(account))
	defer portalServer.Close()
	defer accountServer.Close()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	deals, err := bitrix24.New(portalServer.URL+portal.WebhookPath(), &bitrix24.Options{
		HTTPClient: &http.Client{Transport: transport}, Scopes: []string{bitrix24.Everything}, Limiter: bitrix24.NewNoLimiter(), Timeout: time.Second,
	})
	must(err)
	chats, err := umnico.New(account.Token(), &umnico.Options{
		BaseURL: accountServer.URL, HTTPClient: &http.Client{Transport: transport}, Rate: -1, Timeout: time.Second,
	})
	must(err)
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	must(err)
	syncer, err := statuslink.NewSyncer(catalog, nil, deals, chats)
	must(err)
	_, err = syncer.Sync(t.Context())
	must(err)
	leads, err := statuslink.NewLeads(catalog, nil, deals, chats)
	must(err)
	// Each event's lead is read before it is handed over, and again where it is told.
	dealEvents, err := bitrix24.NewEvents(bitrix24.EventOptions{Tokens: []string{hookToken}, ReadLeads: deals.ReadLeads})
	must(err)
	chatEvents, err := umnico.NewEvents(umnico.EventOptions{Secret: hookSecret})
	must(err)
	portal.AddWebhookHandler("https://bot.example.com/hooks/bitrix24", hookToken, bitrix24.EventNames(bitrix24.KindDeal)...)
	account.AddWebhook(umnicotest.Webhook{URL: "https://bot.example.com/hooks/umnico/" + hookSecret})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan struct{}, 1000)
	handle := func(_ context.Context, change statuslink.LeadChange) error {
		told <- struct{}{}
		if change.Lead.Ref.ID == "1" {
			return errors.New("again, please")
		}
		return nil
	}
	following := make(chan error, 1)
	go func() { following <- leads.Follow(ctx, handle, dealEvents, chatEvents) }()

	var wishes []statuslink.Wish
	for _, item := range portal.AddItems(120, bitrix24test.Item{TypeID: 2}) {
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: "bitrix24", Kind: bitrix24.KindDeal, ID: strconv.Itoa(item.ID)}})
	}
	for _, chat := range account.AddLeads(30, umnicotest.Lead{}) {
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: "umnico", ID: strconv.Itoa(chat.ID)}})
	}
	snapshot, err := catalog.Snapshot(ctx)
	must(err)
	for i := range wishes {
		for status := range snapshot.All() {
			if link, ok := status.Target(wishes[i].Lead.Source, map[string]string{"bitrix24": "DEAL_STAGE"}[wishes[i].Lead.Source]); ok && !link.Missing() {
				wishes[i].Status = status.ID // the last one
			}
		}
	}
	for !dealEvents.Accepting() || !chatEvents.Accepting() {
		time.Sleep(time.Millisecond)
	}
	portal.DeliverTo(ctx, dealEvents)
	account.DeliverTo(ctx, chatEvents)
	for range 20 {
		<-told
	}

	stuck.Store(true)
	ends := make(chan error, 3)
	go func() {
		states := make(map[crm.MoveState]int)
		for result := range leads.SetMany(ctx, slices.Values(wishes), nil) {
			states[result.State]++
		}
		if states[crm.MoveDone] > 0 || states[crm.MoveNotSent]+states[crm.MoveUnknown]+states[crm.MoveRefused] != len(wishes) {
			t.Errorf("%d wishes came to %v", len(wishes), states)
		}
		ends <- ctx.Err()
	}()
	go func() {
		_, err := leads.CatchUp(ctx, "bitrix24", bitrix24.KindDeal, "0", handle)
		ends <- err
	}()
	go func() { ends <- leads.Reconcile(ctx, "umnico", "", handle) }()
	wait := time.NewTimer(200 * time.Millisecond) // for the requests to be under way
	defer wait.Stop()
	<-wait.C
	cancel()
	for range 3 {
		if err := <-ends; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	}
	if err := <-following; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow returned %v", err)
	}
}
