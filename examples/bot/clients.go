package main

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/statuslink/statuslink/crm"
)

// client is one who writes to the bot. A real bot keeps this in its database, beside
// the number of the chat.
type client struct {
	name string
	// lead stands for the client in a CRM. It is all that the bot needs to know of
	// the CRM: which one it is, and which pipeline, is in it.
	lead crm.LeadRef

	// mu makes one client's messages and changes come one after another, while those
	// of others go on.
	mu sync.Mutex
	// statusID is the ID of the client's status, which never changes, as names do; if
	// it is empty, the lead has to be read.
	statusID string
	// asked is where the script is: the bot asked what the client wishes.
	asked bool
	// russian is the language in which the client wrote last.
	russian bool
}

// clients finds a client by name, as the messenger has it, and by lead, as the CRMs
// have it.
type clients struct {
	mu  sync.Mutex
	all []*client
}

func (cs *clients) add(name string, lead crm.LeadRef) *client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := &client{name: name, lead: lead}
	cs.all = append(cs.all, c)
	return c
}

// named returns nil if there is no such client.
func (cs *clients) named(name string) *client {
	return cs.find(func(c *client) bool { return strings.EqualFold(c.name, name) })
}

// of returns nil if the lead is of nobody who ever wrote to the bot.
func (cs *clients) of(lead crm.LeadRef) *client {
	return cs.find(func(c *client) bool { return c.lead == lead })
}

func (cs *clients) find(is func(*client) bool) *client {
	for c := range cs.each() {
		if is(c) {
			return c
		}
	}
	return nil
}

// each yields all clients, in the order in which they came.
func (cs *clients) each() iter.Seq[*client] {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return slices.Values(slices.Clone(cs.all))
}
