package statuslink_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	b.clock.advance(time.Hour)
	b.clock.step = 1
	got, err := b.catalog.Create(t.Context(), statuslink.Status{
		ID: "mine", Key: "paid", Name: " Оплачено\n", Color: "#aabbcc", Outcome: crm.Won,
		Aliases: []string{" Paid "}, Order: -5, Links: []statuslink.Link{{Ref: ref("crm", "1")}},
		Created: time.Unix(1, 0), Updated: time.Unix(2, 0),
	})
	b.must(err)
	history, err := b.memory.History(t.Context(), 1)
	b.must(err)
	at := history[0].Note.At
	want := statuslink.Status{
		ID: "st_02", Key: "paid", Name: "Оплачено", Color: "#AABBCC", Outcome: crm.Won,
		Aliases: []string{"Paid"}, Order: got.Order, Created: at, Updated: at,
	}
	if diff := cmp.Diff(want, got, exactTimes); diff != "" {
		t.Errorf("Create takes Key, Name, Color, Outcome and Aliases, and sets the rest (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(got, b.status("paid"), exactTimes); diff != "" {
		t.Errorf("Create returns what the store has (-want +got)\n%s", diff)
	}
	b.wantKeys("a created status stands at the end", "new", "paid")
}

func TestCreateWithoutKey(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	for range 2 { // neither keys nor names have to be unique
		_, err := b.catalog.Create(t.Context(), statuslink.Status{Name: "Same"})
		b.must(err)
	}
	if n := b.snapshot().Len(); n != 2 {
		t.Errorf("%d statuses, want 2 without a key and of one name", n)
	}
	longest := strings.Repeat("ё", crm.MaxName)
	status, err := b.catalog.Create(t.Context(), statuslink.Status{Name: "\x00" + longest + "\n"})
	b.must(err)
	if status.Name != longest {
		t.Errorf("a name of 255 runes between control characters became %q", status.Name)
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	_, err := b.catalog.Link(t.Context(), "paid", ref("crm", "1"))
	b.must(err)
	before := b.status("paid")
	b.clock.advance(time.Hour)
	got, err := b.catalog.Edit(t.Context(), before.ID, func(s *statuslink.Status) {
		s.Key, s.Name, s.Color, s.Outcome = "bought", " Bought ", "#0a0b0c", crm.Won
		s.Aliases = append(s.Aliases, " Куплено")
	})
	b.must(err)
	want := before
	want.Key, want.Name, want.Color, want.Outcome = "bought", "Bought", "#0A0B0C", crm.Won
	want.Aliases, want.Updated = []string{"Куплено"}, b.clock.stored()
	if diff := cmp.Diff(want, got, exactTimes); diff != "" {
		t.Errorf("Edit changes what it is told to, and Updated (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(want, b.status("bought"), exactTimes); diff != "" {
		t.Errorf("Edit returns what the store has (-want +got)\n%s", diff)
	}
	cleared, err := b.catalog.Edit(t.Context(), "bought", func(s *statuslink.Status) {
		s.Key, s.Color, s.Outcome, s.Aliases = "", "", crm.Unknown, nil
	})
	b.must(err)
	if cleared.Key+cleared.Color != "" || cleared.Outcome != crm.Unknown || cleared.Aliases != nil {
		t.Errorf("fields can be cleared, got %+v", cleared)
	}
}

func TestEditThatChangesNothingWritesNothing(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	before := b.snapshot()
	b.clock.advance(time.Hour)
	for name, edit := range map[string]func(*statuslink.Status){
		"an empty edit":              func(*statuslink.Status) {},
		"the name that it has":       func(s *statuslink.Status) { s.Name = " new\t" },
		"an empty slice for a nil":   func(s *statuslink.Status) { s.Aliases, s.Links = []string{}, []statuslink.Link{} },
		"a time in another location": func(s *statuslink.Status) { s.Created = s.Created.In(time.FixedZone("X", 60)) },
	} {
		b.wantWrites(name, 0, func() error {
			status, err := b.catalog.Edit(t.Context(), "new", edit)
			if status.ID != "st_01" {
				t.Errorf("%s: Edit returns %+v", name, status)
			}
			return err
		})
	}
	b.wantSame("an edit that changes nothing", before)
}

func TestEditRefusesWhatOtherMethodsDo(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	_, err := b.catalog.Link(t.Context(), "new", ref("crm", "1"))
	b.must(err)
	before := b.snapshot()
	for name, edit := range map[string]func(*statuslink.Status){
		"the ID":             func(s *statuslink.Status) { s.ID = "st_99" },
		"the Order":          func(s *statuslink.Status) { s.Order++ },
		"a link more":        func(s *statuslink.Status) { s.Links = append(s.Links, statuslink.Link{Ref: ref("crm", "2")}) },
		"a link less":        func(s *statuslink.Status) { s.Links = nil },
		"a link in place":    func(s *statuslink.Status) { s.Links[0].Base.Name = "x" },
		"when it was made":   func(s *statuslink.Status) { s.Created = time.Unix(1, 0) },
		"when it moved last": func(s *statuslink.Status) { s.Updated = time.Unix(1, 0) },
	} {
		_, err := b.catalog.Edit(t.Context(), "new", edit)
		wantKind(t, "Edit of "+name, err, statuslink.ErrInvalid, "edit", "")
	}
	b.wantSame("a refused edit changes nothing", before)

	called := false
	_, err = b.catalog.Edit(t.Context(), "nowhere", func(*statuslink.Status) { called = true })
	wantKind(t, "Edit of an unknown status", err, statuslink.ErrNotFound, "edit", "")
	if called {
		t.Error("the function is called without a status")
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	base := statuslink.Base{Name: "CRM's", Color: "#111111", Outcome: crm.Won}
	for _, test := range []struct {
		name   string
		links  []statuslink.Link
		fields []statuslink.Field
		want   [3]string // name, colour, outcome
		writes int64
	}{
		{"the name", []statuslink.Link{{Ref: ref("crm", "1"), Base: base}}, []statuslink.Field{statuslink.FieldName}, [3]string{"CRM's", "#999999", "lost"}, 1},
		{"the colour", []statuslink.Link{{Ref: ref("crm", "1"), Base: base}}, []statuslink.Field{statuslink.FieldColor}, [3]string{"Bot's", "#111111", "lost"}, 1},
		{"the outcome", []statuslink.Link{{Ref: ref("crm", "1"), Base: base}}, []statuslink.Field{statuslink.FieldOutcome}, [3]string{"Bot's", "#999999", "won"}, 1},
		{"all without fields", []statuslink.Link{{Ref: ref("crm", "1"), Base: base}}, nil, [3]string{"CRM's", "#111111", "won"}, 1},
		{"what the CRM never said stays", []statuslink.Link{{Ref: ref("crm", "1")}}, nil, [3]string{"Bot's", "#999999", "lost"}, 0},
		{"the leader's, not another link's", []statuslink.Link{
			{Ref: ref("crm", "1"), Base: statuslink.Base{Name: "Gone"}, MissingSince: time.Unix(1, 0)},
			{Ref: ref("crm", "2"), Base: base},
			{Ref: ref("crm", "3"), Base: statuslink.Base{Name: "Second"}},
		}, []statuslink.Field{statuslink.FieldName}, [3]string{"CRM's", "#999999", "lost"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBot(t)
			b.must(applyTo(t, b.memory, statuslink.Changes{Create: []statuslink.Status{
				{ID: "st_x", Key: "x", Name: "Bot's", Color: "#999999", Outcome: crm.Lost, Links: test.links},
			}}))
			b.wantWrites("Follow", test.writes, func() error {
				s, err := b.catalog.Follow(t.Context(), "x", test.fields...)
				if got := [3]string{s.Name, s.Color, s.Outcome.String()}; got != test.want {
					t.Errorf("the fields are %q, want %q", got, test.want)
				}
				return err
			})
			b.wantWrites("Follow again", 0, func() error {
				_, err := b.catalog.Follow(t.Context(), "x", test.fields...)
				return err
			})
		})
	}
}

func TestFollowRefuses(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	_, err := b.catalog.Link(t.Context(), "paid", ref("crm", "1"))
	b.must(err)
	before := b.snapshot()
	_, err = b.catalog.Follow(t.Context(), "new")
	wantKind(t, "nothing to follow", err, statuslink.ErrNotLinked, "follow", "")
	_, err = b.catalog.Follow(t.Context(), "nowhere")
	wantKind(t, "an unknown status", err, statuslink.ErrNotFound, "follow", "")
	_, err = b.catalog.Follow(t.Context(), "paid", statuslink.FieldName, statuslink.FieldOrder)
	wantKind(t, "a field that does not follow", err, statuslink.ErrInvalid, "follow", "")
	b.wantSame("a refused Follow changes nothing", before)
}
