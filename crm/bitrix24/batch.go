package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// maxCommands is how many commands a batch holds
// (https://apidocs.bitrix24.com/settings/how-to-call-rest-api/batch.html).
const maxCommands = 50

const methodBatch = "batch"

// command is one call in a batch. Its key begins with a letter, so that PHP
// cannot make an array of the answer. Its query is escaped, as the portal cuts off
// what follows a bare "#".
type command struct {
	key, method, query string
	// into reads the result, which may be null or false and still be good.
	into func(*crmhttp.Cursor) error
}

// result is what a batch says of one of its commands.
type result struct {
	answered bool // into was called
	total    crmhttp.Int
	next     int        // where the next page starts; 0 if there is none
	timing   Timing     // without a method
	err      *crm.Error // nil unless the command failed
}

// commands are the commands of a batch, which the portal runs one after the
// other in this sequence.
type commands []command

// encode returns the body of a batch, with the token if there is one. Keys,
// methods and queries hold nothing that JSON would escape. The portal wants a
// number for halt: PHP takes the text "false" for true.
func (cs commands) encode(halt bool, token string) ([]byte, error) {
	size := 64 + len(token)
	for _, c := range cs {
		size += len(c.key) + len(c.method) + len(c.query) + 8
	}
	b := make([]byte, 0, size)
	if b = append(b, `{"halt":0,`...); halt {
		b[len(b)-2] = '1'
	}
	if token != "" {
		quoted, err := json.Marshal(token)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, `"auth":`...), quoted...), ',')
	}
	b = append(b, `"cmd":{`...)
	for i, c := range cs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), c.key...), `":"`...)
		if b = append(b, c.method...); c.query != "" {
			b = append(append(b, '?'), c.query...)
		}
		b = append(b, '"')
	}
	return append(b, "}}"...), nil
}

// readAll sends the commands, which have to be reads, as one request, and
// returns their results in the same sequence: if one fails, or has no answer, the
// whole call fails.
func (c *Client) readAll(ctx context.Context, op string, cs commands) ([]result, error) {
	response, err := c.post(ctx, request{op: op, method: methodBatch, idempotent: true, body: func(token string) ([]byte, error) {
		return cs.encode(false, token)
	}})
	if err != nil {
		return nil, c.overBudget(err, methodBatch)
	}
	return c.allRead(op, cs, response)
}

// allRead returns the results of readAll.
func (c *Client) allRead(op string, cs commands, response crmhttp.Response) ([]result, error) {
	results, err := c.decodeBatch(op, cs, response)
	if err != nil {
		return nil, c.overBudget(err, methodBatch)
	}
	for i := range results {
		if failure := results[i].err; failure != nil {
			failure.Message = hinted(cs[i].method, failure.Message)
			return nil, c.overBudget(c.failure(op, failure), cs[i].method)
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
	body, err := c.at().http.JSON(op, response)
	if err != nil {
		return nil, err
	}
	answer := batchAnswer{commands: cs, status: response.Status, results: make([]result, len(cs))}
	if err := answer.read(body); err != nil {
		return nil, c.bad(op, response, "an error in another form than expected")
	}
	failed := func(r result) bool { return r.err != nil }
	for i := range answer.results {
		c.heed(answer.results[i].err)
	}
	switch {
	case answer.whole.Code.Present:
		e := describe(answer.whole, response.Status, nil)
		c.heed(e)
		return nil, c.failure(op, e)
	case answer.broken != "" && !slices.ContainsFunc(answer.results, failed):
		return nil, c.bad(op, response, "JSON of another form than expected"+answer.broken)
	}
	c.noteBatch(cs, answer.results, answer.timing)
	return answer.results, nil
}

// batchAnswer is what was read of a batch's answer.
type batchAnswer struct {
	commands commands
	status   int
	results  []result
	timing   Timing
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
		case "time":
			a.timing.read(body)
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
	case "result_time":
		r.timing.read(body)
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
	return c.failure(op, &crm.Error{Kind: crm.ErrBadResponse, Status: response.Status, Message: message})
}
