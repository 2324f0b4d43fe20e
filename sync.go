package statuslink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// SyncOptions are the options of a [Syncer]. Nil and the zero value work, and
// are the safest.
type SyncOptions struct {
	Policy Policy
	// PlanAge is how long a plan or its token may be applied; 0 means 15
	// minutes.
	PlanAge time.Duration
	// ReadTimeout limits the reading of one source; 0 means 2 minutes. One that
	// hangs fails by it, and the others go on.
	ReadTimeout time.Duration
	// Logger hears of plans made and applied and of sources that failed; nil is
	// silent. No secret and no client's data is logged.
	Logger *slog.Logger
}

// Syncer synchronises the statuses of a [Catalog] with the status lists of
// CRMs: Plan shows what would change, Apply or Confirm does it, Sync does both.
// It is safe for concurrent use, and so are several Syncers over one store. It
// starts no goroutine that outlives a call; a panic of a client comes up in the
// call that used it.
type Syncer struct {
	catalog *Catalog
	clients []crm.Client
	opts    SyncOptions
	turn    chan struct{} // full while a plan is applied and remembered

	mu     sync.Mutex
	health []SourceHealth
	done   []Record // the latest plans applied
}

// Report tells what applying a plan did.
type Report struct {
	// Plan is the plan that was applied. Where [Syncer.Confirm] finds that it
	// was done already, it is a new plan: what is left to do, if anything.
	Plan *Plan
	// Version is the store's version afterwards; where nothing was written, the
	// one that was looked at.
	Version uint64
	// Applied reports that the store was changed.
	Applied bool
	// Already reports that the plan had been applied before, so that nothing
	// was done now.
	Already bool
}

// NewSyncer returns a Syncer over a catalog. Sources are taken in the order of
// the clients, of which each has a Source of its own. [ErrInvalid] or
// [ErrDuplicate] if not.
func NewSyncer(catalog *Catalog, opts *SyncOptions, clients ...crm.Client) (*Syncer, error) {
	s := &Syncer{catalog: catalog, clients: slices.Clone(clients), turn: make(chan struct{}, 1)}
	fail := func(kind error, message string) (*Syncer, error) {
		return nil, &Error{Kind: kind, Op: "new syncer", Message: message}
	}
	if catalog == nil {
		return fail(ErrInvalid, "a catalog is needed")
	}
	if opts != nil {
		s.opts = *opts
	}
	switch s.opts.Policy.Conflict {
	case KeepBot, CRMWins, Leave:
	default:
		return fail(ErrInvalid, fmt.Sprintf("unknown policy %q", s.opts.Policy.Conflict))
	}
	if s.opts.PlanAge <= 0 {
		s.opts.PlanAge = 15 * time.Minute
	}
	if s.opts.ReadTimeout <= 0 {
		s.opts.ReadTimeout = 2 * time.Minute
	}
	if s.opts.Logger == nil {
		s.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if len(clients) == 0 {
		return fail(ErrInvalid, "a client of a CRM is needed")
	}
	for _, client := range clients {
		if client == nil || client.Source() == "" {
			return fail(ErrInvalid, "each client needs a source")
		}
		if slices.ContainsFunc(s.health, func(h SourceHealth) bool { return h.Source == client.Source() }) {
			return fail(ErrDuplicate, fmt.Sprintf("two clients have the source %q; give each account a name of its own", client.Source()))
		}
		s.health = append(s.health, SourceHealth{Source: client.Source()})
	}
	return s, nil
}

// Plan reads all sources at once and says what applying would do. It changes
// nothing. If some sources fail, the plan goes on without them and [Plan.Err]
// says which. Plan itself fails only if no source could be read and believed,
// and if the store failed; in the first case it returns the plan, which is
// then empty and whose findings say why, together with [Plan.Err].
func (s *Syncer) Plan(ctx context.Context) (*Plan, error) {
	plan, err := s.plan(ctx, s.read(ctx), nil)
	s.record(ctx, plan)
	return plan, err
}

func (s *Syncer) plan(ctx context.Context, readings []reading, released []ScopeKey) (*Plan, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("statuslink: plan: %w", err)
	}
	snapshot, err := s.catalog.Load(ctx)
	if err != nil {
		return nil, err
	}
	plan := diff(input{snapshot, readings, s.opts.Policy, released})
	plan.owner, plan.madeAt = s, instant(s.catalog.opts.Now())
	s.opts.Logger.InfoContext(ctx, "plan made", "operations", len(plan.operations),
		"findings", len(plan.findings), "digest", plan.digest, "version", snapshot.version)
	if len(plan.read) == 0 {
		return plan, plan.err
	}
	return plan, nil
}

// read reads all sources at once.
func (s *Syncer) read(ctx context.Context) []reading {
	readings := make([]reading, len(s.clients))
	panics := make([]error, len(s.clients))
	var wait sync.WaitGroup
	for i, client := range s.clients {
		readings[i] = reading{source: s.health[i].Source, err: errNoAnswer(s.health[i].Source)}
		wait.Go(func() {
			defer func() {
				if value := recover(); value != nil {
					panics[i] = fmt.Errorf("statuslink: the client of %q panicked: %v\n\n%s", readings[i].source, value, debug.Stack())
				}
			}()
			ctx, cancel := context.WithTimeout(ctx, s.opts.ReadTimeout)
			defer cancel()
			readings[i].listing, readings[i].err = client.ListStatuses(ctx)
		})
	}
	wait.Wait()
	for _, err := range panics {
		if err != nil {
			panic(err) // here, where the caller can recover it
		}
	}
	return readings
}

// errNoAnswer is what a source gave whose client ended its goroutine.
func errNoAnswer(source string) error {
	return &crm.Error{Kind: crm.ErrUnavailable, Source: source, Op: "list statuses", Message: "the client gave no answer"}
}

// Apply does what the plan says, at one instant and as a whole. An empty plan
// writes nothing. [ErrInvalid] if another Syncer made the plan; a
// [*StaleError] that says what moved if the plan is older than PlanAge or the
// store has moved since: make a new plan. A plan that is done already is no
// error, and the report says so.
func (s *Syncer) Apply(ctx context.Context, plan *Plan) (*Report, error) {
	if plan == nil || plan.owner != s {
		return nil, &Error{Kind: ErrInvalid, Op: "apply", Message: "this Syncer did not make the plan"}
	}
	var report *Report
	var err error
	if age := s.catalog.opts.Now().Sub(plan.madeAt); age > s.opts.PlanAge {
		err = s.tooOld(plan.Version(), age)
	} else {
		report, err = s.apply(ctx, plan)
	}
	if errors.Is(err, ErrStale) && s.applied(ctx, plan.digest, plan.Version()) {
		now, err := s.catalog.Load(ctx)
		if err != nil {
			return nil, err
		}
		return &Report{Plan: plan, Version: now.version, Already: true}, nil
	}
	return report, err
}

func (s *Syncer) tooOld(version uint64, age time.Duration) error {
	return &StaleError{
		Planned: version, Present: version,
		Reason: fmt.Sprintf("the plan is %s old, more than %s", age.Round(time.Second), s.opts.PlanAge),
	}
}

func (s *Syncer) apply(ctx context.Context, plan *Plan) (*Report, error) {
	if plan.Empty() {
		s.catalog.synced.note(plan)
		return &Report{Plan: plan, Version: plan.Version()}, nil
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end()
	note := s.catalog.note(ctx, "synchronise")
	note.Digest = plan.digest
	changes := plan.changes(note.At, s.catalog.opts.NewID)
	changes.Note = note
	next, err := s.catalog.apply(ctx, plan.snapshot, changes)
	if err != nil {
		return nil, err
	}
	s.remember(Record{Version: next.version, Note: note})
	s.catalog.synced.note(plan)
	s.opts.Logger.InfoContext(ctx, "plan applied", "operations", len(plan.operations), "digest", plan.digest, "version", next.version)
	return &Report{Plan: plan, Version: next.version, Applied: true}, nil
}

// begin waits until no other plan is being applied: between the store's change
// and remembering it, a second click would take the plan for a stale one.
func (s *Syncer) begin(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("statuslink: apply: %w", ctx.Err())
	}
}

func (s *Syncer) end() { <-s.turn }

// Sync plans and applies in one call, for schedules. If the store moves
// meanwhile, it plans again on what was read. Held scopes are never released,
// and what needs a person stays undone: see Attention of the report's plan. The
// report comes together with [Plan.Err] where sources failed, and if all did,
// with a plan whose findings say why. It is nil if ctx ended or the store failed.
func (s *Syncer) Sync(ctx context.Context) (*Report, error) {
	readings := s.read(ctx)
	for try := 1; ; try++ {
		plan, err := s.plan(ctx, readings, nil)
		if try == 1 {
			s.record(ctx, plan)
		}
		if plan == nil {
			return nil, err
		}
		report, err := s.apply(ctx, plan)
		if err == nil {
			return report, plan.err
		}
		if try == maxTries || !errors.Is(err, ErrStale) {
			return nil, errors.Join(err, plan.err)
		}
	}
}
