package work

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"smki.example/ca/store"
)

// adoptEvery is how often a running process looks for jobs of dead ones.
const adoptEvery = 2 * time.Second

// lostAfter is how long a job may carry the lease of a living process and be in no
// hand of it. In between River has fetched it and not begun it, or writes that it is
// over; it gives up writing that if the database is gone for longer.
const lostAfter = 15 * time.Second

// adopt gives jobs whose process is dead, or has lost sight of them, to whoever comes
// first, and makes a job for every thing that is asked for and has none.
func (q *Queue) adopt(ctx context.Context) error {
	jobs, err := q.engine.running(ctx)
	if err != nil {
		return fmt.Errorf("reading the jobs that run: %w", err)
	}
	var free []*rivertype.JobRow
	for _, j := range jobs {
		owner := store.OwnerID("")
		if n := len(j.AttemptedBy); n > 0 {
			owner = store.OwnerID(j.AttemptedBy[n-1])
		}
		alive := owner == q.cfg.Lease.ID() && !q.lostSight(j.ID)
		if owner != q.cfg.Lease.ID() {
			if alive, err = q.cfg.Store.Alive(ctx, owner); err != nil {
				return err
			}
		}
		if !alive {
			free = append(free, j)
		}
	}
	q.forget(jobs)
	orphans, err := q.orphans(ctx)
	if err != nil || len(free)+len(orphans) == 0 {
		return err
	}
	return q.cfg.Store.Write(ctx, func(tx store.Tx) error {
		inner, err := store.SQL(tx)
		if err != nil {
			return err
		}
		if err := q.engine.giveAway(context.WithoutCancel(ctx), inner, free); err != nil {
			return err
		}
		for _, w := range orphans {
			if err := q.insert(ctx, tx, w.Work, w.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// lostSight tells whether a job that carries our lease has been in no hand for too long.
func (q *Queue) lostSight(id int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.hands[id] {
		delete(q.lost, id)
		return false
	}
	since, noticed := q.lost[id]
	if !noticed {
		q.lost[id] = time.Now()
	}
	return noticed && time.Since(since) > lostAfter
}

// forget keeps of what is noted only what still runs.
func (q *Queue) forget(running []*rivertype.JobRow) {
	q.mu.Lock()
	defer q.mu.Unlock()
	maps.DeleteFunc(q.lost, func(id int64, _ time.Time) bool {
		return !slices.ContainsFunc(running, func(j *rivertype.JobRow) bool { return j.ID == id })
	})
}

// orphans is what is asked for and has no job that is not finished: somebody's
// attempts are used up, or a job was taken out by hand. A job that ends between the
// two questions is made once too often.
func (q *Queue) orphans(ctx context.Context) (all []job, err error) {
	err = q.cfg.Store.Read(ctx, func(tx store.Tx) (err error) {
		all, err = allWanted(ctx, tx)
		return err
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	unfinished := (job{}).InsertOpts().UniqueOpts.ByState
	const most = 10000 // what River lists at most; more are looked at when these are done
	listed, err := q.engine.client.JobList(ctx, river.NewJobListParams().Kinds(job{}.Kind()).States(unfinished...).First(most))
	if err != nil || len(listed.Jobs) == most {
		return nil, err
	}
	have := make(map[job]bool, len(listed.Jobs))
	for _, row := range listed.Jobs {
		var j job
		if err := json.Unmarshal(row.EncodedArgs, &j); err != nil {
			return nil, fmt.Errorf("reading job %d: %w", row.ID, err)
		}
		have[j] = true
	}
	return slices.DeleteFunc(all, func(j job) bool { return have[j] }), nil
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
		reason, err := json.Marshal(rivertype.AttemptError{At: now, Attempt: j.Attempt, Error: "its process died, or has lost sight of it"})
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
