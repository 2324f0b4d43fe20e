package statuslink_test

import (
	"context"
	"errors"
	"testing"
)

// wantCanceled waits for the end of a Follow whose context was cancelled.
func wantCanceled(t testing.TB, ended <-chan error) {
	t.Helper()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow returned %v", err)
	}
}
