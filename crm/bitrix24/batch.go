package bitrix24

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// maxCommands is how many commands a batch holds
// (https://apidocs.bitrix24.com/settings/how-to-call-rest-api/batch.html).
const maxCommands = 50

// command is one call in a batch. Its key begins with a letter, so that PHP
// cannot make an array of the answer.
type command struct {
	key, method string
	query       url.Values
	// into reads the result, which may be null or false and still be good.
	into func(*crmhttp.Cursor) error
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
// (https://apidocs.bitrix24.com/settings/how-to-call-rest-api/batch.html).
// Its error is one of the whole batch; a command has failed if its key stands in
// result_error, whatever the code.
func (c *Client) decodeBatch(op string, cs commands, response crmhttp.Response) ([]result, error) {
	body, err := c.http.JSON(op, response)
	if err != nil {
		return nil, err
	}
	answer := batchAnswer{commands: cs, status: response.Status, results: make([]result, len(cs))}
	if err := answer.read(body); err != nil {
		return nil, c.bad(op, response, "an error in another form than expected")
	}
	failed := func(r result) bool { return r.err != nil }
	switch {
	case answer.whole.Code.Present:
		return nil, c.http.Error(op, describe(answer.whole, response.Status, nil))
	case answer.broken != "" && !slices.ContainsFunc(answer.results, failed):
		return nil, c.bad(op, response, "JSON of another form than expected"+answer.broken)
	}
	return answer.results, nil
}

// batchAnswer is what was read of a batch's answer.
type batchAnswer struct {
	commands commands
	status   int
	results  []result
	whole    wireError // of the batch itself
	// broken is what has another form than expected. Nothing is read behind it,
	// and it counts only if the portal had said nothing of errors before.
	broken string
}

const noBatch = ": no batch"

// read reads the whole answer; its error is of an error that cannot be read.
func (a *batchAnswer) read(body *crmhttp.Cursor) error {
	a.broken = noBatch
	for name := range body.Members() {
		var err error
		switch string(name) {
		case "error":
			err = a.whole.Code.UnmarshalJSON(body.Value())
		case "error_description":
			err = a.whole.Text.UnmarshalJSON(body.Value())
		case "result":
			for section := range body.Members() {
				a.broken = ""
				if !a.section(string(section), body) {
					return nil
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// section reads a section of the answer, and reports whether it has the form
// expected. PHP writes a map as [] where it is empty, and as an array where the
// keys are 0 to n-1.
func (a *batchAnswer) section(name string, body *crmhttp.Cursor) bool {
	entry := func(key string) bool {
		i := slices.IndexFunc(a.commands, func(c command) bool { return c.key == key })
		switch {
		case i >= 0:
			if err := a.results[i].take(name, body, a.status, a.commands[i]); err != nil {
				a.broken = ", in " + a.commands[i].method + explain(err)
			}
		case name == "result_error":
			a.broken = ", in result_error: a command that was not sent failed"
		}
		return a.broken == ""
	}
	for key := range body.Members() {
		if !entry(string(key)) {
			return false
		}
	}
	for i := range body.Elements() {
		if !entry(strconv.Itoa(i)) {
			return false
		}
	}
	return true
}

// take takes what a section says of the command.
func (r *result) take(section string, body *crmhttp.Cursor, status int, of command) error {
	switch section {
	case "result":
		r.answered = true
		return of.into(body)
	case "result_error":
		var said wireError
		err := json.Unmarshal(body.Value(), &said)
		r.err = describe(said, status, nil)
		return err
	case "result_total":
		return r.total.UnmarshalJSON(body.Value())
	case "result_next":
		var next crmhttp.Int
		err := next.UnmarshalJSON(body.Value())
		r.next = next.Value
		return err
	}
	return nil
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
