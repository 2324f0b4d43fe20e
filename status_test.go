package statuslink_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// TestStatusRules checks what NewSnapshot and With make of each field: an error
// of kind ErrInvalid that names the field, or none.
func TestStatusRules(t *testing.T) {
	t.Parallel()
	name := func(name string) func(*statuslink.Status) { return func(s *statuslink.Status) { s.Name = name } }
	alias := func(alias string) func(*statuslink.Status) {
		return func(s *statuslink.Status) { s.Aliases = []string{"good", alias} }
	}
	key := func(key string) func(*statuslink.Status) { return func(s *statuslink.Status) { s.Key = key } }
	id := func(id string) func(*statuslink.Status) { return func(s *statuslink.Status) { s.ID = id } }
	color := func(color string) func(*statuslink.Status) { return func(s *statuslink.Status) { s.Color = color } }
	order := func(order int) func(*statuslink.Status) { return func(s *statuslink.Status) { s.Order = order } }
	link := func(link statuslink.Link) func(*statuslink.Status) {
		return func(s *statuslink.Status) {
			s.Links = []statuslink.Link{{Ref: crm.Ref{Source: "good", ID: "1"}}, link}
		}
	}
	good := crm.Ref{Source: "crm", ID: "1"}
	tests := []struct {
		name  string
		edit  func(*statuslink.Status)
		field string // empty if it is valid
	}{
		{"empty ID", id(""), "id"},
		{"ID with a control character", id("a\nb"), "id"},
		{"ID that is not UTF-8", id("a\xff"), "id"},
		{"ID with blanks around", id(" a"), "id"},
		{"any other ID", id("Ключ 1"), ""},

		{"no key", key(""), ""},
		{"key", key("a"), ""},
		{"key with all that is allowed", key("z-0-9-a-"), ""},
		{"longest key", key("k" + strings.Repeat("0", 63)), ""},
		{"key that is too long", key("k" + strings.Repeat("0", 64)), "key"},
		{"key that begins with a digit", key("1a"), "key"},
		{"key that begins with a hyphen", key("-a"), "key"},
		{"key in capitals", key("Paid"), "key"},
		{"key with a capital inside", key("inWork"), "key"},
		{"key with an underscore", key("in_work"), "key"},
		{"key with a blank", key("in work"), "key"},
		{"key in Cyrillic", key("оплачен"), "key"},

		{"empty name", name(""), "name"},
		{"blank name", name(" "), "name"},
		{"name that shows nothing", name("\u200b\u00ad"), "name"},
		{"name with a line break", name("a\nb"), "name"},
		{"name with an escape", name("a\x1b[31m"), "name"},
		{"name with a C1 control", name("a\u0085b"), "name"},
		{"name with a zero byte", name("a\x00b"), "name"},
		{"name that is not UTF-8", name("a\xff"), "name"},
		{"name with blanks before", name(" a"), "name"},
		{"name with blanks behind", name("a\u00a0"), "name"},
		{"longest name", name(strings.Repeat("👍", 255)), ""},
		{"name that is too long", name(strings.Repeat("a", 256)), "name"},
		{"name with invisible characters", name("👨\u200d👩 a\u200bb"), ""},

		{"empty alias", alias(""), "aliases"},
		{"alias that shows nothing", alias("\u200b"), "aliases"},
		{"alias with a control character", alias("a\tb"), "aliases"},
		{"alias that is too long", alias(strings.Repeat("a", 256)), "aliases"},
		{"alias like another", alias("good"), ""},

		{"no colour", color(""), ""},
		{"colour", color("#00FFA9"), ""},
		{"colour in small letters", color("#00ffa9"), "color"},
		{"colour by name", color("red"), "color"},
		{"short colour", color("#0FA"), "color"},
		{"colour with opacity", color("#00FFA900"), "color"},
		{"colour of no digits", color("#00FFAG"), "color"},

		{"greatest order", order(math.MaxInt / 2), ""},
		{"smallest order", order(-(math.MaxInt / 2)), ""},
		{"order that is too great", order(math.MaxInt/2 + 1), "order"},
		{"order that is too small", order(-(math.MaxInt / 2) - 1), "order"},

		{"known outcome", func(s *statuslink.Status) { s.Outcome = crm.Lost }, ""},
		{"unknown outcome", func(s *statuslink.Status) { s.Outcome = crm.Lost + 1 }, "outcome"},

		{"link", link(statuslink.Link{Ref: good}), ""},
		{"link without a source", link(statuslink.Link{Ref: crm.Ref{ID: "1"}}), "links"},
		{"link without an ID", link(statuslink.Link{Ref: crm.Ref{Source: "crm", Scope: "1"}}), "links"},
		{"link to a source that is not UTF-8", link(statuslink.Link{Ref: crm.Ref{Source: "\xff", ID: "1"}}), "links"},
		{"link to a scope that is not UTF-8", link(statuslink.Link{Ref: crm.Ref{Source: "crm", Scope: "\xff", ID: "1"}}), "links"},
		{"link to an ID that is not UTF-8", link(statuslink.Link{Ref: crm.Ref{Source: "crm", ID: "\xff"}}), "links"},
		{"link to an ID with a zero byte", link(statuslink.Link{Ref: crm.Ref{Source: "crm", ID: "a\x00"}}), "links"},
		{"base name that is not UTF-8", link(statuslink.Link{Ref: good, Base: statuslink.Base{Name: "\xff"}}), "links"},
		{"base colour that is not UTF-8", link(statuslink.Link{Ref: good, Base: statuslink.Base{Color: "\xff"}}), "links"},
		{"unknown outcome in a base", link(statuslink.Link{Ref: good, Base: statuslink.Base{Outcome: 9}}), "links"},
		{"any order in a base", link(statuslink.Link{Ref: good, Base: statuslink.Base{Order: math.MinInt, Ordered: true}}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := statuslink.Status{ID: "a", Name: "A"}
			tt.edit(&s)
			_, made := statuslink.NewSnapshot(1, statuslink.State{Statuses: []statuslink.Status{s}})
			_, created := new(statuslink.Snapshot).With(statuslink.Changes{Create: []statuslink.Status{s}})
			for what, err := range map[string]error{"NewSnapshot": made, "With": created} {
				if tt.field == "" {
					if err != nil {
						t.Errorf("%s refuses a valid status: %v", what, err)
					}
					continue
				}
				var e *statuslink.Error
				if !errors.Is(err, statuslink.ErrInvalid) || !errors.As(err, &e) || e.Field != tt.field {
					t.Errorf("%s says %v, want an *Error of kind ErrInvalid that names the field %q", what, err, tt.field)
				}
			}
		})
	}
}

func TestErrorNamesTheStatus(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]statuslink.Status{
		"Paid": {ID: "a", Key: "paid", Name: "Paid", Color: "red"},
		"paid": {ID: "a", Key: "paid"},
		"a":    {ID: "a"},
	} {
		_, err := statuslink.NewSnapshot(1, statuslink.State{Statuses: []statuslink.Status{s}})
		var e *statuslink.Error
		if !errors.As(err, &e) || e.Status != want {
			t.Errorf("the error %v does not name the status as %q", err, want)
		}
	}
}

func TestLeaderAndTarget(t *testing.T) {
	t.Parallel()
	gone := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a1 := statuslink.Link{Ref: crm.Ref{Source: "a", Scope: "1", ID: "x"}, MissingSince: gone}
	a2 := statuslink.Link{Ref: crm.Ref{Source: "a", Scope: "2", ID: "x"}}
	a2b := statuslink.Link{Ref: crm.Ref{Source: "a", Scope: "2", ID: "y"}}
	b := statuslink.Link{Ref: crm.Ref{Source: "b", ID: "x"}}
	s := statuslink.Status{ID: "s", Name: "S", Links: []statuslink.Link{a1, a2, a2b, b}}

	if got, ok := s.Leader(); !ok || got != a2 {
		t.Errorf("Leader = %v, %v; want the first link that is not missing, %v", got, ok, a2)
	}
	allGone := statuslink.Status{ID: "s", Name: "S", Links: []statuslink.Link{a1}}
	if got, ok := allGone.Leader(); ok {
		t.Errorf("Leader of missing links alone = %v, want none", got)
	}
	for _, tt := range []struct {
		source, scope string
		want          statuslink.Link
		found         bool
	}{
		{"a", "1", a1, true},
		{"a", "2", a2, true},
		{"b", "", b, true},
		{"a", "", statuslink.Link{}, false},
		{"b", "1", statuslink.Link{}, false},
		{"c", "", statuslink.Link{}, false},
	} {
		got, ok := s.Target(tt.source, tt.scope)
		if ok != tt.found || got != tt.want {
			t.Errorf("Target(%q, %q) = %v, %v; want the first link of the scope, missing or not: %v, %v",
				tt.source, tt.scope, got, ok, tt.want, tt.found)
		}
	}
	if !s.Linked(a1.Ref) || !s.Linked(b.Ref) || s.Linked(crm.Ref{Source: "b", ID: "X"}) || s.Linked(crm.Ref{}) {
		t.Error("Linked does not compare Refs byte for byte with all links")
	}
	if !a1.Missing() || b.Missing() {
		t.Error("Missing does not say whether MissingSince is set")
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	made := func() statuslink.Status {
		return statuslink.Status{
			ID: "a", Name: "A", Aliases: []string{"one", "two"},
			Links: []statuslink.Link{{Ref: crm.Ref{Source: "crm", ID: "1"}}, {Ref: crm.Ref{Source: "crm", ID: "2"}}},
		}
	}
	s := made()
	c := s.Clone()
	if diff := cmp.Diff(s, c); diff != "" {
		t.Fatalf("Clone differs (-want +got):\n%s", diff)
	}
	c.Aliases[0], c.Links[0].Ref.ID = "changed", "changed"
	c.Links = append(c.Links[:1], statuslink.Link{})
	if diff := cmp.Diff(made(), s); diff != "" {
		t.Errorf("changing a clone changed the original (-want +got):\n%s", diff)
	}
}
