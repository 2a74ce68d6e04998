package play

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A scratch is the folder in which one drill keeps its tokens and databases. It
// holds exercise keys in the clear; it is gone when the drill ends, and what a
// killed drill left behind is gone when the next one begins.
type scratch struct {
	dir  string
	lock *os.File // held for as long as the drill lives; the kernel lets go of a dead one's
}

const (
	scratchPrefix = "smki-drill-"
	scratchLock   = "lock"
	// scratchAge keeps a folder safe in the moment between its making and its lock.
	scratchAge = time.Minute
	// keptMark is the file that says that a folder is meant to stay.
	keptMark = "kept"
)

// Sweep removes what drills that were killed left in a folder for temporary files,
// the system's if it is empty. New does it too; a server that may not play for a
// while does it when it begins. It is housekeeping: what cannot be removed stays.
func Sweep(temp string) {
	if temp == "" {
		temp = os.TempDir()
	}
	sweep(temp, time.Now())
}

func newScratch(temp string) (*scratch, error) {
	Sweep(temp)
	dir, err := os.MkdirTemp(temp, scratchPrefix)
	if err != nil {
		return nil, fmt.Errorf("making the scratch folder: %w", err)
	}
	lock, err := lockScratch(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the scratch folder: %w", err), os.RemoveAll(dir))
	}
	return &scratch{dir, lock}, nil
}

func lockScratch(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, scratchLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func sweep(temp string, now time.Time) {
	dirs, err := filepath.Glob(filepath.Join(temp, scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || now.Sub(info.ModTime()) < scratchAge {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, keptMark)); err == nil {
			continue
		}
		if lock, err := lockScratch(dir); err == nil {
			_ = os.RemoveAll(dir)
			_ = lock.Close()
		}
	}
}

// clear removes the folder with every key in it, or marks it as kept. A second call
// does nothing.
func (s *scratch) clear(keep bool) error {
	if s.lock == nil {
		return nil
	}
	defer func() { s.lock = nil }()
	defer s.lock.Close()
	if keep {
		if err := os.WriteFile(filepath.Join(s.dir, keptMark), nil, 0o600); err != nil {
			return fmt.Errorf("keeping the drill's tokens: %w", err)
		}
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("removing the drill's tokens: %w", err)
	}
	return nil
}
