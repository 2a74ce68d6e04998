package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// pause is how long a worker waits before it looks again at items that another
// process has claimed, or whose key another process is certifying.
const pause = 50 * time.Millisecond

// A waiting item has no result yet.
type waiting struct {
	seq   int64
	owner store.OwnerID // who has claimed it
}

// Work issues until every item of the batch has its result. It goes over the items
// that wait, a chunk in each lane: claimed, issued to together, results written. Then
// it looks what still waits, and so on; items that another process has claimed are
// waited for, and taken over if it dies.
//
// An error means that the work stopped, in all lanes: what was done is recorded, and
// giving the same batch again goes on. It is the token's or the database's, or
// ctx's. A claim is given up by Close.
func (b *Batch) Work(ctx context.Context) error {
	left, err := b.begun(ctx)
	for ; ; left, err = b.waiting(ctx) {
		if err != nil {
			return fmt.Errorf("working a batch: %w", err)
		}
		b.progress(0)
		if len(left) == 0 {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("working a batch: %w", err)
		}
		free, err := b.free(ctx, left)
		if err != nil {
			return fmt.Errorf("claiming items: %w", err)
		}
		finished, err := b.round(ctx, free)
		if err != nil {
			return fmt.Errorf("working a batch: %w", err)
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

// begun returns what waits at the beginning of Work: what Enrol saw, the first time.
func (b *Batch) begun(ctx context.Context) ([]waiting, error) {
	if b.worked {
		return b.waiting(ctx)
	}
	left := b.first
	b.worked, b.first = true, nil
	return left, nil
}

// progress tells that some more items have their result.
func (b *Batch) progress(more int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done += more
	if b.cfg.Progress != nil {
		b.cfg.Progress(b.done, len(b.items))
	}
}

// round works the items chunk by chunk, several at a time, and returns how many have
// a result now. No chunk is begun after one has failed.
func (b *Batch) round(ctx context.Context, free []waiting) (int, error) {
	var next, finished atomic.Int64
	var failed atomic.Bool
	chunk := int64(b.cfg.Chunk)
	var lanes errgroup.Group
	for range b.cfg.Lanes {
		lanes.Go(func() error {
			for !failed.Load() && ctx.Err() == nil {
				from := next.Add(chunk) - chunk
				if from >= int64(len(free)) {
					return nil
				}
				n, err := b.chunk(ctx, free[from:min(from+chunk, int64(len(free)))])
				finished.Add(int64(n))
				b.progress(n)
				if err != nil {
					failed.Store(true)
					return err
				}
			}
			return nil
		})
	}
	err := lanes.Wait()
	return int(finished.Load()), err
}

// chunk claims items, issues to those that it got, and returns how many have a result
// now.
func (b *Batch) chunk(ctx context.Context, free []waiting) (int, error) {
	claimed, err := b.claim(ctx, free)
	if err != nil {
		return 0, fmt.Errorf("claiming items: %w", err)
	}
	if len(claimed) == 0 {
		return 0, nil // another process was first
	}
	return b.issue(ctx, claimed)
}

// waiting returns the items of the batch that have no result, and counts the others.
func (b *Batch) waiting(ctx context.Context) ([]waiting, error) {
	var all []waiting
	err := b.store.Read(ctx, func(tx store.Tx) error {
		all = nil
		for _, r := range b.runs() {
			rows, err := tx.Query(ctx, `SELECT seq, owner FROM batch_item WHERE state = 'waiting' AND seq >= $1 AND seq <= $2 ORDER BY seq`, r.first, r.last)
			if err != nil {
				return err
			}
			for rows.Next() {
				var w waiting
				var owner string
				if err := rows.Scan(&w.seq, &owner); err != nil {
					rows.Close()
					return err
				}
				w.owner = store.OwnerID(owner)
				all = append(all, w)
			}
			rows.Close()
			if err := rows.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = len(b.items) - len(all)
	return all, err
}

// runs is the batch's items, in the order of their numbers.
func (b *Batch) runs() []run {
	seqs := make([]int64, len(b.items))
	for n := range b.items {
		seqs[n] = b.items[n].seq
	}
	slices.Sort(seqs)
	return runs(seqs)
}

// free returns the items that nobody has, that a dead process had, or that this one
// had when it lost the database. No lane is at work.
func (b *Batch) free(ctx context.Context, left []waiting) ([]waiting, error) {
	alive := make(map[store.OwnerID]bool)
	var free []waiting
	dead := false
	for _, w := range left {
		if w.owner != "" && w.owner != b.lease.ID() {
			living, known := alive[w.owner]
			if !known {
				var err error
				if living, err = b.store.Alive(ctx, w.owner); err != nil {
					return nil, err
				}
				alive[w.owner] = living
			}
			if living {
				continue
			}
			dead = true
		}
		free = append(free, w)
	}
	if dead {
		// What the dead owner had asked the token for is written off before its items
		// are issued anew.
		if _, err := b.cfg.Issuer.Reconcile(ctx); err != nil {
			return nil, err
		}
	}
	return free, nil
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
