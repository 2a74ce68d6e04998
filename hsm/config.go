package hsm

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
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
	// set to it round C_Initialize, and put back. Empty leaves the variable alone. The directory that it names,
	// or for a module with softhsm in its name the one that SoftHSM finds by itself, is guarded
	// against other processes.
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
