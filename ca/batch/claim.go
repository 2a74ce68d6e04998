package batch

import (
	"context"
	"fmt"
	"strings"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A row is a claimed item on its way to a result.
type row struct {
	*entry
	tries int // claims so far, this one included

	state     State
	untouched bool // another process was certifying the key: nothing was signed for this item
	serial    *policy.Serial
	errorCode string
	detail    string
	der       []byte
}

// claim takes items that still are as they were seen. Items that follow one another
// are taken together.
func (b *Batch) claim(ctx context.Context, free []waiting) ([]*row, error) {
	var claimed []*row
	err := b.store.WriteLong(ctx, func(tx store.Tx) error {
		claimed = make([]*row, 0, len(free))
		for left := free; len(left) > 0; {
			n := 1
			for n < len(left) && left[n].seq == left[n-1].seq+1 && left[n].owner == left[0].owner {
				n++
			}
			var err error
			if claimed, err = b.claimRun(ctx, tx, run{left[0].seq, left[n-1].seq}, left[0].owner, claimed); err != nil {
				return err
			}
			left = left[n:]
		}
		return nil
	})
	return claimed, err
}

func (b *Batch) claimRun(ctx context.Context, tx store.Tx, r run, owner store.OwnerID, claimed []*row) ([]*row, error) {
	rows, err := tx.Query(ctx, `UPDATE batch_item SET owner = $1, tries = tries + 1
		WHERE state = 'waiting' AND owner = $2 AND seq >= $3 AND seq <= $4 RETURNING seq, tries`,
		string(b.lease.ID()), string(owner), r.first, r.last)
	if err != nil {
		return claimed, err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var r row
		if err := rows.Scan(&seq, &r.tries); err != nil {
			return claimed, err
		}
		r.entry = &b.items[b.place[seq]]
		claimed = append(claimed, &r)
	}
	return claimed, rows.Err()
}

// recover looks for what an earlier claim of an item has achieved: a certificate of
// the item's key that was recorded for the item's batch and is no other item's.
func (b *Batch) recover(ctx context.Context, claimed []*row) error {
	for _, r := range claimed {
		if r.tries < 2 {
			continue
		}
		request, err := policy.ParseRequest(r.request)
		if err != nil {
			continue // nothing was ever issued for it
		}
		key, err := ca.KeyHashOf(request.PublicKey)
		if err != nil {
			return err
		}
		certificates, err := b.cfg.Issuer.BySPKI(ctx, key)
		if err != nil {
			return err
		}
		for _, c := range certificates {
			if c.Requester != r.requester {
				continue
			}
			ours, err := b.take(ctx, r, c.Serial)
			if err != nil {
				return err
			}
			if ours {
				r.succeed(c)
				break
			}
		}
	}
	return nil
}

// take gives a certificate to an item, unless it is another's: by the database, or in
// another lane that has not written it yet.
func (b *Batch) take(ctx context.Context, r *row, serial policy.Serial) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if seq, taken := b.taken[serial]; taken && seq != r.seq {
		return false, nil
	}
	var n int
	err := b.store.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM batch_item WHERE serial = $1`, serial[:]).Scan(&n)
	})
	if err != nil || n > 0 {
		return false, err
	}
	b.taken[serial] = r.seq
	return true, nil
}

// settle writes the results of claimed items and gives back those without one. The
// caller may have gone; what was issued is written all the same.
func (b *Batch) settle(ctx context.Context, claimed []*row) error {
	ctx = context.WithoutCancel(ctx)
	return b.store.WriteLong(ctx, func(tx store.Tx) error {
		now := b.cfg.Issuer.Now().UnixMicro()
		var succeeded []*row
		for _, r := range claimed {
			if r.state == Success {
				succeeded = append(succeeded, r)
				continue
			}
			if err := b.settleOne(ctx, tx, r, now); err != nil {
				return err
			}
		}
		if store.TakesLists(tx) && len(succeeded) > 0 {
			return b.succeededTogether(ctx, tx, succeeded, now)
		}
		for len(succeeded) > 0 {
			n := 1
			if len(succeeded) >= settledAtOnce {
				n = settledAtOnce
			}
			if err := b.succeeded(ctx, tx, succeeded[:n], now); err != nil {
				return err
			}
			succeeded = succeeded[n:]
		}
		return nil
	})
}

// settleOne writes a refusal, or gives back an item without a result. A claim that
// came to nothing does not count: the next worker then takes no certificate of the
// key for this item's.
func (b *Batch) settleOne(ctx context.Context, tx store.Tx, r *row, now int64) error {
	var n int64
	var err error
	if r.state == "" {
		again := r.tries
		if r.untouched {
			again--
		}
		n, err = tx.Exec(ctx, `UPDATE batch_item SET owner = '', tries = $1 WHERE seq = $2 AND state = 'waiting' AND owner = $3`, again, r.seq, string(b.lease.ID()))
	} else {
		n, err = tx.Exec(ctx, `UPDATE batch_item SET state = $1, owner = '', error_code = $2, detail = $3, settled_at = $4
			WHERE seq = $5 AND state = 'waiting' AND owner = $6`, string(r.state), r.errorCode, r.detail, now, r.seq, string(b.lease.ID()))
	}
	if err == nil && n != 1 {
		err = errTaken
	}
	if err != nil {
		return fmt.Errorf("writing the result of %q: %w", r.id, err)
	}
	return nil
}

// settledAtOnce is how many results one statement writes, so that its choice between
// them stays short.
const settledAtOnce = 50

// succeeding are the statements of [Batch.succeeded], by how many results they write.
var succeeding = map[int]string{1: succeedingStatement(1), settledAtOnce: succeedingStatement(settledAtOnce)}

// succeedingStatement has the time first, then number and serial of each item, and
// the owner last.
func succeedingStatement(n int) string {
	var which strings.Builder
	for k := range n {
		fmt.Fprintf(&which, " WHEN $%d THEN $%d", 2*k+2, 2*k+3)
	}
	return fmt.Sprintf(`UPDATE batch_item SET state = 'success', owner = '', settled_at = $1, serial = CASE seq%s ELSE serial END
		WHERE state = 'waiting' AND owner = $%d AND seq IN (%s)`, which.String(), 2*n+2, list(2, 2, n))
}

// succeeded writes which certificates items have, all in one statement.
func (b *Batch) succeeded(ctx context.Context, tx store.Tx, rows []*row, now int64) error {
	args := make([]any, 0, 2*len(rows)+2)
	args = append(args, now)
	for _, r := range rows {
		args = append(args, r.seq, r.serial[:])
	}
	args = append(args, string(b.lease.ID()))
	n, err := tx.Exec(ctx, succeeding[len(rows)], args...)
	return written(rows, n, err)
}

// succeededTogether is succeeded for any number of items, where statements take lists.
func (b *Batch) succeededTogether(ctx context.Context, tx store.Tx, rows []*row, now int64) error {
	seqs, serials := make([]int64, len(rows)), make([][]byte, len(rows))
	for n, r := range rows {
		seqs[n], serials[n] = r.seq, r.serial[:]
	}
	n, err := tx.Exec(ctx, `UPDATE batch_item SET state = 'success', owner = '', settled_at = $1, serial = made.serial
		FROM unnest($2::bigint[], $3::bytea[]) AS made (seq, serial)
		WHERE batch_item.seq = made.seq AND state = 'waiting' AND owner = $4`, now, seqs, serials, string(b.lease.ID()))
	return written(rows, n, err)
}

// written tells whether a statement has written the results of all rows.
func written(rows []*row, n int64, err error) error {
	if err == nil && n != int64(len(rows)) {
		err = errTaken
	}
	if err != nil {
		return fmt.Errorf("writing the results of %d items from %q on: %w", len(rows), rows[0].id, err)
	}
	return nil
}
