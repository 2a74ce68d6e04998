package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Advisory locks of ours, by their first number; the second is the schema, so that
// two CAs in one database do not wait for each other. The numbers spell nothing and
// may never change: nodes of two versions must mean the same lock.
const (
	writeLock     = 0x534d4b49
	migrationLock = 0x534d4b4a
)

// Bounds of a write on PostgreSQL, where another machine may be stopped, or the
// network cut, with our lock held.
const (
	// lockPatience is how long a writer waits for the writers of other nodes.
	lockPatience = 30 * time.Second
	// idlePatience is after how long the server ends a transaction whose process says
	// nothing, and takes its lock back. A write never waits for anything but the
	// database, so that this is a process that was stopped.
	idlePatience = 10 * time.Second
	// writePatience bounds a transaction as a whole: a thousand certificates take a
	// second.
	writePatience = 2 * time.Minute
)

// A postgres is a database on a server, for several nodes.
type postgres struct {
	config *pgx.ConnConfig
	name   string
	log    *slog.Logger
	leaseRows
}

func newPostgres(cfg Config) (database, error) {
	if err := checkPostgresAddress(cfg.URL); err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		// The driver's error repeats the address, less what it knows to be a password.
		return nil, errors.New("opening store: the postgres:// address cannot be read; it has the form postgres://USER@HOST:PORT/DATABASE?passfile=FILE")
	}
	config.ConnectTimeout = 10 * time.Second
	config.DialFunc = (&net.Dialer{
		Timeout:         10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}).DialContext
	set := func(name, value string) { config.RuntimeParams[name] = value }
	set("application_name", "smki")
	set("timezone", "UTC")
	// The server's side of the same line: it notices a dead node and frees its lock.
	set("tcp_keepalives_idle", "10")
	set("tcp_keepalives_interval", "5")
	set("tcp_keepalives_count", "3")
	d := &postgres{config: config, log: cfg.Logger, name: fmt.Sprintf("postgres://%s@%s:%d/%s", config.User, config.Host, config.Port, config.Database)}
	side, err := d.connections(2, nil)
	if err != nil {
		return nil, err
	}
	d.leaseRows = leaseRows{side: side, term: cfg.LeaseTerm, log: cfg.Logger, mine: make(map[OwnerID]chan struct{})}
	if d.term <= 0 {
		d.term = 30 * time.Second
	}
	return d, nil
}

func (d *postgres) String() string { return d.name }

// connections opens up to n connections with some more settings.
func (d *postgres) connections(n int, settings map[string]string) (*sql.DB, error) {
	config := d.config.Copy()
	for name, value := range settings {
		config.RuntimeParams[name] = value
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

func (d *postgres) openWriter() (*sql.DB, error) {
	db, err := d.connections(1, map[string]string{
		// A server, a database or a role may have it off for all; a Write that returned
		// is on disk here.
		"synchronous_commit":                  "on",
		"lock_timeout":                        milliseconds(lockPatience),
		"idle_in_transaction_session_timeout": milliseconds(idlePatience),
		// Every statement of a write finds its rows by an index. The server would rather
		// read a table whole that was small when it last counted, and goes on doing so
		// with a plan that it kept, while a batch makes the table a thousand times longer.
		"enable_seqscan": "off",
		"jit":            "off", // a whole table that must be read is no reason to compile
	})
	if err == nil {
		db.SetConnMaxIdleTime(0) // it lives as long as the store
	}
	return db, err
}

// openReaders opens connections that cannot write, in a transaction or without one.
func (d *postgres) openReaders() (*sql.DB, error) {
	return d.connections(max(8, readers), map[string]string{"default_transaction_read_only": "on"})
}

func (d *postgres) openJobs() (*sql.DB, error) { return d.connections(max(8, readers), nil) }

func (d *postgres) reading() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

// begin begins a transaction and takes the one write lock, which is held until the
// server has committed or rolled back.
//
// Statements see what was committed before each of them (READ COMMITTED), not
// before the transaction: the state at the time when the lock was asked for would
// be the state before the writes that were waited for.
//
// With the lock held it is certain whether this process was taken for dead:
// decisions that rest on a death are made under the same lock.
func (d *postgres) begin(ctx context.Context, conn *sql.Conn) (*sql.Tx, error) {
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, err
	}
	// One message, two statements: each sees the world anew.
	owners := d.held()
	text := fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d, hashtext(current_schema()))`, writeLock)
	if len(owners) > 0 {
		text += `; SELECT owner FROM lease WHERE owner IN ('` + strings.Join(owners, `', '`) + `')`
	}
	var living int
	err = raw(conn, func(dc *pgx.Conn) error {
		results, err := dc.PgConn().Exec(ctx, text).ReadAll()
		if err == nil && len(owners) > 0 {
			living = len(results[1].Rows)
		}
		return err
	})
	if err == nil && living != len(owners) {
		err = ErrLeaseLost
	}
	if err != nil {
		tx.Rollback()
		return nil, err
	}
	return tx, nil
}

// raw runs f with the driver's connection, in the transaction that is open on it.
// An error of f must not close conn: see writeTx.
func raw(conn *sql.Conn, f func(*pgx.Conn) error) error {
	var err error
	if closed := conn.Raw(func(dc any) error { err = f(dc.(*stdlib.Conn).Conn()); return nil }); closed != nil {
		return closed
	}
	return err
}

func (d *postgres) prepares() bool { return false }

func (d *postgres) patience() time.Duration { return writePatience }

// certainlyNot is true if the server answered the COMMIT, and refused it, or never
// heard of it. A server that is ending says FATAL, and nobody can tell what it did
// before.
func (d *postgres) certainlyNot(err error) bool {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.SeverityUnlocalized == "ERROR"
	}
	return errors.Is(err, pgx.ErrTxCommitRollback) || pgconn.SafeToRetry(err)
}

// lost is true of everything that is not an answer of a living server.
func (d *postgres) lost(err error) bool {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.SeverityUnlocalized != "ERROR"
	}
	return !errors.Is(err, ErrLeaseLost) && !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrConnDone)
}

func (d *postgres) close() error {
	d.stop()
	return d.side.Close()
}

// insert sends the rows by COPY. If they have numbers, these are drawn before,
// because COPY returns nothing.
func (d *postgres) insert(ctx context.Context, tx *writeTx, r Rows) ([]int64, error) {
	columns, values := r.Columns, r.Values
	var numbers []int64
	if r.Key != "" {
		rows, err := tx.Query(ctx, `SELECT nextval(pg_get_serial_sequence($1, $2)) FROM generate_series(1, $3)`, r.Table, r.Key, len(r.Values))
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var number int64
			if err := rows.Scan(&number); err != nil {
				return nil, err
			}
			numbers = append(numbers, number)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		rows.Close()
		columns = append([]string{r.Key}, columns...)
		values = make([][]any, len(r.Values))
		for n, row := range r.Values {
			values[n] = append([]any{numbers[n]}, row...)
		}
	}
	return numbers, raw(tx.conn, func(dc *pgx.Conn) error {
		_, err := dc.CopyFrom(tx.ctx, pgx.Identifier{r.Table}, columns, pgx.CopyFromRows(values))
		return err
	})
}
