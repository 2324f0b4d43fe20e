package statuslink_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/memstore"
)

// rig is a bot with an empty store and a scripted client for each source.
type rig struct {
	t       *testing.T
	store   *memstore.Store
	catalog *statuslink.Catalog
	syncer  *statuslink.Syncer
	fakes   map[string]*crmfake.Client
	now     time.Time
	ids     int
}

func newRig(t *testing.T, policy statuslink.Policy, sources ...string) *rig {
	t.Helper()
	r := &rig{
		t: t, store: new(memstore.Store), fakes: make(map[string]*crmfake.Client),
		now: time.Date(2026, 8, 20, 11, 0, 0, 0, time.UTC),
	}
	catalog, err := statuslink.NewCatalog(r.store, &statuslink.Options{
		NewID: func() string { r.ids++; return fmt.Sprintf("st_%02d", r.ids) },
		Now:   func() time.Time { return r.now },
	})
	r.must(err)
	r.catalog = catalog
	r.syncer = r.engine(policy, sources...)
	return r
}

// engine returns one more Syncer over the same catalog.
func (r *rig) engine(policy statuslink.Policy, sources ...string) *statuslink.Syncer {
	r.t.Helper()
	var clients []crm.Client
	for _, source := range sources {
		if r.fakes[source] == nil {
			r.fakes[source] = crmfake.New(source)
		}
		clients = append(clients, r.fakes[source])
	}
	syncer, err := statuslink.NewSyncer(r.catalog, &statuslink.SyncOptions{Policy: policy}, clients...)
	r.must(err)
	return syncer
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// show lets a source list rows "id name" or "id name #RRGGBB outcome", in this
// order, in one scope.
func (r *rig) show(source string, rows ...string) {
	r.t.Helper()
	r.fakes[source].Show(listing(source, rows...))
}

// listing reads rows as show does.
func listing(source string, rows ...string) crm.Listing {
	l := crm.Listing{Source: source, Scopes: []crm.Scope{{}}}
	l.Statuses = rowsOf(source, "", rows...)
	return l
}

func rowsOf(source, scope string, rows ...string) []crm.Status {
	var statuses []crm.Status
	for i, row := range rows {
		part := strings.SplitN(row, " ", 4)
		s := crm.Status{Ref: crm.Ref{Source: source, Scope: scope, ID: part[0]}, Order: (i + 1) * 10}
		if len(part) > 1 {
			s.Name = strings.ReplaceAll(part[1], "_", " ")
		}
		if len(part) > 2 {
			s.Color = part[2]
		}
		if len(part) > 3 {
			if err := s.Outcome.UnmarshalText([]byte(part[3])); err != nil {
				panic(err)
			}
		}
		statuses = append(statuses, s)
	}
	return statuses
}

// scoped lets a source list several scopes, given as scope and rows.
func (r *rig) scoped(source string, scopes ...[]string) {
	r.t.Helper()
	l := crm.Listing{Source: source, Exists: []string{}}
	for _, scope := range scopes {
		l.Scopes = append(l.Scopes, crm.Scope{ID: scope[0]})
		l.Exists = append(l.Exists, scope[0])
		l.Statuses = append(l.Statuses, rowsOf(source, scope[0], scope[1:]...)...)
	}
	r.fakes[source].Show(l)
}

func (r *rig) plan() *statuslink.Plan {
	r.t.Helper()
	plan, err := r.syncer.Plan(r.t.Context())
	r.must(err)
	return plan
}

// sync synchronises, and checks that a second run has nothing to do.
func (r *rig) sync() *statuslink.Plan {
	r.t.Helper()
	report, err := r.syncer.Sync(r.t.Context())
	r.must(err)
	if again := r.plan(); !again.Empty() {
		r.t.Errorf("planning again right after applying is not empty:\n%v", again)
	}
	return report.Plan
}

// state returns the statuses, a line each: name, colour, outcome, links.
func (r *rig) state() []string {
	r.t.Helper()
	snapshot, err := r.catalog.Load(r.t.Context())
	r.must(err)
	var lines []string
	for s := range snapshot.All() {
		line := s.Name
		if s.Color != "" {
			line += " " + s.Color
		}
		if s.Outcome != crm.Unknown {
			line += " " + s.Outcome.String()
		}
		for _, link := range s.Links {
			line += " " + link.Ref.String()
			if link.Missing() {
				line += "(missing)"
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func (r *rig) wantState(promise string, want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.state()); diff != "" {
		r.t.Errorf("%s: wrong statuses (-want +got)\n%s", promise, diff)
	}
}

// kinds returns the kinds of operations but scope and note, and of findings.
func kinds(plan *statuslink.Plan) (operations, findings []string) {
	for _, op := range plan.Operations() {
		if op.Kind != statuslink.OpScope && op.Kind != statuslink.OpNote {
			operations = append(operations, string(op.Kind))
		}
	}
	for _, f := range plan.Findings() {
		findings = append(findings, string(f.Kind))
	}
	return operations, findings
}

func (r *rig) wantPlan(plan *statuslink.Plan, operations, findings string) {
	r.t.Helper()
	ops, found := kinds(plan)
	if got := strings.Join(ops, " "); got != operations {
		r.t.Errorf("operations %q, want %q\n%v", got, operations, plan)
	}
	if got := strings.Join(found, " "); got != findings {
		r.t.Errorf("findings %q, want %q\n%v", got, findings, plan)
	}
}

// edit changes the status with the name by hand.
func (r *rig) edit(name string, change func(*statuslink.Status)) {
	r.t.Helper()
	_, err := r.catalog.Edit(r.t.Context(), r.id(name), change)
	r.must(err)
}

func (r *rig) rename(name, to string) {
	r.t.Helper()
	r.edit(name, func(s *statuslink.Status) { s.Name = to })
}

// id returns the ID of the first status with the name.
func (r *rig) id(name string) string {
	r.t.Helper()
	snapshot, err := r.catalog.Load(r.t.Context())
	r.must(err)
	for s := range snapshot.All() {
		if s.Name == name {
			return s.ID
		}
	}
	r.t.Fatalf("there is no status %q", name)
	return ""
}

// manyRows lists n statuses in one scope.
func manyRows(n int) crm.Listing {
	l := crm.Listing{Source: "crm", Scopes: []crm.Scope{{}}}
	for i := range n {
		l.Statuses = append(l.Statuses, crm.Status{
			Ref: crm.Ref{Source: "crm", ID: fmt.Sprintf("%04d", i)}, Name: fmt.Sprintf("Stage %d", i), Order: i,
		})
	}
	return l
}
