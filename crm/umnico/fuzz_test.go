package umnico

import (
	"errors"
	"os"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// FuzzStatuses stands behind HTTP: what is above it would make the fuzzer slow
// and blind.
func FuzzStatuses(f *testing.F) {
	golden, err := os.ReadFile("testdata/statuses.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	for _, seed := range []string{
		"[]", "null", "{}", `[{"id":1},{"id":"1"}]`, `[{"id":"a\ud800"}]`, `[null]`, `{"error":"x"}`,
		`[{"id":1,"order":1e3,"color":"#fff","name":null}]`, "[{\"id\":1,\"name\":\"\xff\"}]", "<html>",
	} {
		f.Add([]byte(seed))
	}
	client, err := New("token", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		listing, err := client.listing(crmhttp.Response{Status: 200, Body: data})
		if err != nil {
			var e *crm.Error
			if !errors.As(err, &e) || e.Kind != crm.ErrBadResponse { //nolint:errorlint // the field itself
				t.Errorf("error = %v, want a *crm.Error of kind ErrBadResponse", err)
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
			if status.Outcome != crm.Unknown {
				t.Errorf("an outcome was made up: %+v", status)
			}
		}
	})
}
