package statuslink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	t       *testing.T
	mode    leadMode
	copies  bool // the portal may give older answers
	portal  *bitrix24test.Portal
	account *umnicotest.Umnico
	clients []crm.Client
	catalog *statuslink.Catalog
	syncer  *statuslink.Syncer
	memory  *sharedMemory // nil in other modes
	writing map[string]gate
	queue   gate // of those who take or put events

	mu        sync.Mutex
	random    *rand.Rand
	process   *leadProcess
	truth     map[crm.LeadRef][]crm.Ref // each state that a lead had, in order; goneRef is the last
	reached   map[crm.LeadRef]int       // the state that was heard of last
	heard     map[crm.LeadRef]crm.Ref   // the same, or the unlinked one that was reported
	view      map[crm.LeadRef]statuslink.LeadChange
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

// watchedWrites lets one change of a CRM happen at a time, so that no state of a lead
// goes unnoticed, and counts the changes of the call that makes them.
type watchedWrites struct {
	world  *leadWorld
	source string
	next   http.RoundTripper
}

// writesOf is the key of a call's *leadWrites.
type writesOf struct{}

// leadWrites counts requests that write: those that were made, and those that went well.
type leadWrites struct{ asked, done atomic.Int64 }

func (w watchedWrites) RoundTrip(r *http.Request) (response *http.Response, err error) {
	body := ""
	if r.Body != nil {
		whole, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		body = string(whole)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	if r.Method != http.MethodPut && !strings.Contains(r.URL.Path+body, "crm.item.update") {
		return w.read(r, body)
	}
	writes, _ := r.Context().Value(writesOf{}).(*leadWrites)
	if writes != nil {
		writes.asked.Add(1)
	}
	w.world.writing[w.source].do(func() {
		response, err = w.next.RoundTrip(r) //nolint:bodyclose // the client's to close
		w.world.look()
	})
	if writes != nil && err == nil && response.StatusCode == http.StatusOK {
		writes.done.Add(1)
	}
	return response, err
}

// read reads, and sometimes gives an older answer about a deal, as a CRM does that
// keeps copies of its data: one whose MovedAt is a second that was over. None is given
// to those who set a status, nor to a bot that remembers no MovedAt.
func (w watchedWrites) read(r *http.Request, body string) (*http.Response, error) {
	setting := r.Context().Value(writesOf{}) != nil
	if setting || !w.world.copies || !strings.HasSuffix(r.URL.Path, "crm.item.get") {
		return w.next.RoundTrip(r)
	}
	asked := time.Now()
	response, err := w.next.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err // none of a lead that is gone either
	}
	now, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(now))
	if err != nil {
		return nil, err
	}
	var said struct {
		Result struct{ Item struct{ MovedTime time.Time } }
	}
	settled := json.Unmarshal(now, &said) == nil && asked.Sub(said.Result.Item.MovedTime) > 2*time.Second
	w.world.mu.Lock()
	answer, old := w.world.answers[body]
	old = old && !w.world.calm && w.world.random.IntN(6) == 0
	if !old && settled {
		w.world.answers[body] = now
	}
	w.world.mu.Unlock()
	if !old {
		return response, nil
	}
	w.world.count("older answer")
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Content-Type", "application/json")
	_, _ = recorder.Write(answer)
	return recorder.Result(), nil
}

func newLeadWorld(t *testing.T, seed uint64) *leadWorld {
	t.Helper()
	w := &leadWorld{
		t: t, portal: bitrix24test.New(), account: umnicotest.New(),
		mode: leadMode(seed % uint64(leadModes)), random: rand.New(rand.NewPCG(seed, 6)),
		writing: map[string]gate{"bitrix24": make(gate, 1), "umnico": make(gate, 1)}, queue: make(gate, 1),
		truth: make(map[crm.LeadRef][]crm.Ref), reached: make(map[crm.LeadRef]int), heard: make(map[crm.LeadRef]crm.Ref),
		view: make(map[crm.LeadRef]statuslink.LeadChange), inCall: make(map[crm.LeadRef]bool),
		positions: map[string]string{bitrix24.KindDeal: "0", bitrix24.KindLead: "0"}, counts: make(map[string]int),
		answers: make(map[string][]byte), due: make(map[crm.LeadRef]int), goneDue: make(map[crm.LeadRef]bool),
	}
	if w.mode == withMemory {
		w.memory, w.copies = newSharedMemory(), seed%2 == 1
	}
	portal, err := bitrix24.New(w.portal.Webhook(), &bitrix24.Options{
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
		w.portal.AddWebhookHandler("https://bot.example.com/hooks/bitrix24", hookToken, bitrix24.EventNames(kind)...)
	}
	w.account.AddWebhook(umnicotest.Webhook{URL: "https://bot.example.com/hooks/umnico/" + hookSecret})
	w.account.SetWebhookFailures(0)
	w.account.SetChangedToo(w.chance(2))
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

// hear checks that a state of a lead is none that was before the one heard of last.
// Where a lead came to a state again, it is taken for the earliest possible visit:
// what was heard is in order if and only if it is in order then.
func (w *leadWorld) hear(lead crm.LeadRef, ref crm.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookLocked()
	states := w.truth[lead]
	for i := w.reached[lead]; i < len(states); i++ {
		if states[i] == ref {
			w.reached[lead], w.heard[lead] = i, ref
			return
		}
	}
	w.t.Errorf("%s: heard of %s after state %d of %v", lead, ref, w.reached[lead], states)
}

var errNotToday = errors.New("сегодня нет")

// handle is the bot's callback.
func (w *leadWorld) handle(ctx context.Context, change statuslink.LeadChange) error {
	lead, ref := change.Lead.Ref, change.Lead.Status
	if change.Deleted {
		ref = goneRef
	}
	if !w.copies {
		w.hear(lead, ref)
	}
	w.mu.Lock()
	busy := w.inCall[lead]
	w.inCall[lead] = true
	fails := !w.calm && w.random.IntN(8) == 0
	takes := time.Duration(w.random.IntN(3)) * time.Duration(w.random.IntN(500)) * time.Millisecond
	w.counts["told"]++
	w.mu.Unlock()
	if busy {
		w.t.Errorf("%s: told twice at the same time", lead)
	}
	if !change.Deleted && !change.Fallback && !change.Status.Linked(ref) {
		w.t.Errorf("%s stands on %s, told as %q", lead, ref, change.Status.Name)
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		fails = true
	}
	if w.copies && !fails {
		w.hear(lead, ref) // what a callback refused is not remembered, so an older answer may come after it
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.inCall, lead)
	if fails {
		w.counts["callback failed"]++
		return errNotToday
	}
	w.view[lead] = change
	return nil
}

// unlinked hears of leads on statuses that nobody linked, and sometimes synchronises.
func (w *leadWorld) unlinked(ctx context.Context, lead statuslink.UnlinkedLead) {
	w.hear(lead.Lead.Ref, lead.Lead.Status)
	w.count("unlinked")
	if w.chance(3) {
		_, _ = w.syncer.Sync(ctx)
	}
}

// lastKnown is what the bot knows of a lead. Of one that it took to be in the fallback
// it only knows that.
func (w *leadWorld) lastKnown(_ context.Context, lead crm.LeadRef) (crm.Ref, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change, known := w.view[lead]
	switch {
	case !w.calm && w.random.IntN(20) == 0:
		return crm.Ref{}, false, errNotToday
	case !known || change.Deleted || change.Fallback:
		return crm.Ref{}, false, nil
	}
	return change.Lead.Status, true, nil
}

// leadProcess is one life of the bot.
type leadProcess struct {
	leads  *statuslink.Leads
	ctx    context.Context //nolint:containedctx // the process's
	cancel context.CancelFunc
	deals  *bitrix24.Events
	chats  *umnico.Events
	jobs   sync.WaitGroup
}

// start begins a life of the bot: it follows, and catches up.
func (w *leadWorld) start(seed uint64) {
	opts := &statuslink.LeadsOptions{
		Retries: 60, Unlinked: w.unlinked,
		DeadLetter: func(_ context.Context, change statuslink.LeadChange, err error) {
			w.t.Errorf("%s was given up: %v", change.Lead.Ref, err)
		},
	}
	switch w.mode {
	case withLastKnown:
		opts.LastKnown = w.lastKnown
	case withMemory:
		opts.Memory = w.memory
	}
	if seed%2 == 0 {
		opts.Fallback = "new"
	}
	p := &leadProcess{}
	var err error
	p.leads, err = statuslink.NewLeads(w.catalog, opts, w.clients...)
	w.must(err)
	p.deals, err = bitrix24.NewEvents(bitrix24.EventOptions{Tokens: []string{hookToken}})
	w.must(err)
	p.chats, err = umnico.NewEvents(umnico.EventOptions{Secret: hookSecret})
	w.must(err)
	p.ctx, p.cancel = context.WithCancel(w.t.Context())
	p.jobs.Go(func() {
		if err := p.leads.Follow(p.ctx, w.handle, p.deals, p.chats); !errors.Is(err, context.Canceled) {
			w.t.Errorf("Follow returned %v", err)
		}
	})
	for _, kind := range []string{bitrix24.KindDeal, bitrix24.KindLead} {
		p.jobs.Go(func() { w.until(p, func() error { return w.catchUp(p, kind) }) })
	}
	p.jobs.Go(func() { w.until(p, func() error { return p.leads.Reconcile(p.ctx, "umnico", "", w.handle) }) })
	w.mu.Lock()
	w.process = p
	clear(w.due)
	clear(w.goneDue)
	w.mu.Unlock()
}

// until tries until it goes well, or the process ends.
func (w *leadWorld) until(p *leadProcess, try func() error) {
	for try() != nil && p.ctx.Err() == nil {
		time.Sleep(3 * time.Second)
	}
}

func (w *leadWorld) catchUp(p *leadProcess, kind string) error {
	w.mu.Lock()
	position := w.positions[kind]
	w.mu.Unlock()
	position, err := p.leads.CatchUp(p.ctx, "bitrix24", kind, position, w.handle)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.positions[kind] = position
	return err
}

// stop ends a life of the bot.
func (w *leadWorld) stop() {
	p := w.now()
	p.cancel()
	p.jobs.Wait()
}

// now returns the process that runs, or ran last.
func (w *leadWorld) now() *leadProcess {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.process
}

func (w *leadWorld) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("mode %d, %v", w.mode, w.counts)
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
	return crm.LeadRef{Source: "bitrix24", Kind: kind, ID: form.Get("data[FIELDS][ID]")}, ""
}
