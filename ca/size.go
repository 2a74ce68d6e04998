package ca

import (
	"context"
	"fmt"

	"smki.example/ca/store"
)

// Size returns how many certificates the ledger has.
func (i *Issuer) Size(ctx context.Context) (int64, error) {
	var n int64
	err := i.store.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM certificate`).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("counting certificates: %w", err)
	}
	return n, nil
}
