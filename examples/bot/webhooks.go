package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/umnico"
)

// The addresses to which the CRMs send their events. Umnico signs nothing, so what
// nobody else knows stands in the address; Bitrix24 sends a token along. A real bot
// makes both with crypto/rand.Text, or has them in its settings.
const (
	umnicoSecret    = "made-up-secret-of-umnico"
	bitrix24Token   = "made-up-token-of-bitrix24"
	botAddress      = "https://bot.example.com"
	umnicoAddress   = botAddress + "/hooks/umnico/" + umnicoSecret
	bitrix24Address = botAddress + "/hooks/bitrix24"
)

// webhooks receive the CRMs' events.
type webhooks struct {
	http.ServeMux // what the bot's http.Server would serve

	sources   []crm.EventSource // for Follow
	accepting func() bool
}

func newWebhooks(c *crms) (*webhooks, error) {
	first, err := umnico.NewEvents(umnico.EventOptions{Secret: umnicoSecret})
	if err != nil {
		return nil, err
	}
	second, err := bitrix24.NewEvents(bitrix24.EventOptions{
		Tokens: []string{bitrix24Token},
		// Bitrix24's events do not say where a lead stands. So the leads of all
		// events that wait are read in one request, not one by one.
		ReadLeads: c.bitrix24.ReadLeads,
	})
	if err != nil {
		return nil, err
	}
	// A real bot gives first and second as they are, here and to Follow.
	inTurn1, inTurn2 := newInTurn(first), newInTurn(second)
	w := &webhooks{
		sources:   []crm.EventSource{inTurn1, inTurn2},
		accepting: func() bool { return first.Accepting() && second.Accepting() },
	}
	w.Handle("POST /hooks/umnico/{secret}", inTurn1)
	w.Handle("POST /hooks/bitrix24", inTurn2)
	return w, nil
}

// ready waits until both receivers accept events: they do not before Follow drains
// them, and what they refuse, a CRM may not send again. A real bot answers its probe
// for readiness by accepting, and calls Leads.CatchUp and Leads.Reconcile for what it
// missed.
func (w *webhooks) ready(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !w.accepting() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// inTurn answers an event only when it was handled, so that a session prints the
// same each time. It is for the console: a CRM must not wait for what a bot does.
type inTurn struct {
	crm.EventSource

	mu      sync.Mutex
	handled chan struct{}
}

func newInTurn(source crm.EventSource) *inTurn {
	return &inTurn{EventSource: source, handled: make(chan struct{})}
}

// ServeHTTP lets the source answer, and waits for what comes of an event that it
// accepted.
func (t *inTurn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	answer := &answer{ResponseWriter: w}
	t.EventSource.ServeHTTP(answer, r)
	if answer.status != http.StatusOK {
		return
	}
	select {
	case <-t.handled:
	case <-r.Context().Done():
	}
}

// Run tells ServeHTTP of each event that was handled.
func (t *inTurn) Run(ctx context.Context, handle func(ctx context.Context, event crm.Event)) error {
	return t.EventSource.Run(ctx, func(eventCtx context.Context, event crm.Event) {
		handle(eventCtx, event)
		select {
		case t.handled <- struct{}{}:
		case <-ctx.Done():
		}
	})
}

// answer keeps the status of an answer.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}
