package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// leadStep is one thing that may happen.
type leadStep struct {
	name   string
	weight int
	do     func(w *leadWorld, random *rand.Rand)
}

// leadSteps are all of them.
var leadSteps = []leadStep{
	{"set", 25, (*leadWorld).stepSet},
	{"set many", 6, (*leadWorld).stepSetMany},
	{"manager moves", 25, (*leadWorld).stepManager},
	{"deliver", 20, (*leadWorld).stepDeliver},
	{"statuses change", 5, (*leadWorld).stepStatuses},
	{"rules change", 3, (*leadWorld).stepRules},
	{"synchronise", 4, (*leadWorld).stepSync},
	{"lead comes", 4, (*leadWorld).stepLeadComes},
	{"lead goes", 3, (*leadWorld).stepLeadGoes},
	{"fault", 8, (*leadWorld).stepFault},
	{"catch up", 2, (*leadWorld).stepCatchUp},
}

func drawn[T any](random *rand.Rand, from []T) (picked T) {
	if len(from) > 0 {
		picked = from[random.IntN(len(from))]
	}
	return picked
}

// draw draws a step.
func drawLeadStep(random *rand.Rand) leadStep {
	total := 0
	for _, step := range leadSteps {
		total += step.weight
	}
	n := random.IntN(total)
	for _, step := range leadSteps {
		if n -= step.weight; n < 0 {
			return step
		}
	}
	panic("unreachable")
}

// anyLead draws a lead, mostly one that is there.
func (w *leadWorld) anyLead(random *rand.Rand) crm.LeadRef {
	w.mu.Lock()
	defer w.mu.Unlock()
	var leads []crm.LeadRef
	for lead, states := range w.truth {
		if states[len(states)-1] != goneRef || random.IntN(8) == 0 {
			leads = append(leads, lead)
		}
	}
	slices.SortFunc(leads, func(a, b crm.LeadRef) int { return strings.Compare(a.Source+a.Kind+a.ID, b.Source+b.Kind+b.ID) })
	return drawn(random, leads)
}

// anyStatus draws a status of the bot, by Key or ID, or one that is not there; those
// that the lead can reach are drawn more often.
func (w *leadWorld) anyStatus(random *rand.Rand, lead crm.LeadRef) string {
	snapshot, err := w.catalog.Snapshot(w.t.Context())
	if err != nil {
		w.t.Error(err)
		return ""
	}
	w.mu.Lock()
	states := w.truth[lead]
	w.mu.Unlock()
	if random.IntN(30) == 0 {
		return "nowhere"
	}
	var fit []string
	for status := range snapshot.All() {
		if _, ok := status.Target(lead.Source, states[len(states)-1].Scope); ok || random.IntN(20) == 0 {
			fit = append(fit, status.ID)
		}
	}
	if random.IntN(4) == 0 {
		return drawn(random, []string{"first", "new", "operator"})
	}
	return drawn(random, fit)
}

// since returns how many states a lead had so far.
func (w *leadWorld) since(lead crm.LeadRef) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookLocked()
	return len(w.truth[lead])
}

// wantTrue checks that a lead stood at a place at some time since it had that many
// states.
func (w *leadWorld) wantTrue(set statuslink.SetResult, since int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookLocked()
	states := w.truth[set.Lead]
	if !slices.Contains(states[since-1:], set.To) {
		w.t.Errorf("%s was set to %s, where it never was meanwhile: %v", set.Lead, set.To, states[since-1:])
	}
	if set.From != (crm.Ref{}) && !slices.Contains(states[since-1:], set.From) {
		w.t.Errorf("%s was set from %s, where it never was meanwhile: %v", set.Lead, set.From, states[since-1:])
	}
	if set.ToStatus.ID != "" && !set.ToStatus.Linked(set.To) || set.ToStatus.ID == "" && !set.MovedOn {
		w.t.Errorf("%s stands on %s, told as %q", set.Lead, set.To, set.ToStatus.Name)
	}
	if set.From == set.To && set.Changed {
		w.t.Errorf("%s stood on %s before: %+v", set.Lead, set.To, set)
	}
}

// refusedBefore reports whether an error says that nothing was written.
func refusedBefore(err error) bool {
	var e *statuslink.Error
	return errors.As(err, &e) && e.Err == nil
}

func (w *leadWorld) stepSet(random *rand.Rand) {
	lead := w.anyLead(random)
	wish := w.anyStatus(random, lead)
	var writes leadWrites
	process, since, end := w.now(), w.since(lead), w.begin(lead)
	set, err := process.leads.Set(context.WithValue(w.t.Context(), writesOf{}, &writes), lead, wish)
	end(set)
	switch {
	case err == nil:
		w.count("set")
		w.wantTrue(set, since)
		// Umnico's client writes nothing if another moved the lead there meanwhile.
		if !set.Changed && writes.asked.Load() > 0 || set.Changed && writes.asked.Load() == 0 && lead.Source != "umnico" {
			w.t.Errorf("%s: %d requests to move it, told as %+v", lead, writes.asked.Load(), set)
		}
		if !set.MovedOn && set.ToStatus.ID != wish && set.ToStatus.Key != wish {
			w.t.Errorf("%s was to come to %s: %+v", lead, wish, set)
		}
	case refusedBefore(err):
		w.count("refused")
		if writes.asked.Load() > 0 {
			w.t.Errorf("%s was written to, in spite of: %v", lead, err)
		}
	default:
		w.count("set failed")
	}
	if err != nil && set.Lead != (crm.LeadRef{}) {
		w.t.Errorf("%s: a result with an error: %+v", lead, set)
	}
}

func (w *leadWorld) stepSetMany(random *rand.Rand) {
	var wishes []statuslink.Wish
	var since []int
	var ends []func(statuslink.SetResult)
	process := w.now()
	for range 1 + random.IntN(12) {
		lead := w.anyLead(random)
		wishes = append(wishes, statuslink.Wish{Lead: lead, Status: w.anyStatus(random, lead)})
		since, ends = append(since, w.since(lead)), append(ends, w.begin(lead))
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	if random.IntN(6) == 0 {
		time.AfterFunc(time.Duration(random.IntN(3000))*time.Millisecond, cancel)
	}
	var writes leadWrites
	written, i := false, 0
	var became []string
	for result := range process.leads.SetMany(context.WithValue(ctx, writesOf{}, &writes), slices.Values(wishes), nil) {
		if result.Wish != wishes[i] {
			w.t.Errorf("result %d is of %+v, want %+v", i, result.Wish, wishes[i])
		}
		ends[i](result.Set)
		if (result.State == crm.MoveDone) != (result.Err == nil) {
			w.t.Errorf("state %d with %v", result.State, result.Err)
		}
		if result.Err == nil {
			w.count("set by many")
			w.wantTrue(result.Set, since[i])
		}
		if result.State == crm.MoveDone && result.Set.Changed || result.State != crm.MoveDone && !refusedBefore(result.Err) && result.State != crm.MoveNotSent {
			written = true
		}
		became = append(became, fmt.Sprintf("%s: %d %v", result.Wish.Lead, result.State, result.Err))
		i++
	}
	if !written && writes.done.Load() > 0 {
		w.t.Errorf("%d requests to move leads, of which no result tells:\n%s", writes.done.Load(), strings.Join(became, "\n"))
	}
}

// manage changes a CRM as a person does.
func (w *leadWorld) manage(source string, change func() error) {
	w.writing[source].do(func() {
		if err := change(); err != nil {
			w.count("manager could not")
		}
		w.look()
	})
}

func (w *leadWorld) stepManager(random *rand.Rand) {
	lead := w.anyLead(random)
	id, _ := strconv.Atoi(lead.ID)
	for range 1 + random.IntN(3) { // people think it over
		switch lead.Kind {
		case "":
			w.manage("umnico", func() error { return w.account.MoveLead(id, drawn(random, w.account.Statuses()).ID) })
		case "lead":
			w.manage("bitrix24", func() error { return w.portal.MoveItem(1, id, 0, w.stage(random, "STATUS")) })
		default:
			category := drawn(random, []int{0, 5})
			w.manage("bitrix24", func() error {
				scope := "DEAL_STAGE"
				if category > 0 {
					scope += "_" + strconv.Itoa(category)
				}
				return w.portal.MoveItem(2, id, category, w.stage(random, scope))
			})
		}
		if random.IntN(3) > 0 {
			break
		}
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
	}
}

// stage draws a stage of a directory of the portal.
func (w *leadWorld) stage(random *rand.Rand, scope string) string {
	return drawn(random, slices.DeleteFunc(w.portal.Statuses(), func(s bitrix24test.Status) bool { return s.Scope != scope })).ID
}

func (w *leadWorld) stepStatuses(random *rand.Rand) {
	name := drawn(random, []string{"В работе", "Думает", "Paid", "Диалог с оператором", "Перезвонить"}) + " " + strconv.Itoa(random.IntN(30))
	if random.IntN(2) == 0 {
		status := drawn(random, w.account.Statuses())
		w.manage("umnico", func() error {
			switch random.IntN(6) {
			case 0:
				if len(w.account.Statuses()) < 6 {
					return nil
				}
				return w.account.Delete(status.ID)
			case 1:
				_, err := w.account.Recreate(status.ID)
				return err
			case 2, 3:
				w.account.Add(name)
				return nil
			default:
				return w.account.Rename(status.ID, name)
			}
		})
		return
	}
	scope := drawn(random, []string{"STATUS", "DEAL_STAGE", "DEAL_STAGE_5"})
	stage := w.stage(random, scope)
	w.manage("bitrix24", func() error {
		switch random.IntN(6) {
		case 0:
			if len(w.portal.Statuses()) < 40 {
				return nil
			}
			return w.portal.Delete(scope, stage)
		case 1:
			_, err := w.portal.Recreate(scope, stage)
			return err
		case 2, 3:
			w.portal.AddStatus(scope, name)
			return nil
		default:
			return w.portal.Rename(scope, stage, name)
		}
	})
}

// stepRules lets a CRM move leads on that come to a status, or not any more.
func (w *leadWorld) stepRules(random *rand.Rand) {
	off := random.IntN(2) == 0
	if random.IntN(2) == 0 {
		from, to := drawn(random, w.account.Statuses()).ID, drawn(random, w.account.Statuses()).ID
		if off {
			to = 0
		}
		w.account.Automate(from, to)
		return
	}
	scope := drawn(random, []string{"STATUS", "DEAL_STAGE", "DEAL_STAGE_5"})
	from, to := w.stage(random, scope), w.stage(random, scope)
	if off {
		to = ""
	}
	w.portal.Automate(scope, from, to)
}

func (w *leadWorld) stepSync(random *rand.Rand) {
	if random.IntN(2) == 0 {
		_, _ = w.syncer.Sync(w.t.Context())
		return
	}
	plan, err := w.syncer.Plan(w.t.Context())
	if err != nil {
		return
	}
	time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
	if random.IntN(3) == 0 {
		plan = plan.Release(plan.Held()...)
	}
	_, _ = w.syncer.Apply(w.t.Context(), plan)
}

func (w *leadWorld) stepLeadComes(random *rand.Rand) {
	if random.IntN(2) == 0 {
		w.manage("umnico", func() error { w.account.AddLead(umnicotest.Lead{}); return nil })
		return
	}
	w.manage("bitrix24", func() error { w.portal.AddDeal(5, w.stage(random, "DEAL_STAGE_5")); return nil })
}

func (w *leadWorld) stepLeadGoes(random *rand.Rand) {
	lead := w.anyLead(random)
	id, _ := strconv.Atoi(lead.ID)
	w.queue.do(func() {
		switch lead.Kind {
		case "":
			w.manage("umnico", func() error { return w.account.DeleteLead(id) })
		case "lead":
			w.manage("bitrix24", func() error { return w.portal.DeleteItem(1, id) })
		default:
			w.manage("bitrix24", func() error { return w.portal.DeleteItem(2, id) })
		}
		for _, event := range w.portal.Events() {
			if strings.HasSuffix(event.Event, "DELETE") {
				w.deals.gone = append(w.deals.gone, event)
			}
		}
	})
}

func (w *leadWorld) stepFault(random *rand.Rand) {
	fault := drawn(random, []crmfault.Fault{
		crmfault.Answer(http.StatusBadGateway, ""), crmfault.RetryAfter(http.StatusServiceUnavailable, 2*time.Second),
		crmfault.RetryAfter(http.StatusTooManyRequests, 3*time.Second), crmfault.Cut(), crmfault.CutConnection(), crmfault.Drop(), crmfault.HTML(),
		crmfault.Delay(700 * time.Millisecond), crmfault.Delay(4 * time.Second), crmfault.Delay(50 * time.Second),
	})
	n := 1 + random.IntN(4)
	if random.IntN(2) == 0 {
		w.portal.Fail(n, fault)
	} else {
		w.account.Fail(n, fault)
	}
}

func (w *leadWorld) stepCatchUp(random *rand.Rand) {
	p := w.now()
	w.job(p, func() {
		switch random.IntN(3) {
		case 0:
			_ = p.leads.Reconcile(p.ctx, "umnico", "", w.handle)
		case 1:
			_ = p.leads.Reconcile(p.ctx, "bitrix24", "deal", w.handle)
		default:
			_ = w.catchUp(p, "deal")
		}
	})
}
