package crmhttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// secret has characters that escapes and encodings change.
const secret = `s3cr/t+k=y"ÿ-0123456789`

// roundTrip is a transport without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(status int, body string, header ...string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// over returns a client whose requests go to f.
func over(t *testing.T, f roundTrip, opts crmhttp.Options) *crmhttp.Client {
	t.Helper()
	opts.HTTPClient = &http.Client{Transport: f}
	return mustNew(t, "https://crm.example", &opts)
}

func mustNew(t *testing.T, base string, opts *crmhttp.Options) *crmhttp.Client {
	t.Helper()
	client, err := crmhttp.New("acme", base, opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return client
}

// serve starts a server and returns a client for it.
func serve(t *testing.T, handler http.HandlerFunc, opts crmhttp.Options) *crmhttp.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	opts.HTTPClient = server.Client()
	return mustNew(t, server.URL, &opts)
}

// detail fails the test unless err is a *crm.Error of the kind.
func detail(t *testing.T, err error, kind error) *crm.Error {
	t.Helper()
	var e *crm.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v (%T), want a *crm.Error", err, err)
	}
	if e.Kind != kind { //nolint:errorlint // the field itself
		t.Errorf("kind = %v, want %v: %v", e.Kind, kind, err)
	}
	if e.Source != "acme" || e.Op != "list" {
		t.Errorf("error names source %q and operation %q", e.Source, e.Op)
	}
	return e
}

// wantKind is detail for tests that need no more of the error.
func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	_ = detail(t, err, kind)
}

// noSecret fails the test if any of the texts can be seen in value: printed,
// encoded, or in any error that Unwrap reaches.
func noSecret(t *testing.T, value any, texts ...string) {
	t.Helper()
	var seen []string
	add := func(v any) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			seen = append(seen, fmt.Sprintf(verb, v))
		}
		encoded, _ := json.Marshal(v)
		seen = append(seen, string(encoded))
	}
	add(value)
	var walk func(error)
	walk = func(err error) {
		if err == nil {
			return
		}
		add(err)
		switch e := err.(type) { //nolint:errorlint // it walks the chain itself
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	if err, ok := value.(error); ok {
		walk(err)
	}
	for _, text := range texts {
		for _, shown := range seen {
			if bytes.Contains([]byte(shown), []byte(text)) {
				t.Errorf("a secret can be seen: %q in %s", text, shown)
			}
		}
	}
}

func list(ctx context.Context, client *crmhttp.Client) error {
	var into any
	return client.GetJSON(ctx, "list", "/v1/list", nil, &into)
}

func readAll(t *testing.T, r *http.Request) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Errorf("request body: %v", err)
	}
	return string(b)
}
