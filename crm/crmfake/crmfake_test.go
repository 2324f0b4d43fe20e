package crmfake_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
)

// sample uses every field of a listing, so that a shallow copy shows.
func sample() crm.Listing {
	return crm.Listing{
		Source:  "fake",
		Account: []string{"100500"},
		Scopes:  []crm.Scope{{ID: "S", Name: "Sales", Announced: 1}},
		Exists:  []string{"S", "T"},
		Statuses: []crm.Status{{
			Ref: crm.Ref{Source: "fake", Scope: "S", ID: "1"}, Name: "New", Order: 1,
			Raw: map[string]string{"type": "x"},
		}},
	}
}

func list(t *testing.T, client crm.Client) crm.Listing {
	t.Helper()
	listing, err := client.ListStatuses(t.Context())
	if err != nil {
		t.Fatalf("ListStatuses failed: %v", err)
	}
	return listing
}

func TestNewWorksWithoutConfiguration(t *testing.T) {
	t.Parallel()
	client := crmfake.New("")
	if got := client.Source(); got != crmfake.DefaultSource {
		t.Errorf("Source() = %q, want %q", got, crmfake.DefaultSource)
	}
	got := list(t, client)
	if err := got.Validate(); err != nil {
		t.Errorf("the default listing is not valid: %v", err)
	}
	want := crm.Listing{Source: crmfake.DefaultSource, Scopes: []crm.Scope{{}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("default listing (-want +got):\n%s", diff)
	}
}

func TestScriptTakesOneStepACallAndRepeatsTheLast(t *testing.T) {
	t.Parallel()
	one := crmfake.Listing("fake", crm.Scope{}, crmfake.Status("1", "One"))
	two := crmfake.Listing("fake", crm.Scope{}, crmfake.Status("2", "Two"))
	broken := errors.New("broken")
	client := crmfake.New("fake")
	client.Play(crmfake.Step{Listing: one}, crmfake.Step{Listing: one, Err: broken}, crmfake.Step{Listing: two})

	if diff := cmp.Diff(one, list(t, client)); diff != "" {
		t.Errorf("first step (-want +got):\n%s", diff)
	}
	got, err := client.ListStatuses(t.Context())
	if err != broken { //nolint:errorlint // the promise is "as it is"
		t.Errorf("second step: error = %v, want the scripted one as it is", err)
	}
	if diff := cmp.Diff(crm.Listing{}, got); diff != "" {
		t.Errorf("a failed call returned a listing (-want +got):\n%s", diff)
	}
	for range 2 {
		if diff := cmp.Diff(two, list(t, client)); diff != "" {
			t.Errorf("the last step does not repeat (-want +got):\n%s", diff)
		}
	}
	client.Show(one)
	if diff := cmp.Diff(one, list(t, client)); diff != "" {
		t.Errorf("Show did not replace the script (-want +got):\n%s", diff)
	}
	client.Show()
	if got := list(t, client); len(got.Statuses) != 0 {
		t.Errorf("Show without listings answers %v, want no status", got.Statuses)
	}
	if got, want := client.Calls(), 6; got != want {
		t.Errorf("Calls() = %d, want %d", got, want)
	}
}

func TestFailNamesSourceOperationAndKind(t *testing.T) {
	t.Parallel()
	client := crmfake.New("second")
	client.Fail(crm.ErrUnauthorized)
	for range 2 {
		_, err := client.ListStatuses(t.Context())
		var detail *crm.Error
		if !errors.As(err, &detail) || !errors.Is(err, crm.ErrUnauthorized) {
			t.Fatalf("error = %v, want a *crm.Error of kind ErrUnauthorized", err)
		}
		if detail.Source != "second" || detail.Op != "list statuses" {
			t.Errorf("error names %q, %q", detail.Source, detail.Op)
		}
	}
}

func TestListingsAreCopied(t *testing.T) {
	t.Parallel()
	spoil := func(l *crm.Listing) {
		l.Account[0], l.Scopes[0].Name, l.Exists[0] = "x", "x", "x"
		l.Statuses[0].Name = "x"
		l.Statuses[0].Raw["type"] = "spoilt"
	}
	given := sample()
	client := crmfake.New("fake", given)
	spoil(&given)
	got := list(t, client)
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Errorf("the script shares memory with what was given (-want +got):\n%s", diff)
	}
	spoil(&got)
	if diff := cmp.Diff(sample(), list(t, client)); diff != "" {
		t.Errorf("the script shares memory with what was returned (-want +got):\n%s", diff)
	}

	rows := sample().Statuses
	built := crmfake.Listing("other", crm.Scope{ID: "Z"}, rows...)
	if rows[0].Ref.Source != "fake" {
		t.Error("Listing wrote to the caller's rows")
	}
	joined := crmfake.Join(built, built)
	spoil(&crm.Listing{Account: []string{""}, Scopes: joined.Scopes, Exists: []string{""}, Statuses: joined.Statuses[1:]})
	if diff := cmp.Diff(crmfake.Listing("other", crm.Scope{ID: "Z"}, sample().Statuses...), built); diff != "" {
		t.Errorf("Join shares memory with what was given (-want +got):\n%s", diff)
	}
}

func TestListingNumbersRowsOnlyWithoutOrder(t *testing.T) {
	t.Parallel()
	row := crmfake.Status("2", "Two")
	row.Order = 7
	got := crmfake.Listing("a", crm.Scope{ID: "s"}, crmfake.Status("1", "One"), row)
	want := crm.Listing{
		Source: "a", Scopes: []crm.Scope{{ID: "s"}},
		Statuses: []crm.Status{
			{Ref: crm.Ref{Source: "a", Scope: "s", ID: "1"}, Name: "One"},
			{Ref: crm.Ref{Source: "a", Scope: "s", ID: "2"}, Name: "Two", Order: 7},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Listing (-want +got):\n%s", diff)
	}
}

func TestContextThatEndedBeforeTakesNoStep(t *testing.T) {
	t.Parallel()
	client := crmfake.New("fake", sample(), crmfake.Listing("fake", crm.Scope{}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.ListStatuses(ctx)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, crm.ErrUnavailable) {
		t.Errorf("error = %v, want context.Canceled of kind ErrUnavailable", err)
	}
	if diff := cmp.Diff(sample(), list(t, client)); diff != "" {
		t.Errorf("the cancelled call took a step (-want +got):\n%s", diff)
	}
	if got := client.Calls(); got != 2 {
		t.Errorf("Calls() = %d, want 2: a cancelled call counts", got)
	}
}

func TestHoldBlocksUntilReleasedOrCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := crmfake.New("fake", sample())
		first, second := client.Hold(), client.Hold()
		ctx, cancel := context.WithCancel(t.Context())
		var cancelled, released error
		var wg sync.WaitGroup
		wg.Go(func() { _, cancelled = client.ListStatuses(ctx) })
		wg.Go(func() { _, released = client.ListStatuses(t.Context()) })
		if err := client.WaitCalls(t.Context(), 2); err != nil {
			t.Errorf("WaitCalls: %v", err)
		}
		synctest.Wait()
		if got := client.Running(); got != 2 {
			t.Errorf("Running() = %d while held, want 2", got)
		}
		cancel()
		synctest.Wait()
		if got := client.Running(); got != 1 {
			t.Errorf("Running() = %d after one call was cancelled, want 1", got)
		}
		first()
		first()
		synctest.Wait()
		if got := client.Running(); got != 1 {
			t.Errorf("Running() = %d after one of two releases, want 1", got)
		}
		second()
		wg.Wait()
		if !errors.Is(cancelled, context.Canceled) {
			t.Errorf("cancelled call: error = %v, want context.Canceled", cancelled)
		}
		if released != nil {
			t.Errorf("released call failed: %v", released)
		}
		if got := client.Overlap(); got != 2 {
			t.Errorf("Overlap() = %d, want 2", got)
		}
		list(t, client) // does not wait any more
		if got := client.Overlap(); got != 2 {
			t.Errorf("Overlap() = %d after a single call, want 2 still", got)
		}
	})
}

func TestWaitCallsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := crmfake.New("fake").WaitCalls(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitCalls = %v, want context.Canceled", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	client := crmfake.New("fake", sample(), sample())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				release := client.Hold()
				client.Show(sample())
				release()
				if _, err := client.ListStatuses(t.Context()); err != nil {
					t.Errorf("ListStatuses: %v", err)
				}
				client.Calls()
			}
		})
	}
	wg.Wait()
	if got, want := client.Calls(), 400; got != want {
		t.Errorf("Calls() = %d, want %d", got, want)
	}
}
