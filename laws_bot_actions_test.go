package statuslink_test

import (
	"context"
	"fmt"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// botCreate creates a status by hand.
type botCreate struct {
	name, color, alias string
	outcome            crm.Outcome
}

func (a botCreate) String() string {
	return fmt.Sprintf("bot: create %+q, colour %q, outcome %s, alias %+q", a.name, a.color, a.outcome, a.alias)
}

func (a botCreate) run(w *world) {
	status := statuslink.Status{Name: a.name, Color: a.color, Outcome: a.outcome}
	if a.alias != "" {
		status.Aliases = []string{a.alias}
	}
	_, err := w.catalog.Create(context.Background(), status)
	w.expected(err)
}

// botEdit changes one field of a status by hand.
type botEdit struct {
	id, field, value string
}

func (a botEdit) String() string { return fmt.Sprintf("bot: %s of %s is %+q", a.field, a.id, a.value) }

func (a botEdit) run(w *world) {
	_, err := w.catalog.Edit(context.Background(), a.id, func(s *statuslink.Status) {
		switch a.field {
		case "name":
			s.Name = a.value
		case "color":
			s.Color = a.value
		case "outcome":
			if err := s.Outcome.UnmarshalText([]byte(a.value)); err != nil {
				panic(err)
			}
		case "alias":
			s.Aliases = []string{a.value}
		case "key":
			s.Key = a.value
		}
	})
	w.expected(err)
}

// botReorder arranges statuses by hand.
type botReorder struct{ ids []string }

func (a botReorder) String() string { return fmt.Sprintf("bot: reorder %v", a.ids) }

func (a botReorder) run(w *world) {
	w.expected(w.catalog.Reorder(context.Background(), a.ids...))
}

// botRemove removes a status in two steps.
type botRemove struct{ id string }

func (a botRemove) String() string { return fmt.Sprintf("bot: remove %s", a.id) }

func (a botRemove) run(w *world) {
	removal, err := w.catalog.PreviewRemove(context.Background(), a.id)
	if !w.expected(err) || !w.expected(w.catalog.Remove(context.Background(), removal)) {
		return
	}
	for _, link := range removal.Status.Links {
		w.ghost.decide(link.Ref)
	}
}

// botIgnore ignores a Ref.
type botIgnore struct{ ref crm.Ref }

func (a botIgnore) String() string { return fmt.Sprintf("bot: ignore %s", a.ref) }

func (a botIgnore) run(w *world) {
	if w.expected(w.catalog.Ignore(context.Background(), a.ref, "ignored")) {
		w.ghost.decide(a.ref)
	}
}

// botRestore ends the ignoring of a Ref.
type botRestore struct{ ref crm.Ref }

func (a botRestore) String() string { return fmt.Sprintf("bot: restore %s", a.ref) }

func (a botRestore) run(w *world) {
	if w.expected(w.catalog.Restore(context.Background(), a.ref)) {
		delete(w.ghost.ignored, a.ref)
	}
}

// botLink links a Ref by hand.
type botLink struct {
	id  string
	ref crm.Ref
}

func (a botLink) String() string { return fmt.Sprintf("bot: link %s to %s", a.id, a.ref) }

func (a botLink) run(w *world) {
	_, linked := load(w.store).ByRef(a.ref)
	_, err := w.catalog.Link(context.Background(), a.id, a.ref)
	if w.expected(err) && !linked {
		delete(w.ghost.ignored, a.ref)
		w.ghost.manual[a.ref] = true
		delete(w.ghost.base, a.ref)
	}
}

// botUnlink cuts a link.
type botUnlink struct{ ref crm.Ref }

func (a botUnlink) String() string { return fmt.Sprintf("bot: unlink %s", a.ref) }

func (a botUnlink) run(w *world) {
	if w.expected(w.catalog.Unlink(context.Background(), a.ref)) {
		w.ghost.decide(a.ref)
	}
}

// botLead chooses the leader.
type botLead struct{ ref crm.Ref }

func (a botLead) String() string { return fmt.Sprintf("bot: let %s lead", a.ref) }

func (a botLead) run(w *world) {
	_, err := w.catalog.Lead(context.Background(), a.ref)
	w.expected(err)
}

// botFollow lets a field follow its CRM again.
type botFollow struct {
	id    string
	field statuslink.Field
}

func (a botFollow) String() string { return fmt.Sprintf("bot: %s of %s follows", a.field, a.id) }

func (a botFollow) run(w *world) {
	_, err := w.catalog.Follow(context.Background(), a.id, a.field)
	w.expected(err)
}

// botFollowSequence lets a sequence follow its CRM again.
type botFollowSequence struct{ source, scope string }

func (a botFollowSequence) String() string {
	return fmt.Sprintf("bot: the sequence of %s/%s follows", a.source, a.scope)
}

func (a botFollowSequence) run(w *world) {
	key := statuslink.ScopeKey{Source: a.source, ID: a.scope}
	w.expected(w.catalog.FollowSequence(context.Background(), key))
}

// botAccept accepts an account.
type botAccept struct {
	source string
	names  []string
}

func (a botAccept) String() string { return fmt.Sprintf("bot: accept %q as %s", a.names, a.source) }

func (a botAccept) run(w *world) {
	w.expected(w.catalog.AcceptAccount(context.Background(), a.source, a.names...))
}

// botNumbers gives the statuses, in their sequence, these Orders: what a store
// may hold that others have written. Equal ones leave the sequence to the IDs.
type botNumbers struct{ first, step, same int }

func (a botNumbers) String() string {
	return fmt.Sprintf("store: Orders are %d and up by %d, each %d times", a.first, a.step, a.same)
}

func (a botNumbers) run(w *world) {
	now := load(w.store)
	changes := statuslink.Changes{Version: now.Version()}
	for i := range now.Len() {
		status := now.At(i)
		status.Order = a.first + i/a.same*a.step
		changes.Update = append(changes.Update, status)
	}
	_, err := w.store.Apply(context.Background(), changes)
	w.expected(err)
}
