package auditor

import (
	"context"

	"smki.example/ca/store"
)

// AuditIn is Audit in a transaction of the test's, which sees what was changed in
// it.
func AuditIn(ctx context.Context, tx store.Tx, cfg Config) error {
	a, err := newInspection(cfg)
	if err != nil {
		return err
	}
	return a.run(ctx, tx)
}
