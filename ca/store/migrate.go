package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// The numbers are one order for all rooms, and the same in both folders: what is
// level 3 on SQLite is level 3 on PostgreSQL.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

// migrator is one dialect's migrations over an open database.
func migrator(dialect goose.Dialect, db *sql.DB) (*goose.Provider, error) {
	folder := "migrations/sqlite"
	if dialect == goose.DialectPostgres {
		folder = "migrations/postgres"
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, err
	}
	// Rooms have ranges of numbers of their own, so that a later version may add a
	// lower one.
	provider, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true), goose.WithAllowOutofOrder(true))
	if err != nil {
		return nil, fmt.Errorf("reading migrations: %w", err)
	}
	return provider, nil
}

// migrateUp brings the tables up to this version. The caller holds the lock that
// keeps other processes from doing the same.
func migrateUp(ctx context.Context, dialect goose.Dialect, db *sql.DB) error {
	provider, err := migrator(dialect, db)
	if err != nil {
		return err
	}
	pending, err := provider.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("reading the version of the tables: %w", err)
	}
	if err := refuseNewer(ctx, db, provider); err != nil || !pending {
		return err
	}
	if _, err := provider.Up(ctx); notOwner(err) {
		return fmt.Errorf("migrating tables: %w (%v)", ErrNotOwner, err)
	} else if err != nil {
		return fmt.Errorf("migrating tables: %w", err)
	}
	return nil
}

// refuseNewer refuses tables that went through a migration which this program does
// not know.
func refuseNewer(ctx context.Context, db *sql.DB, provider *goose.Provider) error {
	known := map[int64]bool{0: true}
	for _, source := range provider.ListSources() {
		known[source.Version] = true
	}
	applied, err := appliedVersions(ctx, db)
	if err != nil {
		return err
	}
	for _, version := range applied {
		if !known[version] {
			return fmt.Errorf("tables are of version %d, which this program does not know: use the newer program that wrote them", version)
		}
	}
	return nil
}

// appliedVersions are the migrations that tables went through, goose's own 0 among
// them, in the order in which goose keeps them.
func appliedVersions(ctx context.Context, db *sql.DB) ([]int64, error) {
	rows, err := db.QueryContext(ctx, `SELECT version_id FROM goose_db_version`)
	if err != nil {
		return nil, fmt.Errorf("reading the version of the tables: %w", err)
	}
	defer rows.Close()
	var applied []int64
	for rows.Next() {
		var version int64
		if err := rows.Scan(&version); err != nil {
			return nil, fmt.Errorf("reading the version of the tables: %w", err)
		}
		applied = append(applied, version)
	}
	return applied, rows.Err()
}

// migrating puts two processes that open a new home together one behind the other
// by a file lock, because goose has none on SQLite.
func (d *sqlite) migrating(ctx context.Context, f func(goose.Dialect, *sql.DB) error) error {
	unlock, err := d.lockMigration()
	if err != nil {
		return fmt.Errorf("locking for migration: %w", err)
	}
	defer unlock()
	if err := d.refuseMoved(ctx); err != nil {
		return err
	}
	db, err := d.openWriter()
	if err != nil {
		return err
	}
	defer db.Close()
	return f(goose.DialectSQLite3, db)
}

// migrating holds an advisory lock on a connection of its own, which the server
// takes back if the process dies.
func (d *postgres) migrating(ctx context.Context, f func(goose.Dialect, *sql.DB) error) error {
	db, err := d.connections(3, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	lock, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := lock.ExecContext(ctx, `SELECT pg_advisory_lock($1, hashtext(current_schema()))`, migrationLock); err != nil {
		return fmt.Errorf("locking for migration: %w", err)
	}
	// Closing the connection gives the lock back.
	defer lock.Raw(func(any) error { return driver.ErrBadConn })
	return f(goose.DialectPostgres, db)
}

// Migrating runs f, which makes tables of somebody else's in the same database
// (package work's job queue), while no other process does the same.
func (s *Store) Migrating(ctx context.Context, f func(*sql.DB) error) error {
	return s.db.migrating(ctx, func(_ goose.Dialect, db *sql.DB) error { return f(db) })
}

// Jobs opens connections of their own for a job queue on the same database (package
// work). On SQLite it is one, which begins every transaction as a writer. The caller
// closes them before the store.
func (s *Store) Jobs() (*sql.DB, error) { return s.db.openJobs() }
