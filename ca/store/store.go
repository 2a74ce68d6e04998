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
//     other process on the same home, at once and without a clock.
//
// It knows nothing of certificates. Each room owns its tables and its SQL and is
// handed a [Tx], so that an act and its audit record are one transaction; only
// the migrations that make the tables live here, in migrations/, because their
// order is one order for all rooms.
//
// SQL is written with $1, $2 … in the order of their first use, which SQLite and
// PostgreSQL read alike. This version speaks SQLite only (WAL,
// synchronous=FULL); a postgres:// address is refused by name. The conformance
// suite in storetest is what a second database will have to pass.
//
// Who can change the database file owns the ledger: they can delete an intent or
// a revocation. The audit log (package audit) makes that visible to whoever kept
// a checkpoint; nothing here makes it impossible. The file is created 0600.
//
// Start reading at [Open], then [Store.Write] and the committer behind it.
package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"
)

// Config says which database to open and what to open it with.
type Config struct {
	// URL is the path of a SQLite file, bare or after "sqlite:". The folder must
	// exist or be creatable.
	URL string
	// Clock gives the time that is written into leases. Nil: time.Now.
	Clock func() time.Time
	// Logger hears of reopened connections and dead leases. Nil: silence.
	Logger *slog.Logger
	// Faults, if not nil, makes commits fail on purpose. For tests of the rooms
	// above; nothing in the product sets it.
	Faults *Faults
}

// A Store is an open database. All methods may be called concurrently, by
// several Stores in one process and by several processes on one file.
type Store struct {
	path   string
	clock  func() time.Time
	log    *slog.Logger
	faults *Faults

	reads  *sql.DB
	writes *committer
}

// Open opens the database that cfg names, creates it if it is not there, and
// brings its tables up to this version. Several processes may open one new file
// at the same moment. A database written by a newer version is refused.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	path, err := sqlitePath(cfg.URL)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, clock: cfg.Clock, log: cfg.Logger, faults: cfg.Faults}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := createPrivate(path); err != nil {
		return nil, fmt.Errorf("opening store %q: %w", path, err)
	}
	if err := s.migrate(ctx); err != nil {
		return nil, fmt.Errorf("opening store %q: %w", path, err)
	}
	if s.reads, err = openReaders(path); err != nil {
		return nil, fmt.Errorf("opening store %q: %w", path, err)
	}
	if s.writes, err = newCommitter(ctx, path, s.log, s.faults); err != nil {
		s.reads.Close()
		return nil, fmt.Errorf("opening store %q: %w", path, err)
	}
	return s, nil
}

// Path returns the path of the database file.
func (s *Store) Path() string { return s.path }

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
	return s.writes.write(ctx, fn)
}

// Read runs fn in a read transaction: it sees one state of the database from
// beginning to end, including every Write that returned before Read was called,
// and holds up nobody. An attempt to write through tx fails.
func (s *Store) Read(ctx context.Context, fn func(Tx) error) error {
	tx, err := s.reads.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("reading store: %w", err)
	}
	defer tx.Rollback() // a read has nothing to commit, and a rollback cannot matter
	return fn(readTx{tx})
}

// Close waits for the transaction in progress, refuses the writes that wait with
// [ErrClosed], and closes the database. Leases must be released before.
func (s *Store) Close() error {
	err := s.writes.close()
	if rerr := s.reads.Close(); err == nil {
		err = rerr
	}
	if err != nil {
		return fmt.Errorf("closing store %q: %w", s.path, err)
	}
	return nil
}
