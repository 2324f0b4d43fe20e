package crmhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
)

// event reads a message "number", "number lead" or "number lead status", where the
// number is the time.
func event(body string) (crm.Event, error) {
	var number, lead, status int64
	n, _ := fmt.Sscan(body, &number, &lead, &status)
	switch n {
	case 0:
		return crm.Event{}, ErrMalformed
	case 1:
		return crm.Event{Source: "acme", Type: "note", At: time.Unix(number, 0)}, nil
	}
	e := crm.Event{
		Source: "acme", Kind: crm.EventLeadChanged, Type: "lead.changed", At: time.Unix(number, 0),
		Lead: crm.LeadRef{Source: "acme", ID: fmt.Sprint(lead)},
	}
	if n == 3 {
		e.Status = crm.Ref{Source: "acme", ID: fmt.Sprint(status)}
	}
	return e, nil
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
		"media with blanks":      {"POST", " application/json ; charset=utf-8", "1 2", 200, Stats{Accepted: 1, Waiting: 1}, "answer=accepted"},
		"media with a charset":   {"POST", "Application/JSON; charset=utf-8", "1 2", 200, Stats{Accepted: 1, Waiting: 1}, "answer=accepted"},
		"no media":               {"POST", "", "1 2", 200, Stats{Accepted: 1, Waiting: 1}, "answer=accepted"},
		"another media":          {"POST", "text/plain", "1 2", 415, Stats{Malformed: 1}, `answer="another media type"`},
		"taken":                  {"POST", "", "taken", 200, Stats{Taken: 1}, "answer=taken type=installed"},
		"unknown sender":         {"POST", "", "stranger", 403, Stats{Refused: 1}, `answer="sender refused" type=""`},
		"unchecked":              {"POST", "", "unchecked", 503, Stats{Unchecked: 1}, `level=WARN msg="crm event" source=acme answer="sender could not be checked"`},
		"malformed":              {"POST", "", "Привет", 400, Stats{Malformed: 1}, `answer="no event that can be read"`},
		"malformed of a type":    {"POST", "", "typed", 400, Stats{Malformed: 1}, `answer="no event that can be read" type=note`},
		"an error of some other": {"POST", "", "other", 400, Stats{Malformed: 1}, `answer="no event that can be read"`},
		"GET":                    {"GET", "", "", 405, Stats{Malformed: 1}, `answer="no POST"`},
		"PUT":                    {"PUT", "application/json", "1 2", 405, Stats{Malformed: 1}, `answer="no POST"`},
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
							return crm.Event{Type: "installed"}, ErrTaken
						case "stranger":
							return crm.Event{Type: "secret"}, fmt.Errorf("secret: %w", ErrSender)
						case "unchecked":
							return crm.Event{Type: "secret"}, ErrUnchecked
						case "typed":
							return crm.Event{Type: "note"}, ErrMalformed
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
				if line := log.String(); !strings.Contains(line, test.log) || strings.Contains(line, "secret") || strings.Contains(line, "1 2") || strings.Count(line, "\n") != 1 {
					t.Errorf("log %q, want %q", line, test.log)
				}
				if allow := w.Header().Get("Allow"); (test.method == "POST") == (allow == "POST") {
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
		"a blank source": {Source: " \t", Receive: receive},
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

// A message may have 64 KiB, unless it is said otherwise, and is handed over as it
// came: also one that says nothing of its length, and not one that broke off.
func TestMessagesAreReadWhole(t *testing.T) {
	t.Parallel()
	text := func(size int) string { return "1 2 " + strings.Repeat("x", size-len("1 2 ")) }
	for name, test := range map[string]struct {
		body   string
		length int64
		fails  bool
		want   int
	}{
		"short":                       {"1 2", 3, false, 200},
		"without a length":            {text(5000), -1, false, 200},
		"longer than said":            {text(5000), 10, false, 200},
		"as large as may be":          {text(64 << 10), 64 << 10, false, 200},
		"too large":                   {text(64<<10 + 1), 64<<10 + 1, false, 413},
		"too large, without a length": {text(64<<10 + 1), -1, false, 413},
		"far too large":               {"1 2", math.MaxInt64, false, 200},
		"broken off":                  {text(5000), 6000, true, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rig := newRig(t, Options{})
				var got []string
				end := rig.run(func(_ context.Context, e crm.Event) { got = append(got, string(e.Raw)) })
				body := iotest.DataErrReader(strings.NewReader(test.body)) // the end comes with the last bytes
				if test.fails {
					body = io.MultiReader(body, iotest.ErrReader(io.ErrUnexpectedEOF))
				}
				request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
				request.ContentLength = test.length
				request.Header.Set("Content-Type", "text/x-any")
				w := httptest.NewRecorder()
				rig.events.ServeHTTP(w, request)
				synctest.Wait()
				rig.wantEnd(end)
				if w.Code != test.want {
					t.Errorf("HTTP %d, want %d", w.Code, test.want)
				}
				if accepted := test.want == 200; accepted != (len(got) == 1) || accepted && got[0] != test.body {
					t.Errorf("%d events, want the message as it came", len(got))
				}
			})
		})
	}
}

// Receive is called with what came, and may look at when the sender goes away.
func TestReceiveSeesTheRequest(t *testing.T) {
	t.Parallel()
	type key struct{}
	r, err := New(Options{Source: "acme", Receive: func(ctx context.Context, r *http.Request, body []byte) (crm.Event, error) {
		if ctx.Value(key{}) != "of the request" || r.Header.Get("X-Key") != "made-up-key" || string(body) != "1 2" {
			t.Errorf("Receive was called with %v, %v, %q", ctx, r.Header, body)
		}
		return crm.Event{}, ErrTaken
	}})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(context.WithValue(t.Context(), key{}, "of the request"), http.MethodPost, "/", strings.NewReader("1 2"))
	request.Header.Set("X-Key", "made-up-key")
	r.ServeHTTP(httptest.NewRecorder(), request)
	if stats := r.Stats(); stats != (Stats{Taken: 1}) {
		t.Errorf("stats %+v", stats)
	}
}
