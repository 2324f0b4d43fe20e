package bitrix24

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

const (
	opReadHistory = "read history"
	methodHistory = "crm.stagehistory.list"
)

var _ crm.HistoryReader = (*Client)(nil)

// HistoryEnd returns the position behind the last change of a stage so far, "0" if
// there was none yet. It is of leads, deals, invoices and smart processes; the
// portal keeps no history of quotes.
func (c *Client) HistoryEnd(ctx context.Context, kind string) (string, error) {
	typeID, unfit := historyType(kind)
	if unfit != nil {
		return "", c.failure(opReadHistory, unfit)
	}
	rows, err := c.historyPage(ctx, typeID, Params{}, "DESC")
	if err != nil {
		return "", err
	}
	end := int64(0)
	for i := range rows {
		id := number64(string(rows[i].ID))
		if id <= 0 {
			return "", c.failure(opReadHistory, &crm.Error{Kind: crm.ErrBadResponse, Message: "an entry whose ID is not a positive number"})
		}
		end = max(end, id)
	}
	return strconv.FormatInt(end, 10), nil
}

// ReadHistory yields the changes of stages behind a position, with 50 in each
// request: leads that were made, and leads that came to a stage, in another pipeline
// too. The history does not tell who did it, and forgets leads that were deleted. The
// empty position is the beginning.
//
// Positions are the numbers that the portal gives to the entries. That one with a
// smaller number may come to light after one with a greater is not documented and
// not excluded; whoever wants to be sure reads on from a position a few minutes old,
// and takes each change for one that may come twice
// (https://apidocs.bitrix24.com/api-reference/crm/crm-stage-history-list.html).
func (c *Client) ReadHistory(ctx context.Context, kind, position string) iter.Seq2[crm.HistoryEntry, error] {
	return func(yield func(crm.HistoryEntry, error) bool) {
		typeID, unfit := historyType(kind)
		last, err := strconv.ParseInt("0"+position, 10, 64)
		if unfit == nil && err != nil {
			unfit = &crm.Error{Kind: crm.ErrNotFound, Message: "this is no position in the history: it is not a number"}
		}
		if unfit != nil {
			yield(crm.HistoryEntry{}, c.failure(opReadHistory, unfit))
			return
		}
		for {
			rows, err := c.historyPage(ctx, typeID, Params{">ID": last}, "ASC")
			if err != nil {
				yield(crm.HistoryEntry{}, err)
				return
			}
			for i := range rows {
				id := number64(string(rows[i].ID))
				if id <= last {
					yield(crm.HistoryEntry{}, c.failure(opReadHistory, &crm.Error{
						Kind: crm.ErrIncomplete, Message: "the portal does not keep to the sequence that was asked for",
					}))
					return
				}
				if hasPipelines(typeID) && !rows[i].Category.Known {
					yield(crm.HistoryEntry{}, c.failure(opReadHistory, &crm.Error{
						Kind: crm.ErrBadResponse, Message: "an entry without CATEGORY_ID",
					}))
					return
				}
				last = id
				if !yield(rows[i].entry(c.Source(), typeID), nil) {
					return
				}
			}
			if len(rows) < pageRows {
				return
			}
		}
	}
}

// historyType returns the number of the type whose history is asked for.
func historyType(kind string) (int, *crm.Error) {
	typeID, known := typeOf(kind)
	if !known || typeID == typeQuote {
		return 0, &crm.Error{Kind: crm.ErrNotFound, Message: fmt.Sprintf("the portal keeps no history of %q", kind)}
	}
	return typeID, nil
}

// historyPage returns one page of the history.
func (c *Client) historyPage(ctx context.Context, typeID int, filter Params, order string) ([]wirePassage, error) {
	params := Params{"entityTypeId": typeID, "order": Params{"ID": order}, "start": -1}
	if len(filter) > 0 {
		params["filter"] = filter
	}
	result, err := c.call(ctx, opReadHistory, Call{Method: methodHistory, Params: params, Idempotent: true}, false)
	if err != nil {
		return nil, err
	}
	rows, err := readHistory(crmhttp.NewCursor(result.Value))
	if err != nil {
		return nil, c.failure(opReadHistory, &crm.Error{Kind: crm.ErrBadResponse, Message: err.Error()})
	}
	return rows, nil
}

// readHistory reads the object that holds entries of the history.
func readHistory(cursor *crmhttp.Cursor) ([]wirePassage, error) {
	var rows []wirePassage
	found := false
	for name := range cursor.Members() {
		if string(name) == "items" {
			found, rows = true, nil // of several, the last counts
			if err := readRows(cursor, &rows, (*wirePassage).read); err != nil {
				return nil, err
			}
		}
	}
	if !found {
		return nil, errors.New("no list of entries")
	}
	return rows, nil
}

// wirePassage is an entry of the history. Those of leads have other names for the
// stage.
type wirePassage struct {
	ID, Owner, Stage crmhttp.ID
	Type, Category   crmhttp.Int
	Created          crmhttp.Text
}

// typeCreated is the TYPE_ID of an entry for an item that was made.
const typeCreated = 1

func (w *wirePassage) read(cursor *crmhttp.Cursor) error {
	if cursor.Kind() != '{' {
		return errors.New("an entry that is no object")
	}
	for name := range cursor.Members() {
		var field json.Unmarshaler
		switch string(name) {
		case "ID":
			field = &w.ID
		case "TYPE_ID":
			field = &w.Type
		case "OWNER_ID":
			field = &w.Owner
		case "CREATED_TIME":
			field = &w.Created
		case "CATEGORY_ID":
			field = &w.Category
		case "STAGE_ID", "STATUS_ID":
			field = &w.Stage
		default:
			continue
		}
		if err := field.UnmarshalJSON(cursor.Value()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if w.ID == "" || w.Owner == "" || w.Stage == "" {
		return errors.New("an entry without ID, OWNER_ID or stage")
	}
	return nil
}

// entry returns the entry as an event.
func (w *wirePassage) entry(source string, typeID int) crm.HistoryEntry {
	event := crm.Event{
		Source: source, Kind: crm.EventLeadMoved, Type: methodHistory,
		Lead:   crm.LeadRef{Source: source, Kind: kindOf(typeID), ID: string(w.Owner)},
		Status: crm.Ref{Source: source, Scope: directoryOf(typeID, w.Category.Value), ID: string(w.Stage)},
	}
	if w.Type.Value == typeCreated {
		event.Kind = crm.EventLeadCreated
	}
	if at, err := time.Parse(time.RFC3339, string(w.Created)); err == nil {
		event.At = at
	}
	return crm.HistoryEntry{Event: event, Position: string(w.ID)}
}
