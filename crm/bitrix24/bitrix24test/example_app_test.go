package bitrix24test_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func ExamplePortal_Install() {
	portal := bitrix24test.New()
	tokens := portal.Install(bitrix24test.App{})
	call := func(address, form string) {
		response, err := portal.HTTPClient().Post(address, "application/x-www-form-urlencoded", strings.NewReader(form)) //nolint:noctx // an example
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = response.Body.Close()
		fmt.Println(response.Status)
	}
	call(tokens.ClientEndpoint+"profile", "auth="+tokens.AccessToken)
	portal.ExpireTokens()
	call(tokens.ClientEndpoint+"profile", "auth="+tokens.AccessToken)
	call(portal.TokenURL(), "grant_type=refresh_token&client_id="+bitrix24test.DefaultClientID+
		"&client_secret="+bitrix24test.DefaultClientSecret+"&refresh_token="+tokens.RefreshToken)
	fmt.Println(portal.Refreshes(), "refresh")

	// Output:
	// 200 OK
	// 401 Unauthorized
	// 200 OK
	// 1 refresh
}

func ExamplePortal_DeliverTo() {
	portal := bitrix24test.New()
	portal.AddWebhookHandler("https://bot.example.com/events", "made-up-token", "ONCRMLEADADD", "ONCRMLEADUPDATE")
	lead := portal.AddLead("NEW")
	if err := portal.MoveItem(lead.TypeID, lead.ID, 0, "IN_PROCESS"); err != nil {
		fmt.Println(err)
	}

	events := portal.Events()
	portal.SetEvents(events[1], events[0], events[0]) // late, and twice

	bot := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.PostFormValue("event"), r.PostFormValue("data[FIELDS][ID]"))
	})
	fmt.Println(portal.DeliverTo(context.Background(), bot))

	// Output:
	// ONCRMLEADUPDATE 1
	// ONCRMLEADADD 1
	// ONCRMLEADADD 1
	// 3 0
}
