package crmtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// causing is a client whose errors have another cause.
func causing(other func(ctx context.Context, err error) error) func(*acme, Conn) {
	return func(a *acme, _ Conn) { a.cause = other }
}

// sending is a client that sends each request under another context.
func sending(other func(ctx context.Context) context.Context) func(*acme, Conn) {
	return func(a *acme, _ Conn) { a.request = func(r *http.Request) { *r = *r.WithContext(other(r.Context())) } }
}

// losing is a client that reads a body by parts and believes what it got.
func losing(a *acme, _ Conn) {
	a.limit = func(body io.Reader, most int64) io.Reader { return forgiving{io.LimitReader(body, most)} }
}

type forgiving struct{ io.Reader }

func (f forgiving) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

func failureMutants() []mutant {
	rejecting := failing(func(e *crm.Error) error {
		if e.Status == 0 {
			e.Kind = crm.ErrRejected
		}
		return e
	})
	cancelling := causing(func(context.Context, error) error { return context.Canceled })
	return []mutant{
		{"says rejected of a refused connection", rejecting, "SocketRefusedIsUnavailable", "a refused connection: the error is of the wrong kind"},
		{"takes a refused connection for an empty list", swallowing(crm.ErrUnavailable), "SocketRefusedIsUnavailable", "a refused connection: ListStatuses returned no error"},
		{"says cancelled of a dropped connection", cancelling, "SocketDroppedIsUnavailable", "although the caller's context has not ended"},
		{"says rejected of a dropped connection", rejecting, "SocketDroppedIsUnavailable", "wrong kind"},
		{"believes what came before the connection broke", losing, "SocketCutMidwayIsUnavailable", "the error is of the wrong kind"},
		{"ignores Timeout", func(a *acme, conn Conn) {
			if conn.Timeout > 0 {
				a.timeout = 30 * time.Second
			}
		}, "TimeoutIsUnavailable", "want at most 20s"},
		{
			"reports its time-out as the caller's deadline", causing(func(_ context.Context, err error) error { return err }),
			"TimeoutIsUnavailable", "looks like the end of the caller's context",
		},
		{
			"does not say that it was a time-out", causing(func(ctx context.Context, _ error) error { return ctx.Err() }),
			"TimeoutIsUnavailable", "is no net.Error whose Timeout is true",
		},
		{"limits the wait for the first byte alone", func(a *acme, _ Conn) {
			a.http.Transport = headOnly{a.http.Transport}
		}, "TimeoutIsUnavailable", "an answer that never ends: the call took"},
		{"gives up an answer that is slow", func(a *acme, _ Conn) { a.timeout = time.Second }, "TimeoutIsUnavailable", "within the Timeout: ListStatuses failed"},
		{"has no time-out of its own", func(a *acme, conn Conn) {
			if conn.Timeout == 0 {
				a.timeout = 24 * time.Hour
			}
		}, "EveryCallHasATimeout", "did not end within"},
	}
}

// headOnly limits nothing once an answer has begun.
type headOnly struct{ next http.RoundTripper }

func (h headOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := h.next.RoundTrip(r)
	if err == nil && r.Context().Err() == nil {
		answer, err = h.next.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
	}
	return answer, err
}

func contextMutants() []mutant {
	deaf := sending(context.WithoutCancel)
	swapped := causing(func(ctx context.Context, err error) error {
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return context.DeadlineExceeded
		case ctx.Err() != nil:
			return context.Canceled
		}
		return cause(ctx, err)
	})
	return []mutant{
		{"asks under an ended context", deaf, "SendsNothingUnderAnEndedContext", "requests were sent under contexts that had ended"},
		{
			"does not wrap the context's error", causing(func(context.Context, error) error { return nil }),
			"SendsNothingUnderAnEndedContext", "does not wrap ctx.Err()",
		},
		{"is deaf to a cancellation", deaf, "EndsWhenCancelled", "it ends soon after its context"},
		{"wraps another end of the context", swapped, "EndsWhenCancelled", "does not wrap ctx.Err() (context canceled)"},
		{"says rejected of a cancelled call", failing(func(e *crm.Error) error {
			e.Kind = crm.ErrRejected
			return e
		}), "EndsWhenCancelled", "wrong kind"},
		{
			"says its text alone", causing(func(_ context.Context, err error) error { return errors.New(errors.Unwrap(err).Error()) }),
			"EndsWhenCancelled", "does not wrap ctx.Err()",
		},
		{"is deaf to a deadline", deaf, "EndsAtTheDeadline", "it ends soon after its context"},
		{"takes a deadline for a cancellation", swapped, "EndsAtTheDeadline", "does not wrap ctx.Err() (context deadline exceeded)"},
		{"sleeps whatever its context says", func(a *acme, _ Conn) {
			a.wait = func(e *crm.Error) time.Duration {
				time.Sleep(e.RetryAfter)
				return 0
			}
		}, "EndsWhileItWaits", "it ends soon after its context"},
		{"asks once more when it is cancelled", func(a *acme, _ Conn) {
			a.list = func(ctx context.Context) (crm.Listing, error) {
				l, err := a.readAll(ctx)
				if ctx.Err() != nil {
					return a.readAll(context.WithoutCancel(ctx))
				}
				return l, err
			}
		}, "EndsWhileItWaits", "asked again afterwards"},
	}
}

func leftoverMutants() []mutant {
	const left = "left a goroutine that runs on"
	return []mutant{
		{"goes on in the background when a call went well", lingering(func(_ context.Context, err error) bool { return err == nil }), "LeavesNothingBehind", "went well " + left},
		{
			"goes on in the background after an error", lingering(func(_ context.Context, err error) bool { return errors.Is(err, crm.ErrForbidden) }),
			"LeavesNothingBehind", "was refused " + left,
		},
		{
			"goes on in the background when it is cancelled", lingering(func(ctx context.Context, _ error) bool { return ctx.Err() != nil }),
			"LeavesNothingBehind", "was cancelled " + left,
		},
		{
			"leaves bodies open", func(a *acme, _ Conn) { a.http.Transport = unclosing{a.http.Transport} },
			"LeavesNothingBehind", "went well did not close the body",
		},
	}
}

// lingering is a client that leaves a goroutine behind, which ends an hour later
// or with the harness.
func lingering(when func(ctx context.Context, err error) bool) func(*acme, Conn) {
	return func(a *acme, _ Conn) {
		a.list = func(ctx context.Context) (crm.Listing, error) {
			l, err := a.readAll(ctx)
			if when(ctx, err) {
				go func() { <-a.closed }()
			}
			return l, err
		}
	}
}

// unclosing gives bodies that close nothing.
type unclosing struct{ next http.RoundTripper }

func (u unclosing) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := u.next.RoundTrip(r)
	if err == nil {
		answer.Body = io.NopCloser(answer.Body)
	}
	return answer, err
}

func retryMutants() []mutant {
	tireless := func(a *acme, _ Conn) { a.attempts, a.budget = 1<<30, 1<<60 }
	return []mutant{
		{"repeats nothing", func(a *acme, _ Conn) { a.attempts = 1 }, "OvercomesAPassingFault", "one 503, which a repetition overcomes: ListStatuses failed"},
		{"does not repeat a 429", func(a *acme, _ Conn) {
			a.retry = func(e *crm.Error) bool { return errors.Is(e, crm.ErrUnavailable) }
		}, "OvercomesAPassingFault", "one 429, which a repetition overcomes: ListStatuses failed"},
		{"does not repeat without an answer", func(a *acme, _ Conn) {
			a.retry = func(e *crm.Error) bool { return e.Status != 0 }
		}, "OvercomesAPassingFault", "one dropped connection, which a repetition overcomes: ListStatuses failed"},
		{"ignores Retry-After", func(a *acme, _ Conn) {
			a.wait = func(*crm.Error) time.Duration { return 300 * time.Millisecond }
		}, "WaitsAsLongAsAsked", "a 429 with a Retry-After of 2s: the CRM was asked again after 300ms"},
		{"ignores the Retry-After of a 503", func(a *acme, _ Conn) {
			wait := a.wait
			a.wait = func(e *crm.Error) time.Duration {
				if e.Status == http.StatusServiceUnavailable {
					return 300 * time.Millisecond
				}
				return wait(e)
			}
		}, "WaitsAsLongAsAsked", "a 503 with a Retry-After of 2s: the CRM was asked again"},
		{"waits as long as ever it is asked to", func(a *acme, _ Conn) { a.budget = 1 << 60 }, "TellsOfALongWaitInstead", "did not end within"},
		{"does not say how long to wait", failing(func(e *crm.Error) error {
			e.RetryAfter = 0
			return e
		}), "TellsOfALongWaitInstead", "RetryAfter of the error is 0s"},
		{"takes seconds for milliseconds", failing(func(e *crm.Error) error {
			e.RetryAfter /= 1000
			return e
		}), "TellsOfALongWaitInstead", "RetryAfter of the error is 3.6s"},
		{"retries for ever", tireless, "GivesUpInTheEnd", "a 500 for ever: ListStatuses returned no error"},
		{"retries for ever without a pause", func(a *acme, conn Conn) {
			tireless(a, conn)
			a.wait = func(*crm.Error) time.Duration { return 0 }
		}, "GivesUpInTheEnd", "want at most 10"},
		{"retries twenty times", func(a *acme, _ Conn) { a.attempts, a.budget = 20, 1<<60 }, "GivesUpInTheEnd", "was asked 20 times, want at most 10"},
		{"waits longer and longer", func(a *acme, _ Conn) {
			a.attempts, a.budget = 8, 1<<60
			a.wait = func(*crm.Error) time.Duration { return 20 * time.Second }
		}, "GivesUpInTheEnd", "calls are repeated within a short time"},
		{"retries what is refused", func(a *acme, _ Conn) {
			a.retry = func(*crm.Error) bool { return true }
		}, "RepeatsNothingThatWasRefused", "HTTP 400: the CRM was asked 3 times"},
		{"retries a 401", func(a *acme, _ Conn) {
			a.retry = func(e *crm.Error) bool { return e.Status == http.StatusUnauthorized }
		}, "RepeatsNothingThatWasRefused", "HTTP 401: the CRM was asked 3 times"},
	}
}
