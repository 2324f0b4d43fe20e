package bitrix24_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jarcoal/httpmock"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
)

// leads are the answers to what is asked by default.
var leads = map[string]string{
	"mode": "settings_mode_get_classic.json", "types": "status_entity_types.json", "statuses": "status_list_lead.json",
}

// row is a status whose row has the number.
func row(number, scope, id, name string, order int, color string, outcome crm.Outcome, system bool) crm.Status {
	return crm.Status{
		Ref: crm.Ref{Source: "bitrix24", Scope: scope, ID: id}, Name: name, Order: order, Color: color,
		Outcome: outcome, System: system, Raw: map[string]string{"ID": number},
	}
}

var (
	leadRows = []crm.Status{
		row("1", "STATUS", "NEW", "Новый", 10, "#39A8EF", crm.Open, true),
		row("3", "STATUS", "IN_PROCESS", "В работе", 20, "#2FC6F6", crm.Open, false),
		row("5", "STATUS", "PROCESSED", "Обработан", 30, "#55D0E0", crm.Open, false),
		row("211", "STATUS", "UC_7TQ2KD", "Диалог с оператором & бот на паузе", 35, "#FFA900", crm.Open, false),
		row("209", "STATUS", "1", "Повторный контакт", 37, "#FFA900", crm.Open, false),
		row("7", "STATUS", "CONVERTED", "Качественный лид", 40, "#7BD500", crm.Won, true),
		row("9", "STATUS", "JUNK", "Некачественный лид", 50, "#FF5752", crm.Lost, true),
		row("213", "STATUS", "UC_R0B0T5", "Спам", 60, "#FF5752", crm.Lost, false),
	}
	pipeline2 = []crm.Status{
		row("141", "DEAL_STAGE_2", "C2:NEW", "Новая", 10, "#39A8EF", crm.Open, true),
		row("143", "DEAL_STAGE_2", "C2:1", "Замер назначен", 20, "#2FC6F6", crm.Open, false),
		row("145", "DEAL_STAGE_2", "C2:PREPAYMENT_INVOICE", "Ждём аванс", 30, "#55D0E0", crm.Open, false),
		row("147", "DEAL_STAGE_2", "C2:WON", "Сделка успешна", 40, "#7BD500", crm.Won, true),
		row("149", "DEAL_STAGE_2", "C2:LOSE", "Сделка провалена", 50, "#FF5752", crm.Lost, true),
	}
	pipeline5 = []crm.Status{
		row("161", "DEAL_STAGE_5", "C5:NEW", "First contact", 10, "#39A8EF", crm.Open, true),
		row("163", "DEAL_STAGE_5", "C5:PREPARATION", "Qualification", 20, "#2FC6F6", crm.Open, false),
		row("165", "DEAL_STAGE_5", "C5:UC_K3M9XZ", "Demo booked", 30, "#47E4C2", crm.Open, false),
		row("167", "DEAL_STAGE_5", "C5:WON", "Subscription paid", 40, "#7BD500", crm.Won, true),
		row("169", "DEAL_STAGE_5", "C5:LOSE", "Refused", 50, "#FF5752", crm.Lost, true),
		row("171", "DEAL_STAGE_5", "C5:UC_9PLQ0A", "Duplicate", 60, "#FF5752", crm.Lost, false),
	}
	smartProcess7 = []crm.Status{
		row("221", "DYNAMIC_177_STAGE_7", "DT177_7:NEW", "Start", 10, "#22B9FF", crm.Open, true),
		row("223", "DYNAMIC_177_STAGE_7", "DT177_7:PREPARATION", "Preparing", 20, "#88B9FF", crm.Open, false),
		row("225", "DYNAMIC_177_STAGE_7", "DT177_7:CLIENT", "With client", 30, "#10E5FC", crm.Open, false),
		row("227", "DYNAMIC_177_STAGE_7", "DT177_7:SUCCESS", "Success", 40, "#00FF00", crm.Won, true),
		row("229", "DYNAMIC_177_STAGE_7", "DT177_7:FAIL", "Failure", 50, "#FF0000", crm.Lost, true),
	}
	invoices = []crm.Status{
		row("181", "SMART_INVOICE_STAGE_3", "DT31_3:N", "New invoice", 10, "#39A8EF", crm.Open, true),
		row("183", "SMART_INVOICE_STAGE_3", "DT31_3:S", "Sent", 20, "#2FC6F6", crm.Open, false),
		row("185", "SMART_INVOICE_STAGE_3", "DT31_3:P", "Paid", 30, "#7BD500", crm.Won, true),
		row("187", "SMART_INVOICE_STAGE_3", "DT31_3:D", "Not paid", 40, "#FF5752", crm.Lost, true),
	}
	mainRows = []crm.Status{
		row("101", "DEAL_STAGE", "NEW", "New request", 10, "#39A8EF", crm.Open, true),
		row("103", "DEAL_STAGE", "PREPARATION", "Preparing papers", 20, "#2FC6F6", crm.Open, false),
		row("105", "DEAL_STAGE", "PREPAYMENT_INVOICE", "Waiting for prepayment", 30, "#55D0E0", crm.Open, false),
		row("107", "DEAL_STAGE", "EXECUTING", "In production", 40, "#47E4C2", crm.Open, false),
		row("109", "DEAL_STAGE", "FINAL_INVOICE", "Final invoice sent", 50, "#FFA900", crm.Open, false),
		row("111", "DEAL_STAGE", "WON", "Delivered", 60, "#7BD500", crm.Won, true),
		row("113", "DEAL_STAGE", "LOSE", "Lost", 70, "#FF5752", crm.Lost, true),
		row("115", "DEAL_STAGE", "APOLOGY", "Find out why", 80, "#FF5752", crm.Lost, false),
	}
)

// exists are the lists of stages in status_entity_types.json.
var exists = []string{
	"STATUS", "SMART_INVOICE_STAGE_3", "DEAL_STAGE_2", "DEAL_STAGE_5", "DEAL_STAGE", "QUOTE_STATUS",
	"DYNAMIC_177_STAGE_7", "DYNAMIC_177_STAGE_9",
}

// One list that is asked for by its code is asked for alone, and announces how
// many rows it has.
func TestGoldenSingleLists(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scope, name, file string
		want              []crm.Status
	}{
		{"STATUS", "Стадии лида", "status_list_lead.json", leadRows},
		{"DEAL_STAGE", "Общая", "status_list_deal_stage.json", mainRows},
		{"DEAL_STAGE_2", "Замеры", "status_list_deal_stage_c2.json", pipeline2},
		{"DEAL_STAGE_5", "Subscriptions", "status_list_deal_stage_c5.json", pipeline5},
		{"DYNAMIC_177_STAGE_7", "Доставка (Общее)", "status_list_dynamic.json", smartProcess7},
		{"SMART_INVOICE_STAGE_3", "Стадии счёта", "status_list_smart_invoice.json", invoices},
		{"DEAL_STAGE_2", "Замеры", "status_list_empty.json", []crm.Status{}},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			var commands map[string]string
			client := mocked(t, func(r *http.Request) (*http.Response, error) {
				commands = asked(t, r)
				return httpmock.NewStringResponse(200, batched(t, map[string]string{
					"mode": "settings_mode_get_classic.json", "types": "status_entity_types.json",
					"categories": "category_list.json", "statuses": test.file,
				})), nil
			}, test.scope)
			got, err := client.ListStatuses(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := crm.Listing{
				Source: "bitrix24", Account: []string{"b24.example.com"}, Exists: exists, Statuses: test.want,
				Scopes: []crm.Scope{{ID: test.scope, Name: test.name, Announced: len(test.want)}},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("listing (-want +got):\n%s", diff)
			}
			if want := "crm.status.list?filter%5BENTITY_ID%5D=" + test.scope + "&order%5BID%5D=ASC"; commands["statuses"] != want {
				t.Errorf("asked %q, want %q", commands["statuses"], want)
			}
		})
	}
}

func TestGoldenBatch(t *testing.T) {
	t.Parallel()
	type scopes = []crm.Scope
	names := scopes{
		{ID: "STATUS", Name: "Стадии лида"},
		{ID: "DEAL_STAGE_5", Name: "Subscriptions"},
		{ID: "DEAL_STAGE", Name: "Общая"},
		{ID: "DEAL_STAGE_2", Name: "Замеры"},
		{ID: "SMART_INVOICE_STAGE_3", Name: "Стадии счёта"},
		{ID: "QUOTE_STATUS", Name: "Стадии КП"},
		{ID: "DYNAMIC_177_STAGE_7", Name: "Доставка (Общее)"},
		{ID: "DYNAMIC_177_STAGE_9", Name: "Доставка (Склад 2)"},
	}
	tests := []struct {
		name   string
		chosen []string
		want   scopes
		rows   int
	}{
		{"everything", []string{bitrix24.Everything}, names, 46},
		{"leads and deals", []string{bitrix24.Deals, bitrix24.Leads}, names[:4], 27},
		{"deals", []string{bitrix24.Deals}, names[1:4], 19},
		{"two by code", []string{"QUOTE_STATUS", "DEAL_STAGE_5"}, scopes{names[1], names[5]}, 11},
		{"by the beginning", []string{"DYNAMIC_177_*"}, names[6:], 10},
		{"one that does not exist", []string{bitrix24.Leads, "DEAL_STAGE_9"}, names[:1], 8},
		{"no stages", []string{bitrix24.Leads, "SOURCE"}, names[:1], 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mocked(t, httpmock.NewStringResponder(200, golden(t, "batch_statuses.json")), test.chosen...).ListStatuses(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Scopes); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(exists, got.Exists); diff != "" {
				t.Errorf("exists (-want +got):\n%s", diff)
			}
			if len(got.Statuses) != test.rows {
				t.Errorf("%d statuses, want %d", len(got.Statuses), test.rows)
			}
			byScope := map[string][]crm.Status{}
			for _, status := range got.Statuses {
				byScope[status.Ref.Scope] = append(byScope[status.Ref.Scope], status)
			}
			for scope, want := range map[string][]crm.Status{
				"STATUS": leadRows, "DEAL_STAGE": mainRows, "DEAL_STAGE_2": pipeline2, "DEAL_STAGE_5": pipeline5,
				"DYNAMIC_177_STAGE_7": smartProcess7, "SMART_INVOICE_STAGE_3": invoices,
			} {
				if rows := byScope[scope]; rows != nil {
					if diff := cmp.Diff(want, rows); diff != "" {
						t.Errorf("%s (-want +got):\n%s", scope, diff)
					}
				}
			}
		})
	}
}

func TestOnlyWhatIsNeededIsAsked(t *testing.T) {
	t.Parallel()
	types, statuses := "crm.status.entity.types", "crm.status.list?order%5BID%5D=ASC"
	mode, categories := "crm.settings.mode.get", "crm.category.list?entityTypeId=2"
	for _, test := range []struct {
		scopes []string
		want   map[string]string
	}{
		{nil, map[string]string{"types": types, "mode": mode, "statuses": "crm.status.list?filter%5BENTITY_ID%5D=STATUS&order%5BID%5D=ASC"}},
		{[]string{bitrix24.Deals}, map[string]string{"types": types, "statuses": statuses, "categories": categories}},
		{[]string{"D*"}, map[string]string{"types": types, "statuses": statuses, "categories": categories}},
		{[]string{bitrix24.Everything}, map[string]string{"types": types, "statuses": statuses, "categories": categories, "mode": mode}},
		{[]string{"DYNAMIC_177_*"}, map[string]string{"types": types, "statuses": statuses}},
	} {
		client := mocked(t, func(r *http.Request) (*http.Response, error) {
			if diff := cmp.Diff(test.want, asked(t, r)); diff != "" {
				t.Errorf("%v: commands (-want +got):\n%s", test.scopes, diff)
			}
			return httpmock.NewStringResponse(200, golden(t, "batch_statuses.json")), nil
		}, test.scopes...)
		_, _ = client.ListStatuses(t.Context())
	}
}

func TestSimpleModeHasNoLeads(t *testing.T) {
	t.Parallel()
	withoutStatus := strings.Replace(golden(t, "status_entity_types.json"), `"ID": "STATUS"`, `"ID": "OTHER"`, 1)
	for name, types := range map[string]string{"their list is there": "status_entity_types.json", "their list is not there": withoutStatus} {
		parts := map[string]string{
			"mode": "settings_mode_get_simple.json", "types": types,
			"categories": "category_list.json", "statuses": "status_list_all.json",
		}
		body := batched(t, parts)
		for _, scopes := range [][]string{nil, {bitrix24.Leads, bitrix24.Deals}} {
			_, err := mocked(t, httpmock.NewStringResponder(200, body), scopes...).ListStatuses(t.Context())
			if e := detail(t, err, crm.ErrNotFound); !strings.Contains(e.Message, "without leads") || !strings.Contains(e.Message, "bitrix24.Deals") {
				t.Errorf("%s: the error does not say what is wrong and what to choose: %v", name, err)
			}
		}
		got, err := mocked(t, httpmock.NewStringResponder(200, body), bitrix24.Everything).ListStatuses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, status := range got.Statuses {
			if status.Ref.Scope == "STATUS" {
				t.Fatalf("%s: a lead's status was listed: %v", name, status.Ref)
			}
		}
		for _, scope := range got.Exists {
			if scope == "STATUS" {
				t.Errorf("%s: the leads' list is said to exist", name)
			}
		}
	}
}

func TestNothingChosenExists(t *testing.T) {
	t.Parallel()
	_, err := mocked(t, httpmock.NewStringResponder(200, golden(t, "batch_statuses.json")), "DEAL_STAGE_9", "SOURCE").ListStatuses(t.Context())
	if e := detail(t, err, crm.ErrNotFound); !strings.Contains(e.Message, "DEAL_STAGE_9, SOURCE") || !strings.Contains(e.Message, "DEAL_STAGE_5") {
		t.Errorf("the error does not name what was chosen and what there is: %v", err)
	}
}

// A pipeline that the webhook's owner may not see is still there, whole.
func TestPipelineWithoutAName(t *testing.T) {
	t.Parallel()
	body := strings.Replace(golden(t, "batch_statuses.json"), `"id": 5,`, `"id": 55,`, 1)
	got, err := mocked(t, httpmock.NewStringResponder(200, body), bitrix24.Deals).ListStatuses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []crm.Scope{
		{ID: "DEAL_STAGE", Name: "Общая"},
		{ID: "DEAL_STAGE_2", Name: "Замеры"},
		{ID: "DEAL_STAGE_5", Name: "Стадии сделки: Subscriptions"},
	}
	if diff := cmp.Diff(want, got.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if len(got.Statuses) != 19 {
		t.Errorf("%d statuses, want 19", len(got.Statuses))
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	base := row("1", "STATUS", "NEW", "a", 10, "#39A8EF", crm.Open, true)
	with := func(edit func(*crm.Status)) crm.Status {
		s := base
		s.Raw = map[string]string{"ID": "1"}
		edit(&s)
		return s
	}
	plain := `"ID":"1","ENTITY_ID":"STATUS","STATUS_ID":"NEW","NAME":"a","SORT":"10","SYSTEM":"Y","COLOR":"#39A8EF","SEMANTICS":null`
	tests := []struct {
		name, old, now string
		want           crm.Status
	}{
		{"as documented", "", "", base},
		{"sort as a number", `"SORT":"10"`, `"SORT":10`, base},
		{"row ID as a number", `"ID":"1"`, `"ID":1`, base},
		{"no semantics", `,"SEMANTICS":null`, ``, base},
		{"empty semantics", `null`, `""`, base},
		{"P", `null`, `"P"`, base},
		{"S", `null`, `"S"`, with(func(s *crm.Status) { s.Outcome = crm.Won })},
		{"F", `null`, `"F"`, with(func(s *crm.Status) { s.Outcome = crm.Lost })},
		{"semantics never seen", `null`, `"X"`, with(func(s *crm.Status) { s.Outcome, s.Raw["SEMANTICS"] = crm.Unknown, "X" })},
		{"colour in small letters", `#39A8EF`, `#39a8ef`, base},
		{"colour of another form", `"#39A8EF"`, `"39A8EF"`, with(func(s *crm.Status) { s.Color, s.Raw["COLOR"] = "", "39A8EF" })},
		{"no colour", `"#39A8EF"`, `null`, with(func(s *crm.Status) { s.Color = "" })},
		{"made by people", `"SYSTEM":"Y"`, `"SYSTEM":"N"`, with(func(s *crm.Status) { s.System = false })},
		{"code that looks like a number", `"NEW"`, `"1"`, with(func(s *crm.Status) { s.Ref.ID = "1" })},
		{"escapes of the wire", `"a"`, `"\u0022\u0437\u0022 \u0026 \u003Cb\u003E \/ c"`, with(func(s *crm.Status) { s.Name = `"з" & <b> / c` })},
		{"name is cleaned", `"a"`, `" a\n\u0000b "`, with(func(s *crm.Status) { s.Name = "a  b" })},
		{"no name", `"a"`, `null`, with(func(s *crm.Status) { s.Name = "" })},
		{"unknown fields", plain, plain + `,"EXTRA":[],"NEXT":{"a":[1]}`, base},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fields := strings.Replace(plain, test.old, test.now, 1)
			got, err := mocked(t, httpmock.NewStringResponder(200, batched(t, map[string]string{
				"mode": "settings_mode_get_classic.json", "types": "status_entity_types.json",
				"statuses": `{"result":[{` + fields + `}],"total":1}`,
			}))).ListStatuses(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]crm.Status{test.want}, got.Statuses); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGoldenWireStyle(t *testing.T) {
	t.Parallel()
	got, err := mocked(t, httpmock.NewStringResponder(200, batched(t, map[string]string{
		"mode": "settings_mode_get_classic.json", "types": "status_entity_types.json", "statuses": "wire_style_escapes.json",
	}))).ListStatuses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []crm.Status{row("211", "STATUS", "UC_7TQ2KD", `"Звонок" & <чат> / бот`, 35, "#FFA900", crm.Open, false)}
	if diff := cmp.Diff(want, got.Statuses); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestAnswersThatAreNoListing(t *testing.T) {
	t.Parallel()
	without := func(key string) string {
		parts := map[string]string{}
		for k, v := range leads {
			if k != key {
				parts[k] = v
			}
		}
		return batched(t, parts)
	}
	withRows := func(rows string, total string) string {
		parts := map[string]string{"mode": leads["mode"], "types": leads["types"], "statuses": `{"result":` + rows + total + `}`}
		return batched(t, parts)
	}
	tests := []struct {
		name, body string
		kind       error
		says       string
	}{
		{"object without a batch", `{}`, crm.ErrBadResponse, "no batch"},
		{"null result", `{"result":null}`, crm.ErrBadResponse, "no batch"},
		{"result of a single call", golden(t, "status_list_lead.json"), crm.ErrBadResponse, "another form"},
		{"true", golden(t, "status_update_ok.json"), crm.ErrBadResponse, "another form"},
		{"empty batch", golden(t, "batch_empty_arrays.json"), crm.ErrBadResponse, ""},
		{"cut", golden(t, "batch_statuses.json")[:9000], crm.ErrBadResponse, "broken or cut"},
		{"html", "<html></html>", crm.ErrBadResponse, "HTML"},
		{"empty", "", crm.ErrBadResponse, "empty"},
		{"no mode", without("mode"), crm.ErrBadResponse, "crm.settings.mode.get"},
		{"no directories", without("types"), crm.ErrBadResponse, "crm.status.entity.types"},
		{"no statuses", without("statuses"), crm.ErrBadResponse, "crm.status.list"},
		{"null statuses", withRows(`null`, `,"total":0`), crm.ErrBadResponse, "crm.status.list"},
		{"no total", withRows(`[]`, ``), crm.ErrIncomplete, "did not say how many"},
		{"shortfall", withRows(`[{"ENTITY_ID":"STATUS","STATUS_ID":"NEW"}]`, `,"total":2`), crm.ErrIncomplete, "announced 2 statuses and showed 1"},
		{"more than announced", withRows(`[{"ENTITY_ID":"STATUS","STATUS_ID":"A"},{"ENTITY_ID":"STATUS","STATUS_ID":"B"}]`, `,"total":1`), crm.ErrBadResponse, "announced 1 statuses and showed 2"},
		{"duplicate row", withRows(`[{"ENTITY_ID":"STATUS","STATUS_ID":"A"},{"ENTITY_ID":"STATUS","STATUS_ID":"A"}]`, `,"total":2`), crm.ErrIncomplete, "showed 1"},
		{"row of another list", withRows(`[{"ENTITY_ID":"SOURCE","STATUS_ID":"A"}]`, `,"total":1`), crm.ErrIncomplete, "announced 1 statuses and showed 0"},
		{"row without a code", withRows(`[{"ENTITY_ID":"STATUS"}]`, `,"total":1`), crm.ErrBadResponse, "no ID"},
		{"code of another form", withRows(`[{"ENTITY_ID":"STATUS","STATUS_ID":[]}]`, `,"total":1`), crm.ErrBadResponse, "identifier"},
		{"null row", withRows(`[null]`, `,"total":1`), crm.ErrBadResponse, "row 1: a status that is no object"},
		{"row of no list", withRows(`[{"STATUS_ID":"NEW"}]`, `,"total":1`), crm.ErrBadResponse, "no ENTITY_ID"},
		{"mode as a text", strings.Replace(batched(t, leads), `"mode":1`, `"mode":"x"`, 1), crm.ErrBadResponse, "crm.settings.mode.get"},
		{"null directories", batched(t, map[string]string{"mode": leads["mode"], "types": `{"result":null}`, "statuses": leads["statuses"]}), crm.ErrBadResponse, "crm.status.entity.types: no list"},
		{"statuses as a text", withRows(`"x"`, `,"total":1`), crm.ErrBadResponse, "another form"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mocked(t, httpmock.NewStringResponder(200, test.body)).ListStatuses(t.Context())
			wantKind(t, err, test.kind)
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("error = %v, want it to say %q", err, test.says)
			}
			if diff := cmp.Diff(crm.Listing{}, got); diff != "" {
				t.Errorf("a failed call returned a listing (-want +got):\n%s", diff)
			}
		})
	}
}
