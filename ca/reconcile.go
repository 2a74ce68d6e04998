package ca

import (
	"context"
	"fmt"

	"smki.example/ca/store"
	"smki.example/policy"
)

// A Report is what Reconcile did.
type Report struct {
	Settled []Settled
	Living  int // intents left alone because their owner is alive
}

// Settled is an intent that was written off.
type Settled struct {
	Kind    IntentKind
	Issuer  string
	Serial  policy.Serial // certificates
	Number  int64         // CRLs: a number that will never be seen
	Profile string
	// OnCRL says that the serial will stand on the issuer's next CRL.
	OnCRL bool
}

// Reconcile settles every open intent whose owner is dead, and those of this
// Issuer that it has lost sight of because the database failed at the wrong
// moment. Intents of the living are left alone.
//
// An open intent may have been signed: nobody can tell, because the only witness
// is gone. It is therefore treated as if it had been. The serial is written off in
// the ledger with an audit record and, where the issuer publishes a CRL, stands on
// every CRL from the next one on (see [WriteOffReason]). It is never signed again:
// a second signature over the same bytes would differ from the first, and two
// certificates of one serial number would be worse than none.
//
// It may be called at any time, by several processes at once; [Open] calls it.
func (i *Issuer) Reconcile(ctx context.Context) (Report, error) {
	var report Report
	var owners []store.OwnerID
	err := i.store.Read(ctx, func(tx store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT DISTINCT owner FROM intent WHERE state = 'open'`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var owner string
			if err := rows.Scan(&owner); err != nil {
				return err
			}
			owners = append(owners, store.OwnerID(owner))
		}
		return rows.Err()
	})
	if err != nil {
		return report, fmt.Errorf("reconciling: %w", err)
	}
	for _, owner := range owners {
		alive := false
		if owner != i.lease.ID() {
			if alive, err = i.store.Alive(ctx, owner); err != nil {
				return report, fmt.Errorf("reconciling: %w", err)
			}
		}
		settled, living, err := i.reconcileOwner(ctx, owner, alive)
		if err != nil {
			return report, fmt.Errorf("reconciling the intents of %q: %w", owner, err)
		}
		report.Settled = append(report.Settled, settled...)
		report.Living += living
	}
	if len(report.Settled) > 0 {
		i.logger.Warn("written off what dead processes left behind", "intents", len(report.Settled))
	}
	return report, nil
}

// reconcileOwner settles one owner's open intents, a batch to a transaction.
func (i *Issuer) reconcileOwner(ctx context.Context, owner store.OwnerID, alive bool) (settled []Settled, living int, err error) {
	var after int64
	for {
		var page []*Intent
		var done []Settled
		var left int
		err := i.store.Write(ctx, func(tx store.Tx) error {
			var err error
			if page, err = openIntents(ctx, tx, owner, after); err != nil {
				return err
			}
			var items []intentItem
			for _, in := range page {
				if alive || i.worksOn(in) {
					left++
					continue
				}
				const cause = "its owner died, or lost the database, between asking for a signature and recording it"
				if _, err := i.SettleIntent(ctx, tx, in, StateWrittenOff, cause); err != nil {
					return err
				}
				items = append(items, in.givenUp(StateWrittenOff, cause))
				done = append(done, Settled{Kind: in.Kind, Issuer: in.Issuer, Serial: in.Serial, Number: in.Number,
					Profile: in.Profile, OnCRL: in.Kind == CertificateIntent && i.PublishesCRL(in.Issuer)})
			}
			return auditWriteOff(ctx, tx, i.Now(), "reconcile", items)
		})
		if err != nil {
			return settled, living, err
		}
		settled, living = append(settled, done...), living+left
		if len(page) < pageSize {
			return settled, living, nil
		}
		after = page[len(page)-1].ID
	}
}

func openIntents(ctx context.Context, tx store.Tx, owner store.OwnerID, after int64) ([]*Intent, error) {
	rows, err := tx.Query(ctx, `SELECT `+intentColumns+` FROM intent WHERE state = 'open' AND owner = $1 AND id > $2 ORDER BY id LIMIT $3`,
		string(owner), after, pageSize)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []*Intent
	for rows.Next() {
		in, err := scanIntent(rows)
		if err != nil {
			return nil, err
		}
		page = append(page, in)
	}
	return page, rows.Err()
}

// WriteOffReason is the reason with which a written-off serial stands on a CRL:
// the certificate's life ended before it began. No key is compromised, so that
// keyCompromise would alarm for nothing; unspecified is written by leaving the code
// out, and the entry would not say why it is there.
const WriteOffReason = policy.ReasonCessationOfOperation

// PublishesCRL tells whether an authority, by name or ID, has a CRL or ARL in this
// environment.
func (i *Issuer) PublishesCRL(issuer string) bool {
	name, _ := SplitID(issuer)
	_, ok := i.env.CRL(policy.ProfileName(name))
	return ok
}
