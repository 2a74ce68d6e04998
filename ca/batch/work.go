package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// pause is how long a worker waits before it looks again at items that another
// process has claimed, or whose key another process is certifying.
const pause = 50 * time.Millisecond

// A row is one waiting item.
type row struct {
	seq       int64
	id        string
	owner     store.OwnerID
	tries     int
	requester string
	request   []byte

	state     State
	untouched bool // another process was certifying the key: nothing was signed for this item
	serial    *policy.Serial
	errorCode string
	detail    string
	der       []byte
}

// Work issues until every item of the batch has its result. It claims a chunk of
// items, issues to them together, and writes their results, and so on;
// items that another process has claimed are waited for, and taken over if it dies.
//
// An error means that the work stopped: what was done is recorded, and giving the
// same batch again goes on. It is the token's or the database's, or ctx's. A claim is
// given up by Close.
func (b *Batch) Work(ctx context.Context) error {
	for {
		waiting, err := b.waiting(ctx)
		if err != nil {
			return fmt.Errorf("working a batch: %w", err)
		}
		if b.cfg.Progress != nil {
			b.cfg.Progress(len(b.seqs)-len(waiting), len(b.seqs))
		}
		if len(waiting) == 0 {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("working a batch: %w", err)
		}
		claimed, err := b.claim(ctx, waiting)
		if err != nil {
			return fmt.Errorf("claiming items: %w", err)
		}
		finished := 0
		if len(claimed) > 0 {
			if finished, err = b.issue(ctx, claimed); err != nil {
				return fmt.Errorf("working a batch: %w", err)
			}
		}
		if finished == 0 {
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

// waiting returns the items of the batch that have no result, in order.
func (b *Batch) waiting(ctx context.Context) ([]*row, error) {
	if len(b.seqs) == 0 {
		return nil, nil
	}
	least, most := b.seqs[0], b.seqs[0]
	for _, seq := range b.seqs {
		least, most = min(least, seq), max(most, seq)
	}
	var all []*row
	err := b.store.Read(ctx, func(tx store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT seq, owner FROM batch_item WHERE state = 'waiting' AND seq >= $1 AND seq <= $2 ORDER BY seq`, least, most)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r row
			var owner string
			if err := rows.Scan(&r.seq, &owner); err != nil {
				return err
			}
			r.owner = store.OwnerID(owner)
			if _, ours := b.place[r.seq]; ours {
				all = append(all, &r)
			}
		}
		return rows.Err()
	})
	return all, err
}

// claim takes items that nobody has, that a dead process had, or that this one had
// when it lost the database.
func (b *Batch) claim(ctx context.Context, waiting []*row) ([]*row, error) {
	alive := make(map[store.OwnerID]bool)
	var free []*row
	dead := false
	for _, r := range waiting {
		if r.owner != "" && r.owner != b.lease.ID() {
			living, known := alive[r.owner]
			if !known {
				var err error
				if living, err = b.store.Alive(ctx, r.owner); err != nil {
					return nil, err
				}
				alive[r.owner] = living
			}
			if living {
				continue
			}
			dead = true
		}
		if free = append(free, r); len(free) == b.cfg.Chunk {
			break
		}
	}
	if dead {
		// What the dead owner had asked the token for is written off before its items
		// are issued anew.
		if _, err := b.cfg.Issuer.Reconcile(ctx); err != nil {
			return nil, err
		}
	}
	var claimed []*row
	err := b.store.Write(ctx, func(tx store.Tx) error {
		claimed = nil
		for _, r := range free {
			n, err := tx.Exec(ctx, `UPDATE batch_item SET owner = $1, tries = tries + 1 WHERE seq = $2 AND state = 'waiting' AND owner = $3`,
				string(b.lease.ID()), r.seq, string(r.owner))
			if err != nil {
				return err
			}
			if n == 0 {
				continue // another process was first
			}
			err = tx.QueryRow(ctx, `SELECT batch_item.id, tries, requester, request FROM batch_item JOIN batch ON batch.id = batch_item.batch WHERE seq = $1`, r.seq).
				Scan(&r.id, &r.tries, &r.requester, &r.request)
			if err != nil {
				return err
			}
			claimed = append(claimed, r)
		}
		return nil
	})
	return claimed, err
}

// issue issues to claimed items, writes their results, and returns how many have
// one now. Items that could not be decided are given back. It is an error if there
// was an outage and nothing at all was achieved.
func (b *Batch) issue(ctx context.Context, claimed []*row) (int, error) {
	if err := b.recover(ctx, claimed); err != nil {
		return 0, errors.Join(err, b.settle(ctx, claimed))
	}
	var asked []*row
	var requests []ca.Request
	for _, r := range claimed {
		if r.state != "" {
			continue
		}
		der, err := policy.DecodePEMOrBase64(r.request, "request")
		if err != nil {
			r.refuse(&ca.Refusal{Rule: "encoding", Err: err})
			continue
		}
		asked = append(asked, r)
		requests = append(requests, ca.Request{DER: der, Requester: r.requester})
	}
	var outage error
	if len(requests) > 0 {
		results, err := b.cfg.Issuer.IssueBatch(ctx, requests)
		if err != nil {
			outage = err
			results = nil
		}
		for n, result := range results {
			if err := asked[n].result(result); err != nil && outage == nil {
				outage = err
			}
		}
	}
	if err := b.settle(ctx, claimed); err != nil {
		return 0, errors.Join(outage, err)
	}
	finished := 0
	for _, r := range claimed {
		if r.state != "" {
			finished++
		}
		if r.der != nil && b.cfg.Issued != nil {
			if err := b.cfg.Issued(r.id, r.der); err != nil {
				return finished, err
			}
		}
	}
	if finished > 0 && context.Cause(ctx) == nil {
		return finished, nil // what failed is tried again
	}
	return finished, outage
}

// recover looks for what an earlier claim of an item has achieved: a certificate of
// the item's key that was recorded for the item's batch and is no other item's.
func (b *Batch) recover(ctx context.Context, claimed []*row) error {
	taken := make(map[policy.Serial]bool)
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
			if c.Requester != r.requester || taken[c.Serial] {
				continue
			}
			free, err := b.free(ctx, c.Serial)
			if err != nil {
				return err
			}
			if free {
				taken[c.Serial] = true
				r.succeed(c)
				break
			}
		}
	}
	return nil
}

// free tells whether a certificate is no item's result yet.
func (b *Batch) free(ctx context.Context, serial policy.Serial) (bool, error) {
	var n int
	err := b.store.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM batch_item WHERE serial = $1`, serial[:]).Scan(&n)
	})
	return n == 0, err
}

// settle writes the results of claimed items and gives back those without one. The
// caller may have gone; what was issued is written all the same.
func (b *Batch) settle(ctx context.Context, claimed []*row) error {
	ctx = context.WithoutCancel(ctx)
	return b.store.Write(ctx, func(tx store.Tx) error {
		now := b.cfg.Issuer.Now().UnixMicro()
		for _, r := range claimed {
			var n int64
			var err error
			if r.state == "" {
				// A claim that came to nothing does not count: the next worker then takes
				// no certificate of the key for this item's.
				again := r.tries
				if r.untouched {
					again--
				}
				n, err = tx.Exec(ctx, `UPDATE batch_item SET owner = '', tries = $1 WHERE seq = $2 AND state = 'waiting' AND owner = $3`, again, r.seq, string(b.lease.ID()))
			} else {
				var serial any
				if r.serial != nil {
					serial = r.serial[:]
				}
				n, err = tx.Exec(ctx, `UPDATE batch_item SET state = $1, owner = '', serial = $2, error_code = $3, detail = $4, settled_at = $5
					WHERE seq = $6 AND state = 'waiting' AND owner = $7`,
					string(r.state), serial, r.errorCode, r.detail, now, r.seq, string(b.lease.ID()))
			}
			if err != nil {
				return fmt.Errorf("writing the result of %q: %w", r.id, err)
			}
			if n != 1 {
				return fmt.Errorf("writing the result of %q: another process has claimed it; is the lease file of this one gone?", r.id)
			}
		}
		return nil
	})
}
