package store_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
)

// A copy taken while somebody writes has every write that had returned before, and
// of the others all or nothing; the writer goes on.
func TestSnapshotDuringWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Config{URL: filepath.Join(dir, "smki.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	pair := func(n int64) func(store.Tx) error {
		return func(tx store.Tx) error {
			for k := range int64(2) {
				if _, err := tx.Exec(t.Context(), `INSERT INTO audit_checkpoint (size, note) VALUES ($1, $2)`, 2*n+k, make([]byte, 2000)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	var written atomic.Int64
	writing, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for n := int64(0); writing.Err() == nil; n++ {
			if err := s.Write(t.Context(), pair(n)); err != nil {
				t.Error(err)
				return
			}
			written.Store(n + 1)
		}
	})
	for written.Load() < 50 {
		require.NoError(t, s.Read(t.Context(), func(store.Tx) error { return nil }))
	}
	before := written.Load()
	path := filepath.Join(dir, "copy.db")
	require.NoError(t, s.Snapshot(t.Context(), path))
	stop()
	done.Wait()

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	c, err := store.Open(t.Context(), store.Config{URL: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	var rows int64
	require.NoError(t, c.Read(t.Context(), func(tx store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM audit_checkpoint`).Scan(&rows)
	}))
	require.GreaterOrEqual(t, rows, 2*before)
	require.Zero(t, rows%2)
	require.ErrorIs(t, s.Snapshot(t.Context(), path), os.ErrExist, "nothing is replaced")
}
