package hsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"smki.example/softhsm"
)

// A Config says which token to open and how. Module and one of TokenLabel and
// Serial are needed, and one of PINFile and PIN.
type Config struct {
	// Module is the path of the PKCS#11 library. Whoever can change that file runs
	// code in this process with every key of the token.
	Module string
	// SoftHSMConf is the path of softhsm2.conf, for a SoftHSM module: SOFTHSM2_CONF is
	// set to it round C_Initialize, and put back. Empty leaves the variable alone.
	SoftHSMConf string
	// TokenLabel and Serial choose the token; if both are given both must match.
	TokenLabel, Serial string
	// PINFile names the file that holds the user PIN. It is read at every login, so it has to
	// stay for as long as the token is to recover by itself.
	PINFile string
	// PIN is used instead of PINFile where the PIN comes from custodians' shares. Open
	// takes a copy, which Close wipes.
	PIN PIN
	// Sessions is how many operations the token does at once; 0 means 4. On SoftHSM more than
	// eight gain nothing.
	Sessions int
	// Timeout is how long one operation, or one recovery, may take; 0 means 10 seconds.
	Timeout time.Duration
	// RequireLabelPrefix, if not empty, is how the token's label must begin. A token whose label
	// does not is refused before any login. Drills require EXERCISE.
	RequireLabelPrefix string
	// Logger hears of lost and recovered tokens; nil means nobody does.
	Logger *slog.Logger

	load func(string) driver // loadLibrary, or a test's
}

const (
	defaultSessions = 4
	maxSessions     = 1024
	defaultTimeout  = 10 * time.Second
)

// FromSoftHSM returns the Config that opens a token made by package softhsm.
func FromSoftHSM(token *softhsm.Token) Config {
	return Config{Module: token.Library, SoftHSMConf: token.Config(), TokenLabel: token.Label, Serial: token.Serial, PINFile: token.PINFile}
}

func (c Config) check() (Config, error) {
	switch {
	case c.Module == "":
		return c, errors.New("Module is empty: name the PKCS#11 library")
	case c.TokenLabel == "" && c.Serial == "":
		return c, errors.New("TokenLabel and Serial are empty: name the token")
	case c.PINFile == "" && len(c.PIN) == 0:
		return c, errors.New("PINFile is empty: name the file that holds the PIN")
	case c.PINFile != "" && len(c.PIN) != 0:
		return c, errors.New("PINFile and PIN are both given: which is it?")
	case c.Sessions < 0 || c.Sessions > maxSessions:
		return c, fmt.Errorf("Sessions is %d: want 1 to %d, or 0 for %d", c.Sessions, maxSessions, defaultSessions)
	case c.Timeout < 0:
		return c, fmt.Errorf("Timeout is %v: want a positive time, or 0 for %v", c.Timeout, defaultTimeout)
	}
	if c.Sessions == 0 {
		c.Sessions = defaultSessions
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.load == nil {
		c.load = loadLibrary
	}
	c.PIN = bytes.Clone(c.PIN)
	return c, nil
}

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

// open does the work of Open, for as long as the module takes.
func open(c Config) (*Token, error) {
	m, err := acquireModule(c.Module, c.SoftHSMConf, c.load)
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

// find returns the one token that c asks for and may open. The caller is in the gate.
func (m *module) find(c Config) (Info, error) {
	tokens, err := m.tokens()
	if err != nil {
		return Info{}, err
	}
	var match []Info
	var others []string
	for _, t := range tokens {
		if (c.TokenLabel == "" || t.Label == c.TokenLabel) && (c.Serial == "" || t.Serial == c.Serial) {
			match = append(match, t)
		} else {
			others = append(others, fmt.Sprintf("%q", t.Label))
		}
	}
	switch {
	case len(match) == 0 && len(others) == 0:
		return Info{}, fmt.Errorf("%w: the module %q shows no token at all", ErrNotFound, m.path)
	case len(match) == 0:
		return Info{}, fmt.Errorf("%w: the module %q shows %s", ErrNotFound, m.path, strings.Join(others, ", "))
	case len(match) > 1:
		return Info{}, fmt.Errorf("%w: %d tokens have this label: name the serial number too", ErrConflict, len(match))
	}
	if !strings.HasPrefix(match[0].Label, c.RequireLabelPrefix) {
		return Info{}, fmt.Errorf("%w: its label %q does not begin with %q, and nothing else may be opened here", ErrRefused, match[0].Label, c.RequireLabelPrefix)
	}
	return match[0], nil
}

// enroll finds the token and makes the caller a user of its login.
func (m *module) enroll(c Config) (Info, *login, error) {
	m.gate.enter()
	info, err := m.find(c)
	m.gate.leave()
	if err != nil {
		return Info{}, nil, err
	}
	m.mu.Lock()
	l := m.logins[info.Serial]
	if l == nil {
		l = &login{module: m, serial: info.Serial, label: info.Label, slot: info.Slot, timeout: c.Timeout, log: c.Logger}
		m.logins[info.Serial] = l
	}
	l.mu.Lock()
	l.users++
	l.mu.Unlock()
	m.mu.Unlock()
	if err := l.join(pinSource{c.PINFile, c.PIN}); err != nil {
		m.leave(l)
		return Info{}, nil, err
	}
	return info, l, nil
}

// join logs in with the PIN of source, or compares it with the PIN of those who
// are logged in already.
func (l *login) join(source pinSource) error {
	l.setup.Lock()
	defer l.setup.Unlock()
	l.mu.Lock()
	connected, digest := l.connected, l.digest
	l.mu.Unlock()
	if err := l.poisoned(); err != nil {
		return err
	}
	if !connected {
		l.mu.Lock()
		l.pin = source
		l.mu.Unlock()
		l.module.gate.enter()
		defer l.module.gate.leave()
		return l.open()
	}
	pin, err := source.read()
	if err != nil {
		return err
	}
	defer clear(pin)
	defer clear(source.pin)
	if !samePIN(digest, digestOf(pin)) {
		return fmt.Errorf("%w: the PIN is not the one this process logged in with; it was not shown to the token", ErrRefused)
	}
	return nil
}

// leave ends the use of l. The last user logs the token out; the login stays in
// the module until that is done, so that whoever opens the token meanwhile waits and
// then shows a PIN of its own.
func (m *module) leave(l *login) error {
	l.setup.Lock()
	defer l.setup.Unlock()
	l.mu.Lock()
	l.users--
	last := l.users == 0
	l.mu.Unlock()
	if !last {
		return nil
	}
	m.gate.enter()
	err := l.logout()
	m.gate.leave()
	m.mu.Lock()
	defer m.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == 0 {
		delete(m.logins, l.serial)
	}
	return err
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
