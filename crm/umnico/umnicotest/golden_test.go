package umnicotest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

const good = "bearer " + umnicotest.DefaultToken

// send sends a request with any header Authorization and returns status and body.
func send(t *testing.T, fake *umnicotest.Umnico, method, path, authorization, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://umnico.example"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", authorization)
	response, err := fake.Transport().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(answer))
}

// call sends a request with the account's token.
func call(t *testing.T, fake *umnicotest.Umnico, method, path, body string) (int, string) {
	t.Helper()
	return send(t, fake, method, path, "bearer "+fake.Token(), body)
}

// want sends a request and checks the answer.
func want(t *testing.T, fake *umnicotest.Umnico, method, path, body string, status int, answer string) {
	t.Helper()
	gotStatus, gotAnswer := call(t, fake, method, path, body)
	if gotStatus != status || gotAnswer != answer {
		t.Errorf("%s %s %s:\n got %d %s\nwant %d %s", method, path, body, gotStatus, gotAnswer, status, answer)
	}
}

// wantGolden sends a request and compares the answer with a file.
func wantGolden(t *testing.T, fake *umnicotest.Umnico, method, path, body string, status int, file string) {
	t.Helper()
	gotStatus, answer := call(t, fake, method, path, body)
	if gotStatus != status {
		t.Errorf("%s %s: status %d, want %d", method, path, gotStatus, status)
	}
	sameJSON(t, file, answer)
}

// sameJSON compares with a file.
func sameJSON(t *testing.T, file, got string) {
	t.Helper()
	golden, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decode(t, string(golden)), decode(t, got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// anna is the customer of most golden files.
var anna = umnicotest.Customer{ID: 60010001, Login: "79000000021", Name: "Анна «Аня» Петрова", Phone: "79000000021"}

// goldenLead is that of lead.json.
func goldenLead(t *testing.T) umnicotest.Lead {
	t.Helper()
	return umnicotest.Lead{
		UserID: 4101, StatusID: 710205, Amount: 4350, Details: "Просит позвонить после 18:00",
		Tags: []string{"повторный", "vip"}, Customer: anna,
		Message: umnicotest.Message{
			Text: "Спасибо! А можно \"без открытки\"? 🌼", At: at(t, "2026-05-14T09:21:37Z"), Incoming: true,
		},
		CreatedAt:    at(t, "2026-05-12T07:02:11.418Z"),
		CustomFields: `{"delivery_window": {"value": "10:00-12:00"}}`, Items: "[]",
	}
}

func TestGoldenAnswers(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	wantGolden(t, fake, "GET", umnicotest.PathStatuses, "", 200, "statuses.json")
	wantGolden(t, fake, "GET", umnicotest.PathAccount, "", 200, "account_me.json")
	wantGolden(t, fake, "GET", "/v1.3/managers", "", 200, "managers.json")
	wantGolden(t, fake, "GET", "/v1.3/integrations", "", 200, "integrations.json")
	wantGolden(t, fake, "GET", "/v1.3/leads/all", "", 200, "leads_page_empty.json")
	wantGolden(t, fake, "GET", "/v1.3/leads/1", "", 404, "error_404.json")

	lead := fake.AddLead(goldenLead(t))
	wantGolden(t, fake, "GET", "/v1.3/leads/70010001", "", 200, "lead.json")
	wantGolden(t, fake, "PUT", "/v1.3/leads/70010001", `{"statusId":710205,"userId":4999}`, 422, "error_422.json")

	if err := fake.EditLead(lead.ID, func(lead *umnicotest.Lead) {
		lead.Source = umnicotest.Source{ID: "user_2000000002", RealID: 80040004, Type: "message"}
		lead.IntegrationID = 90118
	}); err != nil {
		t.Fatal(err)
	}
	wantGolden(t, fake, "GET", "/v1.3/messaging/70010001/sources", "", 200, "sources.json")

	fake.SetCustomer(umnicotest.Customer{
		ID: 60010001, Login: "79000000021", Name: "Анна Петрова", Phone: "79000000021",
		Email: "anna@example.com", Address: "Казань, ул. Примерная, 1",
	})
	wantGolden(t, fake, "GET", "/v1.3/customers/60010001/", "", 200, "customer.json")

	fake.SetToken("another")
	if status, body := send(t, fake, "GET", umnicotest.PathAccount, good, ""); status != 401 {
		t.Errorf("an old token: %d", status)
	} else {
		sameJSON(t, "error_401.json", body)
	}
}

func TestGoldenPageOfLeads(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.SetIntegrations(append(umnicotest.DefaultIntegrations(), umnicotest.Integration{ID: 90119, Type: "vk_group", Login: "Ромашка | цветы"})...)
	first := goldenLead(t)
	first.CreatedAt, first.Details, first.CustomFields, first.Items = first.Message.At, "", "", ""
	fake.AddLead(first)
	fake.AddLead(umnicotest.Lead{
		StatusID: 710201, IntegrationID: 90118, CreatedAt: at(t, "2026-05-14T09:18:02Z"),
		Customer: umnicotest.Customer{Login: "john_example", Name: "John O'Neil"},
		Message:  umnicotest.Message{Text: "hi, is delivery free?", Incoming: true},
	})
	fake.AddLead(umnicotest.Lead{
		UserID: 4102, StatusID: 710231, Read: true, Amount: 12900, Details: "Оплата картой", ResponseTime: 184 * time.Second,
		IntegrationID: 90119, CreatedAt: at(t, "2026-05-13T16:40:55Z"),
		Customer: umnicotest.Customer{Login: "id0000000001", Name: "Ирина"},
		Message:  umnicotest.Message{Text: "Заказ доставлен, хорошего дня!"},
	})
	fake.AddLead(umnicotest.Lead{
		UserID: 4102, StatusID: 999999, CreatedAt: at(t, "2026-05-13T08:00:00Z"),
		Customer: umnicotest.Customer{Login: "79000000044", Name: "Клиент без имени"},
	})
	wantGolden(t, fake, "GET", "/v1.3/leads/all", "", 200, "leads_page.json")
}

func TestGoldenWebhooks(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	wantGolden(t, fake, "POST", "/v1.3/webhooks", `{"url":"https://bot.example.com/hooks/umnico/5f0c1d","name":"statuses"}`, 200, "webhook_created.json")
	wantGolden(t, fake, "POST", "/v1.3/webhooks/", `{"url":"https://bot.example.com/hooks/umnico/5f0c1d"}`, 400, "error_webhook_exists.json")
	fake.AddWebhook(umnicotest.Webhook{ID: 30417, URL: "https://old.example.org/umnico", Name: "старый бот", Off: true})
	wantGolden(t, fake, "GET", "/v1.3/webhooks/", "", 200, "webhooks_list.json")
}

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	john := umnicotest.Lead{
		ID: 70010002, IntegrationID: 90118,
		Customer: umnicotest.Customer{ID: 60010002, Login: "john_example", SocialID: "user_1000000001", ProfileURL: "https://example.com/u/john"},
		Source:   umnicotest.Source{ID: "user_2000000002", RealID: 80040004},
	}
	question := umnicotest.Message{
		Text: "hi, can I still change order \"Daisy\"? Спасибо 🌼", At: at(t, "2026-05-14T09:21:37Z"), Incoming: true,
	}
	tests := []struct {
		file string
		form umnicotest.EventForm
		do   func(fake *umnicotest.Umnico) error
	}{
		{"webhook_lead_changed_status.json", umnicotest.EventForm{}, func(fake *umnicotest.Umnico) error {
			return fake.MoveLead(70010001, 710231)
		}},
		{"webhook_lead_changed_status_minimal.json", umnicotest.EventForm{NoAccountID: true, ShortCustomer: true}, func(fake *umnicotest.Umnico) error {
			lead, _ := fake.Lead(70010001)
			lead.Amount = 0
			fake.AddLead(lead)
			return fake.MoveLead(70010001, 710231)
		}},
		{"webhook_lead_changed_status_leadid_string.json", umnicotest.EventForm{TextLeadID: true, ShortCustomer: true}, func(fake *umnicotest.Umnico) error {
			return fake.MoveLead(70010001, 710231)
		}},
		{"webhook_lead_changed_status_unknown_status.json", umnicotest.EventForm{ShortCustomer: true}, func(fake *umnicotest.Umnico) error {
			return fake.EditLead(70010004, func(lead *umnicotest.Lead) { lead.StatusID = 999999 })
		}},
		{"webhook_lead_changed.json", umnicotest.EventForm{}, func(fake *umnicotest.Umnico) error {
			return fake.EditLead(70010001, func(lead *umnicotest.Lead) { lead.Amount = 5200 })
		}},
		{"webhook_customer_changed.json", umnicotest.EventForm{}, func(fake *umnicotest.Umnico) error {
			customer := anna
			customer.Name = "Анна Петрова"
			fake.SetCustomer(customer)
			return nil
		}},
		{"webhook_message_incoming.json", umnicotest.EventForm{}, func(fake *umnicotest.Umnico) error {
			return fake.AddMessage(70010002, question)
		}},
		{"webhook_message_incoming_epoch_ms.json", umnicotest.EventForm{TextMessageID: true, EpochMillis: true}, func(fake *umnicotest.Umnico) error {
			return fake.AddMessage(70010002, question)
		}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			fake := umnicotest.New()
			fake.AddLead(goldenLead(t))
			fake.AddLead(john)
			fake.AddLead(umnicotest.Lead{ID: 70010004, Customer: umnicotest.Customer{Login: "79000000044"}})
			fake.SetEventForm(test.form)
			fake.AddWebhook(umnicotest.Webhook{URL: "https://bot.example.com/"})
			if err := test.do(fake); err != nil {
				t.Fatal(err)
			}
			events := fake.Events()
			if len(events) != 1 {
				t.Fatalf("%d events, want 1: %v", len(events), events)
			}
			sameJSON(t, test.file, events[0].Body)
		})
	}
}

func TestGoldenTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(at(t, "2026-05-14T09:21:37Z")))
		fake := umnicotest.New()
		fake.AddUser("owner@example.com", "пароль")
		_, body := send(t, fake, "POST", "/v1.3/auth/login", "", `{"login":"owner@example.com","pass":"пароль"}`)
		body = strings.NewReplacer("umnicotest-access-0001", "EXAMPLE-ACCESS-TOKEN", "umnicotest-refresh-0001", "EXAMPLE-REFRESH-TOKEN").Replace(body)
		sameJSON(t, "auth_login.json", body)
	})
}
