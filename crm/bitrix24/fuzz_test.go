package bitrix24

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

func addGolden(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob("testdata/" + pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// fuzzListing stands behind HTTP: what is above it would make the fuzzer slow
// and blind. Further pages cannot be had.
func fuzzListing(t *testing.T, c *Client, data []byte) {
	var first portal
	var listing crm.Listing
	results, err := c.allRead(opListStatuses, c.commands(&first), crmhttp.Response{Status: 200, Body: data})
	if err == nil {
		listing, err = c.whole(gone(t), &first, results)
	}
	if err != nil {
		var e *crm.Error
		if !errors.As(err, &e) || crm.Kind(err) == nil || e.Source != "bitrix24" || e.Op != opListStatuses {
			t.Errorf("error = %v, want a *crm.Error with a kind, source and operation", err)
		}
		if len(listing.Statuses)+len(listing.Scopes) > 0 {
			t.Errorf("an error and a part of a list: %+v", listing)
		}
		return
	}
	if err := listing.Validate(); err != nil {
		t.Errorf("an invalid listing was returned: %v", err)
	}
	for _, status := range listing.Statuses {
		if crm.CleanName(status.Name) != status.Name || (status.Color != "" && crm.CleanColor(status.Color) != status.Color) {
			t.Errorf("a row is not normalised: %+v", status)
		}
		if !c.scopes.holds(status.Ref.Scope) {
			t.Errorf("a row of a list that was not chosen: %v", status.Ref)
		}
	}
}

// gone is a context that has ended, so that nothing is sent.
func gone(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func FuzzStatuses(f *testing.F) {
	addGolden(f, "batch_*.json")
	addGolden(f, "error_*")
	single, every := offline(f), offline(f, Everything)
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzListing(t, single, data)
		fuzzListing(t, every, data)
	})
}

// FuzzErrors checks that whatever comes with an error's HTTP status is an error
// of a kind, and with another none that says nothing.
func FuzzErrors(f *testing.F) {
	files, err := filepath.Glob("testdata/error_*")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]int{200, 302, 400, 401, 403, 404, 429, 500, 503}[i%9], data)
	}
	f.Fuzz(func(t *testing.T, status int, data []byte) {
		e := classify(crmhttp.Response{Status: status, Body: data})
		good := status >= 200 && status <= 299
		if e == nil && !good {
			t.Errorf("HTTP %d is no error", status)
		}
		if e != nil && crm.Kind(e) == nil {
			t.Errorf("an error without a kind: %v", e)
		}
	})
}

func FuzzWebhook(f *testing.F) {
	for _, seed := range []string{
		"https://b24.example.com/rest/17/hunter2/", "http://[::1]:80/rest/1/a/profile.json", "https://a/b/rest/1/c", "https://a/rest/api/1/c", "https://a/rest/1/%2e%2e/", "//a/rest/1/b", "https://a/rest/1//b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pasted string) {
		const mark = "hunter2"
		w, err := parseWebhook(pasted)
		if err != nil {
			if strings.Contains(err.Error(), mark) {
				t.Errorf("the error shows the secret: %v", err)
			}
			return
		}
		if w.secret == "" || w.host == "" || !strings.HasSuffix(w.base, "/"+w.secret) {
			t.Errorf("%q is taken for %+v", pasted, w)
		}
		again, err := parseWebhook(w.base + "/")
		if err != nil || again != w {
			t.Errorf("%q gives %+v, and that again %+v, %v", pasted, w, again, err)
		}
	})
}
