package bitrix24

import (
	"strings"

	"github.com/statuslink/statuslink/crm"
)

var _ crm.LeadKinder = (*Client)(nil)

// KindOf returns the Kind of what stands in the statuses of a directory: [KindDeal]
// for "DEAL_STAGE" and "DEAL_STAGE_5", "dynamic:177" for "DYNAMIC_177_STAGE_9"
// (https://apidocs.bitrix24.com/api-reference/crm/status/index.html). It is false
// for directories that are no stages, such as the sources of leads.
func (c *Client) KindOf(directory string) (string, bool) {
	types := []int{typeLead, typeDeal, typeQuote, typeInvoice}
	if rest, smart := strings.CutPrefix(directory, "DYNAMIC_"); smart {
		number, _, _ := strings.Cut(rest, "_")
		typeID, known := typeOf(dynamic + number)
		if !known {
			return "", false
		}
		types = []int{typeID}
	}
	for _, typeID := range types {
		if _, fits := pipelineOf(typeID, directory); fits {
			return kindOf(typeID), true
		}
	}
	return "", false
}
