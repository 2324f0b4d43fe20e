package umnicotest

import (
	"net/http"
	"slices"
)

// Manager is an employee
// (https://api.umnico.com/docs/apiMethods/managers.html).
type Manager struct {
	ID          int
	Login, Name string
	// Role is "owner" or "manager".
	Role          string
	AllowAllDeals bool
	// Integrations are the IDs of those that the manager sees; none means all.
	Integrations []int
}

// Integration is a messenger that the account is connected to.
type Integration struct {
	ID          int
	Type, Login string
	// ExternalID and URL are null if they are empty.
	ExternalID, URL string
	// Status is "active" if it is empty.
	Status string
}

// DefaultManagers returns the managers of a new account: an owner (4101) and a
// bot (4102).
func DefaultManagers() []Manager {
	return []Manager{
		{ID: 4101, Login: "owner@example.com", Name: "Мария Владимировна", Role: "owner", AllowAllDeals: true},
		{ID: 4102, Login: "bot@example.com", Name: "Бот «Ромашка»", Role: "manager", Integrations: []int{90117}},
	}
}

// DefaultIntegrations returns those of a new account.
func DefaultIntegrations() []Integration {
	return []Integration{
		{ID: 90117, Type: "whatsapp2", Login: "79000000010", ExternalID: "79000000010"},
		{ID: 90118, Type: "telebot", Login: "romashka_shop", ExternalID: "2000000002", URL: "https://example.com/romashka_shop"},
	}
}

// SetManagers replaces the managers, and checks nothing.
func (u *Umnico) SetManagers(managers ...Manager) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.managers = slices.Clone(managers)
}

// SetIntegrations replaces the integrations, and checks nothing.
func (u *Umnico) SetIntegrations(integrations ...Integration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.integrations = slices.Clone(integrations)
}

// SetAccountID gives the account another ID than [DefaultAccountID], in answers
// and in the events that happen from now on.
func (u *Umnico) SetAccountID(id int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.accountID = id
}

// SetAccountStatus changes the account's status from "active" to any text, such
// as "blocked". Other texts than "active" are not known. Only [PathAccount] shows
// it: what other calls do in such an account is not known, and here they go on.
func (u *Umnico) SetAccountStatus(status string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.accountStatus = status
}

// account runs under mu.
func (u *Umnico) account() (status int, body []byte) {
	return http.StatusOK, encode(map[string]any{
		"account": map[string]any{"id": u.number(u.accountID), "status": u.accountStatus},
	})
}

// listManagers runs under mu.
func (u *Umnico) listManagers() (status int, body []byte) {
	type source struct {
		ID   any `json:"id"`
		SaID any `json:"saId"`
	}
	type row struct {
		ID            any      `json:"id"`
		Login         string   `json:"login"`
		Name          string   `json:"name"`
		Role          string   `json:"role"`
		Confirmed     bool     `json:"confirmed"`
		AllowAllDeals bool     `json:"allowAllDeals"`
		AllowedUsers  any      `json:"allowedUsers"`
		Sources       []source `json:"sources"`
	}
	rows := make([]row, len(u.managers))
	nextSource := 511
	for i, m := range u.managers {
		rows[i] = row{
			ID: u.number(m.ID), Login: m.Login, Name: m.Name, Role: m.Role,
			Confirmed: true, AllowAllDeals: m.AllowAllDeals, Sources: []source{},
		}
		for _, integration := range m.Integrations {
			rows[i].Sources = append(rows[i].Sources, source{ID: u.number(nextSource), SaID: u.number(integration)})
			nextSource++
		}
	}
	return http.StatusOK, encode(rows)
}

// listIntegrations runs under mu.
func (u *Umnico) listIntegrations() (status int, body []byte) {
	type row struct {
		ID         any    `json:"id"`
		Type       string `json:"type"`
		Login      string `json:"login"`
		ExternalID any    `json:"externalId"`
		URL        any    `json:"url"`
		Avatar     any    `json:"avatar"`
		Status     string `json:"status"`
	}
	rows := make([]row, len(u.integrations))
	for i, n := range u.integrations {
		rows[i] = row{
			ID: u.number(n.ID), Type: n.Type, Login: n.Login, ExternalID: orNull(n.ExternalID), URL: orNull(n.URL), Status: n.Status,
		}
		if n.Status == "" {
			rows[i].Status = "active"
		}
	}
	return http.StatusOK, encode(rows)
}
