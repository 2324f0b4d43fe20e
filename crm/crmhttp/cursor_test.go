package crmhttp_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

type member struct{ Name, Value string }

func members(data string) []member {
	var all []member
	cursor := crmhttp.NewCursor([]byte(data))
	for name := range cursor.Members() {
		all = append(all, member{string(name), string(cursor.Value())})
	}
	return all
}

func elements(data string) []string {
	var all []string
	cursor := crmhttp.NewCursor([]byte(data))
	for i := range cursor.Elements() {
		if i != len(all) {
			panic("elements are numbered from 0 on")
		}
		all = append(all, string(cursor.Value()))
	}
	return all
}

func TestMembers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		data string
		want []member
	}{
		{`{}`, nil},
		{" {\n} ", nil},
		{`[1]`, nil},
		{`"{}"`, nil},
		{`17`, nil},
		{``, nil},
		{`{"a":1}`, []member{{"a", "1"}}},
		{" { \"a\" :\t1 , \"b\" : true } ", []member{{"a", "1"}, {"b", "true"}}},
		{`{"z":null,"a":{"b":[1,{"c":"}"}]},"l":[]}`, []member{{"z", "null"}, {"a", `{"b":[1,{"c":"}"}]}`}, {"l", "[]"}}},
		{`{"a":"x\"y","b\"c":"\\","\u0416":"\\\""}`, []member{{"a", `"x\"y"`}, {`b"c`, `"\\"`}, {"Ж", `"\\\""`}}},
		{`{"a":1,"a":2}`, []member{{"a", "1"}, {"a", "2"}}},
		{"{\"\xd9\":1}", []member{{"\uFFFD", "1"}}},
		{`{"":-1.5e3}`, []member{{"", "-1.5e3"}}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, members(test.data)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.data, diff)
		}
	}
}

func TestElements(t *testing.T) {
	t.Parallel()
	tests := []struct {
		data string
		want []string
	}{
		{`[]`, nil},
		{` [ ] `, nil},
		{`{"a":1}`, nil},
		{`[1]`, []string{"1"}},
		{" [ 1 ,\n\"a,]\" , [2,[3]] , {\"b\":\"]\"} , null ] ", []string{"1", `"a,]"`, "[2,[3]]", `{"b":"]"}`, "null"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, elements(test.data)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.data, diff)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	client := mustNew(t, "https://crm.example", nil)
	cursor, err := client.JSON("list", crmhttp.Response{Status: 200, Body: []byte("\uFEFF {\"a\": 1}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if body := cursor.Value(); string(body) != `{"a": 1}` {
		t.Errorf("body %q", body)
	}
	for body, says := range map[string]string{
		"":              "empty",
		"null":          "null",
		"<html></html>": "HTML",
		`{"a": 1`:       "broken or cut JSON (at byte 7 of 7)",
		`{"a": 1} x`:    "broken or cut JSON (at byte 10 of 10)",
	} {
		_, err := client.JSON("list", crmhttp.Response{Status: 200, Body: []byte(body)})
		if e := detail(t, err, crm.ErrBadResponse); !strings.Contains(e.Message, says) || e.Status != 200 {
			t.Errorf("%q: error = %v, want it to say %q", body, err, says)
		}
	}
}

// What a loop does not read is left out, at any depth, and what it reads is read
// once.
func TestCursorLeavesOutWhatIsNotRead(t *testing.T) {
	t.Parallel()
	cursor := crmhttp.NewCursor([]byte(` {"skip":{"a":[1,2]}, "rows":[ {"id":1,"x":"}"}, 7, [], {"id":2} ], "empty":[], "last":"z"} `))
	var got []string
	for name := range cursor.Members() {
		switch string(name) {
		case "rows":
			for range cursor.Elements() {
				for name := range cursor.Members() { // of 7 and [] there are none
					if string(name) == "id" {
						got = append(got, string(cursor.Value()))
					}
				}
			}
		case "empty":
			for range cursor.Elements() {
				t.Error("an empty array has an element")
			}
		case "last":
			if kind := cursor.Kind(); kind != '"' {
				t.Errorf("Kind() = %q", kind)
			}
			got = append(got, string(cursor.Value()))
		}
	}
	if diff := cmp.Diff([]string{"1", "2", `"z"`}, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if kind, rest := cursor.Kind(), cursor.Value(); kind != 0 || len(rest) != 0 {
		t.Errorf("at the end: %q, %q", kind, rest)
	}
}

// FuzzCursor compares with encoding/json, and lets both loose on what is not
// valid, where they may say anything but have to end.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"b":[1,"\\"]},"c":"\""}`, `[1,[2,{"x":"]"}],"é\u0000"]`, ` { } `, `{"a" : 1 , "b":2}`, `"x"`, `{"a"`, `[1,`, `{"a":"\`, `{1:2}`, `[[[`, `]`, "{\"\xd9\":\"\"}", `{"000000`, `{"a":`, `{"a":1,`, `{`, `[`, `[1`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string]string{}
		cursor := crmhttp.NewCursor(data)
		for name := range cursor.Members() {
			got[string(name)] = string(cursor.Value())
		}
		list := elements(string(data))
		if !json.Valid(data) {
			return
		}
		want := map[string]string{}
		var object map[string]json.RawMessage
		if json.Unmarshal(data, &object) == nil {
			for name, value := range object {
				want[name] = string(value)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("members of %q (-want +got):\n%s", data, diff)
		}
		var array []json.RawMessage
		_ = json.Unmarshal(data, &array)
		var wantList []string
		for _, value := range array {
			wantList = append(wantList, string(value))
		}
		if diff := cmp.Diff(wantList, list); diff != "" {
			t.Errorf("elements of %q (-want +got):\n%s", data, diff)
		}
	})
}
