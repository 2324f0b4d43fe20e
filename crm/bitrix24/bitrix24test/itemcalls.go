package bitrix24test

// itemType returns the type of items that a call asks for. What comes without a
// type is assumed.
func (p *Portal) itemType(params *phpMap) (int, *APIError) {
	value := params.get("entityTypeId")
	if value == nil {
		return 0, noValue("entityTypeId")
	}
	switch typeID := number(value); {
	case typeID == typeLead, typeID == typeDeal, typeID == typeQuote, typeID == typeInvoice,
		typeID >= firstSmart && p.knowsProcess(typeID):
		return typeID, nil
	}
	failed := SmartProcessNotFound()
	return 0, &failed
}

// named returns the item that a call names. What comes without an id is assumed.
func (p *Portal) named(params *phpMap) (*Item, *APIError) {
	typeID, failed := p.itemType(params)
	if failed != nil {
		return nil, failed
	}
	if params.get("id") == nil {
		return nil, noValue("id")
	}
	return p.readable(typeID, number(params.get("id")), NotFound())
}

// readable returns an item that a request may see. It runs under mu.
func (p *Portal) readable(typeID, id int, notFound APIError) (*Item, *APIError) {
	if e, found := p.failingItems[[2]int{typeID, id}]; found {
		return nil, &e
	}
	item := p.item(typeID, id)
	if item == nil || typeID == typeLead && p.simple {
		return nil, &notFound
	}
	return item, nil
}

// listed returns the items of a type that a request may see. It runs under mu.
func (p *Portal) listed(typeID int) []*Item {
	if typeID == typeLead && p.simple {
		return nil
	}
	return p.items[typeID]
}

// itemGet is crm.item.get.
func (p *Portal) itemGet(params *phpMap) (reply, *APIError) {
	item, failed := p.named(params)
	if failed != nil {
		return reply{}, failed
	}
	return p.itemReply(item), nil
}

// itemReply is the answer of the methods that show one item.
func (p *Portal) itemReply(item *Item) reply { return reply{result: array("item", p.row(item))} }

// itemListing says by what crm.item.list can filter and sort. Bitrix24 knows more
// fields, and conditions with "logic"; they are errors here.
func itemListing(typeID int) listing[*Item] {
	columns := map[string]column[*Item]{
		"id":          {number: func(i *Item) int { return i.ID }},
		"stageId":     {text: func(i *Item) string { return i.Stage }},
		"title":       {text: func(i *Item) string { return i.Title }},
		"createdTime": {number: func(i *Item) int { return int(i.Created.Unix()) }, parse: timeValue},
		"updatedTime": {number: func(i *Item) int { return int(i.Updated.Unix()) }, parse: timeValue},
		"movedTime":   {number: func(i *Item) int { return int(i.Moved.Unix()) }, parse: timeValue},
	}
	if hasCategories(typeID) {
		columns["categoryId"] = column[*Item]{number: func(i *Item) int { return i.Category }}
	}
	return listing[*Item]{"id", columns, true}
}

// itemList is crm.item.list.
func (p *Portal) itemList(params *phpMap) (reply, *APIError) {
	typeID, failed := p.itemType(params)
	if failed != nil {
		return reply{}, failed
	}
	page, said, failed := itemListing(typeID).list(p.listed(typeID), params)
	if failed != nil {
		return reply{}, failed
	}
	rows := make([]any, len(page))
	for i, item := range page {
		rows[i] = chosen(p.row(item), params)
	}
	said.result = array("items", rows)
	return said, nil
}

// itemUpdate is crm.item.update. Of the fields it knows stageId, categoryId and
// title.
func (p *Portal) itemUpdate(params *phpMap) (reply, *APIError) {
	item, failed := p.named(params)
	if failed != nil {
		return reply{}, failed
	}
	fields, isMap := params.get("fields").(*phpMap)
	if !isMap {
		return reply{}, noValue("fields")
	}
	if failed := p.apply(item, itemWish(item.TypeID, fields), false); failed != nil {
		return reply{}, failed
	}
	return p.itemReply(item), nil
}

// itemWish reads the fields of crm.item.*.
func itemWish(typeID int, fields *phpMap) wish {
	w := wish{stage: textOf(fields, "stageId"), title: textOf(fields, "title")}
	if value := fields.get("categoryId"); value != nil && hasCategories(typeID) {
		category := number(value)
		w.category = &category
	}
	return w
}

// textOf returns a field that is there, as a text.
func textOf(fields *phpMap, name string) *string {
	value := fields.get(name)
	if value == nil {
		return nil
	}
	s := text(value)
	return &s
}

// itemAdd is crm.item.add. A stage that does not exist in the pipeline becomes
// the first of it, which is assumed.
func (p *Portal) itemAdd(params *phpMap) (reply, *APIError) {
	typeID, failed := p.itemType(params)
	if failed != nil {
		return reply{}, failed
	}
	fields, isMap := params.get("fields").(*phpMap)
	if !isMap {
		return reply{}, noValue("fields")
	}
	item, w := Item{TypeID: typeID}, itemWish(typeID, fields)
	if w.title != nil {
		item.Title = *w.title
	}
	if w.category != nil {
		if !p.hasPipeline(typeID, *w.category) {
			failed := FieldInvalid("Pipeline")
			return reply{}, &failed
		}
		item.Category = *w.category
	}
	if w.stage != nil {
		item.Stage = *w.stage
	}
	item = p.complete(item, DefaultUserID)
	scope := scopeOf(typeID, item.Category)
	if _, err := p.find(scope, item.Stage); err != nil {
		item.Stage = p.firstStage(scope, "")
	}
	return p.itemReply(p.add(item)), nil
}

// itemDelete is crm.item.delete.
func (p *Portal) itemDelete(params *phpMap) (reply, *APIError) {
	item, failed := p.named(params)
	if failed != nil {
		return reply{}, failed
	}
	p.remove(item, DefaultUserID)
	return reply{result: []any{}}, nil
}
