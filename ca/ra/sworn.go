package ra

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"smki.example/ca/store"
)

// A Signature is an officer's, over a statement, made with the key of one of his IKI
// certificates: RSA with SHA-256, PKCS #1 v1.5, as openssl dgst -sign makes it.
type Signature struct {
	Certificate []byte // DER
	Signature   []byte
}

// Sworn says who has signed a statement, where an act needs two persons and the
// service cannot run for them to vote: each of the signatures must verify, be of an
// officer who may do the act now, and be another person's. At least two are needed.
// The refusal wraps [ca.ErrRefused].
func (r *Registry) Sworn(ctx context.Context, act Act, statement []byte, signatures []Signature) ([]Officer, error) {
	var officers []Officer
	persons := make(map[PersonID]OfficerID)
	for n, s := range signatures {
		cert, serial, err := parseCertificate(s.Certificate)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", n+1, err)
		}
		o, err := r.Authenticate(ctx, s.Certificate)
		if err != nil {
			return nil, fmt.Errorf("signature %d, certificate %q: %w", n+1, serial, err)
		}
		if err := r.May(ctx, o.ID, act, o.Party); err != nil {
			return nil, fmt.Errorf("signature %d: %w", n+1, err)
		}
		if err := cert.CheckSignature(x509.SHA256WithRSA, statement, s.Signature); err != nil {
			return nil, fmt.Errorf("signature %d: %w", n+1, refuse("signature", "it is not that of officer %q over this statement: %v", o.ID, err))
		}
		if other, twice := persons[o.Person]; twice {
			return nil, refuse("twice", "officers %q and %q are one person", other, o.ID)
		}
		persons[o.Person] = o.ID
		officers = append(officers, o)
	}
	if len(officers) < 2 {
		return nil, refuse("two-persons", "it takes the signatures of two persons, and there are %d", len(officers))
	}
	return officers, nil
}

// RecordSworn records a statement with its signatures, on which something is about to
// be done.
func (r *Registry) RecordSworn(ctx context.Context, act Act, by string, statement []byte, signatures []Signature) error {
	texts := make([]map[string]string, 0, len(signatures))
	for _, s := range signatures {
		texts = append(texts, s.SwornText())
	}
	err := r.store.Write(ctx, func(tx store.Tx) error {
		return r.record(ctx, tx, r.Now(), KindSworn, by, map[string]any{"act": act, "statement": string(statement), "signatures": texts})
	})
	if err != nil {
		return fmt.Errorf("recording what was signed: %w", err)
	}
	return nil
}

// SwornText is a signature as an audit record keeps it, so that anybody can verify it
// again.
func (s Signature) SwornText() map[string]string {
	return map[string]string{"certificate": hex.EncodeToString(s.Certificate), "signature": hex.EncodeToString(s.Signature)}
}
