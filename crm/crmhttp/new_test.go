package crmhttp_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

func TestNewChecksTheBaseURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, base string
		allowHTTP  bool
		good       bool
	}{
		{"https", "https://crm.example", false, true},
		{"with path and slash", "https://crm.example/rest/1/hunter2/", false, true},
		{"pasted with blanks", " https://crm.example\n", false, true},
		{"loopback name", "http://localhost:8080", false, true},
		{"loopback v4", "http://127.9.9.9:1", false, true},
		{"loopback v6", "http://[::1]:1", false, true},
		{"plain http", "http://crm.example/hunter2", false, false},
		{"plain http allowed", "http://crm.example/hunter2", true, true},
		{"looks like loopback", "http://127.0.0.1.example/hunter2", false, false},
		{"looks like localhost", "http://localhost.example/hunter2", false, false},
		{"empty", "", false, false},
		{"no scheme", "crm.example/hunter2", false, false},
		{"other scheme", "ftp://crm.example/hunter2", true, false},
		{"no host", "https:///hunter2", false, false},
		{"port only", "https://:443/hunter2", false, false},
		{"opaque", "https:hunter2", false, false},
		{"user", "https://me:hunter2@crm.example", false, false},
		{"query", "https://crm.example?auth=hunter2", false, false},
		{"empty query", "https://crm.example/hunter2?", false, false},
		{"fragment", "https://crm.example#hunter2", false, false},
		{"empty fragment", "https://crm.example/hunter2#", false, false},
		{"broken", "https://crm.example/%zzhunter2", false, false},
		{"control character", "https://crm.example/hunter2\x7f", false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, err := crmhttp.New("acme", test.base, &crmhttp.Options{AllowHTTP: test.allowHTTP})
			if (err == nil) != test.good {
				t.Fatalf("New(%q): error = %v, want good = %v", test.base, err, test.good)
			}
			if err != nil {
				noSecret(t, err, "hunter2")
				return
			}
			noSecret(t, client, "hunter2")
		})
	}
}

func TestNewChecksSourceAndOptions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, source string
		opts         crmhttp.Options
	}{
		{"source", " ", crmhttp.Options{}},
		{"attempts", "acme", crmhttp.Options{Attempts: -1}},
		{"budget", "acme", crmhttp.Options{RetryBudget: -1}},
		{"timeout", "acme", crmhttp.Options{Timeout: -1}},
		{"body", "acme", crmhttp.Options{MaxBody: -1}},
		{"authorization", "acme", crmhttp.Options{Authorization: "bearer hunter2\n"}},
		{"user agent", "acme", crmhttp.Options{UserAgent: "a\r\nb"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := crmhttp.New(test.source, "https://crm.example", &test.opts)
			if err == nil {
				t.Fatal("New accepted it")
			}
			noSecret(t, err, "hunter2")
		})
	}
}

func TestCallersHTTPClientStaysAsItIs(t *testing.T) {
	t.Parallel()
	var asked bool
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := roundTrip(func(*http.Request) (*http.Response, error) {
		return reply(302, "", "Location", "https://elsewhere.example/"), nil
	})
	theirs := &http.Client{
		Transport:     transport,
		Jar:           jar,
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { asked = true; return nil },
	}
	redirect := fmt.Sprintf("%p", theirs.CheckRedirect)
	client := mustNew(t, "https://crm.example", &crmhttp.Options{HTTPClient: theirs})
	wantKind(t, list(t.Context(), client), crm.ErrBadResponse)
	if asked {
		t.Error("the caller's CheckRedirect was used")
	}
	if theirs.Jar != http.CookieJar(jar) || theirs.Timeout != time.Minute ||
		fmt.Sprintf("%p", theirs.CheckRedirect) != redirect || fmt.Sprintf("%p", theirs.Transport) != fmt.Sprintf("%p", transport) {
		t.Error("the caller's http.Client was changed")
	}

	bare := &http.Client{}
	mustNew(t, "https://crm.example", &crmhttp.Options{HTTPClient: bare})
	if bare.Transport != nil || bare.Jar != nil || bare.CheckRedirect != nil {
		t.Errorf("the caller's http.Client was changed: %+v", bare)
	}
}

func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()
	opts := crmhttp.Options{Secrets: []crmhttp.Secret{secret}}
	client := over(t, func(*http.Request) (*http.Response, error) { return reply(400, secret), nil }, opts)
	opts.Secrets[0] = "other"
	noSecret(t, list(t.Context(), client), secret)
}

func TestRequestsGoWhereTheyShould(t *testing.T) {
	t.Parallel()
	type sent struct{ Method, URL, Authorization, Accept, ContentType, Agent, Body string }
	var got sent
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		got = sent{
			r.Method, r.URL.String(), r.Header.Get("Authorization"), r.Header.Get("Accept"),
			r.Header.Get("Content-Type"), r.Header.Get("User-Agent"), "",
		}
		if r.Body != nil {
			got.Body = readAll(t, r)
		}
		return reply(200, `{}`), nil
	})
	tests := []struct {
		name, base string
		request    crmhttp.Request
		want       sent
	}{
		{"root", "https://crm.example", crmhttp.Request{}, sent{Method: "GET", URL: "https://crm.example/"}},
		{
			"slashes", "https://crm.example/api/",
			crmhttp.Request{Path: "//list"},
			sent{Method: "GET", URL: "https://crm.example/api/list"},
		},
		{
			"base alone", "https://crm.example/api/",
			crmhttp.Request{},
			sent{Method: "GET", URL: "https://crm.example/api"},
		},
		{
			"path that looks like a host", "https://crm.example",
			crmhttp.Request{Path: "@evil.example/x"},
			sent{Method: "GET", URL: "https://crm.example/@evil.example/x"},
		},
		{
			"escaped", "https://crm.example",
			crmhttp.Request{Path: "a%2Fb/%7Bc%7D", Query: map[string][]string{"q": {"ё &"}}},
			sent{Method: "GET", URL: "https://crm.example/a%2Fb/%7Bc%7D?q=%D1%91+%26"},
		},
		{
			"json body", "https://crm.example",
			crmhttp.Request{Method: "POST", Path: "x", Body: map[string]int{"a": 1}},
			sent{Method: "POST", URL: "https://crm.example/x", ContentType: "application/json", Body: `{"a":1}`},
		},
		{
			"bytes and header", "https://crm.example",
			crmhttp.Request{
				Method: "PUT", Path: "x", Body: []byte("a=1"),
				Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "authorization": {"other"}},
			},
			sent{
				Method: "PUT", URL: "https://crm.example/x", ContentType: "application/x-www-form-urlencoded",
				Body: "a=1", Authorization: "other",
			},
		},
		{
			"empty bytes", "https://crm.example",
			crmhttp.Request{Method: "POST", Path: "x", Body: []byte{}},
			sent{Method: "POST", URL: "https://crm.example/x", ContentType: "application/json"},
		},
	}
	for _, test := range tests {
		client := mustNew(t, test.base, &crmhttp.Options{
			HTTPClient: &http.Client{Transport: transport}, Authorization: "bearer hunter2",
		})
		if _, err := client.Do(t.Context(), test.request); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.want.Authorization == "" {
			test.want.Authorization = "bearer hunter2"
		}
		test.want.Accept, test.want.Agent = "application/json", crmhttp.DefaultUserAgent
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: request (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestRequestsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	client := over(t, func(*http.Request) (*http.Response, error) {
		t.Error("it was sent")
		return reply(200, `{}`), nil
	}, crmhttp.Options{})
	for name, request := range map[string]crmhttp.Request{
		"query in path":  {Path: "a?b=c"},
		"reader":         {Method: "POST", Body: strings.NewReader("x")},
		"body with GET":  {Body: 1},
		"not encodable":  {Method: "POST", Body: func() {}},
		"not escaped":    {Path: "a%2Fb/{c}"},
		"broken escape":  {Path: "%zz"},
		"broken method":  {Method: "G T"},
		"broken header":  {Header: http.Header{"A": {"b\n"}}},
		"control in URL": {Path: "a\x00"},
	} {
		request.Op = "list"
		_, err := client.Do(t.Context(), request)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		wantKind(t, err, nil)
	}
}

func TestAtKeepsSettingsAndSecrets(t *testing.T) {
	t.Parallel()
	var hosts []string
	client := over(t, func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host+" "+r.Header.Get("Authorization"))
		if r.URL.Host == "crm.example" {
			return reply(302, "", "Location", "https://moved.example/"), nil
		}
		return reply(400, "no "+secret), nil
	}, crmhttp.Options{
		Authorization: "bearer hunter2", Secrets: []crmhttp.Secret{secret},
		Classify: func(r crmhttp.Response) *crm.Error {
			if r.Status == http.StatusFound {
				return nil
			}
			return crmhttp.Classify(r)
		},
	})
	response, err := client.Do(t.Context(), crmhttp.Request{Op: "list"})
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Location"); got != "https://moved.example/" {
		t.Errorf("Location = %q", got)
	}
	moved, err := client.At("https://moved.example")
	if err != nil {
		t.Fatal(err)
	}
	noSecret(t, list(t.Context(), moved), secret, "hunter2")
	want := []string{"crm.example bearer hunter2", "moved.example bearer hunter2"}
	if diff := cmp.Diff(want, hosts); diff != "" {
		t.Errorf("hosts asked (-want +got):\n%s", diff)
	}
	if _, err := client.At("http://moved.example"); err == nil {
		t.Error("At accepted plain http")
	}
}
