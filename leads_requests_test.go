package statuslink_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/memstore"
)

// Ten thousand deals in two pipelines, under the portal's limits: their pipelines are
// read 2,500 at once, they are moved fifty at once, and it takes no longer than the
// limits do.
func TestSetManyTakesFewRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		portal := bitrix24test.New()
		client, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{
			HTTPClient: portal.HTTPClient(), Limiter: bitrix24.NewStandardLimiter(), Scopes: []string{bitrix24.Deals},
		})
		must(t, err)
		catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
		must(t, err)
		must(t, catalog.Ensure(t.Context(), statuslink.Definition{Key: "paid", Name: "Оплачено"}))
		for _, ref := range []crm.Ref{{Scope: "DEAL_STAGE", ID: "WON"}, {Scope: "DEAL_STAGE_5", ID: "C5:WON"}} {
			ref.Source = bitrix24.DefaultSource
			_, err := catalog.Link(t.Context(), "paid", ref)
			must(t, err)
		}
		leads, err := statuslink.NewLeads(catalog, nil, client)
		must(t, err)
		var wishes []statuslink.Wish
		for _, like := range []bitrix24test.Item{{TypeID: 2, Stage: "NEW"}, {TypeID: 2, Category: 5, Stage: "C5:NEW"}} {
			for _, item := range portal.AddItems(5000, like) {
				lead := crm.LeadRef{Source: bitrix24.DefaultSource, Kind: bitrix24.KindDeal, ID: strconv.Itoa(item.ID)}
				wishes = append(wishes, statuslink.Wish{Lead: lead, Status: "paid"})
			}
		}
		portal.SetLatency(40*time.Millisecond, 0)
		portal.SetRateLimit(2, 50)
		start := time.Now()
		for _, result := range many(t, leads, wishes) {
			if result.Err != nil {
				t.Fatal(result.Err)
			}
		}
		// 200 batches of moves and 4 of readings, of which 50 find room in the bucket and
		// the others wait for the drain: 77 seconds.
		if n, took := portal.TotalRequests(), time.Since(start); n != 204 || took > 79*time.Second || portal.RateLimited() > 0 {
			t.Errorf("%d requests in %v, %d refused", n, took, portal.RateLimited())
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
