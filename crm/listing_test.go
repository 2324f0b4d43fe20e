package crm_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm"
)

// good returns a listing that is valid.
func good() crm.Listing {
	return crm.Listing{
		Source:  "crm",
		Account: []string{"one.example.com", "100500"},
		Scopes:  []crm.Scope{{ID: "a", Announced: 2}, {ID: "b"}, {ID: "c"}},
		Exists:  []string{"c", "b", "a", "d"},
		Statuses: []crm.Status{
			{Ref: crm.Ref{Source: "crm", Scope: "a", ID: "1"}},
			{Ref: crm.Ref{Source: "crm", Scope: "b", ID: "1"}},
			{Ref: crm.Ref{Source: "crm", Scope: "a", ID: "2"}},
		},
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		spoil func(*crm.Listing)
		want  error
	}{
		{"good", func(*crm.Listing) {}, nil},
		{"cannot tell what exists", func(l *crm.Listing) { l.Exists = nil }, nil},
		{"values are not judged", func(l *crm.Listing) { l.Statuses[0].Name, l.Statuses[0].Color = "\x00", "rot" }, nil},
		{"zero value", func(l *crm.Listing) { *l = crm.Listing{} }, crm.ErrBadResponse},
		{"no source", func(l *crm.Listing) { l.Source = "" }, crm.ErrBadResponse},
		{"empty account name", func(l *crm.Listing) { l.Account[0] = "" }, crm.ErrBadResponse},
		{"account name twice", func(l *crm.Listing) { l.Account[0] = "100500" }, crm.ErrBadResponse},
		{"account name not UTF-8", func(l *crm.Listing) { l.Account[0] = "\xff" }, crm.ErrBadResponse},
		{"account name with a zero byte", func(l *crm.Listing) { l.Account[0] = "a\x00" }, crm.ErrBadResponse},
		{"scope twice", func(l *crm.Listing) { l.Scopes[2].ID = "b" }, crm.ErrBadResponse},
		{"scope not UTF-8", func(l *crm.Listing) { l.Scopes[2].ID = "\xff" }, crm.ErrBadResponse},
		{"scope with a zero byte", func(l *crm.Listing) { l.Scopes[2].ID = "a\x00" }, crm.ErrBadResponse},
		{"scope does not exist", func(l *crm.Listing) { l.Exists = []string{"a", "b"} }, crm.ErrBadResponse},
		{"fewer rows than announced", func(l *crm.Listing) { l.Scopes[0].Announced = 3 }, crm.ErrIncomplete},
		{"no row of those announced", func(l *crm.Listing) { l.Scopes[2].Announced = 1 }, crm.ErrIncomplete},
		{"more rows than announced", func(l *crm.Listing) { l.Scopes[0].Announced = 1 }, crm.ErrBadResponse},
		{"negative announcement", func(l *crm.Listing) { l.Scopes[0].Announced = -1 }, crm.ErrBadResponse},
		{"row without ID", func(l *crm.Listing) { l.Statuses[1].Ref.ID = "" }, crm.ErrBadResponse},
		{"row of another source", func(l *crm.Listing) { l.Statuses[1].Ref.Source = "other" }, crm.ErrBadResponse},
		{"row outside the scopes", func(l *crm.Listing) { l.Statuses[1].Ref.Scope = "d" }, crm.ErrBadResponse},
		{"row not UTF-8", func(l *crm.Listing) { l.Statuses[1].Ref.ID = "\xff" }, crm.ErrBadResponse},
		{"row with a zero byte", func(l *crm.Listing) { l.Statuses[1].Ref.ID = "a\x00" }, crm.ErrBadResponse},
		{"row twice", func(l *crm.Listing) { l.Statuses[2] = l.Statuses[0] }, crm.ErrBadResponse},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			listing := good()
			test.spoil(&listing)
			err := listing.Validate()
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Fatalf("error %v, want kind %v", err, test.want)
			}
			var detail *crm.Error
			if err != nil && (!errors.As(err, &detail) || detail.Source != listing.Source || detail.Op == "") {
				t.Errorf("the error %#v does not tell source and operation", err)
			}
		})
	}
}

func TestErrorTellsWhereWhatAndWhy(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := fmt.Errorf("outside: %w", &crm.Error{
		Kind: crm.ErrRateLimited, Source: "crm", Op: "list statuses", Status: 429, Code: "QUERY_LIMIT",
		Message: "too much", RetryAfter: 3e9, Err: cause,
	})
	want := "outside: crm: list statuses: rate limited (HTTP 429 Too Many Requests, code QUERY_LIMIT, retry after 3s): too much: cause"
	if err.Error() != want {
		t.Errorf("text\n%s, want\n%s", err, want)
	}
	if !errors.Is(err, cause) || !errors.Is(crm.Kind(err), crm.ErrRateLimited) {
		t.Errorf("cause or kind is lost: %v", crm.Kind(err))
	}
	if kind := crm.Kind(cause); kind != nil {
		t.Errorf("an error without a kind has kind %v", kind)
	}
	if text := (&crm.Error{}).Error(); text == "" || len((&crm.Error{}).Unwrap()) != 0 {
		t.Errorf("the zero Error says %q", text)
	}
}

func TestCleanName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, want string }{
		{"clean", "Первичное касание ✅", "Первичное касание ✅"},
		{"trimmed", " \u00a0В работе\t\n", "В работе"},
		{"control characters", "a\x00b\u0085c", "a b c"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"long", strings.Repeat("ж", 300), strings.Repeat("ж", 255)},
		{"long with a blank at the cut", strings.Repeat("ж", 254) + "  x", strings.Repeat("ж", 254)},
		{"decomposed stays", "и\u0306", "и\u0306"},
		{"empty", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := crm.CleanName(test.in); got != test.want {
				t.Errorf("CleanName(%q) is %q, want %q", test.in, got, test.want)
			}
		})
	}
}

func TestCleanColor(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"#2F80ED": "#2F80ED", "#55d0e0": "#55D0E0", "": "", "2F80ED": "", "#FFF": "", "#2F80EG": "", "#2F80ED0": "", "red": "", "#ффф": "",
	} {
		if got := crm.CleanColor(in); got != want {
			t.Errorf("CleanColor(%q) is %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("Первичное касание", "#55d0e0")
	f.Add(strings.Repeat("\u00a0ж\x00", 200), "#")
	f.Fuzz(func(t *testing.T, name, color string) {
		clean := crm.CleanName(name)
		if again := crm.CleanName(clean); again != clean {
			t.Errorf("cleaning %q twice gives %q, once %q", name, again, clean)
		}
		if clean != strings.ToValidUTF8(clean, "") || len([]rune(clean)) > crm.MaxName || strings.TrimSpace(clean) != clean {
			t.Errorf("CleanName(%q) is %q", name, clean)
		}
		if c := crm.CleanColor(color); c != "" && (c != strings.ToUpper(color) || crm.CleanColor(c) != c) {
			t.Errorf("CleanColor(%q) is %q", color, c)
		}
	})
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	for _, o := range []crm.Outcome{crm.Unknown, crm.Open, crm.Won, crm.Lost} {
		text, err := o.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back crm.Outcome
		if err := back.UnmarshalText(text); err != nil || back != o {
			t.Errorf("%v comes back as %v (%v)", o, back, err)
		}
		if err := back.UnmarshalText([]byte(o.String())); err != nil || back != o {
			t.Errorf("the text of %v comes back as %v (%v)", o, back, err)
		}
		for _, p := range []crm.Outcome{crm.Unknown, crm.Open, crm.Won, crm.Lost} {
			if got, want := o.Contradicts(p), o != crm.Unknown && p != crm.Unknown && o != p; got != want {
				t.Errorf("%v contradicts %v: %v", o, p, got)
			}
		}
	}
	bad := crm.Lost + 1
	if _, err := bad.MarshalText(); err == nil || bad.Valid() || !strings.Contains(bad.String(), "4") {
		t.Errorf("outcome %v is taken for a good one", bad)
	}
	if err := new(crm.Outcome).UnmarshalText([]byte("Won")); err == nil {
		t.Error("an unknown text is taken for an outcome")
	}
}

func TestBodyShowsItsLengthOnly(t *testing.T) {
	t.Parallel()
	event := crm.Event{Raw: crm.Body("+7 900 000-00-21")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(verb, event); strings.Contains(text, "900") || strings.Contains(text, "393030") || strings.Contains(text, "57 48") {
			t.Errorf("%s shows the body: %s", verb, text)
		}
	}
}

func TestRefForPeople(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]fmt.Stringer{
		"umnico/710201":              crm.Ref{Source: "umnico", ID: "710201"},
		"bitrix24/DEAL_STAGE_5/C5:1": crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE_5", ID: "C5:1"},
		"bitrix24/deal/17":           crm.LeadRef{Source: "bitrix24", Kind: "deal", ID: "17"},
	} {
		if got.String() != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

// A client of a stranger checks its listing before it hands it out.
func ExampleListing_Validate() {
	listing := crm.Listing{
		Source: "mycrm",
		Scopes: []crm.Scope{{ID: "sales", Announced: 3}}, // the answer said "total": 3
		Statuses: []crm.Status{
			{Ref: crm.Ref{Source: "mycrm", Scope: "sales", ID: "new"}, Name: "New"},
			{Ref: crm.Ref{Source: "mycrm", Scope: "sales", ID: "won"}, Name: "Won", Order: 1, Outcome: crm.Won},
		},
	}
	err := listing.Validate()
	fmt.Println(err)
	fmt.Println(errors.Is(err, crm.ErrIncomplete))
	// Output:
	// mycrm: list statuses: incomplete: scope "sales" announced 3 statuses and showed 2
	// true
}
