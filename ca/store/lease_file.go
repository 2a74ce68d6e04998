package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// leaseFiles are the leases of the processes on one SQLite file: exclusive locks on
// files beside the database, each held by a process for as long as it lives. The
// kernel takes a lock back in the moment of death, kill -9 included, so that a dead
// owner is known at once and a slow or stopped one is never taken for dead: no
// clock and no heartbeat is involved.
//
// Whoever can write the folder of the lease files can make a living process look
// dead, and the worst that follows is that its unfinished serials are written off
// under its hands and its signatures thrown away.
type leaseFiles struct {
	folder string
	clock  func() time.Time
	log    *slog.Logger
}

func (l *leaseFiles) lease(ctx context.Context) (*Lease, error) {
	id := newOwnerID()
	if err := os.MkdirAll(l.folder, 0o700); err != nil {
		return nil, fmt.Errorf("taking a lease: %w", err)
	}
	l.sweep(ctx)

	// Locked before it has its name, so that nobody can find it unlocked.
	path := l.file(id)
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
	fmt.Fprintf(f, "pid %d\nsince %s\n", os.Getpid(), l.clock().UTC().Format(time.RFC3339))
	release := func() error {
		// Removed before unlocked: a file that is there and not locked is a dead owner,
		// one that is not there as well, so that neither order can confuse a reader.
		err := os.Remove(path)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("releasing lease %q: %w", id, err)
		}
		return nil
	}
	return &Lease{id: id, release: release, lost: make(chan struct{})}, nil
}

func (l *leaseFiles) alive(_ context.Context, id OwnerID) (bool, error) {
	path := l.file(id)
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
	l.log.Info("owner of a lease has died", "owner", string(id))
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("clearing away lease %q: %w", id, err)
	}
	return false, nil
}

// sweep removes the files of owners that died with nothing to settle, for whom
// nobody would ever ask.
func (l *leaseFiles) sweep(ctx context.Context) {
	files, err := os.ReadDir(l.folder)
	if err != nil {
		return
	}
	for _, file := range files {
		name, is := strings.CutSuffix(file.Name(), ".lock")
		if id := OwnerID(name); is && id.valid() {
			if _, err := l.alive(ctx, id); err != nil {
				l.log.Warn("a lease file is left over", "owner", name, "error", err)
			}
		}
	}
}

func (l *leaseFiles) file(id OwnerID) string {
	return filepath.Join(l.folder, string(id)+".lock")
}

// lockMigration waits until no other process migrates the same database.
func (l *leaseFiles) lockMigration() (unlock func(), err error) {
	if err := os.MkdirAll(l.folder, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(l.folder, "migration"), os.O_CREATE|os.O_RDWR, 0o600)
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
