package crmfault

import (
	"net/http"
	"strconv"
	"time"
)

// Fault is something that goes wrong with a request; see [Handler.Fail]. Its
// zero value is a request that goes well.
type Fault struct {
	delay   time.Duration
	drop    bool
	answer  *answer
	rewrite func(body []byte) []byte
	midway  bool
	forever bool
}

// answer is what comes instead of the fake's own answer.
type answer struct {
	status int
	header map[string]string
	body   string
}

// Answer is an answer of this HTTP status and body, as JSON, instead of the true
// one. An empty body stays empty. headers are names and values in turn.
func Answer(status int, body string, headers ...string) Fault {
	a := &answer{status: status, body: body, header: map[string]string{"Content-Type": "application/json; charset=utf-8"}}
	for i := 0; i+1 < len(headers); i += 2 {
		a.header[headers[i]] = headers[i+1]
	}
	return Fault{answer: a}
}

// HTML is a page for people with the HTTP status 200, as a proxy or a
// maintenance gives it.
func HTML() Fault {
	return Answer(http.StatusOK, "<!DOCTYPE html><html><body>Технические работы</body></html>\n",
		"Content-Type", "text/html; charset=utf-8")
}

// RetryAfter is an answer without a body that asks to wait: a Retry-After of
// whole seconds, or none if wait is 0.
func RetryAfter(status int, wait time.Duration) Fault {
	if wait <= 0 {
		return Answer(status, "")
	}
	return Answer(status, "", "Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
}

// Redirect is an answer of this HTTP status, such as 302, that sends the client
// to the address.
func Redirect(status int, address string) Fault { return Answer(status, "", "Location", address) }

// Rewrite is the true answer with another body; change may keep neither its
// argument nor what it returned.
func Rewrite(change func(body []byte) []byte) Fault { return Fault{rewrite: change} }

// Cut is the first half of the true answer, as if it were all.
func Cut() Fault {
	return Rewrite(func(body []byte) []byte { return body[:len(body)/2] })
}

// CutConnection is the first half of the true answer, after which the
// connection breaks.
func CutConnection() Fault { return Fault{midway: true} }

// Drop closes the connection without an answer. Mind that net/http asks again
// by itself where a connection was kept from an earlier GET, so a client may
// not notice a single one.
func Drop() Fault { return Fault{drop: true} }

// Delay is the true answer after d, or nothing if the client goes away before.
func Delay(d time.Duration) Fault { return Fault{delay: d} }
