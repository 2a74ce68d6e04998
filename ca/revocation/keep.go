package revocation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"smki.example/ca/store"
	"smki.example/policy"
)

// keepsAll returns an error unless entries, of which a new list of the authority
// would be made, tell of every serial on its last published list what that told.
// Nothing in this repository takes a revocation back or changes one, so that an
// entry that is gone was taken out of the database, and a list without it would
// let a revoked certificate in with our signature.
func keepsAll(ctx context.Context, tx store.Tx, issuer string, entries []policy.CRLEntry) error {
	lists, err := lastLists(ctx, tx, issuer)
	if err != nil || len(lists) == 0 {
		return err
	}
	now := make(map[policy.Serial]policy.CRLEntry, len(entries))
	for _, e := range entries {
		now[e.Serial] = e
	}
	for _, last := range lists {
		for _, e := range last.Entries {
			again, there := now[e.Serial]
			again.At = again.At.Truncate(time.Second)
			switch {
			case !there:
				return fmt.Errorf("serial %s stands on the published list %d of %s and is not revoked in the database any more: somebody took the revocation out; nothing was signed: stop the CA and run smki audit verify",
					e.Serial, last.Number, issuer)
			case again.Reason != e.Reason || !again.At.Equal(e.At):
				return fmt.Errorf("serial %s stands on the published list %d of %s as revoked on %s (%s), and in the database as revoked on %s (%s): somebody changed it; nothing was signed: stop the CA and run smki audit verify",
					e.Serial, last.Number, issuer, e.At.Format(time.RFC3339), e.Reason, again.At.Format(time.RFC3339), again.Reason)
			}
		}
	}
	return nil
}

// unsigned stands in for the signature of a list whose bytes alone are read.
var unsigned = []byte{0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01}

// lastLists reads the last published list of an authority: from the table of
// lists, and from the intents if a higher number was recorded there, which is so
// for a ceremony's list, and where somebody took the newest out of the table.
func lastLists(ctx context.Context, tx store.Tx, issuer string) ([]*policy.CRL, error) {
	var lists []*policy.CRL
	var number int64
	read := func(der []byte) error {
		list, err := policy.ParseCRL(der)
		if err != nil {
			return fmt.Errorf("reading the last published list, %d of %s: %w; nothing was signed: stop the CA and run smki audit verify", number, issuer, err)
		}
		lists = append(lists, list)
		return nil
	}
	var der, tbs []byte
	err := tx.QueryRow(ctx, `SELECT number, der FROM crl WHERE issuer = $1 ORDER BY number DESC LIMIT 1`, issuer).Scan(&number, &der)
	if err == nil {
		err = read(der)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	err = tx.QueryRow(ctx, `SELECT number, tbs FROM intent WHERE issuer = $1 AND number > $2 AND kind = 'crl' AND state = 'recorded'
		ORDER BY number DESC LIMIT 1`, issuer, number).Scan(&number, &tbs)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return lists, nil
	case err != nil:
		return nil, err
	}
	if der, err = policy.Assemble(tbs, unsigned); err != nil {
		return nil, err
	}
	return lists, read(der)
}
