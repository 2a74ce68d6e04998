package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A Tx is what a room gets to run its SQL with, inside [Store.Write] or
// [Store.Read]. It is narrow on purpose: both databases satisfy it and nothing in
// it can end the transaction. It is valid until the function it was given to
// returns, and for one goroutine.
//
// In a Write the ctx given to these methods means nothing: its end does not
// interrupt the statement, because an interrupted statement costs the transaction,
// and with it the writes of everyone who shares it.
type Tx interface {
	// Exec runs one statement and returns how many rows it changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// Query runs one query. The caller closes the rows before the next Exec.
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	// QueryRow runs a query that gives at most one row.
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
	// Insert adds many rows to one table, much faster than Exec one by one, and
	// returns the numbers that Rows.Key gave them, in their order.
	Insert(ctx context.Context, r Rows) ([]int64, error)
}

// SQL returns the transaction of a Write as database/sql has it, for the one room
// (package work) whose job queue can insert a job in no other way. The caller runs
// statements in it and must neither commit it nor roll it back. A transaction of a
// Read has none.
func SQL(tx Tx) (*sql.Tx, error) {
	if w, is := tx.(*writeTx); is && w.sql != nil {
		return w.sql, nil
	}
	return nil, errors.New("taking the transaction of a write: there is none")
}

// TakesLists tells whether one parameter of a statement may be a list ([]int64,
// []string or [][]byte), as PostgreSQL has it: `IN (SELECT unnest($1::bytea[]))`. One
// statement then serves any number of values and is planned once. On SQLite each
// value is a parameter of its own.
func TakesLists(tx Tx) bool {
	switch tx := tx.(type) {
	case *writeTx:
		_, is := tx.db.(*postgres)
		return is
	case readTx:
		return tx.lists
	}
	return false
}

// readTx is a Tx of the read pool; ctx ends its statements at once.
type readTx struct {
	tx    statements
	lists bool // see TakesLists
}

// statements are what a transaction of database/sql and its pool have in common.
type statements interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (t readTx) Insert(context.Context, Rows) ([]int64, error) {
	return nil, errors.New("adding rows: this is a read")
}

func (t readTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t readTx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, query, args...)
}

func (t readTx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(ctx, query, args...)
}

// writeTx is a Tx of the committer.
//
// On SQLite it keeps every statement it has ever been given prepared on the one
// write connection: preparing costs more than running, and the rooms together have
// a few dozen statements, all constant. They run on conn, beside sql and in its
// transaction, because sql would prepare each of them anew.
//
// On PostgreSQL the driver keeps them itself, and they run on sql: database/sql
// waits for itself, without end, when a connection turns out to be lost in a
// statement on conn while a transaction is open on it.
type writeTx struct {
	db    database
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // nil: the driver keeps them

	// Of the transaction in progress. ctx is what bounds it, whatever its callers
	// have.
	sql *sql.Tx
	ctx context.Context
}

// maxStatements bounds the prepared statements, against a room that builds its
// SQL from data.
const maxStatements = 512

func (t *writeTx) prepared(query string) (*sql.Stmt, error) {
	if stmt, ok := t.stmts[query]; ok {
		return stmt, nil
	}
	if len(t.stmts) >= maxStatements {
		for q, stmt := range t.stmts {
			stmt.Close()
			delete(t.stmts, q)
		}
	}
	stmt, err := t.conn.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, err
	}
	t.stmts[query] = stmt
	return stmt, nil
}

func (t *writeTx) Exec(_ context.Context, query string, args ...any) (int64, error) {
	var res sql.Result
	var err error
	if t.stmts == nil {
		res, err = t.sql.ExecContext(t.ctx, query, args...)
	} else {
		var stmt *sql.Stmt
		if stmt, err = t.prepared(query); err == nil {
			res, err = stmt.ExecContext(t.ctx, args...)
		}
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *writeTx) Query(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	if t.stmts == nil {
		return t.sql.QueryContext(t.ctx, query, args...)
	}
	stmt, err := t.prepared(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(t.ctx, args...)
}

func (t *writeTx) QueryRow(_ context.Context, query string, args ...any) *sql.Row {
	if t.stmts == nil {
		return t.sql.QueryRowContext(t.ctx, query, args...)
	}
	stmt, err := t.prepared(query)
	if err != nil {
		// A Row cannot be made from an error; running the query again gives one
		// that carries it.
		return t.sql.QueryRowContext(t.ctx, query, args...)
	}
	return stmt.QueryRowContext(t.ctx, args...)
}

func (t *writeTx) Insert(ctx context.Context, r Rows) ([]int64, error) {
	if len(r.Values) == 0 {
		return nil, nil
	}
	numbers, err := t.db.insert(ctx, t, r)
	if err != nil {
		return nil, fmt.Errorf("adding %d rows to %s: %w", len(r.Values), r.Table, err)
	}
	return numbers, nil
}
