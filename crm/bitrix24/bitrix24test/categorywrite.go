package bitrix24test

import "slices"

// categoryAdd is crm.category.add: a pipeline with the stages of a new one. What
// it says of a missing name is assumed.
func (p *Portal) categoryAdd(params *phpMap) (reply, *APIError) {
	typeID, failed := p.categoryType(params)
	if failed != nil {
		return reply{}, failed
	}
	fields, isMap := params.get("fields").(*phpMap)
	if !isMap {
		return reply{}, noValue("fields")
	}
	name := text(fields.get("name"))
	if name == "" {
		failed := FieldRequired("Name")
		return reply{}, &failed
	}
	pipeline := p.addPipeline(typeID, name)
	i, _ := p.findPipeline(pipeline.ID)
	if fields.has("sort") {
		p.pipelines[i].Sort = number(fields.get("sort"))
	}
	return reply{result: array("category", p.pipelines[i].category())}, nil
}

// categoryNamed returns the index of the pipeline that a call names. It runs
// under mu.
func (p *Portal) categoryNamed(params *phpMap) (int, *APIError) {
	typeID, failed := p.categoryType(params)
	if failed != nil {
		return 0, failed
	}
	id := number(params.get("id"))
	i := slices.IndexFunc(p.pipelines, func(o Pipeline) bool { return o.TypeID == typeID && o.ID == id })
	if i < 0 {
		notFound := NotFound()
		return 0, &notFound
	}
	if p.pipelines[i].Hidden {
		denied := AccessDenied()
		return 0, &denied
	}
	return i, nil
}

// categoryUpdate is crm.category.update, which knows name and sort here.
func (p *Portal) categoryUpdate(params *phpMap) (reply, *APIError) {
	i, failed := p.categoryNamed(params)
	if failed != nil {
		return reply{}, failed
	}
	fields, isMap := params.get("fields").(*phpMap)
	if !isMap {
		return reply{}, noValue("fields")
	}
	if name := text(fields.get("name")); name != "" {
		p.pipelines[i].Name = name
	}
	if fields.has("sort") {
		p.pipelines[i].Sort = number(fields.get("sort"))
	}
	return reply{result: array("category", p.pipelines[i].category())}, nil
}

// categoryDelete is crm.category.delete, whose result is null. The errors for the
// default pipeline, and for one with items, are assumed.
func (p *Portal) categoryDelete(params *phpMap) (reply, *APIError) {
	i, failed := p.categoryNamed(params)
	if failed != nil {
		return reply{}, failed
	}
	pipeline := p.pipelines[i]
	if pipeline.Default {
		return reply{}, &APIError{Code: "CRM_CATEGORY_IS_DEFAULT", Text: "The default pipeline cannot be deleted"}
	}
	if slices.ContainsFunc(p.items[pipeline.TypeID], func(item *Item) bool { return item.Category == pipeline.ID }) {
		return reply{}, &APIError{Code: "CRM_CATEGORY_HAS_ITEMS", Text: "The pipeline has items"}
	}
	p.removePipeline(i)
	return reply{}, nil
}
