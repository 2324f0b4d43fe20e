package bitrix24_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// entriesOf returns what a history yields, up to the error.
func entriesOf(history iter.Seq2[crm.HistoryEntry, error]) (entries []crm.HistoryEntry, failed error) {
	for entry, err := range history {
		if failed != nil {
			return nil, errors.New("something comes behind the error")
		}
		if err != nil {
			failed = err
			continue
		}
		entries = append(entries, entry)
	}
	return entries, failed
}

// step is one entry of a history.
func step(position string, lead crm.LeadRef, kind crm.EventKind, to crm.Ref, at time.Time) crm.HistoryEntry {
	return crm.HistoryEntry{Position: position, Event: crm.Event{
		Source: "bitrix24", Kind: kind, Type: stageHistory, Lead: lead, Status: to, At: at,
	}}
}

func (d *desk) move(typeID, id, category int, stage string) {
	d.Helper()
	if err := d.portal.MoveItem(typeID, id, category, stage); err != nil {
		d.Fatal(err)
	}
}

func TestGoldenHistory(t *testing.T) {
	t.Parallel()
	msk := time.FixedZone("", 3*60*60)
	at := func(day, hour, minute, second int) time.Time {
		return time.Date(2026, 8, day, hour, minute, second, 0, msk)
	}
	lead, deal := refOf(1, 4521), refOf(2, 880)
	for _, test := range []struct {
		file, kind, after, end string
		typeID                 float64
		want                   []crm.HistoryEntry
	}{
		{"stagehistory_list_lead.json", "", "7000", "7009", 1, []crm.HistoryEntry{
			step("7001", lead, crm.EventLeadCreated, status("STATUS", "NEW"), at(18, 10, 2, 11)),
			step("7009", lead, crm.EventLeadMoved, status("STATUS", "IN_PROCESS"), at(20, 10, 59, 2)),
		}},
		{"stagehistory_list.json", "deal", "", "9015", 2, []crm.HistoryEntry{
			step("9001", deal, crm.EventLeadCreated, status("DEAL_STAGE", "NEW"), at(18, 10, 5, 0)),
			step("9007", deal, crm.EventLeadMoved, status("DEAL_STAGE", "PREPARATION"), at(19, 12, 40, 13)),
			step("9012", deal, crm.EventLeadMoved, status("DEAL_STAGE_5", "C5:NEW"), at(20, 9, 15, 42)), // another pipeline
			step("9015", deal, crm.EventLeadMoved, status("DEAL_STAGE_5", "C5:WON"), at(20, 11, 0, 0)),
		}},
	} {
		client, asked := saying(t, golden(t, test.file))
		got, err := entriesOf(client.ReadHistory(t.Context(), test.kind, test.after))
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s, %v (-want +got):\n%s", test.file, err, diff)
		}
		if end, err := client.HistoryEnd(t.Context(), test.kind); end != test.end || err != nil {
			t.Errorf("%s ends at %q, %v; want %s", test.file, end, err, test.end)
		}
		after, _ := strconv.ParseFloat("0"+test.after, 64)
		want := []map[string]any{
			{"entityTypeId": test.typeID, "order": map[string]any{"ID": "ASC"}, "start": -1.0, "filter": map[string]any{">ID": after}},
			{"entityTypeId": test.typeID, "order": map[string]any{"ID": "DESC"}, "start": -1.0},
		}
		if diff := cmp.Diff(want, asked.asked); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", test.file, diff)
		}
	}
}

func TestHistoryIsReadOnFromItsEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		typeID, category, other   int
		first, second, elsewhere  string
		scope, otherScope, begins string
	}{
		{1, 0, 0, "NEW", "UC_7TQ2KD", "JUNK", "STATUS", "STATUS", ""},
		{2, 0, 5, "NEW", "PREPARATION", "C5:NEW", "DEAL_STAGE", "DEAL_STAGE_5", "0"},
		{31, 3, 3, "DT31_3:N", "DT31_3:S", "DT31_3:P", "SMART_INVOICE_STAGE_3", "SMART_INVOICE_STAGE_3", "00"},
		{177, 7, 9, "DT177_7:NEW", "DT177_7:CLIENT", "DT177_9:NEW", "DYNAMIC_177_STAGE_7", "DYNAMIC_177_STAGE_9", "0"},
	} {
		d := newDesk(t)
		kind := refOf(test.typeID, 1).Kind
		end := func() string {
			t.Helper()
			position, err := d.client.HistoryEnd(t.Context(), kind)
			if err != nil {
				t.Fatal(err)
			}
			return position
		}
		read := func(position string) []crm.HistoryEntry {
			t.Helper()
			entries, err := entriesOf(d.client.ReadHistory(t.Context(), kind, position))
			if err != nil {
				t.Fatal(err)
			}
			return entries
		}
		if got := end(); got != "0" {
			t.Errorf("%s: an empty history ends at %q, want 0", kind, got)
		}
		if got := read(test.begins); len(got) != 0 {
			t.Errorf("%s: entries of an empty history: %v", kind, got)
		}
		other := 1 // what happens elsewhere stands in other histories
		if test.typeID == 1 {
			other = 2
		}
		d.portal.AddItem(bitrix24test.Item{TypeID: other})
		item := d.portal.AddItem(bitrix24test.Item{TypeID: test.typeID, Category: test.category, Stage: test.first})
		d.move(test.typeID, item.ID, test.category, test.second)
		position := end()
		d.portal.AddItem(bitrix24test.Item{TypeID: other})
		if got := read(position); len(got) != 0 {
			t.Errorf("%s: entries behind the end: %v", kind, got)
		}
		d.move(test.typeID, item.ID, test.other, test.elsewhere)
		all := read(test.begins)
		if len(all) != 3 {
			t.Fatalf("%s: %d entries, want 3", kind, len(all))
		}
		ref := refOf(test.typeID, item.ID)
		now, _ := d.portal.Item(test.typeID, item.ID)
		want := []crm.HistoryEntry{
			step(all[0].Position, ref, crm.EventLeadCreated, status(test.scope, test.first), item.Created),
			step(position, ref, crm.EventLeadMoved, status(test.scope, test.second), all[1].Event.At),
			step(end(), ref, crm.EventLeadMoved, status(test.otherScope, test.elsewhere), now.Moved),
		}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
		if diff := cmp.Diff(want[2:], read(position)); diff != "" {
			t.Errorf("%s, read on (-want +got):\n%s", kind, diff)
		}
		for i := range all { // each position is behind its entry
			if got := read(all[i].Position); len(got) != len(all)-1-i {
				t.Errorf("%s: %d entries behind position %s", kind, len(got), all[i].Position)
			}
		}
	}
}

func TestHistoryTakesOneRequestForEach50(t *testing.T) {
	t.Parallel()
	for n, requests := range map[int]int{0: 1, 1: 1, 49: 1, 50: 2, 51: 2, 100: 3, 120: 3} {
		d := newDesk(t)
		d.portal.AddItems(n, bitrix24test.Item{TypeID: 2, Category: 5, Stage: "C5:NEW"})
		d.portal.AddItems(70, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		got, err := entriesOf(d.client.ReadHistory(t.Context(), bitrix24.KindDeal, ""))
		if err != nil || len(got) != n {
			t.Errorf("%d entries, %v; want %d", len(got), err, n)
		}
		last := 0
		for i, entry := range got {
			position, _ := strconv.Atoi(entry.Position)
			if entry.Event.Lead != refOf(2, i+1) || position <= last {
				t.Errorf("entry %d is %+v behind position %d", i, entry, last)
			}
			last = position
		}
		d.requests(strconv.Itoa(n)+" entries", requests)
	}
}

// What happens while it is read stands at its end.
func TestHistoryThatGrowsMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddItems(50, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	n := 0
	var last crm.HistoryEntry
	for entry, err := range d.client.ReadHistory(t.Context(), bitrix24.KindLead, "0") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			d.move(1, 3, 0, "JUNK")
		}
		last = entry
	}
	if n != 51 || last.Event.Lead != refOf(1, 3) || last.Event.Status != status("STATUS", "JUNK") || last.Event.Kind != crm.EventLeadMoved {
		t.Errorf("%d entries, the last %+v", n, last)
	}
}

func TestHistoryThatIsLeft(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddItems(120, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	position, seen := "", 0
	for range 3 { // each run reads on where the one before was left
		n := 0
		for entry, err := range d.client.ReadHistory(t.Context(), bitrix24.KindLead, position) {
			if err != nil {
				t.Fatal(err)
			}
			position, seen = entry.Position, seen+1
			if entry.Event.Lead != refOf(1, seen) {
				t.Errorf("entry %d is of %v", seen, entry.Event.Lead)
			}
			if n++; n == 50 {
				break
			}
		}
	}
	if seen != 120 {
		t.Errorf("%d entries, want 120", seen)
	}
	d.requests("a history that is left", 3)
}

func TestHistoryThatFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	const good = `{"ID":61,"TYPE_ID":1,"OWNER_ID":1,"STATUS_ID":"NEW"}`
	for name, test := range map[string]struct {
		fault crmfault.Fault
		kind  error
		more  int // entries of the broken page
	}{
		"the portal breaks down": {bitrix24test.Internal().Fault(), crm.ErrUnavailable, 0},
		"half an answer":         {crmfault.Cut(), crm.ErrBadResponse, 0},
		"the rights are gone":    {bitrix24test.AccessDenied().Fault(), crm.ErrForbidden, 0},
		"no list":                {crmfault.Answer(200, `{"result":{"items":{}}}`), crm.ErrBadResponse, 0},
		"no items":               {crmfault.Answer(200, `{"result":true}`), crm.ErrBadResponse, 0},
		"an entry that is none":  {crmfault.Answer(200, `{"result":{"items":[`+good+`,7]}}`), crm.ErrBadResponse, 0},
		"no ID":                  {crmfault.Answer(200, `{"result":{"items":[`+good+`,{"OWNER_ID":1,"STATUS_ID":"NEW"}]}}`), crm.ErrBadResponse, 0},
		"no owner":               {crmfault.Answer(200, `{"result":{"items":[`+good+`,{"ID":62,"STATUS_ID":"NEW"}]}}`), crm.ErrBadResponse, 0},
		"no status":              {crmfault.Answer(200, `{"result":{"items":[`+good+`,{"ID":62,"OWNER_ID":1}]}}`), crm.ErrBadResponse, 0},
		"an owner that is none":  {crmfault.Answer(200, `{"result":{"items":[`+good+`,{"ID":62,"OWNER_ID":[],"STATUS_ID":"NEW"}]}}`), crm.ErrBadResponse, 0},
		"another stage beside":   {crmfault.Answer(200, `{"result":{"items":[`+good+`,{"ID":62,"OWNER_ID":1,"STATUS_ID":"NEW","STAGE_ID":[]}]}}`), crm.ErrBadResponse, 0},
		"an entry twice":         {crmfault.Answer(200, `{"result":{"items":[`+good+`,`+good+`]}}`), crm.ErrIncomplete, 1},
		"an ID that is none":     {crmfault.Answer(200, `{"result":{"items":[`+good+`,{"ID":"x","OWNER_ID":1,"STATUS_ID":"NEW"}]}}`), crm.ErrIncomplete, 1},
		"another sequence":       {crmfault.Answer(200, `{"result":{"items":[{"ID":62,"OWNER_ID":1,"STATUS_ID":"NEW"},`+good+`]}}`), crm.ErrIncomplete, 1},
		"one that came before":   {crmfault.Answer(200, `{"result":{"items":[{"ID":50,"OWNER_ID":1,"STATUS_ID":"NEW"}]}}`), crm.ErrIncomplete, 0},
	} {
		d := newDesk(t)
		d.portal.AddItems(120, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		d.portal.Fail(1, crmfault.Fault{})
		d.portal.Fail(1, test.fault)
		got, err := entriesOf(d.client.ReadHistory(t.Context(), bitrix24.KindLead, ""))
		fails(t, name, err, test.kind, readHistory)
		if len(got) != 50+test.more {
			t.Errorf("%s: %d entries, want %d", name, len(got), 50+test.more)
		}
		d.requests(name, 2)
		// Reading on misses nothing.
		if test.more > 0 {
			continue
		}
		rest, err := entriesOf(d.client.ReadHistory(t.Context(), bitrix24.KindLead, got[len(got)-1].Position))
		if err != nil || len(rest) != 70 || rest[0].Event.Lead != refOf(1, 51) {
			t.Errorf("%s: %d entries behind it, %v", name, len(rest), err)
		}
	}
	d := newDesk(t)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := entriesOf(d.client.ReadHistory(ended, bitrix24.KindLead, ""))
	fails(t, "a context that has ended", err, crm.ErrUnavailable, readHistory)
	_, err = d.client.HistoryEnd(ended, bitrix24.KindLead)
	fails(t, "a context that has ended", err, crm.ErrUnavailable, readHistory)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want the context's", err)
	}
}

// Reading is repeated, page by page.
func TestHistoryIsAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		portal := bitrix24test.New()
		client := connected(t, portal, bitrix24.Options{})
		portal.AddItems(60, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
		portal.Fail(1, bitrix24test.Internal().Fault())
		portal.Fail(1, crmfault.Fault{})
		portal.Fail(1, bitrix24test.Internal().Fault())
		got, err := entriesOf(client.ReadHistory(t.Context(), bitrix24.KindLead, ""))
		if err != nil || len(got) != 60 || portal.TotalRequests() != 4 {
			t.Errorf("%d entries of %d requests, %v", len(got), portal.TotalRequests(), err)
		}
	})
}

// What cannot be read is not shown: it may be what people wrote.
func TestHistoryKeepsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, item := range []string{`"Тайна"`, `{"ID":"1","OWNER_ID":["Тайна"],"STATUS_ID":"NEW"}`, `{"ID":"1","OWNER_ID":"Тайна"}`} {
		client, _ := saying(t, `{"result":{"items":[`+item+`]}}`)
		_, err := entriesOf(client.ReadHistory(t.Context(), bitrix24.KindLead, ""))
		if fails(t, item, err, crm.ErrBadResponse, readHistory); strings.Contains(err.Error(), "Тайна") {
			t.Errorf("error = %v", err)
		}
	}
	client, _ := saying(t, `{"result":{"items":[]}}`)
	_, err := entriesOf(client.ReadHistory(t.Context(), bitrix24.KindLead, "Тайна"))
	if fails(t, "a position", err, crm.ErrNotFound, readHistory); strings.Contains(err.Error(), "Тайна") {
		t.Errorf("error = %v", err)
	}
}

// A deal's entry without its pipeline tells no status that can be named.
func TestHistoryWithoutAPipeline(t *testing.T) {
	t.Parallel()
	client, _ := saying(t, `{"result":{"items":[{"ID":1,"OWNER_ID":1,"CATEGORY_ID":"0","STAGE_ID":"NEW"},{"ID":2,"OWNER_ID":1,"STAGE_ID":"C5:NEW"}]}}`)
	got, err := entriesOf(client.ReadHistory(t.Context(), bitrix24.KindDeal, ""))
	fails(t, "an entry without its pipeline", err, crm.ErrBadResponse, readHistory)
	want := []crm.HistoryEntry{step("1", refOf(2, 1), crm.EventLeadMoved, status("DEAL_STAGE", "NEW"), time.Time{})}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestHistoryOfAPortalThatIgnoresTheFilter(t *testing.T) {
	t.Parallel()
	rows := ""
	for i := range 50 {
		rows += `,{"ID":` + strconv.Itoa(i+1) + `,"TYPE_ID":"2","OWNER_ID":"7","CREATED_TIME":"","STATUS_ID":"NEW"}`
	}
	client, asked := saying(t, `{"result":{"items":[`+rows[1:]+`]},"total":0}`)
	got, err := entriesOf(client.ReadHistory(t.Context(), bitrix24.KindLead, ""))
	fails(t, "the same page again", err, crm.ErrIncomplete, readHistory)
	if len(got) != 50 || len(asked.asked) != 2 {
		t.Errorf("%d entries of %d requests", len(got), len(asked.asked))
	}
	if want := step("50", refOf(1, 7), crm.EventLeadMoved, status("STATUS", "NEW"), time.Time{}); len(got) > 0 && cmp.Diff(want, got[len(got)-1]) != "" {
		t.Errorf("the last: %s", cmp.Diff(want, got[len(got)-1]))
	}
	// The end is found in any sequence.
	if end, err := client.HistoryEnd(t.Context(), bitrix24.KindLead); end != "50" || err != nil {
		t.Errorf("the end is %q, %v", end, err)
	}
}

func TestHistoryOfWhatHasNone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.AddLead("NEW")
	d.portal.AddItem(bitrix24test.Item{TypeID: 7, Stage: "SENT"})
	for _, kind := range []string{bitrix24.KindQuote, "dynamic:5", "dynamic:0177", "contact", "сделка"} {
		_, err := d.client.HistoryEnd(t.Context(), kind)
		fails(t, kind, err, crm.ErrNotFound, readHistory)
		got, err := entriesOf(d.client.ReadHistory(t.Context(), kind, ""))
		fails(t, kind, err, crm.ErrNotFound, readHistory)
		if len(got) != 0 {
			t.Errorf("%s: %v", kind, got)
		}
	}
	for _, position := range []string{"x", "-1", "+1", " 1", "1.5", "1e3", "9223372036854775808", "начало"} {
		got, err := entriesOf(d.client.ReadHistory(t.Context(), bitrix24.KindLead, position))
		fails(t, position, err, crm.ErrNotFound, readHistory)
		if len(got) != 0 {
			t.Errorf("%s: %v", position, got)
		}
	}
	d.requests("histories that cannot be", 0)
	_, err := d.client.HistoryEnd(t.Context(), "dynamic:999")
	fails(t, "a smart process that is gone", err, crm.ErrNotFound, readHistory)
	d.portal.Fail(1, crmfault.Answer(200, `{"result":[]}`))
	_, err = d.client.HistoryEnd(t.Context(), bitrix24.KindLead)
	fails(t, "an answer without a list", err, crm.ErrBadResponse, readHistory)
	// An end that cannot be told is not the beginning.
	for _, id := range []string{`"x"`, "0", "-1", `"99999999999999999999"`} {
		d.portal.Fail(1, crmfault.Answer(200, `{"result":{"items":[{"ID":`+id+`,"OWNER_ID":1,"STATUS_ID":"NEW"}]}}`))
		end, err := d.client.HistoryEnd(t.Context(), bitrix24.KindLead)
		if fails(t, id, err, crm.ErrBadResponse, readHistory); end != "" {
			t.Errorf("%s: the end is %q", id, end)
		}
	}
	if got, err := entriesOf(d.client.ReadHistory(t.Context(), bitrix24.KindLead, "999999999999")); len(got) != 0 || err != nil {
		t.Errorf("far behind the end: %v, %v", got, err)
	}
}
