package bitrix24_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jarcoal/httpmock"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
)

// pager answers the first batch with the golden first page, and later ones with
// what it is given for each command.
func pager(t *testing.T, first string, later func(request int, start string) string) (client *bitrix24.Client, requests *int) {
	t.Helper()
	requests = new(int)
	return mocked(t, func(r *http.Request) (*http.Response, error) {
		commands := asked(t, r)
		*requests++
		parts := map[string]string{}
		for key, command := range commands {
			switch method, query, _ := strings.Cut(command, "?"); {
			case method == "crm.settings.mode.get":
				parts[key] = "settings_mode_get_classic.json"
			case method == "crm.status.entity.types":
				parts[key] = "status_entity_types.json"
			case method == "crm.category.list":
				parts[key] = "category_list.json"
			case key == "statuses":
				parts[key] = first
			default:
				_, start, _ := strings.Cut(query, "start=")
				if answer := later(*requests, start); answer != "" {
					parts[key] = answer
				}
			}
		}
		return httpmock.NewStringResponse(200, batched(t, parts)), nil
	}, bitrix24.Everything), requests
}

func TestGoldenPages(t *testing.T) {
	t.Parallel()
	whole, err := mocked(t, httpmock.NewStringResponder(200, golden(t, "batch_statuses.json")), bitrix24.Everything).ListStatuses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, requests := pager(t, "status_list_page1.json", func(_ int, start string) string {
		if start != "50" {
			t.Errorf("asked from row %s on, want 50", start)
		}
		return "status_list_page2.json"
	})
	got, err := client.ListStatuses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole, got); diff != "" {
		t.Errorf("a list in pages is not the same (-whole +pages):\n%s", diff)
	}
	if *requests != 2 {
		t.Errorf("%d requests, want 2", *requests)
	}
}

// rowsJSON is a page of rows numbered from..to-1.
func rowsJSON(from, to int, rest string) string {
	rows := make([]map[string]any, 0, to-from)
	for i := from; i < to; i++ {
		rows = append(rows, map[string]any{"ID": fmt.Sprint(i), "ENTITY_ID": "STATUS", "STATUS_ID": fmt.Sprintf("UC_%d", i)})
	}
	text, err := json.Marshal(rows)
	if err != nil {
		panic(err)
	}
	return `{"result":` + string(text) + rest + `}`
}

// All further pages come with one request, as far as a batch holds them.
func TestManyPages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ total, requests int }{{51, 2}, {100, 2}, {2550, 2}, {2551, 3}, {6000, 4}} {
		page := func(start int) string {
			end := min(start+50, test.total)
			rest := fmt.Sprintf(`,"total":%d`, test.total)
			if end < test.total {
				rest += fmt.Sprintf(`,"next":%d`, end)
			}
			return rowsJSON(start, end, rest)
		}
		client, requests := pager(t, page(0), func(_ int, start string) string {
			var at int
			if _, err := fmt.Sscan(start, &at); err != nil {
				t.Error(err)
			}
			return page(at)
		})
		got, err := client.ListStatuses(t.Context())
		if err != nil {
			t.Fatalf("%d rows: %v", test.total, err)
		}
		if len(got.Statuses) != test.total || *requests != test.requests {
			t.Errorf("%d rows: got %d in %d requests, want %d requests", test.total, len(got.Statuses), *requests, test.requests)
		}
	}
}

func TestPagesThatAreNoWhole(t *testing.T) {
	t.Parallel()
	first := rowsJSON(0, 50, `,"total":120,"next":50`)
	tests := []struct {
		name  string
		first string
		later func(request int, start string) string
		kind  error
		says  string
	}{
		{"a page is missing", first, func(_ int, start string) string {
			if start == "100" {
				return ""
			}
			return rowsJSON(50, 100, `,"total":120,"next":100`)
		}, crm.ErrBadResponse, "no answer to crm.status.list"},
		{"a page failed", first, func(_ int, start string) string {
			if start == "100" {
				return "error_operation_time_limit.json"
			}
			return rowsJSON(50, 100, `,"total":120,"next":100`)
		}, crm.ErrRateLimited, "crm.status.list"},
		{"a page is empty", first, func(_ int, start string) string {
			if start == "100" {
				return `{"result":[],"total":120}`
			}
			return rowsJSON(50, 100, `,"total":120,"next":100`)
		}, crm.ErrIncomplete, "announced 120 statuses and showed 100"},
		{"a page lacks a row", first, func(_ int, start string) string {
			if start == "100" {
				return rowsJSON(101, 120, `,"total":120`)
			}
			return rowsJSON(50, 100, `,"total":120,"next":100`)
		}, crm.ErrIncomplete, "announced 120 statuses and showed 119"},
		{"the first page for ever", first, func(int, string) string {
			return first
		}, crm.ErrIncomplete, "announced 120 statuses and showed 50"},
		{"somebody deleted a row meanwhile", first, func(_ int, start string) string {
			if start == "100" {
				return rowsJSON(101, 120, `,"total":119`)
			}
			return rowsJSON(51, 101, `,"total":119,"next":100`)
		}, crm.ErrIncomplete, "changed while it was read"},
		{"no next although there is more", rowsJSON(0, 50, `,"total":120`), nil, crm.ErrIncomplete, "announced 120 statuses and showed 50"},
		{"next is behind the end", rowsJSON(0, 50, `,"total":120,"next":120`), nil, crm.ErrIncomplete, "showed 50"},
		{"next is before the start", rowsJSON(0, 50, `,"total":120,"next":-50`), nil, crm.ErrIncomplete, "showed 50"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, requests := pager(t, test.first, test.later)
			got, err := client.ListStatuses(t.Context())
			wantKind(t, err, test.kind)
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("error = %v, want it to say %q", err, test.says)
			}
			if diff := cmp.Diff(crm.Listing{}, got); diff != "" {
				t.Errorf("a failed call returned a listing (-want +got):\n%s", diff)
			}
			if *requests > 3 {
				t.Errorf("%d requests: it goes round in a circle", *requests)
			}
		})
	}
}

// A page that moved by a row repeats one; each is there once, in its last form.
func TestPagesThatOverlap(t *testing.T) {
	t.Parallel()
	first := rowsJSON(0, 50, `,"total":60,"next":50`)
	client, _ := pager(t, first, func(int, string) string {
		return strings.Replace(rowsJSON(49, 60, `,"total":60`), `"STATUS_ID":"UC_49"`, `"STATUS_ID":"UC_49","NAME":"renamed"`, 1)
	})
	got, err := client.ListStatuses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Statuses) != 60 || got.Statuses[49].Name != "renamed" {
		t.Errorf("%d statuses, the 50th is %+v", len(got.Statuses), got.Statuses[49])
	}
}
