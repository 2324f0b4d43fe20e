package statuslink_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
)

var kindsOfErrors = []error{
	statuslink.ErrNotFound, statuslink.ErrInvalid, statuslink.ErrDuplicate, statuslink.ErrStale, statuslink.ErrInUse,
	statuslink.ErrNotLinked, statuslink.ErrMissing, statuslink.ErrWrongScope, statuslink.ErrRefused,
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"kind only", &statuslink.Error{Kind: statuslink.ErrInvalid}, "statuslink: invalid"},
		{"operation", &statuslink.Error{Kind: statuslink.ErrInvalid, Op: "apply", Message: "this Syncer did not make the plan"}, "statuslink: apply: invalid: this Syncer did not make the plan"},
		{
			"all", &statuslink.Error{Kind: statuslink.ErrDuplicate, Op: "edit", Status: "Paid\n", Field: "key", Message: "taken", Err: errors.New("cause")},
			`statuslink: edit: "Paid\n": key: duplicate: taken: cause`,
		},
		{"no kind", &statuslink.Error{Op: "edit"}, "statuslink: edit: failed"},
		{"versions", &statuslink.StaleError{Planned: 3, Present: 5}, "statuslink: stale: the store moved from version 3 to 5; look again and decide anew"},
		{"a reason", &statuslink.StaleError{Planned: 3, Present: 3, Reason: "the plan is too old"}, "statuslink: stale: the plan is too old; look again and decide anew"},
		{
			"what moved", &statuslink.StaleError{Planned: 3, Present: 5, Moved: moved(2)},
			`statuslink: stale: the store moved from version 3 to 5: "S1" was changed, "S2" was changed; look again and decide anew`,
		},
		{
			"five at most", &statuslink.StaleError{Planned: 3, Present: 5, Moved: moved(7)},
			`statuslink: stale: the store moved from version 3 to 5: "S1" was changed, "S2" was changed, "S3" was changed, "S4" was changed, "S5" was changed and 2 more; look again and decide anew`,
		},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%s: the error reads\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func moved(n int) []statuslink.Moved {
	var moved []statuslink.Moved
	for i := range n {
		moved = append(moved, statuslink.Moved{ID: fmt.Sprint(i), Name: fmt.Sprintf("S%d", i+1), What: "changed"})
	}
	return moved
}

func TestErrorsAreFoundThroughAll(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsOfErrors {
		cause := &crm.Error{Kind: crm.ErrRateLimited, Source: "umnico", Err: context.DeadlineExceeded}
		err := fmt.Errorf("bot: %w", errors.Join(errors.New("other"), &statuslink.Error{Kind: kind, Status: "Paid", Field: "name", Err: cause}))
		for _, target := range []error{kind, crm.ErrRateLimited, context.DeadlineExceeded, cause} {
			if !errors.Is(err, target) {
				t.Errorf("%v is lost in %v", target, err)
			}
		}
		for _, other := range kindsOfErrors {
			if !errors.Is(other, kind) && errors.Is(err, other) {
				t.Errorf("an error of kind %q is of kind %q too", kind, other)
			}
		}
		var e *statuslink.Error
		var c *crm.Error
		if !errors.As(err, &e) || e.Field != "name" || !errors.As(err, &c) || c.Source != "umnico" {
			t.Errorf("the details are lost in %v", err)
		}
	}
	err := fmt.Errorf("bot: %w", &statuslink.StaleError{Moved: moved(1)})
	var stale *statuslink.StaleError
	if !errors.Is(err, statuslink.ErrStale) || !errors.As(err, &stale) || stale.Moved[0].Name != "S1" {
		t.Errorf("the stale error is lost in %v", err)
	}
	if errors.Is(&statuslink.Error{}, statuslink.ErrInvalid) {
		t.Error("an error without kind has one")
	}
}
