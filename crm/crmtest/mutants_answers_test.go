package crmtest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// decoding is a client that decodes in another way.
func decoding(decode func(body []byte, into *stages) error) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.decode = func(body []byte, into *stages) error {
			err := decode(body, into)
			zero := 0
			if into.Total == nil {
				into.Total = &zero
			}
			if into.Rows == nil {
				into.Rows = &[]stage{}
			}
			return err
		}
	}
}

// kinding is a client that gives an HTTP status another kind.
func kinding(status int, kind error) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.classify = func(got int, body []byte) *crm.Error {
			if got == status {
				return &crm.Error{Kind: kind}
			}
			return classify(got, body)
		}
	}
}

func statusMutants() []mutant {
	const kind = "wrong kind"
	mutants := []mutant{
		{"forgets the HTTP status", failing(func(e *crm.Error) error {
			e.Status = 0
			return e
		}), "HTTPStatusGivesTheKind", "the error's Status is 0"},
		{"names no source in an error", failing(func(e *crm.Error) error {
			e.Source = ""
			return e
		}), "HTTPStatusGivesTheKind", "does not say which account failed"},
		{"does not say what failed", failing(func(e *crm.Error) error {
			e.Op = ""
			return e
		}), "HTTPStatusGivesTheKind", "does not say which account failed in what"},
		{"returns errors of its own type", failing(func(e *crm.Error) error { return e.Kind }), "HTTPStatusGivesTheKind", "is no *crm.Error"},
		{"gives an error no kind", failing(func(e *crm.Error) error {
			e.Kind = nil
			return e
		}), "HTTPStatusGivesTheKind", "no kind of package crm"},
		{"takes 401 for an empty list", swallowing(crm.ErrUnauthorized), "HTTPStatusGivesTheKind", "HTTP 401 with no body: ListStatuses returned no error"},
		{"takes 404 for an empty list", swallowing(crm.ErrNotFound), "HTTPStatusGivesTheKind", "HTTP 404 with no body: ListStatuses returned no error"},
		{"believes an array whatever the status", func(a *acme, _ Conn) {
			a.classify = func(status int, body []byte) *crm.Error {
				if string(body) == "[]" {
					return nil
				}
				return classify(status, body)
			}
			a.decode = func(_ []byte, into *stages) error {
				zero := 0
				into.Total, into.Rows = &zero, &[]stage{}
				return nil
			}
		}, "HTTPStatusGivesTheKind", "with an empty JSON array: ListStatuses returned no error"},
		{"judges by the body alone", func(a *acme, _ Conn) {
			a.classify = func(status int, body []byte) *crm.Error {
				if status != http.StatusOK && !json.Valid(body) {
					return &crm.Error{Kind: crm.ErrBadResponse}
				}
				return classify(status, body)
			}
		}, "HTTPStatusGivesTheKind", "with a page of HTML: the error is of the wrong kind"},
		{"says that revoked credentials are forbidden", kinding(http.StatusUnauthorized, crm.ErrForbidden), "RevokedCredentialsAreUnauthorized", kind},
		{"goes on with revoked credentials", func(a *acme, _ Conn) {
			a.retry = func(*crm.Error) bool { return true }
		}, "RevokedCredentialsAreUnauthorized", "asked 3 times with revoked credentials"},
	}
	for _, k := range kinds {
		other := crm.ErrBadResponse
		mutants = append(mutants, mutant{
			"says bad response of " + http.StatusText(k.status), kinding(k.status, other), "HTTPStatusGivesTheKind", kind,
		})
	}
	return mutants
}

func answerMutants() []mutant {
	const believed = ": ListStatuses returned no error"
	lenient := decoding(func(body []byte, into *stages) error {
		_ = json.Unmarshal(body, into)
		return nil
	})
	return []mutant{
		{"skips a row that it cannot read", decoding(func(body []byte, into *stages) error {
			if err := decode(body, into); err != nil {
				return err
			}
			rows := slices.DeleteFunc(*into.Rows, func(row stage) bool { return row.ID == "" })
			*into.Rows = rows
			*into.Total = len(rows)
			return nil
		}), "SkipsNoRowThatItCannotRead", "the row {} among sound ones" + believed},
		{"takes HTML for an empty list", lenient, "BelievesNoBrokenAnswer", "a page of HTML with HTTP 200" + believed},
		{"takes an empty answer for an empty list", decoding(func(body []byte, into *stages) error {
			if len(body) == 0 {
				return nil
			}
			return decode(body, into)
		}), "BelievesNoBrokenAnswer", "an empty answer with HTTP 200" + believed},
		{"takes 204 for an empty list", func(a *acme, _ Conn) {
			a.classify = func(status int, body []byte) *crm.Error {
				if status == http.StatusNoContent {
					return nil
				}
				return classify(status, body)
			}
			a.decode = func(body []byte, into *stages) error {
				zero := 0
				into.Total, into.Rows = &zero, &[]stage{}
				if len(body) == 0 {
					return nil
				}
				return decode(body, into)
			}
		}, "BelievesNoBrokenAnswer", "an answer without content" + believed},
		{"mends JSON that was cut", decoding(func(body []byte, into *stages) error {
			if decode(append(slices.Clone(body), '}'), into) == nil {
				return nil
			}
			return decode(body, into)
		}), "BelievesNoBrokenAnswer", "an answer that lacks its last sign" + believed},
		{"does not look behind the JSON", decoding(func(body []byte, into *stages) error {
			if err := json.NewDecoder(strings.NewReader(string(body))).Decode(into); err != nil {
				return err
			}
			if into.Rows == nil {
				return errors.New("no rows")
			}
			return nil
		}), "BelievesNoBrokenAnswer", "an answer with something behind it" + believed},
		{"says unavailable of HTML", failing(func(e *crm.Error) error {
			if errors.Is(e, crm.ErrBadResponse) {
				e.Kind = crm.ErrUnavailable
			}
			return e
		}), "BelievesNoBrokenAnswer", "wrong kind"},
		{"ignores the envelope", decoding(func(body []byte, into *stages) error {
			return json.Unmarshal(body, into)
		}), "BelievesNoAnswerOfAnotherForm", "the answer {} of another form" + believed},
		{"takes any sound JSON for a list", decoding(func(body []byte, into *stages) error {
			if !json.Valid(body) {
				return errors.New("no JSON")
			}
			_ = json.Unmarshal(body, into)
			return nil
		}), "BelievesNoAnswerOfAnotherForm", "the answer [[]] of another form" + believed},
		{"believes less than was announced", decoding(func(body []byte, into *stages) error {
			err := decode(body, into)
			if into.Rows != nil && len(*into.Rows) == 0 {
				into.Total = nil
			}
			return err
		}), "BelievesNoAnswerOfAnotherForm", `the answer {"total":3,"rows":[]} of another form` + believed},
		{"stays broken", func(a *acme, _ Conn) {
			spoilt := false
			a.decode = func(body []byte, into *stages) error {
				err := decode(body, into)
				if spoilt = spoilt || err != nil; spoilt {
					return errors.New("spoilt")
				}
				return err
			}
		}, "BelievesNoAnswerOfAnotherForm", "after the CRM recovered"},
		{"overlooks the CRM's error", decoding(func(body []byte, into *stages) error {
			err := decode(body, into)
			if into.Total != nil && into.Rows != nil {
				return nil
			}
			return err
		}), "SeesTheErrorInsideAnAnswer", `the error {"error":{"text":"no"},"total":0,"rows":[]} with HTTP 200` + believed},
		{"overlooks errors of another form", decoding(func(body []byte, into *stages) error {
			err := json.Unmarshal(body, into)
			if into.Error != nil {
				return errors.New("an error")
			}
			return err
		}), "SeesTheErrorInsideAnAnswer", `the error {"success":false,"message":"internal"} with HTTP 200` + believed},
		{"ignores MaxBody", func(a *acme, _ Conn) { a.maxBody = 1 << 20 }, "RefusesALargeAnswer", "larger than MaxBody" + " of 500 bytes" + believed},
		{"has a limit that is too small", func(a *acme, _ Conn) { a.maxBody = 500 }, "RefusesALargeAnswer", "within the default limit"},
		{"says unavailable of a large answer", failing(func(e *crm.Error) error {
			e.Kind = crm.ErrUnavailable
			return e
		}), "RefusesALargeAnswer", "wrong kind"},
		{"limits nothing", func(a *acme, _ Conn) {
			a.limit = func(body io.Reader, _ int64) io.Reader { return body }
		}, "EndsAnEndlessAnswer", "an endless answer: more than 32 MiB were read"},
		{"limits good answers only", func(a *acme, _ Conn) {
			a.http.Transport = unlimited{a.http.Transport}
		}, "EndsAnEndlessAnswer", "an endless answer with HTTP 500: more than 32 MiB were read"},
	}
}

// unlimited reads every bad answer to its end.
type unlimited struct{ next http.RoundTripper }

func (u unlimited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := u.next.RoundTrip(r)
	if err == nil && answer.StatusCode >= 500 {
		_, _ = io.Copy(io.Discard, answer.Body)
	}
	return answer, err
}
