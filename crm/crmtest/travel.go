package crmtest

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"reflect"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm/crmfault"
)

var travelChecks = []check{
	{name: "CredentialsFollowNoRedirect", run: credentialsFollowNoRedirect},
	{name: "CredentialsNeedHTTPS", run: credentialsNeedHTTPS},
	{name: "LeavesTheCallersHTTPClientAlone", run: leavesHTTPClientAlone},
}

// host is that of address.
var host = strings.TrimPrefix(address, "https://")

// stayed checks that no credential went to another host, or in the open.
func (t *test) stayed(what string) {
	t.Helper()
	for _, s := range t.wire.requests() {
		if s.secret && s.to != address {
			t.Errorf("%s: a credential was sent to %s; it is for %s alone", what, s.to, address)
		}
	}
}

// credentialsFollowNoRedirect: credentials travel to no other host and along no
// redirect; a redirect is an error.
func credentialsFollowNoRedirect(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	for _, to := range []struct {
		name    string
		address func(r *http.Request) string
	}{
		{"another host", func(*http.Request) string { return "https://other.example/" }},
		{"the same address at another host", func(r *http.Request) string { return "https://other.example" + r.URL.RequestURI() }},
		{"the same address at a host below", func(r *http.Request) string { return "https://sub." + host + r.URL.RequestURI() }},
		{"the same address without a scheme at another host", func(r *http.Request) string { return "//other.example" + r.URL.RequestURI() }},
		{"the same address over plain http", func(r *http.Request) string { return "http://" + host + r.URL.RequestURI() }},
		{"plain http", func(*http.Request) string { return "http://" + host + "/" }},
		{"another path", func(*http.Request) string { return "/elsewhere" }},
		{"itself", func(r *http.Request) string { return r.URL.RequestURI() }},
		{"nowhere", func(*http.Request) string { return "" }},
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.wire.forget()
			t.wire.play(func(r *http.Request) (*http.Response, error) {
				if r.URL.Scheme+"://"+r.URL.Host != address || len(t.wire.requests()) > lasting {
					return t.front.Transport().RoundTrip(r) // a host that plays the CRM
				}
				return reply(status, strings.NewReader(""), "Location", to.address(r)), nil
			})
			what := fmt.Sprintf("a redirect (%d) to %s", status, to.name)
			t.fails(what, client)
			t.stayed(what)
		}
	}
	t.recovers(client)
}

// credentialsNeedHTTPS: no credential is sent over plain http to a host that is
// not a loopback one. To refuse such an address at once is best.
func credentialsNeedHTTPS(t *test) {
	t.show(3)
	open := "http://" + host
	client, err := t.Client(Conn{BaseURL: open, HTTPClient: t.httpClient()})
	if err != nil {
		t.hides("the error about an address with plain http", err)
		return
	}
	out := t.call(t.Context(), client)
	for _, s := range t.wire.requests() {
		if s.secret {
			t.Errorf("a credential was sent over plain http to %s, where everyone on the way can read it", s.to)
			return
		}
	}
	t.failed("an address with plain http", client, out)
}

// leavesHTTPClientAlone: the caller's http.Client is used, and never changed,
// also not for a moment.
func leavesHTTPClientAlone(t *test) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("no cookie jar: %v", err)
	}
	follow := func(*http.Request, []*http.Request) error { return nil }
	for what, theirs := range map[string]*http.Client{
		"an http.Client with a transport alone": {Transport: t.wire},
		"an http.Client with all fields set":    {Transport: t.wire, CheckRedirect: follow, Jar: jar, Timeout: 3 * time.Minute},
	} {
		t.calm()
		before := *theirs
		intact := func(when string) {
			if theirs.Transport != before.Transport || theirs.Jar != before.Jar || theirs.Timeout != before.Timeout ||
				reflect.ValueOf(theirs.CheckRedirect).Pointer() != reflect.ValueOf(before.CheckRedirect).Pointer() {
				t.Errorf("%s was changed, as was seen %s; it is the caller's", what, when)
				*theirs = before
			}
		}
		client := t.client(Conn{HTTPClient: theirs})
		intact("when the client was made")
		t.wire.onRequest(func() { intact("during a call") })
		t.wire.forget()
		t.reads(what, client, t.show(3))
		if len(t.wire.requests()) == 0 {
			t.Errorf("%s is not what the requests are sent with", what)
		}
		t.suffers(crmfault.Redirect(http.StatusFound, "https://other.example/"))
		t.fails(what+" and a redirect", client)
		t.stayed(what + " and a redirect")
		t.suffers(crmfault.Answer(http.StatusServiceUnavailable, ""))
		t.fails(what+" and a 503", client)
		intact("after calls")
		t.wire.onRequest(nil)
	}
}
