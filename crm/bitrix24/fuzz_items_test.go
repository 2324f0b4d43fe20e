package bitrix24

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhttp"
)

// fuzzed are the types whose items the fuzzers read.
var fuzzed = []int{typeLead, typeDeal, typeQuote, typeInvoice, 177}

// callResult returns the result of an answer to a single call, if it has one; an error
// has to be one of a kind.
func callResult(t *testing.T, c *Client, data []byte) (json.RawMessage, bool) {
	result, err := c.decodeCall("test", methodGet, crmhttp.Response{Status: 200, Body: data})
	if err == nil {
		return result.Value, true
	}
	var e *crm.Error
	if !errors.As(err, &e) || crm.Kind(err) == nil || result.Value != nil {
		t.Errorf("error = %v, want a *crm.Error with a kind", err)
	}
	return nil, false
}

// listIn returns the objects of the list that encoding/json finds under a name; false
// if there is none.
func listIn(value json.RawMessage, name string) ([]map[string]json.RawMessage, bool) {
	var outer map[string]json.RawMessage
	var list []map[string]json.RawMessage
	if json.Unmarshal(value, &outer) != nil || len(outer[name]) == 0 || outer[name][0] != '[' {
		return nil, false
	}
	return list, json.Unmarshal(outer[name], &list) == nil
}

// checkItem checks what was read of an item against what encoding/json reads.
func checkItem(t *testing.T, item *wireItem, want map[string]json.RawMessage) {
	t.Helper()
	var id, stage crmhttp.ID
	var category crmhttp.Int
	if id.UnmarshalJSON(want["id"]) != nil || stage.UnmarshalJSON(want["stageId"]) != nil || id != item.ID || stage != item.Stage {
		t.Errorf("%+v was read of %s and %s", item, want["id"], want["stageId"])
	}
	if written, found := want["categoryId"]; found {
		_ = category.UnmarshalJSON(written)
	}
	if category != item.Category {
		t.Errorf("%+v was read of the pipeline %s", item, want["categoryId"])
	}
	for _, typeID := range fuzzed {
		lead, unfit := item.lead("bitrix24", typeID)
		if unfit != nil {
			if lead != (crm.Lead{}) || item.Category.Known || !errors.Is(unfit, crm.ErrBadResponse) {
				t.Errorf("%+v, %v of %+v", lead, unfit, item)
			}
			continue
		}
		checkStatus(t, typeID, lead.Ref, lead.Status, item.Category)
		if lead.MovedBy == "0" || !lead.MovedAt.IsZero() && item.Moved == "" {
			t.Errorf("moved by %q, %v", lead.MovedBy, lead.MovedAt)
		}
	}
}

// checkStatus checks a lead and the status that it stands in.
func checkStatus(t *testing.T, typeID int, lead crm.LeadRef, status crm.Ref, category crmhttp.Int) {
	t.Helper()
	if lead.Source != "bitrix24" || lead.ID == "" || status.Source != "bitrix24" || status.ID == "" {
		t.Errorf("a lead %v in %v", lead, status)
	}
	if of, ok := typeOf(lead.Kind); !ok || of != typeID {
		t.Errorf("a lead of the Kind %q, of type %d", lead.Kind, typeID)
	}
	want := 0
	if hasPipelines(typeID) {
		want = category.Value
	}
	if got, ok := pipelineOf(typeID, status.Scope); want >= 0 && (!ok || got != want) {
		t.Errorf("a lead of type %d in the list %q: pipeline %d, %v; want %d", typeID, status.Scope, got, ok, want)
	}
}

func FuzzItem(f *testing.F) {
	addGolden(f, "item_*.json")
	addGolden(f, "lead_*.json")
	f.Add([]byte(`{"result":{"item":{"id":"07","stageId":"Замер","categoryId":"0","movedBy":null}}}`))
	f.Add([]byte(`{"result":{"item":{"id":1,"stageId":"A","movedBy":"0"},"item":{"stageId":"B","id":2}}}`))
	f.Add([]byte(`{"result":{"item":{"id":1,"stageId":"NEW","categoryId":-5}}}`))
	c := offline(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		value, ok := callResult(t, c, data)
		if !ok {
			return
		}
		var item wireItem
		if err := item.readOne(crmhttp.NewCursor(value)); err != nil {
			return
		}
		var outer map[string]json.RawMessage
		var want map[string]json.RawMessage
		if json.Unmarshal(value, &outer) != nil || json.Unmarshal(outer["item"], &want) != nil {
			t.Fatalf("an item was read of %s", value)
		}
		checkItem(t, &item, want)
		move := moving{move: crm.Move{Lead: crm.LeadRef{Source: "bitrix24", Kind: KindDeal, ID: "880"}, To: crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE_5", ID: "C5:NEW"}}, typeID: typeDeal, item: item}
		lead, failed := move.verify(eleven)
		switch {
		case failed != nil && (lead != (crm.Lead{}) || crm.Kind(failed) == nil):
			t.Errorf("%+v beside %v", lead, failed)
		case failed == nil && lead.Ref != move.move.Lead:
			t.Errorf("a move of %v", lead.Ref)
		case failed == nil && lead.Status != move.move.To && lead.MovedAt.Before(eleven):
			t.Errorf("%+v is taken for moved", lead)
		}
	})
}

func FuzzItems(f *testing.F) {
	addGolden(f, "item_*.json")
	addGolden(f, "lead_*.json")
	f.Add([]byte(`{"result":{"items":[{"id":"1","stageId":"A"},{"id":2,"stageId":"B"}],"items":[{"id":3,"stageId":"C"}]}}`))
	f.Add([]byte(`{"result":{"items":[]}}`))
	f.Add([]byte(`{"result":{"items":[null,{}]}}`))
	c := offline(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		value, ok := callResult(t, c, data)
		if !ok {
			return
		}
		var items []wireItem
		err := readItems(crmhttp.NewCursor(value), &items)
		want, found := listIn(value, "items")
		if err != nil {
			return
		}
		if !found || len(items) != len(want) {
			t.Fatalf("%d items were read of %d, %v", len(items), len(want), found)
		}
		for i := range items {
			checkItem(t, &items[i], want[i])
		}
	})
}

func FuzzHistory(f *testing.F) {
	addGolden(f, "stagehistory_*.json")
	f.Add([]byte(`{"result":{"items":[{"ID":"1","OWNER_ID":"2","STATUS_ID":"A"}],"items":[{"ID":3,"OWNER_ID":4,"STAGE_ID":"Замер","TYPE_ID":"1","CATEGORY_ID":"0"}]}}`))
	f.Add([]byte(`{"result":{"items":[{"ID":1,"OWNER_ID":2,"STATUS_ID":"A","STAGE_ID":"B","CREATED_TIME":"yesterday"}]}}`))
	c := offline(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		value, ok := callResult(t, c, data)
		if !ok {
			return
		}
		rows, err := readHistory(crmhttp.NewCursor(value))
		want, found := listIn(value, "items")
		if err != nil {
			if rows != nil {
				t.Errorf("%d rows beside %v", len(rows), err)
			}
			return
		}
		if !found || len(rows) != len(want) {
			t.Fatalf("%d entries were read of %d, %v", len(rows), len(want), found)
		}
		for i := range rows {
			var id, owner crmhttp.ID
			if id.UnmarshalJSON(want[i]["ID"]) != nil || owner.UnmarshalJSON(want[i]["OWNER_ID"]) != nil || id != rows[i].ID || owner != rows[i].Owner {
				t.Errorf("%+v was read of %s and %s", rows[i], want[i]["ID"], want[i]["OWNER_ID"])
			}
			for _, typeID := range fuzzed {
				entry := rows[i].entry("bitrix24", typeID)
				checkStatus(t, typeID, entry.Event.Lead, entry.Event.Status, rows[i].Category)
				created := rows[i].Type.Value == typeCreated
				if entry.Position == "" || created != (entry.Event.Kind == crm.EventLeadCreated) || !created && entry.Event.Kind != crm.EventLeadMoved {
					t.Errorf("%+v of %+v", entry, rows[i])
				}
			}
		}
	})
}
