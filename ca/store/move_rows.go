package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A moveColumn is a column of the new database, with the kind of its values.
type moveColumn struct{ name, kind string }

// value makes what SQLite has of a value into what PostgreSQL takes: SQLite keeps a
// value in the form in which it came, whatever its column says.
func (c moveColumn) value(v any) (any, error) {
	switch c.kind {
	case "bytea":
		if s, is := v.(string); is {
			return []byte(s), nil
		}
	case "text":
		if b, is := v.([]byte); is {
			return string(b), nil
		}
	case "boolean":
		if n, is := v.(int64); is && (n == 0 || n == 1) {
			return n == 1, nil
		}
	}
	switch v.(type) {
	case nil, []byte, string, int64, bool, float64:
		return v, nil
	}
	return nil, fmt.Errorf("column %q: a value of type %T", c.name, v)
}

// A tally is the number of rows and a digest of their contents that does not depend
// on their order, which the two databases see differently.
type tally struct {
	rows int64
	sum  [4]uint64
}

// add adds the SHA-256 of a row, modulo 2^256.
func (t *tally) add(row []any) {
	h := sha256.New()
	for _, v := range row {
		switch v := v.(type) {
		case nil:
			h.Write([]byte{0})
		case []byte:
			fmt.Fprintf(h, "\x01%d:", len(v))
			h.Write(v)
		case string:
			fmt.Fprintf(h, "\x02%d:%s", len(v), v)
		default:
			fmt.Fprintf(h, "\x03%v;", v)
		}
	}
	digest := h.Sum(nil)
	var carry uint64
	for n := range t.sum {
		t.sum[n], carry = bits.Add64(t.sum[n], binary.LittleEndian.Uint64(digest[8*n:]), carry)
	}
	t.rows++
}

// columns are those of a table of the new database, in their order; the file must
// have the same.
func (r *removing) columns(ctx context.Context, table string) ([]moveColumn, error) {
	rows, err := r.target.QueryContext(ctx, `SELECT column_name, data_type FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var columns []moveColumn
	for rows.Next() {
		var c moveColumn
		if err := rows.Scan(&c.name, &c.kind); err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	here, err := texts(ctx, r.source, `SELECT name FROM pragma_table_info($1)`, table)
	if err == nil && len(here) != len(columns) {
		err = fmt.Errorf("it has %d columns here and %d there", len(here), len(columns))
	}
	return columns, err
}

func names(columns []moveColumn) []string {
	all := make([]string, 0, len(columns))
	for _, c := range columns {
		all = append(all, c.name)
	}
	return all
}

// table copies one, unless it is there, and compares both sides.
func (r *removing) table(ctx context.Context, table string, there bool) (int64, error) {
	columns, err := r.columns(ctx, table)
	if err != nil {
		return 0, err
	}
	query := `SELECT ` + strings.Join(names(columns), ", ") + ` FROM ` + table
	from, err := r.source.QueryContext(ctx, query)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	source := &moveRows{rows: from, columns: columns}
	if there {
		for source.Next() {
		}
		err = source.Err()
	} else {
		err = raw(r.conn, func(dc *pgx.Conn) error {
			_, err := dc.CopyFrom(ctx, pgx.Identifier{table}, names(columns), source)
			return err
		})
	}
	if err != nil {
		return 0, err
	}
	back, err := r.target.QueryContext(ctx, query)
	if err != nil {
		return 0, err
	}
	defer back.Close()
	target := &moveRows{rows: back, columns: columns}
	for target.Next() {
	}
	switch err := target.Err(); {
	case err != nil:
		return 0, err
	case there && source.tally != target.tally:
		return 0, fmt.Errorf("the new database holds something else, %d rows where %d would be: if it is a copy that was never used, drop the database, create it anew, and run the command again", target.rowsSeen(), source.rowsSeen())
	case source.tally != target.tally:
		return 0, fmt.Errorf("read back, %d of %d rows, or what is in them, are not what was copied", target.rowsSeen(), source.rowsSeen())
	}
	if !there {
		err = r.count(ctx, table)
	}
	return source.rowsSeen(), err
}

// count has the numbers of new rows go on after those that the file has ever given
// out: a number is never given twice.
func (r *removing) count(ctx context.Context, table string) error {
	identities, err := texts(ctx, r.target, `SELECT column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 AND is_identity = 'YES'`, table)
	if err != nil || len(identities) == 0 {
		return err
	}
	var last int64
	err = r.source.QueryRowContext(ctx, `SELECT COALESCE((SELECT MAX(seq) FROM sqlite_sequence WHERE name = $1), 0)`, table).Scan(&last)
	if err != nil {
		return err
	}
	for _, column := range identities {
		_, err := r.target.ExecContext(ctx, `SELECT setval(pg_get_serial_sequence($1, $2), GREATEST($3::bigint, (SELECT COALESCE(MAX(`+column+`), 0) FROM `+table+`), 1),
			GREATEST($3::bigint, (SELECT COALESCE(MAX(`+column+`), 0) FROM `+table+`)) > 0)`, table, column, last)
		if err != nil {
			return fmt.Errorf("numbers of column %q: %w", column, err)
		}
	}
	return nil
}

// moveRows are rows on their way, counted and digested as they pass. It is a
// pgx.CopyFromSource.
type moveRows struct {
	rows    *sql.Rows
	columns []moveColumn
	values  []any
	tally   tally
	err     error
}

var _ pgx.CopyFromSource = (*moveRows)(nil)

func (m *moveRows) rowsSeen() int64 { return m.tally.rows }

// Next implements [pgx.CopyFromSource].
func (m *moveRows) Next() bool {
	if m.err != nil || !m.rows.Next() {
		return false
	}
	m.values = make([]any, len(m.columns))
	targets := make([]any, len(m.columns))
	for n := range targets {
		targets[n] = &m.values[n]
	}
	if m.err = m.rows.Scan(targets...); m.err != nil {
		return false
	}
	for n, c := range m.columns {
		if m.values[n], m.err = c.value(m.values[n]); m.err != nil {
			return false
		}
	}
	m.tally.add(m.values)
	return true
}

// Values implements [pgx.CopyFromSource].
func (m *moveRows) Values() ([]any, error) { return m.values, m.err }

// Err implements [pgx.CopyFromSource].
func (m *moveRows) Err() error {
	if m.err != nil {
		return m.err
	}
	return m.rows.Err()
}
