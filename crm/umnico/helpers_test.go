package umnico_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// on returns the options with which a client asks the fake.
func on(fake *umnicotest.Umnico) *umnico.Options {
	return &umnico.Options{HTTPClient: &http.Client{Transport: fake.Transport()}}
}

// answers plays Umnico by a function.
type answers func(r *http.Request) (status int, body string)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := a(r)
	return &http.Response{
		StatusCode: status, Request: r, ContentLength: -1, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// scripted returns a client that sends each request once, to the answers.
func scripted(t *testing.T, a answers) *umnico.Client {
	t.Helper()
	return mustNew(t, &umnico.Options{HTTPClient: &http.Client{Transport: a}, Attempts: 1})
}

// always returns a client for which each answer is the same.
func always(t *testing.T, status int, body string) *umnico.Client {
	t.Helper()
	return scripted(t, func(*http.Request) (int, string) { return status, body })
}

// told returns all that a request tells.
func told(r *http.Request) string {
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, body)
}

// failedWith checks the kind and the operation of an error and what it says, and
// that it shows none of the secrets.
func failedWith(t *testing.T, err, kind error, op, says string, secrets ...string) {
	t.Helper()
	var e *crm.Error
	if !errors.As(err, &e) {
		t.Errorf("error = %v (%T), want a *crm.Error of kind %q", err, err, cmp.Or(kind, crm.ErrRejected))
		return
	}
	if crm.Kind(err) != kind || e.Source != "umnico" || e.Op != op { //nolint:errorlint // the kind itself
		t.Errorf("error = %v, want kind %q and operation %q", err, kind, op)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("error = %v, want it to say %q", err, says)
	}
	for _, secret := range append(secrets, token, password) {
		if text := fmt.Sprintf("%v %+v %#v", err, err, e); strings.Contains(text, secret) {
			t.Errorf("the error shows the secret %q: %s", secret, text)
		}
	}
}
