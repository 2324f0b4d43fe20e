package crmtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/statuslink/statuslink/crm"
)

var senderChecks = []eventCheck{
	{name: "HandsOverAChange", run: handsOverAChange},
	{name: "RefusesAnotherSender", run: refusesAnotherSender},
	{name: "RefusesAnotherMethod", run: refusesAnotherMethod},
	{name: "RefusesALargeMessage", run: refusesALargeMessage},
	{name: "RefusesGarbage", run: refusesGarbage},
	{name: "AcceptsWhatItDoesNotNeed", run: acceptsWhatItDoesNotNeed},
	{name: "SecretsAreInNoPrintedReceiver", run: secretsInNoReceiver},
}

// handsOverAChange: an event names the account, the lead and what happened, and
// holds the message as it came.
func handsOverAChange(t *eventTest) {
	r := t.receive(t.Context(), nil)
	defer r.stop()
	source := r.source.Source()
	if source == "" {
		t.Errorf("Source is empty; it names the connected account")
	}
	for i, lead := range t.Leads {
		m := t.change(i)
		if status := t.send(r, m); !accepted(status) {
			t.Errorf("a genuine message was answered with HTTP %d, want 2xx", status)
			continue
		}
		events := r.settle()
		if len(events) != i+1 {
			t.Fatalf("after %d messages %d events were handed over", i+1, len(events))
		}
		event := events[i]
		if event.Source != source || event.Lead != lead {
			t.Errorf("the event is of the lead %v of %q, want %v of %q", event.Lead, event.Source, lead, source)
		}
		if event.Kind != crm.EventLeadChanged && event.Kind != crm.EventLeadMoved {
			t.Errorf("the event of a change has the kind %d, want EventLeadChanged or EventLeadMoved", event.Kind)
		}
		if event.Type == "" {
			t.Errorf("the event has no Type; it is the CRM's own name for it")
		}
		if event.Status != (crm.Ref{}) && event.Status.Source != source {
			t.Errorf("the event's Status %v is of another account than %q", event.Status, source)
		}
		if !bytes.Equal(event.Raw, m.body) {
			t.Errorf("the event's Raw is not the message as it came: %d bytes of %d", len(event.Raw), len(m.body))
		}
	}
	if got := r.source.Source(); got != source {
		t.Errorf("Source was %q and is %q; it never changes", source, got)
	}
}

// turnsAway checks that a message is refused, that nothing of it is handed over,
// and that the next good one is.
func (t *eventTest) turnsAway(what string, r *receiver, m message) {
	t.Helper()
	before := len(r.settle())
	if status := t.send(r, m); !refused(status) {
		t.Errorf("%s was answered with HTTP %d, want 4xx", what, status)
	}
	if n := len(r.settle()) - before; n > 0 {
		t.Errorf("%s was handed over", what)
	}
	if status := t.send(r, t.change(0)); !accepted(status) {
		t.Errorf("a genuine message after %s was answered with HTTP %d, want 2xx", what, status)
	}
}

// refusesAnotherSender: a message is taken from the CRM alone.
func refusesAnotherSender(t *eventTest) {
	r := t.receive(t.Context(), nil)
	defer r.stop()
	for range 3 {
		t.turnsAway("a message of a sender who is not the CRM", r, t.message(t.Foreign()))
	}
}

// refusesAnotherMethod: a message is what is sent as the CRM sends it.
func refusesAnotherMethod(t *eventTest) {
	r := t.receive(t.Context(), nil)
	defer r.stop()
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		m := t.change(0)
		if m.request.Method == method {
			continue
		}
		m.request.Method = method
		t.turnsAway("a message sent with "+method, r, m)
	}
}

// largeMessage is where an endless message ends after all. Half of it is more
// than any message has.
const largeMessage = 8 << 20

// filling is an endless text; read counts what was taken of it.
type filling struct {
	with string
	read *atomic.Int64
}

func (f filling) Read(p []byte) (int, error) {
	if f.read.Load() > largeMessage {
		return 0, io.EOF
	}
	n := copy(p, f.with)
	f.read.Add(int64(n))
	return n, nil
}

// refusesALargeMessage: the size of a message is limited before it is decoded.
func refusesALargeMessage(t *eventTest) {
	r := t.receive(t.Context(), nil)
	defer r.stop()
	for what, with := range map[string]string{"blanks": blanks, "text": strings.Repeat("x", len(blanks)), "fields": strings.Repeat("&a=1", len(blanks)/4)} {
		for _, length := range []int64{-1, largeMessage} {
			m := t.change(0)
			var read atomic.Int64
			m.request.Body = io.NopCloser(io.MultiReader(bytes.NewReader(m.body), filling{with, &read}))
			m.request.ContentLength = length
			t.turnsAway(fmt.Sprintf("a message with endless %s behind it (Content-Length %d)", what, length), r, m)
			if read.Load() > largeMessage/2 {
				t.Errorf("%d bytes were read of a message with endless %s behind it; its size is limited before it is decoded", read.Load(), what)
			}
		}
	}
}

// refusesGarbage: what cannot be understood is refused, and does no harm.
func refusesGarbage(t *eventTest) {
	r := t.receive(t.Context(), nil)
	defer r.stop()
	for _, body := range []string{
		"{", "<html><body>no</body></html>", "\x00\xff\xfe", "%zz=%", "[[[[", `"`, "a[b[c]=1&]]=2",
		strings.Repeat("[", 10_000), strings.Repeat("a[b]", 2_000) + "=1",
	} {
		m := t.change(0)
		m.request.Body, m.request.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		t.turnsAway(fmt.Sprintf("the garbage %.20q", body), r, m)
	}
}

// acceptsWhatItDoesNotNeed: what is understood and not needed is answered with
// 2xx, because CRMs switch off what fails; it is EventOther, if anything.
func acceptsWhatItDoesNotNeed(t *eventTest) {
	if t.Other == nil {
		t.Skipf("the CRM sends no other messages")
	}
	r := t.receive(t.Context(), nil)
	defer r.stop()
	m := t.message(t.Other())
	if status := t.send(r, m); !accepted(status) {
		t.Errorf("a message that is understood and not needed was answered with HTTP %d, want 2xx", status)
	}
	for _, event := range r.settle() {
		if event.Kind != crm.EventOther || event.Lead != (crm.LeadRef{}) || !bytes.Equal(event.Raw, m.body) || event.Source != r.source.Source() {
			t.Errorf("a message about no lead was handed over with the kind %d and the lead %v, of %q", event.Kind, event.Lead, event.Source)
		}
	}
}

// secretsInNoReceiver: a receiver that is printed or encoded shows no credential,
// nor does an event.
func secretsInNoReceiver(t *eventTest) {
	r := t.receive(t.Context(), nil)
	t.send(r, t.change(0))
	t.send(r, t.message(t.Foreign()))
	events := r.settle()
	r.stop()
	for what, value := range map[string]any{
		"a receiver": r.source, "a field with a receiver": struct{ S crm.EventSource }{r.source},
		"an unexported field with a receiver": struct{ s crm.EventSource }{r.source},
	} {
		for _, shown := range printed(value) {
			if leaks(shown, t.Secrets) {
				t.Errorf("a credential can be seen in %s (%T): %s", what, value, shown)
				break
			}
		}
	}
	for _, event := range events {
		if shown := fmt.Sprintf("%+v %#v", event, event); leaks(shown, t.Secrets) {
			t.Errorf("a credential can be seen in a printed event: %s", shown)
		}
	}
}
