package bitrix24test

// changeKind says what happened to an item.
type changeKind int

const (
	itemAdded changeKind = iota
	// itemUpdated is every change that is no other kind, also one of the stage.
	itemUpdated
	itemDeleted
	// itemMovedCategory says that the item came into another pipeline, mostly with
	// another stage.
	itemMovedCategory
)

// change is a change of one item.
type change struct {
	typeID, id int
	kind       changeKind
	category   int    // after the change; of a deleted item, before it
	stage      string // as category
	by         int    // the user's number
}

// changed is told every change of an item, by a request or by a method of
// [Portal], after it is made and in the sequence of the changes. It runs under
// mu.
func (p *Portal) changed(c change) { p.queueChange(c) }
