package statuslink_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/statuslink/statuslink"
)

func (b *bot) preview(key string) *statuslink.Removal {
	b.t.Helper()
	removal, err := b.catalog.PreviewRemove(b.t.Context(), key)
	b.must(err)
	return removal
}

func TestPreviewRemove(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	b.link("paid", ref("crm", "1"), ref("crm", "2"))
	b.inUse = func(_ context.Context, status statuslink.Status) ([]string, error) {
		status.Links[0].Ref.ID = "the hook's own copy"
		return []string{"12 leads", "script " + status.Key}, nil
	}
	before := b.snapshot()
	b.wantWrites("a preview", 0, func() error {
		removal, err := b.catalog.PreviewRemove(t.Context(), "paid")
		want := &statuslink.Removal{Status: b.status("paid"), InUse: []string{"12 leads", "script paid"}}
		if diff := cmp.Diff(want, removal, cmpopts.IgnoreUnexported(statuslink.Removal{})); diff != "" {
			t.Errorf("a preview says what would happen (-want +got)\n%s", diff)
		}
		text := `remove "paid"; ignore from then on crm/1, crm/2; in use by 12 leads, script paid`
		if got := removal.String(); got != text {
			t.Errorf("a preview reads\n%s\nwant\n%s", got, text)
		}
		removal.Status.Links[0].Ref.ID = "the caller's own copy"
		return err
	})
	b.wantSame("a preview changes nothing", before)

	_, err := b.catalog.PreviewRemove(t.Context(), "nowhere")
	wantKind(t, "an unknown status", err, statuslink.ErrNotFound, "preview removal", "")
}

func TestPreviewRemoveLooksAtThePresentState(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	_, err := b.catalog.Snapshot(t.Context())
	b.must(err)
	_, err = b.other().Edit(t.Context(), "paid", func(s *statuslink.Status) { s.Name = "renamed" })
	b.must(err)
	if got := b.preview("paid").Status.Name; got != "renamed" {
		t.Errorf("a preview trusted the cache: %q", got)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	b.link("paid", ref("crm", "1"), ref("crm", "2"))
	named := b.status("paid")
	named.Links[0].Base.Name = "CRM's name"
	b.must(applyTo(t, b.memory, statuslink.Changes{Update: []statuslink.Status{named}}))
	b.inUse = func(context.Context, statuslink.Status) ([]string, error) { return []string{"1 script"}, nil }
	removal := b.preview("paid")

	// The store moves elsewhere: that does not hinder.
	_, err := b.other().Edit(t.Context(), "new", func(s *statuslink.Status) { s.Name = "Renamed" })
	b.must(err)
	_, err = b.other().Create(t.Context(), statuslink.Status{Key: "more", Name: "More"})
	b.must(err)

	b.clock.advance(time.Hour)
	b.clock.step = 1
	b.wantWrites("Remove", 1, func() error { return b.catalog.Remove(statuslink.WithActor(t.Context(), "anna"), removal) })
	b.wantKeys("the status is gone", "new", "more")
	history, err := b.memory.History(t.Context(), 1)
	b.must(err)
	at := history[0].Note.At
	b.wantIgnored("the Refs of a removed status are ignored, with name, who and when",
		statuslink.Ignored{Ref: ref("crm", "1"), Name: "CRM's name", Since: at, Who: "anna"},
		statuslink.Ignored{Ref: ref("crm", "2"), Name: "paid", Since: at, Who: "anna"})

	before := b.snapshot()
	stale := wantStale(t, "removing twice", b.catalog.Remove(t.Context(), removal))
	if diff := cmp.Diff([]statuslink.Moved{{ID: "st_02", Name: "paid", What: "removed"}}, stale.Moved); diff != "" {
		t.Errorf("the error does not tell that it is gone (-want +got)\n%s", diff)
	}
	b.wantSame("what is refused changes nothing", before)
}

func TestRemoveIsRefusedWhenSomethingMoved(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid", "lost")
	uses := []string{"12 leads"}
	b.inUse = func(context.Context, statuslink.Status) ([]string, error) { return uses, nil }
	paid := []statuslink.Moved{{ID: "st_02", Name: "paid", What: "changed"}}
	for _, test := range []struct {
		name   string
		move   func() error
		moved  []statuslink.Moved
		reason string
	}{
		{"a link more", func() error { _, err := b.other().Link(t.Context(), "paid", ref("crm", "1")); return err }, paid, ""},
		{"another key", func() error {
			_, err := b.other().Edit(t.Context(), "paid", func(s *statuslink.Status) { s.Key = "bought" })
			return err
		}, paid, ""},
		{"another place", func() error { return b.other().Reorder(t.Context(), "lost", "st_02") }, paid, ""},
		{"more uses", func() error { uses = []string{"12 leads", "1 script"}; return nil }, nil, `"paid" is now in use by: 12 leads, 1 script`},
		{"no use", func() error { uses = nil; return nil }, nil, `"paid" is no longer in use`},
	} {
		removal := b.preview("st_02")
		// Something else moves as well, which is not to be told.
		_, err := b.other().Edit(t.Context(), "new", func(s *statuslink.Status) { s.Name = test.name })
		b.must(err)
		b.must(test.move())
		before := b.snapshot()
		b.wantWrites("a refused removal", 0, func() error {
			stale := wantStale(t, test.name, b.catalog.Remove(t.Context(), removal))
			if diff := cmp.Diff(test.moved, stale.Moved); diff != "" {
				t.Errorf("%s: the error does not tell what moved (-want +got)\n%s", test.name, diff)
			}
			if stale.Reason != test.reason {
				t.Errorf("%s: the reason is %q, want %q", test.name, stale.Reason, test.reason)
			}
			return nil
		})
		b.wantSame("a refused removal changes nothing", before)
	}
	b.must(b.catalog.Remove(t.Context(), b.preview("st_02")))
}

// The status changes between the last look and the write.
func TestRemoveLooksAgainWhenOthersWereFaster(t *testing.T) {
	t.Parallel()
	for name, moved := range map[string]bool{"new": false, "paid": true} {
		b := newBot(t, "new", "paid")
		removal := b.preview("paid")
		other := b.other()
		var once sync.Once
		b.store.before = func(statuslink.Changes) (err error) {
			once.Do(func() { _, err = other.Edit(t.Context(), name, func(s *statuslink.Status) { s.Color = "#123456" }) })
			return err
		}
		err := b.catalog.Remove(t.Context(), removal)
		if moved {
			_ = wantStale(t, "the status moved at the last moment", err)
			b.wantKeys("nothing is removed", "new", "paid")
			continue
		}
		b.must(err)
		b.wantKeys("the store moved elsewhere at the last moment", "new")
	}
}

func TestTheLastStatusStays(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	early := b.preview("new")
	if early.Last || b.preview("paid").Last {
		t.Error("neither of two statuses is the last one")
	}
	b.must(b.catalog.Remove(t.Context(), b.preview("paid")))
	before := b.snapshot()
	late := b.preview("new")
	if !late.Last || !strings.Contains(late.String(), "impossible") {
		t.Errorf("the preview does not say that it is the last status: %v", late)
	}
	for _, removal := range []*statuslink.Removal{early, late} {
		wantKind(t, "removing the last status", b.catalog.Remove(t.Context(), removal), statuslink.ErrInUse, "remove", "")
	}
	b.wantSame("the last status stays", before)
}

func TestRemoveAndTheHooksError(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	removal := b.preview("paid")
	// An error of this package that others hold too: it must not be edited.
	shared := &statuslink.Error{Kind: statuslink.ErrWrongScope, Message: "leads cannot be counted"}
	b.inUse = func(context.Context, statuslink.Status) ([]string, error) { return nil, shared }
	before := b.snapshot()
	if _, err := b.catalog.PreviewRemove(t.Context(), "paid"); !errors.Is(err, shared) {
		t.Errorf("the hook's error is lost: %v", err)
	}
	if err := b.catalog.Remove(t.Context(), removal); !errors.Is(err, shared) {
		t.Errorf("the hook's error is lost: %v", err)
	}
	if shared.Op != "" {
		t.Error("the hook's error was edited")
	}
	b.wantSame("an error of the hook keeps the status", before)
}

func TestRemoveNeedsAPreview(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new", "paid")
	for _, removal := range []*statuslink.Removal{nil, {}, {Status: b.status("paid")}} {
		wantKind(t, "a removal that is none", b.catalog.Remove(t.Context(), removal), statuslink.ErrInvalid, "remove", "")
	}
	b.wantKeys("nothing is removed", "new", "paid")
}
