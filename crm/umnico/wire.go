package umnico

import "github.com/statuslink/statuslink/crm/crmhttp"

// Umnico writes identifiers now as numbers, now as texts, so every field is decoded
// leniently, and all but those that the client cannot do without may be missing.

// wireStatus is a row of GET /v1.3/statuses. Names and types are known from one
// client; no page about statuses could be read.
type wireStatus struct {
	ID    crmhttp.ID   `json:"id"`
	Type  crmhttp.Text `json:"type"`
	Name  crmhttp.Text `json:"name"`
	Order crmhttp.Int  `json:"order"`
	Color crmhttp.Text `json:"color"`
}

// wireAccount is the answer of GET /v1.3/account/me.
type wireAccount struct {
	Account struct {
		ID     crmhttp.ID   `json:"id"`
		Status crmhttp.Text `json:"status"`
	} `json:"account"`
}

// wireTokens is the answer of both calls for signing in.
type wireTokens struct {
	Access  wireToken `json:"accessToken"`
	Refresh wireToken `json:"refreshToken"`
}

type wireToken struct {
	Token crmhttp.Text `json:"token"`
}

// wireLead is what the client wants of a lead
// (https://api.umnico.com/docs/ru/apiMethods/leads.html).
type wireLead struct {
	ID     crmhttp.ID `json:"id"`
	Status crmhttp.ID `json:"statusId"`
}

// wireWebhook is a row of GET /v1.3/webhooks.
type wireWebhook struct {
	ID     crmhttp.ID   `json:"id"`
	URL    crmhttp.Text `json:"url"`
	Name   crmhttp.Text `json:"name"`
	Status crmhttp.Text `json:"status"` // 1 on, 0 off
}
