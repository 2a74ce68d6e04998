package custody

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"smki.example/hsm"
)

// A Session is an open vault: one key of one token, for one authorisation.
//
// All methods may be called concurrently. It must be closed; until then the PIN
// is in this process's memory.
type Session struct {
	authorisation Authorisation
	clock         func() time.Time
	token         *hsm.Token
	key           *hsm.Key
	ledger        *ledger
	running       sync.WaitGroup // calls that are at the token; added to under mu

	mu     sync.Mutex
	uses   []Use
	broken error // why the ledger takes no more lines
	closed bool
}

// Uses returns the ledger of this session: each signature that was let through,
// in order, those that then failed at the token included, and one whose line could not be
// written, if there was one: it was not signed.
func (s *Session) Uses() []Use {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.uses)
}

// Left returns how many uses the authorisation still allows: none once the ledger could
// not be written.
func (s *Session) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.broken != nil {
		return 0
	}
	return s.authorisation.Count - len(s.uses)
}

// Close refuses all further use, waits for calls that are at the token, and closes
// it, which wipes the PIN. The authorisation stays spent, whatever was left of
// its count. A second Close does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
	var errs []error
	if s.token != nil {
		errs = append(errs, s.token.Close())
	}
	if s.ledger != nil {
		errs = append(errs, s.ledger.file.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the session of authorisation %q: %w", s.authorisation.ID, err)
	}
	return nil
}

// unspent refuses early, before shares are put together; spend decides.
func unspent(dir string, a Authorisation) error {
	path := ledgerPath(dir, a.ID)
	switch _, err := os.Lstat(path); {
	case err == nil:
		return alreadySpent(a, path)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the ledger: %w", err)
	}
	return nil
}

func alreadySpent(a Authorisation, path string) error {
	return fmt.Errorf("%w: authorisation %q was used before (%s); a new decision is needed", ErrRefused, a.ID, path)
}
