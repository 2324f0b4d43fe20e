package bitrix24test

import (
	"strconv"
	"strings"
	"time"
)

// modeGet is crm.settings.mode.get: 1 with leads, 2 without.
func (p *Portal) modeGet(*phpMap) (reply, *APIError) {
	if p.simple {
		return reply{result: 2}, nil
	}
	return reply{result: 1}, nil
}

// profile is profile: who owns the webhook.
func (p *Portal) profile(*phpMap) (reply, *APIError) {
	return reply{result: array("ID", strconv.Itoa(DefaultUserID), "ADMIN", true, "NAME", "Bot", "LAST_NAME", "Service",
		"PERSONAL_GENDER", "", "TIME_ZONE", "Europe/Moscow")}, nil
}

// scope is scope: what the webhook or the application may be used for.
func (p *Portal) scope(params *phpMap) (reply, *APIError) {
	if byApplication(params) {
		return reply{result: p.app.scopes()}, nil
	}
	return reply{result: []any{"crm", "user_brief"}}, nil
}

// serverTime is server.time.
func (p *Portal) serverTime(*phpMap) (reply, *APIError) {
	return reply{result: time.Now().In(moscow).Format(layout)}, nil
}

// methodGet is method.get. Of Bitrix24's methods it knows those that are served
// here.
func (p *Portal) methodGet(params *phpMap) (reply, *APIError) {
	name := strings.ToLower(text(params.get("name")))
	served := p.methods[name] != nil
	allowed := served && p.permit(byApplication(params), name, new(phpMap)) == nil
	return reply{result: array("isExisting", served, "isAvailable", allowed)}, nil
}
