package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// busyTimeout is how long a writer waits for the writer of another process. A
// transaction takes milliseconds; half a minute is a process that was stopped
// while it held the lock, and then an error is better than silence.
const busyTimeout = 30 * time.Second

// readers bounds the read connections: enough to keep every core busy, few enough
// that their page caches stay small.
var readers = 2 * runtime.NumCPU()

// writerCache is how much of the file the writer keeps in memory, in SQLite's spelling
// of 32 MiB. Serial numbers and keys fall anywhere in their indexes, whose upper pages
// would be read again for every row with the 2 MiB of the default.
const writerCache = "-32768"

// writerPragmas is the rest of what a writer is opened with.
//
// What undoes a savepoint, or a statement of many rows, is a copy of each page that it
// changes. SQLite writes them into a file, three times what goes into the write-ahead
// log, and they are of no use after a crash: they stay in memory, and are gone with
// the transaction.
//
// Pages go from the write-ahead log into the database once there are 8,192 (32 MiB)
// and not once there are 1,000: a batch changes the same pages of the indexes with
// every thousand certificates.
const writerPragmas = `PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 8192`

// A sqlite is a database in one file, for the processes of one machine.
type sqlite struct {
	leaseFiles
	path string
}

func newSQLite(cfg Config) (database, error) {
	path, err := sqlitePath(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, fmt.Errorf("opening store %q: %w", path, err)
	}
	return &sqlite{path: path, leaseFiles: leaseFiles{folder: path + "-leases", clock: cfg.Clock, log: cfg.Logger}}, nil
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

func (d *sqlite) String() string { return d.path }

func (d *sqlite) dsn(settings ...string) string {
	v := url.Values{}
	v.Set("_busy_timeout", fmt.Sprint(busyTimeout.Milliseconds()))
	v.Set("_foreign_keys", "on")
	for i := 0; i+1 < len(settings); i += 2 {
		v.Set(settings[i], settings[i+1])
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: d.path}).EscapedPath(), RawQuery: v.Encode()}).String()
}

// openWriter opens the database with room for one connection: SQLite has one
// writer, and queueing for it in Go is fair where its own lock is a lottery.
//
// Triggers are recursive, because without that SQLite lets INSERT OR REPLACE
// delete a row past the trigger that forbids it.
func (d *sqlite) openWriter() (*sql.DB, error) {
	db := sql.OpenDB(writerConnector{d.dsn("_journal_mode", "WAL", "_synchronous", "FULL", "_txlock", "immediate", "_recursive_triggers", "on", "_cache_size", writerCache)})
	db.SetMaxOpenConns(1)
	return db, nil
}

// A writerConnector connects as a writer.
type writerConnector struct{ dsn string }

// writerDriver sets what the driver's address has no word for.
var writerDriver = &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
	_, err := conn.Exec(writerPragmas, nil)
	return err
}}

func (c writerConnector) Connect(context.Context) (driver.Conn, error) {
	return writerDriver.Open(c.dsn)
}

func (c writerConnector) Driver() driver.Driver { return writerDriver }

func (d *sqlite) openReaders() (*sql.DB, error) {
	db, err := sql.Open("sqlite3", d.dsn("_query_only", "true"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return db, nil
}

// openJobs opens one more writer. It queues for SQLite's own lock against the
// committer, at the beginning of each transaction and not in the middle, where
// waiting would not help (see SQLITE_BUSY_SNAPSHOT).
func (d *sqlite) openJobs() (*sql.DB, error) { return d.openWriter() }

func (d *sqlite) reading() *sql.TxOptions { return nil }

func (d *sqlite) begin(ctx context.Context, conn *sql.Conn) (*sql.Tx, error) {
	return conn.BeginTx(ctx, nil) // BEGIN IMMEDIATE, by the connection's _txlock
}

func (d *sqlite) prepares() bool { return true }

func (d *sqlite) patience() time.Duration { return 0 }

func (d *sqlite) lost(error) bool { return false }

func (d *sqlite) close() error { return nil }

// certainlyNot is true if SQLite refused the COMMIT and kept the transaction open.
// Any other failure, above all one of input and output, may have left a complete
// transaction in the write-ahead log, where the next recovery would find it,
// whatever the connection says now.
func (d *sqlite) certainlyNot(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == sqlite3.ErrConstraint || e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked
}

// insertAtOnce is how many rows one statement adds. The gain over one row a
// statement is all there at 50; the smaller size is for single issuances that waited
// together. No other sizes are ever prepared.
var insertAtOnce = []int{50, 8, 1}

// insert adds the rows many at a time. The numbers are given here, because the
// order in which RETURNING lists the rows of one statement is not defined; no
// other writer can be about.
func (d *sqlite) insert(ctx context.Context, tx *writeTx, r Rows) ([]int64, error) {
	columns := r.Columns
	var numbers []int64
	if r.Key != "" {
		var last int64
		if err := tx.QueryRow(ctx, fmt.Sprintf(`SELECT COALESCE(MAX(%s), 0) FROM %s`, r.Key, r.Table)).Scan(&last); err != nil {
			return nil, err
		}
		columns = append([]string{r.Key}, columns...)
		for n := range r.Values {
			numbers = append(numbers, last+1+int64(n))
		}
	}
	for from := 0; from < len(r.Values); {
		left := len(r.Values) - from
		rows := insertAtOnce[slices.IndexFunc(insertAtOnce, func(n int) bool { return n <= left })]
		args := make([]any, 0, rows*len(columns))
		for n := from; n < from+rows; n++ {
			if r.Key != "" {
				args = append(args, numbers[n])
			}
			args = append(args, r.Values[n]...)
		}
		if _, err := tx.Exec(ctx, insertStatement(r.Table, columns, rows), args...); err != nil {
			return nil, err
		}
		from += rows
	}
	return numbers, nil
}

func insertStatement(table string, columns []string, rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", table, strings.Join(columns, ", "))
	one := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	b.WriteString(one)
	for range rows - 1 {
		b.WriteString(", " + one)
	}
	return b.String()
}
