package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
)

// maxShare bounds the writes of one transaction. Above a few hundred the fsync is
// already free and only the first waiter's patience is spent.
const maxShare = 512

// A committer owns the one write connection. Its goroutine takes whoever waits,
// runs their functions in one transaction, commits, and tells each the outcome.
type committer struct {
	path   string
	log    *slog.Logger
	faults *Faults
	db     *sql.DB

	// queue is unbuffered: a write has been taken exactly when its send returned,
	// which is the line between "withdrawn, never ran" and "wait for the outcome".
	queue chan *waiting
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once

	tx *writeTx // owned by the goroutine; nil after the connection broke
}

// waiting is one Write: its function and, once outcome is closed, its fate.
type waiting struct {
	fn       func(Tx) error
	err      error
	panicked any
	outcome  chan struct{}
}

func newCommitter(ctx context.Context, path string, log *slog.Logger, faults *Faults) (*committer, error) {
	db, err := openWriter(path)
	if err != nil {
		return nil, err
	}
	c := &committer{
		path: path, log: log, faults: faults, db: db,
		queue: make(chan *waiting), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := c.connect(ctx); err != nil {
		db.Close()
		return nil, err
	}
	go c.run()
	return c, nil
}

func (c *committer) write(ctx context.Context, fn func(Tx) error) error {
	w := &waiting{fn: fn, outcome: make(chan struct{})}
	select {
	case <-c.stop:
		return ErrClosed
	default:
	}
	select {
	case c.queue <- w:
	case <-ctx.Done():
		return fmt.Errorf("waiting to write: %w", context.Cause(ctx))
	case <-c.stop:
		return ErrClosed
	}
	<-w.outcome
	if w.panicked != nil {
		panic(w.panicked)
	}
	return w.err
}

func (c *committer) close() error {
	c.once.Do(func() { close(c.stop) })
	<-c.done
	return c.db.Close()
}

func (c *committer) run() {
	defer close(c.done)
	defer c.disconnect()
	for {
		var batch []*waiting
		select {
		case w := <-c.queue:
			batch = append(batch, w)
		case <-c.stop:
			return
		}
		// Those whom the last commit woke are on their way back; let them join.
		runtime.Gosched()
	collect:
		for len(batch) < maxShare {
			select {
			case w := <-c.queue:
				batch = append(batch, w)
			default:
				break collect
			}
		}
		if err := c.commit(batch); err != nil {
			// An error of the transaction is everyone's, also of those whose own
			// function had succeeded. One whose function failed keeps its own
			// reason: nothing of it would have been written either way.
			for _, w := range batch {
				if w.err == nil && w.panicked == nil {
					w.err = err
				}
			}
		}
		for _, w := range batch {
			close(w.outcome)
		}
	}
}

// commit runs the batch in one transaction. Errors and panics of single functions
// are left in their waiting; the error it returns concerns all.
func (c *committer) commit(batch []*waiting) error {
	ctx := context.Background()
	if c.tx == nil {
		if err := c.connect(ctx); err != nil {
			return fmt.Errorf("writing store: connecting again: %w", err)
		}
	}
	if _, err := c.tx.Exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("writing store: beginning: %w", err)
	}

	succeeded := 0
	for _, w := range batch {
		if _, err := c.tx.Exec(ctx, "SAVEPOINT one"); err != nil {
			return c.abandon(fmt.Errorf("writing store: setting a savepoint: %w", err))
		}
		runOne(c.tx, w)
		failed := w.err != nil || w.panicked != nil
		if failed {
			// Some errors (disk full, input and output) make SQLite roll back the whole
			// transaction by itself; then this statement fails, and with it
			// everyone.
			if _, err := c.tx.Exec(ctx, "ROLLBACK TO one"); err != nil {
				return c.abandon(fmt.Errorf("writing store: rolling back one write: %w", errors.Join(err, w.err)))
			}
		}
		if _, err := c.tx.Exec(ctx, "RELEASE one"); err != nil {
			return c.abandon(fmt.Errorf("writing store: releasing a savepoint: %w", err))
		}
		if !failed {
			succeeded++
		}
	}

	if succeeded == 0 {
		return c.abandon(nil)
	}
	fault := c.faults.next()
	if err := fault.before(); err != nil {
		return c.abandon(fmt.Errorf("writing store: committing: %w", err))
	}
	if _, err := c.tx.Exec(ctx, "COMMIT"); err != nil {
		if certainlyNot(err) {
			return c.abandon(fmt.Errorf("writing store: committing: %w", err))
		}
		// What the connection has in memory is not to be trusted any more either.
		c.log.Error("commit ended in doubt, connecting again", "store", c.path, "error", err)
		c.disconnect()
		return fmt.Errorf("writing store: committing: %w: %w", ErrUncertain, err)
	}
	if err := fault.after(); err != nil {
		return fmt.Errorf("writing store: committing: %w: %w", ErrUncertain, err)
	}
	return nil
}

// abandon rolls back the transaction. Until COMMIT was said nothing can have
// reached the disk for good, so that a rollback that fails, because SQLite has
// rolled back by itself or the connection is gone, costs the connection and
// nothing else.
func (c *committer) abandon(cause error) error {
	if _, err := c.tx.Exec(context.Background(), "ROLLBACK"); err != nil {
		c.log.Warn("rollback failed, connecting again", "store", c.path, "error", err)
		c.disconnect()
	}
	return cause
}

// runOne runs one function and keeps its panic for the caller it belongs to.
func runOne(tx Tx, w *waiting) {
	defer func() {
		if p := recover(); p != nil {
			w.panicked = p
		}
	}()
	w.err = w.fn(tx)
}

func (c *committer) connect(ctx context.Context) error {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return err
	}
	c.tx = &writeTx{conn: conn, stmts: make(map[string]*sql.Stmt)}
	return nil
}

// disconnect closes the connection for good: ErrBadConn keeps database/sql from
// lending the same one again.
func (c *committer) disconnect() {
	if c.tx == nil {
		return
	}
	for _, stmt := range c.tx.stmts {
		stmt.Close()
	}
	c.tx.conn.Raw(func(any) error { return driver.ErrBadConn })
	c.tx.conn.Close()
	c.tx = nil
}
