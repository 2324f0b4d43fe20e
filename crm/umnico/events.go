package umnico

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// EventOptions say whose events [NewEvents] receives. Secret has to be given.
// Printed in any way they show nothing.
type EventOptions struct {
	// Source is the Source of all events; empty means [DefaultSource].
	Source string
	// Secret is the last part of the path of the address that the webhook was
	// registered with: of "https://bot.example.com/hooks/umnico/5f0c1d" it is
	// "5f0c1d". Umnico signs nothing, so this is how the sender is known. At least
	// 16 letters, digits, "-" and "_"; make it with [crypto/rand.Text].
	Secret crmhttp.Secret
	// AccountID is the number of the account whose events are taken, as
	// [Client.Check] returns it; empty means any. A message without an account is
	// taken: for events of leads it was not seen whether they carry it.
	AccountID string
	// QueueSize is how many events may wait; 0 means 1024.
	QueueSize int
	// MaxBody is the greatest size of a message in bytes; 0 means 256 KiB, because
	// messages of clients come as events too. Waiting events hold their messages.
	MaxBody int64
	// Workers is how many events Run hands over at the same time; 0 means 8.
	Workers int
	// Logger gets one record for each message: source, answer and, once the
	// sender was checked, the event's type; as a warning where an event of a
	// checked sender is lost. It gets no body and no address. Nil means no log.
	Logger *slog.Logger
}

// Format prints no option, whatever the verb: some are secret.
func (EventOptions) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "umnico.EventOptions") }

// Events receives what Umnico sends to a webhook. It is a [crm.EventSource], made by
// [NewEvents]; its zero value is not usable. Its methods are safe for concurrent use.
// Printed in any way it shows its source only. Run, Accepting and Stats are those of
// [crmhook.Receiver].
//
// As an [http.Handler] it answers
//
//   - 200 to every event that it accepts, also to those that are not about leads and
//     those whose type is not known: Umnico switches a webhook off whose messages
//     fail;
//   - 403 if the last part of the path is not the secret, or the account is another
//     one. Both are compared in constant time;
//   - 405 to what is no POST, 413 to a message that is too large, 400 to one that is
//     no JSON object;
//   - 503 while no Run drains or the queue is full.
//
// The types lead.changed.status, lead.changed and lead.created are
// [crm.EventLeadMoved], [crm.EventLeadChanged] and [crm.EventLeadCreated]. They carry
// the status, which need not be in any list that was read. Whether a change of the
// status sends both of the first two is not known, nor whether Umnico repeats a
// message or keeps their sequence; there is neither a number nor a time in them. All
// others are [crm.EventOther]; their Lead is set if they name one. The Raw of an event
// holds names and phone numbers.
//
// A webhook that is switched off stays so: call [Client.Keep] now and then.
type Events struct {
	*crmhook.Receiver

	source  string
	secret  [sha256.Size]byte
	account *[sha256.Size]byte // nil if any will do
}

var _ crm.EventSource = (*Events)(nil)

// shortestSecret is the least length of a secret: that of 96 random bits.
const shortestSecret = 16

// NewEvents returns a receiver of events. It copies opts. Its errors, about options
// that cannot be meant, show no secret.
func NewEvents(opts EventOptions) (*Events, error) {
	e := &Events{source: cmp.Or(opts.Source, DefaultSource)}
	secret := string(opts.Secret)
	if len(secret) < shortestSecret || strings.ContainsFunc(secret, notInPath) {
		return nil, fmt.Errorf("%s: event options: Secret: expected at least %d letters, digits, \"-\" and \"_\", such as crypto/rand.Text makes",
			e.source, shortestSecret)
	}
	e.secret = sha256.Sum256([]byte(secret))
	if opts.AccountID != "" {
		account := sha256.Sum256([]byte(opts.AccountID))
		e.account = &account
	}
	var err error
	e.Receiver, err = crmhook.New(crmhook.Options{
		Source: e.source, Receive: e.receive, QueueSize: opts.QueueSize, MaxBody: cmp.Or(opts.MaxBody, 256<<10),
		Workers: opts.Workers, Logger: opts.Logger,
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Format prints the source, whatever the verb.
func (e *Events) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "umnico.Events(%s)", e.source) }

// receive checks and decodes one message.
func (e *Events) receive(_ context.Context, r *http.Request, body []byte) (crm.Event, error) {
	if !same(&e.secret, lastPart(r.URL)) {
		return crm.Event{}, crmhook.ErrSender
	}
	message, err := decodeMessage(body)
	if err != nil {
		return crm.Event{}, crmhook.ErrMalformed
	}
	if e.account != nil && message.Account != "" && !same(e.account, string(message.Account)) {
		return crm.Event{}, crmhook.ErrSender
	}
	return message.event(e.source), nil
}

// same compares in constant time.
func same(want *[sha256.Size]byte, got string) bool {
	sum := sha256.Sum256([]byte(got))
	return subtle.ConstantTimeCompare(want[:], sum[:]) == 1
}

// lastPart returns the last part of the path; one slash behind it does not count.
func lastPart(u *url.URL) string {
	path := strings.TrimSuffix(u.Path, "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}

func notInPath(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
}

// wireMessage is what is wanted of a webhook's message. Only lead.changed.status is
// documented, by a client that names the page; the rest was seen in clients, and the
// account is a guess. Every field may be missing, and identifiers come as numbers and
// as texts.
type wireMessage struct {
	Type    crmhttp.Text
	Account crmhttp.Text
	LeadID  crmhttp.ID
	Status  crmhttp.ID
	At      time.Time
}

// decodeMessage decodes a message leniently: a part of an odd form is left out, and
// only what is no JSON object is an error.
func decodeMessage(body []byte) (wireMessage, error) {
	var message wireMessage
	var fields struct {
		Type    crmhttp.Text    `json:"type"`
		Account crmhttp.Text    `json:"accountId"`
		LeadID  json.RawMessage `json:"leadId"`
		Lead    json.RawMessage `json:"lead"`
		Message json.RawMessage `json:"message"`
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return message, errors.New("no object")
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		return message, err
	}
	var lead struct {
		ID      json.RawMessage `json:"id"`
		Status  json.RawMessage `json:"statusId"`
		Created json.RawMessage `json:"createdAt"`
	}
	_ = json.Unmarshal(fields.Lead, &lead) // of another form: as if it were missing
	var text struct {
		At json.RawMessage `json:"datetime"`
	}
	_ = json.Unmarshal(fields.Message, &text)
	message.Type, message.Account = fields.Type, fields.Account
	message.LeadID = cmp.Or(identifier(fields.LeadID), identifier(lead.ID))
	message.Status = identifier(lead.Status)
	message.At = moment(text.At)
	if message.Type == typeLeadCreated {
		message.At = moment(lead.Created)
	}
	return message, nil
}

// The types of events about leads.
const (
	typeLeadMoved   = "lead.changed.status"
	typeLeadChanged = "lead.changed"
	typeLeadCreated = "lead.created"
)

// event returns what the message says.
func (m *wireMessage) event(source string) crm.Event {
	event := crm.Event{Source: source, Type: crm.CleanName(string(m.Type)), At: m.At}
	if m.LeadID == "" {
		return event // whatever it is, nobody can tell of which lead
	}
	event.Lead = crm.LeadRef{Source: source, ID: string(m.LeadID)}
	switch m.Type {
	case typeLeadMoved:
		event.Kind = crm.EventLeadMoved
	case typeLeadChanged:
		event.Kind = crm.EventLeadChanged
	case typeLeadCreated:
		event.Kind = crm.EventLeadCreated
	}
	if event.Kind != crm.EventOther && m.Status != "" {
		event.Status = crm.Ref{Source: source, ID: string(m.Status)}
	}
	return event
}

// identifier returns a number or a text; "" for anything else.
func identifier(data json.RawMessage) crmhttp.ID {
	var id crmhttp.ID
	if len(data) == 0 || id.UnmarshalJSON(data) != nil || id == "0" || strings.ContainsFunc(string(id), notInPath) {
		return ""
	}
	return id
}

// moment returns a time written as ISO 8601 or in milliseconds since 1970; the zero
// time for anything else.
func moment(data json.RawMessage) time.Time {
	var at time.Time
	if len(data) == 0 {
		return at
	}
	if json.Unmarshal(data, &at) == nil && !at.IsZero() {
		return at.UTC()
	}
	var milliseconds crmhttp.Int
	const year10000 = 253402300800000
	if milliseconds.UnmarshalJSON(data) == nil && milliseconds.Value > 0 && milliseconds.Value < year10000 {
		return time.UnixMilli(int64(milliseconds.Value)).UTC()
	}
	return time.Time{}
}
