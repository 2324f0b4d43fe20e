package statuslink_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/memstore"
)

// richPlan is a plan with every kind of operation but reorder, and many
// findings.
func richPlan(t *testing.T) *statuslink.Plan {
	t.Helper()
	at := time.Date(2026, 8, 1, 9, 0, 0, 0, time.UTC)
	deal := func(id, name string, order int) statuslink.Link {
		return statuslink.Link{
			Ref: crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE", ID: id}, LinkedAt: at,
			Base: statuslink.Base{Name: name, Order: order, Ordered: true},
		}
	}
	gone := deal("GONE", "Думает", 0)
	gone.MissingSince, gone.Base.Ordered = at, false
	statuses := []statuslink.Status{
		{ID: "st_1", Key: "new", Name: "Первичное касание", Links: []statuslink.Link{deal("NEW", "Первичное касание", 10)}},
		{ID: "st_2", Key: "work", Name: "В работе 🛠", Links: []statuslink.Link{deal("WORK", "В работе 🛠", 20)}},
		{ID: "st_3", Key: "paid", Name: "Куплено", Links: []statuslink.Link{deal("PAID", "Оплачено", 30)}},
		{ID: "st_4", Name: "Думает", Links: []statuslink.Link{gone}},
		{ID: "st_5", Name: "日本", Links: []statuslink.Link{deal("JP", "日本", 50)}},
		{ID: "st_6", Name: "Отказ", Links: []statuslink.Link{deal("LOST", "Отказ", 60)}},
		{ID: "st_7", Name: "Спам", Aliases: []string{"Spam"}},
		{ID: "st_8", Name: "Дубль"},
		{ID: "st_9", Name: "дубль"},
	}
	for i := range statuses {
		statuses[i].Order = i
	}
	store, err := memstore.New(statuslink.State{
		Statuses: statuses,
		Ignored:  []statuslink.Ignored{{Ref: crm.Ref{Source: "bitrix24", Scope: "STATUS", ID: "TEST"}, Name: "Test", Since: at, Who: "anna"}},
		Scopes:   []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "bitrix24", ID: "DEAL_STAGE"}, Name: "Сделки"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	deals := crmfake.Listing("bitrix24", crm.Scope{ID: "DEAL_STAGE", Name: "Сделки"},
		crmfake.Status("WORK", "В работе 🛠"), crmfake.Status("NEW", "Первичный контакт"), crmfake.Status("PAID", "Оплата"),
		crmfake.Status("GONE", "Думает"), crmfake.Status("LOST2", "отказ"), crmfake.Status("\u202egpj.\n", "Злой \u202eгпж"))
	deals.Account = []string{"portal.example"}
	leads := crmfake.Listing("bitrix24", crm.Scope{ID: "STATUS", Name: "Лиды"},
		crmfake.Status("SPAM", "Spam"), crmfake.Status("TWIN", "ДУБЛЬ"), crmfake.Status("TEST", "Test"),
		crm.Status{Ref: crm.Ref{ID: "PINK"}, Name: "Розовый", Color: "pink"})
	down := crmfake.New("umnico")
	down.Play(crmfake.Step{Err: errors.New("no\nanswer")})
	catalog, err := statuslink.NewCatalog(store, &statuslink.Options{Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	syncer, err := statuslink.NewSyncer(catalog, nil, crmfake.New("bitrix24", crmfake.Join(deals, leads)), down)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := syncer.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// golden compares got with a file in testdata, which GOLDEN=write writes anew.
func golden(t *testing.T, promise, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: not as in %s (-want +got)\n%s", promise, path, diff)
	}
}

func TestPlanTable(t *testing.T) {
	t.Parallel()
	text := richPlan(t).String()
	golden(t, "a plan is a table grouped by scope, then findings, then a sum", "plan.txt", []byte(text))
	for _, r := range text {
		if r != '\n' && (r < ' ' || r == '\u202e') {
			t.Errorf("the table holds the character %U", r)
		}
	}
}

func TestPlanTableOfASequence(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	listing := stages("crm", "A", "B", "C", "D")
	listing.Statuses[1].Order, listing.Statuses[2].Order = 3, 2
	fake.Show(listing)
	want := `crm (Leads)
  reorder  4 statuses  B, C -> C, B: the CRM changed the sequence
1 operation: 1 reorder
`
	if diff := cmp.Diff(want, b.plan(syncer).String()); diff != "" {
		t.Errorf("a reorder shows what moves (-want +got)\n%s", diff)
	}
}

func TestPlanJSON(t *testing.T) {
	t.Parallel()
	plan := richPlan(t)
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	// Any change of the code may change these two.
	readable := strings.NewReplacer(plan.Digest(), "DIGEST", plan.Token(), "TOKEN").Replace(indented.String())
	golden(t, "a plan encodes with documented names", "plan.json", []byte(readable+"\n"))

	var decoded map[string]any
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "a plan", decoded, "digest", "empty", "findings", "operations", "token", "version")
	if decoded["token"] != plan.Token() || decoded["digest"] != plan.Digest() || decoded["empty"] != false {
		t.Errorf("token, digest and empty are the plan's: %v", decoded)
	}
	known := []string{"kind", "ref", "was", "status", "changes", "before", "after", "follows", "reason"}
	for _, op := range decoded["operations"].([]any) {
		for key := range op.(map[string]any) {
			if !slices.Contains(known, key) {
				t.Errorf("an operation has the undocumented key %q", key)
			}
		}
	}
	known = []string{"kind", "scope", "ref", "status", "field", "bot", "crm", "candidates", "more", "account", "message", "attention"}
	for i, finding := range decoded["findings"].([]any) {
		for key := range finding.(map[string]any) {
			if !slices.Contains(known, key) {
				t.Errorf("a finding has the undocumented key %q", key)
			}
		}
		if f := plan.Findings()[i]; finding.(map[string]any)["attention"] != f.Attention() {
			t.Errorf("finding %d does not tell whether it needs attention", i)
		}
	}
}

func wantKeys(t *testing.T, what string, object map[string]any, want ...string) {
	t.Helper()
	var got []string
	for key := range object {
		got = append(got, key)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s has other keys (-want +got)\n%s", what, diff)
	}
}

func TestEmptyPlan(t *testing.T) {
	t.Parallel()
	b, _, syncer := newLinkedBot(t)
	plan := b.plan(syncer)
	if got := plan.String(); got != "Nothing to do.\n" {
		t.Errorf("an empty plan reads %q", got)
	}
	text, err := json.Marshal(plan)
	b.must(err)
	if !strings.Contains(string(text), `"empty":true,"operations":[],"findings":[]`) {
		t.Errorf("an empty plan has empty lists, not null: %s", text)
	}
}

func TestSnapshotTable(t *testing.T) {
	t.Parallel()
	missing := statuslink.Link{
		Ref: crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE", ID: "C5:NEW"}, MissingSince: time.Date(2026, 8, 1, 23, 0, 0, 0, time.UTC),
	}
	snapshot, err := statuslink.NewSnapshot(1, statuslink.State{Statuses: []statuslink.Status{
		{ID: "1", Key: "new", Name: "Первичное касание", Color: "#AABBCC", Links: []statuslink.Link{{Ref: ref("umnico", "7")}, missing}},
		{ID: "2", Key: "paid", Name: "Оплачено ✅", Outcome: crm.Won},
		{ID: "3", Name: "日本語", Outcome: crm.Lost},
		{ID: "4", Name: "и\u0306 e\u0301", Outcome: crm.Open}, // two letters with marks
		{ID: "5", Name: "👨\u200d👩\u200d👧 🇷🇺", Outcome: crm.Open},
		{ID: "6", Name: "a\u202eb\u2066c", Outcome: crm.Open, Links: []statuslink.Link{{Ref: ref("x", "\x1b[31m\r\n")}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := `KEY   NAME               COLOR    OUTCOME  EXTERNAL IDS
new   Первичное касание  #AABBCC           umnico/7, bitrix24/DEAL_STAGE/C5:NEW (missing since 2026-08-01)
paid  Оплачено ✅                 won
      日本語                      lost
      ` + "и\u0306 e\u0301" + `                         open
      ` + "👨\u200d👩\u200d👧 🇷🇺" + `                       open
      a\u202eb\u2066c             open     x/\x1b[31m\r\n
`
	if diff := cmp.Diff(want, snapshot.String()); diff != "" {
		t.Errorf("a snapshot is a table, lined up and escaped (-want +got)\n%s", diff)
	}
	if got := new(statuslink.Snapshot).String(); got != "KEY  NAME  COLOR  OUTCOME  EXTERNAL IDS\n" {
		t.Errorf("an empty snapshot reads %q", got)
	}
}
