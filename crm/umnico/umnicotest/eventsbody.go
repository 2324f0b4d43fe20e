package umnicotest

import (
	"slices"
	"strings"
)

// The events that the fake makes by itself.
const (
	eventLeadCreated     = "lead.created"
	eventLeadChanged     = "lead.changed"
	eventLeadStatus      = "lead.changed.status"
	eventCustomerCreated = "customer.created"
	eventCustomerChanged = "customer.changed"
	eventMessageIncoming = "message.incoming"
	eventMessageOutgoing = "message.outgoing"
)

// senderOffset is between the IDs of a customer and of the profile that writes.
const senderOffset = 10_000

// EventForm is what is not known of the bodies of events, or was seen in two
// forms. The zero value is what a new account sends. It matters when an event
// happens, not when it is delivered.
type EventForm struct {
	// TextLeadID writes leadId as a text, as one client has it.
	TextLeadID bool
	// TextMessageID writes messageId as a text, as one client has it.
	TextMessageID bool
	// EpochMillis writes the time of a message as a number of milliseconds
	// instead of a text.
	EpochMillis bool
	// NoAccountID leaves accountId out, which is sure for messages only.
	NoAccountID bool
	// ShortCustomer leaves nothing but the login of a lead's customer.
	ShortCustomer bool
	// WholeLead writes leads as answers do, instead of statusId, amount and
	// customer alone.
	WholeLead bool
	// NoCustomerID leaves customerId out of the events of customers, and
	// NoCustomer their customer: no client reads both.
	NoCustomerID, NoCustomer bool
	// NoSourceType leaves the type of a message's source out.
	NoSourceType bool
}

// SetEventForm changes the bodies of the events that happen from now on.
func (u *Umnico) SetEventForm(form EventForm) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.form = form
}

// SetChangedToo makes a change of a lead's status the event lead.changed as well,
// after lead.changed.status, or, as at the start, only the latter. Which of the
// two Umnico does is not known.
func (u *Umnico) SetChangedToo(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.changedToo = on
}

// event is the part that all bodies have, and what only some do.
type event struct {
	Type          string         `json:"type"`
	AccountID     any            `json:"accountId,omitempty"`
	LeadID        any            `json:"leadId,omitempty"`
	CustomerID    any            `json:"customerId,omitempty"`
	IsNewLead     *bool          `json:"isNewLead,omitempty"`
	IsNewCustomer *bool          `json:"isNewCustomer,omitempty"`
	Lead          any            `json:"lead,omitempty"`
	Customer      *eventCustomer `json:"customer,omitempty"`
	Message       *eventMessage  `json:"message,omitempty"`
}

type eventLead struct {
	StatusID int `json:"statusId"`
	Amount   int `json:"amount"`
	Customer any `json:"customer"`
}

type eventCustomer struct {
	ID     int    `json:"id"`
	Login  string `json:"login"`
	Name   string `json:"name"`
	Phone  any    `json:"phone"`
	Avatar any    `json:"avatar"`
}

type eventMessage struct {
	MessageID any           `json:"messageId"`
	Datetime  any           `json:"datetime"`
	SA        socialAccount `json:"sa"`
	Message   struct {
		Text        string `json:"text"`
		Attachments []any  `json:"attachments"`
	} `json:"message"`
	Incoming bool        `json:"incoming"`
	Sender   eventSender `json:"sender"`
	Source   wireSource  `json:"source"`
	ReplyTo  any         `json:"replyTo"`
}

type eventSender struct {
	ID         int    `json:"id"`
	CustomerID int    `json:"customerId"`
	Login      string `json:"login"`
	Type       string `json:"type"`
	SocialID   any    `json:"socialId"`
	ProfileURL any    `json:"profileUrl"`
}

type wireSource struct {
	ID     string `json:"id"`
	RealID any    `json:"realId"`
	SaID   any    `json:"saId"`
	Type   string `json:"type,omitempty"`
}

// queueLead queues an event of a lead. It runs under mu.
func (u *Umnico) queueLead(name string, lead *Lead) {
	if !u.heard() {
		return
	}
	body := event{LeadID: written(lead.ID, u.form.TextLeadID)}
	customer := u.customers[lead.Customer.ID]
	switch {
	case u.form.WholeLead:
		body.Lead = u.wireLead(lead)
	case u.form.ShortCustomer:
		body.Lead = eventLead{StatusID: lead.StatusID, Amount: lead.Amount, Customer: map[string]string{"login": customer.Login}}
	default:
		body.Lead = eventLead{StatusID: lead.StatusID, Amount: lead.Amount, Customer: customer.event()}
	}
	u.queueEvent(name, body)
}

// queueCustomer queues an event of a customer. It runs under mu.
func (u *Umnico) queueCustomer(name string, customer Customer) {
	var body event
	if !u.form.NoCustomerID {
		body.CustomerID = customer.ID
	}
	if !u.form.NoCustomer {
		body.Customer = customer.event()
	}
	u.queueEvent(name, body)
}

// queueMessage queues the event of a lead's last message. It runs under mu.
func (u *Umnico) queueMessage(lead *Lead) {
	customer := u.customers[lead.Customer.ID]
	asNumber := func(id int) any { return id }
	m := eventMessage{
		MessageID: written(lead.Message.ID, u.form.TextMessageID),
		Datetime:  timestamp(lead.Message.At),
		SA:        u.socialAccount(lead.IntegrationID, asNumber),
		Incoming:  lead.Message.Incoming,
		Source:    lead.source(asNumber),
	}
	m.Message.Text, m.Message.Attachments = lead.Message.Text, []any{}
	m.Sender = eventSender{
		ID: customer.ID + senderOffset, CustomerID: customer.ID, Login: customer.Login, Type: m.SA.Type,
		SocialID: orNull(customer.SocialID), ProfileURL: orNull(customer.ProfileURL),
	}
	if u.form.EpochMillis {
		m.Datetime = lead.Message.At.UnixMilli()
	}
	if u.form.NoSourceType {
		m.Source.Type = ""
	}
	name := eventMessageOutgoing
	if m.Incoming {
		name = eventMessageIncoming
	}
	u.queueEvent(name, event{
		LeadID: written(lead.ID, u.form.TextLeadID), IsNewLead: new(bool), IsNewCustomer: new(bool), Message: &m,
	})
}

// queueEvent queues an event for every webhook that is on. It runs under mu.
func (u *Umnico) queueEvent(name string, body event) {
	if !u.heard() {
		return
	}
	body.Type = name
	if !u.form.NoAccountID {
		body.AccountID = u.accountID
	}
	u.queueBody(name, strings.TrimSuffix(string(encode(body)), "\n"))
}

// queueBody runs under mu.
func (u *Umnico) queueBody(name, body string) {
	for _, webhook := range u.webhooks {
		if !webhook.Off {
			u.queue = append(u.queue, Delivery{Type: name, WebhookID: webhook.ID, URL: webhook.URL, Body: body})
		}
	}
}

// heard reports whether any webhook is on. It runs under mu.
func (u *Umnico) heard() bool {
	return slices.ContainsFunc(u.webhooks, func(w Webhook) bool { return !w.Off })
}

// event returns the customer as events write it.
func (c Customer) event() *eventCustomer {
	return &eventCustomer{ID: c.ID, Login: c.Login, Name: c.Name, Phone: orNull(c.Phone)}
}

// source returns the lead's source as it is written.
func (l *Lead) source(number func(int) any) wireSource {
	return wireSource{ID: l.Source.ID, RealID: number(l.Source.RealID), SaID: number(l.IntegrationID), Type: l.Source.Type}
}
