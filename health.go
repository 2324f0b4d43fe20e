package statuslink

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/statuslink/statuslink/crm"
)

// SourceHealth tells how reading a source went.
type SourceHealth struct {
	Source string
	// LastSuccess is when it was last read and believed; zero for never.
	LastSuccess time.Time
	// LastError is the kind of the latest error: one of package crm's,
	// [ErrRefused], context.DeadlineExceeded, or nil if the latest read was
	// good or none was made. LastFailure is when that was.
	LastError   error
	LastFailure time.Time
	// Failures counts the failures since the last success.
	Failures int
}

// record keeps how the reading for a plan went. There is none if ctx ended or
// the store failed.
func (s *Syncer) record(ctx context.Context, plan *Plan) {
	if plan == nil {
		return
	}
	failed := make(map[string]error)
	for _, finding := range plan.findings {
		if finding.Err != nil {
			failed[finding.Scope.Source] = finding.Err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.health {
		h := &s.health[i]
		err := failed[h.Source]
		if err == nil {
			h.LastSuccess, h.LastError, h.Failures = plan.madeAt, nil, 0
			continue
		}
		h.LastFailure, h.LastError = plan.madeAt, kindOf(err)
		h.Failures++
		s.opts.Logger.WarnContext(ctx, "source not read", "source", h.Source, "kind", h.LastError, "failures", h.Failures)
	}
}

// kindOf returns the kind of a source's error; one that tells none counts as
// unavailable.
func kindOf(err error) error {
	if kind := crm.Kind(err); kind != nil {
		return kind
	}
	for _, kind := range []error{ErrRefused, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return crm.ErrUnavailable
}

// Health tells how reading each source went, in the order of the clients. The
// slice is the caller's.
func (s *Syncer) Health() []SourceHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.health)
}
