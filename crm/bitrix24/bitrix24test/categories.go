package bitrix24test

import (
	"cmp"
	"slices"
)

// categoryList is crm.category.list: the pipelines that the webhook's owner may
// see, by Sort.
func (p *Portal) categoryList(params *phpMap) (reply, *APIError) {
	typeID, failed := p.categoryType(params)
	if failed != nil {
		return reply{}, failed
	}
	var found []Pipeline
	for _, pipeline := range p.pipelines {
		if pipeline.TypeID == typeID && !pipeline.Hidden {
			found = append(found, pipeline)
		}
	}
	slices.SortFunc(found, func(a, b Pipeline) int {
		return cmp.Or(cmp.Compare(a.Sort, b.Sort), cmp.Compare(a.ID, b.ID))
	})
	rows := make([]any, len(found))
	for i, pipeline := range found {
		rows[i] = pipeline.category()
	}
	said := paged(rows, p.categoryPages, params)
	said.result = array("categories", said.result)
	return said, nil
}

// categoryGet is crm.category.get. What it says of a pipeline that the webhook's
// owner may not see is assumed.
func (p *Portal) categoryGet(params *phpMap) (reply, *APIError) {
	i, failed := p.categoryNamed(params)
	if failed != nil {
		return reply{}, failed
	}
	return reply{result: array("category", p.pipelines[i].category())}, nil
}

// categoryType returns the type that a call asks for. Contacts and companies,
// which have pipelines in Bitrix24, are unknown here. What comes without a type,
// and the name of quotes, is assumed.
func (p *Portal) categoryType(params *phpMap) (int, *APIError) {
	value := params.get("entityTypeId")
	typeID := number(value)
	switch {
	case value == nil:
		return 0, noValue("entityTypeId")
	case typeID == typeLead:
		return 0, &APIError{Code: "ENTITY_TYPE_NOT_SUPPORTED", Text: `Entity type "Lead" is not supported`}
	case typeID == typeQuote:
		return 0, &APIError{Code: "ENTITY_TYPE_NOT_SUPPORTED", Text: `Entity type "Quote" is not supported`}
	case typeID == typeDeal, typeID == typeInvoice, typeID >= firstSmart && p.knowsProcess(typeID):
		return typeID, nil
	}
	notFound := SmartProcessNotFound()
	return 0, &notFound
}

// category is the pipeline as crm.category.* writes it. The main pipeline of
// deals, and those of other types, have no origin.
func (p Pipeline) category() *phpMap {
	row := array("id", p.ID, "name", p.Name, "sort", p.Sort, "entityTypeId", p.TypeID, "isDefault", flag(p.Default))
	if p.TypeID == typeDeal && p.ID != 0 {
		row.set("originId", "")
		row.set("originatorId", "")
	}
	return row
}
