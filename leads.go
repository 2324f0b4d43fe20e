package statuslink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// LeadsOptions are the options of [Leads]. Nil and the zero value work.
type LeadsOptions struct {
	// Fallback is the Key or ID of the status that a lead is taken to be in if it
	// stands in a status of the CRM that no status of the bot is linked to. Empty
	// means that such a lead is [ErrNotLinked].
	Fallback string
	// Logger hears of what goes wrong where no call returns it; nil is silent. No
	// secret and no client's data is logged.
	Logger *slog.Logger

	// The others are those of [Leads.Follow], [Leads.CatchUp] and [Leads.Reconcile].

	// Memory keeps what was told of each lead; nil means a table in memory, of the
	// TableSize leads that were heard of last, where 0 means 100,000. A lead takes
	// about 270 bytes of it. What Set did, and when leads were told, is always kept in
	// the table. It has to hold more leads than are heard of while one of them, or a list
	// of them, is read and told, or an older state may be told after a newer one.
	Memory    LeadMemory
	TableSize int
	// LastKnown, if it is not nil, is asked where a lead stood, as the bot knows it, if
	// the table has nothing of the lead: after a restart, mostly. It is called by
	// several goroutines at once, and not if there is a Memory. If it fails, it is tried
	// again as if the lead could not be read. A lead on a status that is not linked is
	// told by Fallback, or reported to Unlinked, again after a restart.
	LastKnown func(ctx context.Context, lead crm.LeadRef) (status crm.Ref, known bool, err error)
	// TrustEvents are the sources whose events are believed: the status that an event
	// carries is told without a request. This is for CRMs that keep the sequence of
	// events, and send each once; with others, a late event tells an older state after
	// a newer one, and the bot believes it until the next one comes. By default the
	// lead is read unless the event carries what was told last. One request for each
	// change is what trust saves.
	TrustEvents []string
	// Retries is how often a change is told again after the callback failed, or the
	// lead could not be read; 0 means 10, which take five minutes, a negative number
	// none. RetryDelay is the delay before the first; 0 means a second.
	Retries    int
	RetryDelay time.Duration
	// DeadLetter gets what was given up, with the last error. If the callback
	// failed, the state counts as told afterwards. Otherwise the lead, the Memory, the
	// store or LastKnown could not be asked, or Unlinked failed: change has Lead.Ref and
	// Event only, nothing counts as told, and the next event tells it. At once comes
	// what is of a source without a client that can read leads. Nil means that Logger
	// hears of it, without the error's text. It is called by several goroutines at once.
	DeadLetter func(ctx context.Context, change LeadChange, err error)
	// Unlinked hears of each lead on a status that no status of the bot is linked to,
	// at least once for each time that it comes there. The lead left the status that was
	// told last, which nothing else tells unless there is a Fallback. Nil means that Logger
	// hears of it. It is called by several goroutines at once, but for one lead in turn
	// with the callback, and may synchronise. Its error is treated as one of the
	// callback; at the end the dead letter has no status, and the next event tells it.
	Unlinked func(ctx context.Context, lead UnlinkedLead) error
}

// Leads speaks of the leads in CRMs in the bot's own statuses: it reads and sets
// them. It is safe for concurrent use. It starts no goroutine that outlives a call;
// a panic of a client comes up in the call that used it.
//
// Statuses are looked up as [Catalog.Snapshot] does it.
type Leads struct {
	catalog *Catalog
	clients []crm.Client
	sources []string // of the clients
	opts    LeadsOptions

	table *leadTable
	lanes lanes
	names map[string]*statusNames // by source
}

// NewLeads returns Leads over a catalog and the clients of the CRMs, of which each
// has a Source of its own; [ErrInvalid] or [ErrDuplicate] if not. What a client can
// do beside listing statuses is found by the interfaces of package crm that it has.
func NewLeads(catalog *Catalog, opts *LeadsOptions, clients ...crm.Client) (*Leads, error) {
	l := &Leads{catalog: catalog, clients: slices.Clone(clients)}
	fail := func(kind error, message string) (*Leads, error) {
		return nil, &Error{Kind: kind, Op: "new leads", Message: message}
	}
	if catalog == nil {
		return fail(ErrInvalid, "a catalog is needed")
	}
	if opts != nil {
		l.opts = *opts
	}
	if l.opts.Logger == nil {
		l.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if len(clients) == 0 {
		return fail(ErrInvalid, "a client of a CRM is needed")
	}
	for _, client := range clients {
		if client == nil || client.Source() == "" {
			return fail(ErrInvalid, "each client needs a source")
		}
		if slices.Contains(l.sources, client.Source()) {
			return fail(ErrDuplicate, fmt.Sprintf("two clients have the source %q; give each account a name of its own", client.Source()))
		}
		l.sources = append(l.sources, client.Source())
	}
	l.followDefaults()
	return l, nil
}

// LeadStatus is a lead in the bot's words.
type LeadStatus struct {
	// Lead is what the CRM said, with the Ref on which the lead stands.
	Lead crm.Lead
	// Status is the bot's status. It shares its slices with the catalog, and must not be
	// modified.
	Status Status
	// Outcome is what the CRM last said of the status on which the lead stands, as
	// the Base of its link has it; where it said nothing, that of Status.
	Outcome crm.Outcome
	// Fallback reports that no status is linked to what the lead stands on, and
	// that Status is [LeadsOptions.Fallback].
	Fallback bool
}

const opReadLead = "read lead"

// Read asks the CRM in which status a lead is. It takes one request.
//
// The error is an [*Error] with the lead. [ErrNotFound]: no client of its source is
// connected, or the CRM has no such lead, which is [crm.ErrNotFound] as well.
// [ErrNotLinked]: it stands in a status of the CRM that no status of the bot is
// linked to, nor is there a [LeadsOptions.Fallback]; Lead.Status of the error is the
// Ref. [errors.ErrUnsupported]: the client cannot read leads. What else the CRM says
// keeps its kind of package crm.
func (l *Leads) Read(ctx context.Context, lead crm.LeadRef) (LeadStatus, error) {
	status, err := l.readStatus(ctx, lead)
	return status, about(opReadLead, crm.Lead{Ref: lead}, "", err)
}

func (l *Leads) readStatus(ctx context.Context, lead crm.LeadRef) (LeadStatus, error) {
	client, err := l.client(lead.Source)
	if err != nil {
		return LeadStatus{}, err
	}
	if !canRead(client) {
		return LeadStatus{}, &Error{Kind: errors.ErrUnsupported, Message: "the client cannot read leads"}
	}
	read, err := readLead(ctx, client, lead)
	if err != nil {
		return LeadStatus{}, err
	}
	return l.resolve(ctx, read)
}

// resolve says in which status of the bot a lead is. It asks no CRM; within
// [Options.MaxAge] of the last Load it reads no store and allocates nothing, unless
// there is an error: [ErrNotLinked], or what the store says.
func (l *Leads) resolve(ctx context.Context, lead crm.Lead) (LeadStatus, error) {
	snapshot, err := l.catalog.Snapshot(ctx)
	if err != nil {
		return LeadStatus{}, err
	}
	if at, linked := snapshot.byRef[lead.Status]; linked {
		return snapshot.leadStatus(lead, at), nil
	}
	if l.opts.Fallback == "" {
		return LeadStatus{}, l.unlinked(snapshot, lead, nil)
	}
	status, err := snapshot.get(l.opts.Fallback)
	if err != nil {
		return LeadStatus{}, l.unlinked(snapshot, lead, err)
	}
	return LeadStatus{Lead: lead, Status: status, Outcome: status.Outcome, Fallback: true}, nil
}

// leadStatus returns a lead in the words of the link on which it stands.
func (s *Snapshot) leadStatus(lead crm.Lead, at linkAt) LeadStatus {
	status := &s.state.Statuses[at.status]
	outcome := status.Links[at.link].Base.Outcome
	if outcome == crm.Unknown {
		outcome = status.Outcome
	}
	return LeadStatus{Lead: lead, Status: *status, Outcome: outcome}
}

// unlinked is the error for a lead on a Ref that no status is linked to; fallback
// says why the fallback is none either, or is nil.
func (l *Leads) unlinked(snapshot *Snapshot, lead crm.Lead, fallback error) error {
	e := &Error{Kind: ErrNotLinked, Lead: lead, Err: fallback}
	if i, ignored := snapshot.ignored[lead.Status]; ignored {
		e.Message = fmt.Sprintf("it stands on %s (%q), which is ignored; link it to a status, or restore it and synchronise",
			lead.Status, snapshot.state.Ignored[i].Name)
	} else {
		e.Message = fmt.Sprintf("it stands on %s, to which no status is linked; link it to a status, or %s",
			lead.Status, l.catalog.synchronise(snapshot, ScopeKey{lead.Status.Source, lead.Status.Scope}))
	}
	if fallback != nil {
		e.Message += "; nor is there the fallback"
	}
	return e
}

// client returns the client of a source; [ErrNotFound] if none is connected.
func (l *Leads) client(source string) (crm.Client, error) {
	if i := slices.Index(l.sources, source); i >= 0 {
		return l.clients[i], nil
	}
	return nil, &Error{Kind: ErrNotFound, Message: fmt.Sprintf("no client of the source %q is connected, only of %s", source, quoted(l.sources))}
}

// deliver is told of each success when the caller is going to hear of it. If the lead
// was told of meanwhile, Follow looks at it, so that the bot hears last what is so.
func (l *Leads) deliver(e *errand) {
	if l.table.overlapped(e.result, e.begun) {
		l.lanes.recheck(e.lead.Ref)
	}
}

// canRead reports whether a client can read single leads in any way.
func canRead(client crm.Client) bool {
	_, single := client.(crm.LeadReader)
	_, bulk := client.(crm.BulkReader)
	return single || bulk
}

// readLead reads one lead from a client that can.
func readLead(ctx context.Context, client crm.Client, lead crm.LeadRef) (crm.Lead, error) {
	if reader, ok := client.(crm.LeadReader); ok {
		return reader.ReadLead(ctx, lead)
	}
	results, err := readLeads(ctx, client.(crm.BulkReader), lead.Source, []crm.LeadRef{lead})
	if err != nil {
		return crm.Lead{}, err
	}
	return results[0].Lead, results[0].Err
}

// readLeads reads many leads, and returns one result for each.
func readLeads(ctx context.Context, client crm.BulkReader, source string, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	results, err := client.ReadLeads(ctx, leads)
	if err == nil && len(results) != len(leads) {
		return nil, &crm.Error{
			Kind: crm.ErrBadResponse, Source: source, Op: "read leads",
			Message: fmt.Sprintf("the client gave %d results for %d leads", len(results), len(leads)),
		}
	}
	return results, err
}

// about says in an error what was being done with which lead, and to bring it into
// which status; nil stays nil. An error of this package keeps what it says itself.
// One of a CRM is put into one of this package, and keeps its kind: what the CRM has
// not is [ErrNotFound] too.
func about(op string, lead crm.Lead, status string, err error) error {
	if err == nil {
		return nil
	}
	e, ours := err.(*Error) //nolint:errorlint // an error inside another one may be someone else's
	if !ours {
		e = &Error{Err: err}
		if errors.Is(err, crm.ErrNotFound) {
			e.Kind = ErrNotFound
		}
	}
	named := *e
	named.Op = op
	if named.Lead.Ref == (crm.LeadRef{}) {
		named.Lead = lead
	}
	if named.Status == "" {
		named.Status = status
	}
	return &named
}

// quoted lists names for people: "a", "b" and "c".
func quoted(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = strconv.Quote(name)
	}
	return listed(list)
}
