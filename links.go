package statuslink

import (
	"context"
	"fmt"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// Link links a status to a CRM's by hand, after the links that it has. The Ref
// may be of a scope in which the status has links already: all of them are then
// recognised, and the first stays the target. If ref is ignored, that ends.
// [ErrDuplicate] if another status has the Ref; linking what is linked already
// changes nothing. The next plan compares the values of both sides. Where
// several of a CRM's statuses claimed this one, the next plan creates statuses
// from the others, unless they are ignored, see [Catalog.Ignore].
func (c *Catalog) Link(ctx context.Context, keyOrID string, ref crm.Ref) (Status, error) {
	return c.update(ctx, "link", keyOrID, func(s *Snapshot, status *Status, changes *Changes) error {
		if status.Linked(ref) {
			return nil
		}
		if s.IsIgnored(ref) {
			changes.Restore = append(changes.Restore, ref)
		}
		status.Links = append(status.Links, Link{Ref: ref, LinkedAt: changes.Note.At})
		return nil
	})
}

// Unlink cuts a link by hand and ignores the Ref from then on, so that no
// synchronisation links it or creates a status from it. [Catalog.Restore] or
// [Catalog.Link] end that. [ErrNotLinked] if no status has the Ref.
func (c *Catalog) Unlink(ctx context.Context, ref crm.Ref) error {
	_, err := c.change(ctx, "unlink", func(s *Snapshot, changes *Changes) error {
		found, ok := s.ByRef(ref)
		if !ok {
			return &Error{Kind: ErrNotLinked, Status: ref.String(), Message: "no status is linked to it"}
		}
		status := found.Clone()
		i := status.link(ref)
		changes.Ignore = append(changes.Ignore, ignored(changes, status.Links[i], &status))
		status.Links = slices.Delete(status.Links, i, i+1)
		status.Updated = changes.Note.At
		changes.Update = append(changes.Update, status)
		return nil
	})
	return err
}

// ignored returns a link that is cut as an ignored Ref.
func ignored(changes *Changes, link Link, status *Status) Ignored {
	name := link.Base.Name
	if name == "" {
		name = status.Name
	}
	return Ignored{Ref: link.Ref, Name: name, Since: changes.Note.At, Who: changes.Note.Who}
}

// Lead makes a link the first of its status, so that it leads while it is not
// missing, and is the target of its scope. No field changes by that. Only the
// leader's CRM is followed from then on. [ErrNotLinked] if no status has the
// Ref.
func (c *Catalog) Lead(ctx context.Context, ref crm.Ref) (Status, error) {
	var id string
	next, err := c.change(ctx, "lead", func(s *Snapshot, changes *Changes) error {
		found, ok := s.ByRef(ref)
		if !ok {
			return &Error{Kind: ErrNotLinked, Status: ref.String(), Message: "no status is linked to it"}
		}
		id = found.ID
		i := found.link(ref)
		if i == 0 {
			return nil
		}
		status := found.Clone()
		link := status.Links[i]
		status.Links = slices.Insert(slices.Delete(status.Links, i, i+1), 0, link)
		status.Updated = changes.Note.At
		changes.Update = append(changes.Update, status)
		return nil
	})
	return next.result(id, err)
}

// Ignore keeps every synchronisation from linking ref or creating a status from
// it. name is what people call it, for their lists. [ErrInUse] if a status is
// linked to it: [Catalog.Unlink] does both. Ignoring what is ignored changes
// nothing.
func (c *Catalog) Ignore(ctx context.Context, ref crm.Ref, name string) error {
	_, err := c.change(ctx, "ignore", func(s *Snapshot, changes *Changes) error {
		if status, linked := s.ByRef(ref); linked {
			return &Error{Kind: ErrInUse, Status: status.label(), Message: fmt.Sprintf("it is linked to %s; unlink that instead", ref)}
		}
		if !s.IsIgnored(ref) {
			ignored := Ignored{Ref: ref, Name: crm.CleanName(name), Since: changes.Note.At, Who: changes.Note.Who}
			changes.Ignore = append(changes.Ignore, ignored)
		}
		return nil
	})
	return err
}

// Restore ends the ignoring of ref, so that the next synchronisation links it
// or creates a status from it. Restoring what is not ignored changes nothing.
func (c *Catalog) Restore(ctx context.Context, ref crm.Ref) error {
	_, err := c.change(ctx, "restore", func(s *Snapshot, changes *Changes) error {
		if s.IsIgnored(ref) {
			changes.Restore = append(changes.Restore, ref)
		}
		return nil
	})
	return err
}

// AcceptAccount says that the source is, from now on, the account with these
// names, as the finding [FindingOtherAccount] has them. No names at all accept
// whatever account the next synchronisation finds.
func (c *Catalog) AcceptAccount(ctx context.Context, source string, names ...string) error {
	_, err := c.change(ctx, "accept account", func(s *Snapshot, changes *Changes) error {
		if slices.Contains(names, "") {
			return &Error{Kind: ErrInvalid, Status: source, Message: "an account's name is not empty; give no names at all to accept any account"}
		}
		sorted := slices.Compact(slices.Sorted(slices.Values(names)))
		if !slices.Equal(sorted, s.Account(source)) {
			changes.Accounts = append(changes.Accounts, Account{source, sorted})
		}
		return nil
	})
	return err
}

// RenameSource gives a connected account another name everywhere: in links,
// ignored Refs, scopes and accounts. Give the client the same name at the same
// time. [ErrNotFound] if nothing is known of old, [ErrDuplicate] if something
// is known of name.
func (c *Catalog) RenameSource(ctx context.Context, old, name string) error {
	_, err := c.change(ctx, "rename source", func(s *Snapshot, changes *Changes) error {
		if name == "" {
			return &Error{Kind: ErrInvalid, Status: old, Message: "a source needs a name"}
		}
		if old == name {
			return nil
		}
		if s.knows(name) {
			return &Error{Kind: ErrDuplicate, Status: name, Message: "another source has this name"}
		}
		if !s.knows(old) {
			return &Error{Kind: ErrNotFound, Status: old, Message: "no source has this name"}
		}
		for status := range s.All() {
			renamed := status.Clone()
			for i := range renamed.Links {
				if ref := &renamed.Links[i].Ref; ref.Source == old {
					ref.Source = name
				}
			}
			if !slices.Equal(renamed.Links, status.Links) {
				renamed.Updated = changes.Note.At
				changes.Update = append(changes.Update, renamed)
			}
		}
		for ignored := range s.Ignored() {
			if ignored.Ref.Source == old {
				changes.Restore = append(changes.Restore, ignored.Ref)
				ignored.Ref.Source = name
				changes.Ignore = append(changes.Ignore, ignored)
			}
		}
		for scope := range s.Scopes() {
			if scope.Source == old {
				changes.DropScopes = append(changes.DropScopes, scope.ScopeKey)
				scope.Source = name
				changes.Scopes = append(changes.Scopes, scope)
			}
		}
		if names := s.Account(old); names != nil {
			changes.Accounts = append(changes.Accounts, Account{Source: old}, Account{name, names})
		}
		return nil
	})
	return err
}

// knows reports whether anything is known of a source.
func (s *Snapshot) knows(source string) bool {
	return s.Account(source) != nil ||
		slices.ContainsFunc(s.linkIndex().scopes, func(k ScopeKey) bool { return k.Source == source }) ||
		slices.ContainsFunc(s.state.Scopes, func(p Scope) bool { return p.Source == source }) ||
		slices.ContainsFunc(s.state.Ignored, func(i Ignored) bool { return i.Ref.Source == source })
}
