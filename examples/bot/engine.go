package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"unicode"

	"github.com/statuslink/statuslink"
)

// The keys of the statuses that the code branches on. A key is the code's own: people
// rename statuses in the CRM and in the bot, and nothing here has to change.
const (
	firstContact = "first-contact"
	inWork       = "in-work"
	operator     = "operator"
	paid         = "paid"
)

// definitions are these statuses for Catalog.Ensure, which makes what is not there.
// The names matter once, to find the CRMs' statuses at the first synchronisation;
// from then on they are linked by their IDs.
var definitions = []statuslink.Definition{
	{Key: firstContact, Name: "Первичное касание", Aliases: []string{"Новый", "First contact"}},
	{Key: inWork, Name: "В работе", Aliases: []string{"In work"}},
	{Key: operator, Name: "Диалог с оператором", Aliases: []string{"Operator"}},
	{Key: paid, Name: "Оплачено", Aliases: []string{"Paid"}},
}

// engine is the bot: it answers messages, and hears of changes in the CRMs.
type engine struct {
	catalog   *statuslink.Catalog
	leads     *statuslink.Leads
	clients   *clients
	messenger *messenger
}

// routes say what the bot does with a message, by the key of the client's status. A
// status without a route, such as one that people added in a CRM, has no key and is
// the operator's.
var routes = map[string]func(e *engine, ctx context.Context, c *client, text string) error{
	firstContact: (*engine).welcome,
	inWork:       (*engine).serve,
	operator:     (*engine).leaveToOperator,
	paid:         (*engine).thank,
}

// arrivals are what the bot says by itself when a manager puts a client there.
var arrivals = map[string]struct{ ru, en string }{
	inWork: {"Снова на связи бот. Чем помочь?", "This is the bot again. How can I help?"},
	paid:   {"Оплата получена, спасибо!", "We have got your payment, thank you!"},
}

// message answers what a client wrote.
func (e *engine) message(ctx context.Context, c *client, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.russian = strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) })
	status, err := e.status(ctx, c)
	if err == nil {
		route, ok := routes[status.Key]
		if !ok {
			route = (*engine).leaveToOperator
		}
		err = route(e, ctx, c, text)
	}
	if err != nil {
		e.say(c, "Простите, у нас заминка. Напишите, пожалуйста, чуть позже.", "Sorry, something went wrong. Please try again later.")
	}
	return err
}

// status returns the client's status. Follow keeps its ID up to date, so that mostly
// no CRM is asked, and the catalog answers from memory. Only after a start, or where
// the bot did not know the CRM's status or has lost its own, is the lead read.
func (e *engine) status(ctx context.Context, c *client) (statuslink.Status, error) {
	if status, err := e.catalog.Get(ctx, c.statusID); !errors.Is(err, statuslink.ErrNotFound) {
		return status, err
	}
	read, err := e.leads.Read(ctx, c.lead)
	if err != nil {
		return statuslink.Status{}, err
	}
	if !read.Fallback {
		c.statusID = read.Status.ID
	}
	return read.Status, nil
}

// welcome is the script for a new client: it asks one question, and the answer brings
// the client to work.
func (e *engine) welcome(ctx context.Context, c *client, text string) error {
	if !c.asked {
		c.asked = true
		e.say(c, "Здравствуйте! Что вас интересует?", "Hello! What are you looking for?")
		return nil
	}
	if err := e.set(ctx, c, inWork); err != nil {
		return err
	}
	e.say(c, "Записал: "+text+". Уже занимаемся!", "Noted: "+text+". We are on it!")
	return nil
}

// serve is what a client in work gets.
func (e *engine) serve(ctx context.Context, c *client, text string) error {
	switch says := strings.ToLower(text); {
	case strings.Contains(says, "оператор"), strings.Contains(says, "operator"):
		if err := e.set(ctx, c, operator); err != nil {
			return err
		}
		e.say(c, "Зову оператора.", "I am calling an operator.")
	default:
		e.say(c, "Ваш заказ в работе. Напишите «оператор», чтобы позвать человека.",
			"Your order is in work. Write “operator” to talk to a person.")
	}
	return nil
}

// leaveToOperator says nothing: a person talks to the client.
func (e *engine) leaveToOperator(_ context.Context, c *client, _ string) error {
	e.messenger.note("silent: a person answers %s", c.name)
	return nil
}

// thank is what a client gets who has paid.
func (e *engine) thank(_ context.Context, c *client, _ string) error {
	e.say(c, "Спасибо за заказ! Всё оплачено.", "Thank you for your order! All is paid.")
	return nil
}

// set moves a client by key. Which status that is in the client's CRM, and in the
// pipeline in which the lead stands, is the library's work.
//
// The caller holds c.mu, so that a change that Follow tells of meanwhile comes after
// it. The CRM tells of this change too: if the two cross, that puts it right.
func (e *engine) set(ctx context.Context, c *client, key string) error {
	result, err := e.leads.Set(ctx, c.lead, key)
	if err != nil {
		return err
	}
	// This is where the lead stands: a rule in the CRM may have moved it on.
	c.statusID = result.ToStatus.ID
	return nil
}

// changed is the callback of Follow: a lead is in another status now, whoever put it
// there. An error would make Follow tell it again.
func (e *engine) changed(_ context.Context, change statuslink.LeadChange) error {
	c := e.clients.of(change.Lead.Ref)
	if c == nil {
		return nil // the CRM has leads that never wrote to the bot
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if change.Deleted {
		c.statusID = ""
		e.messenger.note("%s: the lead is gone from %s", c.name, c.lead.Source)
		return nil
	}
	e.messenger.note("%s", describe(c, change))
	// In a fallback the bot's own status is not known: it is read at the next message,
	// when the statuses may have been synchronised.
	c.statusID = change.Status.ID
	if change.Fallback {
		c.statusID = ""
	}
	if text, speaks := arrivals[change.Status.Key]; speaks && !change.Own {
		e.say(c, text.ru, text.en)
	}
	return nil
}

// describe says a change in a line, with the names that people see.
func describe(c *client, change statuslink.LeadChange) string {
	text := c.name + ": "
	if change.Known {
		text += strconv.Quote(change.PreviousStatus.Name) + " -> "
	}
	text += strconv.Quote(change.Status.Name)
	switch {
	case change.Fallback:
		text += ", for want of a status of the bot"
	case change.Own:
		text += ", by the bot"
	default:
		text += ", by " + change.Lead.Ref.Source
	}
	return text
}

// unlinked is told of a lead on a status that the bot does not know yet. It could
// synchronise here and now; this bot leaves it to its operator, and is silent.
func (e *engine) unlinked(_ context.Context, lead statuslink.UnlinkedLead) error {
	e.messenger.note("lead %s stands on %s %q, which is not linked: /sync", lead.Lead.Ref, lead.Lead.Status, lead.Status.Name)
	return nil
}

// say writes to a client in the client's language.
func (e *engine) say(c *client, ru, en string) {
	if c.russian {
		e.messenger.send(c.name, ru)
		return
	}
	e.messenger.send(c.name, en)
}
