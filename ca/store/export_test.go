package store

import sqlite3 "github.com/mattn/go-sqlite3"

// BreakConnection closes SQLite's write connection under the committer, as a
// failing disk would end it. It must be called from within a write or a fault.
func (s *Store) BreakConnection() error {
	// Statements first: SQLite keeps a connection, and its lock, until the last of
	// them is gone.
	for _, stmt := range s.writes.tx.stmts {
		stmt.Close()
	}
	return s.writes.tx.conn.Raw(func(dc any) error { return dc.(*sqlite3.SQLiteConn).Close() })
}
