package hsm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"smki.example/softhsm"
)

// errUntouched is wrapped by the error of a call that failed before the token was asked
// to change anything, so that it may be made again.
var errUntouched = errors.New("nothing was changed")

// guardConf returns the configuration whose directory is to be guarded: that of a
// SoftHSM module, whether it was named to us or is found by the library itself.
func (c Config) guardConf() string {
	if c.SoftHSMConf == "" && strings.Contains(filepath.Base(c.Module), "softhsm") {
		return softhsm.Configuration()
	}
	return c.SoftHSMConf
}

// guarded runs fn while no other process reads or rewrites the files of a SoftHSM
// module; for other modules it just runs it. Guards are the innermost lock: fn takes no other,
// and whoever needs the gate is in it already. Signing takes no guard.
func (m *module) guarded(limit time.Duration, log *slog.Logger, fn func(*softhsm.Held) error) error {
	if m.guard == "" {
		return fn(nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	held, err := softhsm.Guard(ctx, m.guard)
	if err != nil {
		return err
	}
	defer held.Release()
	for _, file := range held.Mended() {
		log.Warn("a token file was torn by a process that was killed, and is put back from its copy", "file", file)
	}
	return fn(held)
}

// guarded runs fn, which makes or destroys objects, as the only one at the token's files, and
// returns when they are on disk. It is for the session's goroutine.
func (s *session) guarded(fn func() error) error {
	let := false
	err := s.login.module.guarded(s.login.timeout, s.login.log, func(held *softhsm.Held) error {
		let, s.held = true, true
		defer func() { s.held = false }()
		if err := fn(); err != nil {
			return err
		}
		if err := held.Settle(); err != nil {
			return fmt.Errorf("%w: it was done, and may not outlive a loss of power: %w", ErrUnavailable, err)
		}
		return nil
	})
	if !let {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// untouched marks an error that came before the token had anything to change or sign.
func untouched(err error) error {
	if faultOf(err) == faultToken {
		return fmt.Errorf("%w: %w", errUntouched, err)
	}
	return err
}
