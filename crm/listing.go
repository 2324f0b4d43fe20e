package crm

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Validate reports the first thing for which the listing must not be believed,
// or nil. The error is an [*Error] that names Source and operation, ready to be
// returned by a client. It is of kind [ErrIncomplete] if rows are fewer than the CRM
// announced and [ErrBadResponse] otherwise:
//
//   - an empty Source, or a name in Account that is empty or stands there twice;
//   - a scope twice, or one that is missing in a non-nil Exists;
//   - an account's name or a scope's ID that is not valid UTF-8 or holds a zero
//     byte, which some databases cannot keep;
//   - a scope with fewer or more rows than Announced;
//   - a Ref with an empty ID, of another Source, outside Scopes, not valid UTF-8
//     or with a zero byte;
//   - a Ref twice.
//
// The values of a row (name, colour, outcome) are not judged: a bad one spoils
// a field, not the list.
func (l *Listing) Validate() error {
	fail := func(kind error, format string, args ...any) error {
		return &Error{Kind: kind, Source: l.Source, Op: "list statuses", Message: fmt.Sprintf(format, args...)}
	}
	if l.Source == "" {
		return fail(ErrBadResponse, "the listing names no source")
	}
	for i, name := range l.Account {
		if name == "" || !storable(name) || slices.Contains(l.Account[:i], name) {
			return fail(ErrBadResponse, "the account name %q is empty, stands twice, is not valid UTF-8 or holds a zero byte", name)
		}
	}
	rows := make(map[string]int, len(l.Scopes))
	for _, scope := range l.Scopes {
		if !storable(scope.ID) {
			return fail(ErrBadResponse, "the scope's ID %q is not valid UTF-8 or holds a zero byte", scope.ID)
		}
		if _, twice := rows[scope.ID]; twice {
			return fail(ErrBadResponse, "scope %q stands twice", scope.ID)
		}
		if l.Exists != nil && !slices.Contains(l.Exists, scope.ID) {
			return fail(ErrBadResponse, "scope %q was read but is not among those that exist", scope.ID)
		}
		rows[scope.ID] = 0
	}
	seen := make(map[Ref]struct{}, len(l.Statuses))
	for i := range l.Statuses {
		ref := l.Statuses[i].Ref
		if ref.ID == "" {
			return fail(ErrBadResponse, "a status has no ID (row %d)", i+1)
		}
		if ref.Source != l.Source {
			return fail(ErrBadResponse, "status %s is of another source", ref)
		}
		if !storable(ref.ID) || !storable(ref.Scope) {
			return fail(ErrBadResponse, "the ID %q is not valid UTF-8 or holds a zero byte", ref.String())
		}
		n, covered := rows[ref.Scope]
		if !covered {
			return fail(ErrBadResponse, "status %s stands in a scope that was not read", ref)
		}
		if _, twice := seen[ref]; twice {
			return fail(ErrBadResponse, "status %s stands twice", ref)
		}
		seen[ref] = struct{}{}
		rows[ref.Scope] = n + 1
	}
	for _, scope := range l.Scopes {
		n := rows[scope.ID]
		if scope.Announced < 0 {
			return fail(ErrBadResponse, "scope %q announced %d rows", scope.ID, scope.Announced)
		}
		if scope.Announced > n {
			return fail(ErrIncomplete, "scope %q announced %d statuses and showed %d", scope.ID, scope.Announced, n)
		}
		if scope.Announced != 0 && scope.Announced < n {
			return fail(ErrBadResponse, "scope %q announced %d statuses and showed %d", scope.ID, scope.Announced, n)
		}
	}
	return nil
}

// storable reports whether every store can keep the text as it is.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }
