package hsm

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"
)

// ECDH agrees on a secret with the holder of peer and returns Z, the x coordinate of
// the shared point, always 32 octets (NIST SP 800-56A, 5.7.1.2). Deriving keys from
// it is the caller's: tokens offer no derivation that GBCS could use. The key must
// be one that derives, and peer a point of P-256 other than infinity.
func (k *Key) ECDH(ctx context.Context, peer *ecdsa.PublicKey) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("agreeing with key %q: %w", k.label, err) }
	//lint:ignore SA1019 a key without coordinates makes every other method panic
	if peer == nil || peer.Curve != k.public.Curve || peer.X == nil || peer.Y == nil {
		return fail(errors.New("the peer's key is not a point of P-256"))
	}
	point, err := peer.ECDH()
	if err != nil {
		return fail(err)
	}
	z, err := operate(ctx, k.token, repeatAlways, func(s *session) ([]byte, error) { return s.derive(k.id, point.Bytes()) })
	if err != nil {
		return fail(err)
	}
	return z, nil
}

// derive makes a session object of Z, reads it and destroys it. The object is extractable,
// since reading it is the purpose.
func (s *session) derive(id, point []byte) (z []byte, err error) {
	o, err := s.object(pkcs11.CKO_PRIVATE_KEY, id)
	if err != nil {
		return nil, err
	}
	d := s.driver()
	h, err := d.DeriveKey(s.handle,
		[]*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDH1_DERIVE, pkcs11.NewECDH1DeriveParams(pkcs11.CKD_NULL, nil, point))},
		o.handle,
		[]*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_GENERIC_SECRET),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, false),
			pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, coordinate),
		})
	if err != nil {
		return nil, called("C_DeriveKey", err)
	}
	defer func() {
		if derr := called("C_DestroyObject", d.DestroyObject(s.handle, h)); derr != nil && err == nil {
			z, err = nil, derr
		}
	}()
	z, err = s.attribute(h, pkcs11.CKA_VALUE)
	if err != nil {
		return nil, fmt.Errorf("reading the secret: %w", err)
	}
	if len(z) != coordinate {
		return nil, fmt.Errorf("the token returned a secret of %d octets, want %d", len(z), coordinate)
	}
	return z, nil
}
