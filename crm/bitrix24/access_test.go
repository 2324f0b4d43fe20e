package bitrix24_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// hosts answers for all hosts, and keeps what was sent.
type hosts struct {
	mu     sync.Mutex
	got    []string // host, method, path and body
	answer func(r *http.Request) *http.Response
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, r.URL.Scheme+"://"+r.URL.Host+" "+r.Method+" "+r.URL.Path+" "+string(body))
	response := h.answer(r)
	response.Request = r
	return response, nil
}

func (h *hosts) sent() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

// names keeps the names that Renamed tells of.
type names struct {
	mu  sync.Mutex
	got []string
}

func (n *names) add(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, host)
}

// renamed returns a client whose portal is at its old host redirected to the
// location.
func renamed(t *testing.T, status int, location string, trusted ...string) (*bitrix24.Client, *hosts, *names) {
	t.Helper()
	told := new(names)
	h := &hosts{answer: func(r *http.Request) *http.Response {
		if r.URL.Host != "b24.example.com" {
			return said(200, `{"result":"да"}`)
		}
		response := said(status, "")
		response.Header.Set("Location", location)
		return response
	}}
	return mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: h}, Hosts: trusted, Renamed: told.add}), h, told
}

func TestRenamedPortalIsFollowed(t *testing.T) {
	t.Parallel()
	const path = "/rest/17/" + secret + "/"
	call := bitrix24.Call{Method: "crm.item.update", Params: bitrix24.Params{"fields": bitrix24.Params{"title": "Новое имя"}}}
	for name, test := range map[string]struct {
		status   int
		location string
		trusted  []string
		host     string
	}{
		"as documented":       {302, "https://new.bitrix24.com" + path + "crm.item.update", nil, "new.bitrix24.com"},
		"for ever":            {301, "https://new.bitrix24.ru/", nil, "new.bitrix24.ru"},
		"keeping the method":  {307, "https://new.bitrix24.com.br", nil, "new.bitrix24.com.br"},
		"both":                {308, "https://NEW.Bitrix24.EU:443" + path + "x", nil, "new.bitrix24.eu"},
		"another path":        {302, "https://new.bitrix24.com/evil/path?auth=1", nil, "new.bitrix24.com"},
		"a host that is ours": {302, "https://crm.example.org/", []string{"a.example.org", "CRM.example.org"}, "crm.example.org"},
		"with a port":         {302, "https://crm.example.org:8443/", []string{"crm.example.org:8443"}, "crm.example.org:8443"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, h, told := renamed(t, test.status, test.location, test.trusted...)
			const what = path + `crm.item.update {"fields":{"title":"Новое имя"}}`
			for _, want := range [][]string{
				{"https://b24.example.com POST " + what, "https://" + test.host + " POST " + what},
				{"https://" + test.host + " POST " + what}, // it is remembered
			} {
				result, err := client.Call(t.Context(), call)
				if err != nil || string(result.Value) != `"да"` {
					t.Fatalf("result %s, %v", result.Value, err)
				}
				if diff := cmp.Diff(want, h.sent()); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff([]string{test.host}, told.got); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	type redirect struct {
		status   int
		location string
		trusted  []string
	}
	tests := map[string]redirect{
		"another's host":            {302, "https://evil.example/rest/17/" + secret + "/profile", nil},
		"in the clear":              {302, "http://new.bitrix24.com/", nil},
		"in the clear to ours":      {302, "http://crm.example.org/", []string{"crm.example.org"}},
		"another scheme":            {302, "ftp://new.bitrix24.com/", nil},
		"user in front":             {302, "https://me@new.bitrix24.com/", nil},
		"user and password":         {302, "https://new.bitrix24.com:x@evil.example/", nil},
		"user in front of ours":     {302, "https://me:a@crm.example.org/", []string{"crm.example.org"}},
		"domain in front":           {302, "https://bitrix24.com.evil.example/", nil},
		"domain in the middle":      {302, "https://new.bitrix24.com.evil.example/", nil},
		"domain's end":              {302, "https://new.evilbitrix24.com/", nil},
		"domain itself":             {302, "https://bitrix24.com/", nil},
		"too deep":                  {302, "https://a.b.bitrix24.com/", nil},
		"dot behind":                {302, "https://new.bitrix24.com./", nil},
		"unknown domain":            {302, "https://new.bitrix24.evil/", nil},
		"like ours":                 {302, "https://evil.crm.example.org/", []string{"crm.example.org"}},
		"other port":                {302, "https://crm.example.org:8444/", []string{"crm.example.org:8443"}},
		"no scheme":                 {302, "//new.bitrix24.com/", nil},
		"a path":                    {302, "/auth/?login=yes", nil},
		"nothing":                   {302, "", nil},
		"the same host":             {302, "https://b24.example.com/auth/", []string{"b24.example.com"}},
		"the same host with a port": {302, "https://B24.example.com:443/auth/", []string{"b24.example.com"}},
		"see other":                 {303, "https://new.bitrix24.com/", nil},
		"choices":                   {300, "https://new.bitrix24.com/", nil},
		"not modified":              {304, "https://new.bitrix24.com/", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, h, told := renamed(t, test.status, test.location, test.trusted...)
			for range 2 {
				_, err := client.Call(t.Context(), bitrix24.Call{Method: "profile", Idempotent: true})
				e := kindAndText(t, err, crm.ErrBadResponse)
				if e.Status != test.status || e.Op != "profile" || strings.Contains(err.Error(), secret) {
					t.Errorf("error = %v", err)
				}
				if sent := h.sent(); len(sent) != 1 || !strings.HasPrefix(sent[0], "https://b24.example.com ") {
					t.Errorf("sent %v", sent)
				}
			}
			if len(told.got) != 0 {
				t.Errorf("told of %v", told.got)
			}
		})
	}
}

// net/http itself refuses such an answer, and its error repeats the location.
func TestBrokenLocationShowsNoSecret(t *testing.T) {
	t.Parallel()
	client, _, _ := renamed(t, 302, "https://new.bitrix24.com%zz/rest/17/"+secret+"/profile")
	_, err := client.Call(t.Context(), bitrix24.Call{Method: "profile"})
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("error = %v", err)
	}
}

func TestManyCallsFindThePortalRenamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		portal, told := bitrix24test.New(), new(names)
		portal.SetLatency(10*time.Millisecond, 0)
		client, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{
			HTTPClient: portal.HTTPClient(), Limiter: bitrix24.NewNoLimiter(), Renamed: told.add,
		})
		if err != nil {
			t.Fatal(err)
		}
		listed := func(account ...string) {
			t.Helper()
			listing, err := client.ListStatuses(t.Context())
			if err != nil || len(listing.Statuses) == 0 {
				t.Fatalf("%d statuses, %v", len(listing.Statuses), err)
			}
			if diff := cmp.Diff(account, listing.Account); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
		}
		listed("b24.example.com")
		portal.RenamePortal("first.bitrix24.ru")
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				var err error
				if i%2 == 0 {
					_, err = client.Call(t.Context(), bitrix24.Call{Method: "profile"})
				} else {
					_, err = client.Batch(t.Context(), false, bitrix24.Call{Method: "profile"})
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		listed("b24.example.com", "first.bitrix24.ru")
		portal.RenamePortal("second.bitrix24.kz")
		listed("b24.example.com", "first.bitrix24.ru", "second.bitrix24.kz")
		portal.RenamePortal("first.bitrix24.ru") // it got its name back
		listed("b24.example.com", "first.bitrix24.ru", "second.bitrix24.kz")
		if diff := cmp.Diff([]string{"first.bitrix24.ru", "second.bitrix24.kz", "first.bitrix24.ru"}, told.got); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestRenamesEnd(t *testing.T) {
	t.Parallel()
	next := map[string]string{
		"b24.example.com": "1.bitrix24.com", "1.bitrix24.com": "2.bitrix24.com", "2.bitrix24.com": "3.bitrix24.com", // and there it is
		"4.bitrix24.com": "5.bitrix24.com", "5.bitrix24.com": "4.bitrix24.com",
	}
	h := &hosts{answer: func(r *http.Request) *http.Response {
		to, moved := next[r.URL.Host]
		if !moved {
			return said(200, `{"result":1}`)
		}
		response := said(302, "")
		response.Header.Set("Location", "https://"+to+"/")
		return response
	}}
	client := mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: h}})
	if _, err := client.Call(t.Context(), bitrix24.Call{Method: "profile"}); err != nil {
		t.Fatal(err)
	}
	if got := len(h.sent()); got != 4 {
		t.Errorf("%d requests", got)
	}
	// From there in a circle.
	h.mu.Lock()
	next["3.bitrix24.com"] = "4.bitrix24.com"
	h.mu.Unlock()
	_, err := client.Call(t.Context(), bitrix24.Call{Method: "profile", Idempotent: true})
	if wantError(t, err, crm.ErrBadResponse, "renamed"); len(h.sent()) != 4 {
		t.Error("it goes in a circle for another number of requests")
	}
}

// What breaks down at the new host is repeated there, as at the old one.
func TestRenamedPortalBreaksDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, h, _ := renamed(t, 302, "https://new.bitrix24.com/")
		first := h.answer
		broken := 0
		h.answer = func(r *http.Request) *http.Response {
			if r.URL.Host == "new.bitrix24.com" && broken < 2 {
				broken++
				return said(502, "")
			}
			return first(r)
		}
		if _, err := client.Call(t.Context(), bitrix24.Call{Method: "profile", Idempotent: true}); err != nil {
			t.Fatal(err)
		}
		var at []string
		for _, sent := range h.sent() {
			host, _, _ := strings.Cut(strings.TrimPrefix(sent, "https://"), ".")
			at = append(at, host)
		}
		if got := strings.Join(at, " "); got != "b24 new new new" {
			t.Errorf("sent to %s", got)
		}
	})
}

// One call may meet both.
func TestRenamedPortalRefusesTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := new(names)
		s := install(t, func(_ *bitrix24.App, _ *bitrix24.Token, opts *bitrix24.Options) { opts.Renamed = told.add })
		s.portal.RenamePortal("new.bitrix24.ru")
		s.portal.ExpireTokens()
		s.good(t)
		s.good(t)
		if s.portal.Refreshes() != 1 || len(told.got) != 1 || told.got[0] != "new.bitrix24.ru" {
			t.Errorf("%d refreshes, told of %v", s.portal.Refreshes(), told.got)
		}
		if got := s.kept(); len(got) != 1 || got[0].ClientEndpoint != "https://new.bitrix24.ru/rest/" {
			t.Errorf("saved %v", got)
		}
	})
}

func TestRenamedPortalOverTheNetwork(t *testing.T) {
	t.Parallel()
	server := bitrix24test.NewTLSServer()
	defer server.Close()
	told := new(names)
	opts := &bitrix24.Options{HTTPClient: server.HTTPClient(), Limiter: bitrix24.NewNoLimiter(), Renamed: told.add}
	strict, err := bitrix24.New(server.Webhook(), opts)
	if err != nil {
		t.Fatal(err)
	}
	opts.Hosts = []string{server.OtherHost()}
	client, err := bitrix24.New(server.Webhook(), opts)
	if err != nil {
		t.Fatal(err)
	}
	opts.Hosts[0] = "" // New copied it
	server.RenamePortal(server.OtherHost())
	for range 2 {
		listing, err := client.ListStatuses(t.Context())
		if err != nil || len(listing.Account) != 2 {
			t.Fatalf("%v, %v", listing.Account, err)
		}
	}
	if diff := cmp.Diff([]string{server.OtherHost()}, told.got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	_, err = strict.ListStatuses(t.Context())
	wantError(t, err, crm.ErrBadResponse, "renamed")
}

// A redirect and a refusal that come when others have dealt with them already.
func TestAnswersThatComeLate(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(*http.Request) *http.Response{
		"redirect": func(*http.Request) *http.Response {
			response := said(302, "")
			response.Header.Set("Location", "https://new.bitrix24.ru/")
			return response
		},
		"refusal": func(*http.Request) *http.Response { return said(401, `{"error":"expired_token"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				told := new(names)
				s := install(t, func(_ *bitrix24.App, _ *bitrix24.Token, opts *bitrix24.Options) { opts.Renamed = told.add })
				s.portal.RenamePortal("new.bitrix24.ru")
				s.portal.ExpireTokens()
				s.answers(func(_ string, r *http.Request) *http.Response {
					s.answers(nil)
					s.good(t) // finds the new host and gets a new token
					return late(r)
				})
				s.good(t)
				s.good(t)
				const want = "profile profile profile token save profile profile profile"
				if got := s.happened(); got != want {
					t.Errorf("it went %q, want %q", got, want)
				}
				if s.portal.Refreshes() != 1 || len(told.got) != 1 {
					t.Errorf("%d refreshes, told of %v", s.portal.Refreshes(), told.got)
				}
			})
		})
	}
}
