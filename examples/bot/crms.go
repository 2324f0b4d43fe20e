package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/umnico"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// crms are the CRMs: the clients, which are all that the bot sees of them, and behind
// them the fakes, in which managers work. For real accounts there is nothing here
// but the clients; see examples/umnico and examples/bitrix24.
type crms struct {
	umnico   *umnico.Client
	bitrix24 *bitrix24.Client

	account *umnicotest.Umnico
	portal  *bitrix24test.Portal
}

// The lists of statuses: Umnico has one, Bitrix24 one for leads and one for each
// pipeline of deals. This pipeline is kept by people who speak English.
const sales = "DEAL_STAGE_5"

const salesPipeline = 5

// newCRMs makes the CRMs, with clients who have written before.
func newCRMs(known *clients) (*crms, error) {
	c := &crms{account: umnicotest.New(), portal: bitrix24test.New()}
	c.account.SetStatuses(
		umnicotest.Status{ID: 710201, Order: 1, Name: "Первичное касание"},
		umnicotest.Status{ID: 710205, Order: 2, Name: "В работе"},
		umnicotest.Status{ID: 710207, Order: 3, Name: "Диалог с оператором"},
		umnicotest.Status{ID: 710231, Order: 4, Name: "Оплачено"},
	)
	c.portal.SetStatuses(
		bitrix24test.Status{RowID: 1, Scope: bitrix24.Leads, ID: "NEW", Name: "Новый", Sort: 10},
		bitrix24test.Status{RowID: 2, Scope: bitrix24.Leads, ID: "IN_PROCESS", Name: "В работе", Sort: 20},
		bitrix24test.Status{RowID: 3, Scope: bitrix24.Leads, ID: "UC_7TQ2KD", Name: "Диалог с оператором", Sort: 30},
		bitrix24test.Status{RowID: 4, Scope: bitrix24.Leads, ID: "CONVERTED", Name: "Оплачено", Sort: 40, Semantics: "S"},
		bitrix24test.Status{RowID: 5, Scope: sales, ID: "C5:NEW", Name: "First contact", Sort: 10, Category: "5"},
		bitrix24test.Status{RowID: 6, Scope: sales, ID: "C5:PREPARATION", Name: "In work", Sort: 20, Category: "5"},
		bitrix24test.Status{RowID: 7, Scope: sales, ID: "C5:UC_K3M9XZ", Name: "Operator", Sort: 30, Category: "5"},
		bitrix24test.Status{RowID: 8, Scope: sales, ID: "C5:WON", Name: "Paid", Sort: 40, Category: "5", Semantics: "S"},
	)
	var err error
	c.umnico, err = umnico.New(c.account.Token(), &umnico.Options{
		HTTPClient: c.account.HTTPClient(),
		Rate:       -1, // fakes have no limits
	})
	if err != nil {
		return nil, err
	}
	c.bitrix24, err = bitrix24.New(c.portal.Webhook(), &bitrix24.Options{
		Scopes:     []string{bitrix24.Leads, sales},
		HTTPClient: c.portal.HTTPClient(),
		Limiter:    bitrix24.NewNoLimiter(),
	})
	if err != nil {
		return nil, err
	}
	known.add("anna", c.newLead("anna"))
	known.add("борис", c.newLead("борис"))
	c.portal.AddItem(bitrix24test.Item{TypeID: leadType, ID: 301, Title: "игорь"})
	known.add("игорь", crm.LeadRef{Source: c.bitrix24.Source(), Kind: bitrix24.KindLead, ID: "301"})
	c.portal.AddItem(bitrix24test.Item{TypeID: dealType, ID: 402, Category: salesPipeline, Title: "kate"})
	known.add("kate", crm.LeadRef{Source: c.bitrix24.Source(), Kind: bitrix24.KindDeal, ID: "402"})
	return c, nil
}

// newLead is what Umnico does when somebody writes for the first time.
func (c *crms) newLead(name string) crm.LeadRef {
	lead := c.account.AddLead(umnicotest.Lead{Customer: umnicotest.Customer{Name: name}})
	return crm.LeadRef{Source: c.umnico.Source(), ID: strconv.Itoa(lead.ID)}
}

// subscribe makes the CRMs send their events to the bot.
func (c *crms) subscribe(ctx context.Context) error {
	// Umnico switches a webhook off that failed: a real bot calls this now and then.
	if _, err := c.umnico.Keep(ctx, umnicoAddress, "bot"); err != nil {
		return err
	}
	// In Bitrix24 a person makes an outgoing webhook in the portal's settings.
	events := append(bitrix24.EventNames(bitrix24.KindLead), bitrix24.EventNames(bitrix24.KindDeal)...)
	c.portal.AddWebhookHandler(bitrix24Address, bitrix24Token, events...)
	return nil
}

// deliver sends the events that happened, and those that come of them, to the bot.
func (c *crms) deliver(ctx context.Context, to http.Handler) {
	for len(c.account.Events())+len(c.portal.Events()) > 0 && ctx.Err() == nil {
		c.account.DeliverTo(ctx, to)
		c.portal.DeliverTo(ctx, to)
	}
}

// The numbers that Bitrix24 has for the two kinds of leads that are used here.
const leadType, dealType = 1, 2

// stage is a status as people see it in the CRM.
type stage struct {
	list string // "umnico", "bitrix24/STATUS"
	id   string
	name string
}

// stages returns all lists of statuses, as the managers see them.
func (c *crms) stages() []stage {
	var all []stage
	for _, s := range c.account.Statuses() {
		all = append(all, stage{c.umnico.Source(), strconv.Itoa(s.ID), s.Name})
	}
	for _, s := range c.portal.Statuses() {
		all = append(all, stage{c.bitrix24.Source() + "/" + s.Scope, s.ID, s.Name})
	}
	return all
}

// at returns the stage on which a lead stands, as the managers see it. Its name is
// empty if the stage is in no list.
func (c *crms) at(lead crm.LeadRef) (stage, error) {
	id, err := strconv.Atoi(lead.ID)
	if err != nil {
		return stage{}, err
	}
	var s stage
	if lead.Source == c.umnico.Source() {
		read, ok := c.account.Lead(id)
		if !ok {
			return s, fmt.Errorf("there is no lead %s", lead)
		}
		s = stage{list: lead.Source, id: strconv.Itoa(read.StatusID)}
	} else {
		item, ok := c.portal.Item(typeOf(lead), id)
		if !ok {
			return s, fmt.Errorf("there is no lead %s", lead)
		}
		s = stage{list: lead.Source + "/" + listOf(lead), id: item.Stage}
	}
	if i := slices.IndexFunc(c.stages(), func(other stage) bool { return other.list == s.list && other.id == s.id }); i >= 0 {
		s.name = c.stages()[i].name
	}
	return s, nil
}

// move is a manager's: the lead comes to the stage of this name in its own list.
func (c *crms) move(lead crm.LeadRef, name string) error {
	from, err := c.at(lead)
	if err != nil {
		return err
	}
	to := stage{}
	for _, s := range c.stages() {
		if s.list == from.list && s.name == name {
			to = s
			break
		}
	}
	if to.id == "" {
		return fmt.Errorf("there is no stage %q in %s", name, from.list)
	}
	id, err := strconv.Atoi(lead.ID)
	if err != nil {
		return err
	}
	if lead.Source != c.umnico.Source() {
		return c.portal.MoveItem(typeOf(lead), id, categoryOf(lead), to.id)
	}
	status, err := strconv.Atoi(to.id)
	if err != nil {
		return err
	}
	return c.account.MoveLead(id, status)
}

// remove is a manager's: the lead is deleted.
func (c *crms) remove(lead crm.LeadRef) error {
	id, err := strconv.Atoi(lead.ID)
	if err != nil {
		return err
	}
	if lead.Source == c.umnico.Source() {
		return c.account.DeleteLead(id)
	}
	return c.portal.DeleteItem(typeOf(lead), id)
}

// edit lets managers change the stages of a name, in all lists that have it.
func (c *crms) edit(name string, account func(id int) error, portal func(scope, id string) error) error {
	found := false
	for _, s := range c.account.Statuses() {
		if s.Name == name {
			found = true
			if err := account(s.ID); err != nil {
				return err
			}
		}
	}
	for _, s := range c.portal.Statuses() {
		if s.Name == name {
			found = true
			if err := portal(s.Scope, s.ID); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("there is no stage %q in any list", name)
	}
	return nil
}

func (c *crms) rename(from, to string) error {
	return c.edit(from,
		func(id int) error { return c.account.Rename(id, to) },
		func(scope, id string) error { return c.portal.Rename(scope, id, to) })
}

func (c *crms) drop(name string) error { return c.edit(name, c.account.Delete, c.portal.Delete) }

// add adds a stage to one list.
func (c *crms) add(list, name string) error {
	switch list {
	case c.umnico.Source():
		c.account.Add(name)
	case c.bitrix24.Source() + "/" + bitrix24.Leads:
		c.portal.AddStatus(bitrix24.Leads, name)
	case c.bitrix24.Source() + "/" + sales:
		c.portal.AddStatus(sales, name)
	default:
		return fmt.Errorf("there is no list %q", list)
	}
	return nil
}

func typeOf(lead crm.LeadRef) int {
	if lead.Kind == bitrix24.KindDeal {
		return dealType
	}
	return leadType
}

// listOf returns where a lead of Bitrix24 stands: all deals here are of one pipeline.
func listOf(lead crm.LeadRef) string {
	if lead.Kind == bitrix24.KindDeal {
		return sales
	}
	return bitrix24.Leads
}

func categoryOf(lead crm.LeadRef) int {
	if lead.Kind == bitrix24.KindDeal {
		return salesPipeline
	}
	return 0
}
