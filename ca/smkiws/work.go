package smkiws

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
)

// shardSize is how many requests are issued together: what package ca takes at once.
const shardSize = ca.MaxBatch

// A hand is what a worker of this process holds: a shard, or with shard 0 the parsing
// of a batch. What has this process's lease on it and is in no worker's hand was
// dropped by a failure, and is picked up again.
type hand struct{ batch, shard int64 }

// Work does one thing that is to be done: it parses a batch, or issues one shard, or
// closes the window. It reports false when there is nothing to do. It may be called by
// several goroutines, here and in other processes, with [Service.Attend] or without.
func (s *Service) Work(ctx context.Context) (bool, error) {
	if err := s.purgeIfDue(ctx); err != nil {
		return false, err
	}
	if did, err := s.parseOne(ctx, 0); did || err != nil {
		return did, err
	}
	if !s.cfg.Window.Open(s.now()) {
		return s.pause(ctx)
	}
	return s.issueOne(ctx)
}

// take puts something into this process's hands, inside the transaction that claims
// it, so that no other worker of the process finds it free in between.
func (s *Service) take(h hand) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hands[h] {
		return false
	}
	s.hands[h] = true
	return true
}

func (s *Service) drop(h hand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hands, h)
}

// free tells in tx whether what owner holds may be taken: nobody holds it, or a dead
// process, or this one in no hand.
func (s *Service) free(ctx context.Context, owner string, h hand) (bool, error) {
	if owner == "" {
		return true, nil
	}
	if owner == string(s.lease.ID()) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.hands[h], nil
	}
	alive, err := s.store.Alive(ctx, store.OwnerID(owner))
	return !alive, err
}

// pause moves what is being processed to PAUSED when the window is closed and no
// shard is in anybody's hand.
func (s *Service) pause(ctx context.Context) (bool, error) {
	did := false
	err := s.writeIf(ctx, `SELECT COUNT(*) FROM smkiws_batch WHERE state = 'PROCESSING'`, func(tx store.Tx) error {
		did = false
		batches, err := batchesIn(ctx, tx, `state = 'PROCESSING' ORDER BY id`)
		if err != nil {
			return err
		}
		for _, b := range batches {
			busy, err := s.busyIn(ctx, tx, b.ID)
			if err != nil {
				return err
			}
			if busy {
				continue
			}
			if err := s.moveIn(ctx, tx, &b, Paused, "configuration", "the processing window is closed"); err != nil {
				return err
			}
			did = true
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("pausing batches: %w", err)
	}
	return did, nil
}

// writeIf runs a write only where a count is not zero, because a write costs an fsync
// and looking does not.
func (s *Service) writeIf(ctx context.Context, count string, write func(store.Tx) error, args ...any) error {
	var n int64
	err := s.store.Read(ctx, func(tx store.Tx) error { return tx.QueryRow(ctx, count, args...).Scan(&n) })
	if err != nil || n == 0 {
		return err
	}
	return s.store.Write(ctx, write)
}

type owned struct {
	batch, shard int64
	owner        string
}

// busyIn tells in tx whether a shard of a batch is in somebody's hand.
func (s *Service) busyIn(ctx context.Context, tx store.Tx, batch int64) (bool, error) {
	held, err := ownedIn(ctx, tx, `SELECT batch, shard, owner FROM smkiws_shard WHERE batch = $1 AND done = 0 AND owner <> ''`, batch)
	if err != nil {
		return false, err
	}
	for _, o := range held {
		if free, err := s.free(ctx, o.owner, hand{o.batch, o.shard}); err != nil || !free {
			return !free, err
		}
	}
	return false, nil
}

func ownedIn(ctx context.Context, tx store.Tx, query string, args ...any) ([]owned, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []owned
	for rows.Next() {
		var o owned
		if err := rows.Scan(&o.batch, &o.shard, &o.owner); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, rows.Err()
}

// purgeEvery is how often a process looks for results to remove.
const purgeEvery = time.Hour

func (s *Service) purgeIfDue(ctx context.Context) error {
	now := s.now()
	s.mu.Lock()
	due := !now.Before(s.nextPurge)
	if due {
		s.nextPurge = now.Add(purgeEvery)
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	return s.Purge(ctx)
}

// Purge removes the results that were kept for as long as Limits.Retention says
// (AppM 2.3.1.9, 2.5.1.4), and what interrupted uploads have left. The row of a batch
// stays, so that its BatchId is never another's; its certificates stay in the ledger.
func (s *Service) Purge(ctx context.Context) error {
	now := s.now()
	const old = `finished_at IS NOT NULL AND purged_at IS NULL AND finished_at <= $1`
	limit := now.Add(-s.limits.Retention).UnixMicro()
	err := s.writeIf(ctx, `SELECT COUNT(*) FROM smkiws_batch WHERE `+old, func(tx store.Tx) error {
		batches, err := batchesIn(ctx, tx, old+` ORDER BY id`, limit)
		if err != nil {
			return err
		}
		for _, b := range batches {
			if err := forget(ctx, tx, b.ID); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `DELETE FROM smkiws_upload WHERE upload = $1`, b.upload); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE smkiws_batch SET purged_at = $1 WHERE id = $2`, now.UnixMicro(), b.ID); err != nil {
				return err
			}
			// So that results which are gone are told from results that were taken away.
			if _, err := audit.Append(ctx, tx, audit.Event{Kind: KindPurged, At: now, By: "ca", Body: map[string]any{"batch": b.ID, "party": b.Party}}); err != nil {
				return err
			}
		}
		return nil
	}, limit)
	if err == nil {
		const orphans = `at < $1 AND upload NOT IN (SELECT upload FROM smkiws_batch)`
		day := now.Add(-24 * time.Hour).UnixMicro()
		err = s.writeIf(ctx, `SELECT COUNT(*) FROM smkiws_upload WHERE `+orphans, func(tx store.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM smkiws_upload WHERE `+orphans, day)
			return err
		}, day)
	}
	if err != nil {
		return fmt.Errorf("removing old results: %w", err)
	}
	return nil
}

// errLost is returned inside a transaction that finds its shard or batch in other
// hands: somebody took this process for dead. What it did stands by itself.
var errLost = errors.New("another process has taken over")

func ignoreLost(err error) error {
	if errors.Is(err, errLost) || errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
