package bitrix24test

import "time"

// The sorts of a move in the history (TYPE_ID).
const (
	historyCreated = 1
	historyStage   = 2
	historyFinal   = 3
	historyCrossed = 5
)

// historyRow says that an item came to a stage.
type historyRow struct {
	id, kind, owner int
	created         time.Time
	category        int
	semantics       string // "P", "S" or "F"
	stage           string
}

// historyKind returns what sort of move brought an item to where it stands. It
// runs under mu.
func (p *Portal) historyKind(item *Item, crossed bool) int {
	switch {
	case crossed:
		return historyCrossed
	case p.semantics(item) != "P":
		return historyFinal
	}
	return historyStage
}

// remember writes down where an item stands now. Numbers grow over all types; in
// Bitrix24 some types share them. It runs under mu.
func (p *Portal) remember(item *Item, kind int, at time.Time) {
	p.lastHistory++
	p.history[item.TypeID] = append(p.history[item.TypeID], &historyRow{
		p.lastHistory, kind, item.ID, at, item.Category, p.semantics(item), item.Stage,
	})
}

// historyListing says by what a history can be filtered and sorted. What comes
// for other fields is assumed.
func historyListing(stage string) listing[*historyRow] {
	return listing[*historyRow]{"ID", map[string]column[*historyRow]{
		"ID":           {number: func(r *historyRow) int { return r.id }},
		"TYPE_ID":      {number: func(r *historyRow) int { return r.kind }},
		"OWNER_ID":     {number: func(r *historyRow) int { return r.owner }},
		"CREATED_TIME": {number: func(r *historyRow) int { return int(r.created.Unix()) }, parse: timeValue},
		"CATEGORY_ID":  {number: func(r *historyRow) int { return r.category }},
		stage:          {text: func(r *historyRow) string { return r.stage }},
	}, true}
}

// stageHistory is crm.stagehistory.list.
func (p *Portal) stageHistory(params *phpMap) (reply, *APIError) {
	typeID, failed := p.itemType(params)
	if failed != nil {
		return reply{}, failed
	}
	stage, semantics := "STAGE_ID", "STAGE_SEMANTIC_ID"
	if typeID == typeLead {
		stage, semantics = "STATUS_ID", "STATUS_SEMANTIC_ID"
	}
	page, said, failed := historyListing(stage).list(p.history[typeID], params)
	if failed != nil {
		return reply{}, failed
	}
	rows := make([]any, len(page))
	for i, r := range page {
		row := array("ID", r.id, "TYPE_ID", r.kind, "OWNER_ID", r.owner, "CREATED_TIME", r.created.Format(layout))
		if typeID != typeLead {
			row.set("CATEGORY_ID", r.category)
		}
		row.set(semantics, r.semantics)
		row.set(stage, r.stage)
		rows[i] = chosen(row, params)
	}
	said.result = array("items", rows)
	return said, nil
}
