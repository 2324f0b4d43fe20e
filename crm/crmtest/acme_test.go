package crmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// acme is a sound client for an invented CRM. Its steps are fields, so that a
// broken client differs in one of them.
type acme struct {
	base     string
	account  func() (key, token string) // behind a function, which prints nothing
	http     *http.Client
	logger   *slog.Logger
	timeout  time.Duration
	attempts int
	single   bool // a POST is sent once
	budget   time.Duration
	maxBody  int64
	closed   <-chan struct{} // when the test ends
	open     bool            // plain http is good enough
	telling  bool            // the error of a refused address shows it
	wrapped  crm.Client      // stands in for the client

	source   func() string
	request  func(r *http.Request)
	classify func(status int, body []byte) *crm.Error
	wait     func(e *crm.Error) time.Duration
	retry    func(e *crm.Error) bool
	limit    func(body io.Reader, most int64) io.Reader
	decode   func(body []byte, into *stages) error
	parse    func(body []byte, into any) error
	sane     func(ok bool) bool // whether an answer holds what it has to
	cause    func(ctx context.Context, err error) error
	log      func(r *http.Request, attempt, status int)
	list     func(ctx context.Context) (crm.Listing, error)

	leads acmeLeads
}

// stages is an answer of the CRM.
type stages struct {
	Total *int            `json:"total"`
	Pages int             `json:"pages"`
	Rows  *[]stage        `json:"rows"`
	Error json.RawMessage `json:"error,omitempty"`
}

type stage struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Sort  int    `json:"sort"`
	Group string `json:"group"`
}

// newAcme returns a client with the credentials that the fake accepts.
func newAcme(conn Conn, key, token string) *acme {
	theirs := *conn.HTTPClient
	theirs.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a := &acme{
		base: conn.BaseURL, account: func() (string, string) { return key, token },
		http: &theirs, logger: conn.Logger,
		timeout: conn.Timeout, attempts: conn.Attempts, budget: 5 * time.Second, maxBody: conn.MaxBody,
	}
	if a.timeout == 0 {
		a.timeout = 20 * time.Second
	}
	if a.attempts == 0 {
		a.attempts = 3
	}
	if a.maxBody == 0 {
		a.maxBody = 1 << 20
	}
	a.source = func() string { return "acme" }
	a.request = func(*http.Request) {}
	a.classify = classify
	a.wait = func(e *crm.Error) time.Duration { return max(e.RetryAfter, 300*time.Millisecond) }
	a.retry = func(e *crm.Error) bool {
		return errors.Is(e.Kind, crm.ErrRateLimited) || errors.Is(e.Kind, crm.ErrUnavailable)
	}
	a.limit = io.LimitReader
	a.decode = decode
	a.parse = json.Unmarshal
	a.sane = func(ok bool) bool { return ok }
	a.cause = cause
	a.log = func(_ *http.Request, attempt, status int) {
		if a.logger != nil {
			a.logger.Debug("call", "attempt", attempt, "status", status)
		}
	}
	a.list = a.readAll
	a.leads = newAcmeLeads(a)
	return a
}

func (a *acme) Source() string { return a.source() }

func (a *acme) ListStatuses(ctx context.Context) (crm.Listing, error) { return a.list(ctx) }

func (a *acme) fail(e *crm.Error) error { return a.failed("list stages", e) }

func (a *acme) failed(op string, e *crm.Error) error {
	e.Source, e.Op = a.Source(), op
	return e
}

// readAll reads all pages.
func (a *acme) readAll(ctx context.Context) (crm.Listing, error) {
	listing := crm.Listing{Source: a.Source(), Account: []string{"acme-1"}, Scopes: []crm.Scope{{Name: "Stages"}}, Exists: []string{""}}
	for page, pages := 1, 1; page <= pages; page++ {
		answer, err := a.read(ctx, page)
		if err != nil {
			return crm.Listing{}, err
		}
		pages, listing.Scopes[0].Announced = answer.Pages, *answer.Total
		for _, row := range *answer.Rows {
			listing.Statuses = append(listing.Statuses, crm.Status{
				Ref: crm.Ref{Source: a.Source(), ID: row.ID}, Name: crm.CleanName(row.Title), Order: row.Sort,
				Raw: map[string]string{"group": row.Group},
			})
		}
	}
	if err := listing.Validate(); err != nil {
		return crm.Listing{}, err
	}
	return listing, nil
}

// read reads one page.
func (a *acme) read(ctx context.Context, page int) (*stages, error) {
	var answer stages
	err := a.exchange(ctx, question{op: "list stages", path: "/stages?page=" + strconv.Itoa(page)}, func(body []byte) error {
		answer = stages{}
		return a.decode(body, &answer)
	})
	return &answer, err
}

// question is what the CRM is asked.
type question struct {
	op       string
	path     string
	post     []byte // the body of a POST; nil for a GET
	detached bool   // what is sent is not given up when the context ends
}

// exchange asks, again where that may help.
func (a *acme) exchange(ctx context.Context, q question, decode func(body []byte) error) error {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		e := a.ask(ctx, q, attempt, decode)
		if e == nil {
			return nil
		}
		delay := a.wait(e)
		if ctx.Err() != nil || attempt >= a.attempts || a.single && q.post != nil || !a.retry(e) || time.Since(began)+delay > a.budget {
			return a.failed(q.op, e)
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return a.failed(q.op, &crm.Error{Kind: crm.ErrUnavailable, Err: ctx.Err()})
		}
	}
}

// ask asks once.
func (a *acme) ask(ctx context.Context, q question, attempt int, decode func(body []byte) error) *crm.Error {
	if q.detached {
		ctx = context.WithoutCancel(ctx)
	}
	key, token := a.account()
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	method, content := http.MethodGet, io.Reader(nil)
	if q.post != nil {
		method, content = http.MethodPost, bytes.NewReader(q.post)
	}
	r, err := http.NewRequestWithContext(limited, method, a.base+"/k-"+key+q.path, content)
	if err != nil {
		return &crm.Error{Kind: crm.ErrRejected, Message: "the address is none"}
	}
	r.Header.Set("Authorization", "Bearer "+token)
	a.request(r)
	response, err := a.http.Do(r)
	if err != nil {
		a.log(r, attempt, 0)
		return &crm.Error{Kind: crm.ErrUnavailable, Err: a.cause(ctx, err)}
	}
	defer func() { _ = response.Body.Close() }()
	a.log(r, attempt, response.StatusCode)
	body, err := io.ReadAll(a.limit(response.Body, a.maxBody+1))
	if err != nil {
		return &crm.Error{Kind: crm.ErrUnavailable, Err: a.cause(ctx, err)}
	}
	if e := a.classify(response.StatusCode, body); e != nil {
		e.Status = response.StatusCode
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			e.RetryAfter = time.Duration(seconds) * time.Second
		}
		return e
	}
	if int64(len(body)) > a.maxBody {
		return &crm.Error{Kind: crm.ErrBadResponse, Message: "too large"}
	}
	if err := decode(body); err != nil {
		return &crm.Error{Kind: crm.ErrBadResponse, Status: response.StatusCode, Message: "no list"}
	}
	return nil
}

// tokenInBody makes of the request one that carries the token in its body.
func (a *acme) tokenInBody(r *http.Request) {
	_, token := a.account()
	r.Header.Del("Authorization")
	r.Method = http.MethodPost
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("token=" + token)), nil }
	r.Body, _ = r.GetBody()
}

// decode accepts the answer that the CRM means for a list, and no other.
func decode(body []byte, into *stages) error {
	if err := json.Unmarshal(body, into); err != nil {
		return err
	}
	if into.Total == nil || into.Rows == nil || into.Error != nil {
		return errors.New("no list")
	}
	return nil
}

func classify(status int, _ []byte) *crm.Error {
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusUnauthorized:
		return &crm.Error{Kind: crm.ErrUnauthorized}
	case status == http.StatusForbidden:
		return &crm.Error{Kind: crm.ErrForbidden}
	case status == http.StatusNotFound:
		return &crm.Error{Kind: crm.ErrNotFound}
	case status == http.StatusTooManyRequests:
		return &crm.Error{Kind: crm.ErrRateLimited}
	case status >= 500:
		return &crm.Error{Kind: crm.ErrUnavailable}
	case status >= 400:
		return &crm.Error{Kind: crm.ErrRejected}
	}
	return &crm.Error{Kind: crm.ErrBadResponse}
}

// cause is what may be seen of a transport's error.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var timeout net.Error
	return noAnswerError{errors.As(err, &timeout) && timeout.Timeout()}
}

type noAnswerError struct{ timeout bool }

func (e noAnswerError) Error() string   { return "no answer" }
func (e noAnswerError) Timeout() bool   { return e.timeout }
func (e noAnswerError) Temporary() bool { return e.timeout }
