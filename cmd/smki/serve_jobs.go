package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"smki.example/ca/store"
	"smki.example/ca/work"
)

// What one server at a time does for all that share a database. Stored as text: never
// rename one.
const (
	crlWork  work.Kind = "crl"
	fileWork work.Kind = "repository-file"
)

// jobPatience bounds one round: a full file of ten million certificates takes minutes.
const jobPatience = time.Hour

// jobs are the rounds that are one server's at a time. Lists and files are published by
// one; when it dies another goes on.
type jobs struct {
	queue *work.Queue
	lease *store.Lease
}

func (d *desk) openJobs(ctx context.Context, p *publisher, f *filer, logger *slog.Logger) (*jobs, error) {
	lease, err := d.store.Lease(ctx)
	if err != nil {
		return nil, err
	}
	cfg := work.Config{
		Store: d.store, Lease: lease, Patience: jobPatience, Workers: 2, Logger: slog.New(warnings{logger.Handler()}),
		Handlers: map[work.Kind]work.Handler{
			crlWork:  func(ctx context.Context, _ string) error { return p.publish(ctx) },
			fileWork: func(ctx context.Context, _ string) error { return f.publish(ctx) },
		},
		Rounds: []work.Round{{Kind: crlWork, Name: "due", Every: lookEvery}},
	}
	if !f.settings.Off {
		cfg.Rounds = append(cfg.Rounds, work.Round{Kind: fileWork, Name: "due", Every: filesEvery})
	}
	queue, err := work.New(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, lease.Release())
	}
	return &jobs{queue, lease}, nil
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
	return fmt.Errorf("working rounds: %w", err)
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
