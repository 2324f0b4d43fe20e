package bitrix24_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// stands returns where an item stands in the portal.
func (d *desk) stands(ref crm.LeadRef) crm.Ref {
	d.Helper()
	for typeID, kind := range map[int]string{1: "lead", 2: "deal", 7: "quote", 31: "invoice", 177: "dynamic:177"} {
		if kind != ref.Kind {
			continue
		}
		id, _ := strconv.Atoi(ref.ID)
		item, found := d.portal.Item(typeID, id)
		if !found {
			d.Fatalf("the portal has no %v", ref)
		}
		scope := map[int]string{1: "STATUS", 7: "QUOTE_STATUS"}[typeID]
		if scope == "" {
			scope = bitrix24test.Pipeline{TypeID: typeID, ID: item.Category}.Scope()
		}
		return status(scope, item.Stage)
	}
	d.Fatalf("no Kind: %v", ref)
	return crm.Ref{}
}

func TestMoveLeadPutsItWhereItIsWished(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		typeID, category int
		from             string
		to               crm.Ref
		across           bool
	}{
		{1, 0, "NEW", status("STATUS", "UC_7TQ2KD"), false},
		{1, 0, "NEW", status("STATUS", "1"), false},
		{1, 0, "NEW", status("STATUS", "CONVERTED"), true}, // across means nothing here
		{2, 0, "NEW", status("DEAL_STAGE", "WON"), false},
		{2, 5, "C5:NEW", status("DEAL_STAGE_5", "C5:UC_K3M9XZ"), false},
		{2, 5, "C5:NEW", status("DEAL_STAGE_5", "C5:UC_9PLQ0A"), true}, // no other pipeline is needed
		{2, 5, "C5:NEW", status("DEAL_STAGE_2", "C2:1"), true},
		{2, 5, "C5:WON", status("DEAL_STAGE", "NEW"), true}, // the main pipeline has the number 0
		{2, 0, "NEW", status("DEAL_STAGE_5", "C5:LOSE"), true},
		{7, 0, "DRAFT", status("QUOTE_STATUS", "DECLAINED"), true},
		{31, 3, "DT31_3:N", status("SMART_INVOICE_STAGE_3", "DT31_3:P"), false},
		{177, 7, "DT177_7:NEW", status("DYNAMIC_177_STAGE_7", "DT177_7:CLIENT"), false},
		{177, 7, "DT177_7:NEW", status("DYNAMIC_177_STAGE_9", "DT177_9:CLIENT"), true},
	} {
		d := newDesk(t)
		ref := d.add(test.typeID, test.category, test.from)
		other := d.add(test.typeID, test.category, test.from)
		before := d.stands(other)
		for n := 1; n <= 2; n++ { // the second time it stands there already
			began := time.Now().Truncate(time.Second)
			got, err := d.client.MoveLead(t.Context(), crm.Move{Lead: ref, To: test.to, Across: test.across})
			if err != nil || got.Ref != ref || got.Status != test.to || got.MovedBy != "17" || n == 1 && got.MovedAt.Before(began) {
				t.Errorf("%v to %v, time %d: %+v, %v", ref, test.to, n, got, err)
			}
			if at := d.stands(ref); at != test.to {
				t.Errorf("%v stands in %v, want %v", ref, at, test.to)
			}
			d.requests(ref.String(), n)
		}
		if at := d.stands(other); at != before {
			t.Errorf("%v was moved as well, to %v", other, at)
		}
	}
}

// The codes of stages may be any text.
func TestMoveLeadToAStageOfAnyCode(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"Замер назначен", `"Звонок" & <чат> / бот #1`, "$result[x][y]", "a=b&c[d]=e+%20", "null"} {
		d := newDesk(t)
		d.portal.SetStatuses(append(d.portal.Statuses(), bitrix24test.Status{RowID: 9000, Scope: "STATUS", ID: code, Name: "Имя", Sort: 15})...)
		ref := d.add(1, 0, "NEW")
		got, err := d.client.MoveLead(t.Context(), crm.Move{Lead: ref, To: status("STATUS", code)})
		if err != nil || got.Status.ID != code || d.stands(ref).ID != code {
			t.Errorf("%q: %+v, %v; it stands in %v", code, got, err, d.stands(ref))
		}
	}
}

// What the portal does with a stage that does not exist in the pipeline is not
// documented; each way is told for what it is.
func TestMoveLeadToAWrongStage(t *testing.T) {
	t.Parallel()
	variants := map[string]struct {
		does bitrix24test.WrongStage
		kind error
		code string
	}{
		"kept":    {bitrix24test.StageKept, crm.ErrNotApplied, ""},
		"refused": {bitrix24test.StageRefused, crm.ErrRejected, "CRM_FIELD_ERROR_VALUE_NOT_VALID"},
		"stored":  {bitrix24test.StageStored, crm.ErrNotApplied, ""},
	}
	for name, variant := range variants {
		for _, test := range []struct {
			what             string
			typeID, category int
			from             string
			to               crm.Ref
			across           bool
			// ends is where the portal puts it; empty where it stays. It is no error
			// then, as when a rule moves it on.
			ends crm.Ref
		}{
			{"unknown, lead", 1, 0, "IN_PROCESS", status("STATUS", "UC_НЕТ"), false, crm.Ref{}},
			{"unknown, lead, across", 1, 0, "IN_PROCESS", status("STATUS", "UC_GONE"), true, crm.Ref{}},
			{"unknown, deal", 2, 5, "C5:PREPARATION", status("DEAL_STAGE_5", "C5:GONE"), false, crm.Ref{}},
			{"unknown, deal, across", 2, 5, "C5:PREPARATION", status("DEAL_STAGE_5", "C5:GONE"), true, crm.Ref{}},
			{"unknown, quote", 7, 0, "SENT", status("QUOTE_STATUS", "DECLINED"), true, crm.Ref{}},
			{"unknown, process", 177, 7, "DT177_7:CLIENT", status("DYNAMIC_177_STAGE_7", "DT177_7:GONE"), false, crm.Ref{}},
			{"another pipeline", 2, 5, "C5:PREPARATION", status("DEAL_STAGE_2", "C2:NEW"), false, crm.Ref{}},
			{"main pipeline", 2, 5, "C5:PREPARATION", status("DEAL_STAGE", "NEW"), false, crm.Ref{}},
			{"another pipeline, process", 177, 7, "DT177_7:CLIENT", status("DYNAMIC_177_STAGE_9", "DT177_9:NEW"), false, crm.Ref{}},
			{"unknown there, across", 2, 5, "C5:PREPARATION", status("DEAL_STAGE_2", "C2:GONE"), true, status("DEAL_STAGE_2", "C2:NEW")},
			{"unknown there, across, won", 2, 5, "C5:WON", status("DEAL_STAGE", "GONE"), true, status("DEAL_STAGE", "WON")},
		} {
			what := name + ", " + test.what
			d := newDesk(t)
			d.portal.SetWrongStage(variant.does)
			ref := d.add(test.typeID, test.category, test.from)
			before := d.stands(ref)
			got, err := d.client.MoveLead(t.Context(), crm.Move{Lead: ref, To: test.to, Across: test.across})
			if test.ends != (crm.Ref{}) {
				if err != nil || got.Status != test.ends || d.stands(ref) != test.ends {
					t.Errorf("%s: %+v, %v, and it stands in %v; want it in %v", what, got, err, d.stands(ref), test.ends)
				}
				continue
			}
			if e := failure(t, what, err, variant.kind, moveLead); e.Code != variant.code {
				t.Errorf("%s: code %q, want %q", what, e.Code, variant.code)
			}
			if got != (crm.Lead{}) || d.stands(ref) != before {
				t.Errorf("%s: %+v beside an error, and it stands in %v; want it in %v", what, got, d.stands(ref), before)
			}
			d.requests(what, 1)
		}
	}
	d := newDesk(t)
	d.portal.SetWrongStage(bitrix24test.StageRefused)
	_, err := d.client.MoveLead(t.Context(), crm.Move{Lead: d.add(2, 0, "NEW"), To: status("DEAL_STAGE_77", "C77:NEW"), Across: true})
	fails(t, "a pipeline that is not there", err, crm.ErrRejected, moveLead)
}

func TestMovesThatCannotBeAreNotSent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	lead, deal := d.add(1, 0, "NEW"), d.add(2, 0, "NEW")
	for name, test := range map[string]struct {
		move crm.Move
		kind error
	}{
		"a foreign status":            {crm.Move{Lead: lead, To: crm.Ref{Source: "umnico", Scope: "STATUS", ID: "NEW"}}, crm.ErrNotFound},
		"no status":                   {crm.Move{Lead: lead}, crm.ErrNotFound},
		"a status without ID":         {crm.Move{Lead: lead, To: status("STATUS", "")}, crm.ErrNotFound},
		"a status without list":       {crm.Move{Lead: lead, To: status("", "NEW")}, crm.ErrRejected},
		"a stage of deals for a lead": {crm.Move{Lead: lead, To: status("DEAL_STAGE", "NEW"), Across: true}, crm.ErrRejected},
		"a status of leads for deals": {crm.Move{Lead: deal, To: status("STATUS", "NEW"), Across: true}, crm.ErrRejected},
		"a pipeline in odd writing":   {crm.Move{Lead: deal, To: status("DEAL_STAGE_05", "C5:NEW"), Across: true}, crm.ErrRejected},
		"a pipeline below zero":       {crm.Move{Lead: deal, To: status("DEAL_STAGE_-1", "C-1:NEW"), Across: true}, crm.ErrRejected},
		"a list that is none":         {crm.Move{Lead: deal, To: status("SOURCE", "WEB"), Across: true}, crm.ErrRejected},
	} {
		got, err := d.client.MoveLead(t.Context(), test.move)
		fails(t, name, err, test.kind, moveLead)
		if got != (crm.Lead{}) {
			t.Errorf("%s: %+v beside an error", name, got)
		}
	}
	d.requests("moves that cannot be", 0)
}

// A rule of the portal that moves the lead on is no failure.
func TestMoveLeadThatARuleTakesFurther(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.portal.Automate("STATUS", "IN_PROCESS", "UC_7TQ2KD")
	d.portal.Automate("DEAL_STAGE_2", "C2:NEW", "C2:1")
	d.portal.Automate("DEAL_STAGE_2", "C2:1", "C2:WON")
	d.portal.Automate("DEAL_STAGE_5", "C5:UC_K3M9XZ", "C5:NEW") // back to where it was
	for _, test := range []struct {
		move crm.Move
		want crm.Ref
	}{
		{crm.Move{Lead: d.add(1, 0, "NEW"), To: status("STATUS", "IN_PROCESS")}, status("STATUS", "UC_7TQ2KD")},
		{crm.Move{Lead: d.add(2, 5, "C5:NEW"), To: status("DEAL_STAGE_2", "C2:NEW"), Across: true}, status("DEAL_STAGE_2", "C2:WON")},
		{crm.Move{Lead: d.add(2, 5, "C5:NEW"), To: status("DEAL_STAGE_5", "C5:UC_K3M9XZ")}, status("DEAL_STAGE_5", "C5:NEW")},
	} {
		for range 2 { // and again
			got, err := d.client.MoveLead(t.Context(), test.move)
			if err != nil || got.Status != test.want || got.Ref != test.move.Lead || got.MovedBy != "" {
				t.Errorf("%v to %v: %+v, %v; want it in %v", test.move.Lead, test.move.To, got, err, test.want)
			}
			if at := d.stands(test.move.Lead); at != test.want {
				t.Errorf("%v stands in %v", test.move.Lead, at)
			}
		}
	}
}

// The portal says to the second when a lead moved. In the second in which somebody
// else moved it, a move that it ignores cannot be told from one that a rule took
// further; the lead is shown where it stands in any case.
func TestMoveLeadThatSomebodyMovedInTheSameSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.portal.SetLatency(0, 400*time.Millisecond)
		ref := d.add(2, 5, "C5:NEW")
		wrong := crm.Move{Lead: ref, To: status("DEAL_STAGE_5", "C5:GONE")}
		time.Sleep(100 * time.Millisecond)
		if err := d.portal.MoveItem(2, 1, 5, "C5:PREPARATION"); err != nil {
			t.Fatal(err)
		}
		got, err := d.client.MoveLead(t.Context(), wrong)
		if err != nil || got.Status != status("DEAL_STAGE_5", "C5:PREPARATION") || got.MovedBy != strconv.Itoa(bitrix24test.ManagerID) {
			t.Errorf("in the same second: %+v, %v", got, err)
		}
		time.Sleep(500 * time.Millisecond) // the next second
		got, err = d.client.MoveLead(t.Context(), wrong)
		fails(t, "in the next second", err, crm.ErrNotApplied, moveLead)
		if got != (crm.Lead{}) {
			t.Errorf("%+v beside an error", got)
		}
		// During the call it is the same as a rule.
		time.AfterFunc(200*time.Millisecond, func() {
			if err := d.portal.MoveItem(2, 1, 5, "C5:WON"); err != nil {
				t.Error(err)
			}
		})
		if got, err = d.client.MoveLead(t.Context(), wrong); err != nil || got.Status != status("DEAL_STAGE_5", "C5:WON") {
			t.Errorf("during the call: %+v, %v", got, err)
		}
		// Who moves it right behind a good move does not spoil that.
		if got, err = d.client.MoveLead(t.Context(), crm.Move{Lead: ref, To: status("DEAL_STAGE_5", "C5:LOSE")}); err != nil || got.Status.ID != "C5:LOSE" {
			t.Errorf("a good move: %+v, %v", got, err)
		}
	})
}

func TestMoveLeadThatThePortalForbids(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fails bitrix24test.APIError
		kind  error
		code  string
	}{
		"a right to the stage": {bitrix24test.StageForbidden(), crm.ErrRejected, "-"},
		"a field of the stage": {bitrix24test.FieldRequired("Источник"), crm.ErrRejected, "CRM_FIELD_ERROR_REQUIRED"},
		"a right to the lead":  {bitrix24test.AccessDenied(), crm.ErrForbidden, "ACCESS_DENIED"},
	} {
		d := newDesk(t)
		d.portal.ForbidStage("STATUS", "PROCESSED", test.fails)
		ref := d.add(1, 0, "NEW")
		move := crm.Move{Lead: ref, To: status("STATUS", "PROCESSED")}
		_, err := d.client.MoveLead(t.Context(), move)
		e := failure(t, name, err, test.kind, moveLead)
		if e.Code != test.code || e.Status != 400 || e.Message == "" {
			t.Errorf("%s: %+v, want the code %q", name, e, test.code)
		}
		if at := d.stands(ref); at != status("STATUS", "NEW") {
			t.Errorf("%s: it stands in %v", name, at)
		}
		d.portal.AllowStage("STATUS", "PROCESSED")
		if got, err := d.client.MoveLead(t.Context(), move); err != nil || got.Status != move.To {
			t.Errorf("%s, when it is allowed again: %+v, %v", name, got, err)
		}
	}
}

func TestMoveLeadThatIsNotThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, move := range map[string]crm.Move{
		"a lead":                  {Lead: refOf(1, 1), To: status("STATUS", "NEW")},
		"a deal":                  {Lead: refOf(2, 1), To: status("DEAL_STAGE", "NEW"), Across: true},
		"of a process that is no": {Lead: refOf(999, 1), To: status("DYNAMIC_999_STAGE_1", "DT999_1:NEW")},
	} {
		_, err := d.client.MoveLead(t.Context(), move)
		fails(t, name, err, crm.ErrNotFound, moveLead)
	}
	d.add(1, 0, "NEW")
	d.portal.SetSimpleMode(true)
	_, err := d.client.MoveLead(t.Context(), crm.Move{Lead: refOf(1, 1), To: status("STATUS", "PROCESSED")})
	fails(t, "a lead of a portal without leads", err, crm.ErrNotFound, moveLead)
}

// Setting a stage twice is harmless, so a move is sent again when its answer is
// lost; it is carried out once.
func TestMoveLeadWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]crmfault.Fault{
		"cut":    crmfault.CutConnection(),
		"slow":   crmfault.Delay(time.Minute),
		"broken": bitrix24test.Internal().Fault(),
		"full":   bitrix24test.QueryLimit().Fault(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				client := connected(t, d.portal, bitrix24.Options{Timeout: 2 * time.Second})
				ref := d.add(2, 5, "C5:NEW")
				d.portal.Fail(1, fault)
				got, err := client.MoveLead(t.Context(), crm.Move{Lead: ref, To: status("DEAL_STAGE_2", "C2:WON"), Across: true})
				if err != nil || got.Status != status("DEAL_STAGE_2", "C2:WON") || d.stands(ref) != got.Status {
					t.Errorf("%+v, %v, and it stands in %v", got, err, d.stands(ref))
				}
				d.requests("a lost answer", 2)
				entries, err := entriesOf(client.ReadHistory(t.Context(), bitrix24.KindDeal, ""))
				if err != nil || len(entries) != 2 { // made, and moved once
					t.Errorf("history %v, %v", entries, err)
				}
			})
		})
	}
	d := newDesk(t)
	ref := d.add(2, 5, "C5:NEW")
	d.portal.Fail(1, crmfault.CutConnection())
	_, err := d.client.MoveLead(t.Context(), crm.Move{Lead: ref, To: status("DEAL_STAGE_5", "C5:WON")})
	fails(t, "an answer that is lost for good", err, crm.ErrUnavailable, moveLead)
	if at := d.stands(ref); at != status("DEAL_STAGE_5", "C5:WON") {
		t.Errorf("it stands in %v", at)
	}
}

func TestMoveLeadOfAStrangeAnswer(t *testing.T) {
	t.Parallel()
	for name, result := range strange {
		client, _ := saying(t, `{"result":`+result+`}`)
		got, err := client.MoveLead(t.Context(), crm.Move{Lead: refOf(2, 1), To: status("DEAL_STAGE_5", "C5:NEW")})
		fails(t, name, err, crm.ErrBadResponse, moveLead)
		if got != (crm.Lead{}) {
			t.Errorf("%s: %+v beside an error", name, got)
		}
	}
}

// Where a part of the times is missing, nothing proves that a rule moved the lead.
func TestMoveLeadWithoutTimes(t *testing.T) {
	t.Parallel()
	const start = `"time":{"start":1787212800.113527}`
	for name, test := range map[string]struct {
		moved, time string
		kind        error
	}{
		"in the second of the call":   {`"2026-08-20T11:00:00+03:00"`, start, nil},
		"in another offset":           {`"2026-08-20T08:00:00Z"`, start, nil},
		"after it began":              {`"2026-08-20T11:00:09+03:00"`, start, nil},
		"a second before":             {`"2026-08-20T10:59:59+03:00"`, start, crm.ErrNotApplied},
		"an hour later, as by UTC":    {`"2026-08-20T10:00:00+03:00"`, start, crm.ErrNotApplied},
		"no time of the move":         {`null`, start, crm.ErrNotApplied},
		"no time of the call":         {`"2026-08-20T11:00:00+03:00"`, `"time":{}`, crm.ErrNotApplied},
		"times in an unknown form":    {`"20.08.2026 11:00"`, start, crm.ErrNotApplied},
		"no time beside the result":   {`"2026-08-20T11:00:00+03:00"`, `"next":0`, crm.ErrNotApplied},
		"a call that began at naught": {`"2026-08-20T11:00:00+03:00"`, `"time":{"start":0}`, crm.ErrNotApplied},
	} {
		client, _ := saying(t, fmt.Sprintf(`{"result":{"item":{"id":1,"categoryId":5,"stageId":"C5:LOSE","movedTime":%s}},%s}`, test.moved, test.time))
		got, err := client.MoveLead(t.Context(), crm.Move{Lead: refOf(2, 1), To: status("DEAL_STAGE_5", "C5:WON")})
		if test.kind != nil {
			fails(t, name, err, test.kind, moveLead)
		} else if err != nil || got.Status != status("DEAL_STAGE_5", "C5:LOSE") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What is sent, and what comes of the golden answers.
func TestGoldenUpdates(t *testing.T) {
	t.Parallel()
	deal := func(id int) crm.LeadRef { return refOf(2, id) }
	for _, test := range []struct {
		answer, request string
		move            crm.Move
		kind            error
	}{
		{"item_update_ok.json", "request_item_update_deal.json", crm.Move{Lead: deal(880), To: status("DEAL_STAGE_5", "C5:UC_K3M9XZ")}, nil},
		{"item_update_category_moved.json", "request_item_update_deal_move.json", crm.Move{Lead: deal(880), To: status("DEAL_STAGE_2", "C2:NEW"), Across: true}, nil},
		{"item_get_lead.json", "request_item_update_lead.json", crm.Move{Lead: refOf(1, 4521), To: status("STATUS", "IN_PROCESS")}, nil},
		{"item_get_lead.json", "request_item_update_lead.json", crm.Move{Lead: crm.LeadRef{Source: "bitrix24", ID: "04521"}, To: status("STATUS", "IN_PROCESS"), Across: true}, nil},
		{"item_update_won.json", "", crm.Move{Lead: deal(880), To: status("DEAL_STAGE_5", "C5:WON")}, nil},
		{"item_update_stage_ignored.json", "", crm.Move{Lead: deal(881), To: status("DEAL_STAGE_5", "C5:NEW")}, crm.ErrNotApplied},
		{"error_field_value_not_valid.json", "", crm.Move{Lead: deal(880), To: status("DEAL_STAGE_5", "C5:NEW")}, crm.ErrRejected},
		{"error_field_required.json", "", crm.Move{Lead: deal(880), To: status("DEAL_STAGE_5", "C5:NEW")}, crm.ErrRejected},
		{"error_stage_permission.json", "", crm.Move{Lead: deal(880), To: status("DEAL_STAGE_5", "C5:NEW")}, crm.ErrRejected},
		{"error_not_found.json", "", crm.Move{Lead: deal(880), To: status("DEAL_STAGE_5", "C5:NEW")}, crm.ErrNotFound},
		{"error_access_denied.json", "", crm.Move{Lead: deal(880), To: status("DEAL_STAGE_5", "C5:NEW")}, crm.ErrForbidden},
	} {
		client, asked := saying(t, golden(t, test.answer))
		got, err := client.MoveLead(t.Context(), test.move)
		if test.kind != nil {
			fails(t, test.answer, err, test.kind, moveLead)
		} else if err != nil || got.Ref != test.move.Lead || got.Status != test.move.To {
			t.Errorf("%s: %+v, %v", test.answer, got, err)
		}
		if len(asked.asked) != 1 {
			t.Errorf("%s: %d requests", test.answer, len(asked.asked))
		} else if test.request != "" {
			asksFor(t, test.request, asked.asked[0])
		}
	}
}

// The old methods for leads and deals have no part in the client; what they say is
// read by Call and Decode.
func TestGoldenOldMethods(t *testing.T) {
	t.Parallel()
	call := func(file, method string, params bitrix24.Params, into any) (bitrix24.Result, map[string]any) {
		t.Helper()
		client, asked := saying(t, golden(t, file))
		result, err := client.Call(t.Context(), bitrix24.Call{Method: method, Params: params})
		if err == nil {
			err = result.Decode(into)
		}
		if err != nil || len(asked.asked) != 1 {
			t.Fatalf("%s: %v, %d requests", file, err, len(asked.asked))
		}
		return result, asked.asked[0]
	}
	type old struct {
		ID       string `json:"ID"`
		Title    string `json:"TITLE"`
		Status   string `json:"STATUS_ID"`
		Stage    string `json:"STAGE_ID"`
		Category string `json:"CATEGORY_ID"`
		Moved    string `json:"MOVED_TIME"`
		MovedBy  string `json:"MOVED_BY_ID"`
	}
	var lead, deal old
	call("lead_get.json", "crm.lead.get", bitrix24.Params{"id": 4521}, &lead)
	if diff := cmp.Diff(old{ID: "4521", Title: "Запрос из бота #4521", Status: "IN_PROCESS", Moved: "2026-08-20T10:59:02+03:00", MovedBy: "17"}, lead); diff != "" {
		t.Errorf("lead (-want +got):\n%s", diff)
	}
	call("deal_get.json", "crm.deal.get", bitrix24.Params{"id": 880}, &deal)
	if diff := cmp.Diff(old{ID: "880", Title: "Order 880", Stage: "C5:UC_K3M9XZ", Category: "5", Moved: "2026-08-20T10:59:02+03:00", MovedBy: "17"}, deal); diff != "" {
		t.Errorf("deal (-want +got):\n%s", diff)
	}
	for file, want := range map[string]struct {
		rows, total, next int
		last              old
	}{
		"lead_list.json":       {3, 3, 0, old{ID: "4530", Title: "Bot request #4530", Status: "JUNK"}},
		"lead_list_page1.json": {50, 71, 50, old{ID: "4049", Title: "Bot request #4049", Status: "NEW"}},
	} {
		var rows []old
		result, _ := call(file, "crm.lead.list", nil, &rows)
		if len(rows) != want.rows || result.Total.Value != want.total || result.Next != want.next {
			t.Errorf("%s: %d rows, total %d, next %d", file, len(rows), result.Total.Value, result.Next)
		} else if diff := cmp.Diff(want.last, rows[len(rows)-1]); diff != "" {
			t.Errorf("%s, the last (-want +got):\n%s", file, diff)
		}
	}
	var updated, deals bool
	_, asked := call("lead_update_ok.json", "crm.lead.update", bitrix24.Params{
		"id": 4521, "fields": bitrix24.Params{"STATUS_ID": "IN_PROCESS"}, "params": bitrix24.Params{"REGISTER_SONET_EVENT": "N"},
	}, &updated)
	asksFor(t, "request_lead_update.json", asked)
	call("deal_update_ok.json", "crm.deal.update", bitrix24.Params{"id": 880, "fields": bitrix24.Params{"STAGE_ID": "C5:WON"}}, &deals)
	if !updated || !deals {
		t.Errorf("updates say %v, %v", updated, deals)
	}
}

// One client serves many callers.
func TestMoveLeadByManyCallers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var refs []crm.LeadRef
	for range 20 {
		refs = append(refs, d.add(2, 5, "C5:NEW"))
	}
	failures := make(chan error, len(refs))
	for i, ref := range refs {
		go func() {
			to := status("DEAL_STAGE_5", "C5:WON")
			if i%2 == 0 {
				to = status("DEAL_STAGE_2", "C2:1")
			}
			got, err := d.client.MoveLead(t.Context(), crm.Move{Lead: ref, To: to, Across: true})
			if err == nil && (got.Ref != ref || got.Status != to) {
				err = errors.New(got.Ref.String() + " in " + got.Status.String())
			}
			failures <- err
		}()
	}
	for range refs {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	for i, ref := range refs {
		if at := d.stands(ref); (at.Scope == "DEAL_STAGE_2") != (i%2 == 0) {
			t.Errorf("%v stands in %v", ref, at)
		}
	}
}
