package umnicotest

import (
	"cmp"
	"fmt"
	"slices"
)

// Status is a row of the account's list. What values Umnico's Type has, and how
// it writes a Color, is not known.
type Status struct {
	ID    int
	Type  string
	Name  string
	Order int
	Color string
}

// DefaultStatuses returns the list of a new account: eleven statuses, with
// names in two languages, signs and pictures, and two that differ only in the
// case of a letter: "В работе" (710205) and "в работе" (710245) are one name to a
// synchronisation, which therefore asks a person which of them a status of that
// name is. They are not sorted by Order, as an answer need not be; the first by
// Order is "Первичное касание" (710201).
func DefaultStatuses() []Status {
	return []Status{
		{710205, "example_in_work", "В работе", 2, "#2F80ED"},
		{710201, "example_new", "Первичное касание", 1, "#9E9E9E"},
		{710209, "example_in_work", "Счёт «Ромашка» выставлен", 3, "#F2C94C"},
		{710214, "example_in_work", "Ждём оплату ⏳", 4, "#F2994A"},
		{710218, "example_in_work", `VIP "золото" 🥇`, 5, "#BB6BD9"},
		{710222, "example_in_work", "Call back (O'Brien)", 6, "#56CCF2"},
		{710227, "example_in_work", "Доставка 👨‍👩‍👧 / самовывоз", 7, "#6FCF97"},
		{710231, "example_done", "Оплачено ✅", 8, "#27AE60"},
		{710236, "example_done", "Отказ: дорого & долго", 9, "#EB5757"},
		{710240, "example_done", "Спам <не клиент>", 10, "#4F4F4F"},
		{710245, "example_in_work", "в работе", 11, "#828282"},
	}
}

// Statuses returns a copy of the list in the order in which the fake answers
// with it.
func (u *Umnico) Statuses() []Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.statuses)
}

// SetStatuses replaces the list, and checks nothing: rows may share an ID.
// Without rows the list is empty.
func (u *Umnico) SetStatuses(statuses ...Status) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.statuses = slices.Clone(statuses)
	for _, s := range statuses {
		u.lastID = max(u.lastID, s.ID)
	}
}

// Add adds a status with a new ID at the end of the list and after all others
// by Order, as a person does in the web interface, and returns it.
func (u *Umnico) Add(name string) Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := Status{ID: u.newID(), Type: "example_in_work", Name: name, Order: 1, Color: "#828282"}
	for _, other := range u.statuses {
		s.Order = max(s.Order, other.Order+1)
	}
	u.statuses = append(u.statuses, s)
	return s
}

// Rename changes a status's name. The error says that there is no such status.
func (u *Umnico) Rename(id int, name string) error {
	return u.change(id, func(s *Status) { s.Name = name })
}

// Recolor changes a status's color, which may be any text. The error says that
// there is no such status.
func (u *Umnico) Recolor(id int, color string) error {
	return u.change(id, func(s *Status) { s.Color = color })
}

// Reorder numbers the statuses from 1: first the given ones in the given order,
// then the others as they were. Their places in the answer stay. The error says
// that there is no such status; nothing is changed then.
func (u *Umnico) Reorder(ids ...int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var sequence []int // indices
	for _, id := range ids {
		i, err := u.find(id)
		if err != nil {
			return err
		}
		if !slices.Contains(sequence, i) {
			sequence = append(sequence, i)
		}
	}
	var others []int
	for i := range u.statuses {
		if !slices.Contains(sequence, i) {
			others = append(others, i)
		}
	}
	slices.SortStableFunc(others, func(a, b int) int { return cmp.Compare(u.statuses[a].Order, u.statuses[b].Order) })
	for place, i := range append(sequence, others...) {
		u.statuses[i].Order = place + 1
	}
	return nil
}

// Delete removes a status. The error says that there is no such status.
func (u *Umnico) Delete(id int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	i, err := u.find(id)
	if err != nil {
		return err
	}
	u.statuses = slices.Delete(u.statuses, i, i+1)
	return nil
}

// Recreate deletes a status and adds one that differs in its ID only, and
// returns that. The error says that there is no such status.
func (u *Umnico) Recreate(id int) (Status, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i, err := u.find(id)
	if err != nil {
		return Status{}, err
	}
	s := u.statuses[i]
	s.ID = u.newID()
	u.statuses = append(slices.Delete(u.statuses, i, i+1), s)
	return s, nil
}

// newID returns an ID that was never used. It runs under mu.
func (u *Umnico) newID() int {
	u.lastID++
	return u.lastID
}

func (u *Umnico) change(id int, edit func(*Status)) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	i, err := u.find(id)
	if err != nil {
		return err
	}
	edit(&u.statuses[i])
	return nil
}

// find returns the index of a status. It runs under mu.
func (u *Umnico) find(id int) (int, error) {
	i := slices.IndexFunc(u.statuses, func(s Status) bool { return s.ID == id })
	if i < 0 {
		return 0, fmt.Errorf("umnicotest: no status %d", id)
	}
	return i, nil
}
