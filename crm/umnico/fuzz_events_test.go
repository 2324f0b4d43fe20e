package umnico_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/statuslink/statuslink/crm/crmhook"
	"github.com/statuslink/statuslink/crm/umnico"
)

// FuzzEvent: whatever comes is answered by 400 or, as nobody drains, 503; that
// nothing else does.
func FuzzEvent(f *testing.F) {
	for _, seed := range []string{
		`{"type":"lead.changed.status","accountId":100500,"leadId":70010001,"lead":{"statusId":710231,"amount":4350}}`,
		`{"type":"lead.created","lead":{"id":"7","createdAt":"2026-05-12T07:02:11.418Z"}}`,
		`{"type":"message.incoming","message":{"datetime":1778750497000}}`, `{}`, `[]`, `{"type":`, `null`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events := mustEvents(t, umnico.EventOptions{})
		w := httptest.NewRecorder()
		events.ServeHTTP(w, eventRequest(t, eventPath, string(body)))
		switch w.Code {
		case http.StatusServiceUnavailable:
			if events.Stats() != (crmhook.Stats{Stopped: 1}) {
				t.Errorf("stats %+v", events.Stats())
			}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("HTTP %d", w.Code)
		}
	})
}
