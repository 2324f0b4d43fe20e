// Package customstore is an example of a [statuslink.Store] of one's own: it
// keeps the statuses of a bot in one JSON file, which several processes may
// share. All it takes is: load, [statuslink.Snapshot.With], compare and set.
package customstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/statuslink/statuslink"
)

// Store keeps its state in a file. Writers take turns as git's do: they write
// into "<path>.lock", which one alone can create, and which then takes the
// file's place; readers need no lock. Who dies while writing leaves the lock
// file: writers then wait until their context ends, and the error names it. A
// power cut may undo the last Apply. On Windows Apply may fail during a Load.
type Store struct{ path string }

// Open returns the store in the file at path, empty as long as there is none.
func Open(path string) *Store { return &Store{path} }

type content struct {
	Version uint64 `json:"version"`
	statuslink.State
}

// Load implements [statuslink.Store].
func (s *Store) Load(ctx context.Context, prev *statuslink.Snapshot) (*statuslink.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var c content
	data, err := os.ReadFile(s.path)
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields() // else another program's file, or a newer field, would be lost
		if err = decoder.Decode(&c); err == nil && (c.Version == 0 || !errors.Is(decoder.Decode(&struct{}{}), io.EOF)) {
			err = errors.New("not a store, or more than one")
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("customstore: %s: %w", s.path, err)
	}
	if prev != nil && prev.Version() == c.Version {
		return prev, nil
	}
	snapshot, err := statuslink.NewSnapshot(c.Version, c.State)
	if err != nil {
		err = fmt.Errorf("customstore: %s: %w", s.path, err)
	}
	return snapshot, err
}

// Apply implements [statuslink.Store].
func (s *Store) Apply(ctx context.Context, changes statuslink.Changes) (*statuslink.Snapshot, error) {
	lock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	before, err := s.Load(ctx, nil)
	next := before
	if err == nil {
		next, err = before.With(changes)
	}
	if err != nil || next == before {
		return next, errors.Join(err, lock.Close(), os.Remove(lock.Name()))
	}
	err = json.NewEncoder(lock).Encode(content{next.Version(), next.State()})
	if err = errors.Join(err, lock.Sync(), lock.Close()); err == nil {
		err = os.Rename(lock.Name(), s.path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("customstore: %s: %w", s.path, err), os.Remove(lock.Name()))
	}
	return next, nil
}

// lock creates the lock file, and waits while there is one.
func (s *Store) lock(ctx context.Context) (*os.File, error) {
	for ctx.Err() == nil {
		file, err := os.OpenFile(s.path+".lock", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
	return nil, fmt.Errorf("customstore: waiting for %s.lock (if its owner died, delete it): %w", s.path, ctx.Err())
}
