package umnico_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	active := umnico.Account{ID: "100500", Status: "active"}
	tests := []struct {
		name   string
		status int
		body   string
		want   umnico.Account
		kind   error
		says   string
	}{
		{"golden", 200, golden(t, "account_me.json"), active, nil, ""},
		{"number as a text", 200, `{"account":{"id":"100500","status":"active"},"user":{}}`, active, nil, ""},
		{"status in capitals", 200, `{"account":{"id":100500,"status":"Active"}}`, umnico.Account{ID: "100500", Status: "Active"}, nil, ""},
		{"no status", 200, `{"account":{"id":100500}}`, umnico.Account{ID: "100500"}, nil, ""},
		{"null status", 200, `{"account":{"id":100500,"status":null}}`, umnico.Account{ID: "100500"}, nil, ""},
		{"blocked", 200, `{"account":{"id":100500,"status":"blocked"}}`, umnico.Account{ID: "100500", Status: "blocked"}, crm.ErrForbidden, `"blocked"`},
		{"not paid, in Russian", 200, `{"account":{"id":7,"status":"не оплачен"}}`, umnico.Account{ID: "7", Status: "не оплачен"}, crm.ErrForbidden, `"не оплачен"`},
		{"golden 401", 401, golden(t, "error_401.json"), umnico.Account{}, crm.ErrUnauthorized, "Settings > API"},
		{"403", 403, `{"error":"no right"}`, umnico.Account{}, crm.ErrForbidden, "no right"},
		{"503", 503, "", umnico.Account{}, crm.ErrUnavailable, ""},
		{"no account", 200, `{}`, umnico.Account{}, crm.ErrBadResponse, "without account.id"},
		{"no id", 200, `{"account":{"status":"active"}}`, umnico.Account{}, crm.ErrBadResponse, "without account.id"},
		{"error inside", 200, golden(t, "error_401.json"), umnico.Account{}, crm.ErrBadResponse, "account.id: Unauthorized"},
		{"array", 200, `[{"account":{"id":1}}]`, umnico.Account{}, crm.ErrBadResponse, "another form"},
		{"account that is a number", 200, `{"account":100500}`, umnico.Account{}, crm.ErrBadResponse, "another form"},
		{"half a number", 200, `{"account":{"id":1.5}}`, umnico.Account{}, crm.ErrBadResponse, "whole number"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := always(t, test.status, test.body).Check(t.Context())
			if test.kind != nil {
				failedWith(t, err, test.kind, "check account", test.says)
			} else if err != nil {
				t.Error(err)
			}
			if got != test.want {
				t.Errorf("account = %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestCheckOfAnUmnicoThatIsNotThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := account()
		client := mustNew(t, on(fake))
		fake.Fail(-1, crmfault.Drop())
		_, err := client.Check(t.Context())
		failedWith(t, err, crm.ErrUnavailable, "check account", "")
		fake.Recover()
		fake.SetAccountStatus("blocked")
		_, err = client.Check(t.Context())
		failedWith(t, err, crm.ErrForbidden, "check account", "blocked")
		fake.SetAccountStatus("active")
		if _, err := client.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The account is asked for once with each token.
func TestListingNamesTheAccount(t *testing.T) {
	t.Parallel()
	fake := account()
	fake.SetToken("first.to.ken")
	tokens := &giver{tokens: []string{"first.to.ken", "second.to.ken"}}
	client := withTokens(t, fake, tokens.ask)
	list := func(want string, asked int) {
		t.Helper()
		listing, err := client.ListStatuses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{want}, listing.Account); diff != "" {
			t.Errorf("account (-want +got):\n%s", diff)
		}
		listing.Account[0] = "spoilt"
		if got := fake.Requests(umnicotest.PathAccount); got != asked {
			t.Errorf("the account was asked for %d times, want %d", got, asked)
		}
	}
	list("100500", 1)
	list("100500", 1)
	fake.SetToken("second.to.ken")
	fake.SetAccountID(100501)
	list("100501", 2)
	list("100501", 2)
	if _, err := client.Check(t.Context()); err != nil {
		t.Error(err)
	}
	list("100501", 3) // Check always asks

	client = withTokens(t, fake, (&giver{tokens: []string{"second.to.ken"}}).ask)
	if _, err := client.Check(t.Context()); err != nil {
		t.Error(err)
	}
	list("100501", 4) // what Check was told is remembered
}

func TestListingWhoseAccountCannotBeRead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault crmfault.Fault
		kind  error // nil for a listing without an account
	}{
		{"403, an answer", crmfault.Answer(403, ""), nil},
		{"404, an answer", crmfault.Answer(404, golden(t, "error_404.json")), nil},
		{"401", crmfault.Answer(401, ""), crm.ErrUnauthorized},
		{"429", umnicotest.RateLimited(time.Hour), crm.ErrRateLimited},
		{"500", crmfault.Answer(500, ""), crm.ErrUnavailable},
		{"no answer", crmfault.Drop(), crm.ErrUnavailable},
		{"HTML", crmfault.HTML(), crm.ErrBadResponse},
		{"empty", crmfault.Answer(200, ""), crm.ErrBadResponse},
		{"no ID", crmfault.Answer(200, `{"account":{}}`), crm.ErrBadResponse},
		{"zero byte", crmfault.Answer(200, `{"account":{"id":"a\u0000"}}`), crm.ErrBadResponse},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := account()
				client := mustNew(t, &umnico.Options{HTTPClient: &http.Client{Transport: faulty{fake, umnicotest.PathAccount, test.fault}}})
				got, err := client.ListStatuses(t.Context())
				switch {
				case test.kind != nil:
					failedWith(t, err, test.kind, "list statuses", "")
					if diff := cmp.Diff(crm.Listing{}, got); diff != "" {
						t.Errorf("a failed call returned a listing (-want +got):\n%s", diff)
					}
				case err != nil:
					t.Error(err)
				case got.Account != nil || len(got.Statuses) != 11:
					t.Errorf("account %v and %d statuses", got.Account, len(got.Statuses))
				}
			})
		})
	}
}

// A token that runs out between the list and the account may be followed by one of
// another account, so the two do not belong together for sure.
func TestTokenThatIsReplacedWithinAListing(t *testing.T) {
	t.Parallel()
	fits := "first.to.ken"
	tokens := &giver{tokens: []string{"first.to.ken", "second.to.ken"}}
	client, err := umnico.NewWithTokens(tokens.ask, &umnico.Options{HTTPClient: &http.Client{Transport: answers(func(r *http.Request) (int, string) {
		switch {
		case !strings.HasSuffix(r.Header.Get("Authorization"), fits):
			return 401, ""
		case r.URL.Path == umnicotest.PathStatuses:
			fits = "second.to.ken"
			return 200, golden(t, "statuses.json")
		}
		return 200, golden(t, "account_me.json")
	})}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ListStatuses(t.Context())
	failedWith(t, err, crm.ErrUnavailable, "list statuses", "read it again")
	if listing, err := client.ListStatuses(context.WithoutCancel(t.Context())); err != nil || len(listing.Account) != 1 {
		t.Errorf("the next one: account %v, error = %v", listing.Account, err)
	}
}
