// Package store is the lowest room of the CA: one database, written through one
// committer, read through a pool of its own.
//
// It promises three things to the rooms above it.
//
//   - A [Store.Write] that returned nil is on disk. Writes that wait at the same
//     moment share one transaction and one fsync, so that durability costs a
//     busy CA almost nothing; a write that fails is rolled back alone, through a
//     savepoint, and its neighbours are committed without it.
//   - A Write that failed changed nothing, unless its error wraps
//     [ErrUncertain], which says that the database broke while it was being told
//     to commit, and that only reading again (after a restart, if the disk is in
//     doubt) tells which of the two happened.
//   - A process that holds a [Lease] can be recognised as alive or dead by every
//     other process on the same database: at once and without a clock on SQLite, by
//     its silence on PostgreSQL; and who was once called dead never writes again.
//
// It knows nothing of certificates. Each room owns its tables and its SQL and is
// handed a [Tx], so that an act and its audit record are one transaction; only
// the migrations that make the tables live here, in migrations/, because their
// order is one order for all rooms.
//
// # Two databases
//
// SQLite (WAL, synchronous=FULL) is the default and serves one machine. PostgreSQL,
// by a postgres:// address, serves several nodes. The rooms above cannot tell which
// one they stand on: SQL is written with $1, $2 … in the order of their first use,
// each dialect has migrations of the same numbers, and the suite in storetest runs
// over both.
//
// Both have one writer at a time. SQLite has no other way; on PostgreSQL every
// Write holds one advisory lock of the database until it is committed, so that all
// nodes together have one order of writes: a key that two nodes certify at the same
// moment is decided once, and the audit log has no fork. It costs nothing that the
// audit log would not have cost, and group commit makes up for it.
//
// # Trust
//
// Who can change the database file, or owns the PostgreSQL database, owns the
// ledger: they can delete an intent or a revocation. Triggers in the tables refuse
// that to a mistake, and to a service that logs in with the rights of
// [ServiceRole]; the audit log (package audit) makes it visible to whoever kept a
// checkpoint; nothing here makes it impossible. The file is created 0600. A
// password for PostgreSQL is read from a file and from nowhere else.
//
// Start reading at [Open], then [Store.Write] and the committer behind it; sqlite.go
// and postgres.go are what differs.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
)

// Config says which database to open and what to open it with.
type Config struct {
	// URL is the path of a SQLite file, bare or after "sqlite:", whose folder must
	// exist or be creatable; or postgres://USER@HOST:PORT/DATABASE, whose database
	// must exist. The password of the user is in the file that ?passfile= or
	// PGPASSFILE names (~/.pgpass by default), in PostgreSQL's form, readable by its
	// owner alone. An address with a password in it is refused.
	URL string
	// LeaseTerm is how long a process may be silent on PostgreSQL before it counts as
	// dead and its unfinished work is given up. Zero: half a minute. SQLite knows at
	// once and does not use it.
	LeaseTerm time.Duration
	// Clock gives the time that is written into lease files. Nil: time.Now.
	Clock func() time.Time
	// Logger hears of reopened connections and dead leases. Nil: silence.
	Logger *slog.Logger
	// Faults, if not nil, makes commits fail on purpose. For tests of the rooms
	// above; nothing in the product sets it.
	Faults *Faults
}

// A Store is an open database. All methods may be called concurrently, by
// several Stores in one process and by several processes on one database.
type Store struct {
	db     database
	reads  *sql.DB
	writes *committer
}

// A database is what differs between SQLite and PostgreSQL.
type database interface {
	// String names it in errors and logs, and holds nothing secret.
	String() string
	// migrating runs f while no other process does, for changes of tables.
	migrating(ctx context.Context, f func(goose.Dialect, *sql.DB) error) error
	openWriter() (*sql.DB, error)
	openReaders() (*sql.DB, error)
	// openJobs opens the connections of a job queue on the same database.
	openJobs() (*sql.DB, error)
	// reading says how a read transaction sees one state.
	reading() *sql.TxOptions
	// begin begins a write transaction on conn. It returns when no other write
	// transaction of any process is in progress.
	begin(ctx context.Context, conn *sql.Conn) (*sql.Tx, error)
	// prepares tells whether statements are to be prepared here, because the driver
	// does not keep them.
	prepares() bool
	// patience bounds a write transaction; 0: nothing can hold it up.
	patience() time.Duration
	// certainlyNot tells whether a COMMIT that failed with err has certainly written
	// nothing.
	certainlyNot(err error) bool
	// lost tells whether err says that the connection is gone.
	lost(err error) bool
	insert(ctx context.Context, tx *writeTx, r Rows) ([]int64, error)
	lease(ctx context.Context) (*Lease, error)
	alive(ctx context.Context, id OwnerID) (bool, error)
	close() error
}

// Open opens the database that cfg names, creates it if it is a file that is not
// there, and brings its tables up to this version. Several processes may open one
// new database at the same moment. A database written by a newer version is
// refused.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := newDatabase(cfg)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db}
	if err := s.open(ctx, cfg); err != nil {
		db.close()
		return nil, fmt.Errorf("opening store %q: %w", db, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, cfg Config) error {
	// Before any connection that lives: a statement that was prepared before the
	// tables changed would fail after it.
	err := s.db.migrating(ctx, func(dialect goose.Dialect, db *sql.DB) error { return migrateUp(ctx, dialect, db) })
	if err != nil {
		return err
	}
	if s.reads, err = s.db.openReaders(); err != nil {
		return err
	}
	if s.writes, err = newCommitter(ctx, s.db, cfg.Logger, cfg.Faults); err != nil {
		s.reads.Close()
		return err
	}
	return nil
}

// String names the database as errors and logs do: the path of the file, or the
// address without anything secret.
func (s *Store) String() string { return s.db.String() }

// Distributed tells whether processes on other machines may share this database,
// which is so on PostgreSQL.
func (s *Store) Distributed() bool {
	_, is := s.db.(*postgres)
	return is
}

// Write runs fn in a transaction and returns when it is on disk. Writes that wait
// together share the transaction; each sees those that ran before it.
//
// A nil return means that everything fn wrote is durable. An error returned by fn
// comes back as it is, and nothing that fn wrote remains. An error of the
// database comes back to every write of the transaction, and nothing of any of
// them remains, unless it wraps [ErrUncertain].
//
// fn runs on another goroutine, one at a time, and holds the database's only
// write lock: it must neither wait for anything else nor call Write. It must
// return the errors that its Tx gives it. A panic in fn is rolled back and
// continues in the caller.
//
// When ctx ends before fn has begun, Write returns its error and fn never runs.
// From then on Write waits for the outcome whatever becomes of ctx: an answer is
// never unknown because a caller lost patience.
func (s *Store) Write(ctx context.Context, fn func(Tx) error) error {
	return s.writes.write(ctx, s.writes.queue, fn)
}

// WriteLong is Write for what takes long, as the thousand rows of a batch do. It has
// a transaction of its own, so that nobody else waits for it to be over, and it takes
// turns with those who write little: a revocation waits for one of these, and not
// for as many as there are.
func (s *Store) WriteLong(ctx context.Context, fn func(Tx) error) error {
	return s.writes.write(ctx, s.writes.long, fn)
}

// Read runs fn in a read transaction: it sees one state of the database from
// beginning to end, including every Write that returned before Read was called,
// and holds up nobody. An attempt to write through tx fails.
func (s *Store) Read(ctx context.Context, fn func(Tx) error) error {
	tx, err := s.reads.BeginTx(ctx, s.db.reading())
	if err != nil && s.db.lost(err) && ctx.Err() == nil {
		// The server was restarted while the connection was idle; nothing was read yet.
		tx, err = s.reads.BeginTx(ctx, s.db.reading())
	}
	if err != nil {
		return fmt.Errorf("reading store: %w", err)
	}
	defer tx.Rollback() // a read has nothing to commit, and a rollback cannot matter
	return fn(readTx{tx, s.Distributed()})
}

// ReadOne is Read for one statement, which sees one state of the database by itself:
// it goes to a server once, where a transaction goes three times. fn must run no more
// than one.
func (s *Store) ReadOne(ctx context.Context, fn func(Tx) error) error {
	return fn(readTx{s.reads, s.Distributed()})
}

// Close waits for the transaction in progress, refuses the writes that wait with
// [ErrClosed], and closes the database. Leases must be released before.
func (s *Store) Close() error {
	if err := errors.Join(s.writes.close(), s.reads.Close(), s.db.close()); err != nil {
		return fmt.Errorf("closing store %q: %w", s.db, err)
	}
	return nil
}
