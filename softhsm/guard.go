package softhsm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// How often a held lock is asked for again. A login holds it for a few milliseconds.
const (
	firstPause = 200 * time.Microsecond
	maxPause   = 5 * time.Millisecond
)

// A Held guard is the right to let SoftHSM read or rewrite the files of one token
// directory while no other process does. It belongs to one goroutine, and needs a Release.
// The methods of a nil Held do nothing: it guards a module that has no such directory.
type Held struct {
	lock   *os.File
	dir    string
	mended []string
	torn   []string
}

// Guard waits until no other holder is at the token directory of the SoftHSM
// configuration conf, in this process or another, and until ctx ends at the latest.
//
// SoftHSM 2.6 changes its files in place: C_Login, with a right PIN or a wrong one, empties
// token.object and writes it anew, after it has given its own lock back. Two things
// follow. A process that reads at that moment finds no token, or one without a
// user PIN, and goes on believing so until it is initialised again. And a process that is killed
// at that moment leaves an empty file, without which the keys of the token are lost. So
// C_Initialize, C_Login and whatever makes or destroys keys is called under a guard, and
// with the guard comes the cure: a token.object that was torn is put back
// from the copy that [Held.Keep] made.
//
// The lock is the kernel's, on the directory itself (flock), so it goes with its holder
// however that ends, and nothing is left behind. Programs that do not ask for it, such as softhsm2-util,
// are not kept out. Guards do not nest: a second one in the same goroutine waits for itself.
func Guard(ctx context.Context, conf string) (*Held, error) {
	fail := func(err error) (*Held, error) {
		return nil, fmt.Errorf("guarding the SoftHSM directory of %q: %w", conf, err)
	}
	dir, err := tokenDir(conf)
	if err != nil {
		return fail(err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		return fail(err)
	}
	if err := flock(ctx, lock); err != nil {
		return fail(errors.Join(err, lock.Close()))
	}
	h := &Held{lock: lock, dir: dir}
	if err := h.mend(); err != nil {
		h.Release()
		return fail(err)
	}
	return h, nil
}

// Release lets the next holder in.
func (h *Held) Release() {
	if h != nil {
		h.lock.Close()
	}
}

// Mended returns the paths of the token files that Guard found torn and put back.
func (h *Held) Mended() []string {
	if h == nil {
		return nil
	}
	return h.mended
}

// Torn returns the paths of the token files that are torn and of which there is no copy. The
// keys of such a token come back with a backup of its directory, and with nothing else.
func (h *Held) Torn() []string {
	if h == nil {
		return nil
	}
	return h.torn
}

// flock asks for the lock until it is free. It does not block in the kernel, where
// nothing could end the wait for a process that was stopped.
func flock(ctx context.Context, f *os.File) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("locking %q: %w: the token needs a file system that keeps locks, such as a local disk", f.Name(), err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("another process is opening the token or changing its keys, and has not finished: %w", context.Cause(ctx))
		}
	}
}
