package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
	"github.com/statuslink/statuslink/memstore"
)

// connected returns the leads of an account of Umnico and a portal of Bitrix24, with
// whose lists of statuses the bot's was synchronised.
func connected(account *umnicotest.Umnico, portal *bitrix24test.Portal, statuses ...statuslink.Definition) *statuslink.Leads {
	ctx := context.Background()
	account.SetStatuses(
		umnicotest.Status{ID: 710201, Name: "Первичное касание", Order: 1},
		umnicotest.Status{ID: 710205, Name: "В работе", Order: 2},
	)
	first, err := umnico.New(account.Token(), &umnico.Options{HTTPClient: &http.Client{Transport: account.Transport()}})
	check(err)
	second, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{HTTPClient: portal.HTTPClient(), Limiter: bitrix24.NewNoLimiter()})
	check(err)
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	check(err)
	check(catalog.Ensure(ctx, statuses...))
	syncer, err := statuslink.NewSyncer(catalog, nil, first, second)
	check(err)
	_, err = syncer.Sync(ctx)
	check(err)
	leads, err := statuslink.NewLeads(catalog, nil, first, second)
	check(err)
	return leads
}

// A script of the bot puts a client into a status, whatever the CRM calls it.
func ExampleLeads_Set() {
	ctx := context.Background()
	account, portal := umnicotest.New(), bitrix24test.New()
	leads := connected(account, portal,
		statuslink.Definition{Key: "in-work", Name: "В работе"},
		statuslink.Definition{Key: "vip", Name: "VIP"})
	account.AddLead(umnicotest.Lead{ID: 7001, StatusID: 710201})
	lead := crm.LeadRef{Source: "umnico", ID: "7001"}

	set, err := leads.Set(ctx, lead, "in-work")
	check(err)
	fmt.Println(set.From, "->", set.To, set.ToStatus.Key)

	now, err := leads.Read(ctx, lead)
	check(err)
	fmt.Println(now.Status.Name)

	_, err = leads.Set(ctx, lead, "vip")
	fmt.Println(errors.Is(err, statuslink.ErrNotLinked)) // its text says what to do
	// Output:
	// umnico/710201 -> umnico/710205 in-work
	// В работе
	// true
}

// Many leads of several CRMs are moved at once, with as few requests as each allows.
func ExampleLeads_SetMany() {
	ctx := context.Background()
	account, portal := umnicotest.New(), bitrix24test.New()
	leads := connected(account, portal, statuslink.Definition{Key: "in-work", Name: "В работе"})
	account.AddLead(umnicotest.Lead{ID: 7001, StatusID: 710201})
	portal.AddLead("NEW")
	portal.AddLead("PROCESSED")

	wishes := []statuslink.Wish{
		{Lead: crm.LeadRef{Source: "umnico", ID: "7001"}, Status: "in-work"},
		{Lead: crm.LeadRef{Source: "bitrix24", Kind: bitrix24.KindLead, ID: "1"}, Status: "in-work"},
		{Lead: crm.LeadRef{Source: "bitrix24", Kind: bitrix24.KindLead, ID: "2"}, Status: "in-work"},
		{Lead: crm.LeadRef{Source: "bitrix24", Kind: bitrix24.KindLead, ID: "2"}, Status: "nowhere"},
	}
	progress := func(r crm.MoveReport) {
		if r.Final {
			fmt.Println("done:", r.Done, "refused:", r.Refused)
		}
	}
	for result := range leads.SetMany(ctx, slices.Values(wishes), progress) {
		fmt.Println(result.Wish.Lead, result.Set.ToStatus.Key, result.Err)
	}
	// Output:
	// umnico/7001 in-work <nil>
	// bitrix24/lead/1 in-work <nil>
	// bitrix24/lead/2 in-work <nil>
	// bitrix24/lead/2  statuslink: set status: lead bitrix24/lead/2: "nowhere": not found: no status has this key or ID; the only key is "in-work"
	// done: 3 refused: 1
}

// The leads in a status are listed over all CRMs.
func ExampleLeads_In() {
	account, portal := umnicotest.New(), bitrix24test.New()
	leads := connected(account, portal, statuslink.Definition{Key: "in-work", Name: "В работе"})
	account.AddLead(umnicotest.Lead{ID: 7001, StatusID: 710205})
	portal.AddLead("NEW")
	portal.AddLead("IN_PROCESS")

	for lead, err := range leads.In(context.Background(), "in-work") {
		check(err)
		fmt.Println(lead.Lead.Ref, lead.Status.Key)
	}
	// Output:
	// umnico/7001 in-work
	// bitrix24/lead/2 in-work
}
