package crmtest

import (
	"bytes"
	"context"
	"net/http"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/statuslink/statuslink/crm/crmfault"
)

var leftoverChecks = []check{
	{name: "LeavesNothingBehind", run: leavesNothingBehind},
}

// leavesNothingBehind: when a call has ended, however it did, no goroutine of it
// runs on, and the body of each answer is closed, which gives the connection
// free.
func leavesNothingBehind(t *test) {
	client := t.client(Conn{Timeout: 5 * time.Second})
	t.ready(3)
	for _, call := range []struct {
		name   string
		set    func()
		cancel time.Duration // when the call is cancelled; 0 for never
	}{
		{"went well", func() {}, 0},
		{"was refused", func() { t.suffers(crmfault.Answer(http.StatusForbidden, "no")) }, 0},
		{"failed again and again", func() { t.suffers(crmfault.Answer(http.StatusServiceUnavailable, "later")) }, 0},
		{"could not be understood", func() { t.suffers(crmfault.HTML()) }, 0},
		{"met a redirect", func() { t.suffers(crmfault.Redirect(http.StatusFound, "https://other.example/")) }, 0},
		{"was cut", func() { t.suffers(crmfault.CutConnection()) }, 0},
		{"got no answer in time", func() { t.front.Hold() }, 0},
		{"got no whole answer in time", func() { t.wire.play(stuck) }, 0},
		{"was cancelled", func() { t.front.Hold() }, time.Second},
		{"was cancelled in the midst of an answer", func() { t.wire.play(stuck) }, time.Second},
		{"was cancelled before it asked again", func() {
			t.suffers(crmfault.RetryAfter(http.StatusServiceUnavailable, 3*time.Second))
		}, time.Second},
	} {
		t.calm()
		call.set()
		t.gone("a call that "+call.name, call.cancel, func(ctx context.Context) { t.call(ctx, client) })
	}
}

// goneLabel is the label of the goroutines that a run of gone begins, and goneID
// numbers the runs.
const goneLabel = "crmtest-call"

var goneID atomic.Int64

// gone checks that nothing is left of what do began. Its context is cancelled
// after the time, if that is not 0.
func (t *test) gone(what string, after time.Duration, do func(ctx context.Context)) {
	t.Helper()
	id := strconv.FormatInt(goneID.Add(1), 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if after > 0 {
		timer := time.AfterFunc(after, cancel)
		defer timer.Stop()
	}
	pprof.Do(ctx, pprof.Labels(goneLabel, id), do)
	synctest.Wait()
	for _, stack := range labelled(t, id) {
		t.Errorf("%s left a goroutine that runs on:\n%s", what, stack)
	}
	if open := t.wire.unclosed(); open > 0 {
		t.Errorf("%s did not close the body of its answer", what)
		t.wire.forgetBodies()
	}
}

// labelled returns the stacks of the goroutines that run with the label: they
// inherit it from the one that starts them.
func labelled(t tb, id string) []string {
	t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatalf("the goroutines cannot be listed: %v", err)
	}
	var stacks []string
	for _, stack := range strings.Split(profile.String(), "\n\n") {
		if strings.Contains(stack, strconv.Quote(goneLabel)+":"+strconv.Quote(id)) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
