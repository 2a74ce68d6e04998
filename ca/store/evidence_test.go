package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

// dialects are the two databases, each as a new, empty one.
var dialects = map[string]func(t testing.TB) string{
	"sqlite":   func(t testing.TB) string { return filepath.Join(t.TempDir(), "ca.db") },
	"postgres": storetest.Postgres,
}

// rows are sample rows as a level of the tables takes them, by level: some for every
// table that it makes, and for what it adds to another. What one dialect alone has
// stands in a file of its own.
func rows(t *testing.T, level int64, dialect string) string {
	var all string
	for _, name := range []string{fmt.Sprintf("%05d.sql", level), fmt.Sprintf("%05d.%s.sql", level, dialect)} {
		text, err := os.ReadFile("testdata/rows/" + name)
		if !os.IsNotExist(err) {
			require.NoError(t, err)
		}
		all += string(text)
	}
	return all
}

// fill adds the rows of every level up to one.
func fill(t *testing.T, db *sql.DB, level int64) {
	for l := int64(1); l <= level; l++ {
		for _, statement := range strings.SplitAfter(rows(t, l, dialectOf(db)), ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err, "level %d: %s", l, statement)
		}
	}
}

func dialectOf(db *sql.DB) string {
	if strings.Contains(fmt.Sprintf("%T", db.Driver()), "SQLite") {
		return "sqlite"
	}
	return "postgres"
}

// tables are those that a database has at its level, the migrations' own aside.
func tables(t *testing.T, db *sql.DB) (names []string) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'goose_db_version'`
	if dialectOf(db) == "postgres" {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_name <> 'goose_db_version'`
	}
	found, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer found.Close()
	for found.Next() {
		var name string
		require.NoError(t, found.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, found.Err())
	return names
}

// contents reads the given columns of a table, or all: a later level may add some.
func contents(t *testing.T, db *sql.DB, table string, chosen ...string) (columns []string, lines []string) {
	if len(chosen) == 0 {
		chosen = []string{"*"}
	}
	found, err := db.QueryContext(t.Context(), `SELECT `+strings.Join(chosen, ", ")+` FROM `+table)
	require.NoError(t, err)
	defer found.Close()
	columns, err = found.Columns()
	require.NoError(t, err)
	for found.Next() {
		values := make([]any, len(columns))
		targets := make([]any, len(columns))
		for n := range values {
			targets[n] = &values[n]
		}
		require.NoError(t, found.Scan(targets...))
		var cells []string
		for n, value := range values {
			if b, is := value.([]byte); is {
				value = string(b)
			}
			cells = append(cells, fmt.Sprintf("%s=%v", columns[n], value))
		}
		lines = append(lines, strings.Join(cells, " "))
	}
	require.NoError(t, found.Err())
	sort.Strings(lines)
	return columns, lines
}

// A database of every level there ever was, with rows in it, becomes one of this
// version: the rows are what they were, and new ones go in beside them.
func TestEveryLevelMigrates(t *testing.T) {
	t.Parallel()
	for dialect, fresh := range dialects {
		names, err := store.Levels(dialect)
		require.NoError(t, err)
		for _, name := range names {
			level, err := strconv.ParseInt(name[:5], 10, 64)
			require.NoError(t, err)
			t.Run(dialect+"/"+strings.TrimSuffix(name, ".sql"), func(t *testing.T) {
				t.Parallel()
				address := fresh(t)
				old, err := store.At(t.Context(), address, level)
				require.NoError(t, err)
				fill(t, old, level)
				before, had := make(map[string][]string), make(map[string][]string)
				for _, table := range tables(t, old) {
					had[table], before[table] = contents(t, old, table)
					require.NotEmpty(t, before[table], "testdata/rows has no row for %s, which is there at level %d", table, level)
				}
				require.NotEmpty(t, before["audit_record"])
				require.NoError(t, old.Close())

				s := openAt(t, store.Config{URL: address})
				now, err := store.At(t.Context(), address, 0)
				require.NoError(t, err)
				defer now.Close()
				for table, lines := range before {
					_, after := contents(t, now, table, had[table]...)
					require.Equal(t, lines, after, "the rows of %s are what they were", table)
				}
				require.NoError(t, s.Write(t.Context(), func(tx store.Tx) error {
					_, err := tx.Exec(t.Context(), `INSERT INTO audit_record (seq, kind, line) VALUES (99, 'intent', '{}')`)
					return err
				}))
				// Opened once more, nothing is left to do.
				require.NoError(t, openAt(t, store.Config{URL: address}).Close())
			})
		}
	}
}

// What is evidence cannot be changed or deleted by a statement of ours, and what
// has to change on it can.
func TestEvidenceIsKept(t *testing.T) {
	t.Parallel()
	for dialect, fresh := range dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			address := fresh(t)
			s := openAt(t, store.Config{URL: address})
			db, err := store.At(t.Context(), address, 0)
			require.NoError(t, err)
			fill(t, db, 50)
			require.NoError(t, db.Close())
			for _, row := range keptAndChanged {
				if row.dialect != "" && row.dialect != dialect {
					continue
				}
				err := s.Write(t.Context(), func(tx store.Tx) error {
					_, err := tx.Exec(t.Context(), row.statement)
					return err
				})
				if row.refused == "" {
					require.NoError(t, err, row.statement)
				} else {
					require.ErrorContains(t, err, row.refused, row.statement)
				}
			}
		})
	}
}

// keptAndChanged are statements in an order in which those that pass can pass.
var keptAndChanged = []struct{ dialect, statement, refused string }{
	{"", `UPDATE audit_record SET line = 'x'`, "an audit record is never changed"},
	{"", `DELETE FROM audit_record`, "an audit record is never deleted"},
	{"", `UPDATE audit_hash SET hash = 'x'`, "a hash of the audit log is never changed"},
	{"", `DELETE FROM audit_hash`, "a hash of the audit log is never deleted"},
	{"", `UPDATE audit_checkpoint SET size = 7`, "a checkpoint of the audit log is never changed"},
	{"", `DELETE FROM audit_checkpoint`, "a checkpoint of the audit log is never deleted"},
	{"postgres", `TRUNCATE audit_record`, "an audit record is never deleted"},
	{"postgres", `TRUNCATE certificate`, "a certificate is never deleted"},
	{"sqlite", `INSERT OR REPLACE INTO audit_record (seq, kind, line) VALUES (0, 'intent', 'another')`, "an audit record is never deleted"},

	{"", `UPDATE certificate SET der = 'another'`, "a certificate is never changed"},
	{"", `UPDATE certificate SET serial = 'another'`, "a certificate is never changed"},
	{"", `UPDATE certificate SET status = 'I', recorded_at = 0`, "a certificate is never changed"},
	{"", `DELETE FROM certificate`, "a certificate is never deleted"},
	{"", `UPDATE certificate SET status = 'R'`, ""},
	{"", `UPDATE certificate SET status = 'I'`, "what is revoked stays revoked"},
	{"", `UPDATE iki_certificate SET cn = 'another'`, "an IKI certificate is never changed"},
	{"", `DELETE FROM iki_certificate`, "an IKI certificate is never deleted"},
	{"", `UPDATE iki_certificate SET status = 'R'`, ""},
	{"", `UPDATE iki_certificate SET status = 'I'`, "what is revoked stays revoked"},

	{"", `UPDATE intent SET tbs = 'other bytes' WHERE state = 'open'`, "an intent is never changed"},
	{"", `UPDATE intent SET serial = 'another' WHERE state = 'open'`, "an intent is never changed"},
	{"", `UPDATE intent SET state = 'open' WHERE state = 'recorded'`, "an intent is settled once"},
	{"", `UPDATE intent SET state = 'written-off', cause = 'its owner died', settled_at = 9 WHERE state = 'open'`, ""},
	{"", `UPDATE intent SET cause = 'another' WHERE state = 'written-off'`, "an intent is settled once"},
	{"", `DELETE FROM intent`, "an intent is never deleted"},

	{"", `UPDATE revocation SET revoked_at = 0`, "a revocation is never changed"},
	{"", `DELETE FROM revocation`, "a revocation is never deleted"},
	{"", `UPDATE crl SET der = 'another'`, "a published list is never changed"},
	{"", `DELETE FROM crl`, "a published list is never deleted"},
	{"", `DELETE FROM blocked_key`, ""},

	{"", `UPDATE smkiws_item SET csr = 'another'`, "an item of a batch is never changed"},
	{"", `UPDATE smkiws_outcome SET detail = 'another'`, "what became of an item is never changed"},
	{"", `UPDATE smkiws_batch SET requester = 'another'`, "what was uploaded is never changed"},
	{"", `UPDATE smkiws_batch SET state = 'PROCESSING', queued_record = 0`, ""},
	{"", `DELETE FROM smkiws_batch WHERE id = 1`, "a batch is never deleted"},
	{"", `UPDATE batch_item SET request = 'another'`, "what an item asks for is never changed"},
	{"", `UPDATE batch_item SET tries = 7`, ""},
}

// A service that logs in with the service's role can do what the rooms do, and is
// refused by the server where a trigger, which the owner could drop, is not needed.
func TestServiceRole(t *testing.T) {
	t.Parallel()
	_, err := store.ServiceRole(`x"; DROP TABLE intent; --`)
	require.ErrorContains(t, err, "lower-case letters")

	address := storetest.Postgres(t)
	require.NoError(t, openAt(t, store.Config{URL: address}).Close())
	db, err := store.At(t.Context(), address, 0)
	require.NoError(t, err)
	fill(t, db, 50)
	name := fmt.Sprint("service_", os.Getpid())
	script, err := store.ServiceRole(name)
	require.NoError(t, err)
	for range 2 {
		_, err = db.ExecContext(t.Context(), script)
		require.NoError(t, err)
	}
	_, err = db.ExecContext(t.Context(), fmt.Sprintf(`CREATE ROLE %s_login LOGIN PASSWORD 'drowssap' IN ROLE %s`, name, name))
	require.NoError(t, err)
	require.NoError(t, db.Close())
	t.Cleanup(func() { // roles are the server's, and outlive the database
		db, err := store.At(context.Background(), address, 0)
		if err == nil {
			_, _ = db.Exec(fmt.Sprintf(`DROP OWNED BY %s; DROP ROLE %s_login; DROP ROLE %s`, name, name, name))
			_ = db.Close()
		}
	})

	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	q.Set("user", name+"_login")
	u.RawQuery = q.Encode()
	s := openAt(t, store.Config{URL: u.String()})
	lease, err := s.Lease(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Write(t.Context(), checkpoint(t, 77)))
	require.NoError(t, lease.Release())
	for _, row := range keptAndChanged {
		if row.dialect == "sqlite" || row.statement == `DELETE FROM blocked_key` {
			continue
		}
		err := s.Write(t.Context(), func(tx store.Tx) error {
			_, err := tx.Exec(t.Context(), row.statement)
			return err
		})
		switch {
		case row.refused == "":
			require.NoError(t, err, row.statement)
		case strings.Contains(row.refused, "once") || strings.Contains(row.refused, "stays"):
			require.ErrorContains(t, err, row.refused, row.statement)
		default:
			require.ErrorContains(t, err, "permission denied", row.statement)
		}
	}
	for _, statement := range []string{
		`ALTER TABLE certificate DISABLE TRIGGER ALL`, `DROP TRIGGER certificate_kept ON certificate`, `DROP TABLE audit_record`,
		`SET LOCAL session_replication_role = replica`, `CREATE TABLE mine (n INTEGER)`, `DELETE FROM goose_db_version`,
	} {
		require.Error(t, s.Write(t.Context(), func(tx store.Tx) error {
			_, err := tx.Exec(t.Context(), statement)
			return err
		}), statement)
	}
}
