package store_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
)

// Whoever writes little waits for one long write and not for all that are queued, and
// the long ones have their turn however many write little.
func TestLongWritesTakeTurns(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		says        string
		short, long int
		wasLong     bool
		want        []string
	}{
		{"a revocation comes before the batches that were queued first", 1, 3, true, []string{"short 1", "long 1", "long 1", "long 1"}},
		{"those who write little share a transaction", 3, 1, true, []string{"short 3", "long 1"}},
		{"after them it is a long one's turn", 2, 2, false, []string{"long 1", "short 2", "long 1"}},
		{"more than share one do not keep a long one waiting", 600, 2, true, []string{"short 512", "long 1", "short 88", "long 1"}},
		{"the only kind there is need not wait for the other", 0, 2, true, []string{"long 1", "long 1"}},
	} {
		require.Equal(t, row.want, store.Transactions(row.short, row.long, row.wasLong), row.says)
	}
}

// A long write is a write: it is there when it returns, or nothing of it is.
func TestLongWrite(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return filepath.Join(t.TempDir(), "ca.db") },
		"PostgreSQL": storetest.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, address(t))
			add := func(at int, then error) func(store.Tx) error {
				return func(tx store.Tx) error {
					_, err := tx.Exec(t.Context(), `INSERT INTO write_probe (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = $1`, at)
					return errors.Join(err, then)
				}
			}
			no := errors.New("no")
			require.NoError(t, s.WriteLong(t.Context(), add(1, nil)))
			require.ErrorIs(t, s.WriteLong(t.Context(), add(2, no)), no)
			var at int
			require.NoError(t, s.Read(t.Context(), func(tx store.Tx) error {
				require.Equal(t, s.Distributed(), store.TakesLists(tx))
				return tx.QueryRow(t.Context(), `SELECT at FROM write_probe`).Scan(&at)
			}))
			require.Equal(t, 1, at)
			require.NoError(t, s.ReadOne(t.Context(), func(tx store.Tx) error {
				require.Equal(t, s.Distributed(), store.TakesLists(tx))
				return tx.QueryRow(t.Context(), `SELECT at FROM write_probe`).Scan(&at)
			}))
			require.Equal(t, 1, at)
			require.Error(t, s.ReadOne(t.Context(), add(3, nil)), "a read cannot write, in a transaction or without one")
		})
	}
}
