package bitrix24_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jarcoal/httpmock"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret looks like one; it is made up.
const secret = "0a1b2c3d4e5f6g7h"

const (
	webhook  = "https://b24.example.com/rest/17/" + secret + "/"
	batchURL = "https://b24.example.com/rest/17/" + secret + "/batch"
)

func golden(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// mustNew returns a client with a limiter of its own: that of the host would be
// shared with the other tests, of which each has another clock.
func mustNew(t *testing.T, opts *bitrix24.Options) *bitrix24.Client {
	t.Helper()
	var own bitrix24.Options
	if opts != nil {
		own = *opts
	}
	if own.Limiter == nil {
		own.Limiter = bitrix24.NewNoLimiter()
	}
	opts = &own
	client, err := bitrix24.New(webhook, opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return client
}

// mocked returns a client that sends each request once, and to a transport of
// its own.
func mocked(t *testing.T, responder httpmock.Responder, scopes ...string) *bitrix24.Client {
	t.Helper()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodPost, batchURL, responder)
	return mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: mock}, Attempts: 1, Scopes: scopes})
}

// batched is the answer of a batch whose commands answer with what the golden
// files say of single calls; a name that is none is taken for a call's answer.
func batched(t *testing.T, parts map[string]string) string {
	t.Helper()
	type call struct {
		Result      json.RawMessage `json:"result,omitempty"`
		Total       *int            `json:"total,omitempty"`
		Next        *int            `json:"next,omitempty"`
		Error       *string         `json:"error,omitempty"`
		Description string          `json:"error_description,omitempty"`
	}
	section := func(values map[string]any) any {
		if len(values) == 0 {
			return []any{}
		}
		return values
	}
	result, failed, total, next := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	for key, text := range parts {
		if strings.HasSuffix(text, ".json") {
			text = golden(t, text)
		}
		var c call
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if c.Error != nil {
			failed[key] = map[string]string{"error": *c.Error, "error_description": c.Description}
			continue
		}
		result[key] = c.Result
		if c.Total != nil {
			total[key] = *c.Total
		}
		if c.Next != nil {
			next[key] = *c.Next
		}
	}
	body, err := json.Marshal(map[string]any{"result": map[string]any{
		"result": section(result), "result_error": section(failed),
		"result_total": section(total), "result_next": section(next),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
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
	if e.Source != "bitrix24" || e.Op != "list statuses" {
		t.Errorf("error names source %q and operation %q", e.Source, e.Op)
	}
	return e
}

// wantKind is detail for tests that need no more of the error.
func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	_ = detail(t, err, kind)
}

func TestWebhookIsUnderstoodAsPasted(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, pasted, want, account string }{
		{"as it is", webhook, batchURL, "b24.example.com"},
		{"without a slash", strings.TrimSuffix(webhook, "/"), batchURL, "b24.example.com"},
		{"blanks and line ends", " \t" + webhook + "\r\n", batchURL, "b24.example.com"},
		{"no-break space and zero width", "\uFEFF\u00a0" + webhook + "\u200b", batchURL, "b24.example.com"},
		{"with a method", webhook + "profile.json", batchURL, "b24.example.com"},
		{"with a method and a slash", webhook + "crm.lead.list/", batchURL, "b24.example.com"},
		{"capitals and the usual port", strings.Replace(webhook, "b24.example.com", "B24.Example.com:443", 1), "", "b24.example.com"},
		{"another port", strings.Replace(webhook, ".com", ".com:8443", 1), "", "b24.example.com:8443"},
		{"below a path", strings.Replace(webhook, ".com", ".com/portal", 1), "", "b24.example.com"},
		{"loopback", "http://127.0.0.1:80/rest/1/abc/", "http://127.0.0.1:80/rest/1/abc/batch", "127.0.0.1:80"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got string
			mock := httpmock.NewMockTransport()
			mock.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
				got = r.URL.String()
				return httpmock.NewStringResponse(200, batched(t, leads)), nil
			})
			client, err := bitrix24.New(test.pasted, &bitrix24.Options{HTTPClient: &http.Client{Transport: mock}, Limiter: bitrix24.NewNoLimiter()})
			if err != nil {
				t.Fatal(err)
			}
			listing, err := client.ListStatuses(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if test.want != "" && got != test.want {
				t.Errorf("address %q, want %q", got, test.want)
			}
			if !strings.HasSuffix(got, "/batch") {
				t.Errorf("address %q is not the batch's", got)
			}
			if diff := cmp.Diff([]string{test.account}, listing.Account); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWebhookThatCannotBeOne(t *testing.T) {
	t.Parallel()
	for name, pasted := range map[string]string{
		"empty":         "",
		"blank":         " \r\n",
		"no address":    "hunter2",
		"host only":     "https://b24.example.com/",
		"no secret":     "https://b24.example.com/rest/17/",
		"no user":       "https://b24.example.com/rest/hunter2/",
		"empty secret":  "https://b24.example.com/rest/17//hunter2/",
		"user is none":  "https://b24.example.com/rest/bot/hunter2/",
		"query":         "https://b24.example.com/rest/17/hunter2/?auth=hunter2",
		"fragment":      "https://b24.example.com/rest/17/hunter2/#x",
		"user in front": "https://me:hunter2@b24.example.com/rest/17/hunter2/",
		"inner blank":   "https://b24.example.com/rest/17/hunt er2/",
		"control":       "https://b24.example.com/rest/17/hunter2\x00/",
		"escape":        "https://b24.example.com/rest/17/hunter2%2F..%2F/",
		"bad escape":    "https://b24.example.com/rest/17/hunter2%zz/",
		"more parts":    "https://b24.example.com/rest/17/hunter2/a/b",
		"REST 3.0":      "https://b24.example.com/rest/api/17/hunter2/",
		"plain http":    "http://b24.example.com/rest/17/hunter2/",
		"no scheme":     "//b24.example.com/rest/17/hunter2/",
		"other scheme":  "ftp://b24.example.com/rest/17/hunter2/",
	} {
		client, err := bitrix24.New(pasted, nil)
		if err == nil || client != nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "hunt") {
			t.Errorf("%s: the error shows the secret: %s", name, text)
		}
		if text := err.Error(); !strings.Contains(text, "https") || !strings.HasPrefix(text, "bitrix24: ") {
			t.Errorf("%s: the error does not say what a good address looks like: %v", name, err)
		}
	}
}

func TestNewChecksOptions(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]bitrix24.Options{
		"source":            {Source: " "},
		"attempts":          {Attempts: -1},
		"empty scope":       {Scopes: []string{""}},
		"small letters":     {Scopes: []string{"deal_stage"}},
		"star within":       {Scopes: []string{"DEAL_*_5"}},
		"two stars":         {Scopes: []string{"DEAL**"}},
		"main pipeline's 0": {Scopes: []string{bitrix24.Leads, "DEAL_STAGE_0"}},
	} {
		if _, err := bitrix24.New(webhook, &opts); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	if got := mustNew(t, nil).Source(); got != "bitrix24" {
		t.Errorf("Source() = %q", got)
	}
	if got := mustNew(t, &bitrix24.Options{Source: "second"}).Source(); got != "second" {
		t.Errorf("Source() = %q", got)
	}
}

// asked returns the commands of a request that was sent.
func asked(t *testing.T, r *http.Request) map[string]string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	var request struct {
		Halt *int
		Cmd  map[string]string
	}
	if err := json.Unmarshal(body, &request); err != nil || request.Halt == nil || *request.Halt != 0 {
		t.Errorf("the request %s is no batch with halt 0 (%v)", body, err)
	}
	return request.Cmd
}

// What the suite for clients cannot see: that New copies its options, and that
// the budget reaches the requests.
func TestOptionsAreCopiedAndUsed(t *testing.T) {
	t.Parallel()
	requests := 0
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodPost, batchURL, func(r *http.Request) (*http.Response, error) {
		requests++
		if line := asked(t, r)["statuses"]; !strings.Contains(line, "=DEAL_STAGE_5&") {
			t.Errorf("asked %q, want the scope that New was given", line)
		}
		return httpmock.NewStringResponse(http.StatusServiceUnavailable, ""), nil
	})
	scopes := []string{"DEAL_STAGE_5"}
	client := mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: mock}, Scopes: scopes, RetryBudget: time.Nanosecond})
	scopes[0] = bitrix24.Leads
	_, err := client.ListStatuses(t.Context())
	wantKind(t, err, crm.ErrUnavailable)
	if requests != 1 {
		t.Errorf("%d requests within a budget of 1ns, want 1", requests)
	}
}
