package smkiws

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"smki.example/ca/store"
)

// A task is what somebody is woken for: a batch that is to be parsed or, with a shard,
// one that is to be issued. Its name is stored: never change its form.
type task struct{ batch, shard int64 }

func (k task) String() string {
	if k.shard == 0 {
		return strconv.FormatInt(k.batch, 10)
	}
	return fmt.Sprintf("%d/%d", k.batch, k.shard)
}

func parseTask(name string) (k task, err error) {
	batch, shard, is := strings.Cut(name, "/")
	if k.batch, err = strconv.ParseInt(batch, 10, 64); err == nil && is {
		k.shard, err = strconv.ParseInt(shard, 10, 64)
	}
	if err != nil || k.batch <= 0 || k.shard < 0 || k.String() != name {
		return k, fmt.Errorf("attending to %q: want a batch, or a batch and a shard as in 17/3", name)
	}
	return k, nil
}

// Sweep is the name with which [Service.Attend] is to be called now and then: old
// results are removed, and somebody is woken for whatever waits.
const Sweep = "sweep"

const (
	// turn is how long one call of Attend takes up work, so that its process can be
	// stopped, and others have their turn. A shard that is begun is finished.
	turn = 10 * time.Second

	// What Attend waits for: a shard or a batch in another process's hands, whose death
	// is told by its lease; and at most a minute for a window or a next attempt, which
	// the configuration or a clock may have moved.
	waitForOthers, waitAtMost = 2 * time.Second, time.Minute
)

// Attend sees to what Config.Wake has asked for, by its name, and returns zero when
// there is nothing left to do about it. Otherwise it wants to be called again after the
// time it returns: the thing is in the hands of another process, which may die, or
// waits for a window or for its next attempt. After an error it is to be called again
// as well. Calling it too often, or in several processes at once, does no harm.
//
// Shards are worked in the turn of their batches, whoever is woken for which: a call
// takes up the first shard that is free, and goes on with the next while it has its
// turn.
func (s *Service) Attend(ctx context.Context, name string) (again time.Duration, err error) {
	if name == Sweep {
		return 0, s.sweep(ctx)
	}
	k, err := parseTask(name)
	if err != nil {
		return 0, err
	}
	for began := time.Now(); ; {
		did, err := s.step(ctx, k)
		if err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if did && time.Since(began) < turn {
			continue
		}
		again, err := s.left(ctx, k)
		if err == nil && again > 0 && did {
			again = time.Millisecond // its turn is over, and there is work
		}
		return again, err
	}
}

// step does one thing of the kind that a task is.
func (s *Service) step(ctx context.Context, k task) (bool, error) {
	if k.shard == 0 {
		return s.parseOne(ctx, k.batch)
	}
	if s.cfg.Window.Open(s.now()) {
		return s.issueOne(ctx)
	}
	return s.pause(ctx)
}

// left tells how long a task is to be left alone; zero: it is done.
func (s *Service) left(ctx context.Context, k task) (time.Duration, error) {
	var left int64
	var next sql.NullInt64
	query, args := `SELECT COUNT(*), NULL FROM smkiws_batch WHERE id = $1 AND state = 'PARSING'`, []any{k.batch}
	if k.shard != 0 {
		query, args = `SELECT COUNT(*), MAX(not_before) FROM smkiws_shard WHERE batch = $1 AND shard = $2 AND done = 0
			AND NOT EXISTS (SELECT 1 FROM smkiws_batch WHERE id = smkiws_shard.batch AND state = 'TAMPERED')`, append(args, k.shard)
	}
	err := s.store.Read(ctx, func(tx store.Tx) error { return tx.QueryRow(ctx, query, args...).Scan(&left, &next) })
	if err != nil {
		return 0, fmt.Errorf("asking what is left of %s: %w", k, err)
	}
	if left == 0 {
		return 0, nil
	}
	now, wait := s.now(), waitForOthers
	if k.shard != 0 && !s.cfg.Window.Open(now) {
		wait = max(wait, s.cfg.Window.until(now))
	}
	return min(max(wait, moment(next).Sub(now)), waitAtMost), nil
}

// sweep is what no batch asks for: old results are removed. Whoever was not woken, as
// for batches of a process that had nobody to wake, is woken now.
func (s *Service) sweep(ctx context.Context) error {
	if err := s.purgeIfDue(ctx); err != nil {
		return err
	}
	const (
		unparsed = ` FROM smkiws_batch WHERE state = 'PARSING'`
		unissued = ` FROM smkiws_shard JOIN smkiws_batch ON smkiws_batch.id = smkiws_shard.batch
			WHERE smkiws_shard.done = 0 AND smkiws_batch.state IN ('QUEUED', 'PROCESSING', 'PAUSED')`
	)
	err := s.writeIf(ctx, `SELECT (SELECT COUNT(*)`+unparsed+`) + (SELECT COUNT(*)`+unissued+`)`, func(tx store.Tx) error {
		waiting, err := ownedIn(ctx, tx, `SELECT id, 0, owner`+unparsed+` UNION ALL SELECT smkiws_shard.batch, smkiws_shard.shard, smkiws_shard.owner`+unissued)
		for _, o := range waiting {
			if err := s.wakeIn(ctx, tx, task{o.batch, o.shard}); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("looking for batches that wait: %w", err)
	}
	return err
}

// wakeIn has somebody woken for tasks if tx is committed.
func (s *Service) wakeIn(ctx context.Context, tx store.Tx, tasks ...task) error {
	if s.cfg.Wake == nil {
		return nil
	}
	for _, k := range tasks {
		if err := s.cfg.Wake(ctx, tx, k.String()); err != nil {
			return fmt.Errorf("waking somebody for %s: %w", k, err)
		}
	}
	return nil
}
