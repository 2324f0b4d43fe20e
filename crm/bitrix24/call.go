package bitrix24

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// Call is one call of a method of the portal's REST API
// (https://apidocs.bitrix24.com/api-reference/index.html).
type Call struct {
	// Method is the method's name: "crm.item.get".
	Method string
	Params Params
	// Idempotent says that carrying the call out twice does the same as once, as
	// with everything that reads: it may be repeated then if no answer came. Other
	// calls are repeated only if they surely were not carried out.
	Idempotent bool
}

// Result is what the portal said to a call.
type Result struct {
	// Value is the JSON of the result, which may be null or false and still be
	// good; nil if the call failed.
	Value json.RawMessage
	// Total is how many rows a list has in all, if the portal said so.
	Total crmhttp.Int
	// Next is where the next page of a list starts; 0 if there is none.
	Next   int
	Timing Timing
	// Err tells why a call in a batch failed. It is nil for those that did not,
	// and always where the call is alone.
	Err error
}

// Decode decodes Value into what into points to, with encoding/json. Mind that
// PHP writes an empty object as an empty array, and many numbers as texts;
// [crmhttp.ID], [crmhttp.Text] and [crmhttp.Int] take both.
func (r Result) Decode(into any) error {
	if r.Err != nil {
		return r.Err
	}
	return json.Unmarshal(r.Value, into)
}

// Call calls a method, within the limits of the portal, and returns its result.
// Everything else that the client does is made of such calls and of batches; use
// it for what the client has no method for.
//
// The error is a [*crm.Error], also where the portal puts it into an answer with
// HTTP 200. A method whose operating time is used up gives one of kind
// [crm.ErrRateLimited], whose RetryAfter says when to try again.
func (c *Client) Call(ctx context.Context, call Call) (Result, error) {
	if err := call.check(); err != nil {
		return Result{}, caused(c.failure("call", &crm.Error{Kind: crm.ErrRejected, Message: "nothing was sent"}), err)
	}
	return c.call(ctx, call.Method, call, false)
}

// check returns what makes the call one that cannot be sent.
func (call Call) check() error {
	if call.Method == "" || strings.Trim(strings.ToLower(call.Method), "abcdefghijklmnopqrstuvwxyz0123456789._") != "" {
		return errors.New("the method is no name such as \"crm.item.get\"") // it may be an address, with its secret
	}
	if strings.EqualFold(call.Method, methodBatch) {
		return errors.New("use Client.Batch for a batch")
	}
	if _, found := call.Params["auth"]; found {
		return errors.New(`the parameter "auth" is the client's`)
	}
	return nil
}

// call sends a call that was checked.
func (c *Client) call(ctx context.Context, op string, call Call, once bool) (Result, error) {
	response, err := c.post(ctx, request{
		op: op, method: call.Method, idempotent: call.Idempotent, once: once,
		body: call.encode,
	})
	if err != nil {
		return Result{}, c.overBudget(err, call.Method)
	}
	result, err := c.decodeCall(op, call.Method, response)
	return result, c.overBudget(err, call.Method)
}

// encode returns the body of the call.
func (call Call) encode(token string) ([]byte, error) {
	params := call.Params
	if token != "" {
		params = maps.Clone(params)
		if params == nil {
			params = Params{}
		}
		params["auth"] = token
	}
	if len(params) == 0 {
		return []byte("{}"), nil
	}
	return json.Marshal(params)
}

// decodeCall reads the answer in one pass.
func (c *Client) decodeCall(op, method string, response crmhttp.Response) (Result, error) {
	body, err := c.at().http.JSON(op, response)
	if err != nil {
		return Result{}, err
	}
	var r Result
	var said wireError
	for name := range body.Members() {
		var err error
		switch string(name) {
		case "result":
			r.Value = body.Value()
		case "total":
			err = r.Total.UnmarshalJSON(body.Value())
		case "next":
			var next crmhttp.Int
			err = next.UnmarshalJSON(body.Value())
			r.Next = next.Value
		case "time":
			r.Timing.read(body)
		case "error":
			err = said.Code.UnmarshalJSON(body.Value())
		case "error_description":
			err = said.Text.UnmarshalJSON(body.Value())
		}
		if err != nil {
			return Result{}, c.bad(op, response, "an answer in another form than expected")
		}
	}
	switch {
	case said.Code.Present:
		e := describe(said, response.Status, nil)
		c.heed(e)
		return Result{}, c.failure(op, e)
	case r.Value == nil:
		return Result{}, c.bad(op, response, `an answer without "result"`)
	}
	r.Timing.Method = method
	c.note(r.Timing, r.Timing.Finish)
	return r, nil
}

// heed tells the limiter if an error, which may be nil, that stood inside an answer
// with HTTP 200 says that the bucket is full.
func (c *Client) heed(e *crm.Error) {
	if e != nil && bucketFull(e) {
		c.limiter.full()
	}
}

// note takes over what an answer that left the portal at the time finish says of a
// call's time.
func (c *Client) note(t Timing, finish time.Time) {
	c.budgets.note(t, finish)
	if c.observe != nil {
		c.observe(t)
	}
}

// noteBatch does so for a batch and for each of its commands that went well.
func (c *Client) noteBatch(cs commands, results []result, whole Timing) {
	finish := whole.Finish
	for i := range results {
		if at := results[i].timing.Finish; at.After(finish) {
			finish = at
		}
	}
	for i := range results {
		if r := &results[i]; r.answered && r.err == nil {
			r.timing.Method = cs[i].method
			c.note(r.timing, finish)
		}
	}
	whole.Method = methodBatch
	c.note(whole, finish)
}

// overBudget adds to the error of a method whose time is used up when to try
// again. It changes no other error, and no nil.
func (c *Client) overBudget(err error, method string) error {
	var e *crm.Error
	if errors.As(err, &e) && budgetUsedUp(e) && e.RetryAfter == 0 {
		e.RetryAfter = c.budgets.refused(method)
	}
	return err
}

// Batch makes up to 50 calls in one request, which the portal carries out one
// after the other, and returns their results in the same sequence
// (https://apidocs.bitrix24.com/settings/how-to-call-rest-api/batch.html). With
// halt it stops at the first that fails. It counts as one request for the
// portal's limit of the rate, and each call for its own operating time.
//
// A call that fails has its Err, and does not make the others fail. One that was
// not carried out because of halt has an Err of kind [crm.ErrRejected] whose
// cause is [ErrHalted]. The error of Batch itself tells that the request failed:
// then there are no results, and unless its kind is [crm.ErrUnavailable] or
// [crm.ErrBadResponse] nothing was carried out. The request is repeated like a
// single call, as if it were idempotent if all its calls are.
//
// The portal replaces "$result[", "$error[", "$total[", "$next[" and "$time[" in
// the parameters of a batch, and in what people wrote too. Calls that hold one are
// therefore refused here, with [ErrReference] as the cause, before anything is
// sent; make them alone.
func (c *Client) Batch(ctx context.Context, halt bool, calls ...Call) ([]Result, error) {
	results := make([]Result, len(calls))
	cs, idempotent, err := newCommands(calls, results)
	if err != nil {
		return nil, caused(c.failure(methodBatch, &crm.Error{Kind: crm.ErrRejected, Message: "nothing was sent"}), err)
	}
	if len(calls) == 0 {
		return results, nil
	}
	response, err := c.post(ctx, request{op: methodBatch, method: methodBatch, idempotent: idempotent, body: func(token string) ([]byte, error) {
		return cs.encode(halt, token)
	}})
	if err != nil {
		return nil, c.overBudget(err, methodBatch)
	}
	said, err := c.decodeBatch(methodBatch, cs, response)
	if err != nil {
		return nil, c.overBudget(err, methodBatch)
	}
	stopped := false
	for i, r := range said {
		results[i].Total, results[i].Next, results[i].Timing = r.total, r.next, r.timing
		switch {
		case r.err != nil:
			results[i] = Result{Err: c.overBudget(c.failure(cs[i].method, r.err), cs[i].method)}
			stopped = halt
		case !r.answered && stopped:
			results[i].Err = caused(c.failure(cs[i].method, &crm.Error{Kind: crm.ErrRejected}), ErrHalted)
		case !r.answered:
			results[i].Err = c.bad(cs[i].method, response, "the batch holds no answer to it")
		}
	}
	return results, nil
}

var (
	// ErrHalted is the cause of the error of a call that was not carried out,
	// because the batch stopped at one that failed before.
	ErrHalted = errors.New("not carried out: the batch stopped at a call that failed before")
	// ErrReference is the cause of the error of a batch with a text that the
	// portal would replace.
	ErrReference = errors.New(`a parameter holds "$result[" or the like, which the portal replaces in a batch; make this call alone`)
)

// newCommands returns the calls as commands that put their values into results.
func newCommands(calls []Call, results []Result) (cs commands, idempotent bool, err error) {
	if len(calls) > maxCommands {
		return nil, false, fmt.Errorf("%d calls in a batch, which holds %d", len(calls), maxCommands)
	}
	idempotent = true
	for i, call := range calls {
		if err := call.check(); err != nil {
			return nil, false, fmt.Errorf("call %d: %w", i+1, err)
		}
		query, err := call.Params.query()
		if err == nil && refers(query) {
			err = ErrReference
		}
		if err != nil {
			return nil, false, fmt.Errorf("call %d (%s): %w", i+1, call.Method, err)
		}
		cs = append(cs, command{key: "c" + strconv.Itoa(i), method: strings.ToLower(call.Method), query: query, into: func(cursor *crmhttp.Cursor) error {
			results[i].Value = bytes.Clone(cursor.Value())
			return nil
		}})
		idempotent = idempotent && call.Idempotent
	}
	return cs, idempotent, nil
}

// caused gives the error a cause of this package, which holds no secret.
func caused(e *crm.Error, cause error) *crm.Error {
	e.Err = cause
	return e
}
