package bitrix24test

import (
	"slices"
	"strconv"
)

const (
	eventInstall   = "ONAPPINSTALL"
	eventUninstall = "ONAPPUNINSTALL"
	eventTest      = "ONAPPTEST"
	eventOffline   = "ONOFFLINEEVENT"
	eventDealMoved = "ONCRMDEALMOVETOCATEGORY"
	eventDynamic   = "ONCRMDYNAMICITEM"
)

var changeNames = map[changeKind]string{itemAdded: "ADD", itemUpdated: "UPDATE", itemDeleted: "DELETE", itemMovedCategory: "UPDATE"}

// eventNames returns the names of the events of a change. A deal that comes into
// another pipeline is not told of as updated
// (https://apidocs.bitrix24.com/api-reference/crm/deals/events/index.html); that
// others are then is assumed.
func (c change) eventNames() []string {
	what := changeNames[c.kind]
	switch c.typeID {
	case typeLead:
		return []string{"ONCRMLEAD" + what}
	case typeQuote:
		return []string{"ONCRMQUOTE" + what}
	case typeDeal:
		if c.kind == itemMovedCategory {
			return []string{eventDealMoved}
		}
		return []string{"ONCRMDEAL" + what}
	}
	return []string{eventDynamic + what, eventDynamic + what + "_" + strconv.Itoa(c.typeID)}
}

// eventData returns what the events of a change say.
func (c change) eventData() [][2]string {
	data := [][2]string{{"data[FIELDS][ID]", strconv.Itoa(c.id)}}
	switch {
	case c.typeID == typeDeal && c.kind == itemMovedCategory:
		data = append(data, [2]string{"data[FIELDS][CATEGORY_ID]", strconv.Itoa(c.category)}, [2]string{"data[FIELDS][STAGE_ID]", c.stage})
	case c.typeID == typeInvoice || c.typeID >= firstSmart:
		data = append(data, [2]string{"data[FIELDS][ENTITY_TYPE_ID]", strconv.Itoa(c.typeID)})
	}
	return data
}

// onlyForApplications reports whether outgoing webhooks do not get the event.
func onlyForApplications(name string) bool {
	return slices.Contains([]string{eventInstall, eventUninstall, eventTest, eventOffline, eventDealMoved}, name)
}

// eventList returns the names of all events that can be bound. It runs under mu.
func (p *Portal) eventList() []string {
	names := []string{eventInstall, eventUninstall, eventTest, eventOffline}
	for _, object := range []string{"ONCRMLEAD", "ONCRMDEAL", "ONCRMQUOTE", eventDynamic} {
		names = append(names, object+"ADD", object+"UPDATE", object+"DELETE")
	}
	names = append(names, eventDealMoved)
	types := []int{typeInvoice}
	for _, process := range p.processes {
		types = append(types, process.typeID)
	}
	for _, typeID := range types {
		for _, what := range []string{"ADD", "UPDATE", "DELETE"} {
			names = append(names, eventDynamic+what+"_"+strconv.Itoa(typeID))
		}
	}
	return names
}
