package bitrix24

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// maxCommands is how many commands a batch holds
// (https://apidocs.bitrix24.com/api-reference/how-to-call-rest-api/batch.html).
const maxCommands = 50

// command is one call in a batch. Its key begins with a letter, so that PHP
// cannot make an array of the answer.
type command struct {
	key, method string
	query       url.Values
	// into takes the result, which may be null or false and still be good.
	into func(json []byte) error
}

// result is what a batch says of one of its commands.
type result struct {
	answered bool // into was called
	total    crmhttp.Int
	next     int        // where the next page starts; 0 if there is none
	err      *crm.Error // nil unless the command failed
}

// commands are the commands of a batch, which the portal runs one after the
// other in this sequence.
type commands []command

// MarshalJSON encodes the commands as the object that the portal reads, each as
// "method?query", with the values of the query escaped: the portal cuts off what
// follows a bare "#".
func (cs commands) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range cs {
		if i > 0 {
			b.WriteByte(',')
		}
		line := c.method
		if len(c.query) > 0 {
			line += "?" + c.query.Encode()
		}
		for j, text := range []string{c.key, line} {
			quoted, err := json.Marshal(text)
			if err != nil {
				return nil, err
			}
			if j > 0 {
				b.WriteByte(':')
			}
			b.Write(quoted)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// readAll sends the commands, which have to be reads, as one request, and
// returns their results in the same sequence: if one fails, or has no answer, the
// whole call fails.
func (c *Client) readAll(ctx context.Context, op string, cs commands) ([]result, error) {
	response, err := c.http.Do(ctx, crmhttp.Request{
		Op: op, Method: http.MethodPost, Path: "batch", Idempotent: true,
		// A number: PHP takes the text "false" for true.
		Body: map[string]any{"halt": 0, "cmd": cs},
	})
	if err != nil {
		return nil, err
	}
	return c.allRead(op, cs, response)
}

// allRead returns the results of readAll.
func (c *Client) allRead(op string, cs commands, response crmhttp.Response) ([]result, error) {
	results, err := c.decodeBatch(op, cs, response)
	if err != nil {
		return nil, err
	}
	for i := range results {
		if failure := results[i].err; failure != nil {
			failure.Message = hinted(cs[i].method, failure.Message)
			return nil, c.http.Error(op, failure)
		}
	}
	for i := range results {
		if !results[i].answered {
			return nil, c.bad(op, response, "the batch holds no answer to "+cs[i].method)
		}
	}
	return results, nil
}

// decodeBatch hands the results to the commands, in one pass over the answer
// (https://apidocs.bitrix24.com/api-reference/how-to-call-rest-api/batch.html).
// Its error is one of the whole batch; a command has failed if its key stands in
// result_error, whatever the code.
func (c *Client) decodeBatch(op string, cs commands, response crmhttp.Response) ([]result, error) {
	body, err := c.http.JSON(op, response)
	if err != nil {
		return nil, err
	}
	var whole wireError
	var parts []byte
	for name, value := range crmhttp.Members(body) {
		switch string(name) {
		case "result":
			parts = value
		case "error":
			err = whole.Code.UnmarshalJSON(value)
		case "error_description":
			err = whole.Text.UnmarshalJSON(value)
		}
		if err != nil {
			return nil, c.bad(op, response, "an error in another form than expected")
		}
	}
	if whole.Code.Present {
		return nil, c.http.Error(op, describe(whole, response.Status, nil))
	}
	results := make([]result, len(cs))
	var broken error // the first; what the portal says of errors comes before it
	note := func(err error, where string) {
		if err != nil && broken == nil {
			broken = c.bad(op, response, "JSON of another form than expected, in "+where+explain(err))
		}
	}
	sections := 0
	for name, section := range crmhttp.Members(parts) {
		sections++
		for key, value := range entries(section) {
			i := slices.IndexFunc(cs, func(c command) bool { return c.key == string(key) })
			if i >= 0 {
				note(results[i].take(string(name), value, response.Status, cs[i]), cs[i].method)
			} else if string(name) == "result_error" {
				note(errors.New("a command that was not sent failed"), string(name))
			}
		}
	}
	switch {
	case sections == 0:
		return nil, c.bad(op, response, "JSON of another form than expected: no batch")
	case broken != nil && !slices.ContainsFunc(results, func(r result) bool { return r.err != nil }):
		return nil, broken
	}
	return results, nil
}

// take takes what a section of the answer says of the command.
func (r *result) take(section string, value []byte, status int, of command) error {
	switch section {
	case "result":
		r.answered = true
		return of.into(value)
	case "result_error":
		var said wireError
		err := json.Unmarshal(value, &said)
		r.err = describe(said, status, nil)
		return err
	case "result_total":
		return r.total.UnmarshalJSON(value)
	case "result_next":
		var next crmhttp.Int
		err := next.UnmarshalJSON(value)
		r.next = next.Value
		return err
	}
	return nil
}

// entries yields the parts of a section by the keys of their commands. PHP
// writes a map as [] where it is empty, and as an array where the keys are 0 to
// n-1.
func entries(section []byte) iter.Seq2[[]byte, []byte] {
	if !bytes.HasPrefix(section, []byte("[")) {
		return crmhttp.Members(section)
	}
	return func(yield func(key, value []byte) bool) {
		i := 0
		for value := range crmhttp.Elements(section) {
			if !yield(strconv.AppendInt(nil, int64(i), 10), value) {
				return
			}
			i++
		}
	}
}

// into returns a function that decodes a result other than null into the value
// that it points to.
func into(value any) func(json []byte) error {
	return func(data []byte) error {
		if string(data) == "null" {
			return errors.New("null")
		}
		return json.Unmarshal(data, value)
	}
}

// explain returns the error's text behind a colon; nothing for those of
// encoding/json, which show values and names of types.
func explain(err error) string {
	var form *json.UnmarshalTypeError
	if errors.As(err, &form) {
		return ""
	}
	return ": " + err.Error()
}

// bad returns the error of an answer that cannot be what the portal meant.
func (c *Client) bad(op string, response crmhttp.Response, message string) error {
	return c.http.Error(op, &crm.Error{Kind: crm.ErrBadResponse, Status: response.Status, Message: message})
}
