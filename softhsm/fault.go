package softhsm

import (
	"fmt"
	"os"
	"path/filepath"
)

// Break takes the token away, as pulling out a hardware token would: the directory of its
// keys is moved aside. Whoever has the token open finds out at the next use of a
// key; note that SoftHSM still opens sessions on a token that is gone, so only a
// real signature tells. Breaking a broken token is an error. The PINs stay.
func (t *Token) Break() error {
	if err := os.Rename(filepath.Join(t.Dir, tokensName), filepath.Join(t.Dir, brokenName)); err != nil {
		return fmt.Errorf("breaking token %q: %w", t.Label, err)
	}
	return nil
}

// Restore puts back what Break took away. Restoring a whole token is an error.
func (t *Token) Restore() error {
	if _, err := os.Stat(filepath.Join(t.Dir, tokensName)); err == nil {
		return fmt.Errorf("restoring token %q: it is not broken", t.Label)
	}
	if err := os.Rename(filepath.Join(t.Dir, brokenName), filepath.Join(t.Dir, tokensName)); err != nil {
		return fmt.Errorf("restoring token %q: %w", t.Label, err)
	}
	return nil
}
