package statuslink

import (
	"context"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// Store keeps the statuses of one bot, up to a few thousand, with what belongs
// to them. Package memstore has one in memory, storetest the tests that every
// Store passes. The whole of a simple Store is: load, [Snapshot.With], compare
// and set.
//
// Both methods are safe for concurrent use, also from several processes where
// the storage is shared. They return promptly with ctx.Err() once ctx has
// ended, and then have changed nothing.
type Store interface {
	// Load returns the present state: prev itself if nothing has changed since
	// prev, which may be nil. A new store is empty, at version 0. The Snapshot
	// never changes afterwards, whatever happens to the store.
	Load(ctx context.Context, prev *Snapshot) (*Snapshot, error)

	// Apply makes all of changes or nothing, and returns the state after it.
	// The error is a [*StaleError] if the store is not at changes.Version, or
	// what [Snapshot.With] says. Each change gives the store a version greater
	// than all before, never used again; changes that change nothing leave the
	// store as it is. The store keeps nothing of changes that the caller could
	// modify.
	Apply(ctx context.Context, changes Changes) (*Snapshot, error)
}

// Watcher is implemented by stores that can tell of changes, those made by
// others too. A [Catalog] over such a store sees every change at once.
type Watcher interface {
	// Changed returns a channel that is closed once the store may have moved
	// past prev, and at once if it already has. Nothing has to be released.
	Changed(prev *Snapshot) <-chan struct{}
}

// Historian is implemented by stores that remember their changes.
type Historian interface {
	// History returns up to limit of the latest changes, newest first. How many
	// are remembered is the store's choice. The slice belongs to the caller.
	History(ctx context.Context, limit int) ([]Record, error)
}

// Record is one change in a store's history.
type Record struct {
	// Version is the store's after the change.
	Version uint64
	Note    Note
}

// Note says who changed the statuses, when and why.
type Note struct {
	At time.Time `json:"at"`
	// Who is what [WithActor] put into the context, or empty.
	Who string `json:"who,omitempty"`
	// Why is the operation: "create", "synchronise".
	Why string `json:"why,omitempty"`
	// Digest is the digest of the plan that was applied, or empty.
	Digest string `json:"digest,omitempty"`
}

// State is all that a store keeps.
type State struct {
	Statuses []Status  `json:"statuses"`
	Ignored  []Ignored `json:"ignored,omitempty"`
	Scopes   []Scope   `json:"scopes,omitempty"`
	Accounts []Account `json:"accounts,omitempty"`
}

// Ignored is a Ref that a person has decided against: a synchronisation
// neither links, relinks nor creates from it. It is never linked.
type Ignored struct {
	Ref crm.Ref `json:"ref"`
	// Name is what the status was called then.
	Name  string    `json:"name,omitempty"`
	Since time.Time `json:"since"`
	// Who decided, as in [Note].
	Who string `json:"who,omitempty"`
}

// ScopeKey is the identity of a scope.
type ScopeKey struct {
	Source string `json:"source"`
	ID     string `json:"scope,omitempty"`
}

// String returns "source/scope", or the source alone for a single list.
func (k ScopeKey) String() string {
	if k.ID == "" {
		return k.Source
	}
	return k.Source + "/" + k.ID
}

// Scope is a scope that was read at least once, with its latest name.
type Scope struct {
	ScopeKey
	Name string `json:"name,omitempty"`
}

// Account holds the CRM's own names for the account behind a Source.
type Account struct {
	Source string   `json:"source"`
	Names  []string `json:"names"`
}

// Changes is one change of a [State], made as a whole or not at all. Its zero
// value changes nothing.
type Changes struct {
	// Version is the version of the Snapshot that the change was made from.
	Version uint64
	// Create holds new statuses, Update whole new values for existing ones,
	// Remove the IDs of those to remove. An ID stands in one of them, once.
	Create []Status
	Update []Status
	Remove []string
	// Ignore adds or replaces ignored Refs; Restore ends that. One change may
	// restore a Ref and link it, or unlink it and ignore it.
	Ignore  []Ignored
	Restore []crm.Ref
	// Scopes adds scopes or renames them; DropScopes forgets them.
	Scopes     []Scope
	DropScopes []ScopeKey
	// Accounts sets the known names of accounts; one without names is forgotten.
	Accounts []Account
	// Note says who, when and why. Alone it changes nothing.
	Note Note
}

// Empty reports whether c changes nothing.
func (c *Changes) Empty() bool {
	return len(c.Create)+len(c.Update)+len(c.Remove)+len(c.Ignore)+len(c.Restore)+
		len(c.Scopes)+len(c.DropScopes)+len(c.Accounts) == 0
}

type actorKey struct{}

// WithActor returns a context in which changes are made in the name of who: a
// user's name, a job's. It is kept in [Note] and [Ignored].
func WithActor(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

func actor(ctx context.Context) string {
	who, _ := ctx.Value(actorKey{}).(string)
	return who
}
