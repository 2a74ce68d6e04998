package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"smki.example/hsm"
)

// SoftHSM rewrites the file of its token, token.object, at every login: it truncates
// the file and fills it again. Two things follow for processes that share a home, and
// both are dealt with here. A process that looks for the token in that moment finds
// none; so the processes of a home open the token one after the other, behind a file
// lock. A process that is killed in that moment leaves the file empty, and with it a
// token that nobody can log in to; so a home keeps a copy of the file, which holds
// nothing secret that the token's folder does not, and puts it back.

const (
	openingFile = "opening.lock" // held while the token is opened
	goodDir     = "good"         // in the token's folder: the file as it was made
)

// objectFile is the file that SoftHSM rewrites.
const objectFile = "token.object"

// lockToken waits until no other process of this home is opening the token. The lock
// is the kernel's, and goes with the process that holds it.
func (h *home) lockToken(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(h.dir, openingFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("waiting for the token: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("waiting for the token: %w", err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for the token, which another process is opening: %w", context.Cause(ctx)), f.Close())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// openToken opens the home's token, and mends a SoftHSM token that a killed process
// has left half written.
func (h *home) openToken(ctx context.Context, config hsm.Config) (*hsm.Token, error) {
	unlock, err := h.lockToken(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	token, err := hsm.Open(ctx, config)
	if err == nil || h.Token.SoftHSM == "" {
		return token, err
	}
	mended, merr := h.mendToken()
	if merr != nil || !mended {
		return nil, errors.Join(err, merr)
	}
	return hsm.Open(ctx, config)
}

// keepToken copies the files that SoftHSM rewrites.
func (h *home) keepToken() error {
	dir := h.path(h.Token.SoftHSM)
	files, err := filepath.Glob(filepath.Join(dir, "tokens", "*", objectFile))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("keeping a copy of the token in %q: it has %d files %s, want 1", dir, len(files), objectFile)
	}
	b, err := os.ReadFile(files[0])
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, goodDir), 0o700)
	}
	if err != nil {
		return fmt.Errorf("keeping a copy of the token: %w", err)
	}
	return writeWhole(filepath.Join(dir, goodDir, objectFile), b, 0o600)
}

// mendToken puts the kept file back if the token's is shorter, and tells whether it
// did. What differs between the two of one length is a flag that the next login
// writes.
func (h *home) mendToken() (bool, error) {
	dir := h.path(h.Token.SoftHSM)
	good, err := os.ReadFile(filepath.Join(dir, goodDir, objectFile))
	if err != nil {
		return false, nil // a home without a copy
	}
	files, err := filepath.Glob(filepath.Join(dir, "tokens", "*", objectFile))
	if err != nil || len(files) != 1 {
		return false, err
	}
	there, err := os.ReadFile(files[0])
	if err != nil || len(there) >= len(good) || bytes.Equal(there, good) {
		return false, err
	}
	return true, writeWhole(files[0], good, 0o600)
}
