package statuslink

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Removal says what removing a status would do. It is made by
// [Catalog.PreviewRemove] and is what a person confirms.
type Removal struct {
	// Status is the status as it was when the preview was made.
	Status Status
	// Last reports that it is the bot's only status, which cannot be removed.
	Last bool
	// InUse is what Options.InUse said.
	InUse []string

	snapshot *Snapshot
}

// String says in one line what the removal would do.
func (r *Removal) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "remove %q", r.Status.Name)
	if r.Last {
		b.WriteString(": impossible, it is the last status")
		return b.String()
	}
	for i, link := range r.Status.Links {
		b.WriteString(map[bool]string{true: "; ignore from then on ", false: ", "}[i == 0])
		b.WriteString(link.Ref.String())
	}
	if len(r.InUse) > 0 {
		b.WriteString("; in use by " + strings.Join(r.InUse, ", "))
	}
	return b.String()
}

// PreviewRemove is the first of the two steps in which a status is removed: it
// says what would happen and changes nothing.
func (c *Catalog) PreviewRemove(ctx context.Context, keyOrID string) (*Removal, error) {
	snapshot, err := c.Load(ctx)
	if err != nil {
		return nil, err
	}
	status, err := snapshot.get(keyOrID)
	if err != nil {
		return nil, during("preview removal", err)
	}
	inUse, err := c.opts.InUse(ctx, status.Clone())
	if err != nil {
		return nil, fmt.Errorf("statuslink: preview removal of %q: in-use hook: %w", status.Name, err)
	}
	return &Removal{Status: status.Clone(), Last: snapshot.Len() == 1, InUse: slices.Clone(inUse), snapshot: snapshot}, nil
}

// Remove is the second step: it removes the status and ignores the Refs of its
// links from then on, as [Catalog.Unlink] does. Confirming a preview that says
// InUse is a person's decision. The error is a [*StaleError] if the status, or
// what the in-use hook says, is no longer what the preview showed; look again.
// [ErrInUse] if it is the last status.
func (c *Catalog) Remove(ctx context.Context, removal *Removal) error {
	if removal == nil || removal.snapshot == nil {
		return &Error{Kind: ErrInvalid, Op: "remove", Message: "a removal is made by PreviewRemove"}
	}
	_, err := c.change(ctx, "remove", func(s *Snapshot, changes *Changes) error {
		moved := &StaleError{Planned: removal.snapshot.version, Present: s.version}
		status, exists := s.ByID(removal.Status.ID)
		if !exists || !equalStatus(&status, &removal.Status) {
			moved.Moved = slices.DeleteFunc(s.Since(removal.snapshot), func(m Moved) bool { return m.ID != removal.Status.ID })
			return moved
		}
		inUse, err := c.opts.InUse(ctx, status.Clone())
		if err != nil {
			return fmt.Errorf("statuslink: remove %q: in-use hook: %w", status.Name, err)
		}
		if !slices.Equal(inUse, removal.InUse) {
			moved.Reason = fmt.Sprintf("%q is now in use by: %s", status.Name, strings.Join(inUse, ", "))
			if len(inUse) == 0 {
				moved.Reason = fmt.Sprintf("%q is no longer in use", status.Name)
			}
			return moved
		}
		changes.Remove = append(changes.Remove, status.ID)
		for _, link := range status.Links {
			changes.Ignore = append(changes.Ignore, ignored(changes, link, &status))
		}
		return nil
	})
	return err
}
