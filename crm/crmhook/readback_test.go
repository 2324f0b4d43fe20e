package crmhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	short bool // the answer lacks the last lead
	deaf  bool // it does not notice the end of the run
}

func (r *reader) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *reader) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	r.mu.Lock()
	var ids []string
	for _, lead := range leads {
		ids = append(ids, lead.ID)
	}
	r.reads = append(r.reads, ids)
	number, fail, panics, short := len(r.reads), r.fail, r.panic, r.short
	if r.deaf {
		ctx = context.WithoutCancel(ctx)
	}
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
			results[i].Err = crm.ErrNotFound
		}
	}
	if short {
		results = results[:len(results)-1]
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
		rig.wantPost(150, 200)
		rig.wantPost(404, 200)
		time.Sleep(1500 * time.Millisecond) // all others are being read
		rig.wantPost(2, 200)
		time.Sleep(10 * time.Second)
		rig.wantEnd(end)
		rig.wantOrder()
		if len(leads.reads) != 3 || len(leads.reads[0]) != 1 || len(leads.reads[1]) != 200 || !slices.Equal(leads.reads[2], []string{"2"}) {
			t.Errorf("%d readings: %v", len(leads.reads), leads.reads)
		}
		slices.Sort(got)
		for want, times := range map[string]int{"1 read 1": 1, "2 read 2": 1, "2 read 3": 1, "150 read 2": 2, "151 read 2": 1, "404 read ": 1} {
			if n := len(slices.DeleteFunc(slices.Clone(got), func(one string) bool { return one != want })); n != times {
				t.Errorf("%d events were handed over as %q, want %d", n, want, times)
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

// An event whose reading the end of the run interrupts waits for the next run, which
// reads its lead again.
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
		start := time.Now()
		rig.wantEnd(end)
		if took := time.Since(start); took != 0 {
			t.Errorf("the reading went on for %v", took)
		}
		rig.wantStats(Stats{Accepted: 3, Waiting: 3})
		if len(leads.reads) != 1 {
			t.Errorf("%d readings, want the one that was interrupted: %v", len(leads.reads), leads.reads)
		}
		end = rig.run(func(_ context.Context, e crm.Event) {
			rig.note(e)
			if e.Status.ID == "" {
				t.Errorf("an event of lead %s was not read", e.Lead.ID)
			}
		})
		time.Sleep(5 * time.Second)
		rig.wantEnd(end)
		rig.wantOrder()
		rig.wantStats(Stats{Accepted: 3, Handled: 3})
		rig.wantEmpty()
	})
}

// A reading that goes well although the run has ended meanwhile hands nothing over,
// and counts for the next run.
func TestEventsReadAfterTheEndWaitForTheNextRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := &reader{deaf: true}
		rig := newRig(t, Options{ReadLeads: leads.ReadLeads})
		end := rig.run(func(context.Context, crm.Event) { t.Error("an event was handed over after the end") })
		rig.wantPost(1, 200)
		time.Sleep(500 * time.Millisecond)
		rig.wantPost(2, 200)
		rig.wantEnd(end)
		rig.wantStats(Stats{Accepted: 2, Waiting: 2})
		if len(leads.reads) != 1 {
			t.Errorf("readings %v, want none behind the end", leads.reads)
		}
		var got []string
		end = rig.run(func(_ context.Context, e crm.Event) { got = append(got, e.Lead.ID+" read "+e.Status.ID) })
		time.Sleep(5 * time.Second)
		rig.wantEnd(end)
		if want := []string{"1 read 1", "2 read 2"}; !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
		rig.wantEmpty()
	})
}

// A reading that fails takes back what was known, and counts for no event that came
// meanwhile.
func TestEventsWhoseReadingFailsNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := new(reader)
		rig := newRig(t, Options{ReadLeads: leads.ReadLeads})
		var got []string
		end := rig.run(func(_ context.Context, e crm.Event) { got = append(got, e.Status.ID) })
		rig.wantPost(1, 200)
		time.Sleep(500 * time.Millisecond)
		rig.wantPost(1, 200) // during the first reading
		leads.set(func() { leads.fail = errors.New("down") })
		time.Sleep(time.Second)
		rig.wantPost(1, 200) // during the second
		leads.set(func() { leads.fail = nil })
		time.Sleep(5 * time.Second)
		rig.wantEnd(end)
		if want := []string{"1", "", "3"}; !slices.Equal(got, want) {
			t.Errorf("the events were read as %q, want %q", got, want)
		}
	})
}

// An answer for other leads than those asked for says nothing of any.
func TestEventsAreNotReadFromAShortAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := &reader{short: true}
		rig := newRig(t, Options{ReadLeads: leads.ReadLeads, Workers: 2})
		end := rig.run(func(_ context.Context, e crm.Event) {
			rig.note(e)
			if e.Status != (crm.Ref{}) {
				t.Errorf("lead %s has the status %v", e.Lead.ID, e.Status)
			}
		})
		for lead := range 10 {
			rig.wantPost(lead+1, 200)
		}
		time.Sleep(time.Minute)
		rig.wantEnd(end)
		rig.wantStats(Stats{Accepted: 10, Handled: 10})
	})
}

// However many events wait, one reading is of 2,500 leads at most.
func TestManyLeadsAreReadInSeveralReadings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := new(reader)
		rig := newRig(t, Options{ReadLeads: leads.ReadLeads, Workers: 2, QueueSize: 6000})
		end := rig.run(func(_ context.Context, e crm.Event) {
			if e.Status.ID == "" {
				t.Errorf("lead %s was not read", e.Lead.ID)
			}
		})
		rig.wantPost(1, 200)
		synctest.Wait()
		for lead := range 5001 {
			rig.wantPost(1000+lead, 200)
		}
		time.Sleep(time.Minute)
		rig.wantEnd(end)
		rig.wantStats(Stats{Accepted: 5002, Handled: 5002})
		most := 0
		for _, read := range leads.reads {
			most = max(most, len(read))
		}
		if most != 2500 || len(leads.reads) != 4 {
			t.Errorf("%d readings, the greatest of %d leads", len(leads.reads), most)
		}
	})
}

// A lead is read for events that need it, once for all that had come.
func TestOnlyWhatIsNeededIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := new(reader)
		rig := newRig(t, Options{ReadLeads: leads.ReadLeads, Workers: 2})
		var mu sync.Mutex
		got := map[string]string{}
		free := make(chan bool)
		end := rig.run(func(_ context.Context, e crm.Event) {
			mu.Lock()
			got[e.Lead.ID] = e.Status.ID
			mu.Unlock()
			if e.Lead.ID == "1" {
				time.Sleep(100 * time.Millisecond)
				return
			}
			<-free
		})
		rig.wantPost(1, 200)
		synctest.Wait() // lead 1 is being read
		rig.wantPost(2, 200)
		rig.wantPost(3, 200)
		if status := rig.postText("4 77"); status != 200 { // says itself where the lead stands
			t.Errorf("HTTP %d", status)
		}
		rig.wantPost(5, 200)
		time.Sleep(10 * time.Second) // 3 was taken while it was read together with 2 and 5
		rig.wantPost(6, 200)
		close(free)
		time.Sleep(10 * time.Second)
		rig.wantEnd(end)
		if want := [][]string{{"1"}, {"2", "3", "5"}, {"6"}}; !slices.EqualFunc(leads.reads, want, slices.Equal) {
			t.Errorf("readings %v, want %v", leads.reads, want)
		}
		if want := map[string]string{"1": "1", "2": "2", "3": "2", "4": "77", "5": "2", "6": "3"}; !maps.Equal(got, want) {
			t.Errorf("statuses %v, want %v", got, want)
		}
	})
}

// A reading takes back no other one: what was read just now is not read again, even if
// the worker that waited for it has not gone on yet.
func TestWhatWasReadJustNowIsNotReadAgain(t *testing.T) {
	t.Parallel()
	lead := func(id string, read, needs uint64) *lane {
		return &lane{
			lead: crm.LeadRef{Source: "acme", ID: id}, read: read, needs: needs,
			events: []queued{{crm.Event{Kind: crm.EventLeadChanged, Lead: crm.LeadRef{ID: id}}, needs}},
		}
	}
	q := queue{
		wanted: []*lane{lead("1", 7, 6), lead("2", 7, 8), lead("3", 7, 7), lead("4", 0, 5)},
		ready:  []*lane{lead("5", 7, 7), lead("6", 7, 8)},
	}
	var got []string
	for _, l := range q.toRead() {
		got = append(got, l.lead.ID)
	}
	if want := []string{"2", "4", "6"}; !slices.Equal(got, want) || len(q.wanted) != 0 {
		t.Errorf("leads %v, want %v; %d are wanted still", got, want, len(q.wanted))
	}
}

// What was read counts for all events of the lead that had come, also where another
// lead is read between them.
func TestALeadIsReadForAllItsEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leads := new(reader)
		rig := newRig(t, Options{ReadLeads: leads.ReadLeads, Workers: 1})
		var got []string
		end := rig.run(func(_ context.Context, e crm.Event) {
			got = append(got, e.Lead.ID+" read "+e.Status.ID)
			time.Sleep(time.Second)
		})
		if status := rig.postText("1 77"); status != 200 { // keeps the worker busy
			t.Errorf("HTTP %d", status)
		}
		rig.wantPost(2, 200)
		rig.wantPost(2, 200)
		time.Sleep(1500 * time.Millisecond) // lead 2 is being read
		rig.wantPost(3, 200)
		time.Sleep(time.Minute)
		rig.wantEnd(end)
		if want := []string{"1 read 77", "2 read 1", "3 read 2", "2 read 1"}; !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
		if want := [][]string{{"2"}, {"3"}}; !slices.EqualFunc(leads.reads, want, slices.Equal) {
			t.Errorf("readings %v, want %v", leads.reads, want)
		}
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
		// Its event was not handed over. It comes unread, so that it ends no further run.
		leads.set(func() { leads.panic = false })
		end := rig.run(func(_ context.Context, e crm.Event) {
			rig.note(e)
			if e.Lead.ID == "1" && e.Status != (crm.Ref{}) {
				t.Errorf("status %v", e.Status)
			}
		})
		time.Sleep(5 * time.Second)
		rig.wantEnd(end)
		rig.wantStats(Stats{Accepted: 2, Handled: 2})
		rig.wantEmpty()
		if len(rig.got["1"]) != 1 { // the other may have come in the run before
			t.Errorf("events %v, want the one whose reading panicked", rig.got)
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
