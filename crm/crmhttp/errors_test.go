package crmhttp_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jarcoal/httpmock"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

func TestKindFollowsFromStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status  int
		body    string
		kind    error
		message string
	}{
		{301, "", crm.ErrBadResponse, "a redirect, which is not followed"},
		{304, "", crm.ErrBadResponse, "a redirect, which is not followed"},
		{400, `{"a":1}`, crm.ErrRejected, `{"a":1}`},
		{401, "plain\r\n\ttext\x00", crm.ErrUnauthorized, "plain text"},
		{402, "", crm.ErrForbidden, ""},
		{403, "<html>no</html>", crm.ErrForbidden, ""},
		{404, "\xff", crm.ErrNotFound, "\uFFFD"},
		{408, "", crm.ErrUnavailable, ""},
		{409, "", crm.ErrRejected, ""},
		{422, strings.Repeat("Ж", 200), crm.ErrRejected, strings.Repeat("Ж", 148) + "…"},
		{425, "", crm.ErrUnavailable, ""},
		{429, "", crm.ErrRateLimited, ""},
		{500, "", crm.ErrUnavailable, ""},
		{501, "", crm.ErrUnavailable, ""},
		{503, "", crm.ErrUnavailable, ""},
		{599, "", crm.ErrUnavailable, ""},
		{600, "", crm.ErrBadResponse, ""},
	}
	for _, test := range tests {
		t.Run(strconv.Itoa(test.status), func(t *testing.T) {
			t.Parallel()
			mock := httpmock.NewMockTransport()
			mock.RegisterResponder("GET", "https://crm.example/v1/list", httpmock.NewStringResponder(test.status, test.body))
			client := mustNew(t, "https://crm.example", &crmhttp.Options{HTTPClient: &http.Client{Transport: mock}, Attempts: 1})
			e := detail(t, list(t.Context(), client), test.kind)
			if e.Status != test.status {
				t.Errorf("status = %d, want %d", e.Status, test.status)
			}
			if diff := cmp.Diff(test.message, e.Message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRuleOfTheClientDecides(t *testing.T) {
	t.Parallel()
	mine := &crm.Error{
		Kind: fmt.Errorf("%s %w", secret, crm.ErrNotApplied), Source: "x", Op: "y", Status: 1,
		Code: "C " + secret, Message: "M " + secret, Err: errors.New("cause " + secret),
	}
	client := over(t, func(*http.Request) (*http.Response, error) {
		return reply(200, `{"error":"x"}`, "Retry-After", "7"), nil
	}, crmhttp.Options{
		Secrets:  []crmhttp.Secret{secret},
		Classify: func(crmhttp.Response) *crm.Error { return mine },
	})
	err := list(t.Context(), client)
	e := detail(t, err, crm.ErrNotApplied)
	noSecret(t, err, secret)
	if e == mine || mine.Source != "x" {
		t.Error("the rule's error was changed")
	}
	got := *e
	got.Err = nil
	want := crm.Error{
		Kind: crm.ErrNotApplied, Source: "acme", Op: "list", Status: 200,
		Code: "C [redacted]", Message: "M [redacted]", RetryAfter: 7 * time.Second,
	}
	if got != want {
		t.Errorf("error = %+v, want %+v", got, want)
	}
	if e.Err.Error() != "cause [redacted]" {
		t.Errorf("cause = %q", e.Err)
	}
}

func TestConnectionFailuresTellTheirReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		err     error
		marks   []error
		timeout bool
	}{
		{
			"refused",
			&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
			[]error{syscall.ECONNREFUSED},
			false,
		},
		{"dropped", io.ErrUnexpectedEOF, []error{io.ErrUnexpectedEOF}, false},
		{"closed", fmt.Errorf("x: %w", io.EOF), []error{io.EOF}, false},
		{"socket time-out", os.ErrDeadlineExceeded, []error{os.ErrDeadlineExceeded}, true},
		{"attempt's own limit", context.DeadlineExceeded, []error{os.ErrDeadlineExceeded}, true},
		{"certificate", x509.UnknownAuthorityError{}, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := over(t, func(*http.Request) (*http.Response, error) {
				return nil, &url.Error{Op: "Get", URL: "https://" + secret, Err: test.err}
			}, crmhttp.Options{Attempts: 1, Secrets: []crmhttp.Secret{secret}})
			err := list(t.Context(), client)
			e := detail(t, err, crm.ErrUnavailable)
			for _, mark := range test.marks {
				if !errors.Is(err, mark) {
					t.Errorf("errors.Is does not find %v in %v", mark, err)
				}
			}
			for _, mark := range []error{context.Canceled, context.DeadlineExceeded} {
				if errors.Is(err, mark) {
					t.Errorf("errors.Is finds %v, but the caller's context has not ended: %v", mark, err)
				}
			}
			var netErr net.Error
			if !errors.As(err, &netErr) || netErr.Timeout() != test.timeout {
				t.Errorf("Timeout() of %v is not %v", err, test.timeout)
			}
			var urlErr *url.Error
			if errors.As(err, &urlErr) {
				t.Errorf("an *url.Error is wrapped: %v", err)
			}
			if e.Status != 0 {
				t.Errorf("status = %d without an answer", e.Status)
			}
		})
	}
}

func TestUnknownHostIsTold(t *testing.T) {
	t.Parallel()
	client := over(t, func(*http.Request) (*http.Response, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "crm.example", Server: secret, IsNotFound: true}
	}, crmhttp.Options{Attempts: 1, Secrets: []crmhttp.Secret{secret}})
	err := list(t.Context(), client)
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound || dns.Name != "crm.example" {
		t.Errorf("errors.As finds no *net.DNSError that says it: %v", err)
	}
	noSecret(t, err, secret)
}

// A server may give back what it was sent in any form; each has to go.
func TestSecretsAreRecognisedInEveryForm(t *testing.T) {
	t.Parallel()
	inJSON, _ := json.Marshal(secret)
	escaped := strings.ReplaceAll(string(inJSON[1:len(inJSON)-1]), "/", `\/`)
	forms := map[string]string{
		"plain":       secret,
		"capitals":    strings.ReplaceAll(strings.ToUpper(secret), "Ÿ", "ÿ"),
		"query":       url.QueryEscape(secret),
		"path":        url.PathEscape(secret),
		"small hex":   strings.ReplaceAll(url.QueryEscape(secret), "%2F", "%2f"),
		"twice":       url.QueryEscape(url.QueryEscape(secret)),
		"json":        string(inJSON),
		"php json":    escaped,
		"quoted":      strconv.Quote(secret),
		"ascii":       strconv.QuoteToASCII(secret),
		"html":        html.EscapeString(secret),
		"hex":         hex.EncodeToString([]byte(secret)),
		"base64":      base64.StdEncoding.EncodeToString([]byte(secret)),
		"basic auth":  base64.StdEncoding.EncodeToString([]byte("user:" + secret + ":x")),
		"basic auth2": base64.URLEncoding.EncodeToString([]byte("usr:" + secret + "yz")),
		"basic auth3": base64.StdEncoding.EncodeToString([]byte("me:" + secret)),
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := over(t, func(*http.Request) (*http.Response, error) {
				return reply(400, "before "+form+" after"), nil
			}, crmhttp.Options{Secrets: []crmhttp.Secret{"", secret}})
			e := detail(t, list(t.Context(), client), crm.ErrRejected)
			// Of base64 a few characters at the ends may stay: they also
			// depend on what stands beside the secret.
			if !strings.HasPrefix(e.Message, "before ") || !strings.HasSuffix(e.Message, " after") ||
				!strings.Contains(e.Message, "[redacted]") || len(e.Message) > len("before  after[redacted]")+14 {
				t.Errorf("message = %q", e.Message)
			}
		})
	}
}

func TestNoPieceOfASecretIsLeftByACut(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdefghijklmnopqrstuvwxyz"
	for pad := 240; pad <= 300; pad++ {
		client := over(t, func(*http.Request) (*http.Response, error) {
			return reply(400, strings.Repeat("-", pad)+token), nil
		}, crmhttp.Options{Secrets: []crmhttp.Secret{token}})
		noSecret(t, list(t.Context(), client), "0123")
	}
	// Many in a row are much longer than what is looked at.
	for _, text := range []string{token + " ", token} {
		client := over(t, func(*http.Request) (*http.Response, error) {
			return reply(400, strings.Repeat(text, 3000)), nil
		}, crmhttp.Options{Secrets: []crmhttp.Secret{token}})
		noSecret(t, list(t.Context(), client), "0123")
	}
}

func TestAddressIsNeverShown(t *testing.T) {
	t.Parallel()
	const hook = "/rest/1/abcdefghij0123456789"
	var log strings.Builder
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, hook) || r.URL.Query().Get("auth") != "querysecret" {
			t.Errorf("unexpected request: %s", r.URL)
		}
		panic(http.ErrAbortHandler)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(server.Close)
	client := mustNew(t, server.URL+hook+"/", &crmhttp.Options{
		Attempts: 2, Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	request := crmhttp.Request{
		Op: "list", Path: "crm.status.list", Query: url.Values{"auth": {"querysecret"}}, Secrets: []crmhttp.Secret{"querysecret"},
	}
	_, err := client.Do(t.Context(), request)
	wantKind(t, err, crm.ErrUnavailable)
	for _, value := range []any{err, client, request, &request, log.String()} {
		noSecret(t, value, "abcdefghij0123456789", "querysecret", hook)
	}
	server.Close()
	_, err = client.Do(t.Context(), request)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a refused connection is not told: %v", err)
	}
	noSecret(t, err, "abcdefghij0123456789", "querysecret", hook)
	// A server may name the path that it was asked for.
	echo := mustNew(t, "https://crm.example"+hook, &crmhttp.Options{HTTPClient: &http.Client{
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return reply(404, "no "+r.URL.Path), nil }),
	}})
	noSecret(t, list(t.Context(), echo), "abcdefghij0123456789")
	// A transport of the caller's own may put the address anywhere.
	rude := over(t, func(r *http.Request) (*http.Response, error) {
		return nil, errors.New("no answer from " + r.URL.String())
	}, crmhttp.Options{Attempts: 1})
	noSecret(t, func() error { _, err := rude.Do(t.Context(), request); return err }(), "querysecret", "crm.status.list")
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	opts := crmhttp.Options{Authorization: "bearer hunter2", Secrets: []crmhttp.Secret{secret}}
	client := mustNew(t, "https://crm.example/"+url.PathEscape(secret), &opts)
	inside := struct {
		Exported *crmhttp.Client
		hidden   crmhttp.Client
	}{client, *client}
	request := crmhttp.Request{
		Op: "list", Path: "/" + secret, Query: url.Values{"a": {secret}}, Header: http.Header{"A": {secret}},
		Body: secret, Secrets: []crmhttp.Secret{secret},
	}
	response := crmhttp.Response{Status: 200, Header: http.Header{"Set-Cookie": {secret}}, Body: []byte(secret)}
	hexed := hex.EncodeToString([]byte(secret))
	for _, value := range []any{
		opts, &opts, client, *client, inside, request, &request, response, &response, response.Body,
		crmhttp.Secret(secret),
		[]crmhttp.Secret{secret},
		map[string]crmhttp.Secret{"a": secret},
	} {
		if _, isBody := value.(crm.Body); isBody {
			continue // its own package decides how it is encoded
		}
		noSecret(t, value, secret, "s3cr", "hunter2", hexed, url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)))
	}
	if got, want := fmt.Sprint(client, request, response), "crmhttp.Client(acme) list (GET) HTTP 200, "; !strings.HasPrefix(got, want) {
		t.Errorf("printed %q, want it to begin with %q", got, want)
	}
}

func TestErrorOfTheCallerIsCleaned(t *testing.T) {
	t.Parallel()
	client := mustNew(t, "https://crm.example", &crmhttp.Options{Secrets: []crmhttp.Secret{secret}})
	inner := &url.Error{Op: "Get", URL: secret, Err: context.Canceled}
	err := client.Error("list", &crm.Error{Kind: errors.New("kind " + secret), Message: secret, Err: fmt.Errorf("%s: %w", secret, inner)})
	wantKind(t, err, crm.ErrBadResponse)
	noSecret(t, err, secret)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("errors.Is does not find context.Canceled in %v", err)
	}
}

func TestLogIsSilentAboutSecretsAndHasWhatHelps(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	answers := []*http.Response{reply(503, secret), reply(200, `{"name":"+79001234567"}`)} //nolint:bodyclose // the client closes them
	client := over(t, func(*http.Request) (*http.Response, error) {
		answer := answers[0]
		answers = answers[1:]
		return answer, nil
	}, crmhttp.Options{
		Authorization: secret,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
			Level: slog.LevelDebug,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == "duration" {
					return slog.String(a.Key, "_")
				}
				return a
			},
		})),
	})
	if err := list(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	want := `time=_ level=WARN msg="crm call" source=acme op=list method=GET status=503 duration=_ attempt=1 kind=unavailable
time=_ level=DEBUG msg="crm call" source=acme op=list method=GET status=200 duration=_ attempt=2
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
