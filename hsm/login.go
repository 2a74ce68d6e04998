package hsm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"

	"smki.example/softhsm"
)

// A login is one token's state of being logged in, shared by all in this
// process who have the token open: PKCS#11 keeps one per token and process.
//
// It holds the anchor, a session that is lent to nobody, because a token logs
// its user out when its last session closes. And it counts generations: every
// time handles die, by a lost token, a reset or a new login, the generation
// rises, and a session of an earlier generation makes no call any more, since its handle
// numbers may by then belong to others.
type login struct {
	module  *module
	serial  string
	label   string
	timeout time.Duration
	log     *slog.Logger

	generation atomic.Uint64

	// objects is held for reading while a session looks for objects, and for writing while
	// one copies a key: until SoftHSM has finished a copy, other sessions see it as
	// a second token object of the same CKA_ID.
	objects sync.RWMutex

	setup sync.Mutex // held while connecting; taken before the gate

	// slot and anchor are written by whoever is alone in the module's gate, or
	// holds setup before anyone else has the login.
	slot   uint
	anchor pkcs11.SessionHandle // 0: none

	mu        sync.Mutex
	users     int // guarded by mu
	pin       pinSource
	digest    [sha256.Size]byte // of the PIN that the token took
	connected bool
	poison    error   // set when the token refused the PIN; no second try
	flight    *flight // a recovery that is under way
}

// A flight is one recovery that any number of callers wait for.
type flight struct {
	done chan struct{}
	err  error // to be read after done
}

// open opens the anchor and logs in. The caller is in the gate and has the guard, since
// SoftHSM rewrites the token's file at C_Login; not even that is risked without a copy.
func (l *login) open(held *softhsm.Held) error {
	d := l.module.d
	if err := held.Keep(); err != nil {
		return err
	}
	pin, err := l.pin.read()
	if err != nil {
		return err
	}
	defer clear(pin)
	anchor, err := d.OpenSession(l.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return called("C_OpenSession", err)
	}
	err = d.Login(anchor, pkcs11.CKU_USER, string(pin))
	if err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
		d.CloseSession(anchor)
		err = called("C_Login", err)
		if errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_PIN_NOT_INITIALIZED)) {
			return fmt.Errorf("logging in to token %q: %w: the PIN was not tried, and does not count; either nobody has set one, or another program is at the token's files: try again", l.label, err)
		}
		if refusedPIN(err) {
			l.mu.Lock()
			l.poison = fmt.Errorf("logging in to token %q: %w; it was tried once and counts against the token: correct the PIN and open the token anew", l.label, err)
			err = l.poison
			l.mu.Unlock()
		}
		return err
	}
	l.anchor = anchor
	l.mu.Lock()
	l.digest, l.connected = digestOf(pin), true
	l.mu.Unlock()
	return nil
}

// logout ends the login and forgets its PIN. The caller holds setup and is in the gate.
func (l *login) logout() error {
	l.mu.Lock()
	clear(l.pin.pin)
	l.pin, l.connected, l.poison = pinSource{}, false, nil
	l.mu.Unlock()
	anchor := l.anchor
	l.anchor = 0
	l.advance()
	d := l.module.d
	if anchor == 0 {
		return nil
	}
	if _, err := d.GetSessionInfo(anchor); err != nil {
		return nil // the token is gone, and the login with it
	}
	return errors.Join(called("C_Logout", d.Logout(anchor)), called("C_CloseSession", d.CloseSession(anchor)))
}

// rejoin finds the token again after C_Initialize and logs in. The caller is alone in the gate
// and has the guard.
func (l *login) rejoin(held *softhsm.Held) error {
	l.anchor = 0
	if err := l.poisoned(); err != nil {
		return err
	}
	tokens, err := l.module.tokens()
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.Serial == l.serial && t.Label == l.label {
			l.slot = t.Slot
			return l.open(held)
		}
	}
	return fmt.Errorf("token %q (serial %q) is not there%s", l.label, l.serial, lost(held))
}

// advance makes every session and handle of before invalid.
func (l *login) advance() { l.generation.Add(1) }

func (l *login) poisoned() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.poison
}

// over reports whether the last user has left, after which the module may be
// unloaded at any time. In the gate it stays as it is.
func (l *login) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.users == 0
}

// present returns an error if the token does not answer. A SoftHSM token whose
// directory is gone still opens sessions and finds no objects, without an
// error; C_GetTokenInfo is the cheapest call that notices. The caller is in the gate and has the guard.
func (l *login) present() error {
	_, err := l.module.d.GetTokenInfo(l.slot)
	return called("C_GetTokenInfo", err)
}

// seen is present for a caller without the guard. A token that does not answer is asked again
// under it: another process may have been rewriting the token's file.
func (l *login) seen() error {
	err := l.present()
	if err == nil {
		return nil
	}
	// If there is no guard to be had, the first answer stands.
	l.module.guarded(l.timeout, l.log, func(*softhsm.Held) error { err = l.present(); return nil })
	return err
}

// alive returns nil if the token is there and logged in. The caller is in the gate and has the guard.
func (l *login) alive() error {
	if l.anchor == 0 {
		return errors.New("no session")
	}
	info, err := l.module.d.GetSessionInfo(l.anchor)
	if err != nil {
		return called("C_GetSessionInfo", err)
	}
	if !loggedIn(info) {
		return errors.New("the token has logged its user out")
	}
	return l.present()
}

// recover brings the token back after a session of generation seen has failed.
// It returns nil if the token is well, whoever made it so. Calls that come while
// a recovery is under way wait for that one, each no longer than the timeout.
func (l *login) recover(ctx context.Context, seen uint64) error {
	l.mu.Lock()
	if l.poison != nil {
		defer l.mu.Unlock()
		return l.poison
	}
	if l.generation.Load() != seen {
		l.mu.Unlock()
		return nil
	}
	f := l.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		l.flight = f
		go func() {
			f.err = l.reconnect(seen)
			l.mu.Lock()
			l.flight = nil
			l.mu.Unlock()
			close(f.done)
		}()
	}
	l.mu.Unlock()
	timer := time.NewTimer(l.timeout)
	defer timer.Stop()
	select {
	case <-f.done:
		return f.err
	case <-timer.C:
		return fmt.Errorf("the token did not come back within %v", l.timeout)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reconnect tries, in this order: nothing, if the token is well and only one
// session had died; a new anchor and login; a reset of the module.
func (l *login) reconnect(seen uint64) error {
	l.setup.Lock()
	defer l.setup.Unlock()
	m := l.module
	m.gate.enter()
	var well error
	err := m.guarded(l.timeout, l.log, func(*softhsm.Held) error { well = l.alive(); return nil })
	m.gate.leave()
	if err != nil || well == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	if err := m.gate.acquire(ctx); err != nil {
		return err
	}
	defer m.gate.release()
	if l.over() {
		return errClosed
	}
	if l.generation.Load() != seen {
		return nil // another token of the module was reset, and this one with it
	}
	if err := m.guarded(l.timeout, l.log, func(held *softhsm.Held) error {
		err := l.renew(held)
		if err != nil && !refusedPIN(err) {
			err = m.reset(l, held)
		}
		return err
	}); err != nil {
		l.log.Warn("token is unavailable", "label", l.label, "reason", well.Error(), "err", err)
		return err
	}
	l.log.Info("token is back", "label", l.label, "reason", well.Error())
	return nil
}

// renew closes whatever sessions of the token are left, so that none leaks and no
// old handle can name a new session, and logs in again. The caller is alone in the gate and has the guard.
func (l *login) renew(held *softhsm.Held) error {
	l.module.d.CloseAllSessions(l.slot) // an error says that there are none
	l.anchor = 0
	l.advance()
	if err := l.present(); err != nil {
		return err
	}
	return l.open(held)
}
