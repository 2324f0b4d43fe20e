package statuslink_test

import (
	"strings"
	"testing"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/memstore"
)

func TestReorder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, sequence, want string
		writes               int64
	}{
		{"all", "d c b a", "d c b a", 1},
		{"some share their places", "d b", "a d c b", 1},
		{"neighbours", "c b", "a c b d", 1},
		{"round the corner", "b c a", "b c a d", 1},
		{"by ID too", "st_04 a", "d b c a", 1},
		{"as it is", "a b c d", "a b c d", 0},
		{"some as they are", "a d", "a b c d", 0},
		{"one alone stays", "c", "a b c d", 0},
		{"nothing", "", "a b c d", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBot(t, "a", "b", "c", "d")
			before := b.snapshot()
			b.clock.advance(time.Hour)
			b.wantWrites("Reorder", test.writes, func() error {
				return b.catalog.Reorder(t.Context(), strings.Fields(test.sequence)...)
			})
			b.wantKeys("the named share their places among them", strings.Fields(test.want)...)
			for i := range before.Len() {
				old, now := before.At(i), b.status(before.At(i).Key)
				if moved := b.snapshot().At(i).ID != old.ID; now.Updated.Equal(old.Updated) == moved {
					t.Errorf("%s: Updated moves exactly if the place does", old.Key)
				}
			}
		})
	}
}

func TestReorderOfEqualOrders(t *testing.T) {
	t.Parallel()
	store, err := memstore.New(statuslink.State{Statuses: []statuslink.Status{
		{ID: "1", Key: "a", Name: "A"}, {ID: "2", Key: "b", Name: "B"}, {ID: "3", Key: "c", Name: "C"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := &bot{t: t, memory: store}
	before := b.snapshot()
	b.must(b.other().Reorder(t.Context(), "a", "c"))
	b.wantSame("a sequence that stands already", before)
	b.must(b.other().Reorder(t.Context(), "c", "a"))
	b.wantKeys("equal Orders are made distinct", "c", "b", "a")
	if !b.status("b").Updated.IsZero() || b.status("a").Updated.IsZero() {
		t.Error("only what changed its place is updated")
	}
}

func TestReorderRefuses(t *testing.T) {
	t.Parallel()
	b := newBot(t, "a", "b")
	before := b.snapshot()
	wantKind(t, "an unknown status", b.catalog.Reorder(t.Context(), "b", "nowhere"), statuslink.ErrNotFound, "reorder", "")
	wantKind(t, "one status twice", b.catalog.Reorder(t.Context(), "b", "a", "st_02"), statuslink.ErrInvalid, "reorder", "")
	b.wantSame("a refused Reorder changes nothing", before)
}

func TestFollowSequence(t *testing.T) {
	t.Parallel()
	led := func(key, source, scope, id string, order int, more ...statuslink.Link) statuslink.Status {
		link := statuslink.Link{
			Ref:  crm.Ref{Source: source, Scope: scope, ID: id},
			Base: statuslink.Base{Name: key, Order: order, Ordered: true},
		}
		return statuslink.Status{ID: "id-" + key, Key: key, Name: key, Links: append([]statuslink.Link{link}, more...)}
	}
	second := led("x", "crm", "DEAL", "9", 0).Links[0]
	statuses := []statuslink.Status{
		led("a", "crm", "DEAL", "3", 30),
		led("b", "crm", "LEAD", "1", 99),         // of another scope
		led("c", "crm", "DEAL", "2", 10),         // the same sort key as d, a greater ID
		led("d", "crm", "DEAL", "1", 10),         //
		led("e", "other", "", "1", 0, second),    // led by another source
		{ID: "id-f", Key: "f", Name: "f"},        // not linked
		led("g", "crm", "DEAL", "7", -1, second), // missing, set below
	}
	statuses[4].Links[1].Ref.ID = "8"
	statuses[6].Links = statuses[6].Links[:1]
	statuses[6].Links[0].MissingSince = time.Unix(1, 0)
	for i := range statuses {
		statuses[i].Order = i
	}
	store, err := memstore.New(statuslink.State{Statuses: statuses})
	if err != nil {
		t.Fatal(err)
	}
	b := newBot(t)
	b.memory, b.store.Store = store, store
	deals := statuslink.ScopeKey{Source: "crm", ID: "DEAL"}
	b.wantWrites("FollowSequence", 1, func() error { return b.catalog.FollowSequence(t.Context(), deals) })
	b.wantKeys("the scope's statuses take the CRM's last sequence", "d", "b", "c", "a", "e", "f", "g")
	b.wantWrites("FollowSequence again", 0, func() error { return b.catalog.FollowSequence(t.Context(), deals) })

	before := b.snapshot()
	for _, scope := range []statuslink.ScopeKey{{}, {Source: "crm"}, {Source: "other", ID: "DEAL"}} {
		wantKind(t, "a scope that leads nothing", b.catalog.FollowSequence(t.Context(), scope), statuslink.ErrNotFound, "follow sequence", "")
	}
	b.wantSame("a refused FollowSequence changes nothing", before)
}
