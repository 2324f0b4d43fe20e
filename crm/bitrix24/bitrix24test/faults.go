package bitrix24test

import (
	"net/http"
	"strings"

	"github.com/statuslink/statuslink/crm/crmfault"
)

// APIError is an error as the portal says it: of a whole request, or of one
// command in a batch, where its Status is not seen.
type APIError struct {
	// Status is the HTTP status; 0 means 400.
	Status int
	// Code is what stands in "error": a string, which may be empty, or an int.
	Code any
	// Text is what stands in "error_description".
	Text string
}

// Fault returns the error as the answer to a whole request, for the portal's
// Fail. Unlike [Portal.FailCommand] it does not ask which method was called.
func (e APIError) Fault() crmfault.Fault {
	status, body := e.answer()
	return crmfault.Answer(status, string(body))
}

// answer returns the error as the answer to a request; it has no "time".
func (e APIError) answer() (status int, body []byte) {
	status = e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	return status, encode(e.body())
}

func (e APIError) body() *phpMap { return array("error", e.Code, "error_description", e.Text) }

// failure is an error that calls of a method meet.
type failure struct {
	APIError
	forever bool
}

// FailCommand makes the next n calls of the method answer with the error, alone
// or in a batch, after those that errors were set for before. A negative n means
// all, until [Portal.Recover] or [Portal.RecoverCommands]. The method may be one
// that the portal does not serve, and "batch" itself.
func (p *Portal) FailCommand(n int, method string, e APIError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := failure{APIError: e, forever: n < 0}
	if f.forever {
		n = 1
	}
	method = strings.ToLower(method)
	for range n {
		p.failures[method] = append(p.failures[method], f)
	}
}

// FailItem makes all calls that name one item answer with the error, such as
// [AccessDenied], until [Portal.Recover] or [Portal.RecoverCommands]; lists show
// the item as before. There need not be such an item.
func (p *Portal) FailItem(typeID, id int, e APIError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failingItems[[2]int{typeID, id}] = e
}

// RecoverCommands takes back all errors of [Portal.FailItem], and those of
// [Portal.FailCommand] that no call has met yet.
func (p *Portal) RecoverCommands() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.failures)
	clear(p.failingItems)
}

// Recover takes back all faults that no request has met yet, and does what
// [Portal.RecoverCommands] does.
func (p *Portal) Recover() {
	p.Handler.Recover()
	p.RecoverCommands()
}

// failing returns the error that a call of the method meets, or nil. It runs
// under mu.
func (p *Portal) failing(method string) *APIError {
	queue := p.failures[method]
	if len(queue) == 0 {
		return nil
	}
	if !queue[0].forever {
		p.failures[method] = queue[1:]
	}
	return &queue[0].APIError
}

// Part is the answer with the first rows of each list of statuses only, single
// or in a batch: sound JSON, in which only "total" shows that something is
// missing.
func Part(rows int) crmfault.Fault {
	return crmfault.Rewrite(func(body []byte) []byte {
		value := decode(body)
		if value == nil {
			return body // it was no JSON
		}
		return encode(cutRows(value, max(0, rows)))
	})
}

// cutRows returns the value with its lists of statuses cut.
func cutRows(value any, rows int) any {
	m, isMap := value.(*phpMap)
	if !isMap {
		return value
	}
	cut, isList := new(phpMap), m.isList()
	for i, key := range m.keys {
		row, _ := m.get(key).(*phpMap)
		if i >= rows && isList && row != nil && row.get("STATUS_ID") != nil && row.get("ENTITY_ID") != nil {
			break
		}
		cut.set(key, cutRows(m.get(key), rows))
	}
	return cut
}
