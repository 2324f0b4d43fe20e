package bitrix24test

import (
	"cmp"
	"slices"
	"strings"
)

// defaultSort is the SORT of a row whose own is missing, or 0 or less.
const defaultSort = 10

// statusAdd is crm.status.add. In which order the fields are checked is assumed.
func (p *Portal) statusAdd(params *phpMap) (reply, *APIError) {
	fields, isMap := params.get("fields").(*phpMap)
	if !isMap {
		return reply{}, fieldsNotArray()
	}
	scope, id := text(fields.get("ENTITY_ID")), text(fields.get("STATUS_ID"))
	var lacking []string
	if scope == "" {
		lacking = append(lacking, "The field ENTITY_ID is required.")
	}
	if id == "" {
		lacking = append(lacking, "The field STATUS_ID is required.")
	}
	if len(lacking) > 0 {
		return reply{}, &APIError{Code: "", Text: strings.Join(lacking, "\n")}
	}
	if !p.hasDirectory(scope) {
		return reply{}, &APIError{Code: "", Text: "Specified entity type is not supported."}
	}
	d := directoryOf(scope)
	s := Status{
		Scope: scope, ID: d.code(id), Name: text(fields.get("NAME")), Sort: sortOf(fields.get("SORT")),
		Color: text(fields.get("COLOR")), Category: d.category,
	}
	if d.stages {
		s.Semantics = cmp.Or(text(fields.get("SEMANTICS")), "P")
		s.Category = cmp.Or(d.category, "0")
	}
	if s.Name == "" {
		return reply{}, &APIError{Code: "", Text: "The field Title is required."}
	}
	if failed := p.fits(s); failed != nil {
		return reply{}, failed
	}
	s.RowID = p.newRow()
	p.statuses = append(p.statuses, s)
	return reply{result: s.RowID}, nil
}

// fits reports what keeps a new status out of its directory. That a stage in
// progress may not stand behind the success stage is how the text of the error
// is understood. It runs under mu.
func (p *Portal) fits(s Status) *APIError {
	d := directoryOf(s.Scope)
	if d.stages && s.Semantics != "F" {
		success := slices.IndexFunc(p.statuses, func(o Status) bool { return o.Scope == s.Scope && o.Semantics == "S" })
		if success >= 0 && (s.Semantics == "S" || s.Sort > p.statuses[success].Sort) {
			return &APIError{Code: "", Text: "Cannot create more stages after the final stage because the final successful stage already exists."}
		}
	}
	code := strings.TrimPrefix(s.ID, d.prefix)
	if len(code) > longestCode(s.Scope) {
		return &APIError{Code: "ERROR_CORE", Text: "Превышена длина кода статуса.<br>"}
	}
	if d.extra && strings.Trim(code, codeLetters) != "" {
		return &APIError{Code: "ERROR_CORE", Text: "Недопустимые символы в коде статуса.<br>"}
	}
	if _, err := p.find(s.Scope, s.ID); err == nil {
		return &APIError{Code: "ERROR_CORE", Text: "The specified status ID already exists."}
	}
	return nil
}

// codeLetters are the characters of codes of leads, deals and quotes. Other codes
// may hold any, which is assumed.
const codeLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// code returns a new code as it is stored: what stands before the first colon is
// replaced by the prefix of the pipeline.
func (d directory) code(id string) string {
	if d.prefix == "" {
		return id
	}
	if _, own, found := strings.Cut(id, ":"); found {
		id = own
	}
	return d.prefix + id
}

// longestCode returns how long a new code may be without its prefix. For invoices
// and smart processes it is assumed to be what the column leaves.
func longestCode(scope string) int {
	switch d := directoryOf(scope); {
	case scope == "STATUS":
		return 21
	case d.extra:
		return 22 - len(d.prefix)
	default:
		return 50 - len(d.prefix)
	}
}

// hasDirectory reports whether there is such a directory. It runs under mu.
func (p *Portal) hasDirectory(scope string) bool {
	return slices.ContainsFunc(p.directories(), func(row any) bool { return row.(*phpMap).get("ID") == scope })
}

// sortOf reads a SORT.
func sortOf(value any) int {
	if n := number(value); n > 0 {
		return n
	}
	return defaultSort
}

// statusNamed returns the index of the row that a call names. It runs under mu.
func (p *Portal) statusNamed(params *phpMap) (int, *APIError) {
	id := number(params.get("id"))
	if id <= 0 {
		return 0, invalidID()
	}
	i := slices.IndexFunc(p.statuses, func(s Status) bool { return s.RowID == id })
	if i < 0 {
		failed := StatusNotFound()
		return 0, &failed
	}
	return i, nil
}

// statusUpdate is crm.status.update, which changes NAME, SORT and COLOR and
// ignores all other fields. That an empty NAME is refused is assumed.
func (p *Portal) statusUpdate(params *phpMap) (reply, *APIError) {
	i, failed := p.statusNamed(params)
	if failed != nil {
		return reply{}, failed
	}
	fields, isMap := params.get("fields").(*phpMap)
	if !isMap {
		return reply{}, fieldsNotArray()
	}
	s := p.statuses[i]
	if fields.has("NAME") {
		s.Name = text(fields.get("NAME"))
	}
	if fields.has("SORT") {
		s.Sort = sortOf(fields.get("SORT"))
	}
	if fields.has("COLOR") {
		s.Color = text(fields.get("COLOR"))
	}
	if s.Name == "" {
		return reply{}, &APIError{Code: "", Text: "The field Title is required."}
	}
	p.statuses[i] = s
	return reply{result: true}, nil
}

// statusDelete is crm.status.delete. The text for a smart process's stage that is
// in use is assumed, as it depends on the language.
func (p *Portal) statusDelete(params *phpMap) (reply, *APIError) {
	i, failed := p.statusNamed(params)
	if failed != nil {
		return reply{}, failed
	}
	s := p.statuses[i]
	options, _ := params.get("params").(*phpMap)
	forced := options != nil && text(options.get("FORCED")) == "Y"
	if s.System && !forced {
		return reply{}, &APIError{Code: "", Text: `CRM System Status can be deleted only if parameter FORCED is specified and equal to "Y".`}
	}
	if typeID, used := p.inUse(s); used && typeID >= firstSmart {
		return reply{}, &APIError{Code: "", Text: "На этой стадии есть элементы."}
	} else if used {
		return reply{}, &APIError{Code: "", Text: "There are active items in this status."}
	}
	p.statuses = slices.Delete(p.statuses, i, i+1)
	return reply{result: true}, nil
}

// inUse reports whether items stand in a stage, and of which type. It runs under
// mu.
func (p *Portal) inUse(s Status) (typeID int, used bool) {
	for typeID, items := range p.items {
		for _, item := range items {
			if item.Stage == s.ID && scopeOf(typeID, item.Category) == s.Scope {
				return typeID, true
			}
		}
	}
	return 0, false
}
