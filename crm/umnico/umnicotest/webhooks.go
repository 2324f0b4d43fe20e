package umnicotest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// webhookMost is how many webhooks an account may have, as two clients say.
const webhookMost = 10

// Webhook is an address that gets the account's events.
type Webhook struct {
	ID int
	// Name is null if it is empty.
	URL, Name string
	// Off says that nothing is sent to it: it is switched off, by a request or
	// after failed deliveries. It is the status 0 in answers.
	Off bool
}

// WebhookCalls is what is not known of the calls of webhooks. The zero value is
// what a new account does.
type WebhookCalls struct {
	// Created is the HTTP status of a new webhook; 0 means 200.
	Created int
	// Exists is the HTTP status of "This server already exists"; 0 means 400.
	Exists int
	// Full is the HTTP status of an eleventh webhook, whose text is assumed too; 0
	// means 400.
	Full int
	// Answer is that to a change and to a removal; [AnswerObject] is the webhook.
	Answer Answer
	// HTTPS makes an address with plain http one that is refused with 422.
	HTTPS bool
}

// SetWebhookCalls changes what is not known of the calls of webhooks.
func (u *Umnico) SetWebhookCalls(calls WebhookCalls) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.webhookCalls = calls
}

// AddWebhook adds a webhook at the end, or replaces the one with its ID, and
// returns it. An ID of 0 is the next one. Nothing is checked. A webhook that
// replaces one has no failed deliveries yet.
func (u *Umnico) AddWebhook(webhook Webhook) Webhook {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.addWebhook(webhook)
}

// Webhooks returns a copy of the webhooks in the order of answers, which is that
// in which they were added.
func (u *Umnico) Webhooks() []Webhook {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.webhooks)
}

// SetWebhookFailures says how many deliveries in a row must fail until a webhook
// is switched off: 3 at the start, 0 is never. That Umnico does it is known, but
// not after how many.
func (u *Umnico) SetWebhookFailures(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failuresMost = n
}

// addWebhook runs under mu.
func (u *Umnico) addWebhook(webhook Webhook) Webhook {
	webhook.ID = cmp.Or(webhook.ID, u.lastWebhook+1)
	u.lastWebhook = max(u.lastWebhook, webhook.ID)
	delete(u.failures, webhook.ID)
	if i := u.webhook(webhook.ID); i >= 0 {
		u.webhooks[i] = webhook
	} else {
		u.webhooks = append(u.webhooks, webhook)
	}
	return webhook
}

// webhook returns the index of a webhook, or -1. It runs under mu.
func (u *Umnico) webhook(id int) int {
	return slices.IndexFunc(u.webhooks, func(w Webhook) bool { return w.ID == id })
}

type wireWebhook struct {
	ID     any    `json:"id"`
	URL    string `json:"url"`
	Name   any    `json:"name"`
	Status int    `json:"status"`
}

// wireWebhook returns the webhook as it is written. It runs under mu.
func (u *Umnico) wireWebhook(webhook Webhook) wireWebhook {
	w := wireWebhook{ID: u.number(webhook.ID), URL: webhook.URL, Name: orNull(webhook.Name), Status: 1}
	if webhook.Off {
		w.Status = 0
	}
	return w
}

// listWebhooks answers with all webhooks. It runs under mu.
func (u *Umnico) listWebhooks() (status int, body []byte) {
	rows := make([]wireWebhook, len(u.webhooks))
	for i, webhook := range u.webhooks {
		rows[i] = u.wireWebhook(webhook)
	}
	return http.StatusOK, encode(rows)
}

// webhookChange is the body of the calls.
type webhookChange struct {
	URL    *string `json:"url"`
	Name   *string `json:"name"`
	Status *int    `json:"status"`
}

// createWebhook answers the registration of a webhook. It runs under mu.
func (u *Umnico) createWebhook(body []byte) (status int, answer []byte) {
	var change webhookChange
	if json.Unmarshal(body, &change) != nil || change.URL == nil {
		return refused("url is required")
	}
	var webhook Webhook
	if status, answer = u.changeWebhook(&webhook, change); status != 0 {
		return status, answer
	}
	if len(u.webhooks) >= webhookMost {
		return failure(cmp.Or(u.webhookCalls.Full, http.StatusBadRequest), "Webhooks limit exceeded")
	}
	return cmp.Or(u.webhookCalls.Created, http.StatusOK), encode(u.wireWebhook(u.addWebhook(webhook)))
}

// updateWebhook answers a change of any of a webhook's fields. It runs under mu.
func (u *Umnico) updateWebhook(id int, body []byte) (status int, answer []byte) {
	i := u.webhook(id)
	if i < 0 {
		return notFound()
	}
	var change webhookChange
	if json.Unmarshal(body, &change) != nil {
		return refused("a JSON object is required")
	}
	webhook := u.webhooks[i]
	if status, answer = u.changeWebhook(&webhook, change); status != 0 {
		return status, answer
	}
	if u.webhooks[i].Off && !webhook.Off {
		delete(u.failures, id)
	}
	u.webhooks[i] = webhook
	return u.webhookCalls.Answer.give(u.wireWebhook(webhook))
}

// deleteWebhook answers the removal of a webhook. It runs under mu.
func (u *Umnico) deleteWebhook(id int) (status int, body []byte) {
	i := u.webhook(id)
	if i < 0 {
		return notFound()
	}
	webhook := u.webhooks[i]
	u.webhooks = slices.Delete(u.webhooks, i, i+1)
	return u.webhookCalls.Answer.give(u.wireWebhook(webhook))
}

// changeWebhook makes a change, or returns the answer of its refusal. It runs
// under mu.
func (u *Umnico) changeWebhook(webhook *Webhook, change webhookChange) (status int, body []byte) {
	if change.URL != nil {
		address, err := url.Parse(*change.URL)
		if err != nil || address.Host == "" || (address.Scheme != "https" && (address.Scheme != "http" || u.webhookCalls.HTTPS)) {
			return refused("url is not valid")
		}
		if slices.ContainsFunc(u.webhooks, func(w Webhook) bool { return w.URL == *change.URL && w.ID != webhook.ID }) {
			return failure(cmp.Or(u.webhookCalls.Exists, http.StatusBadRequest), "This server already exists")
		}
		webhook.URL = *change.URL
	}
	if change.Name != nil {
		webhook.Name = *change.Name
	}
	if change.Status != nil {
		if *change.Status != 0 && *change.Status != 1 {
			return refused("status must be 0 or 1")
		}
		webhook.Off = *change.Status == 0
	}
	return 0, nil
}
