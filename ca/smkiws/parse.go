package smkiws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"smki.example/ca/store"
)

// parseOne parses an approved batch, a certain one or, with 0, any, if there is one that
// nobody is parsing.
func (s *Service) parseOne(ctx context.Context, only int64) (bool, error) {
	var b Batch
	found := false
	err := s.writeIf(ctx, `SELECT COUNT(*) FROM smkiws_batch WHERE state = 'PARSING'`, func(tx store.Tx) error {
		if found {
			s.drop(hand{b.ID, 0}) // this transaction is run again
			found = false
		}
		candidates, err := ownedIn(ctx, tx, `SELECT id, 0, owner FROM smkiws_batch WHERE state = 'PARSING' AND CAST($1 AS BIGINT) IN (0, id) ORDER BY excess, id LIMIT 64`, only)
		if err != nil {
			return err
		}
		for _, o := range candidates {
			h := hand{o.batch, 0}
			if free, err := s.free(ctx, o.owner, h); err != nil {
				return err
			} else if !free || !s.take(h) {
				continue
			}
			b.ID, found = o.batch, true
			if _, err := tx.Exec(ctx, `UPDATE smkiws_batch SET owner = $1 WHERE id = $2`, string(s.lease.ID()), o.batch); err != nil {
				return err
			}
			// What an interrupted parse has left is not trusted.
			if err := forget(ctx, tx, o.batch); err != nil {
				return err
			}
			b, err = scanBatch(tx.QueryRow(ctx, `SELECT `+batchColumns+` FROM smkiws_batch WHERE id = $1`, o.batch))
			return err
		}
		return nil
	})
	if found {
		defer s.drop(hand{b.ID, 0})
	}
	if err != nil || !found {
		if err != nil {
			err = fmt.Errorf("claiming a batch to parse: %w", err)
		}
		return false, err
	}
	if err := ignoreLost(s.parse(ctx, b)); err != nil {
		return false, fmt.Errorf("parsing batch %d: %w", b.ID, err)
	}
	return true, nil
}

// parse turns the octets of an upload into items. They are hashed as they are read,
// and count only if the digest at the end is that of the upload: a batch whose
// contents changed is TAMPERED, whatever the changed contents say.
func (s *Service) parse(ctx context.Context, b Batch) error {
	in := &itemWriter{service: s, batch: b}
	digest := sha256.New()
	source := io.TeeReader(&pieces{ctx: ctx, store: s.store, id: b.upload}, digest)
	var err error
	if b.Channel == PortalChannel {
		err = s.parseArchive(ctx, source, in)
	} else {
		_, err = ReadBatch(source, s.limits, func(it Item) error { return in.add(ctx, it) })
	}
	var ours *outage
	if errors.As(err, &ours) || errors.Is(err, errLost) || errors.Is(err, errSpool) || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	if _, rerr := io.Copy(io.Discard, source); rerr != nil { // a reader that stopped early
		return rerr
	}
	intact := [32]byte(digest.Sum(nil)) == b.Digest
	if intact && err != nil {
		// What was accepted cannot be read any more, though not an octet has changed:
		// this program reads otherwise than the one that accepted it.
		return fmt.Errorf("the upload is as it was accepted, and cannot be read: %w", err)
	}
	if err == nil {
		if err := in.flush(ctx); err != nil {
			return err
		}
	}
	if err := s.at("parsed"); err != nil {
		return err
	}
	return s.store.Write(ctx, func(tx store.Tx) error {
		batch := b
		if err := s.holdsBatch(ctx, tx, b.ID); err != nil {
			return err
		}
		if !intact || in.total != b.Items {
			if err := forget(ctx, tx, b.ID); err != nil {
				return err
			}
			why := fmt.Sprintf("the octets at parsing have SHA-256 %s", hex.EncodeToString(digest.Sum(nil)))
			s.logger.Error("batch tampered with", "batch", b.ID, "party", b.Party, "reason", why)
			return s.moveIn(ctx, tx, &batch, Tampered, "ca", why)
		}
		shards := store.Rows{Table: "smkiws_shard", Columns: []string{"batch", "shard"}}
		var tasks []task
		for shard := int64(1); (shard-1)*shardSize < int64(in.total); shard++ {
			shards.Values = append(shards.Values, []any{b.ID, shard})
			tasks = append(tasks, task{batch: b.ID, shard: shard})
		}
		if err := insert(ctx, tx, shards); err != nil {
			return err
		}
		if err := s.wakeIn(ctx, tx, tasks...); err != nil {
			return err
		}
		// From what was uploaded, not from the rows: they may have been changed already.
		batch.shards = in.digests
		return s.moveIn(ctx, tx, &batch, Queued, "ca", "")
	})
}

// parseArchive unpacks an upload's archive from a spool, because the directory of a
// zip archive stands at its end.
func (s *Service) parseArchive(ctx context.Context, source io.Reader, in *itemWriter) error {
	sp, err := newSpool(s.cfg.Spool)
	if err != nil {
		return &outage{err}
	}
	defer sp.Close()
	if _, err := io.Copy(sp, io.LimitReader(source, s.limits.BatchOctets+1)); err != nil {
		return err
	}
	return ReadArchive(sp.file, sp.octets, s.limits, func(it Item) error { return in.add(ctx, it) })
}

// holdsBatch returns errLost unless this process is still the one that parses a batch.
func (s *Service) holdsBatch(ctx context.Context, tx store.Tx, id int64) error {
	var owner, state string
	if err := tx.QueryRow(ctx, `SELECT owner, state FROM smkiws_batch WHERE id = $1`, id).Scan(&owner, &state); err != nil {
		return err
	}
	if owner != string(s.lease.ID()) || State(state) != Parsing {
		return errLost
	}
	return nil
}

// An itemWriter collects items and writes a thousand of them in a transaction.
type itemWriter struct {
	service *Service
	batch   Batch
	waiting []Item
	total   int
	digests []string // of what was written, one a flush, which is a shard
}

func (w *itemWriter) add(ctx context.Context, it Item) error {
	w.waiting = append(w.waiting, it)
	if len(w.waiting) < shardSize {
		return nil
	}
	return w.flush(ctx)
}

// flush writes what is waiting. An item whose text could not be read has its outcome
// with that.
func (w *itemWriter) flush(ctx context.Context) error {
	if len(w.waiting) == 0 {
		return nil
	}
	s := w.service
	unreadable := s.checks.named(checkEncoding).Item
	err := s.store.WriteLong(ctx, func(tx store.Tx) error {
		if err := s.holdsBatch(ctx, tx, w.batch.ID); err != nil {
			return err
		}
		items := store.Rows{Table: "smkiws_item", Columns: []string{"batch", "item", "name", "csr"}}
		outcomes := store.Rows{Table: "smkiws_outcome", Columns: outcomeColumns}
		for n, it := range w.waiting {
			number := int64(w.total + n + 1)
			var csr any = it.DER
			if it.Err != nil {
				csr = nil
				outcomes.Values = append(outcomes.Values, []any{w.batch.ID, number, unreadable.Status, unreadable.Code, it.Err.Error(), nil})
			}
			items.Values = append(items.Values, []any{w.batch.ID, number, it.Name, csr})
		}
		return insert(ctx, tx, items, outcomes)
	})
	if err != nil {
		return &outage{err}
	}
	d := newDigest()
	for n, it := range w.waiting {
		csr := it.DER
		if it.Err != nil {
			csr = nil
		}
		d.add(int64(w.total+n+1), []byte(it.Name), csr)
	}
	w.digests = append(w.digests, d.String())
	w.total += len(w.waiting)
	w.waiting = w.waiting[:0]
	return s.at("items-written")
}

var outcomeColumns = []string{"batch", "item", "status", "code", "detail", "serial"}

// insert adds rows to their tables.
func insert(ctx context.Context, tx store.Tx, tables ...store.Rows) error {
	for _, rows := range tables {
		if len(rows.Values) == 0 {
			continue
		}
		if _, err := tx.Insert(ctx, rows); err != nil {
			return err
		}
	}
	return nil
}

// forget removes what was parsed of a batch.
func forget(ctx context.Context, tx store.Tx, batch int64) error {
	for _, statement := range []string{`DELETE FROM smkiws_outcome WHERE batch = $1`, `DELETE FROM smkiws_item WHERE batch = $1`, `DELETE FROM smkiws_shard WHERE batch = $1`} {
		if _, err := tx.Exec(ctx, statement, batch); err != nil {
			return err
		}
	}
	return nil
}
