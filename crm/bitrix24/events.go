package bitrix24

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// EventOptions say whose events [NewEvents] receives. [EventOptions.Tokens] or
// [EventOptions.Portal] has to be given, or both. Printed in any way they show
// nothing.
type EventOptions struct {
	// Source is the Source of all events, except where Portal gives another
	// one; empty means [DefaultSource].
	Source string
	// Tokens are the application tokens of the senders to believe: of each
	// outgoing webhook the one that its settings show, of an application on a
	// single portal the one that came with its ONAPPINSTALL
	// (https://apidocs.bitrix24.com/api-reference/events/safe-event-handlers.html).
	// Blanks around them are not theirs.
	Tokens []string
	// Portal serves applications that many portals have installed. It is asked
	// for an event with none of Tokens, and returns the token that the portal of
	// memberID gave when it installed the application, and the Source of that
	// portal's events. An empty token means that the portal is not known, and
	// the event is refused; an empty source means Source. Two portals may have a
	// lead of the same number, so each needs a Source of its own. After an error
	// the event is answered with 503.
	//
	// memberID is what a stranger said: 1 to 64 letters, digits, "-" and "_".
	// The sender waits for Portal, which is called by many goroutines at once
	// and should answer from memory.
	Portal func(ctx context.Context, memberID string) (token, source string, err error)
	// MemberID, if it is not empty, is the only portal whose events are taken;
	// this is no check of the sender by itself.
	MemberID string
	// Install, if it is not nil, gets every ONAPPINSTALL that can be read, in
	// place of Run's handle, whether Run drains or not. Its sender is not checked,
	// because the token comes with it: see [Install] for how to. An error refuses
	// it, and is not looked at further. Without Install such an event needs a
	// known token like all others and is a [crm.EventOther], for whose Raw there
	// is [ParseInstall].
	//
	// The sender waits for Install, which is called by many goroutines at once.
	Install func(ctx context.Context, install Install) error
	// ReadLeads, if it is not nil, reads the leads of events before they are handed
	// over, all that wait in one request: give [Client.ReadLeads]. An event carries
	// the lead's Status then, unless the lead could not be read.
	ReadLeads func(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error)
	// QueueSize is how many events may wait; 0 means 1024.
	QueueSize int
	// MaxBody is the greatest size of a message in bytes; 0 means 64 KiB, where
	// Bitrix24 sends about one. Waiting events hold their messages.
	MaxBody int64
	// Workers is how many events Run hands over at the same time; 0 means 8.
	Workers int
	// Logger gets one record for each message: source, answer and, once the
	// sender was checked, the event's name; as a warning where an event of a
	// checked sender is lost. It gets no body, no token and no error of Portal
	// and Install. Nil means no log.
	Logger *slog.Logger
}

// Format prints no option, whatever the verb: some are secret.
func (EventOptions) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "bitrix24.EventOptions") }

// Events receives what Bitrix24 sends to the address of an outgoing webhook, or
// to a handler that an application bound with event.bind
// (https://apidocs.bitrix24.com/api-reference/events/index.html). It is a
// [crm.EventSource], made by [NewEvents]; its zero value is not usable. Its
// methods are safe for concurrent use. Printed in any way it shows its source only.
// Run, Accepting and Stats are those of [crmhook.Receiver].
//
// As an [http.Handler] it answers
//
//   - 200 to an accepted event, also to one that is not about a lead: that is a
//     [crm.EventOther];
//   - 403 to a sender whose application token is not known. Tokens are compared
//     in constant time;
//   - 405 and 415 to what is no POST of a form, 413 to a message that is too
//     large, 400 to one that is no event or whose lead cannot be told;
//   - 503 while no Run drains or the queue is full, and where
//     [EventOptions.Portal] failed.
//
// Bitrix24 does not repeat an event: whatever is not answered with 200 is lost, and
// a slow receiver is called less often. What was missed, [Client.ReadHistory] tells.
// The order of events is not promised either, nor that one comes once only. The
// server around it has to limit how long a request may take
// ([http.Server.ReadTimeout]).
//
// [EventNames] are the names to subscribe to, by [Client.BindEvents] or in the
// settings of an outgoing webhook. What tells of a change:
//
//   - ONCRMLEADADD, ONCRMLEADUPDATE, ONCRMLEADDELETE and those of deals, quotes
//     (ONCRMQUOTEADD), and of smart processes and invoices (ONCRMDYNAMICITEMADD,
//     also with the type behind it: ONCRMDYNAMICITEMADD_177) are
//     [crm.EventLeadCreated], [crm.EventLeadChanged] and [crm.EventLeadDeleted].
//     They name the lead only; any change of it comes, not only that of its
//     status.
//   - ONCRMDEALMOVETOCATEGORY, a deal that was moved to another pipeline, is
//     [crm.EventLeadMoved] and carries the status if it can be read. Such a move
//     comes by no other event, and to applications only: with an outgoing webhook
//     it stays unseen
//     (https://apidocs.bitrix24.com/api-reference/crm/deals/events/index.html).
//   - Of a change of the list of statuses there is no event.
//
// The Type of an event is its name in capitals. Its Raw may hold the tokens of a
// user, as well as its senders' own.
type Events struct {
	*crmhook.Receiver

	source   string
	memberID string
	tokens   [][sha256.Size]byte
	portal   func(ctx context.Context, memberID string) (token, source string, err error)
	install  func(ctx context.Context, install Install) error
}

var _ crm.EventSource = (*Events)(nil)

// NewEvents returns a receiver of events. It copies opts. Its errors, about
// options that cannot be meant, show no token.
func NewEvents(opts EventOptions) (*Events, error) {
	e := &Events{
		source: cmp.Or(opts.Source, DefaultSource), memberID: opts.MemberID, portal: opts.Portal, install: opts.Install,
	}
	fail := func(text string) (*Events, error) { return nil, fmt.Errorf("%s: event options: %s", e.source, text) }
	if len(opts.Tokens) == 0 && opts.Portal == nil {
		return fail("neither Tokens nor Portal: no sender could be checked")
	}
	for _, token := range opts.Tokens {
		token = strings.TrimFunc(token, invisible)
		if token == "" {
			return fail("Tokens: one is empty")
		}
		e.tokens = append(e.tokens, sha256.Sum256([]byte(token)))
	}
	if opts.MemberID != "" && !isMember(opts.MemberID) {
		return fail("MemberID: not one that a portal could have")
	}
	var err error
	e.Receiver, err = crmhook.New(crmhook.Options{
		Source: e.source, MediaType: "application/x-www-form-urlencoded", Receive: e.receive, ReadLeads: opts.ReadLeads,
		QueueSize: opts.QueueSize, MaxBody: opts.MaxBody, Workers: opts.Workers, Logger: opts.Logger,
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Format prints the source, whatever the verb.
func (e *Events) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "bitrix24.Events(%s)", e.source) }

// receive checks and decodes one message.
func (e *Events) receive(ctx context.Context, _ *http.Request, body []byte) (crm.Event, error) {
	form, err := decodeEvent(body)
	if err != nil {
		return crm.Event{}, crmhook.ErrMalformed
	}
	if form.name == appInstall && e.install != nil {
		return crm.Event{}, e.installed(ctx, &form)
	}
	source, err := e.sender(ctx, &form)
	if err != nil {
		return crm.Event{}, err
	}
	return form.event(source)
}

// installed hands an installation over.
func (e *Events) installed(ctx context.Context, form *eventForm) error {
	install, err := form.installation()
	switch {
	case err != nil:
		return crmhook.ErrMalformed
	case e.memberID != "" && install.Token.MemberID != e.memberID, e.install(ctx, install) != nil:
		return crmhook.ErrSender
	}
	return crmhook.ErrTaken
}

// sender returns the Source of the event's sender, if it is accepted.
func (e *Events) sender(ctx context.Context, form *eventForm) (source string, err error) {
	member := string(unescaped(form.memberID))
	if e.memberID != "" && member != e.memberID {
		return "", crmhook.ErrSender
	}
	token := unescaped(form.applicationToken)
	if len(token) == 0 {
		return "", crmhook.ErrSender
	}
	given, equal := sha256.Sum256(token), 0
	for i := range e.tokens { // all of them: the time does not tell which one it was
		equal |= subtle.ConstantTimeCompare(given[:], e.tokens[i][:])
	}
	if equal == 1 {
		return e.source, nil
	}
	if e.portal == nil || !isMember(member) {
		return "", crmhook.ErrSender
	}
	var expected string
	expected, source, err = e.portal(ctx, member)
	if err != nil {
		return "", crmhook.ErrUnchecked
	}
	hash := sha256.Sum256([]byte(expected)) // of an empty one it is that of no token
	if subtle.ConstantTimeCompare(given[:], hash[:]) == 0 {
		return "", crmhook.ErrSender
	}
	if source == "" {
		source = e.source
	}
	return source, nil
}

// isMember reports whether a portal's member ID may look so. All that were seen
// are 32 hexadecimal digits.
func isMember(id string) bool {
	return 0 < len(id) && len(id) <= 64 && !strings.ContainsFunc(id, notInSecret)
}
