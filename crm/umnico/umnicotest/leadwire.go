package umnicotest

import (
	"encoding/json"
	"strconv"
	"time"
)

// wireLead is a lead as answers write it: with the fields of the documentation
// (https://api.umnico.com/docs/ru/apiMethods/leads.html) and those that clients
// have seen.
type wireLead struct {
	ID            any             `json:"id"`
	UserID        any             `json:"userId"`
	StatusID      any             `json:"statusId"`
	Read          bool            `json:"read"`
	Amount        int             `json:"amount"`
	Details       any             `json:"details"`
	Tags          []string        `json:"tags"`
	ResponseTime  any             `json:"responseTime"`
	SocialAccount socialAccount   `json:"socialAccount"`
	Customer      wireCustomer    `json:"customer"`
	Message       lastMessage     `json:"message"`
	CreatedAt     string          `json:"createdAt"`
	Address       any             `json:"address"`
	CustomData    any             `json:"customData"`
	CustomFields  json.RawMessage `json:"customFields"`
	Items         json.RawMessage `json:"items"`
	PaymentTypeID any             `json:"paymentTypeId"`
	TTN           any             `json:"ttn"`
}

type socialAccount struct {
	ID    any    `json:"id"`
	Type  string `json:"type"`
	Login string `json:"login"`
}

type wireCustomer struct {
	ID    any    `json:"id"`
	Login string `json:"login"`
	Name  string `json:"name"`
}

type lastMessage struct {
	Data struct {
		Text      string `json:"text"`
		Timestamp string `json:"timestamp"`
		Incoming  bool   `json:"incoming"`
	} `json:"data"`
}

// wireLead returns the lead as it is written. It runs under mu.
func (u *Umnico) wireLead(lead *Lead) wireLead {
	customer := u.customers[lead.Customer.ID]
	w := wireLead{
		ID: u.number(lead.ID), StatusID: u.number(lead.StatusID),
		Read: lead.Read, Amount: lead.Amount, Details: orNull(lead.Details), Tags: lead.Tags,
		SocialAccount: u.socialAccount(lead.IntegrationID, u.number),
		Customer:      wireCustomer{ID: u.number(customer.ID), Login: customer.Login, Name: customer.Name},
		CreatedAt:     timestamp(lead.CreatedAt),
		CustomFields:  raw(lead.CustomFields), Items: raw(lead.Items),
	}
	if lead.UserID != 0 {
		w.UserID = u.number(lead.UserID)
	}
	if lead.ResponseTime != 0 {
		w.ResponseTime = lead.ResponseTime.Milliseconds()
	}
	if w.Tags == nil {
		w.Tags = []string{}
	}
	w.Message.Data.Text = lead.Message.Text
	w.Message.Data.Timestamp = timestamp(lead.Message.At)
	w.Message.Data.Incoming = lead.Message.Incoming
	return w
}

// socialAccount returns an integration as leads and events name it. It runs under
// mu.
func (u *Umnico) socialAccount(id int, number func(int) any) socialAccount {
	account := socialAccount{ID: number(id)}
	for _, integration := range u.integrations {
		if integration.ID == id {
			account.Type, account.Login = integration.Type, integration.Login
		}
	}
	return account
}

// number returns an ID as answers write it. It runs under mu.
func (u *Umnico) number(id int) any { return written(id, u.textIDs) }

func written(id int, asText bool) any {
	if asText {
		return strconv.Itoa(id)
	}
	return id
}

// timestamp writes a time as Umnico was seen to.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// orNull returns the text, or null for an empty one.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// raw returns JSON as it is, null for none, and another text as a text.
func raw(text string) json.RawMessage {
	switch {
	case text == "":
		return nil
	case !json.Valid([]byte(text)):
		return encode(text)
	}
	return json.RawMessage(text)
}
