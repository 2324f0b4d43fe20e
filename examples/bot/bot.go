package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/memstore"
)

// bot is the engine with all that it is connected to.
type bot struct {
	catalog *statuslink.Catalog
	syncer  *statuslink.Syncer
	leads   *statuslink.Leads
	engine  *engine

	clients   *clients
	messenger *messenger
	crms      *crms
}

// run is the life of a bot: it connects, follows the CRMs, and handles one line after
// the other until the messenger has no more.
func run(ctx context.Context, m *messenger, now func() time.Time) error {
	b, err := newBot(ctx, m, now)
	if err != nil {
		return err
	}
	hooks, err := newWebhooks(b.crms)
	if err != nil {
		return err
	}
	if err := b.crms.subscribe(ctx); err != nil {
		return err
	}

	// Follow runs beside the messenger, as long as the bot does. It drains the
	// receivers of webhooks, which are mounted as handlers of the bot's server.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var followed error
	var following sync.WaitGroup
	following.Go(func() {
		defer stop() // without Follow the bot would not hear of managers any more
		followed = b.leads.Follow(ctx, b.engine.changed, hooks.sources...)
	})
	err = hooks.ready(ctx)
	if err == nil {
		b.greet()
		err = m.lines(ctx, func(line string) bool {
			more := b.handle(ctx, line)
			b.crms.deliver(ctx, hooks) // what happened in the CRMs meanwhile
			return more
		})
	}
	stop()
	following.Wait()
	if !errors.Is(followed, context.Canceled) {
		err = errors.Join(err, followed)
	}
	return err
}

// newBot makes the bot's statuses, links them to those of the CRMs, and makes what
// reads, sets and follows leads.
func newBot(ctx context.Context, m *messenger, now func() time.Time) (*bot, error) {
	b := &bot{messenger: m, clients: new(clients)}
	var err error
	if b.crms, err = newCRMs(b.clients); err != nil {
		return nil, err
	}
	// A real bot keeps its statuses in a store that outlives it, see
	// examples/customstore.
	if b.catalog, err = statuslink.NewCatalog(new(memstore.Store), &statuslink.Options{Now: now}); err != nil {
		return nil, err
	}
	if err = b.catalog.Ensure(ctx, definitions...); err != nil {
		return nil, err
	}
	if b.syncer, err = statuslink.NewSyncer(b.catalog, nil, b.crms.umnico, b.crms.bitrix24); err != nil {
		return nil, err
	}
	if _, err = b.syncer.Sync(ctx); err != nil {
		return nil, err
	}
	b.engine = &engine{catalog: b.catalog, clients: b.clients, messenger: m}
	b.leads, err = statuslink.NewLeads(b.catalog, &statuslink.LeadsOptions{
		// Where a client stands on a status that the bot does not know, a person
		// talks: better silent than wrong.
		Fallback: operator,
		Unlinked: b.engine.unlinked,
		DeadLetter: func(_ context.Context, change statuslink.LeadChange, err error) {
			m.fail(fmt.Errorf("lead %s: given up: %w", change.Lead.Ref, err))
		},
	}, b.crms.umnico, b.crms.bitrix24)
	b.engine.leads = b.leads
	return b, err
}
