package umnicotest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// The sections of leads. Inbox is documented
// (https://api.umnico.com/docs/ru/apiMethods/leads.html); what the others hold is
// taken from their names.
const (
	SectionInbox     = "inbox"
	SectionActive    = "active"
	SectionCompleted = "completed"
	// SectionAll is a list of every lead. No lead has it as its Section.
	SectionAll = "all"
)

// Lead is a conversation with one customer in one integration.
type Lead struct {
	ID int
	// UserID is the responsible manager; 0 is nobody, and written as null.
	UserID int
	// StatusID need not be in the list of statuses: a lead keeps it when the
	// status is deleted.
	StatusID int
	// Section is the list that the lead is in beside that of all leads.
	Section string
	Read    bool
	Amount  int
	// Details is written as null if it is empty.
	Details string
	Tags    []string
	// ResponseTime has milliseconds; 0 is written as null.
	ResponseTime time.Duration
	// IntegrationID is one of [Umnico.SetIntegrations].
	IntegrationID int
	// Customer is the same for all leads with its ID.
	Customer Customer
	// Message is the last one.
	Message Message
	// Source is where the messages come from.
	Source Source
	// CreatedAt has milliseconds.
	CreatedAt time.Time
	// CustomFields and Items are JSON, and null if they are empty. Text that is
	// no JSON is written as a text.
	CustomFields, Items string
}

// Message is a message of a lead's conversation.
type Message struct {
	// ID is written in events only.
	ID       int
	Text     string
	At       time.Time
	Incoming bool
}

// Source is a conversation as messages name it: by a text and by a number.
type Source struct {
	ID     string
	RealID int
	// Type is "message" or "comment".
	Type string
}

// AddLead adds a lead, or replaces the one with its ID, and returns it. Fields
// that are zero get a value where a lead always has one: the next ID, the first
// status by Order, the first integration, a new customer, and now as CreatedAt;
// the section is the inbox for a lead of nobody, else [SectionActive], and the
// last message came in with the lead. A customer with the ID of another replaces
// it, unless nothing but its ID is given. Nothing is checked. A new lead is the
// event lead.created, and no other.
func (u *Umnico) AddLead(lead Lead) Lead {
	u.mu.Lock()
	defer u.mu.Unlock()
	replaced := u.removeLead(lead.ID)
	added := new(Lead)
	*added = u.complete(lead)
	u.leadByID[added.ID] = added
	i, _ := slices.BinarySearchFunc(u.leads, added, byAge)
	u.leads = slices.Insert(u.leads, i, added)
	if !replaced {
		u.queueLead(eventLeadCreated, added)
	}
	return u.view(added)
}

// AddLeads adds n leads that are like the given one but for the ID, which is the
// next one each, and returns them. Each has a customer of its own if the given
// one has none.
func (u *Umnico) AddLeads(n int, like Lead) []Lead {
	u.mu.Lock()
	defer u.mu.Unlock()
	like.ID = 0
	block := make([]Lead, n)
	added := make([]Lead, n)
	u.leads = slices.Grow(u.leads, n)
	for i := range block {
		lead := &block[i]
		*lead = u.complete(like)
		u.leadByID[lead.ID] = lead
		u.leads = append(u.leads, lead)
		u.queueLead(eventLeadCreated, lead)
		added[i] = u.view(lead)
	}
	if !slices.IsSortedFunc(u.leads, byAge) {
		slices.SortFunc(u.leads, byAge)
	}
	return added
}

// Lead returns the lead as it stands now, and whether there is one.
func (u *Umnico) Lead(id int) (Lead, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if lead := u.leadByID[id]; lead != nil {
		return u.view(lead), true
	}
	return Lead{}, false
}

// Leads returns all leads, the oldest first, and by ID where CreatedAt is the
// same.
func (u *Umnico) Leads() []Lead {
	u.mu.Lock()
	defer u.mu.Unlock()
	leads := make([]Lead, len(u.leads))
	for i, lead := range u.leads {
		leads[i] = u.view(lead)
	}
	return leads
}

// MoveLead gives a lead a status, as a manager does in the web interface; a rule
// of [Umnico.Automate] may move it on. It is the event lead.changed.status. The
// error says that there is no such lead or no such status. [Umnico.RefuseLead]
// does not matter here.
func (u *Umnico) MoveLead(id, statusID int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	lead := u.leadByID[id]
	if lead == nil {
		return noLead(id)
	}
	if _, err := u.find(statusID); err != nil {
		return err
	}
	next := *lead
	next.StatusID = statusID
	u.save(lead, next, true)
	return nil
}

// EditLead lets edit change a lead, as a manager does in the web interface. What
// edit makes of ID, CreatedAt and Customer is not looked at, and it may not call
// methods of the fake. A new StatusID is treated as by [Umnico.MoveLead], but need
// not be in the list; any other change but that of the section is the event
// lead.changed. The error says that there is no such lead.
func (u *Umnico) EditLead(id int, edit func(*Lead)) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	lead := u.leadByID[id]
	if lead == nil {
		return noLead(id)
	}
	edited := u.view(lead)
	edit(&edited)
	next := edited // edit may have kept the pointer
	next.ID, next.CreatedAt, next.Customer = lead.ID, lead.CreatedAt, lead.Customer
	next.Tags = slices.Clone(next.Tags)
	u.save(lead, next, true)
	return nil
}

// SetSection puts a lead into a section. No event is known for it, so none is
// sent. The error says that there is no such lead.
func (u *Umnico) SetSection(id int, section string) error {
	return u.EditLead(id, func(lead *Lead) { lead.Section = section })
}

// DeleteLead removes a lead: calls for it get 404. No event is known for it. The
// error says that there is no such lead.
func (u *Umnico) DeleteLead(id int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.removeLead(id) {
		return noLead(id)
	}
	return nil
}

// AddMessage adds a message to a lead's conversation. Message.At is now if it is
// zero, and Message.ID the next one. It is the event message.incoming or
// message.outgoing, and no other. The error says that there is no such lead.
func (u *Umnico) AddMessage(leadID int, message Message) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	lead := u.leadByID[leadID]
	if lead == nil {
		return noLead(leadID)
	}
	if message.At.IsZero() {
		message.At = time.Now()
	}
	message.ID = cmp.Or(message.ID, u.lastMessage+1)
	u.lastMessage = max(u.lastMessage, message.ID)
	if message.Incoming {
		lead.ResponseTime = 0
		lead.Read = false
	}
	lead.Message = message
	u.queueMessage(lead)
	return nil
}

// Automate makes a rule of the account: a lead that comes to the status from goes
// on to the status to at once, which is an event of its own. Rules follow each
// other, but none acts twice in a row of moves. Whether Umnico has such rules is
// not known. A to of 0 takes the rule back.
func (u *Umnico) Automate(from, to int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if to == 0 {
		delete(u.rules, from)
		return
	}
	u.rules[from] = to
}

// SetStatusSection makes a status decide the section: a lead that comes to the
// status comes into the section. Whether it does in Umnico is not known, and at
// the start no status decides. An empty section takes it back.
func (u *Umnico) SetStatusSection(statusID int, section string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if section == "" {
		delete(u.sections, statusID)
		return
	}
	u.sections[statusID] = section
}

// SetOldestFirst makes lists of leads begin with the oldest, or, as at the start,
// with the newest. Which of the two Umnico does is not known.
func (u *Umnico) SetOldestFirst(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.oldestFirst = on
}

// save makes a change of a lead, queues its events, and lets the rules act. Of
// what heard is false no event is sent, but what the rules do is heard always. It
// runs under mu.
func (u *Umnico) save(lead *Lead, next Lead, heard bool) {
	moved := next.StatusID != lead.StatusID
	if moved {
		next.Section = cmp.Or(u.sections[next.StatusID], next.Section)
	}
	edited := *lead
	edited.StatusID, edited.Section = next.StatusID, next.Section
	changed := !reflect.DeepEqual(edited, next)
	*lead = next
	if heard && moved {
		u.queueLead(eventLeadStatus, lead)
	}
	if heard && (changed || moved && u.changedToo) {
		u.queueLead(eventLeadChanged, lead)
	}
	if moved {
		u.automate(lead)
	}
}

// automate lets the rules act on a lead that has come to its status. It runs
// under mu.
func (u *Umnico) automate(lead *Lead) {
	done := map[int]bool{}
	for !done[lead.StatusID] {
		done[lead.StatusID] = true
		to, found := u.rules[lead.StatusID]
		if !found || to == lead.StatusID {
			return
		}
		lead.StatusID = to
		lead.Section = cmp.Or(u.sections[to], lead.Section)
		u.queueLead(eventLeadStatus, lead)
		if u.changedToo {
			u.queueLead(eventLeadChanged, lead)
		}
	}
}

// complete returns the lead with all that a lead always has. Only the ID of its
// customer is left: the rest is in u.customers. It runs under mu.
func (u *Umnico) complete(lead Lead) Lead {
	lead.ID = cmp.Or(lead.ID, u.lastLead+1)
	u.lastLead = max(u.lastLead, lead.ID)
	if lead.StatusID == 0 && len(u.statuses) > 0 {
		lead.StatusID = slices.MinFunc(u.statuses, func(a, b Status) int { return cmp.Compare(a.Order, b.Order) }).ID
	}
	if lead.Section == "" {
		lead.Section = SectionActive
		if lead.UserID == 0 {
			lead.Section = SectionInbox
		}
	}
	if lead.IntegrationID == 0 && len(u.integrations) > 0 {
		lead.IntegrationID = u.integrations[0].ID
	}
	if lead.CreatedAt.IsZero() {
		lead.CreatedAt = time.Now()
	}
	if lead.Message == (Message{}) {
		lead.Message.Incoming = true
	}
	if lead.Message.At.IsZero() {
		lead.Message.At = lead.CreatedAt
	}
	if lead.Source.ID == "" {
		lead.Source.ID = "user_" + strconv.Itoa(lead.ID)
	}
	lead.Source.RealID = cmp.Or(lead.Source.RealID, lead.ID)
	lead.Source.Type = cmp.Or(lead.Source.Type, "message")
	lead.Tags = slices.Clone(lead.Tags)
	lead.Customer = Customer{ID: u.addCustomer(lead.Customer)}
	return lead
}

// view returns a copy of a lead, with its customer. It runs under mu.
func (u *Umnico) view(lead *Lead) Lead {
	seen := *lead
	seen.Tags = slices.Clone(lead.Tags)
	seen.Customer = u.customers[lead.Customer.ID]
	return seen
}

// removeLead reports whether there was the lead. It runs under mu.
func (u *Umnico) removeLead(id int) bool {
	lead := u.leadByID[id]
	if lead == nil {
		return false
	}
	delete(u.leadByID, id)
	i, _ := slices.BinarySearchFunc(u.leads, lead, byAge)
	u.leads = slices.Delete(u.leads, i, i+1)
	return true
}

// byAge puts the oldest lead first.
func byAge(a, b *Lead) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

func noLead(id int) error { return fmt.Errorf("umnicotest: no lead %d", id) }
