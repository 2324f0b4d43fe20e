package bitrix24test_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// offlinePage is what event.offline.get says.
type offlinePage struct {
	Process *string `json:"process_id"`
	Events  []struct {
		ID      string
		Time    string `json:"TIMESTAMP_X"`
		Event   string `json:"EVENT_NAME"`
		Data    any    `json:"EVENT_DATA"`
		More    any    `json:"EVENT_ADDITIONAL"`
		Message string `json:"MESSAGE_ID"`
	}
}

func offline(t *testing.T, p *bitrix24test.Portal, params string) offlinePage {
	t.Helper()
	status, body := byToken(p, "AT-example-0001", "event.offline.get", params)
	var answer struct{ Result offlinePage }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
		t.Fatalf("event.offline.get: %d %s", status, body)
	}
	return answer.Result
}

// ids returns the numbers of the events.
func (o offlinePage) ids() []string {
	var ids []string
	for _, e := range o.Events {
		ids = append(ids, e.ID)
	}
	return ids
}

// withOffline returns a portal with n leads, of which each was updated.
func withOffline(t *testing.T, n int) *bitrix24test.Portal {
	t.Helper()
	p := bitrix24test.New()
	token := p.Install(bitrix24test.App{}).AccessToken
	if status, body := byToken(p, token, "event.bind", `{"event": "ONCRMLEADUPDATE", "event_type": "offline"}`); status != 200 {
		t.Fatalf("event.bind: %d %s", status, body)
	}
	p.AddItems(n, bitrix24test.Item{TypeID: 1})
	for id := 1; id <= n; id++ {
		update(t, p, 1, id, `{"stageId": "JUNK"}`)
	}
	return p
}

func TestOfflineEventsAreThere(t *testing.T) {
	t.Parallel()
	atFixtureTime(t, func(t *testing.T) {
		p := withOffline(t, 1)
		page := offline(t, p, "")
		want := map[string]any{"FIELDS": map[string]any{"ID": "1"}}
		if len(page.Events) != 1 || page.Process != nil {
			t.Fatalf("events = %+v", page)
		}
		e := page.Events[0]
		if diff := cmp.Diff(want, e.Data); diff != "" || e.Time != "2026-08-20T11:00:00+03:00" || e.Event != "ONCRMLEADUPDATE" || len(e.Message) != 16 {
			t.Errorf("event = %+v", e)
		}
		if diff := cmp.Diff(map[string]any{"user_id": "17"}, e.More); diff != "" {
			t.Errorf("EVENT_ADDITIONAL (-want +got):\n%s", diff)
		}
		if page := offline(t, p, ""); len(page.Events) != 0 {
			t.Errorf("they come twice: %+v", page)
		}
		if len(p.Events()) != 0 {
			t.Errorf("offline events were sent: %+v", p.Events())
		}
		p.Automate("STATUS", "NEW", "PROCESSED")
		update(t, p, 1, 1, `{"stageId": "NEW"}`)
		if page := offline(t, p, ""); page.Events[0].More != false {
			t.Errorf("EVENT_ADDITIONAL of a rule's move = %v, want false", page.Events[0].More)
		}
	})
}

func TestOfflineEventsKeepTheLastChangeOfEachObject(t *testing.T) {
	t.Parallel()
	p := withOffline(t, 3)
	update(t, p, 1, 1, `{"stageId": "NEW"}`)
	reserved := offline(t, p, `{"clear": 0, "limit": 2}`)
	if got, want := reserved.ids(), []string{"2", "3"}; !slices.Equal(got, want) {
		t.Errorf("ids = %q, want %q", got, want)
	}
	update(t, p, 1, 2, `{"stageId": "NEW"}`) // is reserved, and so another record
	if got, want := offline(t, p, "").ids(), []string{"4", "5"}; !slices.Equal(got, want) {
		t.Errorf("ids = %q, want %q", got, want)
	}
	if got := offline(t, p, fmt.Sprintf(`{"process_id": %q}`, *reserved.Process)).ids(); !slices.Equal(got, reserved.ids()) {
		t.Errorf("reserved before = %q, want %q", got, reserved.ids())
	}
}

func TestReservedOfflineEvents(t *testing.T) {
	t.Parallel()
	p := withOffline(t, 5)
	first := offline(t, p, `{"clear": 0, "limit": 2}`)
	second := offline(t, p, `{"clear": 0, "limit": 2}`)
	if first.Process == nil || second.Process == nil || *first.Process == *second.Process {
		t.Fatalf("processes = %v, %v", first.Process, second.Process)
	}
	if got := append(first.ids(), second.ids()...); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("two callers got %q", got)
	}
	again := offline(t, p, fmt.Sprintf(`{"clear": 0, "process_id": %q}`, *first.Process))
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("asked for again (-want +got):\n%s", diff)
	}
	const token = "AT-example-0001"
	if _, body := byToken(p, token, "event.offline.clear", fmt.Sprintf(`{"process_id": %q, "message_id": [%q]}`, *first.Process, first.Events[0].Message)); !strings.HasPrefix(body, `{"result":true,`) {
		t.Errorf("event.offline.clear = %s", body)
	}
	if got := offline(t, p, fmt.Sprintf(`{"clear": 0, "process_id": %q}`, *first.Process)).ids(); !slices.Equal(got, []string{"2"}) {
		t.Errorf("after one was cleared: %q", got)
	}
	if _, body := byToken(p, token, "event.offline.error", fmt.Sprintf(`{"process_id": %q, "message_id": [%q]}`, *second.Process, second.Events[1].Message)); !strings.HasPrefix(body, `{"result":true,`) {
		t.Errorf("event.offline.error = %s", body)
	}
	if got := offline(t, p, `{"error": 1}`).ids(); !slices.Equal(got, []string{"4"}) {
		t.Errorf("erroneous: %q", got)
	}
	byToken(p, token, "event.offline.clear", fmt.Sprintf(`{"process_id": %q}`, *second.Process))
	if got := offline(t, p, fmt.Sprintf(`{"process_id": %q}`, *second.Process)).ids(); len(got) != 0 {
		t.Errorf("after all were cleared: %q", got)
	}
	if got := offline(t, p, "").ids(); !slices.Equal(got, []string{"5"}) {
		t.Errorf("free ones: %q", got)
	}
	for _, method := range []string{"event.offline.clear", "event.offline.error"} {
		if status, body := byToken(p, token, method, ""); status != 400 || !strings.Contains(body, `\u0027PROCESS_ID\u0027`) {
			t.Errorf("%s without a process: %d %s", method, status, body)
		}
	}
}

func TestOfflineEventsHavePagesAndAFilter(t *testing.T) {
	t.Parallel()
	p := withOffline(t, 51)
	if got := offline(t, p, `{"filter": {"EVENT_NAME": "ONCRMLEADDELETE"}}`).ids(); len(got) != 0 {
		t.Errorf("of another event: %q", got)
	}
	if got := offline(t, p, `{"filter": {"=EVENT_NAME": "OnCrmLeadUpdate"}}`).ids(); len(got) != 50 || got[0] != "1" {
		t.Errorf("first page: %q", got)
	}
	if got := offline(t, p, "").ids(); !slices.Equal(got, []string{"51"}) {
		t.Errorf("second page: %q", got)
	}
}

func TestOfflineEventsAreAnnounced(t *testing.T) {
	t.Parallel()
	atFixtureTime(t, func(t *testing.T) {
		p := withOffline(t, 1)
		bind(t, p, "ONOFFLINEEVENT", `, "options": {"minTimeout": 5}`)
		announced := func() int {
			update(t, p, 1, 1, `{"title": "Имя `+time.Now().String()+`"}`)
			return len(p.Events())
		}
		if n := announced(); n != 1 {
			t.Errorf("%d announcements, want 1", n)
		}
		time.Sleep(5*time.Second - 1)
		if n := announced(); n != 1 {
			t.Errorf("%d announcements before the time is over, want 1", n)
		}
		time.Sleep(time.Nanosecond)
		if n := announced(); n != 2 {
			t.Errorf("%d announcements afterwards, want 2", n)
		}
		p.SetEvents()
		p.RevokeTokens()
		time.Sleep(5 * time.Second)
		announced()
		form := values(t, p)
		refreshed(t, p, form.Get("auth[refresh_token]"))
		if form.Get("event") != "ONOFFLINEEVENT" || form.Has("event_handler_id") {
			t.Errorf("ONOFFLINEEVENT = %v", form)
		}
	})
}

func TestOfflineEventsAreAnnouncedOnceASecond(t *testing.T) {
	t.Parallel()
	atFixtureTime(t, func(t *testing.T) {
		p := withOffline(t, 3)
		bind(t, p, "ONOFFLINEEVENT", "")
		p.AddLead("NEW")
		if queue := p.Events(); len(queue) != 0 {
			t.Errorf("announced without an offline event: %+v", queue)
		}
		for id := 1; id <= 3; id++ {
			update(t, p, 1, id, `{"stageId": "NEW"}`)
		}
		values(t, p) // one
	})
}

func TestOfflineHandlersAreListed(t *testing.T) {
	t.Parallel()
	p := withOffline(t, 0)
	if _, body := byToken(p, "AT-example-0001", "event.get", ""); !strings.HasPrefix(body, `{"result":[{"event":"ONCRMLEADUPDATE","connector_id":"","offline":1}],`) {
		t.Errorf("event.get = %s", body)
	}
	if status, _ := byToken(p, "AT-example-0001", "event.bind", `{"event": "ONCRMLEADUPDATE", "event_type": "OFFLINE", "handler": "x", "auth_type": 1}`); status != 400 {
		t.Errorf("bound twice: %d", status)
	}
	if _, body := byToken(p, "AT-example-0001", "event.unbind", `{"event": "ONCRMLEADUPDATE", "event_type": "offline"}`); !strings.HasPrefix(body, `{"result":{"count":1},`) {
		t.Errorf("event.unbind = %s", body)
	}
}
