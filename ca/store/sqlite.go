package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"
)

// busyTimeout is how long a writer waits for the writer of another process. A
// transaction takes milliseconds; half a minute is a process that was stopped
// while it held the lock, and then an error is better than silence.
const busyTimeout = 30 * time.Second

// readers bounds the read connections: enough to keep every core busy, few enough
// that their page caches stay small.
var readers = 2 * runtime.NumCPU()

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

// sqlitePath takes the file's path out of a store URL. What cannot be one is
// refused without repeating it: an address may hold a password.
func sqlitePath(address string) (string, error) {
	if scheme, _, ok := strings.Cut(address, "://"); ok && scheme != "sqlite" {
		if scheme == "postgres" || scheme == "postgresql" {
			return "", fmt.Errorf("opening store: %s:// is not in this version; give the path of a SQLite file", scheme)
		}
		return "", fmt.Errorf("opening store: unknown kind of address %q; give the path of a SQLite file", scheme+"://")
	}
	path := strings.TrimPrefix(strings.TrimPrefix(address, "sqlite:"), "//")
	switch {
	case path == "":
		return "", errors.New("opening store: no path given; give the path of a SQLite file")
	case strings.Contains(path, ":memory:"):
		return "", errors.New("opening store: a database in memory would not survive the process; give the path of a SQLite file")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("opening store %q: %w", path, err)
	}
	return abs, nil
}

// createPrivate makes the folder and the file if they are missing, readable by
// their owner alone, which SQLite by itself would not see to.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func dsn(path string, settings ...string) string {
	v := url.Values{}
	v.Set("_busy_timeout", fmt.Sprint(busyTimeout.Milliseconds()))
	v.Set("_foreign_keys", "on")
	for i := 0; i+1 < len(settings); i += 2 {
		v.Set(settings[i], settings[i+1])
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: v.Encode()}).String()
}

// openWriter opens the database with room for one connection: SQLite has one
// writer, and queueing for it in Go is fair where its own lock is a lottery.
func openWriter(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", dsn(path, "_journal_mode", "WAL", "_synchronous", "FULL", "_txlock", "immediate"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func openReaders(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", dsn(path, "_query_only", "true"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return db, nil
}

// migrate brings the tables up to this version. goose has no lock on SQLite, so
// two processes that open a new home together are put one behind the other by a
// file lock.
func (s *Store) migrate(ctx context.Context) error {
	unlock, err := s.lockMigration()
	if err != nil {
		return fmt.Errorf("locking for migration: %w", err)
	}
	defer unlock()

	db, err := openWriter(s.path)
	if err != nil {
		return err
	}
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the version of the tables: %w", err)
	}
	if current > target {
		return fmt.Errorf("tables are of version %d and this program knows %d: use the newer program that wrote them", current, target)
	}
	if current == target {
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating tables from version %d to %d: %w", current, target, err)
	}
	return nil
}

// certainlyNot tells whether a COMMIT that failed with err has certainly written
// nothing: SQLite refused it and kept the transaction open. Any other failure, above
// all one of input and output, may have left a complete transaction in the
// write-ahead log, where the next recovery would find it, whatever the connection
// says now.
func certainlyNot(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == sqlite3.ErrConstraint || e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked
}
