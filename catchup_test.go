package statuslink_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmhook"
)

// keptDesk keeps a history, of which entries may come to light late, lists its
// leads, and reads many at once.
type keptDesk struct {
	*crmDesk
	entries   []crm.HistoryEntry
	bulk      int
	onBulk    func() // before leads are read
	afterBulk func() // between reading and answering
	fail      error  // behind the entries
}

// keep moves a lead, at a minute of the history, and keeps an entry.
func (d *keptDesk) keep(position int, minute float64, id, status string) {
	at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(minute * float64(time.Minute)))
	d.putAt(id, status, at)
	entry := crm.HistoryEntry{Position: strconv.Itoa(position), Event: crm.Event{
		Source: d.Source(), Kind: isMoved, Type: "history", Lead: d.ref(id), Status: ref(d.Source(), status), At: at,
	}}
	i := len(d.entries)
	for i > 0 && number(d.entries[i-1].Position) > position {
		i--
	}
	d.entries = slices.Insert(d.entries, i, entry)
}

func number(position string) int {
	n, err := strconv.Atoi(position)
	if err != nil {
		panic(err)
	}
	return n
}

func (d *keptDesk) HistoryEnd(context.Context, string) (string, error) {
	if len(d.entries) == 0 {
		return "0", d.fail
	}
	return d.entries[len(d.entries)-1].Position, d.fail
}

func (d *keptDesk) ReadHistory(_ context.Context, _, position string) iter.Seq2[crm.HistoryEntry, error] {
	return func(yield func(crm.HistoryEntry, error) bool) {
		for _, entry := range slices.Clone(d.entries) {
			if number(entry.Position) > number(position) && !yield(entry, nil) {
				return
			}
		}
		if d.fail != nil {
			yield(crm.HistoryEntry{}, d.fail)
		}
	}
}

func (d *keptDesk) ReadLeads(ctx context.Context, leads []crm.LeadRef) ([]crm.LeadResult, error) {
	d.bulk++
	if d.onBulk != nil {
		d.onBulk()
	}
	results := make([]crm.LeadResult, len(leads))
	d.mu.Lock()
	for i, lead := range leads {
		read, ok := d.leads[lead.ID]
		if !ok {
			results[i].Err = crm.ErrNotFound
		}
		results[i].Lead = read
	}
	d.mu.Unlock()
	if d.afterBulk != nil {
		d.afterBulk()
	}
	return results, ctx.Err()
}

func (d *keptDesk) ListLeads(context.Context, crm.LeadQuery) iter.Seq2[crm.Lead, error] {
	return func(yield func(crm.Lead, error) bool) {
		d.mu.Lock()
		var leads []crm.Lead
		for _, lead := range d.leads {
			leads = append(leads, lead)
		}
		d.mu.Unlock()
		slices.SortFunc(leads, func(a, b crm.Lead) int { return number(a.Ref.ID) - number(b.Ref.ID) })
		if d.afterBulk != nil {
			d.afterBulk()
		}
		for _, lead := range leads {
			if !yield(lead, nil) {
				return
			}
		}
		if d.fail != nil {
			yield(crm.Lead{}, d.fail)
		}
	}
}

func (f *follower) catchUp(promise, position, want string) {
	f.t.Helper()
	got, err := f.leads.CatchUp(f.t.Context(), "acme", "", position, f.handle)
	f.must(err)
	if got != want {
		f.t.Errorf("%s: go on from %q, want %q", promise, got, want)
	}
	f.mu.Lock()
	slices.Sort(f.told)
	f.mu.Unlock()
}

func TestCatchUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.catchUp("of an empty history", "", "0")
		d.keep(10, 0, "7", "1")
		f.catchUp("to begin", "", "10")
		f.wantTold("nothing that was before the beginning")

		d.keep(11, 1, "7", "2")
		d.keep(12, 2, "7", "3")
		d.keep(13, 3, "8", "1")
		d.keep(14, 20, "9", "4")
		d.keep(16, 21, "gone", "1")
		d.remove("gone")
		f.catchUp("what was missed", "10", "13")
		f.wantTold("each lead once, as it stands", "7: paid", "8: first", "9: operator")
		if d.bulk != 1 || d.readings() != 0 {
			t.Errorf("%d bulk readings, want one and no single one", d.bulk)
		}
		d.keep(15, 19, "8", "2") // comes to light late
		f.catchUp("once more", "13", "13")
		f.wantTold("what came to light late, and nothing again", "8: work <- first")
		d.keep(17, 60, "9", "1")
		f.catchUp("later", "13", "16")
		f.wantTold("what is new", "9: first <- operator")
		f.catchUp("nothing is new", "16", "16")
		f.wantTold("nothing")
	})
}

func TestCatchUpInParts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		for i := range 6000 {
			d.keep(i+1, float64(i), strconv.Itoa(i), "2")
		}
		d.onBulk = func() {
			if d.bulk == 3 {
				d.fail = &crm.Error{Kind: crm.ErrUnavailable}
			}
		}
		position, err := f.leads.CatchUp(t.Context(), "acme", "", "0", f.handle)
		f.must(err)
		if len(f.told) != 6000 || d.bulk != 3 || position != "5995" {
			t.Errorf("%d leads in %d readings up to %s", len(f.told), d.bulk, position)
		}
		f.told = nil
		d.bulk = 0
		for i := range 5500 {
			d.keep(i+6001, float64(i+6000), strconv.Itoa(i), "3")
		}
		position, err = f.leads.CatchUp(t.Context(), "acme", "", position, f.handle)
		if !errors.Is(err, crm.ErrUnavailable) || position != "10990" || len(f.told) != 4995 {
			t.Errorf("the history breaks off: %d leads up to %s, %v", len(f.told), position, err)
		}
		f.told = nil
		d.fail = nil
		f.catchUp("from there", position, "11495")
		if len(f.told) != 505 {
			t.Errorf("%d leads, want the rest", len(f.told))
		}
	})
}

func TestCatchUpBesideFollow(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		d.keep(1, 0, "7", "1")
		d.keep(2, 0, "8", "1")
		d.keep(3, 0, "9", "1")
		d.afterBulk = func() {
			d.keep(4, 1, "7", "2")
			d.post(isMoved, "7", "2")
			d.put("8", "3") // the CRM does not say when
			d.post(isMoved, "8", "3")
			synctest.Wait()
		}
		f.catchUp("a lead is followed between its reading and its turn", "0", "0")
		f.wantTold("nothing older after it", "7: work", "8: paid", "9: first")

		d.afterBulk = nil
		d.keep(5, 2, "7", "3")
		f.failWith(func(change statuslink.LeadChange) error {
			if change.Event.Type == "acme" {
				return errors.New("no")
			}
			return nil
		})
		d.post(isMoved, "7", "3")
		synctest.Wait()
		caught := make(chan error)
		go func() {
			_, err := f.leads.CatchUp(t.Context(), "acme", "", "3", f.handle)
			caught <- err
		}()
		synctest.Wait()
		select {
		case err := <-caught:
			t.Errorf("CatchUp does not wait for a lead that Follow is about to tell: %v", err)
		default:
		}
		f.failWith(nil)
		f.must(<-caught)
		f.wantTold("a lead that waits for its repetition", "7: paid <- work")
	})
}

func TestCatchUpRepeats(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		var dead letters
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{DeadLetter: dead.take}, d)
		for i := range 30 {
			d.keep(i+1, float64(i), strconv.Itoa(i), "2")
		}
		fails := map[string]int{"3": 2, "4": 1000}
		f.failWith(func(change statuslink.LeadChange) error {
			id := change.Lead.Ref.ID
			if fails[id]--; fails[id] >= 0 {
				return errors.New("no")
			}
			return nil
		})
		d.onRead = func(crm.LeadRef) error { d.keep(31, 30, "3", "3"); return nil }
		f.catchUp("some fail", "0", "25")
		if len(f.told) != 29 || !slices.Contains(f.told, "3: paid") {
			t.Errorf("told were %d: %v", len(f.told), f.told)
		}
		f.told = nil
		dead.want(t, "one is given up", "4: work")
		f.catchUp("again", "0", "26")
		f.wantTold("all was told or given up")

		ctx, cancel := context.WithCancel(t.Context())
		d.keep(40, 60, "5", "1")
		f.failWith(func(statuslink.LeadChange) error { cancel(); return errors.New("no") })
		if position, err := f.leads.CatchUp(ctx, "acme", "", "26", f.handle); position != "26" || !errors.Is(err, context.Canceled) {
			t.Errorf("the context ends: %q, %v", position, err)
		}
		f.failWith(nil)
		f.catchUp("again", "26", "31")
		f.wantTold("what was not told", "5: first <- work")
	})
}

func TestFollowGoesOnBehindCatchUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		d.keep(1, 0, "7", "1")
		ctx, cancel := context.WithCancel(t.Context())
		caught := make(chan error)
		go func() {
			_, err := f.leads.CatchUp(ctx, "acme", "", "0", func(context.Context, statuslink.LeadChange) error { return errors.New("no") })
			caught <- err
		}()
		synctest.Wait()
		d.post(isMoved, "7", "1")
		f.wantTold("the lead is CatchUp's")
		cancel()
		if err := <-caught; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		f.wantTold("its event is Follow's when CatchUp ends", "7: first")
		f.stop()

		d.keep(2, 1, "7", "2")
		f.failWith(func(statuslink.LeadChange) error { return errors.New("no") })
		f.start(d.hook)
		d.post(isChanged, "7")
		synctest.Wait()
		f.stop()
		f.failWith(nil)
		f.catchUp("nobody follows", "0", "0")
		f.wantTold("an event that waits for the next Follow does not keep CatchUp from its lead", "7: work <- first")
		d.keep(3, 2, "7", "3")
		f.start(d.hook)
		defer f.stop()
		f.wantTold("nor is the event lost", "7: paid <- work")
	})
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{LastKnown: func(_ context.Context, lead crm.LeadRef) (crm.Ref, bool, error) {
			return ref("acme", "1"), lead.ID != "5", nil
		}}, d)
		reconcile := func(promise string, want ...string) {
			t.Helper()
			f.must(f.leads.Reconcile(t.Context(), "acme", "", f.handle))
			slices.Sort(f.told)
			f.wantTold(promise, want...)
		}
		for i := range 10 {
			d.put(strconv.Itoa(i), strconv.Itoa(1+i%2))
		}
		reconcile("after a restart", "1: work <- first", "3: work <- first", "5: work", "7: work <- first", "9: work <- first")
		if n := d.readings(); n != 0 {
			t.Errorf("%d leads were read that had just been listed", n)
		}
		d.put("0", "3")
		d.put("1", "3")
		f.start(d.hook)
		defer f.stop()
		d.afterBulk = func() {
			d.put("0", "4")
			d.put("1", "4")
			d.post(isMoved, "1", "4")
			pass(0)
		}
		reconcile("leads are told as they were listed, unless something was told of them since", "0: paid <- first", "1: operator <- work")
		if n := d.readings(); n != 2 {
			t.Errorf("%d readings, want one for the event, and one of the lead that it was about", n)
		}
		d.afterBulk = nil
		reconcile("the next time tells what moved since", "0: operator <- paid")
		d.fail = &crm.Error{Kind: crm.ErrIncomplete}
		d.put("2", "4")
		if err := f.leads.Reconcile(t.Context(), "acme", "", f.handle); !errors.Is(err, crm.ErrIncomplete) {
			t.Errorf("the list breaks off: %v", err)
		}
		f.wantTold("what was listed is told", "2: operator <- first")
	})
}

func TestCatchUpChecksItsArguments(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := newDesk(t, "acme", crmhook.Options{})
		poor := d.Client
		kept := &keptDesk{crmDesk: newDesk(t, "kept", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d, kept)
		poorLeads, err := statuslink.NewLeads(f.catalog, nil, poor)
		f.must(err)
		kept.fail = &crm.Error{Kind: crm.ErrForbidden}
		for _, test := range []struct {
			name   string
			leads  *statuslink.Leads
			source string
			nobody bool
			want   error
		}{
			{"no such source", f.leads, "other", false, statuslink.ErrNotFound},
			{"no history and no list", f.leads, "acme", false, errors.ErrUnsupported},
			{"no reading", poorLeads, "acme", false, errors.ErrUnsupported},
			{"no callback", f.leads, "kept", true, statuslink.ErrInvalid},
			{"the CRM says no", f.leads, "kept", false, crm.ErrForbidden},
		} {
			handle := f.handle
			if test.nobody {
				handle = nil
			}
			for _, from := range []string{"", "17"} {
				if position, err := test.leads.CatchUp(t.Context(), test.source, "", from, handle); !errors.Is(err, test.want) || position != from {
					t.Errorf("%s: CatchUp from %q: %q, %v, want %v", test.name, from, position, err, test.want)
				}
			}
			if err := test.leads.Reconcile(t.Context(), test.source, "", handle); !errors.Is(err, test.want) {
				t.Errorf("%s: Reconcile: %v, want %v", test.name, err, test.want)
			}
		}
	})
}

func TestCatchUpPanics(t *testing.T) { //nolint:paralleltest // goleak sees all goroutines
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		for i := range 100 {
			d.keep(i+1, float64(i), strconv.Itoa(i), "2")
		}
		for name, call := range map[string]func(){
			"CatchUp":   func() { _, _ = f.leads.CatchUp(t.Context(), "acme", "", "0", f.handle) },
			"Reconcile": func() { _ = f.leads.Reconcile(t.Context(), "acme", "", f.handle) },
		} {
			f.failWith(func(statuslink.LeadChange) error { panic("странный клиент") })
			func() {
				defer func() {
					if value := recover(); value == nil {
						t.Errorf("%s: the panic does not come up", name)
					}
				}()
				call()
			}()
		}
		f.failWith(nil)
		f.catchUp("afterwards", "0", "95")
		if len(f.told) != 100 {
			t.Errorf("%d leads told after a panic", len(f.told))
		}
	})
}

// TestCatchUpUnderLoad moves leads at random, of which events are lost, while CatchUp
// and Reconcile run beside Follow.
func TestCatchUpUnderLoad(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{QueueSize: 1 << 20})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		var mu sync.Mutex
		told := make(map[string]time.Time)
		last := make(map[string]string)
		older := 0
		handle := func(_ context.Context, change statuslink.LeadChange) error {
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			id := change.Lead.Ref.ID
			if change.Lead.MovedAt.Before(told[id]) {
				older++
			}
			told[id], last[id] = change.Lead.MovedAt, change.Lead.Status.ID
			return nil
		}
		d.refuse(func(crm.LeadRef) error { time.Sleep(time.Millisecond); return nil })
		d.afterBulk = func() { time.Sleep(3 * time.Millisecond) }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- f.leads.Follow(ctx, handle, d.hook) }()
		synctest.Wait()
		caught := make(chan bool)
		stop := make(chan bool)
		go func() {
			defer close(caught)
			position := "0"
			for done := false; !done; {
				select {
				case <-stop:
					done = true
				default:
				}
				var err error
				if position, err = f.leads.CatchUp(ctx, "acme", "", position, handle); err != nil {
					t.Error(err)
				}
				if err := f.leads.Reconcile(ctx, "acme", "", handle); err != nil {
					t.Error(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		for i := range 1000 {
			id, status := strconv.Itoa(i*7%11), strconv.Itoa(1+i*i%13%4)
			d.mu.Lock()
			d.leads[id] = crm.Lead{Ref: d.ref(id), Status: ref("acme", status), MovedAt: time.Now()}
			d.mu.Unlock()
			if i%3 != 0 {
				d.post(isMoved, id, status)
			}
			time.Sleep(time.Millisecond)
		}
		close(stop)
		<-caught
		pass(time.Minute)
		cancel()
		wantCanceled(t, ended)
		if older > 0 {
			t.Errorf("%d times an older state was told after a newer one", older)
		}
		want := make(map[string]string)
		for id, lead := range d.leads {
			want[id] = lead.Status.ID
		}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("the bot's view is not the CRM's (-CRM +bot)\n%s", diff)
		}
	})
}

// TestEventsWaitBehindCatchUp: of two events, the second carries what was told last.
func TestEventsWaitBehindCatchUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		d := &keptDesk{crmDesk: newDesk(t, "acme", crmhook.Options{})}
		f := newFollower(t, statuslink.LeadsOptions{}, d)
		f.start(d.hook)
		defer f.stop()
		d.put("7", "1")
		d.post(isMoved, "7", "1")
		f.wantTold("the first sight", "7: first")
		d.keep(1, 0, "7", "2")
		ctx, cancel := context.WithCancel(t.Context())
		caught := make(chan error)
		go func() {
			_, err := f.leads.CatchUp(ctx, "acme", "", "0", func(context.Context, statuslink.LeadChange) error { return errors.New("no") })
			caught <- err
		}()
		synctest.Wait()
		d.post(isMoved, "7", "2")
		d.post(isMoved, "7", "1")
		synctest.Wait()
		cancel()
		if err := <-caught; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		f.wantTold("the change", "7: work <- first")
	})
}
