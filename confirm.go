package statuslink

import (
	"context"
	"errors"
	"slices"
)

// Confirm does what the plan of the token showed: it plans again, and applies
// if the new plan does exactly the same. A token of a plan that is done already
// is no error, and the report says so. Otherwise the error is a [*StaleError]:
// something moved, or the token is older than PlanAge; show a new plan.
// [ErrInvalid] if the text is no token.
func (s *Syncer) Confirm(ctx context.Context, token string) (*Report, error) {
	content, err := parseToken(token)
	if err != nil {
		return nil, err
	}
	already := s.applied(ctx, content.Digest, content.Version)
	if age := s.catalog.opts.Now().Sub(content.Made); age > s.opts.PlanAge && !already {
		return nil, s.tooOld(content.Version, age)
	}
	readings := s.read(ctx)
	for try := 1; ; try++ {
		plan, err := s.plan(ctx, readings, content.Released)
		if try == 1 {
			s.record(ctx, plan)
		}
		if already && plan != nil {
			return &Report{Plan: plan, Version: plan.Version(), Already: true}, nil
		}
		if err != nil {
			return nil, err
		}
		if plan.digest != content.Digest {
			if already = s.applied(ctx, content.Digest, content.Version); already {
				continue
			}
			return nil, &StaleError{
				Planned: content.Version, Present: plan.Version(),
				Reason: "the plan would now do something else than was shown",
			}
		}
		report, err := s.apply(ctx, plan)
		if err == nil || try == maxTries || !errors.Is(err, ErrStale) {
			return report, err
		}
	}
}

// maxDone limits the applied plans that a Syncer remembers.
const maxDone = 64

func (s *Syncer) remember(done Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done = append(s.done, done); len(s.done) > maxDone {
		s.done = slices.Delete(s.done, 0, len(s.done)-maxDone)
	}
}

// applied reports whether the plan with the digest, made from the version of
// the store, was applied: by this Syncer or, where the store remembers its
// changes, by any. What was done before the plan was made does not count: a CRM
// can come to the same difference again.
func (s *Syncer) applied(ctx context.Context, digest string, version uint64) bool {
	if s.begin(ctx) != nil {
		return false
	}
	s.end()
	is := func(r Record) bool { return r.Note.Digest == digest && r.Version > version }
	s.mu.Lock()
	done := slices.ContainsFunc(s.done, is)
	s.mu.Unlock()
	if done {
		return true
	}
	historian, ok := s.catalog.store.(Historian)
	if !ok {
		return false
	}
	// A history that cannot be read only makes the answer less kind.
	records, err := historian.History(ctx, maxDone)
	return err == nil && slices.ContainsFunc(records, is)
}
