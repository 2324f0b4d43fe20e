package crmtest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
	"github.com/statuslink/statuslink/crm/crmtest"
)

// A client of your own, and its test. In your package the function is called
// TestAcme.
func Example() {
	_ = testAcme
}

func testAcme(t *testing.T) {
	crmtest.Run(t, func(*testing.T) crmtest.Harness {
		fake := &acmeCRM{token: "3fb7Qx9vLm2ZtR81"}
		token := fake.token
		return crmtest.Harness{
			CRM: fake,
			Show: func(n int) crm.Listing {
				fake.rows = nil
				want := crm.Listing{Source: "acme", Scopes: []crm.Scope{{Name: "Stages", Announced: n}}}
				for i := range n {
					row := acmeRow{ID: crmhttp.ID(strconv.Itoa(700 + i)), Title: "Stage " + strconv.Itoa(i), Sort: i}
					fake.rows = append(fake.rows, row)
					want.Statuses = append(want.Statuses, crm.Status{
						Ref: crm.Ref{Source: "acme", ID: string(row.ID)}, Name: row.Title, Order: row.Sort,
					})
				}
				return want
			},
			Client: func(conn crmtest.Conn) (crm.Client, error) {
				client, err := crmhttp.New("acme", conn.BaseURL, &crmhttp.Options{
					Authorization: crmhttp.Secret("Bearer " + token),
					HTTPClient:    conn.HTTPClient, Logger: conn.Logger,
					Timeout: conn.Timeout, Attempts: conn.Attempts, MaxBody: conn.MaxBody,
				})
				return &acme{client}, err
			},
			Secrets:      []string{token},
			Revoke:       func() { fake.token = "another" },
			Duplicate:    func() { fake.rows = append(fake.rows, fake.rows[0]) },
			ErrorInside:  `{"error":"the portal is busy"}`,
			WrongAnswers: []string{`{"total":3,"rows":[]}`, `{"rows":[{"id":1}]}`},
		}
	})
}

// acme is the client.
type acme struct{ http *crmhttp.Client }

func (a *acme) Source() string { return a.http.Source() }

func (a *acme) ListStatuses(ctx context.Context) (crm.Listing, error) {
	const op = "list statuses"
	var answer acmeAnswer
	if err := a.http.GetJSON(ctx, op, "/v1/stages", nil, &answer); err != nil {
		return crm.Listing{}, err
	}
	if answer.Total == nil || answer.Rows == nil {
		return crm.Listing{}, a.http.Error(op, &crm.Error{Kind: crm.ErrBadResponse, Message: "an answer without a list"})
	}
	listing := crm.Listing{Source: a.Source(), Scopes: []crm.Scope{{Name: "Stages", Announced: *answer.Total}}}
	for _, row := range answer.Rows {
		listing.Statuses = append(listing.Statuses, crm.Status{
			Ref: crm.Ref{Source: a.Source(), ID: string(row.ID)}, Name: crm.CleanName(row.Title), Order: row.Sort,
		})
	}
	if err := listing.Validate(); err != nil {
		return crm.Listing{}, err
	}
	return listing, nil
}

// acmeCRM is the fake.
type acmeCRM struct {
	token string
	rows  []acmeRow
}

type acmeRow struct {
	ID    crmhttp.ID `json:"id"` // a number or a text; empty where there is none
	Title string     `json:"title"`
	Sort  int        `json:"sort"`
}

type acmeAnswer struct {
	Total *int      `json:"total"`
	Rows  []acmeRow `json:"rows"`
}

func (c *acmeCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+c.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	total := len(c.rows)
	_ = json.NewEncoder(w).Encode(acmeAnswer{Total: &total, Rows: append([]acmeRow{}, c.rows...)})
}
