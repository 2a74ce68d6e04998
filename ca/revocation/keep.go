package revocation

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A told is what the ledger says of one serial, in as little memory as a million of
// them should have.
type told struct {
	high, low uint64 // serial
	at        int64  // seconds
	reason    policy.Reason
}

func tell(serial policy.Serial, at int64, reason policy.Reason) told {
	return told{binary.BigEndian.Uint64(serial[:8]), binary.BigEndian.Uint64(serial[8:]), at, reason}
}

func (t told) compare(u told) int {
	return cmp.Or(cmp.Compare(t.high, u.high), cmp.Compare(t.low, u.low))
}

func (t told) entry() policy.CRLEntry {
	e := policy.CRLEntry{At: time.Unix(t.at, 0).UTC(), Reason: t.reason}
	binary.BigEndian.PutUint64(e.Serial[:8], t.high)
	binary.BigEndian.PutUint64(e.Serial[8:], t.low)
	return e
}

// ledgerOf reads what the ledger says of every serial that a list of the authority
// must show, in the order of the list. n is how many that are.
func ledgerOf(ctx context.Context, tx store.Tx, issuer string, n int64) ([]told, error) {
	rows, err := tx.Query(ctx, `SELECT serial, revoked_at, reason FROM revocation WHERE issuer = $1 AND on_crl`, issuer)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make([]told, 0, n)
	var serial sql.RawBytes
	var at, reason int64
	for rows.Next() {
		if err := rows.Scan(&serial, &at, &reason); err != nil {
			return nil, err
		}
		var s policy.Serial
		copy(s[:], serial)
		all = append(all, tell(s, seconds(at), policy.Reason(reason)))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	lost, err := ca.WrittenOff(ctx, tx, issuer)
	if err != nil {
		return nil, err
	}
	for _, in := range lost {
		all = append(all, tell(in.Serial, in.SettledAt.Unix(), ca.WriteOffReason))
	}
	slices.SortFunc(all, told.compare)
	return all, nil
}

// seconds cuts microseconds, also those before 1970.
func seconds(micro int64) int64 { return time.UnixMicro(micro).Unix() }

// keepsAll returns an error unless the ledger tells of every serial on a published
// list what that told. Nothing in this repository takes a revocation back or changes
// one, so that an entry that is gone was taken out of the database, and a list
// without it would let a revoked certificate in with our signature. Fresh is what
// the ledger tells and the list does not.
func keepsAll(issuer string, number int64, each func(func(policy.CRLEntry) error) error, ledger []told) (fresh []policy.CRLEntry, err error) {
	err = each(func(e policy.CRLEntry) error {
		shown := tell(e.Serial, e.At.Unix(), e.Reason)
		for len(ledger) > 0 && ledger[0].compare(shown) < 0 {
			fresh, ledger = append(fresh, ledger[0].entry()), ledger[1:]
		}
		if len(ledger) == 0 || ledger[0].compare(shown) != 0 {
			return fmt.Errorf("serial %s stands on the published list %d of %s and is not revoked in the database any more: somebody took the revocation out; nothing was signed: stop the CA and run smki audit verify",
				e.Serial, number, issuer)
		}
		if again := ledger[0]; again != shown {
			return fmt.Errorf("serial %s stands on the published list %d of %s as revoked on %s (%s), and in the database as revoked on %s (%s): somebody changed it; nothing was signed: stop the CA and run smki audit verify",
				e.Serial, number, issuer, e.At.Format(time.RFC3339), e.Reason, again.entry().At.Format(time.RFC3339), again.reason)
		}
		ledger = ledger[1:]
		return nil
	})
	for _, t := range ledger {
		fresh = append(fresh, t.entry())
	}
	return fresh, err
}

// unsigned stands in for the signature of a list whose bytes alone are read.
var unsigned = []byte{0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01}

// A lastList is the last published list of an authority.
type lastList struct {
	number   int64
	shelf    *shelf
	to       sql.NullInt64 // what it was made from: see crl.to_revocation
	off      sql.NullInt64 // crl.written_off
	inPieces bool
}

// readLast reads the newest list in the table of lists, nil if there is none.
func readLast(ctx context.Context, tx store.Tx, issuer string) (*lastList, error) {
	last := new(lastList)
	var der []byte
	err := tx.QueryRow(ctx, `SELECT number, der, to_revocation, written_off FROM crl WHERE issuer = $1 ORDER BY number DESC LIMIT 1`, issuer).
		Scan(&last.number, &der, &last.to, &last.off)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if last.inPieces = store.IsJoined(der); last.inPieces {
		var pieces []*store.Piece
		if pieces, err = store.Pieces(ctx, tx, der); err == nil {
			last.shelf, err = shelfOf(pieces)
		}
	} else {
		last.shelf, err = shelfIn(der)
	}
	if err != nil {
		return nil, unreadable(issuer, last.number, err)
	}
	return last, nil
}

func unreadable(issuer string, number int64, err error) error {
	return fmt.Errorf("reading the last published list, %d of %s: %w; nothing was signed: stop the CA and run smki audit verify", number, issuer, err)
}

// shelfIn reads the entries of a whole list.
func shelfIn(der []byte) (*shelf, error) {
	crl, err := policy.ParseCRL(der)
	if err != nil {
		return nil, err
	}
	return new(shelf).with(crl.Entries)
}

// readHidden reads a list that was recorded as an intent with a higher number than
// any in the table of lists, nil if there is none. That is so for a ceremony's list,
// and where somebody took the newest out of the table.
func readHidden(ctx context.Context, tx store.Tx, issuer string, above int64) (*lastList, error) {
	last := new(lastList)
	var tbs []byte
	err := tx.QueryRow(ctx, `SELECT number, tbs FROM intent WHERE issuer = $1 AND number > $2 AND kind = 'crl' AND state = 'recorded'
		ORDER BY number DESC LIMIT 1`, issuer, above).Scan(&last.number, &tbs)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if tbs, err = store.Joined(ctx, tx, tbs); err != nil {
		return nil, unreadable(issuer, last.number, err)
	}
	der, err := policy.Assemble(tbs, unsigned)
	if err != nil {
		return nil, err
	}
	if last.shelf, err = shelfIn(der); err != nil {
		return nil, unreadable(issuer, last.number, err)
	}
	return last, nil
}
