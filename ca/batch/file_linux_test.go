package batch_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/batch"
)

// Both ways to name a file that is written already. Not parallel: which is used is
// the process's to say.
func TestOutputNamesFiles(t *testing.T) {
	defer batch.NameByProc(false)
	for _, byProc := range []bool{false, true} {
		batch.NameByProc(byProc)
		dir := t.TempDir()
		out, err := batch.NewOutput(dir)
		require.NoError(t, err)
		for _, text := range []string{"one", "one", "another"} {
			require.NoError(t, out.Certificate("a", []byte(text)), "a file that is there is compared, and replaced if it differs")
			got, err := os.ReadFile(filepath.Join(dir, "certs", "a.pem"))
			require.NoError(t, err)
			block, rest := pem.Decode(got)
			require.Equal(t, text, string(block.Bytes))
			require.Empty(t, rest)
		}
		names, err := os.ReadDir(filepath.Join(dir, "certs"))
		require.NoError(t, err)
		require.Len(t, names, 1, "nothing else is left")
	}
}
