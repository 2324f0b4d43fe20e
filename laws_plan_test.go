package statuslink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// sameFindings compares findings; errors are equal by what they say.
func sameFindings(a, b *statuslink.Plan) string {
	return difference(a.Findings(), b.Findings(), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b error) bool {
		return fmt.Sprint(a) == fmt.Sprint(b)
	}))
}

// Planning again right after applying, on the same listings, gives an empty
// plan, whatever the policy, guard and findings; and findings come back equal.
func lawEmptyAfterwards(s *step) error {
	e, _ := s.w.fork(s.after.State(), s.engine.policy, s.readings)
	one, err := e.syncer.Plan(context.Background())
	if err != nil {
		return fmt.Errorf("planning again: %w", err)
	}
	if !one.Empty() {
		return fmt.Errorf("planned again right after applying, the plan is not empty:\n%s\nafter:\n%s", one, s.plan)
	}
	two, err := e.syncer.Plan(context.Background())
	if err != nil {
		return fmt.Errorf("planning again: %w", err)
	}
	if diff := sameFindings(one, two); diff != "" {
		return fmt.Errorf("the findings differ at the second look (-want +got):\n%s", diff)
	}
	if was, is := s.lasting(s.plan), s.lasting(one); len(s.released) == 0 && !slices.Equal(was, is) {
		return fmt.Errorf("findings whose causes last were %v and are %v", was, is)
	}
	return nil
}

// lasting names the findings whose causes no plan ends.
func (s *step) lasting(plan *statuslink.Plan) []string {
	var names []string
	for _, f := range plan.Findings() {
		switch f.Kind {
		case statuslink.FindingTwins, statuslink.FindingOutcome, statuslink.FindingDiffers:
			continue
		case statuslink.FindingConflict:
			if s.engine.policy.Conflict != statuslink.Leave || f.Field == statuslink.FieldOrder {
				continue
			}
		}
		names = append(names, fmt.Sprint(f.Kind, " ", f.Scope, " ", f.Ref.ID, " ", f.Field))
	}
	slices.Sort(names)
	return names
}

// Two runs of a schedule do nothing that one run refused.
func lawTwoRuns(s *step) error {
	e, store := s.w.fork(s.before.State(), s.engine.policy, s.readings)
	ctx := context.Background()
	first, _ := e.syncer.Sync(ctx)
	if first == nil {
		return nil
	}
	state := load(store).State()
	for range 2 {
		again, _ := e.syncer.Sync(ctx)
		if again == nil || again.Applied {
			return fmt.Errorf("the run after did something:\n%s\nafter:\n%s", again.Plan, first.Plan)
		}
	}
	if diff := difference(state, load(store).State()); diff != "" {
		return fmt.Errorf("the second run changed something (-first +second):\n%s", diff)
	}
	return nil
}

// The diff does not depend on the input order of rows, and the same input gives
// the same plan, digest, table and JSON.
func lawPure(s *step) error {
	shuffled := make([]shown, 0, len(s.readings))
	for _, r := range s.readings {
		r.listing = cloneListing(r.listing)
		slices.Reverse(r.listing.Statuses)
		if n := len(r.listing.Statuses); n > 2 {
			r.listing.Statuses = append(r.listing.Statuses[n/2:n:n], r.listing.Statuses[:n/2]...)
		}
		shuffled = append(shuffled, r)
	}
	var texts []string
	for _, readings := range [][]shown{s.readings, s.readings, shuffled} {
		e, _ := s.w.fork(s.before.State(), s.engine.policy, readings)
		plan, _ := e.syncer.Plan(context.Background())
		encoded, err := json.Marshal(plan)
		if err != nil {
			return fmt.Errorf("the plan does not encode: %w", err)
		}
		texts = append(texts, plan.Digest()+"\n"+plan.String()+"\n"+string(encoded))
	}
	for _, text := range texts[1:] {
		if diff := difference(texts[0], text); diff != "" {
			return fmt.Errorf("the same rows gave another plan (-want +got):\n%s", diff)
		}
	}
	return nil
}

// Two plans with the same digest do the same; neither times nor new IDs are in
// it.
func lawDigest(s *step) error {
	type done struct {
		what  string
		state statuslink.State
	}
	seen := make(map[string]done)
	try := func(what string, readings []shown, skew time.Duration, ids int) error {
		w := *s.w
		w.now, w.ids = w.now.Add(skew), w.ids+ids
		e, store := w.fork(s.before.State(), s.engine.policy, readings)
		plan, after, err := e.run(store)
		if err != nil {
			return nil //nolint:nilerr // with this change no source is believed, and nothing is done
		}
		got := done{what, ranked(canonical(after, s.before))}
		want, known := seen[plan.Digest()]
		if !known {
			seen[plan.Digest()] = got
			return nil
		}
		if diff := difference(want.state, got.state); diff != "" {
			return fmt.Errorf("one digest, two results: %s and %s (-first +second):\n%s", want.what, what, diff)
		}
		return nil
	}
	if err := try("the listings", s.readings, 0, 0); err != nil {
		return err
	}
	before := len(seen)
	if err := try("other times and IDs", s.readings, time.Hour, 7); err != nil {
		return err
	}
	if len(seen) != before {
		return fmt.Errorf("the digest depends on times or new IDs")
	}
	for i, r := range s.readings {
		n := len(r.listing.Statuses)
		if n == 0 {
			continue
		}
		j := s.before.Len() % n // one row a time, another as the list grows
		for _, vary := range variations {
			readings := slices.Clone(s.readings)
			readings[i].listing = cloneListing(r.listing)
			vary.change(&readings[i].listing.Statuses[j])
			if err := try(vary.what+" of "+r.listing.Statuses[j].Ref.String(), readings, 0, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// variations are other things that a CRM could have said of a row.
var variations = []struct {
	what   string
	change func(*crm.Status)
}{
	{"another order", func(row *crm.Status) { row.Order += 2 }},
	{"another outcome", func(row *crm.Status) { row.Outcome = (row.Outcome + 1) % 3 }},
	{"another colour", func(row *crm.Status) {
		if row.Color != "" {
			row.Color = ""
		} else {
			row.Color = "#0000FF"
		}
	}},
	{"another name", func(row *crm.Status) {
		if row.Name != "A" {
			row.Name = "A"
		} else {
			row.Name = "C"
		}
	}},
}

// canonical returns the state without times and own IDs, in the sequence of the
// statuses; where known is given, the statuses in it keep their IDs.
func canonical(s *statuslink.Snapshot, known *statuslink.Snapshot) statuslink.State {
	state := s.State()
	for i := range state.Statuses {
		status := &state.Statuses[i]
		if known != nil {
			if _, ok := known.ByID(status.ID); !ok {
				status.ID = "new"
			}
		} else {
			status.ID = ""
		}
		status.Order = 0
		status.Created, status.Updated = time.Time{}, time.Time{}
		for j := range status.Links {
			link := &status.Links[j]
			link.LinkedAt = time.Time{}
			if link.Missing() {
				link.MissingSince = time.Unix(1, 0).UTC()
			}
		}
	}
	for i := range state.Ignored {
		state.Ignored[i].Since = time.Time{}
	}
	return state
}

// ranked returns the state with the sort keys in Base as ranks in their scope,
// which is what they mean; those of missing links mean nothing.
func ranked(state statuslink.State) statuslink.State {
	scopes := make(map[statuslink.ScopeKey][]crm.Status)
	for _, status := range state.Statuses {
		for _, link := range status.Links {
			if link.Base.Ordered && !link.Missing() {
				key := scopeOf(link.Ref)
				scopes[key] = append(scopes[key], crm.Status{Ref: link.Ref, Order: link.Base.Order})
			}
		}
	}
	for _, rows := range scopes {
		slices.SortFunc(rows, inSequence)
	}
	for i := range state.Statuses {
		for j := range state.Statuses[i].Links {
			link := &state.Statuses[i].Links[j]
			link.Base.Order = slices.IndexFunc(scopes[scopeOf(link.Ref)], func(row crm.Status) bool { return row.Ref == link.Ref })
		}
	}
	return state
}

// difference is [cmp.Diff], fast where there is none.
func difference(want, got any, opts ...cmp.Option) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got, opts...)
}
