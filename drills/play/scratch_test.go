package play

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The folder of a drill that was killed goes with the next one; that of a living
// drill, a kept one and a brand new one stay.
func TestSweep(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	old := time.Now().Add(-time.Hour)
	folder := func(name string, at time.Time) string {
		dir := filepath.Join(temp, scratchPrefix+name)
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte("key"), 0o600))
		require.NoError(t, os.Chtimes(dir, at, at))
		return dir
	}
	dead, fresh := folder("dead", old), folder("fresh", time.Now())
	kept := folder("kept", old)
	require.NoError(t, os.WriteFile(filepath.Join(kept, keptMark), nil, 0o600))
	require.NoError(t, os.Chtimes(kept, old, old))
	living := folder("living", old)
	lock, err := lockScratch(living)
	require.NoError(t, err)
	defer lock.Close()
	require.NoError(t, os.Chtimes(living, old, old))

	sweep(temp, time.Now())

	require.NoDirExists(t, dead)
	for _, dir := range []string{fresh, kept, living} {
		require.DirExists(t, dir)
	}
}
