package bitrix24

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// FuzzToken checks that what is read can be kept and read again, and that nothing
// of it is shown.
func FuzzToken(f *testing.F) {
	addGolden(f, "oauth_*.json")
	for _, seed := range []string{
		`{"access_token":17,"expires":"2026-08-20T11:00:00+03:00"}`, `{"expires":253402300799}`, `{"expires":"9999-12-31T23:59:59.9Z"}`, `{"access_token":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var token, again Token
		if err := json.Unmarshal(data, &token); err != nil {
			return
		}
		kept, err := json.Marshal(token)
		if err != nil {
			t.Fatalf("the token cannot be kept: %v", err)
		}
		if err := json.Unmarshal(kept, &again); err != nil {
			t.Fatalf("what is kept cannot be read: %v", err)
		}
		if !again.Expires.Equal(token.Expires) {
			t.Errorf("expires %v, and kept %v", token.Expires, again.Expires)
		}
		again.Expires = token.Expires
		if again != token {
			t.Error("what is kept is another token")
		}
		if token.check() != nil {
			return
		}
		const mark = "AT-hunter2-"
		token.AccessToken, token.RefreshToken = mark+token.AccessToken, mark+token.RefreshToken
		if text := fmt.Sprintf("%v %+v %#v %q", token, token, []Token{token}, &token); strings.Contains(text, mark) {
			t.Errorf("the token shows itself: %s", text)
		}
	})
}

// FuzzCall checks that an answer is either an error of a kind or valid JSON.
func FuzzCall(f *testing.F) {
	for _, pattern := range []string{"status_*.json", "error_*", "profile.json", "scope.json", "offline_*.json", "event_*.json", "app_info.json"} {
		addGolden(f, pattern)
	}
	client := offline(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		result, err := client.decodeCall("op", "method", crmhttp.Response{Status: 200, Body: data})
		if err != nil {
			var e *crm.Error
			if !errors.As(err, &e) || crm.Kind(err) == nil || e.Op != "op" || result.Value != nil {
				t.Errorf("error = %v, want one with a kind and operation", err)
			}
			return
		}
		if !json.Valid(result.Value) || result.Timing.Method != "method" {
			t.Errorf("result %s", result.Value)
		}
		sound(t, result.Timing)
	})
}

// sound looks at times: spans are never below zero.
func sound(t *testing.T, timing Timing) {
	t.Helper()
	if timing.Duration < 0 || timing.Processing < 0 || timing.Operating < 0 {
		t.Errorf("times %+v", timing)
	}
	if _, err := json.Marshal(timing); err != nil {
		t.Errorf("times that cannot be written: %v", err)
	}
}

// FuzzBatch checks that each call of a batch has a result or an error.
func FuzzBatch(f *testing.F) {
	addGolden(f, "batch_*.json")
	addGolden(f, "error_*")
	f.Add([]byte(`{"result":{"result":{"c0":null,"c1":false},"result_error":{"c2":{"error":""}},"result_time":{"c0":{"duration":1}}}}`))
	client := offline(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		results := make([]Result, 3)
		cs, _, err := newCommands([]Call{{Method: "a"}, {Method: "b"}, {Method: "c"}}, results)
		if err != nil {
			t.Fatal(err)
		}
		said, err := client.decodeBatch(methodBatch, cs, crmhttp.Response{Status: 200, Body: data})
		if err != nil {
			if crm.Kind(err) == nil {
				t.Errorf("error = %v without a kind", err)
			}
			return
		}
		for i, r := range said {
			if r.err != nil && crm.Kind(r.err) == nil {
				t.Errorf("error = %v without a kind", r.err)
			}
			if r.answered != (results[i].Value != nil) || r.answered && !json.Valid(results[i].Value) {
				t.Errorf("result %s, answered %v", results[i].Value, r.answered)
			}
			sound(t, r.timing)
		}
	})
}

// answered answers all requests with the same body.
type answered []byte

func (a answered) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}

func FuzzBoundEvents(f *testing.F) {
	addGolden(f, "event_*.json")
	addGolden(f, "error_event_*.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		client, err := New("https://b24.example.com/rest/17/0a1b2c3d4e5f6g7h/", &Options{
			HTTPClient: &http.Client{Transport: answered(data)}, Attempts: 1, Limiter: NewNoLimiter(),
		})
		if err != nil {
			t.Fatal(err)
		}
		bindings, err := client.BoundEvents(t.Context())
		if err != nil {
			if crm.Kind(err) == nil || bindings != nil {
				t.Errorf("error = %v, bindings %v", err, bindings)
			}
			return
		}
		for _, b := range bindings {
			if b.Event != strings.ToUpper(b.Event) || b.User == "0" {
				t.Errorf("binding %+v", b)
			}
		}
	})
}

// FuzzRename checks that the credentials go to no host but Bitrix24's and those
// that were named, and over HTTPS.
func FuzzRename(f *testing.F) {
	for _, seed := range []string{
		"https://new.bitrix24.com/rest/", "https://evil.example/", "http://new.bitrix24.com", "https://new.bitrix24.com.evil.example", "https://a@new.bitrix24.ru",
		"https://crm.example.org:8443/x", "//new.bitrix24.com", "https://new.bitrix24.com\\@evil.example", "https://new.bitrix24.com#@evil.example", "https:new.bitrix24.com", "https://.BitriX24.CO#", "https://a_b.bitrix24.ru",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		client, err := New("https://b24.example.com/rest/17/0a1b2c3d4e5f6g7h/", &Options{Hosts: []string{"crm.example.org"}})
		if err != nil {
			t.Fatal(err)
		}
		before := client.at()
		err = client.follow("op", before, crmhttp.Response{Status: 302, Header: http.Header{"Location": {location}}})
		if err != nil {
			if client.at() != before || !errors.Is(err, crm.ErrBadResponse) {
				t.Errorf("%q: %v", location, err)
			}
			return
		}
		host := strings.ToLower(client.at().host)
		name, _, _ := strings.Cut(host, ":")
		label, domain, _ := strings.Cut(name, ".")
		ours := strings.HasPrefix(domain, "bitrix24.") && label != ""
		if !ours && name != "crm.example.org" || !strings.HasPrefix(location, "https://") && !strings.HasPrefix(strings.ToLower(location), "https://") {
			t.Errorf("%q is followed to %q", location, host)
		}
	})
}

// FuzzParams checks that texts arrive as they are, and that references are found.
func FuzzParams(f *testing.F) {
	for _, seed := range [][2]string{{"NAME", "Диалог & бот #1"}, {"a", "$result[b]"}, {"$next[", ""}, {"a[b", "c=d&e"}, {"\x00", "\xff"}, {"$time", "[x]"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		query, err := (Params{"fields": Params{name: text}}).query()
		if err != nil {
			t.Fatal(err)
		}
		values, err := url.ParseQuery(query)
		if err != nil || len(values) != 1 || values.Get("fields["+name+"]") != text {
			t.Errorf("%q gives %v, %v", query, values, err)
		}
		found := false
		for _, reference := range references {
			found = found || strings.Contains("fields["+name+"]="+text, reference)
		}
		if refers(query) != found {
			t.Errorf("%q: refers = %v", query, !found)
		}
	})
}
