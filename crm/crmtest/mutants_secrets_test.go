package crmtest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// following is a client that follows redirects as check says.
func following(check func(r *http.Request, via []*http.Request) error) func(*acme, Conn) {
	return func(a *acme, _ Conn) { a.http.CheckRedirect = check }
}

// meddling is a client that uses the caller's http.Client itself.
func meddling(meddle func(theirs *http.Client)) func(*acme, Conn) {
	return func(_ *acme, conn Conn) { meddle(conn.HTTPClient) }
}

func travelMutants() []mutant {
	const sent, changed = "a credential was sent to ", "was changed, as was seen "
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return []mutant{
		{"follows redirects", following(nil), "CredentialsFollowNoRedirect", sent + "https://other.example"},
		{"follows redirects to hosts below", following(func(r *http.Request, _ []*http.Request) error {
			if strings.HasSuffix(r.URL.Host, host) {
				return nil
			}
			return http.ErrUseLastResponse
		}), "CredentialsFollowNoRedirect", sent + "https://sub.crm.example"},
		{"follows redirects of its host to plain http", following(func(r *http.Request, _ []*http.Request) error {
			if r.URL.Host == host {
				return nil
			}
			return http.ErrUseLastResponse
		}), "CredentialsFollowNoRedirect", sent + "http://crm.example"},
		{"follows redirects without its header, but with the address it came from", following(func(r *http.Request, _ []*http.Request) error {
			r.Header.Del("Authorization")
			if r.URL.Path != "/" {
				return http.ErrUseLastResponse
			}
			return nil
		}), "CredentialsFollowNoRedirect", "to another host: a credential was sent"},
		{"follows redirects with its token in the body", func(a *acme, _ Conn) {
			a.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				r.Header.Del("Referer")
				return nil
			}
			a.request = a.tokenInBody
		}, "CredentialsFollowNoRedirect", "a redirect (307) to another host: a credential was sent"},
		{"takes a redirect for an empty list", func(a *acme, _ Conn) {
			a.classify = func(status int, body []byte) *crm.Error {
				if status >= 300 && status <= 399 {
					return nil
				}
				return classify(status, body)
			}
			a.decode = func(body []byte, into *stages) error {
				if len(body) > 0 {
					return decode(body, into)
				}
				zero := 0
				into.Total, into.Rows = &zero, &[]stage{}
				return nil
			}
		}, "CredentialsFollowNoRedirect", "ListStatuses returned no error"},
		{"sends its token over plain http", func(a *acme, _ Conn) { a.open = true }, "CredentialsNeedHTTPS", "a credential was sent over plain http"},
		{"shows the refused address", func(a *acme, _ Conn) { a.telling = true }, "CredentialsNeedHTTPS", "the error about an address with plain http"},
		{
			"sets a time-out of the caller's http.Client", meddling(func(c *http.Client) { c.Timeout = time.Minute }),
			"LeavesTheCallersHTTPClientAlone", changed + "when the client was made",
		},
		{"sets what the caller left open", meddling(func(c *http.Client) {
			if c.CheckRedirect == nil {
				c.CheckRedirect = stay
			}
		}), "LeavesTheCallersHTTPClientAlone", "an http.Client with a transport alone " + changed},
		{
			"takes the caller's cookies away", meddling(func(c *http.Client) { c.Jar = nil }),
			"LeavesTheCallersHTTPClientAlone", "an http.Client with all fields set " + changed,
		},
		{
			"wraps the caller's transport in place", meddling(func(c *http.Client) { c.Transport = unclosing{c.Transport} }),
			"LeavesTheCallersHTTPClientAlone", changed,
		},
		{"borrows the caller's http.Client for a call", func(a *acme, conn Conn) {
			a.list = func(ctx context.Context) (crm.Listing, error) {
				before := conn.HTTPClient.Timeout
				conn.HTTPClient.Timeout = time.Second
				defer func() { conn.HTTPClient.Timeout = before }()
				return a.readAll(ctx)
			}
		}, "LeavesTheCallersHTTPClientAlone", changed + "during a call"},
		{"follows redirects if the caller's http.Client does", func(a *acme, conn Conn) {
			a.http.CheckRedirect = conn.HTTPClient.CheckRedirect
		}, "LeavesTheCallersHTTPClientAlone", "and a redirect: a credential was sent"},
		{"sends its requests another way", func(a *acme, _ Conn) {
			a.list = func(context.Context) (crm.Listing, error) {
				return crm.Listing{}, a.fail(&crm.Error{Kind: crm.ErrUnavailable})
			}
		}, "LeavesTheCallersHTTPClientAlone", "is not what the requests are sent with"},
	}
}

// telling is a client whose errors get a message.
func telling(message func(a *acme, body string) string) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.classify = func(status int, body []byte) *crm.Error {
			e := classify(status, body)
			if e != nil {
				e.Message = message(a, string(body))
			}
			return e
		}
	}
}

// logging is a client that logs something of a request.
func logging(line func(a *acme, r *http.Request) []any) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.log = func(r *http.Request, _, _ int) {
			if a.logger != nil {
				a.logger.Debug("call", line(a, r)...)
			}
		}
	}
}

// carrying is a client with a further field.
type carrying[T any] struct {
	*acme

	more T
}

type config struct{ Token string }

type hidden string

func (hidden) String() string { return "hidden" }

func secretMutants() []mutant {
	const inError, inLog, inValue = "a credential can be seen in the error of ", "a credential can be seen in the log", "a credential can be seen in "
	with := func(wrap func(a *acme, token string) crm.Client) func(*acme, Conn) {
		return func(a *acme, _ Conn) {
			_, token := a.account()
			a.wrapped = wrap(a, token)
		}
	}
	return []mutant{
		{
			"wraps the error of net/http", causing(func(_ context.Context, err error) error { return err }),
			"SecretsAreInNoError", inError + "a dropped connection (*url.Error)",
		},
		{"wraps what is in the error of net/http", causing(func(_ context.Context, err error) error {
			var address *url.Error
			if errors.As(err, &address) {
				return address.Err
			}
			return err
		}), "SecretsAreInNoError", inError + "a transport that tells the whole request in its error"},
		{"says the body", telling(func(_ *acme, body string) string { return body }), "SecretsAreInNoError", inError + "HTTP"},
		{"says the body after a look for its token, cut first", telling(func(a *acme, body string) string {
			key, token := a.account()
			body = body[:min(len(body), 300)]
			return strings.NewReplacer(key, "", token, "").Replace(body)
		}), "SecretsAreInNoError", inError + "HTTP"},
		{"says its token as base64", telling(func(a *acme, _ string) string {
			_, token := a.account()
			return base64.StdEncoding.EncodeToString([]byte("me:" + token))
		}), "SecretsAreInNoError", inError + "HTTP"},
		{"says its token escaped", telling(func(a *acme, _ string) string {
			_, token := a.account()
			return "?token=" + url.QueryEscape(token)
		}), "SecretsAreInNoError", inError + "HTTP"},
		{"keeps its request in an error", failing(func(e *crm.Error) error {
			e.Err = requestError{config{"Zm9v/c2Vj+cmV0LXRva2Vu=="}}
			return e
		}), "SecretsAreInNoError", "requestError"},
		{"logs the address", logging(func(_ *acme, r *http.Request) []any { return []any{"url", r.URL.String()} }), "SecretsAreInNoLog", inLog},
		{"logs the path", logging(func(_ *acme, r *http.Request) []any { return []any{"path", r.URL.Path} }), "SecretsAreInNoLog", inLog},
		{"logs the headers", logging(func(_ *acme, r *http.Request) []any { return []any{"header", r.Header} }), "SecretsAreInNoLog", inLog},
		{"logs the beginning of its token", logging(func(a *acme, _ *http.Request) []any {
			_, token := a.account()
			return []any{slog.String("token", token[:12]+"...")}
		}), "SecretsAreInNoLog", inLog},
		{
			"prints its token with %+v", with(func(a *acme, token string) crm.Client { return carrying[string]{a, token} }),
			"SecretsAreInNoPrintedValue", inValue + "a ",
		},
		{
			"prints its token as a pointer", with(func(a *acme, token string) crm.Client { return &carrying[string]{a, token} }),
			"SecretsAreInNoPrintedValue", inValue + "a client",
		},
		{
			"hides its token from %v alone", with(func(a *acme, token string) crm.Client { return &carrying[hidden]{a, hidden(token)} }),
			"SecretsAreInNoPrintedValue", inValue + "a",
		},
		{
			"shows its token to encoding/json", with(func(a *acme, token string) crm.Client { return &encoded{acme: a, Token: token} }),
			"SecretsAreInNoPrintedValue", inValue + "a",
		},
		{"prints nothing as a pointer, and its token as a value", with(func(a *acme, token string) crm.Client {
			return &quiet{acme: a, token: token}
		}), "SecretsAreInNoPrintedValue", "value"},
	}
}

// encoded prints nothing, but is encoded.
type encoded struct {
	*acme `json:"-"`

	Token string
}

func (*encoded) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("acme")) }

// quiet prints nothing as a pointer.
type quiet struct {
	*acme

	token string
}

func (*quiet) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("acme")) }

type requestError struct{ config config }

func (requestError) Error() string { return "no" }
