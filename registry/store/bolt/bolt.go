// Package bolt keeps a registry's Revision in one bbolt file in a folder, for a single gateway. Read [Open] first.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/store"
)

// FileName is the name of the file within the folder.
const FileName = "registry.db"

// lockTimeout is how long Open waits for the file's lock: enough for a gateway that is just ending, short enough for
// somebody who waits at a terminal.
const lockTimeout = 500 * time.Millisecond

// bytesMax bounds the file. A Revision has at most 16 MiB of sources; descriptors and the copy that a transaction
// writes beside the old one stay far below 64 times that.
const bytesMax = 1 << 30

// Where the record is within the file.
var (
	bucket = []byte("registry")
	key    = []byte("revision")
)

// Store is a store.Store in a file that it locks, so nobody else changes it. Each Save is one transaction that is
// written through to the disk before it returns.
type Store struct {
	db   *bbolt.DB
	path string

	mu      sync.Mutex
	number  int64         // of the stored Revision
	changed chan struct{} // closed and replaced when number changes
	closed  bool
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the folder dir, and makes both if they are missing. A file that another process uses is an
// error within a second, and so is a file that is damaged; neither is touched.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("registry folder %s: %w", dir, err)
	}
	s := &Store{path: filepath.Join(dir, FileName), changed: make(chan struct{})}
	var err error
	if s.db, err = openFile(s.path); errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("another gatehouse uses %s; stop it, or name another folder", dir)
	} else if err != nil {
		return nil, s.named(err)
	}
	revision, err := s.read()
	if err == nil {
		err = syncFolder(dir)
	}
	if err != nil {
		return nil, errors.Join(s.named(err), s.db.Close())
	}
	s.number = revision.GetNumber()
	return s, nil
}

// Load reads the Revision from the file.
func (s *Store) Load(ctx context.Context) (*registryv1.Revision, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	revision, err := s.read()
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return nil, store.ErrClosed
	}
	if err != nil {
		return nil, s.named(err)
	}
	return revision, nil
}

// Save writes next in one transaction.
func (s *Store) Save(ctx context.Context, next *registryv1.Revision, expect int64) error {
	record, err := store.Encode(next)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.closed:
		return store.ErrClosed
	case s.number != expect:
		return store.ErrConflict
	}
	err = s.write(record)
	number := next.GetNumber()
	if err != nil {
		err = s.named(err)
		number = s.stored() // a disk that fails late may have taken the transaction all the same
	}
	if number != s.number {
		s.number = number
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return err
}

// Watch waits for a Save of this Store: the lock keeps everybody else out.
func (s *Store) Watch(ctx context.Context, number int64) error {
	for {
		s.mu.Lock()
		current, changed, closed := s.number, s.changed, s.closed
		s.mu.Unlock()
		switch {
		case closed:
			return store.ErrClosed
		case current != number:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close waits for a running Save, ends every Watch and unlocks the file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.changed)
	return s.db.Close()
}

// read returns the stored Revision.
func (s *Store) read() (*registryv1.Revision, error) {
	revision := &registryv1.Revision{}
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucket)
			if b == nil {
				return nil // nothing was stored yet
			}
			var err error
			revision, err = store.Decode(b.Get(key)) // copies: the slice is gone after the transaction
			return err
		})
	})
	return revision, err
}

// write replaces the record. The caller holds the lock.
func (s *Store) write(record []byte) error {
	return guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			return b.Put(key, record)
		})
	})
}

// stored returns the number of the stored Revision, or the last known one where it cannot be read. The caller holds the
// lock.
func (s *Store) stored() int64 {
	revision, err := s.read()
	if err != nil {
		return s.number
	}
	return revision.GetNumber()
}

// named adds the file's name to an error.
func (s *Store) named(err error) error { return fmt.Errorf("registry store %s: %w", s.path, err) }
