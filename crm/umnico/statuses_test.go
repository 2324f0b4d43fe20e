package umnico_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jarcoal/httpmock"

	"github.com/statuslink/statuslink/crm"
)

func row(id, name string, order int, color, kind string) crm.Status {
	return crm.Status{
		Ref: crm.Ref{Source: "umnico", ID: id}, Name: name, Order: order, Color: color,
		Raw: map[string]string{"type": kind},
	}
}

func TestGoldenList(t *testing.T) {
	t.Parallel()
	client := mocked(t, httpmock.NewStringResponder(200, golden(t, "statuses.json")))
	got, err := client.ListStatuses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := crm.Listing{
		Source: "umnico", Account: []string{"100500"},
		Scopes: []crm.Scope{{Name: "Leads"}},
		Statuses: []crm.Status{
			row("710205", "В работе", 2, "#2F80ED", "example_in_work"),
			row("710201", "Первичное касание", 1, "#9E9E9E", "example_new"),
			row("710209", "Счёт «Ромашка» выставлен", 3, "#F2C94C", "example_in_work"),
			row("710214", "Ждём оплату ⏳", 4, "#F2994A", "example_in_work"),
			row("710218", `VIP "золото" 🥇`, 5, "#BB6BD9", "example_in_work"),
			row("710222", "Call back (O'Brien)", 6, "#56CCF2", "example_in_work"),
			row("710227", "Доставка 👨‍👩‍👧 / самовывоз", 7, "#6FCF97", "example_in_work"),
			row("710231", "Оплачено ✅", 8, "#27AE60", "example_done"),
			row("710236", "Отказ: дорого & долго", 9, "#EB5757", "example_done"),
			row("710240", "Спам <не клиент>", 10, "#4F4F4F", "example_done"),
			row("710245", "в работе", 11, "#828282", "example_in_work"),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	ref := func(id string) crm.Ref { return crm.Ref{Source: "umnico", ID: id} }
	tests := []struct {
		name, body string
		want       []crm.Status
	}{
		{"empty list", " [] ", []crm.Status{}},
		{"number and text are one form", `[{"id":"710201"},{"id":710202}]`, []crm.Status{
			{Ref: ref("710201"), Order: 1}, {Ref: ref("710202"), Order: 2},
		}},
		{"beyond a float", `[{"id":9007199254740993}]`, []crm.Status{{Ref: ref("9007199254740993"), Order: 1}}},
		{"unknown fields", `[{"id":1,"order":4,"pipeline":{"id":2},"archived":true}]`, []crm.Status{{Ref: ref("1"), Order: 4}}},
		{"odd fields spoil themselves only", `[{"id":1,"order":"4","name":17,"color":null,"type":{}}]`, []crm.Status{
			{Ref: ref("1"), Order: 4, Name: "17"},
		}},
		{"name is cleaned", `[{"id":1,"order":1,"name":" a\n\u0000b "}]`, []crm.Status{{Ref: ref("1"), Order: 1, Name: "a  b"}}},
		{"long name is cut", `[{"id":1,"order":1,"name":"` + strings.Repeat("Ж", 300) + `"}]`, []crm.Status{
			{Ref: ref("1"), Order: 1, Name: strings.Repeat("Ж", 255)},
		}},
		{"colour in capitals", `[{"id":1,"order":1,"color":"#2f80ed"}]`, []crm.Status{{Ref: ref("1"), Order: 1, Color: "#2F80ED"}}},
		{"colour of another form", `[{"id":1,"order":1,"color":"red","type":"t"}]`, []crm.Status{
			{Ref: ref("1"), Order: 1, Raw: map[string]string{"color": "red", "type": "t"}},
		}},
		{"missing orders come last, as they came", `[{"id":1},{"id":2,"order":7},{"id":3,"order":null},{"id":4,"order":2}]`, []crm.Status{
			{Ref: ref("1"), Order: 8}, {Ref: ref("2"), Order: 7}, {Ref: ref("3"), Order: 9}, {Ref: ref("4"), Order: 2},
		}},
		{"no room after the last order", `[{"id":1},{"id":2,"order":9223372036854775807}]`, []crm.Status{
			{Ref: ref("1"), Order: math.MaxInt}, {Ref: ref("2"), Order: math.MaxInt},
		}},
		{"equal names and orders", `[{"id":1,"name":"a","order":1},{"id":2,"name":"a","order":1}]`, []crm.Status{
			{Ref: ref("1"), Name: "a", Order: 1}, {Ref: ref("2"), Name: "a", Order: 1},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mocked(t, httpmock.NewStringResponder(200, test.body)).ListStatuses(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Statuses); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if err := got.Validate(); err != nil {
				t.Errorf("the listing is not valid: %v", err)
			}
		})
	}
}

func TestAnswersThatAreNoList(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, says string }{
		{"object", `{"statuses":[{"id":1}]}`, "an object instead of a list"},
		{"error object with 200", "\n" + golden(t, "error_422.json"), "an object instead of a list: User 4999 doesn't exist"},
		{"null row", `[{"id":1},null]`, "no ID (row 2)"},
		{"text row", `[{"id":1},"x"]`, "another form"},
		{"missing id", `[{"name":"a"}]`, "no ID (row 1)"},
		{"null id", `[{"id":null}]`, "no ID (row 1)"},
		{"empty id", `[{"id":""}]`, "no ID (row 1)"},
		{"id of another form", `[{"id":{}}]`, "neither a number nor a text"},
		{"id with a fraction", `[{"id":1.5}]`, "not a whole number"},
		{"duplicate id", `[{"id":1},{"id":2},{"id":1}]`, "stands twice"},
		{"duplicate id in two forms", `[{"id":1},{"id":"1"}]`, "stands twice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mocked(t, httpmock.NewStringResponder(200, test.body)).ListStatuses(t.Context())
			wantKind(t, err, crm.ErrBadResponse)
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("error = %v, want it to say %q", err, test.says)
			}
			if diff := cmp.Diff(crm.Listing{}, got); diff != "" {
				t.Errorf("a failed call returned a listing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	outcomes := map[string]crm.Outcome{
		"example_done": crm.Won, "710236": crm.Lost, "710240": crm.Unknown, "example_new": crm.Open, "Оплачено ✅": crm.Lost,
	}
	opts := on(account())
	opts.Outcomes = outcomes
	client := mustNew(t, opts)
	clear(outcomes) // the client has a copy
	listing, err := client.ListStatuses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]crm.Outcome{}
	for _, status := range listing.Statuses {
		if status.Outcome != crm.Unknown {
			got[status.Ref.ID] = status.Outcome
		}
		if status.Raw["type"] == "" {
			t.Errorf("status %v lost its type", status.Ref)
		}
	}
	want := map[string]crm.Outcome{"710201": crm.Open, "710231": crm.Won, "710236": crm.Lost}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
