package work

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"smki.example/ca/store"
)

// Kind is a sort of work: "crl", "batch". Kinds are stored as text: never rename one.
type Kind string

// A Handler does all that there is to do on a thing, and returns. It must be safe
// to call when there is nothing to do, and must stop at the end of ctx, which comes
// after [Config.Patience] or when the process ends. After an error, or a panic, it is
// called again, later each time; after [Later], when it says.
type Handler func(ctx context.Context, name string) error

// Later is what a Handler returns to be called again after some time, by whichever node
// is free then. It is no failure.
func Later(d time.Duration) error { return &later{max(d, 0)} }

type later struct{ after time.Duration }

func (l *later) Error() string { return "to be looked at again in " + l.after.String() }

// A Round asks for work by the clock: each node that runs it does, when it starts and
// each time Every has passed, unless the work is asked for or in progress already.
type Round struct {
	Kind  Kind
	Name  string
	Every time.Duration
}

// Config is what a Queue is made of.
type Config struct {
	Store *store.Store
	// Lease is that of this process; jobs that it has begun are given to others once
	// the lease is dead. A Queue that is never run needs none.
	Lease *store.Lease
	// Handlers do the work. A process that only asks has none.
	Handlers map[Kind]Handler
	// Rounds are asked for while some process runs them.
	Rounds []Round
	// Workers is how many things this process works on at once, beside those of Own.
	// Zero: 4.
	Workers int
	// Own are kinds that have as many workers of their own, so that they hold up no
	// other kind. Only nodes that have a handler for such a kind are given its work; of
	// other kinds every node must know all. A kind is stored with its work: make it own,
	// or not, on all nodes.
	Own map[Kind]int
	// Patience bounds one call of a Handler. Zero: ten minutes.
	Patience time.Duration
	// Logger hears of failures. Nil: silence.
	Logger *slog.Logger
}

// A Queue asks for work and, while it is run, does it. All methods may be called
// concurrently.
type Queue struct {
	cfg    Config
	engine *engine
	done   sync.Once

	mu    sync.Mutex
	hands map[int64]bool      // jobs that a worker of this process is at
	lost  map[int64]time.Time // jobs that carry our lease and are in no hand, since when
}

// New opens the queue, and makes its tables if they are missing.
func New(ctx context.Context, cfg Config) (*Queue, error) {
	if cfg.Store == nil {
		return nil, errors.New("opening queue: Store is missing")
	}
	if len(cfg.Handlers) > 0 && cfg.Lease == nil {
		return nil, errors.New("opening queue: Lease is missing, and there are Handlers")
	}
	for _, round := range cfg.Rounds {
		if cfg.Handlers[round.Kind] == nil || round.Every <= 0 {
			return nil, fmt.Errorf("opening queue: the round %q of %q has no handler, or no time between", round.Kind, round.Name)
		}
	}
	for kind, workers := range cfg.Own {
		if workers <= 0 || !queueName.MatchString(string(kind)) {
			return nil, fmt.Errorf("opening queue: Own: the kind %q has %d workers: want some, and small letters, digits and hyphens", kind, workers)
		}
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 4
	}
	if cfg.Patience <= 0 {
		cfg.Patience = 10 * time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	q := &Queue{cfg: cfg, hands: make(map[int64]bool), lost: make(map[int64]time.Time)}
	if err := cfg.Store.Migrating(ctx, func(db *sql.DB) error { return makeTables(ctx, cfg.Store, db) }); err != nil {
		return nil, fmt.Errorf("opening queue: making its tables: %w", err)
	}
	var err error
	if q.engine, err = newEngine(q); err != nil {
		return nil, fmt.Errorf("opening queue: %w", err)
	}
	return q, nil
}

// Close closes the queue's connections. Run must have returned.
func (q *Queue) Close() error {
	var err error
	q.done.Do(func() { err = q.engine.db.Close() })
	return err
}

// queueName is what River takes for a queue.
var queueName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$`)

// Wake asks for work on a thing in tx, which is that of a store's Write. It holds
// when tx is committed. Asking for what is asked for already costs next to nothing.
func (q *Queue) Wake(ctx context.Context, tx store.Tx, kind Kind, name string) error {
	if !word.MatchString(string(kind)) || !word.MatchString(name) {
		return fmt.Errorf("asking for work %q on %q: letters, digits and -._:/ only", kind, name)
	}
	_, err := tx.Exec(ctx, `INSERT INTO work_wanted (kind, name, wanted) VALUES ($1, $2, 1)
		ON CONFLICT (kind, name) DO UPDATE SET wanted = work_wanted.wanted + 1`, string(kind), name)
	if err != nil {
		return fmt.Errorf("asking for work %q on %q: %w", kind, name, err)
	}
	return q.insert(ctx, tx, kind, name)
}

// insert adds the job, unless one is there that is not finished.
func (q *Queue) insert(ctx context.Context, tx store.Tx, kind Kind, name string) error {
	inner, err := store.SQL(tx)
	if err != nil {
		return err
	}
	// Not ended by a caller who goes: see store.Tx.
	_, err = q.engine.client.InsertTx(context.WithoutCancel(ctx), inner, job{Work: kind, Name: name}, q.options(kind))
	if err != nil {
		return fmt.Errorf("asking for work %q on %q: %w", kind, name, err)
	}
	return nil
}

// options say in which of River's queues a kind's jobs stand.
func (q *Queue) options(kind Kind) *river.InsertOpts {
	if q.cfg.Own[kind] > 0 {
		return &river.InsertOpts{Queue: string(kind)}
	}
	return nil
}

// Waiting returns how many things are asked for and not seen to.
func (q *Queue) Waiting(ctx context.Context) (n int, err error) {
	err = q.cfg.Store.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM work_wanted`).Scan(&n)
	})
	return n, err
}

// Run works until ctx ends, and returns when every Handler has returned. It returns
// early, with an error, if this process was taken for dead.
func (q *Queue) Run(ctx context.Context) error {
	if q.cfg.Lease == nil {
		return errors.New("running queue: Lease is missing")
	}
	if err := q.adopt(ctx); err != nil {
		return fmt.Errorf("running queue: %w", err)
	}
	if err := q.engine.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("running queue: %w", err)
	}
	rounds, end := context.WithCancel(ctx)
	var asking sync.WaitGroup
	for _, round := range q.cfg.Rounds {
		asking.Go(func() { q.ask(rounds, round) })
	}
	err := q.watch(ctx)
	end()
	asking.Wait()
	// Handlers are told to end, and waited for.
	if serr := q.engine.client.StopAndCancel(context.WithoutCancel(ctx)); serr != nil && err == nil {
		err = serr
	}
	if err != nil {
		return fmt.Errorf("running queue: %w", err)
	}
	return nil
}

// ask asks for a round's work until ctx ends.
func (q *Queue) ask(ctx context.Context, round Round) {
	tick := time.NewTicker(round.Every)
	defer tick.Stop()
	for {
		err := q.cfg.Store.Write(ctx, func(tx store.Tx) error { return q.insert(ctx, tx, round.Kind, round.Name) })
		if err != nil && ctx.Err() == nil {
			q.cfg.Logger.Warn("asking for work by the clock", "work", string(round.Kind), "name", round.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// watch looks after the jobs of dead processes until ctx ends.
func (q *Queue) watch(ctx context.Context) error {
	tick := time.NewTicker(adoptEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-q.cfg.Lease.Lost():
			return store.ErrLeaseLost
		case <-tick.C:
			if err := q.adopt(ctx); err != nil && ctx.Err() == nil {
				q.cfg.Logger.Warn("looking after the jobs of dead processes", "error", err)
			}
		}
	}
}
