package crmtest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
	"github.com/statuslink/statuslink/crm/crmtest"
)

// A client that reads and moves leads, and its test. In your package the function
// is called TestDeskLeads.
func ExampleRunLeads() {
	_ = testDeskLeads
}

func testDeskLeads(t *testing.T) {
	crmtest.RunLeads(t, func(*testing.T) crmtest.LeadHarness {
		fake := &deskCRM{token: "3fb7Qx9vLm2ZtR81", leads: map[string]string{}}
		token := fake.token
		return crmtest.LeadHarness{
			CRM: fake,
			Client: func(conn crmtest.Conn) (crm.Client, error) {
				client, err := crmhttp.New("desk", conn.BaseURL, &crmhttp.Options{
					Authorization: crmhttp.Secret("Bearer " + token),
					HTTPClient:    conn.HTTPClient, Logger: conn.Logger,
					Timeout: conn.Timeout, Attempts: conn.Attempts, MaxBody: conn.MaxBody,
				})
				return &desk{client}, err
			},
			Secrets:      []string{token},
			Revoke:       func() { fake.token = "another" },
			ErrorInside:  `{"error":"the portal is busy"}`,
			WrongAnswers: []string{`{"id":"700"}`},
			Statuses:     []crm.Ref{deskStage("новый"), deskStage("в работе"), deskStage("won")},
			AddLead:      func(status crm.Ref) crm.LeadRef { return deskLead(fake.set("", status.ID)) },
			Lead: func(lead crm.LeadRef) (crm.Ref, bool) {
				stage, ok := fake.get(lead.ID)
				return deskStage(stage), ok
			},
			Missing:    func() crm.LeadRef { return deskLead("missing") },
			MovePerson: func(lead crm.LeadRef, to crm.Ref) { fake.set(lead.ID, to.ID) },
		}
	})
}

func deskStage(id string) crm.Ref    { return crm.Ref{Source: "desk", ID: id} }
func deskLead(id string) crm.LeadRef { return crm.LeadRef{Source: "desk", ID: id} }

// desk is the client.
type desk struct{ http *crmhttp.Client }

var (
	_ crm.LeadReader = (*desk)(nil)
	_ crm.LeadMover  = (*desk)(nil)
)

func (d *desk) Source() string { return d.http.Source() }

func (d *desk) ListStatuses(context.Context) (crm.Listing, error) {
	return crm.Listing{}, d.http.Error("list statuses", &crm.Error{Kind: crm.ErrRejected, Message: "left out here"})
}

func (d *desk) ReadLead(ctx context.Context, lead crm.LeadRef) (crm.Lead, error) {
	return d.ask(ctx, "read lead", lead, nil)
}

func (d *desk) MoveLead(ctx context.Context, move crm.Move) (crm.Lead, error) {
	const op = "move lead"
	if move.To.Source != d.Source() {
		return crm.Lead{}, d.http.Error(op, &crm.Error{Kind: crm.ErrRejected, Message: "a status of another account"})
	}
	before, err := d.ask(ctx, op, move.Lead, nil)
	if err != nil {
		return crm.Lead{}, err
	}
	lead, err := d.ask(ctx, op, move.Lead, url.Values{"stage": {move.To.ID}})
	if err == nil && lead.Status != move.To && lead.Status == before.Status {
		err = d.http.Error(op, &crm.Error{Kind: crm.ErrNotApplied, Message: "the lead still stands where it stood"})
	}
	return lead, err
}

// ask reads one lead, after a change if there is one.
func (d *desk) ask(ctx context.Context, op string, lead crm.LeadRef, change url.Values) (crm.Lead, error) {
	if lead.Source != d.Source() {
		return crm.Lead{}, d.http.Error(op, &crm.Error{Kind: crm.ErrRejected, Message: "a lead of another account"})
	}
	var answer deskAnswer
	if err := d.http.GetJSON(ctx, op, "/v1/leads/"+url.PathEscape(lead.ID), change, &answer); err != nil {
		return crm.Lead{}, err
	}
	if answer.ID != lead.ID || answer.Stage == "" {
		return crm.Lead{}, d.http.Error(op, &crm.Error{Kind: crm.ErrBadResponse, Message: "an answer without the lead"})
	}
	return crm.Lead{Ref: lead, Status: deskStage(answer.Stage)}, nil
}

// deskCRM is the fake. Its leads are changed by a GET, which is odd but short.
type deskCRM struct {
	token string

	mu    sync.Mutex
	leads map[string]string // stages by ID
}

type deskAnswer struct {
	ID    string `json:"id"`
	Stage string `json:"stage"`
}

func (c *deskCRM) get(id string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stage, ok := c.leads[id]
	return stage, ok
}

// set puts a lead into a stage, a new one without an ID.
func (c *deskCRM) set(id, stage string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == "" {
		id = strconv.Itoa(700 + len(c.leads))
	}
	c.leads[id] = stage
	return id
}

func (c *deskCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+c.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	id := strings.TrimPrefix(r.URL.Path, "/v1/leads/")
	stage, ok := c.get(id)
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if to := r.URL.Query().Get("stage"); to != "" {
		stage = to
		c.set(id, stage)
	}
	_ = json.NewEncoder(w).Encode(deskAnswer{ID: id, Stage: stage})
}
