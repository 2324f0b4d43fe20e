package storetest

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

var valueChecks = []check{
	{"SortsByOrderThenID", sortsByOrder},
	{"KeepsEveryOrder", keepsEveryOrder},
	{"KeepsUnicode", keepsUnicode},
	{"KeepsLongTexts", keepsLongTexts},
	{"ComparesRefsByteForByte", comparesRefs},
	{"KeepsTimes", keepsTimes},
	{"KeepsOutcomes", keepsOutcomes},
	{"KeepsThousands", keepsThousands},
}

func compare(a, b string) int { return cmp.Compare(a, b) }

// sortsByOrder: statuses come sorted by Order, then by ID byte for byte,
// however they were given.
func sortsByOrder(t *test) {
	var want []statuslink.Status
	for _, order := range []int{-5, 0, 3} {
		for _, id := range []string{"A", "Z", "a", "z", "ж"} {
			s := status(fmt.Sprintf("%s%d", id, order))
			s.Order = order
			want = append(want, s)
		}
	}
	given := slices.Clone(want)
	slices.Reverse(given)
	t.create(given...)
	t.holds("statuses are not sorted by Order, then ID", statuslink.State{Statuses: want})

	for i := range want {
		want[i].Order = -want[i].Order
	}
	t.update(want...)
	slices.SortFunc(want, func(a, b statuslink.Status) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), compare(a.ID, b.ID))
	})
	t.holds("statuses are not sorted by their new Order", statuslink.State{Statuses: want})
}

// keepsEveryOrder: an Order may be any int up to half of the greatest, and in a
// Base any int, since it is the CRM's.
func keepsEveryOrder(t *test) {
	var want []statuslink.Status
	for i, order := range []int{math.MinInt + 2, math.MinInt / 3, -1, 0, 1, math.MaxInt / 3, math.MaxInt - 1, math.MaxInt} {
		s := status(fmt.Sprint("s", i))
		s.Order = order / 2
		s.Links = []statuslink.Link{{Ref: crm.Ref{Source: "crm", ID: s.ID}, Base: statuslink.Base{Order: order, Ordered: true}}}
		want = append(want, s)
	}
	t.create(want...)
	t.holds("an Order is not kept", statuslink.State{Statuses: want})
}

// texts are names that weak storage mangles.
var texts = []string{
	"Новая заявка",
	"\u0439", // й, composed
	"\u0438\u0306",
	"Ёлка", "Елка",
	"👨‍👩‍👧‍👦 семья", "❤\ufe0f", "❤", "🇺🇦", "👍🏽",
	"שלום עולם", "مرحبا", "\u202bimplicit\u202c",
	"日本語", "ﬁ", "ß", "ẞ", "İstanbul", "ı",
	"a\u00a0b", "a\u200bb", "a\u00adb", "zero\u2060width",
	`quote " and ' and \ and %s and {{.}} and ; --`, "<b>&amp;</b>", "line\u2028separator", "NULL", "null", "0", "\ufffd", "\U0010ffff",
}

// keepsUnicode: every text is kept byte for byte, neither composed nor
// decomposed, escaped or folded.
func keepsUnicode(t *test) {
	want := statuslink.State{}
	for i, text := range texts {
		s := statuslink.Status{ID: fmt.Sprintf("%02d", i), Name: text, Aliases: []string{text, "alias " + text}}
		ref := crm.Ref{Source: "crm", Scope: text, ID: text}
		s.Links = []statuslink.Link{{Ref: ref, Base: statuslink.Base{Name: text}}}
		want.Statuses = append(want.Statuses, s)
		want.Ignored = append(want.Ignored, statuslink.Ignored{Ref: crm.Ref{Source: "other", ID: text}, Name: text, Who: text})
		want.Scopes = append(want.Scopes, statuslink.Scope{ScopeKey: statuslink.ScopeKey{Source: "crm", ID: text}, Name: text})
	}
	slices.SortFunc(want.Ignored, func(a, b statuslink.Ignored) int { return compare(a.Ref.ID, b.Ref.ID) })
	slices.SortFunc(want.Scopes, func(a, b statuslink.Scope) int { return compare(a.ID, b.ID) })
	names := slices.Clone(texts)
	slices.Sort(names)
	want.Accounts = []statuslink.Account{{Source: "crm", Names: names}}
	t.apply(creation(want))
	t.holds("a text is not kept byte for byte", want)
}

// keepsLongTexts: texts may be as long as a CRM makes them; a name has up to
// 255 runes of up to four bytes.
func keepsLongTexts(t *test) {
	s := statuslink.Status{
		ID:   strings.Repeat("ж", crm.MaxName),
		Key:  strings.Repeat("k", 64),
		Name: strings.Repeat("👍", crm.MaxName),
	}
	long := strings.Repeat("long ", 400) + "."
	for i := range 50 {
		s.Aliases = append(s.Aliases, fmt.Sprintf("%03d%s", i, strings.Repeat("я", crm.MaxName-3)))
		s.Links = append(s.Links, statuslink.Link{
			Ref: crm.Ref{Source: "crm", Scope: long, ID: fmt.Sprint(long, i)}, Base: statuslink.Base{Name: long},
		})
	}
	want := statuslink.State{
		Statuses: []statuslink.Status{s},
		Ignored:  []statuslink.Ignored{{Ref: crm.Ref{Source: "crm", Scope: long, ID: long}, Name: long, Who: long}},
		Scopes:   []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "crm", ID: long}, Name: long}},
		Accounts: []statuslink.Account{{Source: "crm", Names: []string{long}}},
	}
	t.apply(creation(want))
	t.holds("a long text is not kept", want)
}

// comparesRefs: IDs, Refs and scopes are compared byte for byte: what differs
// in case, composition, blanks or leading zeros is not the same.
func comparesRefs(t *test) {
	ids := []string{"C5:NEW", "C5:new", "\u0439", "\u0438\u0306", "1", "01", "1 ", "1.0", "ss", "ß", "a\u200bb", "ab"}
	slices.Sort(ids)
	var want statuslink.State
	for i, id := range ids {
		s := status(fmt.Sprintf("%02d", i))
		s.Links = []statuslink.Link{
			{Ref: crm.Ref{Source: "crm", ID: id}}, {Ref: crm.Ref{Source: id, ID: "1"}}, {Ref: crm.Ref{Source: "crm", Scope: id, ID: "1"}},
		}
		want.Statuses = append(want.Statuses, s)
		want.Ignored = append(want.Ignored, statuslink.Ignored{Ref: crm.Ref{Source: "other", ID: id}})
		want.Scopes = append(want.Scopes, statuslink.Scope{ScopeKey: statuslink.ScopeKey{Source: "crm", ID: id}})
		want.Accounts = append(want.Accounts, statuslink.Account{Source: id, Names: []string{"account"}})
	}
	t.apply(creation(want))
	t.holds("Refs that differ are taken for one", want)
	now := t.load()
	for i, id := range ids {
		if got, ok := now.ByRef(crm.Ref{Source: "crm", ID: id}); !ok || got.ID != want.Statuses[i].ID {
			t.Errorf("the status linked to %q is %q (found: %v), want %q", id, got.ID, ok, want.Statuses[i].ID)
		}
	}
	t.apply(statuslink.Changes{Restore: []crm.Ref{{Source: "other", ID: "C5:NEW"}}})
	if now := t.load(); now.IsIgnored(crm.Ref{Source: "other", ID: "C5:NEW"}) || !now.IsIgnored(crm.Ref{Source: "other", ID: "C5:new"}) {
		t.Errorf("restoring a Ref did not restore that one alone")
	}
}

// keepsTimes: times are kept as instants, to the microsecond, whatever their
// zone; the zero time stays zero.
func keepsTimes(t *test) {
	east, west := time.FixedZone("east", 5*3600+45*60), time.FixedZone("west", -9*3600-30*60)
	given := []time.Time{
		{},
		time.Date(2026, 3, 29, 1, 59, 59, 999999000, time.UTC), // around a change of clocks
		time.Date(2026, 3, 29, 3, 0, 0, 1000, time.FixedZone("summer", 2*3600)),
		time.Date(2026, 1, 1, 0, 30, 0, 123456789, east), // still last year in UTC
		time.Date(2025, 12, 31, 23, 30, 0, 123456000, west),
		time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(2345, 6, 7, 8, 9, 10, 11000, time.UTC),
		time.Unix(0, 0),
	}
	var want statuslink.State
	var changes statuslink.Changes
	for i, at := range given {
		ref := crm.Ref{Source: "crm", ID: fmt.Sprint(i)}
		s := status(fmt.Sprint(i))
		s.Created, s.Updated = at, at
		s.Links = []statuslink.Link{{Ref: ref, LinkedAt: at, MissingSince: at}}
		changes.Create = append(changes.Create, s)
		ref.Source = "other"
		changes.Ignore = append(changes.Ignore, statuslink.Ignored{Ref: ref, Since: at})

		at = at.UTC().Truncate(time.Microsecond)
		s = s.Clone()
		s.Created, s.Updated, s.Links[0].LinkedAt, s.Links[0].MissingSince = at, at, at, at
		want.Statuses = append(want.Statuses, s)
		want.Ignored = append(want.Ignored, statuslink.Ignored{Ref: ref, Since: at})
	}
	t.apply(changes)
	t.holds("a time is not kept to the microsecond", want)
	if now := t.load(); !now.At(0).Created.IsZero() || now.At(0).Links[0].Missing() {
		t.Errorf("a zero time is zero no longer")
	}
}

// keepsOutcomes: each outcome is kept, Unknown as unknown.
func keepsOutcomes(t *test) {
	var want statuslink.State
	for i, outcome := range []crm.Outcome{crm.Unknown, crm.Open, crm.Won, crm.Lost} {
		s := status(fmt.Sprint(i))
		s.Outcome = outcome
		want.Statuses = append(want.Statuses, s)
	}
	t.create(want.Statuses...)
	t.holds("an outcome is not kept", want)
}

// keepsThousands: a store holds a few thousand statuses, made and changed at
// once.
func keepsThousands(t *test) {
	const many = 3000
	var want statuslink.State
	for i := range many {
		s := status(fmt.Sprintf("%04d", i))
		s.Order = i
		for j := range 3 {
			s.Links = append(s.Links, statuslink.Link{Ref: crm.Ref{Source: "crm", Scope: fmt.Sprint(j), ID: s.ID}})
		}
		want.Statuses = append(want.Statuses, s)
	}
	t.create(want.Statuses...)
	t.holdsMany("of thousands of statuses some are lost", want.Statuses)

	remove := make([]string, 0, many/2)
	kept := want.Statuses[:0:0]
	for i, s := range want.Statuses {
		if i%2 == 0 {
			remove = append(remove, s.ID)
			continue
		}
		s.Name = "Changed " + s.ID
		kept = append(kept, s)
	}
	t.apply(statuslink.Changes{Update: kept, Remove: remove})
	t.holdsMany("a change of thousands of statuses is not made whole", kept)
}

// holdsMany is holds for many statuses: it shows the first difference only,
// since that of long lists takes long.
func (t *test) holdsMany(promise string, want []statuslink.Status) {
	t.Helper()
	got := t.load().State().Statuses
	if len(got) != len(want) {
		t.Errorf("%s: there are %d, want %d", promise, len(got), len(want))
		return
	}
	for i := range want {
		if reflect.DeepEqual(want[i], got[i]) {
			continue
		}
		if diff := gocmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("%s; the first that differs (-want +got):\n%s", promise, diff)
			return
		}
	}
}
