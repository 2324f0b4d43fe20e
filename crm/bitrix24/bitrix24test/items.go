package bitrix24test

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// ManagerID is the user who does what methods of [Portal] do with items.
const ManagerID = 23

// Item is a lead, a deal, a quote, an invoice or an object of a smart process.
// The pair of TypeID and ID tells items apart.
type Item struct {
	// TypeID is the entityTypeId: 1 for leads, 2 for deals, 7 for quotes, 31 for
	// invoices, from 128 on for smart processes. ID is the number among those of
	// the type.
	TypeID, ID int
	// Category is the pipeline's number; 0 for leads and quotes.
	Category int
	// Stage is the code of the status in the pipeline's directory, such as
	// "C5:NEW", and PreviousStage the one before, empty if there was none.
	Stage, PreviousStage string
	// Title is what people see.
	Title string
	// Created, Updated and Moved say when the item was made, changed, and put
	// into Stage, in whole seconds.
	Created, Updated, Moved time.Time
	// CreatedBy, UpdatedBy and MovedBy are the users who did so; 0 is an
	// automation rule.
	CreatedBy, UpdatedBy, MovedBy int
}

// AddLead adds a lead with the next number, made now by [ManagerID], and returns
// it. It is not checked whether there is such a status; an empty one is the
// first.
func (p *Portal) AddLead(stage string) Item { return p.AddItem(Item{TypeID: typeLead, Stage: stage}) }

// AddDeal does with a deal of a pipeline what [Portal.AddLead] does with a lead.
func (p *Portal) AddDeal(category int, stage string) Item {
	return p.AddItem(Item{TypeID: typeDeal, Category: category, Stage: stage})
}

// AddItem adds an item, or replaces the one with its ID, and returns it. An ID
// of 0 is the next number of the type, an empty Stage the first of the pipeline,
// and times and users that are zero are now and [ManagerID]; a Category of 0 is
// the default pipeline where there is no pipeline 0, and Title has a default.
// Nothing is checked. In simple mode leads are added as well, but requests do
// not see them.
func (p *Portal) AddItem(item Item) Item {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *p.add(p.complete(item, ManagerID))
}

// AddItems adds n items that are like the given one but for the ID, which is the
// next number each, and returns them. Titles are as [Portal.AddItem] makes them
// if the given one is empty.
func (p *Portal) AddItems(n int, like Item) []Item {
	p.mu.Lock()
	defer p.mu.Unlock()
	untitled := like.Title == ""
	like.ID = 0
	like = p.complete(like, ManagerID)
	added := make([]Item, n)
	for i := range added {
		like.ID = 0
		if untitled {
			like.Title = ""
		}
		added[i] = *p.add(p.numbered(like))
	}
	return added
}

// Item returns the item as it stands now, and whether there is one.
func (p *Portal) Item(typeID, id int) (Item, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if item := p.item(typeID, id); item != nil {
		return *item, true
	}
	return Item{}, false
}

// Items returns all items of a type, by ID.
func (p *Portal) Items(typeID int) []Item {
	p.mu.Lock()
	defer p.mu.Unlock()
	items := make([]Item, len(p.items[typeID]))
	for i, item := range p.items[typeID] {
		items[i] = *item
	}
	return items
}

// MoveItem puts an item into a stage, as [ManagerID] does in the web interface:
// in its pipeline or, for another category, in that one. An automation rule may
// move it on. The error says that there is no such item, or no such stage in the
// pipeline; stages that [Portal.ForbidStage] forbids are allowed here.
func (p *Portal) MoveItem(typeID, id, category int, stage string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	item := p.item(typeID, id)
	if item == nil {
		return fmt.Errorf("bitrix24test: no item %d of type %d", id, typeID)
	}
	if _, err := p.find(scopeOf(typeID, category), stage); err != nil {
		return err
	}
	next := *item
	next.Category, next.Stage = category, stage
	if p.save(item, next, ManagerID) {
		p.automate(item)
	}
	return nil
}

// DeleteItem removes an item, and leaves its history. The error says that there
// is no such item.
func (p *Portal) DeleteItem(typeID, id int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	item := p.item(typeID, id)
	if item == nil {
		return fmt.Errorf("bitrix24test: no item %d of type %d", id, typeID)
	}
	p.remove(item, ManagerID)
	return nil
}

// scopeOf returns the code of the directory with the stages of an item.
func scopeOf(typeID, category int) string {
	switch typeID {
	case typeLead:
		return "STATUS"
	case typeQuote:
		return "QUOTE_STATUS"
	}
	return Pipeline{TypeID: typeID, ID: category}.Scope()
}

// place returns where an item stands among those of its type, or would stand. It
// runs under mu.
func (p *Portal) place(typeID, id int) (i int, found bool) {
	items := p.items[typeID]
	i = sort.Search(len(items), func(i int) bool { return items[i].ID >= id })
	return i, i < len(items) && items[i].ID == id
}

// item returns an item, or nil. It runs under mu.
func (p *Portal) item(typeID, id int) *Item {
	if i, found := p.place(typeID, id); found {
		return p.items[typeID][i]
	}
	return nil
}

// complete fills in what a new item leaves open. It runs under mu.
func (p *Portal) complete(item Item, by int) Item {
	if item.Category == 0 {
		for _, pipeline := range p.pipelines {
			if pipeline.TypeID == item.TypeID && pipeline.Default {
				item.Category = pipeline.ID
			}
		}
	}
	if item.Stage == "" {
		item.Stage = p.firstStage(scopeOf(item.TypeID, item.Category), "")
	}
	now := thisSecond()
	for _, t := range []*time.Time{&item.Created, &item.Updated, &item.Moved} {
		if t.IsZero() {
			*t = now
		}
		*t = t.Truncate(time.Second).In(moscow)
	}
	for _, user := range []*int{&item.CreatedBy, &item.UpdatedBy, &item.MovedBy} {
		if *user == 0 {
			*user = by
		}
	}
	return p.numbered(item)
}

// numbered gives an item a number and a title. It runs under mu.
func (p *Portal) numbered(item Item) Item {
	if item.ID == 0 {
		item.ID = p.lastItem[item.TypeID] + 1
	}
	if item.Title == "" {
		item.Title = fmt.Sprintf("Заявка #%d", item.ID)
	}
	return item
}

// add puts a complete item in. It runs under mu.
func (p *Portal) add(item Item) *Item {
	kept := &item
	if i, found := p.place(item.TypeID, item.ID); found {
		p.items[item.TypeID][i] = kept
	} else {
		p.items[item.TypeID] = slices.Insert(p.items[item.TypeID], i, kept)
	}
	p.lastItem[item.TypeID] = max(p.lastItem[item.TypeID], item.ID)
	p.remember(kept, historyCreated, item.Created)
	p.changed(change{item.TypeID, item.ID, itemAdded, item.Category, item.Stage, item.CreatedBy})
	p.automate(kept)
	return kept
}

// save replaces what an item has in its category, stage and title, unless there
// is no difference, and reports whether the item came to another stage. It runs
// under mu.
func (p *Portal) save(item *Item, next Item, by int) (moved bool) {
	crossed := next.Category != item.Category
	moved = crossed || next.Stage != item.Stage
	if !moved && next.Title == item.Title {
		return false
	}
	next.Updated, next.UpdatedBy = thisSecond(), by
	if moved {
		next.PreviousStage, next.Moved, next.MovedBy = item.Stage, next.Updated, by
	}
	*item = next
	if moved {
		p.remember(item, p.historyKind(item, crossed), item.Moved)
	}
	kind := itemUpdated
	if crossed {
		kind = itemMovedCategory
	}
	p.changed(change{item.TypeID, item.ID, kind, item.Category, item.Stage, by})
	return moved
}

// remove takes an item out. It runs under mu.
func (p *Portal) remove(item *Item, by int) {
	i, _ := p.place(item.TypeID, item.ID)
	p.items[item.TypeID] = slices.Delete(p.items[item.TypeID], i, i+1)
	p.changed(change{item.TypeID, item.ID, itemDeleted, item.Category, item.Stage, by})
}

// thisSecond returns the time as items keep it.
func thisSecond() time.Time { return time.Now().Truncate(time.Second).In(moscow) }
