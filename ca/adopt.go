package ca

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// KindAdopted is the audit record of certificates that were found outside and taken
// into the ledger. Stored as text: never rename it.
const KindAdopted audit.Kind = "adopted"

// An Adoption is a certificate that an authority of this CA has signed and the
// ledger does not have.
type Adoption struct {
	DER    []byte
	Issuer string // authority and generation whose key signed it
	// Revoked says that a revocation of the serial is on record already.
	Revoked bool
}

// adopter stands in the intents of adopted certificates, which no process settles.
const adopter store.OwnerID = "adopted"

// Adopt takes certificates into the ledger that were found outside, so that a
// signature of a CA key which the ledger has lost (by a restore from a backup, say)
// or never knew (because the key was misused) is accounted for again, and can be
// revoked as any other.
//
// Each must be signed by issuer's key, as its certificate in the ledger has it, and
// be an end entity's; its profile is not enforced, because what was signed was
// signed. All are recorded in one transaction with the audit record, or none.
// Certificates that are in the ledger are passed over; another certificate of a
// serial that is there is an error wrapping [ErrConflict]. It returns those that are
// new. A certificate that no authority signed is an error wrapping [ErrRefused].
func (i *Issuer) Adopt(ctx context.Context, found []Adoption, by string) ([]*Certificate, error) {
	adopted, err := i.adopt(ctx, found, by)
	if err != nil {
		return nil, fmt.Errorf("adopting certificates: %w", err)
	}
	return adopted, nil
}

func (i *Issuer) adopt(ctx context.Context, found []Adoption, by string) ([]*Certificate, error) {
	if by == "" {
		return nil, errors.New("the name of who decided it is needed")
	}
	known, err := i.authorityCertificates(ctx)
	if err != nil {
		return nil, err
	}
	type entry struct {
		cert   *Certificate
		intent *Intent
	}
	var entries []entry
	now := i.Now()
	for _, f := range found {
		cert, err := policy.ParseCertificate(f.DER)
		if err != nil {
			return nil, err
		}
		kind := cert.Kind()
		if kind != policy.ProfileDevice && kind != policy.ProfileOrganisation {
			return nil, refuse("adopt", "certificate %q is no end entity's; authorities come from ceremonies", cert.Serial)
		}
		if signedBy(known, CeremonyIntent{TBS: cert.RawTBS, Signature: cert.Signature}) == nil {
			return nil, refuse("adopt", "certificate %q is not signed by any authority in the ledger", cert.Serial)
		}
		profile, err := i.env.Profile(kind)
		if err != nil {
			return nil, err
		}
		c, err := newCertificate(cert, kind, f.Issuer, by)
		if err != nil {
			return nil, err
		}
		c.RecordedAt = now
		if f.Revoked {
			c.Status = StatusRevoked
		}
		entries = append(entries, entry{c, &Intent{Kind: CertificateIntent, Issuer: f.Issuer, Serial: cert.Serial, Profile: string(kind), ProfileVersion: profile.Version,
			Entity: c.Entity, Key: c.Key, TBS: cert.RawTBS, Owner: adopter, State: StateRecorded, Cause: "found outside", CreatedAt: now, SettledAt: now}})
	}
	var adopted []*Certificate
	err = i.store.Write(ctx, func(tx store.Tx) error {
		adopted = nil
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
			e.cert.Intent = e.intent.ID
			if err := insertCertificate(ctx, tx, e.cert); err != nil {
				return err
			}
			adopted = append(adopted, e.cert)
			it := e.intent.item()
			it.DER = digestOf(e.cert.DER)
			items = append(items, it)
		}
		if len(items) == 0 {
			return nil
		}
		_, err := audit.Append(ctx, tx, audit.Event{Kind: KindAdopted, At: now, By: by, Body: map[string]any{"certificates": items}})
		return err
	})
	return adopted, err
}
