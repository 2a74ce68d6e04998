package softhsm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// confVariable is the only way to tell SoftHSM where its tokens are.
const confVariable = "SOFTHSM2_CONF"

// confMu is held while SOFTHSM2_CONF may differ from what the process was
// started with. The environment belongs to the whole process, so there is one
// lock for it, shared with package hsm through [WithConfig].
var confMu sync.Mutex

// WithConfig calls initialise with the environment variable SOFTHSM2_CONF set to
// conf, and puts the variable back before it returns. Whoever calls C_Initialize
// of any PKCS#11 module in this process does it in here, so that no module can
// read the configuration that is meant for another. An empty conf leaves the
// variable alone and still takes the lock, which is right for a module that is not SoftHSM.
//
// WithConfig returns what initialise returns. It must not be nested.
func WithConfig(conf string, initialise func() error) (err error) {
	confMu.Lock()
	defer confMu.Unlock()
	if conf == "" {
		return initialise()
	}
	before, had := os.LookupEnv(confVariable)
	if err := os.Setenv(confVariable, conf); err != nil {
		return fmt.Errorf("setting %s: %w", confVariable, err)
	}
	defer func() {
		restore := func() error { return os.Unsetenv(confVariable) }
		if had {
			restore = func() error { return os.Setenv(confVariable, before) }
		}
		if rerr := restore(); rerr != nil && err == nil {
			err = fmt.Errorf("restoring %s: %w", confVariable, rerr)
		}
	}()
	return initialise()
}

// Configuration returns the path of the configuration that SoftHSM reads when it
// is initialised and nobody sets SOFTHSM2_CONF for it: that of the variable, else the user's,
// else the system's; or nothing if there is none, or it leaves the directory of tokens to the
// library.
func Configuration() string {
	var places []string
	WithConfig("", func() error { // with the lock, so as not to see what is set for another module
		if conf := os.Getenv(confVariable); conf != "" {
			places = append(places, conf)
		}
		return nil
	})
	if len(places) == 0 {
		if home, err := os.UserHomeDir(); err == nil {
			places = append(places, filepath.Join(home, ".config", "softhsm2", confName))
		}
		places = append(places, filepath.Join("/etc/softhsm", confName), filepath.Join("/etc", confName))
	}
	for _, place := range places {
		if _, err := os.Stat(place); err != nil {
			continue
		}
		if _, err := tokenDir(place); err != nil {
			return ""
		}
		return place
	}
	return ""
}

// tokenDir returns the directory of tokens that a softhsm2.conf names.
func tokenDir(conf string) (string, error) {
	b, err := os.ReadFile(conf)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		name, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(name) == "directories.tokendir" && strings.TrimSpace(value) != "" {
			return strings.TrimSpace(value), nil
		}
	}
	return "", errors.New("it names no directories.tokendir: add that line, so that the directory can be guarded")
}
