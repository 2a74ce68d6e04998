package iki

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A Withdrawal asks for an IKI certificate to be revoked.
type Withdrawal struct {
	Serial policy.Serial
	Reason policy.Reason
	// At is the time of revocation that the list will show; zero is now, the future
	// is refused.
	At time.Time
	By string // who decided it
}

// A Revocation is an IKI certificate out of use.
type Revocation struct {
	Serial     policy.Serial
	Issuer     string // "iki-1"
	Reason     policy.Reason
	At         time.Time
	By         string
	RecordedAt time.Time
	// New says that this call made it; otherwise it is the first one, unchanged.
	New bool
	// WrittenOff says that there is no certificate: the serial was given up by the
	// CA itself and is treated as revoked.
	WrittenOff bool
}

// Says tells an operator, in one sentence, what was done and what was not.
func (v Revocation) Says() string {
	at := v.At.Format(time.RFC3339)
	switch {
	case v.WrittenOff:
		return fmt.Sprintf("serial %s was written off on %s and has no certificate; nothing is left to revoke", v.Serial, at)
	case !v.New:
		return fmt.Sprintf("IKI certificate %s was revoked on %s already (%s); the first revocation stands", v.Serial, at, v.Reason)
	}
	return fmt.Sprintf("IKI certificate %s is revoked from %s (%s); servers cut its holder off within %s, and it stands on every list of %s from the next one on", v.Serial, at, v.Reason, CutOff, v.Issuer)
}

// Revoke revokes one IKI certificate of a CA. It needs no key. When it returns, the
// revocation is in the ledger with its audit record: no handshake lets the holder
// in any more, every [Gate] closes the connections that it has within [CutOff],
// and the list follows (see [Authority.Standing]).
//
// Revoking again is no error and changes nothing: the first revocation is
// returned. A serial that is no IKI certificate's is an error wrapping
// [ca.ErrNotFound]; a reason that SMKI does not allow, a time in the future and the
// authority's own certificate are errors wrapping [ca.ErrRefused]. After any error
// nothing was revoked, unless it wraps [store.ErrUncertain]; then ask again, which
// is safe.
func Revoke(ctx context.Context, i *ca.Issuer, q Withdrawal) (Revocation, error) {
	var v Revocation
	err := i.Store().Write(ctx, func(tx store.Tx) (err error) {
		v, err = RevokeIn(ctx, tx, i, q)
		return err
	})
	if err != nil {
		return Revocation{}, err
	}
	return v, nil
}

// RevokeIn is [Revoke] in a transaction of the caller's, for who does something else
// with it that must not happen alone.
func RevokeIn(ctx context.Context, tx store.Tx, i *ca.Issuer, q Withdrawal) (Revocation, error) {
	v, err := revokeIn(ctx, tx, q, i.Now().Truncate(time.Microsecond))
	if err != nil {
		return Revocation{}, fmt.Errorf("revoking IKI certificate %q: %w", q.Serial, err)
	}
	return v, nil
}

func revokeIn(ctx context.Context, tx store.Tx, q Withdrawal, now time.Time) (Revocation, error) {
	switch {
	case !q.Reason.Known():
		return Revocation{}, deny("reason", "%s is not a reason that SMKI allows (RFC 5280, 5.3.1, without suspension)", q.Reason)
	case q.At.After(now):
		return Revocation{}, deny("future", "the time of revocation %s lies in the future of this CA's clock", q.At.Format(time.RFC3339))
	case q.By == "":
		return Revocation{}, deny("by", "a revocation needs the name of who decided it")
	}
	if v, err := revocationIn(ctx, tx, q.Serial); !errors.Is(err, ca.ErrNotFound) {
		return v, err
	}
	c, err := certificateIn(ctx, tx, q.Serial)
	if err != nil {
		return Revocation{}, err
	}
	if c.Profile == ProfileAuthority {
		return Revocation{}, deny("root", "%s signs its own list, so that no list can revoke it: take its certificate off the servers, and found the next generation", c.Issuer)
	}
	at := q.At
	if at.IsZero() {
		at = now
	}
	v := Revocation{Serial: q.Serial, Issuer: c.Issuer, Reason: q.Reason, At: at.UTC().Truncate(time.Second), By: q.By, RecordedAt: now, New: true}
	_, err = tx.Exec(ctx, `INSERT INTO iki_revocation (serial, issuer, reason, revoked_at, revoked_by, recorded_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		v.Serial[:], v.Issuer, int64(v.Reason), v.At.UnixMicro(), v.By, now.UnixMicro())
	if err != nil {
		return Revocation{}, fmt.Errorf("recording revocation: %w", err)
	}
	if _, err = tx.Exec(ctx, `UPDATE iki_certificate SET status = $1 WHERE serial = $2`, string(ca.StatusRevoked), v.Serial[:]); err != nil {
		return Revocation{}, fmt.Errorf("changing the status: %w", err)
	}
	_, err = audit.Append(ctx, tx, audit.Event{Kind: audit.KindRevocation, At: now, By: q.By, Body: map[string]any{"revocations": []map[string]any{{
		"serial": v.Serial.String(), "issuer": v.Issuer, "reason": v.Reason.String(), "at": v.At, "by": v.By, "on_crl": true}}}})
	return v, err
}

func deny(rule, format string, args ...any) error {
	return &ca.Refusal{Rule: rule, Err: fmt.Errorf(format, args...)}
}

const revocationColumns = `seq, serial, issuer, reason, revoked_at, revoked_by, recorded_at`

func scanRevocation(row interface{ Scan(...any) error }) (Revocation, int64, error) {
	var v Revocation
	var serial []byte
	var seq, reason, at, recorded int64
	err := row.Scan(&seq, &serial, &v.Issuer, &reason, &at, &v.By, &recorded)
	copy(v.Serial[:], serial)
	v.Reason, v.At, v.RecordedAt = policy.Reason(reason), time.UnixMicro(at).UTC(), time.UnixMicro(recorded).UTC()
	return v, seq, err
}

// revocationIn returns the revocation of a serial, or its writing off, which has the
// same effect.
func revocationIn(ctx context.Context, tx store.Tx, serial policy.Serial) (Revocation, error) {
	v, _, err := scanRevocation(tx.QueryRow(ctx, `SELECT `+revocationColumns+` FROM iki_revocation WHERE serial = $1`, serial[:]))
	if !errors.Is(err, sql.ErrNoRows) {
		return v, err
	}
	in, err := ca.IntentIn(ctx, tx, serial)
	if err != nil {
		return Revocation{}, err
	}
	if name, _ := ca.SplitID(in.Issuer); name != Name || in.State != ca.StateWrittenOff {
		return Revocation{}, fmt.Errorf("revocation of %q: %w", serial, ca.ErrNotFound)
	}
	return Revocation{Serial: serial, Issuer: in.Issuer, Reason: ca.WriteOffReason, At: in.SettledAt.Truncate(time.Second), By: "ca",
		RecordedAt: in.SettledAt, WrittenOff: true}, nil
}

// RevocationOf returns the revocation of an IKI serial, or its writing off. The error
// wraps [ca.ErrNotFound] if it is not revoked.
func RevocationOf(ctx context.Context, s *store.Store, serial policy.Serial) (Revocation, error) {
	var v Revocation
	err := s.Read(ctx, func(tx store.Tx) (err error) {
		v, err = revocationIn(ctx, tx, serial)
		return err
	})
	return v, err
}

// Revocations returns every revocation, in the order in which they were recorded
// and in constant memory. Written-off serials are not among them.
func Revocations(ctx context.Context, s *store.Store) iter.Seq2[Revocation, error] {
	return func(yield func(Revocation, error) bool) {
		var after int64
		for {
			var page []Revocation
			err := s.Read(ctx, func(tx store.Tx) error {
				rows, err := tx.Query(ctx, `SELECT `+revocationColumns+` FROM iki_revocation WHERE seq > $1 ORDER BY seq LIMIT $2`, after, pageSize)
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					v, seq, err := scanRevocation(rows)
					if err != nil {
						return err
					}
					page, after = append(page, v), seq
				}
				return rows.Err()
			})
			if err != nil {
				yield(Revocation{}, fmt.Errorf("listing IKI revocations: %w", err))
				return
			}
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

// Credentials tells the registration authority whether the IKI certificate of an
// officer may still be used.
type Credentials struct{ Store *store.Store }

// CredentialRevoked tells whether a serial is revoked or written off. One that was
// never issued counts as revoked.
func (c Credentials) CredentialRevoked(ctx context.Context, serial policy.Serial) (bool, error) {
	cert, err := BySerial(ctx, c.Store, serial)
	if errors.Is(err, ca.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return cert.Status != ca.StatusInUse, nil
}
