package crmtest

import (
	"fmt"
	"net/http"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var pageChecks = []check{
	{name: "ReadsEveryPage", run: readsEveryPage},
	{name: "OneBadPageFailsTheCall", run: oneBadPageFailsTheCall},
}

// paged makes the CRM show pages and returns the whole listing.
func (t *test) paged(rows, size int) crm.Listing {
	t.Helper()
	if t.Page == nil {
		t.Skipf("the CRM has no pages")
	}
	want := t.show(rows)
	t.Page(size)
	return want
}

// readsEveryPage: the listing has the rows of all pages, also where the last one
// is full, or holds one row.
func readsEveryPage(t *test) {
	client := t.client(Conn{})
	for _, rows := range []int{25, 30, 31, 10, 9} {
		t.reads(fmt.Sprintf("%d rows in pages of 10", rows), client, t.paged(rows, 10))
	}
}

// oneBadPageFailsTheCall: if one page cannot be read, the whole call fails,
// whichever it is.
func oneBadPageFailsTheCall(t *test) {
	client := t.client(Conn{})
	want := t.paged(25, 10)
	t.wire.forget()
	t.reads("25 rows in pages of 10", client, want)
	requests := len(t.wire.requests())
	if requests < 2 {
		t.Fatalf("%d request was sent for 25 rows in pages of 10; either the client reads the first page only, or Page does nothing", requests)
	}
	bad := []struct {
		name  string
		fault crmfault.Fault
	}{
		{"a 500", crmfault.Answer(http.StatusInternalServerError, "")},
		{"a 403", crmfault.Answer(http.StatusForbidden, "")},
		{"a page of HTML", crmfault.HTML()},
		{"an empty answer", crmfault.Answer(http.StatusOK, "")},
		{"half an answer", crmfault.Cut()},
		{"a dropped connection", crmfault.Drop()},
	}
	for good := range requests {
		for _, b := range bad {
			t.calm()
			t.front.Fail(good, crmfault.Fault{})
			t.front.Fail(lasting, b.fault)
			t.fails(fmt.Sprintf("%s instead of answer %d of %d", b.name, good+1, requests), client)
		}
		t.calm()
		t.front.Fail(good, crmfault.Fault{})
		t.front.Fail(1, crmfault.RetryAfter(http.StatusServiceUnavailable, 0))
		t.reads(fmt.Sprintf("one 503 before answer %d of %d", good+1, requests), client, want)
	}
}
