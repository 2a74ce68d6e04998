package store

// Rows are rows for one table, for [Tx.Insert]. On PostgreSQL they travel by COPY,
// on SQLite many to a statement. A row that breaks a rule of the table fails all of
// them.
type Rows struct {
	Table string
	// Key is the column that numbers the rows, an identity of the table, if the
	// caller wants to know the numbers. Empty: the table numbers them, or has none.
	Key     string
	Columns []string // without Key
	Values  [][]any  // one slice a row, in the order of Columns; nil, int64, bool, string or []byte
}
