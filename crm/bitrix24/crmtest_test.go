package bitrix24_test

import (
	"fmt"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmtest"
)

// harness returns a portal and the clients for it that read the lists.
func harness(scopes ...string) crmtest.Harness {
	const word = "k7w2zq9x4m1v8t5b"
	portal := bitrix24test.New()
	portal.SetSecret(word)
	return crmtest.Harness{
		CRM: portal,
		Show: func(n int) crm.Listing {
			rows := make([]bitrix24test.Status, n)
			want := crm.Listing{
				Source: "bitrix24", Exists: exists, // the Account is the host
				Scopes:   []crm.Scope{{ID: "DEAL_STAGE", Name: "Общая"}},
				Statuses: make([]crm.Status, n),
			}
			if len(scopes) == 0 {
				want.Scopes = []crm.Scope{{ID: "STATUS", Name: "Стадии лида", Announced: n}}
			}
			scope := want.Scopes[0].ID
			for i := range rows {
				id, name := fmt.Sprintf("UC_%06d", i), fmt.Sprintf("Статус %d", i)
				rows[i] = bitrix24test.Status{RowID: i + 1, Scope: scope, ID: id, Name: name, Sort: i * 10}
				want.Statuses[i] = row(fmt.Sprint(i+1), scope, id, name, i*10, "", crm.Open, false)
			}
			portal.SetStatuses(rows...)
			return want
		},
		Client: func(conn crmtest.Conn) (crm.Client, error) {
			return bitrix24.New(conn.BaseURL+portal.WebhookPath(), &bitrix24.Options{
				Scopes: scopes, HTTPClient: conn.HTTPClient, Logger: conn.Logger,
				Timeout: conn.Timeout, Attempts: conn.Attempts, MaxBody: conn.MaxBody, Limiter: bitrix24.NewNoLimiter(),
			})
		},
		Secrets: []string{word},
		Revoke:  func() { portal.SetSecret("n3p6r0s9u2y5c8f1") },
		Page:    portal.SetPageSize,
		Duplicate: func() {
			rows := portal.Statuses()
			portal.SetStatuses(append(rows, rows[0])...)
		},
		ErrorInside: `{"error":"WRONG_ENCODING","error_description":"Wrong request encoding"}`,
		WrongAnswers: []string{
			`{"result":{"result":[],"result_error":[],"result_total":[],"result_next":[],"result_time":[]}}`,
			`{"result":[],"total":0}`, `{"result":{"result":{"types":[],"statuses":[],"mode":1}}}`,
		},
	}
}

// Both ways of asking: one list by its code, and many at once.
func TestClientKeepsTheContract(t *testing.T) {
	t.Parallel()
	t.Run("one list", func(t *testing.T) {
		t.Parallel()
		crmtest.Run(t, func(*testing.T) crmtest.Harness { return harness() })
	})
	t.Run("pipelines", func(t *testing.T) {
		t.Parallel()
		crmtest.Run(t, func(*testing.T) crmtest.Harness { return harness("DEAL_STAGE", "DEAL_STAGE_99") })
	})
}
