package policy

import (
	"crypto/ecdsa"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
)

// KeyID is a key identifier by method (2) of RFC 5280, 4.2.1.2: the bits 0100
// and the low 60 bits of the SHA-1 of the public key. SMKI allows no other
// method (GBCS 0.8.1, p. 141).
//
// It finds a key; it does not identify one certificate, because certificates
// are renewed for the same key, and it is too short to be evidence of which key
// it was: where that matters the public key itself is compared.
type KeyID [8]byte

// KeyIDOf returns the key identifier of a P-256 key. It returns the zero KeyID
// for a nil key, one that is not on its curve and one of another curve, none of
// which has an identifier in SMKI.
func KeyIDOf(pub *ecdsa.PublicKey) KeyID {
	point, err := pointOf(pub)
	if err != nil {
		return KeyID{}
	}
	sum := sha1.Sum(point)
	var id KeyID
	copy(id[:], sum[12:])
	id[0] = id[0]&0x0f | 0x40
	return id
}

// ParseKeyID reads sixteen hex digits of any case.
func ParseKeyID(s string) (KeyID, error) {
	var id KeyID
	if len(s) == 16 {
		if _, err := hex.Decode(id[:], []byte(s)); err == nil {
			return id, nil
		}
	}
	return KeyID{}, fmt.Errorf("reading key identifier %q: want 16 hex digits", clip(s))
}

// String returns sixteen lower-case hex digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is the zero value, which no key has by method (2).
func (id KeyID) IsZero() bool { return id == KeyID{} }

// MarshalText writes the form of String.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what [ParseKeyID] reads, and leaves id alone on error.
func (id *KeyID) UnmarshalText(b []byte) error {
	v, err := ParseKeyID(string(b))
	if err == nil {
		*id = v
	}
	return err
}
