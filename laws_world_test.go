package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
)

// setup is what a world starts with.
type setup struct {
	sources []sourceSetup
	engines []engineSetup
	// descending makes each new ID sort before those that exist.
	descending bool
	// focus is what the history is about; "" for everything.
	focus string
}

type sourceSetup struct {
	name      string
	scopes    []string
	exists    bool // the CRM tells which scopes exist
	announces bool // the CRM tells how many rows a scope has
}

type engineSetup struct {
	policy  statuslink.Policy
	sources []string
}

func (s setup) String() string {
	var b strings.Builder
	for _, source := range s.sources {
		fmt.Fprintf(&b, "source %s with scopes %q, tells what exists: %t, announces rows: %t\n",
			source.name, source.scopes, source.exists, source.announces)
	}
	for i, e := range s.engines {
		fmt.Fprintf(&b, "engine %d reads %v: conflict %q, apart %t, link only %t\n",
			i, e.sources, e.policy.Conflict, e.policy.Apart, e.policy.LinkOnly)
	}
	fmt.Fprintf(&b, "new IDs descend: %t\n", s.descending)
	return b.String()
}

// world is a bot's store with its engines, the CRMs that it is connected to,
// and what the laws remember of the past.
type world struct {
	setup   setup
	law     string // the laws that are watched
	script  []action
	failure error
	broken  string // the law that failure breaks

	crms    map[string]*crmSource
	store   *memstore.Store
	catalog *statuslink.Catalog
	engines []*engine
	now     time.Time
	ids     int
	last    *step // the latest synchronisation

	ghost ghost
}

// crmSource is one account of a CRM as it really is.
type crmSource struct {
	sourceSetup
	account []string
	scopes  []*crmScope
	removed []*crmScope
}

type crmScope struct {
	id, name string
	hidden   bool // exists, but is not asked for
	rows     []crm.Status
	deleted  []crm.Status
}

type engine struct {
	engineSetup
	syncer  *statuslink.Syncer
	clients []*lawClient
}

// lawClient shows what it was given.
type lawClient struct{ shown shown }

// shown is what one reading of a source gave.
type shown struct {
	source  string
	listing crm.Listing
	err     error
}

func (c *lawClient) Source() string { return c.shown.source }

func (c *lawClient) ListStatuses(context.Context) (crm.Listing, error) {
	return cloneListing(c.shown.listing), c.shown.err
}

func cloneListing(l crm.Listing) crm.Listing {
	l.Account = slices.Clone(l.Account)
	l.Scopes = slices.Clone(l.Scopes)
	l.Exists = slices.Clone(l.Exists)
	l.Statuses = slices.Clone(l.Statuses)
	return l
}

func newWorld(s setup, law string) *world {
	w := &world{
		setup: s, law: law, crms: make(map[string]*crmSource), store: new(memstore.Store),
		now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ghost: newGhost(),
	}
	for _, source := range s.sources {
		c := &crmSource{sourceSetup: source, account: []string{source.name + ".example"}}
		for _, id := range source.scopes {
			c.scopes = append(c.scopes, &crmScope{id: id, name: "list " + id})
		}
		w.crms[source.name] = c
	}
	w.catalog = w.newCatalog(w.store)
	for _, e := range s.engines {
		w.engines = append(w.engines, newEngine(w.catalog, e))
	}
	return w
}

func (w *world) newCatalog(store statuslink.Store) *statuslink.Catalog {
	catalog, err := statuslink.NewCatalog(store, &statuslink.Options{NewID: w.newID, Now: func() time.Time { return w.now }})
	if err != nil {
		panic(err)
	}
	return catalog
}

func (w *world) newID() string {
	w.ids++
	if w.setup.descending {
		return fmt.Sprintf("st_%03d", 999-w.ids)
	}
	return fmt.Sprintf("st_%03d", w.ids)
}

func newEngine(catalog *statuslink.Catalog, s engineSetup) *engine {
	e := &engine{engineSetup: s}
	clients := make([]crm.Client, 0, len(s.sources))
	for _, source := range s.sources {
		c := &lawClient{shown{source: source}}
		e.clients = append(e.clients, c)
		clients = append(clients, c)
	}
	syncer, err := statuslink.NewSyncer(catalog, &statuslink.SyncOptions{Policy: s.policy}, clients...)
	if err != nil {
		panic(err)
	}
	e.syncer = syncer
	return e
}

// show gives each client of the engine what it shall read.
func (e *engine) show(readings []shown) {
	for i := range e.clients {
		e.clients[i].shown = readings[i]
	}
}

// fork returns an engine over a store of its own that begins with the state,
// and shows the readings.
func (w *world) fork(state statuslink.State, policy statuslink.Policy, readings []shown) (*engine, *memstore.Store) {
	store, err := memstore.New(state)
	if err != nil {
		panic(err)
	}
	ids := w.ids
	catalog, err := statuslink.NewCatalog(store, &statuslink.Options{
		NewID: func() string {
			ids++
			if w.setup.descending {
				return fmt.Sprintf("st_%03d", 999-ids)
			}
			return fmt.Sprintf("st_%03d", ids)
		},
		Now: func() time.Time { return w.now },
	})
	if err != nil {
		panic(err)
	}
	s := engineSetup{policy: policy}
	for _, r := range readings {
		s.sources = append(s.sources, r.source)
	}
	e := newEngine(catalog, s)
	e.show(readings)
	return e, store
}

// run plans and applies, and returns the state after it.
func (e *engine) run(store *memstore.Store) (*statuslink.Plan, *statuslink.Snapshot, error) {
	plan, err := e.syncer.Plan(context.Background())
	if err == nil {
		_, err = e.syncer.Apply(context.Background(), plan)
	}
	return plan, load(store), err
}

func load(store *memstore.Store) *statuslink.Snapshot {
	snapshot, err := store.Load(context.Background(), nil)
	if err != nil {
		panic(err)
	}
	return snapshot
}

// violate records that a law was broken, if it is the one that is watched.
func (w *world) violate(law, format string, args ...any) {
	if w.watches(law) {
		w.broken, w.failure = law, fmt.Errorf(format, args...)
	}
}

// surprise records an error that no action may give.
func (w *world) surprise(err error) {
	if w.failure == nil {
		w.broken, w.failure = "no surprise", fmt.Errorf("an error that cannot be: %w", err)
	}
}

// expected passes over the errors that a person's mistakes give.
func (w *world) expected(err error) bool {
	if err == nil {
		return true
	}
	for _, kind := range []error{
		statuslink.ErrNotFound, statuslink.ErrInvalid, statuslink.ErrDuplicate, statuslink.ErrInUse, statuslink.ErrNotLinked,
	} {
		if errors.Is(err, kind) {
			return false
		}
	}
	w.surprise(err)
	return false
}

func (w *world) do(a action) {
	w.script = append(w.script, a)
	w.now = w.now.Add(time.Second)
	a.run(w)
	if w.watches("invariants") {
		if err := lawInvariants(w); err != nil {
			w.violate("invariants", "%w", err)
		}
	}
}

// story prints the script with what it started from.
func story(s setup, script []action) string {
	var b strings.Builder
	b.WriteString(s.String())
	for i, a := range script {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, a)
	}
	return b.String()
}

// scope finds a scope of a CRM.
func (w *world) scope(source, id string) *crmScope {
	c := w.crms[source]
	if c == nil {
		return nil
	}
	for _, s := range c.scopes {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (s *crmScope) row(id string) *crm.Status {
	if s == nil {
		return nil
	}
	i := slices.IndexFunc(s.rows, func(r crm.Status) bool { return r.Ref.ID == id })
	if i < 0 {
		return nil
	}
	return &s.rows[i]
}

func (w *world) row(ref crm.Ref) *crm.Status { return w.scope(ref.Source, ref.Scope).row(ref.ID) }
