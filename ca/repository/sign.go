package repository

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// Statement is what is signed of a file: the line that sha256sum writes of it, so
// that sha256sum -c checks the file, and openssl the line.
func Statement(name string, digest [sha256.Size]byte) []byte {
	return fmt.Appendf(nil, "%x  %s\n", digest, name)
}

// Sign makes a detached signature of a statement. With an ECDSA key it is DER over
// the SHA-256 of the statement:
//
//	openssl dgst -sha256 -verify key.pem -signature NAME.sha256.sig NAME.sha256
//
// and with an Ed25519 key it is of the statement itself:
//
//	openssl pkeyutl -verify -rawin -pubin -inkey key.pem -sigfile NAME.sha256.sig -in NAME.sha256
//
// The public key belongs where the reader has it from somebody else than the file.
func Sign(key crypto.Signer, statement []byte) ([]byte, error) {
	switch key.Public().(type) {
	case ed25519.PublicKey:
		return key.Sign(rand.Reader, statement, crypto.Hash(0))
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(statement)
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	default:
		return nil, fmt.Errorf("want an ECDSA or Ed25519 key, got %T", key.Public())
	}
}
