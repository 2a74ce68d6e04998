package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5/stdlib"
	sqlite3 "github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"
)

// BreakConnection closes the write connection under the committer, as a failing
// disk would end SQLite's, and a cut line PostgreSQL's. It must be called from
// within a write or a fault.
func (s *Store) BreakConnection() error {
	// Statements first: SQLite keeps a connection, and its lock, until the last of
	// them is gone.
	for _, stmt := range s.writes.tx.stmts {
		stmt.Close()
	}
	return s.writes.tx.conn.Raw(func(dc any) error {
		if c, is := dc.(*sqlite3.SQLiteConn); is {
			return c.Close()
		}
		return dc.(*stdlib.Conn).Conn().PgConn().Conn().Close()
	})
}

// SilenceLeases ends the renewal of all leases of this process, as if it had been
// stopped.
func (s *Store) SilenceLeases() {
	rows := &s.db.(*postgres).leaseRows
	rows.mu.Lock()
	defer rows.mu.Unlock()
	for id, stop := range rows.mine {
		close(stop)
		rows.mine[id] = make(chan struct{})
	}
}

// At opens the database at address with its tables at a level, for tests of
// migrations. Level 0 is an empty database.
func At(ctx context.Context, address string, level int64) (*sql.DB, error) {
	db, err := newDatabase(Config{URL: address})
	if err != nil {
		return nil, err
	}
	defer db.close()
	raw, dialect := (*sql.DB)(nil), goose.DialectSQLite3
	if p, is := db.(*postgres); is {
		dialect = goose.DialectPostgres
		raw, err = p.connections(2, nil)
	} else {
		raw, err = db.openWriter()
	}
	if err != nil || level == 0 {
		return raw, err
	}
	provider, err := migrator(dialect, raw)
	if err == nil {
		_, err = provider.UpTo(ctx, level)
	}
	return raw, err
}

// Levels are the numbers of the migrations of one dialect's folder.
func Levels(dialect string) (names []string, err error) {
	entries, err := migrations.ReadDir("migrations/" + dialect)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// Transactions returns in which transactions so many writes of both kinds would be, all
// of which wait when one of the given kind has been committed: "short" and how many
// share it, or "long".
func Transactions(short, long int, wasLong bool) (all []string) {
	c := &committer{queue: make(chan *waiting, short), long: make(chan *waiting, long), stop: make(chan struct{})}
	for range short {
		c.queue <- &waiting{}
	}
	for range long {
		c.long <- &waiting{}
	}
	for len(c.queue)+len(c.long) > 0 {
		var batch []*waiting
		if batch, wasLong = c.take(wasLong); wasLong {
			all = append(all, fmt.Sprint("long ", len(batch)))
		} else {
			all = append(all, fmt.Sprint("short ", len(batch)))
		}
	}
	return all
}
