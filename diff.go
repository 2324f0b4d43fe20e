package statuslink

import (
	"slices"

	"github.com/statuslink/statuslink/crm"
)

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
	key       ScopeKey
	name      string
	held      bool
	gone      bool
	rows      int      // how many the listing has of it
	links     []linkAt // those of the snapshot
	open      []int    // rows that are neither linked nor ignored, in the CRM's order
	blocked   map[int]bool
	added     []addedLink         // links made by name
	births    int                 // statuses created
	oldID     map[linkAt]string   // IDs before their relink
	pending   map[linkAt][]Change // moves of Bases
	reordered bool                // so that the places of what it leads need no note
	settled   map[linkAt]bool     // links that an operation other than note touches
	ops       []Operation
	findings  []Finding
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
