package umnicotest

import (
	"net/http"
	"strconv"
	"time"
)

// Fault is something that goes wrong with a request; see [Umnico.Fail]. Its
// zero value is a request that goes well.
type Fault struct {
	answer  bool
	status  int
	header  map[string]string
	body    string
	delay   time.Duration
	drop    bool
	half    bool
	midway  bool
	part    bool
	rows    int
	forever bool
}

// Answer is an answer of this HTTP status and body instead of the true one. An
// empty body stays empty.
func Answer(status int, body string) Fault {
	return Fault{answer: true, status: status, body: body, header: map[string]string{"Content-Type": "application/json; charset=utf-8"}}
}

// HTML is a page for people with the HTTP status 200, as a proxy or a
// maintenance gives it.
func HTML() Fault {
	f := Answer(http.StatusOK, "<!DOCTYPE html><html><body>Технические работы</body></html>\n")
	f.header["Content-Type"] = "text/html; charset=utf-8"
	return f
}

// RateLimited is a 429 with a Retry-After of whole seconds, or without one if
// wait is 0. No client has reported one from Umnico yet.
func RateLimited(wait time.Duration) Fault {
	f := Answer(http.StatusTooManyRequests, `{"error":"Too Many Requests"}`)
	if wait > 0 {
		f.header["Retry-After"] = strconv.Itoa(int((wait + time.Second - 1) / time.Second))
	}
	return f
}

// Redirect is a 302 to the address.
func Redirect(address string) Fault {
	f := Answer(http.StatusFound, "")
	f.header["Location"] = address
	return f
}

// EmptyList is a 200 with an empty array, whatever the account holds: an error
// upstream that looks like a success.
func EmptyList() Fault { return Answer(http.StatusOK, "[]") }

// Cut is the first half of the true answer, as if it were all.
func Cut() Fault { return Fault{half: true} }

// CutConnection is the first half of the true answer, after which the
// connection breaks.
func CutConnection() Fault { return Fault{midway: true} }

// Part is the status list with its first rows only: sound JSON which does not
// show that something is missing.
func Part(rows int) Fault { return Fault{part: true, rows: rows} }

// Drop closes the connection without an answer. Mind that net/http asks again
// by itself where a connection was kept from an earlier GET, so a client may
// not notice a single one.
func Drop() Fault { return Fault{drop: true} }

// Delay is the true answer after d, or nothing if the client goes away before.
func Delay(d time.Duration) Fault { return Fault{delay: d} }

// Fail makes the next n requests meet the fault, after those that faults were
// set for before. A negative n means all, until [Umnico.Recover]. A fault comes
// before the token is looked at.
func (u *Umnico) Fail(n int, fault Fault) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n < 0 {
		fault.forever = true
		n = 1
	}
	for range n {
		u.faults = append(u.faults, fault)
	}
}

// Recover takes back all faults that no request has met yet.
func (u *Umnico) Recover() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.faults = nil
}

// nextFault returns the fault for a request. It runs under mu.
func (u *Umnico) nextFault() Fault {
	if len(u.faults) == 0 {
		return Fault{}
	}
	fault := u.faults[0]
	if !fault.forever {
		u.faults = u.faults[1:]
	}
	return fault
}
