package bitrix24test

// method is a method of the portal. It runs under mu.
type method func(p *Portal, params *phpMap) (reply, *APIError)

const methodBatch = "batch"

// batchHere stands for batch, which is run elsewhere, so that it exists.
func (p *Portal) batchHere(*phpMap) (reply, *APIError) {
	failed := batchInBatch()
	return reply{}, &failed
}

// allMethods returns the methods of a portal, by their names in small letters.
func allMethods() map[string]method {
	return map[string]method{
		methodBatch:               (*Portal).batchHere,
		"app.info":                (*Portal).appInfo,
		"event.bind":              (*Portal).eventBind,
		"event.get":               (*Portal).eventGet,
		"event.offline.clear":     (*Portal).offlineClear,
		"event.offline.error":     (*Portal).offlineError,
		"event.offline.get":       (*Portal).offlineGet,
		"event.test":              (*Portal).eventTest,
		"event.unbind":            (*Portal).eventUnbind,
		"events":                  (*Portal).eventsList,
		"feature.get":             (*Portal).featureGet,
		"crm.category.add":        (*Portal).categoryAdd,
		"crm.category.delete":     (*Portal).categoryDelete,
		"crm.category.get":        (*Portal).categoryGet,
		"crm.category.list":       (*Portal).categoryList,
		"crm.category.update":     (*Portal).categoryUpdate,
		"crm.deal.get":            (*Portal).dealGet,
		"crm.deal.list":           (*Portal).dealList,
		"crm.deal.update":         (*Portal).dealUpdate,
		"crm.item.add":            (*Portal).itemAdd,
		"crm.item.delete":         (*Portal).itemDelete,
		"crm.item.get":            (*Portal).itemGet,
		"crm.item.list":           (*Portal).itemList,
		"crm.item.update":         (*Portal).itemUpdate,
		"crm.lead.get":            (*Portal).leadGet,
		"crm.lead.list":           (*Portal).leadList,
		"crm.lead.update":         (*Portal).leadUpdate,
		"crm.settings.mode.get":   (*Portal).modeGet,
		"crm.stagehistory.list":   (*Portal).stageHistory,
		"crm.status.add":          (*Portal).statusAdd,
		"crm.status.delete":       (*Portal).statusDelete,
		"crm.status.entity.items": (*Portal).entityItems,
		"crm.status.entity.types": (*Portal).entityTypes,
		"crm.status.fields":       (*Portal).statusFields,
		"crm.status.get":          (*Portal).statusGet,
		"crm.status.list":         (*Portal).statusList,
		"crm.status.update":       (*Portal).statusUpdate,
		"method.get":              (*Portal).methodGet,
		"profile":                 (*Portal).profile,
		"scope":                   (*Portal).scope,
		"server.time":             (*Portal).serverTime,
	}
}
