package statuslink_test

import (
	"fmt"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// action is one step of a history: a value that prints as a line of the script.
// What has become impossible does nothing, so that a script can be shortened.
type action interface {
	fmt.Stringer
	run(w *world)
}

// crmCreate adds a row to a CRM's list.
type crmCreate struct{ row crm.Status }

func (a crmCreate) String() string {
	return fmt.Sprintf("CRM: create %s named %+q, order %d, colour %q, outcome %s",
		a.row.Ref, a.row.Name, a.row.Order, a.row.Color, a.row.Outcome)
}

func (a crmCreate) run(w *world) {
	scope := w.scope(a.row.Ref.Source, a.row.Ref.Scope)
	if scope != nil && scope.row(a.row.Ref.ID) == nil {
		scope.rows = append(scope.rows, a.row)
	}
}

// crmRename gives a row another name, or none.
type crmRename struct {
	ref  crm.Ref
	name string
}

func (a crmRename) String() string { return fmt.Sprintf("CRM: rename %s to %+q", a.ref, a.name) }

func (a crmRename) run(w *world) {
	if row := w.row(a.ref); row != nil {
		row.Name = a.name
	}
}

// crmSwapNames exchanges the names of two rows.
type crmSwapNames struct {
	ref   crm.Ref
	other string
}

func (a crmSwapNames) String() string {
	return fmt.Sprintf("CRM: swap the names of %s and %s", a.ref, a.other)
}

func (a crmSwapNames) run(w *world) {
	scope := w.scope(a.ref.Source, a.ref.Scope)
	if one, two := scope.row(a.ref.ID), scope.row(a.other); one != nil && two != nil {
		one.Name, two.Name = two.Name, one.Name
	}
}

// crmRecolor gives a row another colour.
type crmRecolor struct {
	ref   crm.Ref
	color string
}

func (a crmRecolor) String() string { return fmt.Sprintf("CRM: colour %s %q", a.ref, a.color) }

func (a crmRecolor) run(w *world) {
	if row := w.row(a.ref); row != nil {
		row.Color = a.color
	}
}

// crmOutcome gives a row another outcome.
type crmOutcome struct {
	ref     crm.Ref
	outcome crm.Outcome
}

func (a crmOutcome) String() string { return fmt.Sprintf("CRM: outcome of %s is %s", a.ref, a.outcome) }

func (a crmOutcome) run(w *world) {
	if row := w.row(a.ref); row != nil {
		row.Outcome = a.outcome
	}
}

// crmOrder gives a row another sort key, perhaps that of another row.
type crmOrder struct {
	ref   crm.Ref
	order int
}

func (a crmOrder) String() string { return fmt.Sprintf("CRM: order of %s is %d", a.ref, a.order) }

func (a crmOrder) run(w *world) {
	if row := w.row(a.ref); row != nil {
		row.Order = a.order
	}
}

// crmArrange sorts a list anew: the named rows share their places.
type crmArrange struct {
	source, scope string
	ids           []string
}

func (a crmArrange) String() string {
	return fmt.Sprintf("CRM: arrange %s/%s as %v", a.source, a.scope, a.ids)
}

func (a crmArrange) run(w *world) {
	scope := w.scope(a.source, a.scope)
	n := 0
	for _, id := range a.ids {
		if row := scope.row(id); row != nil {
			n++
			row.Order = n * 2
		}
	}
}

// crmRenumber changes the sort keys of a list without moving anything.
type crmRenumber struct{ source, scope string }

func (a crmRenumber) String() string {
	return fmt.Sprintf("CRM: renumber %s/%s, moving nothing", a.source, a.scope)
}

func (a crmRenumber) run(w *world) {
	if scope := w.scope(a.source, a.scope); scope != nil {
		for i := range scope.rows {
			scope.rows[i].Order = scope.rows[i].Order*3 - 1
		}
	}
}

// crmDelete deletes a row.
type crmDelete struct{ ref crm.Ref }

func (a crmDelete) String() string { return fmt.Sprintf("CRM: delete %s", a.ref) }

func (a crmDelete) run(w *world) {
	scope := w.scope(a.ref.Source, a.ref.Scope)
	if row := scope.row(a.ref.ID); row != nil {
		old := *row
		scope.rows = slices.DeleteFunc(scope.rows, func(r crm.Status) bool { return r.Ref == a.ref })
		scope.deleted = slices.DeleteFunc(scope.deleted, func(r crm.Status) bool { return r.Ref == a.ref })
		scope.deleted = append(scope.deleted, old)
	}
}

// crmClear deletes all rows of a list but the first few.
type crmClear struct {
	source, scope string
	keep          int
}

func (a crmClear) String() string {
	return fmt.Sprintf("CRM: delete all of %s/%s but %d", a.source, a.scope, a.keep)
}

func (a crmClear) run(w *world) {
	if scope := w.scope(a.source, a.scope); scope != nil {
		for len(scope.rows) > a.keep {
			crmDelete{scope.rows[len(scope.rows)-1].Ref}.run(w)
		}
	}
}

// crmRecreate deletes a row and creates the same under another ID.
type crmRecreate struct {
	ref crm.Ref
	id  string
}

func (a crmRecreate) String() string { return fmt.Sprintf("CRM: re-create %s as %s", a.ref, a.id) }

func (a crmRecreate) run(w *world) {
	if row := w.row(a.ref); row != nil && w.scope(a.ref.Source, a.ref.Scope).row(a.id) == nil {
		fresh := *row
		fresh.Ref.ID = a.id
		crmDelete{a.ref}.run(w)
		crmCreate{fresh}.run(w)
	}
}

// crmRestore brings a deleted row back as it was.
type crmRestore struct{ ref crm.Ref }

func (a crmRestore) String() string { return fmt.Sprintf("CRM: restore %s", a.ref) }

func (a crmRestore) run(w *world) {
	scope := w.scope(a.ref.Source, a.ref.Scope)
	if scope == nil || scope.row(a.ref.ID) != nil {
		return
	}
	for _, old := range scope.deleted {
		if old.Ref == a.ref {
			scope.rows = append(scope.rows, old)
		}
	}
}

// crmScopeOn adds a scope, or brings a removed one back.
type crmScopeOn struct{ source, scope string }

func (a crmScopeOn) String() string { return fmt.Sprintf("CRM: add scope %s/%s", a.source, a.scope) }

func (a crmScopeOn) run(w *world) {
	c := w.crms[a.source]
	if c == nil || w.scope(a.source, a.scope) != nil {
		return
	}
	for _, old := range c.removed {
		if old.id == a.scope {
			c.scopes = append(c.scopes, old)
			return
		}
	}
	c.scopes = append(c.scopes, &crmScope{id: a.scope, name: "list " + a.scope})
}

// crmScopeOff removes a scope with all that is in it.
type crmScopeOff struct{ source, scope string }

func (a crmScopeOff) String() string {
	return fmt.Sprintf("CRM: remove scope %s/%s", a.source, a.scope)
}

func (a crmScopeOff) run(w *world) {
	if scope := w.scope(a.source, a.scope); scope != nil {
		c := w.crms[a.source]
		c.scopes = slices.DeleteFunc(c.scopes, func(s *crmScope) bool { return s == scope })
		c.removed = slices.DeleteFunc(c.removed, func(s *crmScope) bool { return s.id == a.scope })
		c.removed = append(c.removed, scope)
	}
}

// crmScopeName renames a scope.
type crmScopeName struct{ source, scope, name string }

func (a crmScopeName) String() string {
	return fmt.Sprintf("CRM: rename scope %s/%s to %q", a.source, a.scope, a.name)
}

func (a crmScopeName) run(w *world) {
	if scope := w.scope(a.source, a.scope); scope != nil {
		scope.name = a.name
	}
}

// crmHide stops asking for a scope, or asks for it again.
type crmHide struct {
	source, scope string
	hidden        bool
}

func (a crmHide) String() string {
	return fmt.Sprintf("CRM: scope %s/%s is not asked for: %t", a.source, a.scope, a.hidden)
}

func (a crmHide) run(w *world) {
	if scope := w.scope(a.source, a.scope); scope != nil {
		scope.hidden = a.hidden
	}
}

// crmAccount gives the account other names.
type crmAccount struct {
	source string
	names  []string
}

func (a crmAccount) String() string {
	return fmt.Sprintf("CRM: account of %s is %q", a.source, a.names)
}

func (a crmAccount) run(w *world) {
	if c := w.crms[a.source]; c != nil {
		c.account = a.names
	}
}
