package bitrix24_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// withPipelines returns a portal with n pipelines of deals.
func withPipelines(tb testing.TB, n int) *bitrix24test.Portal {
	tb.Helper()
	portal := bitrix24test.New()
	for _, id := range []int{2, 5} {
		if err := portal.DeletePipeline(id); err != nil {
			tb.Fatal(err)
		}
	}
	for i := 1; i < n; i++ {
		portal.AddPipeline(fmt.Sprintf("Воронка %d", i))
	}
	return portal
}

// recorded answers each request as the portal did when it came first, so that
// the fake's own work is measured once only.
type recorded struct {
	portal http.RoundTripper

	mu      sync.Mutex
	answers map[string][]byte
}

func (r *recorded) RoundTrip(request *http.Request) (*http.Response, error) {
	asked, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	answer, found := r.answers[string(asked)]
	if !found {
		request.Body = io.NopCloser(bytes.NewReader(asked))
		response, err := r.portal.RoundTrip(request)
		if err != nil {
			return nil, err
		}
		defer func() { _ = response.Body.Close() }()
		if answer, err = io.ReadAll(response.Body); err != nil {
			return nil, err
		}
		r.answers[string(asked)] = answer
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: request,
		Body: io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer)),
	}, nil
}

// inThreeBatches reads the same as the client, as others do: a list for each
// pipeline, in batches of fifty, decoded into maps. It returns the number of
// statuses.
func inThreeBatches(tb testing.TB, client *http.Client, portal *bitrix24test.Portal) int {
	tb.Helper()
	lines := []string{"crm.settings.mode.get", "crm.status.entity.types", "crm.category.list?entityTypeId=2"}
	list := func(scope string) {
		lines = append(lines, "crm.status.list?"+url.Values{"filter[ENTITY_ID]": {scope}}.Encode())
	}
	list("STATUS")
	for _, pipeline := range portal.Pipelines() {
		if pipeline.TypeID == 2 {
			list(pipeline.Scope())
		}
	}
	statuses := 0
	for start := 0; start < len(lines); start += 50 {
		commands := map[string]string{}
		for i, line := range lines[start:min(start+50, len(lines))] {
			commands[fmt.Sprintf("c%02d", i)] = line
		}
		body, err := json.Marshal(map[string]any{"halt": 0, "cmd": commands})
		if err != nil {
			tb.Fatal(err)
		}
		request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, portal.Webhook()+"batch", bytes.NewReader(body))
		if err != nil {
			tb.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			tb.Fatal(err)
		}
		var answer map[string]any
		err = json.NewDecoder(response.Body).Decode(&answer)
		_ = response.Body.Close()
		if err != nil {
			tb.Fatal(err)
		}
		for key, result := range answer["result"].(map[string]any)["result"].(map[string]any) {
			if rows, isList := result.([]any); isList && strings.HasPrefix(commands[key], "crm.status.list") {
				statuses += len(rows)
			}
		}
	}
	return statuses
}

// One request, however many pipelines: counted by the portal.
func TestOneRequestHoweverManyPipelines(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 10, 100} {
		portal := withPipelines(t, n)
		client, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{
			HTTPClient: portal.HTTPClient(), Scopes: []string{bitrix24.Leads, bitrix24.Deals},
		})
		if err != nil {
			t.Fatal(err)
		}
		listing, err := client.ListStatuses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := n + 1; len(listing.Scopes) != want || len(listing.Statuses) != 8*want {
			t.Errorf("%d pipelines: %d lists with %d statuses, want %d with %d", n, len(listing.Scopes), len(listing.Statuses), want, 8*want)
		}
		if got := portal.TotalRequests(); got != 1 {
			t.Errorf("%d pipelines: %d requests, want 1", n, got)
		}
	}
}

// BenchmarkListStatuses reads the leads' statuses and the stages of n pipelines
// of deals, eight each: "client" is this package, "maps" what others do. The
// network takes no time in either; compare the two of one run.
func BenchmarkListStatuses(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		portal := withPipelines(b, n)
		statuses := 8 * (n + 1)
		transport := &http.Client{Transport: &recorded{portal: portal.Transport(), answers: map[string][]byte{}}}
		requests := func(b *testing.B, read func()) {
			before := portal.TotalRequests()
			read() // recorded here
			b.ReportMetric(float64(portal.TotalRequests()-before), "requests/op")
		}
		perStatus := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(statuses), "ns/status")
		}
		b.Run(fmt.Sprintf("client/%d", n), func(b *testing.B) {
			client, err := bitrix24.New(portal.Webhook(), &bitrix24.Options{HTTPClient: transport, Limiter: bitrix24.NewNoLimiter(), Scopes: []string{bitrix24.Leads, bitrix24.Deals}})
			if err != nil {
				b.Fatal(err)
			}
			read := func() {
				if listing, err := client.ListStatuses(b.Context()); err != nil || len(listing.Statuses) != statuses {
					b.Fatal(len(listing.Statuses), err)
				}
			}
			clear(transport.Transport.(*recorded).answers)
			requests(b, read)
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
			perStatus(b)
		})
		b.Run(fmt.Sprintf("maps/%d", n), func(b *testing.B) {
			read := func() {
				if got := inThreeBatches(b, transport, portal); got != statuses {
					b.Fatal(got)
				}
			}
			clear(transport.Transport.(*recorded).answers)
			requests(b, read)
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
			perStatus(b)
		})
	}
}
