package bitrix24

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// checkLead returns the number of the lead's type, or why the portal has no such
// lead.
func (c *Client) checkLead(lead crm.LeadRef) (int, *crm.Error) {
	typeID, known := typeOf(lead.Kind)
	no := func(why string) (int, *crm.Error) {
		return 0, &crm.Error{Kind: crm.ErrNotFound, Message: why}
	}
	switch {
	case lead.Source != c.Source():
		return no(fmt.Sprintf("the lead is one of %q; nothing was sent", lead.Source))
	case !known:
		return no(fmt.Sprintf("%q is no kind of lead; expected %q, %q, or one such as %q", lead.Kind, KindLead, KindDeal, dynamic+"177"))
	case len(lead.ID) > 18 || strings.Trim(lead.ID, "0") == "" || strings.Trim(lead.ID, "0123456789") != "":
		return no("the lead's ID is no number of one; nothing was sent")
	}
	return typeID, nil
}

// wireItem is what the client wants of an item
// (https://apidocs.bitrix24.com/api-reference/crm/universal/crm-item-get.html).
type wireItem struct {
	ID       crmhttp.ID
	Category crmhttp.Int
	Stage    crmhttp.ID
	MovedBy  crmhttp.Text
	Moved    crmhttp.Text // ISO 8601
}

// itemFields are what is asked for where one can choose.
var itemFields = []string{"id", "categoryId", "stageId", "movedTime", "movedBy"}

// read reads an object.
func (w *wireItem) read(cursor *crmhttp.Cursor) error {
	if cursor.Kind() != '{' {
		return errors.New("an item that is no object")
	}
	for name := range cursor.Members() {
		var field json.Unmarshaler
		switch string(name) {
		case "id":
			field = &w.ID
		case "categoryId":
			field = &w.Category
		case "stageId":
			field = &w.Stage
		case "movedTime":
			field = &w.Moved
		case "movedBy":
			field = &w.MovedBy
		default:
			continue
		}
		if err := field.UnmarshalJSON(cursor.Value()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if w.ID == "" || w.Stage == "" {
		return errors.New("an item without id or stageId")
	}
	return nil
}

// readOne reads the object that holds one item.
func (w *wireItem) readOne(cursor *crmhttp.Cursor) error {
	found := false
	for name := range cursor.Members() {
		if string(name) == "item" {
			found, *w = true, wireItem{} // of several, the last counts
			if err := w.read(cursor); err != nil {
				return err
			}
		}
	}
	if !found {
		return errors.New("no item")
	}
	return nil
}

// readItems reads the object that holds a list of items.
func readItems(cursor *crmhttp.Cursor, items *[]wireItem) error {
	found := false
	for name := range cursor.Members() {
		if string(name) == "items" {
			found, *items = true, nil // of several, the last counts
			if err := readRows(cursor, items, (*wireItem).read); err != nil {
				return err
			}
		}
	}
	if !found {
		return errors.New("no list of items")
	}
	return nil
}

// lead returns the item as a lead. The error says that the portal does not tell the
// pipeline in which it stands: it is never guessed.
func (w *wireItem) lead(source string, typeID int) (crm.Lead, *crm.Error) {
	if hasPipelines(typeID) && !w.Category.Known {
		return crm.Lead{}, &crm.Error{Kind: crm.ErrBadResponse, Message: "an item without categoryId"}
	}
	lead := crm.Lead{
		Ref:     crm.LeadRef{Source: source, Kind: kindOf(typeID), ID: string(w.ID)},
		Status:  crm.Ref{Source: source, Scope: directoryOf(typeID, w.Category.Value), ID: string(w.Stage)},
		MovedAt: w.movedAt(),
	}
	if w.MovedBy != "0" {
		lead.MovedBy = string(w.MovedBy)
	}
	return lead, nil
}

// movedAt returns when the item came to its stage; the zero time if the portal
// does not say.
func (w *wireItem) movedAt() time.Time {
	at, err := time.Parse(time.RFC3339, string(w.Moved))
	if err != nil {
		return time.Time{}
	}
	return at
}
