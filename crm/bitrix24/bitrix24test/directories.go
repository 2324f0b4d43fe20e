package bitrix24test

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// entityTypes is crm.status.entity.types. It shows hidden pipelines too.
func (p *Portal) entityTypes(*phpMap) (reply, *APIError) { return reply{result: p.directories()}, nil }

// directories returns all directories as they are written, in the sequence of
// the documentation's example. It runs under mu.
func (p *Portal) directories() []any {
	var rows []any
	add := func(row *phpMap) { rows = append(rows, row) }
	of := func(typeID int) []Pipeline {
		var found []Pipeline
		for _, pipeline := range p.pipelines {
			if pipeline.TypeID == typeID {
				found = append(found, pipeline)
			}
		}
		slices.SortFunc(found, func(a, b Pipeline) int { return cmp.Compare(a.ID, b.ID) })
		return found
	}
	if !p.withoutLeads() {
		add(array("ID", "STATUS", "NAME", "Стадии лида",
			"SEMANTIC_INFO", semanticInfo("", "NEW", "CONVERTED", "JUNK"), "ENTITY_TYPE_ID", typeLead))
	}
	for _, plain := range [][2]string{
		{"SOURCE", "Источники"},
		{"CONTACT_TYPE", "Тип контакта"},
		{"COMPANY_TYPE", "Тип компании"},
		{"EMPLOYEES", "Кол-во сотрудников"},
		{"INDUSTRY", "Сфера деятельности"},
		{"DEAL_TYPE", "Тип сделки"},
	} {
		add(array("ID", plain[0], "NAME", plain[1]))
	}
	for _, pipeline := range of(typeInvoice) {
		add(pipeline.smartRow("Стадии счёта"))
	}
	deals := of(typeDeal)
	for _, pipeline := range deals {
		if pipeline.ID != 0 {
			add(pipeline.dealRow())
		}
	}
	for _, pipeline := range deals {
		if pipeline.ID == 0 {
			add(pipeline.dealRow())
		}
	}
	add(array("ID", "QUOTE_STATUS", "NAME", "Стадии КП",
		"SEMANTIC_INFO", semanticInfo("", "DRAFT", "APPROVED", "DECLAINED"), "ENTITY_TYPE_ID", typeQuote))
	add(array("ID", "HONORIFIC", "NAME", "Обращения"))
	add(array("ID", "CALL_LIST", "NAME", "Статусы обзвона"))
	for _, process := range p.processes {
		for _, pipeline := range of(process.typeID) {
			row := pipeline.smartRow(process.title + " (" + pipeline.Name + ")")
			row.set("CATEGORY_NAME", pipeline.Name)
			row.set("CATEGORY_SORT", pipeline.Sort)
			row.set("IS_DEFAULT_CATEGORY", pipeline.Default)
			add(row)
		}
	}
	return rows
}

// dealRow is the directory of a pipeline of deals. The pipeline's number is a
// number for the main one, and a text for the others.
func (p Pipeline) dealRow() *phpMap {
	row := array("ID", p.Scope(), "NAME", "Стадии сделки: "+p.Name)
	prefix := directoryOf(p.Scope()).prefix
	if p.ID != 0 {
		row.set("PARENT_ID", "DEAL_STAGE")
	}
	row.set("SEMANTIC_INFO", semanticInfo(prefix, "NEW", "WON", "LOSE"))
	if p.ID == 0 {
		row.set("FIELD_ATTRIBUTE_SCOPE", "")
		row.set("ENTITY_TYPE_ID", typeDeal)
		row.set("CATEGORY_ID", 0)
		return row
	}
	row.set("PREFIX", strings.TrimSuffix(prefix, ":"))
	row.set("FIELD_ATTRIBUTE_SCOPE", "category_"+strconv.Itoa(p.ID))
	row.set("ENTITY_TYPE_ID", typeDeal)
	row.set("CATEGORY_ID", strconv.Itoa(p.ID))
	return row
}

// smartRow is the directory of a pipeline of invoices or a smart process.
func (p Pipeline) smartRow(name string) *phpMap {
	return array("ID", p.Scope(), "NAME", name, "SEMANTIC_INFO", new(phpMap),
		"PREFIX", strings.TrimSuffix(directoryOf(p.Scope()).prefix, ":"),
		"FIELD_ATTRIBUTE_SCOPE", "category_"+strconv.Itoa(p.ID),
		"ENTITY_TYPE_ID", p.TypeID, "IS_ENABLED", true, "CATEGORY_ID", p.ID)
}

// semanticInfo names the stages that a directory has from the start, whether
// they are still there or not.
func semanticInfo(prefix, start, success, failure string) *phpMap {
	return array("START_FIELD", prefix+start, "FINAL_SUCCESS_FIELD", prefix+success,
		"FINAL_UNSUCCESS_FIELD", prefix+failure, "FINAL_SORT", 0)
}

// entityItems is crm.status.entity.items. That an unknown directory is answered
// like a missing parameter is assumed.
func (p *Portal) entityItems(params *phpMap) (reply, *APIError) {
	scope := text(params.get("entityId"))
	if !p.hasDirectory(scope) {
		return reply{}, &APIError{Code: "", Text: "The parameter entityId is not defined or invalid."}
	}
	items := []any{}
	for _, s := range slices.SortedFunc(slices.Values(p.statuses), bySort) {
		if s.Scope == scope {
			items = append(items, array("NAME", s.Name, "SORT", s.Sort, "STATUS_ID", s.ID))
		}
	}
	return reply{result: items}, nil
}

// statusFields is crm.status.fields.
func (p *Portal) statusFields(*phpMap) (reply, *APIError) {
	fields := new(phpMap)
	for _, f := range []struct {
		name, kind                    string
		required, readOnly, immutable bool
		title                         string
	}{
		{"ID", "integer", false, true, false, "ID"},
		{"ENTITY_ID", "string", true, false, true, "Directory"},
		{"STATUS_ID", "string", true, false, true, "Code"},
		{"SORT", "integer", false, false, false, "Order"},
		{"NAME", "string", true, false, false, "Name"},
		{"NAME_INIT", "string", false, true, false, "Initial name"},
		{"SYSTEM", "char", false, true, false, "System"},
		{"CATEGORY_ID", "integer", false, false, true, "CATEGORY_ID"},
		{"COLOR", "string", false, false, false, "COLOR"},
		{"SEMANTICS", "char", false, false, true, "SEMANTICS"},
		{"EXTRA", "crm_status_extra", false, false, false, "Extra"},
	} {
		fields.set(f.name, array("type", f.kind, "isRequired", f.required, "isReadOnly", f.readOnly,
			"isImmutable", f.immutable, "isMultiple", false, "isDynamic", false, "title", f.title))
	}
	return reply{result: fields}, nil
}
