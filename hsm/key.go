package hsm

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A Key is a P-256 private key in a token. It holds no handle: each operation
// finds the key in its session by CKA_ID, so a Key stays good when the token was
// away. All methods may be called concurrently.
type Key struct {
	token    *Token
	id       []byte
	label    KeyLabel
	public   *ecdsa.PublicKey
	evidence Attributes
}

// Label returns the key's label.
func (k *Key) Label() KeyLabel { return k.label }

// Public returns the public key, as the token told it when the key was looked up.
// The caller must not change it.
func (k *Key) Public() *ecdsa.PublicKey { return k.public }

// Evidence returns the key's attributes as the token told them when the key was
// looked up.
func (k *Key) Evidence() Attributes { return k.evidence }

// Use returns the one thing the key may do.
func (k *Key) Use() Use { return k.evidence.Use() }

// Key looks a private key up by its label. ErrNotFound says that the token has
// none, ErrConflict that it has several.
func (t *Token) Key(ctx context.Context, label KeyLabel) (*Key, error) {
	key, err := operate(ctx, t, repeatAlways, func(s *session) (*Key, error) { return s.lookUp(label) })
	if err != nil {
		return nil, fmt.Errorf("looking up key %q: %w", label, err)
	}
	key.token = t
	return key, nil
}

func (s *session) lookUp(label KeyLabel) (*Key, error) {
	id, evidence, err := s.named(pkcs11.CKO_PRIVATE_KEY, "private key", label)
	if err != nil {
		return nil, err
	}
	public, err := s.publicKey(id)
	if err != nil {
		return nil, err
	}
	return &Key{id: id, label: label, public: public, evidence: evidence}, nil
}

// named finds the one object of a class that goes by a label, and returns its
// CKA_ID, by which it is found again after a loss, with its attributes. noun is
// what errors call it.
func (s *session) named(class uint, noun string, label KeyLabel) (id []byte, evidence Attributes, err error) {
	found, err := s.find(
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, string(label)))
	switch {
	case err != nil:
		return nil, evidence, err
	case len(found) == 0:
		return nil, evidence, s.absent(noun)
	case len(found) > 1:
		return nil, evidence, fmt.Errorf("%w: token %q has %d %ss of that name", ErrConflict, s.login.label, len(found), noun)
	}
	if evidence, err = s.attributes(found[0]); err != nil {
		return nil, evidence, err
	}
	if id, err = hex.DecodeString(evidence.ID); err != nil || len(id) == 0 {
		return nil, evidence, fmt.Errorf("the %s has no CKA_ID, by which it would be found again after a loss of the token", noun)
	}
	return id, evidence, nil
}

// publicKey reads the public key that belongs to the private key of the same id.
func (s *session) publicKey(id []byte) (*ecdsa.PublicKey, error) {
	found, err := s.find(
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, s.absent(fmt.Sprintf("public key of CKA_ID %x", id))
	case len(found) > 1:
		return nil, fmt.Errorf("%w: token %q has %d public keys of CKA_ID %x", ErrConflict, s.login.label, len(found), id)
	}
	curve, err := s.attribute(found[0], pkcs11.CKA_EC_PARAMS)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(curve, prime256v1) {
		return nil, fmt.Errorf("the key is not on P-256: CKA_EC_PARAMS is %x", curve)
	}
	point, err := s.attribute(found[0], pkcs11.CKA_EC_POINT)
	if err != nil {
		return nil, err
	}
	return parsePoint(point)
}

// parsePoint reads CKA_EC_POINT: an uncompressed point in a DER OCTET STRING as PKCS#11
// wants, or bare as some tokens have it.
func parsePoint(point []byte) (*ecdsa.PublicKey, error) {
	if len(point) != 1+2*coordinate {
		var inner cryptobyte.String
		outer := cryptobyte.String(point)
		if !outer.ReadASN1(&inner, asn1.OCTET_STRING) || !outer.Empty() {
			return nil, fmt.Errorf("reading CKA_EC_POINT: %x is not a point", point)
		}
		point = inner
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, fmt.Errorf("reading CKA_EC_POINT: %w", err)
	}
	return public, nil
}

// object returns the key of id as this session sees it, found anew if the session
// has not used it yet.
func (s *session) object(class uint, id []byte) (*object, error) {
	if o := s.objects[string(id)]; o != nil {
		return o, nil
	}
	found, err := s.find(
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, s.absent(fmt.Sprintf("key of CKA_ID %x", id))
	case len(found) > 1:
		return nil, fmt.Errorf("%w: token %q has %d keys of CKA_ID %x", ErrConflict, s.login.label, len(found), id)
	}
	o := &object{handle: found[0]}
	s.objects[string(id)] = o
	return o, nil
}

// KeyInfo is one line of a token's inventory.
type KeyInfo struct {
	// Kind is "private" or "secret".
	Kind       string     `json:"kind"`
	Attributes Attributes `json:"attributes"`
}

// Keys lists the private and secret keys of the token, by label. Keys that other
// programs made are listed as they are.
func (t *Token) Keys(ctx context.Context) ([]KeyInfo, error) {
	keys, err := operate(ctx, t, repeatAlways, func(s *session) ([]KeyInfo, error) {
		var all []KeyInfo
		for _, kind := range []struct {
			name  string
			class uint
		}{{"private", pkcs11.CKO_PRIVATE_KEY}, {"secret", pkcs11.CKO_SECRET_KEY}} {
			found, err := s.find(pkcs11.NewAttribute(pkcs11.CKA_CLASS, kind.class), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true))
			if err != nil {
				return nil, err
			}
			for _, h := range found {
				a, err := s.attributes(h)
				if errors.Is(err, pkcs11.Error(pkcs11.CKR_OBJECT_HANDLE_INVALID)) && s.sound() == nil {
					continue // another process destroyed it after it was found
				}
				if err != nil {
					return nil, err
				}
				all = append(all, KeyInfo{kind.name, a})
			}
		}
		return all, s.sound()
	})
	if err != nil {
		return nil, fmt.Errorf("listing the keys of token %q: %w", t.info.Label, err)
	}
	slices.SortFunc(keys, func(a, b KeyInfo) int {
		return strings.Compare(string(a.Attributes.Label), string(b.Attributes.Label))
	})
	return keys, nil
}
