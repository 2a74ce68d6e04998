package hsm

import (
	"fmt"
	"strings"

	"smki.example/softhsm"
)

// find returns the one token that c asks for and may open. The caller is in the gate and has the guard.
func (m *module) find(c Config, held *softhsm.Held) (Info, error) {
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
	case len(match) == 0 && len(held.Torn()) > 0:
		return Info{}, fmt.Errorf("%w: no such token can be read%s", ErrUnavailable, lost(held))
	case len(match) == 0 && len(others) == 0 && m.guard != "":
		return Info{}, fmt.Errorf("%w: the SoftHSM directory of %q holds no token: is this the right configuration, and is the directory whole?", errNoToken, m.guard)
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

// errNoToken says that the module shows no token, and is an ErrNotFound.
var errNoToken = fmt.Errorf("%w", ErrNotFound)

// lost says which tokens are torn for good, for the end of an error; or nothing.
func lost(held *softhsm.Held) string {
	if len(held.Torn()) == 0 {
		return ""
	}
	return fmt.Sprintf(": %q was cut short when a process was killed, and there is no copy: restore the whole directory of the token from a backup", held.Torn())
}

// enroll finds the token and makes the caller a user of its login.
func (m *module) enroll(c Config) (Info, *login, error) {
	var info Info
	m.gate.enter()
	err := m.guarded(c.Timeout, c.Logger, func(held *softhsm.Held) (err error) { info, err = m.find(c, held); return err })
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
		return l.module.guarded(l.timeout, l.log, l.open)
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
