package iki

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"smki.example/ca/store"
	"smki.example/policy"
)

// keepsAll returns an error unless entries, of which a new list would be made, tell
// of every serial on the last published list what that told. Nothing here takes a
// revocation back, so that an entry that is gone was taken out of the database, and
// a list without it would let a client back in with our signature.
func keepsAll(ctx context.Context, tx store.Tx, issuer string, entries []policy.CRLEntry) error {
	const remedy = "nothing was signed: stop the CA and run smki audit verify"
	var number int64
	var der []byte
	err := tx.QueryRow(ctx, `SELECT number, der FROM iki_crl WHERE issuer = $1 ORDER BY number DESC LIMIT 1`, issuer).Scan(&number, &der)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var newest int64
	err = tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) FROM intent WHERE issuer = $1 AND kind = 'crl' AND state = 'recorded'`, issuer).Scan(&newest)
	switch {
	case err != nil:
		return err
	case newest != number:
		return fmt.Errorf("list %d of %s was published and is not in the database any more; %s", newest, issuer, remedy)
	case number == 0:
		return nil
	}
	last, err := x509.ParseRevocationList(der)
	if err != nil {
		return fmt.Errorf("reading the last published list, %d of %s: %w; %s", number, issuer, err, remedy)
	}
	now := make(map[policy.Serial]policy.CRLEntry, len(entries))
	for _, e := range entries {
		now[e.Serial] = e
	}
	for _, e := range last.RevokedCertificateEntries {
		var serial policy.Serial
		if e.SerialNumber.BitLen() > 8*len(serial) {
			return fmt.Errorf("reading the last published list, %d of %s: it shows serial %X, which is none of ours; %s", number, issuer, e.SerialNumber, remedy)
		}
		e.SerialNumber.FillBytes(serial[:])
		again, there := now[serial]
		switch {
		case !there:
			return fmt.Errorf("serial %s stands on the published list %d of %s and is not revoked in the database any more: somebody took the revocation out; %s", serial, number, issuer, remedy)
		case int(again.Reason) != e.ReasonCode || !again.At.Truncate(time.Second).Equal(e.RevocationTime):
			return fmt.Errorf("serial %s stands on the published list %d of %s as revoked on %s, and in the database otherwise: somebody changed it; %s", serial, number, issuer, e.RevocationTime.Format(time.RFC3339), remedy)
		}
	}
	return nil
}
