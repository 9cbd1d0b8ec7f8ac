// Package store is the contract of what keeps a registry's Revision: load it, replace it by compare-and-swap, and hear
// when somebody else did. Read [Store] first. Its rooms are one folder each; the test that all of them pass is in
// storetest.
package store

import (
	"context"
	"errors"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
)

// Store keeps one Revision. It is safe for concurrent use.
//
// Whatever happens to the process or to the machine, what is stored is one whole Revision: the one before a Save or
// the one after it.
type Store interface {
	// Load returns the stored Revision, which the caller must not change. It is never nil: where nothing was stored
	// yet, it has number 0 and no modules. A Revision that cannot be read back exactly is an error.
	Load(ctx context.Context) (*registryv1.Revision, error)

	// Save replaces the stored Revision by next, if the stored one has the number expect; otherwise it changes
	// nothing and returns ErrConflict. It returns when next is durable. An error other than ErrConflict leaves open
	// which of the two is stored. A context that has ended before Save is called changes nothing. Save borrows next.
	//
	// The caller gives next the number expect+1.
	Save(ctx context.Context, next *registryv1.Revision, expect int64) error

	// Watch waits until the number of the stored Revision is not number, whoever changed it, and returns nil.
	// It returns at once where that is so already, the context's error when the context ends, and ErrClosed when the
	// store is closed.
	Watch(ctx context.Context, number int64) error

	// Close gives everything back; Load and Save return ErrClosed afterwards. Closing again does nothing.
	Close() error
}

// What callers branch on.
var (
	// ErrConflict says that the stored Revision is not the one that was to be replaced.
	ErrConflict = errors.New("another revision was stored meanwhile")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("the registry store is closed")
)
