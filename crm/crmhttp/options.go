package crmhttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// What an [Options] uses where a field is zero.
const (
	DefaultTimeout     = 30 * time.Second
	DefaultAttempts    = 3
	DefaultRetryBudget = 5 * time.Second
	DefaultMaxBody     = 8 << 20
	DefaultUserAgent   = "statuslink (+https://github.com/statuslink/statuslink)"
)

// Options change how a [Client] works. The zero value, and nil, are ready to
// use. [New] copies them.
type Options struct {
	// HTTPClient sends the requests; nil means one like [http.DefaultClient].
	// It is copied and never changed; its CheckRedirect is not used, its Jar
	// is.
	HTTPClient *http.Client
	// Logger gets one record for each request sent: source, operation, method,
	// HTTP status, duration, attempt and kind of error, at level Debug, or Warn
	// where it failed. Addresses, headers and bodies are never logged. Nil
	// means no log.
	Logger *slog.Logger
	// Authorization is sent as the header of this name with every request, if
	// it is not empty. It, and what follows the first blank in it, is a secret.
	// Whether a key is missing is for the client to see, before it puts a word
	// in front of it.
	Authorization Secret
	// Secrets are the texts that must not be seen: tokens, and secret parts of
	// addresses. They are recognised in their escaped and encoded forms too; of
	// error texts, whatever looks like one of them goes, so a secret of two
	// letters costs a lot of text. Empty ones count for nothing.
	Secrets []Secret
	// UserAgent is sent as the header of this name; empty means
	// [DefaultUserAgent].
	UserAgent string
	// Classify says whether an answer is a failure, and of which kind; see
	// [Classify], which is used if it is nil.
	Classify func(Response) *crm.Error
	// Retry says whether a call that failed in this way, and that is safe to
	// repeat, is worth repeating; nil means [Retryable].
	Retry func(*crm.Error) bool
	// Unrun says that a call that failed in this way was surely not carried
	// out: it may be repeated then even if it is not safe to carry it out twice.
	// Nil means that this is never sure.
	Unrun func(*crm.Error) bool
	// Gate is called before each attempt and holds it back until it may be sent,
	// as a limit of the rate does. Its error, which is mostly that of ctx, ends
	// the call with kind [crm.ErrUnavailable]. It may be called by several
	// goroutines at once. Nil means that nothing is held back.
	Gate func(ctx context.Context) error
	// Attempts is how often a request is sent at most; 0 means
	// [DefaultAttempts], 1 that nothing is repeated.
	Attempts int
	// RetryBudget is how long after the start of a call a repetition may begin
	// at the latest; 0 means [DefaultRetryBudget]. If the CRM asks to wait
	// longer, the call fails at once and its error says how long.
	RetryBudget time.Duration
	// Timeout limits each attempt, from the connection to the last byte of the
	// answer; 0 means [DefaultTimeout]. The context limits the whole call.
	Timeout time.Duration
	// MaxBody is the greatest size of an answer in bytes, after decompression;
	// 0 means [DefaultMaxBody].
	MaxBody int64
	// AllowHTTP permits plain http to hosts other than loopback. Credentials
	// can be read by everyone on the way then.
	AllowHTTP bool
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// complete checks o and fills in what is zero.
func (o *Options) complete() error {
	switch {
	case o.Attempts < 0:
		return errors.New("options: Attempts is negative")
	case o.RetryBudget < 0:
		return errors.New("options: RetryBudget is negative")
	case o.Timeout < 0:
		return errors.New("options: Timeout is negative")
	case o.MaxBody < 0:
		return errors.New("options: MaxBody is negative")
	case !sendable(string(o.Authorization)):
		return errors.New("options: Authorization holds a line end or another control character")
	case !sendable(o.UserAgent):
		return errors.New("options: UserAgent holds a line end or another control character")
	}
	orDefault(&o.Attempts, DefaultAttempts)
	orDefault(&o.RetryBudget, DefaultRetryBudget)
	orDefault(&o.Timeout, DefaultTimeout)
	orDefault(&o.MaxBody, DefaultMaxBody)
	orDefault(&o.UserAgent, DefaultUserAgent)
	if o.Classify == nil {
		o.Classify = Classify
	}
	if o.Retry == nil {
		o.Retry = Retryable
	}
	if o.Unrun == nil {
		o.Unrun = func(*crm.Error) bool { return false }
	}
	if o.Gate == nil {
		o.Gate = func(context.Context) error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

func orDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// sendable reports whether value may stand in a header.
func sendable(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// checkBase returns the address without a slash at its end, and its path. Its
// errors show nothing of the address but the scheme.
func checkBase(address string, allowHTTP bool) (base, path string, err error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		// The error of url.Parse repeats the address.
		return "", "", errors.New("not an address; expected one like https://api.example.com")
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "", "", errors.New("has to begin with https://")
	case u.Opaque != "" || host == "":
		return "", "", errors.New("names no host; expected one like https://api.example.com")
	case u.User != nil:
		return "", "", errors.New("must not hold a user or password")
	case u.RawQuery != "" || u.ForceQuery:
		return "", "", errors.New("must not hold a query")
	case strings.Contains(address, "#"):
		return "", "", errors.New("must not hold a fragment")
	case u.Scheme == "http" && !allowHTTP && !loopback(host):
		return "", "", fmt.Errorf("plain http would show the credentials to everyone on the way; use https")
	}
	path = strings.TrimRight(u.EscapedPath(), "/")
	return u.Scheme + "://" + u.Host + path, path, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
