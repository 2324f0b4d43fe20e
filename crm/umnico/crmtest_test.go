package umnico_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmtest"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

const (
	login    = "владелец@example.com"
	password = "Сим-Сим, 4qZ8&x"
)

// connected returns the options of a connection.
func connected(conn crmtest.Conn) *umnico.Options {
	return &umnico.Options{
		BaseURL: conn.BaseURL, HTTPClient: conn.HTTPClient, Logger: conn.Logger,
		Timeout: conn.Timeout, Attempts: conn.Attempts, MaxBody: conn.MaxBody,
	}
}

// signIn is a way to sign in to a fake.
type signIn struct {
	name    string
	client  func(opts *umnico.Options) (*umnico.Client, error)
	secrets []string
	revoke  func(fake *umnicotest.Umnico)
}

var signIns = []signIn{
	{
		"token", func(opts *umnico.Options) (*umnico.Client, error) { return umnico.New(token, opts) },
		[]string{token},
		func(fake *umnicotest.Umnico) { fake.SetToken("another") },
	},
	{
		"token function", func(opts *umnico.Options) (*umnico.Client, error) {
			return umnico.NewWithTokens(func(context.Context) (string, error) { return "Bearer " + token + "\n", nil }, opts)
		},
		[]string{token},
		func(fake *umnicotest.Umnico) { fake.SetToken("another") },
	},
	{
		"user", func(opts *umnico.Options) (*umnico.Client, error) { return umnico.NewForUser(login, password, opts) },
		[]string{login, password},
		func(fake *umnicotest.Umnico) {
			fake.AddUser(login, "another")
			fake.ExpireTokens()
			fake.RevokeTokens()
		},
	},
}

// account returns a fake that accepts the credentials of all signIns.
func account() *umnicotest.Umnico {
	fake := umnicotest.New()
	fake.SetToken(token)
	fake.AddUser(login, password)
	return fake
}

func TestClientKeepsTheContract(t *testing.T) {
	t.Parallel()
	for _, way := range signIns {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			crmtest.Run(t, func(*testing.T) crmtest.Harness { return harness(way) })
		})
	}
}

func harness(way signIn) crmtest.Harness {
	fake := account()
	return crmtest.Harness{
		CRM: fake,
		Show: func(n int) crm.Listing {
			want := crm.Listing{Source: "umnico", Account: []string{"100500"}, Scopes: []crm.Scope{{Name: "Leads"}}}
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
		Client:  func(conn crmtest.Conn) (crm.Client, error) { return way.client(connected(conn)) },
		Secrets: way.secrets,
		Revoke:  func() { way.revoke(fake) },
		Duplicate: func() {
			rows := fake.Statuses()
			fake.SetStatuses(append(rows, rows[0])...)
		},
		ErrorInside:  `{"error":"Unauthorized"}`,
		WrongAnswers: []string{`{"statuses":[{"id":1}]}`, `[{"name":"without an ID"}]`, `[{"id":1},{"id":null}]`},
	}
}

func TestClientKeepsTheContractOfLeads(t *testing.T) {
	t.Parallel()
	// A user's sign-in is one more request where a token was refused, and the suite
	// of leads counts those; signing in is tested by the other one.
	for _, c := range []struct {
		way   signIn
		wrong umnicotest.WrongStatus
	}{{signIns[0], umnicotest.KeepStatus}, {signIns[1], umnicotest.RefuseWrongStatus}} {
		t.Run(c.way.name, func(t *testing.T) {
			t.Parallel()
			crmtest.RunLeads(t, func(*testing.T) crmtest.LeadHarness { return leadHarness(c.way, c.wrong) })
		})
	}
}

func leadHarness(way signIn, wrong umnicotest.WrongStatus) crmtest.LeadHarness {
	fake := account()
	fake.SetStatusCall(umnicotest.StatusCall{Wrong: wrong, Answer: umnicotest.AnswerNothing})
	missing := 70990000
	h := crmtest.LeadHarness{
		CRM:          fake,
		Client:       func(conn crmtest.Conn) (crm.Client, error) { return way.client(connected(conn)) },
		Secrets:      way.secrets,
		Revoke:       func() { way.revoke(fake) },
		ErrorInside:  `{"error":"Unauthorized"}`,
		ReadsBack:    true,
		WrongAnswers: []string{`{"id":70010001}`, `{"statusId":710205}`, `{"lead":{"id":1,"statusId":2}}`, `[{"id":1}]`},
		Statuses:     []crm.Ref{status(710201), status(710205), status(710231)},
		AddLead: func(to crm.Ref) crm.LeadRef {
			return lead(fake.AddLead(umnicotest.Lead{StatusID: number(to.ID), Section: umnicotest.SectionActive}).ID)
		},
		Lead: func(ref crm.LeadRef) (crm.Ref, bool) {
			l, ok := fake.Lead(number(ref.ID))
			if !ok {
				return crm.Ref{}, false
			}
			return status(l.StatusID), true
		},
		Missing:    func() crm.LeadRef { missing++; return lead(missing) },
		MovePerson: func(ref crm.LeadRef, to crm.Ref) { _ = fake.MoveLead(number(ref.ID), number(to.ID)) },
		Automate:   func(from, to crm.Ref) { fake.Automate(number(from.ID), number(to.ID)) },
		Refuse:     func(ref crm.LeadRef) { fake.RefuseLead(number(ref.ID), http.StatusUnprocessableEntity) },
	}
	if wrong == umnicotest.KeepStatus {
		h.Ignored = status(799999)
	}
	return h
}

func status(id int) crm.Ref   { return crm.Ref{Source: "umnico", ID: strconv.Itoa(id)} }
func lead(id int) crm.LeadRef { return crm.LeadRef{Source: "umnico", ID: strconv.Itoa(id)} }

func number(id string) int {
	n, err := strconv.Atoi(cmp.Or(id, "0"))
	if err != nil {
		panic(err)
	}
	return n
}
