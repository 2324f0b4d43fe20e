package bitrix24test_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// The portal understands the documented requests about statuses.
func TestGoldenStatusRequests(t *testing.T) {
	t.Parallel()
	portal := bitrix24test.New()
	post := func(method, file string, into any) {
		t.Helper()
		body, err := os.ReadFile(filepath.Join("..", "testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, portal.Webhook()+method, strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := portal.HTTPClient().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: HTTP %d, %v", file, answer.StatusCode, err)
		}
	}
	var list struct {
		Result []struct {
			Directory string `json:"ENTITY_ID"`
			Status    string `json:"STATUS_ID"`
		}
	}
	post("crm.status.list", "request_status_list.json", &list)
	before := len(list.Result)
	for _, row := range list.Result {
		if row.Directory != "DEAL_STAGE_5" {
			t.Errorf("a row of %q", row.Directory)
		}
	}
	var added struct{ Result int }
	post("crm.status.add", "request_status_add.json", &added)
	post("crm.status.list", "request_status_list.json", &list)
	if added.Result <= 0 || before == 0 || len(list.Result) != before+1 {
		t.Errorf("row %d was added: %d rows, then %d", added.Result, before, len(list.Result))
	}
}
