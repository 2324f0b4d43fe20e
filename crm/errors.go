package crm

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The kinds of errors. Use [errors.Is] to ask for the kind and [errors.As] with
// an [*Error] for the detail; no text is ever to be compared.
var (
	// ErrUnauthorized: the CRM does not accept the token or address. It has to
	// be replaced; repeating the call is useless.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden: the CRM knows the caller, who lacks a right or a paid plan.
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound: what was asked for does not exist.
	ErrNotFound = errors.New("not found")
	// ErrRateLimited: too many calls; RetryAfter says how long to wait, if the
	// CRM said so.
	ErrRateLimited = errors.New("rate limited")
	// ErrUnavailable: the CRM could not be reached or broke down (connection,
	// time-out, 5xx). A later call may succeed.
	ErrUnavailable = errors.New("unavailable")
	// ErrBadResponse: an answer that cannot be what the CRM meant to say (HTML,
	// broken JSON, rows that contradict each other). Nothing of it was used.
	ErrBadResponse = errors.New("bad response")
	// ErrIncomplete: a list that is known to be only a part. Nothing of it was
	// used.
	ErrIncomplete = errors.New("incomplete")
	// ErrRejected: the CRM understood the call and said no.
	ErrRejected = errors.New("rejected")
	// ErrNotApplied: the CRM said yes and changed nothing.
	ErrNotApplied = errors.New("not applied")
)

// Error is the error of a client. No field ever holds a credential.
type Error struct {
	// Kind is one of the kinds above; [errors.Is] finds it.
	Kind error
	// Source is the connected account, as in [Ref].
	Source string
	// Op says what was being done: "list statuses".
	Op string
	// Status is the HTTP status, or 0 if there was no answer.
	Status int
	// Code is the CRM's own code for the error, or empty.
	Code string
	// Message is what went wrong and, where known, what to do about it.
	Message string
	// RetryAfter is how long the CRM asked to wait, or 0.
	RetryAfter time.Duration
	// Err is the cause, or nil; [errors.Is] finds context.Canceled through it.
	Err error
}

// Error returns one line: source and operation first, then kind and detail.
func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Source, e.Op} {
		if part != "" {
			b.WriteString(part)
			b.WriteString(": ")
		}
	}
	if e.Kind != nil {
		b.WriteString(e.Kind.Error())
	} else {
		b.WriteString("failed")
	}
	var detail []string
	if e.Status != 0 {
		detail = append(detail, strings.TrimSpace(fmt.Sprintf("HTTP %d %s", e.Status, http.StatusText(e.Status))))
	}
	if e.Code != "" {
		detail = append(detail, "code "+e.Code)
	}
	if e.RetryAfter > 0 {
		detail = append(detail, "retry after "+e.RetryAfter.String())
	}
	if len(detail) > 0 {
		b.WriteString(" (" + strings.Join(detail, ", ") + ")")
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// Kind returns which of the kinds of this package err is, or nil if none.
func Kind(err error) error {
	for _, kind := range []error{
		ErrUnauthorized, ErrForbidden, ErrNotFound, ErrRateLimited, ErrUnavailable,
		ErrBadResponse, ErrIncomplete, ErrRejected, ErrNotApplied,
	} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}
