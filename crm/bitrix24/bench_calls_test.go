package bitrix24_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/go-resty/resty/v2" //nolint:depguard // what the client is compared with

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// benchItem is what a program of one's own would decode of an item.
type benchItem struct {
	ID         int    `json:"id"`
	CategoryID int    `json:"categoryId"`
	StageID    string `json:"stageId"`
	MovedBy    int    `json:"movedBy"`
	MovedTime  string `json:"movedTime"`
}

// benchPortal returns a portal with n leads, and a transport that plays it from
// memory.
func benchPortal(n int) (*bitrix24test.Portal, []bitrix24test.Item, *http.Client) {
	portal := bitrix24test.New()
	items := portal.AddItems(n, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	return portal, items, &http.Client{Transport: &recorded{portal: portal.Transport(), answers: map[string][]byte{}}}
}

// BenchmarkReadLead reads one lead, with the client and with resty alone. No time
// passes in the network.
func BenchmarkReadLead(b *testing.B) {
	portal, items, transport := benchPortal(1)
	id := items[0].ID
	b.Run("client", func(b *testing.B) {
		client, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{HTTPClient: transport, Limiter: bitrix24.NewNoLimiter()})
		if err != nil {
			b.Fatal(err)
		}
		ref := crm.LeadRef{Source: bitrix24.DefaultSource, ID: strconv.Itoa(id)}
		b.ReportAllocs()
		for b.Loop() {
			if lead, err := client.ReadLead(b.Context(), ref); err != nil || lead.Status.ID != "NEW" {
				b.Fatal(lead, err)
			}
		}
	})
	b.Run("resty", func(b *testing.B) {
		client := resty.NewWithClient(transport).SetBaseURL(portal.Webhook())
		b.ReportAllocs()
		for b.Loop() {
			var said struct {
				Result struct{ Item benchItem }
			}
			_, err := client.R().SetContext(b.Context()).SetResult(&said).
				SetBody(map[string]any{"entityTypeId": 1, "id": id}).Post("crm.item.get")
			if err != nil || said.Result.Item.StageID != "NEW" {
				b.Fatal(said, err)
			}
		}
	})
}

// BenchmarkMoveLeads moves fifty leads in one batch, with the client and with the
// loop that one would write around resty, which looks at the stages as well.
func BenchmarkMoveLeads(b *testing.B) {
	const n = 50
	portal, items, transport := benchPortal(n)
	b.Run("client", func(b *testing.B) {
		client, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{HTTPClient: transport, Limiter: bitrix24.NewNoLimiter()})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			done := 0
			for result := range client.MoveLeads(b.Context(), wishes(items), nil) {
				if result.State == crm.MoveDone {
					done++
				}
			}
			if done != n {
				b.Fatal(done)
			}
		}
	})
	b.Run("loop", func(b *testing.B) {
		client := resty.NewWithClient(transport).SetBaseURL(portal.Webhook())
		b.ReportAllocs()
		for b.Loop() {
			if done, err := moveInALoop(b.Context(), client, items); done != n {
				b.Fatal(done, err)
			}
		}
	})
}

// moveInALoop moves the leads in one batch and returns how many came there.
func moveInALoop(ctx context.Context, client *resty.Client, items []bitrix24test.Item) (int, error) {
	cmd := make(map[string]string, len(items))
	for i, item := range items {
		cmd[fmt.Sprintf("m%d", i)] = "crm.item.update?" + url.Values{
			"entityTypeId": {"1"}, "id": {strconv.Itoa(item.ID)}, "fields[stageId]": {"IN_PROCESS"},
		}.Encode()
	}
	response, err := client.R().SetContext(ctx).SetBody(map[string]any{"halt": 0, "cmd": cmd}).Post("batch")
	if err != nil {
		return 0, err
	}
	var said struct {
		Result struct {
			Result map[string]struct{ Item benchItem }
			Errors json.RawMessage            `json:"result_error"`
			Times  map[string]json.RawMessage `json:"result_time"`
		}
	}
	if err := json.Unmarshal(response.Body(), &said); err != nil {
		return 0, err
	}
	done := 0
	for i, item := range items {
		moved := said.Result.Result[fmt.Sprintf("m%d", i)].Item
		if moved.ID == item.ID && moved.StageID == "IN_PROCESS" {
			done++
		}
	}
	return done, nil
}
