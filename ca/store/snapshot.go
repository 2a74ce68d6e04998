package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
)

// Snapshot writes a copy of the database to path, which must not be there: one
// state, that of the moment at which it began, including every Write that had
// returned by then. Writers go on meanwhile; the write-ahead log grows until it is
// done. The copy is a SQLite file that [Open] takes, and of mode 0600, because
// whoever has it has the ledger. It is not synced: the caller reads it and puts it
// where it belongs.
//
// A PostgreSQL database is refused, with an error that wraps
// [errors.ErrUnsupported] and says what does it: the server's own tools know how to
// copy a cluster under load and how to go on from there.
func (s *Store) Snapshot(ctx context.Context, path string) error {
	d, is := s.db.(*sqlite)
	if !is {
		return fmt.Errorf("copying store %q: %w on PostgreSQL: use pg_dump, or pg_basebackup with the archive of the write-ahead log", s.db, errors.ErrUnsupported)
	}
	if err := d.snapshot(ctx, path); err != nil {
		return fmt.Errorf("copying store %q: %w", s.db, err)
	}
	return nil
}

func (d *sqlite) snapshot(ctx context.Context, path string) error {
	// Made first and empty, so that nobody else can read it for a moment; SQLite
	// takes an empty file for none.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// A connection of its own: VACUUM INTO is one long read, which the pool's readers
	// need not wait for, and it writes, which theirs may not.
	db, err := sql.Open("sqlite3", d.dsn())
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, path)
	return err
}
