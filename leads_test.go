package statuslink_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
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

// leadRig is a bot with statuses that are linked to a portal of Bitrix24 and an
// account of Umnico.
type leadRig struct {
	*testing.T
	portal  *bitrix24test.Portal
	account *umnicotest.Umnico
	store   *spyStore
	catalog *statuslink.Catalog
	leads   *statuslink.Leads
}

var gone = time.Date(2026, 8, 20, 11, 0, 0, 0, time.UTC)

// leadState are the statuses of a leadRig.
func leadState() statuslink.Changes {
	b := func(scope, id string) statuslink.Link {
		return statuslink.Link{Ref: crm.Ref{Source: "bitrix24", Scope: scope, ID: id}, LinkedAt: gone}
	}
	u := func(id string) statuslink.Link { return statuslink.Link{Ref: ref("umnico", id), LinkedAt: gone} }
	missing := func(link statuslink.Link, name string) statuslink.Link {
		link.Base.Name, link.MissingSince = name, gone
		return link
	}
	won := b("DEAL_STAGE_5", "C5:WON")
	won.Base.Outcome = crm.Won
	status := func(key, name string, links ...statuslink.Link) statuslink.Status {
		return statuslink.Status{ID: "st_" + key, Key: key, Name: name, Links: links, Created: gone, Updated: gone}
	}
	scope := func(id, name string) statuslink.Scope {
		return statuslink.Scope{ScopeKey: statuslink.ScopeKey{Source: "bitrix24", ID: id}, Name: name}
	}
	paid := status("paid", "Оплачено", won, u("710231"))
	paid.Outcome = crm.Open
	return statuslink.Changes{
		Create: []statuslink.Status{
			status("new", "Новый", b("STATUS", "NEW"), b("DEAL_STAGE", "NEW"), b("DEAL_STAGE_5", "C5:NEW"), u("710201")),
			status("in-work", "В работе", b("STATUS", "IN_PROCESS"), b("DEAL_STAGE", "PREPARATION"), b("DEAL_STAGE_5", "C5:PREPARATION"), u("710205")),
			status("operator", "Диалог с оператором", b("STATUS", "UC_7TQ2KD")),
			status("no-answer", "Нет ответа", b("DEAL_STAGE", "EXECUTING"), b("DEAL_STAGE", "FINAL_INVOICE")),
			status("lost", "Пропал", missing(b("DEAL_STAGE", "LOSE"), "Lost"), b("DEAL_STAGE", "APOLOGY"), missing(b("DEAL_STAGE_5", "C5:LOSE"), "Refused")),
			status("demo", "Демо", b("DEAL_STAGE_5", "C5:UC_K3M9XZ")),
			status("bare", "Без связей"),
			status("refund", "Возврат", missing(u("710236"), "Возврат")),
			paid,
		},
		Ignore: []statuslink.Ignored{{Ref: crm.Ref{Source: "bitrix24", Scope: "STATUS", ID: "JUNK"}, Name: "Некачественный лид", Since: gone}},
		Scopes: []statuslink.Scope{scope("STATUS", "Лиды"), scope("DEAL_STAGE", "General"), scope("DEAL_STAGE_5", "Подписки")},
	}
}

func newLeadRig(t *testing.T, opts *statuslink.LeadsOptions) *leadRig {
	t.Helper()
	r := &leadRig{T: t, portal: bitrix24test.New(), account: umnicotest.New(), store: &spyStore{Store: new(memstore.Store)}}
	_, err := r.store.Apply(t.Context(), leadState())
	r.must(err)
	r.catalog, err = statuslink.NewCatalog(r.store, nil)
	r.must(err)
	r.leads, err = statuslink.NewLeads(r.catalog, opts, r.bitrix24(), r.umnico())
	r.must(err)
	return r
}

func (r *leadRig) bitrix24() *bitrix24.Client {
	r.Helper()
	client, err := bitrix24.New(r.portal.Webhook(), &bitrix24.Options{
		Scopes: []string{bitrix24.Everything}, HTTPClient: r.portal.HTTPClient(), Limiter: bitrix24.NewNoLimiter(),
	})
	r.must(err)
	return client
}

func (r *leadRig) umnico() *umnico.Client {
	r.Helper()
	client, err := umnico.New(r.account.Token(), &umnico.Options{HTTPClient: &http.Client{Transport: r.account.Transport()}})
	r.must(err)
	return client
}

func (r *leadRig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// deal adds a deal to a pipeline.
func (r *leadRig) deal(category int, stage string) crm.LeadRef {
	return crm.LeadRef{Source: "bitrix24", Kind: bitrix24.KindDeal, ID: strconv.Itoa(r.portal.AddDeal(category, stage).ID)}
}

// lead adds a lead to the portal.
func (r *leadRig) lead(stage string) crm.LeadRef {
	return crm.LeadRef{Source: "bitrix24", Kind: bitrix24.KindLead, ID: strconv.Itoa(r.portal.AddLead(stage).ID)}
}

// chat adds a lead to the account.
func (r *leadRig) chat(statusID int) crm.LeadRef {
	return crm.LeadRef{Source: "umnico", ID: strconv.Itoa(r.account.AddLead(umnicotest.Lead{StatusID: statusID}).ID)}
}

// stands returns the ID of the status on which a lead stands.
func (r *leadRig) stands(lead crm.LeadRef) string {
	r.Helper()
	id, err := strconv.Atoi(lead.ID)
	r.must(err)
	switch lead.Kind {
	case "":
		chat, _ := r.account.Lead(id)
		return strconv.Itoa(chat.StatusID)
	case bitrix24.KindDeal:
		deal, _ := r.portal.Item(2, id)
		return deal.Stage
	}
	item, _ := r.portal.Item(1, id)
	return item.Stage
}

// handmade is a client of a CRM without a network. It has more abilities as
// another type.
type handmade struct {
	crm.Client
	mu      sync.Mutex
	stand   map[crm.LeadRef]crm.Ref
	reads   int
	bulks   int
	moves   []crm.Move
	onRead  func(ctx context.Context, lead crm.LeadRef) error
	onMove  func(ctx context.Context, move crm.Move) error
	forward map[crm.Ref]crm.Ref // rules
	home    crm.Ref             // where leads stand that are not in stand
}

func newHandmade(source string, leads map[string]string) *handmade {
	h := &handmade{Client: crmfake.New(source), stand: map[crm.LeadRef]crm.Ref{}}
	for id, at := range leads {
		scope, status, found := strings.Cut(at, "/")
		if !found {
			scope, status = "", at
		}
		h.stand[crm.LeadRef{Source: source, ID: id}] = crm.Ref{Source: source, Scope: scope, ID: status}
	}
	return h
}

func (h *handmade) read(ctx context.Context, lead crm.LeadRef) (crm.Lead, error) {
	h.mu.Lock()
	h.reads++
	h.mu.Unlock()
	if h.onRead != nil {
		if err := h.onRead(ctx, lead); err != nil {
			return crm.Lead{}, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.stand[lead]
	if !ok {
		at = h.home
	}
	if at == (crm.Ref{}) {
		return crm.Lead{}, &crm.Error{Kind: crm.ErrNotFound, Source: h.Source(), Op: "read lead"}
	}
	return crm.Lead{Ref: lead, Status: at}, nil
}

func (h *handmade) move(ctx context.Context, move crm.Move) (crm.Lead, error) {
	h.mu.Lock()
	h.moves = append(h.moves, move)
	h.mu.Unlock()
	if h.onMove != nil {
		if err := h.onMove(ctx, move); err != nil {
			return crm.Lead{}, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	to := move.To
	if next, rule := h.forward[to]; rule {
		to = next
	}
	h.stand[move.Lead] = to
	return crm.Lead{Ref: move.Lead, Status: to}, nil
}

// What handmade clients can do.
type (
	mover      struct{ *handmade } // move single leads
	readMover  struct{ mover }     // and read them
	bulkReader struct{ mover }     // and read many
)

func (m mover) MoveLead(ctx context.Context, move crm.Move) (crm.Lead, error) {
	return m.move(ctx, move)
}

func (m readMover) ReadLead(ctx context.Context, lead crm.LeadRef) (crm.Lead, error) {
	return m.read(ctx, lead)
}

func (m bulkReader) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	m.mu.Lock()
	m.bulks++
	m.mu.Unlock()
	var results []crm.LeadResult
	for _, lead := range leads {
		read, err := m.read(ctx, lead)
		results = append(results, crm.LeadResult{Lead: read, Err: err})
	}
	return results, nil
}

// handmadeLeads returns Leads over clients and one status for each key with links
// "source/id" or "source/scope/id".
func handmadeLeads(tb testing.TB, statuses map[string][]string, clients ...crm.Client) *statuslink.Leads {
	tb.Helper()
	store := new(memstore.Store)
	var changes statuslink.Changes
	for key, links := range statuses {
		status := statuslink.Status{ID: "st_" + key, Key: key, Name: key}
		for _, link := range links {
			part := strings.Split(link, "/")
			r := crm.Ref{Source: part[0], ID: part[len(part)-1]}
			if len(part) == 3 {
				r.Scope = part[1]
			}
			status.Links = append(status.Links, statuslink.Link{Ref: r, LinkedAt: gone})
		}
		changes.Create = append(changes.Create, status)
	}
	if _, err := store.Apply(tb.Context(), changes); err != nil {
		tb.Fatal(err)
	}
	catalog, err := statuslink.NewCatalog(store, nil)
	if err != nil {
		tb.Fatal(err)
	}
	leads, err := statuslink.NewLeads(catalog, nil, clients...)
	if err != nil {
		tb.Fatal(err)
	}
	return leads
}

// wantLeadError checks an error of Leads: its kinds, its lead, and its whole text.
func wantLeadError(t *testing.T, promise string, err error, lead crm.LeadRef, text string, kinds ...error) {
	t.Helper()
	var e *statuslink.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: error %v (%T), want an *Error", promise, err, err)
		return
	}
	for _, kind := range kinds {
		if !errors.Is(err, kind) {
			t.Errorf("%s: error %v, want one of kind %q", promise, err, kind)
		}
	}
	if e.Lead.Ref != lead {
		t.Errorf("%s: the error is about lead %v, want %v", promise, e.Lead.Ref, lead)
	}
	if diff := cmp.Diff(text, err.Error()); diff != "" {
		t.Errorf("%s: wrong text (-want +got)\n%s", promise, diff)
	}
}

func TestNewLeadsRefuses(t *testing.T) {
	t.Parallel()
	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
	if err != nil {
		t.Fatal(err)
	}
	fake := crmfake.New("umnico")
	for name, tc := range map[string]struct {
		catalog *statuslink.Catalog
		clients []crm.Client
		kind    error
	}{
		"no catalog":  {nil, []crm.Client{fake}, statuslink.ErrInvalid},
		"no client":   {catalog, nil, statuslink.ErrInvalid},
		"nil client":  {catalog, []crm.Client{nil}, statuslink.ErrInvalid},
		"two sources": {catalog, []crm.Client{fake, crmfake.New("umnico")}, statuslink.ErrDuplicate},
	} {
		leads, err := statuslink.NewLeads(tc.catalog, nil, tc.clients...)
		wantKind(t, name, err, tc.kind, "new leads", "")
		if leads != nil {
			t.Errorf("%s: there are Leads", name)
		}
	}
}

func TestReadSaysTheStatusInTheBotsWords(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	for name, tc := range map[string]struct {
		lead    crm.LeadRef
		key     string
		outcome crm.Outcome
	}{
		"a lead":                              {r.lead("IN_PROCESS"), "in-work", crm.Unknown},
		"a deal of the main pipeline":         {r.deal(0, "NEW"), "new", crm.Unknown},
		"a deal of another pipeline":          {r.deal(5, "C5:NEW"), "new", crm.Unknown},
		"one of Umnico":                       {r.chat(710205), "in-work", crm.Unknown},
		"the second link of a scope":          {r.deal(0, "FINAL_INVOICE"), "no-answer", crm.Unknown},
		"a link that is marked missing":       {r.deal(5, "C5:LOSE"), "lost", crm.Unknown},
		"the outcome is the link's":           {r.deal(5, "C5:WON"), "paid", crm.Won},
		"where it has none, the bot's status": {r.chat(710231), "paid", crm.Open},
	} {
		got, err := r.leads.Read(t.Context(), tc.lead)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Status.Key != tc.key || got.Outcome != tc.outcome || got.Fallback {
			t.Errorf("%s: in %q, outcome %v, fallback %t, want %q and %v", name, got.Status.Key, got.Outcome, got.Fallback, tc.key, tc.outcome)
		}
		if got.Lead.Ref != tc.lead || got.Lead.Status.ID != r.stands(tc.lead) {
			t.Errorf("%s: wrong lead %+v", name, got.Lead)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	unlinked, ignored := r.deal(2, "C2:1"), r.lead("JUNK")
	away := crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: "4711"}
	amo := crm.LeadRef{Source: "amo", ID: "1"}

	_, err := r.leads.Read(t.Context(), unlinked)
	wantLeadError(t, "unlinked", err, unlinked, `statuslink: read lead: lead bitrix24/deal/`+unlinked.ID+
		`: not linked: it stands on bitrix24/DEAL_STAGE_2/C2:1, to which no status is linked; link it to a status, or let the client read bitrix24/DEAL_STAGE_2, which was never synchronised, and synchronise`, statuslink.ErrNotLinked)
	var e *statuslink.Error
	if errors.As(err, &e); e.Lead.Status != (crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE_2", ID: "C2:1"}) {
		t.Errorf("the error has the Ref %v", e.Lead.Status)
	}
	_, err = r.leads.Read(t.Context(), ignored)
	wantLeadError(t, "ignored", err, ignored, `statuslink: read lead: lead bitrix24/lead/`+ignored.ID+
		`: not linked: it stands on bitrix24/STATUS/JUNK ("Некачественный лид"), which is ignored; link it to a status, or restore it and synchronise`, statuslink.ErrNotLinked)
	_, err = r.leads.Read(t.Context(), amo)
	wantLeadError(t, "no client", err, amo,
		`statuslink: read lead: lead amo/1: not found: no client of the source "amo" is connected, only of "bitrix24" and "umnico"`, statuslink.ErrNotFound)
	_, err = r.leads.Read(t.Context(), away)
	wantLeadError(t, "no lead", err, away,
		`statuslink: read lead: lead bitrix24/deal/4711: bitrix24: read lead: not found (HTTP 400 Bad Request, code NOT_FOUND): Element not found`,
		statuslink.ErrNotFound, crm.ErrNotFound)

	blind := handmadeLeads(t, map[string][]string{"new": {"amo/1"}}, mover{newHandmade("amo", map[string]string{"1": "1"})})
	_, err = blind.Read(t.Context(), amo)
	wantLeadError(t, "a client that cannot read", err, amo,
		`statuslink: read lead: lead amo/1: unsupported operation: the client cannot read leads`, errors.ErrUnsupported)

	r.portal.SetSecret("another")
	_, err = r.leads.Read(t.Context(), unlinked)
	if !errors.Is(err, crm.ErrUnauthorized) || errors.Is(err, statuslink.ErrNotFound) {
		t.Errorf("error %v, want that of the CRM", err)
	}
	r.store.onLoad = func() error { return errors.New("the disk is full") }
	other, err := statuslink.NewCatalog(r.store, nil)
	r.must(err)
	leads, err := statuslink.NewLeads(other, nil, r.umnico())
	r.must(err)
	if _, err = leads.Read(t.Context(), r.chat(710201)); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("error %v, want that of the store", err)
	}
}

func TestReadByAClientThatReadsManyOnly(t *testing.T) {
	t.Parallel()
	leads := handmadeLeads(t, map[string][]string{"new": {"amo/1"}}, bulkReader{mover{newHandmade("amo", map[string]string{"7": "1"})}})
	got, err := leads.Read(t.Context(), crm.LeadRef{Source: "amo", ID: "7"})
	if err != nil || got.Status.Key != "new" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err = leads.Read(t.Context(), crm.LeadRef{Source: "amo", ID: "8"}); !errors.Is(err, statuslink.ErrNotFound) {
		t.Errorf("error %v, want %v", err, statuslink.ErrNotFound)
	}
}

func TestFallback(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, &statuslink.LeadsOptions{Fallback: "operator"})
	lead := r.deal(2, "C2:1")
	got, err := r.leads.Read(t.Context(), lead)
	r.must(err)
	if !got.Fallback || got.Status.Key != "operator" || got.Lead.Status.ID != "C2:1" {
		t.Errorf("got %+v", got)
	}
	if got, err = r.leads.Read(t.Context(), r.lead("NEW")); err != nil || got.Fallback || got.Status.Key != "new" {
		t.Errorf("a linked one: %+v, %v", got, err)
	}
	r = newLeadRig(t, &statuslink.LeadsOptions{Fallback: "nowhere"})
	lead = r.deal(2, "C2:1")
	_, err = r.leads.Read(t.Context(), lead)
	wantLeadError(t, "no such fallback", err, lead, `statuslink: read lead: lead bitrix24/deal/`+lead.ID+
		`: not linked: it stands on bitrix24/DEAL_STAGE_2/C2:1, to which no status is linked; link it to a status, or let the client read bitrix24/DEAL_STAGE_2, which was never synchronised, and synchronise; nor is there the fallback: `+
		`statuslink: "nowhere": not found: no status has this key or ID; the keys are "bare", "demo", "in-work", "lost", "new", "no-answer", "operator", "paid" and "refund"`, statuslink.ErrNotLinked, statuslink.ErrNotFound)
}

// bulkOnly reads and moves many leads only.
type bulkOnly struct{ *handmade }

func (b bulkOnly) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	return bulkReader{mover(b)}.ReadLeads(ctx, leads)
}

// MoveLeads takes all moves before it makes any: a client that may keep moves back.
func (b bulkOnly) MoveLeads(ctx context.Context, moves iter.Seq[crm.Move], _ func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return func(yield func(crm.MoveResult) bool) {
		for _, move := range slices.Collect(moves) {
			result := crm.MoveResult{Move: move}
			if result.Err = ctx.Err(); result.Err == nil {
				result.Lead, result.Err = b.move(ctx, move)
				result.State = crm.MoveDone
				if result.Err != nil {
					result.State = crm.MoveRefused
				}
			}
			if !yield(result) {
				return
			}
		}
	}
}

// miscounts is a client that gives another number of results than it was asked for.
type miscounts struct{ bulkReader }

func (m miscounts) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	results, err := m.bulkReader.ReadLeads(ctx, leads)
	return append(results, crm.LeadResult{}), err
}

func TestMiscountedResultsAreNotBelieved(t *testing.T) {
	t.Parallel()
	leads := handmadeLeads(t, map[string][]string{"new": {"amo/1"}, "work": {"amo/2", "amo/x/2"}}, miscounts{bulkReader{mover{newHandmade("amo", map[string]string{"7": "1"})}}})
	lead := crm.LeadRef{Source: "amo", ID: "7"}
	if _, err := leads.Read(t.Context(), lead); !errors.Is(err, crm.ErrBadResponse) {
		t.Errorf("read: %v", err)
	}
	for result := range leads.SetMany(t.Context(), slices.Values([]statuslink.Wish{{Lead: lead, Status: "work"}}), nil) {
		if !errors.Is(result.Err, crm.ErrBadResponse) {
			t.Errorf("set many: %v", result.Err)
		}
	}
}
