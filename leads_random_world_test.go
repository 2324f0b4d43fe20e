package statuslink_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
	"github.com/statuslink/statuslink/memstore"
)

// leadWorld is a bot with two CRMs, to all of which random things happen. It knows
// the true sequence of states of each lead.
type leadWorld struct {
	t        *testing.T
	mode     leadMode
	copies   bool // the portal may give older answers
	fallback string
	trusts   bool // events of chats come once and in order, and are believed
	app      bool // the bot is an application of the portal
	reads    bool // deals are read before their events are handed over
	portal   *bitrix24test.Portal
	account  *umnicotest.Umnico
	clients  []crm.Client
	catalog  *statuslink.Catalog
	syncer   *statuslink.Syncer
	memory   *sharedMemory // nil in other modes
	writing  map[string]gate
	queue    gate // of those who take or put events

	mu        sync.Mutex
	random    *rand.Rand
	process   *leadProcess
	truth     map[crm.LeadRef][]crm.Ref // each state that a lead had, in order; goneRef is the last
	reached   map[crm.LeadRef]int       // the state that was heard of last
	heard     map[crm.LeadRef]crm.Ref   // the same, or the unlinked one that was reported
	view      map[crm.LeadRef]statuslink.LeadChange
	before    map[crm.LeadRef]statuslink.LeadChange // the view before the callback
	unsure    map[crm.LeadRef]bool                  // it was set by several calls at the same time, and the view is one of them
	inCall    map[crm.LeadRef]bool
	positions map[string]string // of histories, by kind
	deals     eventsAbout[bitrix24test.Delivery]
	chats     eventsAbout[umnicotest.Delivery]
	answers   map[string][]byte    // older ones about deals, by request
	due       map[crm.LeadRef]int  // the state that the process has to hear of, as an event tells
	goneDue   map[crm.LeadRef]bool // an event told the process that the lead is gone
	calm      bool                 // callbacks go well
	counts    map[string]int
}

// eventsAbout are those that come late, and those that tell of leads that are gone.
type eventsAbout[D any] struct{ late, gone []D }

// leadMode is how a bot remembers leads.
type leadMode int

const (
	withNothing leadMode = iota
	withLastKnown
	withMemory
	leadModes
)

// goneRef is the state of a lead that was deleted.
var goneRef = crm.Ref{ID: "gone"}

// gate lets one through at a time. Waiting for it lets a bubble's time pass.
type gate chan struct{}

func (g gate) do(f func()) {
	g <- struct{}{}
	defer func() { <-g }()
	f()
}

func newLeadWorld(t *testing.T, seed uint64) *leadWorld {
	t.Helper()
	w := &leadWorld{
		t: t, portal: bitrix24test.New(), account: umnicotest.New(),
		mode: leadMode(seed % uint64(leadModes)), fallback: []string{"new", ""}[seed%2], trusts: seed%5 == 4, app: seed%4 >= 2, reads: seed%7 >= 4, random: rand.New(rand.NewPCG(seed, 6)),
		writing: map[string]gate{"bitrix24": make(gate, 1), "umnico": make(gate, 1)}, queue: make(gate, 1),
		truth: make(map[crm.LeadRef][]crm.Ref), reached: make(map[crm.LeadRef]int), heard: make(map[crm.LeadRef]crm.Ref),
		view: make(map[crm.LeadRef]statuslink.LeadChange), unsure: make(map[crm.LeadRef]bool), before: make(map[crm.LeadRef]statuslink.LeadChange), inCall: make(map[crm.LeadRef]bool),
		positions: map[string]string{bitrix24.KindDeal: "0", bitrix24.KindLead: "0"}, counts: make(map[string]int),
		answers: make(map[string][]byte), due: make(map[crm.LeadRef]int), goneDue: make(map[crm.LeadRef]bool),
	}
	if w.mode == withMemory {
		w.memory, w.copies = newSharedMemory(), seed%2 == 1
		if !w.copies { // an older answer would be believed by a memory that forgot the newer one
			w.memory.failNow = w.memoryFails
		}
	}
	portal, err := w.portalClient(&bitrix24.Options{
		HTTPClient: &http.Client{Transport: watchedWrites{w, "bitrix24", w.portal.Transport()}},
		Scopes:     []string{bitrix24.Everything}, Limiter: bitrix24.NewNoLimiter(),
	})
	w.must(err)
	account, err := umnico.New(w.account.Token(), &umnico.Options{
		BaseURL: "https://api.umnico.example", HTTPClient: &http.Client{Transport: watchedWrites{w, "umnico", w.account.Transport()}},
	})
	w.must(err)
	w.clients = []crm.Client{portal, account}
	for _, kind := range []string{bitrix24.KindDeal, bitrix24.KindLead} {
		const address = "https://bot.example.com/hooks/bitrix24"
		if w.app {
			w.must(portal.BindEvents(t.Context(), address, bitrix24.EventNames(kind)...))
			continue
		}
		w.portal.AddWebhookHandler(address, hookToken, bitrix24.EventNames(kind)...)
	}
	w.account.AddWebhook(umnicotest.Webhook{URL: "https://bot.example.com/hooks/umnico/" + hookSecret})
	w.account.SetWebhookFailures(0)
	w.account.SetChangedToo(w.chance(2))
	w.account.SetEcho(w.chance(2)) // events of what the bot does
	w.catalog, err = statuslink.NewCatalog(new(memstore.Store), nil)
	w.must(err)
	w.must(w.catalog.Ensure(t.Context(),
		statuslink.Definition{Key: "first", Name: "Первичное касание"},
		statuslink.Definition{Key: "new", Name: "First contact", Aliases: []string{"Новый"}},
		statuslink.Definition{Key: "operator", Name: "Диалог с оператором"},
	))
	w.syncer, err = statuslink.NewSyncer(w.catalog, nil, w.clients...)
	w.must(err)
	_, err = w.syncer.Sync(t.Context())
	w.must(err)
	for range 4 {
		w.portal.AddDeal(0, "NEW")
		w.portal.AddDeal(5, "C5:NEW")
		w.portal.AddLead("NEW")
		w.account.AddLead(umnicotest.Lead{})
	}
	w.look()
	return w
}

// portalClient signs in to the portal, by a webhook or as an application.
func (w *leadWorld) portalClient(opts *bitrix24.Options) (*bitrix24.Client, error) {
	if !w.app {
		return bitrix24.New(w.portal.Webhook(), opts)
	}
	w.portal.SetRefreshReusable(true) // faults lose answers of the authorization server, too
	tokens := w.portal.Install(bitrix24test.App{ApplicationToken: hookToken})
	return bitrix24.NewForApp(
		bitrix24.App{
			ClientID: bitrix24test.DefaultClientID, ClientSecret: bitrix24test.DefaultClientSecret,
			Save: func(context.Context, bitrix24.Token) error { return nil },
		},
		bitrix24.Token{
			AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken, Expires: tokens.Expires,
			MemberID: tokens.MemberID, ClientEndpoint: tokens.ClientEndpoint, ServerEndpoint: tokens.ServerEndpoint,
		}, opts)
}

func (w *leadWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// intn draws a number below n.
func (w *leadWorld) intn(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// chance is true once in n times.
func (w *leadWorld) chance(n int) bool { return w.intn(n) == 0 }

func (w *leadWorld) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
}

// look writes down what moved in the CRMs.
func (w *leadWorld) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookLocked()
}

func (w *leadWorld) lookLocked() {
	now := make(map[crm.LeadRef]crm.Ref)
	for _, kind := range []int{1, 2} {
		for _, item := range w.portal.Items(kind) {
			now[itemLead(item)] = itemStage(item)
		}
	}
	for _, chat := range w.account.Leads() {
		now[crm.LeadRef{Source: "umnico", ID: strconv.Itoa(chat.ID)}] = crm.Ref{Source: "umnico", ID: strconv.Itoa(chat.StatusID)}
	}
	for lead := range w.truth {
		if _, there := now[lead]; !there {
			now[lead] = goneRef
		}
	}
	for lead, ref := range now {
		if states := w.truth[lead]; len(states) == 0 || states[len(states)-1] != ref {
			w.truth[lead] = append(states, ref)
		}
	}
}

func itemLead(item bitrix24test.Item) crm.LeadRef {
	kind := bitrix24.KindDeal
	if item.TypeID == 1 {
		kind = bitrix24.KindLead
	}
	return crm.LeadRef{Source: "bitrix24", Kind: kind, ID: strconv.Itoa(item.ID)}
}

func itemStage(item bitrix24test.Item) crm.Ref {
	ref := crm.Ref{Source: "bitrix24", Scope: "STATUS", ID: item.Stage}
	if item.TypeID == 2 {
		ref.Scope = "DEAL_STAGE"
		if item.Category > 0 {
			ref.Scope += "_" + strconv.Itoa(item.Category)
		}
	}
	return ref
}

func (w *leadWorld) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("mode %d, %v", w.mode, w.counts)
}
