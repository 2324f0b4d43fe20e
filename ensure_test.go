package statuslink_test

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
)

func TestEnsureCreatesWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := newBot(t, "paid")
	b.clock.step = 1 // every reading is another instant
	definitions := []statuslink.Definition{
		{Key: "new", Name: " First\tcontact ", Aliases: []string{" Новый лид ", "Neu"}},
		{Key: "paid", Name: "Money came"},
		{Key: "lost", Name: "Lost", Outcome: crm.Lost},
	}
	b.wantWrites("all that is missing comes in one change", 1, func() error { return b.catalog.Ensure(t.Context(), definitions...) })
	b.wantKeys("the missing ones stand at the end, in the given order", "paid", "new", "lost")

	history, err := b.memory.History(t.Context(), 1)
	b.must(err)
	at := history[0].Note.At
	want := []statuslink.Status{
		b.status("paid"),
		{
			ID: "st_02", Key: "new", Name: "First contact", Aliases: []string{"Новый лид", "Neu"},
			Order: b.status("new").Order, Created: at, Updated: at,
		},
		{
			ID: "st_03", Key: "lost", Name: "Lost", Outcome: crm.Lost,
			Order: b.status("lost").Order, Created: at, Updated: at,
		},
	}
	if want[0].Name != "paid" {
		t.Errorf("Ensure renamed what exists to %q", want[0].Name)
	}
	if diff := cmp.Diff(want, b.snapshot().State().Statuses, exactTimes); diff != "" {
		t.Errorf("Ensure creates from the definitions, at the one instant of the change (-want +got)\n%s", diff)
	}
	definitions[0].Aliases[0] = "changed by the caller"
	if got := b.status("new").Aliases[0]; got != "Новый лид" {
		t.Errorf("the store shares the caller's slice: %q", got)
	}
}

func TestEnsureIsIdempotent(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	_, err := b.catalog.Edit(t.Context(), "new", func(s *statuslink.Status) { s.Name, s.Color = "Renamed by people", "#112233" })
	b.must(err)
	_, err = b.catalog.Link(t.Context(), "new", ref("crm", "1"))
	b.must(err)
	b.must(b.catalog.Reorder(t.Context(), "paid", "new"))
	before := b.snapshot()
	for range 3 {
		b.wantWrites("Ensure of what exists", 0, func() error {
			return b.catalog.Ensure(t.Context(),
				statuslink.Definition{Key: "new", Name: "new", Aliases: []string{"x"}, Outcome: crm.Open},
				statuslink.Definition{Key: "paid", Name: "paid"})
		})
	}
	b.wantWrites("Ensure of nothing", 0, func() error { return b.catalog.Ensure(t.Context()) })
	b.wantSame("Ensure changes nothing that exists", before)
}

// What cannot be kept is refused as a whole, by Ensure, Create and Edit alike.
func TestInvalidStatusesAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ё", crm.MaxName+1)
	for _, test := range []struct {
		name   string
		status statuslink.Status
		kind   error
		field  string
		create bool // Ensure cannot express it
	}{
		{"no name", statuslink.Status{Key: "bad"}, statuslink.ErrInvalid, "name", false},
		{"a blank name", statuslink.Status{Key: "bad", Name: " \t\u00a0\u200b "}, statuslink.ErrInvalid, "name", false},
		{"a name of 256 runes", statuslink.Status{Key: "bad", Name: long}, statuslink.ErrInvalid, "name", false},
		{"a blank alias", statuslink.Status{Key: "bad", Name: "Bad", Aliases: []string{"ok", " "}}, statuslink.ErrInvalid, "aliases", false},
		{"an alias of 256 runes", statuslink.Status{Key: "bad", Name: "Bad", Aliases: []string{long}}, statuslink.ErrInvalid, "aliases", false},
		{"an outcome that is none", statuslink.Status{Key: "bad", Name: "Bad", Outcome: 9}, statuslink.ErrInvalid, "outcome", false},
		{"a key in capitals", statuslink.Status{Key: "Bad", Name: "Bad"}, statuslink.ErrInvalid, "key", false},
		{"a key with a digit first", statuslink.Status{Key: "1bad", Name: "Bad"}, statuslink.ErrInvalid, "key", false},
		{"a key with a blank", statuslink.Status{Key: "b ad", Name: "Bad"}, statuslink.ErrInvalid, "key", false},
		{"a key of 65 letters", statuslink.Status{Key: strings.Repeat("b", 65), Name: "Bad"}, statuslink.ErrInvalid, "key", false},
		{"a taken key", statuslink.Status{Key: "new", Name: "Bad"}, statuslink.ErrDuplicate, "key", true},
		{"a colour by name", statuslink.Status{Key: "bad", Name: "Bad", Color: "red"}, statuslink.ErrInvalid, "color", true},
		{"a short colour", statuslink.Status{Key: "bad", Name: "Bad", Color: "#FFF"}, statuslink.ErrInvalid, "color", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBot(t, "new", "paid")
			before := b.snapshot()
			s := test.status
			if !test.create {
				err := b.catalog.Ensure(t.Context(),
					statuslink.Definition{Key: "good", Name: "Good"},
					statuslink.Definition{Key: s.Key, Name: s.Name, Aliases: s.Aliases, Outcome: s.Outcome})
				wantKind(t, "Ensure refuses it", err, test.kind, "ensure", test.field)
				b.wantSame("a refused Ensure creates nothing", before)
			}
			created, err := b.catalog.Create(t.Context(), s)
			wantKind(t, "Create refuses it", err, test.kind, "create", test.field)
			if diff := cmp.Diff(statuslink.Status{}, created); diff != "" {
				t.Errorf("a refused Create returns the zero Status (-want +got)\n%s", diff)
			}
			_, err = b.catalog.Edit(t.Context(), "paid", func(p *statuslink.Status) {
				p.Key, p.Name, p.Aliases, p.Color, p.Outcome = s.Key, s.Name, s.Aliases, s.Color, s.Outcome
			})
			wantKind(t, "Edit refuses it", err, test.kind, "edit", test.field)
			b.wantSame("what is refused changes nothing", before)
		})
	}
}

func TestEnsureRefusesDefinitionsOfOneKey(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	before := b.snapshot()
	for _, key := range []string{"new", "paid"} {
		err := b.catalog.Ensure(t.Context(),
			statuslink.Definition{Key: key, Name: "A"}, statuslink.Definition{Key: key, Name: "B"})
		wantKind(t, "two definitions of one key", err, statuslink.ErrDuplicate, "ensure", "key")
	}
	err := b.catalog.Ensure(t.Context(), statuslink.Definition{Name: "No key"})
	wantKind(t, "a definition without a key", err, statuslink.ErrInvalid, "ensure", "key")
	b.wantSame("refused definitions create nothing", before)
}

func TestConcurrentEnsureCreatesOnce(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	var wait sync.WaitGroup
	for range 8 {
		catalog := b.other()
		wait.Go(func() {
			err := catalog.Ensure(t.Context(),
				statuslink.Definition{Key: "new", Name: "New"}, statuslink.Definition{Key: "paid", Name: "Paid"})
			if err != nil {
				t.Errorf("Ensure of several engines at once: %v", err)
			}
		})
	}
	wait.Wait()
	b.wantKeys("each key is created once", "new", "paid")
}

// Another engine creates the same between reading and writing.
func TestEnsureThatComesSecondCreatesNothing(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	other := b.other()
	var once sync.Once
	b.store.before = func(statuslink.Changes) (err error) {
		once.Do(func() { err = other.Ensure(t.Context(), statuslink.Definition{Key: "paid", Name: "Theirs"}) })
		return err
	}
	b.must(b.catalog.Ensure(t.Context(), statuslink.Definition{Key: "paid", Name: "Ours"}, statuslink.Definition{Key: "lost", Name: "Lost"}))
	b.wantKeys("both engines' statuses exist once", "new", "paid", "lost")
	if name := b.status("paid").Name; name != "Theirs" {
		t.Errorf("the first one stays, but the name is %q", name)
	}
}

// The end of the range of Orders is reached in the middle of one Ensure.
func TestEnsureWhereOrdersRunOut(t *testing.T) {
	t.Parallel()
	for _, left := range []int{0, 1, 1024, 1500, 2047, 2048, 2049, 5000} {
		store, err := memstore.New(statuslink.State{Statuses: []statuslink.Status{
			{ID: "a", Key: "first", Name: "First"},
			{ID: "b", Key: "second", Name: "Second", Order: math.MaxInt/2 - left},
		}})
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := statuslink.NewCatalog(store, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = catalog.Ensure(t.Context(), statuslink.Definition{Key: "third", Name: "3"},
			statuslink.Definition{Key: "fourth", Name: "4"}, statuslink.Definition{Key: "fifth", Name: "5"})
		if err != nil {
			t.Fatalf("with %d left: %v", left, err)
		}
		b := &bot{t: t, memory: store}
		b.wantKeys("created statuses stand at the end in order", "first", "second", "third", "fourth", "fifth")
		if !b.status("first").Updated.IsZero() {
			t.Error("a renumbering that keeps the sequence moved Updated")
		}
	}
}
