package hsm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/miekg/pkcs11"

	"smki.example/softhsm"
)

// resetPause is how long a module is left alone between two resets while other
// tokens of it are well, so that one token that stays broken does not make the
// others log in again without end.
const resetPause = 5 * time.Second

// A module is a loaded PKCS#11 library. All tokens of one library share one,
// because C_Initialize and C_Finalize count for the process; it is finalised
// when the last of them is closed.
type module struct {
	path string
	gate gate

	life sync.Mutex // held while the library is loaded, initialised, finalised
	up   bool       // guarded by life: initialised by us
	conf string     // guarded by life: SOFTHSM2_CONF at initialisation
	// guard is the SoftHSM configuration whose directory is guarded, or empty. It is
	// set with d, and read by those who hold a reference.
	guard string
	d     driver // set while up; read by those who hold a reference

	mu        sync.Mutex
	refs      int               // guarded by mu
	logins    map[string]*login // guarded by mu; by serial number
	lastReset time.Time         // guarded by mu
}

// modules are the libraries of this process by their path. Entries stay, since a
// path that was used once is likely to be used again.
var modules = struct {
	mu     sync.Mutex
	byPath map[string]*module
}{byPath: map[string]*module{}}

// acquireModule returns the module that c names, initialised with its configuration. Each
// success needs a release. It blocks for as long as C_Initialize does.
func acquireModule(c Config) (*module, error) {
	path, conf := c.Module, c.SoftHSMConf
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("finding PKCS#11 module %q: %w", path, err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, fmt.Errorf("finding PKCS#11 module %q: %w", path, err)
	}
	modules.mu.Lock()
	m := modules.byPath[real]
	if m == nil {
		m = &module{path: real, logins: map[string]*login{}}
		modules.byPath[real] = m
	}
	modules.mu.Unlock()

	m.life.Lock()
	defer m.life.Unlock()
	if !m.up {
		if err := m.load(c); err != nil {
			return nil, err
		}
	} else if m.conf != conf {
		return nil, fmt.Errorf("PKCS#11 module %q is in use with configuration %q and cannot also have %q: give each SoftHSM directory its own copy of the library, as package softhsm does",
			path, m.conf, conf)
	}
	m.mu.Lock()
	m.refs++
	m.mu.Unlock()
	return m, nil
}

// load loads and initialises the library. The caller holds life.
func (m *module) load(c Config) error {
	d := c.load(m.path)
	if d == nil {
		return fmt.Errorf("loading PKCS#11 module %q: the system's loader refused it: is it a library for this machine, and is its file system mounted without noexec?", m.path)
	}
	m.guard = c.guardConf()
	if err := m.guarded(c.Timeout, c.Logger, func(*softhsm.Held) error { return initialise(d, c.SoftHSMConf) }); err != nil {
		d.Destroy()
		return fmt.Errorf("loading PKCS#11 module %q: %w", m.path, err)
	}
	m.up, m.conf, m.d = true, c.SoftHSMConf, d
	return nil
}

// initialise calls C_Initialize. A library that is initialised already belongs to
// someone else in this process, and would show the tokens of that one's
// configuration: that is an error and not a convenience.
func initialise(d driver, conf string) error {
	err := softhsm.WithConfig(conf, func() error { return d.Initialize() })
	if errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		return fmt.Errorf("%w: another part of this process uses the same library; give each its own copy", called("C_Initialize", err))
	}
	return called("C_Initialize", err)
}

// release gives back one reference. The last one finalises the library, unless a
// call hangs in it: then it stays loaded, the error says so, and the next
// acquireModule finds it as it is.
func (m *module) release(limit time.Duration) error {
	m.life.Lock()
	defer m.life.Unlock()
	m.mu.Lock()
	m.refs--
	last := m.refs == 0
	m.mu.Unlock()
	if !last || !m.up {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := m.gate.acquire(ctx); err != nil {
		return fmt.Errorf("closing PKCS#11 module %q: it stays loaded: %w: %w", m.path, ErrUnavailable, err)
	}
	defer m.gate.release()
	err := m.d.Finalize()
	m.d.Destroy()
	m.up, m.d = false, nil
	m.mu.Lock()
	clear(m.logins)
	m.mu.Unlock()
	if err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED)) {
		return fmt.Errorf("closing PKCS#11 module %q: %w", m.path, called("C_Finalize", err))
	}
	return nil
}

// reset finalises and initialises the library and logs every token in again. It
// is the only cure for a SoftHSM token that was away, which the library goes on
// believing gone, and for tokens that came after C_Initialize. The caller is
// alone in the gate and has the guard. The error is that of self; the others find
// out at their next use.
func (m *module) reset(self *login, held *softhsm.Held) error {
	m.mu.Lock()
	all := make([]*login, 0, len(m.logins))
	for _, l := range m.logins {
		all = append(all, l)
	}
	recent := time.Since(m.lastReset) < resetPause
	m.mu.Unlock()
	if recent && slices.ContainsFunc(all, func(l *login) bool { return l != self && l.alive() == nil }) {
		return fmt.Errorf("the module serves other tokens, which are well, and was reset less than %v ago", resetPause)
	}
	m.mu.Lock()
	m.lastReset = time.Now()
	m.mu.Unlock()

	m.d.Finalize() // whatever it says, the module is to be initialised next
	err := initialise(m.d, m.conf)
	answer := err
	for _, l := range all {
		l.anchor = 0
		if err == nil {
			if lerr := l.rejoin(held); l == self {
				answer = lerr
			}
		}
		l.advance()
	}
	return answer
}

// tokens returns the initialised tokens of the module. The caller is in the gate.
func (m *module) tokens() ([]Info, error) {
	slots, err := m.d.GetSlotList(true)
	if err != nil {
		return nil, called("C_GetSlotList", err)
	}
	lib, err := m.d.GetInfo()
	if err != nil {
		return nil, called("C_GetInfo", err)
	}
	var found []Info
	for _, slot := range slots {
		t, err := m.d.GetTokenInfo(slot)
		if err != nil || t.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue // a slot whose token cannot be read is not the one that is asked for
		}
		found = append(found, Info{
			Label: t.Label, Serial: t.SerialNumber, Manufacturer: t.ManufacturerID, Model: t.Model, Slot: slot,
			Library:        lib.LibraryDescription,
			LibraryVersion: fmt.Sprintf("%d.%d", lib.LibraryVersion.Major, lib.LibraryVersion.Minor),
		})
	}
	return found, nil
}
