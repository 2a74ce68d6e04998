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
	base   database
	log    *slog.Logger
	faults *Faults
	db     *sql.DB

	// Both are unbuffered: a write has been taken exactly when its send returned,
	// which is the line between "withdrawn, never ran" and "wait for the outcome".
	queue chan *waiting // of Write
	long  chan *waiting // of WriteLong
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

func newCommitter(ctx context.Context, base database, log *slog.Logger, faults *Faults) (*committer, error) {
	db, err := base.openWriter()
	if err != nil {
		return nil, err
	}
	c := &committer{
		base: base, log: log, faults: faults, db: db,
		queue: make(chan *waiting), long: make(chan *waiting), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := c.connect(ctx); err != nil {
		db.Close()
		return nil, err
	}
	go c.run()
	return c, nil
}

func (c *committer) write(ctx context.Context, queue chan<- *waiting, fn func(Tx) error) error {
	w := &waiting{fn: fn, outcome: make(chan struct{})}
	select {
	case <-c.stop:
		return ErrClosed
	default:
	}
	select {
	case queue <- w:
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
	// SQLite takes memory from its thread's share of the C heap, and gives it back
	// there: on one thread it is used again, on many each share keeps the most it had.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(c.done)
	defer c.disconnect()
	var wasLong bool
	for {
		batch, isLong := c.take(wasLong)
		if batch == nil {
			return
		}
		wasLong = isLong
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

// take waits for the writes of the next transaction, and tells whether it is one long
// one. It returns nil when there is nothing more to do.
func (c *committer) take(wasLong bool) (batch []*waiting, isLong bool) {
	w, isLong := c.next(wasLong)
	switch {
	case w == nil:
		return nil, false
	case isLong:
		return []*waiting{w}, true
	}
	return c.gather([]*waiting{w}), false
}

// next waits for a write and tells whether it is a long one. Long and short take turns
// where both wait, so that neither waits for more than one of the other.
func (c *committer) next(wasLong bool) (w *waiting, isLong bool) {
	first := c.long
	if wasLong {
		first = c.queue
	}
	select {
	case w = <-first:
		return w, !wasLong
	default:
	}
	select {
	case w = <-c.queue:
		return w, false
	case w = <-c.long:
		return w, true
	case <-c.stop:
		return nil, false
	}
}

// gather adds to a short write those that wait with it.
func (c *committer) gather(batch []*waiting) []*waiting {
	// Those whom the last commit woke are on their way back; let them join.
	runtime.Gosched()
	for len(batch) < maxShare {
		select {
		case w := <-c.queue:
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

// commit runs the batch in one transaction. Errors and panics of single functions
// are left in their waiting; the error it returns concerns all.
func (c *committer) commit(batch []*waiting) error {
	ctx, cancel := context.Background(), func() {}
	if patience := c.base.patience(); patience > 0 {
		ctx, cancel = context.WithTimeout(ctx, patience)
	}
	defer cancel()
	if err := c.begin(ctx); err != nil {
		return fmt.Errorf("writing store: beginning: %w", err)
	}

	// A write that has the transaction to itself needs no savepoint: what undoes it
	// undoes the transaction.
	succeeded := 0
	alone := len(batch) == 1
	for _, w := range batch {
		if !alone {
			if _, err := c.tx.Exec(ctx, "SAVEPOINT one"); err != nil {
				return c.abandon(fmt.Errorf("writing store: setting a savepoint: %w", err))
			}
		}
		runOne(c.tx, w)
		if !alone {
			if err := c.release(ctx, w); err != nil {
				return c.abandon(err)
			}
		}
		if w.err == nil && w.panicked == nil {
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
	if err := c.tx.sql.Commit(); err != nil {
		c.tx.sql = nil
		if c.base.certainlyNot(err) {
			return fmt.Errorf("writing store: committing: %w", err)
		}
		// What the connection has in memory is not to be trusted any more either.
		c.log.Error("commit ended in doubt, connecting again", "store", c.base.String(), "error", err)
		c.disconnect()
		return fmt.Errorf("writing store: committing: %w: %w", ErrUncertain, err)
	}
	c.tx.sql = nil
	if err := fault.after(); err != nil {
		return fmt.Errorf("writing store: committing: %w: %w", ErrUncertain, err)
	}
	return nil
}

// begin begins the transaction. Nothing has been written yet, so that a connection
// which was lost while it was idle is made anew once, and nobody hears of it.
func (c *committer) begin(ctx context.Context) (err error) {
	for attempt := range 2 {
		if c.tx == nil {
			if err = c.connect(ctx); err != nil {
				return fmt.Errorf("connecting again: %w", err)
			}
		}
		c.tx.ctx = ctx
		if c.tx.sql, err = c.base.begin(ctx, c.tx.conn); err == nil {
			return nil
		}
		lost := c.base.lost(err)
		if attempt == 0 && lost {
			c.log.Warn("connection to the database was lost, connecting again", "store", c.base.String(), "error", err)
		}
		c.disconnect()
		if !lost {
			return err
		}
	}
	return err
}

// release ends the savepoint of one write, which has kept or undone what it wrote.
// The error it returns is everyone's.
func (c *committer) release(ctx context.Context, w *waiting) error {
	if w.err == nil && w.panicked == nil {
		_, err := c.tx.Exec(ctx, "RELEASE one")
		if err == nil {
			return nil
		}
		// PostgreSQL refuses it after a statement that failed; the function kept the
		// statement's error to itself.
		w.err = fmt.Errorf("writing store: a statement of this write has failed: %w", err)
	}
	// Some errors (disk full, input and output) make SQLite roll back the whole
	// transaction by itself; then this statement fails, and with it everyone.
	if _, err := c.tx.Exec(ctx, "ROLLBACK TO one"); err != nil {
		return fmt.Errorf("writing store: rolling back one write: %w", errors.Join(err, w.err))
	}
	if _, err := c.tx.Exec(ctx, "RELEASE one"); err != nil {
		return fmt.Errorf("writing store: releasing a savepoint: %w", err)
	}
	return nil
}

// abandon rolls back the transaction. Until COMMIT was said nothing can have
// reached the disk for good, so that a rollback that fails, because SQLite has
// rolled back by itself or the connection is gone, costs the connection and
// nothing else.
func (c *committer) abandon(cause error) error {
	err := c.tx.sql.Rollback()
	c.tx.sql = nil
	if err != nil {
		c.log.Warn("rollback failed, connecting again", "store", c.base.String(), "error", err)
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
	c.tx = &writeTx{db: c.base, conn: conn}
	if c.base.prepares() {
		c.tx.stmts = make(map[string]*sql.Stmt)
	}
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
