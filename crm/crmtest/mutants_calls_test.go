package crmtest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// parsing is a client that decodes JSON in another way.
func parsing(parse func(body []byte, into any) error) func(*acme, Conn) {
	return func(a *acme, _ Conn) { a.parse = parse }
}

// believing is a client that does not look whether an answer holds what it has
// to.
func believing(a *acme, conn Conn) {
	a.sane = func(bool) bool { return true }
	blind(a, conn)
}

// callMutants are broken as a whole, and are seen in every call.
func callMutants() []mutant {
	tireless := func(a *acme, _ Conn) { a.attempts, a.budget = 20, 1<<60 }
	deaf := func(a *acme, conn Conn) {
		a.leads.run.stops = func(_ context.Context, stopped bool) bool { return stopped }
		sending(context.WithoutCancel)(a, conn)
	}
	mutants := []mutant{
		{"says bad response of 403", kinding(http.StatusForbidden, crm.ErrBadResponse), "HTTPStatusGivesTheKind", "wrong kind"},
		{"gives an error no kind", kinding(http.StatusConflict, nil), "HTTPStatusGivesTheKind", "no kind of package crm"},
		{"says that revoked credentials are forbidden", kinding(http.StatusUnauthorized, crm.ErrForbidden), "RevokedCredentialsAreUnauthorized", "wrong kind"},
		{"does not look behind the JSON", parsing(func(body []byte, into any) error {
			return json.NewDecoder(strings.NewReader(string(body))).Decode(into)
		}), "BelievesNoBrokenAnswer", "an answer with something behind it"},
		{"believes every form", believing, "BelievesNoAnswerOfAnotherForm", "the answer {} of another form"},
		{"believes an error", believing, "SeesTheErrorInsideAnAnswer", `the error {"error":"internal"} with HTTP 200`},
		{"ignores Timeout", func(a *acme, conn Conn) {
			if conn.Timeout > 0 {
				a.timeout = 30 * time.Second
			}
		}, "TimeoutIsUnavailable", "want at most 20s"},
		{"has no time-out of its own", func(a *acme, conn Conn) {
			if conn.Timeout == 0 {
				a.timeout = 24 * time.Hour
			}
		}, "EveryCallHasATimeout", "did not end within"},
		{"asks under an ended context", deaf, "SendsNothingUnderAnEndedContext", "requests were sent under contexts that had ended"},
		{"is deaf to a cancellation", deaf, "EndsWhenCancelled", "it ends soon after its context"},
		{"is deaf to a deadline", deaf, "EndsAtTheDeadline", "it ends soon after its context"},
		{"sleeps whatever its context says", func(a *acme, _ Conn) {
			a.wait = func(e *crm.Error) time.Duration {
				time.Sleep(e.RetryAfter)
				return 0
			}
		}, "EndsWhileItWaits", "it ends soon after its context"},
		{
			"leaves bodies open", func(a *acme, _ Conn) { a.http.Transport = unclosing{a.http.Transport} },
			"LeavesNothingBehind", "went well did not close the body",
		},
		{"repeats nothing", func(a *acme, _ Conn) { a.attempts = 1 }, "OvercomesAPassingFault", "one 503, which a repetition overcomes"},
		{"ignores Retry-After", func(a *acme, _ Conn) {
			a.wait = func(*crm.Error) time.Duration { return 300 * time.Millisecond }
		}, "WaitsAsLongAsAsked", "the CRM was asked again after 300ms"},
		{"waits as long as ever it is asked to", func(a *acme, _ Conn) { a.budget = 1 << 60 }, "TellsOfALongWaitInstead", "did not end within"},
		{"retries twenty times", tireless, "GivesUpInTheEnd", "was asked 20 times, want at most 10"},
		{"retries what is refused", func(a *acme, _ Conn) {
			a.retry = func(*crm.Error) bool { return true }
		}, "RepeatsNothingThatWasRefused", "HTTP 400: the CRM was asked 3 times"},
		{"follows redirects", following(nil), "CredentialsFollowNoRedirect", "a credential was sent to https://other.example"},
		{"wraps the error of net/http", causing(func(_ context.Context, err error) error { return err }), "SecretsAreInNoError", "a credential can be seen in the error of "},
		{
			"logs the path", logging(func(_ *acme, r *http.Request) []any { return []any{"path", r.URL.Path} }),
			"SecretsAreInNoLog", "a credential can be seen in the log",
		},
		{"skips a row that it cannot read", parsing(func(body []byte, into any) error {
			err := json.Unmarshal(body, into)
			if page, ok := into.(*leadPage); ok && page.Leads != nil {
				rows := slices.DeleteFunc(*page.Leads, func(row shopLead) bool { return row.ID == "" })
				page.Leads = &rows
			}
			return err
		}), "SkipsNoRowThatItCannotRead", "the row {} among sound ones"},
	}
	var all []mutant
	for _, o := range []operation{readLead, moveLead, moveLeads, listLeads} {
		for _, m := range mutants {
			name := o.name + "/" + m.check
			if !slices.ContainsFunc(leadChecks, func(c check) bool { return c.name == name }) {
				continue
			}
			if name == "MoveLead/OvercomesAPassingFault" { // which may fail, but as it has to
				m = mutant{"gives an error no kind", kinding(http.StatusServiceUnavailable, nil), m.check, "no kind of package crm"}
			}
			all = append(all, mutant{m.name + " in " + o.name, m.differ, name, m.says})
		}
	}
	return all
}
