package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/statuslink/statuslink"
)

// syncRun lets an engine read, plan and apply.
type syncRun struct {
	engine int
	mode   string // one of syncModes
	faults []fault
}

var syncModes = []string{
	"plan and apply", "sync", "confirm twice", "release all that is held", "release one that is held", "confirm a release",
}

func (a syncRun) String() string {
	text := fmt.Sprintf("engine %d: %s", a.engine, a.mode)
	if len(a.faults) > 0 {
		var parts []string
		for _, f := range a.faults {
			parts = append(parts, f.String())
		}
		text += ", while " + strings.Join(parts, " and ")
	}
	return text
}

func (a syncRun) run(w *world) {
	e := w.engines[a.engine]
	s := &step{w: w, engine: e, before: load(w.store), readings: w.read(e.sources, a.faults)}
	e.show(s.readings)
	ctx := context.Background()
	plan, err := e.syncer.Plan(ctx)
	if plan == nil {
		w.surprise(err)
		return
	}
	s.plan = plan
	if err != nil { // no source was believed
		s.after, s.verdict = s.before, judge(s.before, s.readings, nil)
		s.next = w.ghost
		if !plan.Empty() || len(s.verdict.scopes) > 0 {
			w.violate("incomplete", "no source was believed, and the plan is:\n%s", plan)
		}
		return
	}
	var report *statuslink.Report
	switch a.mode {
	case "sync":
		report, err = e.syncer.Sync(ctx)
		if report != nil {
			err = nil // of the sources that failed
		}
	case "confirm twice":
		if report, err = e.syncer.Confirm(ctx, plan.Token()); err == nil {
			a.again(w, e, plan, report)
		}
	case "release all that is held", "release one that is held", "confirm a release":
		s.released = plan.Held()
		if a.mode == "release one that is held" && len(s.released) > 0 {
			s.released = s.released[:1]
		}
		plan = plan.Release(s.released...)
		s.plan = plan
		if a.mode == "confirm a release" {
			report, err = e.syncer.Confirm(ctx, plan.Token())
		} else {
			report, err = e.syncer.Apply(ctx, plan)
		}
	default:
		if report, err = e.syncer.Apply(ctx, plan); err == nil {
			a.again(w, e, plan, report)
		}
	}
	if err != nil {
		w.surprise(err)
		return
	}
	if report.Applied == plan.Empty() {
		w.violate("engines", "applied: %t, and the plan is empty: %t", report.Applied, plan.Empty())
	}
	s.after = load(w.store)
	s.verdict = judge(s.before, s.readings, s.released)
	s.remember()
	s.check()
	w.ghost = s.next
}

// again applies what is done already.
func (a syncRun) again(w *world, e *engine, plan *statuslink.Plan, report *statuslink.Report) {
	if !w.watches("engines") {
		return
	}
	ctx := context.Background()
	state := load(w.store).State()
	if a.mode == "confirm twice" {
		again, err := e.syncer.Confirm(ctx, plan.Token())
		if err != nil || again.Applied || again.Already != report.Applied {
			w.violate("engines", "confirmed again: %+v, %v", again, err)
		}
	}
	again, err := e.syncer.Apply(ctx, plan)
	switch {
	case a.mode == "confirm twice" && errors.Is(err, statuslink.ErrStale): // the plan itself was not applied
	case err != nil || again.Applied || again.Already != report.Applied:
		w.violate("engines", "applied again: %+v, %v", again, err)
	}
	if diff := difference(state, load(w.store).State()); diff != "" {
		w.violate("engines", "doing again what is done changed the state (-want +got):\n%s", diff)
	}
}

// syncStale plans, lets a person do something, and applies the old plan.
type syncStale struct {
	engine int
	edit   action
}

func (a syncStale) String() string {
	return fmt.Sprintf("engine %d: apply a plan made before %s", a.engine, a.edit)
}

func (a syncStale) run(w *world) {
	e := w.engines[a.engine]
	e.show(w.read(e.sources, nil))
	ctx := context.Background()
	plan, err := e.syncer.Plan(ctx)
	if err != nil {
		return
	}
	version := load(w.store).Version()
	a.edit.run(w)
	now := load(w.store)
	if now.Version() == version || plan.Empty() {
		return
	}
	if _, err := e.syncer.Apply(ctx, plan); !errors.Is(err, statuslink.ErrStale) {
		w.violate("engines", "a stale plan was applied: %v", err)
	}
	if load(w.store).Version() != now.Version() {
		w.violate("engines", "a stale plan changed the store")
	}
}

// syncConfirm shows a plan, lets something happen, and confirms what was shown.
type syncConfirm struct {
	engine int
	event  action
}

func (a syncConfirm) String() string {
	return fmt.Sprintf("engine %d: confirm a plan shown before %s", a.engine, a.event)
}

func (a syncConfirm) run(w *world) {
	e := w.engines[a.engine]
	ctx := context.Background()
	e.show(w.read(e.sources, nil))
	shown, err := e.syncer.Plan(ctx)
	if err != nil {
		return
	}
	a.event.run(w)
	w.now = w.now.Add(time.Second)
	s := &step{w: w, engine: e, before: load(w.store), readings: w.read(e.sources, nil)}
	e.show(s.readings)
	plan, err := e.syncer.Plan(ctx)
	if err != nil {
		return
	}
	s.plan = plan
	report, err := e.syncer.Confirm(ctx, shown.Token())
	s.after = load(w.store)
	if plan.Digest() != shown.Digest() {
		if !errors.Is(err, statuslink.ErrStale) || s.after.Version() != s.before.Version() {
			w.violate("engines", "confirming did something else than was shown: %+v, %v", report, err)
		}
		return
	}
	if err != nil || report.Applied == plan.Empty() {
		w.violate("engines", "what was shown is not what confirming did: %+v, %v", report, err)
		return
	}
	s.verdict = judge(s.before, s.readings, nil)
	s.remember()
	s.check()
	w.ghost = s.next
}

// syncRace lets two engines plan before either applies.
type syncRace struct{ one, two int }

func (a syncRace) String() string {
	return fmt.Sprintf("engines %d and %d: both plan, then both apply", a.one, a.two)
}

func (a syncRace) run(w *world) {
	one, two := w.engines[a.one], w.engines[a.two]
	ctx := context.Background()
	s := &step{w: w, engine: one, before: load(w.store), readings: w.read(one.sources, nil)}
	one.show(s.readings)
	plan, err := one.syncer.Plan(ctx)
	two.show(w.read(two.sources, nil))
	late, lateErr := two.syncer.Plan(ctx)
	if err != nil || lateErr != nil {
		return
	}
	s.plan = plan
	report, err := one.syncer.Apply(ctx, plan)
	if err != nil {
		w.surprise(err)
		return
	}
	s.after = load(w.store)
	s.verdict = judge(s.before, s.readings, nil)
	s.remember()
	s.check()
	w.ghost = s.next
	w.now = w.now.Add(time.Second)
	again, err := two.syncer.Apply(ctx, late)
	done := err == nil && again.Already && late.Digest() == plan.Digest()
	if report.Applied && !late.Empty() && !done && !errors.Is(err, statuslink.ErrStale) {
		w.violate("engines", "the second of two plans was applied: %v", err)
	}
	if report.Applied && load(w.store).Version() != s.after.Version() {
		w.violate("engines", "the second of two plans changed the store")
	}
	if !report.Applied && err == nil && !late.Empty() {
		s := &step{w: w, engine: two, before: s.after, after: load(w.store), readings: w.read(two.sources, nil), plan: late}
		s.verdict = judge(s.before, s.readings, nil)
		s.remember()
		s.check()
		w.ghost = s.next
	}
}

// check asks the laws that are watched.
func (s *step) check() {
	s.w.last = s
	for _, law := range laws() {
		if law.holds != nil && s.w.watches(law.name) {
			if err := law.holds(s); err != nil {
				s.w.violate(law.name, "%w", err)
			}
		}
	}
}

// String shows the plan, the CRMs' lists, and the bot's before and after.
func (s *step) String() string {
	if s == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the plan:\n%s", s.plan)
	for _, key := range s.verdict.scopes {
		fmt.Fprintf(&b, "the CRM's %s, held %t:\n", key, s.verdict.held[key])
		for _, row := range s.verdict.list(key) {
			fmt.Fprintf(&b, "  %s %+q %d %q %s\n", row.Ref.ID, row.Name, row.Order, row.Color, row.Outcome)
		}
	}
	for _, state := range []*statuslink.Snapshot{s.before, s.after} {
		b.WriteString(map[bool]string{true: "before:\n", false: "after:\n"}[state == s.before])
		for status := range state.All() {
			fmt.Fprintf(&b, "  %s %+q %q %s alias %+q, at %d\n", status.ID, status.Name, status.Color, status.Outcome, status.Aliases, status.Order)
			for _, link := range status.Links {
				fmt.Fprintf(&b, "      %s missing %t, Base %+q %q %s %d %t\n", link.Ref, link.Missing(),
					link.Base.Name, link.Base.Color, link.Base.Outcome, link.Base.Order, link.Base.Ordered)
			}
		}
	}
	return b.String()
}
