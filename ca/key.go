package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// A KeyHash is the SHA-256 of a SubjectPublicKeyInfo. It identifies a key; a
// policy.KeyID, of 60 bits, only finds one.
type KeyHash [32]byte

// spkiOfP256 is how the SubjectPublicKeyInfo of every P-256 key begins: what follows
// is its uncompressed point (RFC 5480, 2).
var spkiOfP256, _ = hex.DecodeString("3059301306072a8648ce3d020106082a8648ce3d030107034200")

// KeyHashOf returns the hash of a P-256 public key.
func KeyHashOf(pub *ecdsa.PublicKey) (KeyHash, error) {
	point, err := pub.Bytes()
	if err == nil && pub.Curve != elliptic.P256() {
		err = fmt.Errorf("it is on %s, not P-256", pub.Params().Name)
	}
	if err != nil {
		return KeyHash{}, fmt.Errorf("hashing public key: %w", err)
	}
	var der [91]byte
	return sha256.Sum256(append(append(der[:0], spkiOfP256...), point...)), nil
}

// ParseKeyHash reads 64 hex digits of any case.
func ParseKeyHash(s string) (KeyHash, error) {
	var h KeyHash
	if len(s) == hex.EncodedLen(len(h)) {
		if _, err := hex.Decode(h[:], []byte(s)); err == nil {
			return h, nil
		}
	}
	return KeyHash{}, fmt.Errorf("reading key hash %.70q: want 64 hex digits, the SHA-256 of the public key info", s)
}

// String returns 64 lower-case hex digits.
func (h KeyHash) String() string { return hex.EncodeToString(h[:]) }
