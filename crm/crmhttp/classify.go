package crmhttp

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// Classify is the rule by which an answer is a failure if [Options.Classify]
// gives no other: nil for a 2xx, otherwise an error whose Kind follows from the
// HTTP status and whose Message is the beginning of the body, if it is text.
//
//	401              crm.ErrUnauthorized
//	402, 403         crm.ErrForbidden
//	404              crm.ErrNotFound
//	408, 425, 5xx    crm.ErrUnavailable
//	429              crm.ErrRateLimited
//	other 4xx        crm.ErrRejected
//	3xx, others      crm.ErrBadResponse
//
// A CRM's own rule mostly begins with it, and then reads Code and Message out
// of the body; a rule may also find a failure in a 2xx, and sets the Kind then,
// which is [crm.ErrBadResponse] otherwise. Source, Op, Status,
// and RetryAfter need not be set by a rule, and it may put raw text into
// Message: secrets are taken out afterwards, and it is cleaned and cut. The
// body need not be JSON, whatever the CRM's documentation says.
func Classify(r Response) *crm.Error {
	if r.Status >= 200 && r.Status <= 299 {
		return nil
	}
	e := &crm.Error{Kind: kindOf(r.Status)}
	switch {
	case r.Status >= 300 && r.Status <= 399:
		e.Message = "a redirect, which is not followed"
		// The host alone: the rest may hold credentials.
		if location, err := url.Parse(r.Header.Get("Location")); err == nil && location.Hostname() != "" {
			e.Message = "a redirect to " + location.Hostname() + ", which is not followed"
		}
	case !looksLikeHTML(r):
		e.Message = string(r.Body)
	}
	return e
}

func kindOf(status int) error {
	switch {
	case status == http.StatusUnauthorized:
		return crm.ErrUnauthorized
	case status == http.StatusPaymentRequired, status == http.StatusForbidden:
		return crm.ErrForbidden
	case status == http.StatusNotFound:
		return crm.ErrNotFound
	case status == http.StatusTooManyRequests:
		return crm.ErrRateLimited
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500 && status <= 599:
		return crm.ErrUnavailable
	case status >= 400 && status <= 499:
		return crm.ErrRejected
	}
	return crm.ErrBadResponse
}

// Retryable is the rule by which a failed call is worth repeating if
// [Options.Retry] gives no other: it is of kind [crm.ErrRateLimited], or of
// kind [crm.ErrUnavailable] where there was no answer at all or one with the
// HTTP status 408, 425, 502, 503 or 504.
func Retryable(e *crm.Error) bool {
	switch {
	case errors.Is(e.Kind, crm.ErrRateLimited):
		return true
	case errors.Is(e.Kind, crm.ErrUnavailable):
		switch e.Status {
		case 0, http.StatusRequestTimeout, http.StatusTooEarly,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
	}
	return false
}

// retryAfter returns how long the header Retry-After asks to wait, 0 if it
// does not. It is a number of seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	const longest = 365 * 24 * time.Hour // keeps the product from overflowing
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if !(seconds > 0) { // not a number included
			return 0
		}
		return time.Duration(min(seconds, longest.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), longest)
	}
	return 0
}
