package statuslink

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// The guard holds a scope if more than guardFew of its links are absent and
// these are more than one in guardShare.
const (
	guardFew   = 2
	guardShare = 3
)

// maxCandidates limits the candidates that a finding names.
const maxCandidates = 10

// reading is what one source gave.
type reading struct {
	source  string
	listing crm.Listing
	err     error
}

// input is all that a plan depends on.
type input struct {
	snapshot *Snapshot
	readings []reading
	policy   Policy
	released []ScopeKey // sorted
}

// diff makes a plan. It is a pure function: no clock, no randomness, no I/O;
// the order of the rows in a listing does not matter. The steps, each on the
// result of the one before:
//
//  1. refuse sources that must not be believed
//  2. guard: hold scopes that lost too much
//  3. relink what the CRM re-created under a new ID, revive what is listed again
//  4. merge the fields of listed links
//  5. mark what is absent
//  6. link by name, else create
//  7. merge the sequences, then give the created ones their places
func diff(in input) *Plan {
	m := &merger{input: in, fold: newFolder(), links: in.snapshot.linkIndex()}
	m.rowOf = make([]int, m.links.total)
	for i := range in.readings {
		m.sources = append(m.sources, m.read(i))
	}
	m.unread()
	m.eachScope(func(src *source, sc *scope) {
		m.guard(src, sc)
		m.relink(src, sc)
		m.revive(src, sc)
	})
	m.eachScope(m.mergeFields)
	m.eachScope(m.markMissing)
	m.linkAndCreate()
	m.eachScope(m.mergeSequence)
	m.place()
	m.eachScope(m.noteBases)
	m.eachScope(m.compareOutcomes)
	m.findTwins()
	return m.plan()
}

// merger is the working state of one diff.
type merger struct {
	input
	fold    func(string) string
	links   *linkIndex
	rowOf   []int // by number of a link: its row in the source's listing, plus one
	sources []*source

	edited  []*Status // by index of a status, nil where it is as in the snapshot
	touched []bool
	created []*Status // statuses of index snapshot.Len() and up
	from    []crm.Ref // what they are created from
	renamed map[int]string
	extra   map[string][]int // statuses found by names that the snapshot lacks
	moved   []move           // places of sequences dealt out anew
	orders  map[int]int      // new Orders, by index of a status

	findings []Finding // of no source
}

type source struct {
	name     string
	rows     []crm.Status
	at       []place // where each row is linked
	scopes   []*scope
	refused  bool
	account  []string // names to keep, if they changed
	ops      []Operation
	findings []Finding
}

// place is where a row is linked.
type place struct {
	linkAt
	linked bool
}

type scope struct {
	key      ScopeKey
	name     string
	held     bool
	gone     bool
	links    []linkAt // those of the snapshot
	open     []int    // rows that are neither linked nor ignored, in the CRM's order
	blocked  map[int]bool
	added    []addedLink         // links made by name
	births   int                 // statuses created
	oldID    map[linkAt]string   // IDs before their relink
	pending  map[linkAt][]Change // moves of Bases
	settled  map[linkAt]bool     // links that an operation other than note touches
	ops      []Operation
	findings []Finding
}

func (m *merger) eachScope(do func(*source, *scope)) {
	for _, src := range m.sources {
		for _, sc := range src.scopes {
			do(src, sc)
		}
	}
}

// at returns a status for reading.
func (m *merger) at(i int) *Status {
	if n := m.snapshot.Len(); i >= n {
		return m.created[i-n]
	}
	if m.edited != nil && m.edited[i] != nil {
		return m.edited[i]
	}
	return &m.snapshot.state.Statuses[i]
}

// edit returns a status for changing.
func (m *merger) edit(i int) *Status {
	n := m.snapshot.Len()
	if i >= n {
		return m.created[i-n]
	}
	if m.edited == nil {
		m.edited = make([]*Status, n)
		m.touched = make([]bool, n)
	}
	if m.edited[i] == nil {
		clone := m.snapshot.state.Statuses[i].Clone()
		m.edited[i] = &clone
	}
	m.touched[i] = true
	return m.edited[i]
}

// ref names a status in the plan.
func (m *merger) ref(i int) StatusRef {
	s := m.at(i)
	if n := m.snapshot.Len(); i >= n {
		return StatusRef{New: m.from[i-n], Name: s.Name}
	}
	return StatusRef{ID: s.ID, Name: s.Name}
}

func (m *merger) refs(indices []int) []StatusRef {
	refs := make([]StatusRef, len(indices))
	for k, i := range indices {
		refs[k] = m.ref(i)
	}
	return refs
}

// row returns the row that lists a link, or nil.
func (m *merger) row(src *source, at linkAt) *crm.Status {
	if at.status < m.snapshot.Len() && at.link < len(m.snapshot.state.Statuses[at.status].Links) {
		if r := m.rowOf[m.links.number(at)]; r > 0 {
			return &src.rows[r-1]
		}
	}
	return nil
}

func (sc *scope) find(f Finding) {
	f.Scope = sc.key
	sc.findings = append(sc.findings, f)
}

// read is step 1: it refuses a source, or indexes its rows.
func (m *merger) read(i int) *source {
	rd := &m.readings[i]
	src := &source{name: rd.source}
	refuse := func(kind FindingKind, err error) *source {
		src.refused = true
		f := Finding{Kind: kind, Scope: ScopeKey{Source: rd.source}, Message: err.Error(), Err: err}
		if kind == FindingOtherAccount {
			f.Account = slices.Clone(rd.listing.Account)
		}
		src.findings = append(src.findings, f)
		return src
	}
	refused := func(format string, args ...any) error {
		return &Error{Kind: ErrRefused, Op: "read", Status: rd.source, Message: fmt.Sprintf(format, args...)}
	}
	if slices.ContainsFunc(m.readings[:i], func(o reading) bool { return o.source == rd.source }) ||
		slices.ContainsFunc(m.readings[i+1:], func(o reading) bool { return o.source == rd.source }) {
		return refuse(FindingFailed, refused("two listings have this source; give each account a name of its own"))
	}
	if rd.err != nil {
		return refuse(FindingFailed, rd.err)
	}
	if err := rd.listing.Validate(); err != nil {
		return refuse(FindingFailed, err)
	}
	if rd.listing.Source != rd.source {
		return refuse(FindingFailed, refused("the listing is of source %q", rd.listing.Source))
	}
	known := m.snapshot.Account(rd.source)
	shared := func(name string) bool { return slices.Contains(known, name) }
	if len(known) > 0 && len(rd.listing.Account) > 0 && !slices.ContainsFunc(rd.listing.Account, shared) {
		return refuse(FindingOtherAccount, refused("this is the account %s, not %s as before; accept it, or connect it under another name",
			strings.Join(rd.listing.Account, ", "), strings.Join(known, ", ")))
	}
	for _, s := range rd.listing.Scopes {
		key := ScopeKey{rd.source, s.ID}
		src.scopes = append(src.scopes, &scope{key: key, name: crm.CleanName(s.Name), links: m.links.byScope[key]})
	}
	if len(rd.listing.Statuses) == 0 && slices.ContainsFunc(src.scopes, func(sc *scope) bool { return len(sc.links) > 0 }) {
		src.scopes = nil
		return refuse(FindingFailed, refused("the list is empty although statuses are linked to it; nothing is concluded from it"))
	}
	m.learn(src, rd)
	m.indexRows(src, rd)
	return src
}

// learn notes scopes and account names that are new.
func (m *merger) learn(src *source, rd *reading) {
	known := m.snapshot.Account(rd.source)
	names := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(known), rd.listing.Account...))))
	if !slices.Equal(names, known) {
		src.account = names
		src.ops = append(src.ops, Operation{
			Kind: OpScope, Ref: crm.Ref{Source: src.name}, Reason: "the CRM names the account",
			Changes: []Change{{FieldAccount, strings.Join(known, ", "), strings.Join(names, ", ")}},
		})
	}
	for _, sc := range src.scopes {
		old, exists := m.snapshot.Scope(sc.key)
		op := Operation{Kind: OpScope, Ref: crm.Ref{Source: src.name, Scope: sc.key.ID}}
		switch {
		case !exists:
			op.Reason = "the list is read for the first time"
			op.Changes = []Change{{FieldScope, "", sc.name}}
		case sc.name != "" && sc.name != old.Name:
			op.Reason = "the list was renamed"
			op.Changes = []Change{{FieldScope, old.Name, sc.name}}
		default:
			continue
		}
		sc.ops = append(sc.ops, op)
	}
}

// indexRows finds the link of each row, cleans the rows, and sorts those that
// are neither linked nor ignored.
func (m *merger) indexRows(src *source, rd *reading) {
	src.rows = rd.listing.Statuses
	src.at = make([]place, len(src.rows))
	byID := make(map[string]*scope, len(src.scopes))
	for _, sc := range src.scopes {
		byID[sc.key.ID] = sc
	}
	owned := false
	for r := range src.rows {
		row := &src.rows[r]
		sc := byID[row.Ref.Scope]
		if clean := cleanRow(row); clean.Name != row.Name || clean.Color != row.Color || clean.Outcome != row.Outcome {
			if !owned {
				src.rows = slices.Clone(src.rows)
				row, owned = &src.rows[r], true
			}
			sc.invalid(row, &clean)
			*row = clean
		}
		if at, linked := m.snapshot.byRef[row.Ref]; linked {
			src.at[r] = place{at, true}
			m.rowOf[m.links.number(at)] = r + 1
			continue
		}
		if i, ignored := m.snapshot.ignored[row.Ref]; ignored {
			since := m.snapshot.state.Ignored[i]
			sc.find(Finding{
				Kind: FindingIgnored, Ref: row.Ref, CRM: row.Name,
				Message: fmt.Sprintf("%q stays out, as a person decided on %s; restore it to link it again", row.Name, since.Since.Format("2006-01-02")),
			})
			continue
		}
		sc.open = append(sc.open, r)
	}
	for _, sc := range src.scopes {
		slices.SortFunc(sc.open, func(a, b int) int { return inCRMOrder(&src.rows[a], &src.rows[b]) })
	}
}

func inCRMOrder(a, b *crm.Status) int {
	return cmp.Or(cmp.Compare(a.Order, b.Order), strings.Compare(a.Ref.ID, b.Ref.ID))
}

// cleanRow returns the row with values that can be kept; a name that shows
// nothing becomes none.
func cleanRow(row *crm.Status) crm.Status {
	clean := *row
	clean.Name = crm.CleanName(row.Name)
	if blank(clean.Name) {
		clean.Name = ""
	}
	clean.Color = crm.CleanColor(row.Color)
	if !row.Outcome.Valid() {
		clean.Outcome = crm.Unknown
	}
	return clean
}

// invalid reports the values of a row that had to be cleaned.
func (sc *scope) invalid(row, clean *crm.Status) {
	report := func(field Field, was, now string) {
		if was != now {
			sc.find(Finding{
				Kind: FindingInvalid, Ref: row.Ref, Field: field, CRM: was,
				Message: fmt.Sprintf("the CRM's %s %q cannot be kept and is taken as %q", field, was, now),
			})
		}
	}
	report(FieldName, row.Name, clean.Name)
	report(FieldColor, row.Color, clean.Color)
	report(FieldOutcome, row.Outcome.String(), clean.Outcome.String())
}

// unread reports links of sources and scopes that nothing was said of, and
// adds scopes that exist no more: their lists are empty, and held.
func (m *merger) unread() {
	bySource := make(map[string]*source, len(m.sources))
	for _, src := range m.sources {
		bySource[src.name] = src
	}
	var last string
	for _, key := range m.links.scopes {
		src, read := bySource[key.Source]
		if !read {
			if key.Source != last {
				m.findings = append(m.findings, Finding{
					Kind: FindingUnreadSource, Scope: ScopeKey{Source: key.Source},
					Message: "statuses are linked to this source, but no client reads it; their links stay as they are",
				})
			}
			last = key.Source
			continue
		}
		if src.refused || slices.ContainsFunc(src.scopes, func(sc *scope) bool { return sc.key == key }) {
			continue
		}
		exists := m.reading(src).listing.Exists
		if exists == nil || slices.Contains(exists, key.ID) {
			src.findings = append(src.findings, Finding{
				Kind: FindingUnreadScope, Scope: key,
				Message: "statuses are linked to this scope, but it was not asked for; their links stay as they are",
			})
			continue
		}
		src.scopes = append(src.scopes, &scope{key: key, gone: true, links: m.links.byScope[key]})
	}
}

func (m *merger) reading(src *source) *reading {
	return &m.readings[slices.IndexFunc(m.readings, func(rd reading) bool { return rd.source == src.name })]
}

// guard is step 2. It sees one plan only: a list that loses a few statuses in
// each of many plans is not held.
func (m *merger) guard(src *source, sc *scope) {
	absent, listed := 0, 0
	for _, at := range sc.links {
		switch {
		case m.row(src, at) != nil:
			listed++
		case !m.at(at.status).Links[at.link].Missing():
			absent++
		}
	}
	n := absent + listed
	var message string
	switch {
	case len(sc.links) == 0:
		return
	case sc.gone:
		message = "the CRM no longer has this scope, or the right to see it was lost"
	case listed == 0 && len(sc.open) == 0 && m.rows(src, sc) == 0:
		message = "the CRM shows no status here although some are linked"
	case absent > guardFew && guardShare*absent > n, absent == n && n > 1:
		message = fmt.Sprintf("%d of %d linked statuses are absent", absent, n)
	default:
		return
	}
	if _, released := slices.BinarySearchFunc(m.released, sc.key, compareScopes); released {
		return
	}
	sc.held = true
	sc.find(Finding{Kind: FindingHeld, Message: message + "; nothing is concluded here until you release it after a look at the CRM"})
}

// rows counts the rows of a scope.
func (m *merger) rows(src *source, sc *scope) int {
	n := 0
	for r := range src.rows {
		if src.rows[r].Ref.Scope == sc.key.ID {
			n++
		}
	}
	return n
}

// compareOutcomes reports links whose Outcome contradicts their status's.
func (m *merger) compareOutcomes(src *source, sc *scope) {
	check := func(at linkAt, row *crm.Status) {
		if s := m.at(at.status); s.Outcome.Contradicts(row.Outcome) {
			sc.find(Finding{
				Kind: FindingOutcome, Ref: row.Ref, Status: m.ref(at.status), Field: FieldOutcome,
				Bot: s.Outcome.String(), CRM: row.Outcome.String(),
				Message: fmt.Sprintf("%q is %s in the bot and %s in the CRM", s.Name, s.Outcome, row.Outcome),
			})
		}
	}
	for _, at := range sc.links {
		if row := m.row(src, at); row != nil {
			check(at, row)
		}
	}
	for _, at := range sc.added {
		check(at.linkAt, &src.rows[at.row])
	}
}

// findTwins reports statuses that have one name after the plan.
func (m *merger) findTwins() {
	index := m.snapshot.nameIndex()
	groups := index.twins
	if len(m.renamed) > 0 || len(m.created) > 0 {
		names := slices.Clone(index.folded)
		for i, name := range m.renamed {
			names[i] = name
		}
		for _, s := range m.created {
			names = append(names, m.fold(s.Name))
		}
		groups = twins(names)
	}
	for _, group := range groups {
		f := Finding{Kind: FindingTwins, Field: FieldName, Bot: m.at(group[0]).Name}
		f.Candidates, f.More = m.candidates(group)
		f.Message = fmt.Sprintf("%d statuses are called %q; rename or remove the superfluous ones", len(group), f.Bot)
		m.findings = append(m.findings, f)
	}
}

func (m *merger) candidates(indices []int) (refs []StatusRef, more int) {
	more = max(0, len(indices)-maxCandidates)
	return m.refs(indices[:len(indices)-more]), more
}

// plan gathers the result.
func (m *merger) plan() *Plan {
	p := &Plan{input: m.input}
	for _, src := range m.sources {
		p.operations = append(p.operations, src.ops...)
		p.findings = append(p.findings, src.findings...)
		if !src.refused {
			p.read = append(p.read, src.name)
		}
		if src.account != nil {
			p.account = append(p.account, Account{src.name, src.account})
		}
		for _, sc := range src.scopes {
			p.operations = append(p.operations, sc.ops...)
			slices.SortStableFunc(sc.findings, compareFindings)
			p.findings = append(p.findings, sc.findings...)
			for _, op := range sc.ops {
				if op.Kind == OpScope {
					p.scopes = append(p.scopes, Scope{sc.key, sc.name})
				}
			}
		}
	}
	p.findings = append(p.findings, m.findings...)
	p.err = joinFailures(p.findings)
	for i := range m.snapshot.state.Statuses {
		order, moved := m.orders[i]
		if !moved && (m.edited == nil || m.edited[i] == nil) {
			continue
		}
		d := draft{status: *m.at(i), touched: m.touched != nil && m.touched[i]}
		if moved {
			d.status.Order = order
		}
		p.updates = append(p.updates, d)
	}
	for k, s := range m.created {
		s.Order = m.orders[m.snapshot.Len()+k]
		p.creates = append(p.creates, *s)
	}
	p.digest = p.computeDigest()
	return p
}

func compareFindings(a, b Finding) int {
	return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), compareRefs(a.Ref, b.Ref),
		strings.Compare(a.Status.ID, b.Status.ID), strings.Compare(string(a.Field), string(b.Field)))
}
