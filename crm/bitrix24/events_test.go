package bitrix24_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/crmhook"
)

const (
	eventMember    = "0123456789abcdef0123456789abcdef"
	eventAppToken  = "apptoken-example-app-1"
	eventHookToken = "apptoken-example-hook-1"
)

func eventFixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func eventSource(t testing.TB, opts bitrix24.EventOptions) *bitrix24.Events {
	t.Helper()
	if opts.Tokens == nil && opts.Portal == nil {
		opts.Tokens = []string{eventAppToken, eventHookToken}
	}
	events, err := bitrix24.NewEvents(opts)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func eventRequest(t testing.TB, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/events", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// eventServe returns the HTTP status, and fails if there is anything beside it.
func eventServe(t testing.TB, events http.Handler, r *http.Request) int {
	t.Helper()
	w := httptest.NewRecorder()
	events.ServeHTTP(w, r)
	if w.Body.Len() > 0 {
		t.Errorf("the answer says %q, want a status alone", w.Body)
	}
	return w.Code
}

func eventPost(t testing.TB, events http.Handler, body string) int {
	t.Helper()
	return eventServe(t, events, eventRequest(t, body))
}

// eventChange is the body of a message about a lead.
func eventChange(lead int) string {
	return fmt.Sprintf("event=ONCRMLEADUPDATE&data[FIELDS][ID]=%d&auth[application_token]=%s", lead, eventAppToken)
}

// eventDeliver posts while a Run drains, and returns the status and what was
// handed over.
func eventDeliver(t *testing.T, events *bitrix24.Events, r *http.Request) (status int, got []crm.Event) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- events.Run(ctx, func(_ context.Context, event crm.Event) { got = append(got, event) })
		}()
		synctest.Wait()
		status = eventServe(t, events, r)
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v, want the end of its context", err)
		}
	})
	return status, got
}

func TestEventFixtures(t *testing.T) {
	t.Parallel()
	lead := crm.LeadRef{Source: "bitrix24", Kind: "lead", ID: "4521"}
	deal := crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: "880"}
	item := crm.LeadRef{Source: "bitrix24", Kind: "dynamic:177", ID: "24"}
	want := map[string]crm.Event{
		"event_lead_add.form":                  {Kind: crm.EventLeadCreated, Type: "ONCRMLEADADD", Lead: crm.LeadRef{Source: "bitrix24", Kind: "lead", ID: "4530"}},
		"event_lead_update.form":               {Kind: crm.EventLeadChanged, Type: "ONCRMLEADUPDATE", Lead: lead},
		"event_lead_update_ru.form":            {Kind: crm.EventLeadChanged, Type: "ONCRMLEADUPDATE", Lead: lead},
		"event_lead_update_no_tokens.form":     {Kind: crm.EventLeadChanged, Type: "ONCRMLEADUPDATE", Lead: lead},
		"event_lead_delete.form":               {Kind: crm.EventLeadDeleted, Type: "ONCRMLEADDELETE", Lead: lead},
		"event_deal_add.form":                  {Kind: crm.EventLeadCreated, Type: "ONCRMDEALADD", Lead: crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: "882"}},
		"event_deal_update.form":               {Kind: crm.EventLeadChanged, Type: "ONCRMDEALUPDATE", Lead: deal},
		"event_deal_delete.form":               {Kind: crm.EventLeadDeleted, Type: "ONCRMDEALDELETE", Lead: deal},
		"event_deal_move_to_category.form":     {Kind: crm.EventLeadMoved, Type: "ONCRMDEALMOVETOCATEGORY", Lead: deal, Status: crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE_5", ID: "C5:NEW"}},
		"event_dynamic_item_update.form":       {Kind: crm.EventLeadChanged, Type: "ONCRMDYNAMICITEMUPDATE", Lead: item},
		"event_dynamic_item_update_typed.form": {Kind: crm.EventLeadChanged, Type: "ONCRMDYNAMICITEMUPDATE_177", Lead: item},
		"event_webhook_lead_update.form":       {Kind: crm.EventLeadChanged, Type: "ONCRMLEADUPDATE", Lead: lead},
		"event_webhook_deal_update.form":       {Kind: crm.EventLeadChanged, Type: "ONCRMDEALUPDATE", Lead: deal},
		"event_webhook_minimal.form":           {Kind: crm.EventLeadChanged, Type: "ONCRMDEALUPDATE", Lead: deal},
		"event_app_install.form":               {Type: "ONAPPINSTALL"},
		"event_app_uninstall.form":             {Type: "ONAPPUNINSTALL"},
		"event_offline.form":                   {Type: "ONOFFLINEEVENT"},
		"event_app_test.form":                  {Type: "ONAPPTEST"},
	}
	refused := map[string]bool{"event_webhook_bad_token.form": true}
	files, err := filepath.Glob("testdata/event_*.form")
	if err != nil || len(files) != len(want)+len(refused) {
		t.Fatalf("%d fixtures, %v, want %d", len(files), err, len(want)+len(refused))
	}
	for _, file := range files {
		name := filepath.Base(file)
		plain, err := url.QueryUnescape(eventFixture(t, name)) // no value here holds a sign that matters
		if err != nil {
			t.Fatal(err)
		}
		for form, body := range map[string]string{"as sent": eventFixture(t, name), "without codes": plain} {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				events := eventSource(t, bitrix24.EventOptions{})
				status, got := eventDeliver(t, events, eventRequest(t, body))
				if refused[name] {
					if status != http.StatusForbidden || len(got) > 0 || events.Stats() != (crmhook.Stats{Refused: 1}) {
						t.Errorf("HTTP %d, events %v, %+v; want 403", status, got, events.Stats())
					}
					return
				}
				event := want[name]
				event.Source, event.At, event.Raw = "bitrix24", time.Unix(1787212800, 0).UTC(), crm.Body(body)
				if status != http.StatusOK || len(got) != 1 || !cmp.Equal(got[0], event) || got[0].At.Location() != time.UTC {
					t.Errorf("HTTP %d, events %+v, want one\n%+v", status, got, event)
				}
				if stats := events.Stats(); stats != (crmhook.Stats{Accepted: 1, Handled: 1}) {
					t.Errorf("stats %+v", stats)
				}
			})
		}
	}
}

func TestEventTypes(t *testing.T) {
	t.Parallel()
	ref := func(kind string) crm.LeadRef { return crm.LeadRef{Source: "Портал", Kind: kind, ID: "7"} }
	stage := func(scope, id string) crm.Ref { return crm.Ref{Source: "Портал", Scope: scope, ID: id} }
	for body, want := range map[string]crm.Event{
		"event=onCrmLeadUpdate&data[FIELDS][ID]=7":                                                                {Kind: crm.EventLeadChanged, Type: "ONCRMLEADUPDATE", Lead: ref("lead")},
		"event=ONCRMQUOTEADD&data[FIELDS][ID]=7":                                                                  {Kind: crm.EventLeadCreated, Type: "ONCRMQUOTEADD", Lead: ref("quote")},
		"event=ONCRMQUOTEUPDATE&data[FIELDS][ID]=7":                                                               {Kind: crm.EventLeadChanged, Type: "ONCRMQUOTEUPDATE", Lead: ref("quote")},
		"event=ONCRMQUOTEDELETE&data[FIELDS][ID]=7":                                                               {Kind: crm.EventLeadDeleted, Type: "ONCRMQUOTEDELETE", Lead: ref("quote")},
		"event=ONCRMDYNAMICITEMADD&data[FIELDS][ID]=7&data[FIELDS][ENTITY_TYPE_ID]=31":                            {Kind: crm.EventLeadCreated, Type: "ONCRMDYNAMICITEMADD", Lead: ref("invoice")},
		"event=ONCRMDYNAMICITEMADD_31&data[FIELDS][ID]=7":                                                         {Kind: crm.EventLeadCreated, Type: "ONCRMDYNAMICITEMADD_31", Lead: ref("invoice")},
		"event=OnCrmDynamicItemDelete_1044&data[FIELDS][ID]=7":                                                    {Kind: crm.EventLeadDeleted, Type: "ONCRMDYNAMICITEMDELETE_1044", Lead: ref("dynamic:1044")},
		"event=ONCRMDYNAMICITEMUPDATE_Сделка&data[FIELDS][ID]=7":                                                  {Type: "ONCRMDYNAMICITEMUPDATE_СДЕЛКА"},
		"event=ONCRMDYNAMICITEM_177&data[FIELDS][ID]=7":                                                           {Type: "ONCRMDYNAMICITEM_177"},
		"event=ONCRMLEADUPDATE_177&data[FIELDS][ID]=7":                                                            {Type: "ONCRMLEADUPDATE_177"},
		"event=ONCRMCONTACTADD&data[FIELDS][ID]=7":                                                                {Type: "ONCRMCONTACTADD"},
		"event=ONCRMDEALUSERFIELDADD&data[FIELDS][ID]=7":                                                          {Type: "ONCRMDEALUSERFIELDADD"},
		"event=+ON%00OTHER%0A":                                                                                    {Type: "ON OTHER"},
		"event=ONCRMDEALMOVETOCATEGORY&data[FIELDS][ID]=7&data[FIELDS][CATEGORY_ID]=0&data[FIELDS][STAGE_ID]=NEW": {Kind: crm.EventLeadMoved, Type: "ONCRMDEALMOVETOCATEGORY", Lead: ref("deal"), Status: stage("DEAL_STAGE", "NEW")},
		// A status that cannot be told has to be read.
		"event=ONCRMDEALMOVETOCATEGORY&data[FIELDS][ID]=7":                                                              {Kind: crm.EventLeadMoved, Type: "ONCRMDEALMOVETOCATEGORY", Lead: ref("deal")},
		"event=ONCRMDEALMOVETOCATEGORY&data[FIELDS][ID]=7&data[FIELDS][STAGE_ID]=C2:NEW":                                {Kind: crm.EventLeadMoved, Type: "ONCRMDEALMOVETOCATEGORY", Lead: ref("deal")},
		"event=ONCRMDEALMOVETOCATEGORY&data[FIELDS][ID]=7&data[FIELDS][CATEGORY_ID]=2":                                  {Kind: crm.EventLeadMoved, Type: "ONCRMDEALMOVETOCATEGORY", Lead: ref("deal")},
		"event=ONCRMDEALMOVETOCATEGORY&data[FIELDS][ID]=7&data[FIELDS][CATEGORY_ID]=-2&data[FIELDS][STAGE_ID]=C2:NEW":   {Kind: crm.EventLeadMoved, Type: "ONCRMDEALMOVETOCATEGORY", Lead: ref("deal")},
		"event=ONCRMDEALMOVETOCATEGORY&data[FIELDS][ID]=7&data[FIELDS][CATEGORY_ID]=2&data[FIELDS][STAGE_ID]=C2:%00NEW": {Kind: crm.EventLeadMoved, Type: "ONCRMDEALMOVETOCATEGORY", Lead: ref("deal")},
		// Times that cannot be meant.
		"event=ONAPPTEST&ts=0":            {Type: "ONAPPTEST"},
		"event=ONAPPTEST&ts=yesterday":    {Type: "ONAPPTEST"},
		"event=ONAPPTEST&ts=-1":           {Type: "ONAPPTEST"},
		"event=ONAPPTEST&ts=253402300800": {Type: "ONAPPTEST"},
		"event=ONAPPTEST&ts=253402300799": {Type: "ONAPPTEST", At: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		// As PHP reads a form: the last counts, and a lone % is one.
		"event=ONAPPTEST&&data[FIELDS][ID]=100%&event=ONCRMLEADADD&data[FIELDS][ID]=7&data[FIELDS]": {Kind: crm.EventLeadCreated, Type: "ONCRMLEADADD", Lead: ref("lead")},
		"event=ON%zzAPP%4&%=%": {Type: "ON%ZZAPP%4"},
		"%65vent=ONAPPTEST&data%5bFIELDS%5d%5BNAME%5D=Иванов": {Type: "ONAPPTEST"},
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			body := body + "&auth[application_token]=" + eventAppToken
			status, got := eventDeliver(t, eventSource(t, bitrix24.EventOptions{Source: "Портал"}), eventRequest(t, body))
			want := want
			want.Source, want.Raw = "Портал", crm.Body(body)
			if status != http.StatusOK || len(got) != 1 || !cmp.Equal(got[0], want) {
				t.Errorf("HTTP %d, events %+v, want one\n%+v", status, got, want)
			}
		})
	}
}

func TestEventsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	deep := "data[QUERY]" + strings.Repeat("[a]", 63)
	for name, test := range map[string]struct {
		body string
		want int
	}{
		"nothing":                  {"", 400},
		"JSON":                     {`{"event":"ONCRMLEADUPDATE"}`, 400},
		"no name":                  {"data[FIELDS][ID]=7", 400},
		"an empty name":            {"event=%00+&data[FIELDS][ID]=7", 400},
		"no lead":                  {"event=ONCRMLEADUPDATE", 400},
		"an empty lead":            {"event=ONCRMLEADUPDATE&data[FIELDS][ID]=", 400},
		"lead 0":                   {"event=ONCRMLEADUPDATE&data[FIELDS][ID]=0", 400},
		"lead -7":                  {"event=ONCRMLEADUPDATE&data[FIELDS][ID]=-7", 400},
		"lead 07":                  {"event=ONCRMLEADUPDATE&data[FIELDS][ID]=07", 400},
		"a lead with a blank":      {"event=ONCRMLEADUPDATE&data[FIELDS][ID]=7+", 400},
		"a lead beyond numbers":    {"event=ONCRMLEADUPDATE&data[FIELDS][ID]=9223372036854775808", 400},
		"the greatest lead":        {"event=ONCRMLEADUPDATE&data[FIELDS][ID]=9223372036854775807", 200},
		"an item without its type": {"event=ONCRMDYNAMICITEMADD&data[FIELDS][ID]=7", 400},
		"an item of a wrong type":  {"event=ONCRMDYNAMICITEMADD&data[FIELDS][ID]=7&data[FIELDS][ENTITY_TYPE_ID]=x", 400},
		"an item of two types":     {"event=ONCRMDYNAMICITEMADD_177&data[FIELDS][ID]=7&data[FIELDS][ENTITY_TYPE_ID]=178", 400},
		"many fields":              {"event=ONAPPTEST" + strings.Repeat("&a", 998), 200},
		"too many fields":          {"event=ONAPPTEST" + strings.Repeat("&a", 999), 400},
		"a deep field":             {"event=ONAPPTEST&" + deep, 200},
		"a field too deep":         {"event=ONAPPTEST&" + deep + "[a]", 400},
		"a coded field too deep":   {"event=ONAPPTEST&" + strings.ReplaceAll(deep, "[", "%5B") + "%5ba]", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := eventSource(t, bitrix24.EventOptions{})
			status, got := eventDeliver(t, events, eventRequest(t, test.body+"&auth[application_token]="+eventAppToken))
			accepted := len(got) == 1 && events.Stats() == crmhook.Stats{Accepted: 1, Handled: 1}
			malformed := len(got) == 0 && events.Stats() == crmhook.Stats{Malformed: 1}
			if status != test.want || (test.want == 200) != accepted || (test.want == 400) != malformed {
				t.Errorf("HTTP %d, events %+v, %+v; want %d", status, got, events.Stats(), test.want)
			}
		})
	}
}

// eventSlow gives one byte at a time and breaks off at its end if err is set.
type eventSlow struct {
	rest string
	err  error
}

func (s *eventSlow) Read(p []byte) (int, error) {
	if s.rest == "" {
		if s.err != nil {
			return 0, s.err
		}
		return 0, io.EOF
	}
	n := copy(p[:min(1, len(p))], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func TestEventRequests(t *testing.T) {
	t.Parallel()
	const size = 2000
	body := eventChange(7)
	full := body + "&data[NAME]=" + strings.Repeat("x", size-len(body)-len("&data[NAME]="))
	unsized := func(r *http.Request) { r.ContentLength = -1 }
	for name, test := range map[string]struct {
		body   string
		change func(*http.Request)
		want   int
	}{
		"plain": {body, nil, 200},
		"with a charset": {body, func(r *http.Request) {
			r.Header.Set("Content-Type", "Application/X-WWW-Form-Urlencoded ; charset=UTF-8")
		}, 200},
		"without a type":               {body, func(r *http.Request) { r.Header.Del("Content-Type") }, 200},
		"JSON":                         {body, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 415},
		"multipart":                    {body, func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") }, 415},
		"GET":                          {body, func(r *http.Request) { r.Method = http.MethodGet }, 405},
		"PUT":                          {body, func(r *http.Request) { r.Method = http.MethodPut }, 405},
		"the greatest size":            {full, nil, 200},
		"the greatest size, not told":  {full, unsized, 200},
		"told to be smaller":           {full, func(r *http.Request) { r.ContentLength = 3 }, 200},
		"told to be huge":              {body, func(r *http.Request) { r.ContentLength = 1 << 60 }, 200},
		"too large":                    {full + "x", nil, 413},
		"too large, not told":          {full + "x", unsized, 413},
		"byte by byte":                 {full, func(r *http.Request) { r.Body = io.NopCloser(&eventSlow{rest: full}); unsized(r) }, 200},
		"broken off":                   {full, func(r *http.Request) { r.Body = io.NopCloser(&eventSlow{full, io.ErrUnexpectedEOF}) }, 400},
		"broken off, nothing had come": {full, func(r *http.Request) { r.Body = io.NopCloser(&eventSlow{"", io.ErrUnexpectedEOF}) }, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := eventSource(t, bitrix24.EventOptions{MaxBody: size})
			r := eventRequest(t, test.body)
			if test.change != nil {
				test.change(r)
			}
			status, got := eventDeliver(t, events, r)
			if status != test.want || (len(got) == 1) != (test.want == 200) {
				t.Errorf("HTTP %d, %d events, want %d", status, len(got), test.want)
			}
			if len(got) == 1 && string(got[0].Raw) != test.body {
				t.Error("Raw is not what came")
			}
			if stats := events.Stats(); test.want != 200 && stats != (crmhook.Stats{Malformed: 1}) {
				t.Errorf("stats %+v", stats)
			}
		})
	}
	w := httptest.NewRecorder()
	eventSource(t, bitrix24.EventOptions{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if allow := w.Header().Get("Allow"); allow != http.MethodPost {
		t.Errorf("Allow is %q", allow)
	}
}

func TestEventDefaultSize(t *testing.T) {
	t.Parallel()
	body := eventChange(7) + "&data[NAME]="
	body += strings.Repeat("x", 64<<10-len(body))
	if status, got := eventDeliver(t, eventSource(t, bitrix24.EventOptions{}), eventRequest(t, body)); status != 200 || len(got) != 1 {
		t.Errorf("64 KiB: HTTP %d, %d events", status, len(got))
	}
	if status, _ := eventDeliver(t, eventSource(t, bitrix24.EventOptions{}), eventRequest(t, body+"x")); status != 413 {
		t.Errorf("beyond 64 KiB: HTTP %d", status)
	}
}

func TestEventSenders(t *testing.T) {
	t.Parallel()
	portal := func(_ context.Context, memberID string) (token, source string, err error) {
		switch memberID {
		case "one":
			return "token-of-one", "", nil
		case "two":
			return "token-of-two", "Второй портал", nil
		case "gone":
			return "", "gone", nil
		case "down":
			return "token-of-down", "down", errors.New("the table of portals is away")
		}
		return "", "", nil
	}
	one, both := []string{eventAppToken}, []string{eventAppToken, " \tтокен & знак\u200b\n"}
	for name, test := range map[string]struct {
		opts   bitrix24.EventOptions
		auth   string
		want   int
		source string
	}{
		"the token":                          {bitrix24.EventOptions{Tokens: one}, "&auth[application_token]=" + eventAppToken, 200, "bitrix24"},
		"another":                            {bitrix24.EventOptions{Tokens: one}, "&auth[application_token]=" + eventHookToken, 403, ""},
		"in another case":                    {bitrix24.EventOptions{Tokens: one}, "&auth[application_token]=" + strings.ToUpper(eventAppToken), 403, ""},
		"a part":                             {bitrix24.EventOptions{Tokens: one}, "&auth[application_token]=" + eventAppToken[:8], 403, ""},
		"more":                               {bitrix24.EventOptions{Tokens: one}, "&auth[application_token]=" + eventAppToken + "1", 403, ""},
		"an empty one":                       {bitrix24.EventOptions{Tokens: one}, "&auth[application_token]=", 403, ""},
		"none":                               {bitrix24.EventOptions{Tokens: one}, "", 403, ""},
		"in another place":                   {bitrix24.EventOptions{Tokens: one}, "&application_token=" + eventAppToken, 403, ""},
		"deeper":                             {bitrix24.EventOptions{Tokens: one}, "&auth[application_token][]=" + eventAppToken, 403, ""},
		"the last counts":                    {bitrix24.EventOptions{Tokens: one}, "&auth[application_token]=" + eventAppToken + "&auth[application_token]=x", 403, ""},
		"the first of two":                   {bitrix24.EventOptions{Tokens: both}, "&auth[application_token]=" + eventAppToken, 200, "bitrix24"},
		"the second of two, with codes":      {bitrix24.EventOptions{Tokens: both, Source: "Портал"}, "&auth%5Bapplication_token%5D=" + url.QueryEscape("токен & знак"), 200, "Портал"},
		"a portal":                           {bitrix24.EventOptions{Portal: portal, Source: "Все"}, "&auth[member_id]=one&auth[application_token]=token-of-one", 200, "Все"},
		"a portal with a source":             {bitrix24.EventOptions{Portal: portal}, "&auth[member_id]=two&auth[application_token]=token-of-two", 200, "Второй портал"},
		"a portal's with that of another":    {bitrix24.EventOptions{Portal: portal}, "&auth[member_id]=two&auth[application_token]=token-of-one", 403, ""},
		"a portal's without its member":      {bitrix24.EventOptions{Portal: portal}, "&auth[application_token]=token-of-one", 403, ""},
		"an unknown portal":                  {bitrix24.EventOptions{Portal: portal}, "&auth[member_id]=three&auth[application_token]=token-of-one", 403, ""},
		"an unknown portal without a token":  {bitrix24.EventOptions{Portal: portal}, "&auth[member_id]=gone&auth[application_token]=", 403, ""},
		"an unknown portal with some token":  {bitrix24.EventOptions{Portal: portal}, "&auth[member_id]=gone&auth[application_token]=x", 403, ""},
		"a portal that cannot be looked up":  {bitrix24.EventOptions{Portal: portal}, "&auth[member_id]=down&auth[application_token]=token-of-down", 503, ""},
		"a token beside portals":             {bitrix24.EventOptions{Portal: portal, Tokens: one}, "&auth[member_id]=down&auth[application_token]=" + eventAppToken, 200, "bitrix24"},
		"a portal beside tokens":             {bitrix24.EventOptions{Portal: portal, Tokens: one}, "&auth[member_id]=two&auth[application_token]=token-of-two", 200, "Второй портал"},
		"only one portal":                    {bitrix24.EventOptions{Tokens: one, MemberID: "one"}, "&auth[member_id]=one&auth[application_token]=" + eventAppToken, 200, "bitrix24"},
		"only one portal, another":           {bitrix24.EventOptions{Tokens: one, MemberID: "one"}, "&auth[member_id]=two&auth[application_token]=" + eventAppToken, 403, ""},
		"only one portal, none":              {bitrix24.EventOptions{Tokens: one, MemberID: "one"}, "&auth[application_token]=" + eventAppToken, 403, ""},
		"only one of the portals":            {bitrix24.EventOptions{Portal: portal, MemberID: "one"}, "&auth[member_id]=two&auth[application_token]=token-of-two", 403, ""},
		"only one portal proves no sender":   {bitrix24.EventOptions{Tokens: one, MemberID: "one"}, "&auth[member_id]=one&auth[application_token]=x", 403, ""},
		"a stranger whose event has no lead": {bitrix24.EventOptions{Tokens: one}, "&data[FIELDS][ID]=&auth[application_token]=x", 403, ""},
		"an installation without an Install": {bitrix24.EventOptions{Tokens: one}, "&event=ONAPPINSTALL&auth[application_token]=x", 403, ""},
		"a member that is none is not asked": {bitrix24.EventOptions{Portal: eventNobody(t)}, "&auth[member_id]=../one&auth[application_token]=x", 403, ""},
		"a member that is too long":          {bitrix24.EventOptions{Portal: eventNobody(t)}, "&auth[member_id]=" + strings.Repeat("a", 65) + "&auth[application_token]=x", 403, ""},
		"nobody is asked without a token":    {bitrix24.EventOptions{Portal: eventNobody(t)}, "&auth[member_id]=one", 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := eventSource(t, test.opts)
			status, got := eventDeliver(t, events, eventRequest(t, "event=ONCRMLEADUPDATE&data[FIELDS][ID]=7"+test.auth))
			if status != test.want || (len(got) == 1) != (test.want == 200) {
				t.Fatalf("HTTP %d, events %v, want %d", status, got, test.want)
			}
			if len(got) == 1 && (got[0].Source != test.source || got[0].Lead.Source != test.source) {
				t.Errorf("source %q, lead %v, want %q", got[0].Source, got[0].Lead, test.source)
			}
			want := map[int]crmhook.Stats{200: {Accepted: 1, Handled: 1}, 403: {Refused: 1}, 503: {Unchecked: 1}}[test.want]
			if stats := events.Stats(); stats != want {
				t.Errorf("stats %+v, want %+v", stats, want)
			}
		})
	}
}

// eventNobody is a Portal that must not be asked.
func eventNobody(t *testing.T) func(context.Context, string) (string, string, error) {
	return func(_ context.Context, memberID string) (string, string, error) {
		t.Errorf("asked for %q", memberID)
		return "x", "", nil
	}
}

func TestEventPortalHasTheRequestsContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	events := eventSource(t, bitrix24.EventOptions{Portal: func(ctx context.Context, memberID string) (string, string, error) {
		if ctx.Value(key{}) != "of the request" || memberID != eventMember {
			t.Errorf("Portal was asked for %q with another context", memberID)
		}
		return eventAppToken, "", nil
	}})
	r := eventRequest(t, eventFixture(t, "event_lead_update.form"))
	status, got := eventDeliver(t, events, r.WithContext(context.WithValue(r.Context(), key{}, "of the request")))
	if status != 200 || len(got) != 1 {
		t.Errorf("HTTP %d, %d events", status, len(got))
	}
}

func TestNewEventsChecksOptions(t *testing.T) {
	t.Parallel()
	const secret = "token-that-must-not-be-seen"
	for name, opts := range map[string]bitrix24.EventOptions{
		"no sender":           {},
		"no token":            {Tokens: []string{}},
		"an empty token":      {Tokens: []string{secret, ""}},
		"a blank token":       {Tokens: []string{secret, " \u200b"}},
		"a member of nobody":  {Tokens: []string{secret}, MemberID: "b24.example.com"},
		"a negative size":     {Tokens: []string{secret}, QueueSize: -1},
		"a negative body":     {Tokens: []string{secret}, MaxBody: -1},
		"a negative number":   {Tokens: []string{secret}, Workers: -1},
		"Install and no more": {Install: func(context.Context, bitrix24.Install) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts.Source = "Портал"
			events, err := bitrix24.NewEvents(opts)
			if events != nil || err == nil || !strings.HasPrefix(err.Error(), "Портал: event options: ") || strings.Contains(err.Error(), secret) {
				t.Errorf("%v, error %v", events, err)
			}
		})
	}
}

func TestEventsArePrintedWithoutSecrets(t *testing.T) {
	t.Parallel()
	opts := bitrix24.EventOptions{Source: "Портал", Tokens: []string{eventAppToken}}
	events := eventSource(t, opts)
	opts.Tokens[0] = "another"
	if status, _ := eventDeliver(t, events, eventRequest(t, eventChange(1))); status != 200 {
		t.Errorf("the options were not copied: HTTP %d", status)
	}
	if events.Source() != "Портал" || eventSource(t, bitrix24.EventOptions{}).Source() != bitrix24.DefaultSource {
		t.Errorf("Source is %q", events.Source())
	}
	opts.Tokens[0] = eventAppToken
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(verb, events); text != "bitrix24.Events(Портал)" {
			t.Errorf("%s prints %s", verb, text)
		}
		for _, value := range []any{opts, &opts, []bitrix24.EventOptions{opts}} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, "example") || !strings.Contains(text, "bitrix24.EventOptions") {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
}

func TestEventsAreLoggedWithoutSecrets(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	const personal = "&data[NAME]=Иван+Иванов&data[PHONE]=79000000021"
	events := eventSource(t, bitrix24.EventOptions{
		Tokens: []string{eventAppToken}, Logger: logger, QueueSize: 1,
		Portal: func(context.Context, string) (string, string, error) {
			return "", "", errors.New("password=secret-of-the-table")
		},
		Install: func(context.Context, bitrix24.Install) error { return errors.New("secret-of-the-installer") },
	})
	eventDeliver(t, events, eventRequest(t, eventChange(7)+personal))                                        // accepted
	eventPost(t, events, eventChange(7)+personal)                                                            // nobody drains
	eventPost(t, events, "event=ONCRMLEADUPDATE&auth[application_token]="+eventAppToken+personal)            // no lead
	eventPost(t, events, "event=ON79000000021&auth[application_token]=another-token"+personal)               // stranger
	eventPost(t, events, "event=ON79000000021&auth[member_id]=m1&auth[application_token]=x-token"+personal)  // portal's error
	eventPost(t, events, eventFixture(t, "event_app_install.form")+personal)                                 // install's error
	eventPost(t, events, "79000000021")                                                                      // nothing
	eventServe(t, events, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?79000000021", nil)) // no POST
	want := `level=DEBUG msg="crm event" source=bitrix24 answer=accepted type=ONCRMLEADUPDATE
level=WARN msg="crm event" source=bitrix24 answer="lost: nobody drains the queue" type=ONCRMLEADUPDATE
level=INFO msg="crm event" source=bitrix24 answer="no event that can be read" type=ONCRMLEADUPDATE
level=INFO msg="crm event" source=bitrix24 answer="sender refused" type=""
level=WARN msg="crm event" source=bitrix24 answer="sender could not be checked" type=""
level=INFO msg="crm event" source=bitrix24 answer="sender refused" type=""
level=INFO msg="crm event" source=bitrix24 answer="no event that can be read" type=""
level=INFO msg="crm event" source=bitrix24 answer="no POST" type=""
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if stats := events.Stats(); stats != (crmhook.Stats{Accepted: 1, Handled: 1, Refused: 2, Unchecked: 1, Stopped: 1, Malformed: 3}) {
		t.Errorf("stats %+v", stats)
	}
}
