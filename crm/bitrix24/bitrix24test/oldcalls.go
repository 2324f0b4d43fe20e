package bitrix24test

import "strconv"

// oldNamed returns the item that a call names by its id alone. It runs under mu.
func (p *Portal) oldNamed(typeID int, params *phpMap) (*Item, *APIError) {
	id := number(params.get("id"))
	if id <= 0 {
		return nil, invalidID()
	}
	return p.readable(typeID, id, NotFoundLegacy())
}

// leadGet is crm.lead.get, and dealGet crm.deal.get.
func (p *Portal) leadGet(params *phpMap) (reply, *APIError) { return p.oldGet(typeLead, params) }
func (p *Portal) dealGet(params *phpMap) (reply, *APIError) { return p.oldGet(typeDeal, params) }

func (p *Portal) oldGet(typeID int, params *phpMap) (reply, *APIError) {
	item, failed := p.oldNamed(typeID, params)
	if failed != nil {
		return reply{}, failed
	}
	return reply{result: p.oldRow(item)}, nil
}

// leadList is crm.lead.list, and dealList crm.deal.list.
func (p *Portal) leadList(params *phpMap) (reply, *APIError) { return p.oldList(typeLead, params) }
func (p *Portal) dealList(params *phpMap) (reply, *APIError) { return p.oldList(typeDeal, params) }

// oldListing says by what the old lists can filter and sort. That they ignore
// other fields is assumed.
func oldListing(typeID int) listing[*Item] {
	columns := map[string]column[*Item]{
		"ID":          {number: func(i *Item) int { return i.ID }},
		"TITLE":       {text: func(i *Item) string { return i.Title }},
		"DATE_CREATE": {number: func(i *Item) int { return int(i.Created.Unix()) }, parse: timeValue},
		"DATE_MODIFY": {number: func(i *Item) int { return int(i.Updated.Unix()) }, parse: timeValue},
		"MOVED_TIME":  {number: func(i *Item) int { return int(i.Moved.Unix()) }, parse: timeValue},
	}
	stage := column[*Item]{text: func(i *Item) string { return i.Stage }}
	if typeID == typeLead {
		columns["STATUS_ID"] = stage
	} else {
		columns["STAGE_ID"] = stage
		columns["CATEGORY_ID"] = column[*Item]{number: func(i *Item) int { return i.Category }}
	}
	return listing[*Item]{"ID", columns, false}
}

func (p *Portal) oldList(typeID int, params *phpMap) (reply, *APIError) {
	page, said, failed := oldListing(typeID).list(p.listed(typeID), params)
	if failed != nil {
		return reply{}, failed
	}
	rows := make([]any, len(page))
	for i, item := range page {
		rows[i] = chosen(p.oldRow(item), params)
	}
	said.result = rows
	return said, nil
}

// leadUpdate is crm.lead.update, and dealUpdate crm.deal.update, which ignores a
// CATEGORY_ID.
func (p *Portal) leadUpdate(params *phpMap) (reply, *APIError) {
	return p.oldUpdate(typeLead, "STATUS_ID", params)
}

func (p *Portal) dealUpdate(params *phpMap) (reply, *APIError) {
	return p.oldUpdate(typeDeal, "STAGE_ID", params)
}

func (p *Portal) oldUpdate(typeID int, stage string, params *phpMap) (reply, *APIError) {
	item, failed := p.oldNamed(typeID, params)
	if failed != nil {
		return reply{}, failed
	}
	fields, isMap := params.get("fields").(*phpMap)
	if !isMap {
		return reply{}, fieldsNotArray()
	}
	if failed := p.apply(item, wish{stage: textOf(fields, stage), title: textOf(fields, "TITLE")}, true); failed != nil {
		return reply{}, failed
	}
	return reply{result: true}, nil
}

// oldRow returns a lead or a deal as the old methods write it. It runs under mu.
func (p *Portal) oldRow(item *Item) *phpMap {
	created, updated, moved := item.Created.Format(layout), item.Updated.Format(layout), item.Moved.Format(layout)
	outcome := p.semantics(item)
	assigned := strconv.Itoa(DefaultUserID)
	if item.TypeID == typeLead {
		closed := ""
		if outcome != "P" {
			closed = moved
		}
		return array("ID", strconv.Itoa(item.ID), "TITLE", item.Title, "HONORIFIC", nil, "NAME", nil, "SECOND_NAME", nil,
			"LAST_NAME", nil, "COMPANY_TITLE", nil, "COMPANY_ID", nil, "CONTACT_ID", nil, "IS_RETURN_CUSTOMER", "N",
			"BIRTHDATE", "", "SOURCE_ID", "WEB", "SOURCE_DESCRIPTION", nil, "STATUS_ID", item.Stage,
			"STATUS_DESCRIPTION", nil, "POST", nil, "COMMENTS", nil, "CURRENCY_ID", "RUB", "OPPORTUNITY", "0.00",
			"IS_MANUAL_OPPORTUNITY", "N", "HAS_PHONE", "N", "HAS_EMAIL", "N", "HAS_IMOL", "N",
			"ASSIGNED_BY_ID", assigned, "CREATED_BY_ID", strconv.Itoa(item.CreatedBy),
			"MODIFY_BY_ID", strconv.Itoa(item.UpdatedBy), "DATE_CREATE", created, "DATE_MODIFY", updated,
			"DATE_CLOSED", closed, "STATUS_SEMANTIC_ID", outcome, "OPENED", "Y", "ORIGINATOR_ID", nil, "ORIGIN_ID", nil,
			"MOVED_BY_ID", strconv.Itoa(item.MovedBy), "MOVED_TIME", moved, "ADDRESS", nil, "ADDRESS_2", nil,
			"ADDRESS_CITY", nil, "ADDRESS_POSTAL_CODE", nil, "ADDRESS_REGION", nil, "ADDRESS_PROVINCE", nil,
			"ADDRESS_COUNTRY", nil, "ADDRESS_COUNTRY_CODE", nil, "ADDRESS_LOC_ADDR_ID", nil,
			"UTM_SOURCE", nil, "UTM_MEDIUM", nil, "UTM_CAMPAIGN", nil, "UTM_CONTENT", nil, "UTM_TERM", nil,
			"LAST_ACTIVITY_BY", strconv.Itoa(item.UpdatedBy), "LAST_ACTIVITY_TIME", updated)
	}
	return array("ID", strconv.Itoa(item.ID), "TITLE", item.Title, "TYPE_ID", "SALE", "STAGE_ID", item.Stage,
		"PROBABILITY", nil, "CURRENCY_ID", "RUB", "OPPORTUNITY", "0.00", "IS_MANUAL_OPPORTUNITY", "N",
		"TAX_VALUE", "0.00", "LEAD_ID", nil, "COMPANY_ID", "0", "CONTACT_ID", nil, "QUOTE_ID", nil,
		"BEGINDATE", created, "CLOSEDATE", moved, "ASSIGNED_BY_ID", assigned,
		"CREATED_BY_ID", strconv.Itoa(item.CreatedBy), "MODIFY_BY_ID", strconv.Itoa(item.UpdatedBy),
		"DATE_CREATE", created, "DATE_MODIFY", updated, "OPENED", "Y", "CLOSED", flag(outcome != "P"),
		"COMMENTS", "", "ADDITIONAL_INFO", nil, "LOCATION_ID", nil, "CATEGORY_ID", strconv.Itoa(item.Category),
		"STAGE_SEMANTIC_ID", outcome, "IS_NEW", "N", "IS_RECURRING", "N", "IS_RETURN_CUSTOMER", "N",
		"IS_REPEATED_APPROACH", "N", "SOURCE_ID", "WEB", "SOURCE_DESCRIPTION", "",
		"ORIGINATOR_ID", nil, "ORIGIN_ID", nil, "MOVED_BY_ID", strconv.Itoa(item.MovedBy), "MOVED_TIME", moved,
		"LAST_ACTIVITY_TIME", updated, "UTM_SOURCE", nil, "UTM_MEDIUM", nil, "UTM_CAMPAIGN", nil,
		"UTM_CONTENT", nil, "UTM_TERM", nil, "LAST_ACTIVITY_BY", strconv.Itoa(item.UpdatedBy))
}
