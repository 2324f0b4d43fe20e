package bitrix24

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

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
// returns the answer of them all: if one fails, the whole call does.
func readAll[T any](ctx context.Context, c *Client, op string, cs commands) (*wireBatch[T], error) {
	response, err := c.http.Do(ctx, crmhttp.Request{
		Op: op, Method: http.MethodPost, Path: "batch", Idempotent: true,
		// A number: PHP takes the text "false" for true.
		Body: map[string]any{"halt": 0, "cmd": cs},
	})
	if err != nil {
		return nil, err
	}
	return decodeAll[T](c, op, cs, response)
}

// decodeAll decodes the answer of [readAll] in one pass.
func decodeAll[T any](c *Client, op string, cs commands, response crmhttp.Response) (*wireBatch[T], error) {
	answer := new(wireBatch[T])
	err := c.http.Decode(op, response, answer)
	if err != nil {
		// Where no command succeeded, the results are [] and not an object, and an
		// error may have anything beside it. What the portal says is worth more
		// than that its form is another.
		var whole wireError
		var failed wireBatch[anything]
		if c.http.Decode(op, response, &whole) == nil {
			_ = c.http.Decode(op, response, &failed)
			if failure := batchFailure(cs, response.Status, whole, failed.Result.Errors); failure != nil {
				return nil, c.http.Error(op, failure)
			}
		}
		return nil, err
	}
	if failure := batchFailure(cs, response.Status, answer.wireError, answer.Result.Errors); failure != nil {
		return nil, c.http.Error(op, failure)
	}
	return answer, nil
}

// batchFailure returns the error of a whole batch or, in the sequence of the
// commands, of the first one that failed; nil if none did.
func batchFailure(cs commands, status int, whole wireError, failed section[wireError]) *crm.Error {
	if whole.Code.Present {
		return describe(whole, status, nil)
	}
	for key, failure := range failed {
		i := slices.IndexFunc(cs, func(c command) bool { return c.key == key })
		if i < 0 {
			e := describe(failure, status, nil)
			e.Message = "a command that was not sent failed: " + e.Message
			return e
		}
	}
	for _, c := range cs {
		if failure, found := failed[c.key]; found {
			e := describe(failure, status, nil)
			e.Message = c.method + ": " + e.Message
			return e
		}
	}
	return nil
}
