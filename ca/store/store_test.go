package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) string { return filepath.Join(t.TempDir(), "ca.db") })
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Postgres)
}

func open(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: path})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ url, says string }{
		"a password in the address":                 {"postgres://ca:hunter2@db/smki", "name the file with ?passfile="},
		"a password in the query":                   {"postgresql://db/smki?user=ca&password=hunter2", "name the file with ?passfile="},
		"an address that cannot be read":            {"postgres://ca:hunter2@db:port/smki", "cannot be read"},
		"a password file that is not there":         {"postgres://ca@db/smki?passfile=/nowhere/hunter2.not", "no such file"},
		"a password file that others can read":      {"postgres://ca@db/smki?passfile=" + openFile(t), "run chmod 600 on it"},
		"a server that is not there":                {"postgres:///smki?host=/nowhere&user=ca", "opening store \"postgres://ca@/nowhere:5432/smki\""},
		"an unknown scheme":                         {"mysql://ca:hunter2@db/smki", `unknown kind of address "mysql://"`},
		"nothing":                                   {"", "no path given"},
		"a database that dies with its process":     {":memory:", "would not survive"},
		"a folder that is a file":                   {"/dev/null/ca.db", "opening store"},
		"a file that is no database, by its header": {notADatabase(t), "not a database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Open(t.Context(), store.Config{URL: row.url})
			require.ErrorContains(t, err, row.says)
			require.NotContains(t, strings.ReplaceAll(err.Error(), "hunter2.not", ""), "hunter2", "an address may hold a password")
		})
	}
}

func openFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "pgpass")
	require.NoError(t, os.WriteFile(path, []byte("*:*:*:*:hunter2\n"), 0o640))
	return path
}

func notADatabase(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "notes.txt")
	text := make([]byte, 4096)
	copy(text, "These are notes and not a database.")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

func TestOpenAcceptsAwkwardPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space.db", "per%cent.db", "question?.db", "hash#.db", "ünïcode.db"} {
		path := filepath.Join(t.TempDir(), "new folder", name)
		require.NoError(t, open(t, "sqlite:"+path).Close())
		info, err := os.Stat(path)
		require.NoError(t, err, "the file has the name it was given")
		require.Positive(t, info.Size())
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestOpenRefusesNewerTables(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.db")
	require.NoError(t, open(t, path).Close())
	db, err := sql.Open("sqlite3", path)
	require.NoError(t, err)
	_, err = db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = store.Open(t.Context(), store.Config{URL: path})
	require.ErrorContains(t, err, "use the newer program")
}

// What "on disk" rests on: the write-ahead log is synced at every commit, and rows
// that refer to each other do.
func TestDurabilitySettings(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "ca.db"))
	require.NoError(t, s.Write(t.Context(), func(tx store.Tx) error {
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
			var got string
			if err := tx.QueryRow(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil {
				return err
			}
			if got != want {
				return fmt.Errorf("%s is %s, want %s", pragma, got, want)
			}
		}
		return nil
	}))
}

// A disk that is full fails one write for certain, and the store goes on when
// there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "ca.db"))
	pages := func(n int) {
		require.NoError(t, s.Write(t.Context(), func(tx store.Tx) error {
			rows, err := tx.Query(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
			if err == nil {
				err = rows.Close()
			}
			return err
		}))
	}
	fill := func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO audit_checkpoint (size, note) VALUES (1, zeroblob(1000000))`)
		return err
	}
	pages(1)
	err := s.Write(t.Context(), fill)
	require.ErrorContains(t, err, "full")
	require.NotErrorIs(t, err, store.ErrUncertain)
	pages(1 << 20)
	require.NoError(t, s.Write(t.Context(), fill))
}

// The database itself refuses the commit, and says that the transaction is still
// open: nothing happened, and that is certain.
func TestCommitRefused(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "ca.db"))
	orphan := func(tx store.Tx) error {
		// A row whose intent is not there, which SQLite is told to notice at the end.
		if _, err := tx.Exec(t.Context(), `PRAGMA defer_foreign_keys = ON`); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO crl (issuer, number, intent, this_update, next_update, entries, covers, published_at, der)
			VALUES ('x', 1, 99, 0, 0, 0, 0, 0, '')`)
		return err
	}
	err := s.Write(t.Context(), orphan)
	require.ErrorContains(t, err, "FOREIGN KEY")
	require.NotErrorIs(t, err, store.ErrUncertain)
	require.NoError(t, s.Write(t.Context(), checkpoint(t, 1)))
	require.Equal(t, 1, checkpoints(t, s))
}

// The connection dies before COMMIT was said: certain. It dies while COMMIT is
// said: in doubt. Both times the committer connects again for the next write.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	var faults store.Faults
	s, err := store.Open(t.Context(), store.Config{URL: filepath.Join(t.TempDir(), "ca.db"), Faults: &faults})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })

	err = s.Write(t.Context(), func(tx store.Tx) error {
		if err := s.BreakConnection(); err != nil {
			return err
		}
		return checkpoint(t, 1)(tx)
	})
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrUncertain)
	require.NoError(t, s.Write(t.Context(), checkpoint(t, 2)))
	require.Equal(t, 1, checkpoints(t, s))

	faults.FailBeforeCommit(0, s.BreakConnection)
	err = s.Write(t.Context(), checkpoint(t, 3))
	require.ErrorIs(t, err, store.ErrUncertain, "nobody can tell")
	require.NoError(t, s.Write(t.Context(), checkpoint(t, 4)))
	require.Equal(t, 2, checkpoints(t, s), "as it was, the second did not happen")
}

func checkpoint(t *testing.T, size int) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO audit_checkpoint (size, note) VALUES ($1, '')`, size)
		return err
	}
}

func checkpoints(t *testing.T, s *store.Store) (n int) {
	require.NoError(t, s.Read(t.Context(), func(tx store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM audit_checkpoint`).Scan(&n)
	}))
	return n
}

// The helper process of TestDeadOwner and TestOpenTogether.
func TestMain(m *testing.M) {
	if path := os.Getenv("STORE_TEST_OWNER"); path != "" {
		s, err := store.Open(context.Background(), store.Config{URL: path, LeaseTerm: 3 * time.Second})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		lease, err := s.Lease(context.Background())
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(lease.ID())
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent lets go, or kills
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type owner struct {
	cmd    *exec.Cmd
	stdout io.Reader
}

// startOwner starts a process that takes a lease on the store at path.
func startOwner(t *testing.T, path string) owner {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_OWNER="+path)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return owner{cmd, stdout}
}

// id waits until the process has its lease.
func (o owner) id(t *testing.T) store.OwnerID {
	line, err := bufio.NewReader(o.stdout).ReadString('\n')
	require.NoError(t, err)
	return store.OwnerID(strings.TrimSpace(line))
}

func TestDeadOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.db")
	s := open(t, path)
	o := startOwner(t, path)
	id := o.id(t)
	alive, err := s.Alive(t.Context(), id)
	require.NoError(t, err)
	require.True(t, alive, "a process that does nothing is alive")

	require.NoError(t, o.cmd.Process.Kill())
	_ = o.cmd.Wait()
	for range 2 { // the first question may clear the dead owner's file away
		alive, err = s.Alive(t.Context(), id)
		require.NoError(t, err)
		require.False(t, alive, "kill -9 ends a lease at once")
	}
}

// The file of an owner who died with nothing to settle goes when the next lease is
// taken; those of the living stay.
func TestLeaseFilesDoNotPileUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.db")
	s := open(t, path)
	mine, err := s.Lease(t.Context())
	require.NoError(t, err)
	for range 3 {
		o := startOwner(t, path)
		o.id(t)
		require.NoError(t, o.cmd.Process.Kill())
		_ = o.cmd.Wait()
	}
	last, err := s.Lease(t.Context())
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(path+"-leases", "*.lock*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	require.NoError(t, last.Release())
	require.NoError(t, mine.Release())
}

func TestOpenTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.db")
	owners := make([]owner, 4)
	for n := range owners {
		owners[n] = startOwner(t, path)
	}
	for _, o := range owners {
		require.Regexp(t, `^[0-9a-f]{32}$`, string(o.id(t)), "every process opened the new database")
	}
}
