package work

import (
	"context"
	"database/sql"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"smki.example/ca/store"
)

// An engine is River on one of the two databases.
type engine struct {
	db       *sql.DB
	client   *river.Client[*sql.Tx]
	complete func(context.Context, *sql.Tx, *river.Job[job]) error
}

func driverOf(s *store.Store, db *sql.DB) riverdriver.Driver[*sql.Tx] {
	if s.Distributed() {
		return riverdatabasesql.New(db)
	}
	return riversqlite.New(db)
}

// makeTables brings River's tables up to the version of this program. It asks
// first, so that a service which may not make tables can open a queue that has
// them.
func makeTables(ctx context.Context, s *store.Store, db *sql.DB) error {
	if !s.Distributed() {
		db.SetMaxOpenConns(1)
	}
	m, err := rivermigrate.New(driverOf(s, db), nil)
	if err != nil {
		return err
	}
	if there, err := m.Validate(ctx, nil); err == nil && there.OK {
		return nil
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func newEngine(q *Queue) (*engine, error) {
	db, err := q.cfg.Store.Jobs()
	if err != nil {
		return nil, err
	}
	e := &engine{db: db, complete: complete[*riversqlite.Driver]}
	if q.cfg.Store.Distributed() {
		e.complete = complete[*riverdatabasesql.Driver]
	}
	cfg := &river.Config{
		Logger:     q.cfg.Logger,
		JobTimeout: q.cfg.Patience,
		// Dead processes are found by their leases, long before; this is for a handler
		// that does not end.
		RescueStuckJobsAfter: 2 * q.cfg.Patience,
		RetryPolicy:          retry{},
		// Nobody is told of a new job by the database in every setting; a quarter of a
		// second is what a waiting job costs at most.
		FetchPollInterval:           250 * time.Millisecond,
		CompletedJobRetentionPeriod: time.Hour,
	}
	if q.cfg.Lease != nil {
		cfg.ID = string(q.cfg.Lease.ID())
	}
	if len(q.cfg.Handlers) > 0 {
		cfg.Workers = river.NewWorkers()
		river.AddWorker(cfg.Workers, &worker{q: q})
		cfg.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: q.cfg.Workers}}
		for kind, workers := range q.cfg.Own {
			if q.cfg.Handlers[kind] != nil {
				cfg.Queues[string(kind)] = river.QueueConfig{MaxWorkers: workers}
			}
		}
	}
	if e.client, err = river.NewClient(driverOf(q.cfg.Store, db), cfg); err != nil {
		db.Close()
		return nil, err
	}
	return e, nil
}

func complete[D riverdriver.Driver[*sql.Tx]](ctx context.Context, tx *sql.Tx, j *river.Job[job]) error {
	_, err := river.JobCompleteTx[D](ctx, tx, j)
	return err
}

// retry waits a second longer after each failure, up to a minute: what fails here
// is a token or a database that is away, and comes back.
type retry struct{}

// NextRetry implements river.ClientRetryPolicy.
func (retry) NextRetry(j *rivertype.JobRow) time.Time {
	return time.Now().Add(min(time.Duration(len(j.Errors)+1)*time.Second, time.Minute))
}
