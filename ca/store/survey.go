package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// A Survey is what can be said of a database from a look at it.
type Survey struct {
	Name        string // as errors name it
	Distributed bool   // PostgreSQL
	// Pending is how many levels of this program the tables lack, and Newer the first
	// level that they have and this program does not know; 0: none.
	Pending int
	Newer   int64
	Moved   string // where the contents have gone; empty: they are here
	// Damage is the first thing that SQLite's own check finds; empty: none.
	Damage string
	Living int   // processes that hold a lease
	Bytes  int64 // of disk that it takes
	// Clock is the server's time, on PostgreSQL.
	Clock time.Time
	// MayForge says that whom the address logs in as could change or delete evidence on
	// PostgreSQL; on SQLite whoever can write the file can.
	MayForge bool
}

// Look surveys a database as it is: it makes no file, brings no table up to a level,
// and changes no row. A database that is not there is an error.
func Look(ctx context.Context, cfg Config) (*Survey, error) {
	cfg.Clock, cfg.Logger = time.Now, slog.New(slog.DiscardHandler)
	if !strings.HasPrefix(cfg.URL, "postgres") {
		path, err := sqlitePath(cfg.URL)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return nil, fmt.Errorf("looking at a store: %w", err)
		}
	}
	d, err := newDatabase(cfg)
	if err != nil {
		return nil, err
	}
	defer d.close()
	db, err := d.openReaders()
	if err != nil {
		return nil, fmt.Errorf("looking at store %q: %w", d, err)
	}
	defer db.Close()
	s := &Survey{Name: d.String()}
	switch d := d.(type) {
	case *sqlite:
		err = s.lookAtFile(ctx, d, db)
	case *postgres:
		err = s.lookAtServer(ctx, db)
	}
	if err != nil {
		return nil, fmt.Errorf("looking at store %q: %w", d, err)
	}
	return s, nil
}

func (s *Survey) lookAtFile(ctx context.Context, d *sqlite, db *sql.DB) (err error) {
	if s.Moved, err = d.moved(ctx); err != nil {
		return err
	}
	if err := s.level(ctx, goose.DialectSQLite3, db); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&s.Damage); err != nil {
		return err
	}
	if s.Damage == "ok" {
		s.Damage = ""
	}
	for _, path := range []string{d.path, d.path + "-wal"} {
		if info, err := os.Stat(path); err == nil {
			s.Bytes += info.Size()
		}
	}
	files, err := os.ReadDir(d.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, file := range files {
		if name, is := strings.CutSuffix(file.Name(), ".lock"); is && OwnerID(name).valid() {
			if alive, err := d.alive(ctx, OwnerID(name)); err == nil && alive {
				s.Living++
			}
		}
	}
	return nil
}

func (s *Survey) lookAtServer(ctx context.Context, db *sql.DB) error {
	s.Distributed = true
	if err := s.level(ctx, goose.DialectPostgres, db); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, `SELECT clock_timestamp(), pg_database_size(current_database())`).Scan(&s.Clock, &s.Bytes); err != nil {
		return err
	}
	if s.Pending > 0 {
		return nil // the tables below may not be there
	}
	err := db.QueryRowContext(ctx, `SELECT has_table_privilege('certificate', 'DELETE') OR has_table_privilege('audit_record', 'UPDATE') OR has_table_privilege('revocation', 'DELETE')`).Scan(&s.MayForge)
	if err != nil {
		return err
	}
	return db.QueryRowContext(ctx, `SELECT COUNT(*) FROM lease WHERE NOT (`+leaseDead+`)`).Scan(&s.Living)
}

// level compares the tables' level with this program's.
func (s *Survey) level(ctx context.Context, dialect goose.Dialect, db *sql.DB) error {
	provider, err := migrator(dialect, db)
	if err != nil {
		return err
	}
	versions, err := appliedVersions(ctx, db)
	if err != nil {
		return err
	}
	applied := make(map[int64]bool)
	for _, version := range versions {
		applied[version] = true
	}
	delete(applied, 0)
	for _, source := range provider.ListSources() {
		if !applied[source.Version] {
			s.Pending++
		}
		delete(applied, source.Version)
	}
	for version := range applied {
		s.Newer = max(s.Newer, version)
	}
	return nil
}
