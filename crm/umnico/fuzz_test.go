package umnico

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// seeds adds all recorded answers, and others, to what the fuzzer begins with. All
// decoders stand behind HTTP: what is above it would make the fuzzer slow and blind.
func seeds(f *testing.F, more ...string) *Client {
	f.Helper()
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) == 0 {
		f.Fatal("no testdata", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range append(more, "[]", "null", "{}", "[null]", `{"error":"x"}`, "<html>", `"x"`, "1e999", "[[]]") {
		f.Add([]byte(seed))
	}
	client, err := New("token", nil)
	if err != nil {
		f.Fatal(err)
	}
	return client
}

// bad checks the error of a decoder.
func bad(t *testing.T, err error) {
	t.Helper()
	var e *crm.Error
	if !errors.As(err, &e) || e.Kind != crm.ErrBadResponse { //nolint:errorlint // the field itself
		t.Errorf("error = %v, want a *crm.Error of kind ErrBadResponse", err)
	}
}

func FuzzStatuses(f *testing.F) {
	client := seeds(f,
		`[{"id":1},{"id":"1"}]`, `[{"id":"a\ud800"}]`, `[{"id":1,"order":1e3,"color":"#fff","name":null}]`, "[{\"id\":1,\"name\":\"\xff\"}]")
	f.Fuzz(func(t *testing.T, data []byte) {
		listing, err := client.listing(crmhttp.Response{Status: 200, Body: data})
		if err != nil {
			bad(t, err)
			return
		}
		if err := listing.Validate(); err != nil {
			t.Errorf("an invalid listing was returned: %v", err)
		}
		for _, status := range listing.Statuses {
			if crm.CleanName(status.Name) != status.Name || (status.Color != "" && crm.CleanColor(status.Color) != status.Color) {
				t.Errorf("a row is not normalised: %+v", status)
			}
			if status.Outcome != crm.Unknown {
				t.Errorf("an outcome was made up: %+v", status)
			}
		}
	})
}

func FuzzAccount(f *testing.F) {
	client := seeds(f, `{"account":{"id":"a\ud800"}}`, `{"account":{"id":1,"status":7},"account":null}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		account, err := client.account(opCheck, crmhttp.Response{Status: 200, Body: data})
		if err != nil {
			bad(t, err)
		} else if account.ID == "" || !utf8.ValidString(account.ID) {
			t.Errorf("an account without a sound ID: %q", account.ID)
		}
	})
}

func FuzzLead(f *testing.F) {
	client := seeds(f, `{"id":70010001,"statusId":"710205"}`, `{"id":70010001,"statusId":1,"ID":2}`)
	asked := crm.LeadRef{Source: "umnico", ID: "70010001"}
	f.Fuzz(func(t *testing.T, data []byte) {
		lead, err := client.lead(opReadLead, crmhttp.Response{Status: 200, Body: data}, asked)
		if err != nil {
			bad(t, err)
		} else if lead.Ref != asked || lead.Status.Source != "umnico" || lead.Status.ID == "" {
			t.Errorf("no sound lead: %+v", lead)
		}
	})
}

func FuzzLeads(f *testing.F) {
	client := seeds(f, `[{"id":1,"statusId":2},{"id":"1","statusId":"2"}]`)
	f.Fuzz(func(t *testing.T, data []byte) {
		leads, err := client.leads(crmhttp.Response{Status: 200, Body: data})
		if err != nil {
			bad(t, err)
		}
		for _, lead := range leads {
			if lead.Ref.Source != "umnico" || lead.Ref.ID == "" || lead.Status.Source != "umnico" || lead.Status.ID == "" {
				t.Errorf("no sound lead: %+v", lead)
			}
		}
	})
}

func FuzzWebhooks(f *testing.F) {
	client := seeds(f, `[{"id":1,"url":"https://u/%zz","status":"x"}]`)
	f.Fuzz(func(t *testing.T, data []byte) {
		hooks, err := client.webhooks(opListWebhooks, crmhttp.Response{Status: 200, Body: data})
		if err != nil {
			bad(t, err)
		}
		for _, hook := range hooks {
			if hook.ID == "" {
				t.Error("a webhook without an ID")
			}
			_ = hook.String()
			if _, found := find(hooks, hook.Address); !found {
				t.Errorf("a webhook is not found by its own address %q", hook.Address)
			}
		}
	})
}

func FuzzTokens(f *testing.F) {
	seeds(f, `{"accessToken":{"token":"JWT a.b.c"},"refreshToken":{"token":"JWT r"}}`, `{"accessToken":{"token":"\u00e4 b"}}`, `{"accessToken":{"token":"a"},"refreshToken":{"token":"r\n"}}`)
	client, err := NewForUser("login", "password", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := client.enter(opSignIn, client.at(), crmhttp.Response{Status: 200, Body: data}, "")
		if err != nil {
			bad(t, err)
			return
		}
		if token := string(a.token); token == "" || strings.ContainsFunc(token, notVisible) || strings.ContainsAny(string(a.refresh), "\r\n\x00") {
			t.Errorf("a token that cannot be sent: %q, %q", token, string(a.refresh))
		}
	})
}

func FuzzToken(f *testing.F) {
	for _, seed := range []string{"", "bearer", "Bearer a.b.c\r\n", "\uFEFFJWT x", "a b c", "\xff"} {
		f.Add(seed, "bearer")
	}
	f.Fuzz(func(t *testing.T, pasted, word string) {
		token, err := cleanToken(pasted, word)
		if err == nil && (token == "" || strings.ContainsFunc(token, notVisible) || !strings.Contains(pasted, token)) {
			t.Errorf("%q became %q", pasted, token)
		}
	})
}
