package bitrix24test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Status is a row of crm.status.list. Only the pair of Scope and ID tells rows
// apart.
type Status struct {
	// RowID is the row's number (ID).
	RowID int
	// Scope is the code of the directory (ENTITY_ID), and ID that of the status
	// in it (STATUS_ID).
	Scope, ID string
	// Name is what people see. InitialName (NAME_INIT) is the first name of a
	// system row.
	Name, InitialName string
	Sort              int
	// System rows can be renamed, and deleted by force only.
	System bool
	// Category is the pipeline's number (CATEGORY_ID); empty is written as null.
	// "0" means the same, and was seen in the server's source only.
	Category string
	// Color is empty, which is written as null, for what is no stage. That it is
	// null there was seen in the server's source only.
	Color string
	// Semantics is "S" for success, "F" for failure, and "" (written as null) or
	// "P" for a stage in progress. "P" was seen in the server's source only.
	Semantics string
}

// Statuses returns a copy of all rows, in the sequence in which they were made.
// crm.status.list sorts them.
func (p *Portal) Statuses() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.statuses)
}

// SetStatuses replaces the rows of all directories, and checks nothing: rows may
// share an ID, or stand in a directory that does not exist. Pipelines stay.
func (p *Portal) SetStatuses(statuses ...Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statuses = slices.Clone(statuses)
	for _, s := range statuses {
		p.lastRow = max(p.lastRow, s.RowID)
	}
}

// AddStatus adds a row with a code never used, "UC_" and six characters behind
// the prefix of the directory's pipeline, as a person does in the web interface,
// and returns it. A stage is put right before the success stage: by its Sort,
// for which the stages from there on make room if there is none. Where there is
// no success stage the row is the last. It is not checked whether there is such
// a directory.
func (p *Portal) AddStatus(scope, name string) Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := directoryOf(scope)
	s := Status{RowID: p.newRow(), Scope: scope, Name: name, Sort: p.room(scope)}
	s.ID = d.prefix + userCode(s.RowID)
	if d.stages {
		s.Category, s.Color, s.Semantics = cmp.Or(d.category, "0"), "#FFA900", "P"
	}
	p.statuses = append(p.statuses, s)
	return s
}

// Rename changes a status's name. The error says that there is no such status.
func (p *Portal) Rename(scope, id, name string) error {
	return p.change(scope, id, func(s *Status) { s.Name = name })
}

// Recolor changes a status's color, which may be any text. The error says that
// there is no such status.
func (p *Portal) Recolor(scope, id, color string) error {
	return p.change(scope, id, func(s *Status) { s.Color = color })
}

// Reorder gives the statuses of a directory the Sorts 10, 20 and so on: first
// the given ones in the given order, then the others as they were. Unlike
// Bitrix24, it does not keep the final stages last. The error says that there is
// no such status; nothing is changed then.
func (p *Portal) Reorder(scope string, ids ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var sequence []int // indices
	for _, id := range ids {
		i, err := p.find(scope, id)
		if err != nil {
			return err
		}
		if !slices.Contains(sequence, i) {
			sequence = append(sequence, i)
		}
	}
	var others []int
	for i := range p.statuses {
		if p.statuses[i].Scope == scope && !slices.Contains(sequence, i) {
			others = append(others, i)
		}
	}
	slices.SortFunc(others, func(a, b int) int { return bySort(p.statuses[a], p.statuses[b]) })
	for place, i := range append(sequence, others...) {
		p.statuses[i].Sort = 10 * (place + 1)
	}
	return nil
}

// Delete removes a status, a system one too. The error says that there is no
// such status.
func (p *Portal) Delete(scope, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, err := p.find(scope, id)
	if err != nil {
		return err
	}
	p.statuses = slices.Delete(p.statuses, i, i+1)
	return nil
}

// Recreate deletes a status and adds one that differs in its ID and RowID only,
// and returns that. The error says that there is no such status.
func (p *Portal) Recreate(scope, id string) (Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, err := p.find(scope, id)
	if err != nil {
		return Status{}, err
	}
	s := p.statuses[i]
	s.RowID = p.newRow()
	s.ID = directoryOf(scope).prefix + userCode(s.RowID)
	p.statuses = append(slices.Delete(p.statuses, i, i+1), s)
	return s, nil
}

// bySort compares rows as the portal sorts them if it is not asked otherwise.
func bySort(a, b Status) int {
	return cmp.Or(cmp.Compare(a.Sort, b.Sort), cmp.Compare(a.RowID, b.RowID))
}

// room returns the Sort of a new row of the directory. It runs under mu.
func (p *Portal) room(scope string) int {
	before, success := 0, -1
	for i, s := range p.statuses {
		if s.Scope == scope && s.Semantics == "S" && (success < 0 || bySort(s, p.statuses[success]) < 0) {
			success = i
		}
	}
	for _, s := range p.statuses {
		if s.Scope == scope && (success < 0 || bySort(s, p.statuses[success]) < 0) {
			before = max(before, s.Sort)
		}
	}
	if success < 0 {
		return before + 10
	}
	after := p.statuses[success].Sort
	if after-before < 2 {
		for i, s := range p.statuses {
			if s.Scope == scope && s.Sort >= after && (s.Sort > before || s.Semantics != "" && s.Semantics != "P") {
				p.statuses[i].Sort += 10
			}
		}
		after += 10
	}
	return before + (after-before)/2
}

// newRow returns a number of a row that was never used. It runs under mu.
func (p *Portal) newRow() int {
	p.lastRow++
	return p.lastRow
}

// userCode returns the code of a row that a person added. The same number gives
// the same code, and no two give one.
func userCode(row int) string {
	const all = 36 * 36 * 36 * 36 * 36 * 36
	scattered := int64(row) % all * 1_000_003 % all // has no factor in common with all
	code := strings.ToUpper(strconv.FormatInt(scattered, 36))
	return "UC_" + strings.Repeat("0", 6-len(code)) + code
}

func (p *Portal) change(scope, id string, edit func(*Status)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, err := p.find(scope, id)
	if err != nil {
		return err
	}
	edit(&p.statuses[i])
	return nil
}

// find returns the index of a status. It runs under mu.
func (p *Portal) find(scope, id string) (int, error) {
	i := slices.IndexFunc(p.statuses, func(s Status) bool { return s.Scope == scope && s.ID == id })
	if i < 0 {
		return 0, fmt.Errorf("bitrix24test: no status %q in %q", id, scope)
	}
	return i, nil
}
