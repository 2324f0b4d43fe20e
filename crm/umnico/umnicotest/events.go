package umnicotest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm/crmfault"
)

// Delivery is an event on its way to a webhook: a POST of JSON.
type Delivery struct {
	// Type is the event's name, such as "lead.changed.status".
	Type string
	// WebhookID is whose event it is; 0 is nobody's, as of an event that a test
	// made, and is sent in any case.
	WebhookID int
	// URL is the webhook's address when the event happened.
	URL string
	// Body is the event as it was when it happened.
	Body string
}

// Events returns a copy of the events that wait for [Umnico.Deliver], the oldest
// first. Every webhook that is on has one for each event.
func (u *Umnico) Events() []Delivery {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.queue)
}

// SetEvents replaces the events that wait, so that they can come in another
// sequence, more than once, or not at all: nothing is known of what Umnico
// promises. Events that were queued since [Umnico.Events] was called are lost.
func (u *Umnico) SetEvents(events ...Delivery) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.queue = slices.Clone(events)
}

// SendEvent queues an event with this body for every webhook that is on: one of
// those whose shape is not known, such as integration.created, or any other text.
func (u *Umnico) SendEvent(body string) {
	var event struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal([]byte(body), &event) // what is no JSON has no type
	u.mu.Lock()
	defer u.mu.Unlock()
	u.queueBody(event.Type, body)
}

// Deliver sends the events that wait now, one after the other, and returns how
// many were answered with a status from 200 to 299, and how many were not; those
// are lost, and nothing is sent twice. A webhook with too many failed deliveries
// in a row, see [Umnico.SetWebhookFailures], is switched off. An event of a
// webhook that is off or gone by now is not sent, and has failed. Events that come
// meanwhile wait for the next call, and so do those that are left when ctx ends.
// Nothing is sent unless it is called; calls at the same time share the queue.
func (u *Umnico) Deliver(ctx context.Context, client *http.Client) (delivered, failed int) {
	for n := len(u.Events()); n > 0 && ctx.Err() == nil; n-- {
		d, send, found := u.nextEvent()
		if !found {
			break
		}
		if !send {
			failed++
			continue
		}
		good := d.send(ctx, client)
		u.delivered(d, good)
		if good {
			delivered++
		} else {
			failed++
		}
	}
	return delivered, failed
}

// DeliverTo is [Umnico.Deliver] without a network: whatever their addresses, the
// handler gets all events.
func (u *Umnico) DeliverTo(ctx context.Context, handler http.Handler) (delivered, failed int) {
	return u.Deliver(ctx, crmfault.New(handler).HTTPClient())
}

// nextEvent takes the oldest event out, and says whether it is to be sent.
func (u *Umnico) nextEvent() (d Delivery, send, found bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.queue) == 0 {
		return Delivery{}, false, false
	}
	d = u.queue[0]
	u.queue = u.queue[1:]
	i := u.webhook(d.WebhookID)
	return d, d.WebhookID == 0 || i >= 0 && !u.webhooks[i].Off, true
}

// delivered counts failures, and switches a webhook off that has too many.
func (u *Umnico) delivered(d Delivery, good bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := u.webhook(d.WebhookID)
	if good || i < 0 {
		delete(u.failures, d.WebhookID)
		return
	}
	u.failures[d.WebhookID]++
	if u.failuresMost > 0 && u.failures[d.WebhookID] >= u.failuresMost {
		u.webhooks[i].Off = true
	}
}

// send reports whether the webhook took the event.
func (d Delivery) send(ctx context.Context, client *http.Client) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, strings.NewReader(d.Body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, 1<<16)
	return response.StatusCode/100 == 2
}
