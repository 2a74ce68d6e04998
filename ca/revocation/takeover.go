package revocation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// TakeOver records the revocations that a published list of an authority shows and
// the ledger lacks, with the date and the reason of the list. It is for a CA that
// was restored from a backup older than its own list (package backup), whose caller
// has verified the list.
//
// A serial that the ledger never gave out is recorded too: it stood on a list, and
// must stand on the next. It has no certificate whose status could change, and
// looking it up finds the revocation alone. Serials that are revoked already stay
// as they are, so that taking over again is safe.
func (r *Register) TakeOver(ctx context.Context, issuer string, entries []policy.CRLEntry, by string) error {
	for part := range slices.Chunk(entries, MaxRevocations) {
		err := r.store.Write(ctx, func(tx store.Tx) error {
			now := r.ca.Now()
			var items []item
			for _, e := range part {
				v, err := r.takeOver(ctx, tx, issuer, e, by, now)
				if err != nil {
					return fmt.Errorf("serial %q: %w", e.Serial, err)
				}
				if v.New {
					items = append(items, item{v.Serial.String(), v.Issuer, v.Reason.String(), v.At, v.By, v.OnCRL})
				}
			}
			if len(items) == 0 {
				return nil
			}
			_, err := audit.Append(ctx, tx, audit.Event{Kind: audit.KindRevocation, At: now, By: by,
				Body: map[string]any{"revocations": items, "from": "a published list, after a restore"}})
			return err
		})
		if err != nil {
			return fmt.Errorf("taking over revocations of %q: %w", issuer, err)
		}
	}
	return nil
}

func (r *Register) takeOver(ctx context.Context, tx store.Tx, issuer string, e policy.CRLEntry, by string, now time.Time) (Revocation, error) {
	v, err := r.revokeIn(ctx, tx, Revoke{Serial: e.Serial, Reason: e.Reason, At: e.At, By: by}, now)
	if !errors.Is(err, ca.ErrNotFound) {
		return v, err
	}
	v = Revocation{Serial: e.Serial, Issuer: issuer, Reason: e.Reason, At: e.At.UTC(), By: by, RecordedAt: now, OnCRL: true, New: true}
	_, err = tx.Exec(ctx, `INSERT INTO revocation (serial, issuer, reason, revoked_at, revoked_by, on_crl, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, v.Serial[:], v.Issuer, int64(v.Reason), v.At.UnixMicro(), v.By, v.OnCRL, now.UnixMicro())
	return v, err
}
