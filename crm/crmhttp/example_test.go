package crmhttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// acme is a whole client for a made-up CRM.
type acme struct{ http *crmhttp.Client }

var _ crm.Client = (*acme)(nil)

func newAcme(baseURL, token string) (*acme, error) {
	client, err := crmhttp.New("acme", baseURL, &crmhttp.Options{
		Authorization: crmhttp.Secret("Bearer " + token),
		Classify:      classifyAcme,
	})
	if err != nil {
		return nil, err
	}
	return &acme{client}, nil
}

func (a *acme) Source() string { return a.http.Source() }

func (a *acme) ListStatuses(ctx context.Context) (crm.Listing, error) {
	var answer struct {
		Total int `json:"total"`
		Rows  []struct {
			ID    crmhttp.ID  `json:"id"`
			Title string      `json:"title"`
			Sort  crmhttp.Int `json:"sort"`
		} `json:"rows"`
	}
	if err := a.http.GetJSON(ctx, "list statuses", "/v1/stages", nil, &answer); err != nil {
		return crm.Listing{}, err
	}
	if answer.Rows == nil { // some other object, which is not an empty list
		return crm.Listing{}, a.http.Error("list statuses", &crm.Error{Kind: crm.ErrBadResponse, Message: "no rows"})
	}
	listing := crm.Listing{Source: a.Source(), Scopes: []crm.Scope{{Name: "Stages", Announced: answer.Total}}}
	for _, row := range answer.Rows {
		listing.Statuses = append(listing.Statuses, crm.Status{
			Ref:   crm.Ref{Source: a.Source(), ID: string(row.ID)},
			Name:  crm.CleanName(row.Title),
			Order: row.Sort.Value,
		})
	}
	if err := listing.Validate(); err != nil {
		return crm.Listing{}, err
	}
	return listing, nil
}

// classifyAcme knows how this CRM words its errors.
func classifyAcme(response crmhttp.Response) *crm.Error {
	e := crmhttp.Classify(response)
	if e == nil {
		return nil
	}
	var body struct{ Code, Text string }
	if json.Unmarshal(response.Body, &body) == nil {
		e.Code, e.Message = body.Code, body.Text
	}
	return e
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"code": "BAD_TOKEN", "text": "%s is unknown"}`, r.Header.Get("Authorization"))
			return
		}
		_, _ = fmt.Fprint(w, `{"total": 2, "rows": [{"id": 7, "title": "New", "sort": "10"}, {"id": "9", "title": "Paid", "sort": 20}]}`)
	}))
	defer server.Close()

	client, err := newAcme(server.URL, "hunter2")
	if err != nil {
		log.Fatal(err) //nolint:gocritic // an example ends with its process
	}
	listing, err := client.ListStatuses(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, status := range listing.Statuses {
		fmt.Println(status.Ref, status.Order, status.Name)
	}

	client, err = newAcme(server.URL, "letmein")
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.ListStatuses(context.Background())
	fmt.Println(err)

	// Output:
	// acme/7 10 New
	// acme/9 20 Paid
	// acme: list statuses: unauthorized (HTTP 401 Unauthorized, code BAD_TOKEN): [redacted] is unknown
}
