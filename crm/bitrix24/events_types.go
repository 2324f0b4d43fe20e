package bitrix24

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// eventTypes are the events about leads and what is like them; those whose
// entityTypeID is 0 carry it.
var eventTypes = map[string]struct {
	kind         crm.EventKind
	entityTypeID int
}{
	"ONCRMLEADADD":            {crm.EventLeadCreated, typeLead},
	"ONCRMLEADUPDATE":         {crm.EventLeadChanged, typeLead},
	"ONCRMLEADDELETE":         {crm.EventLeadDeleted, typeLead},
	"ONCRMDEALADD":            {crm.EventLeadCreated, typeDeal},
	"ONCRMDEALUPDATE":         {crm.EventLeadChanged, typeDeal},
	"ONCRMDEALDELETE":         {crm.EventLeadDeleted, typeDeal},
	"ONCRMDEALMOVETOCATEGORY": {crm.EventLeadMoved, typeDeal},
	"ONCRMQUOTEADD":           {crm.EventLeadCreated, typeQuote},
	"ONCRMQUOTEUPDATE":        {crm.EventLeadChanged, typeQuote},
	"ONCRMQUOTEDELETE":        {crm.EventLeadDeleted, typeQuote},
	"ONCRMDYNAMICITEMADD":     {crm.EventLeadCreated, 0},
	"ONCRMDYNAMICITEMUPDATE":  {crm.EventLeadChanged, 0},
	"ONCRMDYNAMICITEMDELETE":  {crm.EventLeadDeleted, 0},
}

// event returns what the form says, without Raw. An event about a lead that
// cannot be told is an error, beside which the event has its Type; a status that
// cannot be told is left out, and the lead has to be read.
func (f *eventForm) event(source string) (crm.Event, error) {
	event := crm.Event{Source: source, Type: f.name, At: eventTime(f.at)}
	name, suffix, typed := f.name, "", false
	if strings.HasPrefix(name, "ONCRMDYNAMICITEM") {
		name, suffix, typed = strings.Cut(name, "_")
	}
	known, found := eventTypes[name]
	if !found {
		return event, nil
	}
	entityTypeID := known.entityTypeID
	if entityTypeID == 0 {
		id, given := eventNumber(f.entityTypeID)
		inName, named := eventNumber([]byte(suffix))
		switch {
		case typed && !named: // a name of another sort
			return event, nil
		case typed && given && id != inName:
			return event, errors.New("two types of object")
		case !typed && !given:
			return event, errors.New("no type of object")
		}
		entityTypeID = max(id, inName)
	}
	id, ok := eventNumber(f.id)
	if !ok {
		return event, errors.New("no ID of a lead")
	}
	event.Kind = known.kind
	event.Lead = crm.LeadRef{Source: source, Kind: kindOf(entityTypeID), ID: strconv.Itoa(id)}
	if known.kind == crm.EventLeadMoved {
		event.Status = f.stage(source)
	}
	return event, nil
}

// stage returns the stage of a deal that was moved to another pipeline, or the
// zero Ref.
func (f *eventForm) stage(source string) crm.Ref {
	stage := string(unescaped(f.stageID))
	category, ok := eventNumber(f.categoryID)
	if !ok && string(f.categoryID) != "0" || stage == "" || crm.CleanName(stage) != stage {
		return crm.Ref{}
	}
	return crm.Ref{Source: source, Scope: directoryOf(typeDeal, category), ID: stage}
}

// eventNumber reads a positive number as a portal writes it.
func eventNumber(value []byte) (number int, ok bool) {
	if len(value) == 0 || value[0] < '1' || value[0] > '9' {
		return 0, false
	}
	number, err := strconv.Atoi(string(value))
	return number, err == nil && number > 0
}

// eventTime reads Unix seconds; the zero time if they cannot be meant.
func eventTime(value []byte) time.Time {
	const year10000 = 253402300800
	if seconds, ok := eventNumber(value); ok && seconds < year10000 {
		return time.Unix(int64(seconds), 0).UTC()
	}
	return time.Time{}
}
