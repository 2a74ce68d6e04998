package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
)

// An OwnerID names a process, once and for good: it is drawn at random when the
// process takes its lease and is never used again.
type OwnerID string

// newOwnerID draws one.
func newOwnerID() OwnerID {
	var random [16]byte
	rand.Read(random[:])
	return OwnerID(hex.EncodeToString(random[:]))
}

// valid keeps an ID from a tampered database from naming a file elsewhere.
func (id OwnerID) valid() bool {
	b, err := hex.DecodeString(string(id))
	return err == nil && len(b) == 16
}

// A Lease says that a process is alive. What a process begins it signs with the
// ID of its lease, and whoever finds the thing unfinished asks [Store.Alive]
// whether the owner will still finish it.
//
// On SQLite the lease is a locked file, and a death is known at once; on
// PostgreSQL it is a row that its owner renews, and a death is known when the term
// has passed. Either way an owner that was once called dead is dead: on PostgreSQL
// it may be a process that was only stopped for too long, and it will find that
// all its writes are refused ([ErrLeaseLost]).
type Lease struct {
	id      OwnerID
	release func() error
	lost    chan struct{}
}

// ID is the owner's name.
func (l *Lease) ID() OwnerID { return l.id }

// Release gives the lease up; the owner counts as dead from then on.
func (l *Lease) Release() error { return l.release() }

// Lost is closed when the process learns that it was taken for dead. On SQLite
// that cannot happen.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Lease takes a new lease for this process. It is held before the ID is handed
// out, so that no record can name an owner who is not yet alive.
func (s *Store) Lease(ctx context.Context) (*Lease, error) { return s.db.lease(ctx) }

// Alive tells whether the process that took the lease id still holds it. An ID
// that was never handed out is dead, and who is dead stays dead. It may be called
// within a Write.
func (s *Store) Alive(ctx context.Context, id OwnerID) (bool, error) {
	if !id.valid() {
		return false, nil
	}
	return s.db.alive(ctx, id)
}
