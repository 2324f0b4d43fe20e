package bitrix24_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
)

// eventWriter is a ResponseWriter that costs nothing.
type eventWriter struct{ header http.Header }

func (w eventWriter) Header() http.Header         { return w.header }
func (w eventWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w eventWriter) WriteHeader(int)             {}

// eventBody can be read again and again.
type eventBody struct{ strings.Reader }

func (*eventBody) Close() error { return nil }

// BenchmarkEvents checks, accepts and hands over one event.
func BenchmarkEvents(b *testing.B) {
	for _, name := range []string{"event_webhook_lead_update.form", "event_deal_move_to_category.form"} {
		b.Run(strings.TrimSuffix(name, ".form"), func(b *testing.B) {
			form := eventFixture(b, name)
			events := eventSource(b, bitrix24.EventOptions{})
			ctx, cancel := context.WithCancel(b.Context())
			var run sync.WaitGroup
			handled := make(chan bool)
			run.Go(func() {
				_ = events.Run(ctx, func(context.Context, crm.Event) { handled <- true })
			})
			defer run.Wait()
			defer cancel()
			w := eventWriter{make(http.Header)}
			body := new(eventBody)
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Body, r.ContentLength = body, int64(len(form))
			post := func() (accepted uint64) {
				body.Reset(form)
				events.ServeHTTP(w, r)
				return events.Stats().Accepted
			}
			for post() == 0 { // until Run drains
			}
			<-handled
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				post()
				<-handled
			}
		})
	}
}
