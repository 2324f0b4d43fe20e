package umnico_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmtest"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, func(*testing.T) crmtest.Harness {
		fake := umnicotest.New()
		fake.SetToken(token)
		return crmtest.Harness{
			CRM: fake,
			Show: func(n int) crm.Listing {
				want := crm.Listing{Source: "umnico", Scopes: []crm.Scope{{Name: "Leads"}}}
				var rows []umnicotest.Status
				for i := range n {
					// Not in their order, as an answer need not be.
					s := umnicotest.Status{ID: 710300 + i, Type: "example", Name: fmt.Sprintf("Статус %d", i), Order: n - i, Color: "#2F80ED"}
					rows = append(rows, s)
					want.Statuses = append(want.Statuses, row(strconv.Itoa(s.ID), s.Name, s.Order, s.Color, s.Type))
				}
				fake.SetStatuses(rows...)
				return want
			},
			Client: func(conn crmtest.Conn) (crm.Client, error) {
				return umnico.New(token, &umnico.Options{
					BaseURL: conn.BaseURL, HTTPClient: conn.HTTPClient, Logger: conn.Logger,
					Timeout: conn.Timeout, Attempts: conn.Attempts, MaxBody: conn.MaxBody,
				})
			},
			Secrets: []string{token},
			Revoke:  func() { fake.SetToken("another") },
			Duplicate: func() {
				rows := fake.Statuses()
				fake.SetStatuses(append(rows, rows[0])...)
			},
			ErrorInside:  `{"error":"Unauthorized"}`,
			WrongAnswers: []string{`{"statuses":[{"id":1}]}`, `[{"name":"without an ID"}]`, `[{"id":1},{"id":null}]`},
		}
	})
}
