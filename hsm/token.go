package hsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Info is what a token says of itself.
type Info struct {
	Label          string `json:"label"`
	Serial         string `json:"serial"`
	Manufacturer   string `json:"manufacturer"`
	Model          string `json:"model"`
	Slot           uint   `json:"slot"`
	Library        string `json:"library"`
	LibraryVersion string `json:"library_version"`
}

// A Token is an open PKCS#11 token: its user is logged in, and its keys can be used.
//
// It survives what tokens do in long-running processes. If its sessions are lost,
// or it goes away and comes back, the next operation logs in again and finds its
// keys anew; meanwhile operations fail with an error that wraps ErrUnavailable.
// All methods may be called concurrently.
type Token struct {
	info    Info
	login   *login
	pool    *Pool
	timeout time.Duration

	generate sync.Mutex // held from the look for duplicates to the new object
	seen     presence   // while copies of keys sign
	noCopy   sync.Map   // CKA_ID as string: the token will not copy that key to a session

	once     sync.Once
	closeErr error
}

// Open loads the module, finds the token and logs in.
//
// The order is: find the token by label and serial (ErrNotFound, or ErrConflict if
// several match), check the label against RequireLabelPrefix (ErrRefused), and only then read
// the PIN and log in. A PIN that the token refuses has been tried once when Open
// returns, is not tried again, and is reported as ErrUnavailable. If this process
// has the token open already, the PIN is compared with the one that the token
// took, since PKCS#11 would accept any; another is ErrRefused. Whatever else keeps the
// token from opening is ErrUnavailable: no module, no PIN file, no answer.
//
// Any number of tokens may be open, of one module or of several. Open may be
// called concurrently. Every Token needs a Close.
func Open(ctx context.Context, c Config) (*Token, error) {
	name := c.TokenLabel
	if name == "" {
		name = "serial " + c.Serial
	}
	c, err := c.check()
	if err != nil {
		return nil, fmt.Errorf("opening token %q: %w", name, err)
	}
	t, err := await(ctx, c.Timeout, "the module", func() (*Token, error) { return open(c) }, func(t *Token) { t.Close() })
	if err == nil {
		return t, nil
	}
	for _, known := range []error{ErrNotFound, ErrConflict, ErrRefused, ErrUnavailable} {
		if errors.Is(err, known) {
			return nil, fmt.Errorf("opening token %q: %w", name, err)
		}
	}
	return nil, fmt.Errorf("opening token %q: %w: %w", name, ErrUnavailable, err)
}

// open does the work of Open, for as long as the module takes. A SoftHSM that was initialised
// at a moment when a program without our guard was logging in does not see the token's file, or its
// user PIN, until it is initialised again; so this is done once.
func open(c Config) (*Token, error) {
	first := c
	first.PIN = bytes.Clone(c.PIN)
	t, err := openOnce(first)
	if err != nil && c.guardConf() != "" && (errors.Is(err, errNoToken) || faultOf(err) == faultToken) {
		return openOnce(c)
	}
	clear(c.PIN)
	return t, err
}

// openOnce is one try of open. It keeps the PIN of c, or wipes it.
func openOnce(c Config) (*Token, error) {
	m, err := acquireModule(c)
	if err != nil {
		clear(c.PIN)
		return nil, err
	}
	info, l, err := m.enroll(c)
	if err != nil {
		clear(c.PIN)
		return nil, errors.Join(err, m.release(c.Timeout))
	}
	return &Token{info: info, login: l, pool: newPool(l, c.Sessions, c.Timeout), timeout: c.Timeout}, nil
}

// Info returns what the token said of itself when it was opened.
func (t *Token) Info() Info { return t.info }

// Close waits for the operations that are under way, closes the sessions, and logs out
// and unloads the module if nobody else in this process uses them. A PIN that
// Open was given is wiped. Operations after Close fail. If a call hangs in the token,
// Close gives up after the timeout and says so. Closing twice does nothing.
func (t *Token) Close() error {
	t.once.Do(func() {
		pooled := t.pool.close()
		_, left := await(context.Background(), t.timeout, "logging out", func() (struct{}, error) { return struct{}{}, t.login.module.leave(t.login) }, nil)
		released := t.login.module.release(t.timeout)
		if err := errors.Join(pooled, left, released); err != nil {
			t.closeErr = fmt.Errorf("closing token %q: %w", t.info.Label, err)
		}
	})
	return t.closeErr
}
