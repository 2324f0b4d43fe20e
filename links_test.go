package statuslink_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

func (b *bot) link(key string, refs ...crm.Ref) {
	b.t.Helper()
	for _, ref := range refs {
		_, err := b.catalog.Link(b.t.Context(), key, ref)
		b.must(err)
	}
}

// wantLinks checks the Refs of a status in order.
func (b *bot) wantLinks(promise, key string, want ...crm.Ref) {
	b.t.Helper()
	var got []crm.Ref
	for _, link := range b.status(key).Links {
		got = append(got, link.Ref)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%s: wrong links (-want +got)\n%s", promise, diff)
	}
}

func (b *bot) wantIgnored(promise string, want ...statuslink.Ignored) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.snapshot().State().Ignored, exactTimes); diff != "" {
		b.t.Errorf("%s: wrong ignored Refs (-want +got)\n%s", promise, diff)
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	b.clock.step = 1
	first, again := crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE", ID: "NEW"}, crm.Ref{Source: "bitrix24", Scope: "DEAL_STAGE", ID: "NEW2"}
	b.must(b.catalog.Ignore(t.Context(), again, "No answer 2"))
	b.clock.advance(time.Hour)
	b.wantWrites("Link", 1, func() error {
		status, err := b.catalog.Link(t.Context(), "new", first)
		history, _ := b.memory.History(t.Context(), 1)
		want := b.status("new")
		if want.Updated = history[0].Note.At; len(want.Links) == 1 {
			want.Links = []statuslink.Link{{Ref: first, LinkedAt: history[0].Note.At}}
		}
		if diff := cmp.Diff(want, status, exactTimes); diff != "" {
			t.Errorf("Link adds a link without Base, at the instant of the change (-want +got)\n%s", diff)
		}
		return err
	})
	b.link("st_01", again)
	b.wantLinks("links stand in the order in which they were made", "new", first, again)
	linked := b.status("new")
	if target, ok := linked.Target("bitrix24", "DEAL_STAGE"); !ok || target.Ref != first {
		t.Errorf("the first link of a scope stays the target, got %v", target.Ref)
	}
	b.wantIgnored("linking by hand ends the ignoring")
	b.wantWrites("Link of what is linked", 0, func() error {
		status, err := b.catalog.Link(t.Context(), "new", first)
		if status.ID != "st_01" {
			t.Errorf("Link returns the status, got %+v", status)
		}
		return err
	})
}

func TestLinkRefuses(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	b.link("new", ref("crm", "1"))
	before := b.snapshot()
	for _, test := range []struct {
		name, key string
		ref       crm.Ref
		kind      error
		field     string
	}{
		{"a Ref of another status", "paid", ref("crm", "1"), statuslink.ErrDuplicate, "links"},
		{"a Ref without ID", "paid", ref("crm", ""), statuslink.ErrInvalid, "links"},
		{"a Ref without source", "paid", ref("", "1"), statuslink.ErrInvalid, "links"},
		{"a Ref that no store can hold", "paid", ref("crm", "\xff"), statuslink.ErrInvalid, "links"},
		{"an unknown status", "nowhere", ref("crm", "2"), statuslink.ErrNotFound, ""},
	} {
		status, err := b.catalog.Link(t.Context(), test.key, test.ref)
		wantKind(t, test.name, err, test.kind, "link", test.field)
		if status.ID != "" {
			t.Errorf("%s: a refused Link returns the zero Status, got %+v", test.name, status)
		}
	}
	b.wantSame("a refused Link changes nothing", before)
}

func TestUnlink(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	b.link("new", ref("crm", "1"), ref("crm", "2"), ref("crm", "3"))
	named := b.status("new")
	named.Links[1].Base.Name = "CRM's name"
	b.must(applyTo(t, b.memory, statuslink.Changes{Update: []statuslink.Status{named}}))
	b.clock.advance(time.Hour)
	at := b.clock.stored()
	ctx := statuslink.WithActor(t.Context(), "anna")
	for _, id := range []string{"2", "1"} {
		b.wantWrites("Unlink", 1, func() error { return b.catalog.Unlink(ctx, ref("crm", id)) })
	}
	b.wantLinks("the others stay", "new", ref("crm", "3"))
	if got := b.status("new").Updated; !got.Equal(at) {
		t.Errorf("Unlink moves Updated to %v, want %v", got, at)
	}
	b.wantIgnored("what is unlinked is ignored, with name, who and when",
		statuslink.Ignored{Ref: ref("crm", "1"), Name: "new", Since: at, Who: "anna"},
		statuslink.Ignored{Ref: ref("crm", "2"), Name: "CRM's name", Since: at, Who: "anna"})

	before := b.snapshot()
	wantKind(t, "a Ref that nothing has", b.catalog.Unlink(ctx, ref("crm", "9")), statuslink.ErrNotLinked, "unlink", "")
	wantKind(t, "unlinking twice", b.catalog.Unlink(ctx, ref("crm", "1")), statuslink.ErrNotLinked, "unlink", "")
	b.wantSame("a refused Unlink changes nothing", before)
}

func TestLead(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	b.link("new", ref("crm", "1"), ref("crm", "2"), ref("other", "3"))
	before := b.status("new")
	b.clock.advance(time.Hour)
	b.wantWrites("Lead", 1, func() error {
		status, err := b.catalog.Lead(t.Context(), ref("other", "3"))
		want := before
		want.Updated = b.clock.stored()
		want.Links = []statuslink.Link{before.Links[2], before.Links[0], before.Links[1]}
		if diff := cmp.Diff(want, status, exactTimes); diff != "" {
			t.Errorf("Lead moves the link to the front and nothing else (-want +got)\n%s", diff)
		}
		if target, ok := status.Target("other", ""); !ok || target.Ref != ref("other", "3") {
			t.Errorf("the leader is the target of its scope: %v", target)
		}
		return err
	})
	b.wantWrites("Lead of the leader", 0, func() error {
		status, err := b.catalog.Lead(t.Context(), ref("other", "3"))
		if status.ID != "st_01" {
			t.Errorf("Lead returns the status, got %+v", status)
		}
		return err
	})
	_, err := b.catalog.Lead(t.Context(), ref("crm", "9"))
	wantKind(t, "a Ref that nothing has", err, statuslink.ErrNotLinked, "lead", "")
}

func TestIgnoreAndRestore(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	b.link("new", ref("crm", "1"))
	at := b.clock.stored()
	anna, boris := statuslink.WithActor(t.Context(), "anna"), statuslink.WithActor(t.Context(), "boris")
	want := statuslink.Ignored{Ref: ref("crm", "2"), Name: "Spam calls", Since: at, Who: "anna"}
	b.wantWrites("Ignore", 1, func() error { return b.catalog.Ignore(anna, want.Ref, " Spam\tcalls ") })
	b.clock.advance(time.Hour)
	b.wantWrites("Ignore of what is ignored", 0, func() error { return b.catalog.Ignore(boris, want.Ref, "Other") })
	b.wantIgnored("the first decision stays", want)

	before := b.snapshot()
	wantKind(t, "a linked Ref", b.catalog.Ignore(anna, ref("crm", "1"), ""), statuslink.ErrInUse, "ignore", "")
	wantKind(t, "a Ref without ID", b.catalog.Ignore(anna, ref("crm", ""), ""), statuslink.ErrInvalid, "ignore", "")
	b.wantWrites("Restore of what is not ignored", 0, func() error { return b.catalog.Restore(anna, ref("crm", "9")) })
	b.wantSame("what is refused, or nothing, changes nothing", before)

	b.wantWrites("Restore", 1, func() error { return b.catalog.Restore(boris, want.Ref) })
	b.wantIgnored("what is restored is ignored no more")
}

func TestAcceptAccount(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	accept := func(writes int64, promise string, names, want []string) {
		t.Helper()
		b.wantWrites(promise, writes, func() error { return b.catalog.AcceptAccount(t.Context(), "crm", names...) })
		if diff := cmp.Diff(want, b.snapshot().Account("crm")); diff != "" {
			t.Errorf("%s: wrong account (-want +got)\n%s", promise, diff)
		}
	}
	accept(1, "an account is set", []string{"b.example", "17", "17"}, []string{"17", "b.example"})
	accept(0, "the same names in another order", []string{"17", "b.example"}, []string{"17", "b.example"})
	accept(1, "another account replaces it", []string{"18"}, []string{"18"})
	accept(1, "no names forget it", nil, nil)
	accept(0, "nothing is forgotten", nil, nil)

	before := b.snapshot()
	wantKind(t, "an empty name", b.catalog.AcceptAccount(t.Context(), "crm", "17", ""), statuslink.ErrInvalid, "accept account", "")
	wantKind(t, "no source", b.catalog.AcceptAccount(t.Context(), "", "17"), statuslink.ErrInvalid, "accept account", "")
	b.wantSame("what is refused changes nothing", before)
}

func TestRenameSource(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid", "lost")
	old, other := crm.Ref{Source: "crm", Scope: "DEAL", ID: "1"}, ref("other", "1")
	b.link("new", old, other)
	b.link("paid", ref("other", "2"))
	b.must(b.catalog.Ignore(statuslink.WithActor(t.Context(), "anna"), ref("crm", "9"), "Spam"))
	b.must(b.catalog.Ignore(t.Context(), ref("other", "9"), "Spam"))
	b.must(b.catalog.AcceptAccount(t.Context(), "crm", "17"))
	b.must(b.catalog.AcceptAccount(t.Context(), "other", "18"))
	b.must(applyTo(t, b.memory, statuslink.Changes{Scopes: []statuslink.Scope{
		{ScopeKey: statuslink.ScopeKey{Source: "crm", ID: "DEAL"}, Name: "Deals"},
		{ScopeKey: statuslink.ScopeKey{Source: "other"}, Name: "All"},
	}}))
	want := b.snapshot().State()
	b.clock.advance(time.Hour)
	b.wantWrites("RenameSource", 1, func() error { return b.catalog.RenameSource(t.Context(), "crm", "sales") })

	want.Statuses[0].Links[0].Ref.Source = "sales"
	want.Statuses[0].Updated = b.clock.stored()
	want.Ignored[0], want.Ignored[1] = want.Ignored[1], want.Ignored[0]
	want.Ignored[1].Ref.Source = "sales"
	want.Scopes[0], want.Scopes[1] = want.Scopes[1], want.Scopes[0]
	want.Scopes[1].Source = "sales"
	want.Accounts[0], want.Accounts[1] = want.Accounts[1], want.Accounts[0]
	want.Accounts[1].Source = "sales"
	if diff := cmp.Diff(want, b.snapshot().State(), exactTimes); diff != "" {
		t.Errorf("a source is renamed everywhere, and nothing else changes (-want +got)\n%s", diff)
	}

	before := b.snapshot()
	b.wantWrites("renaming to the same", 0, func() error { return b.catalog.RenameSource(t.Context(), "sales", "sales") })
	wantKind(t, "an empty name", b.catalog.RenameSource(t.Context(), "sales", ""), statuslink.ErrInvalid, "rename source", "")
	wantKind(t, "an unknown source", b.catalog.RenameSource(t.Context(), "crm", "x"), statuslink.ErrNotFound, "rename source", "")
	wantKind(t, "a taken name", b.catalog.RenameSource(t.Context(), "sales", "other"), statuslink.ErrDuplicate, "rename source", "")
	b.wantSame("what is refused changes nothing", before)
}

// One trace of a source is enough to know it.
func TestRenameSourceKnowsEveryTrace(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*bot) error{
		"a link":     func(b *bot) error { _, err := b.catalog.Link(t.Context(), "new", ref("crm", "1")); return err },
		"an ignored": func(b *bot) error { return b.catalog.Ignore(t.Context(), ref("crm", "1"), "") },
		"an account": func(b *bot) error { return b.catalog.AcceptAccount(t.Context(), "crm", "17") },
		"a scope only": func(b *bot) error {
			return applyTo(t, b.memory, statuslink.Changes{Scopes: []statuslink.Scope{{ScopeKey: statuslink.ScopeKey{Source: "crm"}}}})
		},
	} {
		b := newBot(t, "new")
		b.must(leave(b))
		b.must(b.catalog.AcceptAccount(t.Context(), "third", "1"))
		wantKind(t, name+" takes the name", b.catalog.RenameSource(t.Context(), "third", "crm"), statuslink.ErrDuplicate, "rename source", "")
		b.wantWrites(name+" is renamed", 1, func() error { return b.catalog.RenameSource(t.Context(), "crm", "umnico") })
		wantKind(t, name+" is gone", b.catalog.RenameSource(t.Context(), "crm", "x"), statuslink.ErrNotFound, "rename source", "")
	}
}
