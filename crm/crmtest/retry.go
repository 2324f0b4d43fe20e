package crmtest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var retryChecks = []check{
	{name: "OvercomesAPassingFault", run: overcomesAPassingFault},
	{name: "WaitsAsLongAsAsked", run: waitsAsLongAsAsked},
	{name: "TellsOfALongWaitInstead", run: tellsOfALongWait},
	{name: "GivesUpInTheEnd", run: givesUpInTheEnd},
	{name: "RepeatsNothingThatWasRefused", run: repeatsNothingRefused},
}

// overcomesAPassingFault: a call is repeated where that may help.
func overcomesAPassingFault(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	for _, passing := range []struct {
		name  string
		fault crmfault.Fault
	}{
		{"one 503", crmfault.RetryAfter(http.StatusServiceUnavailable, 0)},
		{"one 502 with a page of HTML", crmfault.Answer(http.StatusBadGateway, "<html></html>", "Content-Type", "text/html")},
		{"one 429", crmfault.RetryAfter(http.StatusTooManyRequests, 0)},
		{"one 429 that asks for a wait of a second", crmfault.RetryAfter(http.StatusTooManyRequests, time.Second)},
		{"one dropped connection", crmfault.Drop()},
		{"one connection cut in the midst", crmfault.CutConnection()},
	} {
		t.calm()
		t.front.Fail(1, passing.fault)
		t.overcomes(passing.name, client)
	}
}

// waitsAsLongAsAsked: a call is repeated not before the Retry-After has passed.
func waitsAsLongAsAsked(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	const wait = 2 * time.Second
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.calm()
		t.wire.forget()
		t.front.Fail(1, crmfault.RetryAfter(status, wait))
		what := fmt.Sprintf("a %d with a Retry-After of %v", status, wait)
		t.overcomes(what, client)
		sent := t.wire.requests()
		if len(sent) > 1 {
			if after := sent[1].at.Sub(sent[0].at); after < wait {
				t.Errorf("%s: the CRM was asked again after %v, earlier than it wished", what, after)
			}
		}
	}
}

// tellsOfALongWait: a Retry-After that is too long for a call ends it at once,
// and stands in the error for the caller to plan with.
func tellsOfALongWait(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	for status, kind := range map[int]error{
		http.StatusTooManyRequests: crm.ErrRateLimited, http.StatusServiceUnavailable: crm.ErrUnavailable,
	} {
		t.suffers(crmfault.RetryAfter(status, time.Hour))
		what := fmt.Sprintf("a %d with a Retry-After of an hour", status)
		out := t.call(t.Context(), client)
		if e := t.failed(what, client, out, kind); e.Kind != nil && e.RetryAfter != time.Hour {
			t.Errorf("%s: RetryAfter of the error is %v; it says how long to wait", what, e.RetryAfter)
		}
		if out.took > time.Minute {
			t.Errorf("%s: the call took %v; a wait that is too long is not waited for", what, out.took)
		}
	}
}

// mostRequests is how often a client may ask for the same at most.
const mostRequests = 10

// givesUpInTheEnd: a CRM that fails for ever is asked a few times, within a
// minute.
func givesUpInTheEnd(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	for _, lasting := range []struct {
		name  string
		fault crmfault.Fault
		kind  error
	}{
		{"a 500 for ever", crmfault.Answer(http.StatusInternalServerError, ""), crm.ErrUnavailable},
		{"a 503 for ever", crmfault.Answer(http.StatusServiceUnavailable, ""), crm.ErrUnavailable},
		{"a 503 for ever that asks for waits of a second", crmfault.RetryAfter(http.StatusServiceUnavailable, time.Second), crm.ErrUnavailable},
		{"a 429 for ever", crmfault.Answer(http.StatusTooManyRequests, ""), crm.ErrRateLimited},
		{"a dropped connection for ever", crmfault.Drop(), crm.ErrUnavailable},
		{"HTML for ever", crmfault.HTML(), crm.ErrBadResponse},
	} {
		t.suffers(lasting.fault)
		t.wire.forget()
		out := t.call(t.Context(), client)
		t.failed(lasting.name, client, out, lasting.kind)
		if asked := len(t.wire.requests()); asked > mostRequests {
			t.Errorf("%s: the CRM was asked %d times, want at most %d; calls are repeated a few times", lasting.name, asked, mostRequests)
		}
		if out.took > time.Minute {
			t.Errorf("%s: the call took %v; calls are repeated within a short time", lasting.name, out.took)
		}
	}
}

// repeatsNothingRefused: where the CRM said no, repeating the call is useless.
func repeatsNothingRefused(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	t.works("before anything was refused", client)
	whole := len(t.wire.requests())
	for _, k := range kinds {
		if k.status == http.StatusTooManyRequests || k.status >= http.StatusInternalServerError {
			continue
		}
		t.suffers(crmfault.Answer(k.status, ""))
		t.wire.forget()
		what := fmt.Sprintf("HTTP %d", k.status)
		t.fails(what, client, k.kind)
		if asked := len(t.wire.requests()); asked > whole {
			t.Errorf("%s: the CRM was asked %d times, want at most %d; repeating what it refused is useless", what, asked, whole)
		}
	}
}
