package bitrix24

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// FuzzEventForm compares the decoder with that of net/url, where that one reads
// the form at all.
func FuzzEventForm(f *testing.F) {
	addGolden(f, "event_*.form")
	f.Add([]byte("event=a&event=%zz&ts=1;2&data%5bFIELDS%5D[ID]=%D0%B8+%&=&&a"))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		form, err := decodeEvent(body)
		if !bytes.Equal(body, before) {
			t.Fatal("the body was changed")
		}
		if (form.name == "") == (err == nil) {
			t.Errorf("name %q, error %v", form.name, err)
		}
		values, bad := url.ParseQuery(string(body))
		if err != nil || bad != nil {
			return
		}
		last := func(key string) string {
			if all := values[key]; len(all) > 0 {
				return all[len(all)-1]
			}
			return ""
		}
		if want := strings.ToUpper(crm.CleanName(last("event"))); form.name != want {
			t.Errorf("name %q, want %q", form.name, want)
		}
		for key, field := range map[string][]byte{
			"ts":                           form.at,
			"data[FIELDS][ID]":             form.id,
			"data[FIELDS][ENTITY_TYPE_ID]": form.entityTypeID,
			"data[FIELDS][CATEGORY_ID]":    form.categoryID,
			"data[FIELDS][STAGE_ID]":       form.stageID,
			"auth[member_id]":              form.memberID,
			"auth[application_token]":      form.applicationToken,
			"auth[access_token]":           form.accessToken,
			"auth[refresh_token]":          form.refreshToken,
			"auth[expires]":                form.expires,
			"auth[expires_in]":             form.expiresIn,
			"auth[scope]":                  form.scope,
			"auth[status]":                 form.status,
			"auth[client_endpoint]":        form.clientEndpoint,
			"auth[server_endpoint]":        form.serverEndpoint,
			"auth[user_id]":                form.userID,
		} {
			if got := string(unescaped(field)); got != last(key) {
				t.Errorf("%s = %q, want %q", key, got, last(key))
			}
		}
	})
}

// FuzzEvent asks of every message that it gets an answer, and of every event
// that it is whole.
func FuzzEvent(f *testing.F) {
	addGolden(f, "event_*.form")
	f.Fuzz(func(t *testing.T, body []byte) {
		installed := errors.New("installed")
		events, err := NewEvents(EventOptions{
			Tokens:  []string{"apptoken-example-hook-1"},
			Portal:  func(context.Context, string) (string, string, error) { return "apptoken-example-app-1", "", nil },
			Install: func(context.Context, Install) error { return installed },
		})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		events.ServeHTTP(w, r)
		if !slices.Contains([]int{400, 403, 413, 503}, w.Code) {
			t.Errorf("HTTP %d", w.Code) // there is no Run
		}
		if (w.Code == 503) != (events.Stats() == crmhook.Stats{Stopped: 1}) {
			t.Errorf("HTTP %d, %+v", w.Code, events.Stats())
		}
		form, err := decodeEvent(body)
		if err != nil {
			return
		}
		event, err := form.event("bitrix24")
		if err != nil {
			return
		}
		if event.Source != "bitrix24" || event.Type != crm.CleanName(event.Type) || event.Type == "" {
			t.Errorf("%+v", event)
		}
		if lead := event.Lead; (event.Kind == crm.EventOther) != (lead == crm.LeadRef{}) || (lead != crm.LeadRef{}) && (lead.Source != "bitrix24" || lead.Kind == "" || lead.ID == "") {
			t.Errorf("%+v", event)
		}
		if status := event.Status; (status != crm.Ref{}) && (event.Kind != crm.EventLeadMoved || status.Source != "bitrix24" || !strings.HasPrefix(status.Scope, "DEAL_STAGE") || status.ID == "") {
			t.Errorf("%+v", event)
		}
	})
}
