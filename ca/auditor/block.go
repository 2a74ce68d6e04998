package auditor

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
)

// blockedKey compares a key that may not be certified.
func (a *inspection) blockedKey(ctx context.Context, r *record) error {
	spki, err := hex.DecodeString(r.says.SPKI)
	if err != nil {
		return differ(r.Seq, "the log: key %q: %v", r.says.SPKI, err)
	}
	row, err := a.block(ctx, spki)
	if err != nil {
		return err
	}
	if row == nil {
		return differ(r.Seq, "key %s: it is blocked in the log and not in the ledger", r.says.SPKI)
	}
	c := compare(r, name("blocked key "+r.says.SPKI))
	c.text("reason", as(row.reason), r.says.Reason)
	c.text("author", as(row.by), r.By)
	c.time("time", row.at, micro(r.At))
	if _, again := a.blocked[string(spki)]; again && c.err == nil {
		c.err = differ(r.Seq, "key %s: the log blocks it a second time", r.says.SPKI)
	}
	a.blocked[string(spki)] = struct{}{}
	a.report.BlockedKeys++
	return c.err
}

// blockRow is a row of the table blocked_key.
type blockRow struct {
	reason, by string
	at         int64
}

func (a *inspection) block(ctx context.Context, spki []byte) (*blockRow, error) {
	var b blockRow
	err := a.tx.QueryRow(ctx, `SELECT reason, blocked_by, blocked_at FROM blocked_key WHERE spki = $1`, spki).Scan(&b.reason, &b.by, &b.at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &b, err
}

func (a *inspection) allBlocks(ctx context.Context) error {
	after := []byte{}
	for {
		n := 0
		err := a.each(ctx, `SELECT spki FROM blocked_key WHERE spki > $1 ORDER BY spki LIMIT $2`, []any{after, rowPage}, func(rows *sql.Rows) error {
			n++
			if err := rows.Scan(&after); err != nil {
				return err
			}
			if _, there := a.blocked[string(after)]; !there {
				return unheard("key %s: it is blocked in the ledger and not in the log", fmt.Sprintf("%x", after))
			}
			return nil
		})
		if err != nil || n < rowPage {
			return err
		}
	}
}
