package crmhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
)

// event reads a message "number" or "number lead", where the number is the time.
func event(body string) (crm.Event, error) {
	var number, lead int64
	n, _ := fmt.Sscan(body, &number, &lead)
	switch n {
	case 0:
		return crm.Event{}, ErrMalformed
	case 1:
		return crm.Event{Source: "acme", Type: "note", At: time.Unix(number, 0)}, nil
	}
	return crm.Event{
		Source: "acme", Kind: crm.EventLeadChanged, Type: "lead.changed", At: time.Unix(number, 0),
		Lead: crm.LeadRef{Source: "acme", ID: fmt.Sprint(lead)},
	}, nil
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, media, body string
		want                int
		stats               Stats
		log                 string
	}{
		"accepted":               {"POST", "application/json", "1 2", 200, Stats{Accepted: 1, Waiting: 1}, "answer=accepted type=lead.changed"},
		"media with a charset":   {"POST", "Application/JSON; charset=utf-8", "1 2", 200, Stats{Accepted: 1, Waiting: 1}, "answer=accepted"},
		"no media":               {"POST", "", "1 2", 200, Stats{Accepted: 1, Waiting: 1}, "answer=accepted"},
		"another media":          {"POST", "text/plain", "1 2", 415, Stats{Malformed: 1}, `answer="another media type"`},
		"taken":                  {"POST", "", "taken", 200, Stats{Taken: 1}, "answer=taken"},
		"unknown sender":         {"POST", "", "stranger", 403, Stats{Refused: 1}, `answer="sender refused" type=""`},
		"unchecked":              {"POST", "", "unchecked", 503, Stats{Unchecked: 1}, `level=WARN msg="crm event" source=acme answer="sender could not be checked"`},
		"malformed":              {"POST", "", "Привет", 400, Stats{Malformed: 1}, `answer="no event that can be read"`},
		"an error of some other": {"POST", "", "other", 400, Stats{Malformed: 1}, `answer="no event that can be read"`},
		"GET":                    {"GET", "", "", 405, Stats{Malformed: 1}, `answer="no POST"`},
		"as large as may be":     {"POST", "", "1 2 " + strings.Repeat("x", 96), 200, Stats{Accepted: 1, Waiting: 1}, "answer=accepted"},
		"too large":              {"POST", "", "1 2 " + strings.Repeat("x", 97), 413, Stats{Malformed: 1}, `answer="too large"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				r, err := New(Options{
					Source: "acme", MediaType: "application/json", MaxBody: 100, Workers: 1,
					Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
					Receive: func(_ context.Context, _ *http.Request, body []byte) (crm.Event, error) {
						switch string(body) {
						case "taken":
							return crm.Event{}, ErrTaken
						case "stranger":
							return crm.Event{}, fmt.Errorf("secret: %w", ErrSender)
						case "unchecked":
							return crm.Event{}, ErrUnchecked
						case "other":
							return crm.Event{}, errors.New("secret")
						}
						return event(string(body))
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				held := make(chan struct{})
				go func() { ended <- r.Run(ctx, func(context.Context, crm.Event) { <-held }) }()
				synctest.Wait()
				r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("7 7"))) // keeps the worker busy
				synctest.Wait()
				log.Reset()
				request := httptest.NewRequestWithContext(t.Context(), test.method, "/", strings.NewReader(test.body))
				if test.media != "" {
					request.Header.Set("Content-Type", test.media)
				}
				w := httptest.NewRecorder()
				r.ServeHTTP(w, request)
				want := test.stats
				want.Accepted++
				if diff := cmp.Diff(want, r.Stats()); w.Code != test.want || diff != "" {
					t.Errorf("HTTP %d, want %d; stats (-want +got):\n%s", w.Code, test.want, diff)
				}
				if line := log.String(); !strings.Contains(line, test.log) || strings.Contains(line, "secret") || strings.Count(line, "\n") != 1 {
					t.Errorf("log %q, want %q", line, test.log)
				}
				if allow := w.Header().Get("Allow"); (test.method == "GET") != (allow == "POST") {
					t.Errorf("Allow: %q", allow)
				}
				close(held)
				cancel()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}

func TestNewChecksOptions(t *testing.T) {
	t.Parallel()
	receive := func(context.Context, *http.Request, []byte) (crm.Event, error) { return crm.Event{}, nil }
	for name, opts := range map[string]Options{
		"no source":      {Receive: receive},
		"no Receive":     {Source: "acme"},
		"queue negative": {Source: "acme", Receive: receive, QueueSize: -1},
		"body negative":  {Source: "acme", Receive: receive, MaxBody: -1},
		"workers":        {Source: "acme", Receive: receive, Workers: -1},
	} {
		if r, err := New(opts); err == nil || r != nil {
			t.Errorf("%s: no error", name)
		}
	}
	r, err := New(Options{Source: "acme", Receive: receive})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", r, r, r); text != strings.Repeat("crmhook.Receiver(acme) ", 3)[:len(text)] {
		t.Errorf("printed as %q", text)
	}
}
