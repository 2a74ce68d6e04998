package softhsm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/miekg/pkcs11"
)

// DropSessions closes every session that this process has with the token, as a
// restart of a network token does. Whoever uses it finds out at the next call. If
// nobody has opened the token nothing happens.
func (t *Token) DropSessions() error {
	module := pkcs11.New(t.Library)
	if module == nil {
		return fmt.Errorf("dropping the sessions of token %q: loading %q: the system's loader refused it", t.Label, t.Library)
	}
	// The library is loaded once however often it is asked for; this gives up one
	// reference and finalises nothing.
	defer module.Destroy()
	slots, err := module.GetSlotList(true)
	if errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("dropping the sessions of token %q: %w", t.Label, err)
	}
	for _, slot := range slots {
		if err := module.CloseAllSessions(slot); err != nil {
			return fmt.Errorf("dropping the sessions of token %q: %w", t.Label, err)
		}
	}
	return nil
}

// Backup copies the token's keys to dir, which must not exist. Whoever has the
// copy and the PIN has the keys; a copy of a hardware token's keys would be as
// well guarded as the token.
func (t *Token) Backup(ctx context.Context, dir string) error {
	held, err := Guard(ctx, t.Config())
	if err != nil {
		return fmt.Errorf("backing token %q up: %w", t.Label, err)
	}
	defer held.Release()
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("backing token %q up: %q is there already", t.Label, dir)
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(t.Dir, tokensName))); err != nil {
		return fmt.Errorf("backing token %q up: %w", t.Label, err)
	}
	return nil
}

// Destroy makes the token's keys be no more, in it, where Break put them, and in the copies that guards keep.
// Only a backup brings them back. A token that is destroyed is broken.
func (t *Token) Destroy() error {
	aside := filepath.Join(t.Dir, brokenName)
	if _, err := os.Lstat(aside); errors.Is(err, os.ErrNotExist) {
		if err := t.Break(); err != nil {
			return err
		}
	}
	// The copies that a guard keeps are of this token too.
	if err := errors.Join(os.RemoveAll(aside), os.RemoveAll(filepath.Join(t.Dir, keptName))); err != nil {
		return fmt.Errorf("destroying token %q: %w", t.Label, err)
	}
	return nil
}

// RestoreFrom puts a backup in the place of a token that was destroyed.
func (t *Token) RestoreFrom(dir string) error {
	aside := filepath.Join(t.Dir, brokenName)
	if _, err := os.Lstat(filepath.Join(t.Dir, tokensName)); err == nil {
		return fmt.Errorf("restoring token %q: it is not broken", t.Label)
	}
	if err := os.CopyFS(aside, os.DirFS(dir)); err != nil {
		return fmt.Errorf("restoring token %q: %w", t.Label, err)
	}
	return t.Restore()
}
