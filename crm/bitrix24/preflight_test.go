package bitrix24_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
)

// outdated is how old a listing is that alone proves nothing any more.
const outdated = 10*time.Second + time.Millisecond

// checked is a desk whose portal counts what a move costs.
type checked struct {
	*desk
	lead crm.LeadRef
}

// newChecked returns one with a lead in NEW. It is for a bubble.
func newChecked(t *testing.T, scopes ...string) *checked {
	t.Helper()
	d := newDesk(t, scopes...)
	return &checked{d, d.add(1, 0, "NEW")}
}

// list reads the list of statuses.
func (c *checked) list() {
	c.Helper()
	if _, err := c.client.ListStatuses(c.Context()); err != nil {
		c.Fatal(err)
	}
}

// delete takes a status of leads away.
func (c *checked) delete(id string) {
	c.Helper()
	if err := c.portal.Delete("STATUS", id); err != nil {
		c.Fatal(err)
	}
}

// move moves the lead, and checks how many listings and how many writes that took.
// kind is that of the error, nil for none.
func (c *checked) move(what, id string, kind error, listings, writes int) {
	c.Helper()
	lists, updates := c.portal.Calls("crm.status.list"), c.portal.Calls(itemUpdate)
	got, err := c.client.MoveLead(c.Context(), crm.Move{Lead: c.lead, To: status("STATUS", id)})
	switch {
	case kind != nil:
		fails(c.T, what, err, kind, moveLead)
	case err != nil || got.Status.ID != id || c.stands(c.lead).ID != id:
		c.Errorf("%s: %+v, %v; it stands in %v", what, got, err, c.stands(c.lead))
	}
	if n := c.portal.Calls("crm.status.list") - lists; n != listings {
		c.Errorf("%s: %d listings, want %d", what, n, listings)
	}
	if n := c.portal.Calls(itemUpdate) - updates; n != writes {
		c.Errorf("%s: %d writes, want %d", what, n, writes)
	}
}

func TestMoveToAStatusThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newChecked(t)
		c.list()
		c.delete("PROCESSED")
		// The listing has it: the portal decides.
		c.move("gone since the listing", "PROCESSED", crm.ErrNotApplied, 0, 1)
		c.list()
		c.move("not in a fresh listing", "PROCESSED", crm.ErrNotFound, 0, 0)
		time.Sleep(outdated - 2*time.Millisecond)
		c.move("not in a fresh listing still", "PROCESSED", crm.ErrNotFound, 0, 0)
		time.Sleep(2 * time.Millisecond)
		c.move("not in an old listing", "PROCESSED", crm.ErrNotFound, 1, 0)
		c.move("right behind", "PROCESSED", crm.ErrNotFound, 0, 0)
		time.Sleep(5 * time.Second)
		c.move("within ten seconds", "UC_GONE", crm.ErrNotFound, 0, 0)
		c.move("to a status that is there", "UC_7TQ2KD", nil, 0, 1)
		time.Sleep(outdated)
		c.move("to a status that is there, by an old listing", "IN_PROCESS", nil, 0, 1)
		c.move("later", "PROCESSED", crm.ErrNotFound, 1, 0)
	})
}

func TestMoveToAStatusThatIsNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newChecked(t)
		c.list()
		added := c.portal.AddStatus("STATUS", "Ждём звонка")
		c.move("made right behind the listing", added.ID, crm.ErrNotFound, 0, 0)
		time.Sleep(outdated)
		c.move("made since the listing", added.ID, nil, 1, 1)
		c.move("known now", added.ID, nil, 0, 1)
		c.move("back", "NEW", nil, 0, 1)
		c.delete(added.ID)
		time.Sleep(outdated)
		c.move("gone again", added.ID, crm.ErrNotApplied, 0, 1) // the listing has it
	})
}

func TestMoveThatNoListingCovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newChecked(t, "DEAL_STAGE", "DEAL_STAGE_5")
		c.move("no listing", "UC_GONE", crm.ErrNotApplied, 0, 1)
		c.list()
		time.Sleep(outdated)
		c.move("a listing of deals", "UC_GONE", crm.ErrNotApplied, 0, 1)
		for _, test := range []struct {
			to   crm.Ref
			kind error
		}{
			{status("DEAL_STAGE_2", "C2:GONE"), crm.ErrNotApplied}, // not covered
			{status("DEAL_STAGE_5", "NEW"), crm.ErrNotFound},       // the main pipeline's
			{status("DEAL_STAGE", "C5:NEW"), crm.ErrNotFound},
		} {
			_, err := c.client.MoveLead(t.Context(), crm.Move{Lead: c.add(2, 0, "NEW"), To: test.to})
			fails(t, test.to.String(), err, test.kind, moveLead)
		}
	})
}

// Where the list cannot be read, the portal itself decides, and is not asked again
// for each move.
func TestMoveWhereTheListingFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newChecked(t)
		c.list()
		added := c.portal.AddStatus("STATUS", "Ждём звонка")
		time.Sleep(outdated)
		c.portal.FailCommand(-1, "crm.status.list", bitrix24test.AccessDenied())
		c.move("the listing fails", added.ID, nil, 1, 1)
		time.Sleep(time.Second) // see TestMoveLeadThatSomebodyMovedInTheSameSecond
		c.move("right behind", "UC_GONE", crm.ErrNotApplied, 0, 1)
		time.Sleep(outdated)
		c.move("ten seconds later", "UC_GONE", crm.ErrNotApplied, 1, 1)
		c.portal.RecoverCommands()
		c.portal.Fail(1, crmfault.CutConnection())
		time.Sleep(outdated)
		c.move("the line breaks", added.ID, nil, 1, 1)
		time.Sleep(outdated)
		c.move("the list can be read again", "UC_GONE", crm.ErrNotFound, 1, 0)
	})
}

// Many moves at once take no more listings than one.
func TestMovesToAStatusThatIsGone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*bitrix24test.Portal)
		kind    error
		writes  int
	}{
		"it is gone":           {func(*bitrix24test.Portal) {}, crm.ErrNotFound, 0},
		"it cannot be told so": {func(p *bitrix24test.Portal) { p.FailCommand(-1, "crm.status.list", bitrix24test.AccessDenied()) }, crm.ErrNotApplied, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newChecked(t)
				c.list()
				time.Sleep(outdated)
				test.prepare(c.portal)
				before := c.portal.Calls("crm.status.list")
				var moves []crm.Move
				for range 200 {
					moves = append(moves, crm.Move{Lead: c.add(1, 0, "NEW"), To: status("STATUS", "UC_GONE")})
				}
				for result := range c.client.MoveLeads(t.Context(), slices.Values(moves), nil) {
					if result.State != crm.MoveRefused || crm.Kind(result.Err) != test.kind { //nolint:errorlint // the kind itself
						t.Errorf("%v: %v, %v", result.Move.Lead, result.State, result.Err)
					}
				}
				if n := c.portal.Calls("crm.status.list") - before; n != 1 {
					t.Errorf("%d listings, want 1", n)
				}
				if n := c.portal.Calls(itemUpdate); n != test.writes {
					t.Errorf("%d writes, want %d", n, test.writes)
				}
			})
		})
	}
}

// Listings and moves go on beside each other.
func TestMovesBesideListings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newChecked(t, bitrix24.Everything)
		c.list()
		time.Sleep(outdated)
		ended := make(chan error)
		for i := range 8 {
			go func() {
				if i%2 == 0 {
					_, err := c.client.ListStatuses(t.Context())
					ended <- err
					return
				}
				_, err := c.client.MoveLead(t.Context(), crm.Move{Lead: c.lead, To: status("STATUS", "UC_GONE")})
				if crm.Kind(err) == crm.ErrNotFound { //nolint:errorlint // the kind itself
					err = nil
				}
				ended <- err
			}()
		}
		for range 8 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		c.requestsOf(itemUpdate, 0)
	})
}

// requestsOf checks how often a method was called.
func (d *desk) requestsOf(method string, want int) {
	d.Helper()
	if got := d.portal.Calls(method); got != want {
		d.Errorf("%d calls of %s, want %d", got, method, want)
	}
}
