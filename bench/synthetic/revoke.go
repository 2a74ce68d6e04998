package synthetic

import (
	"context"
	"fmt"
	"strings"
	"time"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// reasons stand in the revocations in turn.
var reasons = []policy.Reason{policy.ReasonKeyCompromise, policy.ReasonSuperseded, policy.ReasonCessationOfOperation, policy.ReasonAffiliationChanged}

// revoke adds the revocations of the certificates whose status says so, in an order
// in which serial numbers do not rise: a list must sort them.
func (f *filler) revoke(ctx context.Context) error {
	total := f.Certificates / f.RevokeEvery
	var there int64
	err := f.Store.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM revocation`).Scan(&there)
	})
	if err != nil {
		return err
	}
	stride := int64(7919) // a prime: every one comes once
	for stride < total && total%stride == 0 {
		stride += 2
	}
	for from := there; from < total; from += perWrite {
		to := min(from+perWrite, total)
		err := f.Store.Write(ctx, func(tx store.Tx) error {
			rows := store.Rows{Table: "revocation", Columns: []string{"serial", "issuer", "reason", "revoked_at", "revoked_by", "on_crl", "recorded_at"}}
			var items strings.Builder
			now := time.UnixMicro(f.at)
			for k := from; k < to; k++ {
				n := k * stride % total * f.RevokeEvery
				serial, reason := SerialOf(n), reasons[k%int64(len(reasons))]
				at := now.Add(-time.Duration(k%86400) * time.Second).Truncate(time.Second)
				rows.Values = append(rows.Values, []any{serial[:], f.issuer, int64(reason), at.UnixMicro(), Requester, true, now.UnixMicro()})
				if k > from {
					items.WriteByte(',')
				}
				fmt.Fprintf(&items, `{"serial":%q,"issuer":%q,"reason":%q,"at":%q,"by":%q,"on_crl":true}`, serial, f.issuer, reason, at.UTC().Format(time.RFC3339), Requester)
			}
			if _, err := tx.Insert(ctx, rows); err != nil {
				return err
			}
			f.at += 1_000_000
			_, err := audit.Append(ctx, tx, audit.Event{Kind: audit.KindRevocation, At: now, By: Requester, Body: raw(`{"revocations":[` + items.String() + `]}`)})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
