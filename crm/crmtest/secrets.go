package crmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var secretChecks = []check{
	{name: "SecretsAreInNoError", run: secretsInNoError},
	{name: "SecretsAreInNoLog", run: secretsInNoLog},
	{name: "SecretsAreInNoPrintedValue", run: secretsInNoPrintedValue},
}

// hides checks that nothing of a secret can be seen in a value.
func (t *test) hides(what string, value any) {
	t.Helper()
	for _, shown := range printed(value) {
		if leaks(shown, t.Secrets) {
			t.Errorf("a credential can be seen in %s (%T): %s", what, value, shown)
			return
		}
	}
}

// trouble is a way in which a call fails, in which a credential may come out.
type trouble struct {
	name string
	set  func()
}

// troubles are failures of all sorts; many echo the credentials.
func (t *test) troubles() []trouble {
	fault := func(name string, f crmfault.Fault) trouble { return trouble{name, func() { t.suffers(f) }} }
	var all []trouble
	for _, secret := range t.Secrets {
		for _, status := range []int{200, 302, 400, 401, 403, 404, 422, 429, 500, 503} {
			for _, body := range []string{
				`{"error":"the token ` + secret + ` is unknown","error_description":"no ` + secret + `","message":"` + secret + `"}`,
				`{"error":{"code":"` + secret + `","message":"` + secret + `"}}`,
				"GET /?token=" + secret + " failed",
				strings.Repeat("x", 280) + secret + strings.Repeat("y", 300),
				`"` + secret + `"`,
				`[{"id":"` + secret + `"},`,
				"<html>" + secret + "</html>",
			} {
				all = append(all, fault(fmt.Sprintf("HTTP %d with %q", status, body),
					crmfault.Answer(status, body, "Location", "https://other.example/?token="+secret, "X-Echo", secret)))
			}
		}
	}
	for _, body := range append(slices.Clone(t.WrongAnswers), t.ErrorInside) {
		all = append(all, fault("HTTP 200 with "+body, crmfault.Answer(http.StatusOK, body)))
	}
	return append(
		all,
		fault("a page of HTML", crmfault.HTML()), fault("half an answer", crmfault.Cut()),
		fault("a dropped connection", crmfault.Drop()), fault("a cut connection", crmfault.CutConnection()),
		fault("a time-out", crmfault.Delay(time.Hour)),
		trouble{"an answer that never ends", func() { t.wire.play(stuck) }},
		trouble{"a transport that tells the whole request in its error", func() {
			t.wire.play(func(r *http.Request) (*http.Response, error) {
				var body []byte
				if r.Body != nil {
					body, _ = io.ReadAll(r.Body)
				}
				return nil, errors.New("proxy: cannot send " + told(r) + string(body))
			})
		}},
		trouble{"an error that tells the whole request", func() {
			t.wire.play(func(r *http.Request) (*http.Response, error) {
				return reply(http.StatusBadRequest, strings.NewReader(told(r))), nil
			})
		}},
		trouble{"a redirect that goes on at another host", func() {
			t.wire.play(func(r *http.Request) (*http.Response, error) {
				return reply(http.StatusFound, strings.NewReader(""), "Location", "https://other.example"+r.URL.RequestURI()), nil
			})
		}},
		trouble{"refused credentials", func() { t.calm(); t.Revoke() }},
	)
}

// suffered is what came out of all troubles.
type suffered struct {
	client crm.Client
	errs   map[string]error
	log    string
}

// suffer lets a client go through all troubles, and through calls that go well
// or are cancelled.
func (t *test) suffer() suffered {
	t.Helper()
	var log record
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	s := suffered{
		client: t.client(Conn{Timeout: 3 * time.Second, Logger: slog.New(slog.NewMultiHandler(
			slog.NewJSONHandler(&log, debug), slog.NewTextHandler(&log, debug),
		))}),
		errs: make(map[string]error),
	}
	t.ready(3)
	t.works("before any trouble", s.client)
	t.front.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	s.errs["a call past its deadline"] = t.call(ctx, s.client).err
	for _, trouble := range t.troubles() {
		t.calm()
		trouble.set()
		s.errs[trouble.name] = t.call(t.Context(), s.client).err
	}
	s.log = log.String()
	return s
}

// record is a log that several goroutines may write.
type record struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// secretsInNoError: no error shows a credential, nor does anything that it
// wraps, in whatever way it is printed.
func secretsInNoError(t *test) {
	for name, err := range t.suffer().errs {
		for _, part := range chain(err) {
			t.hides("the error of "+name, part)
		}
	}
}

// secretsInNoLog: no line of the log shows a credential.
func secretsInNoLog(t *test) {
	for _, line := range strings.Split(t.suffer().log, "\n") {
		if leaks(line, t.Secrets) {
			t.Errorf("a credential can be seen in the log: %s", line)
		}
	}
}

// secretsInNoPrintedValue: a client that is printed, logged or encoded shows no
// credential, wherever it stands.
func secretsInNoPrintedValue(t *test) {
	client := t.suffer().client
	values := map[string]any{
		"a client":                             client,
		"a field with a client":                struct{ C crm.Client }{client},
		"an unexported field with a client":    struct{ c crm.Client }{client},
		"a list of clients":                    []crm.Client{client},
		"a map of clients":                     map[string]crm.Client{"c": client},
		"a pointer to a pointer to the client": &client,
	}
	if v := reflect.ValueOf(client); v.Kind() == reflect.Pointer && !v.IsNil() {
		value := v.Elem().Interface()
		values["a client's value"] = value
		values["a field with a client's value"] = struct{ C any }{value}
		values["an unexported field with a client's value"] = struct{ c any }{value}
		values["a list of clients' values"] = []any{value}
	}
	for what, value := range values {
		t.hides(what, value)
	}
	var log record
	logger := slog.New(slog.NewMultiHandler(slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)))
	logger.InfoContext(t.Context(), "crmtest", "client", client)
	if leaks(log.String(), t.Secrets) {
		t.Errorf("a credential can be seen in the log of a client: %s", log.String())
	}
}
