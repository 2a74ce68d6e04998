package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

// filled makes a file with rows in it.
func filled(t *testing.T) string {
	path, _ := numbered(t)
	return path
}

// numbered returns the greatest number of a batch's item that was ever given out too.
func numbered(t *testing.T) (path string, last int64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "smki.db")
	require.NoError(t, openAt(t, store.Config{URL: path}).Close())
	db, err := store.At(t.Context(), path, 0)
	require.NoError(t, err)
	defer db.Close()
	fill(t, db, 50)
	for n := range 2500 {
		_, err := db.ExecContext(t.Context(), `INSERT INTO batch_item (batch, id, digest, request, state, settled_at) VALUES ('b', $1, $2, 'request', 'waiting', NULL)`,
			fmt.Sprint("item-", n), []byte{byte(n), 0, 0xff})
		if n == 0 && err != nil {
			_, err = db.ExecContext(t.Context(), `INSERT INTO batch (id, requester, created_at) VALUES ('b', 'somebody', 1)`)
		}
		require.NoError(t, err)
	}
	// A number that was given out and taken back is not given out again.
	require.NoError(t, db.QueryRow(`SELECT MAX(seq) FROM batch_item`).Scan(&last))
	_, err = db.ExecContext(t.Context(), `DELETE FROM batch_item WHERE seq = (SELECT MAX(seq) FROM batch_item)`)
	require.NoError(t, err)
	return path, last
}

// rowsOf counts the rows of every table that a move takes along.
func rowsOf(t *testing.T, s *store.Store, tables []store.RemovedTable) map[string]int64 {
	t.Helper()
	counts := make(map[string]int64)
	require.NoError(t, s.Read(t.Context(), func(tx store.Tx) error {
		for _, table := range tables {
			var n int64
			if err := tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM `+table.Name).Scan(&n); err != nil {
				return err
			}
			counts[table.Name] = n
		}
		return nil
	}))
	return counts
}

// A ledger goes from its file to PostgreSQL: rows, numbers and all.
func TestMove(t *testing.T) {
	t.Parallel()
	path, last := numbered(t)
	address := storetest.Postgres(t)

	dry, err := store.Move(t.Context(), store.Removal{From: path, To: address, DryRun: true})
	require.NoError(t, err)
	require.False(t, dry.Before)
	db, err := store.At(t.Context(), address, 0)
	require.NoError(t, err)
	var made int
	require.NoError(t, db.QueryRow(`SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'goose_db_version'`).Scan(&made))
	require.Zero(t, made, "a dry run makes nothing")
	require.NoError(t, db.Close())

	before := openAt(t, store.Config{URL: path}) // a process that looks, and has no lease
	asked := false
	moved, err := store.Move(t.Context(), store.Removal{From: path, To: address, Agree: func(ctx context.Context, from, to store.Tx) error {
		asked = true
		var a, b int
		require.NoError(t, from.QueryRow(ctx, `SELECT COUNT(*) FROM batch_item`).Scan(&a))
		require.NoError(t, to.QueryRow(ctx, `SELECT COUNT(*) FROM batch_item`).Scan(&b))
		require.Equal(t, a, b)
		return nil
	}})
	require.NoError(t, err)
	require.True(t, asked)
	require.Equal(t, dry.Tables, moved.Tables)

	now := openAt(t, store.Config{URL: address})
	for name, n := range rowsOf(t, now, moved.Tables) {
		for _, table := range moved.Tables {
			if table.Name == name {
				require.Equal(t, table.Rows, n, name)
			}
		}
	}
	require.NoError(t, now.Write(t.Context(), func(tx store.Tx) error {
		numbers, err := tx.Insert(t.Context(), store.Rows{Table: "batch_item", Key: "seq", Columns: []string{"batch", "id", "digest", "request", "state"},
			Values: [][]any{{"b", "next", []byte{1}, []byte{2}, "waiting"}}})
		require.Greater(t, numbers[0], last, "after the number that was taken back")
		return err
	}))

	// The file is a record of what was.
	_, err = store.Open(t.Context(), store.Config{URL: path})
	require.ErrorIs(t, err, store.ErrMoved)
	require.ErrorContains(t, err, "postgres://")
	require.ErrorContains(t, before.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO audit_record (seq, kind, line) VALUES (99, 'x', 'y')`)
		return err
	}), "this database was moved")
	require.FileExists(t, path)
}

// A move that ends in the middle has moved nothing; one that had only to say so goes
// on; and nothing that is there is written over.
func TestMoveIsWholeOrNot(t *testing.T) {
	t.Parallel()
	path, address := filled(t), storetest.Postgres(t)
	died := errors.New("killed")
	_, err := store.Move(t.Context(), store.Removal{From: path, To: address, Agree: func(context.Context, store.Tx, store.Tx) error { return died }})
	require.ErrorIs(t, err, died)
	there := openAt(t, store.Config{URL: address})
	for name, n := range rowsOf(t, there, []store.RemovedTable{{Name: "batch_item"}, {Name: "intent"}, {Name: "audit_record"}}) {
		require.Zero(t, n, name)
	}
	here := openAt(t, store.Config{URL: path})
	require.NoError(t, here.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE batch_item SET tries = 1`)
		return err
	}), "the file is what it was: in use")

	// Committed there, and killed before the file was marked.
	require.NoError(t, here.Close())
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	moved, err := store.Move(t.Context(), store.Removal{From: path, To: address})
	require.NoError(t, err)
	require.False(t, moved.Before)
	unmarked := filepath.Join(t.TempDir(), "smki.db")
	require.NoError(t, os.WriteFile(unmarked, kept, 0o600))
	again, err := store.Move(t.Context(), store.Removal{From: unmarked, To: address})
	require.NoError(t, err)
	require.True(t, again.Before, "the copy is there; only the mark was missing")
	require.Equal(t, moved.Tables, again.Tables)
	_, err = store.Open(t.Context(), store.Config{URL: unmarked})
	require.ErrorIs(t, err, store.ErrMoved)

	// Marked, and killed before the caller's switch.
	again, err = store.Move(t.Context(), store.Removal{From: unmarked, To: address})
	require.NoError(t, err)
	require.True(t, again.Before)
	_, err = store.Move(t.Context(), store.Removal{From: unmarked, To: storetest.Postgres(t)})
	require.ErrorContains(t, err, "before", "a file goes to one database")

	// Another CA's database, and one that went on in the meantime.
	_, err = store.Move(t.Context(), store.Removal{From: filled(t), To: address})
	require.ErrorContains(t, err, "the new database holds something else")
}

// Nobody else may be at work.
func TestMoveWaitsForNobody(t *testing.T) {
	t.Parallel()
	path, address := filled(t), storetest.Postgres(t)
	s := openAt(t, store.Config{URL: path})
	lease, err := s.Lease(t.Context())
	require.NoError(t, err)
	for _, dry := range []bool{true, false} {
		_, err = store.Move(t.Context(), store.Removal{From: path, To: address, DryRun: dry})
		require.ErrorContains(t, err, "stop every server")
	}
	require.NoError(t, lease.Release())
	_, err = store.Move(t.Context(), store.Removal{From: path, To: address})
	require.NoError(t, err)

	_, err = store.Move(t.Context(), store.Removal{From: filepath.Join(t.TempDir(), "none.db"), To: address})
	require.ErrorIs(t, err, os.ErrNotExist, "no empty file is made in its place")
	_, err = store.Move(t.Context(), store.Removal{From: filled(t), To: filled(t)})
	require.ErrorContains(t, err, "no address of a PostgreSQL database")
}

// Every table is named in the script of the service's role, in a class of its own;
// and no right there is one that a trigger refuses.
func TestServiceRoleNamesEveryTable(t *testing.T) {
	t.Parallel()
	address := storetest.Postgres(t)
	require.NoError(t, openAt(t, store.Config{URL: address}).Close())
	db, err := store.At(t.Context(), address, 0)
	require.NoError(t, err)
	defer db.Close()
	name := fmt.Sprint("named_", os.Getpid())
	script, err := store.ServiceRole(name)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), script)
	require.NoError(t, err)
	defer func() { _, _ = db.Exec(fmt.Sprintf(`DROP OWNED BY %s; DROP ROLE %s`, name, name)) }()

	may := func(table, right string) bool {
		var yes bool
		require.NoError(t, db.QueryRow(`SELECT has_table_privilege($1, $2, $3)`, name, table, right).Scan(&yes))
		return yes
	}
	rows, err := db.Query(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name`)
	require.NoError(t, err)
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var table string
		require.NoError(t, rows.Scan(&table))
		tables = append(tables, table)
	}
	require.NoError(t, rows.Err())
	working := strings.Fields("lease write_probe work_wanted smkiws_upload smkiws_item smkiws_outcome smkiws_shard")
	changing := strings.Fields("lease write_probe work_wanted smkiws_upload smkiws_shard")
	for _, table := range tables {
		require.True(t, may(table, "SELECT"), "ca/store/role.sql does not name the table %q: say there what the service may do with it, and give it a line in this test", table)
		require.Equal(t, table != "goose_db_version", may(table, "INSERT"), table)
		require.Equal(t, slices.Contains(changing, table), may(table, "UPDATE"), "%s: the whole row may be changed", table)
		require.Equal(t, slices.Contains(working, table), may(table, "DELETE"), "%s: rows may be deleted", table)
		require.False(t, may(table, "TRUNCATE") || may(table, "TRIGGER") || may(table, "REFERENCES"), table)
	}
	// Of what is evidence, these columns and no others.
	columns := map[string]string{
		"intent": "state cause settled_at", "certificate": "status", "iki_certificate": "status",
		"ra_party": "name category roles device_sub org_sub state cause revision changed_at", "ra_identifier": "released_at",
		"ra_officer": "state cause changed_at", "ra_credential": "state cause changed_at",
		"ra_approval": "state cause result owner revision settled_at", "ra_request": "state cause serial revision changed_at",
		"ra_revocation":  "state evidence deferred_until cause revision changed_at",
		"repository_key": "revoked_by revoked_at cause", "repository_file": "state certificates changes octets digest published_at",
		"batch_item":   "state owner tries serial error_code detail settled_at",
		"smkiws_batch": "state owner decided_at decided_by reason finished_at purged_at queued_record",
		"restoration":  "released_at released_by record",
	}
	cells, err := db.Query(`SELECT table_name, column_name, has_column_privilege($1, table_name, column_name, 'UPDATE') FROM information_schema.columns WHERE table_schema = 'public'`, name)
	require.NoError(t, err)
	defer cells.Close()
	for cells.Next() {
		var table, column string
		var yes bool
		require.NoError(t, cells.Scan(&table, &column, &yes))
		want := slices.Contains(changing, table) || slices.Contains(strings.Fields(columns[table]), column)
		require.Equal(t, want, yes, "%s.%s may be changed", table, column)
	}
	require.NoError(t, cells.Err())
}
