package umnico

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// classify says what kind of error an answer is; nil if it is none. It is the
// only place that decides it. Umnico documents 401 only
// (https://api.umnico.com/docs/introduction/auth.html), so the kind follows
// from the HTTP status.
func classify(response crmhttp.Response) *crm.Error {
	e := crmhttp.Classify(response)
	if e == nil {
		return nil
	}
	if text := errorText(response.Body); text != "" {
		e.Message = text
	}
	if response.Status == http.StatusUnauthorized {
		// In front, so that a long text cannot push it out.
		e.Message = strings.TrimRight("check the token from Settings > API; "+
			"some accounts want another AuthWord (Bearer, or none): "+e.Message, ": ")
	}
	return e
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
