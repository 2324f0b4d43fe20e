package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/crm/crmhook"
	"github.com/statuslink/statuslink/memstore"
)

// crmDesk is a CRM with leads, which sends events. Its client only reads.
type crmDesk struct {
	*crmfake.Client
	hook *crmhook.Receiver

	mu     sync.Mutex
	leads  map[string]crm.Lead
	reads  int
	onRead func(crm.LeadRef) error // before each reading; may refuse it
}

// stageRows are the desk's statuses.
var stageRows = []string{"1 Первичное_касание", "2 В_работе", "3 Paid", "4 Диалог_с_оператором"}

func newDesk(tb testing.TB, source string, opts crmhook.Options) *crmDesk {
	tb.Helper()
	d := &crmDesk{Client: crmfake.New(source, listing(source, stageRows...)), leads: make(map[string]crm.Lead)}
	opts.Source, opts.Receive = source, d.receive
	var err error
	if d.hook, err = crmhook.New(opts); err != nil {
		tb.Fatal(err)
	}
	return d
}

// receive decodes "kind lead [status [unix time]]".
func (d *crmDesk) receive(_ context.Context, _ *http.Request, body []byte) (crm.Event, error) {
	var kind crm.EventKind
	var lead, status string
	var at int64
	if n, _ := fmt.Sscan(string(body), &kind, &lead, &status, &at); n < 2 {
		return crm.Event{}, crmhook.ErrMalformed
	}
	event := crm.Event{Source: d.Source(), Kind: kind, Type: "acme", Lead: d.ref(lead)}
	if status != "" && status != "-" {
		event.Status = ref(d.Source(), status)
	}
	if at > 0 {
		event.At = time.Unix(at, 0)
	}
	return event, nil
}

func (d *crmDesk) ref(id string) crm.LeadRef { return crm.LeadRef{Source: d.Source(), ID: id} }

func (d *crmDesk) ReadLead(ctx context.Context, lead crm.LeadRef) (crm.Lead, error) {
	d.mu.Lock()
	d.reads++
	onRead := d.onRead
	d.mu.Unlock()
	if onRead != nil {
		if err := onRead(lead); err != nil {
			return crm.Lead{}, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	read, ok := d.leads[lead.ID]
	if !ok {
		return crm.Lead{}, &crm.Error{Kind: crm.ErrNotFound, Source: d.Source()}
	}
	return read, ctx.Err()
}

// put moves a lead, of which nobody hears.
func (d *crmDesk) put(id, status string) { d.putAt(id, status, time.Time{}) }

func (d *crmDesk) putAt(id, status string, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leads[id] = crm.Lead{Ref: d.ref(id), Status: ref(d.Source(), status), MovedAt: at}
}

func (d *crmDesk) remove(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.leads, id)
}

func (d *crmDesk) refuse(onRead func(crm.LeadRef) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onRead = onRead
}

// readings returns how many readings there were since the last call.
func (d *crmDesk) readings() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.reads
	d.reads = 0
	return n
}

// post sends an event and returns the answer.
func (d *crmDesk) post(kind crm.EventKind, parts ...string) int {
	w := httptest.NewRecorder()
	body := fmt.Sprint(int(kind)) + " " + strings.Join(parts, " ")
	d.hook.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))) //nolint:noctx // it ends at once
	return w.Code
}

// follower is a bot that follows leads in a bubble.
type follower struct {
	t       testing.TB
	store   *spyStore
	catalog *statuslink.Catalog
	syncer  *statuslink.Syncer
	leads   *statuslink.Leads

	mu     sync.Mutex
	told   []string
	change []statuslink.LeadChange
	fail   func(statuslink.LeadChange) error

	cancel context.CancelFunc
	ended  chan error
}

// newFollower is a bot with the statuses of the desks, which it has synchronised.
func newFollower(t testing.TB, opts statuslink.LeadsOptions, clients ...crm.Client) *follower {
	t.Helper()
	f := &follower{t: t, store: &spyStore{Store: new(memstore.Store)}}
	var err error
	f.catalog, err = statuslink.NewCatalog(f.store, nil)
	f.must(err)
	f.must(f.catalog.Ensure(t.Context(),
		statuslink.Definition{Key: "first", Name: "Первичное касание"},
		statuslink.Definition{Key: "work", Name: "В работе"},
		statuslink.Definition{Key: "paid", Name: "Paid"},
		statuslink.Definition{Key: "operator", Name: "Диалог с оператором"},
	))
	f.syncer, err = statuslink.NewSyncer(f.catalog, nil, clients...)
	f.must(err)
	_, err = f.syncer.Sync(t.Context())
	f.must(err)
	f.leads, err = statuslink.NewLeads(f.catalog, &opts, clients...)
	f.must(err)
	return f
}

func (f *follower) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// handle keeps "lead: key <- key" and marks.
func (f *follower) handle(_ context.Context, change statuslink.LeadChange) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		if err := f.fail(change); err != nil {
			return err
		}
	}
	f.told = append(f.told, show(change))
	f.change = append(f.change, change)
	return nil
}

func show(change statuslink.LeadChange) string {
	line := change.Lead.Ref.ID + ": " + change.Status.Key
	if change.Deleted {
		line += "gone"
	}
	if change.Fallback {
		line += " (fallback)"
	}
	if change.Known {
		line += " <- " + change.PreviousStatus.Key
	}
	if change.Own {
		line += " own"
	}
	return line
}

// start follows the sources until stop.
func (f *follower) start(sources ...crm.EventSource) {
	f.t.Helper()
	var ctx context.Context
	ctx, f.cancel = context.WithCancel(f.t.Context())
	f.ended = make(chan error, 1)
	go func() { f.ended <- f.leads.Follow(ctx, f.handle, sources...) }()
	synctest.Wait()
}

func (f *follower) stop() {
	f.t.Helper()
	f.cancel()
	if err := <-f.ended; !errors.Is(err, context.Canceled) {
		f.t.Errorf("Follow returned %v", err)
	}
}

// wantCanceled waits for the end of a Follow whose context was cancelled.
func wantCanceled(t testing.TB, ended <-chan error) {
	t.Helper()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow returned %v", err)
	}
}

// failWith makes the callback call fail first.
func (f *follower) failWith(fail func(statuslink.LeadChange) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// wantTold checks what was told since the last call.
func (f *follower) wantTold(promise string, want ...string) {
	f.t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(want, f.told); diff != "" {
		f.t.Errorf("%s: told wrongly (-want +got)\n%s", promise, diff)
	}
	f.told, f.change = nil, nil
}

// letters keeps dead letters.
type letters struct {
	mu   sync.Mutex
	got  []string
	errs []error
}

func (l *letters) take(_ context.Context, change statuslink.LeadChange, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got, l.errs = append(l.got, show(change)), append(l.errs, err)
}

func (l *letters) want(t *testing.T, promise string, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff(want, l.got); diff != "" {
		t.Errorf("%s: wrong dead letters (-want +got)\n%s", promise, diff)
	}
	l.got = nil
}

// pass lets time pass, and waits for what comes of it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}
