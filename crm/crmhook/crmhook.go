// Package crmhook receives what a CRM sends of itself, its webhooks: it is what the
// clients' [crm.EventSource] have in common, and for those of other CRMs. A
// [Receiver] reads a message within limits, has the client's own function check its
// sender and decode it, answers at once, and keeps the event until Run hands it over:
//
//	receiver, err := crmhook.New(crmhook.Options{
//		Source:    "acme",
//		MediaType: "application/json",
//		Receive: func(ctx context.Context, r *http.Request, body []byte) (crm.Event, error) {
//			if !known(r) {
//				return crm.Event{}, crmhook.ErrSender
//			}
//			return decode(body)
//		},
//	})
package crmhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/statuslink/statuslink/crm"
)

// What an [Options] uses where a field is zero.
const (
	DefaultQueueSize = 1024
	DefaultMaxBody   = 64 << 10
	DefaultWorkers   = 8
)

// Options say what a [Receiver] receives, and how. Source and Receive are required.
type Options struct {
	// Source is the connected account, as in [crm.Ref].
	Source string
	// MediaType is that of all messages; one without any is taken as well. Empty
	// means that it is not looked at.
	MediaType string
	// Receive checks the sender of a message and decodes it. Its error is, or wraps,
	// one of those of this package; any other one is taken for [ErrMalformed]. It is
	// called by many goroutines at once, while the sender waits. The body is its own,
	// and becomes the Raw of the event. Beside an error nothing of the event is used
	// but its Type, for the log, and nothing at all where the sender is not known or
	// could not be checked.
	Receive func(ctx context.Context, r *http.Request, body []byte) (crm.Event, error)
	// ReadLeads, if it is not nil, reads the leads of events that do not carry their
	// status before they are handed over, all that wait in one call: it is a
	// [crm.BulkReader]'s. An event whose lead cannot be read is handed over as it
	// came. Events of leads that are gone are not read. What the end of a Run
	// interrupts is read again by the next.
	ReadLeads func(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error)
	// QueueSize is how many events may wait; 0 means [DefaultQueueSize].
	QueueSize int
	// MaxBody is the greatest size of a message in bytes; 0 means [DefaultMaxBody].
	// Waiting events hold their messages.
	MaxBody int64
	// Workers is how many events Run hands over at the same time; 0 means
	// [DefaultWorkers].
	Workers int
	// Logger gets one record for each message: source, answer and, once the
	// sender was checked, the event's Type; as a warning where an event of a
	// checked sender is lost. It gets no body and no error of Receive. Nil means no
	// log.
	Logger *slog.Logger
}

// The errors of [Options.Receive].
var (
	// ErrMalformed: the message is no event, or one that cannot be read.
	ErrMalformed = errors.New("no event that can be read")
	// ErrSender: the sender is not known.
	ErrSender = errors.New("the sender is not known")
	// ErrUnchecked: the sender could not be checked.
	ErrUnchecked = errors.New("the sender could not be checked")
	// ErrTaken is no failure: Receive did itself what was to be done, and there is
	// nothing to hand over.
	ErrTaken = errors.New("taken")
)

// Receiver is a [crm.EventSource]. It is made by [New]; its zero value is not
// usable. Its methods are safe for concurrent use. Printed in any way it shows its
// source only.
//
// As an [http.Handler] it answers
//
//   - 200 to an accepted event, and to what Receive took ([ErrTaken]);
//   - 403 to a sender that is not known ([ErrSender]);
//   - 405 to what is no POST, 415 to another media type, 413 to a message that is
//     too large, 400 to what is no event ([ErrMalformed]);
//   - 503 while no Run drains or the queue is full, and where the sender could not
//     be checked ([ErrUnchecked]).
//
// The server around it has to limit how long a request may take
// ([http.Server.ReadTimeout]).
type Receiver struct {
	opts Options

	mu     sync.Mutex
	queue  queue
	counts [len(answers)]uint64
}

var _ crm.EventSource = (*Receiver)(nil)

// New returns a receiver. It copies opts. Its errors are about options that cannot be
// meant.
func New(opts Options) (*Receiver, error) {
	fail := func(text string) (*Receiver, error) {
		return nil, fmt.Errorf("%s: event options: %s", opts.Source, text)
	}
	switch {
	case strings.TrimSpace(opts.Source) == "":
		return nil, errors.New("crmhook: the source is empty")
	case opts.Receive == nil:
		return fail("Receive is missing: no sender could be checked")
	case opts.QueueSize < 0 || opts.MaxBody < 0 || opts.Workers < 0:
		return fail("QueueSize, MaxBody or Workers is negative")
	}
	if opts.QueueSize == 0 {
		opts.QueueSize = DefaultQueueSize
	}
	if opts.MaxBody == 0 {
		opts.MaxBody = DefaultMaxBody
	}
	if opts.Workers == 0 {
		opts.Workers = DefaultWorkers
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Receiver{opts: opts}
	r.queue = newQueue(&r.mu, opts.QueueSize)
	return r, nil
}

// Source returns the source given in [Options].
func (r *Receiver) Source() string { return r.opts.Source }

// Format prints the source, whatever the verb.
func (r *Receiver) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "crmhook.Receiver(%s)", r.Source())
}

// Stats counts the messages since [New]. Each is counted once, by how it was
// answered.
type Stats struct {
	Accepted  uint64 // 200: handed over, or waiting for it
	Taken     uint64 // 200: dealt with by [Options.Receive]
	Refused   uint64 // 403: the sender is not known
	Unchecked uint64 // 503: the sender could not be checked
	Full      uint64 // 503: too many events were waiting
	Stopped   uint64 // 503: no Run was draining
	Malformed uint64 // 400, 405, 413, 415: no event, or one that cannot be read
	// Handled is how many of the accepted were handed over, and handle returned.
	Handled uint64
	// Waiting is how many of the accepted wait now, for this Run or the next.
	Waiting int
}

// Accepting reports whether an event that came now would be accepted: a Run drains,
// and the queue has room. It is what a probe for readiness may ask, so that the CRM's
// events go to a process that takes them.
func (r *Receiver) Accepting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queue.draining() && r.queue.waiting < r.queue.size
}

// Stats returns the counts, all of the same moment.
func (r *Receiver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := &r.counts
	return Stats{
		Accepted:  n[accepted],
		Taken:     n[taken],
		Refused:   n[refused],
		Unchecked: n[unchecked],
		Full:      n[full],
		Stopped:   n[stopped],
		Malformed: n[malformed] + n[tooLarge] + n[otherMedia] + n[noPost],
		Handled:   r.queue.handled,
		Waiting:   r.queue.waiting,
	}
}

// answer says how a message was answered.
type answer uint8

const (
	accepted answer = iota
	taken
	refused
	unchecked
	full
	stopped
	malformed
	tooLarge
	otherMedia
	noPost
)

var answers = [...]struct {
	status int
	level  slog.Level
	text   string
}{
	accepted:   {http.StatusOK, slog.LevelDebug, "accepted"},
	taken:      {http.StatusOK, slog.LevelInfo, "taken"},
	refused:    {http.StatusForbidden, slog.LevelInfo, "sender refused"},
	unchecked:  {http.StatusServiceUnavailable, slog.LevelWarn, "sender could not be checked"},
	full:       {http.StatusServiceUnavailable, slog.LevelWarn, "lost: the queue is full"},
	stopped:    {http.StatusServiceUnavailable, slog.LevelWarn, "lost: nobody drains the queue"},
	malformed:  {http.StatusBadRequest, slog.LevelInfo, "no event that can be read"},
	tooLarge:   {http.StatusRequestEntityTooLarge, slog.LevelInfo, "too large"},
	otherMedia: {http.StatusUnsupportedMediaType, slog.LevelInfo, "another media type"},
	noPost:     {http.StatusMethodNotAllowed, slog.LevelInfo, "no POST"},
}

// ServeHTTP checks one message and puts its event into the queue; see [Receiver]
// for the answers. It waits for nothing but the message's body and
// [Options.Receive].
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	ctx := request.Context()
	event, how := r.receive(w, request)
	r.mu.Lock()
	if how == accepted {
		how = r.queue.push(event)
	}
	r.counts[how]++
	r.mu.Unlock()
	said := answers[how]
	if how == noPost {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.WriteHeader(said.status)
	if r.opts.Logger.Enabled(ctx, said.level) {
		r.opts.Logger.LogAttrs(ctx, said.level, "crm event", slog.String("source", r.Source()),
			slog.String("answer", said.text), slog.String("type", event.Type))
	}
}

// receive reads a message. The event has a Type only if its sender is known.
func (r *Receiver) receive(w http.ResponseWriter, request *http.Request) (crm.Event, answer) {
	if request.Method != http.MethodPost {
		return crm.Event{}, noPost
	}
	if !r.wants(request.Header.Get("Content-Type")) {
		return crm.Event{}, otherMedia
	}
	body, err := read(http.MaxBytesReader(w, request.Body, r.opts.MaxBody), min(request.ContentLength, r.opts.MaxBody))
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return crm.Event{}, tooLarge
	}
	if err != nil {
		return crm.Event{}, malformed
	}
	event, err := r.opts.Receive(request.Context(), request, body)
	switch {
	case err == nil:
		event.Raw = body
		return event, accepted
	case errors.Is(err, ErrTaken):
		return event, taken
	case errors.Is(err, ErrSender):
		return crm.Event{}, refused
	case errors.Is(err, ErrUnchecked):
		return crm.Event{}, unchecked
	}
	return event, malformed
}

// wants reports whether the media type is that of the messages, or is missing.
func (r *Receiver) wants(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	return media == "" || r.opts.MediaType == "" || strings.EqualFold(media, r.opts.MediaType)
}

// read reads to the end, with one allocation if size is right.
func read(from io.Reader, size int64) ([]byte, error) {
	body := make([]byte, 0, max(size, 0)+1) // one more to see the end
	for {
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
		if len(body) == cap(body) {
			body = slices.Grow(body, max(512, len(body)))
		}
	}
}
