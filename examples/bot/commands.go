package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// help names what can be typed.
var help = [][]string{
	{"anna: привет", "a client writes; a new name is a new client, of whom Umnico makes a lead"},
	{"/status", "the clients, as the bot sees them"},
	{"/statuses", "the bot's statuses, with their external IDs"},
	{"/in in-work", "who is in a status, asked of all CRMs"},
	{"/set anna paid", "put a client into a status of the bot, by key"},
	{"/sync", "show what changed in the CRMs' lists, and take it over"},
	{"/crm", "the clients, as the managers see them in the CRMs"},
	{"/crm lists", "the CRMs' own lists of statuses"},
	{"/crm move anna Диалог с оператором", "a manager moves a client"},
	{`/crm rename "В работе" "В обработке"`, "people rename a status in all lists that have it"},
	{"/crm add umnico Возврат", "people add a status to a list"},
	{"/crm delete Возврат", "people delete a status in all lists that have it"},
	{"/crm remove anna", "a manager deletes a client's lead"},
	{"/quit", "end"},
}

// greet says how to begin.
func (b *bot) greet() {
	b.messenger.note("ready; write as a client, such as \"anna: привет\", or /help")
}

// handle does what a line says, and reports whether more may come.
func (b *bot) handle(ctx context.Context, line string) (more bool) {
	var err error
	switch command, rest := cut(line); command {
	case "/quit":
		return false
	case "/help":
		b.messenger.table(help)
	case "/status":
		err = b.showClients(ctx)
	case "/statuses":
		err = b.showStatuses(ctx)
	case "/in":
		err = b.showLeads(ctx, rest)
	case "/set":
		err = b.set(ctx, rest)
	case "/sync":
		err = b.sync(ctx)
	case "/crm":
		err = b.manage(rest)
	default:
		err = b.message(ctx, line)
	}
	if err != nil {
		b.messenger.fail(err)
	}
	return true
}

// message is what a client writes: "anna: привет".
func (b *bot) message(ctx context.Context, line string) error {
	name, text, found := strings.Cut(line, ":")
	name, text = strings.TrimSpace(name), strings.TrimSpace(text)
	if !found || name == "" || text == "" || strings.HasPrefix(name, "/") {
		return fmt.Errorf("%q is neither a message nor a command; see /help", line)
	}
	c := b.clients.named(name)
	if c == nil {
		c = b.clients.add(name, b.crms.newLead(name))
	}
	return b.engine.message(ctx, c, text)
}

// sync shows what a synchronisation changes before it does it. A real bot has a page
// or a button for it, or a schedule that calls Sync.
func (b *bot) sync(ctx context.Context) error {
	plan, err := b.syncer.Plan(ctx)
	if err != nil {
		return err
	}
	b.messenger.print("%v", plan)
	_, err = b.syncer.Apply(ctx, plan)
	return err
}

// set puts a client into a status from outside of any script.
func (b *bot) set(ctx context.Context, args string) error {
	name, key := cut(args)
	c := b.clients.named(name)
	if c == nil {
		return fmt.Errorf("there is no client %q", name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return b.engine.set(ctx, c, key)
}

// showClients prints what the bot knows, without asking a CRM.
func (b *bot) showClients(ctx context.Context) error {
	statuses, err := b.catalog.Load(ctx)
	if err != nil {
		return err
	}

	rows := [][]string{{"CLIENT", "LEAD", "KEY", "STATUS"}}
	for c := range b.clients.each() {
		c.mu.Lock()
		id := c.statusID
		c.mu.Unlock()
		row := []string{c.name, c.lead.String(), "", "to be read"}
		if status, ok := statuses.ByID(id); ok {
			row[2], row[3] = status.Key, status.Name
		}
		rows = append(rows, row)
	}
	b.messenger.table(rows)
	return nil
}

func (b *bot) showStatuses(ctx context.Context) error {
	statuses, err := b.catalog.Load(ctx)
	if err != nil {
		return err
	}
	b.messenger.print("%v", statuses)
	return nil
}

// showLeads asks the CRMs who is in a status of the bot.
func (b *bot) showLeads(ctx context.Context, key string) error {
	rows := [][]string{{"LEAD", "STANDS ON", "CLIENT"}}
	for lead, err := range b.leads.In(ctx, key) {
		if err != nil {
			return err
		}
		name := ""
		if c := b.clients.of(lead.Lead.Ref); c != nil {
			name = c.name
		}
		rows = append(rows, []string{lead.Lead.Ref.String(), lead.Lead.Status.String(), name})
	}
	b.messenger.table(rows)
	return nil
}

// manage is what people do in the CRMs: the bot has no part in it.
func (b *bot) manage(args string) error {
	command, rest := cut(args)
	switch command {
	case "":
		return b.showCRMs()
	case "lists":
		rows := [][]string{{"LIST", "ID", "NAME"}}
		for _, s := range b.crms.stages() {
			rows = append(rows, []string{s.list, s.id, s.name})
		}
		b.messenger.table(rows)
		return nil
	case "rename":
		names := quoted.FindStringSubmatch(rest)
		if names == nil {
			return fmt.Errorf(`expected two names: /crm rename "В работе" "В обработке"`)
		}
		return b.crms.rename(names[1], names[2])
	case "delete":
		return b.crms.drop(unquoted(rest))
	case "add":
		list, name := cut(rest)
		return b.crms.add(list, unquoted(name))
	case "move", "remove":
		name, stage := cut(rest)
		c := b.clients.named(name)
		if c == nil {
			return fmt.Errorf("there is no client %q", name)
		}
		if command == "remove" {
			return b.crms.remove(c.lead)
		}
		return b.crms.move(c.lead, unquoted(stage))
	}
	return fmt.Errorf("there is no command /crm %s; see /help", command)
}

func (b *bot) showCRMs() error {
	rows := [][]string{{"CLIENT", "LEAD", "LIST", "ID", "NAME"}}
	for c := range b.clients.each() {
		s, err := b.crms.at(c.lead)
		if err != nil {
			s.name = err.Error()
		}
		rows = append(rows, []string{c.name, c.lead.String(), s.list, s.id, s.name})
	}
	b.messenger.table(rows)
	return nil
}

// quoted are two names in quotes.
var quoted = regexp.MustCompile(`^"([^"]+)" +"([^"]+)"$`)

// unquoted takes the quotes from a name, which a last name need not have.
func unquoted(name string) string { return strings.Trim(name, `"`) }

// cut parts the first word from the rest.
func cut(text string) (first, rest string) {
	first, rest, _ = strings.Cut(text, " ")
	return first, strings.TrimSpace(rest)
}
