package umnico

import "github.com/statuslink/statuslink/crm/crmhttp"

// wireStatus is a row of GET /v1.3/statuses. Names and types are known from one
// client; no page about statuses could be read. Umnico writes identifiers now
// as numbers, now as texts, so every field is decoded leniently, and all but
// the ID may be missing.
type wireStatus struct {
	ID    crmhttp.ID   `json:"id"`
	Type  crmhttp.Text `json:"type"`
	Name  crmhttp.Text `json:"name"`
	Order crmhttp.Int  `json:"order"`
	Color crmhttp.Text `json:"color"`
}
