package crmtest

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfault"
)

var answerChecks = []check{
	{name: "BelievesNoBrokenAnswer", run: believesNoBrokenAnswer},
	{name: "BelievesNoAnswerOfAnotherForm", run: believesNoOtherForm},
	{name: "SeesTheErrorInsideAnAnswer", run: seesTheErrorInside},
}

// rewritten is the true answer, changed in its text.
func rewritten(change func(body []byte) []byte) crmfault.Fault {
	return crmfault.Rewrite(func(body []byte) []byte { return change(slices.Clone(bytes.TrimSpace(body))) })
}

// believesNoBrokenAnswer: what is not exactly one JSON value is an error, also
// with HTTP 200, and never an empty list or a part.
func believesNoBrokenAnswer(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	for _, broken := range []struct {
		name  string
		fault crmfault.Fault
	}{
		{"a page of HTML with HTTP 200", crmfault.HTML()},
		{"a page of HTML that says it is JSON", crmfault.Answer(http.StatusOK, "<html><body>[]</body></html>")},
		{"an empty answer with HTTP 200", crmfault.Answer(http.StatusOK, "")},
		{"an answer of blanks", crmfault.Answer(http.StatusOK, " \r\n")},
		{"an answer without content", crmfault.Answer(http.StatusNoContent, "")},
		{"half an answer", crmfault.Cut()},
		{"an answer that lacks its last sign", rewritten(func(b []byte) []byte { return b[:len(b)-1] })},
		{"the first sign of an answer", rewritten(func(b []byte) []byte { return b[:1] })},
		{"an answer with something behind it", rewritten(func(b []byte) []byte { return append(b, " x"...) })},
		{"an answer with a bracket too many", rewritten(func(b []byte) []byte { return append(b, b[len(b)-1]) })},
		{"two answers in one", rewritten(func(b []byte) []byte { return append(b, b...) })},
		{"an answer with a page of HTML behind it", rewritten(func(b []byte) []byte { return append(b, "<html></html>"...) })},
	} {
		t.suffers(broken.fault)
		t.fails(broken.name, client, crm.ErrBadResponse, crm.ErrIncomplete)
	}
	t.recovers(client)
}

// recovers checks that a call after failed ones goes well.
func (t *test) recovers(client crm.Client) {
	t.Helper()
	t.calm()
	t.ready(2)
	t.works("after the CRM recovered", client)
}

// believesNoOtherForm: an empty list out of an answer that was not understood is
// an error.
func believesNoOtherForm(t *test) {
	client := t.client(Conn{})
	t.ready(3)
	for _, body := range slices.Concat([]string{
		`{}`, `null`, `"x"`, `17`, `true`, `{"result":null}`, `{"unexpected":[]}`, `[1,2]`, `[[]]`, `[null]`,
	}, t.WrongAnswers) {
		t.suffers(crmfault.Answer(http.StatusOK, body))
		t.fails("the answer "+body+" of another form", client, crm.ErrBadResponse, crm.ErrIncomplete)
	}
	t.recovers(client)
}

// seesTheErrorInside: an answer that tells of an error is one, also with HTTP
// 200.
func seesTheErrorInside(t *test) {
	bodies := []string{
		`{"error":"internal"}`,
		`{"error":{"code":17,"message":"internal"}}`,
		`{"errors":[{"detail":"internal"}]}`,
		`{"success":false,"message":"internal"}`,
		`{"status":"error","message":"internal"}`,
	}
	if t.ErrorInside != "" {
		bodies = append(bodies, t.ErrorInside)
	}
	client := t.client(Conn{})
	t.ready(3)
	for _, body := range bodies {
		t.suffers(crmfault.Answer(http.StatusOK, body))
		t.fails("the error "+body+" with HTTP 200", client)
	}
	t.recovers(client)
}
