package custody

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"smki.example/hsm"
)

// A SecretVault is a secret that is with custodians and in no token, because it
// is meant to leave their hands one day: the symmetric key of the contingency
// key, which the one contingency campaign sends in the open. It is given out
// once in its life, whatever is decided later.
//
// The fields are set once. Open may be called concurrently.
type SecretVault struct {
	// Label names the secret in authorisations and in the ledger.
	Label hsm.KeyLabel
	// Holders says of how many Parties the custodians must be.
	Holders Holders
	// DecisionKey verifies authorisations, as in [Vault].
	DecisionKey note.Verifier
	// Ledger is the directory that remembers what was opened and given out. It is
	// the memory that makes the secret good once: whoever can delete from it can
	// have the secret given out again.
	Ledger string
	// Clock is time.Now when nil.
	Clock func() time.Time
}

// A SecretSession holds the secret for one authorisation. It must be closed;
// until then the secret is in this process's memory. Its methods may be called
// concurrently.
type SecretSession struct {
	authorisation Authorisation
	vault         *SecretVault
	clock         func() time.Time

	mu     sync.Mutex
	secret []byte // nil: closed
	ledger *ledger
	uses   []Use
}

// Open puts the secret together for what the signed authorisation says. The
// order is that of [Vault.Open]: decision, earlier use, shares, and the
// authorisation is spent last.
//
// An error wrapping [ErrRefused] is about the authorisation, or says that the
// secret was given out before; one wrapping [ErrTooFewShares] is about the
// shares. In all of these the secret was not given out.
func (v *SecretVault) Open(signed []byte, shares []Share) (*SecretSession, error) {
	switch {
	case v.DecisionKey == nil:
		return nil, errors.New("opening a secret: DecisionKey is not set")
	case v.Ledger == "":
		return nil, errors.New("opening a secret: Ledger is not set")
	}
	clock := v.Clock
	if clock == nil {
		clock = time.Now
	}
	a, err := ParseAuthorisation(signed, v.DecisionKey)
	if err != nil {
		return nil, err
	}
	if a.Key != v.Label {
		return nil, fmt.Errorf("%w: authorisation %q is for %q, not %q", ErrRefused, a.ID, a.Key, v.Label)
	}
	if err := a.inTime(clock()); err != nil {
		return nil, err
	}
	if err := unspent(v.Ledger, a); err != nil {
		return nil, err
	}
	if err := v.neverGiven(); err != nil {
		return nil, err
	}
	if err := v.Holders.enough(shares); err != nil {
		return nil, fmt.Errorf("opening %q under authorisation %q: %w", v.Label, a.ID, err)
	}
	secret, err := Combine(shares)
	if err != nil {
		return nil, fmt.Errorf("opening %q under authorisation %q: %w", v.Label, a.ID, err)
	}
	s := &SecretSession{authorisation: a, vault: v, clock: clock, secret: secret}
	if s.ledger, err = spend(v.Ledger, a, signed, shares, clock()); err != nil {
		clear(secret)
		return nil, fmt.Errorf("opening %q under authorisation %q: %w", v.Label, a.ID, err)
	}
	return s, nil
}

// neverGiven refuses a secret that the ledger says was given out, or may have
// been: a torn line may be that of a use.
func (v *SecretVault) neverGiven() error {
	switch _, err := os.Lstat(v.mark()); {
	case err == nil:
		return fmt.Errorf("%w: %q was given out before (%s); it is good once, and a new one must be made", ErrRefused, v.Label, v.mark())
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the ledger: %w", err)
	}
	spent, err := ReadLedger(v.Ledger)
	if err != nil {
		return err
	}
	for _, s := range spent {
		given := slices.ContainsFunc(s.Uses, func(u Use) bool { return u.Key == v.Label })
		if given || s.Torn && s.Authorisation.Key == v.Label {
			return fmt.Errorf("%w: %q was given out under authorisation %q; it is good once, and a new one must be made", ErrRefused, v.Label, s.Authorisation.ID)
		}
	}
	return nil
}

// mark is the file whose being there says that the secret was given out.
func (v *SecretVault) mark() string { return filepath.Join(v.Ledger, string(v.Label)+".given") }

// Digest returns what [SecretSession.Take] will enter in the ledger: the SHA-256
// of the secret, which says nothing about 32 random octets and lets whoever
// meets the secret later see that it was this one.
func (s *SecretSession) Digest() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secret == nil {
		return "", s.closed()
	}
	sum := sha256.Sum256(s.secret)
	return hex.EncodeToString(sum[:]), nil
}

// Take gives the secret out, once. The use is in the ledger, on disk, before the
// caller has it; from then on no vault on this ledger opens the secret again.
// The caller owns the copy and should clear it.
func (s *SecretSession) Take() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.authorisation
	if s.secret == nil {
		return nil, s.closed()
	}
	now := s.clock()
	if err := a.inTime(now); err != nil {
		return nil, err
	}
	if len(s.uses) > 0 {
		return nil, fmt.Errorf("%w: %q was given out under authorisation %q; it is good once", ErrRefused, a.Key, a.ID)
	}
	if err := s.vault.neverGiven(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(s.secret)
	// Of two sessions, in two processes even, one makes the mark.
	mark, err := os.OpenFile(s.vault.mark(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, s.vault.neverGiven()
	}
	if err != nil {
		return nil, fmt.Errorf("giving out %q: %w", a.Key, err)
	}
	if err := errors.Join(mark.Close(), syncDir(s.vault.Ledger)); err != nil {
		return nil, fmt.Errorf("giving out %q: %w", a.Key, err)
	}
	use := Use{Number: 1, Authorisation: a.ID, Key: a.Key, For: a.Use, Digest: hex.EncodeToString(sum[:]), At: now.UTC()}
	// Counted before it is written: a write that fails may have reached the disk.
	s.uses = append(s.uses, use)
	if err := s.ledger.append(use); err != nil {
		return nil, fmt.Errorf("giving out %q under authorisation %q: %w", a.Key, a.ID, err)
	}
	return slices.Clone(s.secret), nil
}

func (s *SecretSession) closed() error {
	return fmt.Errorf("%w: the session of authorisation %q is closed", ErrRefused, s.authorisation.ID)
}

// Uses returns the one use, or none.
func (s *SecretSession) Uses() []Use {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.uses)
}

// Authorisation returns what the session was opened under.
func (s *SecretSession) Authorisation() Authorisation { return s.authorisation }

// Close forgets the secret. The authorisation stays spent. A second Close does
// nothing.
func (s *SecretSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secret == nil {
		return nil
	}
	clear(s.secret)
	s.secret = nil
	if err := s.ledger.file.Close(); err != nil {
		return fmt.Errorf("closing the session of authorisation %q: %w", s.authorisation.ID, err)
	}
	return nil
}
