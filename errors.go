package statuslink

import (
	"errors"
	"fmt"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// The kinds of errors of this package. Use [errors.Is] to ask for the kind;
// errors of a CRM keep the kinds of package crm.
var (
	// ErrNotFound: there is no such status, link, scope or source.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: a value that cannot be kept; Field of the [*Error] names it.
	ErrInvalid = errors.New("invalid")
	// ErrDuplicate: an ID, Key or Ref that another status has.
	ErrDuplicate = errors.New("duplicate")
	// ErrStale: what the call was based on has moved on; look again. The error
	// is a [*StaleError].
	ErrStale = errors.New("stale")
	// ErrInUse: the status is needed, by the in-use hook or as the last one.
	ErrInUse = errors.New("in use")
	// ErrNotLinked: the status has no link, or the Ref has no status.
	ErrNotLinked = errors.New("not linked")
	// ErrMissing: the CRM no longer lists what the link stands for.
	ErrMissing = errors.New("missing in the CRM")
	// ErrWrongScope: the link is of another scope than the lead.
	ErrWrongScope = errors.New("wrong scope")
	// ErrRefused: a listing that must not be believed; nothing of it was used.
	ErrRefused = errors.New("refused")
)

// Error is an error of this package.
type Error struct {
	// Kind is one of the kinds above; [errors.Is] finds it.
	Kind error
	// Op says what was being done, or is empty.
	Op string
	// Lead is the lead concerned, as far as it was read: its Status is the Ref on
	// which it stands. Zero if no single lead is concerned.
	Lead crm.Lead
	// Status names the status concerned, or the source; may be empty.
	Status string
	// Field names the bad field of a [Status] in lower case: "name", "key",
	// "color", "links"; empty if no field is to blame.
	Field string
	// Message is what is wrong and what to do about it.
	Message string
	// Err is the cause, or nil.
	Err error
}

// Error returns one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("statuslink: ")
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	if e.Lead.Ref != (crm.LeadRef{}) {
		b.WriteString("lead " + e.Lead.Ref.String() + ": ")
	}
	if e.Status != "" {
		fmt.Fprintf(&b, "%q: ", e.Status)
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	var parts []string
	switch {
	case e.Kind == nil:
		parts = append(parts, "failed")
	case e.Message != "" || !crmSays(e.Err, e.Kind):
		parts = append(parts, e.Kind.Error())
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	b.WriteString(strings.Join(parts, ": "))
	return b.String()
}

// crmSays reports whether an error of a CRM has a kind of the same words.
func crmSays(err, kind error) bool {
	var e *crm.Error
	return errors.As(err, &e) && e.Kind != nil && e.Kind.Error() == kind.Error()
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Moved names one status that changed between two versions of a store.
type Moved struct {
	// ID and Name are the status's; Name is the newest known.
	ID, Name string
	// What is "created", "changed" or "removed".
	What string
}

// StaleError is the error of kind [ErrStale]: what a call was based on is not
// what is there now. Nothing was changed; look again and decide anew.
type StaleError struct {
	// Planned is the version that the call was based on, Present the store's.
	// They are equal if something else than the store moved on.
	Planned, Present uint64
	// Moved names the statuses that differ between the two, where known.
	Moved []Moved
	// Reason says what moved if it is not the store: "the plan is too old".
	Reason string
}

// Error returns one line that names at most five of the moved statuses.
func (e *StaleError) Error() string {
	var b strings.Builder
	b.WriteString("statuslink: stale: ")
	if e.Reason != "" {
		b.WriteString(e.Reason)
	} else {
		fmt.Fprintf(&b, "the store moved from version %d to %d", e.Planned, e.Present)
	}
	for i, m := range e.Moved {
		if i == 5 {
			fmt.Fprintf(&b, " and %d more", len(e.Moved)-i)
			break
		}
		fmt.Fprintf(&b, "%s %q was %s", map[bool]string{true: ":", false: ","}[i == 0], m.Name, m.What)
	}
	b.WriteString("; look again and decide anew")
	return b.String()
}

// Unwrap returns [ErrStale].
func (e *StaleError) Unwrap() error { return ErrStale }
