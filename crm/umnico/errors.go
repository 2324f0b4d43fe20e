package umnico

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// What is said beside a refused token or password.
const (
	hintToken = "check the token from Settings > API; " +
		"some accounts want another AuthWord (Bearer, or none)"
	hintUser     = "the user's token was refused; Umnico may want another AuthWord (JWT, Bearer, or none)"
	hintPassword = "check login and password"
)

// classify says what kind of error an answer is; nil if it is none. It is the
// only place that decides it. Umnico documents 401 only
// (https://api.umnico.com/docs/introduction/auth.html), so the kind follows
// from the HTTP status.
func classify(response crmhttp.Response, hint string) *crm.Error {
	e := crmhttp.Classify(response)
	if e == nil {
		return nil
	}
	if text := errorText(response.Body); text != "" {
		e.Message = text
	}
	refused := response.Status == http.StatusUnauthorized
	if hint == hintPassword { // nothing else in the request could be wrong
		refused = refused || response.Status == http.StatusBadRequest || response.Status == http.StatusUnprocessableEntity
	}
	if refused {
		e.Message = hinted(hint, e.Message)
	}
	return e
}

// hinted returns what to do about an error and what Umnico said, in this order, so
// that a long text cannot push the first out.
func hinted(hint, said string) string {
	return strings.TrimRight(hint+": "+said, ": ")
}

// errorText returns the text in an error's body, or "" if the body is not an
// object with one. The only key that is confirmed is "error"; the others, and
// the order in which they are tried, are those of a careful client. What is
// not a text is given as the JSON that it is.
func errorText(body []byte) string {
	var fields struct {
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
		Error   json.RawMessage `json:"error"`
	}
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || json.Unmarshal(body, &fields) != nil {
		return ""
	}
	for _, field := range []json.RawMessage{fields.Message, fields.Detail, fields.Error} {
		var text string
		if json.Unmarshal(field, &text) != nil {
			text = string(field)
		}
		if text != "" && text != "null" {
			return text
		}
	}
	return ""
}

// bad returns the error for an answer that is not what was asked for, with the text
// of the error that may be in it.
func (c *Client) bad(op string, response crmhttp.Response, message string) *crm.Error {
	if text := errorText(response.Body); text != "" {
		message += ": " + text
	}
	return c.failure(op, &crm.Error{Kind: crm.ErrBadResponse, Status: response.Status, Message: message})
}

// decode decodes an answer, which may be a list where into points to a slice.
func (c *Client) decode(op string, response crmhttp.Response, into any) error {
	return c.at().http.Decode(op, response, into)
}

// decodeList decodes an answer that has to be a list: an array without a wrapper
// (https://api.umnico.com/docs/apiMethods/managers.html).
func (c *Client) decodeList(op string, response crmhttp.Response, into any) error {
	if bytes.HasPrefix(bytes.TrimSpace(response.Body), []byte("{")) {
		return c.bad(op, response, "an object instead of a list")
	}
	return c.decode(op, response, into)
}
