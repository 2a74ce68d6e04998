package iki

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Issue makes an IKI client certificate from a PKCS#10 request in DER and returns
// it once it is in the ledger.
//
// Errors are those of [ca.Issuer.Issue]: one that wraps [ca.ErrRefused] is one line
// that names the rule and nothing was signed; one that wraps [ca.ErrUncertain]
// means that the key may have signed, and the serial is written off.
func (a *Authority) Issue(ctx context.Context, der []byte, requester string) (*Certificate, error) {
	// 1. Strict parse and proof of possession, and what the environment gives in a
	// ceremony only.
	r, err := ParseRequest(der)
	if err != nil {
		return nil, err
	}
	if env := a.issuer.Environment(); slices.Contains(env.CeremonyRoles, r.Role) {
		return nil, refuse("role", "subject.organizationalUnitName", "a role that is issued on request", fmt.Sprintf("%s (%s), which is made in a ceremony only", r.Role, r.Role.OU()))
	}
	now := a.issuer.Now().Truncate(time.Second)
	if notAfter := now.Add(Validity); now.Before(a.cert.NotBefore) || notAfter.After(a.cert.NotAfter) {
		return nil, &ca.Refusal{Rule: "authority-validity", Err: fmt.Errorf("authority %q is valid to %s, which a new certificate would outlive; give it a new generation",
			a.id, a.cert.NotAfter.Format(time.RFC3339))}
	}

	// 2. The key signs through a witness, which commits the intent.
	w, err := a.witness(ctx, ProfileClient, requester, r.KeyHash, func(tx store.Tx) error { return a.admit(ctx, tx, r) })
	if err != nil {
		return nil, fmt.Errorf("issuing to %q: %w", requester, err)
	}

	// 3. cfssl makes the template from the request and signs it.
	cfssl, err := local.NewSigner(w, a.cert, x509.ECDSAWithSHA256, signing())
	if err != nil {
		return nil, fmt.Errorf("issuing to %q: %w", requester, err)
	}
	signed, err := cfssl.Sign(signer.SignRequest{
		Request: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), Profile: string(ProfileClient),
		Serial: new(big.Int).SetBytes(w.serial[:]), NotBefore: now, NotAfter: now.Add(Validity),
	})
	var out []byte
	if block, _ := pem.Decode(signed); block != nil {
		out = block.Bytes
	}

	// 4. Recorded, or written off.
	c, err := w.conclude(out, err)
	if err == nil || errors.Is(err, ca.ErrRefused) {
		return c, err
	}
	return nil, fmt.Errorf("issuing to %q: %w", requester, err)
}

// admit decides in tx what depends on other certificates: the key is not blocked,
// has no certificate and is in nobody's hands; the name is nobody else's.
func (a *Authority) admit(ctx context.Context, tx store.Tx, r *Request) error {
	key := r.KeyHash[:]
	var blocked, certified, pending, taken int
	err := tx.QueryRow(ctx, `SELECT
		(SELECT COUNT(*) FROM blocked_key WHERE spki = $1),
		(SELECT COUNT(*) FROM iki_certificate WHERE spki = $2),
		(SELECT COUNT(*) FROM intent WHERE spki = $3 AND state = 'open'),
		(SELECT COUNT(*) FROM iki_certificate WHERE cn = $4 AND organisation <> $5)`,
		key, key, key, r.CN, r.Organisation).Scan(&blocked, &certified, &pending, &taken)
	if err != nil {
		return fmt.Errorf("looking up key and name: %w", err)
	}
	switch {
	case blocked > 0:
		return &ca.Refusal{Rule: "key-blocked", Err: fmt.Errorf("the public key %s is on the block list", r.KeyHash)}
	case certified > 0:
		return &ca.Refusal{Rule: "key-reuse", Err: errors.New("the public key already has a certificate; make a new key pair")}
	case taken > 0:
		return refuse("common-name", "subject.commonName", "a name that no other organisation's system has", fmt.Sprintf("%q, which is taken", r.CN))
	case pending > 0:
		return fmt.Errorf("a certificate for the same key is being issued: %w; look it up, then try again", ca.ErrConflict)
	}
	return nil
}

// certificate reads back what was signed, and refuses what is not the certificate
// that was asked for.
func (w *witness) certificate(der []byte) (*Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	spki, err := keyHash(cert)
	if err != nil {
		return nil, err
	}
	if string(cert.RawTBSCertificate) != string(w.intent.TBS) || spki != w.intent.Key {
		return nil, errors.New("the certificate is not the one of the intent")
	}
	parent := w.authority.cert
	if parent == nil {
		parent = cert
	}
	if err := parent.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
		return nil, err
	}
	c := &Certificate{Serial: w.serial, Intent: w.intent.ID, Issuer: w.authority.id, Profile: w.profile, Key: spki,
		CN: cert.Subject.CommonName, NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
		Status: ca.StatusInUse, Requester: w.requester, RecordedAt: w.authority.issuer.Now(), DER: der}
	if len(cert.Subject.Organization) > 0 {
		c.Organisation = cert.Subject.Organization[0]
	}
	if len(cert.Subject.OrganizationalUnit) > 0 {
		role, err := policy.ParseRole(cert.Subject.OrganizationalUnit[0])
		if err != nil {
			return nil, err
		}
		c.Role = &role
	}
	return c, nil
}
