package statuslink_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
	"github.com/statuslink/statuslink/memstore"
)

const (
	hookSecret = "q7w3zk9x2m5v8t1b4c"
	hookToken  = "made-up-application-token"
)

// twoCRMs are both fakes, with clients and receivers of events.
type twoCRMs struct {
	portal  *bitrix24test.Portal
	account *umnicotest.Umnico
	clients []crm.Client
	deals   *bitrix24.Events
	chats   *umnico.Events
}

func newTwoCRMs(t testing.TB) *twoCRMs {
	t.Helper()
	c := &twoCRMs{portal: bitrix24test.New(), account: umnicotest.New()}
	portal, err := bitrix24.New(c.portal.Webhook(), &bitrix24.Options{
		HTTPClient: c.portal.HTTPClient(), Scopes: []string{bitrix24.Everything}, Limiter: bitrix24.NewNoLimiter(),
	})
	if err != nil {
		t.Fatal(err)
	}
	account, err := umnico.New(c.account.Token(), &umnico.Options{BaseURL: "https://api.umnico.example", HTTPClient: c.account.HTTPClient()})
	if err != nil {
		t.Fatal(err)
	}
	c.clients = []crm.Client{portal, account}
	if c.deals, err = bitrix24.NewEvents(bitrix24.EventOptions{Tokens: []string{hookToken}}); err != nil {
		t.Fatal(err)
	}
	if c.chats, err = umnico.NewEvents(umnico.EventOptions{Secret: hookSecret}); err != nil {
		t.Fatal(err)
	}
	c.portal.AddWebhookHandler("https://bot.example.com/hooks/bitrix24", hookToken, bitrix24.EventNames(bitrix24.KindDeal)...)
	c.account.AddWebhook(umnicotest.Webhook{URL: "https://bot.example.com/hooks/umnico/" + hookSecret})
	c.account.SetStatuses(slices.DeleteFunc(c.account.Statuses(), func(s umnicotest.Status) bool { return s.ID == 710245 })...) // a twin
	c.account.SetWebhookFailures(0)
	c.account.SetChangedToo(true)
	return c
}

// deliver sends what waits, some of it twice, late or not at all.
func (c *twoCRMs) deliver(ctx context.Context, random *rand.Rand) {
	deals, chats := c.portal.Events(), c.account.Events()
	random.Shuffle(len(deals), func(i, j int) { deals[i], deals[j] = deals[j], deals[i] })
	random.Shuffle(len(chats), func(i, j int) { chats[i], chats[j] = chats[j], chats[i] })
	lateDeals, lateChats := deals[len(deals)/2:], chats[len(chats)/2:]
	deals, chats = deals[:len(deals)/2], chats[:len(chats)/2]
	c.portal.SetEvents(append(slices.Clone(deals), deals[:len(deals)/3]...)...)
	c.account.SetEvents(append(slices.Clone(chats), chats[:len(chats)/3]...)...)
	c.portal.DeliverTo(ctx, c.deals)
	c.account.DeliverTo(ctx, c.chats)
	c.portal.SetEvents(lateDeals[len(lateDeals)/3:]...)
	c.account.SetEvents(lateChats[len(lateChats)/3:]...)
}

func TestFollowBothCRMs(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		c := newTwoCRMs(t)
		random := rand.New(rand.NewPCG(7, 7))
		catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(err)
		syncer, err := statuslink.NewSyncer(catalog, nil, c.clients...)
		must(err)
		_, err = syncer.Sync(t.Context())
		must(err)
		c.portal.AddItems(20, bitrix24test.Item{TypeID: 2})
		c.account.AddLeads(20, umnicotest.Lead{})

		var mu sync.Mutex
		seen := make(map[crm.LeadRef]crm.Ref)
		at := make(map[crm.LeadRef]time.Time)
		handle := func(_ context.Context, change statuslink.LeadChange) error {
			mu.Lock()
			defer mu.Unlock()
			lead := change.Lead.Ref
			switch {
			case random.IntN(10) == 0:
				return fmt.Errorf("сегодня нет")
			case change.Deleted:
				delete(seen, lead)
				return nil
			case change.Lead.MovedAt.Before(at[lead]):
				t.Errorf("%s: an older state after a newer one", lead)
			case change.Status.ID == "" || !change.Status.Linked(change.Lead.Status):
				t.Errorf("%s stands on %s, told as %q", lead, change.Lead.Status, change.Status.Name)
			}
			seen[lead], at[lead] = change.Lead.Status, change.Lead.MovedAt
			return nil
		}
		dead := func(_ context.Context, change statuslink.LeadChange, err error) {
			t.Errorf("%s: %v", change.Lead.Ref, err)
		}
		restart := func() (leads *statuslink.Leads, stop func()) {
			leads, err := statuslink.NewLeads(catalog, &statuslink.LeadsOptions{
				Retries: 30, DeadLetter: dead,
				LastKnown: func(_ context.Context, lead crm.LeadRef) (crm.Ref, bool, error) {
					mu.Lock()
					defer mu.Unlock()
					ref, known := seen[lead]
					return ref, known, nil
				},
			}, c.clients...)
			must(err)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- leads.Follow(ctx, handle, c.deals, c.chats) }()
			synctest.Wait()
			return leads, func() { cancel(); wantCanceled(t, ended) }
		}
		statuses := c.account.Statuses()
		stages := []string{"NEW", "PREPARATION", "EXECUTING", "WON"}
		position := "0"
		for range 3 { // the bot's processes
			leads, stop := restart()
			position, err = leads.CatchUp(t.Context(), "bitrix24", "deal", position, handle)
			must(err)
			must(leads.Reconcile(t.Context(), "umnico", "", handle))
			for range 30 {
				for range 10 {
					mu.Lock()
					deal, chat := c.portal.Items(2)[random.IntN(20)], c.account.Leads()[random.IntN(20)]
					stage, status := stages[random.IntN(len(stages))], statuses[random.IntN(len(statuses))]
					mu.Unlock()
					must(c.portal.MoveItem(2, deal.ID, 0, stage))
					must(c.account.MoveLead(chat.ID, status.ID))
				}
				mu.Lock()
				quick := rand.New(rand.NewPCG(random.Uint64(), 1))
				mu.Unlock()
				c.deliver(t.Context(), quick)
				time.Sleep(time.Second)
			}
			stop() // perhaps with changes that are not told
		}
		leads, stop := restart()
		_, err = leads.CatchUp(t.Context(), "bitrix24", "deal", position, handle)
		must(err)
		must(leads.Reconcile(t.Context(), "umnico", "", handle))
		pass(time.Hour)
		stop()
		want := make(map[crm.LeadRef]crm.Ref)
		for _, deal := range c.portal.Items(2) {
			want[crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: strconv.Itoa(deal.ID)}] = crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE", ID: deal.Stage}
		}
		for _, chat := range c.account.Leads() {
			want[crm.LeadRef{Source: "umnico", ID: strconv.Itoa(chat.ID)}] = crm.Ref{Source: "umnico", ID: strconv.Itoa(chat.StatusID)}
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("the bot's view is not the CRMs' (-CRM +bot)\n%s", diff)
		}

		_, stop = restart()
		deal := c.portal.Items(2)[3]
		must(c.portal.DeleteItem(2, deal.ID))
		c.portal.DeliverTo(t.Context(), c.deals)
		pass(time.Hour)
		stop()
		if ref, known := seen[crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: strconv.Itoa(deal.ID)}]; known {
			t.Errorf("a deal that is gone is known to stand on %s", ref)
		}
	})
}

// crowd is a client with many leads, which it reads from memory.
type crowd struct {
	*crmfake.Client
	mu    sync.Mutex
	leads map[crm.LeadRef]crm.Ref
	reads int
}

func (c *crowd) ReadLead(_ context.Context, lead crm.LeadRef) (crm.Lead, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return crm.Lead{Ref: lead, Status: c.leads[lead]}, nil
}

func (c *crowd) move(lead crm.LeadRef, status crm.Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leads[lead] = status
}

// TestHundredThousandEvents sends them through the handlers of both clients.
func TestHundredThousandEvents(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		const events, leads = 50_000, 1000 // for each CRM
		deals := &crowd{Client: crmfake.New("bitrix24", crm.Listing{
			Source: "bitrix24", Scopes: []crm.Scope{{ID: "STATUS"}}, Statuses: rowsOf("bitrix24", "STATUS", stageRows...),
		}), leads: make(map[crm.LeadRef]crm.Ref)}
		chats := &crowd{Client: crmfake.New("umnico", listing("umnico", stageRows...)), leads: make(map[crm.LeadRef]crm.Ref)}
		f := newFollower(t, statuslink.LeadsOptions{TrustEvents: []string{"umnico"}}, deals, chats)
		c := newTwoCRMs(t)
		var mu sync.Mutex
		told := make(map[string]int)
		seen := make(map[crm.LeadRef]crm.Ref)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- f.leads.Follow(ctx, func(_ context.Context, change statuslink.LeadChange) error {
				mu.Lock()
				defer mu.Unlock()
				told[change.Lead.Ref.Source]++
				seen[change.Lead.Ref] = change.Lead.Status
				return nil
			}, c.deals, c.chats)
		}()
		synctest.Wait()
		f.store.loads.Store(0)
		var full [2]int
		send := func(i int, to http.Handler, path, media string, body func(n int) string) {
			for n := range events {
				for {
					request := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body(n)))
					request.Header.Set("Content-Type", media)
					w := httptest.NewRecorder()
					to.ServeHTTP(w, request)
					if w.Code == http.StatusOK {
						break
					}
					full[i]++
					time.Sleep(time.Millisecond) // as the queue is full
				}
			}
		}
		status := func(n int) string { return strconv.Itoa(1 + (n/leads)%4) }
		var senders sync.WaitGroup
		senders.Go(func() {
			send(0, c.deals, "/hooks/bitrix24", "application/x-www-form-urlencoded", func(n int) string {
				id := strconv.Itoa(1 + n%leads)
				deals.move(crm.LeadRef{Source: "bitrix24", Kind: "lead", ID: id}, crm.Ref{Source: "bitrix24", Scope: "STATUS", ID: status(n)})
				return "event=ONCRMLEADUPDATE&data%5BFIELDS%5D%5BID%5D=" + id + "&auth%5Bapplication_token%5D=" + hookToken
			})
		})
		senders.Go(func() {
			send(1, c.chats, "/hooks/umnico/"+hookSecret, "application/json", func(n int) string {
				id := strconv.Itoa(1 + n%leads)
				chats.move(crm.LeadRef{Source: "umnico", ID: id}, ref("umnico", status(n)))
				return fmt.Sprintf(`{"type":"lead.changed.status","accountId":100500,"leadId":%s,"lead":{"statusId":%s}}`, id, status(n))
			})
		})
		senders.Wait()
		synctest.Wait()
		cancel()
		wantCanceled(t, ended)
		dealStats, chatStats := c.deals.Stats(), c.chats.Stats()
		if dealStats.Handled != events || chatStats.Handled != events || dealStats.Full != uint64(full[0]) || chatStats.Full != uint64(full[1]) {
			t.Errorf("events lost: %+v, %+v, refused %v", dealStats, chatStats, full)
		}
		if told["umnico"] != events {
			t.Errorf("%d changes told of the trusted source, want each of %d", told["umnico"], events)
		}
		if deals.reads != events || chats.reads != 0 {
			t.Errorf("%d and %d readings, want one for each event without a status, none for those that are trusted", deals.reads, chats.reads)
		}
		if n := f.store.loads.Load(); n > 1 {
			t.Errorf("the store was read %d times within MaxAge", n)
		}
		for _, crowd := range []*crowd{deals, chats} {
			for lead, want := range crowd.leads {
				if seen[lead] != want {
					t.Fatalf("%s stands on %s, told was %s", lead, want, seen[lead])
				}
			}
		}
	})
}

// pipe is an event source that hands events over in its caller's goroutine.
type pipe struct {
	http.Handler
	handle chan func(context.Context, crm.Event)
}

func (p *pipe) Source() string { return "umnico" }

func (p *pipe) Run(ctx context.Context, handle func(context.Context, crm.Event)) error {
	p.handle <- handle
	<-ctx.Done()
	return ctx.Err()
}

// followed returns a function that hands an event over to a bot that follows.
func followed(t testing.TB, opts statuslink.LeadsOptions) (send func(crm.Event), reads, loads func() int) {
	chats := &crowd{Client: crmfake.New("umnico", listing("umnico", stageRows...)), leads: make(map[crm.LeadRef]crm.Ref)}
	chats.move(crm.LeadRef{Source: "umnico", ID: "7"}, ref("umnico", "2"))
	f := newFollower(t, opts, chats)
	p := &pipe{handle: make(chan func(context.Context, crm.Event))}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- f.leads.Follow(ctx, func(context.Context, statuslink.LeadChange) error { return nil }, p)
	}()
	handle := <-p.handle
	t.Cleanup(func() { cancel(); wantCanceled(t, ended) })
	f.store.loads.Store(0)
	return func(event crm.Event) { handle(ctx, event) }, func() int { return chats.reads }, func() int { return int(f.store.loads.Load()) }
}

// followCases are events that come again and again.
var followCases = []struct {
	name   string
	opts   statuslink.LeadsOptions
	events [2]crm.Event
	reads  bool
}{
	{name: "repeated", events: [2]crm.Event{chatEvent("2"), chatEvent("2")}},
	{name: "trusted", opts: statuslink.LeadsOptions{TrustEvents: []string{"umnico"}}, events: [2]crm.Event{chatEvent("2"), chatEvent("3")}},
	{name: "read", events: [2]crm.Event{chatEvent("1"), chatEvent("3")}, reads: true},
}

func chatEvent(status string) crm.Event {
	return crm.Event{Source: "umnico", Kind: isMoved, Lead: crm.LeadRef{Source: "umnico", ID: "7"}, Status: ref("umnico", status)}
}

func TestFollowAllocatesNothing(t *testing.T) { //nolint:paralleltest // allocations of other tests would be counted
	for _, test := range followCases {
		send, reads, loads := followed(t, test.opts)
		for _, event := range test.events {
			send(event)
		}
		before := reads()
		const runs = 100
		n := testing.AllocsPerRun(runs, func() {
			for _, event := range test.events {
				send(event)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations for two events", test.name, n)
		}
		want := 0
		if test.reads {
			want = 2 * (runs + 1)
		}
		if got := reads() - before; got != want || loads() > 1 {
			t.Errorf("%s: %d readings, want %d; %d loads of the store", test.name, got, want, loads())
		}
	}
}

// BenchmarkFollow tells of one event, between the event source and the callback.
func BenchmarkFollow(b *testing.B) {
	for _, test := range followCases {
		b.Run(test.name, func(b *testing.B) {
			send, _, _ := followed(b, test.opts)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				send(test.events[i%2])
			}
		})
	}
}

// BenchmarkFollowLeads hears of a hundred thousand leads in turn, all of which the
// table knows.
func BenchmarkFollowLeads(b *testing.B) {
	send, _, _ := followed(b, statuslink.LeadsOptions{TrustEvents: []string{"umnico"}})
	var events [2][]crm.Event
	for i := range 100_000 {
		for j := range events {
			event := chatEvent(strconv.Itoa(1 + j))
			event.Lead.ID = strconv.Itoa(1_000_000 + i)
			events[j] = append(events[j], event)
		}
	}
	for _, event := range events[1] {
		send(event)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		send(events[i/100_000%2][i%100_000])
	}
}
