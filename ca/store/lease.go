package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// An OwnerID names a process, once and for good: it is drawn at random when the
// process takes its lease and is never used again.
type OwnerID string

// A Lease says that a process is alive. What a process begins it signs with the
// ID of its lease, and whoever finds the thing unfinished asks [Store.Alive]
// whether the owner will still finish it.
//
// On SQLite the lease is an exclusive lock on a file beside the database, held by
// the process for as long as it lives. The kernel takes it back in the moment of
// death, kill -9 included, so that a dead owner is known at once and a slow or
// stopped one is never taken for dead: no clock and no heartbeat is involved.
//
// Whoever can write the folder of the lease files can make a living process look
// dead, and the worst that follows is that its unfinished serials are written off
// under its hands and its signatures thrown away.
type Lease struct {
	id   OwnerID
	path string
	file *os.File
}

// ID is the owner's name.
func (l *Lease) ID() OwnerID { return l.id }

// Release gives the lease up; the owner counts as dead from then on.
func (l *Lease) Release() error {
	// Removed before unlocked: a file that is there and not locked is a dead owner,
	// one that is not there as well, so that neither order can confuse a reader.
	err := os.Remove(l.path)
	if cerr := l.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("releasing lease %q: %w", l.id, err)
	}
	return nil
}

// Lease takes a new lease for this process. The lock is held before the ID is
// handed out, so that no record can name an owner who is not yet alive.
func (s *Store) Lease(ctx context.Context) (*Lease, error) {
	var random [16]byte
	rand.Read(random[:])
	id := OwnerID(hex.EncodeToString(random[:]))

	if err := os.MkdirAll(s.leaseFolder(), 0o700); err != nil {
		return nil, fmt.Errorf("taking a lease: %w", err)
	}
	s.sweep(ctx)

	// Locked before it has its name, so that nobody can find it unlocked.
	path := s.leaseFile(id)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("taking a lease: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		f.Close()
		return nil, fmt.Errorf("taking a lease: locking %q: %w", path, err)
	}
	// For the reader of a directory listing; nothing depends on it.
	fmt.Fprintf(f, "pid %d\nsince %s\n", os.Getpid(), s.clock().UTC().Format(time.RFC3339))
	return &Lease{id: id, path: path, file: f}, nil
}

// Alive tells whether the process that took the lease id still holds it. An ID
// that was never handed out is dead.
func (s *Store) Alive(ctx context.Context, id OwnerID) (bool, error) {
	if !id.valid() {
		return false, nil
	}
	path := s.leaseFile(id)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking after lease %q: %w", id, err)
	}
	defer f.Close()
	// A shared lock, so that two who ask at once do not take each other for the owner.
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("asking after lease %q: %w", id, err)
	}
	// The ID is never used again, so that the file of a dead owner may go at any time.
	s.log.Info("owner of a lease has died", "owner", string(id))
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("clearing away lease %q: %w", id, err)
	}
	return false, nil
}

// sweep removes the files of owners that died with nothing to settle, for whom
// nobody would ever ask.
func (s *Store) sweep(ctx context.Context) {
	files, err := os.ReadDir(s.leaseFolder())
	if err != nil {
		return
	}
	for _, file := range files {
		id, is := strings.CutSuffix(file.Name(), ".lock")
		if !is {
			continue
		}
		if _, err := s.Alive(ctx, OwnerID(id)); err != nil {
			s.log.Warn("a lease file is left over", "owner", id, "error", err)
		}
	}
}

// valid keeps an ID from a tampered database from naming a file elsewhere.
func (id OwnerID) valid() bool {
	b, err := hex.DecodeString(string(id))
	return err == nil && len(b) == 16
}

func (s *Store) leaseFolder() string { return s.path + "-leases" }

func (s *Store) leaseFile(id OwnerID) string {
	return filepath.Join(s.leaseFolder(), string(id)+".lock")
}

// lockMigration waits until no other process migrates the same database.
func (s *Store) lockMigration() (unlock func(), err error) {
	if err := os.MkdirAll(s.leaseFolder(), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.leaseFolder(), "migration"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, err
		}
	}
}
