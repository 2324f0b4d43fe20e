package bitrix24test

// hasCategories reports whether items of a type stand in pipelines.
func hasCategories(typeID int) bool { return typeID != typeLead && typeID != typeQuote }

// row returns an item as crm.item.* write it. What it does not keep is as in an
// item that nobody filled in. It runs under mu.
func (p *Portal) row(item *Item) *phpMap {
	created, updated, moved := item.Created.Format(layout), item.Updated.Format(layout), item.Moved.Format(layout)
	outcome := p.semantics(item)
	switch item.TypeID {
	case typeLead:
		var closed any
		if outcome != "P" {
			closed = moved
		}
		return array("id", item.ID, "createdTime", created, "updatedTime", updated,
			"createdBy", item.CreatedBy, "updatedBy", item.UpdatedBy, "assignedById", DefaultUserID,
			"opened", "Y", "companyId", 0, "contactId", 0, "stageId", item.Stage, "isConvert", nil,
			"statusDescription", nil, "stageSemanticId", outcome, "opportunity", 0, "currencyId", "RUB",
			"sourceId", "WEB", "sourceDescription", nil, "title", item.Title, "name", nil, "lastName", nil,
			"secondName", nil, "companyTitle", nil, "post", nil, "comments", nil, "webformId", 0,
			"originatorId", nil, "originId", nil, "dateClosed", closed, "honorific", nil,
			"hasPhone", "N", "hasEmail", "N", "hasImol", "N", "isReturnCustomer", "N", "isManualOpportunity", "N",
			"movedBy", item.MovedBy, "movedTime", moved, "lastActivityBy", item.UpdatedBy, "lastActivityTime", updated,
			"fm", []any{}, "utmSource", nil, "utmMedium", nil, "utmCampaign", nil, "utmContent", nil, "utmTerm", nil,
			"observers", []any{}, "contactIds", []any{}, "entityTypeId", item.TypeID)
	case typeDeal:
		return array("id", item.ID, "createdTime", created, "updatedTime", updated,
			"createdBy", item.CreatedBy, "updatedBy", item.UpdatedBy, "assignedById", DefaultUserID,
			"opened", "Y", "leadId", 0, "companyId", 0, "contactId", 0, "quoteId", nil, "title", item.Title,
			"categoryId", item.Category, "stageId", item.Stage, "stageSemanticId", outcome,
			"isNew", "N", "isRecurring", "N", "isReturnCustomer", "N", "isRepeatedApproach", "N",
			"closed", flag(outcome != "P"), "typeId", "SALE", "opportunity", 0, "isManualOpportunity", "N",
			"taxValue", 0, "currencyId", "RUB", "probability", nil, "comments", "",
			"begindate", created, "closedate", moved, "webformId", 0, "sourceId", "WEB", "sourceDescription", "",
			"originatorId", nil, "originId", nil, "movedBy", item.MovedBy, "movedTime", moved,
			"lastActivityBy", item.UpdatedBy, "lastActivityTime", updated,
			"utmSource", nil, "utmMedium", nil, "utmCampaign", nil, "utmContent", nil, "utmTerm", nil,
			"observers", []any{}, "contactIds", []any{}, "entityTypeId", item.TypeID)
	}
	row := array("id", item.ID, "xmlId", "", "title", item.Title,
		"createdBy", item.CreatedBy, "updatedBy", item.UpdatedBy, "movedBy", item.MovedBy,
		"createdTime", created, "updatedTime", updated, "movedTime", moved)
	if hasCategories(item.TypeID) {
		row.set("categoryId", item.Category)
	}
	row.merge(array("opened", "Y", "stageId", item.Stage, "previousStageId", item.PreviousStage, "sourceId", "",
		"companyId", 0, "contactId", 0, "opportunity", 0, "isManualOpportunity", "N", "taxValue", 0, "currencyId", "RUB",
		"assignedById", DefaultUserID, "webformId", 0, "observers", []any{}, "contactIds", []any{},
		"entityTypeId", item.TypeID))
	return row
}
