package umnicotest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// get asks and returns status and body.
func get(t *testing.T, fake *umnicotest.Umnico, path, authorization string) (int, string, error) {
	t.Helper()
	return getFrom(t, &http.Client{Transport: fake.Transport(), CheckRedirect: stay}, "https://umnico.example"+path, authorization)
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func getFrom(t *testing.T, client *http.Client, address, authorization string) (int, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", authorization)
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func list(t *testing.T, fake *umnicotest.Umnico) []umnicotest.Status {
	t.Helper()
	status, body, err := get(t, fake, umnicotest.PathStatuses, "bearer "+fake.Token())
	var rows []umnicotest.Status
	if err != nil || status != 200 || json.Unmarshal([]byte(body), &rows) != nil {
		t.Fatalf("list: %d %q %v", status, body, err)
	}
	return rows
}

func TestDefaultListIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("../testdata/statuses.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []umnicotest.Status
	if err := json.Unmarshal(golden, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, list(t, umnicotest.New())); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	good := "bearer " + umnicotest.DefaultToken
	tests := []struct {
		path, authorization string
		status              int
		body                string
	}{
		{umnicotest.PathStatuses, "", 401, `{"error":"Unauthorized"}`},
		{umnicotest.PathStatuses, "bearer x", 401, `{"error":"Unauthorized"}`},
		{umnicotest.PathStatuses, umnicotest.DefaultToken, 401, `{"error":"Unauthorized"}`},
		{umnicotest.PathStatuses, "JWT " + umnicotest.DefaultToken, 401, `{"error":"Unauthorized"}`},
		{umnicotest.PathStatuses + "/", strings.Replace(good, "b", "B", 1), 200, ""},
		{umnicotest.PathAccount, good, 200, `{"account":{"id":100500,"status":"active"}}`},
		{"/v1.3/nothing", good, 404, `{"error":"Not found"}`},
		{"/v1.3/nothing", "", 401, `{"error":"Unauthorized"}`},
	}
	for _, test := range tests {
		status, body, err := get(t, fake, test.path, test.authorization)
		if err != nil || status != test.status || (test.body != "" && strings.TrimSpace(body) != test.body) {
			t.Errorf("%s with %q: %d %q %v, want %d %q", test.path, test.authorization, status, body, err, test.status, test.body)
		}
	}
	if got := fake.Requests(umnicotest.PathStatuses); got != 5 {
		t.Errorf("Requests = %d, want 5: refused ones and a slash count too", got)
	}
	if got := fake.TotalRequests(); got != len(tests) {
		t.Errorf("TotalRequests = %d, want %d", got, len(tests))
	}
}

func TestTokenAndWord(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	ask := func(authorization string) int {
		status, _, err := get(t, fake, umnicotest.PathStatuses, authorization)
		if err != nil {
			t.Error(err)
		}
		return status
	}
	old := fake.Token()
	fake.SetToken("new")
	if ask("bearer "+old) != 401 || ask("bearer new") != 200 {
		t.Error("SetToken does not replace the token")
	}
	fake.SetAuthWord("Bearer")
	if ask("bearer new") != 401 || ask("Bearer new") != 200 {
		t.Error("SetAuthWord does not ask for exactly this word")
	}
	fake.SetAuthWord("-")
	if ask("Bearer new") != 401 || ask("new") != 200 {
		t.Error(`SetAuthWord("-") does not ask for the token alone`)
	}
	fake.SetAuthWord("")
	if ask("BEARER new") != 200 {
		t.Error(`SetAuthWord("") does not accept the usual word`)
	}
}

func TestEditing(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	a, b, c := umnicotest.Status{ID: 1, Name: "a", Order: 1}, umnicotest.Status{ID: 2, Name: "b", Order: 2}, umnicotest.Status{ID: 3, Name: "c", Order: 3}
	given := []umnicotest.Status{c, a, b}
	fake.SetStatuses(given...)
	given[0].Name = "spoilt"
	fake.Statuses()[0].Name = "spoilt"
	if diff := cmp.Diff([]umnicotest.Status{c, a, b}, list(t, fake)); diff != "" {
		t.Errorf("SetStatuses, or it shares memory (-want +got):\n%s", diff)
	}
	check := func(what string, err error, want ...umnicotest.Status) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(want, list(t, fake)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	a.Name = "A"
	check("Rename", fake.Rename(1, "A"), c, a, b)
	b.Color = "red"
	check("Recolor", fake.Recolor(2, "red"), c, a, b)
	c.Order, a.Order, b.Order = 1, 2, 3
	check("Reorder", fake.Reorder(3, 1, 3), c, a, b)
	check("Delete", fake.Delete(1), c, b)
	d := fake.Add("d")
	if d.ID <= 710245 || d.Order != 4 || d.Name != "d" {
		t.Errorf("Add = %+v, want an ID never used and the last order", d)
	}
	check("Add", nil, c, b, d)
	again, err := fake.Recreate(3)
	want := c
	want.ID = d.ID + 1
	if again != want {
		t.Errorf("Recreate = %+v, want %+v", again, want)
	}
	check("Recreate", err, b, d, again)

	_, recreateErr := fake.Recreate(99)
	for what, err := range map[string]error{
		"Rename": fake.Rename(99, ""), "Recolor": fake.Recolor(99, ""), "Delete": fake.Delete(99),
		"Reorder": fake.Reorder(d.ID, 99), "Recreate": recreateErr,
	} {
		if err == nil {
			t.Errorf("%s of a status that is not there: no error", what)
		}
	}
	check("failed edits", nil, b, d, again)

	fake.SetStatuses()
	if _, body, _ := get(t, fake, umnicotest.PathStatuses, "bearer "+fake.Token()); strings.TrimSpace(body) != "[]" {
		t.Errorf("an empty list is %q, want []", body)
	}
	if e := fake.Add("e"); e.ID != again.ID+1 || e.Order != 1 {
		t.Errorf("Add = %+v", e)
	}
	fake.SetTextIDs(true)
	if _, body, _ := get(t, fake, umnicotest.PathStatuses, "bearer "+fake.Token()); !strings.Contains(body, `"id":"7`) {
		t.Errorf("IDs are no texts: %s", body)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	server := umnicotest.NewServer()
	t.Cleanup(server.Close)
	client := server.HTTPClient()
	client.CheckRedirect = stay
	ask := func() (int, string, error) {
		// A connection of its own: net/http asks again by itself on a kept one.
		client.CloseIdleConnections()
		return getFrom(t, client, server.URL+umnicotest.PathStatuses, "bearer "+server.Token())
	}
	_, whole, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	server.Fail(2, crmfault.Answer(500, "oops"))
	server.Fail(1, crmfault.HTML())
	server.Fail(1, umnicotest.RateLimited(1500*time.Millisecond))
	server.Fail(1, crmfault.Redirect(302, "https://elsewhere.example"))
	server.Fail(1, umnicotest.EmptyList())
	server.Fail(1, crmfault.Cut())
	server.Fail(1, crmfault.Delay(time.Millisecond))
	server.Fail(1, crmfault.Fault{})
	for i, want := range []struct {
		status int
		body   string
	}{
		{500, "oops"},
		{500, "oops"},
		{200, "<!DOCTYPE html><html><body>Технические работы</body></html>\n"},
		{429, ""},
		{302, ""},
		{200, "[]"},
		{200, whole[:len(whole)/2]},
		{200, whole},
		{200, whole},
		{200, whole},
	} {
		status, body, err := ask()
		if err != nil || status != want.status || body != want.body {
			t.Errorf("fault %d: %d %q %v, want %d %q", i, status, body, err, want.status, want.body)
		}
	}
	server.Fail(1, umnicotest.Part(2))
	_, body, _ := ask()
	var rows []umnicotest.Status
	if err := json.Unmarshal([]byte(body), &rows); err != nil || len(rows) != 2 {
		t.Errorf("Part(2): %d rows, %v", len(rows), err)
	}
	server.Fail(1, crmfault.Drop())
	if _, _, err := ask(); err == nil {
		t.Error("Drop: an answer came")
	}
	server.Fail(1, crmfault.CutConnection())
	if _, body, err := ask(); !errors.Is(err, io.ErrUnexpectedEOF) || body != whole[:len(whole)/2] {
		t.Errorf("CutConnection: %d bytes, %v", len(body), err)
	}
	server.Fail(-1, crmfault.Answer(503, ""))
	for range 3 {
		if status, _, _ := ask(); status != 503 {
			t.Errorf("Fail(-1): %d, want 503 each time", status)
		}
	}
	server.Recover()
	if status, _, err := ask(); status != 200 {
		t.Errorf("after Recover: %d, %v", status, err)
	}
}

func TestRateLimitedSaysHowLong(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.Fail(1, umnicotest.RateLimited(1500*time.Millisecond))
	fake.Fail(1, umnicotest.RateLimited(0))
	for _, want := range []string{"2", ""} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://umnico.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := fake.Transport().RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := response.Header.Get("Retry-After"); got != want {
			t.Errorf("Retry-After = %q, want %q", got, want)
		}
	}
}

func TestTransportNeedsNoNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := umnicotest.New()
		fake.Fail(1, crmfault.Delay(time.Hour))
		start := time.Now()
		list(t, fake)
		if took := time.Since(start); took != time.Hour {
			t.Errorf("Delay(1h) took %v of the fake clock", took)
		}
		fake.Fail(1, crmfault.Drop())
		if _, _, err := get(t, fake, "/", ""); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Drop: %v, want io.ErrUnexpectedEOF", err)
		}
		fake.Hold()
		client := &http.Client{Transport: fake.Transport(), Timeout: time.Minute}
		if _, _, err := getFrom(t, client, "https://umnico.example/", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a held request ended with %v, want its context's error", err)
		}
	})
}

func TestHold(t *testing.T) {
	t.Parallel()
	server := umnicotest.NewServer()
	t.Cleanup(server.Close)
	first, second := server.Hold(), server.Hold()
	done := make(chan int, 2)
	ask := func() {
		status, _, err := getFrom(t, server.HTTPClient(), server.URL+umnicotest.PathStatuses, "bearer "+server.Token())
		if err != nil {
			t.Error(err)
		}
		done <- status
	}
	go ask()
	if err := server.WaitRequests(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	first()
	first()
	select {
	case <-done:
		t.Error("a request held twice went on after one release")
	default:
	}
	second()
	if status := <-done; status != 200 {
		t.Errorf("status = %d", status)
	}
	server.Hold()
	go ask()
	if err := server.WaitRequests(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	server.Close() // lets it go on
	if status := <-done; status != 200 {
		t.Errorf("status = %d", status)
	}
	server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.WaitRequests(ctx, 99); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitRequests = %v, want context.Canceled", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				status := fake.Add("x")
				if err := fake.Rename(status.ID, "y"); err != nil {
					t.Error(err)
				}
				list(t, fake)
				if err := fake.Delete(status.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(umnicotest.DefaultStatuses(), fake.Statuses()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}
