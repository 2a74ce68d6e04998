package work

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"smki.example/ca/store"
)

// A job is all that River knows of work: there is one kind of it, and at most one
// that is not finished for each thing.
type job struct {
	Work Kind   `json:"work" river:"unique"`
	Name string `json:"name" river:"unique"`
}

// Kind implements river.JobArgs. It is stored: never rename it.
func (job) Kind() string { return "smki_work" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (job) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		// Work that fails is tried for as long as it is wanted.
		MaxAttempts: 1000,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled,
		}},
	}
}

var _ river.JobArgsWithInsertOpts = job{}

type worker struct {
	river.WorkerDefaults[job]
	q *Queue
}

// Work sees to one thing. It ends the job in the transaction that finds nothing
// more asked for; whoever asks in another transaction either came before, and is
// seen, or comes after, and finds no job in the way of its own.
func (w *worker) Work(ctx context.Context, j *river.Job[job]) error {
	kind, name := j.Args.Work, j.Args.Name
	defer w.q.hold(j.ID)()
	handler := w.q.cfg.Handlers[kind]
	if handler == nil {
		return fmt.Errorf("work %q on %q: this process has no handler for it", kind, name)
	}
	for {
		seen, err := w.q.wanted(ctx, kind, name)
		if err != nil {
			return err
		}
		err = call(ctx, handler, name)
		var again *later
		if errors.As(err, &again) {
			return river.JobSnooze(again.after)
		}
		if err != nil {
			w.q.cfg.Logger.Warn("work failed", "work", string(kind), "name", name, "attempt", j.Attempt, "error", err)
			return err
		}
		finished := false
		err = w.q.cfg.Store.Write(context.WithoutCancel(ctx), func(tx store.Tx) error {
			finished, err = w.finish(ctx, tx, j, seen)
			return err
		})
		if err != nil || finished {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// hold notes that a worker is at a job, until what it returns is called.
func (q *Queue) hold(id int64) (drop func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hands[id] = true
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.hands, id)
	}
}

// call keeps a panic of a handler from ending the process.
func call(ctx context.Context, handler Handler, name string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return handler(ctx, name)
}

// wanted is how often work on a thing was asked for; 0: it is not, and the clock or
// an adoption has called.
func (q *Queue) wanted(ctx context.Context, kind Kind, name string) (n int64, err error) {
	err = q.cfg.Store.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COALESCE(MAX(wanted), 0) FROM work_wanted WHERE kind = $1 AND name = $2`, string(kind), name).Scan(&n)
	})
	return n, err
}

// finish clears what was asked for and ends the job, unless more was asked for
// since.
func (w *worker) finish(ctx context.Context, tx store.Tx, j *river.Job[job], seen int64) (bool, error) {
	cleared, err := tx.Exec(ctx, `DELETE FROM work_wanted WHERE kind = $1 AND name = $2 AND wanted = $3`, string(j.Args.Work), j.Args.Name, seen)
	if err != nil {
		return false, err
	}
	if cleared == 0 {
		var now int64
		err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(wanted), 0) FROM work_wanted WHERE kind = $1 AND name = $2`, string(j.Args.Work), j.Args.Name).Scan(&now)
		if err != nil || now != 0 {
			return false, err
		}
	}
	inner, err := store.SQL(tx)
	if err != nil {
		return false, err
	}
	return true, w.q.engine.complete(context.WithoutCancel(ctx), inner, j)
}
