package umnicotest_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func TestChangingTheStatus(t *testing.T) {
	t.Parallel()
	const usual = "/v1.3/leads/70010001"
	patch := umnicotest.StatusCall{Method: "PATCH", Path: "/v1.3/leads/{id}/status", Field: "status"}
	inPath := umnicotest.StatusCall{Method: "POST", Path: "/v1.3/leads/{id}/status/{status}/"}
	withUser := umnicotest.StatusCall{Required: []string{"userId"}}
	tests := []struct {
		name               string
		call               umnicotest.StatusCall
		method, path, body string
		status             int
		answer             string // "lead" is the lead
		stands             int
	}{
		{"as assumed", umnicotest.StatusCall{}, "PUT", usual, `{"statusId":710231}`, 200, "lead", 710231},
		{"slash", umnicotest.StatusCall{}, "PUT", usual + "/", `{"statusId":710231}`, 200, "lead", 710231},
		{"where it is", umnicotest.StatusCall{}, "PUT", usual, `{"statusId":710205}`, 200, "lead", 710205},
		{"empty object", umnicotest.StatusCall{Answer: umnicotest.AnswerEmptyObject}, "PUT", usual, `{"statusId":710231}`, 200, "{}", 710231},
		{"nothing", umnicotest.StatusCall{Answer: umnicotest.AnswerNothing}, "PUT", usual, `{"statusId":710231}`, 204, "", 710231},
		{"other method", umnicotest.StatusCall{}, "POST", usual, `{"statusId":710231}`, 404, `{"error":"Not found"}`, 710205},
		{"longer path", umnicotest.StatusCall{}, "PUT", usual + "/status", `{"statusId":710231}`, 404, `{"error":"Not found"}`, 710205},
		{"no lead", umnicotest.StatusCall{}, "PUT", "/v1.3/leads/1", `{"statusId":710231}`, 404, `{"error":"Not found"}`, 710205},
		{"no number", umnicotest.StatusCall{}, "PUT", "/v1.3/leads/all", `{"statusId":710231}`, 404, `{"error":"Not found"}`, 710205},

		{"no body", umnicotest.StatusCall{}, "PUT", usual, ``, 422, `{"error":"a JSON object is required"}`, 710205},
		{"null", umnicotest.StatusCall{}, "PUT", usual, `null`, 422, `{"error":"a JSON object is required"}`, 710205},
		{"cut", umnicotest.StatusCall{}, "PUT", usual, `{"statusId":710231`, 422, `{"error":"a JSON object is required"}`, 710205},
		{"list", umnicotest.StatusCall{}, "PUT", usual, `[710231]`, 422, `{"error":"a JSON object is required"}`, 710205},
		{"no status", umnicotest.StatusCall{}, "PUT", usual, `{"amount":1}`, 422, `{"error":"statusId must be a number"}`, 710205},
		{"null status", umnicotest.StatusCall{}, "PUT", usual, `{"statusId":null}`, 422, `{"error":"statusId must be a number"}`, 710205},
		{"text", umnicotest.StatusCall{}, "PUT", usual, `{"statusId":"710231"}`, 422, `{"error":"statusId must be a number"}`, 710205},
		{"other key", umnicotest.StatusCall{}, "PUT", usual, `{"status":710231}`, 422, `{"error":"statusId must be a number"}`, 710205},
		{"no manager", umnicotest.StatusCall{}, "PUT", usual, `{"statusId":710231,"userId":4999}`, 422, `{"error":"User 4999 doesn't exist for this account"}`, 710205},

		{"refused", umnicotest.StatusCall{}, "PUT", usual, `{"statusId":5}`, 422, `{"error":"Status 5 doesn't exist for this account"}`, 710205},
		{"kept", umnicotest.StatusCall{Wrong: umnicotest.KeepStatus}, "PUT", usual, `{"statusId":5}`, 200, "lead", 710205},
		{"stored", umnicotest.StatusCall{Wrong: umnicotest.StoreWrongStatus}, "PUT", usual, `{"statusId":5}`, 200, "lead", 5},
		{"right while wrong ones are kept", umnicotest.StatusCall{Wrong: umnicotest.KeepStatus}, "PUT", usual, `{"statusId":710231}`, 200, "lead", 710231},

		{"part", withUser, "PUT", usual, `{"statusId":710231}`, 422, `{"error":"userId is required"}`, 710205},
		{"whole", withUser, "PUT", usual, `{"statusId":710231,"userId":4102}`, 200, "lead", 710231},

		{"another call", patch, "PATCH", usual + "/status", `{"status":710231}`, 200, "lead", 710231},
		{"another call, lead", patch, "PATCH", "/v1.3/leads/2/status", `{"status":710231}`, 404, `{"error":"Not found"}`, 710205},
		{"not the usual call", patch, "PUT", usual, `{"statusId":710231}`, 404, `{"error":"Not found"}`, 710205},
		{"another path", patch, "PATCH", usual + "/stages", `{"status":710231}`, 404, `{"error":"Not found"}`, 710205},
		{"in the path", inPath, "POST", usual + "/status/710231", "", 200, "lead", 710231},
		{"in the path, with a body", inPath, "POST", usual + "/status/710231", `{"amount":1}`, 200, "lead", 710231},
		{"in the path, with a bad body", inPath, "POST", usual + "/status/710231", `x`, 422, `{"error":"a JSON object is required"}`, 710205},
		{"in the path, wrong", inPath, "POST", usual + "/status/x", "", 422, `{"error":"Status 0 doesn't exist for this account"}`, 710205},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := umnicotest.New()
			fake.SetStatusCall(test.call)
			fake.AddLead(umnicotest.Lead{StatusID: 710205, UserID: 4101})
			status, answer := call(t, fake, test.method, test.path, test.body)
			_, lead := call(t, fake, "GET", usual, "")
			if test.answer == "lead" {
				test.answer = lead
			}
			if status != test.status || answer != test.answer {
				t.Errorf("got %d %s, want %d %s", status, answer, test.status, test.answer)
			}
			if lead, _ := fake.Lead(70010001); lead.StatusID != test.stands {
				t.Errorf("the lead stands in %d, want %d", lead.StatusID, test.stands)
			}
		})
	}
}

func TestChangingWhatStandsBesideTheStatus(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.AddLead(umnicotest.Lead{StatusID: 710205, Amount: 1, Details: "а", Tags: []string{"а"}})
	call(t, fake, "PUT", "/v1.3/leads/70010001", `{"statusId":710231}`)
	if lead, _ := fake.Lead(70010001); lead.UserID != 0 || lead.Amount != 1 || lead.Details != "а" || !slices.Equal(lead.Tags, []string{"а"}) {
		t.Errorf("a part of a lead changed all of it: %+v", lead)
	}
	call(t, fake, "PUT", "/v1.3/leads/70010001", `{"statusId":710231,"userId":4102,"amount":2,"details":"б","tags":["б"]}`)
	if lead, _ := fake.Lead(70010001); lead.UserID != 4102 || lead.Amount != 2 || lead.Details != "б" || !slices.Equal(lead.Tags, []string{"б"}) {
		t.Errorf("what stands beside the status was not stored: %+v", lead)
	}
}

func TestRefusedLeads(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	lead := fake.AddLead(umnicotest.Lead{StatusID: 710205})
	fake.AddLead(umnicotest.Lead{})
	const change = `{"statusId":710231}`
	fake.RefuseLead(lead.ID, 403)
	want(t, fake, "PUT", "/v1.3/leads/70010001", change, 403, `{"error":"Forbidden"}`)
	fake.RefuseLead(lead.ID, 422)
	want(t, fake, "PUT", "/v1.3/leads/70010001", change, 422, `{"error":"Unprocessable Entity"}`)
	if status, _ := call(t, fake, "PUT", "/v1.3/leads/70010002", change); status != 200 {
		t.Errorf("another lead: %d", status)
	}
	if status, _ := call(t, fake, "GET", "/v1.3/leads/70010001", ""); status != 200 {
		t.Errorf("reading: %d", status)
	}
	if lead, _ := fake.Lead(lead.ID); lead.StatusID != 710205 {
		t.Errorf("a refused change was made: %d", lead.StatusID)
	}
	if err := fake.MoveLead(lead.ID, 710209); err != nil {
		t.Errorf("a manager: %v", err)
	}
	fake.RefuseLead(lead.ID, 0)
	if status, _ := call(t, fake, "PUT", "/v1.3/leads/70010001", change); status != 200 {
		t.Errorf("after it was taken back: %d", status)
	}
}

func TestRulesActBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.AddLead(umnicotest.Lead{StatusID: 710205})
	fake.Automate(710231, 710236)
	_, answer := call(t, fake, "PUT", "/v1.3/leads/70010001", `{"statusId":710231}`)
	if !strings.Contains(answer, `"statusId":710236,`) {
		t.Errorf("the answer is %s", answer)
	}
}

// FuzzCalls looks for a body that makes the fake panic or answer with no JSON.
func FuzzCalls(f *testing.F) {
	for _, body := range []string{
		`{"statusId":710231}`, `{"statusId":1e3,"userId":"x"}`, `{"url":"https://a.example","name":null,"status":1}`, `{"url":"http://[::1"}`,
		`{"login":"a","pass":"b"}`, `null`, `[]`, `"`, "\xff", `{"tags":[1]}`, `{"statusId":710231,"tags":null,"details":"\ud800"}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fake := umnicotest.New()
		fake.AddLead(umnicotest.Lead{ID: 1})
		fake.AddWebhook(umnicotest.Webhook{ID: 1, URL: "https://bot.example.com"})
		for _, request := range [][2]string{
			{"PUT", "/v1.3/leads/1"},
			{"POST", "/v1.3/webhooks"},
			{"PUT", "/v1.3/webhooks/1"},
			{"POST", "/v1.3/auth/login"},
			{"GET", "/v1.3/leads/1"},
			{"GET", "/v1.3/webhooks"},
		} {
			status, answer := call(t, fake, request[0], request[1], body)
			if !json.Valid([]byte(answer)) || status/100 != 2 && !strings.HasPrefix(answer, `{"error":`) {
				t.Errorf("%v with %q: %d %q", request, body, status, answer)
			}
		}
	})
}
