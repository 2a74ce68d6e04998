package ra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Authenticate returns the officer who is known by an IKI certificate in DER. The
// caller has checked that the IKI authority issued it and that the peer holds its
// key; here it must be the very certificate that was registered, unexpired, not
// withdrawn, not revoked by the IKI authority, and neither the officer nor his party
// withdrawn.
//
// A refusal wraps [ca.ErrRefused]. An error wrapping [ca.ErrOutage] says that the IKI
// authority could not be asked; let nobody in on it. Open connections must be
// authenticated again while they last.
func (r *Registry) Authenticate(ctx context.Context, der []byte) (Officer, error) {
	cert, serial, err := parseCertificate(der)
	if err != nil {
		return Officer{}, err
	}
	now := r.Now()
	if now.Before(cert.NotBefore) || !now.Before(cert.NotAfter) {
		return Officer{}, refuse("credential-expired", "certificate %q is valid from %s to %s", serial, cert.NotBefore.Format(time.RFC3339), cert.NotAfter.Format(time.RFC3339))
	}
	sum := sha256.Sum256(der)
	return r.authenticate(ctx, serial, hex.EncodeToString(sum[:]))
}

// AuthenticateSerial is [Registry.Authenticate] for who knows the serial number of a
// certificate only, and has checked the certificate itself.
func (r *Registry) AuthenticateSerial(ctx context.Context, serial policy.Serial) (Officer, error) {
	return r.authenticate(ctx, serial, "")
}

func (r *Registry) authenticate(ctx context.Context, serial policy.Serial, fingerprint string) (Officer, error) {
	var o Officer
	err := r.store.Read(ctx, func(tx store.Tx) error {
		c, err := credentialIn(ctx, tx, serial)
		switch {
		case errors.Is(err, ca.ErrNotFound), err == nil && fingerprint != "" && c.Fingerprint != fingerprint:
			return refuse("credential", "certificate %q belongs to no officer", serial)
		case err != nil:
			return err
		case c.State != Active:
			return refuse("credential-withdrawn", "certificate %q was withdrawn: %s", serial, c.Cause)
		case !r.Now().Before(c.NotAfter):
			return refuse("credential-expired", "certificate %q is valid to %s", serial, c.NotAfter.Format(time.RFC3339))
		}
		o, err = activeOfficerIn(ctx, tx, c.Officer)
		return err
	})
	if err != nil {
		return Officer{}, fmt.Errorf("authenticating: %w", err)
	}
	if r.credentials != nil {
		revoked, err := r.credentials.CredentialRevoked(ctx, serial)
		if err != nil {
			return Officer{}, fmt.Errorf("authenticating: asking whether %q is revoked: %w: %w", serial, ca.ErrOutage, err)
		}
		if revoked {
			return Officer{}, fmt.Errorf("authenticating: %w", refuse("credential-revoked", "certificate %q is revoked", serial))
		}
	}
	return o, nil
}

// May tells whether an officer may do an act for a party, now. It is for rooms whose
// acts are not deeds: [ActSubmitDeviceRequests], [ActReadQueues] and their like. The
// refusal wraps [ca.ErrRefused].
func (r *Registry) May(ctx context.Context, by OfficerID, act Act, party PartyID) error {
	return r.store.Read(ctx, func(tx store.Tx) error {
		_, err := r.mayIn(ctx, tx, by, act, party)
		return err
	})
}

// mayIn returns the officer if he may do the act alone, for the party.
func (r *Registry) mayIn(ctx context.Context, tx store.Tx, by OfficerID, act Act, party PartyID) (Officer, error) {
	o, err := activeOfficerIn(ctx, tx, by)
	if err != nil {
		return o, err
	}
	if r.table.May(o.Role, act) != Yes {
		return o, refuse("rights", "%s %q may not %s", o.Role, o.ID, r.table.Acts[act].Says)
	}
	return o, r.scope(o, party)
}

// scope refuses a party's officer what is not his party's.
func (r *Registry) scope(o Officer, party PartyID) error {
	if r.table.Roles[o.Role].Side == SideParty && (o.Party == "" || o.Party != party) {
		return refuse("scope", "%s %q acts for party %q only", o.Role, o.ID, o.Party)
	}
	return nil
}
