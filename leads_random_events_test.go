package statuslink_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func (w *leadWorld) stepDeliver(random *rand.Rand) {
	p := w.now()
	w.queue.do(func() {
		deals, chats := w.portal.Events(), w.account.Events()
		w.portal.SetEvents(spoil(random, deals, &w.deals.late)...)
		if w.trusts {
			chats = slices.DeleteFunc(chats, func(umnicotest.Delivery) bool { return random.IntN(20) == 0 })
			w.account.SetEvents(chats...)
		} else {
			w.account.SetEvents(spoil(random, chats, &w.chats.late)...)
		}
		w.portal.DeliverTo(w.t.Context(), w.receiver(p.deals))
		w.account.DeliverTo(w.t.Context(), w.receiver(p.chats))
	})
}

// spoil returns what is delivered now: mostly what is there, but some of it is lost,
// late, repeated, and in another sequence.
func spoil[D any](random *rand.Rand, events []D, late *[]D) []D {
	var now []D
	for _, event := range events {
		switch random.IntN(10) {
		case 0: // lost
		case 1:
			now = append(now, event, event)
		case 2:
			now, *late = append(now, event), append(*late, event)
		case 3, 4:
			*late = append(*late, event)
		default:
			now = append(now, event)
		}
	}
	if random.IntN(3) == 0 {
		now, *late = append(now, *late...), nil
	}
	if random.IntN(2) == 0 {
		random.Shuffle(len(now), func(i, j int) { now[i], now[j] = now[j], now[i] })
	}
	return now
}

// receiver lets a process have events, and writes down what it accepted: an event
// without a status, or with the status on which the lead stands, has to lead to where
// the lead stands now, or later. Any other may repeat what was told last.
func (w *leadWorld) receiver(to http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		lead, status := eventLead(string(body))
		w.mu.Lock()
		w.lookLocked()
		states := w.truth[lead]
		w.mu.Unlock()
		recorder := httptest.NewRecorder()
		to.ServeHTTP(recorder, r)
		response.WriteHeader(recorder.Code)
		if recorder.Code != http.StatusOK || len(states) == 0 {
			return
		}
		last := len(states) - 1
		w.mu.Lock()
		defer w.mu.Unlock()
		if strings.Contains(string(body), "DELETE") {
			w.goneDue[lead] = true
		}
		if w.counts["accepted"]++; status == "" || status == states[last].ID {
			w.due[lead] = max(w.due[lead], last)
		}
	})
}

// eventLead returns what an event is about.
func eventLead(body string) (lead crm.LeadRef, status string) {
	var chat struct {
		LeadID json.Number
		Lead   struct{ StatusID json.Number }
	}
	if json.Unmarshal([]byte(body), &chat) == nil {
		return crm.LeadRef{Source: "umnico", ID: chat.LeadID.String()}, chat.Lead.StatusID.String()
	}
	form, _ := url.ParseQuery(body)
	kind := bitrix24.KindDeal
	if strings.HasPrefix(form.Get("event"), "ONCRMLEAD") {
		kind = bitrix24.KindLead
	}
	return crm.LeadRef{Source: "bitrix24", Kind: kind, ID: form.Get("data[FIELDS][ID]")}, form.Get("data[FIELDS][STAGE_ID]")
}
