package crmhttp

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/statuslink/statuslink/crm"
)

// The delay before the first repetition; it doubles with each further one.
const (
	firstDelay   = 250 * time.Millisecond
	longestDelay = 2 * time.Second
)

// Do sends the request and returns the answer, which belongs to the caller. It
// is one that the client's rule (see [Classify]) does not take for a failure;
// whether the body is the JSON that was wanted is for [Client.Decode] to say.
//
// Requests that are safe to repeat are sent again, as [Options] say, after
// delays that grow, vary and are never shorter than the CRM's Retry-After.
// Each attempt waits at [Options.Gate] first.
//
// The error is always a [*crm.Error]: of the kind that the rule found, of kind
// [crm.ErrUnavailable], without an HTTP status, if no whole answer came, and of kind
// [crm.ErrBadResponse] if it was larger than [Options.MaxBody]. A request that
// cannot be sent at all, by the caller's mistake, gives one without a kind.
//
// If ctx ends, before the call or during it, the error wraps ctx.Err(), and
// only then does [errors.Is] find [context.Canceled] or
// [context.DeadlineExceeded] in it. Otherwise the cause tells, as a
// [net.Error], whether it was a time-out, and errors.Is finds
// [os.ErrDeadlineExceeded], [io.EOF], [io.ErrUnexpectedEOF], [net.ErrClosed]
// and numbers such as [syscall.ECONNREFUSED] in it; errors.As finds a
// [*net.DNSError]. An [*url.Error] is never in it.
func (c *Client) Do(ctx context.Context, request Request) (Response, error) {
	s := c.state()
	if err := ctx.Err(); err != nil {
		return Response{}, s.clean(request.Op, request.Secrets, &crm.Error{Kind: crm.ErrUnavailable, Err: err})
	}
	address, body, err := request.prepare(s.base)
	if err != nil {
		return Response{}, s.clean(request.Op, request.Secrets, &crm.Error{Message: "the request cannot be sent", Err: err})
	}
	start := s.now()
	for attempt := 1; ; attempt++ {
		if err := s.admit(ctx, request); err != nil {
			return Response{}, err
		}
		response, failure := s.attempt(ctx, request, address, body, attempt)
		if failure == nil {
			return response, nil
		}
		wait, again := s.wait(ctx, request, failure, attempt, start)
		if again {
			again = sleep(ctx, wait)
		}
		if !again {
			if err := ended(ctx); err != nil {
				failure.Err = err
			}
			return Response{}, failure
		}
	}
}

// admit waits until the request may be sent.
func (s *state) admit(ctx context.Context, request Request) error {
	if request.Once {
		return nil
	}
	err := s.opts.Gate(ctx)
	if err == nil {
		return nil
	}
	return s.clean(request.Op, request.Secrets, &crm.Error{Kind: crm.ErrUnavailable, Err: err})
}

// wait says whether the call is sent again, and after which delay.
func (s *state) wait(ctx context.Context, request Request, failure *crm.Error, attempt int, start time.Time) (time.Duration, bool) {
	safe := request.repeatable() || s.opts.Unrun(failure)
	if attempt >= s.opts.Attempts || request.Once || !safe || hopeless(failure) || !s.opts.Retry(failure) {
		return 0, false
	}
	delay := min(firstDelay<<min(attempt-1, 10), longestDelay)
	delay = delay/2 + rand.N(delay/2) //nolint:gosec // not for secrets
	if failure.RetryAfter > 0 {
		// Never earlier than asked for, and not all bots at once.
		delay = failure.RetryAfter + rand.N(failure.RetryAfter/10+1) //nolint:gosec // not for secrets
		delay = max(failure.RetryAfter, min(delay, s.opts.RetryBudget-s.now().Sub(start)))
	}
	if s.now().Sub(start)+delay > s.opts.RetryBudget {
		return 0, false
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return 0, false // the wait would be for nothing
	}
	return delay, true
}

// hopeless reports whether the connection failed for a reason that stays.
func hopeless(failure *crm.Error) bool {
	var sealed *cause
	return errors.As(failure.Err, &sealed) && sealed.untrusted
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// attempt sends the request once.
func (s *state) attempt(ctx context.Context, request Request, address string, body []byte, attempt int) (Response, *crm.Error) {
	begun := time.Now()
	response, failure := s.send(ctx, request, address, body)
	if failure == nil {
		if failure = s.opts.Classify(response); failure != nil {
			failure = s.judged(request, response, failure)
		}
	}
	s.log(ctx, request, response.Status, failure, time.Since(begun), attempt)
	return response, failure
}

// judged completes an error that the client's rule made.
func (s *state) judged(request Request, response Response, failure *crm.Error) *crm.Error {
	e := *failure
	e.Status = response.Status
	if e.RetryAfter <= 0 {
		e.RetryAfter = retryAfter(response.Header, s.now())
	}
	if e.Kind == nil {
		e.Kind = kindOf(response.Status)
	}
	return s.clean(request.Op, request.Secrets, &e)
}

// send sends the request once and reads the answer; its error is for what went
// wrong on the way.
func (s *state) send(ctx context.Context, request Request, address string, body []byte) (Response, *crm.Error) {
	limited, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	r := s.request(limited, request, body)
	raw, err := r.Execute(request.method(), address)
	if err != nil {
		return Response{}, s.broken(ctx, request, address, err, 0)
	}
	response := Response{Status: raw.StatusCode(), Header: raw.Header()}
	answer := raw.RawResponse
	defer func() { _ = answer.Body.Close() }()
	if response.Body, err = s.read(answer); err == nil {
		return response, nil
	}
	if response.Status < 200 || response.Status > 299 {
		return response, nil // the status says enough
	}
	return response, s.broken(ctx, request, address, err, response.Status)
}

// request returns the request as resty wants it.
func (s *state) request(ctx context.Context, request Request, body []byte) *resty.Request {
	r := s.resty.R().SetContext(ctx).SetDoNotParseResponse(true)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", s.opts.UserAgent)
	if s.opts.Authorization != "" {
		r.Header.Set("Authorization", string(s.opts.Authorization))
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
		r.SetBody(body)
	}
	for name, values := range request.Header {
		r.Header[http.CanonicalHeaderKey(name)] = append([]string(nil), values...)
	}
	return r
}

// broken returns the error for a call without a whole answer.
func (s *state) broken(ctx context.Context, request Request, address string, err error, status int) *crm.Error {
	more := append([]Secret{Secret(address)}, request.Secrets...)
	if ctxErr := ended(ctx); ctxErr != nil {
		return s.clean(request.Op, more, &crm.Error{Kind: crm.ErrUnavailable, Err: ctxErr})
	}
	var bad *bodyError
	if errors.As(err, &bad) {
		return s.clean(request.Op, more, &crm.Error{Kind: crm.ErrBadResponse, Status: status, Message: bad.text})
	}
	e := &crm.Error{Kind: crm.ErrUnavailable}
	reason := attemptCause(err, slices.Concat(s.secrets, more))
	if reason.timeout {
		e.Message = "no whole answer in time (each attempt has " + s.opts.Timeout.String() + ")"
	}
	e.Err = reason
	return s.clean(request.Op, more, e)
}

// ended returns ctx.Err(), also in the moment between the deadline and the
// context's own timer: a socket may notice it first.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// log writes one record; nothing of the address, the headers or the bodies.
func (s *state) log(ctx context.Context, request Request, status int, failure *crm.Error, took time.Duration, attempt int) {
	if s.opts.Logger == nil {
		return
	}
	level := slog.LevelDebug
	if failure != nil {
		level = slog.LevelWarn
	}
	if !s.opts.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("source", s.source),
		slog.String("op", line(request.Op, maxCode, s.secrets)),
		slog.String("method", request.method()),
		slog.Int("status", status),
		slog.Duration("duration", took),
		slog.Int("attempt", attempt),
	}
	if failure != nil && failure.Kind != nil {
		attrs = append(attrs, slog.String("kind", failure.Kind.Error()))
	}
	s.opts.Logger.LogAttrs(ctx, level, "crm call", attrs...)
}
