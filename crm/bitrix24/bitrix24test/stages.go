package bitrix24test

import (
	"strconv"
	"strings"
)

// directory is what a directory's code says about its rows.
type directory struct {
	stages   bool   // they are stages
	extra    bool   // they have an EXTRA
	prefix   string // of their codes, with its colon
	category string // the pipeline's number, if it is not the main one
	failure  string // the code of the first failure stage; others are "apology"
}

// directoryOf takes the code of a directory apart.
func directoryOf(scope string) directory {
	switch scope {
	case "STATUS":
		return directory{stages: true, extra: true, failure: "JUNK"}
	case "QUOTE_STATUS":
		return directory{stages: true, extra: true, failure: "DECLAINED"}
	case "DEAL_STAGE":
		return directory{stages: true, extra: true, failure: "LOSE"}
	}
	if id, found := strings.CutPrefix(scope, "DEAL_STAGE_"); found && isDigits(id) {
		return directory{stages: true, extra: true, prefix: "C" + id + ":", category: id, failure: "C" + id + ":LOSE"}
	}
	if id, found := strings.CutPrefix(scope, "SMART_INVOICE_STAGE_"); found && isDigits(id) {
		return directory{stages: true, prefix: "DT31_" + id + ":", category: id}
	}
	if both, found := strings.CutPrefix(scope, "DYNAMIC_"); found {
		if typeID, id, found := strings.Cut(both, "_STAGE_"); found && isDigits(typeID) && isDigits(id) {
			return directory{stages: true, prefix: "DT" + typeID + "_" + id + ":", category: id}
		}
	}
	return directory{}
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// meaning returns EXTRA's word for a stage.
func (d directory) meaning(s Status) string {
	switch {
	case s.Semantics == "S":
		return "success"
	case s.Semantics != "F":
		return "process"
	case s.ID == d.failure:
		return "failure"
	}
	return "apology"
}

// newStages returns the stages of a new pipeline, without numbers of rows. Their
// codes and outcomes are known, the names depend on the portal's language, and
// the colors are assumed.
func newStages(p Pipeline) []Status {
	stages := []Status{
		{ID: "NEW", Name: "Новая", System: true, Color: "#39A8EF"},
		{ID: "PREPARATION", Name: "Подготовка документов", Color: "#2FC6F6"},
		{ID: "PREPAYMENT_INVOICE", Name: "Счёт на предоплату", Color: "#55D0E0"},
		{ID: "EXECUTING", Name: "В работе", Color: "#47E4C2"},
		{ID: "FINAL_INVOICE", Name: "Финальный счёт", Color: "#FFA900"},
		{ID: "WON", Name: "Сделка успешна", System: true, Color: "#7BD500", Semantics: "S"},
		{ID: "LOSE", Name: "Сделка провалена", System: true, Color: "#FF5752", Semantics: "F"},
		{ID: "APOLOGY", Name: "Анализ причины провала", Color: "#FF5752", Semantics: "F"},
	}
	if p.TypeID != typeDeal {
		stages = []Status{
			{ID: "NEW", Name: "Начало", System: true, Color: "#22B9FF"},
			{ID: "PREPARATION", Name: "Подготовка", Color: "#88B9FF"},
			{ID: "CLIENT", Name: "У клиента", Color: "#10E5FC"},
			{ID: "SUCCESS", Name: "Успех", System: true, Color: "#00FF00", Semantics: "S"},
			{ID: "FAIL", Name: "Провал", System: true, Color: "#FF0000", Semantics: "F"},
		}
	}
	prefix := directoryOf(p.Scope()).prefix
	for i := range stages {
		s := &stages[i]
		s.Scope, s.ID, s.Sort, s.Category = p.Scope(), prefix+s.ID, 10*(i+1), strconv.Itoa(p.ID)
		if s.System {
			s.InitialName = s.Name
		}
	}
	return stages
}
