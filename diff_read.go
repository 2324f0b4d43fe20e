package statuslink

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

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
		sc.rows++
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
