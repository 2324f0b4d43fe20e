package statuslink_test

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// The draft is fully explained by operations: what changed is named by one, its
// Changes are what happened, and what no operation names is untouched but for a
// renumbering that keeps the sequence.
func lawExplained(s *step) error {
	type told struct {
		named, ordered, moved bool
		changes               map[statuslink.Field]statuslink.Change
	}
	all := make(map[string]*told)
	of := func(ref statuslink.StatusRef) *told {
		id := ref.ID
		if id == "" {
			made, _ := s.after.ByRef(ref.New)
			id = made.ID
		}
		if all[id] == nil {
			all[id] = &told{changes: make(map[statuslink.Field]statuslink.Change)}
		}
		return all[id]
	}
	for _, op := range s.plan.Operations() {
		switch op.Kind {
		case statuslink.OpScope:
			continue
		case statuslink.OpReorder:
			if err := s.explainedReorder(&op); err != nil {
				return err
			}
			for i := range op.After {
				t := of(op.After[i])
				t.ordered = true
				t.moved = op.After[i].ID != op.Before[i].ID
			}
			continue
		case statuslink.OpCreate:
			made, ok := s.after.ByRef(op.Ref)
			if _, existed := s.before.ByID(made.ID); !ok || existed {
				return fmt.Errorf("the operation creates %s, and nothing was", op.Ref)
			}
			if err := s.follows(&op, made.ID); err != nil {
				return err
			}
		}
		of(op.Status).named = true
		if op.Kind == statuslink.OpNote || op.Kind == statuslink.OpRevive {
			continue
		}
		for _, change := range op.Changes {
			t := of(op.Status)
			if _, twice := t.changes[change.Field]; twice {
				return fmt.Errorf("%s of %s is changed by two operations", change.Field, op.Status.ID)
			}
			t.changes[change.Field] = change
		}
	}
	for _, p := range s.pairs() {
		t := all[p.before.ID]
		if t == nil {
			t = &told{}
		}
		for _, field := range fields {
			was, is := ofStatus(&p.before, field), ofStatus(&p.after, field)
			change, named := t.changes[field]
			if named != (was != is) || named && (plain(change.Before) != was || plain(change.After) != is) {
				return fmt.Errorf("%s of %s went from %+q to %+q, and the plan says %+v", field, p.before.ID, was, is, change)
			}
		}
		bare := p.after
		bare.Order, bare.Updated = p.before.Order, p.before.Updated
		if !reflect.DeepEqual(bare, p.before) && !t.named && (!t.ordered || !onlyOrders(p)) {
			return fmt.Errorf("no operation names %s, which changed (-before +after):\n%s", p.before.ID, difference(p.before, p.after))
		}
		if moved := !p.after.Updated.Equal(p.before.Updated); moved != (t.named || t.moved || !reflect.DeepEqual(bare, p.before)) {
			return fmt.Errorf("%s is touched by an operation: %t, and Updated moved: %t", p.before.ID, t.named || t.moved, moved)
		}
	}
	made := s.created()
	for _, status := range made {
		if t := all[status.ID]; t == nil || !t.named {
			return fmt.Errorf("no operation names the created %s", status.ID)
		}
	}
	return nil
}

// follows checks after which status a created one is said to be put.
func (s *step) follows(op *statuslink.Operation, id string) error {
	told, previous := op.Follows.ID, ""
	if told == "" {
		made, _ := s.after.ByRef(op.Follows.New)
		told = made.ID
	}
	for status := range s.after.All() {
		if status.ID == id {
			break
		}
		previous = status.ID
	}
	if told != previous {
		return fmt.Errorf("the operation puts the created %s after %q, and it stands after %q", id, told, previous)
	}
	return nil
}

// onlyOrders reports whether nothing of the links but Orders in Base changed.
func onlyOrders(p pair) bool {
	return slices.EqualFunc(p.before.Links, p.after.Links, func(a, b statuslink.Link) bool {
		a.Base.Order, a.Base.Ordered = b.Base.Order, b.Base.Ordered
		return a == b
	})
}

// plain turns an outcome in a plan into the text that the laws use.
func plain(value string) string {
	if value == crm.Unknown.String() {
		return ""
	}
	return value
}

func (s *step) explainedReorder(op *statuslink.Operation) error {
	sequence := func(of []statuslink.StatusRef, in *statuslink.Snapshot) (told, stood []string) {
		for _, ref := range of {
			told = append(told, ref.ID)
		}
		for status := range in.All() {
			if slices.Contains(told, status.ID) {
				stood = append(stood, status.ID)
			}
		}
		return told, stood
	}
	if told, stood := sequence(op.Before, s.before); !slices.Equal(told, stood) {
		return fmt.Errorf("the reorder of %s says that %v stood, and %v did", op.Ref, told, stood)
	}
	if told, stood := sequence(op.After, s.after); !slices.Equal(told, stood) {
		return fmt.Errorf("the reorder of %s says that %v will stand, and %v do", op.Ref, told, stood)
	}
	if len(op.After) != len(op.Before) {
		return fmt.Errorf("the reorder of %s deals %d places to %d", op.Ref, len(op.Before), len(op.After))
	}
	return nil
}
