package crmhttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// Request is one call of a CRM. Printed or encoded in any way it shows
// operation and method only. It may be used again and by several goroutines at
// once; the client does not change it.
type Request struct {
	// Op says what is being done, for errors: "list statuses".
	Op string
	// Method is the HTTP method; empty means GET.
	Method string
	// Path is appended to the client's base URL, with one slash between them.
	// Its parts have to be escaped already, see [url.PathEscape]. It cannot hold
	// a query, nor lead to another host.
	Path string
	// Query is appended to the address if it is not empty.
	Query url.Values
	// Header holds further headers, which replace those of the client; an
	// Authorization here takes the place of the client's.
	Header http.Header
	// Body is sent: nil is none, a []byte is sent as it is, anything else is
	// encoded by encoding/json. The Content-Type is application/json unless
	// Header holds another. A reader is refused, because it cannot be sent
	// twice.
	Body any
	// Idempotent says that the call is safe to repeat. GET and HEAD always
	// are.
	Idempotent bool
	// Once sends the request a single time, past [Options.Gate]: for callers who
	// wait and repeat by themselves.
	Once bool
	// Secrets are further texts, beside the client's, that must not be seen in
	// the errors of this call.
	Secrets []Secret
}

func (r Request) method() string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// repeatable reports whether the request may be sent again.
func (r Request) repeatable() bool {
	method := r.method()
	return r.Idempotent || method == http.MethodGet || method == http.MethodHead
}

// prepare returns where the request goes and what it carries.
func (r Request) prepare(base string) (address string, body []byte, err error) {
	if err = r.check(); err == nil {
		address, err = r.address(base)
	}
	if err == nil {
		body, err = r.encode()
	}
	return address, body, err
}

// check returns what makes the request one that cannot be sent.
func (r Request) check() error {
	for _, c := range r.Method {
		if c < 'A' || c > 'Z' {
			return errors.New("the method is not one of capital letters")
		}
	}
	for _, values := range r.Header {
		if slices.ContainsFunc(values, func(value string) bool { return !sendable(value) }) {
			return errors.New("a header holds a line end or another control character")
		}
	}
	return nil
}

// address returns where the request goes.
func (r Request) address(base string) (string, error) {
	if strings.ContainsAny(r.Path, "?#") {
		return "", errors.New("the path holds a query or a fragment; use Query")
	}
	address := base
	if path := strings.TrimLeft(r.Path, "/"); path != "" {
		path = "/" + path
		// What arrives has to be what was given: an identifier with a slash
		// must not become two segments.
		if u, err := url.Parse(path); err != nil || u.EscapedPath() != path {
			return "", errors.New("the path is not escaped; use url.PathEscape for its parts")
		}
		address += path
	} else if r.Path != "" || !hasPath(base) {
		address += "/"
	}
	if len(r.Query) > 0 {
		address += "?" + r.Query.Encode()
	}
	return address, nil
}

// hasPath reports whether a base address goes on after its host.
func hasPath(base string) bool {
	_, rest, _ := strings.Cut(base, "://")
	return strings.Contains(rest, "/")
}

// encode returns the body as it is sent; nil is none.
func (r Request) encode() ([]byte, error) {
	var body []byte
	switch value := r.Body.(type) {
	case nil:
		return nil, nil
	case []byte:
		if value == nil {
			return nil, nil
		}
		body = value
	case io.Reader:
		return nil, errors.New("the body is a reader; give its bytes")
	default:
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("the body cannot be encoded: %w", err)
		}
		body = encoded
	}
	if method := r.method(); method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions {
		return nil, fmt.Errorf("a %s request carries no body", method)
	}
	return body, nil
}

// String returns operation and method: "list statuses (GET)".
func (r Request) String() string { return fmt.Sprintf("%s (%s)", r.Op, r.method()) }

// Format prints what String returns, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalJSON encodes operation and method only.
func (r Request) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"op": r.Op, "method": r.method()})
}

// Response is a CRM's answer. Printed or encoded as a whole it shows the HTTP
// status and the length only.
type Response struct {
	// Status is the HTTP status.
	Status int
	// Header holds the headers. It may be changed.
	Header http.Header
	// Body is the whole body, decompressed. Where Status is not 2xx, it may be
	// cut or empty.
	Body crm.Body
}

// String returns status and length: "HTTP 200, 312 bytes".
func (r Response) String() string { return fmt.Sprintf("HTTP %d, %d bytes", r.Status, len(r.Body)) }

// Format prints what String returns, whatever the verb.
func (r Response) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalJSON encodes status and length only.
func (r Response) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]int{"status": r.Status, "bytes": len(r.Body)})
}
