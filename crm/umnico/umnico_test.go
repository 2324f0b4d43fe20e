package umnico_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/umnico"
)

// token looks like one; it is made up.
const token = "eyJhbGciOiJIUzI1NiJ9.eyJhY2NvdW50IjoxMDA1MDB9.c2VjcmV0LXNpZ25hdHVyZQ"

const (
	statusesURL = "https://api.umnico.com/v1.3/statuses"
	accountURL  = "https://api.umnico.com/v1.3/account/me"
)

func golden(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func mustNew(t *testing.T, opts *umnico.Options) *umnico.Client {
	t.Helper()
	client, err := umnico.New(token, opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return client
}

// mocked returns a client that sends each request once, and to a transport of
// its own.
func mocked(t *testing.T, responder httpmock.Responder) *umnico.Client {
	t.Helper()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodGet, statusesURL, responder)
	mock.RegisterResponder(http.MethodGet, accountURL, httpmock.NewStringResponder(200, golden(t, "account_me.json")))
	return mustNew(t, &umnico.Options{HTTPClient: &http.Client{Transport: mock}, Attempts: 1})
}

func detail(t *testing.T, err error, kind error) *crm.Error {
	t.Helper()
	var e *crm.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v (%T), want a *crm.Error", err, err)
	}
	if !errors.Is(err, kind) || e.Kind != kind { //nolint:errorlint // the field itself
		t.Errorf("kind = %v, want %v: %v", e.Kind, kind, err)
	}
	if e.Source != "umnico" || e.Op != "list statuses" {
		t.Errorf("error names source %q and operation %q", e.Source, e.Op)
	}
	return e
}

// wantKind is detail for tests that need no more of the error.
func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	_ = detail(t, err, kind)
}

func TestTokenIsUnderstoodAsPasted(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, pasted, word, want string }{
		{"as it is", token, "", "bearer " + token},
		{"blanks and line ends", " \t" + token + "\r\n", "", "bearer " + token},
		{"no-break space and byte order mark", "\uFEFF\u00a0" + token + "\u200b", "", "bearer " + token},
		{"with Bearer", "Bearer " + token, "", "bearer " + token},
		{"with bearer and blanks", "  bearer \t " + token + "\n", "", "bearer " + token},
		{"with JWT", "JWT " + token, "", "bearer " + token},
		{"other word", token, "Bearer", "Bearer " + token},
		{"with the other word", "Plugin " + token, "plugin", "plugin " + token},
		{"no word", "Bearer " + token, umnico.NoAuthWord, token},
		{"no JSON Web Token", "a:b/c+d=", "", "bearer a:b/c+d="},
		{"begins like the word", "bearerxyz", "", "bearer bearerxyz"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got string
			mock := httpmock.NewMockTransport()
			mock.RegisterResponder(http.MethodGet, statusesURL, func(r *http.Request) (*http.Response, error) {
				got = r.Header.Get("Authorization")
				return httpmock.NewStringResponse(200, "[]"), nil
			})
			mock.RegisterResponder(http.MethodGet, accountURL, httpmock.NewStringResponder(200, golden(t, "account_me.json")))
			client, err := umnico.New(test.pasted, &umnico.Options{AuthWord: test.word, HTTPClient: &http.Client{Transport: mock}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.ListStatuses(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("Authorization: %q, want %q", got, test.want)
			}
		})
	}
}

func TestTokenThatCannotBeOne(t *testing.T) {
	t.Parallel()
	for name, pasted := range map[string]string{
		"empty":             "",
		"blank":             " \r\n\t",
		"word only":         "Bearer",
		"word and blanks":   "bearer  ",
		"inner blank":       "hunter2 hunter2",
		"inner line end":    "hunter2\nhunter2",
		"control character": "hunter2\x00hunter2",
		"zero width":        "hunter2\u200bhunter2",
		"Cyrillic":          "hunter2с",
		"two words":         "Bearer hunter2 hunter2",
	} {
		client, err := umnico.New(pasted, nil)
		if err == nil || client != nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if text := err.Error(); !strings.Contains(text, "Settings > API") || !strings.Contains(text, "three parts") {
			t.Errorf("%s: the error does not say what a good token looks like: %v", name, err)
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "hunter2") {
			t.Errorf("%s: the error shows the token: %s", name, text)
		}
	}
}

func TestNewChecksOptions(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]umnico.Options{
		"plain http": {BaseURL: "http://api.umnico.com"},
		"user":       {BaseURL: "https://me:hunter2@api.umnico.com"},
		"query":      {BaseURL: "https://api.umnico.com?token=hunter2"},
		"no host":    {BaseURL: "https:///hunter2"},
		"word":       {AuthWord: "two words"},
		"line end":   {AuthWord: "bearer\n"},
		"attempts":   {Attempts: -1},
		"source":     {Source: " "},
		"outcome":    {Outcomes: map[string]crm.Outcome{"done": 9}},
		"no type":    {Outcomes: map[string]crm.Outcome{"": crm.Won}},
	} {
		if _, err := umnico.New(token, &opts); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), token) {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	for name, opts := range map[string]umnico.Options{
		"loopback": {BaseURL: "http://127.0.0.1:1/"},
		"proxy":    {BaseURL: "https://gateway.example/umnico/"},
	} {
		if _, err := umnico.New(token, &opts); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	if got := mustNew(t, nil).Source(); got != "umnico" {
		t.Errorf("Source() = %q", got)
	}
	if got := mustNew(t, &umnico.Options{Source: "second"}).Source(); got != "second" {
		t.Errorf("Source() = %q", got)
	}
}
