package bitrix24_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/crmtest"
)

func TestEventsKeepTheContract(t *testing.T) {
	t.Parallel()
	crmtest.RunEvents(t, func(t *testing.T) crmtest.EventHarness {
		message := func(event, token string) *http.Request {
			return eventRequest(t, fmt.Sprintf("event=%s&ts=%d&auth%%5Bapplication_token%%5D=%s", event, time.Now().Unix(), token))
		}
		change := func(lead crm.LeadRef, token string) *http.Request {
			return message("ONCRMDEALUPDATE&data%5BFIELDS%5D%5BID%5D="+lead.ID, token)
		}
		leads := make([]crm.LeadRef, 5)
		for i := range leads {
			leads[i] = crm.LeadRef{Source: bitrix24.DefaultSource, Kind: bitrix24.KindDeal, ID: fmt.Sprint(880 + i)}
		}
		return crmtest.EventHarness{
			Source: func() crm.EventSource {
				return eventSource(t, bitrix24.EventOptions{Tokens: []string{eventAppToken}, QueueSize: 10})
			},
			Queue:   10,
			Leads:   leads,
			Change:  func(lead crm.LeadRef) *http.Request { return change(lead, eventAppToken) },
			Foreign: func() *http.Request { return change(leads[0], eventHookToken) },
			Secrets: []string{eventAppToken},
			Other:   func() *http.Request { return message("ONAPPTEST", eventAppToken) },
		}
	})
}
