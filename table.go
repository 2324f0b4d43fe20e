package statuslink

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// String returns the plan as a table for people, grouped by scope: operations,
// then findings, then a line that sums up. Control and direction characters of
// names are escaped. The format may change; use the JSON for programs.
func (p *Plan) String() string {
	var b strings.Builder
	for i := 0; i < len(p.operations); {
		key := p.operations[i].scope()
		fmt.Fprintf(&b, "%s\n", p.scopeTitle(key))
		t, notes := table{indent: "  "}, 0
		for ; i < len(p.operations) && p.operations[i].scope() == key; i++ {
			if op := &p.operations[i]; op.Kind == OpNote {
				notes++
			} else {
				t.add(string(op.Kind), op.subject(), op.Ref.ID, op.why())
			}
		}
		if notes > 0 {
			t.add(string(OpNote), plural(notes, "status", "statuses"), "", "the CRM's values are noted; nothing changes in the bot")
		}
		b.WriteString(t.String())
	}
	if len(p.findings) > 0 {
		b.WriteString("Findings\n")
		t := table{indent: "  "}
		for _, f := range p.findings {
			mark := " "
			if f.Attention() {
				mark = "!"
			}
			t.add(mark, string(f.Kind), f.Scope.String(), firstOf(f.Ref.ID, f.Status.Name), f.message())
		}
		b.WriteString(t.String())
	}
	b.WriteString(p.summary())
	return b.String()
}

func (p *Plan) scopeTitle(key ScopeKey) string {
	scope, _ := p.snapshot.Scope(key)
	name := scope.Name
	for _, s := range p.scopes {
		if s.ScopeKey == key && s.Name != "" {
			name = s.Name
		}
	}
	if name == "" {
		return show(key.String())
	}
	return show(key.String() + " (" + name + ")")
}

// summary counts the operations in one line.
func (p *Plan) summary() string {
	if p.Empty() {
		return "Nothing to do.\n"
	}
	counts := make(map[OperationKind]int)
	var kinds []OperationKind
	for _, op := range p.operations {
		if counts[op.Kind]++; counts[op.Kind] == 1 {
			kinds = append(kinds, op.Kind)
		}
	}
	parts := make([]string, len(kinds))
	for i, kind := range kinds {
		parts[i] = fmt.Sprintf("%d %s", counts[kind], kind)
	}
	return plural(len(p.operations), "operation", "operations") + ": " + strings.Join(parts, ", ") + "\n"
}

// message is the finding's message with the candidates' names.
func (f *Finding) message() string {
	if len(f.Candidates) == 0 || f.Kind == FindingTwins {
		return f.Message
	}
	names := make([]string, len(f.Candidates))
	for i, c := range f.Candidates {
		names[i] = strconv.Quote(c.Name)
		if c.ID != "" {
			names[i] += " " + c.ID
		}
	}
	text := f.Message + " (candidates: " + strings.Join(names, ", ")
	if f.More > 0 {
		text += fmt.Sprintf(" and %d more", f.More)
	}
	return text + ")"
}

func (o *Operation) scope() ScopeKey { return ScopeKey{o.Ref.Source, o.Ref.Scope} }

// subject names what the operation is about.
func (o *Operation) subject() string {
	switch o.Kind {
	case OpReorder:
		return plural(len(o.After), "status", "statuses")
	case OpScope:
		return ""
	}
	return o.Status.Name
}

// why says what the operation changes, and the reason.
func (o *Operation) why() string {
	switch o.Kind {
	case OpReorder:
		before, after := trimSequences(o.Before, o.After)
		return nameList(before) + " -> " + nameList(after) + ": " + o.Reason
	case OpRelink:
		return "was " + o.Was.ID + ": " + o.Reason
	case OpCreate:
		return o.Reason
	case OpScope:
		if c := o.Changes[0]; c.Field == FieldScope && c.Before == "" {
			return o.Reason // the title has the name
		}
	}
	parts := make([]string, len(o.Changes))
	for i, c := range o.Changes {
		parts[i] = fmt.Sprintf("%s %q -> %q", c.Field, c.Before, c.After)
	}
	if len(parts) == 0 {
		return o.Reason
	}
	return strings.Join(parts, ", ") + ": " + o.Reason
}

// trimSequences leaves out what two sequences of the same statuses have in
// common at both ends.
func trimSequences(a, b []StatusRef) (x, y []StatusRef) {
	for len(a) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

// shownNames limits the names of a sequence in a table.
const shownNames = 4

func nameList(refs []StatusRef) string {
	var names []string
	for i, ref := range refs {
		if i == shownNames {
			names = append(names, fmt.Sprintf("%d more", len(refs)-i))
			break
		}
		names = append(names, ref.Name)
	}
	return strings.Join(names, ", ")
}

// String returns the statuses as a table for people: key, name, outcome, the
// external IDs, and which of them are missing.
func (s *Snapshot) String() string {
	t := table{}
	t.add("KEY", "NAME", "COLOR", "OUTCOME", "EXTERNAL IDS")
	for status := range s.All() {
		links := make([]string, len(status.Links))
		for i, link := range status.Links {
			links[i] = link.Ref.String()
			if link.Missing() {
				links[i] += " (missing since " + link.MissingSince.Format("2006-01-02") + ")"
			}
		}
		t.add(status.Key, status.Name, status.Color, outcomeText(status.Outcome), strings.Join(links, ", "))
	}
	return t.String()
}

// planJSON documents the JSON form of a plan.
type planJSON struct {
	Version    uint64        `json:"version"` // of the store that it was made from
	Digest     string        `json:"digest"`
	Token      string        `json:"token"`
	Empty      bool          `json:"empty"`
	Operations []Operation   `json:"operations"`
	Findings   []findingJSON `json:"findings"`
}

type findingJSON struct {
	Finding
	Attention bool `json:"attention"`
}

// MarshalJSON encodes the plan: version, digest, token, empty, operations and
// findings, with the names that the types carry as tags; a finding also tells
// whether it needs attention. A plan is never decoded; keep its Token instead.
func (p *Plan) MarshalJSON() ([]byte, error) {
	out := planJSON{
		Version: p.Version(), Digest: p.digest, Token: p.Token(), Empty: p.Empty(),
		Operations: append([]Operation{}, p.operations...), Findings: []findingJSON{},
	}
	for _, f := range p.findings {
		out.Findings = append(out.Findings, findingJSON{f, f.Attention()})
	}
	return json.Marshal(out)
}

// table lines up columns for people.
type table struct {
	indent string
	rows   [][]string
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = show(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// String returns the rows; empty columns are left out.
func (t *table) String() string {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		line := t.indent
		for i, cell := range row {
			if widths[i] > 0 {
				line += cell + strings.Repeat(" ", widths[i]-columns(cell)+2)
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// columns returns how many columns a terminal needs for s.
func columns(s string) int {
	n := 0
	joined := false // the rune before was a zero-width joiner
	for _, r := range s {
		switch kind := width.LookupRune(r).Kind(); {
		case r == '\u200d':
			joined = true
			continue
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf), joined:
		case kind == width.EastAsianWide, kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
		joined = false
	}
	return n
}

// show escapes what would disturb a terminal: control and direction
// characters.
func show(s string) string {
	disturbs := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
	if !strings.ContainsFunc(s, disturbs) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if disturbs(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
