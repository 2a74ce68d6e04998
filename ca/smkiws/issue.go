package smkiws

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A shard is up to a thousand items in a worker's hand.
type shard struct {
	batch    Batch
	number   int64
	attempts int64
	again    bool      // somebody claimed it before
	since    time.Time // when that was
	items    []*work
	tampered bool // it is not what was queued, and nothing of it is issued
}

// work is an item on its way to its outcome.
type work struct {
	item        int64
	der         []byte
	certificate *ca.Certificate
	failure     *failure
}

// issueOne issues one shard, if there is one that nobody is working on.
func (s *Service) issueOne(ctx context.Context) (bool, error) {
	sh, err := s.claim(ctx)
	if err != nil {
		return false, fmt.Errorf("claiming a shard: %w", err)
	}
	if sh == nil {
		return false, nil
	}
	defer s.drop(hand{sh.batch.ID, sh.number})
	if sh.tampered {
		return true, nil
	}
	err = s.at("claimed")
	if err == nil {
		err = s.issue(ctx, sh)
	}
	if err := ignoreLost(err); err != nil {
		return false, fmt.Errorf("issuing shard %d of batch %d: %w", sh.number, sh.batch.ID, err)
	}
	return true, nil
}

const waitingShards = `FROM smkiws_shard JOIN smkiws_batch ON smkiws_batch.id = smkiws_shard.batch
	WHERE smkiws_shard.done = 0 AND smkiws_shard.not_before <= $1 AND smkiws_batch.state IN ('QUEUED', 'PROCESSING', 'PAUSED')`

// claim takes the first free shard: batches are taken in turn (AppN 3.1.1), those above
// their Party's notice last. The first claim of a batch, and the first after a pause,
// set it PROCESSING. A shard that is not what was queued sets it TAMPERED instead.
func (s *Service) claim(ctx context.Context) (*shard, error) {
	now := s.now()
	var sh *shard
	undo := func() {
		if sh != nil {
			s.drop(hand{sh.batch.ID, sh.number})
			sh = nil
		}
	}
	err := s.writeIf(ctx, `SELECT COUNT(*) `+waitingShards, func(tx store.Tx) error {
		undo() // this transaction is run again
		candidates, err := ownedIn(ctx, tx, `SELECT smkiws_shard.batch, smkiws_shard.shard, smkiws_shard.owner `+waitingShards+
			` ORDER BY smkiws_batch.excess, smkiws_shard.batch, smkiws_shard.shard LIMIT 64`, now.UnixMicro())
		if err != nil {
			return err
		}
		for _, o := range candidates {
			h := hand{o.batch, o.shard}
			if free, err := s.free(ctx, o.owner, h); err != nil {
				return err
			} else if !free || !s.take(h) {
				continue
			}
			sh = &shard{number: o.shard}
			sh.batch.ID = o.batch
			return s.claimIn(ctx, tx, sh, now)
		}
		return nil
	}, now.UnixMicro())
	if err != nil {
		undo()
		return nil, err
	}
	return sh, nil
}

func (s *Service) claimIn(ctx context.Context, tx store.Tx, sh *shard, now time.Time) error {
	var claimed sql.NullInt64
	err := tx.QueryRow(ctx, `SELECT attempts, claimed_at FROM smkiws_shard WHERE batch = $1 AND shard = $2`, sh.batch.ID, sh.number).Scan(&sh.attempts, &claimed)
	if err != nil {
		return err
	}
	sh.again, sh.since = claimed.Valid, moment(claimed)
	if sh.batch, err = scanBatch(tx.QueryRow(ctx, `SELECT `+batchColumns+` FROM smkiws_batch WHERE id = $1`, sh.batch.ID)); err != nil {
		return err
	}
	items, err := sh.read(ctx, tx)
	if err != nil {
		return err
	}
	why, err := s.broken(ctx, tx, sh, items)
	if err != nil {
		return err
	}
	if why != "" {
		sh.tampered = true
		s.logger.Error("batch tampered with", "batch", sh.batch.ID, "party", sh.batch.Party, "reason", why)
		return s.moveIn(ctx, tx, &sh.batch, Tampered, "ca", why)
	}
	_, err = tx.Exec(ctx, `UPDATE smkiws_shard SET owner = $1, claimed_at = COALESCE(claimed_at, $2) WHERE batch = $3 AND shard = $4`,
		string(s.lease.ID()), now.UnixMicro(), sh.batch.ID, sh.number)
	if err != nil {
		return err
	}
	if sh.batch.State != Processing {
		if err := s.moveIn(ctx, tx, &sh.batch, Processing, "ca", ""); err != nil {
			return err
		}
	}
	return nil
}

// read reads the items of a shard that have no outcome, and returns the digest of all:
// what is issued is what was digested, and not what a later look would find.
func (sh *shard) read(ctx context.Context, tx store.Tx) (string, error) {
	rows, err := tx.Query(ctx, `SELECT i.item, i.name, i.csr, o.item FROM smkiws_item i LEFT JOIN smkiws_outcome o ON o.batch = i.batch AND o.item = i.item
		WHERE i.batch = $1 AND i.item > $2 AND i.item <= $3 ORDER BY i.item`, sh.batch.ID, (sh.number-1)*shardSize, sh.number*shardSize)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	sh.items = nil
	d := newDigest()
	for rows.Next() {
		w := &work{}
		var name string
		var outcome sql.NullInt64
		if err := rows.Scan(&w.item, &name, &w.der, &outcome); err != nil {
			return "", err
		}
		d.add(w.item, []byte(name), w.der)
		if !outcome.Valid {
			sh.items = append(sh.items, w)
		}
	}
	return d.String(), rows.Err()
}

// issue gives every item of a shard its outcome, or leaves those to another attempt
// that a failure of ours has hit.
func (s *Service) issue(ctx context.Context, sh *shard) error {
	todo := sh.items
	if sh.again {
		var err error
		if todo, err = s.adopt(ctx, sh); err != nil {
			return err
		}
	}
	todo = s.send(ctx, sh.batch, todo)
	// Two requests for one key in one call are decided in turn: the second is told that
	// the first is being issued, and by now it has been.
	s.send(ctx, sh.batch, todo)
	if sh.again {
		if err := s.adoptLate(ctx, sh); err != nil {
			return err
		}
	}
	if err := s.at("issued"); err != nil {
		return err
	}
	// Who stops this process must not take what was issued with it.
	return s.settle(context.WithoutCancel(ctx), sh, ctx.Err() != nil)
}

// send asks the CA for certificates and returns the items that met another issuance
// for the same key.
func (s *Service) send(ctx context.Context, b Batch, todo []*work) (conflicts []*work) {
	if len(todo) == 0 {
		return nil
	}
	requests := make([]ca.Request, len(todo))
	for n, w := range todo {
		requests[n] = ca.Request{DER: w.der, Requester: b.Requester, Type: policy.ProfileDevice}
	}
	results, err := s.cfg.Issuer.IssueBatch(ctx, requests)
	if err != nil {
		s.logger.Error("issuing a shard", "batch", b.ID, "error", err)
		f := failureOf(err, true)
		for _, w := range todo {
			w.failure = f
		}
		return nil
	}
	for n, w := range todo {
		w.certificate, w.failure = results[n].Certificate, nil
		if err := results[n].Err; err != nil {
			w.failure = failureOf(err, false)
			if w.failure.check == checkConflict {
				conflicts = append(conflicts, w)
			} else if w.failure.ours {
				s.logger.Error("issuing an item", "batch", b.ID, "item", w.item, "error", err)
			}
		}
	}
	return conflicts
}

// adopt finds, for a shard that was claimed before, the certificates that were
// recorded and did not reach their items, and returns the items that have none. A
// certificate is an item's if it has the item's key, device and usage, was asked for
// by the batch's requester, was recorded since the first claim, and is no other
// item's. Package ca certifies a key once, so that there is at most one.
func (s *Service) adopt(ctx context.Context, sh *shard) (todo []*work, err error) {
	taken := make(map[policy.Serial]bool)
	for _, w := range sh.items {
		found, err := s.find(ctx, sh, w)
		if err != nil {
			return nil, err
		}
		if found == nil || taken[found.Serial] {
			todo = append(todo, w)
			continue
		}
		taken[found.Serial] = true
		w.certificate = found
	}
	return todo, nil
}

// adoptLate looks once more for certificates of items that were refused because their
// key has one. On a database whose leases run out by the clock, a former owner may have
// been slow and not dead, and have recorded them after the first look.
func (s *Service) adoptLate(ctx context.Context, sh *shard) error {
	taken := make(map[policy.Serial]bool)
	for _, w := range sh.items {
		if w.certificate != nil {
			taken[w.certificate.Serial] = true
		}
	}
	for _, w := range sh.items {
		if w.failure == nil || w.failure.check != checkKeyReuse {
			continue
		}
		found, err := s.find(ctx, sh, w)
		if err != nil {
			return err
		}
		if found != nil && !taken[found.Serial] {
			taken[found.Serial] = true
			w.certificate = found
		}
	}
	return nil
}

func (s *Service) find(ctx context.Context, sh *shard, w *work) (*ca.Certificate, error) {
	request, err := policy.ParseRequest(w.der)
	if err != nil || request.Kind() != policy.ProfileDevice {
		return nil, nil //nolint:nilerr // the CA will refuse it, and say why
	}
	key, err := ca.KeyHashOf(request.PublicKey)
	if err != nil {
		return nil, nil //nolint:nilerr // as above
	}
	certificates, err := s.cfg.Issuer.BySPKI(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, c := range certificates {
		if c.Profile != policy.ProfileDevice || c.Requester != sh.batch.Requester || c.Entity == nil || *c.Entity != request.DeviceID ||
			c.Usage != request.Usage || c.RecordedAt.Before(sh.since.Add(-clockSlack)) {
			continue
		}
		if parsed, err := c.Parse(); err != nil || !parsed.HardwareType.Equal(request.HardwareType) {
			continue
		}
		free := false
		err := s.store.Read(ctx, func(tx store.Tx) error {
			var n int64
			err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM smkiws_outcome WHERE serial = $1`, c.Serial[:]).Scan(&n)
			free = n == 0
			return err
		})
		if err != nil {
			return nil, err
		}
		if free {
			return c, nil
		}
	}
	return nil, nil
}

// clockSlack is how long before a shard's first claim a certificate may have been
// recorded and still be taken for the shard's: clocks are set back now and then.
const clockSlack = 10 * time.Minute

// settle writes the outcomes. The last shard of a batch completes it. A shard with
// failures of ours goes back, to be tried again after a pause, until Limits.Attempts
// are used up; one that was stopped goes back at once.
func (s *Service) settle(ctx context.Context, sh *shard, stopped bool) error {
	return s.store.WriteLong(ctx, func(tx store.Tx) error {
		var owner string
		err := tx.QueryRow(ctx, `SELECT owner FROM smkiws_shard WHERE batch = $1 AND shard = $2 AND done = 0`, sh.batch.ID, sh.number).Scan(&owner)
		if errors.Is(err, sql.ErrNoRows) || err == nil && owner != string(s.lease.ID()) {
			return errLost
		}
		if err != nil {
			return err
		}
		last := int(sh.attempts)+1 >= s.limits.Attempts && !stopped
		left := false
		outcomes := store.Rows{Table: "smkiws_outcome", Columns: outcomeColumns}
		for _, w := range sh.items {
			switch {
			case w.certificate != nil:
				outcomes.Values = append(outcomes.Values, []any{sh.batch.ID, w.item, "SUCCESS", "", "", w.certificate.Serial[:]})
			case w.failure == nil || w.failure.ours && !last:
				left = true
			default:
				v := s.checks.named(w.failure.check).Item
				outcomes.Values = append(outcomes.Values, []any{sh.batch.ID, w.item, v.Status, v.Code, w.failure.detail, nil})
			}
		}
		if err := insert(ctx, tx, outcomes); err != nil {
			return err
		}
		if left && stopped {
			_, err := tx.Exec(ctx, `UPDATE smkiws_shard SET owner = '' WHERE batch = $1 AND shard = $2`, sh.batch.ID, sh.number)
			return err
		}
		if left {
			pause := s.limits.Backoff << min(sh.attempts, 10)
			_, err := tx.Exec(ctx, `UPDATE smkiws_shard SET owner = '', attempts = attempts + 1, not_before = $1 WHERE batch = $2 AND shard = $3`,
				s.now().Add(pause).UnixMicro(), sh.batch.ID, sh.number)
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE smkiws_shard SET done = 1, owner = '' WHERE batch = $1 AND shard = $2`, sh.batch.ID, sh.number); err != nil {
			return err
		}
		if err := s.ended(ctx, tx, sh); err != nil {
			return err
		}
		var waiting int64
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM smkiws_shard WHERE batch = $1 AND done = 0`, sh.batch.ID).Scan(&waiting); err != nil || waiting > 0 {
			return err
		}
		b, err := scanBatch(tx.QueryRow(ctx, `SELECT `+batchColumns+` FROM smkiws_batch WHERE id = $1`, sh.batch.ID))
		if err != nil || b.State.Final() {
			return err // another shard was found changed meanwhile; what this one has stands
		}
		// The upload has served; its digest stays, here and in the audit log.
		if _, err := tx.Exec(ctx, `DELETE FROM smkiws_upload WHERE upload = $1`, sh.batch.upload); err != nil {
			return err
		}
		return s.moveIn(ctx, tx, &b, Completed, "ca", "")
	})
}

// reportOf is the word of an item in the portal's report (AppM, App. F).
func (s *Service) reportOf(status, code string) Verdict {
	if status == "SUCCESS" {
		return Verdict{Status: "success"}
	}
	for _, row := range s.checks.rows {
		if row.Item.Status == status && row.Item.Code == code {
			return row.Report
		}
	}
	return Verdict{Status: "error", Code: code}
}
