package softhsm

import (
	"fmt"
	"os"
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
