package crmhttp_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

func TestShapeOfTheAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, media, body string
		good              bool
		says              string
	}{
		{"json", "application/json; charset=utf-8", `{"a":1}`, true, ""},
		{"text/json", "text/json", `{"a":1}`, true, ""},
		{"+json", "application/problem+json", `{"a":1}`, true, ""},
		{"no media type", "", `{"a":1}`, true, ""},
		{"broken media type", "a/b/c;;", `{"a":1}`, true, ""},
		{"text/plain", "text/plain", `{"a":1}`, true, ""},
		{"byte order mark", "application/json", "\uFEFF{\"a\":1}\r\n", true, ""},
		{"unknown fields", "application/json", `{"a":1,"b":[{}]}`, true, ""},
		{"html", "text/html; charset=utf-8", `<!DOCTYPE html>`, false, "HTML"},
		{"html that says json", "application/json", "\r\n <html>", false, "HTML"},
		{"html without type", "", `<html>`, false, "HTML"},
		{"json that says html", "text/html", `{"a":1}`, false, "HTML"},
		{"empty", "application/json", "", false, "empty"},
		{"blank", "application/json", " \r\n", false, "empty"},
		{"null", "application/json", " null\n", false, "null"},
		{"cut", "application/json", `{"a":1`, false, "at byte 6 of 6"},
		{"cut in a text", "application/json", `{"a":"secre`, false, "at byte 11 of 11"},
		{"garbage behind", "application/json", `{"a":1}{"a":2}`, false, "at byte 8 of 14"},
		{"warning in front", "application/json", `Warning: {"a":1}`, false, "at byte 1 of"},
		{"other form", "application/json", `{"a":"secret"}`, false, "string in the field a"},
		{"number of other form", "application/json", `{"a":123456.7}`, false, "number in the field a"},
		{"array", "application/json", `[1]`, false, "array at the top"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := over(t, func(*http.Request) (*http.Response, error) {
				return reply(200, test.body, "Content-Type", test.media), nil
			}, crmhttp.Options{})
			var into struct {
				A int `json:"a"`
			}
			err := client.GetJSON(t.Context(), "list", "/v1/list", nil, &into)
			if test.good {
				if err != nil || into.A != 1 {
					t.Errorf("got %v, %v", into, err)
				}
				return
			}
			e := detail(t, err, crm.ErrBadResponse)
			if e.Status != 200 || !strings.Contains(e.Message, test.says) {
				t.Errorf("error = %v, want it to say %q", err, test.says)
			}
			noSecret(t, err, "secre", "123456")
		})
	}
}

func TestNoContentIsNoJSON(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, crmhttp.Options{})
	response, err := client.Do(t.Context(), crmhttp.Request{Op: "list", Method: "DELETE"})
	if err != nil || response.Status != 204 || len(response.Body) != 0 {
		t.Errorf("Do = %v, %v", response, err)
	}
	wantKind(t, list(t.Context(), client), crm.ErrBadResponse)
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBodyIsLimitedAfterDecompression(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return `"` + strings.Repeat("a", n-2) + `"` }
	for _, compressed := range []string{"no", "by the transport", "by us"} {
		for _, size := range []int{100_000, 100_001} {
			client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				body := []byte(text(size))
				if compressed != "no" {
					w.Header().Set("Content-Encoding", "gzip")
					body = gzipped(t, string(body))
				}
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				_, _ = w.Write(body)
			}, crmhttp.Options{MaxBody: 100_000})
			request := crmhttp.Request{Op: "list"}
			if compressed == "by us" {
				// Asked for by hand, the transport leaves it as it is.
				request.Header = http.Header{"Accept-Encoding": {"gzip"}}
			}
			var got string
			err := client.DoJSON(t.Context(), request, &got)
			if size == 100_000 {
				if err != nil || len(got) != size-2 {
					t.Errorf("compressed %s: %d bytes, %v; want all that the limit allows", compressed, len(got), err)
				}
				continue
			}
			if e := detail(t, err, crm.ErrBadResponse); !strings.Contains(e.Message, "larger than 100000 bytes") {
				t.Errorf("compressed %s: %v", compressed, err)
			}
		}
	}
}

func TestBrokenCompression(t *testing.T) {
	t.Parallel()
	sound := gzipped(t, `{"a":"`+strings.Repeat("xyz ", 1000)+`"}`)
	spoilt := bytes.Clone(sound)
	spoilt[len(spoilt)-5] ^= 0xff // the checksum
	middle := bytes.Clone(sound)
	for i := 12; i < 30; i++ {
		middle[i] = 0xff
	}
	tests := []struct {
		name, encoding string
		body           []byte
		kind           error
	}{
		{"no gzip", "gzip", []byte("plain text that is long enough"), crm.ErrBadResponse},
		{"checksum", "gzip", spoilt, crm.ErrBadResponse},
		{"middle", "gzip", middle, crm.ErrBadResponse},
		{"cut", "gzip", sound[:len(sound)-12], crm.ErrUnavailable},
		{"other", "br", sound, crm.ErrBadResponse},
		{"none", "gzip", nil, crm.ErrBadResponse},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := over(t, func(*http.Request) (*http.Response, error) {
				return reply(200, string(test.body), "Content-Encoding", test.encoding), nil
			}, crmhttp.Options{Attempts: 1})
			wantKind(t, list(t.Context(), client), test.kind)
		})
	}
}

func TestFailureSurvivesItsBody(t *testing.T) {
	t.Parallel()
	huge := over(t, func(*http.Request) (*http.Response, error) {
		return reply(403, strings.Repeat("x", 1<<20)), nil
	}, crmhttp.Options{MaxBody: 1000})
	if e := detail(t, list(t.Context(), huge), crm.ErrForbidden); e.Status != 403 {
		t.Errorf("status = %d", e.Status)
	}
	read := 0
	long := over(t, func(*http.Request) (*http.Response, error) { return reply(403, strings.Repeat("x", 1<<20)), nil }, crmhttp.Options{
		Classify: func(r crmhttp.Response) *crm.Error { read = len(r.Body); return crmhttp.Classify(r) },
	})
	if wantKind(t, list(t.Context(), long), crm.ErrForbidden); read == 0 || read > 100_000 {
		t.Errorf("%d bytes of a failure were read", read)
	}
	for _, encoding := range []string{"br", "gzip"} {
		packed := over(t, func(*http.Request) (*http.Response, error) {
			return reply(403, "not packed like this", "Content-Encoding", encoding), nil
		}, crmhttp.Options{})
		wantKind(t, list(t.Context(), packed), crm.ErrForbidden)
	}
	cut := over(t, func(*http.Request) (*http.Response, error) {
		r := reply(401, "")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("no such"), brokenReader{}))
		return r, nil
	}, crmhttp.Options{})
	wantKind(t, list(t.Context(), cut), crm.ErrUnauthorized)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCutConnectionIsRepeated(t *testing.T) {
	t.Parallel()
	attempts := 0
	client := over(t, func(*http.Request) (*http.Response, error) {
		attempts++
		r := reply(200, `{"a":1}`)
		if attempts == 1 {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"a"`), brokenReader{}))
		}
		return r, nil
	}, crmhttp.Options{})
	if err := list(t.Context(), client); err != nil || attempts != 2 {
		t.Errorf("after %d attempts: %v", attempts, err)
	}
}

func TestLenientValues(t *testing.T) {
	t.Parallel()
	type row struct {
		ID   crmhttp.ID
		Text crmhttp.Text
		Int  crmhttp.Int
	}
	known := func(n int) crmhttp.Int { return crmhttp.Int{Value: n, Known: true} }
	tests := []struct {
		name, body string
		want       row
		bad        bool
	}{
		{"usual", `{"ID":710201,"Text":"ё","Int":3}`, row{"710201", "ё", known(3)}, false},
		{"texts", `{"ID":"710201","Int":" 3 "}`, row{"710201", "", known(3)}, false},
		{"missing", `{}`, row{}, false},
		{"null", `{"ID":null,"Text":null,"Int":null}`, row{}, false},
		{"letters", `{"ID":"C5:NEW"}`, row{ID: "C5:NEW"}, false},
		{"blanks are kept", `{"ID":" 1 "}`, row{ID: " 1 "}, false},
		{"zeros are kept", `{"ID":"007"}`, row{ID: "007"}, false},
		{"escapes", `{"ID":"a\/\u0431","Text":"\"\n"}`, row{ID: "a/б", Text: "\"\n"}, false},
		{"beyond int64", `{"ID":123456789012345678901234567890}`, row{ID: "123456789012345678901234567890"}, false},
		{"negative", `{"ID":-5,"Int":-5}`, row{ID: "-5", Int: known(-5)}, false},
		{"number and truth as text", `{"Text":17.50}`, row{Text: "17.50"}, false},
		{"truth as text", `{"Text":true}`, row{Text: "true"}, false},
		{"object as text", `{"Text":{"a":1}}`, row{}, false},
		{"fraction of zero", `{"Int":3.0}`, row{Int: known(3)}, false},
		{"exponent", `{"Int":1e3}`, row{Int: known(1000)}, false},
		{"fraction", `{"Int":3.5}`, row{}, false},
		{"beyond int", `{"Int":1e300}`, row{}, false},
		{"no number", `{"Int":"first"}`, row{}, false},
		{"truth as int", `{"Int":true}`, row{}, false},
		{"object as int", `{"Int":{}}`, row{}, false},
		{"ID 1.0", `{"ID":1.0}`, row{}, true},
		{"ID 1e3", `{"ID":1e3}`, row{}, true},
		{"ID -0", `{"ID":-0}`, row{}, true},
		{"ID true", `{"ID":true}`, row{}, true},
		{"ID object", `{"ID":{}}`, row{}, true},
		{"ID array", `{"ID":[1]}`, row{}, true},
		{"ID not UTF-8", "{\"ID\":\"a\xff\"}", row{}, true},
		{"ID half a pair", `{"ID":"\ud800"}`, row{}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got row
			err := json.Unmarshal([]byte(test.body), &got)
			if (err != nil) != test.bad {
				t.Fatalf("error = %v, want one = %v", err, test.bad)
			}
			if diff := cmp.Diff(test.want, got); err == nil && diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzValues(f *testing.F) {
	for _, seed := range []string{`1`, `"1"`, `null`, `1.5`, `"\ud800"`, `{}`, `[]`, `true`, `-0`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var id crmhttp.ID
		if json.Unmarshal(data, &id) == nil && id != "" {
			// One identifier has one text: written again it is the same.
			again, err := json.Marshal(string(id))
			var second crmhttp.ID
			if err != nil || json.Unmarshal(again, &second) != nil || second != id {
				t.Errorf("%s gives %q, which gives %q", data, id, second)
			}
		}
		var text crmhttp.Text
		var number crmhttp.Int
		if json.Valid(data) && (json.Unmarshal(data, &text) != nil || json.Unmarshal(data, &number) != nil) {
			t.Errorf("%s is an error; one odd field must not spoil a list", data)
		}
	})
}
