package crmtest

import (
	"fmt"
	"net/http"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var statusChecks = []check{
	{name: "HTTPStatusGivesTheKind", run: httpStatusGivesTheKind},
	{name: "RevokedCredentialsAreUnauthorized", run: revokedCredentials},
}

// kinds is what an HTTP status means where the body does not say more.
var kinds = []struct {
	status int
	kind   error
}{
	{http.StatusBadRequest, crm.ErrRejected},
	{http.StatusUnauthorized, crm.ErrUnauthorized},
	{http.StatusForbidden, crm.ErrForbidden},
	{http.StatusNotFound, crm.ErrNotFound},
	{http.StatusMethodNotAllowed, crm.ErrRejected},
	{http.StatusConflict, crm.ErrRejected},
	{http.StatusUnprocessableEntity, crm.ErrRejected},
	{http.StatusTooManyRequests, crm.ErrRateLimited},
	{http.StatusInternalServerError, crm.ErrUnavailable},
	{http.StatusBadGateway, crm.ErrUnavailable},
	{http.StatusServiceUnavailable, crm.ErrUnavailable},
	{http.StatusGatewayTimeout, crm.ErrUnavailable},
}

// httpStatusGivesTheKind: the kind of an error follows from the HTTP status
// where the body says nothing: it need not be JSON, nor be there.
func httpStatusGivesTheKind(t *test) {
	const page = "<!DOCTYPE html><html><head><title>Sorry</title></head><body>Sorry</body></html>"
	client := t.client(Conn{})
	t.ready(3)
	for _, k := range kinds {
		for _, body := range []struct{ name, text, media string }{
			{"no body", "", "application/json"},
			{"a text", "that did not work", "text/plain; charset=utf-8"},
			{"a page of HTML", page, "text/html; charset=utf-8"},
			{"broken JSON", `{"mess`, "application/json"},
			{"an empty JSON array", "[]", "application/json"},
		} {
			t.suffers(crmfault.Answer(k.status, body.text, "Content-Type", body.media))
			what := fmt.Sprintf("HTTP %d with %s", k.status, body.name)
			if e := t.fails(what, client, k.kind); e.Kind != nil && e.Status != k.status {
				t.Errorf("%s: the error's Status is %d; it is the HTTP status of the answer", what, e.Status)
			}
		}
	}
}

// revokedCredentials: credentials that the CRM does not accept any more are
// ErrUnauthorized, and repeating is useless.
func revokedCredentials(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	t.works("before the credentials were revoked", client)
	most := max(2, len(t.wire.requests())) // once more with a renewed token
	t.wire.forget()
	t.Revoke()
	t.fails("revoked credentials", client, crm.ErrUnauthorized)
	if got := len(t.wire.requests()); got > most {
		t.Errorf("the CRM was asked %d times with revoked credentials, want at most %d; repeating the call is useless", got, most)
	}
}
