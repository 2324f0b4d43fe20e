package statuslink_test

import (
	"fmt"
	"slices"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

// sequences is what step 7 says of one scope.
type sequences struct {
	before []string // the statuses led by it, in the bot's sequence
	want   []string // their sequence afterwards
	// conflict and differs are to be reported; open leaves Base as it was.
	conflict, differs, open bool
}

// sequence works out what becomes of the statuses that a scope leads.
func (s *step) sequence(key statuslink.ScopeKey) sequences {
	type led struct {
		id        string
		base, now crm.Status
	}
	var all []led
	known, steady := true, true // steady: nothing was created or relinked
	for status := range s.after.All() {
		ref := leader(&status).Ref
		row, listed := s.verdict.rows[ref]
		before, existed := s.before.ByID(status.ID)
		for i, link := range status.Links {
			if scopeOf(link.Ref) == key && (!existed && i == 0 || existed && i < len(before.Links) && before.Links[i].Ref != link.Ref) {
				steady = false
			}
		}
		if !existed || !listed || scopeOf(ref) != key {
			continue
		}
		p := pair{before, status}
		i := slices.IndexFunc(status.Links, func(l statuslink.Link) bool { return l.Ref == ref })
		base := s.past(p, i)
		if !base.Ordered || fresh(p, i) || leader(&before).Ref != before.Links[i].Ref { // or became led in this plan
			known = false
			all = append(all, led{id: status.ID, now: row})
			continue
		}
		all = append(all, led{status.ID, crm.Status{Ref: p.before.Links[i].Ref, Order: base.Order}, row})
	}
	ids := func() []string {
		var ids []string
		for _, l := range all {
			ids = append(ids, l.id)
		}
		return ids
	}
	place := make(map[string]int)
	for i := range s.before.Len() {
		place[s.before.At(i).ID] = i
	}
	slices.SortFunc(all, func(a, b led) int { return place[a.id] - place[b.id] })
	bot := ids()
	slices.SortFunc(all, func(a, b led) int { return inSequence(a.now, b.now) })
	now := ids()
	slices.SortFunc(all, func(a, b led) int { return inSequence(a.base, b.base) })
	base := ids()
	q := sequences{before: bot, want: bot}
	switch {
	case slices.Equal(bot, now):
	case !known:
		q.differs = true
	case slices.Equal(base, now):
	case slices.Equal(base, bot):
		q.want = now
	case s.engine.policy.Conflict == statuslink.CRMWins:
		q.want, q.conflict = now, true
	default:
		q.conflict = true
		q.open = s.engine.policy.Conflict == statuslink.Leave && steady
	}
	return q
}

func (s *step) reordered(key statuslink.ScopeKey) bool {
	return slices.ContainsFunc(s.plan.Operations(), func(op statuslink.Operation) bool {
		return op.Kind == statuslink.OpReorder && scopeOf(op.Ref) == key
	})
}

// Step 7, word by word: what the three sequences of a scope make of the bot's.
func lawSequenceTable(s *step) error {
	want := make([]string, 0, s.before.Len())
	for status := range s.before.All() {
		want = append(want, status.ID)
	}
	for _, key := range s.verdict.scopes {
		if s.verdict.held[key] {
			continue
		}
		q := s.sequence(key)
		if moved := !slices.Equal(q.before, q.want); moved != s.reordered(key) {
			return fmt.Errorf("scope %s is reordered: %t, want %t (from %v to %v)", key, !moved, moved, q.before, q.want)
		}
		ref := crm.Ref{Source: key.Source, Scope: key.ID}
		for kind, wanted := range map[statuslink.FindingKind]bool{statuslink.FindingConflict: q.conflict, statuslink.FindingDiffers: q.differs} {
			if !slices.ContainsFunc(s.plan.Findings(), func(f statuslink.Finding) bool {
				return f.Kind == kind && f.Scope == key && f.Field == statuslink.FieldOrder
			}) == wanted {
				return fmt.Errorf("scope %s: a finding %q about the sequence is wanted: %t", ref, kind, wanted)
			}
		}
		n := 0
		for i, id := range want {
			if slices.Contains(q.want, id) {
				want[i] = q.want[n]
				n++
			}
		}
	}
	var got []string
	for status := range s.after.All() {
		if slices.Contains(want, status.ID) {
			got = append(got, status.ID)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("the sequence is %v, want %v", got, want)
	}
	return nil
}

// A sequence arranged by hand changes only when the CRM moved something in that
// scope; a conflict leaves it alone unless the CRM wins, and then it is
// reported.
func lawArrangedByHand(s *step) error {
	for _, key := range s.verdict.scopes {
		bot, then, now, after := s.common(key)
		if slices.Equal(bot, after) {
			continue
		}
		moved := slices.ContainsFunc(then, func(ids []string) bool { return !slices.Equal(ids, now) })
		byHand := !slices.ContainsFunc(then, func(ids []string) bool { return slices.Equal(ids, bot) })
		wins := s.engine.policy.Conflict == statuslink.CRMWins
		told := slices.ContainsFunc(s.plan.Findings(), func(f statuslink.Finding) bool {
			return f.Kind == statuslink.FindingConflict && f.Scope == key && f.Field == statuslink.FieldOrder
		})
		switch {
		case s.verdict.held[key]:
			return fmt.Errorf("the held scope %s was reordered from %v to %v", key, bot, after)
		case !moved:
			return fmt.Errorf("scope %s: the CRM moved nothing of %v since %v, and the bot's %v became %v", key, now, then, bot, after)
		case byHand && !wins:
			return fmt.Errorf("scope %s: arranged by hand as %v (the CRM had %v and has %v), it became %v", key, bot, then, now, after)
		case byHand && !told:
			return fmt.Errorf("scope %s: the CRM won over %v, and no conflict is reported", key, bot)
		}
	}
	return nil
}

// common returns four sequences of the statuses that one and the same listed
// link of the scope leads before and after the plan: the bot's, the CRM's when
// last looked at, the CRM's now, and the bot's afterwards.
func (s *step) common(key statuslink.ScopeKey) (bot []string, then [][]string, now, after []string) {
	type led struct {
		id  string
		old crm.Ref
		now crm.Status
	}
	var all []led
	for _, p := range s.pairs() {
		before, after := leader(&p.before), leader(&p.after)
		row, listed := s.verdict.rows[after.Ref]
		i := slices.IndexFunc(p.before.Links, func(l statuslink.Link) bool { return l.Ref == before.Ref })
		if i < 0 || !listed || scopeOf(after.Ref) != key || p.after.Links[i].Ref != after.Ref {
			continue
		}
		if !slices.ContainsFunc(s.w.ghost.seen[key], func(rows map[string]crm.Status) bool {
			_, ok := rows[before.Ref.ID]
			return !ok
		}) {
			all = append(all, led{p.before.ID, before.Ref, row})
		}
	}
	ids := func() []string {
		var ids []string
		for _, l := range all {
			ids = append(ids, l.id)
		}
		return ids
	}
	bot = ids()
	place := func(id string) int {
		return slices.IndexFunc(s.after.State().Statuses, func(p statuslink.Status) bool { return p.ID == id })
	}
	slices.SortFunc(all, func(a, b led) int { return place(a.id) - place(b.id) })
	after = ids()
	if slices.Equal(bot, after) {
		return bot, nil, nil, after
	}
	slices.SortFunc(all, func(a, b led) int { return inSequence(a.now, b.now) })
	now = ids()
	for _, rows := range s.w.ghost.seen[key] {
		slices.SortFunc(all, func(a, b led) int { return inSequence(rows[a.old.ID], rows[b.old.ID]) })
		then = append(then, ids())
	}
	return bot, then, now, after
}

// No other status moves: a reorder deals the same set of places out to the
// statuses that the scope leads.
func lawNoOtherMoves(s *step) error {
	var before, after []string
	for status := range s.before.All() {
		before = append(before, status.ID)
	}
	for status := range s.after.All() {
		if _, existed := s.before.ByID(status.ID); existed {
			after = append(after, status.ID)
		}
	}
	led := func(id string) statuslink.ScopeKey {
		status, _ := s.after.ByID(id)
		key := scopeOf(leader(&status).Ref)
		if !s.reordered(key) {
			return statuslink.ScopeKey{Source: id}
		}
		return key
	}
	for i := range before {
		if led(before[i]) != led(after[i]) {
			return fmt.Errorf("at place %d stood %s and stands %s: before %v, after %v", i, before[i], after[i], before, after)
		}
	}
	return nil
}

// A created status stands right after the one that precedes it in the CRM's
// list of its scope.
func lawCreatedStand(s *step) error {
	made := make(map[string]bool)
	for _, status := range s.created() {
		made[status.ID] = true
	}
	for _, status := range s.created() {
		ref := status.Links[0].Ref
		list := s.verdict.list(scopeOf(ref))
		at := slices.IndexFunc(list, func(row crm.Status) bool { return row.Ref == ref })
		var before statuslink.Status
		for at--; at >= 0 && before.ID == ""; at-- {
			before, _ = s.after.ByRef(list[at].Ref)
		}
		if before.ID == "" {
			continue
		}
		passed := false
		for other := range s.after.All() {
			if other.ID == before.ID {
				passed = true
				continue
			}
			if other.ID == status.ID {
				if !passed {
					return fmt.Errorf("the created %s (%s) stands before %s, which precedes it in the CRM", status.ID, ref, before.ID)
				}
				break
			}
			if passed && !made[other.ID] {
				return fmt.Errorf("%s stands between %s and the created %s (%s), which follows it in the CRM", other.ID, before.ID, status.ID, ref)
			}
		}
	}
	return nil
}
