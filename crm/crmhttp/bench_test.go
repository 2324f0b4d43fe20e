package crmhttp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-resty/resty/v2"

	"github.com/statuslink/statuslink/crm/crmhttp"
)

type benchRow struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Order int    `json:"order"`
}

func benchBody(rows int) string {
	var parts []string
	for i := range rows {
		parts = append(parts, fmt.Sprintf(`{"id":%d,"name":"Статус %d","order":%d}`, 710200+i, i, i))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// The transport answers at once, so that what is measured is the client alone.
func BenchmarkCall(b *testing.B) {
	for _, rows := range []int{0, 11, 200} {
		body := benchBody(rows)
		hc := func() *http.Client {
			return &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return reply(200, body), nil })}
		}
		b.Run(fmt.Sprintf("resty/%d", rows), func(b *testing.B) {
			client := resty.NewWithClient(hc()).SetBaseURL("https://crm.example").SetAuthToken("x")
			b.ReportAllocs()
			for b.Loop() {
				var into []benchRow
				if _, err := client.R().SetContext(b.Context()).SetResult(&into).Get("/v1/list"); err != nil || len(into) != rows {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("crmhttp/%d", rows), func(b *testing.B) {
			client, err := crmhttp.New("acme", "https://crm.example", &crmhttp.Options{HTTPClient: hc(), Authorization: "bearer x"})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				var into []benchRow
				if err := client.GetJSON(b.Context(), "list", "/v1/list", nil, &into); err != nil || len(into) != rows {
					b.Fatal(err)
				}
			}
		})
	}
}
