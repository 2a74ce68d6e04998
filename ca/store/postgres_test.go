package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

func openAt(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// The address in errors and logs says which database it is, and no secret.
func TestPostgreSQLName(t *testing.T) {
	t.Parallel()
	address := storetest.Postgres(t)
	var log bytes.Buffer
	s := openAt(t, store.Config{URL: address, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.True(t, s.Distributed())
	u, err := url.Parse(address)
	require.NoError(t, err)
	require.Equal(t, "postgres://postgres@"+u.Query().Get("host")+":5432"+u.Path, s.String())
	require.NoError(t, s.Close())
	require.NotContains(t, log.String()+s.String(), "drowssap")

	// A wrong password is refused by the server, and told to nobody.
	file := filepath.Join(t.TempDir(), "pgpass")
	require.NoError(t, os.WriteFile(file, []byte("*:*:*:*:hunter2\n"), 0o600))
	q := u.Query()
	q.Set("passfile", file)
	u.RawQuery = q.Encode()
	_, err = store.Open(t.Context(), store.Config{URL: u.String()})
	require.ErrorContains(t, err, "password authentication failed")
	require.NotContains(t, err.Error(), "hunter2")
}

// What "on disk" rests on, and what frees the one write lock if its holder stops.
func TestPostgreSQLSettings(t *testing.T) {
	t.Parallel()
	s := openAt(t, store.Config{URL: storetest.Postgres(t)})
	require.NoError(t, s.Write(t.Context(), func(tx store.Tx) error {
		for setting, want := range map[string]string{
			"synchronous_commit": "on", "transaction_isolation": "read committed",
			"lock_timeout": "30s", "idle_in_transaction_session_timeout": "10s",
		} {
			var got string
			if err := tx.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil {
				return err
			}
			if got != want {
				return fmt.Errorf("%s is %s, want %s", setting, got, want)
			}
		}
		return nil
	}))
}

// A write that was cut off before COMMIT did not happen, for certain; one that was
// cut off while COMMIT was on its way is in doubt. Both times the store goes on.
func TestPostgreSQLConnectionLost(t *testing.T) {
	t.Parallel()
	var faults store.Faults
	s := openAt(t, store.Config{URL: storetest.Postgres(t), Faults: &faults})
	err := s.Write(t.Context(), func(tx store.Tx) error {
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
	require.Error(t, s.Write(t.Context(), checkpoint(t, 3)))
	require.NoError(t, s.Write(t.Context(), checkpoint(t, 4)))
	require.Equal(t, 2, checkpoints(t, s), "as it was, the second did not happen")
}

// A transaction whose server ends it instead of committing did not happen.
func TestPostgreSQLCommitRefused(t *testing.T) {
	t.Parallel()
	s := openAt(t, store.Config{URL: storetest.Postgres(t)})
	require.NoError(t, s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TABLE late (n INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)`)
		return err
	}))
	twice := func(tx store.Tx) error {
		for range 2 {
			if _, err := tx.Exec(t.Context(), `INSERT INTO late (n) VALUES (1)`); err != nil {
				return err
			}
		}
		return nil
	}
	err := s.Write(t.Context(), twice)
	require.ErrorContains(t, err, "duplicate key")
	require.NotErrorIs(t, err, store.ErrUncertain)
	err = s.Write(t.Context(), func(tx store.Tx) error {
		_ = checkpoint(t, 1)(tx)
		_ = checkpoint(t, 1)(tx) // fails, and is kept quiet
		return nil
	})
	require.Error(t, err, "COMMIT of a failed transaction is a rollback, and is told")
	require.NotErrorIs(t, err, store.ErrUncertain)
	require.NoError(t, s.Write(t.Context(), checkpoint(t, 2)))
	require.Equal(t, 1, checkpoints(t, s))
}

// The server is killed while writers are at work, and starts again: every write
// that returned is there, every write that failed for certain is not, and the
// same stores go on.
func TestPostgreSQLKilled(t *testing.T) {
	t.Parallel()
	server := storetest.NewServer(t, true)
	address := server.Database(t)
	stores := []*store.Store{openAt(t, store.Config{URL: address}), openAt(t, store.Config{URL: address})}
	const each = 2000
	var mu sync.Mutex
	outcome := make(map[int]error)
	told := make(chan struct{}, 2*each)
	var wait sync.WaitGroup
	for n, s := range stores {
		for lane := range 4 {
			wait.Go(func() {
				for k := range each / 4 {
					size := 1 + n*each + lane*each/4 + k
					err := s.Write(t.Context(), checkpoint(t, size))
					mu.Lock()
					outcome[size] = err
					mu.Unlock()
					told <- struct{}{}
				}
			})
		}
	}
	for range 200 {
		<-told
	}
	require.NoError(t, server.Kill())
	go func() { // the lanes run into a server that is not there, and end
		for range told {
		}
	}()
	wait.Wait()
	close(told)
	require.NoError(t, server.Start())

	there := make(map[int]bool)
	require.NoError(t, stores[0].Read(t.Context(), func(tx store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT size FROM audit_checkpoint`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var size int
			if err := rows.Scan(&size); err != nil {
				return err
			}
			there[size] = true
		}
		return rows.Err()
	}))
	failed := 0
	for size, err := range outcome {
		switch {
		case err == nil:
			require.True(t, there[size], "write %d returned and is lost", size)
		case !errors.Is(err, store.ErrUncertain):
			failed++
			require.False(t, there[size], "write %d failed for certain and is there: %v", size, err)
		}
	}
	require.Positive(t, failed, "the kill came in time")
	for n, s := range stores {
		require.NoError(t, s.Write(t.Context(), checkpoint(t, 100000+n)), "the same store goes on")
	}
}

// A process that was silent for longer than its term is dead for everyone and for
// good: when it comes back it can write nothing any more.
func TestSilentOwner(t *testing.T) {
	t.Parallel()
	address := storetest.Postgres(t)
	sleeper := openAt(t, store.Config{URL: address, LeaseTerm: 200 * time.Millisecond})
	other := openAt(t, store.Config{URL: address})
	lease, err := sleeper.Lease(t.Context())
	require.NoError(t, err)
	long, err := other.Lease(t.Context())
	require.NoError(t, err)
	require.NoError(t, sleeper.Write(t.Context(), checkpoint(t, 1)))

	sleeper.SilenceLeases()
	require.Eventually(t, func() bool {
		alive, err := other.Alive(t.Context(), lease.ID())
		return err == nil && !alive
	}, 10*time.Second, 20*time.Millisecond)
	err = sleeper.Write(t.Context(), checkpoint(t, 2))
	require.ErrorIs(t, err, store.ErrLeaseLost)
	require.NotErrorIs(t, err, store.ErrUncertain)
	require.Equal(t, 1, checkpoints(t, other))
	alive, err := other.Alive(t.Context(), long.ID())
	require.NoError(t, err)
	require.True(t, alive, "each has its own term")
	require.NoError(t, other.Write(t.Context(), checkpoint(t, 3)))
}

// A process whose lease row was taken hears of it.
func TestLeaseLostIsTold(t *testing.T) {
	t.Parallel()
	s := openAt(t, store.Config{URL: storetest.Postgres(t), LeaseTerm: 300 * time.Millisecond})
	lease, err := s.Lease(t.Context())
	require.NoError(t, err)
	storetest.Tamper(t, s, `DELETE FROM lease`)
	<-lease.Lost()
	require.ErrorIs(t, s.Write(t.Context(), checkpoint(t, 1)), store.ErrLeaseLost)
}

// On PostgreSQL a process that is killed is dead when its term is over, and not
// before.
func TestDeadOwnerOnPostgreSQL(t *testing.T) {
	t.Parallel()
	address := storetest.Postgres(t)
	s := openAt(t, store.Config{URL: address})
	o := startOwner(t, address)
	id := o.id(t)
	require.NoError(t, o.cmd.Process.Kill())
	_ = o.cmd.Wait()
	alive, err := s.Alive(t.Context(), id)
	require.NoError(t, err)
	require.True(t, alive, "nobody can tell it from one that is slow")
	require.Eventually(t, func() bool {
		alive, err := s.Alive(t.Context(), id)
		return err == nil && !alive
	}, 20*time.Second, 50*time.Millisecond)
}

func TestOpenTogetherOnPostgreSQL(t *testing.T) {
	t.Parallel()
	address := storetest.Postgres(t)
	owners := make([]owner, 4)
	for n := range owners {
		owners[n] = startOwner(t, address)
	}
	for _, o := range owners {
		require.Regexp(t, `^[0-9a-f]{32}$`, string(o.id(t)), "every process opened the new database")
	}
}

// A process that is stopped in the middle of a write holds everybody up until the
// server loses patience with it, and no longer.
func TestStoppedWriter(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits ten seconds for the server's patience")
	}
	address := storetest.Postgres(t)
	stopped, other := openAt(t, store.Config{URL: address}), openAt(t, store.Config{URL: address})
	held, hold := make(chan struct{}), make(chan struct{})
	var wait sync.WaitGroup
	var err error
	wait.Go(func() {
		err = stopped.Write(context.Background(), func(tx store.Tx) error {
			if err := checkpoint(t, 1)(tx); err != nil {
				return err
			}
			close(held)
			<-hold
			return nil
		})
	})
	<-held
	require.NoError(t, other.Write(t.Context(), checkpoint(t, 2)), "waited, and went on")
	close(hold)
	wait.Wait()
	require.Error(t, err, "its transaction is gone")
	require.Equal(t, 1, checkpoints(t, other))
	require.NoError(t, stopped.Write(t.Context(), checkpoint(t, 3)))
}

// A room must not build its SQL in a way that one of the two does not read: the
// folders of migrations have the same numbers and names.
func TestSameLevels(t *testing.T) {
	t.Parallel()
	sqlite, err := store.Levels("sqlite")
	require.NoError(t, err)
	postgres, err := store.Levels("postgres")
	require.NoError(t, err)
	require.Equal(t, strings.Join(sqlite, "\n"), strings.Join(postgres, "\n"),
		"a level of one database is a level of the other: write migrations/postgres/NAME.sql beside migrations/sqlite/NAME.sql")
}
