package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
)

// A Removal is a database that goes from a SQLite file to PostgreSQL.
type Removal struct {
	From string // the file
	// To is the address of an empty database, with the rights to make tables in it.
	To string
	// DryRun looks and counts, and changes nothing on either side.
	DryRun bool
	// Agree is asked before anything counts, with both sides before it; its error ends
	// the move. It is for what the caller knows of the contents. Nil: nothing.
	Agree func(ctx context.Context, from, to Tx) error
	// Progress hears of each table as it is copied. Nil: nobody does.
	Progress func(table string, done, total int)
	Clock    func() time.Time // nil: time.Now
}

// A Removed is what was moved, or would be.
type Removed struct {
	From, To string // as errors name them
	Tables   []RemovedTable
	// Before says that the copy was there already: a move that had died is gone on with.
	Before bool
}

// A RemovedTable is a table with its rows, as many on both sides.
type RemovedTable struct {
	Name string `json:"table"`
	Rows int64  `json:"rows"`
}

// ErrMoved is wrapped by the error of [Open] for a file whose contents were moved
// to another database. It is a record of what was, and nothing writes to it.
var ErrMoved = errors.New("this database was moved")

// ErrAway is wrapped by the error of [Move] when the new database takes no connection.
var ErrAway = errors.New("the new database is not available")

// Move copies a SQLite file, whole, to an empty PostgreSQL database, and marks the
// file as moved: from then on [Open] refuses it, and so does every statement that
// would change it, of processes that had it open. The file is kept.
//
// It holds the file's write lock from the first row to the mark, so that nothing is
// written meanwhile, and refuses while another process has a lease on it. All rows
// are one transaction over there. Before it is committed, the rows are read back and
// compared, by their number and by their contents, and Agree is asked. What the job
// queue has in the file stays behind: it is wake-ups for work that stands in our
// tables. Leases stay behind: their owners are at work on the file.
//
// Killed at any moment, it has moved nothing, or everything; after a commit over
// there whose mark was not written, Move finds its copy, compares it and goes on
// with the mark. A database that holds anything else is refused. Who moves has the
// switch to make that comes after: until it is made the file refuses its service.
func Move(ctx context.Context, m Removal) (*Removed, error) {
	if m.Clock == nil {
		m.Clock = time.Now
	}
	path, err := sqlitePath(m.From)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("moving a database: %w", err)
	}
	log := slog.New(slog.DiscardHandler)
	found, err := newSQLite(Config{URL: m.From, Clock: m.Clock, Logger: log})
	if err != nil {
		return nil, err
	}
	target, err := newDatabase(Config{URL: m.To, Clock: m.Clock, Logger: log})
	if err != nil {
		return nil, err
	}
	defer target.close()
	to, is := target.(*postgres)
	if !is {
		return nil, fmt.Errorf("moving store %q: %q is no address of a PostgreSQL database; give postgres://USER@HOST:PORT/DATABASE", found, m.To)
	}
	r := &removing{Removal: m, from: found.(*sqlite), to: to}
	removed, err := r.run(ctx)
	if err != nil {
		if away := (*pgconn.ConnectError)(nil); errors.As(err, &away) {
			err = fmt.Errorf("%w: %w", ErrAway, err)
		}
		return nil, fmt.Errorf("moving store %q to %q: %w", r.from, r.to, err)
	}
	return removed, nil
}

// A removing is a move under way.
type removing struct {
	Removal
	from *sqlite
	to   *postgres
	gone bool // the file carries the mark already

	source *sql.Tx // holds the file's write lock
	target *sql.Tx
	conn   *sql.Conn // target's
}

func (r *removing) run(ctx context.Context) (*Removed, error) {
	mark, err := r.from.moved(ctx)
	switch {
	case err != nil:
		return nil, err
	case mark != "" && mark != r.to.name:
		return nil, fmt.Errorf("%w to %s before", ErrMoved, mark)
	}
	r.gone = mark != ""
	if !r.gone {
		// Both of the same level, or a column has no counterpart.
		if err := r.from.migrating(ctx, r.level(ctx)); err != nil {
			return nil, err
		}
	}
	db, err := r.from.openWriter()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if r.source, err = db.BeginTx(ctx, nil); err != nil {
		return nil, fmt.Errorf("locking it against writers: %w", err)
	}
	defer r.source.Rollback() // after the commit it does nothing
	if err := r.from.nobody(ctx); err != nil {
		return nil, err
	}
	tables, err := r.tables(ctx)
	if err != nil {
		return nil, err
	}
	removed := &Removed{From: r.from.String(), To: r.to.String()}
	if r.DryRun {
		return removed, r.look(ctx, tables, removed)
	}
	if err := r.to.migrating(ctx, r.level(ctx)); err != nil {
		return nil, fmt.Errorf("making the tables: %w", err)
	}
	if err := r.copy(ctx, tables, removed); err != nil {
		return nil, err
	}
	if r.gone {
		return removed, nil
	}
	if err := r.mark(ctx); err != nil {
		return nil, fmt.Errorf("the copy is complete, marking the file as moved: %w; run the command again", err)
	}
	return removed, nil
}

// level brings a side's tables to this version.
func (r *removing) level(ctx context.Context) func(goose.Dialect, *sql.DB) error {
	return func(dialect goose.Dialect, db *sql.DB) error { return migrateUp(ctx, dialect, db) }
}

// nobody refuses while a living process has the file.
func (l *leaseFiles) nobody(ctx context.Context) error {
	l.sweep(ctx)
	files, err := os.ReadDir(l.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, file := range files {
		name, is := strings.CutSuffix(file.Name(), ".lock")
		if !is {
			continue
		}
		if alive, err := l.alive(ctx, OwnerID(name)); err != nil || alive {
			return errors.Join(err, fmt.Errorf("a process is at work on it (lease %s; the file in %q says its number): stop every server and command of this home first", name, l.folder))
		}
	}
	return nil
}

// stays tells whether a table is not moved.
func stays(table string) bool {
	return table == "goose_db_version" || table == "lease" || table == "moved" || strings.HasPrefix(table, "sqlite_") || strings.HasPrefix(table, "river_")
}

// tables returns the tables of the file that are moved, those that others refer to
// before them.
func (r *removing) tables(ctx context.Context) ([]string, error) {
	names, err := texts(ctx, r.source, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	var sorted []string
	var place func(string) error
	place = func(name string) error {
		if slices.Contains(sorted, name) {
			return nil
		}
		parents, err := texts(ctx, r.source, `SELECT "table" FROM pragma_foreign_key_list($1)`, name)
		if err != nil {
			return err
		}
		for _, parent := range parents {
			if parent != name {
				if err := place(parent); err != nil {
					return err
				}
			}
		}
		sorted = append(sorted, name)
		return nil
	}
	for _, name := range names {
		if stays(name) {
			continue
		}
		if err := place(name); err != nil {
			return nil, err
		}
	}
	return sorted, nil
}

// look is the dry run.
func (r *removing) look(ctx context.Context, tables []string, removed *Removed) error {
	db, err := r.to.connections(1, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	there, err := texts(ctx, db, `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name`)
	if err != nil {
		return fmt.Errorf("looking at the new database: %w", err)
	}
	if len(there) == 0 {
		var may bool
		if err := db.QueryRowContext(ctx, `SELECT has_schema_privilege(current_schema(), 'CREATE')`).Scan(&may); err != nil {
			return err
		}
		if !may {
			return errors.New("this user may not make tables in the new database: give the address of its owner")
		}
	}
	filled := ""
	for _, name := range there {
		if stays(name) {
			continue
		}
		if !slices.Contains(tables, name) {
			return fmt.Errorf("the new database has a table %q, which is none of ours: use a database of its own", name)
		}
		var some bool
		if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+name+`)`).Scan(&some); err != nil {
			return err
		}
		if some && filled == "" {
			filled = name
		}
	}
	removed.Before = filled != ""
	for _, name := range tables {
		t := RemovedTable{Name: name}
		if err := r.source.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+name).Scan(&t.Rows); err != nil {
			return err
		}
		removed.Tables = append(removed.Tables, t)
	}
	return nil
}

// copy fills the new database, or finds that it is filled with the same, in one
// transaction.
func (r *removing) copy(ctx context.Context, tables []string, removed *Removed) error {
	db, err := r.to.connections(1, map[string]string{"synchronous_commit": "on"})
	if err != nil {
		return err
	}
	defer db.Close()
	if r.conn, err = db.Conn(ctx); err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer r.conn.Close()
	if r.target, err = r.conn.BeginTx(ctx, nil); err != nil {
		return err
	}
	defer r.target.Rollback()
	if removed.Before, err = r.filled(ctx, tables); err != nil {
		return err
	}
	if r.gone && !removed.Before {
		return errors.New("the file is marked as moved there, and nothing is there: is it the right database?")
	}
	for n, name := range tables {
		if r.Progress != nil {
			r.Progress(name, n, len(tables))
		}
		rows, err := r.table(ctx, name, removed.Before)
		if err != nil {
			return fmt.Errorf("table %q: %w", name, err)
		}
		removed.Tables = append(removed.Tables, RemovedTable{Name: name, Rows: rows})
	}
	if r.Agree != nil {
		if err := r.Agree(ctx, readTx{tx: r.source}, readTx{tx: r.target}); err != nil {
			return err
		}
	}
	if removed.Before {
		return nil
	}
	if err := r.target.Commit(); err != nil {
		return fmt.Errorf("committing: %w; run the command again, it finds out what is there", err)
	}
	return nil
}

func (r *removing) filled(ctx context.Context, tables []string) (bool, error) {
	for _, name := range tables {
		var some bool
		if err := r.target.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+name+`)`).Scan(&some); err != nil || some {
			return some, err
		}
	}
	return false, nil
}

// mark ends the file's life as a ledger. Processes that have it open, and had no
// lease yet, find every change refused.
func (r *removing) mark(ctx context.Context) error {
	names, err := texts(ctx, r.source, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return err
	}
	if _, err := r.source.ExecContext(ctx, `CREATE TABLE moved (to_database TEXT NOT NULL, at INTEGER NOT NULL)`); err != nil {
		return err
	}
	if _, err := r.source.ExecContext(ctx, `INSERT INTO moved (to_database, at) VALUES ($1, $2)`, r.to.name, r.Clock().UnixMicro()); err != nil {
		return err
	}
	for _, name := range append(names, "moved") {
		for _, change := range []string{"INSERT", "UPDATE", "DELETE"} {
			text := fmt.Sprintf(`CREATE TRIGGER moved_%s_%s BEFORE %s ON %s BEGIN SELECT RAISE(ABORT, 'this database was moved; nothing is written to the old file'); END`,
				name, strings.ToLower(change), change, name)
			if _, err := r.source.ExecContext(ctx, text); err != nil {
				return err
			}
		}
	}
	return r.source.Commit()
}

// moved returns where the contents of the file have gone, or nothing.
func (d *sqlite) moved(ctx context.Context) (string, error) {
	db, err := d.openReaders()
	if err != nil {
		return "", err
	}
	defer db.Close()
	marked, err := texts(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'moved'`)
	if err != nil || len(marked) == 0 {
		return "", err
	}
	where, err := texts(ctx, db, `SELECT to_database FROM moved`)
	if err == nil && len(where) != 1 {
		err = errors.New("its mark of having been moved cannot be read")
	}
	if err != nil {
		return "", err
	}
	return where[0], nil
}

// refuseMoved is [Open]'s look at a file's mark.
func (d *sqlite) refuseMoved(ctx context.Context) error {
	where, err := d.moved(ctx)
	if err == nil && where != "" {
		err = fmt.Errorf("%w to %s, and is kept as it was then", ErrMoved, where)
	}
	return err
}

// texts runs a query for one column of text.
func texts(ctx context.Context, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, args ...any) (all []string, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
