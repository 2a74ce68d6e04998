package custody

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"

	"smki.example/hsm"
)

// A Vault is a token whose PIN is with custodians.
//
// The fields are set once. Open may be called concurrently.
type Vault struct {
	// Token is how the token is reached, without its PIN.
	Token hsm.Config
	// Holders says of how many Parties the custodians who come must be.
	Holders Holders
	// DecisionKey verifies authorisations. Whoever holds its private half, and
	// can call k custodians together, can use the keys of the token.
	DecisionKey note.Verifier
	// Ledger is the directory that remembers which authorisations were opened
	// and what was signed under each. It must outlive the process and belongs to
	// the evidence.
	Ledger string
	// Clock is time.Now when nil.
	Clock func() time.Time
}

// Open opens the token for what the signed authorisation says, with the PIN
// that the shares give.
//
// The order of the checks is the purpose of Open: the decision is read before
// the shares are put together, so that no PIN comes into being for a decision
// that does not stand; the token is opened and the key found before the
// authorisation is spent, so that a custodian's slip or a token that is out
// costs no decision; and it is spent, on disk, before there is a signer.
//
// An error wrapping [ErrRefused] is about the authorisation, one wrapping
// [ErrTooFewShares] or a *[ShareError] about the shares; any other is about the
// token (hsm's errors are wrapped) or the ledger. In all of these nothing was
// signed. The caller must Close the session.
func (v *Vault) Open(ctx context.Context, signed []byte, shares []Share) (*Session, error) {
	switch {
	case v.DecisionKey == nil:
		return nil, errors.New("opening a vault: DecisionKey is not set")
	case v.Ledger == "":
		return nil, errors.New("opening a vault: Ledger is not set")
	case v.Token.PINFile != "" || len(v.Token.PIN) > 0:
		return nil, errors.New("opening a vault: Token must not carry a PIN; the shares are the PIN")
	}
	clock := v.Clock
	if clock == nil {
		clock = time.Now
	}
	a, err := ParseAuthorisation(signed, v.DecisionKey)
	if err != nil {
		return nil, err
	}
	if err := a.inTime(clock()); err != nil {
		return nil, err
	}
	if err := unspent(v.Ledger, a); err != nil {
		return nil, err
	}
	if err := v.Holders.enough(shares); err != nil {
		return nil, fmt.Errorf("opening a vault under authorisation %q: %w", a.ID, err)
	}
	pin, err := Combine(shares)
	if err != nil {
		return nil, fmt.Errorf("opening a vault under authorisation %q: %w", a.ID, err)
	}
	defer clear(pin)
	config := v.Token
	config.PIN = pin
	s := &Session{authorisation: a, clock: clock}
	if s.token, err = hsm.Open(ctx, config); err != nil {
		return nil, fmt.Errorf("opening a vault under authorisation %q: %w", a.ID, err)
	}
	if s.key, err = s.token.Key(ctx, a.Key); err == nil {
		s.ledger, err = spend(v.Ledger, a, signed, shares, clock())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening a vault under authorisation %q: %w", a.ID, err), s.Close())
	}
	return s, nil
}

func (a Authorisation) inTime(now time.Time) error {
	switch {
	case now.Before(a.NotBefore):
		return fmt.Errorf("%w: authorisation %q begins at %s, and it is %s", ErrRefused, a.ID, a.NotBefore.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case !now.Before(a.Expires):
		return fmt.Errorf("%w: authorisation %q expired at %s; a new decision is needed", ErrRefused, a.ID, a.Expires.Format(time.RFC3339))
	}
	return nil
}

// Signer returns the signer of the authorised key; another key is [ErrRefused].
//
// It signs SHA-256 digests with ECDSA (DER) and, as a crypto.MessageSigner,
// messages. Each call is checked against count and expiry and is in the ledger,
// on disk, before the token is asked; a call that fails at the token has used
// up its turn, since the token may have signed. ctx bounds the calls to the
// token. A use that the ledger cannot take is not signed, and is the last: the
// signer refuses from then on. It may be used concurrently and refuses after [Session.Close].
func (s *Session) Signer(ctx context.Context, key hsm.KeyLabel) (crypto.Signer, error) {
	if key != s.authorisation.Key {
		return nil, fmt.Errorf("%w: authorisation %q is for key %q, not %q", ErrRefused, s.authorisation.ID, s.authorisation.Key, key)
	}
	return &signer{session: s, inner: s.key.Signer(ctx)}, nil
}

type signer struct {
	session *Session
	inner   crypto.Signer
}

var _ crypto.MessageSigner = (*signer)(nil)

func (s *signer) Public() crypto.PublicKey { return s.inner.Public() }

func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts == nil || opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return nil, fmt.Errorf("signing with %q: want a SHA-256 digest", s.session.authorisation.Key)
	}
	done, err := s.session.count(digest)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.inner.Sign(random, digest, opts)
}

func (s *signer) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	digest := sha256.Sum256(message)
	return s.Sign(random, digest[:], opts)
}

// Public returns the public half of the authorised key.
func (s *Session) Public() *ecdsa.PublicKey { return s.key.Public() }

// Authorisation returns what the session was opened under.
func (s *Session) Authorisation() Authorisation { return s.authorisation }

// count enters one use into the ledger and returns what is to be called when
// the token has answered, or refuses.
func (s *Session) count(digest []byte) (done func(), err error) {
	a := s.authorisation
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	if s.closed {
		return nil, fmt.Errorf("%w: the session of authorisation %q is closed", ErrRefused, a.ID)
	}
	if s.broken != nil {
		return nil, fmt.Errorf("%w: the ledger of authorisation %q could not be written, so no further use of %q can be accounted for; a new decision is needed: %w", ErrRefused, a.ID, a.Key, s.broken)
	}
	if err := a.inTime(now); err != nil {
		return nil, err
	}
	if len(s.uses) >= a.Count {
		return nil, fmt.Errorf("%w: authorisation %q allows %d uses of %q and all were made", ErrRefused, a.ID, a.Count, a.Key)
	}
	use := Use{Number: len(s.uses) + 1, Authorisation: a.ID, Key: a.Key, For: a.Use, Digest: hex.EncodeToString(digest), At: now.UTC()}
	// Counted before it is written: a write that fails may have reached the disk.
	s.uses = append(s.uses, use)
	if err := s.ledger.append(use); err != nil {
		s.broken = err
		return nil, fmt.Errorf("use %d of authorisation %q: %w", use.Number, a.ID, err)
	}
	s.running.Add(1)
	return s.running.Done, nil
}
