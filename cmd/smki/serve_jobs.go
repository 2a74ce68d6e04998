package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"smki.example/ca/smkiws"
	"smki.example/ca/store"
	"smki.example/ca/work"
	"smki.example/cmd/clikit"
)

// What the servers that share a database divide among themselves. Stored as text: never
// rename one.
const (
	crlWork   work.Kind = "crl"
	fileWork  work.Kind = "repository-file"
	batchWork work.Kind = "csr-batch"
)

const (
	// jobPatience bounds one call: a full file of ten million certificates takes minutes.
	jobPatience = time.Hour

	// sweepEvery is how often somebody looks for batches that nobody was woken for, and
	// for results to remove.
	sweepEvery = 10 * time.Minute

	// batchWorkers is how many shards a server works at once by default: one is parsed
	// or settled while the token signs for the other.
	batchWorkers = 2
)

// jobs are what one server at a time does of all that share a database: publishing the
// lists and the daily files, and each parse and each shard of a batch. When a server
// dies another goes on with what it had in hand.
type jobs struct {
	queue   *work.Queue
	lease   *store.Lease
	batches *smkiws.Service // nil: this server has no secure side, and works no batches
}

// openJobs opens the queue. What is done about its kinds is told by the handlers, which
// are called once run is.
func (d *desk) openJobs(ctx context.Context, s *services, secure bool, p *publisher, f *filer, logger *slog.Logger) (*jobs, error) {
	lease, err := d.store.Lease(ctx)
	if err != nil {
		return nil, err
	}
	j := &jobs{lease: lease}
	workers := s.WebServices.Workers
	if workers == 0 {
		workers = batchWorkers
	}
	cfg := work.Config{
		Store: d.store, Lease: lease, Patience: jobPatience, Workers: 2, Logger: slog.New(warnings{logger.Handler()}),
		Handlers: map[work.Kind]work.Handler{
			crlWork:  func(ctx context.Context, _ string) error { return p.publish(ctx) },
			fileWork: func(ctx context.Context, _ string) error { return f.publish(ctx) },
		},
		Rounds: []work.Round{{Kind: crlWork, Name: "due", Every: lookEvery}},
		Own:    map[work.Kind]int{batchWork: workers},
	}
	if !f.settings.Off {
		cfg.Rounds = append(cfg.Rounds, work.Round{Kind: fileWork, Name: "due", Every: filesEvery})
	}
	if secure {
		cfg.Handlers[batchWork] = j.attend
		cfg.Rounds = append(cfg.Rounds, work.Round{Kind: batchWork, Name: smkiws.Sweep, Every: sweepEvery})
	}
	if j.queue, err = work.New(ctx, cfg); err != nil {
		return nil, errors.Join(err, lease.Release())
	}
	return j, nil
}

// wakeBatch has a batch or a shard worked once tx is committed.
func (j *jobs) wakeBatch(ctx context.Context, tx store.Tx, name string) error {
	return j.queue.Wake(ctx, tx, batchWork, name)
}

// attend works batches.
func (j *jobs) attend(ctx context.Context, name string) error {
	again, err := j.batches.Attend(ctx, name)
	if err != nil || again == 0 {
		return err
	}
	return work.Later(again)
}

// run works until ctx ends. An error says that this server was taken for dead: it must
// not go on.
func (j *jobs) run(ctx context.Context) error {
	err := j.queue.Run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("the queue has ended")
	}
	err = fmt.Errorf("working jobs: %w", err)
	if errors.Is(err, store.ErrLeaseLost) {
		err = clikit.With(clikit.Unavailable, err)
	}
	return err
}

// Close gives up the lease. run must have returned.
func (j *jobs) Close() error { return errors.Join(j.queue.Close(), j.lease.Release()) }

// warnings are the part of a log that is not counted out every few seconds.
type warnings struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

// WithAttrs implements [slog.Handler].
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
