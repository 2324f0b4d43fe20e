package bitrix24

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// known is what is known of an error's code: the kind, and what to do about it.
type known struct {
	kind error
	hint string
}

const (
	hintWebhook = "check the webhook, or make a new one, under Developer resources"
	hintRights  = "the webhook's owner, or the user who signed in, lacks a right, or the portal's plan has no REST API"
	hintApp     = "check the application's ClientID and ClientSecret, and whether the portal has it installed"
	hintScope   = `the webhook needs the scope "crm"`
)

// codes are the codes that tell the kind, in small letters
// (https://apidocs.bitrix24.com/error-codes.html). The portal writes them in both
// cases. The HTTP status does not tell it: the documentation and the server's
// known source disagree about it for most.
var codes = map[string]known{
	"no_auth_found":         {crm.ErrUnauthorized, hintWebhook},
	"invalid_credentials":   {crm.ErrUnauthorized, hintWebhook},
	"expired_token":         {crm.ErrUnauthorized, ""},
	"invalid_token":         {crm.ErrUnauthorized, ""},
	"invalid_client":        {crm.ErrUnauthorized, hintApp},
	"invalid_grant":         {crm.ErrUnauthorized, "the sign-in is worth nothing any more; a person has to authorize the application again"},
	"wrong_client":          {crm.ErrUnauthorized, hintApp},
	"authorization_error":   {crm.ErrUnauthorized, hintWebhook},
	"application_not_found": {crm.ErrUnauthorized, ""},
	"error_oauth":           {crm.ErrUnauthorized, ""},
	"not_installed":         {crm.ErrUnauthorized, ""},
	"portal_deleted":        {crm.ErrUnauthorized, "the portal is gone"},

	"access_denied":              {crm.ErrForbidden, hintRights},
	"allowed_only_intranet_user": {crm.ErrForbidden, hintRights},
	"insufficient_scope":         {crm.ErrForbidden, hintScope},
	"invalid_scope":              {crm.ErrForbidden, hintScope},
	"user_access_error":          {crm.ErrForbidden, hintRights},
	"payment_required":           {crm.ErrForbidden, "the portal's paid or trial period is over"},
	"wrong_auth_type":            {crm.ErrForbidden, "the call needs an application, a webhook is not enough"},
	"method_confirm_waiting":     {crm.ErrForbidden, "a person has to confirm it in the portal"},
	"method_confirm_denied":      {crm.ErrForbidden, "a person refused it in the portal"},
	"error_method_not_found":     {crm.ErrForbidden, hintScope + ", and the portal the CRM"},
	"overload_limit":             {crm.ErrForbidden, "the portal is blocked by hand; ask Bitrix24's support"},

	"not_found": {crm.ErrNotFound, ""},
	"bitrix_rest_v3_exception_entitynotfoundexception": {crm.ErrNotFound, ""},

	"query_limit_exceeded": {crm.ErrRateLimited, ""},
	"operation_time_limit": {crm.ErrRateLimited, "the method's time is used up; it is free again after some minutes"},

	"internal_server_error":   {crm.ErrUnavailable, ""},
	"error_unexpected_answer": {crm.ErrUnavailable, ""},
	"connection_error":        {crm.ErrUnavailable, ""},
}

// classify says what kind of error an answer is; nil if it is none. It and
// describe are the only places that decide it. An error may come with HTTP 200.
func classify(response crmhttp.Response) *crm.Error {
	e := crmhttp.Classify(response)
	if e == nil && !bytes.HasPrefix(bytes.TrimSpace(response.Body), []byte(`{"error"`)) {
		return nil // an error that stands elsewhere is found when the answer is decoded
	}
	var said wireError
	if bytes.HasPrefix(bytes.TrimSpace(response.Body), []byte("{")) && json.Unmarshal(response.Body, &said) == nil && said.Code.Present {
		return describe(said, response.Status, e)
	}
	switch {
	case e == nil:
		return nil // begins like an error, and is cut: the decoder says so
	case errors.Is(e.Kind, crm.ErrUnauthorized):
		e.Message = hinted(hintWebhook, e.Message)
	}
	return e
}

// describe returns what the portal said as an error. Its kind is that of the
// code; where the code says nothing, that of otherwise, which may be nil.
func describe(said wireError, status int, otherwise *crm.Error) *crm.Error {
	code, text := said.Code.Value, strings.TrimSpace(string(said.Text))
	if text == "" {
		text = said.Code.Text
	}
	// Some pages of the documentation show the text in the place of the code.
	if strings.Contains(strings.TrimSpace(code), " ") {
		code, text = "", strings.TrimSpace(code+" "+text)
	}
	e := &crm.Error{Kind: crm.ErrRejected, Status: status, Code: code, Message: text}
	if otherwise != nil {
		e.Kind, e.RetryAfter = otherwise.Kind, otherwise.RetryAfter
	}
	what, found := codes[strings.ToLower(code)]
	switch {
	case found:
		e.Kind, e.Message = what.kind, hinted(what.hint, text)
	case vague(code):
		e.Kind = kindOfText(text, e.Kind)
	}
	return e
}

// vague reports whether the code is one that says nothing: older methods have
// no other (https://apidocs.bitrix24.com/api-reference/crm/status/crm-status-get.html).
func vague(code string) bool {
	return code == "" || code == "0" || strings.EqualFold(code, "error_core")
}

// kindOfText tells the kind by the documented English texts, for want of
// anything better. A portal of another language may answer in its own; the
// error is then of the kind otherwise.
func kindOfText(text string, otherwise error) error {
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "access denied"):
		return crm.ErrForbidden
	case strings.Contains(lower, "not found"):
		return crm.ErrNotFound
	}
	return otherwise
}

// hinted returns the text with the hint in front, so that a long text cannot
// push it out.
func hinted(hint, text string) string {
	if hint == "" || text == "" {
		return hint + text
	}
	return hint + ": " + text
}

// retryable is what [crmhttp.Retryable] says, but a portal that broke down with
// 500 is worth another try, and one that is blocked, or a method whose time is
// used up, is not.
func retryable(e *crm.Error) bool {
	if strings.EqualFold(e.Code, "overload_limit") || budgetUsedUp(e) {
		return false
	}
	return crmhttp.Retryable(e) || (errors.Is(e.Kind, crm.ErrUnavailable) && e.Status == http.StatusInternalServerError)
}

// bucketFull reports whether the portal refused a request because there were too
// many. HTTP 503 alone does not say so.
func bucketFull(e *crm.Error) bool { return strings.EqualFold(e.Code, "query_limit_exceeded") }

// budgetUsedUp reports whether a method was refused because it has no operating
// time left.
func budgetUsedUp(e *crm.Error) bool { return strings.EqualFold(e.Code, "operation_time_limit") }

// unrun reports whether a call that failed was surely not carried out.
func unrun(e *crm.Error) bool { return bucketFull(e) || budgetUsedUp(e) }
