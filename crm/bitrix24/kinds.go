package bitrix24

import (
	"strconv"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// What [crm.LeadRef] may have as Kind. Smart processes are "dynamic:" and the
// number of their type, such as "dynamic:177"; the empty Kind is KindLead.
const (
	KindLead    = "lead"
	KindDeal    = "deal"
	KindQuote   = "quote"
	KindInvoice = "invoice"
)

// dynamic is how the Kind of a smart process begins, and firstDynamic the lowest
// number of one (https://apidocs.bitrix24.com/api-reference/crm/data-types.html).
const (
	dynamic      = "dynamic:"
	firstDynamic = 128
)

// The numbers of types (entityTypeId).
const (
	typeLead    = 1
	typeDeal    = 2
	typeQuote   = 7
	typeInvoice = 31
)

// kinds are the types with names.
var kinds = map[int]string{typeLead: KindLead, typeDeal: KindDeal, typeQuote: KindQuote, typeInvoice: KindInvoice}

// kindOf returns the Kind of a type.
func kindOf(typeID int) string {
	if kind, named := kinds[typeID]; named {
		return kind
	}
	return dynamic + strconv.Itoa(typeID)
}

// typeOf returns the number of a Kind's type; false if it is no Kind.
func typeOf(kind string) (int, bool) {
	switch kind {
	case "", KindLead:
		return typeLead, true
	case KindDeal:
		return typeDeal, true
	case KindQuote:
		return typeQuote, true
	case KindInvoice:
		return typeInvoice, true
	}
	number, found := strings.CutPrefix(kind, dynamic)
	typeID, err := strconv.Atoi(number)
	return typeID, found && err == nil && typeID >= firstDynamic && number == strconv.Itoa(typeID)
}

// directoryOf returns the directory of the statuses of a type, in the pipeline
// category (https://apidocs.bitrix24.com/api-reference/crm/status/index.html).
func directoryOf(typeID, category int) string {
	switch {
	case typeID == typeLead:
		return Leads
	case typeID == typeQuote:
		return "QUOTE_STATUS"
	case typeID == typeDeal && category == 0:
		return mainPipeline
	}
	return pipelinesIn(typeID) + strconv.Itoa(category)
}

// pipelinesIn returns what the directories of a type with pipelines begin with;
// the main pipeline of deals is the exception.
func pipelinesIn(typeID int) string {
	switch typeID {
	case typeDeal:
		return mainPipeline + "_"
	case typeInvoice:
		return "SMART_INVOICE_STAGE_"
	}
	return "DYNAMIC_" + strconv.Itoa(typeID) + "_STAGE_"
}

// pipelineOf returns the pipeline of a directory with statuses of the type; false if
// it has none of that type. Leads and quotes have one without a number.
func pipelineOf(typeID int, directory string) (int, bool) {
	if directory == directoryOf(typeID, 0) {
		return 0, true
	}
	number, found := strings.CutPrefix(directory, pipelinesIn(typeID))
	category, err := strconv.Atoi(number)
	return category, found && err == nil && category >= 0 && directory == directoryOf(typeID, category)
}

// hasPipelines reports whether items of the type stand in pipelines.
func hasPipelines(typeID int) bool { return typeID != typeLead && typeID != typeQuote }

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
