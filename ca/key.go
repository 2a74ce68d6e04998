package ca

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
)

// A KeyHash is the SHA-256 of a SubjectPublicKeyInfo. It identifies a key; a
// policy.KeyID, of 60 bits, only finds one.
type KeyHash [32]byte

// KeyHashOf returns the hash of a P-256 public key.
func KeyHashOf(pub *ecdsa.PublicKey) (KeyHash, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return KeyHash{}, fmt.Errorf("hashing public key: %w", err)
	}
	return sha256.Sum256(der), nil
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
