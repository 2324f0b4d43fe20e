package crmhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/statuslink/statuslink/crm"
)

// The greatest lengths of the texts of an error, in bytes.
const (
	maxMessage = 300
	maxCode    = 100
	// maxRedacted is how much of a text is looked at.
	maxRedacted = 16 << 10
)

// clean returns e as it may leave this package: a copy, with the source, the
// operation, a known kind, and without secrets.
func (s *state) clean(op string, more []Secret, e *crm.Error) *crm.Error {
	secrets := slices.Concat(s.secrets, more)
	cleaned := *e
	cleaned.Source = s.source
	cleaned.Op = line(op, maxCode, secrets)
	cleaned.Code = line(e.Code, maxCode, secrets)
	cleaned.Message = line(e.Message, maxMessage, secrets)
	cleaned.Err = seal(e.Err, secrets)
	if e.Kind != nil {
		// A kind with a text of its own could say anything.
		if cleaned.Kind = crm.Kind(e.Kind); cleaned.Kind == nil {
			cleaned.Kind = crm.ErrBadResponse
		}
	}
	return &cleaned
}

// line returns text as one printable line of at most limit bytes without
// secrets. Secrets go before the text is cut, or half of one could stay.
func line(text string, limit int, secrets []Secret) string {
	if text == "" {
		return ""
	}
	longest := 0
	for _, secret := range secrets {
		longest = max(longest, 12*len(secret)) // no form is longer
	}
	cut := len(text) > maxRedacted+longest
	if cut {
		text = text[:maxRedacted+longest]
	}
	text = redact(text, secrets)
	if cut { // the end may be a piece of a secret
		text = text[:max(0, len(text)-longest)]
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	text = redact(text, secrets)
	if len(text) <= limit {
		return text
	}
	end := limit - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// cause is what may be seen of an error of another package. Those of net/http
// and resty hold the address, and so perhaps a credential; therefore none is
// wrapped as it is. It is a [net.Error].
type cause struct {
	text      string
	timeout   bool
	untrusted bool    // the host's certificate was refused
	marks     []error // only such as hold no text from outside
}

var _ net.Error = (*cause)(nil)

func (c *cause) Error() string   { return c.text }
func (c *cause) Unwrap() []error { return c.marks }
func (c *cause) Timeout() bool   { return c.timeout }

// Temporary is demanded by [net.Error] and means the same as Timeout.
func (c *cause) Temporary() bool { return c.timeout }

// seal returns what may be seen of err; nil for nil.
func seal(err error, secrets []Secret) error {
	switch err := err.(type) { //nolint:errorlint // what wraps one is not sealed
	case nil:
		return nil
	case *cause:
		return err
	}
	if err == context.Canceled || err == context.DeadlineExceeded { //nolint:errorlint // these very values
		return err
	}
	return newCause(err, secrets)
}

func newCause(err error, secrets []Secret) *cause {
	c := &cause{}
	var timeout interface{ Timeout() bool }
	c.timeout = errors.As(err, &timeout) && timeout.Timeout()
	var certificate *tls.CertificateVerificationError
	c.untrusted = errors.As(err, &certificate)
	for _, mark := range []error{
		context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded,
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, mark) {
			c.marks = append(c.marks, mark)
		}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		c.marks = append(c.marks, errno)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		c.marks = append(c.marks, &net.DNSError{
			Err: line(dns.Err, maxMessage, secrets), Name: line(dns.Name, maxMessage, secrets),
			IsTimeout: dns.IsTimeout, IsTemporary: dns.IsTemporary, IsNotFound: dns.IsNotFound,
		})
	}
	// What net/http adds is the method and the address.
	var address *url.Error
	for errors.As(err, &address) && address.Err != nil {
		err = address.Err
	}
	c.text = line(err.Error(), maxMessage, secrets)
	return c
}

// attemptCause returns what may be seen of the error of one attempt whose
// caller's context has not ended: a context's error is the attempt's own limit
// then, and must not look like the caller's.
func attemptCause(err error, secrets []Secret) *cause {
	c := newCause(err, secrets)
	c.marks = slices.DeleteFunc(c.marks, func(mark error) bool {
		return mark == context.Canceled || mark == context.DeadlineExceeded //nolint:errorlint // these very values
	})
	if c.timeout && !slices.Contains(c.marks, os.ErrDeadlineExceeded) {
		c.marks = append(c.marks, os.ErrDeadlineExceeded)
	}
	return c
}
