package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

func TestSetManyOneCRMIsDown(t *testing.T) {
	t.Parallel()
	r := newLeadRig(t, nil)
	var wishes []statuslink.Wish
	for range 300 {
		wishes = append(wishes, statuslink.Wish{Lead: r.deal(0, "NEW"), Status: "in-work"}, statuslink.Wish{Lead: r.lead("NEW"), Status: "in-work"})
	}
	for i := range 40 {
		wishes = slices.Insert(wishes, i*10, statuslink.Wish{Lead: r.chat(710201), Status: "in-work"})
	}
	r.portal.SetSecret("another")
	for _, result := range many(t, r.leads, wishes) {
		switch {
		case result.Wish.Lead.Source == "umnico":
			if result.State != crm.MoveDone {
				t.Errorf("of the CRM that works: %+v", result)
			}
		case result.State == crm.MoveDone || !errors.Is(result.Err, crm.ErrUnauthorized):
			t.Fatalf("of the CRM that refuses: %+v", result)
		}
	}
	if n := r.portal.Calls("crm.item.update"); n > 0 {
		t.Errorf("%d updates", n)
	}
}

// A client without a BulkMover is left alone after some failures in a row.
func TestSetManyLeavesABrokenCRMAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{crm.ErrUnavailable, crm.ErrUnauthorized} {
		amo := newHandmade("amo", nil)
		amo.onMove = func(_ context.Context, move crm.Move) error {
			if n, _ := strconv.Atoi(move.Lead.ID); n >= 100 {
				return &crm.Error{Kind: kind, Source: "amo", Op: "move lead"}
			}
			return nil
		}
		zoho := newHandmade("zoho", nil)
		leads := handmadeLeads(t, map[string][]string{"work": {"amo/2", "zoho/2"}}, mover{amo}, mover{zoho})
		var wishes []statuslink.Wish
		for i := range 1000 {
			wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: []string{"amo", "zoho"}[i%2], ID: strconv.Itoa(i)}, Status: "work"})
		}
		results := many(t, leads, wishes)
		for i, result := range results {
			if result.Wish.Lead.Source == "zoho" || i < 100 {
				if result.State != crm.MoveDone {
					t.Errorf("%v: %d: %+v", kind, i, result)
				}
			} else if !errors.Is(result.Err, kind) || i > 130 && result.State != crm.MoveNotSent {
				t.Fatalf("%v: %d: state %d, error %v", kind, i, result.State, result.Err)
			}
		}
		if n := len(amo.moves); n > 60 {
			t.Errorf("%v: %d moves were tried", kind, n)
		}
	}
}

// Reading that fails ends it as well.
func TestSetManyWhereReadingFails(t *testing.T) {
	t.Parallel()
	statuses := map[string][]string{"new": {"amo/a/1"}, "work": {"amo/a/2", "amo/b/2"}}
	var wishes []statuslink.Wish
	for i := range 100 {
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: "amo", ID: strconv.Itoa(i)}, Status: "work"})
	}
	for name, client := range map[string]func(*handmade) crm.Client{
		"singly": func(h *handmade) crm.Client { return readMover{mover{h}} },
		"many":   func(h *handmade) crm.Client { return failingReader{bulkReader{mover{h}}} },
	} {
		amo := newHandmade("amo", nil)
		amo.onRead = func(context.Context, crm.LeadRef) error {
			return &crm.Error{Kind: crm.ErrUnavailable, Source: "amo", Op: "read lead"}
		}
		for _, result := range many(t, handmadeLeads(t, statuses, client(amo)), wishes) {
			if result.State != crm.MoveNotSent || !errors.Is(result.Err, crm.ErrUnavailable) {
				t.Fatalf("%s: %+v", name, result)
			}
		}
		if amo.reads > 10 || len(amo.moves) > 0 {
			t.Errorf("%s: %d readings, %d moves", name, amo.reads, len(amo.moves))
		}
	}
}

type failingReader struct{ bulkReader }

func (f failingReader) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	_, err := f.read(ctx, leads[0])
	return nil, err
}

// One lead that cannot be read does not make the others fail.
func TestSetManyWhereOneLeadCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{crm.ErrBadResponse, crm.ErrForbidden, crm.ErrUnavailable} {
		amo := newHandmade("amo", map[string]string{"1": "a/1", "2": "b/1", "3": "c/1", "4": "a/1"})
		amo.onRead = func(_ context.Context, lead crm.LeadRef) error {
			if lead.ID == "4" {
				return &crm.Error{Kind: kind, Source: "amo", Op: "read lead"}
			}
			return nil
		}
		for _, client := range []crm.Client{readMover{mover{amo}}, bulkReader{mover{amo}}} {
			leads := handmadeLeads(t, map[string][]string{"work": {"amo/a/2", "amo/b/2"}}, client)
			var wishes []statuslink.Wish
			for _, id := range []string{"1", "4", "2", "3", "9"} {
				wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: "amo", ID: id}, Status: "work"})
			}
			results := many(t, leads, wishes)
			unread := crm.MoveNotSent
			if kind == crm.ErrForbidden { //nolint:errorlint // the kind itself
				unread = crm.MoveRefused
			}
			for i, want := range []crm.MoveState{crm.MoveDone, unread, crm.MoveDone, crm.MoveRefused, crm.MoveRefused} {
				if results[i].State != want {
					t.Errorf("%v: %+v, want state %d", kind, results[i], want)
				}
			}
			if !errors.Is(results[3].Err, statuslink.ErrWrongScope) || !errors.Is(results[4].Err, statuslink.ErrNotFound) || !errors.Is(results[1].Err, kind) {
				t.Errorf("errors %v, %v, %v", results[1].Err, results[3].Err, results[4].Err)
			}
		}
	}
}

// More wishes than are read ahead, of a slow and a fast CRM whose clients keep moves
// back until they have enough of them: nothing waits for ever.
func TestSetManyOfClientsThatKeepMovesBack(t *testing.T) {
	t.Parallel()
	one, two := newHandmade("one", nil), newHandmade("two", nil)
	leads := handmadeLeads(t, map[string][]string{"work": {"one/2", "two/2"}}, bulkOnly{one}, bulkOnly{two})
	var wishes []statuslink.Wish
	for i := range 12000 {
		source := "two"
		if i < 10 || i > 11000 {
			source = "one"
		}
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: source, ID: strconv.Itoa(i)}, Status: "work"})
	}
	for _, result := range many(t, leads, wishes) {
		if result.State != crm.MoveDone {
			t.Fatalf("%+v", result)
		}
	}
}

type panicking struct{ mover }

// forgetful takes moves and says nothing of the last ones.
type forgetful struct{ mover }

func (f forgetful) MoveLeads(_ context.Context, moves iter.Seq[crm.Move], _ func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return func(yield func(crm.MoveResult) bool) {
		all := slices.Collect(moves)
		for _, move := range all[:len(all)-2] {
			if !yield(crm.MoveResult{Move: move, State: crm.MoveDone}) {
				return
			}
		}
	}
}

func TestSetManyOfBrokenClients(t *testing.T) {
	t.Parallel()
	statuses := map[string][]string{"work": {"amo/2", "zoho/2"}}
	var wishes []statuslink.Wish
	for i := range 10 {
		wishes = append(wishes, statuslink.Wish{Lead: crm.LeadRef{Source: []string{"amo", "zoho"}[i%2], ID: strconv.Itoa(i)}, Status: "work"})
	}
	for name, client := range map[string]func(*handmade) crm.Client{
		"a run": func(h *handmade) crm.Client { return panicking{mover{h}} },
		"a move": func(h *handmade) crm.Client {
			h.onMove = func(context.Context, crm.Move) error { panic("the client broke") }
			return mover{h}
		},
	} {
		amo, zoho := newHandmade("amo", nil), newHandmade("zoho", nil)
		var final crm.MoveReport
		value := func() (value any) {
			defer func() { value = recover() }()
			for range handmadeLeads(t, statuses, client(amo), mover{zoho}).SetMany(t.Context(), slices.Values(wishes), func(r crm.MoveReport) { final = r }) {
			}
			return nil
		}()
		if text := fmt.Sprint(value); !strings.Contains(text, `statuslink: the client of "amo" panicked: `) || !strings.Contains(text, "the client broke") {
			t.Errorf("%s: panicked with %v", name, value)
		}
		if !final.Final || final.Done+final.NotSent+final.Refused+final.Unknown != 10 {
			t.Errorf("%s: the last report is %+v", name, final)
		}
	}

	results := many(t, handmadeLeads(t, statuses, forgetful{mover{newHandmade("amo", nil)}}, mover{newHandmade("zoho", nil)}), wishes)
	for i, want := range map[int]crm.MoveState{0: crm.MoveDone, 4: crm.MoveDone, 6: crm.MoveUnknown, 8: crm.MoveUnknown} {
		if results[i].State != want {
			t.Errorf("forgetful: %+v, want state %d", results[i], want)
		}
	}
	if to := results[0].Set.To; to != ref("amo", "2") {
		t.Errorf("where the CRM does not say where the lead stands, it is said to stand on %v", to)
	}
}

// endsEarly ends its runs behind the first refusal.
type endsEarly struct{ mover }

func (e endsEarly) MoveLeads(_ context.Context, moves iter.Seq[crm.Move], _ func(crm.MoveReport)) iter.Seq[crm.MoveResult] {
	return func(yield func(crm.MoveResult) bool) {
		for move := range moves {
			yield(crm.MoveResult{Move: move, State: crm.MoveRefused, Err: &crm.Error{Kind: crm.ErrNotFound, Source: "amo", Message: "lead " + move.Lead.ID + " is gone"}})
			return
		}
	}
}

// What was not sent does not have the error of another lead.
func TestSetManyDoesNotBlameOtherLeads(t *testing.T) {
	t.Parallel()
	client := endsEarly{mover{newHandmade("amo", map[string]string{"1": "1", "2": "1"})}}
	leads := handmadeLeads(t, map[string][]string{"new": {"amo/1"}, "work": {"amo/2"}}, client)
	wishes := []statuslink.Wish{{Lead: crm.LeadRef{Source: "amo", ID: "1"}, Status: "work"}, {Lead: crm.LeadRef{Source: "amo", ID: "2"}, Status: "work"}}
	var states []crm.MoveState
	for result := range leads.SetMany(t.Context(), slices.Values(wishes), nil) {
		states = append(states, result.State)
		if result.State == crm.MoveNotSent && (errors.Is(result.Err, crm.ErrNotFound) || !errors.Is(result.Err, crm.ErrUnavailable)) {
			t.Errorf("lead %s: %v", result.Wish.Lead.ID, result.Err)
		}
	}
	if want := []crm.MoveState{crm.MoveRefused, crm.MoveNotSent}; !slices.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
}
