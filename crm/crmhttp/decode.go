package crmhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// Decode decodes the answer into the value that into points to, with
// encoding/json: unknown fields are ignored. op says what is being done, for
// errors.
//
// The error is of kind [crm.ErrBadResponse] if the body is not exactly one JSON
// value of the wanted form: if it is HTML (by what it says it is, or by its
// first character), empty, cut, followed by something else, or null. A missing
// media type, or another one, is no error. After an error the value holds
// nothing that can be relied on.
func (c *Client) Decode(op string, response Response, into any) error {
	body, err := c.body(op, response)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return c.broken(op, response, err, len(body))
	}
	return nil
}

// JSON returns a cursor on the answer's body if that is exactly one JSON value,
// not null. A large answer is read with it in half the time that [Client.Decode]
// takes. The errors are those of Decode.
func (c *Client) JSON(op string, response Response) (*Cursor, error) {
	body, err := c.body(op, response)
	if err != nil {
		return nil, err
	}
	if !json.Valid(body) {
		var into any
		return nil, c.broken(op, response, json.Unmarshal(body, &into), len(body))
	}
	return NewCursor(body), nil
}

// body returns the body of an answer that may be JSON.
func (c *Client) body(op string, response Response) ([]byte, error) {
	fail := func(message string) ([]byte, error) {
		return nil, c.Error(op, &crm.Error{Kind: crm.ErrBadResponse, Status: response.Status, Message: message})
	}
	if looksLikeHTML(response) {
		return fail("a page of HTML instead of JSON; is the address right?")
	}
	body := bytes.TrimPrefix(response.Body, []byte("\uFEFF")) // some PHP servers begin with it
	switch trimmed := bytes.TrimSpace(body); {
	case len(trimmed) == 0:
		return fail("an empty answer instead of JSON")
	case string(trimmed) == "null":
		return fail("null instead of an answer")
	}
	return body, nil
}

// broken returns what encoding/json has to say as an error of this client.
func (c *Client) broken(op string, response Response, err error, length int) error {
	return c.Error(op, &crm.Error{Kind: crm.ErrBadResponse, Status: response.Status, Message: explain(err, length)})
}

// explain says what is wrong with JSON, without showing what is in it.
func explain(err error, length int) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("broken or cut JSON (at byte %d of %d)", syntax.Offset, length)
	}
	var form *json.UnmarshalTypeError
	if errors.As(err, &form) {
		value, _, _ := strings.Cut(form.Value, " ") // "number 17" shows the number
		where := "at the top"
		if form.Field != "" {
			where = "in the field " + form.Field
		}
		return fmt.Sprintf("JSON of another form than expected (%s %s, at byte %d)", value, where, form.Offset)
	}
	return err.Error()
}

// looksLikeHTML reports whether the answer is a page for people: of a proxy, a
// login form, a maintenance note.
func looksLikeHTML(response Response) bool {
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil {
		if media == "text/html" || media == "application/xhtml+xml" {
			return true
		}
	}
	body := bytes.TrimLeft(response.Body, "\uFEFF \t\r\n")
	return len(body) > 0 && body[0] == '<'
}
