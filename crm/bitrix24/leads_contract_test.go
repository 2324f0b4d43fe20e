package bitrix24_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmtest"
)

// leadHarness is a portal with deals in two pipelines.
func leadHarness(limiter func() *bitrix24.Limiter) crmtest.LeadHarness {
	const word = "k7w2zq9x4m1v8t5b"
	portal := bitrix24test.New()
	portal.SetSecret(word)
	other := portal.AddPipeline("Другая")
	ref := func(category int, stage string) crm.Ref {
		scope := "DEAL_STAGE"
		if category > 0 {
			scope = fmt.Sprintf("DEAL_STAGE_%d", category)
		}
		return crm.Ref{Source: bitrix24.DefaultSource, Scope: scope, ID: stage}
	}
	category := func(r crm.Ref) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(r.Scope, "DEAL_STAGE_"))
		return n
	}
	num := func(l crm.LeadRef) int { n, _ := strconv.Atoi(l.ID); return n }
	missing := 10_000_000
	return crmtest.LeadHarness{
		CRM: portal,
		Client: func(conn crmtest.Conn) (crm.Client, error) {
			return bitrix24.New(conn.BaseURL+portal.WebhookPath(), &bitrix24.Options{
				HTTPClient: conn.HTTPClient, Logger: conn.Logger, Limiter: limiter(),
				Timeout: conn.Timeout, Attempts: conn.Attempts, MaxBody: conn.MaxBody,
			})
		},
		Secrets:     []string{word},
		Revoke:      func() { portal.SetSecret("n3p6r0s9u2y5c8f1") },
		ErrorInside: `{"error":"WRONG_ENCODING","error_description":"Wrong request encoding"}`,
		Statuses:    []crm.Ref{ref(0, "NEW"), ref(0, "PREPARATION"), ref(0, "EXECUTING")},
		Other:       ref(other.ID, fmt.Sprintf("C%d:NEW", other.ID)),
		Ignored:     ref(0, "NO_SUCH"),
		AddLead: func(s crm.Ref) crm.LeadRef {
			item := portal.AddDeal(category(s), s.ID)
			return crm.LeadRef{Source: bitrix24.DefaultSource, Kind: bitrix24.KindDeal, ID: strconv.Itoa(item.ID)}
		},
		Lead: func(l crm.LeadRef) (crm.Ref, bool) {
			item, ok := portal.Item(2, num(l))
			return ref(item.Category, item.Stage), ok
		},
		Missing: func() crm.LeadRef {
			missing++
			return crm.LeadRef{Source: bitrix24.DefaultSource, Kind: bitrix24.KindDeal, ID: strconv.Itoa(missing)}
		},
		MovePerson: func(l crm.LeadRef, to crm.Ref) {
			if err := portal.MoveItem(2, num(l), category(to), to.ID); err != nil {
				panic(err)
			}
		},
		Automate: func(from, to crm.Ref) { portal.Automate(from.Scope, from.ID, to.ID) },
		Refuse: func(l crm.LeadRef) {
			portal.FailItem(2, num(l), bitrix24test.FieldRequired("X"))
		},
	}
}

// With the portal's limit of the rate, and without one.
func TestClientMovesLeadsByTheContract(t *testing.T) {
	t.Parallel()
	for name, limiter := range map[string]func() *bitrix24.Limiter{
		"no limit": bitrix24.NewNoLimiter, "standard limit": bitrix24.NewStandardLimiter,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crmtest.RunLeads(t, func(*testing.T) crmtest.LeadHarness { return leadHarness(limiter) })
		})
	}
}
