package bitrix24test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm/crmfault"
)

// Delivery is an event on its way to a handler: a POST of a form.
type Delivery struct {
	// Event is the event's name, such as "ONCRMLEADUPDATE".
	Event string
	// URL is the handler's address.
	URL string
	// Body is the form, with percent-encoded keys. It holds tokens.
	Body string
}

// AddWebhookHandler adds an outgoing webhook: the address gets the events of
// these names, in any case, with the token as application_token. It gets no
// event that only applications get, such as ONCRMDEALMOVETOCATEGORY, and none
// that the portal does not know. Applications add handlers by event.bind.
//
// https://apidocs.bitrix24.com/local-integrations/local-webhooks.html
func (p *Portal) AddWebhookHandler(url, applicationToken string, events ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := handler{url: url, token: applicationToken, webhook: true}
	for _, name := range events {
		h.events = append(h.events, strings.ToUpper(name))
	}
	p.app.events.add(h)
}

// SetShortWebhooks makes outgoing webhooks send only the keys that the page of
// webhooks lists: no event_handler_id and no addresses. At the start they send
// what the page of events shows.
func (p *Portal) SetShortWebhooks(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.app.events.short = on
}

// Events returns a copy of the events that wait for [Portal.Deliver], the oldest
// first.
func (p *Portal) Events() []Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.app.events.queue)
}

// SetEvents replaces the events that wait, so that they can come in another
// sequence, more than once, or not at all; Bitrix24 promises neither. Events that
// were queued since [Portal.Events] was called are lost.
func (p *Portal) SetEvents(events ...Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.app.events.queue = slices.Clone(events)
}

// Deliver sends the events that wait now, one after the other, and returns how
// many were answered with a status from 200 to 299, and how many were not. As in
// Bitrix24 those are lost: nothing is sent twice. Events that come meanwhile wait
// for the next call, and so do those that are left when ctx ends. Nothing is sent
// unless it is called; calls at the same time share the queue.
func (p *Portal) Deliver(ctx context.Context, client *http.Client) (delivered, failed int) {
	for n := len(p.Events()); n > 0; n-- {
		if ctx.Err() != nil {
			break
		}
		d, found := p.nextEvent()
		if !found {
			break
		}
		if d.send(ctx, client) {
			delivered++
		} else {
			failed++
		}
	}
	return delivered, failed
}

// DeliverTo is [Portal.Deliver] without a network: whatever their addresses, the
// handler gets all events.
func (p *Portal) DeliverTo(ctx context.Context, handler http.Handler) (delivered, failed int) {
	return p.Deliver(ctx, crmfault.New(handler).HTTPClient())
}

// nextEvent takes the oldest event out.
func (p *Portal) nextEvent() (Delivery, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.app.events.queue
	if len(queue) == 0 {
		return Delivery{}, false
	}
	p.app.events.queue = queue[1:]
	return queue[0], true
}

// send reports whether the handler took the event.
func (d Delivery) send(ctx context.Context, client *http.Client) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, strings.NewReader(d.Body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, 1<<16)
	return response.StatusCode/100 == 2
}

// events are the handlers and what waits for them. They are guarded by the
// portal's mu.
type events struct {
	handlers    []handler
	lastHandler int
	short       bool
	queue       []Delivery
	offline     offlineQueue
}

// handler is who hears of events: an outgoing webhook, or what an application
// bound to one event.
type handler struct {
	id      int
	url     string
	events  []string
	webhook bool
	token   string // of a webhook
	user    int    // whose tokens are sent; 0 means those of who made the change
	offline bool   // events are put into the offline queue
	pause   time.Duration
	last    time.Time // of ONOFFLINEEVENT
}

func (e *events) add(h handler) {
	e.lastHandler++
	h.id = e.lastHandler
	e.handlers = append(e.handlers, h)
}

// unbindAll takes the application's handlers away.
func (a *application) unbindAll() {
	a.events.handlers = slices.DeleteFunc(a.events.handlers, func(h handler) bool { return !h.webhook })
	a.events.offline = offlineQueue{}
}

// queueChange queues the events of a change of an item. It runs under mu.
func (p *Portal) queueChange(c change) {
	if len(p.app.events.handlers) == 0 {
		return
	}
	for _, name := range c.eventNames() {
		p.queueEvent(message{name: name, data: c.eventData(), by: c.by, object: true})
	}
}

// queueEvent queues an event for each handler that wants it. It runs under mu.
func (p *Portal) queueEvent(m message) {
	e := &p.app.events
	queued := false
	for i := range e.handlers {
		h := &e.handlers[i]
		switch {
		case !slices.Contains(h.events, m.name), h.webhook && onlyForApplications(m.name):
		case h.offline: // there is but one of an event
			queued = true
			e.offline.put(m)
		default:
			p.queueFor(h, m)
		}
	}
	if queued {
		p.announceOffline()
	}
}

// queueFor queues an event for one handler. It runs under mu.
func (p *Portal) queueFor(h *handler, m message) {
	p.app.events.queue = append(p.app.events.queue, Delivery{Event: m.name, URL: h.url, Body: p.app.write(h, m)})
}

// installEvent queues ONAPPINSTALL, and uninstallEvent queues ONAPPUNINSTALL.
// They run under mu.
func (p *Portal) installEvent(tokens Tokens) {
	if p.app.Handler != "" {
		p.queueFor(&handler{url: p.app.Handler}, message{name: eventInstall, by: tokens.UserID, refresh: tokens.RefreshToken, data: [][2]string{
			{"data[VERSION]", "1"},
			{"data[ACTIVE]", "Y"},
			{"data[INSTALLED]", "Y"},
			{"data[LANGUAGE_ID]", language},
		}})
	}
}

func (p *Portal) uninstallEvent() {
	m := message{name: eventUninstall, data: [][2]string{{"data[LANGUAGE_ID]", language}, {"data[CLEAN]", "1"}}}
	p.queueEvent(m)
	if p.app.Handler != "" {
		p.queueFor(&handler{url: p.app.Handler}, m)
	}
}
