package customstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/examples/customstore"
	"github.com/statuslink/statuslink/storetest"
)

func path(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "statuses.json")
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) statuslink.Store { return customstore.Open(path(t)) })
}

// engines hands each call to the next one of several stores, as if each call
// came from another process.
type engines struct {
	stores []statuslink.Store
	calls  atomic.Int64
}

func (e *engines) next() statuslink.Store { return e.stores[int(e.calls.Add(1))%len(e.stores)] }

func (e *engines) Load(ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	return e.next().Load(ctx, prev)
}

func (e *engines) Apply(ctx context.Context, changes statuslink.Changes) (*statuslink.Snapshot, error) {
	return e.next().Apply(ctx, changes)
}

func TestTwoEnginesOnOneFile(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) statuslink.Store {
		file := path(t)
		// Three, so that Load and Apply in turn reach each of them.
		return &engines{stores: []statuslink.Store{customstore.Open(file), customstore.Open(file), customstore.Open(file)}}
	})
}

func add(ctx context.Context, s *customstore.Store) error {
	_, err := s.Apply(ctx, statuslink.Changes{
		Create: []statuslink.Status{{ID: "a", Name: "First contact"}},
	})
	return err
}

// TestRefusesWhatItDidNotWrite checks that a file that is no store is named in
// the error, and neither overwritten nor taken for empty.
func TestRefusesWhatItDidNotWrite(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"an empty file":           "",
		"a text":                  "hello",
		"half a store":            `{"version":1,"statuses":[{"id":"a","na`,
		"another program's JSON":  `{"name":"package","version":1}`,
		"another version's field": `{"version":1,"statuses":[{"id":"a","name":"A","weight":3}]}`,
		"null":                    `null`,
		"a list":                  `[]`,
		"an object without data":  `{}`,
		"a store at version 0":    `{"version":0,"statuses":[]}`,
		"two stores":              `{"version":1,"statuses":[]}{"version":2,"statuses":[]}`,
		"a store with a tail":     `{"version":1,"statuses":[]} and more`,
		"an invalid status":       `{"version":1,"statuses":[{"id":"a","name":""}]}`,
		"two statuses of one ID":  `{"version":1,"statuses":[{"id":"a","name":"A"},{"id":"a","name":"B"}]}`,
		"an unknown outcome":      `{"version":1,"statuses":[{"id":"a","name":"A","outcome":"perhaps"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := path(t)
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s := customstore.Open(file)
			_, loadErr := s.Load(t.Context(), nil)
			for what, err := range map[string]error{"Load": loadErr, "Apply": add(t.Context(), s)} {
				if err == nil || !strings.Contains(err.Error(), file) {
					t.Errorf("%s said %v, want an error that names %s", what, err, file)
				}
			}
			left, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(content, string(left)); diff != "" {
				t.Errorf("the file was overwritten (-want +got):\n%s", diff)
			}
			alone(t, file)
		})
	}
}

// alone checks that nothing but the file is left in its directory.
func alone(t *testing.T, file string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(file) {
			t.Errorf("%s is left behind", entry.Name())
		}
	}
}

func TestLeavesNothingBesideTheFile(t *testing.T) {
	t.Parallel()
	file := path(t)
	s := customstore.Open(file)
	if err := add(t.Context(), s); err != nil {
		t.Fatalf("Apply: %v", err)
	}
	alone(t, file)
	if err := add(t.Context(), s); !errors.Is(err, statuslink.ErrStale) {
		t.Errorf("Apply at an old version: %v, want ErrStale", err)
	}
	if _, err := s.Apply(t.Context(), statuslink.Changes{Version: 1}); err != nil {
		t.Errorf("an empty Apply: %v", err)
	}
	alone(t, file)
	if now, err := customstore.Open(file).Load(t.Context(), nil); err != nil || now.Version() != 1 || now.Len() != 1 {
		t.Errorf("another engine reads version %d with %d statuses (%v), want version 1 with one", now.Version(), now.Len(), err)
	}
}

// TestWaitsForTheLockUntilTheContextEnds checks that a lock that somebody else
// holds is respected, does not keep readers out, and is named in the error.
func TestWaitsForTheLockUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	file := path(t)
	if err := os.WriteFile(file+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := customstore.Open(file)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- add(ctx, s) }()
	if now, err := s.Load(t.Context(), nil); err != nil || now.Version() != 0 {
		t.Errorf("Load beside a writer: version %d, %v; want version 0", now.Version(), err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), file+".lock") {
		t.Errorf("Apply behind a lock: %v, want context.Canceled and the name of the lock", err)
	}
	if _, err := os.Stat(file + ".lock"); err != nil {
		t.Errorf("the lock of another writer was taken away: %v", err)
	}

	go func() { done <- add(t.Context(), s) }()
	if err := os.Remove(file + ".lock"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Apply after the lock is gone: %v", err)
	}
	alone(t, file)
}

func TestApplyWithoutADirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "missing", "statuses.json")
	if err := add(t.Context(), customstore.Open(file)); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), file) {
		t.Errorf("Apply in a directory that is missing: %v, want an error that names the file", err)
	}
}
