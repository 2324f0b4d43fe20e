package umnico_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmtest"
	"github.com/statuslink/statuslink/crm/umnico"
)

const (
	eventSecret = "q7w3zk9x2m5v8t1b4c"
	eventPath   = "/hooks/umnico/" + eventSecret
)

func mustEvents(t testing.TB, opts umnico.EventOptions) *umnico.Events {
	t.Helper()
	if opts.Secret == "" {
		opts.Secret = eventSecret
	}
	events, err := umnico.NewEvents(opts)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func eventRequest(t testing.TB, path, body string) *http.Request {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	return request
}

// receive returns what a receiver answers, and the events that it hands over. It runs
// in a bubble.
func receive(t *testing.T, events *umnico.Events, requests ...*http.Request) (codes []int, got []crm.Event) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = events.Run(ctx, func(_ context.Context, event crm.Event) { got = append(got, event) })
	}()
	synctest.Wait()
	for _, request := range requests {
		w := httptest.NewRecorder()
		events.ServeHTTP(w, request)
		codes = append(codes, w.Code)
		synctest.Wait()
	}
	cancel()
	<-ended
	return codes, got
}

func TestEventFixtures(t *testing.T) {
	t.Parallel()
	lead := func(id string) crm.LeadRef { return crm.LeadRef{Source: "umnico", ID: id} }
	status := func(id string) crm.Ref { return crm.Ref{Source: "umnico", ID: id} }
	moved := func(id, to string) crm.Event {
		return crm.Event{Kind: crm.EventLeadMoved, Type: "lead.changed.status", Lead: lead(id), Status: status(to)}
	}
	for name, want := range map[string]crm.Event{
		"webhook_lead_changed_status.json":                moved("70010001", "710231"),
		"webhook_lead_changed_status_minimal.json":        moved("70010001", "710231"),
		"webhook_lead_changed_status_leadid_string.json":  moved("70010001", "710231"),
		"webhook_lead_changed_status_unknown_status.json": moved("70010004", "999999"),
		"webhook_lead_changed.json":                       {Kind: crm.EventLeadChanged, Type: "lead.changed", Lead: lead("70010001"), Status: status("710205")},
		"webhook_customer_changed.json":                   {Type: "customer.changed"},
		"webhook_message_incoming.json":                   {Type: "message.incoming", Lead: lead("70010002"), At: time.Date(2026, 5, 14, 9, 21, 37, 0, time.UTC)},
		"webhook_message_incoming_epoch_ms.json":          {Type: "message.incoming", Lead: lead("70010002"), At: time.Date(2026, 5, 14, 9, 21, 37, 0, time.UTC)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body := golden(t, name)
				codes, got := receive(t, mustEvents(t, umnico.EventOptions{AccountID: "100500"}), eventRequest(t, eventPath, body))
				want.Source, want.Raw = "umnico", crm.Body(body)
				if diff := cmp.Diff([]crm.Event{want}, got); diff != "" || codes[0] != http.StatusOK {
					t.Errorf("HTTP %d; events (-want +got):\n%s", codes[0], diff)
				}
			})
		})
	}
}

// Whatever a message holds, one whose sender is known is answered with 200 if it is an
// object: a webhook whose messages fail is switched off.
func TestEventsTakeWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	lead := crm.LeadRef{Source: "umnico", ID: "7"}
	for body, want := range map[string]crm.Event{
		`{"type":"lead.created","lead":{"id":7,"statusId":"1","createdAt":"2026-05-12T07:02:11.418Z"}}`: {
			Kind: crm.EventLeadCreated, Type: "lead.created", Lead: lead, Status: crm.Ref{Source: "umnico", ID: "1"},
			At: time.Date(2026, 5, 12, 7, 2, 11, 418e6, time.UTC),
		},
		`{"type":"lead.created","leadId":7}`:                                  {Kind: crm.EventLeadCreated, Type: "lead.created", Lead: lead},
		`{"type":"lead.changed.status","leadId":7,"lead":[1]}`:                {Kind: crm.EventLeadMoved, Type: "lead.changed.status", Lead: lead},
		`{"type":"lead.changed.status","leadId":7,"lead":{"statusId":1.5}}`:   {Kind: crm.EventLeadMoved, Type: "lead.changed.status", Lead: lead},
		`{"type":"lead.changed.status","leadId":0,"lead":{"statusId":1}}`:     {Type: "lead.changed.status"},
		`{"type":"lead.changed.status","leadId":{"a":1}}`:                     {Type: "lead.changed.status"},
		`{"type":"lead.changed.status","leadId":"../7"}`:                      {Type: "lead.changed.status"},
		`{"type":"integration.removed","message":{"datetime":"yesterday"}}`:   {Type: "integration.removed"},
		`{"type":"customer.created","leadId":7,"message":{"datetime":1e300}}`: {Type: "customer.created", Lead: lead},
		`{"type":null}`:             {},
		`{}`:                        {},
		`{"type": "новое событие"}`: {Type: "новое событие"},
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				codes, got := receive(t, mustEvents(t, umnico.EventOptions{}), eventRequest(t, eventPath, body))
				want.Source, want.Raw = "umnico", crm.Body(body)
				if diff := cmp.Diff([]crm.Event{want}, got); diff != "" || codes[0] != http.StatusOK {
					t.Errorf("HTTP %d; events (-want +got):\n%s", codes[0], diff)
				}
			})
		})
	}
}

func TestEventSenders(t *testing.T) {
	t.Parallel()
	const body = `{"type":"lead.changed","accountId":100500,"leadId":7}`
	without := strings.Replace(body, `"accountId":100500,`, "", 1)
	asText := strings.Replace(body, `100500`, `"100500"`, 1)
	for name, test := range map[string]struct {
		account, path, body string
		want                int
	}{
		"secret":                   {"", eventPath, body, 200},
		"secret and account":       {"100500", eventPath, body, 200},
		"account as a text":        {"100500", eventPath, asText, 200},
		"no account in it":         {"100500", eventPath, without, 200},
		"another account":          {"100501", eventPath, body, 403},
		"a slash behind":           {"", eventPath + "/", body, 200},
		"the secret alone":         {"", "/" + eventSecret, body, 200},
		"another secret":           {"", "/hooks/umnico/q7w3zk9x2m5v8t1b4d", body, 403},
		"a part of it":             {"", eventPath[:len(eventPath)-1], body, 403},
		"more than it":             {"", eventPath + "x", body, 403},
		"not the last part":        {"", eventPath + "/x", body, 403},
		"in the query":             {"", "/hooks?" + eventSecret, body, 403},
		"no secret":                {"", "/", body, 403},
		"no object":                {"", eventPath, `[` + body + `]`, 400},
		"cut":                      {"", eventPath, body[:20], 400},
		"empty":                    {"", eventPath, "", 400},
		"no JSON, another secret":  {"", "/x", "", 403},
		"a form of another vendor": {"", eventPath, "event=ONCRMLEADUPDATE", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				events := mustEvents(t, umnico.EventOptions{AccountID: test.account})
				codes, got := receive(t, events, eventRequest(t, test.path, test.body))
				if codes[0] != test.want || (len(got) == 1) != (test.want == 200) {
					t.Errorf("HTTP %d and %d events, want %d", codes[0], len(got), test.want)
				}
				if stats := events.Stats(); (stats.Refused == 1) != (test.want == 403) || (stats.Malformed == 1) != (test.want == 400) {
					t.Errorf("stats %+v", stats)
				}
			})
		})
	}
}

func TestNewEventsChecksOptions(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]umnico.EventOptions{
		"no secret":       {},
		"a short one":     {Secret: "q7w3zk9x2m5v8t1"},
		"one with slash":  {Secret: "q7w3zk9x2m5v8t1b/4c"},
		"blanks":          {Secret: "q7w3zk9x2m5v8t1b 4c"},
		"a negative size": {Secret: eventSecret, QueueSize: -1},
	} {
		opts.Source = "Умнико"
		events, err := umnico.NewEvents(opts)
		if events != nil || err == nil || !strings.HasPrefix(err.Error(), "Умнико: event options: ") || strings.Contains(err.Error(), "q7w3") {
			t.Errorf("%s: %v, %v", name, events, err)
		}
	}
}

func TestEventsShowNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		opts := umnico.EventOptions{
			Secret: eventSecret, AccountID: "100500",
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}
		events := mustEvents(t, opts)
		_, got := receive(t, events, eventRequest(t, eventPath, golden(t, "webhook_message_incoming.json")), eventRequest(t, "/x", "{}"))
		text := log.String() + fmt.Sprintf("%v %+v %#v %v %+v %#v %v %+v", events, events, events, opts, opts, opts, got, got)
		for _, secret := range []string{eventSecret, "john_example", "Daisy"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is seen in %s", secret, text)
			}
		}
		if events.Source() != "umnico" || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("source %q, log %s", events.Source(), log.String())
		}
	})
}

func TestEventsKeepTheContract(t *testing.T) {
	t.Parallel()
	crmtest.RunEvents(t, func(t *testing.T) crmtest.EventHarness {
		message := func(path, kind string, lead crm.LeadRef) *http.Request {
			return eventRequest(t, path, fmt.Sprintf(`{"type":%q,"accountId":100500,"leadId":%s,"lead":{"statusId":710205}}`, kind, lead.ID))
		}
		leads := make([]crm.LeadRef, 5)
		for i := range leads {
			leads[i] = crm.LeadRef{Source: umnico.DefaultSource, ID: fmt.Sprint(70010001 + i)}
		}
		return crmtest.EventHarness{
			Source: func() crm.EventSource {
				return mustEvents(t, umnico.EventOptions{AccountID: "100500", QueueSize: 10})
			},
			Queue:  10,
			Leads:  leads,
			Change: func(lead crm.LeadRef) *http.Request { return message(eventPath, "lead.changed.status", lead) },
			Foreign: func() *http.Request {
				return message("/hooks/umnico/another-secret-part", "lead.changed.status", leads[0])
			},
			Secrets: []string{eventSecret},
			Other: func() *http.Request {
				return eventRequest(t, eventPath, `{"type":"integration.created","accountId":100500}`)
			},
		}
	})
}
