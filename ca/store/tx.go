package store

import (
	"context"
	"database/sql"
)

// A Tx is what a room gets to run its SQL with, inside [Store.Write] or
// [Store.Read]. It is narrow on purpose: both databases satisfy it and nothing in
// it can end the transaction. It is valid until the function it was given to
// returns, and for one goroutine.
//
// In a Write the ctx given to these methods carries values only: its end does not
// interrupt the statement, because SQLite answers an interrupted statement by
// rolling back the transaction, and with it the writes of everyone who shares it.
type Tx interface {
	// Exec runs one statement and returns how many rows it changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// Query runs one query. The caller closes the rows before the next Exec.
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	// QueryRow runs a query that gives at most one row.
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// readTx is a Tx of the read pool; ctx ends its statements at once.
type readTx struct{ tx *sql.Tx }

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

// writeTx is a Tx of the committer. It keeps every statement it has ever been
// given prepared on the one write connection: preparing costs more than running,
// and the rooms together have a few dozen statements, all constant.
type writeTx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
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
	stmt, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	t.stmts[query] = stmt
	return stmt, nil
}

func (t *writeTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	stmt, err := t.prepared(query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(context.WithoutCancel(ctx), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (t *writeTx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := t.prepared(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(context.WithoutCancel(ctx), args...)
}

func (t *writeTx) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	ctx = context.WithoutCancel(ctx)
	stmt, err := t.prepared(query)
	if err != nil {
		// A Row cannot be made from an error; running the query again gives one
		// that carries it.
		return t.conn.QueryRowContext(ctx, query, args...)
	}
	return stmt.QueryRowContext(ctx, args...)
}
