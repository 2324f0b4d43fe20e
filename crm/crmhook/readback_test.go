package crmhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// reader reads leads, whose status is the number of the reading, in a second each
// time.
type reader struct {
	mu    sync.Mutex
	reads [][]string
	fail  error
	panic bool
}

func (r *reader) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	r.mu.Lock()
	var ids []string
	for _, lead := range leads {
		ids = append(ids, lead.ID)
	}
	r.reads = append(r.reads, ids)
	number, fail, panics := len(r.reads), r.fail, r.panic
	r.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if panics {
		panic("bug")
	}
	results := make([]crm.LeadResult, len(leads))
	for i, lead := range leads {
		results[i].Lead = crm.Lead{Ref: lead, Status: crm.Ref{Source: "acme", ID: strconv.Itoa(number)}}
		if lead.ID == "404" {
			results[i] = crm.LeadResult{Err: crm.ErrNotFound}
		}
	}
	return results, fail
}

// Many events cost one reading, and no event is handed over with a state that is
// older than itself.
func TestWaitingEventsAreReadTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := new(reader)
		rig := newRig(t, Options{Workers: 3, ReadLeads: leads.ReadLeads})
		var mu sync.Mutex
		var got []string
		end := rig.run(func(_ context.Context, e crm.Event) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, e.Lead.ID+" read "+e.Status.ID)
			rig.note(e)
		})
		rig.wantPost(1, 200)
		synctest.Wait() // lead 1 alone is being read
		for lead := 2; lead <= 200; lead++ {
			rig.wantPost(lead, 200)
		}
		rig.wantPost(1, 200)
		rig.wantPost(404, 200)
		time.Sleep(1500 * time.Millisecond) // all others are being read
		rig.wantPost(2, 200)
		time.Sleep(10 * time.Second)
		rig.wantEnd(end)
		rig.wantOrder()
		if len(leads.reads) != 3 || len(leads.reads[0]) != 1 || len(leads.reads[1]) != 201 || !slices.Equal(leads.reads[2], []string{"2"}) {
			t.Errorf("%d readings: %v", len(leads.reads), leads.reads)
		}
		slices.Sort(got)
		for _, want := range []string{"1 read 1", "1 read 2", "2 read 2", "2 read 3", "150 read 2", "404 read "} {
			if !slices.Contains(got, want) {
				t.Errorf("no event was handed over as %q", want)
			}
		}
		if len(got) != 203 {
			t.Errorf("%d events were handed over", len(got))
		}
	})
}

// A reading that fails leaves events as they came.
func TestEventsAreHandedOverWhereNothingCanBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := &reader{fail: errors.New("down")}
		rig := newRig(t, Options{ReadLeads: leads.ReadLeads})
		end := rig.run(func(_ context.Context, e crm.Event) {
			rig.note(e)
			if e.Status != (crm.Ref{}) {
				t.Errorf("status %v", e.Status)
			}
		})
		rig.wantPost(1, 200)
		time.Sleep(2 * time.Second)
		rig.wantEnd(end)
		rig.wantStats(Stats{Accepted: 1, Handled: 1})
	})
}

// An event whose reading the end of the run interrupts waits for the next run.
func TestEventsBeingReadWaitForTheNextRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := new(reader)
		rig := newRig(t, Options{ReadLeads: leads.ReadLeads})
		end := rig.run(func(context.Context, crm.Event) { t.Error("an event was handed over after the end") })
		rig.wantPost(1, 200)
		rig.wantPost(1, 200)
		rig.wantPost(2, 200)
		time.Sleep(500 * time.Millisecond)
		rig.wantEnd(end)
		rig.wantStats(Stats{Accepted: 3, Waiting: 3})
		end = rig.run(func(_ context.Context, e crm.Event) { rig.note(e) })
		time.Sleep(5 * time.Second)
		rig.wantEnd(end)
		rig.wantOrder()
		rig.wantStats(Stats{Accepted: 3, Handled: 3})
	})
}

func TestPanicOfTheReaderReachesTheCallerOfRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := &reader{panic: true}
		rig := newRig(t, Options{ReadLeads: leads.ReadLeads})
		result := make(chan any, 1)
		go func() {
			defer func() { result <- recover() }()
			_ = rig.events.Run(t.Context(), func(context.Context, crm.Event) {})
		}()
		synctest.Wait()
		rig.wantPost(1, 200)
		rig.wantPost(2, 200)
		if value := <-result; value == nil {
			t.Error("the panic is lost")
		}
	})
}

// Only what does not carry its status is read.
func TestWhatIsRead(t *testing.T) {
	t.Parallel()
	lead := crm.LeadRef{Source: "acme", ID: "1"}
	for _, test := range []struct {
		event crm.Event
		want  bool
	}{
		{crm.Event{Kind: crm.EventLeadChanged, Lead: lead}, true},
		{crm.Event{Kind: crm.EventLeadCreated, Lead: lead}, true},
		{crm.Event{Kind: crm.EventLeadMoved, Lead: lead}, true},
		{crm.Event{Kind: crm.EventLeadMoved, Lead: lead, Status: crm.Ref{Source: "acme", ID: "2"}}, false},
		{crm.Event{Kind: crm.EventLeadDeleted, Lead: lead}, false},
		{crm.Event{Kind: crm.EventOther, Lead: lead}, false},
		{crm.Event{Kind: crm.EventLeadChanged}, false},
	} {
		if got := unread(test.event); got != test.want {
			t.Errorf("%s: %v", fmt.Sprint(test.event.Kind), got)
		}
	}
}
