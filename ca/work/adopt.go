package work

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"smki.example/ca/store"
)

// adoptEvery is how often a running process looks for jobs of dead ones.
const adoptEvery = 5 * time.Second

// adopt gives jobs whose process is dead to whoever comes first, and makes a job
// for every thing that is asked for and has none.
func (q *Queue) adopt(ctx context.Context) error {
	jobs, err := q.engine.running(ctx)
	if err != nil {
		return fmt.Errorf("reading the jobs that run: %w", err)
	}
	var dead []*rivertype.JobRow
	for _, j := range jobs {
		owner := store.OwnerID("")
		if n := len(j.AttemptedBy); n > 0 {
			owner = store.OwnerID(j.AttemptedBy[n-1])
		}
		if owner == q.cfg.Lease.ID() {
			continue
		}
		alive, err := q.cfg.Store.Alive(ctx, owner)
		if err != nil {
			return err
		}
		if !alive {
			dead = append(dead, j)
		}
	}
	return q.cfg.Store.Write(ctx, func(tx store.Tx) error {
		inner, err := store.SQL(tx)
		if err != nil {
			return err
		}
		if err := q.engine.giveAway(context.WithoutCancel(ctx), inner, dead); err != nil {
			return err
		}
		wanted, err := allWanted(ctx, tx)
		if err != nil {
			return err
		}
		for _, w := range wanted {
			if err := q.insert(ctx, tx, w.Work, w.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// allWanted is every thing that is asked for.
func allWanted(ctx context.Context, tx store.Tx) (all []job, err error) {
	rows, err := tx.Query(ctx, `SELECT kind, name FROM work_wanted ORDER BY kind, name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var j job
		if err := rows.Scan(&j.Work, &j.Name); err != nil {
			return nil, err
		}
		all = append(all, j)
	}
	return all, rows.Err()
}

// running are the jobs that some process has begun.
func (e *engine) running(ctx context.Context) ([]*rivertype.JobRow, error) {
	return e.client.Driver().GetExecutor().JobGetStuck(ctx, &riverdriver.JobGetStuckParams{Max: 1000, StuckHorizon: time.Now().Add(time.Hour)})
}

// giveAway makes jobs available to every process, each unless somebody has begun it
// anew since it was read.
func (e *engine) giveAway(ctx context.Context, tx *sql.Tx, jobs []*rivertype.JobRow) error {
	now := time.Now()
	for _, j := range jobs {
		reason, err := json.Marshal(rivertype.AttemptError{At: now, Attempt: j.Attempt, Error: "its process died"})
		if err != nil {
			return err
		}
		begun := now
		if j.AttemptedAt != nil {
			begun = *j.AttemptedAt
		}
		_, err = e.client.Driver().UnwrapExecutor(tx).JobRescueMany(ctx, &riverdriver.JobRescueManyParams{
			ID: []int64{j.ID}, Error: [][]byte{reason}, FinalizedAt: []*time.Time{nil}, ScheduledAt: []time.Time{now},
			State: []string{string(rivertype.JobStateAvailable)}, StuckHorizon: begun.Add(time.Millisecond),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
