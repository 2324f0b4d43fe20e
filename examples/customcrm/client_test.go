package customcrm_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
	"github.com/statuslink/statuslink/crm/crmtest"
	"github.com/statuslink/statuslink/examples/customcrm"
)

// TestConformance checks all that is asked of every client.
func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, harness)
}

// harness returns a new fake and says how to play with it.
func harness(*testing.T) crmtest.Harness {
	key := rand.Text()
	fake := newFake(key)
	return crmtest.Harness{
		CRM: fake,
		Show: func(n int) crm.Listing {
			stages := make([]stage, n)
			want := crm.Listing{Source: "acme", Scopes: []crm.Scope{{Announced: n}}}
			for i := range stages {
				stages[i] = stage{ID: i + 1, Title: fmt.Sprint("Stage ", i+1), Position: 10 * i, Colour: "#aabbcc"}
				want.Statuses = append(want.Statuses, crm.Status{
					Ref:     crm.Ref{Source: "acme", ID: strconv.Itoa(i + 1)},
					Name:    stages[i].Title,
					Order:   10 * i,
					Color:   "#AABBCC",
					Outcome: crm.Open,
				})
			}
			fake.change(func() { fake.stages = stages })
			return want
		},
		Client: func(conn crmtest.Conn) (crm.Client, error) {
			return customcrm.New(conn.BaseURL, key, customcrm.Options{HTTP: crmhttp.Options{
				HTTPClient: conn.HTTPClient,
				Logger:     conn.Logger,
				Timeout:    conn.Timeout,
				Attempts:   conn.Attempts,
				MaxBody:    conn.MaxBody,
			}})
		},
		Secrets: []string{key},
		Revoke:  func() { fake.change(func() { fake.key = "" }) },
		Page:    func(size int) { fake.change(func() { fake.size = size }) },
		Duplicate: func() {
			fake.change(func() { fake.stages = append(fake.stages, fake.stages[0]) })
		},
		ErrorInside: `{"error":{"code":"bad_key","message":"the key is not known"}}`,
		WrongAnswers: []string{
			`{"page":1,"pages":1,"total":0}`,                                // no list
			`{"page":1,"pages":1,"total":0,"stages":null}`,                  // a null list
			`{"page":1,"pages":1,"stages":[]}`,                              // no total
			`{"page":1,"total":0,"stages":[]}`,                              // no number of pages
			`{"page":2,"pages":1,"total":0,"stages":[]}`,                    // another page
			`{"page":1,"pages":1,"total":1,"stages":[null]}`,                // a null row
			`{"page":1,"pages":1,"total":1,"stages":[{"title":"No ID"}]}`,   // no ID
			`{"page":1,"pages":1,"total":0,"stages":[{"id":1}]}`,            // more than announced
			`{"page":1,"pages":9,"total":2,"stages":[]}`,                    // pages without rows
			`{"page":1,"pages":1,"total":2,"stages":[{"id":1},{"id":"1"}]}`, // one stage twice
		},
	}
}

// TestRow checks what becomes of the fields of a stage.
func TestRow(t *testing.T) {
	t.Parallel()
	const head = `{"page":1,"pages":1,"total":1,"stages":[`
	for _, test := range []struct {
		name, row string
		want      crm.Status
	}{
		{
			"won", `{"id":7,"title":"Новый","position":1,"colour":"#aabbcc","final":"won"}`,
			crm.Status{Name: "Новый", Order: 1, Color: "#AABBCC", Outcome: crm.Won},
		},
		{"lost", `{"id":"7","final":"lost"}`, crm.Status{Outcome: crm.Lost}},
		{"not final", `{"id":7,"colour":"","final":""}`, crm.Status{Outcome: crm.Open}},
		{"not said", `{"id":7,"colour":null,"final":null}`, crm.Status{}},
		{
			"odd", `{"id":7,"title":{},"position":"first","colour":"red","final":"maybe","owner":"null"}`,
			crm.Status{Raw: map[string]string{
				"title": "{}", "position": "first", "colour": "red", "final": "maybe", "owner": "null",
			}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			list, err := ask(t, http.StatusOK, head+test.row+`]}`)
			if err != nil {
				t.Fatal(err)
			}
			test.want.Ref = crm.Ref{Source: "acme", ID: "7"}
			if got := list.Statuses; !reflect.DeepEqual(got, []crm.Status{test.want}) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestErrors checks the kinds of Acme's errors, and that code and message are
// handed on.
func TestErrors(t *testing.T) {
	t.Parallel()
	const list = `,"page":1,"pages":1,"total":0,"stages":[]}`
	for _, test := range []struct {
		name          string
		status        int
		body          string
		want          error
		code, message string
	}{
		{"by status", http.StatusForbidden, `{"error":{"code":"bad_day","message":"No."}}`, crm.ErrForbidden, "bad_day", "No."},
		{"by code", http.StatusOK, `{"error":{"code":"bad_key","message":"No."}}`, crm.ErrUnauthorized, "bad_key", "No."},
		{"unknown code", http.StatusOK, `{"error":{"code":"bad_day","message":"No."}}`, crm.ErrRejected, "bad_day", "No."},
		{"beside a list", http.StatusOK, `{"error":{"code":"bad_key","message":"No."}` + list, crm.ErrUnauthorized, "bad_key", "No."},
		{"another form", http.StatusOK, `{"error":"No."` + list, crm.ErrRejected, "", `"No."`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := ask(t, test.status, test.body)
			var e *crm.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want a *crm.Error", err)
			}
			if !errors.Is(err, test.want) || e.Code != test.code || e.Message != test.message {
				t.Errorf("got %v, want kind %v, code %q, message %q", err, test.want, test.code, test.message)
			}
		})
	}
}

// TestChangedList checks that a list that changes between two pages is no list.
func TestChangedList(t *testing.T) {
	t.Parallel()
	list, err := ask(t, http.StatusOK,
		`{"page":1,"pages":3,"total":3,"stages":[{"id":1}]}`,
		`{"page":2,"pages":2,"total":2,"stages":[{"id":3}]}`) // 1 or 2 is gone
	if !errors.Is(err, crm.ErrIncomplete) || list.Statuses != nil {
		t.Errorf("got %v and %v, want an error of kind %v only", list, err, crm.ErrIncomplete)
	}
}

// ask returns what a client makes of an Acme that answers page after page so.
func ask(t *testing.T, status int, pages ...string) (crm.Listing, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, err := strconv.Atoi(r.FormValue("page"))
		if err != nil || page < 1 || page > len(pages) {
			t.Errorf("asked for page %q", r.FormValue("page"))
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, pages[page-1])
	}))
	t.Cleanup(server.Close)
	client, err := customcrm.New(server.URL, rand.Text(), customcrm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return client.ListStatuses(t.Context())
}

func Example() {
	acme := httptest.NewServer(newFake("secret-key",
		stage{ID: 7, Title: "Новый", Position: 1, Colour: "#aabbcc"},
		stage{ID: 8, Title: "Оплачен", Position: 2, Colour: "#00ff00", Final: "won"},
	))
	defer acme.Close()

	client, err := customcrm.New(acme.URL, "secret-key", customcrm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := client.ListStatuses(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range list.Statuses {
		fmt.Println(s.Ref, s.Name, s.Color, s.Outcome)
	}
	// Output:
	// acme/7 Новый #AABBCC open
	// acme/8 Оплачен #00FF00 won
}
