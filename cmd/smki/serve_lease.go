package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/ca/store"
	"smki.example/cmd/clikit"
)

// leaseTerm is how long a server may be silent on PostgreSQL before the others take over
// what it has in hand, by default. It is a third of what commands have, which nobody
// waits for: a server's shards and its turn to publish are waited for.
const leaseTerm = 10 * time.Second

// leaseLook is how often a server asks whether it was taken for dead. It costs a
// transaction that is rolled back, and no sync.
const leaseLook = 2 * time.Second

// errAsked undoes the write with which a server asks.
var errAsked = errors.New("asked")

// watchLease looks until ctx ends, and returns an error when others have taken this
// server for dead. Nothing can be written from then on, so that nothing is issued, and
// /readyz says so; it is left to end, because what it had in memory is not true any
// more. The database tells it with any write: see [store.ErrLeaseLost].
func (d *desk) watchLease(ctx context.Context) error {
	ticker := time.NewTicker(leaseLook)
	defer ticker.Stop()
	for {
		err := d.store.Write(ctx, func(store.Tx) error { return errAsked })
		if errors.Is(err, store.ErrLeaseLost) {
			return clikit.With(clikit.Unavailable, fmt.Errorf("serving: %w", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
