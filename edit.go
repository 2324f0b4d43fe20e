package statuslink

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/statuslink/statuslink/crm"
)

// Definition is a status that the bot's code needs, for [Catalog.Ensure].
type Definition struct {
	// Key is how code names it; required.
	Key string
	// Name is what people see at first; they may rename it.
	Name string
	// Aliases are further names by which a CRM's status may be found at the
	// first synchronisation.
	Aliases []string
	// Outcome says whether a lead in it is finished; it may be left out. A first
	// link does not fill it from the CRM, as it fills an empty colour, because
	// it decides which of several statuses of one name may be linked; see
	// [Catalog.Follow] for taking it over by hand.
	Outcome crm.Outcome
}

// Ensure creates, in the given order at the end of the list, the statuses that
// are missing by Key. It changes nothing that exists, so it can be the first
// line of every bot. Names and Aliases are cleaned as by [Catalog.Create]. The
// error is [ErrInvalid] if a definition that is missing cannot be kept,
// [ErrDuplicate] if two have one Key, and then nothing was created.
func (c *Catalog) Ensure(ctx context.Context, definitions ...Definition) error {
	_, err := c.change(ctx, "ensure", func(s *Snapshot, changes *Changes) error {
		for i, d := range definitions {
			if d.Key == "" {
				return &Error{Kind: ErrInvalid, Status: d.Name, Field: "key", Message: "a definition needs a key"}
			}
			if slices.ContainsFunc(definitions[:i], func(o Definition) bool { return o.Key == d.Key }) {
				return &Error{Kind: ErrDuplicate, Status: d.Name, Field: "key", Message: fmt.Sprintf("two definitions have the key %q", d.Key)}
			}
			if _, exists := s.ByKey(d.Key); !exists {
				c.create(s, changes, Status{Key: d.Key, Name: d.Name, Aliases: d.Aliases, Outcome: d.Outcome})
			}
		}
		return nil
	})
	return err
}

// Create adds a status at the end of the list and returns it. Key, Name, Color,
// Outcome and Aliases are taken from status; everything else is set here. Name,
// Color and Aliases are cleaned as [crm.CleanName] and [crm.CleanColor] do, but
// a name that is too long is not cut and a bad colour not dropped: [ErrInvalid].
// [ErrDuplicate] if another status has the Key.
func (c *Catalog) Create(ctx context.Context, status Status) (Status, error) {
	var id string
	next, err := c.change(ctx, "create", func(s *Snapshot, changes *Changes) error {
		id = c.create(s, changes, Status{
			Key: status.Key, Name: status.Name, Color: status.Color, Outcome: status.Outcome, Aliases: status.Aliases,
		})
		return nil
	})
	return next.result(id, err)
}

func (c *Catalog) create(s *Snapshot, changes *Changes, status Status) string {
	status.ID, status.Created, status.Updated = c.opts.NewID(), changes.Note.At, changes.Note.At
	status.tidy()
	changes.Create = append(changes.Create, status)
	last := 0
	if n := s.Len(); n > 0 {
		if last = s.At(n - 1).Order; last > maxOrder-len(changes.Create)*orderGap {
			renumber(s, changes)
			last = n * orderGap
		}
	}
	for i := range changes.Create {
		changes.Create[i].Order = last + (i+1)*orderGap
	}
	return status.ID
}

// renumber makes room at the end of the list.
func renumber(s *Snapshot, changes *Changes) {
	changes.Update = nil
	for i := range s.Len() {
		status := s.state.Statuses[i].Clone()
		status.Order = (i + 1) * orderGap
		changes.Update = append(changes.Update, status)
	}
}

// tidy cleans what people type. A bad colour and a name that is too long stay,
// to be refused.
func (s *Status) tidy() {
	s.Name = tidyName(s.Name)
	if color := crm.CleanColor(s.Color); color != "" {
		s.Color = color
	}
	s.Aliases = slices.Clone(s.Aliases)
	for i := range s.Aliases {
		s.Aliases[i] = tidyName(s.Aliases[i])
	}
}

func tidyName(name string) string {
	shown := strings.TrimFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	if utf8.RuneCountInString(shown) > crm.MaxName {
		return shown
	}
	return crm.CleanName(name)
}

// result returns the status with the ID after a change.
func (s *Snapshot) result(id string, err error) (Status, error) {
	if err != nil {
		return Status{}, err
	}
	status, _ := s.ByID(id)
	return status, nil
}

// Edit changes the Key, Name, Color, Outcome or Aliases of a status and returns
// it. The function gets a copy of the present status and may be called again if
// the store moved meanwhile; changes that it makes to other fields are refused
// with [ErrInvalid].
func (c *Catalog) Edit(ctx context.Context, keyOrID string, edit func(*Status)) (Status, error) {
	return c.update(ctx, "edit", keyOrID, func(_ *Snapshot, status *Status, _ *Changes) error {
		before := status.Clone()
		edit(status)
		if status.ID != before.ID || status.Order != before.Order || !slices.Equal(status.Links, before.Links) ||
			!status.Created.Equal(before.Created) || !status.Updated.Equal(before.Updated) {
			return &Error{Kind: ErrInvalid, Status: before.label(), Message: "ID, Order, Links and times are not changed by Edit; see the other methods"}
		}
		status.tidy()
		return nil
	})
}

// update changes one status, if edit makes it another.
func (c *Catalog) update(ctx context.Context, why, keyOrID string, edit func(*Snapshot, *Status, *Changes) error) (Status, error) {
	var id string
	next, err := c.change(ctx, why, func(s *Snapshot, changes *Changes) error {
		before, err := s.get(keyOrID)
		if err != nil {
			return err
		}
		id = before.ID
		status := before.Clone()
		if err := edit(s, &status, changes); err != nil {
			return err
		}
		if !equalStatus(&status, &before) {
			status.Updated = changes.Note.At
			changes.Update = append(changes.Update, status)
		}
		return nil
	})
	return next.result(id, err)
}

// Reorder puts the list into the given sequence of Keys or IDs. Statuses that
// are not named keep their places; the named ones share theirs among them. A
// synchronisation leaves a sequence arranged by hand alone until the CRM
// changes its own.
func (c *Catalog) Reorder(ctx context.Context, keysOrIDs ...string) error {
	_, err := c.change(ctx, "reorder", func(s *Snapshot, changes *Changes) error {
		owners := make([]int, len(keysOrIDs))
		for k, key := range keysOrIDs {
			status, err := s.get(key)
			if err != nil {
				return err
			}
			owners[k] = s.byID[status.ID]
			if slices.Contains(owners[:k], owners[k]) {
				return &Error{Kind: ErrInvalid, Status: key, Message: "the sequence names the status twice"}
			}
		}
		deal(s, changes, owners)
		return nil
	})
	return err
}

// deal gives the places of some statuses to the same in the given sequence.
func deal(s *Snapshot, changes *Changes, owners []int) {
	places := slices.Sorted(slices.Values(owners))
	sequence := make([]int, s.Len())
	for i := range sequence {
		sequence[i] = i
	}
	for k, place := range places {
		sequence[place] = owners[k]
	}
	if slices.IsSorted(sequence) {
		return
	}
	m := merger{input: input{snapshot: s}, moved: []move{{places, owners}}}
	m.number(sequence, sequence)
	for i := range s.Len() {
		if order, moved := m.orders[i]; moved {
			status := s.state.Statuses[i].Clone()
			status.Order = order
			if m.touched[i] {
				status.Updated = changes.Note.At
			}
			changes.Update = append(changes.Update, status)
		}
	}
}

// Follow lets fields of a status follow the CRM again: FieldName, FieldColor
// and FieldOutcome take the value that the leader's CRM had last, so that its
// next change is taken over. Without fields, all three do. [ErrNotLinked] if
// no link leads the status.
func (c *Catalog) Follow(ctx context.Context, keyOrID string, fields ...Field) (Status, error) {
	return c.update(ctx, "follow", keyOrID, func(_ *Snapshot, status *Status, _ *Changes) error {
		leader, ok := status.Leader()
		if !ok {
			return &Error{Kind: ErrNotLinked, Status: status.label(), Message: "no CRM lists it at present"}
		}
		if len(fields) == 0 {
			fields = []Field{FieldName, FieldColor, FieldOutcome}
		}
		for _, field := range fields {
			switch field {
			case FieldName:
				follow(&status.Name, leader.Base.Name)
			case FieldColor:
				follow(&status.Color, leader.Base.Color)
			case FieldOutcome:
				follow(&status.Outcome, leader.Base.Outcome)
			default:
				return &Error{Kind: ErrInvalid, Status: status.label(), Message: fmt.Sprintf("%q is no field that follows; see FollowSequence for the order", field)}
			}
		}
		return nil
	})
}

// FollowSequence puts the statuses that a scope leads into the sequence that
// the CRM had last, so that its next change is taken over. [ErrNotFound] if the
// scope leads none.
func (c *Catalog) FollowSequence(ctx context.Context, scope ScopeKey) error {
	_, err := c.change(ctx, "follow sequence", func(s *Snapshot, changes *Changes) error {
		var owners []int
		for _, at := range s.linkIndex().byScope[scope] {
			status := &s.state.Statuses[at.status]
			if status.leader() == at.link && status.Links[at.link].Base.Ordered {
				owners = append(owners, at.status)
			}
		}
		if len(owners) == 0 {
			return &Error{Kind: ErrNotFound, Status: scope.String(), Message: "the scope leads no status"}
		}
		base := func(i int) *crm.Status {
			leader, _ := s.state.Statuses[i].Leader()
			return &crm.Status{Ref: leader.Ref, Order: leader.Base.Order}
		}
		slices.SortFunc(owners, func(a, b int) int { return inCRMOrder(base(a), base(b)) })
		deal(s, changes, owners)
		return nil
	})
	return err
}
