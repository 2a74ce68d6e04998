package hsm

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"
)

// A SecretSpec says what symmetric key to generate.
type SecretSpec struct {
	Label KeyLabel
	// Readable lets [Secret.Value] return the key, for a key that has to leave the token one
	// day, as the contingency symmetric key does when it is sent to devices.
	// The key is then neither sensitive nor unextractable, and its evidence says so.
	Readable bool
}

// A Secret is a 32-octet AES key in a token. All methods may be called concurrently.
type Secret struct {
	token    *Token
	id       []byte
	label    KeyLabel
	evidence Attributes
}

// secretLength is that of AES-256.
const secretLength = 32

// Label returns the secret's label.
func (k *Secret) Label() KeyLabel { return k.label }

// Evidence returns the secret's attributes as the token told them when it was looked up.
func (k *Secret) Evidence() Attributes { return k.evidence }

// GenerateSecret makes an AES-256 key in the token. Labels and failures are as with
// [Token.Generate].
func (t *Token) GenerateSecret(ctx context.Context, spec SecretSpec) (*Secret, error) {
	fail := func(err error) (*Secret, error) { return nil, fmt.Errorf("generating secret %q: %w", spec.Label, err) }
	if err := spec.Label.Check(); err != nil {
		return fail(err)
	}
	t.generate.Lock()
	defer t.generate.Unlock()
	id := make([]byte, idLength)
	rand.Read(id)
	if _, err := operate(ctx, t, repeatUntouched, func(s *session) (struct{}, error) {
		return struct{}{}, s.guarded(func() error { return s.generateSecret(spec, id) })
	}); err != nil {
		return fail(err)
	}
	k, err := t.Secret(ctx, spec.Label)
	if err != nil {
		return fail(err)
	}
	if a := k.evidence; !a.Local || !a.Private || a.Extractable != spec.Readable || a.Sensitive == spec.Readable {
		return fail(errors.Join(errors.New("the token made it otherwise than it was told"), t.Destroy(ctx, spec.Label)))
	}
	return k, nil
}

func (s *session) generateSecret(spec SecretSpec, id []byte) error {
	if err := untouched(s.unused(spec.Label, id)); err != nil {
		return err
	}
	_, err := s.driver().GenerateKey(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, secretLength),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, string(spec.Label)),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, !spec.Readable),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, spec.Readable),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, false),
		pkcs11.NewAttribute(pkcs11.CKA_VERIFY, false),
		pkcs11.NewAttribute(pkcs11.CKA_WRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
		pkcs11.NewAttribute(pkcs11.CKA_MODIFIABLE, false),
	})
	if err != nil {
		return called("C_GenerateKey", err)
	}
	return s.alone(spec.Label, id)
}

// Secret looks a symmetric key up by its label. ErrNotFound says that the token
// has none, ErrConflict that it has several.
func (t *Token) Secret(ctx context.Context, label KeyLabel) (*Secret, error) {
	k, err := operate(ctx, t, repeatAlways, func(s *session) (*Secret, error) {
		id, evidence, err := s.named(pkcs11.CKO_SECRET_KEY, "secret key", label)
		if err != nil {
			return nil, err
		}
		return &Secret{id: id, label: label, evidence: evidence}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking up secret %q: %w", label, err)
	}
	k.token = t
	return k, nil
}

// Value returns the key itself, for a secret that was made readable; ErrRefused for
// another. The caller keeps it no longer than needed and out of every log and journal.
func (k *Secret) Value(ctx context.Context) ([]byte, error) {
	if !k.evidence.Extractable || k.evidence.Sensitive {
		return nil, fmt.Errorf("reading secret %q: %w: it was not made readable", k.label, ErrRefused)
	}
	v, err := operate(ctx, k.token, repeatAlways, func(s *session) ([]byte, error) {
		o, err := s.object(pkcs11.CKO_SECRET_KEY, k.id)
		if err != nil {
			return nil, err
		}
		return s.attribute(o.handle, pkcs11.CKA_VALUE)
	})
	if err != nil {
		return nil, fmt.Errorf("reading secret %q: %w", k.label, err)
	}
	if len(v) != secretLength {
		return nil, fmt.Errorf("reading secret %q: the token returned %d octets, want %d", k.label, len(v), secretLength)
	}
	return v, nil
}

// Wrap encrypts data, whole blocks of 8 octets and at least 16, under the secret (RFC 3394; id-aes256-wrap).
func (k *Secret) Wrap(ctx context.Context, data []byte) ([]byte, error) {
	return k.cipher(ctx, "wrapping under", data, true, wrap)
}

// Unwrap reverses Wrap, or says that data was not wrapped under the secret.
func (k *Secret) Unwrap(ctx context.Context, data []byte) ([]byte, error) {
	return k.cipher(ctx, "unwrapping with", data, false, unwrap)
}

// WrapPad encrypts any data, from 1 octet, under the secret (RFC 5649; id-aes256-wrap-pad).
//
// The secret does not leave the token: the algorithm runs here and the token
// encrypts each block (CKM_AES_ECB). The token's own CKM_AES_KEY_WRAP_PAD is no use, since
// SoftHSM 2.6 fills the data up to whole blocks first and loses its length: 91
// octets come back as 96.
func (k *Secret) WrapPad(ctx context.Context, data []byte) ([]byte, error) {
	return k.cipher(ctx, "wrapping under", data, true, wrapPad)
}

// UnwrapPad reverses WrapPad, or says that data was not wrapped under the secret.
func (k *Secret) UnwrapPad(ctx context.Context, data []byte) ([]byte, error) {
	return k.cipher(ctx, "unwrapping with", data, false, unwrapPad)
}

// cipher runs a key wrap algorithm in one session, with the token as the block cipher.
func (k *Secret) cipher(ctx context.Context, what string, data []byte, encrypt bool, algorithm func(blockFunc, []byte) ([]byte, error)) ([]byte, error) {
	own := bytes.Clone(data) // see SignDigest
	out, err := operate(ctx, k.token, repeatAlways, func(s *session) ([]byte, error) {
		o, err := s.object(pkcs11.CKO_SECRET_KEY, k.id)
		if err != nil {
			return nil, err
		}
		return algorithm(func(block []byte) error { return s.cryptBlock(o.handle, block, encrypt) }, own)
	})
	if err != nil {
		return nil, fmt.Errorf("%s secret %q: %w", what, k.label, err)
	}
	return out, nil
}

var aesECB = []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_ECB, nil)}

// cryptBlock encrypts or decrypts one block of 16 octets in place.
func (s *session) cryptBlock(h pkcs11.ObjectHandle, block []byte, encrypt bool) (err error) {
	d := s.driver()
	var out []byte
	if encrypt {
		if err := d.EncryptInit(s.handle, aesECB, h); err != nil {
			return called("C_EncryptInit", err)
		}
		if out, err = d.Encrypt(s.handle, block); err != nil {
			return called("C_Encrypt", err)
		}
	} else {
		if err := d.DecryptInit(s.handle, aesECB, h); err != nil {
			return called("C_DecryptInit", err)
		}
		if out, err = d.Decrypt(s.handle, block); err != nil {
			return called("C_Decrypt", err)
		}
	}
	if len(out) != len(block) {
		return fmt.Errorf("the token returned a block of %d octets, want %d", len(out), len(block))
	}
	copy(block, out)
	return nil
}
