package ca

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A CeremonyIntent is one signature that a key ceremony made with a CA key, as its
// transcript has it.
type CeremonyIntent struct {
	TBS       []byte
	Signature []byte             // DER
	Profile   policy.ProfileName // of the certificate; empty for a CRL
	KeyLabel  string             // the key that signed: "root-oca-1"
}

// ceremonyOwner stands in the intents of ceremonies, which no process settles.
const ceremonyOwner store.OwnerID = "ceremony"

// ImportCeremony takes over what a ceremony signed: every signature becomes a
// recorded intent and every certificate a row of the ledger, in one transaction
// with its audit record. With it the ledger accounts for the CA keys from their
// first signature on.
//
// Each signature is verified, under the certificate of its issuer in the same
// import or in the ledger, before anything is written. Importing the same
// ceremony again changes nothing; another certificate of a serial number that is
// there already is an error.
func (i *Issuer) ImportCeremony(ctx context.Context, signed []CeremonyIntent) error {
	type entry struct {
		cert   *policy.Certificate
		crl    *policy.CRL
		intent *Intent
	}
	now := i.Now()
	var entries []entry
	var cas []*policy.Certificate
	for n, s := range signed {
		der, err := policy.Assemble(s.TBS, s.Signature)
		if err != nil {
			return fmt.Errorf("importing ceremony: signature %d by %q: %w", n, s.KeyLabel, err)
		}
		e := entry{intent: &Intent{Kind: CertificateIntent, Issuer: s.KeyLabel, TBS: s.TBS, Owner: ceremonyOwner,
			State: StateRecorded, Cause: "key ceremony", CreatedAt: now, SettledAt: now}}
		if s.Profile == "" {
			if e.crl, err = policy.ParseCRL(der); err != nil {
				return fmt.Errorf("importing ceremony: CRL %d by %q: %w", n, s.KeyLabel, err)
			}
			e.intent.Kind, e.intent.Number, e.intent.Profile, e.intent.ProfileVersion = CRLIntent, e.crl.Number, "crl", 1
		} else {
			profile, err := i.env.Profile(s.Profile)
			if err != nil {
				return fmt.Errorf("importing ceremony: certificate %d by %q: %w", n, s.KeyLabel, err)
			}
			if e.cert, err = policy.ParseCertificate(der); err != nil {
				return fmt.Errorf("importing ceremony: certificate %d by %q: %w", n, s.KeyLabel, err)
			}
			if e.intent.Key, err = KeyHashOf(e.cert.PublicKey); err != nil {
				return fmt.Errorf("importing ceremony: certificate %q: %w", e.cert.Serial, err)
			}
			if id, ok := e.cert.EntityID(); ok {
				e.intent.Entity = &id
			}
			e.intent.Serial, e.intent.Profile, e.intent.ProfileVersion = e.cert.Serial, string(s.Profile), profile.Version
			if s.Profile.Authority() {
				cas = append(cas, e.cert)
			}
		}
		entries = append(entries, e)
	}

	known, err := i.authorityCertificates(ctx)
	if err != nil {
		return fmt.Errorf("importing ceremony: %w", err)
	}
	cas = append(cas, known...)
	for n, e := range entries {
		issuer := signedBy(cas, signed[n])
		if issuer == nil {
			return fmt.Errorf("importing ceremony: signature %d by %q is not of the authority it names; none of the CA certificates in the ceremony or the ledger verifies it", n, signed[n].KeyLabel)
		}
		if e.crl != nil {
			continue
		}
		lintIssuer := issuer
		if signed[n].Profile.Root() {
			lintIssuer = nil
		}
		profile, err := i.env.Profile(signed[n].Profile)
		if err != nil {
			return fmt.Errorf("importing ceremony: %w", err)
		}
		if err := profile.LintTBS(signed[n].TBS, lintIssuer); err != nil {
			return fmt.Errorf("importing ceremony: certificate %q does not fit environment %q: %w", e.cert.Serial, i.env.Name, err)
		}
	}

	err = i.store.Write(ctx, func(tx store.Tx) error {
		var items []intentItem
		for _, e := range entries {
			there, err := alreadyImported(ctx, tx, e.intent)
			if err != nil {
				return err
			}
			if there {
				continue
			}
			rand.Read(e.intent.handle[:])
			if err := insertIntent(ctx, tx, e.intent); err != nil {
				return err
			}
			if e.cert != nil {
				c, err := newCertificate(e.cert, policy.ProfileName(e.intent.Profile), e.intent.Issuer, "ceremony")
				if err != nil {
					return err
				}
				c.Intent, c.RecordedAt = e.intent.ID, e.intent.SettledAt
				if err := insertCertificate(ctx, tx, c); err != nil {
					return err
				}
			}
			it := e.intent.item()
			if e.cert != nil {
				it.DER = digestOf(e.cert.Raw)
			}
			items = append(items, it)
		}
		if len(items) == 0 {
			return nil
		}
		_, err := audit.Append(ctx, tx, audit.Event{Kind: audit.KindCeremony, At: now, By: "ceremony", Body: map[string]any{"intents": items}})
		return err
	})
	if err != nil {
		return fmt.Errorf("importing ceremony: %w", err)
	}
	return nil
}

// signedBy finds the CA certificate whose key made the signature. A self-signed
// root is found as its own.
func signedBy(cas []*policy.Certificate, s CeremonyIntent) *policy.Certificate {
	for _, ca := range cas {
		if policy.VerifyTBS(ca.PublicKey, s.TBS, s.Signature) == nil {
			return ca
		}
	}
	return nil
}

// alreadyImported looks for an intent with the same identity; one with other
// bytes is an error.
func alreadyImported(ctx context.Context, tx store.Tx, in *Intent) (bool, error) {
	var err error
	var there *Intent
	if in.Kind == CertificateIntent {
		there, err = scanIntent(tx.QueryRow(ctx, `SELECT `+intentColumns+` FROM intent WHERE serial = $1`, in.Serial[:]))
	} else {
		there, err = scanIntent(tx.QueryRow(ctx, `SELECT `+intentColumns+` FROM intent WHERE issuer = $1 AND number = $2`, in.Issuer, in.Number))
	}
	if err = notFound(err, "intent"); errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !bytes.Equal(there.TBS, in.TBS) {
		return false, fmt.Errorf("%s %q number %d of %q is in the ledger with other bytes: %w", in.Kind, in.Serial, in.Number, in.Issuer, ErrConflict)
	}
	return true, nil
}

// authorityCertificates are the CA certificates in the ledger.
func (i *Issuer) authorityCertificates(ctx context.Context) ([]*policy.Certificate, error) {
	var out []*policy.Certificate
	for _, name := range policy.ProfileNames() {
		if !name.Authority() {
			continue
		}
		for c, err := range i.List(ctx, Filter{Profile: name}) {
			if err != nil {
				return nil, err
			}
			cert, err := c.Parse()
			if err != nil {
				return nil, err
			}
			out = append(out, cert)
		}
	}
	return out, nil
}
