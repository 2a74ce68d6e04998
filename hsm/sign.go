package hsm

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/miekg/pkcs11"
)

// Signer returns the key as a crypto.Signer and crypto.MessageSigner whose
// operations obey ctx. The key must be one that signs. Signatures are ECDSA over
// SHA-256, as strict DER; the reader of random numbers that Sign takes is not used,
// since the token has its own. They are not verified here: whoever signs what must not
// be wrong verifies it.
//
// The signer may be used concurrently; it waits for a free session.
func (k *Key) Signer(ctx context.Context) crypto.Signer { return signer{k, ctx} }

// A signer binds a key to a context, because crypto.Signer has none.
type signer struct {
	key *Key
	ctx context.Context
}

var (
	_ crypto.Signer        = signer{}
	_ crypto.MessageSigner = signer{}
)

// Public returns the public key, an *ecdsa.PublicKey.
func (s signer) Public() crypto.PublicKey { return s.key.public }

// Sign signs a SHA-256 digest.
func (s signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := s.check(opts); err != nil {
		return nil, err
	}
	return s.key.SignDigest(s.ctx, digest)
}

// SignMessage hashes message with SHA-256 and signs the digest.
func (s signer) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := s.check(opts); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(message)
	return s.key.SignDigest(s.ctx, digest[:])
}

func (s signer) check(opts crypto.SignerOpts) error {
	if opts == nil || opts.HashFunc() != crypto.SHA256 {
		return fmt.Errorf("signing with key %q: the hash must be SHA-256", s.key.label)
	}
	return nil
}

// SignDigest signs a SHA-256 digest and returns the signature as strict DER. The
// token is asked for it once: an error that wraps ErrUnavailable may mean that it signed and
// the answer was lost, and whether the same octets may be signed again is for the caller
// to say, since two signatures of one key over the same octets differ. What fails before
// the token has anything to sign is tried again.
func (k *Key) SignDigest(ctx context.Context, digest []byte) ([]byte, error) {
	if len(digest) != sha256.Size {
		return nil, fmt.Errorf("signing with key %q: the digest has %d octets, SHA-256 has %d", k.label, len(digest), sha256.Size)
	}
	own := [sha256.Size]byte(digest) // the caller may be gone, and its buffer used again, when a late call reads it
	der, err := operate(ctx, k.token, repeatUntouched, func(s *session) ([]byte, error) { return s.sign(k, own[:], true) })
	if err != nil {
		return nil, fmt.Errorf("signing with key %q: %w", k.label, err)
	}
	return der, nil
}

var ecdsaRaw = []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil)}

// sign signs digest in this session, with a copy of the key if the token allows it.
//
// The first signature that a copy makes is verified, and if it is wrong the token's own
// object signs instead, in the same call. A trial signature over some other
// octets would test the same and leave a signature of a CA key for which there is no intent.
func (s *session) sign(k *Key, digest []byte, mayCopy bool) ([]byte, error) {
	o, err := s.object(pkcs11.CKO_PRIVATE_KEY, k.id)
	if err != nil {
		return nil, untouched(err)
	}
	if mayCopy && !o.copied {
		s.copyObject(k, o)
	}
	if o.copied {
		if err := k.token.seen.check(s.login); err != nil {
			return nil, untouched(err)
		}
	}
	der, err := s.signWith(o.handle, digest)
	if err != nil || !o.copied || o.proven {
		return der, err
	}
	if ecdsa.VerifyASN1(k.public, digest, der) {
		o.proven = true
		return der, nil
	}
	k.token.noCopy.Store(string(k.id), true)
	delete(s.objects, string(k.id))
	if o, err = s.object(pkcs11.CKO_PRIVATE_KEY, k.id); err != nil {
		return nil, untouched(err)
	}
	return s.signWith(o.handle, digest)
}

func (s *session) signWith(h pkcs11.ObjectHandle, digest []byte) ([]byte, error) {
	if err := s.driver().SignInit(s.handle, ecdsaRaw, h); err != nil {
		return nil, untouched(called("C_SignInit", err))
	}
	rs, err := s.driver().Sign(s.handle, digest)
	if err != nil {
		return nil, called("C_Sign", err)
	}
	return signatureDER(rs)
}

// copyObject replaces o by a session object of the same key, which SoftHSM uses without
// touching its files. It is as sensitive as the key and gone with the session.
// A token that refuses is not asked again for this key; SoftHSM refuses keys that are
// not modifiable.
func (s *session) copyObject(k *Key, o *object) {
	if _, refused := k.token.noCopy.Load(string(k.id)); refused {
		return
	}
	s.login.objects.Lock()
	defer s.login.objects.Unlock()
	if _, refused := k.token.noCopy.Load(string(k.id)); refused {
		return // another session asked while this one waited
	}
	h, err := s.driver().CopyObject(s.handle, o.handle, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false)})
	if err == nil {
		o.handle, o.copied = h, true
		return
	}
	if faultOf(err) == faultNone {
		k.token.noCopy.Store(string(k.id), true)
	}
}

// presence remembers when the token was last seen. A copy of a key signs on after its token is
// gone, which nobody who pulls a token out expects; so while copies
// sign, the token is looked for once in presenceInterval.
type presence struct {
	mu   sync.Mutex
	last time.Time
}

// presenceInterval bounds how long a copy signs after its token is gone. Looking costs as
// much as a signature.
const presenceInterval = 250 * time.Millisecond

// check returns an error if the token is due to be looked for and not there.
// The caller is in the gate.
func (p *presence) check(l *login) error {
	p.mu.Lock()
	due := time.Since(p.last) >= presenceInterval
	if due {
		p.last = time.Now()
	}
	p.mu.Unlock()
	if !due {
		return nil
	}
	err := l.seen()
	if err != nil {
		p.mu.Lock()
		p.last = time.Time{}
		p.mu.Unlock()
	}
	return err
}
