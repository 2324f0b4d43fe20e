package crmtest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var failureChecks = []check{
	{name: "SocketRefusedIsUnavailable", run: refusedConnection, socket: true},
	{name: "SocketDroppedIsUnavailable", run: droppedConnection, socket: true},
	{name: "SocketCutMidwayIsUnavailable", run: cutConnection, socket: true},
	{name: "TimeoutIsUnavailable", run: timeoutIsUnavailable},
	{name: "EveryCallHasATimeout", run: everyCallHasATimeout},
}

// socketed calls try with a client that reaches the CRM over a real connection,
// after a look whether it does.
func (t *test) socketed(try func(client crm.Client, server *httptest.Server)) {
	t.Helper()
	server := httptest.NewServer(t.front)
	defer server.Close()
	transport := &http.Transport{DisableKeepAlives: true} // net/http repeats by itself on a kept one
	defer transport.CloseIdleConnections()
	t.ready(3)
	client := t.client(Conn{BaseURL: server.URL, HTTPClient: &http.Client{Transport: transport}, Attempts: 1})
	t.works("over a loopback port", client)
	try(client, server)
}

// unanswered checks that a call without a whole answer fails as it has to.
func (t *test) unanswered(what string, client crm.Client) {
	t.Helper()
	out := t.call(t.Context(), client)
	t.failed(what, client, out, crm.ErrUnavailable)
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(out.err, ended) {
			t.Errorf("%s: the error is %q although the caller's context has not ended: %v", what, ended, out.err)
		}
	}
}

// refusedConnection: a CRM that cannot be reached is unavailable.
func refusedConnection(t *test) {
	t.socketed(func(client crm.Client, server *httptest.Server) {
		server.Close()
		t.unanswered("a refused connection", client)
	})
}

// droppedConnection: a connection that breaks before the answer is no answer.
func droppedConnection(t *test) {
	t.socketed(func(client crm.Client, _ *httptest.Server) {
		t.suffers(crmfault.Drop())
		t.unanswered("a connection that breaks before the answer", client)
	})
}

// cutConnection: a connection that breaks in the midst of the answer leaves a
// part, and nothing of it is used.
func cutConnection(t *test) {
	t.socketed(func(client crm.Client, _ *httptest.Server) {
		t.suffers(crmfault.CutConnection())
		t.unanswered("a connection that breaks in the midst of the answer", client)
	})
}

// stuck returns answers that begin and never end.
func stuck(r *http.Request) (*http.Response, error) {
	return reply(http.StatusOK, io.MultiReader(strings.NewReader("["), waiting{r.Context()})), nil
}

// waiting is a body that waits until its request ends.
type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) {
	timer := time.NewTimer(2 * patience)
	defer timer.Stop()
	select {
	case <-w.ctx.Done():
		return 0, w.ctx.Err()
	case <-timer.C:
		return 0, io.ErrUnexpectedEOF
	}
}

// timeoutIsUnavailable: a time-out of the client is the CRM's fault, and cannot
// be mistaken for the end of the caller's context.
func timeoutIsUnavailable(t *test) {
	client := t.client(Conn{Timeout: 3 * time.Second})
	t.ready(3)
	for _, slow := range []struct {
		name string
		set  func()
	}{
		{"an answer that comes after an hour", func() { t.suffers(crmfault.Delay(time.Hour)) }},
		{"an answer that never ends", func() { t.wire.play(stuck) }},
	} {
		slow.set()
		out := t.call(t.Context(), client)
		t.failed(slow.name, client, out, crm.ErrUnavailable)
		if errors.Is(out.err, context.DeadlineExceeded) || errors.Is(out.err, context.Canceled) {
			t.Errorf("%s: the client's own time-out looks like the end of the caller's context: %v", slow.name, out.err)
		}
		var timeout net.Error
		if !errors.As(out.err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s: the error is no net.Error whose Timeout is true: %v", slow.name, out.err)
		}
		if limit := 20 * time.Second; out.took > limit {
			t.Errorf("%s: the call took %v with a Timeout of 3 s, want at most %v", slow.name, out.took, limit)
		}
		t.calm()
	}
	t.suffers(crmfault.Delay(2 * time.Second))
	t.works("an answer that is slow, but within the Timeout", client)
}

// everyCallHasATimeout: a CRM that never answers holds no call for ever, also
// where neither the caller nor Conn gave a limit.
func everyCallHasATimeout(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	release := t.front.Hold()
	defer release()
	t.unanswered("a CRM that never answers", client)
	release()
	t.wire.play(stuck)
	t.unanswered("an answer that never ends", client)
}
